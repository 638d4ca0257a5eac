//! Staging without a connection: files, manifest and one script, for a task of somebody else's.

use serde::{Deserialize, Serialize};

use super::catalog;
use super::merge_order::check_order;
use super::options::CopyAuthorization;
use super::plan::{self, MergeColumns, TablePlan};
use super::script::Script;
use super::sql::{CopyFrom, LoadSql};
use super::target::{AsItIs, table_name};
use crate::batch::Misfit;
use crate::error::{Error, ErrorKind, Result};
use crate::load::conserve::conserved;
use crate::load::redshift_ledger::folded;
use crate::load::stage::{self, STAGED, StageOptions, StageRequest, Stager};
use crate::load::state::State;
use crate::load::target::{Begun, Counts, Prepared, Refused, Target};
use crate::load::{LoadRequest, Mode};
use crate::plan::{CreateOptions, Dialect, RedshiftEvolve, RedshiftTable, TableName};
use crate::schema::Schema;

const SCRIPT: &str = "load.redshift.sql";
const CHANGES: &str = "changes.redshift.sql";
/// Changes when older readers would misread the object.
const FORM: u32 = 1;

/// How files are staged for a script.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ScriptOptions {
    /// Where files are staged, and how.
    pub stage: StageOptions,
    /// What the script has the cluster read them with. An access key would stand in the script for all to read, so it
    /// is refused. Default: the cluster's default role.
    pub authorization: CopyAuthorization,
    /// The bucket's region, where it is not the cluster's. Only files in CSV can be copied from another region.
    pub copy_region: Option<String>,
    /// How a table that is missing is made. Default: [`CreateOptions::new`], where the table is not there yet.
    pub create: CreateOptions,
    /// The table as it is. Rows are staged for it then, and what it lacks is a script of its own, to be run before.
    /// Default: none, so the table is missing or has been made for the same columns.
    pub live: Option<RedshiftTable>,
    /// How a table that is there may be changed. Default: [`RedshiftEvolve::default`].
    pub evolve: RedshiftEvolve,
    /// Whether the cluster's `enable_large_strings_opt_in` is on, so that texts inside of `SUPER` may have more than 65,535
    /// bytes. A record with one is quarantined otherwise. Default: no.
    pub large_strings: bool,
}

impl ScriptOptions {
    /// The defaults, with files staged as given.
    pub fn new(stage: StageOptions) -> Self {
        let create = CreateOptions::new(Dialect::Redshift).with_if_not_exists(true);
        let (authorization, evolve) = (CopyAuthorization::default(), RedshiftEvolve::default());
        ScriptOptions { stage, authorization, copy_region: None, create, live: None, evolve, large_strings: false }
    }

    /// Sets what the script has the cluster read the files with.
    #[must_use]
    pub fn with_authorization(mut self, authorization: CopyAuthorization) -> Self {
        self.authorization = authorization;
        self
    }

    /// Sets the bucket's region, where it is not the cluster's.
    #[must_use]
    pub fn with_copy_region(mut self, region: impl Into<String>) -> Self {
        self.copy_region = Some(region.into());
        self
    }

    /// Sets how a missing table is made. The options must be Redshift's.
    #[must_use]
    pub fn with_create(mut self, create: CreateOptions) -> Self {
        self.create = create.with_if_not_exists(true);
        self
    }

    /// Says what the table is like that is there.
    #[must_use]
    pub fn with_live(mut self, table: RedshiftTable) -> Self {
        self.live = Some(table);
        self
    }

    /// Sets how a table that is there may be changed.
    #[must_use]
    pub fn with_evolve(mut self, evolve: RedshiftEvolve) -> Self {
        self.evolve = evolve;
        self
    }

    /// Says whether the cluster takes texts of more than 65,535 bytes inside of `SUPER`.
    #[must_use]
    pub fn with_large_strings(mut self, are_taken: bool) -> Self {
        self.large_strings = are_taken;
        self
    }
}

/// A load that is staged: where its files and its script are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StagedLoad {
    form: u32,
    /// The table, quoted.
    pub table: String,
    /// The load's id.
    pub load_id: String,
    /// Records read, rows staged, records kept aside. What of a merge's rows is left over is only known when the script
    /// has run: the ledger has it.
    pub counts: Counts,
    /// The script's URL.
    pub script: String,
    /// The URL of what is to be run once before the script: the changes that a table needs which is there. None if it needs
    /// none.
    #[serde(default)]
    pub changes: Option<String>,
    /// The URL of the files' manifest; none if there is no row.
    pub manifest: Option<String>,
    /// The files, each with its size in bytes.
    pub files: Vec<(String, u64)>,
    /// The URL of the quarantined records, one JSON object a line, with gzip; none if there are none.
    pub quarantine: Option<String>,
    /// What was asked for. Versions before this was kept have left none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<Asked>,
}

/// What a load was staged from and how: under one id these must not differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    mode: String,
    keys: Vec<String>,
    order_by: Option<String>,
    content_hash: String,
    /// The version that staged the load. Another one may plan the same table in another way.
    version: String,
    /// A hash of the table that the data would make.
    table: String,
}

impl Asked {
    fn new(request: &LoadRequest, schema: &Schema, table: &TableName, create: &CreateOptions) -> Self {
        let (mode, keys, order_by) = match &request.mode {
            Mode::Merge(keys) => ("merge", keys.keys.clone(), keys.order_by.clone()),
            Mode::Replace => ("replace", Vec::new(), None),
            Mode::FailIfExists => ("fail", Vec::new(), None),
            Mode::Append => ("append", Vec::new(), None),
        };
        // Not the plan for the table as it is: that changes with each load into it.
        let mut hash = blake3::Hasher::new();
        for column in &schema.columns {
            hash.update(format!("{:?} {:?} {}\n", column.path, column.name, column.ty).as_bytes());
        }
        if let Ok(plan) = plan::create(schema, table, create) {
            for planned in &plan.statements {
                hash.update(planned.sql.as_bytes());
            }
        }
        Asked {
            mode: mode.to_owned(),
            keys,
            order_by,
            content_hash: request.content_hash.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            table: hash.finalize().to_hex().to_string(),
        }
    }

    /// Whether what is staged is what is asked for now.
    fn check(&self, found: &StagedLoad) -> Result<()> {
        let Some(then) = &found.asked else { return Ok(()) };
        let by = |asked: &Asked| (asked.keys.clone(), asked.order_by.clone());
        let differs = if then.mode != self.mode {
            format!("in mode {}, and now it is {}", then.mode, self.mode)
        } else if by(then) != by(self) {
            "to be merged by other fields".to_owned()
        } else if then.content_hash != self.content_hash {
            "from another input".to_owned()
        } else if then.version == self.version && then.table != self.table {
            "for a table of other columns, types or attributes".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Conflict, format!("a load with this id was staged before, {differs}"))
            .with_hint("stage it under another load id (--load-id); the script that was staged before stays as it is"))
    }
}

/// An object store as the place to stage into, with a script for Redshift.
///
/// A load makes, below `<staging URL>/<table>/<load id>/`, the object `staged.json`, which names everything else: the
/// files, their manifest, the quarantine, and `load.redshift.sql`, which brings them into the table exactly once,
/// however often and by how many it is run; and, for a table that is there and lacks something, `changes.redshift.sql`. The object is written last, and only if there is none: of two that stage
/// the same load at once one counts, and the other one's files are taken away again.
#[derive(Debug)]
pub struct StageTarget {
    options: ScriptOptions,
    records: Option<u64>,
    state: State<(), Load>,
    refused: Vec<Refused>,
    warnings: Vec<String>,
}

struct Load {
    table: TableName,
    request: LoadRequest,
    plan: TablePlan,
    merge: Option<MergeColumns>,
    stager: Stager,
    asked: Asked,
}

impl StageTarget {
    /// Makes a target; the store is first spoken to when the load begins.
    pub fn new(options: ScriptOptions) -> Self {
        let state = State::Waiting(());
        StageTarget { options, records: None, state, refused: Vec::new(), warnings: Vec::new() }
    }

    /// Where a load's files and script are, if it is staged.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a wrong table name, [`ErrorKind::Io`] if the store cannot be asked,
    /// [`ErrorKind::Corrupt`] if what it has is not what longshore wrote.
    pub fn find(options: &ScriptOptions, table: &str, load_id: &str) -> Result<Option<StagedLoad>> {
        find(&options.stage, &folded(TableName::parse(table, Dialect::Redshift)?), load_id)
    }

    /// The query for [`ScriptOptions::live`]: a row for each column of the table, in order, with its `name`, `type`, `not_null`,
    /// `has_default` and `comment`. [`live_table`](crate::live_table) reads its result.
    ///
    /// ```
    /// use longshore::load::StageTarget;
    /// assert!(StageTarget::live_query("analytics.events")?.starts_with("SELECT "));
    /// # Ok::<(), longshore::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a wrong table name.
    pub fn live_query(table: &str) -> Result<String> {
        Ok(catalog::listing(&folded(TableName::parse(table, Dialect::Redshift)?)))
    }
}

fn find(options: &StageOptions, table: &TableName, load_id: &str) -> Result<Option<StagedLoad>> {
    let Some(content) = stage::read(options, table, load_id, STAGED)? else { return Ok(None) };
    let damaged = |what: String| {
        Error::new(ErrorKind::Corrupt, format!("{STAGED} of the load: {what}"))
            .with_hint("something else wrote below the staging URL: move it away, then stage again")
    };
    let found: StagedLoad = serde_json::from_slice(&content).map_err(|error| damaged(error.to_string()))?;
    if found.form != FORM {
        return Err(damaged(format!("it has form {}, this version reads {FORM}", found.form)));
    }
    if found.load_id != load_id || found.table != table.quoted() {
        return Err(damaged("it is of another load or table".to_owned()));
    }
    Ok(Some(found))
}

impl Target for StageTarget {
    fn expect(&mut self, records: u64) {
        self.records = Some(records);
    }

    fn begin(&mut self, schema: &Schema, request: &LoadRequest) -> Result<Begun> {
        if matches!(self.options.authorization, CopyAuthorization::Keys { .. }) {
            return Err(Error::config("an access key would stand in the script for all to read")
                .with_hint("name a role that the cluster has"));
        }
        if request.mode == Mode::FailIfExists {
            // In plain SQL, run again after it has made the table itself, it would fail too.
            return Err(Error::config("a script cannot tell whether the table was there before it")
                .with_hint("choose append or replace, or load over a connection (`longshore load`)"));
        }
        stage::check_region(&self.options.stage, self.options.copy_region.as_deref())?;
        self.state.begin()?;
        let table = table_name(request)?;
        let asked = Asked::new(request, schema, &table, &self.options.create);
        if let Some(found) = find(&self.options.stage, &table, &request.load_id)? {
            asked.check(&found)?;
            // Attempts that crashed behind that one, or beside it, may have left files.
            stage::clean_up_load(&self.options.stage, &table, &request.load_id, &[]);
            self.state = State::Done;
            return Ok(Begun::AlreadyLoaded(found.counts));
        }
        let mut plan = self.plan(schema, &table)?;
        check_order(&request.mode, schema, &plan)?;
        let merge = plan::merge_columns(&request.mode, &mut plan.schema)?;
        let stage_request = StageRequest {
            table: &table,
            load_id: &request.load_id,
            schema: &plan.schema,
            sources: &request.sources,
            records: self.records,
            slices: None,
            numbered: merge.is_some(),
            text_bytes: plan.text_bytes.clone(),
            other_region: self.options.copy_region.as_deref(),
            large_strings: self.options.large_strings,
        };
        let stager = Stager::open(&self.options.stage, &stage_request)?;
        let schema = plan.schema.clone();
        self.warnings.clone_from(&plan.warnings);
        self.state = State::Open(Box::new(Load { table, request: request.clone(), plan, merge, stager, asked }));
        Ok(Begun::Open { schema, encoder: Box::new(AsItIs) })
    }

    fn write(&mut self, rows: Prepared) -> Result<()> {
        self.state.during(|load| load.stager.take(rows))
    }

    fn quarantine(&mut self, misfit: Misfit) -> Result<()> {
        self.state.during(|load| load.stager.quarantine(&misfit, load.request.max_quarantined))
    }

    fn commit(&mut self, read: u64) -> Result<Counts> {
        let load = self.state.end()?;
        let (table, load_id) = (load.table.clone(), load.request.load_id.clone());
        let (own, asked) = (format!("{}/", load.stager.url()), load.asked.clone());
        self.finish(*load, read).or_else(|error| match find(&self.options.stage, &table, &load_id) {
            // Another attempt at the same load was faster, and has taken our files away. An object that names our own
            // ones is no answer: whether they are all there is what went wrong.
            Ok(Some(found)) if !found.script.starts_with(&own) => asked.check(&found).map(|()| found.counts),
            _ => Err(error),
        })
    }

    fn refused(&self) -> &[Refused] {
        &self.refused
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl StageTarget {
    /// Plans the table as it is, or a new one.
    fn plan(&self, schema: &Schema, table: &TableName) -> Result<TablePlan> {
        let Some(live) = self.options.live.as_ref().filter(|live| !live.columns.is_empty()) else {
            return plan::create(schema, table, &self.options.create);
        };
        plan::evolve(schema, live.columns.clone(), table, &self.options.evolve)
    }

    fn finish(&mut self, mut load: Load, read: u64) -> Result<Counts> {
        let staged = load.stager.finish()?;
        if !load.stager.refused().is_empty() {
            self.refused = load.stager.refused().to_vec();
            let message = format!("{} rows do not fit the table", self.refused.len());
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let rows = staged.files.iter().map(|file| file.rows).sum();
        let kept = (staged.quarantined, staged.quarantined);
        let counts = conserved("the store", read, (staged.rows, rows), kept, 0)?;
        let Load { table, request, plan, merge, mut stager, asked } = load;
        let sql = LoadSql::new(&table, &request.load_id, &plan.schema, staged.format, merge);
        let sql = sql.through_staging().with_longest(&staged.longest);
        let from = CopyFrom { authorization: &self.options.authorization, region: self.options.copy_region.as_deref() };
        let script = Script { sql: &sql, plan: &plan, request: &request, staged: &staged, from, counts };
        let changes = script.changes().map(|text| stager.put(CHANGES, text.into_bytes())).transpose()?;
        let script = stager.put(SCRIPT, script.text().into_bytes())?;
        let found = StagedLoad {
            form: FORM,
            table: table.quoted(),
            load_id: request.load_id.clone(),
            counts,
            script,
            changes,
            manifest: staged.manifest.clone(),
            files: staged.files.iter().map(|file| (file.url.clone(), file.bytes)).collect(),
            quarantine: staged.quarantine.as_ref().map(|kept| kept.lines.url.clone()),
            asked: Some(asked),
        };
        let content = serde_json::to_vec_pretty(&found)
            .map_err(|cause| Error::new(ErrorKind::Syntax, "writing what was staged").with_cause(cause))?;
        // A load of the same id over a connection takes away what it finds, until this one is said to count.
        stager.verify(&staged)?;
        if stager.win(STAGED, content)? {
            stager.clean_up(false, &[]);
            return Ok(counts);
        }
        Err(Error::new(ErrorKind::Conflict, "the load was staged and taken away again by something else"))
    }
}

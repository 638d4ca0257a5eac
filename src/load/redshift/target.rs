//! The target: begin, write, commit, and what happens when the commit does not come through.

use std::time::{Duration, Instant};

use super::catalog;
use super::cluster::{slices, takes_large_strings};
use super::culprits;
use super::endpoint::Endpoint;
use super::error::{Failure, Then, table_exists};
use super::merge_order::check_order;
use super::options::RedshiftOptions;
use super::plan::{self, TablePlan};
use super::session::Session;
use super::sql::{CopyFrom, LoadSql, QUARANTINE};
use super::transaction::{Outcome, Work, look_up};
use crate::batch::Misfit;
use crate::error::{Error, ErrorKind, Result};
use crate::load::redshift_ledger::{LOADS, check_names, folded};
use crate::load::retry::Pauses;
use crate::load::stage::{self, LINES_FILE, StageRequest, Staged, Stager};
use crate::load::state::State;
use crate::load::target::{Begun, Counts, Encode, Prepared, Refused, Target};
use crate::load::{LoadRequest, Mode};
use crate::plan::{Dialect, TableName, identifier};
use crate::schema::Schema;

/// The longest pause behind the first try of a transaction, and behind any.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A table in Amazon Redshift as the place to load into.
///
/// Rows are staged as files below `options.stage`, and come into the table by one COPY of their manifest, in one
/// transaction with quarantine and ledger. Two tables stand beside the target table, in its schema: `_longshore_loads`,
/// the ledger, and `_longshore_quarantine`. Under one load id a table takes one load; once a later one has replaced its
/// rows it may be loaded again.
///
/// Never a prefix: what is copied is what the manifest names, each file in exactly the size that was written. The staged
/// files are removed once the load is committed, unless [`RedshiftOptions::keep_staged`] is set.
///
/// No live cluster was used to test this; see `docs/redshift.md` for what it rests on.
#[derive(Debug)]
pub struct RedshiftTarget {
    endpoint: Endpoint,
    options: RedshiftOptions,
    records: Option<u64>,
    state: State<Box<Session>, Load>,
    refused: Vec<Refused>,
    warnings: Vec<String>,
}

/// A load between `begin` and `commit`. No transaction is open meanwhile.
struct Load {
    session: Session,
    request: LoadRequest,
    /// What the data needs, before the table had a say.
    wanted: Schema,
    plan: TablePlan,
    sql: LoadSql,
    stager: Stager,
}

impl RedshiftTarget {
    /// Connects to a cluster.
    ///
    /// `url` is `redshift://user@host:5439/database`; 5439 is the default port, `sslmode=require` the default of that
    /// parameter. Without a password in it, the environment variable `PGPASSWORD` is used.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if `url` cannot be read or the files would not be staged in S3, [`ErrorKind::Unsupported`] if the server is not Redshift,
    /// [`ErrorKind::Database`] if it refuses or cannot be reached. No message holds the URL or the password.
    pub fn connect(url: &str, options: RedshiftOptions) -> Result<Self> {
        let endpoint = Endpoint::parse(url)?;
        if !options.stage.is_s3() {
            return Err(Error::config("Redshift copies from Amazon S3 alone, and the staging URL names another store").with_hint(
                "stage below s3://bucket/prefix; files that others bring to S3 can be staged anywhere without a connection",
            ));
        }
        stage::check_region(&options.stage, options.copy_region.as_deref())?;
        let mut session = endpoint.connect()?;
        let version = session.value("asking for the version", "SELECT version()")?.unwrap_or_default();
        if !version.contains("Redshift") {
            return Err(Error::new(ErrorKind::Unsupported, "the server is not Amazon Redshift")
                .with_hint("write postgres:// for a Postgres server"));
        }
        let state = State::Waiting(Box::new(session));
        Ok(RedshiftTarget { endpoint, options, records: None, state, refused: Vec::new(), warnings: Vec::new() })
    }
}

impl Target for RedshiftTarget {
    fn expect(&mut self, records: u64) {
        self.records = Some(records);
    }

    fn begin(&mut self, schema: &Schema, request: &LoadRequest) -> Result<Begun> {
        let mut session = self.state.begin()?;
        let table = catalog::resolve(&mut session, table_name(request)?)?;
        create_surroundings(&mut session, &table)?;
        let exists = catalog::exists(&mut session, &table)?;
        let ledger = LoadSql::new(&table, &request.load_id, schema, self.options.stage.format, None);
        if let Some(counts) = look_up(&mut session, &ledger, None)?
            // Rows of a table that was dropped are gone, so the load is to be done again.
            && (exists || counts.loaded == 0)
        {
            // Whoever has committed it may have been killed before its files were removed.
            if !self.options.keep_staged {
                stage::clean_up_load(&self.options.stage, &table, &request.load_id, &[LINES_FILE]);
            }
            self.state = State::Done;
            return Ok(Begun::AlreadyLoaded(counts));
        }
        if exists && request.mode == Mode::FailIfExists {
            return Err(table_exists(&table));
        }
        let mut plan = self.plan(&mut session, schema, &table)?;
        check_order(&request.mode, schema, &plan)?;
        let merge = plan::merge_columns(&request.mode, &mut plan.schema)?;
        let stager = Stager::open(
            &self.options.stage,
            &StageRequest {
                table: &table,
                load_id: &request.load_id,
                schema: &plan.schema,
                sources: &request.sources,
                records: self.records,
                slices: slices(&mut session),
                numbered: merge.is_some(),
                text_bytes: plan.text_bytes.clone(),
                other_region: self.options.copy_region.as_deref(),
                large_strings: takes_large_strings(&mut session),
            },
        )?;
        let sql = LoadSql::new(&table, &request.load_id, &plan.schema, stager.format(), merge);
        let sql = if plan.is_converted() { sql.through_staging() } else { sql };
        let fitted = plan.schema.clone();
        self.warnings.clone_from(&plan.warnings);
        let wanted = schema.clone();
        let load = Load { session: *session, request: request.clone(), wanted, plan, sql, stager };
        self.state = State::Open(Box::new(load));
        Ok(Begun::Open { schema: fitted, encoder: Box::new(AsItIs) })
    }

    fn write(&mut self, rows: Prepared) -> Result<()> {
        self.state.during(|load| load.stager.take(rows))
    }

    fn quarantine(&mut self, misfit: Misfit) -> Result<()> {
        self.state.during(|load| load.stager.quarantine(&misfit, load.request.max_quarantined))
    }

    fn commit(&mut self, read: u64) -> Result<Counts> {
        let mut load = self.state.end()?;
        let staged = match load.stager.finish() {
            Ok(staged) => staged,
            // Another attempt at the same load may have been faster, and have taken our files away with its own.
            Err(error) => return look_up(&mut load.session, &load.sql, None).ok().flatten().ok_or(error),
        };
        if !load.stager.refused().is_empty() {
            self.refused = load.stager.refused().to_vec();
            let message = format!("{} rows do not fit the table", self.refused.len());
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        if read != staged.rows + staged.quarantined {
            let Staged { rows, quarantined, .. } = staged;
            let message = format!("{read} records were read, but {rows} rows staged and {quarantined} quarantined");
            return Err(Error::new(ErrorKind::NotConserved, format!("{message}; nothing was loaded")));
        }
        load.sql = load.sql.with_longest(&staged.longest);
        let counts = self.copy(&mut load, &staged, read)?;
        for statement in &load.plan.cleanup {
            // What an earlier version left is in nobody's way; the next load plans its removal again.
            if let Err(failure) = load.session.run("dropping a column that was replaced", &statement.sql) {
                tracing::info!(error = %failure.error, "a column that was replaced stays for now");
            }
        }
        if self.options.keep_staged {
            load.stager.keep();
        } else {
            let lines: &[&str] = match &staged.quarantine {
                Some(kept) if kept.cut => &[LINES_FILE],
                _ => &[],
            };
            load.stager.clean_up(true, lines);
            load.stager.keep();
        }
        self.state = State::Done;
        Ok(counts)
    }

    fn refused(&self) -> &[Refused] {
        &self.refused
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl RedshiftTarget {
    /// Plans the table, which is made if it is missing.
    fn plan(&self, session: &mut Session, schema: &Schema, table: &TableName) -> Result<TablePlan> {
        let mut columns = catalog::columns(session, table)?;
        if columns.is_empty() {
            return plan::create(schema, table, &self.options.create);
        }
        catalog::describe(session, table, &mut columns);
        plan::evolve(schema, columns, table, &self.options.evolve)
    }

    /// Makes the transaction until it is committed, here or by somebody else, or cannot be.
    fn copy(&mut self, load: &mut Load, staged: &Staged, read: u64) -> Result<Counts> {
        let Load { session, request, wanted, plan, sql, stager } = load;
        let from = CopyFrom { authorization: &self.options.authorization, region: self.options.copy_region.as_deref() };
        let queue_timeout = self.options.queue_timeout;
        let mut patience = Patience { first_failure: None, limit: self.options.retry_for };
        let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut alone = false;
        let mut ready = false;
        let mut written = None;
        loop {
            if let Err(error) = stager.verify(staged) {
                session.roll_back();
                return look_up(session, sql, None)?.ok_or(error);
            }
            let work = Work { sql, plan, request, staged, from: from.clone(), read, queue_timeout };
            let prepared = if ready { Ok(()) } else { outside(session, &work) };
            let outcome = prepared.and_then(|()| {
                ready = true;
                work.run(session, alone, &mut written)
            });
            let failure = match outcome {
                Ok(Outcome::Committed(counts) | Outcome::WasThere(counts)) => return Ok(counts),
                Err(failure) => failure,
            };
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            patience.begin();
            // Whatever time is left: only the ledger can tell what became of the COMMIT.
            let is_unknown = failure.then == Then::LookUp && written.is_some();
            tracing::warn!(error = %failure.error, then = ?failure.then, "a load's transaction failed");
            match failure.then {
                Then::GiveUp => {
                    session.roll_back();
                    // Another attempt at the same load may have been faster, and have taken our files away with its own.
                    if let Ok(Some(counts)) = look_up(session, sql, None) {
                        return Ok(counts);
                    }
                    if failure.of_rows {
                        self.refused = culprits::find(session, &work, stager, failure.error)?;
                        let message = format!("the server refuses {} rows", self.refused.len());
                        return Err(Error::new(ErrorKind::Conflict, message));
                    }
                    return Err(failure.error);
                }
                _ if !is_unknown && !patience.lasts(pause) => return Err(failure.error),
                Then::Again => {
                    session.roll_back();
                    alone = true;
                }
                Then::Replan => {
                    session.roll_back();
                    let now = self.plan(session, wanted, &sql.table)?;
                    if !plan.adopt(now) {
                        return Err(failure.error);
                    }
                    ready = false;
                }
                Then::LookUp => {
                    std::thread::sleep(pause);
                    match recover(&self.endpoint, &work, written.take().as_deref(), &patience) {
                        Ok((_, Some(counts))) => return Ok(counts),
                        Ok((_, None)) if !patience.lasts(pause) => return Err(failure.error),
                        Ok((fresh, None)) => *session = fresh,
                        Err(error) if is_unknown => return Err(uncertain(error)),
                        Err(error) => return Err(error.error),
                    }
                }
            }
            std::thread::sleep(pause);
        }
    }
}

/// Runs what may not run in a transaction. Each is safe to leave behind; one that another load was faster with is
/// refused, and as good.
fn outside(session: &mut Session, work: &Work<'_>) -> Result<(), Failure> {
    for statement in work.plan.statements.iter().filter(|statement| !statement.in_transaction) {
        // They were planned before the rows were staged, and the server would take one that makes a column narrower
        // (3.2: the new size has to hold the data alone).
        if !work.plan.is_wanted(statement, &catalog::columns(session, &work.sql.table)?) {
            continue;
        }
        match session.run("changing the table", &statement.sql) {
            Err(failure) if failure.then == Then::GiveUp => {
                let now = catalog::columns(session, &work.sql.table)?;
                if !work.plan.is_wide_enough(&now) {
                    return Err(failure);
                }
            }
            done => done?,
        }
    }
    Ok(())
}

/// For how long attempts are made again: it is counted from the first failure, so that a load which takes longer than
/// that by itself is tried again too.
struct Patience {
    first_failure: Option<Instant>,
    limit: Duration,
}

impl Patience {
    /// Begins to count, if it has not begun.
    fn begin(&mut self) {
        self.first_failure.get_or_insert_with(Instant::now);
    }

    /// Whether there is time for another attempt behind a pause.
    fn lasts(&self, pause: Duration) -> bool {
        self.first_failure.is_none_or(|failure| failure.elapsed() + pause < self.limit)
    }
}

/// Looks the load up on a new session. The old one may still be at work on it: it holds its locks until it has ended,
/// so this waits for them; and it may not be the first that waits, so the row that was `written` counts also where
/// another load has replaced its rows by now.
fn recover(
    endpoint: &Endpoint,
    work: &Work<'_>,
    written: Option<&str>,
    patience: &Patience,
) -> Result<(Session, Option<Counts>), Failure> {
    let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
        let looked = endpoint.connect().and_then(|mut session| {
            work.begin(&mut session, true)?;
            let found = look_up(&mut session, work.sql, written)?;
            session.run("closing the transaction", "ROLLBACK")?;
            Ok((session, found))
        });
        match looked {
            Err(failure) if failure.error.is_temporary() && patience.lasts(pause) => std::thread::sleep(pause),
            outcome => return outcome,
        }
    }
}

/// A failure behind which nobody knows whether the load was committed.
fn uncertain(failure: Failure) -> Error {
    let what = "the connection was lost, and whether the load was committed is not known";
    Error::new(ErrorKind::Database, format!("{what}: {}", failure.error.message()))
        .with_hint(
            "run the same load again: if it was committed, the ledger says so and nothing is loaded twice, unless \
             another load has replaced the table's rows by then",
        )
        .with_temporary(true)
}

/// Batches are staged as they are decoded.
pub(super) struct AsItIs;

impl Encode for AsItIs {
    fn encode(&self, batch: &arrow_array::RecordBatch) -> Result<Prepared> {
        Ok(Prepared::Batch(batch.clone()))
    }
}

/// The table of a request, if it is one that can be loaded into.
pub(super) fn table_name(request: &LoadRequest) -> Result<TableName> {
    let table = TableName::parse(&request.table, Dialect::Redshift)?;
    let table = folded(table);
    if [LOADS, QUARANTINE].contains(&table.name.as_str()) {
        return Err(
            Error::config(format!("`{}` is longshore's own table", table.name)).with_hint("choose another name")
        );
    }
    check_names(&table, &request.load_id)?;
    Ok(table)
}

/// Makes the schema and longshore's own tables where they are missing.
fn create_surroundings(session: &mut Session, table: &TableName) -> Result<(), Failure> {
    if !catalog::has_schema(session, table)? {
        let name = identifier(table.schema.as_deref().unwrap_or_default());
        session.run("creating the schema", &format!("CREATE SCHEMA IF NOT EXISTS {name}"))?;
    }
    let own = LoadSql::new(table, "", &Schema::default(), Default::default(), None);
    for (name, create) in [(LOADS, own.create_ledger()), (QUARANTINE, own.create_quarantine())] {
        let beside = table.beside(name);
        if catalog::exists(session, &beside)? {
            continue;
        }
        // IF NOT EXISTS is not safe against another session that creates the same.
        if let Err(failure) = session.run("creating longshore's tables", &create)
            && !catalog::exists(session, &beside)?
        {
            return Err(failure);
        }
    }
    Ok(())
}

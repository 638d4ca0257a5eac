//! A source → a warehouse: infer, plan, decode, send, in one transaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::infer::{Inference, content_hash};
use super::name::table_for;
use super::read::ReadOptions;
use super::refused::LeftOut;
use super::report::{LoadReport, Quarantined};
use super::second_pass::{Aside, SecondPass};
#[cfg(feature = "postgres")]
use super::stream::ChildTables;
#[cfg(feature = "redshift")]
use super::target::Staging;
use super::target::{folder_of, open};
use crate::batch::Misfit;
use crate::error::Result;
use crate::fault;
use crate::load::{Begun, Counts, LoadRequest, Mode, Pauses, Target};
use crate::schema::{Policy, Schema};
use crate::source::Source;

/// Loads sources into a table. Every setting has a default.
///
/// ```
/// # #[cfg(feature = "parquet")] {
/// use longshore::{Loader, Source};
/// let folder = std::env::temp_dir().join(format!("longshore-doc-{}", std::process::id()));
/// let report = Loader::new(format!("dir:{}", folder.display()))
///     .table("orders")
///     .load(Source::bytes("{\"id\":1}\n{\"id\":2}\nno record\n"))?;
/// assert_eq!((report.counts.read, report.counts.loaded, report.counts.quarantined), (3, 2, 1));
/// # std::fs::remove_dir_all(folder).ok();
/// # }
/// # Ok::<(), longshore::Error>(())
/// ```
#[derive(Clone)]
pub struct Loader {
    pub(super) url: String,
    pub(super) table: Option<String>,
    pub(super) load_id: Option<String>,
    pub(super) mode: Mode,
    pub(super) policy: Policy,
    pub(super) read: ReadOptions,
    pub(super) max_quarantined: Option<u64>,
    pub(super) retry_for: Duration,
    #[cfg(feature = "postgres")]
    pub(super) child_tables: ChildTables,
    #[cfg(feature = "redshift")]
    pub(super) staging: Option<Staging>,
}

impl std::fmt::Debug for Loader {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = self.url.split_once(':').map_or("", |(scheme, _)| scheme);
        let mut shown = f.debug_struct("Loader");
        shown.field("target", &scheme).field("table", &self.table).field("load_id", &self.load_id);
        shown.field("mode", &self.mode).field("policy", &self.policy).field("read", &self.read);
        shown.field("max_quarantined", &self.max_quarantined).field("retry_for", &self.retry_for);
        shown.finish_non_exhaustive()
    }
}

/// The first and the longest pause before a load is tried again.
pub(super) const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(20));

/// Whether others have added rows since is not looked up.
const NOTHING_REPLACED: &str = "the load was made before and its rows are there, so nothing was done: rows that other loads \
                                have added since are not replaced; under another load id they are";

impl Loader {
    /// Loads into `url`: `postgres://…` (feature `postgres`) or `dir:PATH` (feature `parquet`).
    pub fn new(url: impl Into<String>) -> Self {
        Loader {
            url: url.into(),
            table: None,
            load_id: None,
            mode: Mode::Append,
            policy: Policy::default(),
            read: ReadOptions::default(),
            max_quarantined: None,
            retry_for: Duration::from_secs(120),
            #[cfg(feature = "postgres")]
            child_tables: ChildTables::None,
            #[cfg(feature = "redshift")]
            staging: None,
        }
    }

    /// Loads into Redshift, through files that are staged in an object store. `url` is
    /// `redshift://user@host:5439/database`.
    ///
    /// ```no_run
    /// use longshore::load::{RedshiftOptions, StageOptions};
    /// use longshore::{Loader, Source};
    /// let options = RedshiftOptions::new(StageOptions::new("s3://lake/staging")?);
    /// let loader = Loader::redshift("redshift://loader@cluster:5439/shop", options);
    /// loader.table("analytics.orders").load(Source::path("orders.ndjson"))?;
    /// # Ok::<(), longshore::Error>(())
    /// ```
    #[cfg(feature = "redshift")]
    pub fn redshift(url: impl Into<String>, options: crate::load::RedshiftOptions) -> Self {
        Loader { staging: Some(Staging::Redshift(Box::new(options))), ..Loader::new(url) }
    }

    /// Stages files in an object store, with a script that brings them into Redshift and may be run by anybody, any
    /// number of times.
    ///
    /// ```
    /// use longshore::load::{ScriptOptions, StageOptions, StageTarget};
    /// use longshore::{Loader, Source};
    /// let folder = std::env::temp_dir().join(format!("longshore-stage-{}", std::process::id()));
    /// let options = ScriptOptions::new(StageOptions::new(format!("file://{}", folder.display()))?);
    /// let loader = Loader::stage(options.clone()).table("shop.orders").load_id("june");
    /// let report = loader.load(Source::bytes("{\"id\":1}\n{\"id\":2}\n"))?;
    /// assert_eq!(report.counts.loaded, 2);
    /// let staged = StageTarget::find(&options, "shop.orders", "june")?.expect("it was staged");
    /// assert!(staged.script.ends_with("/load.redshift.sql"));
    /// # std::fs::remove_dir_all(folder).ok();
    /// # Ok::<(), longshore::Error>(())
    /// ```
    #[cfg(feature = "redshift")]
    pub fn stage(options: crate::load::ScriptOptions) -> Self {
        let url = options.stage.url().to_owned();
        Loader { staging: Some(Staging::Script(Box::new(options))), ..Loader::new(url) }
    }

    /// Sets the table: `orders`, `analytics.orders`, `"My Schema"."Orders"`. By default the name of the first file
    /// without its endings.
    #[must_use]
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = Some(table.into());
        self
    }

    /// Sets the id of the load: under one id a table takes one load, and again only once a later load has replaced its
    /// rows. By default a hash of the inputs' bytes, whatever order they are named in; but for [`Mode::Merge`], where the order
    /// has a meaning.
    #[must_use]
    pub fn load_id(mut self, id: impl Into<String>) -> Self {
        self.load_id = Some(id.into());
        self
    }

    /// Sets what happens to rows that are there; [`Mode::Append`] by default.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets what the evidence is to mean.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets how the source is read.
    #[must_use]
    pub fn read(mut self, options: ReadOptions) -> Self {
        self.read = options;
        self
    }

    /// Sets how many records may be quarantined before the load is rolled back; any number by default.
    #[must_use]
    pub fn max_quarantined(mut self, records: u64) -> Self {
        self.max_quarantined = Some(records);
        self
    }

    /// Sets for how long a load is begun again after a temporary error of the warehouse (a lost connection, a
    /// deadlock, a server that restarts), with growing pauses; 2 minutes by default, zero for not at all. What the
    /// first attempt has learnt of the input is kept.
    #[must_use]
    pub fn retry_for(mut self, time: Duration) -> Self {
        self.retry_for = time;
        self
    }

    /// Sets which arrays of JSON become child tables on a Postgres server, as [`StreamOptions::child_tables`](crate::StreamOptions::child_tables)
    /// does for streams, which take this setting over if they have none of their own. None by default.
    ///
    /// `_row_id` is a UUID made of the load's id, the number of the file, and the record's place in the file. Types are decided as
    /// a stream decides them, by all records whatever the sample; rows are added or merged by key. A file is read once more for each
    /// child table.
    ///
    /// ```no_run
    /// use longshore::{ChildTables, Loader, Source};
    /// let loader = Loader::new("postgres://localhost/shop").table("orders").child_tables(ChildTables::paths(["items"]));
    /// loader.load(Source::path("orders.ndjson"))?;     // rows of `orders`, and of `orders__items`
    /// # Ok::<(), longshore::Error>(())
    /// ```
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn child_tables(mut self, which: ChildTables) -> Self {
        self.child_tables = which;
        self
    }

    /// Loads a source, whole or not at all.
    ///
    /// Reads it twice: once for the schema, once for the rows, with every value checked again. What cannot be read
    /// twice is first copied to a temporary file. If the table's own constraints or triggers refuse rows, it is loaded anew
    /// with those rows looked for one by one: their records are quarantined, and all others load.
    ///
    /// # Errors
    ///
    /// What reading gives (see [`Inference::of`]), what the warehouse gives, [`Conflict`](crate::ErrorKind::Conflict) if the table
    /// cannot hold the data or the input changes under way, [`NotConserved`](crate::ErrorKind::NotConserved) and
    /// [`TooManyQuarantined`](crate::ErrorKind::TooManyQuarantined). After an error the warehouse is as it was.
    pub fn load(&self, source: Source) -> Result<LoadReport> {
        source.check()?;
        #[cfg(feature = "postgres")]
        if self.child_tables != ChildTables::None {
            return self.load_apart(source);
        }
        self.load_beside(source, &|_| Ok(()))
    }

    /// Loads a source into one table, and keeps aside what is shown beside it, as records that were read and are none.
    pub(super) fn load_beside(&self, mut source: Source, beside: Beside<'_>) -> Result<LoadReport> {
        let started = Instant::now();
        let mut target = Some(self.target()?);
        source.spool()?;
        let inference = Inference::read(&source, &self.read, true)?;
        fault::point("schema.resolve")?;
        let schema = self.policy.resolve(&inference.sketch)?;
        let mut request = self.request(&source, &inference);
        let (table, load_id) = (request.table.clone(), request.load_id.clone());
        let _span = tracing::info_span!("load", table, load_id).entered();
        let mut pauses = Pauses::new(PAUSES.0, PAUSES.1).within(self.retry_for);
        let (mut left_out, mut noticed) = (LeftOut::default(), Vec::new());
        let loaded = loop {
            // A target takes one load.
            let mut refused = Vec::new();
            let attempt = target.take().map_or_else(|| self.target(), Ok).and_then(|mut target| {
                let (source, inference, request, left_out) = (&source, &inference, &request, &left_out);
                let what = Attempt { source, inference, schema: &schema, request, left_out, beside };
                let loaded = self.attempt(target.as_mut(), &what);
                refused = target.refused().to_vec();
                // What an attempt has changed outside of its transaction the next one finds changed.
                for warning in target.warnings() {
                    if !noticed.contains(warning) {
                        noticed.push(warning.clone());
                    }
                }
                loaded
            });
            match attempt {
                Ok(loaded) => break loaded,
                Err(error) if error.is_refused_row() && !request.isolate_rows => {
                    tracing::info!(%error, "the table refuses a row; loading again to find all such rows");
                    request.isolate_rows = true;
                }
                Err(error) if error.is_temporary() && refused.is_empty() => {
                    let Some(pause) = pauses.next() else { return Err(error) };
                    tracing::warn!(%error, "the load failed; trying again");
                    std::thread::sleep(pause);
                }
                Err(error) => left_out.add(&refused, error)?,
            }
        };
        let Loaded { counts, schema, already_loaded, first_quarantined } = loaded;
        let Counts { read, loaded, quarantined, deduplicated } = counts;
        let bytes = inference.stored_bytes;
        tracing::info!(table, load_id, read, loaded, quarantined, deduplicated, bytes, already_loaded, "loaded");
        let mut warnings = [inference.warnings, noticed].concat();
        if already_loaded && self.mode == Mode::Replace {
            warnings.push(NOTHING_REPLACED.to_owned());
        }
        Ok(LoadReport {
            counts,
            bytes: inference.stored_bytes,
            seconds: started.elapsed().as_secs_f64(),
            folder: folder_of(&self.url, &table, &load_id)?,
            table,
            load_id,
            already_loaded,
            schema,
            sketch: inference.sketch,
            first_quarantined,
            warnings,
        })
    }

    /// Loads without some rows, whose records are kept aside.
    fn attempt(&self, target: &mut dyn Target, what: &Attempt<'_>) -> Result<Loaded> {
        let Attempt { source, inference, schema, request, left_out, beside } = *what;
        let mut first_quarantined = Vec::new();
        target.expect(inference.sketch.records() + inference.sketch.bad().count());
        let (counts, schema, already_loaded) = match target.begin(schema, request)? {
            Begun::AlreadyLoaded(counts) => (counts, schema.clone(), true),
            Begun::Open { schema, encoder } => {
                let schema = Arc::new(schema);
                let mut aside = Aside { target, source, first: &mut first_quarantined };
                let options = &self.read;
                let pass = SecondPass { source, options, inference, schema: &schema, encoder: encoder.as_ref() };
                let mut read = match left_out.is_empty() {
                    true => pass.send(&mut aside)?,
                    false => pass.send_without(left_out, &mut aside)?,
                };
                beside(&mut |misfit| {
                    read += 1;
                    aside.keep(misfit)
                })?;
                (target.commit(read)?, Arc::unwrap_or_clone(schema), false)
            }
        };
        Ok(Loaded { counts, schema, already_loaded, first_quarantined })
    }

    fn target(&self) -> Result<Box<dyn Target>> {
        #[cfg(feature = "redshift")]
        if let Some(staging) = &self.staging {
            return staging.open(&self.url);
        }
        open(&self.url)
    }

    pub(super) fn request(&self, source: &Source, inference: &Inference) -> LoadRequest {
        let mut hashes = inference.hashes.clone();
        // The same files in another order are the same load, unless the order says which of two records stays.
        if !matches!(self.mode, Mode::Merge(_)) {
            hashes.sort_unstable();
        }
        let content_hash = content_hash(&hashes);
        LoadRequest {
            table: self.table.clone().unwrap_or_else(|| table_for(source.name(0))),
            load_id: self.load_id.clone().unwrap_or_else(|| content_hash.clone()),
            mode: self.mode.clone(),
            sources: source.names().map(str::to_string).collect(),
            formats: inference.formats.iter().map(|format| format.written()).collect(),
            content_hash,
            bytes: inference.stored_bytes,
            max_quarantined: self.max_quarantined,
            isolate_rows: false,
        }
    }
}

/// Shows records that are known to be none, in each attempt anew.
pub(super) type Beside<'a> = &'a dyn Fn(&mut dyn FnMut(Misfit) -> Result<()>) -> Result<()>;

/// What is loaded.
struct Attempt<'a> {
    source: &'a Source,
    inference: &'a Inference,
    schema: &'a Schema,
    request: &'a LoadRequest,
    left_out: &'a LeftOut,
    beside: Beside<'a>,
}

/// What an attempt did.
struct Loaded {
    counts: Counts,
    schema: Schema,
    already_loaded: bool,
    first_quarantined: Vec<Quarantined>,
}

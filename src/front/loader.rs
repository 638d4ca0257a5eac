//! A source → a warehouse: infer, plan, decode, send, in one transaction.

use std::ops::Range;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;

use super::infer::{Inference, content_hash};
use super::isolated::IsolatedRows;
use super::name::table_for;
use super::read::{Part, Parts, ReadOptions};
use super::refused::{LeftOut, WithOrigins, out_of_step};
use crate::batch::{Decoded, Decoder, Misfit};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::load::{Begun, Counts, Encode, LoadRequest, Mode, Pauses, Prepared, Target};
use crate::records::Reader;
use crate::schema::{Policy, Schema};
use crate::sketch::Sketch;
use crate::source::{Gap, Piece, Source, ordered_map};

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
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(20));

/// What a load did.
#[derive(Debug, Clone)]
pub struct LoadReport {
    /// Records read, loaded and quarantined; they balance.
    pub counts: Counts,
    /// Bytes of the inputs as they are stored.
    pub bytes: u64,
    /// Wall time in seconds.
    pub seconds: f64,
    /// The table as it was asked for.
    pub table: String,
    /// The id of the load.
    pub load_id: String,
    /// Whether the ledger had this load already, so that nothing was done; the counts are the ledger's.
    pub already_loaded: bool,
    /// The columns as they were loaded.
    pub schema: Schema,
    /// The evidence that the schema was made from; to explain the columns, or to keep for the next load.
    pub sketch: Sketch,
    /// The first records that were kept aside, at most [`MAX_QUARANTINED_LISTED`]; all of them are in the quarantine.
    pub first_quarantined: Vec<Quarantined>,
    /// What was noticed on the way and is no error.
    pub warnings: Vec<String>,
}

/// How many quarantined records a [`LoadReport`] lists; all are counted, and kept by the target.
pub const MAX_QUARANTINED_LISTED: usize = 1000;

/// A record that was kept aside: where it stands and why, without its bytes, which are in the quarantine.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Quarantined {
    /// The input's name.
    pub source: String,
    /// Physical line, from 1.
    pub line: u64,
    /// Byte offset in the decompressed, decoded input.
    pub byte: u64,
    /// The column whose value did not fit; `None` when the record itself is broken.
    pub path: Option<String>,
    /// Why.
    pub reason: String,
}

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

    /// Sets the id of the load: under one id a table takes one load, ever. By default a hash of the inputs' bytes.
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

    /// Loads a source, whole or not at all.
    ///
    /// Reads it twice: once for the schema, once for the rows, with every value checked again. What cannot be read
    /// twice is first copied to a temporary file. If the table's own constraints or triggers refuse rows, it is loaded anew
    /// with those rows looked for one by one: their records are quarantined, and all others load.
    ///
    /// # Errors
    ///
    /// What reading gives (see [`Inference::of`]), what the warehouse gives, [`ErrorKind::Conflict`] if the table
    /// cannot hold the data or the input changes under way, [`ErrorKind::NotConserved`] and
    /// [`ErrorKind::TooManyQuarantined`]. After an error the warehouse is as it was.
    pub fn load(&self, mut source: Source) -> Result<LoadReport> {
        let started = Instant::now();
        source.check()?;
        let mut target = self.target()?;
        source.spool()?;
        let inference = Inference::read(&source, &self.read, true)?;
        fault::point("schema.resolve")?;
        let schema = self.policy.resolve(&inference.sketch)?;
        let mut request = self.request(&source, &inference);
        let (table, load_id) = (request.table.clone(), request.load_id.clone());
        let _span = tracing::info_span!("load", table, load_id).entered();
        let begun = Instant::now();
        let mut pauses = Pauses::new(PAUSES.0, PAUSES.1);
        let mut left_out = LeftOut::default();
        let loaded = loop {
            match self.attempt(target.as_mut(), &source, &inference, &schema, &request, &left_out) {
                Ok(loaded) => break loaded,
                Err(error) if error.is_refused_row() && !request.isolate_rows => {
                    tracing::info!(%error, "the table refuses a row; loading again to find all such rows");
                    request.isolate_rows = true;
                }
                Err(error) if error.is_temporary() && target.refused().is_empty() => {
                    let pause = pauses.next().filter(|pause| begun.elapsed() + *pause < self.retry_for);
                    let Some(pause) = pause else { return Err(error) };
                    tracing::warn!(%error, "the load failed; trying again");
                    std::thread::sleep(pause);
                }
                Err(error) => left_out.add(target.refused(), error)?,
            }
            // A target takes one load.
            target = self.target()?;
        };
        let Loaded { counts, schema, already_loaded, first_quarantined } = loaded;
        let Counts { read, loaded, quarantined, deduplicated } = counts;
        let bytes = inference.stored_bytes;
        tracing::info!(table, load_id, read, loaded, quarantined, deduplicated, bytes, already_loaded, "loaded");
        Ok(LoadReport {
            counts,
            bytes: inference.stored_bytes,
            seconds: started.elapsed().as_secs_f64(),
            table,
            load_id,
            already_loaded,
            schema,
            sketch: inference.sketch,
            first_quarantined,
            warnings: inference.warnings,
        })
    }

    /// Loads without some rows, whose records are kept aside.
    fn attempt(
        &self,
        target: &mut dyn Target,
        source: &Source,
        inference: &Inference,
        schema: &Schema,
        request: &LoadRequest,
        left_out: &LeftOut,
    ) -> Result<Loaded> {
        let mut first_quarantined = Vec::new();
        target.expect(inference.sketch.records() + inference.sketch.bad().count());
        let (counts, schema, already_loaded) = match target.begin(schema, request)? {
            Begun::AlreadyLoaded(counts) => (counts, schema.clone(), true),
            Begun::Open { schema, encoder } => {
                let schema = Arc::new(schema);
                let mut aside = Aside { target, source, first: &mut first_quarantined };
                let read = match left_out.is_empty() {
                    true => self.send(source, inference, &schema, encoder.as_ref(), &mut aside)?,
                    false => self.send_without(left_out, source, inference, &schema, encoder.as_ref(), &mut aside)?,
                };
                (target.commit(read)?, Arc::unwrap_or_clone(schema), false)
            }
        };
        Ok(Loaded { counts, schema, already_loaded, first_quarantined })
    }

    #[cfg(not(feature = "redshift"))]
    fn target(&self) -> Result<Box<dyn Target>> {
        open(&self.url)
    }

    #[cfg(feature = "redshift")]
    fn target(&self) -> Result<Box<dyn Target>> {
        match &self.staging {
            Some(Staging::Redshift(options)) => {
                Ok(Box::new(crate::load::RedshiftTarget::connect(&self.url, (**options).clone())?))
            }
            Some(Staging::Script(options)) => Ok(Box::new(crate::load::StageTarget::new((**options).clone()))),
            None => open(&self.url),
        }
    }

    fn request(&self, source: &Source, inference: &Inference) -> LoadRequest {
        let content_hash = inference.content_hash.clone().unwrap_or_default();
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

    /// Looks for the records of the rows that the table refused, and keeps them aside.
    fn keep_isolated(
        &self,
        source: &Source,
        inference: &Inference,
        schema: &Arc<Schema>,
        isolated: &IsolatedRows,
        aside: &mut Aside<'_>,
    ) -> Result<()> {
        for (nth, part) in Parts::second_pass(source, &self.read, &inference.formats).enumerate() {
            let part = part?;
            if let Piece::Records(mut chunk) = part.piece {
                let records = isolated.records(nth, (&part.format, self.read.limits), &mut chunk, schema);
                records.into_iter().try_for_each(|misfit| aside.keep(misfit))?;
            }
        }
        Ok(())
    }

    /// The second pass: decodes and encodes on all cores, sends in order. Returns the records read.
    fn send(
        &self,
        source: &Source,
        inference: &Inference,
        schema: &Arc<Schema>,
        encoder: &dyn Encode,
        aside: &mut Aside<'_>,
    ) -> Result<u64> {
        let watch = &self.read.watch;
        watch.begin();
        let parts = Parts::second_pass(source, &self.read, &inference.formats);
        let (found, buffers) = (parts.found(), parts.buffers());
        let worker = || (Reader::new(self.read.limits), Decoder::new(schema.clone()));
        let work = |(reader, decoder): &mut (Reader, Decoder), part: Part| match part.piece {
            Piece::Gap(gap) => Ok(Sent { rows: None, misfits: vec![misfit(gap)], read: 1 }),
            Piece::Records(mut chunk) => {
                fault::point("decode.chunk")?;
                reader.read(&part.format, &mut chunk, decoder);
                buffers.recycle(chunk);
                let decoded = decoder.finish()?;
                let rows = match decoded.batch.num_rows() {
                    0 => None,
                    _ => Some(encoder.encode(&decoded.batch)?),
                };
                Ok(Sent { rows, misfits: decoded.misfits, read: decoded.read })
            }
        };
        let (mut read, mut rows_sent) = (0, Vec::new());
        ordered_map(parts, self.read.threads, worker, work, |sent: Sent| {
            read += sent.read;
            watch.add(sent.read);
            rows_sent.push(sent.rows.as_ref().map_or(0, Prepared::rows));
            if let Some(rows) = sent.rows {
                aside.target.write(rows)?;
            }
            sent.misfits.into_iter().try_for_each(|misfit| aside.keep(misfit))
        })?;
        let found = found.lock().unwrap_or_else(PoisonError::into_inner);
        if inference.content_hash.as_ref() != Some(&content_hash(&found)) {
            return Err(changed());
        }
        let isolated = IsolatedRows::new(aside.target.isolated()?, &rows_sent);
        if !isolated.is_empty() {
            self.keep_isolated(source, inference, schema, &isolated, aside)?;
        }
        Ok(read)
    }

    /// The second pass without some rows. Each row's record is kept until the row is on its way, so this is slower.
    fn send_without(
        &self,
        left_out: &LeftOut,
        source: &Source,
        inference: &Inference,
        schema: &Arc<Schema>,
        encoder: &dyn Encode,
        aside: &mut Aside<'_>,
    ) -> Result<u64> {
        self.read.watch.begin();
        let parts = Parts::second_pass(source, &self.read, &inference.formats);
        let (found, buffers) = (parts.found(), parts.buffers());
        let worker = || (Reader::new(self.read.limits), Decoder::new(schema.clone()));
        let work = |(reader, decoder): &mut (Reader, Decoder), part: Part| {
            let mut origins = Vec::new();
            let mut gaps = Vec::new();
            match part.piece {
                Piece::Gap(gap) => gaps.push(misfit(gap)),
                Piece::Records(mut chunk) => {
                    let mut sink = WithOrigins { decoder, origins };
                    reader.read(&part.format, &mut chunk, &mut sink);
                    origins = sink.origins;
                    buffers.recycle(chunk);
                }
            }
            let mut decoded = decoder.finish()?;
            decoded.read += gaps.len() as u64;
            decoded.misfits.extend(gaps);
            Ok(Traced { decoded, origins })
        };
        let (mut read, mut first) = (0, 0);
        ordered_map(parts, self.read.threads, worker, work, |traced: Traced| {
            let Traced { decoded: Decoded { batch, misfits, read: records, .. }, origins } = traced;
            if origins.len() != batch.num_rows() {
                return Err(out_of_step());
            }
            read += records;
            self.read.watch.add(records);
            let mut from = 0;
            for row in left_out.within(first, batch.num_rows()) {
                aside.write(encoder, &batch, from..row)?;
                let origin = origins[row].clone();
                aside.keep(left_out.misfit(first + row as u64, schema, origin))?;
                from = row + 1;
            }
            aside.write(encoder, &batch, from..batch.num_rows())?;
            first += batch.num_rows() as u64;
            misfits.into_iter().try_for_each(|misfit| aside.keep(misfit))
        })?;
        let found = found.lock().unwrap_or_else(PoisonError::into_inner);
        if inference.content_hash.as_ref() != Some(&content_hash(&found)) {
            return Err(changed());
        }
        Ok(read)
    }
}

/// What a worker made of one piece when each row has to be told from the next.
struct Traced {
    decoded: Decoded,
    origins: Vec<Misfit>,
}

/// What an attempt did.
struct Loaded {
    counts: Counts,
    schema: Schema,
    already_loaded: bool,
    first_quarantined: Vec<Quarantined>,
}

/// Where files are staged, and for what.
#[cfg(feature = "redshift")]
#[derive(Debug, Clone)]
pub(super) enum Staging {
    /// For a cluster that we are connected to.
    Redshift(Box<crate::load::RedshiftOptions>),
    /// For a script that somebody else runs.
    Script(Box<crate::load::ScriptOptions>),
}

/// The target, with a list of the first records that it keeps aside.
struct Aside<'a> {
    target: &'a mut dyn Target,
    source: &'a Source,
    first: &'a mut Vec<Quarantined>,
}

impl Aside<'_> {
    /// Sends some rows of a batch.
    fn write(&mut self, encoder: &dyn Encode, batch: &RecordBatch, rows: Range<usize>) -> Result<()> {
        match rows.is_empty() {
            true => Ok(()),
            false => self.target.write(encoder.encode(&batch.slice(rows.start, rows.len()))?),
        }
    }

    fn keep(&mut self, misfit: Misfit) -> Result<()> {
        if self.first.len() < MAX_QUARANTINED_LISTED {
            self.first.push(Quarantined {
                source: self.source.name(misfit.source as usize).to_string(),
                line: misfit.line,
                byte: misfit.byte,
                path: misfit.path.clone(),
                reason: misfit.reason.clone(),
            });
        }
        self.target.quarantine(misfit)
    }
}

/// What a worker made of one piece.
struct Sent {
    rows: Option<Prepared>,
    misfits: Vec<Misfit>,
    read: u64,
}

fn misfit(gap: Gap) -> Misfit {
    Misfit {
        source: gap.source,
        line: gap.line,
        byte: gap.offset,
        path: None,
        reason: gap.reason,
        raw: gap.head,
        raw_len: gap.len,
    }
}

fn open(url: &str) -> Result<Box<dyn Target>> {
    if let Some(path) = url.strip_prefix("dir:") {
        return folder(path);
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return postgres(url);
    }
    if url.starts_with("redshift://") {
        return redshift();
    }
    Err(Error::new(ErrorKind::Config, "a target that is neither postgres:// nor dir:")
        .with_hint("write postgres://user@host/database or dir:PATH"))
}

#[cfg(feature = "parquet")]
fn folder(path: &str) -> Result<Box<dyn Target>> {
    Ok(Box::new(crate::load::FolderTarget::new(path)))
}

#[cfg(not(feature = "parquet"))]
fn folder(_: &str) -> Result<Box<dyn Target>> {
    Err(missing("parquet"))
}

#[cfg(feature = "postgres")]
fn postgres(url: &str) -> Result<Box<dyn Target>> {
    Ok(Box::new(crate::load::PostgresTarget::connect(url)?))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str) -> Result<Box<dyn Target>> {
    Err(missing("postgres"))
}

#[cfg(feature = "redshift")]
fn redshift() -> Result<Box<dyn Target>> {
    Err(Error::config("rows come into Redshift through an object store, and none is named")
        .with_hint("name one with Loader::redshift, or `--staging s3://bucket/prefix`"))
}

#[cfg(not(feature = "redshift"))]
fn redshift() -> Result<Box<dyn Target>> {
    Err(missing("redshift"))
}

#[cfg(not(all(feature = "postgres", feature = "parquet", feature = "redshift")))]
fn missing(feature: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("this build of longshore has no feature `{feature}`"))
        .with_hint("turn it on in Cargo.toml")
}

/// An error for inputs that did not give the same bytes twice.
fn changed() -> Error {
    Error::new(ErrorKind::Conflict, "the input changed while it was being loaded, so nothing was loaded")
        .with_hint("load it again when nobody writes to it")
}

//! A long-lived loader: writes are gathered to batches, and each batch is one transaction.

mod batch;
mod buffer;
mod children;
mod feed;
mod options;
mod records;
mod resolve;
mod route;

use std::time::{Duration, Instant};

pub use self::children::ChildTables;
pub use self::feed::Feed;
pub use self::options::{Offset, Receipt, StreamObserver, StreamOptions, StreamTotals};
pub use self::records::StreamRecords;
pub use self::route::{Route, Unrouted};

use self::batch::Batch;
use self::buffer::Buffer;
use self::records::Payload;
pub(super) use self::resolve::resolve;
use super::loader::Loader;
use crate::error::{Error, ErrorKind, Result};
use crate::load::{Counts, LoadRequest, Mode, PostgresStream, Step, StreamBegun};
use crate::records::Format;
use crate::schema::Schema;
use crate::sketch::Sketch;

/// The first pause before a batch is tried again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Loader {
    /// Opens a long-lived loader into a Postgres table, with the default options. See [`StreamLoader`].
    ///
    /// Policy, limits, threads, format and `max_quarantined` (for each batch) are those of this loader. The format is
    /// NDJSON unless [`ReadOptions::format`](crate::ReadOptions::format) says CSV.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) without a table, for a target other than Postgres, for a mode other than
    /// [`Mode::Append`], and for a load id: those of a stream are made from its offsets. [`Database`](crate::ErrorKind::Database) if
    /// the server refuses or cannot be reached.
    pub fn open(self) -> Result<StreamLoader> {
        self.open_with(StreamOptions::default())
    }

    /// Opens a long-lived loader with options.
    ///
    /// # Errors
    ///
    /// As [`Loader::open`], and [`Config`](crate::ErrorKind::Config) for CSV without columns.
    pub fn open_with(self, options: StreamOptions) -> Result<StreamLoader> {
        let format = options.format(&self.read.format)?;
        let table = self.streamed_table()?;
        options.check()?;
        let request = LoadRequest {
            table,
            // Each batch has its own; this one only has to be a possible one.
            load_id: "stream".into(),
            mode: Mode::Append,
            sources: Vec::new(),
            formats: vec![format.written()],
            content_hash: String::new(),
            bytes: 0,
            max_quarantined: self.max_quarantined,
        };
        let stream = PostgresStream::connect(&self.url, &request, options.contract.clone(), options.postgres.clone())?;
        Ok(StreamLoader {
            settings: self,
            options,
            format,
            request,
            stream,
            buffer: Buffer::default(),
            seen: Sketch::default(),
            schema: Schema::default(),
            totals: StreamTotals::default(),
            in_doubt: None,
        })
    }

    fn streamed_table(&self) -> Result<String> {
        if !self.url.starts_with("postgres://") && !self.url.starts_with("postgresql://") {
            return Err(
                Error::config("a stream needs a Postgres server").with_hint("write postgres://user@host/database")
            );
        }
        match &self.mode {
            Mode::Append => {}
            Mode::Merge(_) => return Err(Error::new(ErrorKind::Unsupported, "a stream cannot merge yet")),
            _ => {
                return Err(Error::config("a stream adds to its table or merges into it")
                    .with_hint("choose the mode append or merge"));
            }
        }
        if self.load_id.is_some() {
            return Err(
                Error::config("a stream makes its own load ids, from its offsets").with_hint("leave the id out")
            );
        }
        let missing = || Error::config("a stream needs a table").with_hint("name one with `Loader::table`");
        self.table.clone().ok_or_else(missing)
    }
}

/// A loader that stays open: it takes records as they come, and commits them in batches, each exactly once.
///
/// Made by [`Loader::open`]. A batch is one transaction: the changes that its data needs of the table, its rows, its
/// quarantined records, its row in the ledger `_longshore_loads`, and the offsets of its sources in
/// `_longshore_offsets`. It is committed by [`commit`](StreamLoader::commit), or by
/// [`write`](StreamLoader::write) when it has grown to a limit of the [`StreamOptions`].
///
/// **Exactly once.** An [`Offset`] names a source and the position behind the bytes of a write. After a restart,
/// [`committed`](StreamLoader::committed) says from where to go on; writes at or before that position are skipped, so
/// going on from too early does no harm. If two loaders are given the same source, one commits a batch, and the other
/// finds that out under the table's lock, drops what is committed and goes on with the rest. Positions are compared as
/// they are: a write must end at a position at which a write would also end after a restart, as a Kafka offset or the end
/// of a line does.
///
/// **Types.** The table is made of the first batch and follows the data, as far as the [`Contract`] allows. A column
/// comes with the first value of its field. Types only ever get wider, and a value that its column cannot hold exactly
/// puts its record into the quarantine `_longshore_quarantine`. There, `source` is the write, as `events-3@41210`, and
/// `line` and `byte` count in that write.
///
/// **Failures.** What may pass by itself (a lost connection, a deadlock, a server that starts) is tried again, with
/// growing pauses. An error leaves the batch in the buffer, so that `commit` can be called again. Dropping the loader
/// gives up what is not committed.
///
/// [`Contract`]: crate::load::Contract
///
/// ```no_run
/// use longshore::{Loader, Offset};
///
/// let mut loader = Loader::new("postgres://localhost/shop").table("events").open()?;
/// let from = loader.committed("events-3")?.unwrap_or(0);
/// # let records = vec![(41_209, "{\"id\":1}"), (41_210, "{\"id\":2}")];
/// for (position, record) in records.into_iter().filter(|(position, _)| *position > from) {
///     loader.write(record, Offset::new("events-3", position))?;
/// }
/// let receipt = loader.commit()?;
/// println!("{} rows, and {:?}", receipt.counts.loaded, receipt.altered);
/// # Ok::<(), longshore::Error>(())
/// ```
pub struct StreamLoader {
    settings: Loader,
    options: StreamOptions,
    format: Format,
    request: LoadRequest,
    stream: PostgresStream,
    buffer: Buffer,
    /// The evidence of all batches that were committed here.
    seen: Sketch,
    /// As the last batch was loaded.
    schema: Schema,
    totals: StreamTotals,
    /// The id of a batch that was sent whole, and whose commit may have gone through without our knowing.
    in_doubt: Option<String>,
}

impl std::fmt::Debug for StreamLoader {
    /// Without what is buffered: those are records.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let buffered = (self.buffer.lines(), self.buffer.bytes());
        let mut shown = f.debug_struct("StreamLoader");
        shown.field("stream", &self.stream).field("options", &self.options).field("totals", &self.totals);
        shown.field("buffered_lines_and_bytes", &buffered).finish_non_exhaustive()
    }
}

impl StreamLoader {
    /// Takes in whole records; `offset` is the position of the source behind them.
    ///
    /// A last line without a line end is complete. CSV has no header here: its columns are those of
    /// [`StreamOptions::csv_columns`]. No bytes at all just move the position. A write at or before a position that is
    /// committed or buffered is skipped, and counted in [`StreamTotals::skipped`].
    ///
    /// If the batch has reached a limit, it is committed; the limits on rows and bytes are looked at before and after
    /// taking the bytes in, that on age before. So memory holds at most `max_bytes` and one write.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) for a position above 2^63 - 1 or a source name with U+0000; and everything that
    /// [`commit`](StreamLoader::commit) gives. It is safe to write the same again after an error: if the bytes were
    /// taken in, the second write is skipped.
    pub fn write<'a>(&mut self, records: impl Into<StreamRecords<'a>>, offset: Offset) -> Result<()> {
        if self.admit(&offset)? {
            let Payload::Bytes(bytes) = records.into().0;
            self.buffer.push(&offset.source, &bytes, offset.position);
            if self.is_full() {
                self.commit()?;
            }
        }
        Ok(())
    }

    /// Takes in one record that the caller knows to be none (a Kafka message without a value): it is committed to the
    /// quarantine with `reason`, as one record read. Everything else is as with [`write`](StreamLoader::write).
    ///
    /// # Errors
    ///
    /// As [`write`](StreamLoader::write).
    pub fn set_aside(&mut self, raw: impl AsRef<[u8]>, reason: impl Into<String>, offset: Offset) -> Result<()> {
        if self.admit(&offset)? {
            self.buffer.push_aside(&offset.source, raw.as_ref(), reason.into(), offset.position);
            if self.is_full() {
                self.commit()?;
            }
        }
        Ok(())
    }

    /// Gives up what is buffered of a source, and what is known of its position: somebody else goes on with it. Its
    /// next write here asks the table again. Returns how many writes were dropped.
    pub fn forget(&mut self, source: &str) -> u64 {
        self.buffer.forget(source)
    }

    /// Commits the batch if its first write is as old as [`StreamOptions::max_age`], and says what was done.
    ///
    /// To be called now and then while no records come, since nothing runs in between; a write does the same.
    ///
    /// # Errors
    ///
    /// As [`commit`](StreamLoader::commit).
    pub fn tick(&mut self) -> Result<Option<Receipt>> {
        if self.is_old() { self.commit().map(Some) } else { Ok(None) }
    }

    /// Whether a write at this offset is to be taken in; makes room for it first.
    fn admit(&mut self, offset: &Offset) -> Result<bool> {
        let Offset { source, position } = offset;
        if i64::try_from(*position).is_err() || source.contains('\0') {
            return Err(Error::config("an offset that the ledger cannot hold")
                .with_hint("positions go up to 2^63 - 1, and a source's name holds no U+0000"));
        }
        if self.is_full() || self.is_old() {
            self.commit()?;
        }
        if self.buffer.position(source).is_none() {
            let committed = self.committed(source)?;
            self.buffer.add_source(source, committed);
        }
        let is_new = self.buffer.position(source).flatten().is_none_or(|there| *position > there);
        self.totals.skipped += u64::from(!is_new);
        Ok(is_new)
    }

    /// Takes in whole records that belong into another table than the stream's own.
    ///
    /// As [`write`](StreamLoader::write) in everything else: the table is named as in [`Loader::table`], and the offset is
    /// the source's, whatever tables its writes go into.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](crate::ErrorKind::Unsupported): this version cannot yet.
    pub fn write_to<'a>(
        &mut self,
        _table: &str,
        _records: impl Into<StreamRecords<'a>>,
        _offset: Offset,
    ) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "a stream has one table in this version")
            .with_hint("open a stream for each table"))
    }

    /// Commits what is buffered: rows, quarantine, changes to the table, ledger and offsets in one transaction.
    ///
    /// With nothing buffered, nothing is done, and the receipt is empty. The same is true where another loader has
    /// committed all of it.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if the contract freezes what the data needs to change, if the table cannot be made to
    /// take the data and no single column is to blame, or if an offset has gone back; the errors of the server,
    /// of which the temporary ones ([`Error::is_temporary`]) have been tried again for [`StreamOptions::retry_for`];
    /// [`NotConserved`](crate::ErrorKind::NotConserved) and [`TooManyQuarantined`](crate::ErrorKind::TooManyQuarantined). Nothing of the batch is in the table then,
    /// and all of it is still buffered. Only after an error while committing, which says so, the batch may be there
    /// already; then the next commit finds that out.
    pub fn commit(&mut self) -> Result<Receipt> {
        let started = Instant::now();
        let receipt = self.patiently(Self::commit_once)?;
        if receipt.load_id.is_some() {
            self.report(&receipt, started.elapsed());
        }
        Ok(receipt)
    }

    /// Commits as [`commit`](StreamLoader::commit) does, without trying again after a temporary error.
    #[cfg(feature = "kafka")]
    pub(crate) fn commit_impatiently(&mut self) -> Result<Receipt> {
        let started = Instant::now();
        let receipt = self.commit_once()?;
        if receipt.load_id.is_some() {
            self.report(&receipt, started.elapsed());
        }
        Ok(receipt)
    }

    /// Tells the log and the observer of a batch. Neither sees a record.
    fn report(&self, receipt: &Receipt, took: Duration) {
        let Counts { read, loaded, quarantined, deduplicated } = receipt.counts;
        let (table, load_id) = (self.request.table.as_str(), receipt.load_id.as_deref());
        let (altered, bytes, seconds) = (receipt.altered.len(), receipt.bytes, took.as_secs_f64());
        tracing::info!(
            table,
            load_id,
            read,
            loaded,
            quarantined,
            deduplicated,
            bytes,
            altered,
            seconds,
            "batch committed"
        );
        for statement in &receipt.altered {
            tracing::debug!(table, load_id, statement, "table changed");
        }
        if let Some(observer) = &self.options.observer {
            observer.committed(receipt, took);
        }
    }

    /// How far a source is committed: the position of the last write that is in the table, `None` if there is none.
    ///
    /// # Errors
    ///
    /// Those of the server, after temporary ones have been tried again.
    pub fn committed(&mut self, source: &str) -> Result<Option<u64>> {
        self.patiently(|loader| loader.stream.committed(source))
    }

    /// What was done since the loader was opened.
    pub fn totals(&self) -> StreamTotals {
        self.totals
    }

    /// Whether records are rows of CSV.
    #[cfg(feature = "kafka")]
    pub(crate) fn is_csv(&self) -> bool {
        matches!(self.format, Format::Csv(_))
    }

    /// How far a source is, what is buffered included; asks the table where it is not known here.
    #[cfg(feature = "kafka")]
    pub(crate) fn reached(&mut self, source: &str) -> Result<Option<u64>> {
        match self.buffer.position(source) {
            Some(position) => Ok(position),
            None => self.committed(source),
        }
    }

    /// The committed positions of the sources that are known here.
    #[cfg(feature = "kafka")]
    pub(crate) fn positions(&self) -> std::collections::BTreeMap<String, u64> {
        self.buffer.positions().collect()
    }

    fn is_full(&self) -> bool {
        self.buffer.lines() >= self.options.max_rows || self.buffer.bytes() >= self.options.max_bytes
    }

    fn is_old(&self) -> bool {
        let age = self.buffer.since().map(|since| since.elapsed());
        self.options.max_age.is_some_and(|limit| age.is_some_and(|age| age >= limit))
    }

    /// Tries until it works, fails for good, or has taken too long.
    fn patiently<T>(&mut self, mut work: impl FnMut(&mut Self) -> Result<T>) -> Result<T> {
        let started = Instant::now();
        for attempt in 0.. {
            let error = match work(self) {
                Err(error) if error.is_temporary() => error,
                outcome => return outcome,
            };
            let pause = pause(&load_id(&self.buffer.steps()), attempt);
            if started.elapsed() + pause > self.options.retry_for {
                return Err(error);
            }
            tracing::warn!(table = self.request.table, attempt, %error, pause = pause.as_secs_f64(), "trying again");
            if let Some(observer) = &self.options.observer {
                observer.retrying(&error, pause);
            }
            std::thread::sleep(pause);
        }
        unreachable!("the loop has no end but those inside")
    }

    fn commit_once(&mut self) -> Result<Receipt> {
        loop {
            let steps = self.buffer.steps();
            if steps.is_empty() {
                return Ok(Receipt { schema: self.schema.clone(), ..Receipt::default() });
            }
            if let Some(receipt) = self.load(&steps)? {
                return Ok(receipt);
            }
        }
    }

    /// Loads the batch. `None` if its sources were found elsewhere; the buffer then holds what is left to do.
    fn load(&mut self, steps: &[Step]) -> Result<Option<Receipt>> {
        self.request.load_id = load_id(steps);
        self.request.sources = self.buffer.names();
        self.request.content_hash = self.buffer.content_hash();
        self.request.bytes = self.buffer.bytes();
        let batch = Batch::new(&self.buffer, &self.format, &self.settings);
        let seen = self.seen.clone().merge(batch.sketch(&self.request.sources)?);
        let mut decide = |table: Option<&_>| resolve(&self.settings.policy, &seen, table);
        let names = self.buffer.write_names();
        let (counts, schema, altered) = match self.stream.begin(&self.request, steps, &names, &mut decide)? {
            StreamBegun::Moved(_, Some(counts)) if self.in_doubt.as_ref() == Some(&self.request.load_id) => {
                // It was our own commit that moved them.
                (counts, self.schema.clone(), Vec::new())
            }
            StreamBegun::Moved(positions, _) => {
                self.totals.skipped += self.buffer.move_on(steps, &positions)?;
                return Ok(None);
            }
            StreamBegun::Open(mut open) => {
                let schema = open.schema.clone();
                let encoder = open.encoder();
                let read = batch.send(&schema, &encoder, &mut open)?;
                self.in_doubt = Some(self.request.load_id.clone());
                let altered = std::mem::take(&mut open.altered);
                (open.commit(read)?, schema, altered)
            }
        };
        self.in_doubt = None;
        self.buffer.committed(steps);
        self.seen = seen;
        self.schema = schema.clone();
        self.totals.add(counts);
        let offsets = steps.iter().map(|step| Offset::new(step.source.clone(), step.to)).collect();
        let (load_id, bytes) = (Some(self.request.load_id.clone()), self.request.bytes);
        Ok(Some(Receipt { counts, load_id, offsets, altered, schema, bytes }))
    }
}

/// The id of the batch that takes sources along these steps. It depends on nothing else.
fn load_id(steps: &[Step]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"longshore stream 1");
    for Step { source, from, to } in steps {
        hasher.update(&(source.len() as u64).to_le_bytes());
        hasher.update(source.as_bytes());
        hasher.update(&[u8::from(from.is_some())]);
        hasher.update(&from.unwrap_or_default().to_le_bytes());
        hasher.update(&to.to_le_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// How long to wait after the nth failed attempt: between half and all of a doubling pause. Loaders that failed together
/// come back apart, since their batches differ.
fn pause(load_id: &str, attempt: u32) -> Duration {
    let whole = LONGEST_PAUSE.min(FIRST_PAUSE.saturating_mul(1 << attempt.min(16)));
    let hash = blake3::hash(format!("{load_id} {attempt}").as_bytes());
    whole.mul_f64(0.5 + f64::from(hash.as_bytes()[0]) / 512.0)
}

impl StreamTotals {
    fn add(&mut self, counts: Counts) {
        self.commits += 1;
        self.counts.read += counts.read;
        self.counts.loaded += counts.loaded;
        self.counts.quarantined += counts.quarantined;
        self.counts.deduplicated += counts.deduplicated;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_load_id_depends_on_the_steps_and_on_nothing_else() {
        let id = |source: &str, from: Option<u64>, to: u64| load_id(&[Step { source: source.into(), from, to }]);
        assert_eq!(id("events-3", None, 41_210), id("events-3", None, 41_210));
        let others = [id("events-4", None, 41_210), id("events-3", Some(0), 41_210), id("events-3", None, 41_211)];
        assert!(others.iter().all(|other| *other != id("events-3", None, 41_210)));
    }

    #[test]
    fn pauses_grow_to_a_limit_and_differ_between_batches() {
        for attempt in 0..40 {
            let pause = pause("a", attempt);
            assert!(pause >= FIRST_PAUSE / 2 && pause <= LONGEST_PAUSE, "{pause:?}");
        }
        assert!(pause("a", 9) > pause("a", 3) && pause("a", 1) != pause("b", 1));
    }

    #[test]
    fn what_a_stream_cannot_do_is_refused_before_anything_is_connected() {
        let url = "postgres://u@127.0.0.1:1/d";
        let csv = crate::ReadOptions::default()
            .format(crate::records::FormatOptions { kind: Some(crate::records::Kind::Csv), ..Default::default() });
        for loader in [
            Loader::new(url),
            Loader::new("dir:out").table("t"),
            Loader::new(url).table("t").load_id("1"),
            Loader::new(url).table("t").mode(Mode::Replace),
            Loader::new(url).table("t").read(csv),
            Loader::new(url).table("_longshore_offsets"),
        ] {
            let error = loader.open().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(error.hint().is_some());
        }
    }
}

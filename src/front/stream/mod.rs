//! A long-lived loader: writes are gathered to batches, and each batch is one transaction.

mod ahead;
mod arrow;
mod batch;
mod budget;
mod buffer;
mod children;
mod commit;
mod feed;
mod filling;
mod lines;
mod open;
mod options;
mod part;
mod pieces;
mod promote;
mod reading;
mod receipt;
mod records;
mod refuse;
mod resolve;
mod retry;
mod room;
mod route;
mod rows;
mod shared;
mod split;
mod tables;
mod there;
mod turns;

use std::sync::Arc;
use std::time::Instant;

pub use self::children::ChildTables;
pub use self::feed::Feed;
pub use self::options::{Offset, StreamObserver, StreamOptions};
pub use self::promote::Promotion;
pub use self::receipt::{Receipt, StreamTotals, TableReceipt};
pub use self::records::StreamRecords;
pub use self::route::{Route, Unrouted};

use self::ahead::{Ahead, Closed};
use self::buffer::Buffer;
pub(super) use self::children::{MAX_CHILD_TABLES, file_row_id, row_id, rows_path, take_apart};
use self::commit::Committer;
pub(super) use self::lines::Lines;
use self::records::Payload;
pub(super) use self::refuse::{broken, misfit};
pub(super) use self::resolve::Resolver;
use self::shared::Shared;
pub(super) use self::tables::Tables;
use crate::error::{Error, Result};
use crate::load::Step;
#[cfg(feature = "kafka")]
use crate::records::Format;

/// A loader that stays open: it takes records as they come, and commits them in batches, each exactly once.
///
/// Made by [`Loader::open`](crate::Loader::open). A batch is one transaction: the changes that its data needs of the table, its rows, its
/// quarantined records, its row in the ledger `_longshore_loads`, and the offsets of its sources in
/// `_longshore_offsets`. It is committed by [`commit`](StreamLoader::commit), or when it has grown to a limit of the
/// [`StreamOptions`].
///
/// **One batch ahead.** The [`write`](StreamLoader::write) that fills a batch sends it on its way to the server, by a thread
/// of the loader's own, and returns: while that batch is committed, the next is gathered and read for its evidence. There is
/// never more than one on its way, and batches are committed in their order. What becomes of it is told by
/// [`totals`](StreamLoader::totals) and the [`StreamObserver`]; its error by the next `write`, `tick`, `commit` or
/// `committed`. `commit` returns when everything is committed. Where rows are only added to the stream's own table, those of
/// the next batch are sent already by a second session, and wait there for their turn: so in the table, rows of batches that
/// follow each other may stand among each other.
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
/// **Many tables.** A [`Route`] sends records into tables by the value of a field, and
/// [`write_to`](StreamLoader::write_to) into any that the caller names. All tables of a batch are filled in the one
/// transaction, and the offsets stand beside the stream's own table. Each table has its own row in the ledger.
///
/// **Merging.** With [`Mode::Merge`](crate::load::Mode::Merge) each record takes the place of the row with its key.
///
/// **Failures.** What may pass by itself (a lost connection, a deadlock, a server that starts) is tried again, with
/// growing pauses. An error leaves the batch in the buffer, so that `commit` can be called again. Dropping the loader
/// gives up what is not committed; a batch that is on its way is waited for.
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
    shared: Arc<Shared>,
    /// What is gathered, behind all that was closed.
    buffer: Buffer,
    /// A batch that was on its way and came back: it goes before all others.
    front: Option<Closed>,
    /// Away with a batch that is on its way.
    committer: Option<Box<Committer>>,
    /// What the batch was buffered in that has arrived last.
    spent: Option<Buffer>,
    /// How far the batch takes its sources that is on its way.
    under_way: Vec<Step>,
    ahead: Ahead,
}

impl std::fmt::Debug for StreamLoader {
    /// Without what is buffered: those are records.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let buffered = (self.buffer.lines(), self.buffer.bytes());
        let mut shown = f.debug_struct("StreamLoader");
        shown.field("loader", &self.shared.settings).field("options", &self.shared.options);
        shown.field("totals", &self.totals()).field("buffered_lines_and_bytes", &buffered).finish_non_exhaustive()
    }
}

impl StreamLoader {
    /// Takes in whole records; `offset` is the position of the source behind them.
    ///
    /// They are bytes in the stream's format or an Arrow record batch, see [`StreamRecords`]. A last line without a line
    /// end is complete. CSV has no header here: its columns are those of
    /// [`StreamOptions::csv_columns`]. No bytes at all just move the position. A write at or before a position that is
    /// committed or buffered is skipped, and counted in [`StreamTotals::skipped`].
    ///
    /// If the batch has reached a limit, it is sent on its way, when the one before has arrived; the limits on rows and bytes
    /// are looked at before and after taking the bytes in, that on age before. So memory holds at most two batches, each of
    /// `max_bytes` and a write, and of each of at most 16 MiB up to 32 MiB of its rows, which are made ahead.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) for a position above 2^63 - 1 or a source name with U+0000; and everything that
    /// [`commit`](StreamLoader::commit) gives. It is safe to write the same again after an error: if the bytes were
    /// taken in, the second write is skipped. A record batch with a type that no table takes is
    /// [`Unsupported`](crate::ErrorKind::Unsupported).
    pub fn write<'a>(&mut self, records: impl Into<StreamRecords<'a>>, offset: Offset) -> Result<()> {
        if self.admit(&offset)? {
            self.take(records.into(), &offset, 0)?;
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
        let raw = raw.as_ref();
        self.set_aside_head((raw, raw.len() as u64), reason.into(), offset)
    }

    /// The same with the first bytes of a record and how many it had.
    pub(super) fn set_aside_head(&mut self, raw: (&[u8], u64), reason: String, offset: Offset) -> Result<()> {
        if self.admit(&offset)? {
            self.buffer.push_aside(&offset.source, raw, reason, offset.position);
            self.send_if_full()?;
        }
        Ok(())
    }

    /// Gives up what is buffered of a source, and what is known of its position: somebody else goes on with it. Its
    /// next write here asks the table again. Returns how many writes were dropped. A batch that is on its way is waited for;
    /// what has arrived is committed.
    pub fn forget(&mut self, source: &str) -> u64 {
        self.wait();
        let front = self.front.as_mut().map_or(0, |front| front.buffer.forget(source));
        self.front.take_if(|front| front.buffer.is_empty());
        front + self.buffer.forget(source)
    }

    /// Commits the batch if its first write is as old as [`StreamOptions::max_age`], and says what was done. A batch that
    /// has failed before is tried again, and what was gathered behind it goes along.
    ///
    /// To be called now and then while no records come, since nothing runs in between; a write does the same.
    ///
    /// # Errors
    ///
    /// As [`commit`](StreamLoader::commit).
    pub fn tick(&mut self) -> Result<Option<Receipt>> {
        self.look()?;
        if self.is_old() || self.front.is_some() { self.commit().map(Some) } else { Ok(None) }
    }

    /// Whether a write at this offset is to be taken in; makes room for it first.
    fn admit(&mut self, offset: &Offset) -> Result<bool> {
        let Offset { source, position } = offset;
        if i64::try_from(*position).is_err() || source.contains('\0') {
            return Err(Error::config("an offset that the ledger cannot hold")
                .with_hint("positions go up to 2^63 - 1, and a source's name holds no U+0000"));
        }
        self.look()?;
        if self.is_full() || self.is_old() {
            self.send()?;
        }
        if self.buffer.position(source).is_none() {
            let committed = self.committed(source)?;
            self.buffer.add_source(source, committed);
        }
        let is_new = self.buffer.position(source).flatten().is_none_or(|there| *position > there);
        self.shared.totals().skipped += u64::from(!is_new);
        Ok(is_new)
    }

    /// Takes in whole records that belong into another table than the stream's own.
    ///
    /// As [`write`](StreamLoader::write) in everything else: the table is named as in [`Loader::table`](crate::Loader::table), and the offset is
    /// the source's, whatever tables its writes go into.
    ///
    /// # Errors
    ///
    /// As [`write`](StreamLoader::write), and [`Config`](crate::ErrorKind::Config) for a name that no table can have.
    pub fn write_to<'a>(&mut self, table: &str, records: impl Into<StreamRecords<'a>>, offset: Offset) -> Result<()> {
        let table = self.table_number(table)?;
        if self.admit(&offset)? {
            self.take(records.into(), &offset, table)?;
        }
        Ok(())
    }

    /// Takes records into the buffer, and sends them on if that makes it full.
    fn take(&mut self, records: StreamRecords<'_>, offset: &Offset, table: usize) -> Result<()> {
        match records.0 {
            Payload::Bytes(bytes) => self.buffer.push(&offset.source, &bytes, offset.position, table),
            Payload::Batch(batch) => {
                let (lines, declared) = arrow::lines(&batch, &self.shared.options.child_tables)?;
                self.buffer.push_declared(&offset.source, &lines, declared, offset.position, table);
            }
        }
        self.send_if_full()
    }

    /// The number of a table that the caller names.
    fn table_number(&mut self, text: &str) -> Result<usize> {
        if let Some(number) = self.shared.tables.named(text) {
            return Ok(number);
        }
        let name = tables::parse(text)?;
        let committer = self.idle()?;
        committer.patiently(text, Committer::know_own_table)?;
        let name = committer.patiently(text, |committer| committer.stream.resolve(Some(&name)))?;
        Ok(self.shared.tables.call(text, name))
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
        self.idle()?;
        self.commit_front()?;
        let committer = self.committer.as_mut().ok_or_else(turns::lost)?;
        committer.commit(&mut self.buffer, Instant::now(), None)
    }

    /// Commits as [`commit`](StreamLoader::commit) does, without trying again after a temporary error.
    #[cfg(feature = "kafka")]
    pub(crate) fn commit_impatiently(&mut self) -> Result<Receipt> {
        self.wait();
        let committer = self.committer.as_mut().ok_or_else(turns::lost)?;
        if let Some(front) = &mut self.front {
            front.failed = None;
            committer.attempt(&mut front.buffer, front.started, None)?;
            self.front = None;
        }
        committer.attempt(&mut self.buffer, Instant::now(), None)
    }

    /// How far a source is committed: the position of the last write that is in the table, `None` if there is none.
    ///
    /// # Errors
    ///
    /// Those of the server, after temporary ones have been tried again.
    pub fn committed(&mut self, source: &str) -> Result<Option<u64>> {
        self.idle()?.patiently(source, |committer| committer.stream.committed(source))
    }

    /// What was done since the loader was opened.
    pub fn totals(&self) -> StreamTotals {
        *self.shared.totals()
    }

    /// Whether records are rows of CSV.
    #[cfg(feature = "kafka")]
    pub(crate) fn is_csv(&self) -> bool {
        matches!(self.shared.format, Format::Csv(_))
    }

    /// How far a source is, what is buffered included; asks the table where it is not known here, and knows it then.
    #[cfg(feature = "kafka")]
    pub(crate) fn reached(&mut self, source: &str) -> Result<Option<u64>> {
        match self.buffer.position(source) {
            Some(position) => Ok(position),
            None => {
                let committed = self.committed(source)?;
                self.buffer.add_source(source, committed);
                Ok(committed)
            }
        }
    }

    /// The committed positions of the sources that are known here.
    #[cfg(feature = "kafka")]
    pub(crate) fn positions(&self) -> std::collections::BTreeMap<String, u64> {
        let mut positions: std::collections::BTreeMap<_, _> = self.buffer.positions().collect();
        let front = self.front.iter().flat_map(|front| front.buffer.steps());
        for Step { source, from, .. } in self.under_way.iter().cloned().chain(front) {
            match from {
                Some(from) => positions.insert(source, from),
                None => positions.remove(&source),
            };
        }
        positions
    }

    fn is_full(&self) -> bool {
        let options = &self.shared.options;
        self.buffer.lines() >= options.max_rows || self.buffer.bytes() >= options.max_bytes
    }

    fn is_old(&self) -> bool {
        let age = self.buffer.since().map(|since| since.elapsed());
        self.shared.options.max_age.is_some_and(|limit| age.is_some_and(|age| age >= limit))
    }
}

//! Kafka topics into tables, each message exactly once.

mod keeper;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use self::keeper::Keeper;
use super::loader::Loader;
use super::stream::{Receipt, StreamOptions, StreamTotals};
use crate::error::{Error, ErrorKind, Result};
use crate::source::KafkaOptions;
use crate::source::kafka::Consumer;

/// Messages taken in before a poll returns although there are more.
const AT_A_TIME: u64 = 10_000;
/// How long [`KafkaStream::run`] waits for a message before it looks up.
const LOOK_UP: Duration = Duration::from_millis(200);

impl Loader {
    /// Consumes Kafka topics into a Postgres table (feature `kafka`). See [`KafkaStream`].
    ///
    /// # Errors
    ///
    /// As [`Loader::open_with`]; [`Config`](ErrorKind::Config) or [`Unsupported`](ErrorKind::Unsupported) for a property that
    /// the client library refuses; [`Io`](ErrorKind::Io) if no broker answers or a topic is not there.
    pub fn consume(self, kafka: KafkaOptions, options: StreamOptions) -> Result<KafkaStream> {
        let patience = options.retry_for;
        let keeper = Keeper::new(self.open_with(options)?);
        Ok(KafkaStream { consumer: Consumer::join(kafka, keeper, patience)?, told: 0, failed: false })
    }
}

/// A member of a consumer group that loads what it reads, exactly once.
///
/// Made by [`Loader::consume`]. Each message is a record of the format of the [`Loader`]: a JSON object, which may go over
/// several lines; objects on a line each; or rows of CSV. A message without a value (a tombstone) and one that is no
/// record are committed to the quarantine, as `kafka:TOPIC/PARTITION@POSITION`, where the position is the offset behind
/// the message. Keys and headers are not read.
///
/// **Exactly once.** How far a partition is loaded stands in `_longshore_offsets`, committed with the rows. From
/// there it goes on, whoever is given it: after a restart, a crash, or a rebalance. Before a partition is given up, its
/// batch is committed; if that fails, what was read of it is dropped, and read again by the next owner. The group's
/// own offsets are stored as well, so that lag can be watched with the usual tools, but never read.
///
/// **What is never passed over.** An offset that the topic does not have ends the stream with
/// [`Conflict`](ErrorKind::Conflict): records were deleted before they were read (see
/// [`OnGap`](crate::source::OnGap)), or the topic was deleted and made anew.
///
/// ```no_run
/// use std::time::Duration;
/// use longshore::source::KafkaOptions;
/// use longshore::{Loader, StreamOptions};
///
/// let options = StreamOptions::default().max_age(Duration::from_secs(5));
/// let loader = Loader::new("postgres://localhost/shop").table("orders");
/// let mut stream = loader.consume(KafkaOptions::new("localhost:9092", ["orders"]), options)?;
/// while stream.totals().counts.read < 1_000 {
///     stream.poll(Duration::from_millis(200))?;
/// }
/// let receipt = stream.close()?;
/// println!("{} rows in the last batch", receipt.counts.loaded);
/// # Ok::<(), longshore::Error>(())
/// ```
pub struct KafkaStream {
    consumer: Consumer<Keeper>,
    /// The commits that the group has been told of.
    told: u64,
    /// A message was taken from the client and not taken in: nothing behind it may be.
    failed: bool,
}

/// How far one assigned partition is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionLag {
    /// What the ledger calls it: `kafka:TOPIC/PARTITION`.
    pub source: String,
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The offset behind the last message that is committed in the table; `None` if there is none.
    pub position: Option<u64>,
    /// The offset behind the last message in the topic, as the brokers last said; `None` if they have not yet.
    pub end: Option<u64>,
}

impl PartitionLag {
    /// Messages in the topic that are not in the table, where the brokers have said how far it goes. It may be too high:
    /// compacted topics have offsets without messages, and of a partition of which nothing is loaded yet old ones may be gone.
    pub fn messages(&self) -> Option<u64> {
        Some(self.end?.saturating_sub(self.position.unwrap_or(0)))
    }
}

impl KafkaStream {
    /// Waits for messages, at most for `timeout`, and takes in what there is, up to 10,000; returns how many. Batches are
    /// committed as they fill up or get old.
    ///
    /// To be called again and again, at least every few minutes, or the group takes the partitions away.
    ///
    /// # Errors
    ///
    /// As [`StreamLoader::write`](crate::StreamLoader::write), and what the brokers refuse; temporary errors of both sides
    /// only after [`StreamOptions::retry_for`]. What is not committed is to be read again: open the stream anew.
    pub fn poll(&mut self, timeout: Duration) -> Result<u64> {
        if self.failed {
            return Err(Error::new(ErrorKind::Config, "the stream has failed before: open it again"));
        }
        let (mut taken, mut wait) = (0, timeout);
        while taken < AT_A_TIME {
            let Some(received) = self.consumer.poll(wait)? else { break };
            let kept = self.consumer.owner().keep(&received);
            if let Err(error) = kept {
                self.failed = true;
                return Err(error);
            }
            (taken, wait) = (taken + 1, Duration::ZERO);
        }
        self.consumer.owner().loader.tick()?;
        self.tell_group();
        Ok(taken)
    }

    /// Polls until `stop` is set, then commits what is there. `each` is called after every poll.
    ///
    /// # Errors
    ///
    /// As [`poll`](KafkaStream::poll) and [`close`](KafkaStream::close).
    pub fn run(mut self, stop: &AtomicBool, mut each: impl FnMut(&Self)) -> Result<StreamTotals> {
        while !stop.load(Ordering::Relaxed) {
            self.poll(LOOK_UP)?;
            each(&self);
        }
        self.commit()?;
        each(&self);
        let totals = self.totals();
        self.close()?;
        Ok(totals)
    }

    /// Commits what was read.
    ///
    /// # Errors
    ///
    /// As [`StreamLoader::commit`](crate::StreamLoader::commit).
    pub fn commit(&mut self) -> Result<Receipt> {
        let receipt = self.consumer.owner().loader.commit()?;
        self.tell_group();
        Ok(receipt)
    }

    /// Commits what was read and leaves the group. Dropping the stream instead gives up what is not committed.
    ///
    /// # Errors
    ///
    /// As [`commit`](KafkaStream::commit).
    pub fn close(mut self) -> Result<Receipt> {
        self.commit()
    }

    /// What was done since the stream was opened.
    pub fn totals(&self) -> StreamTotals {
        self.consumer.owner().loader.totals()
    }

    /// How far the partitions are that this member has now.
    pub fn lag(&self) -> Vec<PartitionLag> {
        let positions = self.consumer.owner().loader.positions();
        let of = |(source, topic, partition, end): (String, String, i32, Option<u64>)| {
            let position = positions.get(&source).copied();
            PartitionLag { source, topic, partition, position, end }
        };
        self.consumer.partitions().into_iter().map(of).collect()
    }

    /// Stores the group's offsets after a commit.
    fn tell_group(&mut self) {
        let (commits, positions) = {
            let owner = self.consumer.owner();
            (owner.loader.totals().commits, owner.loader.positions())
        };
        if commits > self.told {
            self.told = commits;
            self.consumer.tell_group(&positions);
        }
    }
}

impl Drop for KafkaStream {
    /// Leaving the group takes the partitions away, and that must commit nothing now.
    fn drop(&mut self) {
        self.consumer.owner().is_closing = true;
    }
}

impl std::fmt::Debug for KafkaStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaStream")
            .field("totals", &self.totals())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

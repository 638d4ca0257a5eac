//! A member of a consumer group that goes on where its owner has left off.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use super::closing::Closing;
use super::error::failed;
use super::options::{KafkaOptions, OnGap};
use super::rebalance::{Context, Owner};
use crate::error::{Error, ErrorKind, Result};

/// Errors that lie further apart than this belong to different outages: the client library tries to connect again every
/// ten seconds at the latest, and reports each failure.
const SAME_OUTAGE: Duration = Duration::from_secs(30);
/// How long a broker is waited for when something is asked in between.
const ANSWER: Duration = Duration::from_secs(5);
/// How often it is looked up, while a broker is waited for, whether there is any use in that.
const A_MOMENT: Duration = Duration::from_secs(1);
/// How long it is listened then to what the client library has to tell.
const LISTEN: Duration = Duration::from_millis(100);

/// How long it may take to leave the group: less than whoever stops a process waits before it ends it by force.
const CLOSE: Duration = Duration::from_secs(5);

/// A consumer of one or more topics.
pub(crate) struct Consumer<O: Owner + 'static> {
    inner: Closing<BaseConsumer<Context<O>>>,
    /// How long brokers may be away before that is an error.
    patience: Duration,
    /// When the present outage began, and its last error.
    outage: Mutex<Option<(Instant, Instant)>>,
    /// A partition's offset was out of range: the client library fetches no more of it until it is told where to go on.
    stalled: AtomicBool,
}

/// What a poll gave.
pub(crate) enum Received<'a> {
    /// A message.
    Message(Message<'a>),
    /// Records of this source were deleted before they were read; it goes on at `next`.
    Gap { source: String, from: u64, next: u64 },
}

/// One message.
pub(crate) struct Message<'a> {
    inner: BorrowedMessage<'a>,
    /// What the ledger calls its partition.
    pub(crate) source: String,
}

impl Message<'_> {
    /// Its value; `None` for a tombstone.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        self.inner.payload()
    }

    /// The position behind it.
    pub(crate) fn next(&self) -> u64 {
        u64::try_from(self.inner.offset()).map_or(0, |offset| offset + 1)
    }
}

impl<O: Owner + 'static> Consumer<O> {
    /// Connects, checks that the topics are there, and joins the group.
    pub(crate) fn join(options: KafkaOptions, owner: O, patience: Duration) -> Result<Self> {
        let config = options.client_config()?;
        let (topics, timeout) = (options.topics.clone(), options.connect_timeout);
        let created = config.create_with_context(Context::new(options, owner));
        let created: BaseConsumer<_> = created.map_err(|error| failed("setting up the Kafka client", &error))?;
        let inner = Closing::new(created, CLOSE);
        for topic in &topics {
            look_for(&inner, topic, timeout)?;
        }
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        inner.subscribe(&names).map_err(|error| failed("joining the consumer group", &error))?;
        Ok(Consumer { inner, patience, outage: Mutex::default(), stalled: AtomicBool::new(false) })
    }

    /// The owner. Must not be held while polling.
    pub(crate) fn owner(&self) -> MutexGuard<'_, O> {
        self.inner.context().owner()
    }

    /// Waits for the next message, at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] where an offset is not in the topic any more; what the client library cannot mend; and what
    /// it could, if that takes longer than this consumer's patience.
    pub(crate) fn poll(&self, timeout: Duration) -> Result<Option<Received<'_>>> {
        self.inner.context().place_the_unplaced(&self.inner)?;
        if self.stalled.load(Ordering::Relaxed) {
            if let Err(error) = go_on(&self.inner, None) {
                return self.wait_out(error);
            }
            self.stalled.store(false, Ordering::Relaxed);
        }
        match self.inner.poll(timeout) {
            None => Ok(None),
            Some(Ok(message)) => {
                *self.outage() = None;
                let source = self.inner.context().options.source_name(message.topic(), message.partition());
                Ok(Some(Received::Message(Message { inner: message, source })))
            }
            Some(Err(KafkaError::MessageConsumption(Code::AutoOffsetReset | Code::OffsetOutOfRange))) => {
                self.stalled.store(true, Ordering::Relaxed);
                match out_of_range(&self.inner) {
                    Ok(Some(gap)) => {
                        self.stalled.store(false, Ordering::Relaxed);
                        Ok(Some(gap))
                    }
                    Ok(None) => {
                        let message = "an offset was out of its topic's range, and is in it again";
                        let error = Error::new(ErrorKind::Io, message).with_temporary(true);
                        // Here a broker's answer is no comfort.
                        if is_over(&mut self.outage(), self.patience) {
                            return Err(error);
                        }
                        tracing::warn!(%error, "going on where the table is");
                        Ok(None)
                    }
                    Err(error) => self.wait_out(error),
                }
            }
            Some(Err(error)) => self.wait_out(self.inner.context().explained("reading from Kafka", &error)),
        }
    }

    /// Passes over an error that may pass by itself, for as long as the patience lasts.
    fn wait_out(&self, error: Error) -> Result<Option<Received<'_>>> {
        if !error.is_temporary() || is_over(&mut self.outage(), self.patience) && !self.is_answered() {
            return Err(error);
        }
        tracing::warn!(%error, "Kafka is not there; waiting");
        Ok(None)
    }

    /// Whether a broker answers after all. The client library connects again without a word, and a topic without new
    /// messages is no outage.
    fn is_answered(&self) -> bool {
        let topic = self.inner.context().options.topics.first().map(String::as_str);
        let answered = self.inner.fetch_metadata(topic, ANSWER).is_ok();
        if answered {
            *self.outage() = None;
        }
        answered
    }

    fn outage(&self) -> MutexGuard<'_, Option<(Instant, Instant)>> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the group how far sources are, for lag tools. Nothing depends on it.
    pub(crate) fn tell_group(&self, positions: &BTreeMap<String, u64>) {
        let mut offsets = TopicPartitionList::new();
        let state = self.inner.context().state();
        for (source, (topic, partition)) in &state.assigned {
            if let Some(position) = positions.get(source).and_then(|position| i64::try_from(*position).ok()) {
                let _ = offsets.add_partition_offset(topic, *partition, Offset::Offset(position));
            }
        }
        drop(state);
        if offsets.count() > 0
            && let Err(error) = self.inner.commit(&offsets, CommitMode::Async)
        {
            tracing::debug!(%error, "the group's offsets were not stored");
        }
    }

    /// The assigned partitions by source name, each with its end where the brokers have said it.
    pub(crate) fn partitions(&self) -> Vec<(String, String, i32, Option<u64>)> {
        let state = self.inner.context().state();
        let row = |(source, (topic, partition)): (&String, &(String, i32))| {
            (source.clone(), topic.clone(), *partition, state.ends.get(source).copied())
        };
        state.assigned.iter().map(row).collect()
    }
}

/// Makes sure that a topic is there, and that brokers let us in: one that does not is found out at once, not when the time
/// is over.
fn look_for<O: Owner + 'static>(inner: &BaseConsumer<Context<O>>, topic: &str, timeout: Duration) -> Result<()> {
    let doing = format_args!("looking for the topic `{topic}`");
    let started = Instant::now();
    let found = loop {
        let left = timeout.saturating_sub(started.elapsed());
        let error = match inner.fetch_metadata(Some(topic), left.min(A_MOMENT)) {
            Ok(found) => break found,
            Err(error) => error,
        };
        // What has become of connections is told here, log lines first; there are no messages yet.
        let listened = Instant::now() + LISTEN;
        while Instant::now() < listened {
            if let Some(Err(error)) = inner.poll(LISTEN)
                && let Some(Code::Authentication | Code::SSL) = error.rdkafka_error_code()
            {
                return Err(inner.context().explained(doing, &error));
            }
        }
        if left <= A_MOMENT {
            return Err(failed(doing, &error));
        }
    };
    match found.topics().iter().find_map(|topic| topic.error()) {
        Some(code) => Err(failed(doing, &KafkaError::MetadataFetch(Code::from(code)))),
        None => Ok(()),
    }
}

/// Whether brokers have been away for longer than the patience, now that one more error has come.
fn is_over(outage: &mut Option<(Instant, Instant)>, patience: Duration) -> bool {
    let now = Instant::now();
    let since = match outage {
        Some((since, last)) if now.duration_since(*last) < SAME_OUTAGE => *since,
        _ => now,
    };
    *outage = Some((since, now));
    now.duration_since(since) > patience
}

/// Finds the partition whose offset is not there, and says what became of it. None if all are there by now.
fn out_of_range<O: Owner + 'static>(inner: &BaseConsumer<Context<O>>) -> Result<Option<Received<'static>>> {
    let context = inner.context();
    let assigned = context.state().assigned.clone();
    for (source, (topic, partition)) in assigned {
        let Some(at) = context.owner().resume_at(&source)? else { continue };
        let bounds = inner.fetch_watermarks(&topic, partition, ANSWER);
        let (low, high) = bounds.map_err(|error| failed("asking for a partition's bounds", &error))?;
        let (low, high) = (u64::try_from(low).unwrap_or(0), u64::try_from(high).unwrap_or(0));
        if at < low {
            if context.options.on_gap == OnGap::Record {
                go_on(inner, Some((&source, low)))?;
                return Ok(Some(Received::Gap { source, from: at, next: low }));
            }
            let message = format!(
                "`{source}` has been loaded up to offset {at}, and the topic begins at {low}: {} offsets were deleted \
                 before they were read (some may have been a transaction's marks and no records)",
                low - at
            );
            return Err(Error::new(ErrorKind::Conflict, message)
                .with_hint("fetch those records from elsewhere, or go on with `OnGap::Record`, which notes the gap"));
        }
        if at > high {
            let message = format!(
                "`{source}` has been loaded up to offset {at}, and the topic ends at {high}: its last records were cut off, \
                 it was deleted and made anew, or it is that of another cluster"
            );
            return Err(Error::new(ErrorKind::Conflict, message).with_hint(
                "a new topic is loaded from its beginning under another name of the cluster; of one that was cut off, \
                 what the table has already comes again: load it into an empty table, or merge by a key",
            ));
        }
    }
    // It has come back in the meantime, or belongs to nobody here any more.
    Ok(None)
}

/// Fetches from where the owner has the partitions, but for one of them: one whose offset was out of range cannot be moved
/// alone.
fn go_on<O: Owner + 'static>(inner: &BaseConsumer<Context<O>>, but: Option<(&str, u64)>) -> Result<()> {
    let context = inner.context();
    let assigned = context.state().assigned.clone();
    let mut partitions = TopicPartitionList::new();
    for (name, (topic, partition)) in assigned {
        let at = match but {
            Some((source, offset)) if name == source => Some(offset),
            _ => context.owner().resume_at(&name)?,
        };
        let at = at.map_or(Offset::Beginning, |at| Offset::Offset(i64::try_from(at).unwrap_or(i64::MAX)));
        let added = partitions.add_partition_offset(&topic, partition, at);
        added.map_err(|error| failed("setting partitions to where they go on", &error))?;
    }
    let moved = match inner.rebalance_protocol() {
        RebalanceProtocol::Cooperative => {
            inner.incremental_unassign(&partitions).and_then(|()| inner.incremental_assign(&partitions))
        }
        _ => inner.assign(&partitions),
    };
    moved.map_err(|error| failed("setting partitions to where they go on", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_over_patience_only_when_its_errors_follow_each_other() {
        let patience = Duration::from_secs(60);
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        let mut outage = None;
        assert!(!is_over(&mut outage, patience) && outage.is_some());
        let mut outage = Some((ago(61), ago(5)));
        assert!(is_over(&mut outage, patience));
        let mut outage = Some((ago(61), ago(40)));
        assert!(!is_over(&mut outage, patience), "a new outage");
    }
}

//! Partitions that are given to this consumer and taken from it again.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::types::{RDKafkaErrorCode as Code, RDKafkaRespErr};
use rdkafka::{ClientContext, Offset, Statistics, TopicPartitionList};

use super::error::failed;
use super::options::KafkaOptions;
use crate::error::{Error, Result};

/// Who keeps what is read, and knows how far that is.
pub(crate) trait Owner: Send {
    /// The offset at which a source goes on; `None` to begin with the oldest record.
    fn resume_at(&mut self, source: &str) -> Result<Option<u64>>;

    /// The sources go to somebody else: what was read of them is to be kept for good now, or given up.
    fn give_up(&mut self, sources: &[String]);
}

/// What the client library calls back.
pub(super) struct Context<O: Owner> {
    pub(super) options: KafkaOptions,
    owner: Mutex<O>,
    state: Mutex<State>,
    /// Why a broker last refused to let us in, in the client library's words.
    refusal: Mutex<Option<String>>,
}

/// What is known of the partitions.
#[derive(Default)]
pub(super) struct State {
    /// Those assigned to this consumer, by source name.
    pub(super) assigned: BTreeMap<String, (String, i32)>,
    /// Those that were assigned, but whose offsets could not be asked for.
    unplaced: Option<TopicPartitionList>,
    /// The ends of the partitions, as the brokers last said.
    pub(super) ends: BTreeMap<String, u64>,
}

impl<O: Owner> Context<O> {
    pub(super) fn new(options: KafkaOptions, owner: O) -> Self {
        Context { options, owner: Mutex::new(owner), state: Mutex::default(), refusal: Mutex::default() }
    }

    /// The owner. Must not be held while the client library is polled.
    pub(super) fn owner(&self) -> MutexGuard<'_, O> {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an error of a failed call. If no broker has let us in, it says what they have against us.
    pub(super) fn explained(&self, doing: impl Display, error: &KafkaError) -> Error {
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        match (error.rdkafka_error_code(), &*refusal) {
            (Some(Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL), Some(refusal)) => {
                failed(format_args!("{doing}: {refusal}"), error)
            }
            _ => failed(doing, error),
        }
    }

    fn names(&self, partitions: &TopicPartitionList) -> Vec<(String, (String, i32))> {
        let name = |topic: &str, partition| self.options.source_name(topic, partition);
        let elements = partitions.elements();
        let pair = |e: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            (name(e.topic(), e.partition()), (e.topic().to_owned(), e.partition()))
        };
        elements.iter().map(pair).collect()
    }

    /// Tries again to place partitions whose offsets could not be asked for.
    pub(super) fn place_the_unplaced(&self, consumer: &BaseConsumer<Self>) -> Result<()> {
        let Some(mut partitions) = self.state().unplaced.take() else { return Ok(()) };
        let placed = self.place(consumer, &mut partitions);
        if placed.is_err() {
            self.state().unplaced = Some(partitions);
        }
        placed
    }

    /// Sets every partition to where the table has it, and begins to fetch there.
    fn place(&self, consumer: &BaseConsumer<Self>, partitions: &mut TopicPartitionList) -> Result<()> {
        let names = self.names(partitions);
        for (source, (topic, partition)) in &names {
            let at = match self.owner().resume_at(source)? {
                Some(position) => Offset::Offset(i64::try_from(position).unwrap_or(i64::MAX)),
                None => Offset::Beginning,
            };
            let set = partitions.set_partition_offset(topic, *partition, at);
            set.map_err(|error| failed("setting the offset of a partition", &error))?;
            tracing::info!(source, offset = ?at, "partition assigned");
        }
        let assigned = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
            _ => consumer.assign(partitions),
        };
        assigned.map_err(|error| failed("taking over partitions", &error))?;
        self.state().assigned.extend(names);
        Ok(())
    }

    fn take(&self, consumer: &BaseConsumer<Self>, partitions: &mut TopicPartitionList) {
        if let Err(error) = self.place(consumer, partitions) {
            tracing::warn!(%error, "partitions were assigned whose offsets are not known yet");
            // The group waits for an answer; fetching begins once the table says where.
            let _ = match consumer.rebalance_protocol() {
                RebalanceProtocol::Cooperative => consumer.incremental_assign(&TopicPartitionList::new()),
                _ => consumer.assign(&TopicPartitionList::new()),
            };
            let mut state = self.state();
            let unplaced = state.unplaced.get_or_insert_with(TopicPartitionList::new);
            for partition in partitions.elements() {
                unplaced.add_partition(partition.topic(), partition.partition());
            }
        }
    }

    fn release(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        let sources: Vec<String> = self.names(partitions).into_iter().map(|(source, _)| source).collect();
        tracing::info!(?sources, lost = consumer.assignment_lost(), "partitions revoked");
        self.owner().give_up(&sources);
        let mut placed = TopicPartitionList::new();
        {
            let mut state = self.state();
            for (topic, partition) in sources.iter().filter_map(|source| state.assigned.get(source)) {
                placed.add_partition(topic, *partition);
            }
            state.assigned.retain(|source, _| !sources.contains(source));
            state.ends.retain(|source, _| !sources.contains(source));
            if let Some(unplaced) = state.unplaced.take() {
                state.unplaced = without(&unplaced, partitions);
            }
        }
        let released = match consumer.rebalance_protocol() {
            // It refuses all of them if one was never placed.
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(&placed),
            _ => consumer.unassign(),
        };
        if let Err(error) = released {
            tracing::warn!(%error, "partitions could not be given back");
        }
    }
}

/// The partitions that are not among others; `None` if none are left.
fn without(partitions: &TopicPartitionList, others: &TopicPartitionList) -> Option<TopicPartitionList> {
    let mut left = TopicPartitionList::new();
    for partition in partitions.elements() {
        if others.find_partition(partition.topic(), partition.partition()).is_none() {
            left.add_partition(partition.topic(), partition.partition());
        }
    }
    (left.count() > 0).then_some(left)
}

impl<O: Owner> ConsumerContext for Context<O> {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.take(consumer, partitions),
            _ => self.release(consumer, partitions),
        }
    }

    fn commit_callback(&self, result: Result<(), KafkaError>, _: &TopicPartitionList) {
        if let Err(error) = result {
            // Only lag tools look at these offsets.
            tracing::debug!(%error, "the group's offsets were not stored");
        }
    }
}

impl<O: Owner> ClientContext for Context<O> {
    fn stats(&self, statistics: Statistics) {
        let mut state = self.state();
        for (topic, of_topic) in &statistics.topics {
            for (number, partition) in &of_topic.partitions {
                let source = self.options.source_name(topic, *number);
                if let (true, Ok(end)) = (state.assigned.contains_key(&source), u64::try_from(partition.hi_offset)) {
                    state.ends.insert(source, end);
                }
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "Kafka client");
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Only here is it said what is wrong with a certificate or a password. It begins with thread and broker.
        if let Some(at) = ["SASL authentication", "SSL handshake"].iter().find_map(|sign| message.find(sign)) {
            *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(message[at..].to_owned());
        }
        match level {
            RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info => tracing::debug!(facility, message, "Kafka client"),
            _ => tracing::warn!(facility, message, "Kafka client"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_that_are_taken_away_are_not_placed_later() {
        let list = |partitions: &[i32]| {
            let mut list = TopicPartitionList::new();
            for partition in partitions {
                list.add_partition("t", *partition);
            }
            list
        };
        let left = without(&list(&[0, 1, 2]), &list(&[1, 7])).unwrap();
        assert_eq!(left.elements().iter().map(|e| e.partition()).collect::<Vec<_>>(), [0, 2]);
        assert!(without(&list(&[1]), &list(&[1])).is_none());
    }
}

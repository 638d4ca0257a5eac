//! How a topic is consumed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;

use crate::error::{Error, Result};

/// Settings of the client library that this crate makes itself, because its guarantee rests on them.
const OWN: [&str; 8] = [
    "bootstrap.servers",
    "metadata.broker.list",
    "group.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "enable.partition.eof",
    "statistics.interval.ms",
];
/// Bytes that the client library fetches ahead, over all partitions.
const FETCH_AHEAD_KIB: &str = "16384";

/// What happens when records were deleted from a topic before they were read: its retention was shorter than the
/// time the consumer was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnGap {
    /// The stream ends with [`Conflict`](crate::ErrorKind::Conflict), which says how many offsets are gone.
    #[default]
    Stop,
    /// The stream goes on with the oldest record there is. The gap is an entry of the quarantine, without bytes.
    Record,
}

/// Which topics are consumed, and how. Every setting but the first two has a default.
///
/// ```
/// # #[cfg(feature = "kafka")] {
/// use longshore::source::KafkaOptions;
/// let options = KafkaOptions::new("broker-1:9092,broker-2:9092", ["orders"])
///     .group("orders-to-shop")
///     .property("client.rack", "eu-1a");
/// assert_eq!(options.topics(), ["orders"]);
/// # }
/// ```
#[derive(Clone)]
pub struct KafkaOptions {
    pub(super) brokers: String,
    pub(super) topics: Vec<String>,
    pub(super) group: String,
    pub(super) name: Option<String>,
    pub(super) on_gap: OnGap,
    pub(super) connect_timeout: Duration,
    properties: BTreeMap<String, String>,
}

impl fmt::Debug for KafkaOptions {
    /// Without the values of the properties: some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties: Vec<&str> = self.properties.keys().map(String::as_str).collect();
        let mut shown = f.debug_struct("KafkaOptions");
        shown.field("brokers", &self.brokers).field("topics", &self.topics).field("group", &self.group);
        shown.field("name", &self.name).field("on_gap", &self.on_gap).field("properties", &properties);
        shown.finish_non_exhaustive()
    }
}

impl KafkaOptions {
    /// Consumes `topics` of the cluster that `brokers` (`host:port`, separated by commas) belong to.
    pub fn new(brokers: impl Into<String>, topics: impl IntoIterator<Item = impl Into<String>>) -> Self {
        KafkaOptions {
            brokers: brokers.into(),
            topics: topics.into_iter().map(Into::into).collect(),
            group: "longshore".into(),
            name: None,
            on_gap: OnGap::default(),
            connect_timeout: Duration::from_secs(30),
            properties: BTreeMap::new(),
        }
    }

    /// Sets the consumer group, whose members share the partitions. Default: `longshore`.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = group.into();
        self
    }

    /// Names the cluster. The ledger calls a partition `kafka:TOPIC/PARTITION`, with a name
    /// `kafka:NAME/TOPIC/PARTITION`: needed where a table takes topics of the same name from two clusters, or a topic
    /// that was deleted and made anew.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets what happens when records were deleted before they were read. Default: [`OnGap::Stop`].
    #[must_use]
    pub fn on_gap(mut self, on_gap: OnGap) -> Self {
        self.on_gap = on_gap;
        self
    }

    /// Sets how long the first answer of a broker is waited for. Default: 30 seconds.
    #[must_use]
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// Sets a property of the client library, [as librdkafka names them](https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md).
    #[must_use]
    pub fn property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(key.into(), value.into());
        self
    }

    /// The topics.
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// What the ledger calls a partition.
    pub fn source_name(&self, topic: &str, partition: i32) -> String {
        match &self.name {
            Some(name) => format!("kafka:{name}/{topic}/{partition}"),
            None => format!("kafka:{topic}/{partition}"),
        }
    }

    /// The client library's configuration.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) without brokers or topics, and for a property that is not the caller's.
    pub(super) fn client_config(&self) -> Result<ClientConfig> {
        if self.brokers.trim().is_empty() {
            return Err(Error::config("no Kafka broker is named").with_hint("write host:port"));
        }
        if self.topics.is_empty() || self.topics.iter().any(|topic| topic.is_empty() || topic.contains(['\0', '/'])) {
            return Err(Error::config("no Kafka topic is named, or one that cannot be").with_hint("name a topic"));
        }
        if self.group.is_empty() {
            return Err(Error::config("the consumer group has no name").with_hint("name one, or leave it out"));
        }
        let mut config = ClientConfig::new();
        config.set("client.id", "longshore").set("queued.max.messages.kbytes", FETCH_AHEAD_KIB);
        for (key, value) in &self.properties {
            if OWN.contains(&key.as_str()) {
                return Err(Error::config(format!("the Kafka property `{key}` is set by longshore itself")).with_hint(
                    "offsets are kept in the table's ledger, and brokers and group have options of their own",
                ));
            }
            config.set(key, value);
        }
        config.set("bootstrap.servers", &self.brokers).set("group.id", &self.group);
        config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        // An offset that the topic does not have is an error here, never a silent jump.
        config.set("auto.offset.reset", "error");
        config.set("statistics.interval.ms", "5000");
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn what_the_guarantee_rests_on_cannot_be_set_from_outside() {
        let options = || KafkaOptions::new("h:1", ["t"]);
        for key in OWN {
            let error = options().property(key, "x").client_config().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().contains(key));
        }
        let config = options().property("fetch.min.bytes", "7").client_config().unwrap();
        assert_eq!((config.get("fetch.min.bytes"), config.get("auto.offset.reset")), (Some("7"), Some("error")));
        for broken in [KafkaOptions::new(" ", ["t"]), KafkaOptions::new("h:1", [""; 0]), options().group("")] {
            assert_eq!(broken.client_config().unwrap_err().kind(), ErrorKind::Config);
        }
    }

    #[test]
    fn a_secret_is_not_shown_and_a_partition_has_one_name() {
        let options = KafkaOptions::new("h:1", ["t"]).property("sasl.password", "hunter2");
        assert!(!format!("{options:?}").contains("hunter2"));
        assert_eq!(options.source_name("t", 3), "kafka:t/3");
        assert_eq!(options.name("eu").source_name("t", 3), "kafka:eu/t/3");
    }
}

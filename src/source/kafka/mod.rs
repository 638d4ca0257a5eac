//! Kafka topics as a source: messages with their offsets, and partitions that come and go.
//!
//! What has been loaded is known to the table alone. The consumer asks its [`Owner`] where each partition goes on, and
//! hands partitions back before it gives them up; the offsets that it commits to the group are for lag tools only.

mod closing;
mod consumer;
mod error;
mod options;
mod rebalance;

pub(crate) use consumer::{Consumer, Received};
pub use options::{KafkaOptions, OnGap};
pub(crate) use rebalance::Owner;

//! longshore turns raw JSON and CSV records into well-defined warehouse tables.

pub mod batch;
pub mod error;
mod fault;
mod front;
pub mod load;
pub mod path;
pub mod plan;
pub mod records;
pub mod schema;
mod simd;
pub mod sketch;
pub mod source;
mod threads;
pub mod value;

pub use error::{Error, ErrorKind, Location, Result};
#[cfg(feature = "failpoints")]
#[doc(hidden)]
pub use fault::from_environment as failpoints_from_environment;
#[cfg(feature = "redshift")]
pub use front::live_table;
#[cfg(feature = "postgres")]
pub use front::{
    ChildTables, Feed, Offset, Promotion, Receipt, Route, StreamLoader, StreamObserver, StreamOptions, StreamRecords,
    StreamTotals, TableReceipt, Unrouted,
};
pub use front::{ColumnReport, Explanation, Inference, ReadOptions, Watch, table_for};
#[cfg(feature = "kafka")]
pub use front::{KafkaStream, PartitionLag};
#[cfg(any(feature = "postgres", feature = "parquet"))]
pub use front::{LoadReport, Loader, MAX_QUARANTINED_LISTED, Quarantined};
#[cfg(any(feature = "postgres", feature = "parquet"))]
pub use front::{Quarantine, ReplayReport};
pub use path::Path;
pub use plan::{Dialect, Plan};
pub use schema::{Column, Policy, Schema, Type};
pub use sketch::Sketch;
pub use source::{Encoding, Sample, Source};

/// The programs in the manual are compiled with the documentation tests.
#[cfg(all(doctest, feature = "postgres"))]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/streams.md")]
struct Manual;

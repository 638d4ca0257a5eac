//! The front door: the only module that sees every layer.

#[cfg(any(feature = "postgres", feature = "parquet"))]
mod alone;
#[cfg(feature = "postgres")]
mod apart;
mod explain;
#[cfg(any(feature = "postgres", feature = "parquet"))]
mod frame;
mod infer;
#[cfg(any(feature = "postgres", feature = "parquet"))]
mod isolated;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "redshift")]
mod live;
#[cfg(any(feature = "postgres", feature = "parquet"))]
mod loader;
mod name;
#[cfg(any(feature = "postgres", feature = "parquet"))]
mod quarantine;
mod read;
#[cfg(any(feature = "postgres", feature = "parquet"))]
mod refused;
#[cfg(any(feature = "postgres", feature = "parquet"))]
mod report;
#[cfg(any(feature = "postgres", feature = "parquet"))]
mod second_pass;
#[cfg(feature = "postgres")]
mod stream;
#[cfg(any(feature = "postgres", feature = "parquet"))]
mod target;

pub use explain::{ColumnReport, Explanation};
pub use infer::Inference;
#[cfg(feature = "kafka")]
pub use kafka::{KafkaStream, PartitionLag};
#[cfg(feature = "redshift")]
pub use live::live_table;
#[cfg(any(feature = "postgres", feature = "parquet"))]
pub use loader::Loader;
pub use name::table_for;
#[cfg(any(feature = "postgres", feature = "parquet"))]
pub use quarantine::{Quarantine, ReplayReport};
pub use read::{ReadOptions, Watch};
#[cfg(any(feature = "postgres", feature = "parquet"))]
pub use report::{LoadReport, MAX_QUARANTINED_LISTED, Quarantined};
#[cfg(feature = "postgres")]
pub use stream::{
    ChildTables, Feed, Offset, Promotion, Receipt, Route, StreamLoader, StreamObserver, StreamOptions, StreamRecords,
    StreamTotals, TableReceipt, Unrouted,
};

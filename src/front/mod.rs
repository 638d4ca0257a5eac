//! The front door: the only module that sees every layer.

mod explain;
mod infer;
#[cfg(any(feature = "postgres", feature = "parquet"))]
mod loader;
mod name;
mod read;
#[cfg(any(feature = "postgres", feature = "parquet"))]
mod refused;
#[cfg(feature = "postgres")]
mod stream;

pub use explain::{ColumnReport, Explanation};
pub use infer::Inference;
#[cfg(any(feature = "postgres", feature = "parquet"))]
pub use loader::{LoadReport, Loader, MAX_QUARANTINED_LISTED, Quarantined};
pub use name::table_for;
pub use read::{ReadOptions, Watch};
#[cfg(feature = "postgres")]
pub use stream::{
    ChildTables, Offset, Receipt, Route, StreamLoader, StreamObserver, StreamOptions, StreamRecords, StreamTotals,
    Unrouted,
};

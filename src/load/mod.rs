//! Batches + plan → a warehouse, in transactions, with ledger and quarantine.

#[cfg(any(feature = "postgres", feature = "parquet"))]
mod conserve;
mod copy_binary;
#[cfg(feature = "parquet")]
mod folder;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "postgres", feature = "parquet"))]
mod retry;
#[cfg(feature = "postgres")]
mod session;
mod target;
#[cfg(all(unix, feature = "postgres"))]
mod temp;

pub use copy_binary::CopyEncoder;
#[cfg(feature = "parquet")]
pub use folder::FolderTarget;
#[cfg(feature = "postgres")]
pub(crate) use postgres::{OpenBatch, PostgresStream, Step, StreamBegun};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresTarget};
#[cfg(any(feature = "postgres", feature = "parquet"))]
pub(crate) use retry::Pauses;
pub use target::{Begun, Contract, Counts, Encode, LoadRequest, Mode, OnChange, Prepared, Refused, Target};
#[cfg(all(unix, feature = "postgres"))]
pub use temp::{TempCluster, TempOptions};

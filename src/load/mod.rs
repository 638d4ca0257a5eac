//! Batches + plan → a warehouse, in transactions, with ledger and quarantine.

#[cfg(any(feature = "postgres", feature = "parquet"))]
mod conserve;
mod contract;
mod copy_binary;
#[cfg(feature = "parquet")]
mod distinct;
#[cfg(feature = "parquet")]
mod durable;
#[cfg(feature = "parquet")]
mod folder;
#[cfg(any(feature = "postgres", feature = "parquet"))]
mod kept;
mod mode;
#[cfg(feature = "parquet")]
mod parquet_columns;
#[cfg(feature = "parquet")]
mod parquet_file;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redshift")]
mod redshift;
#[cfg(feature = "parquet")]
mod redshift_ledger;
#[cfg(any(feature = "postgres", feature = "parquet"))]
mod retry;
#[cfg(feature = "postgres")]
mod session;
#[cfg(feature = "redshift")]
mod stage;
#[cfg(any(feature = "postgres", feature = "parquet"))]
mod state;
mod target;
#[cfg(all(unix, feature = "postgres"))]
mod temp;

#[cfg(feature = "postgres")]
pub(crate) use contract::frozen;
pub use contract::{Contract, OnChange, Rewrite};
pub use copy_binary::CopyEncoder;
#[cfg(feature = "parquet")]
pub use folder::FolderTarget;
#[cfg(feature = "parquet")]
pub(crate) use folder::{Again, FolderQuarantine};
#[cfg(any(feature = "postgres", feature = "parquet"))]
pub use kept::{KeptGroup, KeptRecord, Selection};
pub use mode::{MergeKeys, Mode};
#[cfg(feature = "postgres")]
pub(crate) use postgres::{
    Decide, EarlyCopies, INDEX, LoadBegun, OpenBatch, OpenTable, PARENT_ID, PostgresStream, ROW_ID, Step, StreamBegun,
    missing_field,
};
#[cfg(feature = "postgres")]
pub(crate) use postgres::{OpenReplay, Place, PostgresQuarantine, Waiting};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresTarget};
#[cfg(feature = "redshift")]
pub(crate) use redshift::RedshiftQuarantine;
#[cfg(feature = "redshift")]
pub use redshift::{CopyAuthorization, RedshiftOptions, RedshiftTarget, ScriptOptions, StageTarget, StagedLoad};
#[cfg(any(feature = "postgres", feature = "parquet"))]
pub(crate) use retry::Pauses;
#[cfg(feature = "redshift")]
pub use stage::{StageFormat, StageOptions};
pub use target::{Begun, Counts, Encode, LoadRequest, Prepared, Refused, Target};
#[cfg(all(unix, feature = "postgres"))]
pub use temp::{TempCluster, TempOptions};

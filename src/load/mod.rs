//! Batches + plan → a warehouse, in transactions, with ledger and quarantine.

mod copy_binary;
#[cfg(feature = "postgres")]
mod postgres;
mod target;
#[cfg(all(unix, feature = "postgres"))]
mod temp;

pub use copy_binary::CopyEncoder;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresTarget};
pub use target::{Begun, Counts, Encode, LoadRequest, Mode, Prepared, Target};
#[cfg(all(unix, feature = "postgres"))]
pub use temp::{TempCluster, TempOptions};

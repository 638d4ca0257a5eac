//! Loading into Amazon Redshift: files staged in an object store, and one transaction that copies them.
//!
//! Redshift takes no rows from a connection. So a load first stages its rows as files, with no transaction open, and
//! then, in one transaction: locks the table, looks the load up in the ledger, copies the files by their manifest,
//! holds the server's counts against its own, copies the quarantined records, writes the ledger's row, and commits. A
//! COPY outside of a transaction would go on, and commit, when its client is long gone.

mod catalog;
mod cluster;
mod culprits;
mod endpoint;
mod error;
mod merge_order;
mod options;
mod plan;
mod quarantine;
mod script;
mod session;
mod sql;
mod staged;
mod target;
mod transaction;

pub use self::options::{CopyAuthorization, RedshiftOptions};
pub(crate) use self::quarantine::RedshiftQuarantine;
pub use self::staged::{ScriptOptions, StageTarget, StagedLoad};
pub use self::target::RedshiftTarget;

//! Schema + what the table is now → statements, pure and ordered.

mod types;

pub use types::{ExistingColumn, ExistingTable, Fitted, PgType};

//! Batches + plan → a warehouse, in transactions, with ledger and quarantine.

mod copy_binary;
mod target;

pub use copy_binary::CopyEncoder;
pub use target::{Begun, Counts, Encode, LoadRequest, Mode, Prepared, Target};

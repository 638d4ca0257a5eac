//! Batches + plan → a warehouse, in transactions, with ledger and quarantine.

mod target;

pub use target::{Begun, Counts, Encode, LoadRequest, Mode, Prepared, Target};

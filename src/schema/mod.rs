//! Evidence + policy + hints → a typed table.

mod table;
mod types;

pub use table::{Column, Reading, Schema, Why, Witness};
pub use types::{TimeUnit, Type};

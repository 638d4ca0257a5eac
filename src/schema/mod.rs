//! Evidence + policy + hints → a typed table.

pub(crate) mod names;
mod table;
mod types;

pub use names::{Naming, assign};
pub use table::{Column, Reading, Schema, Why, Witness};
pub use types::{TimeUnit, Type};

//! Evidence + policy + hints → a typed table.

mod arrow;
mod decide;
pub(crate) mod names;
mod policy;
mod resolve;
mod table;
mod types;
mod undecided;

pub(crate) use decide::{FLOATS, INTS, NAIVE, NULL, SOFT, ZONED};
pub use names::{Naming, assign};
pub use policy::{Hint, Policy};
#[cfg(feature = "postgres")]
pub(crate) use resolve::POSTGRES_NAME;
pub use table::{Column, OnMisfit, Reading, Schema, Why, Witness};
pub use types::{TimeUnit, Type};
pub use undecided::Undecided;

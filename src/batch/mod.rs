//! Records + schema → Arrow batches + misfits.

mod column;
mod decode;
mod digits;
#[cfg(any(feature = "postgres", feature = "parquet"))]
mod locate;
mod misfit;
mod nulls;
mod parse;
mod values;

pub use decode::{Decoded, Decoder};
#[cfg(any(feature = "postgres", feature = "parquet"))]
pub(crate) use locate::Locator;
pub use misfit::Misfit;

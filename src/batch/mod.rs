//! Records + schema → Arrow batches + misfits.

mod column;
mod decode;
#[cfg(any(feature = "postgres", feature = "parquet"))]
mod locate;
mod misfit;
mod parse;

pub use decode::{Decoded, Decoder};
#[cfg(any(feature = "postgres", feature = "parquet"))]
pub(crate) use locate::Locator;
pub use misfit::Misfit;

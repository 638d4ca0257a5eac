//! Records + schema → Arrow batches + misfits.

mod column;
mod decode;
mod digits;
#[cfg(feature = "parquet")]
mod memory;
mod misfit;
mod nulls;
mod parse;
mod tile;
mod values;

#[cfg(feature = "parquet")]
pub(crate) use memory::bytes_of;

pub use decode::{Decoded, Decoder};
pub use misfit::Misfit;

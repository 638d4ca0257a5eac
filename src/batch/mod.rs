//! Records + schema → Arrow batches + misfits.

mod column;
mod decode;
mod digits;
mod misfit;
mod nulls;
mod parse;
mod tile;
mod values;

pub use decode::{Decoded, Decoder};
pub use misfit::Misfit;

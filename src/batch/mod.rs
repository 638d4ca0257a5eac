//! Records + schema → Arrow batches + misfits.

mod column;
mod decode;
mod misfit;
mod parse;

pub use decode::{Decoded, Decoder};
pub use misfit::Misfit;

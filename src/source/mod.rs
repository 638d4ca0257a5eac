//! Files, globs, readers, gzip and zstd → chunks of bytes that end at a record border, each with its origin.
//!
//! This layer knows nothing of formats: where a record ends is told to it by a [`Cut`].

mod chunk;

pub(crate) use chunk::{BACK_PAD, FRONT_PAD};
pub use chunk::{Chunk, Cut, Gap, Piece};

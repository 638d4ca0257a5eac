//! Files, globs, readers, gzip and zstd → chunks of bytes that end at a record border, each with its origin.
//!
//! This layer knows nothing of formats: where a record ends is told to it by a [`Cut`]. A [`Source`] lists inputs,
//! an [`Input`] is one of them decompressed and decoded, [`Pieces`] cuts it, and [`ordered_map`] puts all cores to
//! work on the pieces while their order is kept.

mod buffers;
mod chunk;
mod decompress;
mod encoding;
mod entry;
mod input;
#[cfg(feature = "kafka")]
pub(crate) mod kafka;
mod list;
mod parallel;
mod pattern;
mod pieces;
mod results;
mod sample;
mod stored;
#[cfg(test)]
mod testing;

pub use buffers::Buffers;
pub(crate) use chunk::{BACK_PAD, FRONT_PAD};
pub use chunk::{Chunk, Cut, Gap, Notes, Piece};
pub use decompress::Compression;
pub use encoding::Encoding;
pub use input::{Input, InputEnd};
#[cfg(feature = "kafka")]
pub use kafka::{KafkaOptions, OnGap};
pub use list::{Progress, Source};
pub use parallel::ordered_map;
pub use pieces::{ChunkOptions, Pieces};
#[cfg(feature = "postgres")]
pub(crate) use pieces::{GAP_HEAD, LONGEST, longer_than};
pub use sample::Sample;

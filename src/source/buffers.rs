//! Memory of chunks, used again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chunk::{BACK_PAD, Chunk, FRONT_PAD, Notes};
use super::pieces::ChunkOptions;

/// How many buffers wait for their next use.
const SPARE: usize = 64;

/// Chunk buffers that go round between the reader and the workers, so that their memory is mapped once. Clones share
/// the same buffers.
#[derive(Debug, Clone)]
pub struct Buffers {
    spare: Arc<Mutex<Spare>>,
    /// Larger ones, grown for one long record, are freed.
    largest: usize,
}

#[derive(Debug, Default)]
struct Spare {
    bytes: Vec<Vec<u8>>,
    notes: Vec<Notes>,
}

impl Buffers {
    /// Makes an empty stock for chunks of this size.
    pub fn new(options: &ChunkOptions) -> Self {
        Buffers { spare: Arc::default(), largest: options.chunk_bytes.saturating_mul(2) + FRONT_PAD + BACK_PAD }
    }

    /// Takes back the buffer of a chunk that has been worked through.
    pub fn recycle(&self, chunk: Chunk) {
        let mut spare = self.lock();
        let Chunk { buffer, notes, .. } = chunk;
        if spare.bytes.len() < SPARE && (1..=self.largest).contains(&buffer.capacity()) {
            spare.bytes.push(buffer);
        }
        if spare.notes.len() < SPARE && (1..=self.largest / 64).contains(&notes.blocks.capacity()) {
            spare.notes.push(Notes { filled: false, ..notes });
        }
    }

    pub(super) fn take(&self) -> Vec<u8> {
        self.lock().bytes.pop().unwrap_or_default()
    }

    pub(super) fn take_notes(&self) -> Notes {
        self.lock().notes.pop().unwrap_or_default()
    }

    /// The longest buffer that is kept, in bytes.
    pub(super) fn largest(&self) -> usize {
        self.largest
    }

    fn lock(&self) -> MutexGuard<'_, Spare> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! One block of memory for all arrays of a batch.
//!
//! Columns are filled in memory that is used again for the next batch and stays in the cache; what goes on is a copy in
//! one allocation of the right size. Arrays of their own would be some hundred allocations a batch, all in memory that
//! nobody has touched lately.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_buffer::{ArrowNativeType, Buffer, MutableBuffer, ScalarBuffer};

/// What the start of each column is a multiple of: no type wants more, and a cache line is as long.
const ALIGNMENT: usize = 64;

/// Memory being filled. What is in it never changes.
#[derive(Debug)]
pub(crate) struct Block {
    bytes: MutableBuffer,
    number: u64,
}

impl Block {
    /// With room for so many bytes, as [`Block::room`] counts them.
    pub(crate) fn with_room(bytes: usize) -> Self {
        static BLOCKS: AtomicU64 = AtomicU64::new(0);
        Block { bytes: MutableBuffer::with_capacity(bytes), number: BLOCKS.fetch_add(1, Ordering::Relaxed) }
    }

    /// The bytes that some values take.
    pub(crate) fn room<T: ArrowNativeType>(values: &[T]) -> usize {
        size_of_val(values).next_multiple_of(ALIGNMENT)
    }

    /// Appends a copy of some values; returns where it is.
    pub(crate) fn push<T: ArrowNativeType>(&mut self, values: &[T]) -> Range<usize> {
        let from = self.bytes.len().next_multiple_of(ALIGNMENT);
        self.bytes.resize(from, 0);
        self.bytes.extend_from_slice(values);
        from..self.bytes.len()
    }

    /// Which of all blocks this is.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The memory, to make arrays of.
    pub(crate) fn finish(self) -> Memory {
        Memory { buffer: self.bytes.into(), number: self.number }
    }
}

/// A block that is full.
#[derive(Debug)]
pub(crate) struct Memory {
    buffer: Buffer,
    number: u64,
}

impl Memory {
    /// A part of it.
    ///
    /// # Panics
    ///
    /// If it has no such part.
    pub(crate) fn bytes(&self, part: Range<usize>) -> Buffer {
        self.buffer.slice_with_length(part.start, part.len())
    }

    /// A part of it as values.
    ///
    /// # Panics
    ///
    /// If it has no such part, or if values of this type are not aligned so.
    pub(crate) fn values<T: ArrowNativeType>(&self, part: Range<usize>) -> ScalarBuffer<T> {
        self.bytes(part).into()
    }

    /// Which of all blocks it was.
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_comes_back_and_fits_the_room_that_was_asked_for() {
        let (bytes, numbers, wide) = ([1_u8, 2, 3], [4_i64, 5], [6_i128; 9]);
        let room = Block::room(&bytes) + Block::room(&numbers) + Block::room(&wide);
        let mut block = Block::with_room(room);
        let (first, second, third) = (block.push(&bytes), block.push(&numbers), block.push(&wide));
        assert!(third.end <= room);
        let memory = block.finish();
        assert_eq!(memory.bytes(first).as_slice(), bytes);
        assert_eq!(*memory.values::<i64>(second), numbers);
        assert_eq!(*memory.values::<i128>(third), wide);
    }
}

//! Which rows of a column are null, as stretches, so that a row with a value costs nothing.

use std::ops::Range;

use crate::simd::Block;

/// Stretches of rows without a value, ascending and apart.
#[derive(Debug, Default)]
pub(super) struct Nulls(Vec<(u32, u32)>);

impl Nulls {
    /// Adds `from..to`, which lies behind all that was added.
    pub(super) fn push(&mut self, from: usize, to: usize) {
        match self.0.last_mut() {
            Some(last) if last.1 as usize == from => last.1 = to as u32,
            _ => self.0.push((from as u32, to as u32)),
        }
    }

    /// Forgets the rows from `row` on.
    pub(super) fn truncate(&mut self, row: usize) {
        while self.0.last().is_some_and(|last| last.0 as usize >= row) {
            self.0.pop();
        }
        if let Some(last) = self.0.last_mut() {
            last.1 = last.1.min(row as u32);
        }
    }

    /// The bytes of a block that the bits of `rows` rows take at most.
    pub(super) fn room(rows: usize) -> usize {
        rows.div_ceil(8).next_multiple_of(64)
    }

    /// Copies the bits of `rows` rows to a block, by way of `words`, if any is null; none are left.
    pub(super) fn store(&mut self, rows: usize, block: &mut Block, words: &mut Vec<u64>) -> Option<Range<usize>> {
        if self.0.is_empty() {
            return None;
        }
        words.clear();
        words.resize(rows.div_ceil(64), u64::MAX);
        for (from, to) in self.0.drain(..) {
            clear(words, from as usize, to as usize);
        }
        Some(block.push(words))
    }
}

/// Clears the bits `from..to`.
fn clear(words: &mut [u64], mut from: usize, to: usize) {
    while from < to {
        let (word, bit) = (from / 64, from % 64);
        let count = (to - from).min(64 - bit);
        words[word] &= !(u64::MAX >> (64 - count) << bit);
        from += count;
    }
}

#[cfg(test)]
mod tests {
    use arrow_buffer::{BooleanBuffer, NullBuffer};
    use proptest::prelude::*;

    use super::*;

    fn finish(nulls: &mut Nulls, rows: usize) -> Option<NullBuffer> {
        let mut block = Block::with_room(0);
        let bits = nulls.store(rows, &mut block, &mut vec![1, 2, 3]);
        let memory = block.finish();
        bits.map(|bits| NullBuffer::new(BooleanBuffer::new(memory.bytes(bits), 0, rows)))
    }

    proptest! {
        #[test]
        fn stretches_say_what_a_list_of_rows_says(rows in prop::collection::vec(any::<bool>(), 0..300), cut in 0_usize..300) {
            let mut nulls = Nulls::default();
            let missing = |valid: &[bool], nulls: &mut Nulls| {
                valid.iter().enumerate().filter(|(_, valid)| !**valid).for_each(|(row, _)| nulls.push(row, row + 1));
            };
            missing(&rows, &mut nulls);
            let cut = cut.min(rows.len());
            nulls.truncate(cut);
            let found = finish(&mut nulls, cut);
            let expected = &rows[..cut];
            prop_assert_eq!(found.is_some(), expected.contains(&false));
            if let Some(found) = found {
                prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected);
                prop_assert_eq!(found.null_count(), expected.iter().filter(|valid| !**valid).count());
            }
            prop_assert!(finish(&mut nulls, cut).is_none());
        }
    }
}

//! How many bytes of a kind a stretch of text holds, without looking at the text again.

use super::BLOCK;

/// Marked bytes of a text: a bit a byte, and how many come before each block.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    blocks: Vec<(u64, u32)>,
    count: u32,
}

impl Marks {
    pub(super) fn clear(&mut self) {
        self.blocks.clear();
        self.count = 0;
    }

    /// Makes room for this many blocks, once.
    pub(super) fn begin(&mut self, blocks: usize) {
        self.blocks.resize(blocks, (0, 0));
    }

    /// Takes in block `i`, which comes behind those that were taken in.
    #[inline(always)]
    pub(super) fn set(&mut self, i: usize, bits: u64) {
        if let Some(block) = self.blocks.get_mut(i) {
            *block = (bits, self.count);
            self.count += bits.count_ones();
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many stand in `text[from..to]`.
    #[inline]
    pub(crate) fn between(&self, from: usize, to: usize) -> u32 {
        self.before(to).wrapping_sub(self.before(from))
    }

    #[inline]
    fn before(&self, at: usize) -> u32 {
        match self.blocks.get(at / BLOCK) {
            Some((bits, before)) => before + (bits & ((1 << (at % BLOCK)) - 1)).count_ones(),
            None => self.count,
        }
    }
}

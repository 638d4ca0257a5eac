//! What stands in a stretch of text, by one look at nearly none of it.

use super::{BLOCK, Block, Look};

/// The quotes and line ends of a text, by its blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marks<'a> {
    blocks: &'a [Block],
    quoted: bool,
}

impl<'a> Marks<'a> {
    pub(super) fn new(blocks: &'a [Block], look: &Look) -> Self {
        Marks { blocks, quoted: look.quoted }
    }

    /// Whether there may be a quote.
    pub(crate) fn may_be_quoted(self) -> bool {
        self.quoted
    }

    /// How many quotes stand in `text[from..to]`, of which `from` is not behind `to`.
    #[inline]
    pub(crate) fn quotes(self, from: usize, to: usize) -> u32 {
        let before = |at: usize| {
            let [.., quotes, before] = self.block(at);
            (before as u32).wrapping_add((quotes & up_to(at)).count_ones())
        };
        before(to).wrapping_sub(before(from))
    }

    /// The positions of the quotes in `text[from..to]`, in order.
    pub(crate) fn each_quote(self, from: usize, to: usize) -> impl Iterator<Item = usize> + use<'a> {
        let behind = move |i: usize| if i == from / BLOCK { !up_to(from) } else { u64::MAX };
        let before = move |i: usize| if i == to / BLOCK { up_to(to) } else { u64::MAX };
        let (mut block, mut bits) = (from / BLOCK, None);
        std::iter::from_fn(move || {
            while block <= to / BLOCK {
                let left = bits.unwrap_or_else(|| self.block(block * BLOCK)[2] & behind(block) & before(block));
                if left != 0 {
                    bits = Some(left & (left - 1));
                    return Some(block * BLOCK + left.trailing_zeros() as usize);
                }
                (block, bits) = (block + 1, None);
            }
            None
        })
    }

    /// How many rows end in `text[from..to]`, of which `from` is not behind `to`.
    pub(crate) fn row_ends(self, from: usize, to: usize) -> u32 {
        let within = |at: usize| (self.block(at)[1] & up_to(at)).count_ones();
        let whole = self.blocks.get(from / BLOCK..to / BLOCK).unwrap_or_default();
        let whole: u32 = whole.iter().map(|[_, ends, ..]| ends.count_ones()).sum();
        (whole + within(to)).wrapping_sub(within(from))
    }

    /// How many line ends there are in `text[from..to]`, inside of quotes or not. `from` is not behind `to`.
    pub(crate) fn lines(self, text: &[u8], line_end: u8, from: usize, to: usize) -> u64 {
        let before = |at: usize| {
            let rest = text.get(at - at % BLOCK..at).unwrap_or_default();
            (self.block(at)[3] >> 32) + rest.iter().filter(|byte| **byte == line_end).count() as u64
        };
        before(to).wrapping_sub(before(from))
    }

    #[inline(always)]
    fn block(&self, at: usize) -> Block {
        self.blocks.get(at / BLOCK).copied().unwrap_or_default()
    }
}

/// The bits of those bytes of a block that stand before a position in it.
#[inline(always)]
fn up_to(at: usize) -> u64 {
    (1 << (at % BLOCK)) - 1
}

//! With NEON, which every 64-bit ARM processor has.

use std::arch::aarch64::{
    uint8x16_t, vandq_u8, vceqq_u8, vcgeq_u8, vdupq_n_u8, vgetq_lane_u64, vld1q_u8, vpaddq_u8, vreinterpretq_u64_u8,
};

use super::scalar::Scalar;
use super::{BLOCK, Index, Lanes, Masks, Separators, find_last, scan};

/// As [`Index::fill`].
pub(super) fn fill(index: &mut Index, text: &[u8], of: Separators) {
    scan(index, text, of, Neon);
}

/// As [`super::last_row_end`].
pub(super) fn last_row_end(text: &[u8], of: Separators) -> Option<usize> {
    find_last(text, of, Neon)
}

/// NEON is part of every aarch64 target that Rust's standard library is built for.
#[derive(Clone, Copy)]
struct Neon;

impl Lanes for Neon {
    type Bytes = [uint8x16_t; 4];

    #[inline(always)]
    fn load(self, block: &[u8; BLOCK]) -> Self::Bytes {
        let start = block.as_ptr();
        // SAFETY: NEON is always there. The block has 64 bytes, so all four loads of 16 are inside it; they need no
        // alignment.
        unsafe { [vld1q_u8(start), vld1q_u8(start.add(16)), vld1q_u8(start.add(32)), vld1q_u8(start.add(48))] }
    }

    #[inline(always)]
    fn masks(self, bytes: Self::Bytes, of: Separators) -> Masks {
        const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
        // A bit for each byte that is all ones.
        // SAFETY: NEON is always there, and the array has the 16 bytes that are loaded.
        let bits = |found: [uint8x16_t; 4]| unsafe {
            let bits = vld1q_u8(BITS.as_ptr());
            let [a, b, c, d] = found.map(|part| vandq_u8(part, bits));
            // Sums of neighbours, three times: eight bytes, each one bit, become one byte of eight bits.
            let sums = vpaddq_u8(vpaddq_u8(a, b), vpaddq_u8(c, d));
            vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)))
        };
        // SAFETY: NEON is always there.
        let mask = |wanted: u8| bits(bytes.map(|part| unsafe { vceqq_u8(part, vdupq_n_u8(wanted)) }));
        Masks {
            delimiter: mask(of.delimiter),
            quote: of.quote.map_or(0, mask),
            line_end: mask(of.line_end),
            carriage_return: mask(b'\r'),
            // SAFETY: NEON is always there.
            high: bits(bytes.map(|part| unsafe { vcgeq_u8(part, vdupq_n_u8(0x80)) })),
            nul: mask(0),
        }
    }

    #[inline(always)]
    fn prefix_xor(self, bits: u64) -> u64 {
        Scalar.prefix_xor(bits)
    }

    #[inline(always)]
    fn flatten(self, bits: u64, base: u32, places: &mut Vec<u32>) {
        Scalar.flatten(bits, base, places);
    }
}

//! With NEON, which every 64-bit ARM processor has.

use std::arch::aarch64::{
    uint8x16_t, vandq_u8, vceqq_u8, vdupq_n_u8, vgetq_lane_u64, vld1q_u8, vmaxvq_u8, vminq_u8, vminvq_u8, vorrq_u8,
    vpaddq_u8, vreinterpretq_u64_u8,
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
    fn or(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        // SAFETY: NEON is always there.
        unsafe { [vorrq_u8(a[0], b[0]), vorrq_u8(a[1], b[1]), vorrq_u8(a[2], b[2]), vorrq_u8(a[3], b[3])] }
    }

    #[inline(always)]
    fn min(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        // SAFETY: NEON is always there.
        unsafe { [vminq_u8(a[0], b[0]), vminq_u8(a[1], b[1]), vminq_u8(a[2], b[2]), vminq_u8(a[3], b[3])] }
    }

    #[inline(always)]
    fn is_ascii(self, bytes: Self::Bytes) -> bool {
        // SAFETY: NEON is always there.
        bytes.into_iter().all(|part| unsafe { vmaxvq_u8(part) } < 0x80)
    }

    #[inline(always)]
    fn has_nul(self, bytes: Self::Bytes) -> bool {
        // SAFETY: NEON is always there.
        bytes.into_iter().any(|part| unsafe { vminvq_u8(part) } == 0)
    }

    #[inline(always)]
    fn masks(self, bytes: Self::Bytes, of: Separators) -> Masks {
        const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
        // SAFETY: NEON is always there, and the array has the 16 bytes that are loaded.
        let mask = |wanted: u8| unsafe {
            let (bits, wanted) = (vld1q_u8(BITS.as_ptr()), vdupq_n_u8(wanted));
            let [a, b, c, d] = bytes.map(|part| vandq_u8(vceqq_u8(part, wanted), bits));
            // Sums of neighbours, three times: eight bytes, each one bit, become one byte of eight bits.
            let sums = vpaddq_u8(vpaddq_u8(a, b), vpaddq_u8(c, d));
            vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)))
        };
        Masks {
            delimiter: mask(of.delimiter),
            quote: of.quote.map_or(0, mask),
            line_end: mask(of.line_end),
            carriage_return: mask(b'\r'),
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

//! With NEON, which every 64-bit ARM processor has.

use std::arch::aarch64::{
    uint8x16_t, vandq_u8, vceqq_u8, vdupq_n_u8, vgetq_lane_u64, vld1q_u8, vmaxvq_u8, vminq_u8, vminvq_u8, vorrq_u8,
    vpaddq_u8, vreinterpretq_u64_u8,
};

use super::scalar::Scalar;
use super::{BLOCK, Block, Lanes, Look, Masks, Separators, scan};

/// As [`super::look`].
pub(super) fn look(text: &[u8], of: Separators, blocks: &mut Vec<Block>) -> Look {
    scan(text, of, blocks, Neon)
}

/// NEON is part of every aarch64 target that Rust's standard library is built for.
#[derive(Clone, Copy)]
struct Neon;

impl Lanes for Neon {
    type Bytes = [uint8x16_t; 4];
    /// All bits that were set, and the least bytes.
    type Seen = (uint8x16_t, uint8x16_t);

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
        }
    }

    #[inline(always)]
    fn nothing(self) -> Self::Seen {
        // SAFETY: NEON is always there.
        unsafe { (vdupq_n_u8(0), vdupq_n_u8(u8::MAX)) }
    }

    #[inline(always)]
    fn see(self, (all, least): &mut Self::Seen, [a, b, c, d]: Self::Bytes) {
        // SAFETY: NEON is always there.
        unsafe {
            *all = vorrq_u8(*all, vorrq_u8(vorrq_u8(a, b), vorrq_u8(c, d)));
            *least = vminq_u8(*least, vminq_u8(vminq_u8(a, b), vminq_u8(c, d)));
        }
    }

    #[inline(always)]
    fn seen(self, (all, least): Self::Seen) -> (bool, bool) {
        // SAFETY: NEON is always there.
        unsafe { (vmaxvq_u8(all) >= 0x80, vminvq_u8(least) == 0) }
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

//! NEON, which every AArch64 processor has.

#![allow(unused_unsafe, reason = "which of these are safe to call where NEON is the baseline depends on the compiler")]

use std::arch::aarch64::{
    uint8x16_t, vandq_u8, vceqq_u8, vcleq_u8, vcltq_u8, vdupq_n_u8, vgetq_lane_u64, vld1q_u8, vorrq_u8, vpaddq_u8,
    vreinterpretq_u64_u8, vsubq_u8,
};

use super::{Job, Quotes, Vector, Window};

/// NEON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Neon(());

impl Neon {
    #[inline]
    pub(super) fn new() -> Self {
        Neon(())
    }
}

impl Vector for Neon {
    #[inline(never)]
    fn apart<J: Job>(self, job: J) -> J::Output {
        job.run(self)
    }

    #[inline(always)]
    fn quotes(self, window: &Window) -> Quotes {
        let parts = quarters(window);
        // SAFETY: NEON is part of the AArch64 baseline.
        unsafe {
            let quote = parts.map(|part| vceqq_u8(part, vdupq_n_u8(b'"')));
            let other = parts.map(|part| vorrq_u8(vceqq_u8(part, vdupq_n_u8(b'\\')), vcltq_u8(part, vdupq_n_u8(0x20))));
            Quotes { quote: bits(quote), other: bits(other) }
        }
    }

    #[inline(always)]
    fn digits(self, window: &Window) -> u32 {
        let parts = quarters(window);
        // SAFETY: NEON is part of the AArch64 baseline.
        unsafe {
            let digit = parts.map(|part| vcleq_u8(vsubq_u8(part, vdupq_n_u8(b'0')), vdupq_n_u8(9)));
            bits(digit) as u32
        }
    }

    #[inline(always)]
    fn starts_with(self, window: &Window, literal: &Window, mask: u64) -> bool {
        let (bytes, wanted) = (quarters(window), quarters(literal));
        // SAFETY: NEON is part of the AArch64 baseline.
        unsafe {
            let equal = [0, 1, 2, 3].map(|i: usize| vceqq_u8(bytes[i], wanted[i]));
            !bits(equal) & mask == 0
        }
    }

    #[inline(always)]
    fn equal(self, window: &Window, byte: u8) -> u64 {
        let parts = quarters(window);
        // SAFETY: NEON is part of the AArch64 baseline.
        unsafe { bits(parts.map(|part| vceqq_u8(part, vdupq_n_u8(byte)))) }
    }
}

#[inline(always)]
fn quarters(window: &Window) -> [uint8x16_t; 4] {
    let start = window.as_ptr();
    // SAFETY: the window has 64 bytes, so all four loads of 16 are inside it.
    unsafe { [vld1q_u8(start), vld1q_u8(start.add(16)), vld1q_u8(start.add(32)), vld1q_u8(start.add(48))] }
}

/// One bit for each byte that is all ones.
#[inline(always)]
fn bits(parts: [uint8x16_t; 4]) -> u64 {
    const WEIGHTS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
    // SAFETY: NEON is part of the AArch64 baseline; the weights are 16 bytes.
    unsafe {
        let weights = vld1q_u8(WEIGHTS.as_ptr());
        let [a, b, c, d] = parts.map(|part| vandq_u8(part, weights));
        // Adding neighbours three times leaves one byte for eight.
        let sum = vpaddq_u8(vpaddq_u8(a, b), vpaddq_u8(c, d));
        vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(sum, sum)))
    }
}

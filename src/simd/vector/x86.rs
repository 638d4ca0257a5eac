//! AVX-512 and AVX2.
//!
//! The types here can only be made where their instructions are known to be there, so that having one is the proof.

use std::arch::x86_64::{
    __m256i, __m512i, _bzhi_u64, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8,
    _mm256_or_si256, _mm256_set1_epi8, _mm256_sub_epi8, _mm512_cmpeq_epi8_mask, _mm512_cmplt_epu8_mask,
    _mm512_loadu_si512, _mm512_mask_cmpneq_epi8_mask, _mm512_mask_storeu_epi8, _mm512_maskz_loadu_epi8,
    _mm512_set1_epi8, _mm512_storeu_si512,
};

use super::super::{has_avx2, has_avx512};
use super::{Job, Quotes, Scalar, Vector, Window};

/// AVX-512 with the instructions for bytes, and what every processor with it has too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512(());

/// AVX2, and what every processor with it has too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(());

#[inline]
pub(super) fn dispatch<J: Job>(job: J) -> J::Output {
    if has_avx512() {
        // SAFETY: the line above has found these instructions in this process.
        return unsafe { with_avx512(job) };
    }
    if has_avx2() {
        // SAFETY: the line above has found these instructions in this process.
        return unsafe { with_avx2(job) };
    }
    job.run(Scalar)
}

#[target_feature(enable = "avx512f,avx512bw,avx2,bmi1,bmi2,lzcnt,popcnt")]
fn with_avx512<J: Job>(job: J) -> J::Output {
    job.run(Avx512(()))
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn with_avx2<J: Job>(job: J) -> J::Output {
    job.run(Avx2(()))
}

#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx2,bmi1,bmi2,lzcnt,popcnt")]
fn avx512_apart<J: Job>(job: J) -> J::Output {
    job.run(Avx512(()))
}

#[inline(never)]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn avx2_apart<J: Job>(job: J) -> J::Output {
    job.run(Avx2(()))
}

impl Vector for Avx512 {
    #[inline(always)]
    unsafe fn copy(self, from: &[u8], to: *mut u8) {
        // SAFETY: `self` is the proof of AVX-512 BW and BMI2, and the rest is the caller's promise.
        unsafe { avx512_copy(from, to) }
    }

    #[inline(always)]
    fn apart<J: Job>(self, job: J) -> J::Output {
        // SAFETY: `self` is the proof of the instructions.
        unsafe { avx512_apart(job) }
    }

    #[inline(always)]
    fn quotes(self, window: &Window) -> Quotes {
        // SAFETY: `self` is the proof of AVX-512 BW; the load of 64 bytes is the window, and needs no alignment.
        unsafe {
            let bytes = _mm512_loadu_si512(window.as_ptr().cast::<__m512i>());
            let quote = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(b'"' as i8));
            let backslash = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(b'\\' as i8));
            let control = _mm512_cmplt_epu8_mask(bytes, _mm512_set1_epi8(0x20));
            Quotes { quote, other: backslash | control }
        }
    }

    #[inline(always)]
    fn digits(self, window: &Window) -> u32 {
        // SAFETY: `self` is the proof of AVX2 too.
        unsafe { digits(window) }
    }

    #[inline(always)]
    fn starts_with(self, window: &Window, literal: &Window, mask: u64) -> bool {
        // SAFETY: `self` is the proof of AVX-512 BW; both loads of 64 bytes are the windows, and need no alignment.
        unsafe {
            let bytes = _mm512_loadu_si512(window.as_ptr().cast::<__m512i>());
            let wanted = _mm512_loadu_si512(literal.as_ptr().cast::<__m512i>());
            _mm512_mask_cmpneq_epi8_mask(mask, bytes, wanted) == 0
        }
    }

    #[inline(always)]
    fn equal(self, window: &Window, byte: u8) -> u64 {
        // SAFETY: `self` is the proof of AVX-512 BW; the load of 64 bytes is the window, and needs no alignment.
        unsafe {
            let bytes = _mm512_loadu_si512(window.as_ptr().cast::<__m512i>());
            _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte as i8))
        }
    }
}

impl Vector for Avx2 {
    #[inline(always)]
    fn apart<J: Job>(self, job: J) -> J::Output {
        // SAFETY: `self` is the proof of the instructions.
        unsafe { avx2_apart(job) }
    }

    #[inline(always)]
    fn quotes(self, window: &Window) -> Quotes {
        // SAFETY: `self` is the proof of AVX2; both halves of the window are 32 bytes.
        unsafe {
            let (low, high) = halves(window);
            let (low, high) = (half_quotes(low), half_quotes(high));
            Quotes {
                quote: u64::from(low.0) | u64::from(high.0) << 32,
                other: u64::from(low.1) | u64::from(high.1) << 32,
            }
        }
    }

    #[inline(always)]
    fn digits(self, window: &Window) -> u32 {
        // SAFETY: `self` is the proof of AVX2.
        unsafe { digits(window) }
    }

    #[inline(always)]
    fn starts_with(self, window: &Window, literal: &Window, mask: u64) -> bool {
        // SAFETY: `self` is the proof of AVX2.
        unsafe {
            let ((low, high), (wanted_low, wanted_high)) = (halves(window), halves(literal));
            let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted_low)) as u32;
            let wrong = !low & mask as u32;
            if mask >> 32 == 0 {
                return wrong == 0;
            }
            let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted_high)) as u32;
            wrong | !high & (mask >> 32) as u32 == 0
        }
    }

    #[inline(always)]
    fn equal(self, window: &Window, byte: u8) -> u64 {
        // SAFETY: `self` is the proof of AVX2; both halves of the window are 32 bytes.
        unsafe {
            let ((low, high), wanted) = (halves(window), _mm256_set1_epi8(byte as i8));
            let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)) as u32;
            let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)) as u32;
            u64::from(low) | u64::from(high) << 32
        }
    }
}

/// Bytes from which on it pays to look where a copy goes to.
const LONG: usize = 192;

/// Copies bytes.
///
/// # Safety
///
/// As many bytes from `to` on must be the caller's to write, and none of them one of `from`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,bmi2")]
unsafe fn avx512_copy(from: &[u8], mut to: *mut u8) {
    let (mut source, mut left) = (from.as_ptr(), from.len());
    // SAFETY: `source` goes on by at most a whole register while more than one is left, and `to` with it; then a masked
    // load and store touch only what is left of both.
    unsafe {
        if left > LONG {
            // From then on no store goes over the edge of a line of the cache.
            let bytes = _mm512_loadu_si512(source.cast::<__m512i>());
            _mm512_storeu_si512(to.cast::<__m512i>(), bytes);
            let skip = 64 - to.addr() % 64;
            (source, to, left) = (source.add(skip), to.add(skip), left - skip);
        }
        while left > 64 {
            let bytes = _mm512_loadu_si512(source.cast::<__m512i>());
            _mm512_storeu_si512(to.cast::<__m512i>(), bytes);
            (source, to, left) = (source.add(64), to.add(64), left - 64);
        }
        let rest = _bzhi_u64(u64::MAX, left as u32);
        let bytes = _mm512_maskz_loadu_epi8(rest, source.cast::<i8>());
        _mm512_mask_storeu_epi8(to.cast::<i8>(), rest, bytes);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn halves(window: &Window) -> (__m256i, __m256i) {
    let start = window.as_ptr().cast::<__m256i>();
    // SAFETY: the window has 64 bytes, so both loads of 32 are inside it; they need no alignment.
    unsafe { (_mm256_loadu_si256(start), _mm256_loadu_si256(start.add(1))) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn half_quotes(bytes: __m256i) -> (u32, u32) {
    let quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'"' as i8));
    let backslash = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\\' as i8));
    // A byte is at most 0x1F if the smaller of both is the byte itself.
    let control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1F)), bytes);
    (_mm256_movemask_epi8(quote) as u32, _mm256_movemask_epi8(_mm256_or_si256(backslash, control)) as u32)
}

#[inline]
#[target_feature(enable = "avx2")]
fn digits(window: &Window) -> u32 {
    let (bytes, _) = halves(window);
    let value = _mm256_sub_epi8(bytes, _mm256_set1_epi8(b'0' as i8));
    let digit = _mm256_cmpeq_epi8(_mm256_min_epu8(value, _mm256_set1_epi8(9)), value);
    _mm256_movemask_epi8(digit) as u32
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Runs a job with each vector that this processor has.
    pub(in super::super) fn each<J: Job>(job: impl Fn() -> J, check: impl Fn(J::Output)) {
        if has_avx2() {
            // SAFETY: the line above has found these instructions in this process.
            check(unsafe { with_avx2(job()) });
        }
        if has_avx512() {
            // SAFETY: the line above has found these instructions in this process.
            check(unsafe { with_avx512(job()) });
        }
    }
}

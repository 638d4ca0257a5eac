//! With AVX2, and with AVX-512 where there is VBMI2 too (Ice Lake, Zen 4 and later), which picks out bytes by a mask.

use std::arch::x86_64::{_mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_set1_epi8};

/// Each bit the exclusive or of all bits up to it: a product without carries by all ones.
#[inline]
#[target_feature(enable = "pclmulqdq,sse2")]
fn prefix_xor(bits: u64) -> u64 {
    _mm_cvtsi128_si64(_mm_clmulepi64_si128::<0>(_mm_cvtsi64_si128(bits as i64), _mm_set1_epi8(-1))) as u64
}

pub(super) mod avx512 {
    use std::arch::x86_64::{
        __m512i, _mm512_add_epi32, _mm512_castsi512_si128, _mm512_cmpeq_epi8_mask, _mm512_cvtepu8_epi32,
        _mm512_extracti32x4_epi32, _mm512_loadu_si512, _mm512_maskz_compress_epi8, _mm512_min_epu8,
        _mm512_movepi8_mask, _mm512_or_si512, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_setzero_si512,
        _mm512_storeu_si512, _mm512_testn_epi8_mask,
    };

    use super::super::{BLOCK, Block, Lanes, Look, Masks, Separators, flatten as flatten_all, scan};

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,avx2,pclmulqdq,bmi1,bmi2,popcnt,lzcnt")]
    pub(in super::super) fn look(text: &[u8], of: Separators, blocks: &mut Vec<Block>) -> Look {
        scan(text, of, blocks, Avx512(()))
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,avx2,pclmulqdq,bmi1,bmi2,popcnt,lzcnt")]
    pub(in super::super) fn flatten(blocks: &[Block], ends: &mut Vec<u32>) {
        flatten_all(blocks, ends, Avx512(()));
    }

    /// Only made in functions that are called where these instructions are known to be there.
    #[derive(Clone, Copy)]
    struct Avx512(());

    impl Lanes for Avx512 {
        type Bytes = __m512i;
        /// All bits that were set, and the least bytes.
        type Seen = (__m512i, __m512i);

        #[inline(always)]
        fn load(self, block: &[u8; BLOCK]) -> __m512i {
            // SAFETY: the instructions are there, as `self` shows. The block has the 64 bytes that are loaded, which
            // need no alignment.
            unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
        }

        #[inline(always)]
        fn masks(self, bytes: __m512i, of: Separators) -> Masks {
            // SAFETY: the instructions are there, as `self` shows.
            let mask = |wanted: u8| unsafe { _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(wanted as i8)) };
            Masks {
                delimiter: mask(of.delimiter),
                quote: of.quote.map_or(0, mask),
                line_end: mask(of.line_end),
                carriage_return: mask(b'\r'),
            }
        }

        #[inline(always)]
        fn nothing(self) -> Self::Seen {
            // SAFETY: the instructions are there, as `self` shows.
            unsafe { (_mm512_setzero_si512(), _mm512_set1_epi8(-1)) }
        }

        #[inline(always)]
        fn see(self, (all, least): &mut Self::Seen, bytes: __m512i) {
            // SAFETY: the instructions are there, as `self` shows.
            (*all, *least) = unsafe { (_mm512_or_si512(*all, bytes), _mm512_min_epu8(*least, bytes)) };
        }

        #[inline(always)]
        fn seen(self, (all, least): Self::Seen) -> (bool, bool) {
            // SAFETY: the instructions are there, as `self` shows.
            unsafe { (_mm512_movepi8_mask(all) != 0, _mm512_testn_epi8_mask(least, least) != 0) }
        }

        #[inline(always)]
        fn prefix_xor(self, bits: u64) -> u64 {
            // SAFETY: the instructions are there, as `self` shows.
            unsafe { super::prefix_xor(bits) }
        }

        #[inline(always)]
        fn flatten(self, bits: u64, base: u32, places: &mut Vec<u32>) {
            let count = bits.count_ones() as usize;
            let (to, len) = (places.as_mut_ptr(), places.len());
            assert!(places.capacity() - len >= BLOCK);
            // SAFETY: the instructions are there, as `self` shows. There is room for 64 numbers behind `len`.
            // Each store writes 16 of them, the last one those up to 64. `count` of them, at most 64, have then been
            // written.
            unsafe {
                let found = _mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(PLACES.as_ptr().cast()));
                let base = _mm512_set1_epi32(base as i32);
                let to = to.add(len);
                let wide = |part| _mm512_add_epi32(_mm512_cvtepu8_epi32(part), base);
                _mm512_storeu_si512(to.cast(), wide(_mm512_castsi512_si128(found)));
                if count > 16 {
                    _mm512_storeu_si512(to.add(16).cast(), wide(_mm512_extracti32x4_epi32::<1>(found)));
                    if count > 32 {
                        _mm512_storeu_si512(to.add(32).cast(), wide(_mm512_extracti32x4_epi32::<2>(found)));
                        _mm512_storeu_si512(to.add(48).cast(), wide(_mm512_extracti32x4_epi32::<3>(found)));
                    }
                }
                places.set_len(len + count);
            }
        }
    }

    /// The number of each place.
    const PLACES: [u8; BLOCK] = {
        let mut places = [0; BLOCK];
        let mut i = 0;
        while i < BLOCK {
            places[i] = i as u8;
            i += 1;
        }
        places
    };
}

pub(super) mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256,
        _mm256_set1_epi8, _mm256_setzero_si256,
    };

    use super::super::{BLOCK, Block, Lanes, Look, Masks, Separators, flatten as flatten_all, scan};

    #[target_feature(enable = "avx2,pclmulqdq,bmi1,bmi2,popcnt,lzcnt")]
    pub(in super::super) fn look(text: &[u8], of: Separators, blocks: &mut Vec<Block>) -> Look {
        scan(text, of, blocks, Avx2(()))
    }

    #[target_feature(enable = "avx2,pclmulqdq,bmi1,bmi2,popcnt,lzcnt")]
    pub(in super::super) fn flatten(blocks: &[Block], ends: &mut Vec<u32>) {
        flatten_all(blocks, ends, Avx2(()));
    }

    /// Only made in functions that are called where these instructions are known to be there.
    #[derive(Clone, Copy)]
    struct Avx2(());

    impl Lanes for Avx2 {
        type Bytes = (__m256i, __m256i);
        /// All bits that were set, and the least bytes.
        type Seen = (__m256i, __m256i);

        #[inline(always)]
        fn load(self, block: &[u8; BLOCK]) -> Self::Bytes {
            let start = block.as_ptr().cast::<__m256i>();
            // SAFETY: the instructions are there, as `self` shows. The block has 64 bytes, so both loads of 32 are inside
            // it; they need no alignment.
            unsafe { (_mm256_loadu_si256(start), _mm256_loadu_si256(start.add(1))) }
        }

        #[inline(always)]
        fn masks(self, (low, high): Self::Bytes, of: Separators) -> Masks {
            // SAFETY: the instructions are there, as `self` shows.
            let mask = |wanted: u8| unsafe {
                let wanted = _mm256_set1_epi8(wanted as i8);
                let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)) as u32;
                let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)) as u32;
                u64::from(low) | u64::from(high) << 32
            };
            Masks {
                delimiter: mask(of.delimiter),
                quote: of.quote.map_or(0, mask),
                line_end: mask(of.line_end),
                carriage_return: mask(b'\r'),
            }
        }

        #[inline(always)]
        fn nothing(self) -> Self::Seen {
            // SAFETY: the instructions are there, as `self` shows.
            unsafe { (_mm256_setzero_si256(), _mm256_set1_epi8(-1)) }
        }

        #[inline(always)]
        fn see(self, (all, least): &mut Self::Seen, (low, high): Self::Bytes) {
            // SAFETY: the instructions are there, as `self` shows.
            unsafe {
                *all = _mm256_or_si256(*all, _mm256_or_si256(low, high));
                *least = _mm256_min_epu8(*least, _mm256_min_epu8(low, high));
            }
        }

        #[inline(always)]
        fn seen(self, (all, least): Self::Seen) -> (bool, bool) {
            // SAFETY: the instructions are there, as `self` shows.
            unsafe {
                let nul = _mm256_cmpeq_epi8(least, _mm256_setzero_si256());
                (_mm256_movemask_epi8(all) != 0, _mm256_movemask_epi8(nul) != 0)
            }
        }

        #[inline(always)]
        fn prefix_xor(self, bits: u64) -> u64 {
            // SAFETY: the instructions are there, as `self` shows.
            unsafe { super::prefix_xor(bits) }
        }

        #[inline(always)]
        fn flatten(self, mut bits: u64, base: u32, places: &mut Vec<u32>) {
            let count = bits.count_ones() as usize;
            let (to, len) = (places.as_mut_ptr(), places.len());
            assert!(places.capacity() - len >= BLOCK);
            let mut done = 0;
            while done < count {
                for i in done..done + 8 {
                    // SAFETY: there is room for 64 numbers behind `len`; `done` is below `count`, which is at
                    // most 64, and a multiple of 8, so `i` is below 64.
                    unsafe { to.add(len + i).write(base.wrapping_add(bits.trailing_zeros())) };
                    bits &= bits.wrapping_sub(1);
                }
                done += 8;
            }
            // SAFETY: the loop has written the first `count` of them.
            unsafe { places.set_len(len + count) };
        }
    }
}

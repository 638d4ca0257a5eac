//! Short values, many at a time: loops without branches, which the compiler turns into vector code. Each is compiled
//! twice, for any processor and for the widest vectors there are; which one runs is found out once.

/// How many values the functions here take.
pub(crate) const LANES: usize = 128;

/// The lengths of some values, and of each whether it has to be looked at. Places without a value have length 0.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(crate) struct Lengths {
    pub(crate) lens: [u32; LANES],
    /// 1 or 0.
    pub(crate) watched: [u32; LANES],
}

impl Default for Lengths {
    fn default() -> Self {
        Lengths { lens: [0; LANES], watched: [0; LANES] }
    }
}

/// What the lengths of some values say of those that need no look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Texts {
    /// The least and the most bytes; `u32::MAX` and 0 if there is none.
    pub(crate) shortest: u32,
    pub(crate) longest: u32,
    /// Values of no bytes, the places without a value among them.
    pub(crate) nulls: u32,
    /// A bit for each other that has to be looked at.
    pub(crate) odd: u128,
}

/// Counts and measures.
pub(crate) fn texts(of: &Lengths) -> Texts {
    #[cfg(target_arch = "x86_64")]
    if super::has_avx512() {
        // SAFETY: the line above has found these features in this process.
        return unsafe { texts_avx512(of) };
    }
    texts_plain(of)
}

/// A bit for each value that is true, of at most as many as there are lanes.
#[inline(always)]
pub(super) fn bits(values: impl Iterator<Item = bool>) -> u128 {
    // Bytes first, for which there is vector code.
    let mut bytes = [0_u8; LANES];
    bytes.iter_mut().zip(values).for_each(|(byte, value)| *byte = u8::from(value));
    let eights = bytes.as_chunks::<8>().0.iter().enumerate();
    eights.fold(0, |bits, (i, eight)| {
        // The lowest bit of each byte, side by side in the highest byte.
        let eight = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        bits | u128::from(eight) << (8 * i)
    })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,popcnt,lzcnt")]
fn texts_avx512(of: &Lengths) -> Texts {
    texts_plain(of)
}

#[inline(always)]
fn texts_plain(of: &Lengths) -> Texts {
    let (mut least, mut most) = ([0; LANES], [0; LANES]);
    let (mut nulls, mut any_odd) = (0, 0);
    let places = least.iter_mut().zip(&mut most);
    for ((len, watched), (least, most)) in of.lens.iter().zip(&of.watched).zip(places) {
        let is_null = u32::from(*len == 0);
        let is_odd = watched & !is_null & 1;
        // All bits set where a value does not count.
        let skipped = 0u32.wrapping_sub(is_null | is_odd);
        (*least, *most) = (len | skipped, len & !skipped);
        nulls += is_null;
        any_odd |= is_odd;
    }
    // Loops of their own, because a minimum under a condition is not made vector code.
    let shortest = least.iter().fold(u32::MAX, |least, len| least.min(*len));
    let longest = most.iter().fold(0, |most, len| most.max(*len));
    let is_odd = |(len, watched): (&u32, &u32)| *len > 0 && watched & 1 != 0;
    let odd = if any_odd == 0 { 0 } else { bits(of.lens.iter().zip(&of.watched).map(is_odd)) };
    Texts { shortest, longest, nulls, odd }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lengths_are_counted_alike(values in proptest::collection::vec((0u32..200, 0u32..2), 0..=LANES)) {
            let mut lengths = Lengths::default();
            for (i, (len, watched)) in values.iter().enumerate() {
                (lengths.lens[i], lengths.watched[i]) = (*len, *watched);
            }
            let found = texts(&lengths);
            prop_assert_eq!(found, texts_plain(&lengths));
            let plain = || values.iter().filter(|(len, watched)| *len > 0 && *watched == 0).map(|(len, _)| *len);
            prop_assert_eq!(found.shortest, plain().min().unwrap_or(u32::MAX));
            prop_assert_eq!(found.longest, plain().max().unwrap_or(0));
            let nulls = values.iter().filter(|(len, _)| *len == 0).count();
            prop_assert_eq!(found.nulls as usize, LANES - values.len() + nulls);
            let odd = |row: &usize| values.get(*row).is_some_and(|(len, watched)| *len > 0 && *watched > 0);
            prop_assert_eq!(found.odd, (0..LANES).filter(odd).fold(0, |bits, row| bits | 1 << row));
        }
    }
}

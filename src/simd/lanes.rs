//! Short values, many at a time: loops without branches, which the compiler turns into vector code. Each is compiled
//! twice, for any processor and for the widest vectors there are; which one runs is found out once.

/// How many values the functions here take.
pub(crate) const LANES: usize = 128;

/// The last bytes of some values and their lengths. Places without a value have length 0.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(crate) struct Words {
    /// The eight bytes that end where the value ends, the last one in the highest place. Of a value that is shorter,
    /// those before it may be anything.
    pub(crate) tails: [u64; LANES],
    /// Bytes of the value.
    pub(crate) lens: [u64; LANES],
}

impl Default for Words {
    fn default() -> Self {
        Words { tails: [0; LANES], lens: [0; LANES] }
    }
}

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
    /// Others that have to be looked at.
    pub(crate) odd: u32,
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

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,popcnt,lzcnt")]
fn texts_avx512(of: &Lengths) -> Texts {
    texts_plain(of)
}

#[inline(always)]
fn texts_plain(of: &Lengths) -> Texts {
    let (mut least, mut most) = ([0; LANES], [0; LANES]);
    let (mut nulls, mut odd) = (0, 0);
    let places = least.iter_mut().zip(&mut most);
    for ((len, watched), (least, most)) in of.lens.iter().zip(&of.watched).zip(places) {
        let is_null = u32::from(*len == 0);
        let is_odd = watched & !is_null & 1;
        // All bits set where a value does not count.
        let skipped = 0u32.wrapping_sub(is_null | is_odd);
        (*least, *most) = (len | skipped, len & !skipped);
        nulls += is_null;
        odd += is_odd;
    }
    // Loops of their own, because a minimum under a condition is not made vector code.
    let shortest = least.iter().fold(u32::MAX, |least, len| least.min(*len));
    let longest = most.iter().fold(0, |most, len| most.max(*len));
    Texts { shortest, longest, nulls, odd }
}

/// The key of what is no short whole number.
pub(crate) const OTHER: i64 = i64::MIN;

/// Whole numbers of at most eight bytes, written without a plus sign and without a zero before other digits or behind a
/// minus sign.
///
/// A key has a byte a digit, the last digit in the lowest, and is negative for a negative number: keys are ordered like
/// the numbers they stand for. [`OTHER`] is below all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(align(64))]
pub(crate) struct Integers {
    pub(crate) keys: [i64; LANES],
    /// The smallest and the largest key of a number; [`OTHER`] both if there is none.
    pub(crate) min: i64,
    pub(crate) max: i64,
    /// How many numbers there are.
    pub(crate) count: u64,
}

impl Default for Integers {
    fn default() -> Self {
        Integers { keys: [OTHER; LANES], min: OTHER, max: OTHER, count: 0 }
    }
}

/// Finds the whole numbers among some values; negative ones only if `signed`.
pub(crate) fn integers(from: &Words, signed: bool, found: &mut Integers) {
    #[cfg(target_arch = "x86_64")]
    if super::has_avx512() {
        // SAFETY: the line above has found these features in this process.
        return unsafe { integers_avx512(from, signed, found) };
    }
    integers_plain(from, signed, found);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,popcnt,lzcnt")]
fn integers_avx512(from: &Words, signed: bool, found: &mut Integers) {
    integers_plain(from, signed, found);
}

#[inline(always)]
fn integers_plain(from: &Words, signed: bool, found: &mut Integers) {
    match signed {
        true => find_integers::<true>(from, found),
        false => find_integers::<false>(from, found),
    }
}

const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);

#[inline(always)]
fn find_integers<const SIGNED: bool>(from: &Words, found: &mut Integers) {
    // As unsigned numbers that are ordered like keys but for OTHER, which is past all of them.
    let place = |key: i64| ((key as u64) ^ (1 << 63)).wrapping_sub(1);
    let (mut least, mut max, mut count) = (u64::MAX, OTHER, 0);
    for ((key, tail), len) in found.keys.iter_mut().zip(&from.tails).zip(&from.lens) {
        // How many bits stand before the value, if it has one to eight bytes.
        let unused = 64u64.wrapping_sub(8 * *len) & 63;
        let minus = if SIGNED { u64::from((tail >> unused) & 0xFF == u64::from(b'-')) } else { 0 };
        let unused = (unused + 8 * minus) & 63;
        let digits = (tail ^ ZEROS) & (u64::MAX << unused);
        // Past 9 a byte gets its highest bit by this sum, or had it before.
        let no_digit = (digits | digits.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080;
        let first = (digits >> unused) & 0xFF;
        let is_number = (len.wrapping_sub(1) < 8) & (*len != minus) & (no_digit == 0) & ((first != 0) | (*len == 1));
        let sign = 0u64.wrapping_sub(minus);
        let signed = (digits.swap_bytes() ^ sign).wrapping_sub(sign) as i64;
        *key = if is_number { signed } else { OTHER };
        least = least.min(place(*key));
        max = max.max(*key);
        count += u64::from(is_number);
    }
    (found.min, found.max, found.count) = ((least.wrapping_add(1) ^ (1 << 63)) as i64, max, count);
}

/// A bit for each key that is [`OTHER`].
pub(crate) fn others(keys: &[i64; LANES]) -> u128 {
    #[cfg(target_arch = "x86_64")]
    if super::has_avx512() {
        // SAFETY: the line above has found these features in this process.
        return unsafe { others_avx512(keys) };
    }
    others_plain(keys)
}

fn others_plain(keys: &[i64; LANES]) -> u128 {
    keys.iter().enumerate().fold(0, |bits, (i, key)| bits | u128::from(*key == OTHER) << i)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn others_avx512(keys: &[i64; LANES]) -> u128 {
    use std::arch::x86_64::{_mm512_cmpeq_epi64_mask, _mm512_loadu_si512, _mm512_set1_epi64};
    let other = _mm512_set1_epi64(OTHER);
    keys.as_chunks::<8>().0.iter().enumerate().fold(0, |bits, (i, eight)| {
        // SAFETY: eight keys are the 64 bytes that are loaded, which need no alignment.
        let eight = unsafe { _mm512_loadu_si512(eight.as_ptr().cast()) };
        bits | u128::from(_mm512_cmpeq_epi64_mask(eight, other)) << (8 * i)
    })
}

/// The number that a key stands for.
#[inline(always)]
pub(crate) fn number(key: i64) -> i64 {
    let sign = key >> 63;
    let digits = key.unsigned_abs().swap_bytes();
    // Neighbours become one number, three times: eight digits, four pairs, two of four digits, one of eight.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    const EVERY_OTHER_PAIR: u64 = 0x0000_00FF_0000_00FF;
    let high = (pairs & EVERY_OTHER_PAIR).wrapping_mul(100 + (1_000_000 << 32));
    let low = ((pairs >> 16) & EVERY_OTHER_PAIR).wrapping_mul(1 + (10_000 << 32));
    let value = (high.wrapping_add(low) >> 32) as i64;
    (value ^ sign) - sign
}

/// The numbers that keys stand for; of [`OTHER`] any.
pub(crate) fn numbers(keys: &[i64; LANES], numbers: &mut [i64; LANES]) {
    #[cfg(target_arch = "x86_64")]
    if super::has_avx512() {
        // SAFETY: the line above has found these features in this process.
        return unsafe { numbers_avx512(keys, numbers) };
    }
    numbers_plain(keys, numbers);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,popcnt,lzcnt")]
fn numbers_avx512(keys: &[i64; LANES], numbers: &mut [i64; LANES]) {
    numbers_plain(keys, numbers);
}

#[inline(always)]
fn numbers_plain(keys: &[i64; LANES], numbers: &mut [i64; LANES]) {
    numbers.iter_mut().zip(keys).for_each(|(to, key)| *to = number(*key));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(values: &[&[u8]]) -> Words {
        let mut words = Words::default();
        for (i, value) in values.iter().enumerate() {
            // What stands before a value must not show.
            let before = [&[b'7'; 8], *value].concat();
            words.tails[i] = u64::from_le_bytes(before[before.len() - 8..].try_into().unwrap());
            words.lens[i] = value.len() as u64;
        }
        words
    }

    /// What the long way says of one value.
    fn expected(value: &[u8], signed: bool) -> Option<i64> {
        let text = std::str::from_utf8(value).ok()?;
        let digits = if signed { text.strip_prefix('-').unwrap_or(text) } else { text };
        let fine = (1..=8).contains(&text.len())
            && !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (text.len() == 1 || !digits.starts_with('0'));
        fine.then(|| text.parse().unwrap())
    }

    fn check(values: &[&[u8]]) {
        for signed in [false, true] {
            let words = words(values);
            let (mut found, mut vector) = (Integers::default(), Integers::default());
            integers_plain(&words, signed, &mut found);
            integers(&words, signed, &mut vector);
            assert_eq!(vector, found);
            let numbers: Vec<i64> = values.iter().filter_map(|value| expected(value, signed)).collect();
            for (value, key) in values.iter().zip(found.keys) {
                let number = (key != OTHER).then(|| number(key));
                assert_eq!(number, expected(value, signed), "{:?}", String::from_utf8_lossy(value));
            }
            assert!(found.keys[values.len()..].iter().all(|key| *key == OTHER));
            let bounds = (found.min != OTHER).then(|| (number(found.min), number(found.max)));
            assert_eq!(bounds, numbers.iter().min().copied().zip(numbers.iter().max().copied()));
            assert!(bounds.is_some() || found.max == OTHER);
            assert_eq!(found.count, numbers.len() as u64);
            assert_eq!(others(&found.keys), others_plain(&found.keys));
            assert_eq!(u64::from(others(&found.keys).count_zeros()), found.count);
            let (mut plain, mut vector) = ([0; LANES], [0; LANES]);
            numbers_plain(&found.keys, &mut plain);
            super::numbers(&found.keys, &mut vector);
            assert_eq!(plain, vector);
        }
    }

    #[test]
    fn short_whole_numbers_are_found_at_any_length() {
        let texts = [
            "0",
            "7",
            "-1",
            "-0",
            "12",
            "99999999",
            "-9999999",
            "-99999999",
            "123456789",
            "00",
            "01",
            "-01",
            "-",
            "--1",
            "1-",
            "+1",
            "1.5",
            ".5",
            "",
            "NA",
            "N",
            "NAN",
            "NA ",
            " NA",
            "xNA",
            "12NA56NA",
            "123456NA",
            "1 ",
            " 1",
            "a",
            "1234567x",
            "x1234567",
            "é",
            "10000000",
            "1000000",
            "/",
            ":",
            "1/",
            "1:",
        ];
        for text in texts {
            check(&[text.as_bytes()]);
        }
        check(&texts.map(str::as_bytes));
        check(&[]);
    }

    #[test]
    fn keys_are_ordered_like_their_numbers() {
        let texts =
            ["-9999999", "-32769", "-32768", "-10", "-9", "-1", "0", "1", "9", "10", "32767", "32768", "99999999"];
        let mut found = Integers::default();
        integers(&words(&texts.map(str::as_bytes)), true, &mut found);
        assert!(found.keys[..texts.len()].is_sorted());
        assert!(texts.iter().zip(found.keys).all(|(text, key)| number(key).to_string() == *text));
    }

    proptest! {
        #[test]
        fn lengths_are_counted_alike(values in proptest::collection::vec((0u32..200, 0u32..2), 0..LANES)) {
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
            prop_assert_eq!(found.odd as usize, values.len() - nulls - plain().count());
        }

        #[test]
        fn any_values_are_told_apart(values in proptest::collection::vec("(-?[0-9]{0,9}|NA||[-0-9NA. ]{0,10})", 0..LANES)) {
            check(&values.iter().map(|value| value.as_bytes()).collect::<Vec<_>>());
        }
    }
}

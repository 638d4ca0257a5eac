//! Short whole numbers, many at a time: loops without branches, as in [`lanes`](super::lanes). They go four bytes wide
//! where that is enough for all values, for then twice as many go at a time, and eight bytes wide elsewhere.

use std::fmt::Debug;

use super::lanes::{LANES, bits};

/// What a value is looked at in: `u32` for values of at most four bytes, `u64` for those of at most eight.
pub(crate) trait Word: Copy + Default + Debug + PartialEq + 'static {
    /// A byte a digit, the last digit in the lowest, and negative for a negative number: keys are ordered like the numbers
    /// they stand for.
    type Key: Copy + Ord + Default + Debug + Into<i64>;

    /// The key of what is no short whole number, below all others.
    const OTHER: Self::Key;

    /// The longest value, in bytes.
    const BYTES: usize;

    /// From the last bytes of a text, the last one of them in the highest place.
    fn of_tail(tail: u64) -> Self;

    /// From a length, where one past [`BYTES`](Word::BYTES) may become any other such.
    fn of_len(len: u32) -> Self;

    /// The length.
    fn len(self) -> usize;

    /// Whether the last `len` bytes, 1 to [`BYTES`](Word::BYTES), are those of `other`.
    fn ends_like(self, other: Self, len: usize) -> bool;

    /// The number that a key stands for.
    fn number(key: Self::Key) -> Self::Key;

    /// The loop of [`integers`].
    fn find<const SIGNED: bool>(from: &Words<Self>, found: &mut Integers<Self>);
}

/// The last bytes of some values and their lengths. Places without a value have length 0.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(crate) struct Words<W> {
    /// The bytes that end where the value ends, the last one in the highest place. Of a value that is shorter, those
    /// before it may be anything.
    pub(crate) tails: [W; LANES],
    /// Bytes of the value.
    pub(crate) lens: [W; LANES],
}

impl<W: Word> Default for Words<W> {
    fn default() -> Self {
        Words { tails: [W::default(); LANES], lens: [W::default(); LANES] }
    }
}

/// Whole numbers of at most a word's bytes, written without a plus sign and without a zero before other digits or behind a
/// minus sign.
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(align(64))]
pub(crate) struct Integers<W: Word> {
    pub(crate) keys: [W::Key; LANES],
    /// The smallest and the largest key of a number; [`Word::OTHER`] both if there is none.
    pub(crate) min: W::Key,
    pub(crate) max: W::Key,
    /// How many numbers there are.
    pub(crate) count: u64,
    /// Whether a value has more bytes than a word.
    pub(crate) any_longer: bool,
}

impl<W: Word> Default for Integers<W> {
    fn default() -> Self {
        Integers { keys: [W::OTHER; LANES], min: W::OTHER, max: W::OTHER, count: 0, any_longer: false }
    }
}

/// Finds the whole numbers among some values; negative ones only if `signed`.
pub(crate) fn integers<W: Word>(from: &Words<W>, signed: bool, found: &mut Integers<W>) {
    #[cfg(target_arch = "x86_64")]
    if super::has_avx512() {
        // SAFETY: the line above has found these features in this process.
        return unsafe { integers_avx512(from, signed, found) };
    }
    integers_plain(from, signed, found);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,popcnt,lzcnt")]
fn integers_avx512<W: Word>(from: &Words<W>, signed: bool, found: &mut Integers<W>) {
    integers_plain(from, signed, found);
}

#[inline(always)]
fn integers_plain<W: Word>(from: &Words<W>, signed: bool, found: &mut Integers<W>) {
    match signed {
        true => W::find::<true>(from, found),
        false => W::find::<false>(from, found),
    }
}

macro_rules! word {
    ($word:ident, $key:ident, $number:ident) => {
        impl Word for $word {
            type Key = $key;
            const OTHER: $key = $key::MIN;
            const BYTES: usize = size_of::<$word>();

            #[inline(always)]
            fn of_tail(tail: u64) -> $word {
                (tail >> (u64::BITS - $word::BITS)) as $word
            }

            #[inline(always)]
            fn of_len(len: u32) -> $word {
                $word::from(len)
            }

            #[inline(always)]
            fn len(self) -> usize {
                self as usize
            }

            #[inline(always)]
            fn ends_like(self, other: $word, len: usize) -> bool {
                (self ^ other) >> ($word::BITS as usize - 8 * len) == 0
            }

            #[inline(always)]
            fn number(key: $key) -> $key {
                let sign = key >> ($key::BITS - 1);
                let digits = key.unsigned_abs().swap_bytes();
                ($number(digits) as $key ^ sign) - sign
            }

            #[inline(always)]
            fn find<const SIGNED: bool>(from: &Words<$word>, found: &mut Integers<$word>) {
                const BYTES: $word = size_of::<$word>() as $word;
                const BITS: $word = $word::BITS as $word;
                const ZEROS: $word = $word::from_ne_bytes([b'0'; BYTES as usize]);
                const TO_TEN: $word = $word::from_ne_bytes([0x76; BYTES as usize]);
                const HIGHS: $word = $word::from_ne_bytes([0x80; BYTES as usize]);
                // As unsigned numbers that are ordered like keys but for OTHER, which is past all of them.
                let place = |key: $key| ((key as $word) ^ (1 << (BITS - 1))).wrapping_sub(1);
                let (mut least, mut max, mut count, mut longest) = ($word::MAX, $key::MIN, 0, 0);
                for ((key, tail), len) in found.keys.iter_mut().zip(&from.tails).zip(&from.lens) {
                    // How many bits stand before the value, if it is no longer than a word.
                    let unused = BITS.wrapping_sub(len.wrapping_mul(8)) & (BITS - 1);
                    let minus = if SIGNED { $word::from((tail >> unused) & 0xFF == $word::from(b'-')) } else { 0 };
                    let unused = (unused + 8 * minus) & (BITS - 1);
                    let digits = (tail ^ ZEROS) & ($word::MAX << unused);
                    // Past 9 a byte gets its highest bit by this sum, or had it before.
                    let no_digit = (digits | digits.wrapping_add(TO_TEN)) & HIGHS;
                    let first = (digits >> unused) & 0xFF;
                    let is_number = (len.wrapping_sub(1) < BYTES)
                        & (*len != minus)
                        & (no_digit == 0)
                        & ((first != 0) | (*len == 1));
                    let sign = (0 as $word).wrapping_sub(minus);
                    let signed = (digits.swap_bytes() ^ sign).wrapping_sub(sign) as $key;
                    *key = if is_number { signed } else { $key::MIN };
                    least = least.min(place(*key));
                    max = max.max(*key);
                    count += $word::from(is_number);
                    longest = longest.max(*len);
                }
                found.min = (least.wrapping_add(1) ^ (1 << (BITS - 1))) as $key;
                (found.max, found.count, found.any_longer) = (max, count.into(), longest > BYTES);
            }
        }
    };
}

word!(u32, i32, four);
word!(u64, i64, eight);

/// The number of four digits, the first one in the lowest byte.
#[inline(always)]
fn four(digits: u32) -> u32 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    (pairs & 0xFF) * 100 + (pairs >> 16 & 0xFF)
}

/// The number of eight digits, the first one in the lowest byte.
#[inline(always)]
fn eight(digits: u64) -> u64 {
    // Neighbours become one number, three times: eight digits, four pairs, two of four digits, one of eight.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    const EVERY_OTHER_PAIR: u64 = 0x0000_00FF_0000_00FF;
    let high = (pairs & EVERY_OTHER_PAIR).wrapping_mul(100 + (1_000_000 << 32));
    let low = ((pairs >> 16) & EVERY_OTHER_PAIR).wrapping_mul(1 + (10_000 << 32));
    high.wrapping_add(low) >> 32
}

/// A bit for each key that is [`Word::OTHER`].
pub(crate) fn others<W: Word>(keys: &[W::Key; LANES]) -> u128 {
    #[cfg(target_arch = "x86_64")]
    if super::has_avx512() {
        // SAFETY: the line above has found these features in this process.
        return unsafe { others_avx512::<W>(keys) };
    }
    others_plain::<W>(keys)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,popcnt,lzcnt")]
fn others_avx512<W: Word>(keys: &[W::Key; LANES]) -> u128 {
    others_plain::<W>(keys)
}

#[inline(always)]
fn others_plain<W: Word>(keys: &[W::Key; LANES]) -> u128 {
    bits(keys.iter().map(|key| *key == W::OTHER))
}

/// The numbers that keys stand for, as what `cast` makes of them; of [`Word::OTHER`] any.
pub(crate) fn numbers<W: Word, T>(keys: &[W::Key; LANES], numbers: &mut [T], cast: impl Fn(i64) -> T) {
    #[cfg(target_arch = "x86_64")]
    if super::has_avx512() {
        // SAFETY: the line above has found these features in this process.
        return unsafe { numbers_avx512::<W, T>(keys, numbers, cast) };
    }
    numbers_plain::<W, T>(keys, numbers, cast);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,popcnt,lzcnt")]
fn numbers_avx512<W: Word, T>(keys: &[W::Key; LANES], numbers: &mut [T], cast: impl Fn(i64) -> T) {
    numbers_plain::<W, T>(keys, numbers, cast);
}

#[inline(always)]
fn numbers_plain<W: Word, T>(keys: &[W::Key; LANES], numbers: &mut [T], cast: impl Fn(i64) -> T) {
    numbers.iter_mut().zip(keys).for_each(|(to, key)| *to = cast(W::number(*key).into()));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words<W: Word>(values: &[&[u8]]) -> Words<W> {
        let mut words = Words::default();
        for (i, value) in values.iter().enumerate() {
            // What stands before a value must not show.
            let before = [&[b'7'; 8], *value].concat();
            words.tails[i] = W::of_tail(u64::from_le_bytes(before[before.len() - 8..].try_into().unwrap()));
            words.lens[i] = W::of_len(value.len() as u32);
        }
        words
    }

    /// What the long way says of one value.
    fn expected(value: &[u8], bytes: usize, signed: bool) -> Option<i64> {
        let text = std::str::from_utf8(value).ok()?;
        let digits = if signed { text.strip_prefix('-').unwrap_or(text) } else { text };
        let fine = (1..=bytes).contains(&text.len())
            && !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (text.len() == 1 || !digits.starts_with('0'));
        fine.then(|| text.parse().unwrap())
    }

    fn check(values: &[&[u8]]) {
        check_in::<u32>(values);
        check_in::<u64>(values);
    }

    fn check_in<W: Word>(values: &[&[u8]]) {
        let number = |key: W::Key| -> i64 { W::number(key).into() };
        for signed in [false, true] {
            let words = words::<W>(values);
            let (mut found, mut vector) = (Integers::<W>::default(), Integers::<W>::default());
            integers_plain(&words, signed, &mut found);
            integers(&words, signed, &mut vector);
            assert_eq!(vector, found);
            let expected = |value: &[u8]| expected(value, W::BYTES, signed);
            let numbers: Vec<i64> = values.iter().filter_map(|value| expected(value)).collect();
            for (value, key) in values.iter().zip(found.keys) {
                let number = (key != W::OTHER).then(|| number(key));
                assert_eq!(number, expected(value), "{:?}", String::from_utf8_lossy(value));
            }
            assert!(found.keys[values.len()..].iter().all(|key| *key == W::OTHER));
            let bounds = (found.min != W::OTHER).then(|| (number(found.min), number(found.max)));
            assert_eq!(bounds, numbers.iter().min().copied().zip(numbers.iter().max().copied()));
            assert!(bounds.is_some() || found.max == W::OTHER);
            assert_eq!(found.count, numbers.len() as u64);
            assert_eq!(found.any_longer, values.iter().any(|value| value.len() > W::BYTES));
            assert_eq!(others::<W>(&found.keys), others_plain::<W>(&found.keys));
            let is_other = |lane: &usize| found.keys[*lane] == W::OTHER;
            assert_eq!(others::<W>(&found.keys), (0..LANES).filter(is_other).fold(0, |bits, lane| bits | 1 << lane));
            let (mut plain, mut vector) = ([0; LANES], [0; LANES]);
            numbers_plain::<W, i64>(&found.keys, &mut plain, |number| number);
            super::numbers::<W, i64>(&found.keys, &mut vector, |number| number);
            assert_eq!(plain, vector);
            let (mut few, is_key) = ([1; 3], |(lane, few): (usize, &i16)| *few == plain[lane] as i16);
            super::numbers::<W, i16>(&found.keys, &mut few, |number| number as i16);
            assert!(few.iter().enumerate().all(is_key));
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
        let mut found = Integers::<u64>::default();
        integers(&words(&texts.map(str::as_bytes)), true, &mut found);
        assert!(found.keys[..texts.len()].is_sorted());
        assert!(texts.iter().zip(found.keys).all(|(text, key)| u64::number(key).to_string() == *text));
    }

    proptest! {
        #[test]
        fn any_values_are_told_apart(values in proptest::collection::vec("(-?[0-9]{0,5}|-?[0-9]{0,9}|NA||[-0-9NA. ]{0,10})", 0..LANES)) {
            check(&values.iter().map(|value| value.as_bytes()).collect::<Vec<_>>());
        }
    }
}

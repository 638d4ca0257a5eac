//! Digits eight at a time, within ordinary registers.
//!
//! A number is read from the bytes *before* its end, because there its digits stand in the same places whatever their
//! number; what stands before the number is masked out. So there is no loop and no branch on the length.

const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
const POINTS: u128 = u128::from_le_bytes([b'.'; 16]);
const ONES: u128 = u128::from_le_bytes([1; 16]);
const HIGHS: u128 = ONES << 7;

/// The value of the `len` digits, 1 to 16, that end before `end`. They must be digits. `None` if there are fewer than
/// eight bytes before `end` (16 for more than eight digits), or more digits.
#[inline]
pub(crate) fn whole_before(bytes: &[u8], end: usize, len: usize) -> Option<u64> {
    match len {
        1..=8 => Some(eight(last(u64::from_le_bytes(*before(bytes, end)?) ^ ZEROS, len))),
        9..=16 => {
            let (high, low) = halves(u128::from_le_bytes(*before(bytes, end)?));
            Some(eight(last(high ^ ZEROS, len - 8)) * 100_000_000 + eight(low ^ ZEROS))
        }
        _ => None,
    }
}

/// The `len` bytes, 3 to 16, that end before `end`, as a number with digits on both sides of a point and nothing else:
/// all digits as one whole number, and how many stand behind the point. `None` if they are anything else, or if there
/// are fewer than eight bytes before `end` (16 for more than eight bytes).
#[inline]
pub(crate) fn fraction_before(bytes: &[u8], end: usize, len: usize) -> Option<(u64, usize)> {
    if (3..=8).contains(&len) {
        return short_fraction(u64::from_le_bytes(*before(bytes, end)?), len);
    }
    if !(9..=16).contains(&len) {
        return None;
    }
    let kept = u128::MAX << (8 * (16 - len));
    let text = u128::from_le_bytes(*before(bytes, end)?);
    // Where a byte is a point its difference from one is zero, and only then does the subtraction borrow from its high bit;
    // of several points the lowest is found. What is masked out is made to differ.
    let difference = (text ^ POINTS) & kept | HIGHS & !kept;
    let points = difference.wrapping_sub(ONES) & !difference & HIGHS;
    let point = points.trailing_zeros() / 8;
    if point >= 15 || point as usize == 16 - len {
        return None;
    }
    // What stands before the point takes its place.
    let (above, below) = (u128::MAX << (8 * point) << 8, (1u128 << (8 * point)) - 1);
    let digits = text & above | (text & kept & below) << 8;
    let kept = kept << 8;
    let (high, low) = halves(digits & kept | u128::from_le_bytes([b'0'; 16]) & !kept);
    let (high, low) = (high ^ ZEROS, low ^ ZEROS);
    (are_digits(high) && are_digits(low)).then(|| (eight(high) * 100_000_000 + eight(low), 15 - point as usize))
}

/// The same for the last `len` bytes of eight.
#[inline]
fn short_fraction(text: u64, len: usize) -> Option<(u64, usize)> {
    let kept = u64::MAX << (8 * (8 - len));
    let difference = (text ^ POINTS as u64) & kept | HIGHS as u64 & !kept;
    let points = difference.wrapping_sub(ONES as u64) & !difference & HIGHS as u64;
    let point = points.trailing_zeros() / 8;
    if point >= 7 || point as usize == 8 - len {
        return None;
    }
    let (above, below) = (u64::MAX << (8 * point) << 8, (1u64 << (8 * point)) - 1);
    let digits = ((text & above | (text & kept & below) << 8) ^ ZEROS) & (kept << 8);
    are_digits(digits).then(|| (eight(digits), 7 - point as usize))
}

/// The bytes before `end`.
#[inline]
fn before<const N: usize>(bytes: &[u8], end: usize) -> Option<&[u8; N]> {
    bytes.get(..end)?.last_chunk::<N>()
}

/// The earlier and the later half.
#[inline]
fn halves(text: u128) -> (u64, u64) {
    (text as u64, (text >> 64) as u64)
}

/// Keeps the last `len` bytes, 1 to 8.
#[inline]
fn last(word: u64, len: usize) -> u64 {
    word & u64::MAX << (8 * (8 - len))
}

/// Whether every byte is at most nine.
#[inline]
fn are_digits(values: u64) -> bool {
    const SLACK: u64 = u64::from_le_bytes([0x7F - 9; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    (values.wrapping_add(SLACK) | values) & HIGH == 0
}

/// The number whose digits are the bytes, the first one lowest in the word.
#[inline]
fn eight(values: u64) -> u64 {
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_FFFF_0000_FFFF;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xFFFF_FFFF
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Simple, simple};
    use proptest::prelude::*;

    fn framed(text: &str, front: &str) -> (Vec<u8>, usize) {
        let bytes = format!("{front}{text},1.5");
        (bytes.into_bytes(), front.len() + text.len())
    }

    proptest! {
        #[test]
        fn whole_numbers_are_what_they_are(value in 0u64..10_000_000_000_000_000, cut in 0u32..16, front in "[0-9.,:]{16,20}") {
            let value = value / 10u64.pow(cut);
            let text = value.to_string();
            let (bytes, end) = framed(&text, &front);
            prop_assert_eq!(whole_before(&bytes, end, text.len()), Some(value));
        }

        #[test]
        fn fractions_are_what_the_plain_way_says(text in "[0-9.e+/-]{0,18}|[0-9]{1,9}\\.[0-9]{1,9}", front in "[0-9.,:/]{16,20}") {
            let (bytes, end) = framed(&text, &front);
            let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            let inner = text.find('.').is_some_and(|at| at > 0 && at + 1 < text.len());
            let is_one = digits && inner && text.matches('.').count() == 1 && text.len() <= 16;
            let expected = is_one.then(|| {
                let point = text.find('.').unwrap();
                (text.replace('.', "").parse().unwrap(), text.len() - point - 1)
            });
            prop_assert_eq!(fraction_before(&bytes, end, text.len()), expected);
            if let (Some((unscaled, scale)), Some(plain)) = (expected, simple(text.as_bytes())) {
                let Simple { unscaled: wanted, scale: places, .. } = plain;
                prop_assert_eq!((unscaled as i64, scale as u32), (wanted, places));
            }
        }
    }

    #[test]
    fn too_few_bytes_before_a_number_are_no_number() {
        assert_eq!(whole_before(b"1234567", 7, 7), None);
        assert_eq!(whole_before(b"x1234567", 8, 7), Some(1_234_567));
        assert_eq!(whole_before(b"12345678", 9, 7), None);
        assert_eq!(fraction_before(b"x:1.5", 5, 3), None);
        assert_eq!(whole_before(&[b'1'; 32], 32, 17), None);
    }
}

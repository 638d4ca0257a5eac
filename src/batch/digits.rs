//! Numbers of a few digits, eight digits at a time.
//!
//! For numbers whose grammar is known to be right. `None` means that the number is not one of the short ones, or that
//! there are not enough bytes before it to look at eight at once; it is then read in the plain way.

/// Eight times `'0'`.
const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);

/// The whole number in `bytes[from..to]`, if it has at most 16 digits.
#[inline]
pub(super) fn whole(bytes: &[u8], from: usize, to: usize) -> Option<i64> {
    let negative = *bytes.get(from)? == b'-';
    let value = unsigned(bytes, from + usize::from(negative), to)? as i64;
    Some(if negative { -value } else { value })
}

/// A number that is written without an exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fraction {
    /// All digits as one whole number.
    pub(super) unscaled: i64,
    /// Digits behind the point.
    pub(super) scale: u32,
    /// Digits on both sides of the point, leading zeros with them.
    pub(super) digits: u32,
}

impl Fraction {
    /// The nearest double. Exact for up to 15 digits: both parts are doubles then, and division rounds once.
    #[inline]
    pub(super) fn double(self) -> f64 {
        const POWERS: [f64; 17] =
            [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16];
        self.unscaled as f64 / POWERS[self.scale as usize]
    }

    /// The number as `precision` digits of which `scale` are behind the point, if that loses nothing and `scale` is
    /// not smaller than the number's own.
    #[inline]
    pub(super) fn scaled(self, precision: u32, scale: u32) -> Option<i128> {
        let more = scale.checked_sub(self.scale)?;
        let value = i128::from(self.unscaled).checked_mul(10_i128.checked_pow(more)?)?;
        (value.unsigned_abs() < 10_u128.checked_pow(precision)?).then_some(value)
    }
}

/// The number in `bytes[from..to]`, if it has no exponent, at most 16 digits, and at most 8 behind the point.
#[inline]
pub(super) fn fraction(bytes: &[u8], from: usize, to: usize) -> Option<Fraction> {
    let negative = *bytes.get(from)? == b'-';
    let from = from + usize::from(negative);
    let text = bytes.get(from..to)?;
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let scale = text.len().saturating_sub(point + 1);
    if point + scale > 16 || scale > 8 {
        return None;
    }
    let mut value = unsigned(bytes, from, from + point)?;
    if scale > 0 {
        value = value * 10_u64.pow(scale as u32) + unsigned(bytes, to - scale, to)?;
    }
    let value = value as i64;
    Some(Fraction {
        unscaled: if negative { -value } else { value },
        scale: scale as u32,
        digits: (point + scale) as u32,
    })
}

/// One to 16 digits; `None` if there is anything else among them.
#[inline]
fn unsigned(bytes: &[u8], from: usize, to: usize) -> Option<u64> {
    match to.checked_sub(from)? {
        len @ 1..=8 => eight(bytes, to, len),
        len @ 9..=16 => Some(eight(bytes, to - 8, len - 8)? * 100_000_000 + eight(bytes, to, 8)?),
        _ => None,
    }
}

/// The last `len` (1 to 8) digits before `to`.
#[inline]
fn eight(bytes: &[u8], to: usize, len: usize) -> Option<u64> {
    let word = bytes.get(to.checked_sub(8)?..to)?.first_chunk::<8>()?;
    // The first digit is the lowest byte. What stands before the number goes out of it below, as leading zeros.
    let unwanted = 8 * (8 - len as u32);
    let digits = (u64::from_le_bytes(*word) ^ ZEROS) >> unwanted << unwanted;
    if (digits | digits.wrapping_add(0x0606_0606_0606_0606)) & 0xF0F0_F0F0_F0F0_F0F0 != 0 {
        return None;
    }
    // Pairs of digits, then pairs of those, then all.
    let pairs = digits * 10 + (digits >> 8);
    let mask = 0x0000_00FF_0000_00FF;
    let (high, low) = (pairs & mask, pairs >> 16 & mask);
    Some((high.wrapping_mul(0x000F_4240_0000_0064).wrapping_add(low.wrapping_mul(0x0000_2710_0000_0001))) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_short_number_is_left_alone() {
        for text in ["", "-", "1e5", "1.5e3", "12345678901234567", "1.123456789", "1-2", "1.2.3", "1:2", "1/2"] {
            let padded = format!("0123456789012345{text}");
            assert_eq!(whole(padded.as_bytes(), 16, padded.len()), None, "{text}");
            assert_eq!(fraction(padded.as_bytes(), 16, padded.len()), None, "{text}");
        }
        // Nothing stands before it to look at.
        assert_eq!(whole(b"12", 0, 2), None);
        assert_eq!(whole(b"1234567", 0, 9), None);
    }

    proptest! {
        #[test]
        fn whole_numbers_are_what_the_standard_library_reads(value: i64, shift in 0_u32..64, before in "[0-9a:.,]{16}") {
            let text = (value >> shift).to_string();
            let padded = format!("{before}{text}9.5");
            let found = whole(padded.as_bytes(), 16, 16 + text.len());
            let expected = (text.trim_start_matches('-').len() <= 16).then_some(value >> shift);
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn fractions_are_what_the_standard_library_reads(value: i64, shift in 0_u32..64, scale in 0_u32..12) {
            let value = value >> shift;
            let unit = 10_u64.pow(scale);
            let (sign, size) = (if value < 0 { "-" } else { "" }, value.unsigned_abs());
            let behind = if scale == 0 { String::new() } else { format!(".{:0width$}", size % unit, width = scale as usize) };
            let text = format!("{sign}{}{behind}", size / unit);
            let padded = format!("ab:{{\"0123456789{text}}}");
            let found = fraction(padded.as_bytes(), 15, 15 + text.len());
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            prop_assert_eq!(found.is_some(), digits <= 16 && scale <= 8, "{}", text);
            if let Some(found) = found {
                prop_assert_eq!((found.unscaled, found.scale, found.digits), (value, scale, digits as u32));
                if digits <= 15 && value != 0 {
                    prop_assert_eq!(found.double(), text.parse::<f64>().unwrap());
                }
                prop_assert_eq!(found.scaled(38, scale + 3), Some(i128::from(value) * 1000));
                prop_assert_eq!(found.scaled(1, scale), Some(i128::from(value)).filter(|value| value.abs() < 10));
                prop_assert_eq!(found.scaled(38, scale.wrapping_sub(1)), None);
            }
        }
    }
}

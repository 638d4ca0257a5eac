//! The wire form of `numeric`: groups of four decimal digits, counted from the decimal point.

/// The longest field: the header, and the groups of 39 digits before and 38 behind the point.
const MAX_LEN: usize = 8 + 2 * GROUPS;
/// 10 groups on each side of the point.
const GROUPS: usize = 20;
const NEGATIVE: u16 = 0x4000;

/// Appends the number `value / 10^scale`, shown with `scale` digits behind the point.
///
/// `scale` is at most 38. Digits behind the declared scale would be cut by the server without an error, so the whole
/// scale of the column is always declared.
#[inline]
pub(super) fn write(out: &mut Vec<u8>, value: i128, scale: u8) {
    let mut groups = [0_u16; GROUPS];
    let magnitude = value.unsigned_abs();
    // Division of 128 bits is a call into a library; nearly every number fits 64.
    let (first, weight) = match (u64::try_from(magnitude), scale) {
        (Ok(small), 0..=18) => split_small(small, scale, &mut groups),
        _ => split(magnitude, scale, &mut groups),
    };
    let digits = trimmed(&groups[first..]);
    // Leading zero groups went with the split; here those that are only a fraction's: 0.0001 has none before it.
    let leading = digits.iter().take_while(|group| **group == 0).count();
    let digits = &digits[leading..];
    let weight = if digits.is_empty() { 0 } else { weight - leading as i16 };
    let sign = if value < 0 { NEGATIVE } else { 0 };

    let mut field = [0_u8; MAX_LEN];
    field[..2].copy_from_slice(&(digits.len() as u16).to_be_bytes());
    field[2..4].copy_from_slice(&weight.to_be_bytes());
    field[4..6].copy_from_slice(&sign.to_be_bytes());
    field[6..8].copy_from_slice(&u16::from(scale).to_be_bytes());
    for (bytes, group) in field[8..].chunks_exact_mut(2).zip(digits) {
        bytes.copy_from_slice(&group.to_be_bytes());
    }
    out.extend_from_slice(&field[..8 + 2 * digits.len()]);
}

fn trimmed(groups: &[u16]) -> &[u16] {
    let zeros = groups.iter().rev().take_while(|group| **group == 0).count();
    &groups[..groups.len() - zeros]
}

/// Fills `groups` from its end; returns where the first group stands and which power of 10,000 it counts.
fn split_small(value: u64, scale: u8, groups: &mut [u16; GROUPS]) -> (usize, i16) {
    let unit = 10_u64.pow(u32::from(scale));
    let (mut whole, mut fraction) = (value / unit, value % unit);
    let mut at = GROUPS;
    let rest = u32::from(scale % 4);
    if rest > 0 {
        // The last group is filled up with zeros: .5 is the group 5000.
        at -= 1;
        groups[at] = (fraction % 10_u64.pow(rest)) as u16 * 10_u16.pow(4 - rest);
        fraction /= 10_u64.pow(rest);
    }
    for _ in 0..scale / 4 {
        at -= 1;
        groups[at] = (fraction % 10_000) as u16;
        fraction /= 10_000;
    }
    let point = at;
    while whole > 0 {
        at -= 1;
        groups[at] = (whole % 10_000) as u16;
        whole /= 10_000;
    }
    (at, (point - at) as i16 - 1)
}

/// The same for numbers that need 128 bits.
fn split(value: u128, scale: u8, groups: &mut [u16; GROUPS]) -> (usize, i16) {
    let unit = 10_u128.pow(u32::from(scale));
    let (mut whole, mut fraction) = (value / unit, value % unit);
    let mut at = GROUPS;
    let rest = u32::from(scale % 4);
    if rest > 0 {
        at -= 1;
        groups[at] = (fraction % 10_u128.pow(rest)) as u16 * 10_u16.pow(4 - rest);
        fraction /= 10_u128.pow(rest);
    }
    for _ in 0..scale / 4 {
        at -= 1;
        groups[at] = (fraction % 10_000) as u16;
        fraction /= 10_000;
    }
    let point = at;
    while whole > 0 {
        at -= 1;
        groups[at] = (whole % 10_000) as u16;
        whole /= 10_000;
    }
    (at, (point - at) as i16 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(value: i128, scale: u8) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, value, scale);
        assert!(out.len() <= MAX_LEN);
        out
    }

    /// Reads a field back as decimal text, by the protocol's own rule: sum of digit[i] * 10000^(weight - i).
    fn decode(field: &[u8]) -> String {
        let words: Vec<u16> = field.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]])).collect();
        let (weight, scale) = (words[1] as i16, words[3] as usize);
        assert_eq!(words[0] as usize, words.len() - 4);
        let digit_at = |power: i16| {
            let index = i32::from(weight) - i32::from(power);
            usize::try_from(index).ok().and_then(|i| words[4..].get(i)).copied().unwrap_or(0)
        };
        let whole: String = (0..=weight.max(0)).rev().map(|power| format!("{:04}", digit_at(power))).collect();
        let mut fraction: String = (1..=10).map(|power| format!("{:04}", digit_at(-power))).collect();
        assert!(fraction[scale..].bytes().all(|b| b == b'0'), "digits past the scale would be cut");
        fraction.truncate(scale);
        let whole = whole.trim_start_matches('0');
        let sign = if words[2] == NEGATIVE { "-" } else { "" };
        let point = if scale > 0 { "." } else { "" };
        format!("{sign}{}{point}{fraction}", if whole.is_empty() { "0" } else { whole })
    }

    fn expected(value: i128, scale: u8) -> String {
        let digits = format!("{:0>width$}", value.unsigned_abs(), width = usize::from(scale) + 1);
        let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
        let point = if scale > 0 { "." } else { "" };
        format!("{}{whole}{point}{fraction}", if value < 0 { "-" } else { "" })
    }

    #[test]
    fn numbers_have_the_bytes_a_server_sends() {
        let words = |field: &[u8]| field.chunks(2).map(|b| format!("{:02x}{:02x}", b[0], b[1])).collect::<Vec<_>>();
        assert_eq!(words(&encode(12_345_678, 3)).join(" "), "0003 0001 0000 0003 0001 0929 1a7c");
        assert_eq!(words(&encode(0, 0)).join(" "), "0000 0000 0000 0000");
        assert_eq!(words(&encode(0, 2)).join(" "), "0000 0000 0000 0002");
        assert_eq!(words(&encode(10_000, 0)).join(" "), "0001 0001 0000 0000 0001");
        assert_eq!(words(&encode(5, 1)).join(" "), "0001 ffff 0000 0001 1388");
        assert_eq!(words(&encode(-1, 38)).join(" "), "0001 fff6 4000 0026 0064");
    }

    #[test]
    fn the_largest_numbers_fit_at_every_scale() {
        for scale in 0..=38 {
            for value in [i128::MAX, i128::MIN, 10_i128.pow(38) - 1, i128::from(u64::MAX), i128::from(u64::MAX) + 1] {
                assert_eq!(decode(&encode(value, scale)), expected(value, scale), "scale {scale}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_number_reads_back_as_the_same_digits(value: i128, shift in 0_u32..127, scale in 0_u8..=38) {
            let value = value >> shift;
            prop_assert_eq!(decode(&encode(value, scale)), expected(value, scale));
        }
    }
}

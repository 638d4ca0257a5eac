//! UUIDs in the hyphenated form of RFC 9562.

/// Reads `3f2504e0-4f89-41d3-9a0c-0305e82c3301`, in either case: 36 bytes, four hyphens, no braces.
pub fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.try_into().ok()?;
    if text[8] != b'-' || text[13] != b'-' || text[18] != b'-' || text[23] != b'-' {
        return None;
    }
    let mut digits = [0; 32];
    digits[..8].copy_from_slice(&text[..8]);
    digits[8..12].copy_from_slice(&text[9..13]);
    digits[12..16].copy_from_slice(&text[14..18]);
    digits[16..20].copy_from_slice(&text[19..23]);
    digits[20..].copy_from_slice(&text[24..]);
    // Without a branch per digit, so that the compiler does many at a time.
    let mut invalid = 0;
    for digit in &mut digits {
        let decimal = digit.wrapping_sub(b'0');
        let letter = (*digit | 0x20).wrapping_sub(b'a');
        invalid |= u8::from(decimal > 9) & u8::from(letter > 5);
        *digit = if decimal <= 9 { decimal } else { letter.wrapping_add(10) };
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1] & 0x0F;
    }
    (invalid == 0).then_some(bytes)
}

/// Whether [`uuid`] reads it. It takes less time than reading does.
///
/// ```
/// assert!(longshore::value::is_uuid(b"3f2504e0-4f89-41d3-9a0c-0305e82c3301"));
/// assert!(!longshore::value::is_uuid(b"3f2504e04f8941d39a0c0305e82c3301"));
/// ```
#[inline]
pub fn is_uuid(text: &[u8]) -> bool {
    let Ok(text) = <&[u8; 36]>::try_from(text) else { return false };
    // Three parts of sixteen bytes that overlap, so that the compiler does each of them as one.
    part_is_well(text, 0) & part_is_well(text, 16) & part_is_well(text, 20)
}

/// Whether the sixteen bytes from `from` on are digits, with hyphens where they belong.
#[inline(always)]
fn part_is_well(text: &[u8; 36], from: usize) -> bool {
    let mut wrong = 0;
    for i in 0..16 {
        let byte = text[from + i];
        let is_digit = u8::from(byte.wrapping_sub(b'0') <= 9) | u8::from((byte | 0x20).wrapping_sub(b'a') <= 5);
        let wants_hyphen = u8::from(matches!(from + i, 8 | 13 | 18 | 23));
        wrong |= (is_digit ^ 1 ^ wants_hyphen) | (wants_hyphen & u8::from(byte != b'-'));
    }
    wrong == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_uuid_is_what_can_be_read_as_one() {
        let text = b"3f2504e0-4F89-41d3-9a0c-0305e82c3301";
        for at in 0..text.len() {
            for byte in 0..=u8::MAX {
                let mut text = *text;
                text[at] = byte;
                assert_eq!(is_uuid(&text), uuid(&text).is_some(), "{}", String::from_utf8_lossy(&text));
            }
            assert!(!is_uuid(&text[at..text.len() - 1]));
        }
        assert!(is_uuid(text));
    }

    #[test]
    fn only_the_hyphenated_form_is_a_uuid() {
        let bytes = uuid(b"3f2504e0-4f89-41d3-9a0c-0305e82c3301").unwrap();
        assert_eq!(bytes[..6], [0x3f, 0x25, 0x04, 0xe0, 0x4f, 0x89]);
        assert_eq!(bytes[15], 0x01);
        assert_eq!(uuid(b"3F2504E0-4F89-41D3-9A0C-0305E82C3301"), Some(bytes));
        for other in [
            &b"3f2504e04f8941d39a0c0305e82c3301"[..],
            b"3f2504e0-4f89-41d3-9a0c-0305e82c330",
            b"3f2504e0-4f89-41d3-9a0c-0305e82c330g",
            b"3f2504e0-4f89-41d3-9a0c0-305e82c3301",
            b"",
        ] {
            assert_eq!(uuid(other), None);
        }
    }
}

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
    let mut wrong = [0; 16];
    for from in [0, 16, 20] {
        let part = text[from..].first_chunk::<16>();
        let hyphens = HYPHENS[from..].first_chunk::<16>();
        if let (Some(part), Some(hyphens)) = (part, hyphens) {
            note_wrong(part, hyphens, &mut wrong);
        }
    }
    u128::from_ne_bytes(wrong) == 0
}

/// All ones where there is a hyphen.
const HYPHENS: [u8; 36] = {
    let mut hyphens = [0; 36];
    (hyphens[8], hyphens[13], hyphens[18], hyphens[23]) = (0xFF, 0xFF, 0xFF, 0xFF);
    hyphens
};

/// Sets bits at the bytes that are no digit, or no hyphen where one belongs.
#[inline(always)]
fn note_wrong(part: &[u8; 16], hyphens: &[u8; 16], wrong: &mut [u8; 16]) {
    for i in 0..16 {
        let (byte, hyphen) = (part[i], hyphens[i]);
        // Zero for the digits, for the letters of digits, and for the hyphen.
        let decimal = byte.wrapping_sub(b'0').saturating_sub(9);
        let letter = (byte | 0x20).wrapping_sub(b'a').saturating_sub(5);
        wrong[i] |= (decimal.min(letter) & !hyphen) | ((byte ^ b'-') & hyphen);
    }
}

/// Writes a UUID as [`uuid`] reads it, in lower case: `00010203-0405-0607-0809-0a0b0c0d0e0f`.
///
/// ```
/// use longshore::value::{uuid, uuid_text};
/// let text = b"3f2504e0-4f89-41d3-9a0c-0305e82c3301";
/// assert_eq!(uuid(text).map(|id| uuid_text(&id)), Some(*text));
/// ```
pub fn uuid_text(id: &[u8; 16]) -> [u8; 36] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let mut text = [b'-'; 36];
    for (byte, place) in id.iter().zip(PLACES) {
        text[place] = DIGITS[usize::from(byte >> 4)];
        text[place + 1] = DIGITS[usize::from(byte & 15)];
    }
    text
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

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

#[cfg(test)]
mod tests {
    use super::*;

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

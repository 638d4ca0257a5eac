//! UUIDs in the hyphenated form of RFC 9562.

/// Reads `3f2504e0-4f89-41d3-9a0c-0305e82c3301`, in either case: 36 bytes, four hyphens, no braces.
pub fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != 36 || text[8] != b'-' || text[13] != b'-' || text[18] != b'-' || text[23] != b'-' {
        return None;
    }
    let mut bytes = [0; 16];
    let mut at = 0;
    for byte in &mut bytes {
        if text[at] == b'-' {
            at += 1;
        }
        *byte = hex(text[at])? << 4 | hex(text[at + 1])?;
        at += 2;
    }
    Some(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
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

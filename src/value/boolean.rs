//! true and false.

/// Reads `true` or `false`, in any case.
///
/// ```
/// use longshore::value::boolean;
/// assert_eq!(boolean(b"True"), Some(true));
/// assert_eq!(boolean(b"yes"), None);
/// ```
#[inline]
pub fn boolean(text: &[u8]) -> Option<bool> {
    const CASE: u32 = u32::from_le_bytes([0x20; 4]);
    // Either case of a letter differs in this bit alone, and no other byte becomes that letter by it.
    let lower = |word: &[u8; 4]| (u32::from_le_bytes(*word) | CASE).to_le_bytes();
    match text {
        [a, b, c, d] if lower(&[*a, *b, *c, *d]) == *b"true" => Some(true),
        [a, b, c, d, b'e' | b'E'] if lower(&[*a, *b, *c, *d]) == *b"fals" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_word_is_true_or_false() {
        let check = |text: &[u8]| {
            let is = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
            assert_eq!(boolean(text), is("true").then_some(true).or(is("false").then_some(false)), "{text:?}");
        };
        for word in ["true", "TRUE", "tRuE", "false", "FALSE", "faLsE", "", "t", "truef", "fals", "falsee"] {
            check(word.as_bytes());
            for at in 0..word.len() {
                for byte in 0..=255 {
                    let mut text = word.as_bytes().to_vec();
                    text[at] = byte;
                    check(&text);
                }
            }
        }
    }
}

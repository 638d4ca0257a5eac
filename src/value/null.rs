//! Words that stand for "no value" in CSV.

/// The words, and for blanks `(blank)`. Their order is part of the sketch's form.
pub const NULL_WORDS: [&str; 7] = ["NA", "N/A", "NULL", "null", "\\N", "n/a", "(blank)"];

/// Which of [`NULL_WORDS`] an unquoted cell is: its index. Blanks alone are the last.
pub fn null_word(text: &[u8]) -> Option<u8> {
    let blank = (NULL_WORDS.len() - 1) as u8;
    match text {
        [] => None,
        [b' ', rest @ ..] => rest.iter().all(|byte| *byte == b' ').then_some(blank),
        [b'N' | b'n' | b'\\', ..] => {
            NULL_WORDS.iter().position(|word| word.as_bytes() == text).map(|found| found as u8)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_words_and_blanks_are_no_value() {
        assert_eq!(null_word(b"NA"), Some(0));
        assert_eq!(null_word(b"\\N"), Some(4));
        assert_eq!(null_word(b"  "), Some(6));
        for text in ["", "(blank)", "Na", "NaN", "nan", "none", " x"] {
            assert_eq!(null_word(text.as_bytes()), None, "{text}");
        }
    }
}

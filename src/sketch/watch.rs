//! Which CSV cells are certainly text, by their first byte and their length alone.

use crate::simd::Watch;

/// For each first byte the lengths at which a cell may be something else than [`Class::Text`].
///
/// [`Class::Text`]: super::Class::Text
pub(super) static WATCHED: Watch = watched();

const fn watched() -> Watch {
    let mut table = [0; 256];
    // Numbers, days, times and codes begin like this, and so do cells with blanks around them.
    let mut at = 0;
    let any = b"0123456789-+. ";
    while at < any.len() {
        table[any[at] as usize] = u64::MAX;
        at += 1;
    }
    // Words for no value, for true and false, and for no number.
    let words: [&[u8]; 25] = [
        b"NA",
        b"N/A",
        b"NULL",
        b"null",
        b"\\N",
        b"n/a",
        b"true",
        b"false",
        b"NaN",
        b"nan",
        b"inf",
        b"Inf",
        b"Infinity",
        b"yes",
        b"no",
        b"y",
        b"n",
        b"on",
        b"off",
        b"t",
        b"f",
        b"True",
        b"False",
        b"Yes",
        b"No",
    ];
    at = 0;
    while at < words.len() {
        let (first, len) = (words[at][0], words[at].len());
        table[first.to_ascii_lowercase() as usize] |= 1 << len;
        table[first.to_ascii_uppercase() as usize] |= 1 << len;
        at += 1;
    }
    // UUIDs.
    let mut digit = 0;
    while digit < 6 {
        table[(b'a' + digit) as usize] |= 1 << 36;
        table[(b'A' + digit) as usize] |= 1 << 36;
        digit += 1;
    }
    table
}

/// Whether a cell that is not empty may be something else than text.
#[inline(always)]
pub(super) fn is_watched(first: u8, len: usize) -> bool {
    WATCHED[first as usize] >> len.min(63) & 1 != 0
}

/// Whether a cell that may be something else is text all the same, because it begins with a digit and ends in a letter:
/// numbers and codes do not, nor do days and times that are so short. False says only that the cell has to be looked at.
#[inline(always)]
pub(super) fn is_text(cell: &[u8]) -> bool {
    matches!(cell, [b'0'..=b'9', .., last] if last.is_ascii_alphabetic() && cell.len() < 16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::classify::observe;
    use super::super::evidence::{Class, Evidence};
    use super::*;
    use crate::records::FieldKind;

    fn check(text: &str) {
        if text.is_empty() || (is_watched(text.as_bytes()[0], text.len()) && !is_text(text.as_bytes())) {
            return;
        }
        for kind in [FieldKind::Cell, FieldKind::Quoted] {
            let mut evidence = Evidence::default();
            let class = observe(&mut evidence, kind, text.as_bytes());
            assert_eq!(class, Class::Text, "{text:?}");
            let only_text = Evidence { bytes: evidence.bytes, ..Evidence::default() };
            assert_eq!(evidence, only_text, "{text:?}");
        }
    }

    #[test]
    fn what_is_not_watched_is_text() {
        let ends = [
            "NA",
            "N/A",
            "NULL",
            "null",
            "\\N",
            "n/a",
            "TRUE",
            "faLSE",
            "NaN",
            "nan",
            "inf",
            "Inf",
            "Infinity",
            "Yes",
            "nO",
            "Y",
            "n",
            "ON",
            "off",
            "T",
            "f",
            "2024-01-05",
            "2024-01-05 10:20:30",
            "10:20",
            "12",
            "1.5",
            "+5",
            "-inf",
            "01/02/2024",
            "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            "af2504e0-4f89-41d3-9a0c-0305e82c3301",
            "FF2504E0-4F89-41D3-9A0C-0305E82C3301",
            " 5",
            "5 ",
            "  ",
        ];
        for end in ends {
            check(end);
            for first in 0..128u8 {
                check(&format!("{}{end}", first as char));
                check(&format!("{}{}", first as char, &end[1..]));
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_that_is_not_watched_is_anything_else(text in "[A-Za-z\\\\é\"$(][-0-9A-Fa-flrsuyx/: .TZ]{0,40}") {
            check(&text);
        }

        #[test]
        fn nothing_that_begins_with_a_digit_and_ends_in_a_letter_is_anything_else(
            text in "[0-9]([-0-9eE.:/ T+]{0,12}|[a-fA-F0-9-]{0,36}|inf|nan|INF)[A-Za-z]",
        ) {
            check(&text);
        }
    }
}

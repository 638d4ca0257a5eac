//! What a quoted cell stands for.

use crate::records::format::{Dialect, Escape};

/// The text of a quoted cell that holds escapes, or has text behind its closing quote. `raw` begins behind the
/// opening quote.
pub(crate) fn unescape(raw: &[u8], dialect: Option<&Dialect>) -> Vec<u8> {
    let quote = dialect.and_then(|dialect| dialect.quote).unwrap_or(b'"');
    let backslash = dialect.is_some_and(|dialect| dialect.escape == Escape::Backslash);
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        match raw[at] {
            b'\\' if backslash && at + 1 < raw.len() => {
                at += 1;
                if raw[at] != quote && raw[at] != b'\\' {
                    out.push(b'\\'); // an escape this dialect does not define stays as it is
                }
            }
            byte if byte == quote => {
                if raw.get(at + 1) != Some(&quote) {
                    // The closing quote: what follows is literal.
                    out.extend_from_slice(&raw[at + 1..]);
                    return out;
                }
                at += 1;
            }
            _ => {}
        }
        out.push(raw[at]);
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_inside_quotes_are_halved_and_a_tail_is_kept() {
        assert_eq!(unescape(b"say \"\"hi\"\"", None), b"say \"hi\"");
        assert_eq!(unescape(b"a\" tail \"x\"", None), b"a tail \"x\"");
        let dialect = Dialect { escape: Escape::Backslash, ..Dialect::default() };
        assert_eq!(unescape(b"a\\\"b\\\\c\\n\"\"", Some(&dialect)), b"a\"b\\c\\n\"");
    }
}

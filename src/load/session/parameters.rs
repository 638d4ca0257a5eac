//! What a connection string says about TLS, taken out of it.
//!
//! The client library refuses the modes and the parameters that matter most, so they are read here, by libpq's rules for
//! URLs and for `key=value` strings, and the rest is left to the library.

use std::borrow::Cow;

/// The parameters that are taken out.
const OURS: [&str; 4] = ["sslmode", "sslrootcert", "sslcert", "sslkey"];

/// A connection string without the parameters that are ours, and those that it had, in their order.
pub(super) fn split(text: &str) -> (String, Vec<(&'static str, String)>) {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        split_url(text)
    } else {
        split_pairs(text)
    }
}

fn ours(key: &str) -> Option<&'static str> {
    OURS.into_iter().find(|name| *name == key)
}

fn split_url(text: &str) -> (String, Vec<(&'static str, String)>) {
    // A password ends at the first `@`, as the library sees it, and may hold a question mark before that.
    let from = text.find('@').unwrap_or_default();
    let Some(mark) = text[from..].find('?').or_else(|| text.find('?').filter(|_| from == 0)) else {
        return (text.to_owned(), Vec::new());
    };
    let (before, query) = (&text[..from + mark], &text[from + mark + 1..]);
    let mut found = Vec::new();
    let mut rest = Vec::new();
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match ours(&decoded(key)) {
            Some(name) => found.push((name, decoded(value).into_owned())),
            None => rest.push(pair),
        }
    }
    let rest = if rest.is_empty() { before.to_owned() } else { format!("{before}?{}", rest.join("&")) };
    (rest, found)
}

/// Text with its `%41` taken for `A`. What is none is left as it is.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) => {
                bytes.push(value);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Walks `key = value` and `key = 'it\'s'`; what it cannot read is left to the library to complain of.
fn split_pairs(text: &str) -> (String, Vec<(&'static str, String)>) {
    let (mut rest, mut found) = (String::new(), Vec::new());
    let mut left = text.trim_start();
    while let Some(equals) = left.find('=') {
        let key = left[..equals].trim();
        let value = left[equals + 1..].trim_start();
        let (value, behind) = value_of(value);
        let pair = left[..left.len() - behind.len()].trim();
        match ours(key) {
            Some(name) => found.push((name, value)),
            None => {
                rest.push_str(pair);
                rest.push(' ');
            }
        }
        left = behind.trim_start();
    }
    rest.push_str(left);
    (rest, found)
}

/// The value that a text begins with, and what is behind it.
fn value_of(text: &str) -> (String, &str) {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut chars = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return (value, &text[at + 1..]),
            c if !quoted && c.is_whitespace() => return (value, &text[at..]),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, rest: &str, found: &[(&str, &str)]) {
        let (left, parameters) = split(text);
        assert_eq!(left, rest);
        let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(parameters, found, "{text}");
    }

    #[test]
    fn parameters_of_tls_are_taken_out_of_a_url() {
        check("postgres://u@h/d", "postgres://u@h/d", &[]);
        check("postgres://u@h/d?sslmode=verify-full", "postgres://u@h/d", &[("sslmode", "verify-full")]);
        check(
            "postgresql://h/d?connect_timeout=3&sslrootcert=%2Fa%20b.pem&sslmode=require&user=x",
            "postgresql://h/d?connect_timeout=3&user=x",
            &[("sslrootcert", "/a b.pem"), ("sslmode", "require")],
        );
        check("postgres://u:a?b@h/d?sslmode=disable", "postgres://u:a?b@h/d", &[("sslmode", "disable")]);
        check("postgres://h/d?%73slmode=prefer", "postgres://h/d", &[("sslmode", "prefer")]);
    }

    #[test]
    fn parameters_of_tls_are_taken_out_of_pairs() {
        check("host=h user=u", "host=h user=u ", &[]);
        check(
            "host = h sslmode = 'verify-ca' password = 'a b \\' sslmode=disable' sslrootcert=/c",
            "host = h password = 'a b \\' sslmode=disable' ",
            &[("sslmode", "verify-ca"), ("sslrootcert", "/c")],
        );
        check("host=h nonsense", "host=h nonsense", &[]);
    }
}

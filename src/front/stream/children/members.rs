//! Members of objects and elements of arrays, by their borders. The text is known to be valid JSON.

use std::borrow::Cow;
use std::ops::Range;

/// One member of an object: its key without quotes and escapes, and where its value is.
pub(super) struct Member<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) value: Range<usize>,
}

/// The members of the object that begins at `open`, in order.
pub(super) fn members(json: &[u8], open: usize) -> Vec<Member<'_>> {
    let mut found = Vec::new();
    let mut at = skip_blanks(json, open + 1);
    while at < json.len() && json[at] == b'"' {
        let key_end = string_end(json, at);
        let key = &json[at + 1..key_end - 1];
        let colon = skip_blanks(json, key_end);
        let start = skip_blanks(json, colon + 1);
        let end = value_end(json, start);
        found.push(Member { key: unescaped(key), value: start..end });
        at = skip_blanks(json, skip_blanks(json, end) + 1);
    }
    found
}

/// Where the elements of the array that begins at `open` are, in order.
pub(super) fn elements(json: &[u8], open: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = skip_blanks(json, open + 1);
    while at < json.len() && json[at] != b']' {
        let end = value_end(json, at);
        found.push(at..end);
        at = skip_blanks(json, end);
        if json.get(at) == Some(&b',') {
            at = skip_blanks(json, at + 1);
        }
    }
    found
}

pub(super) fn skip_blanks(json: &[u8], mut at: usize) -> usize {
    while json.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

fn unescaped(key: &[u8]) -> Cow<'_, str> {
    let plain = String::from_utf8_lossy(key);
    if !plain.contains('\\') {
        return plain;
    }
    serde_json::from_str(&format!("\"{plain}\"")).map_or(plain, Cow::Owned)
}

/// The index behind the string that begins at `open`.
fn string_end(json: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while at < json.len() && json[at] != b'"' {
        at += 1 + usize::from(json[at] == b'\\');
    }
    (at + 1).min(json.len())
}

/// The index behind the value that begins at `start`.
fn value_end(json: &[u8], start: usize) -> usize {
    match json.get(start) {
        Some(b'"') => string_end(json, start),
        Some(b'{' | b'[') => container_end(json, start),
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
            json[start..].iter().position(ends).map_or(json.len(), |len| start + len)
        }
    }
}

fn container_end(json: &[u8], open: usize) -> usize {
    let (mut at, mut depth) = (open, 0);
    while at < json.len() {
        match json[at] {
            b'"' => {
                at = string_end(json, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z\"\\\\{}\\[\\],: é\n]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map("[a-z\"\\\\ ]{0,5}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn members_and_elements_are_those_that_another_reader_finds(value in any_json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let json = text.as_bytes();
            let read = |range: Range<usize>| serde_json::from_slice::<Value>(&json[range]).unwrap();
            match value {
                Value::Object(map) => {
                    let found = members(json, 0).into_iter().map(|member| (member.key.into_owned(), read(member.value)));
                    prop_assert_eq!(found.collect::<Vec<_>>(), map.into_iter().collect::<Vec<_>>());
                }
                Value::Array(values) => {
                    prop_assert_eq!(elements(json, 0).into_iter().map(read).collect::<Vec<_>>(), values);
                }
                _ => {}
            }
        }
    }
}

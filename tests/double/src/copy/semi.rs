//! JSON texts on their way into SUPER.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::BadRow;

/// The longest string in SUPER without the server's opt-in, in bytes.
const LONGEST: usize = 65_535;

/// Checks a JSON text. Of equal keys in one object the guide says what `JSON_PARSE` does, and nothing of COPY: so they are
/// refused here whatever `json_parse_dedup_attributes` is.
pub(super) fn super_value(text: &str, large: bool) -> Result<String, BadRow> {
    let Longest(longest) =
        serde_json::from_str(text).map_err(|error| BadRow::new(1224, format!("Format error in SUPER: {error}")))?;
    if !large && longest > LONGEST {
        return Err(BadRow::new(1224, "String value exceeds the max size of 65535 bytes"));
    }
    Ok(text.to_owned())
}

/// The length of the longest string of a JSON value whose objects have no key twice.
struct Longest(usize);

impl<'de> Deserialize<'de> for Longest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Longest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Longest, E> {
        Ok(Longest(0))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Longest, E> {
        Ok(Longest(0))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Longest, E> {
        Ok(Longest(0))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Longest, E> {
        Ok(Longest(0))
    }

    fn visit_unit<E>(self) -> Result<Longest, E> {
        Ok(Longest(0))
    }

    fn visit_str<E>(self, text: &str) -> Result<Longest, E> {
        Ok(Longest(text.len()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Longest, A::Error> {
        let mut longest = 0;
        while let Some(Longest(length)) = items.next_element()? {
            longest = longest.max(length);
        }
        Ok(Longest(longest))
    }

    // A number comes as a map too, of one key that is serde_json's own.
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Longest, A::Error> {
        let (mut keys, mut longest) = (HashSet::new(), 0);
        while let Some((key, Longest(length))) = members.next_entry::<String, Longest>()? {
            longest = longest.max(length);
            if !keys.insert(key) {
                return Err(A::Error::custom("duplicate key"));
            }
        }
        Ok(Longest(longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_refused_for_equal_keys_and_long_strings_alone() {
        for json in ["1.25e3", "[12345678901234567890.5,null,true]", r#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#] {
            assert_eq!(super_value(json, false).unwrap(), json);
        }
        for json in [r#"{"a":1,"a":1}"#, r#"[{"a":{"b":1,"b":2}}]"#, "{", "1 2"] {
            assert_eq!(super_value(json, true).unwrap_err().code, 1224, "{json}");
        }
        let long = format!("[\"{}\"]", "x".repeat(LONGEST + 1));
        assert_eq!(super_value(&long, false).unwrap_err().code, 1224);
        assert_eq!(super_value(&long, true).unwrap(), long);
    }
}

//! JSON as an independent reader has it: every key, also those that stand twice, and numbers digit for digit.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The key under which `serde_json` hands out numbers as text.
const NUMBER: &str = "$serde_json::private::Number";

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    pub(crate) fn parse(text: &[u8]) -> serde_json::Result<Tree> {
        serde_json::from_slice(text)
    }

    /// Whether a string or a key in it holds a NUL character.
    pub(crate) fn holds_nul(&self) -> bool {
        match self {
            Tree::Text(text) => text.contains('\0'),
            Tree::Array(items) => items.iter().any(Tree::holds_nul),
            Tree::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || value.holds_nul()),
            _ => false,
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
        struct Builder;
        impl<'de> Visitor<'de> for Builder {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Bool(value))
            }

            // Numbers of 64 bits come as such, all others as their text.
            fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Number(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Number(value.to_string()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Text(value.to_string()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
                let mut found = Vec::new();
                while let Some(item) = items.next_element()? {
                    found.push(item);
                }
                Ok(Tree::Array(found))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Tree, A::Error> {
                let mut found = Vec::new();
                while let Some(key) = fields.next_key::<String>()? {
                    if key == NUMBER {
                        return Ok(Tree::Number(fields.next_value()?));
                    }
                    found.push((key, fields.next_value()?));
                }
                Ok(Tree::Object(found))
            }
        }
        deserializer.deserialize_any(Builder)
    }
}

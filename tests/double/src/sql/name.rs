//! Names as Redshift keeps them, and as PostgreSQL can.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::token::{Kind, Token};

/// Redshift cuts names to this many bytes.
const LIMIT: usize = 127;

/// PostgreSQL would cut them to this many.
const BACKING_LIMIT: usize = 63;

/// The name that Redshift makes of a word or quoted name: ASCII letters folded, cut at 127 bytes.
///
/// `case_sensitive` is the session's `enable_case_sensitive_identifier`: quoted names then keep their case.
pub fn folded(token: &Token, case_sensitive: bool) -> String {
    let keeps = case_sensitive && token.kind == Kind::Quoted;
    let name = if keeps { token.value.clone() } else { token.value.to_ascii_lowercase() };
    cut(&name, LIMIT).to_owned()
}

fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The name under which the backing server keeps a name: the name itself, or a short one if it is too long for it.
pub fn backing(name: &str) -> String {
    if name.len() <= BACKING_LIMIT {
        return name.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    format!("{}~{:016x}", cut(name, BACKING_LIMIT - 17), hasher.finish())
}

/// A name in double quotes.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in single quotes, for a server on which a backslash is an escape.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The name of a table: schema, if it is given, and name, both as Redshift keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableName {
    /// The schema; without it the search path decides.
    pub schema: Option<String>,
    /// The table's own name.
    pub name: String,
}

impl TableName {
    /// The name as SQL for the backing server.
    pub fn backing(&self) -> String {
        let name = quote(&backing(&self.name));
        match &self.schema {
            Some(schema) => format!("{}.{name}", quote(&backing(schema))),
            None => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::token::tokens;

    fn fold(sql: &str) -> String {
        folded(&tokens(sql).unwrap()[0], false)
    }

    #[test]
    fn quoted_names_are_folded_too_unless_the_session_says_otherwise() {
        assert_eq!(fold("\"MixedCase\""), "mixedcase");
        assert_eq!(fold("\"ÄB\""), "Äb", "ASCII letters only");
        assert_eq!(folded(&tokens("\"Id\"").unwrap()[0], true), "Id");
        assert_eq!(folded(&tokens("Id").unwrap()[0], true), "id");
    }

    #[test]
    fn names_end_at_127_bytes_and_not_at_63() {
        assert_eq!(fold(&"x".repeat(200)).len(), 127);
        assert_eq!(fold(&format!("\"{}\"", "é".repeat(100))).len(), 126);
        let (a, b) = ("x".repeat(100) + "a", "x".repeat(100) + "b");
        assert_ne!(backing(&a), backing(&b));
        assert!(backing(&a).len() <= 63 && backing("short") == "short");
    }
}

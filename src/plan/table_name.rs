//! The name of a table, as users write it.

use std::fmt;
use std::str::FromStr;

use super::{Dialect, identifier};
use crate::error::{Error, Result};

/// The name of a table, with its schema where it is given.
///
/// Written as in SQL: `orders`, `analytics.orders`, `"My Schema"."Orders"`. A part without quotes is folded to lower
/// case (ASCII letters, as the servers do); a part in double quotes is taken as it is, with `""` for one quote inside.
/// A name that is only letters, digits, `_`, `-` or the like needs no quotes even where SQL would ask for them.
///
/// ```
/// use longshore::plan::TableName;
/// let name: TableName = r#"Analytics."Orders ""new""""#.parse()?;
/// assert_eq!(name.schema.as_deref(), Some("analytics"));
/// assert_eq!(name.name, r#"Orders "new""#);
/// assert_eq!(name.quoted(), r#""analytics"."Orders ""new""""#);
/// assert!("a.b.c".parse::<TableName>().is_err());
/// # Ok::<(), longshore::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableName {
    /// The schema; `None` leaves it to the server's search path.
    pub schema: Option<String>,
    /// The table's own name.
    pub name: String,
}

impl TableName {
    /// The table of this name in the same schema.
    #[cfg(any(feature = "postgres", feature = "parquet"))]
    pub(crate) fn beside(&self, name: impl Into<String>) -> TableName {
        TableName { schema: self.schema.clone(), name: name.into() }
    }

    /// Reads a table's name under the limits of a dialect: parts of at most 63 bytes in Postgres, 127 in Redshift.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) for an empty or too long part, three parts, an open quote, blanks outside
    /// of quotes, U+0000, and on Redshift for a backslash or a leading `#` (there it means a temporary table).
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self> {
        let mut parts = split(text).map_err(|(what, hint)| {
            Error::config(format!("table name `{}` {what}", text.escape_debug())).with_hint(hint)
        })?;
        for part in &parts {
            check(part, dialect)?;
        }
        match (parts.pop(), parts.pop(), parts.is_empty()) {
            (Some(name), schema, true) => {
                if dialect == Dialect::Redshift && name.starts_with('#') {
                    return Err(Error::config("a table name that begins with `#` is a temporary table on Redshift")
                        .with_hint("choose another name"));
                }
                Ok(TableName { schema, name })
            }
            _ => Err(Error::config(format!("table name `{}` has more than two parts", text.escape_debug())).with_hint(
                "write schema.table; the database is the connection's, and a dot inside a name needs double quotes",
            )),
        }
    }

    /// The name as SQL, every part in double quotes.
    pub fn quoted(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", identifier(schema), identifier(&self.name)),
            None => identifier(&self.name),
        }
    }
}

impl FromStr for TableName {
    type Err = Error;

    /// Reads a name under the limits of Postgres.
    fn from_str(text: &str) -> Result<Self> {
        TableName::parse(text, Dialect::Postgres)
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.quoted())
    }
}

/// What is wrong, and what to do about it.
type Complaint = (&'static str, &'static str);

/// The parts between the dots, unquoted.
fn split(text: &str) -> Result<Vec<String>, Complaint> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = if rest.starts_with('"') { quoted_part(rest)? } else { bare_part(rest)? };
        if part.is_empty() {
            return Err(("has an empty part", "write table or schema.table"));
        }
        parts.push(part);
        if after.is_empty() {
            return Ok(parts);
        }
        rest = after
            .strip_prefix('.')
            .ok_or(("goes on after a closing quote", "double a quote that belongs to the name: \"a\"\"b\""))?;
    }
}

fn bare_part(text: &str) -> Result<(String, &str), Complaint> {
    let (part, after) = text.split_at(text.find('.').unwrap_or(text.len()));
    if part.contains('"') {
        return Err(("has a quote inside a part without quotes", "put the whole part in quotes: \"a\"\"b\""));
    }
    if part.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(("has a blank outside of quotes", "put that part in double quotes: \"my table\""));
    }
    Ok((part.to_ascii_lowercase(), after))
}

fn quoted_part(text: &str) -> Result<(String, &str), Complaint> {
    let mut part = String::new();
    let mut rest = &text[1..];
    loop {
        let at = rest.find('"').ok_or(("has a quote that is not closed", "end the part with a double quote"))?;
        part.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                part.push('"');
                rest = more;
            }
            None => return Ok((part, rest)),
        }
    }
}

fn check(part: &str, dialect: Dialect) -> Result<()> {
    let shown = part.escape_debug();
    if part.contains('\0') {
        return Err(Error::config(format!("`{shown}` in the table name holds U+0000, which no warehouse holds"))
            .with_hint("choose another name"));
    }
    let limit = dialect.name_limit();
    if part.len() > limit {
        let long = part.len();
        return Err(Error::config(format!("`{shown}` in the table name is {long} bytes long, {dialect} has {limit}"))
            .with_hint("the server would cut the name silently, and two cut names can be one: choose a shorter one"));
    }
    if dialect == Dialect::Redshift && part.contains('\\') {
        return Err(Error::config(format!("`{shown}` in the table name holds a backslash"))
            .with_hint("redshift treats backslashes in names in ways it does not document: choose another name"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn name(schema: Option<&str>, name: &str) -> TableName {
        TableName { schema: schema.map(str::to_owned), name: name.to_owned() }
    }

    #[test]
    fn names_are_read_as_sql_reads_them() {
        let cases = [
            ("orders", name(None, "orders")),
            ("Analytics.ORDERS", name(Some("analytics"), "orders")),
            (r#""My Schema"."Orders""#, name(Some("My Schema"), "Orders")),
            (r#"s."a.b""#, name(Some("s"), "a.b")),
            (r#""a""b""#, name(None, "a\"b")),
            ("my-table", name(None, "my-table")),
            ("select", name(None, "select")),
            (r#""; DROP TABLE x; --""#, name(None, "; DROP TABLE x; --")),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<TableName>().unwrap(), expected, "{text}");
            assert_eq!(expected.quoted().parse::<TableName>().unwrap(), expected, "reads back: {text}");
        }
    }

    #[test]
    fn a_wrong_table_name_says_what_is_wrong() {
        let long = "x".repeat(64);
        let cases = [
            ("", "table name `` has an empty part"),
            ("a.", "table name `a.` has an empty part"),
            (".a", "table name `.a` has an empty part"),
            (r#""""#, r#"table name `\"\"` has an empty part"#),
            ("a.b.c", "table name `a.b.c` has more than two parts"),
            ("a.b.c.d", "table name `a.b.c.d` has more than two parts"),
            ("my table", "table name `my table` has a blank outside of quotes"),
            (r#""a"#, r#"table name `\"a` has a quote that is not closed"#),
            (r#""a"b"#, r#"table name `\"a\"b` goes on after a closing quote"#),
            ("\"a\0\"", r"`a\0` in the table name holds U+0000, which no warehouse holds"),
            (&long, &format!("`{long}` in the table name is 64 bytes long, postgres has 63")),
        ];
        for (text, message) in cases {
            let error = text.parse::<TableName>().unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::Config, message), "{text}");
            assert!(error.hint().is_some(), "{text}");
        }
        assert!(TableName::parse(&long, Dialect::Redshift).is_ok());
        for text in ["#temp", r"a\b"] {
            assert!(TableName::parse(text, Dialect::Redshift).is_err(), "{text}");
            assert!(TableName::parse(text, Dialect::Postgres).is_ok(), "{text}");
        }
    }
}

//! Names and texts as SQL: whatever is in them, they stay one name and one text.
//!
//! U+0000 is the one character that no warehouse holds in either; the planner gives no such name, and clients refuse
//! to send such a statement.

use super::Dialect;

/// A name in double quotes, with the double quotes inside doubled; the same in every dialect.
///
/// ```
/// assert_eq!(longshore::plan::identifier(r#"a"; DROP TABLE b"#), r#""a""; DROP TABLE b""#);
/// ```
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in single quotes.
///
/// A single quote inside is doubled. On Redshift a backslash is an escape in every literal, so it is doubled too; on
/// Postgres it is plain (`standard_conforming_strings` is on since 9.1), and doubling it would change the text.
///
/// ```
/// use longshore::plan::{Dialect, literal};
/// assert_eq!(literal(r"O'Hara\n", Dialect::Postgres), r"'O''Hara\n'");
/// assert_eq!(literal(r"O'Hara\n", Dialect::Redshift), r"'O''Hara\\n'");
/// ```
pub fn literal(text: &str, dialect: Dialect) -> String {
    let text = text.replace('\'', "''");
    match dialect {
        Dialect::Postgres => format!("'{text}'"),
        Dialect::Redshift => format!("'{}'", text.replace('\\', "\\\\")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads one quoted token the way a server's lexer does; gives its value and what follows it.
    fn lex(sql: &str, quote: char, escapes: bool) -> Option<(String, &str)> {
        let mut chars = sql.strip_prefix(quote)?.char_indices().peekable();
        let mut value = String::new();
        while let Some((at, c)) = chars.next() {
            if c == '\\' && escapes {
                match chars.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                }
            } else if c != quote {
                value.push(c);
            } else if chars.peek().is_some_and(|&(_, next)| next == quote) {
                value.push(quote);
                chars.next();
            } else {
                return Some((value, &sql[1 + at + 1..]));
            }
        }
        None
    }

    proptest! {
        #[test]
        fn quoting_survives_any_text(text in prop_oneof![any::<String>(), "[\\\\'\"n;-]{0,12}"]) {
            let whole = |sql: String, quote, escapes| {
                lex(&(sql + ";"), quote, escapes).map(|(value, rest)| (value, rest.to_owned()))
            };
            let same = Some((text.clone(), ";".to_owned()));
            prop_assert_eq!(whole(identifier(&text), '"', false), same.clone());
            prop_assert_eq!(whole(literal(&text, Dialect::Postgres), '\'', false), same.clone());
            prop_assert_eq!(whole(literal(&text, Dialect::Redshift), '\'', true), same);
        }
    }

    #[test]
    fn one_literal_quoter_would_not_do_for_both_dialects() {
        let breakout = literal(r"\' OR 1=1 --", Dialect::Postgres);
        assert_ne!(lex(&breakout, '\'', true), Some((r"\' OR 1=1 --".to_owned(), "")));
    }
}

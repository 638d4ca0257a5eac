//! SQL text → tokens, by Redshift's rules: a backslash escapes in every string, comments nest.

use crate::refusal::Refusal;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name or keyword without quotes.
    Word,
    /// A name in double quotes.
    Quoted,
    /// A text in single quotes, or between dollar signs.
    Text,
    /// A number.
    Number,
    /// `$1`
    Parameter,
    /// One character of punctuation, or `::`.
    Mark,
}

/// A token and its place in the statement's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// As it is written.
    pub text: String,
    /// The word in lower case, the name or text without quotes and escapes.
    pub value: String,
    /// The byte at which it begins.
    pub start: usize,
    /// The byte behind it.
    pub end: usize,
}

impl Token {
    /// Whether this is a keyword, given in lower case.
    pub fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.value == word
    }

    /// Whether this is the given punctuation.
    pub fn is_mark(&self, mark: &str) -> bool {
        self.kind == Kind::Mark && self.text == mark
    }
}

/// Cuts a text into tokens.
///
/// # Errors
///
/// 42601 for a quote or a comment that does not end.
pub fn tokens(sql: &str) -> Result<Vec<Token>, Refusal> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = sql[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
        } else if sql[at..].starts_with("--") {
            at += sql[at..].find('\n').unwrap_or(sql.len() - at);
        } else if sql[at..].starts_with("/*") {
            at = behind_comment(sql, at)?;
        } else {
            let (kind, end, value) = one(sql, at, c)?;
            found.push(Token { kind, text: sql[at..end].to_owned(), value, start: at, end });
            at = end;
        }
    }
    Ok(found)
}

fn one(sql: &str, at: usize, c: char) -> Result<(Kind, usize, String), Refusal> {
    let rest = &sql[at..];
    match c {
        '"' => {
            let (end, value) = quoted(sql, at + 1, '"', false)?;
            if value.is_empty() {
                return Err(Refusal::new("42601", "zero-length delimited identifier"));
            }
            Ok((Kind::Quoted, end, value))
        }
        '\'' => quoted(sql, at + 1, '\'', true).map(|(end, value)| (Kind::Text, end, value)),
        'e' | 'E' if rest[1..].starts_with('\'') => {
            quoted(sql, at + 2, '\'', true).map(|(end, value)| (Kind::Text, end, value))
        }
        '$' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
            let end = at + 1 + run(&rest[1..], |c| c.is_ascii_digit());
            Ok((Kind::Parameter, end, String::new()))
        }
        '$' => dollar_quoted(sql, at),
        _ if c.is_ascii_digit() => {
            let end = at + run(rest, |c| c.is_ascii_digit() || c == '.');
            let exponent = exponent(&sql[end..]);
            Ok((Kind::Number, end + exponent, sql[at..end + exponent].to_owned()))
        }
        _ if c.is_ascii_alphabetic() || c == '_' || c == '#' || !c.is_ascii() => {
            let end = at + run(rest, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '#') || !c.is_ascii());
            Ok((Kind::Word, end, sql[at..end].to_ascii_lowercase()))
        }
        _ => {
            let end = if rest.starts_with("::") { at + 2 } else { at + c.len_utf8() };
            Ok((Kind::Mark, end, String::new()))
        }
    }
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// The bytes of `e10` or `E-3` at the front.
fn exponent(text: &str) -> usize {
    let Some(after) = text.strip_prefix(['e', 'E']) else { return 0 };
    let sign = usize::from(after.starts_with(['+', '-']));
    match run(&after[sign..], |c| c.is_ascii_digit()) {
        0 => 0,
        digits => 1 + sign + digits,
    }
}

fn behind_comment(sql: &str, start: usize) -> Result<usize, Refusal> {
    let mut depth = 0;
    let mut at = start;
    while at < sql.len() {
        if sql[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if sql[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Ok(at);
            }
        } else {
            at += sql[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    Err(Refusal::new("42601", "unterminated /* comment"))
}

/// The place behind the closing quote, and the value.
fn quoted(sql: &str, start: usize, quote: char, escapes: bool) -> Result<(usize, String), Refusal> {
    let mut value = String::new();
    let mut chars = sql[start..].char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && escapes {
            match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, 'r')) => value.push('\r'),
                Some((_, other)) => value.push(other),
                None => break,
            }
        } else if c != quote {
            value.push(c);
        } else if chars.peek().is_some_and(|&(_, next)| next == quote) {
            value.push(quote);
            chars.next();
        } else {
            return Ok((start + at + 1, value));
        }
    }
    Err(Refusal::new("42601", format!("unterminated quoted {}", if quote == '"' { "identifier" } else { "string" })))
}

fn dollar_quoted(sql: &str, at: usize) -> Result<(Kind, usize, String), Refusal> {
    let tag = run(&sql[at + 1..], |c| c.is_ascii_alphanumeric() || c == '_');
    let open = &sql[at..at + 1 + tag];
    if !sql[at + 1 + tag..].starts_with('$') {
        return Err(Refusal::syntax(open));
    }
    let delimiter = &sql[at..at + tag + 2];
    let body = at + delimiter.len();
    let length =
        sql[body..].find(delimiter).ok_or_else(|| Refusal::new("42601", "unterminated dollar-quoted string"))?;
    Ok((Kind::Text, body + length + delimiter.len(), sql[body..body + length].to_owned()))
}

/// The statements of a text, each as its tokens; empty ones are left out.
pub fn statements(sql: &str) -> Result<Vec<Vec<Token>>, Refusal> {
    let all = tokens(sql)?;
    let parts = all.split(|token| token.is_mark(";"));
    Ok(parts.filter(|part| !part.is_empty()).map(<[Token]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(sql: &str) -> Vec<String> {
        tokens(sql).unwrap().into_iter().map(|t| if t.value.is_empty() { t.text } else { t.value }).collect()
    }

    #[test]
    fn a_backslash_escapes_in_every_string() {
        assert_eq!(values(r"'a\'b' x"), ["a'b", "x"]);
        assert_eq!(values(r"'a\\' x"), ["a\\", "x"]);
        assert_eq!(values(r"'a''b'"), ["a'b"]);
        assert!(tokens(r"'a\'").is_err(), "the quote is escaped, so the string is open");
    }

    #[test]
    fn a_quoted_name_has_no_escape_but_the_doubled_quote() {
        assert_eq!(values("\"a\"\"; DROP\" ;"), ["a\"; DROP", ";"]);
        assert!(tokens("\"\"").is_err() && tokens("\"a").is_err());
    }

    #[test]
    fn semicolons_in_quotes_and_comments_end_nothing() {
        let parts = statements("SELECT ';', \";\" -- ;\n/* ; /* ; */ ; */ ; ;; SELECT $$;$$").unwrap();
        assert_eq!(parts.len(), 2);
    }

    #[test]
    fn numbers_and_casts_are_one_token() {
        assert_eq!(values("1.5e-3::float,2"), ["1.5e-3", "::", "float", ",", "2"]);
    }
}

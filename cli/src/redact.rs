//! Taking passwords out of what is printed. No message should hold any; this is the second lock.

/// What stands in the place of a password.
const GONE: char = '…';
const KEYWORD: &str = "password";

/// The text without the passwords of its URLs (`postgres://user:…@host`) and connection strings (`password=…`).
///
/// What is meant for a URL and is none, for there are blanks or quotes in its password, is taken for one all the same: too much
/// is rather taken out than too little.
pub(crate) fn redact(text: &str) -> String {
    without_keywords(&without_users(text))
}

/// The text without the users of URLs that have a password. A user alone is no secret.
fn without_users(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        out.push_str(before);
        let host = end_of_user(url).unwrap_or_default();
        if host > 0 {
            out.push(GONE);
        }
        rest = &url[host..];
    }
    out + rest
}

/// Where in a URL behind its `//` the `@` stands that ends a user with a password.
fn end_of_user(url: &str) -> Option<usize> {
    let line = &url[..url.find(['"', '\n', '\r']).unwrap_or(url.len())];
    let word = &line[..line.find(char::is_whitespace).unwrap_or(line.len())];
    let near = word.rfind('@').filter(|at| word[..*at].contains(':'));
    if !may_have_password(line) {
        return near;
    }
    // Its blanks and quotes may be the password's.
    let far = line[..line.find(['\'', '`']).unwrap_or(line.len())].rfind('@');
    near.max(far).or_else(|| line.rfind('@')).or_else(|| behind_quote(url, line.len()))
}

/// Where the `@` stands if a quote, at this place, is the password's and does not end a text of JSON.
fn behind_quote(url: &str, quote: usize) -> Option<usize> {
    let behind = url[quote..].strip_prefix('"')?;
    let word = &url[..url.find(char::is_whitespace).unwrap_or(url.len())];
    if behind.starts_with([',', '}', ']', ':']) { None } else { word.rfind('@') }
}

/// Whether a URL begins with `user:` and something that is no port.
fn may_have_password(url: &str) -> bool {
    let stop = url.find([':', '/', '@', '?', '#', '\'', '`']).unwrap_or(url.len());
    let Some(behind) = url[stop..].strip_prefix(':') else { return false };
    let rest = behind.trim_start_matches(|c: char| c.is_ascii_digit());
    !rest.is_empty() && !rest.starts_with(['/', '?', '\'', '`']) && !rest.starts_with(char::is_whitespace)
}

/// The text without what stands behind `password=`, as connection strings and properties have it.
fn without_keywords(text: &str) -> String {
    // Of ASCII alone, so that places in it are places in the text.
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    while let Some(at) = lower[done..].find(KEYWORD) {
        let end = done + at + KEYWORD.len();
        out.push_str(&text[done..end]);
        done = end;
        let rest = &text[end..];
        let Some(value) = rest.trim_start_matches([' ', '\t']).strip_prefix('=') else { continue };
        let value = value.trim_start_matches([' ', '\t']);
        let begin = text.len() - value.len();
        out.push_str(&text[end..begin]);
        done = begin + end_of_value(value);
        if done > begin {
            out.push(GONE);
        }
    }
    out + &text[done..]
}

/// Where a value ends: behind its closing quote, or before a blank. What a backslash stands in front of ends nothing.
fn end_of_value(value: &str) -> usize {
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let mut escaped = false;
    for (at, c) in value.char_indices().skip(usize::from(quote.is_some())) {
        match quote {
            _ if matches!(c, '\n' | '\r') => return at,
            _ if escaped => escaped = false,
            _ if c == '\\' => escaped = true,
            Some(quote) if c == quote => return at + 1,
            None if c.is_whitespace() || c == '"' => return at,
            _ => {}
        }
    }
    value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_never_printed() {
        assert_eq!(redact("at postgres://me:p@ss@host/db: refused"), "at postgres://…@host/db: refused");
        assert_eq!(redact("postgres://host/db?password=secret"), "postgres://host/db?password=…");
        assert_eq!(redact("postgres://me:pa\"MARKED@host/db: refused"), "postgres://…@host/db: refused");
        assert_eq!(redact("postgres://user@host/db"), "postgres://user@host/db");
        assert_eq!(redact("a.csv:3: s3://bucket/key"), "a.csv:3: s3://bucket/key");
        assert_eq!(redact("s3://bucket/key: of events-3@41"), "s3://bucket/key: of events-3@41");
    }

    #[test]
    fn blanks_and_quotes_do_not_end_the_password_of_a_url() {
        assert_eq!(redact("no `postgres://me:MARKED pw@h/d`"), "no `postgres://…@h/d`");
        assert_eq!(redact("'postgres://me:MARKED a@b c@h/d' for '--to'"), "'postgres://…@h/d' for '--to'");
        assert_eq!(redact("'postgres://me:it's@h/d'"), "'postgres://…@h/d'");
        assert_eq!(redact("'postgres://me:it's MARKED@h/d'"), "'postgres://…@h/d'");
        assert_eq!(redact("no answer of 'http://h:9000/b' for s@3"), "no answer of 'http://h:9000/b' for s@3");
        assert_eq!(redact("postgres://a b:MARKED pw@h\npostgres://c:MARKED@h"), "postgres://…@h\npostgres://…@h");
        let json = r#"{"url":"s3://bucket/key","source":"events-3@41"}"#;
        assert_eq!(redact(json), json, "another text of the same line is no part of a URL");
    }

    #[test]
    fn a_password_in_a_connection_string_is_never_printed() {
        assert_eq!(redact("'host=h password=MARKED user=u'"), "'host=h password=… user=u'");
        assert_eq!(redact("host=h PassWord = 'MARKED it\\'s pw' user=u"), "host=h PassWord = … user=u");
        assert_eq!(redact("sslpassword=\"MARKED pw\" x"), "sslpassword=… x");
        assert_eq!(redact("password=MARKED\\ pw x"), "password=… x");
        assert_eq!(redact("password='MARKED pw\nnext"), "password=…\nnext");
        assert_eq!(redact(r#"{"a":"password=MARKED","b":1}"#), r#"{"a":"password=…","b":1}"#);
        assert_eq!(redact("the password is wrong; password="), "the password is wrong; password=");
    }
}

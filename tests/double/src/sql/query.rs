//! Queries and DML: what in them Redshift refuses, and their text for the backing server.

use std::collections::HashSet;

use super::functions::{information, is_catalog, is_function, is_keyword, is_overridden, is_system_name};
use super::name::{backing, folded, literal, quote};
use super::reserved::lacks_quotes;
use super::token::{Kind, Token};
use super::types::SCHEMA;
use crate::refusal::Refusal;

/// Types that Redshift does not have, where a cast could name them.
const NO_TYPES: &[&str] = &[
    "json",
    "jsonb",
    "uuid",
    "bytea",
    "inet",
    "cidr",
    "macaddr",
    "money",
    "xml",
    "regclass",
    "regtype",
    "hstore",
    "bit",
    "point",
    "tsvector",
    "serial",
    "bigserial",
    "int4range",
    "oidvector",
];

/// What the session knows and the text does not say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts {
    /// `pg_last_copy_count()`
    pub copy_count: u64,
    /// `pg_last_copy_id()`
    pub copy_id: u64,
    /// `pg_last_query_id()`
    pub query_id: u64,
    /// `enable_case_sensitive_identifier`
    pub case_sensitive: bool,
}

/// Refuses what Redshift's queries do not have. The words of DML alone are looked at, not their order: that is left to
/// the backing server's parser.
pub(crate) fn check(tokens: &[Token], inserts_into: Option<usize>) -> Result<(), Refusal> {
    for (at, token) in tokens.iter().enumerate() {
        let next = |ahead: usize| tokens.get(at + ahead);
        let follows = |word: &str| next(1).is_some_and(|token| token.is(word));
        let before = at.checked_sub(1).map(|i| &tokens[i]);
        if token.kind == Kind::Word
            && lacks_quotes(&token.value)
            && !before.is_some_and(|t| t.is("as") || t.is_mark("."))
        {
            return Err(Refusal::syntax(&token.text));
        }
        if token.is("on") && follows("conflict") {
            return Err(Refusal::syntax(&tokens[at + 1].text));
        }
        if token.is("returning") || (token.is("qualify") && next(1).is_some()) {
            return Err(if token.is("qualify") {
                Refusal::double_lacks("QUALIFY")
            } else {
                Refusal::syntax(&token.text)
            });
        }
        if token.is("distinct") && follows("on") {
            return Err(Refusal::new("0A000", "SELECT DISTINCT ON is not supported"));
        }
        if token.is("filter") && next(1).is_some_and(|t| t.is_mark("(")) {
            return Err(Refusal::syntax("filter"));
        }
        if token.is("array") && next(1).is_some_and(|t| t.is_mark("[")) {
            return Err(Refusal::unsupported("ARRAY[]"));
        }
        let casts = token.is_mark("::") || (token.is("as") && is_cast(tokens, at));
        if let Some(ty) = next(1).filter(|t| casts && t.kind == Kind::Word && NO_TYPES.contains(&t.value.as_str())) {
            return Err(Refusal::new("42704", format!("type \"{}\" does not exist", ty.value)));
        }
        if matches!(token.text.as_str(), "-" | "#") && next(1).is_some_and(|t| t.is_mark(">") && t.start == token.end) {
            return Err(Refusal::new("42883", "operator does not exist: ->"));
        }
        call(tokens, at, inserts_into)?;
    }
    Ok(())
}

/// Whether the AS at `at` is the one of a CAST, which has nothing but a type and a parenthesis behind it.
fn is_cast(tokens: &[Token], at: usize) -> bool {
    tokens.get(at + 2).is_some_and(|token| token.is_mark(")") || token.is_mark("("))
}

/// A word in front of a parenthesis must be a function that there is.
fn call(tokens: &[Token], at: usize, inserts_into: Option<usize>) -> Result<(), Refusal> {
    let token = &tokens[at];
    if token.kind != Kind::Word || !tokens.get(at + 1).is_some_and(|next| next.is_mark("(")) {
        return Ok(());
    }
    let before = at.checked_sub(1).map(|i| &tokens[i]);
    // `INSERT INTO t (a)`, `WITH t (a) AS`, `t AS x (a)`
    if inserts_into.is_some_and(|name| at <= name)
        || before.is_some_and(|t| t.is("with") || t.is("insert") || t.is("as"))
    {
        return Ok(());
    }
    if is_keyword(&token.value) || is_function(&token.value) {
        return Ok(());
    }
    Err(Refusal::new("42883", format!("function {}() does not exist", token.value))
        .with_detail("No function matches the given name and argument types. You may need to add explicit type casts."))
}

/// The text of tokens for the backing server: names as it can keep them, system relations as the double has them.
///
/// The tokens in `strings` are texts that become SUPER strings.
pub(crate) fn rewritten(tokens: &[Token], facts: &Facts, strings: &HashSet<usize>) -> Result<String, Refusal> {
    let mut sql = String::new();
    let mut at = 0;
    while at < tokens.len() {
        let (text, used) = piece(&tokens[at..], at.checked_sub(1).map(|i| &tokens[i]), facts)?;
        // Blanks between tokens only matter in that there are some.
        if at > 0 && tokens[at].start > tokens[at - 1].end {
            sql.push(' ');
        }
        sql.push_str(&if strings.contains(&at) { format!("to_jsonb({text}::text)") } else { text });
        at += used;
    }
    Ok(sql)
}

/// The text for the first tokens, and how many of them it stands for.
fn piece(tokens: &[Token], before: Option<&Token>, facts: &Facts) -> Result<(String, usize), Refusal> {
    let token = &tokens[0];
    let mark = |at: usize, mark: &str| tokens.get(at).is_some_and(|token| token.is_mark(mark));
    let qualified = before.is_some_and(|token| token.is_mark("."));
    match token.kind {
        Kind::Quoted => Ok((name(token, facts), 1)),
        Kind::Text => Ok((literal(&token.value), 1)),
        Kind::Word if !qualified && (token.is("pg_catalog") || token.is("information_schema")) && mark(1, ".") => {
            let inner = tokens.get(2).map(|token| token.value.clone()).unwrap_or_default();
            if token.is("information_schema") {
                let view = information(&inner).ok_or_else(|| no_relation(&inner))?;
                return Ok((format!("{SCHEMA}.{view}"), 3));
            }
            let called = mark(3, "(");
            if called {
                let (text, used) = function(&tokens[2..], facts);
                return Ok((if text.contains('.') { text } else { format!("pg_catalog.{text}") }, used + 2));
            }
            match is_catalog(&inner) {
                true => Ok((format!("{SCHEMA}.{inner}"), 3)),
                false if is_system_name(&inner) => Err(no_relation(&inner)),
                false => Ok((format!("pg_catalog.{inner}"), 3)),
            }
        }
        Kind::Word if mark(1, "(") => Ok(function(tokens, facts)),
        Kind::Word if token.is("sysdate") => Ok((format!("{SCHEMA}.sysdate()"), 1)),
        Kind::Word if !qualified && is_system_name(&token.value) && !mark(1, ".") && reads(before) => {
            if is_catalog(&token.value) {
                Ok((format!("{SCHEMA}.{}", token.value), 1))
            } else {
                Err(no_relation(&token.value))
            }
        }
        Kind::Word if token.text.len() > 63 => Ok((name(token, facts), 1)),
        _ => Ok((token.text.clone(), 1)),
    }
}

/// Whether a name behind this token can be that of a relation.
fn reads(before: Option<&Token>) -> bool {
    before.is_some_and(|token| {
        token.is_mark(",") || ["from", "join", "into", "using", "update", "table"].iter().any(|word| token.is(word))
    })
}

fn no_relation(name: &str) -> Refusal {
    Refusal::new("42P01", format!("relation \"{name}\" does not exist"))
}

fn name(token: &Token, facts: &Facts) -> String {
    quote(&backing(&folded(token, facts.case_sensitive)))
}

fn function(tokens: &[Token], facts: &Facts) -> (String, usize) {
    let token = &tokens[0];
    let value = match token.value.as_str() {
        "pg_last_copy_count" => facts.copy_count,
        "pg_last_copy_id" => facts.copy_id,
        "pg_last_query_id" => facts.query_id,
        word if is_overridden(word) => return (format!("{SCHEMA}.{word}"), 1),
        _ => return (token.text.clone(), 1),
    };
    // The parenthesis that follows stays, and gets the number that only the session knows.
    (format!("{SCHEMA}.{}({value}", token.value), 2)
}

/// A name in a place of its own, for the backing server.
pub(crate) fn backing_name(name: &str) -> String {
    quote(&backing(name))
}

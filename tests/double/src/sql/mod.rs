//! Redshift's statements: what they are, and which of them it refuses.
//!
//! [`parse`] is a verdict on the text alone, without a server: what a table holds is checked when a statement runs.

pub mod alter;
pub mod copy;
pub mod create;
mod cursor;
mod functions;
pub mod merge;
pub mod name;
pub(crate) mod query;
pub mod reserved;
pub mod settings;
pub mod token;
pub mod types;

use cursor::Cursor;
use name::TableName;
pub use query::Facts;
use token::{Kind, Token};

use crate::refusal::Refusal;

/// The longest text of a request, in bytes.
pub const MAX_STATEMENT: usize = 16_777_216;

/// A statement that Redshift would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// `BEGIN`
    Begin,
    /// `COMMIT`
    Commit,
    /// `ROLLBACK`
    Rollback,
    /// `CREATE TABLE`
    CreateTable(create::CreateTable),
    /// `ALTER TABLE`
    AlterTable(alter::AlterTable),
    /// `COPY`
    Copy(Box<copy::Copy>),
    /// `MERGE`
    Merge(merge::Merge),
    /// `INSERT INTO`, with the table and the columns it names.
    Insert(TableName, Option<Vec<String>>),
    /// `UPDATE` or `DELETE`, with the table.
    Change(TableName),
    /// `TRUNCATE`, which commits.
    Truncate(TableName),
    /// `CREATE SCHEMA`, by its name.
    CreateSchema(String),
    /// `SET`, `RESET` or `SHOW`.
    Setting(settings::Setting),
    /// What the backing server does as it is: queries, `DROP`, `LOCK`, `COMMENT` and the like.
    Plain,
    /// What is taken and does nothing here, with the tag it ends with; the second says whether blocks refuse it.
    Nothing(&'static str, bool),
    /// What Redshift has and the double has not.
    Lacking(&'static str),
}

/// Reads one statement, and refuses it if Redshift would whatever its tables hold.
///
/// `case_sensitive` is the session's `enable_case_sensitive_identifier`.
///
/// ```
/// use longshore_redshift_double::sql::{parse, token};
/// let verdict = |sql: &str| parse(&token::tokens(sql).unwrap(), false).map(|_| ());
/// assert!(verdict("CREATE TABLE t (a SUPER) DISTSTYLE EVEN").is_ok());
/// assert_eq!(verdict("CREATE TABLE t (a JSONB)").unwrap_err().code, "0A000");
/// ```
///
/// # Errors
///
/// The error that the session would get.
pub fn parse(tokens: &[Token], case_sensitive: bool) -> Result<Statement, Refusal> {
    let mut cursor = Cursor::new(tokens, case_sensitive);
    let Some(first) = cursor.peek().filter(|token| token.kind == Kind::Word || token.is_mark("(")) else {
        return Err(cursor.error());
    };
    match first.value.as_str() {
        "begin" | "start" | "commit" | "end" | "rollback" | "abort" => transaction(&mut cursor),
        "create" => create_statement(&mut cursor),
        "alter" => alter_statement(&mut cursor),
        "copy" => {
            cursor.next();
            copy::parse(&mut cursor).map(|copy| Statement::Copy(Box::new(copy)))
        }
        "merge" => {
            cursor.expect("merge into")?;
            let merge = merge::parse(&mut cursor)?;
            query::check(tokens, Some(2)).map(|()| Statement::Merge(merge))
        }
        "insert" | "update" | "delete" => dml(&mut cursor),
        "select" | "with" | "" | "explain" | "declare" | "fetch" | "close" => {
            query::check(tokens, None).map(|()| Statement::Plain)
        }
        "truncate" => {
            cursor.next();
            cursor.take("table");
            let table = cursor.table()?;
            cursor.end().map(|()| Statement::Truncate(table))
        }
        "set" | "reset" | "show" => settings::parse(&mut cursor).map(Statement::Setting),
        _ => other(&mut cursor),
    }
}

fn transaction(cursor: &mut Cursor<'_>) -> Result<Statement, Refusal> {
    let begins = cursor.take("begin") || cursor.take("start");
    let statement = if begins {
        Statement::Begin
    } else if cursor.take("commit") || cursor.take("end") {
        Statement::Commit
    } else {
        cursor.next();
        Statement::Rollback
    };
    let _ = cursor.take("transaction") || cursor.take("work");
    if cursor.looking_at("to") || cursor.looking_at("prepared") {
        return Err(Refusal::unsupported("a savepoint or a prepared transaction"));
    }
    if begins {
        if cursor.take("isolation level") {
            let levels = ["serializable", "read committed", "read uncommitted", "repeatable read", "snapshot"];
            if !levels.into_iter().any(|level| cursor.take(level)) {
                return Err(cursor.error());
            }
        }
        let _ = cursor.take("read write") || cursor.take("read only");
    }
    cursor.end().map(|()| statement)
}

fn create_statement(cursor: &mut Cursor<'_>) -> Result<Statement, Refusal> {
    cursor.expect("create")?;
    let _ = cursor.take("or replace");
    let _ = cursor.take("local");
    let temporary = cursor.take("temp") || cursor.take("temporary");
    if cursor.take("table") {
        return create::parse(cursor, temporary).map(Statement::CreateTable);
    }
    if cursor.take("schema") {
        cursor.take("if not exists");
        return Ok(Statement::CreateSchema(cursor.name()?));
    }
    for (words, lacking) in [
        ("view", "CREATE VIEW"),
        ("materialized view", "CREATE MATERIALIZED VIEW"),
        ("function", "CREATE FUNCTION"),
        ("procedure", "CREATE PROCEDURE"),
        ("user", "CREATE USER"),
        ("group", "CREATE GROUP"),
        ("database", "CREATE DATABASE"),
        ("external", "external objects"),
        ("library", "CREATE LIBRARY"),
        ("role", "CREATE ROLE"),
        ("datashare", "CREATE DATASHARE"),
        ("model", "CREATE MODEL"),
    ] {
        if cursor.take(words) {
            return Ok(if words == "view" { Statement::Plain } else { Statement::Lacking(lacking) });
        }
    }
    let what = cursor.peek().map(|token| token.text.to_uppercase()).unwrap_or_default();
    Err(Refusal::unsupported(format!("CREATE {what}")))
}

fn alter_statement(cursor: &mut Cursor<'_>) -> Result<Statement, Refusal> {
    cursor.expect("alter")?;
    if cursor.take("table") {
        return alter::parse(cursor).map(Statement::AlterTable);
    }
    let known = ["schema", "database", "user", "group", "role", "default", "procedure", "view", "external"];
    if known.into_iter().any(|word| cursor.take(word)) {
        return Ok(Statement::Lacking("this ALTER"));
    }
    Err(cursor.error())
}

fn dml(cursor: &mut Cursor<'_>) -> Result<Statement, Refusal> {
    let tokens = cursor.rest();
    if cursor.take("insert into") {
        let table = cursor.table()?;
        let name = cursor.position() - 1;
        let columns = match cursor.peek() {
            Some(token) if token.is_mark("(") && !cursor.peek_at(1).is_some_and(|t| t.is("select") || t.is("with")) => {
                Some(cursor.names()?)
            }
            _ => None,
        };
        query::check(tokens, Some(name))?;
        return Ok(Statement::Insert(table, columns));
    }
    if !cursor.take("delete from") && !cursor.take("update") && !cursor.take("delete") {
        return Err(cursor.error());
    }
    let table = cursor.table()?;
    query::check(tokens, None)?;
    Ok(Statement::Change(table))
}

fn other(cursor: &mut Cursor<'_>) -> Result<Statement, Refusal> {
    let plain = ["drop", "lock", "comment"];
    if let Some(word) = plain.into_iter().find(|word| cursor.take(word)) {
        if word == "drop" {
            let objects = ["table", "schema", "view"];
            return match objects.into_iter().find(|object| cursor.looking_at(object)) {
                Some(_) => Ok(Statement::Plain),
                None if cursor.looking_at("index") || cursor.looking_at("sequence") || cursor.looking_at("type") => {
                    Err(Refusal::unsupported("this DROP"))
                }
                None => Ok(Statement::Lacking("this DROP")),
            };
        }
        return Ok(Statement::Plain);
    }
    let nothing = [
        ("analyze", "ANALYZE", false),
        ("vacuum", "VACUUM", true),
        ("grant", "GRANT", false),
        ("revoke", "REVOKE", false),
    ];
    if let Some((_, tag, outside)) = nothing.into_iter().find(|(word, ..)| cursor.take(word)) {
        return Ok(Statement::Nothing(tag, outside));
    }
    let lacking =
        [("unload", "UNLOAD"), ("call", "CALL"), ("refresh", "REFRESH"), ("cancel", "CANCEL"), ("use", "USE")];
    if let Some((_, name)) = lacking.into_iter().find(|(word, _)| cursor.take(word)) {
        return Ok(Statement::Lacking(name));
    }
    match cursor.peek().map(|token| token.value.as_str()) {
        Some("savepoint" | "release") => Err(Refusal::unsupported("SAVEPOINT")),
        Some("prepare") if cursor.looking_at("prepare transaction") => Err(Refusal::unsupported("PREPARE TRANSACTION")),
        Some(
            "deallocate" | "discard" | "listen" | "notify" | "unlisten" | "reindex" | "cluster" | "do" | "reassign",
        ) => Err(Refusal::unsupported(cursor.peek().map_or("", |token| &token.text))),
        Some("prepare" | "execute") => Ok(Statement::Lacking("PREPARE and EXECUTE")),
        _ => Err(cursor.error()),
    }
}

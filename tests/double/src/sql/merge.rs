//! `MERGE INTO`, in the only form there is.

use super::cursor::Cursor;
use super::name::TableName;
use super::token::Token;
use crate::refusal::Refusal;

/// A `MERGE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// The table that is changed.
    pub target: TableName,
    /// The table the rows come from.
    pub source: TableName,
    /// The name of the source in the statement, if it has another one.
    pub alias: Option<String>,
    /// The tokens of the condition.
    pub on: Vec<Token>,
    /// Whether it is the simplified form, `REMOVE DUPLICATES`.
    pub remove_duplicates: bool,
}

/// Reads what follows `MERGE INTO`.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Merge, Refusal> {
    let target = cursor.table()?;
    if !cursor.looking_at("using") {
        // The target has no alias.
        return Err(cursor.error());
    }
    cursor.expect("using")?;
    if cursor.peek().is_some_and(|token| token.is_mark("(")) {
        return Err(Refusal::new("0A000", "MERGE source must be a table: a subquery is not supported"));
    }
    let source = cursor.table()?;
    if source == target {
        return Err(Refusal::new("0A000", "MERGE source and target must not be the same table"));
    }
    let explicit = cursor.take("as");
    let alias = if explicit || !cursor.looking_at("on") { Some(cursor.name()?) } else { None };
    cursor.expect("on")?;
    let on = cursor.until(|token| token.is("when") || token.is("remove"))?.to_vec();
    let remove_duplicates = cursor.take("remove duplicates");
    if !remove_duplicates {
        branches(cursor)?;
    }
    cursor.end()?;
    Ok(Merge { target, source, alias, on, remove_duplicates })
}

/// Both branches, matched first.
fn branches(cursor: &mut Cursor<'_>) -> Result<(), Refusal> {
    cursor.expect("when matched then")?;
    if cursor.take("update") {
        cursor.expect("set")?;
        cursor.until(|token| token.is("when"))?;
    } else {
        cursor.expect("delete")?;
    }
    cursor.expect("when not matched then insert")?;
    if !cursor.looking_at("values") {
        cursor.names()?;
    }
    cursor.expect("values")?;
    cursor.expect_mark("(")?;
    cursor.until(|_| false)?;
    cursor.expect_mark(")")
}

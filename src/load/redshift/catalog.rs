//! The table as the server's catalog has it.

use super::error::Failure;
use super::session::Session;
use super::sql::text;
use crate::error::{Error, ErrorKind};
use crate::plan::TableName;

/// A column as the catalog tells of it, every value as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CatalogColumn {
    pub(super) name: String,
    /// As `format_type` spells it: `character varying(256)`, `numeric(18,2)`, `super`.
    pub(super) ty: String,
    pub(super) not_null: bool,
    pub(super) has_default: bool,
    /// What longshore keeps a column's path in.
    pub(super) comment: Option<String>,
}

/// Gives the table its schema: where the search path finds it, else where it would be created.
pub(super) fn resolve(session: &mut Session, table: TableName) -> Result<TableName, Failure> {
    if table.schema.is_some() {
        return Ok(table);
    }
    const DOING: &str = "reading the search path";
    let visible = format!(
        "SELECT CAST(n.nspname AS VARCHAR) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = \
         c.relnamespace WHERE c.relname = {} AND c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\\\_temp\\\\_%' AND \
         pg_table_is_visible(c.oid)",
        text(&table.name)
    );
    let found = match session.value(DOING, &visible)? {
        Some(schema) => Some(schema),
        None => session.value(DOING, "SELECT CAST(current_schema() AS VARCHAR)")?,
    };
    match found {
        Some(schema) => Ok(TableName { schema: Some(schema), name: table.name }),
        None => Err(Error::config("the server's search path names no schema that exists")
            .with_hint("write the table as schema.table")
            .into()),
    }
}

/// Whether the schema of a table is there.
pub(super) fn has_schema(session: &mut Session, table: &TableName) -> Result<bool, Failure> {
    let name = text(table.schema.as_deref().unwrap_or_default());
    let sql = format!("SELECT CAST(nspname AS VARCHAR) FROM pg_catalog.pg_namespace WHERE nspname = {name}");
    Ok(session.value("reading the catalog", &sql)?.is_some())
}

/// Whether there is a table of this name.
///
/// # Errors
///
/// [`ErrorKind::Conflict`] if the name is taken by something that rows cannot be loaded into.
pub(super) fn exists(session: &mut Session, table: &TableName) -> Result<bool, Failure> {
    let sql = format!(
        "SELECT CAST(c.relkind AS VARCHAR) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = \
         c.relnamespace WHERE n.nspname = {} AND c.relname = {}",
        text(table.schema.as_deref().unwrap_or_default()),
        text(&table.name)
    );
    match session.value("reading the catalog", &sql)?.as_deref().map(str::trim) {
        None => Ok(false),
        Some("r") => Ok(true),
        Some(_) => {
            let message = format!("{} is no table, and cannot be loaded into", table.quoted());
            Err(Error::new(ErrorKind::Conflict, message).with_hint("choose another table name").into())
        }
    }
}

/// The columns of a table, in order; none if there is no such table.
pub(super) fn columns(session: &mut Session, table: &TableName) -> Result<Vec<CatalogColumn>, Failure> {
    let sql = format!(
        "SELECT CAST(a.attname AS VARCHAR), CAST(format_type(a.atttypid, a.atttypmod) AS VARCHAR), \
         CASE WHEN a.attnotnull THEN 't' ELSE 'f' END, CASE WHEN a.atthasdef THEN 't' ELSE 'f' END, \
         CAST(col_description(a.attrelid, a.attnum) AS VARCHAR(65535)) \
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = {} AND c.relname = {} AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped \
         ORDER BY a.attnum",
        text(table.schema.as_deref().unwrap_or_default()),
        text(&table.name)
    );
    let rows = session.rows("reading the catalog", &sql)?;
    let column = |row: Vec<Option<String>>| {
        let [name, ty, not_null, has_default, comment] = <[_; 5]>::try_from(row).ok()?;
        Some(CatalogColumn {
            name: name?,
            ty: ty?,
            not_null: not_null? == "t",
            has_default: has_default? == "t",
            comment,
        })
    };
    rows.into_iter().map(|row| column(row).ok_or_else(|| Failure::unreadable("reading the catalog"))).collect()
}

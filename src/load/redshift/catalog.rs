//! The table as the server's catalog has it.

use super::error::Failure;
use super::session::Session;
use crate::error::{Error, ErrorKind};
use crate::load::redshift_ledger::{of_table, text};
use crate::plan::{RedshiftColumn, RedshiftType, TableName, identifier};

const DOING: &str = "reading the catalog";

/// Gives the table its schema: where the search path finds it, else where it would be created.
pub(super) fn resolve(session: &mut Session, table: TableName) -> Result<TableName, Failure> {
    if table.schema.is_some() {
        return Ok(table);
    }
    let visible = format!(
        "SELECT CAST(n.nspname AS VARCHAR) FROM pg_class c JOIN pg_namespace n ON n.oid = \
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
    let sql = format!("SELECT CAST(nspname AS VARCHAR) FROM pg_namespace WHERE nspname = {name}");
    Ok(session.value("reading the catalog", &sql)?.is_some())
}

/// Whether there is a table of this name.
///
/// # Errors
///
/// [`ErrorKind::Conflict`] if the name is taken by something that rows cannot be loaded into.
pub(super) fn exists(session: &mut Session, table: &TableName) -> Result<bool, Failure> {
    let sql = format!(
        "SELECT CAST(c.relkind AS VARCHAR) FROM pg_class c JOIN pg_namespace n ON n.oid = \
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
///
/// It is read under the table's lock too. What only a plan wants to know is added by [`describe`].
pub(super) fn columns(session: &mut Session, table: &TableName) -> Result<Vec<RedshiftColumn>, Failure> {
    let rows = session.rows(DOING, &listing(table))?;
    let column = |row: Vec<Option<String>>| {
        let [name, ty, not_null, has_default, comment] = <[_; 5]>::try_from(row).ok()?;
        let known = RedshiftColumn {
            not_null: not_null? == "t",
            has_default: has_default? == "t",
            comment,
            ..RedshiftColumn::new(name?, RedshiftType::of_catalog(&ty?))
        };
        Some(known)
    };
    rows.into_iter().map(|row| column(row).ok_or_else(|| Failure::unreadable(DOING))).collect()
}

/// The query for the columns of a table, in order.
pub(super) fn listing(table: &TableName) -> String {
    format!(
        "SELECT CAST(a.attname AS VARCHAR) AS name, CAST(format_type(a.atttypid, a.atttypmod) AS VARCHAR) AS type, \
         CASE WHEN a.attnotnull THEN 't' ELSE 'f' END AS not_null, CASE WHEN a.atthasdef THEN 't' ELSE 'f' END AS \
         has_default, CAST(col_description(a.attrelid, a.attnum) AS VARCHAR(65535)) AS comment {} AND a.attnum > 0 AND \
         NOT a.attisdropped ORDER BY a.attnum",
        of_table(table)
    )
}

/// Adds what hinders changes: encodings, keys, constraints, views, and whether the server numbers a column.
///
/// A server that does not let one of these be read is asked no further: a change that it then refuses ends the load
/// with its own reason. So this is for outside of a transaction, which a refusal would end.
pub(super) fn describe(session: &mut Session, table: &TableName, columns: &mut [RedshiftColumn]) {
    let (schema, name) = (table.schema.as_deref().unwrap_or_default(), &table.name);
    // pg_table_def has the tables of the search path alone. All names of ours have their schema.
    let _ = session.run(DOING, &format!("SET search_path TO {}", identifier(schema)));
    let definition = format!(
        "SELECT CAST(\"column\" AS VARCHAR), CAST(encoding AS VARCHAR), CASE WHEN distkey THEN 't' ELSE 'f' END, \
         CAST(sortkey AS VARCHAR) FROM pg_table_def WHERE schemaname = {} AND tablename = {}",
        text(schema),
        text(name)
    );
    for row in session.rows(DOING, &definition).unwrap_or_default() {
        let [Some(name), encoding, distkey, sortkey] = row.as_slice() else { continue };
        if let Some(column) = find(columns, name) {
            column.encoding = encoding.as_deref().and_then(|encoding| encoding.trim().parse().ok());
            let is_sort_key = sortkey.as_deref().is_some_and(|position| position.trim() != "0");
            column.is_key = distkey.as_deref() == Some("t") || is_sort_key;
        }
    }
    let of_table = of_table(table);
    let constrained = format!(
        "SELECT CAST(a.attname AS VARCHAR) {of_table} AND EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conrelid = \
         a.attrelid AND k.contype IN ('p', 'u', 'f') AND a.attnum = ANY (k.conkey))"
    );
    names(session, &constrained, columns, |column| column.constrained = true);
    let viewed = format!(
        "SELECT CAST(a.attname AS VARCHAR) {of_table} AND EXISTS (SELECT 1 FROM pg_depend d JOIN pg_rewrite r ON \
         r.oid = d.objid WHERE d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND r.ev_class <> a.attrelid)"
    );
    names(session, &viewed, columns, |column| column.used_by_view = true);
    let numbered = format!(
        "SELECT CAST(a.attname AS VARCHAR) {of_table} AND EXISTS (SELECT 1 FROM pg_attrdef d WHERE d.adrelid = \
         a.attrelid AND d.adnum = a.attnum AND d.adsrc LIKE '%identity%')"
    );
    names(session, &numbered, columns, |column| column.identity = true);
}

fn find<'a>(columns: &'a mut [RedshiftColumn], name: &str) -> Option<&'a mut RedshiftColumn> {
    columns.iter_mut().find(|column| column.name == name)
}

/// Marks the columns whose names a query has.
fn names(session: &mut Session, sql: &str, columns: &mut [RedshiftColumn], mark: impl Fn(&mut RedshiftColumn)) {
    for row in session.rows(DOING, sql).unwrap_or_default() {
        if let Some(column) = row.first().and_then(Option::as_deref).and_then(|name| find(columns, name)) {
            mark(column);
        }
    }
}

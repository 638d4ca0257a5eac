//! The table as the server's catalog has it.

use ::postgres::Row;
use ::postgres::error::SqlState;
use ::postgres::types::Type as SqlType;

use super::error::failed;
use super::session::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{ExistingColumn, ExistingTable, Fitted, PgType, TableName};

/// A column cannot be altered while a view's rule, a policy, a trigger, another column's generation expression or the
/// partition key uses it. One of a domain is as one of the type below it, and keeps the domain.
pub(super) const COLUMNS: &str = "
SELECT a.attname::text, b.oid, CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END,
    format_type(a.atttypid, a.atttypmod), b.typtype = 'e' OR b.typname = 'citext',
    a.attnotnull OR t.typnotnull,
    (a.atthasdef AND a.attgenerated = '') OR a.attidentity <> '' OR t.typdefault IS NOT NULL, a.attgenerated <> '',
    col_description(a.attrelid, a.attnum),
    EXISTS (
        SELECT FROM pg_depend d
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
            AND (d.classid IN ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass)
                OR d.classid = 'pg_attrdef'::regclass
                    AND EXISTS (SELECT FROM pg_attrdef e WHERE e.oid = d.objid AND e.adnum <> a.attnum))
    ) OR EXISTS (
        SELECT FROM pg_partitioned_table p WHERE p.partrelid = a.attrelid AND a.attnum = ANY (p.partattrs)
    ) OR t.typtype = 'd',
    CASE WHEN a.attcollation <> b.typcollation THEN quote_ident(n.nspname) || '.' || quote_ident(l.collname) END,
    EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND a.attnum = ANY (k.conkey))
FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    LEFT JOIN pg_namespace n ON n.oid = l.collnamespace
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum";

/// The columns of a table that something uses which may not go with another type: a constraint, an index on an expression
/// or with a condition, a default, or a column of another table that refers to it.
const USED: &str = "
SELECT a.attname::text FROM pg_attribute a
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND (
    a.atthasdef
    OR EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = a.attrelid AND a.attnum = ANY (c.conkey))
    OR EXISTS (SELECT FROM pg_constraint c WHERE c.confrelid = a.attrelid AND a.attnum = ANY (c.confkey))
    OR EXISTS (
        SELECT FROM pg_depend d JOIN pg_index i ON i.indexrelid = d.objid
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
            AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
    ))";

/// Whether an error is the server's word that something cannot be done with a table as it is: not for want of rights, a lock
/// or room.
pub(super) fn is_refusal(error: &::postgres::Error) -> bool {
    let is_its = |state: &SqlState| {
        *state != SqlState::INSUFFICIENT_PRIVILEGE
            && ["0A", "22", "23", "2B", "42", "54"].iter().any(|class| state.code().starts_with(class))
    };
    error.code().is_some_and(is_its)
}

/// What the server has refused to do to a table, and is not asked for again.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Columns that keep their types.
    used: Vec<String>,
    /// Whether the table takes no new columns: it is a partition, or has the columns of a type.
    pub(super) closed: bool,
}

impl Refusals {
    /// Notes what may have been in the way of changes: those of the columns to be widened that something uses, all of them if
    /// nothing known does, and if there are none, new columns. False if all that is noted already.
    pub(super) fn note(
        &mut self,
        client: &mut Client,
        oid: u32,
        existing: &ExistingTable,
        columns: &[Fitted],
    ) -> Result<bool> {
        let wanted = |have: &&ExistingColumn| {
            columns.iter().any(|fitted| fitted.column.name == have.name && fitted.sql != have.ty)
                && !self.used.contains(&have.name)
        };
        let mut widened: Vec<String> = existing.columns.iter().filter(wanted).map(|have| have.name.clone()).collect();
        let rows = client.query_typed(USED, &[(&oid, SqlType::OID)]).map_err(unreadable)?;
        let is_used = |name: &String| rows.iter().any(|row| row.get::<_, &str>(0) == name);
        if widened.iter().any(is_used) {
            widened.retain(is_used);
        }
        if !widened.is_empty() {
            self.used.append(&mut widened);
            return Ok(true);
        }
        let is_new = |fitted: &Fitted| existing.columns.iter().all(|have| have.name != fitted.column.name);
        Ok(columns.iter().any(is_new) && !std::mem::replace(&mut self.closed, true))
    }

    /// Notes a column that is to keep its type.
    pub(super) fn keep(&mut self, name: &str) {
        self.used.push(name.to_owned());
    }

    /// Has columns be as good as used by a view, so that they are not altered.
    pub(super) fn apply(&self, table: &mut ExistingTable) {
        for have in table.columns.iter_mut().filter(|have| self.used.contains(&have.name)) {
            have.used_by_view = true;
        }
    }
}

/// A relation's number and kind, by schema and name.
pub(super) const FIND: &str = "SELECT c.oid, c.relkind::text FROM pg_class c \
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";

/// A table's number in the catalog, if it is there.
///
/// # Errors
///
/// [`ErrorKind::Conflict`] if the name is taken by something that rows cannot be loaded into.
pub(super) fn find(client: &mut Client, table: &TableName) -> Result<Option<u32>> {
    let schema = table.schema.as_deref().unwrap_or_default();
    let row = client.query_typed_opt(FIND, &[(&schema, SqlType::TEXT), (&table.name, SqlType::TEXT)]);
    let Some(row) = row.map_err(unreadable)? else { return Ok(None) };
    let kind = match row.get::<_, &str>(1) {
        "r" | "p" => return Ok(Some(row.get(0))),
        "v" => "a view",
        "m" => "a materialized view",
        "f" => "a foreign table",
        "i" | "I" => "an index",
        "S" => "a sequence",
        _ => "no table",
    };
    Err(Error::new(ErrorKind::Conflict, format!("{} is {kind}, which cannot be loaded into", table.quoted()))
        .with_hint("choose another table name"))
}

/// Reads a table. The caller holds a lock on it, so that it stays as it is read.
pub(super) fn read(client: &mut Client, oid: u32, table: &TableName) -> Result<ExistingTable> {
    let rows = client.query_typed(COLUMNS, &[(&oid, SqlType::OID)]).map_err(unreadable)?;
    let rest = client.query_typed_one(&rest_of(table), &[(&oid, SqlType::OID)]).map_err(unreadable)?;
    Ok(table_of(&rows, &rest))
}

/// What is to be known of a table besides its columns, by its number.
pub(super) fn rest_of(table: &TableName) -> String {
    format!("SELECT relnatts, EXISTS (SELECT FROM {}) FROM pg_class WHERE oid = $1", table.quoted())
}

/// A table out of the answers to [`COLUMNS`] and [`rest_of`].
pub(super) fn table_of(columns: &[Row], rest: &Row) -> ExistingTable {
    let columns = columns.iter().map(|row| ExistingColumn {
        name: row.get(0),
        ty: if row.get(4) { PgType::Textual(row.get(3)) } else { pg_type(row.get(1), row.get(2), row.get(3)) },
        not_null: row.get(5),
        has_default: row.get(6),
        generated: row.get(7),
        comment: row.get(8),
        used_by_view: row.get(9),
        collation: row.get(10),
        checked: row.get(11),
    });
    let slots = usize::try_from(rest.get::<_, i16>(0)).unwrap_or_default();
    ExistingTable { columns: columns.collect(), slots, has_rows: rest.get(1) }
}

/// Bytes of a table on the disk, without its indexes; those of all its partitions.
pub(super) fn size(client: &mut Client, oid: u32) -> Result<u64> {
    let sql =
        "SELECT coalesce((SELECT sum(pg_table_size(relid))::bigint FROM pg_partition_tree($1)), pg_table_size($1))";
    let bytes: i64 = client.query_typed_one(sql, &[(&oid, SqlType::OID)]).map_err(unreadable)?.get(0);
    Ok(u64::try_from(bytes).unwrap_or_default())
}

#[expect(clippy::needless_pass_by_value, reason = "given to map_err")]
fn unreadable(error: ::postgres::Error) -> Error {
    failed("reading the catalog", &error)
}

/// A type from its number and modifier; by its name if it is none of those that are loaded into.
fn pg_type(oid: u32, modifier: i32, name: String) -> PgType {
    // Lengths count the 4 bytes of a header that is no longer there.
    let length = u32::try_from(modifier - 4).ok();
    let fraction = u8::try_from(modifier).ok();
    match SqlType::from_oid(oid) {
        Some(SqlType::BOOL) => PgType::Bool,
        Some(SqlType::INT2) => PgType::Int2,
        Some(SqlType::INT4) => PgType::Int4,
        Some(SqlType::INT8) => PgType::Int8,
        Some(SqlType::NUMERIC) => PgType::Numeric(length.map(precision_and_scale)),
        Some(SqlType::FLOAT4) => PgType::Float4,
        Some(SqlType::FLOAT8) => PgType::Float8,
        Some(SqlType::TEXT) => PgType::Text,
        Some(SqlType::VARCHAR) => PgType::Varchar(length),
        Some(SqlType::BPCHAR) if length.is_some() => PgType::Char(length.unwrap_or_default()),
        Some(SqlType::DATE) => PgType::Date,
        Some(SqlType::TIME) => PgType::Time(fraction),
        Some(SqlType::TIMESTAMP) => PgType::Timestamp(fraction),
        Some(SqlType::TIMESTAMPTZ) => PgType::TimestampTz(fraction),
        Some(SqlType::UUID) => PgType::Uuid,
        Some(SqlType::JSON) => PgType::Json,
        Some(SqlType::JSONB) => PgType::Jsonb,
        Some(SqlType::BYTEA) => PgType::Bytea,
        _ => PgType::Other(name),
    }
}

/// `numeric(p, s)` packs the precision into the upper 16 bits and the scale, 11 bits with a sign, into the lower.
fn precision_and_scale(packed: u32) -> (u16, i16) {
    let scale = (packed & 0x7ff) as i16;
    ((packed >> 16) as u16, (scale ^ 0x400) - 0x400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_are_read_as_the_server_packs_them() {
        let numeric = SqlType::NUMERIC.oid();
        assert_eq!(pg_type(numeric, -1, String::new()), PgType::Numeric(None));
        assert_eq!(pg_type(numeric, ((12 << 16) | 2) + 4, String::new()), PgType::Numeric(Some((12, 2))));
        assert_eq!(pg_type(numeric, ((5 << 16) | 0x7fd) + 4, String::new()), PgType::Numeric(Some((5, -3))));
        assert_eq!(pg_type(SqlType::VARCHAR.oid(), 44, String::new()), PgType::Varchar(Some(40)));
        assert_eq!(pg_type(SqlType::VARCHAR.oid(), -1, String::new()), PgType::Varchar(None));
        assert_eq!(pg_type(SqlType::TIMESTAMP.oid(), 0, String::new()), PgType::Timestamp(Some(0)));
        assert_eq!(pg_type(SqlType::POINT.oid(), -1, "point".into()), PgType::Other("point".into()));
    }
}

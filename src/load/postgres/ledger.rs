//! What was loaded when: the ledger's row, and the commit that it makes safe to repeat.

use std::time::Duration;

use ::postgres::error::SqlState;
use ::postgres::types::Type as SqlType;
use serde_json::json;

use super::error::failed;
use super::offsets::{CREATE_OFFSETS, OFFSETS};
use super::open::made_meanwhile;
use super::session::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::load::target::{Counts, LoadRequest};
use crate::plan::{Fitted, TableName};

/// The ledger's table.
pub(super) const LOADS: &str = "_longshore_loads";
/// The table of records that did not become rows.
pub(super) const QUARANTINE: &str = "_longshore_quarantine";

const CREATE_LOADS: &str = "(
    table_name text NOT NULL,
    load_id text NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT now(),
    read bigint NOT NULL,
    loaded bigint NOT NULL,
    quarantined bigint NOT NULL,
    deduplicated bigint NOT NULL,
    bytes bigint NOT NULL,
    content_hash text NOT NULL,
    sources text[] NOT NULL,
    schema jsonb NOT NULL,
    longshore_version text NOT NULL,
    replaced_by text,
    PRIMARY KEY (table_name, load_id)
)";

const CREATE_QUARANTINE: &str = "(
    table_name text NOT NULL,
    load_id text NOT NULL,
    quarantined_at timestamptz NOT NULL DEFAULT now(),
    source text NOT NULL,
    line bigint NOT NULL,
    byte bigint NOT NULL,
    path text,
    reason text NOT NULL,
    raw bytea NOT NULL,
    raw_bytes bigint NOT NULL
)";

/// Columns that came after the tables. They are added where an older version has made the table.
const LATER: [(&str, &str, &str); 6] = [
    // How the inputs were read: an entry for each source, or one for all.
    (LOADS, "formats", "jsonb"),
    (QUARANTINE, "id", "bigint GENERATED ALWAYS AS IDENTITY"),
    (QUARANTINE, "schema_version", "text"),
    // What was kept aside: a whole `record`, or only a `value` of a record that became a row.
    (QUARANTINE, "scope", "text NOT NULL DEFAULT 'record'"),
    // The load in which a replay made the record a row.
    (QUARANTINE, "replayed_by", "text"),
    (QUARANTINE, "replayed_at", "timestamptz"),
];

/// Which load into which table; the table with its schema.
#[derive(Debug, Clone)]
pub(super) struct LoadKey {
    pub(super) target: TableName,
    pub(super) load_id: String,
}

impl LoadKey {
    /// The number under which loads into this table take turns.
    pub(super) fn lock(&self) -> i64 {
        lock_number(&["table", self.schema(), &self.target.name])
    }

    /// The number under which the ledger's tables and the schema are created.
    pub(super) fn schema_lock(&self) -> i64 {
        lock_number(&["schema", self.schema()])
    }

    pub(super) fn schema(&self) -> &str {
        self.target.schema.as_deref().unwrap_or_default()
    }

    /// A table of ours beside the target.
    pub(super) fn beside(&self, name: &str) -> TableName {
        self.target.beside(name)
    }
}

/// The first 8 bytes of a hash over the parts, each with its length: stable over versions and machines.
fn lock_number(parts: &[&str]) -> i64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"longshore lock 1");
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let hash = hasher.finalize();
    hash.as_bytes().first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes))
}

/// When a row was written, in microseconds: with the load's id it tells the transaction.
const WRITTEN_AT: &str = "(extract(epoch FROM committed_at) * 1000000)::bigint";

/// The ledger beside one table.
pub(super) struct Ledger<'a> {
    key: &'a LoadKey,
    pub(super) table: String,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(key: &'a LoadKey) -> Self {
        Ledger { key, table: key.beside(LOADS).quoted() }
    }

    /// The tables and columns that are still to be made, as statements; that of the offsets only where they are wanted.
    pub(super) fn missing(&self, client: &mut Client, offsets: bool) -> Result<Vec<String>> {
        let mut statements = Vec::new();
        let tables = [(LOADS, CREATE_LOADS), (QUARANTINE, CREATE_QUARANTINE), (OFFSETS, CREATE_OFFSETS)];
        for (name, columns) in tables.into_iter().take(if offsets { 3 } else { 2 }) {
            let table = self.key.beside(name).quoted();
            let there = columns_of(client, &table)?;
            if there.is_empty() {
                statements.push(format!("CREATE TABLE IF NOT EXISTS {table} {columns}"));
            }
            let later =
                LATER.iter().filter(|(of, column, _)| *of == name && !there.iter().any(|there| there == column));
            let added: Vec<String> =
                later.map(|(_, column, ty)| format!("ADD COLUMN IF NOT EXISTS {column} {ty}")).collect();
            if !added.is_empty() {
                statements.push(format!("ALTER TABLE {table} {}", added.join(", ")));
            }
        }
        Ok(statements)
    }

    /// The counts of this load, if its rows were committed and have not been replaced since.
    pub(super) fn look_up(&self, client: &mut Client) -> Result<Option<Counts>> {
        if !exists(client, &self.table)? {
            return Ok(None);
        }
        let sql = self.query("replaced_by IS NULL");
        let parameters: [(&(dyn ::postgres::types::ToSql + Sync), SqlType); 2] =
            [(&self.key.target.name, SqlType::TEXT), (&self.key.load_id, SqlType::TEXT)];
        let rows = client.query_typed(&sql, &parameters);
        Ok(counts_of(&rows.map_err(|error| failed("reading the ledger", &error))?))
    }

    /// The query for the counts that the transaction of [`parameters`](Ledger::parameters) has written, whatever has become of
    /// its rows since: the next load may have replaced them before this one has learnt that they were there.
    pub(super) fn query_own(&self) -> String {
        self.query(&format!("{WRITTEN_AT} = $3"))
    }

    fn query(&self, which: &str) -> String {
        let table = &self.table;
        format!(
            "SELECT read, loaded, quarantined, deduplicated FROM {table} WHERE table_name = $1 AND load_id = $2 AND {which}"
        )
    }

    pub(super) fn parameters<'p>(
        &'p self,
        written_at: &'p i64,
    ) -> [(&'p (dyn ::postgres::types::ToSql + Sync), SqlType); 3] {
        let Ledger { key: LoadKey { target, load_id }, .. } = self;
        [(&target.name, SqlType::TEXT), (load_id, SqlType::TEXT), (written_at, SqlType::INT8)]
    }

    /// Whether some load's rows should be in the table. If the table is not there, they went with it.
    pub(super) fn counts_on_rows(&self, client: &mut Client) -> Result<bool> {
        if !exists(client, &self.table)? {
            return Ok(false);
        }
        let sql = format!(
            "SELECT EXISTS (SELECT FROM {} WHERE table_name = $1 AND loaded > 0 AND replaced_by IS NULL)",
            self.table
        );
        let row = client.query_typed_one(&sql, &[(&self.key.target.name, SqlType::TEXT)]);
        Ok(row.map_err(|error| failed("reading the ledger", &error))?.get(0))
    }

    /// Whether rows should be in the table that came with rows of another one.
    pub(super) fn counts_on_rows_with(&self, client: &mut Client, other: &Ledger<'_>) -> Result<bool> {
        if !exists(client, &self.table)? || !exists(client, &other.table)? {
            return Ok(false);
        }
        let sql = format!(
            "SELECT EXISTS (SELECT FROM {} WHERE table_name = $1 AND loaded > 0 AND replaced_by IS NULL \
             AND load_id IN (SELECT load_id FROM {} WHERE table_name = $2))",
            self.table, other.table
        );
        let names: [(&(dyn ::postgres::types::ToSql + Sync), SqlType); 2] =
            [(&self.key.target.name, SqlType::TEXT), (&other.key.target.name, SqlType::TEXT)];
        let row = client.query_typed_one(&sql, &names);
        Ok(row.map_err(|error| failed("reading the ledger", &error))?.get(0))
    }

    /// Marks the loads whose rows were dropped with their table, and says whether there were any. One that had no rows lost
    /// none, and what it has in quarantine still waits.
    pub(super) fn mark_dropped(&self, client: &mut Client) -> Result<bool> {
        self.mark(client, " AND loaded > 0")
    }

    /// Marks the loads whose rows this load replaces.
    pub(super) fn mark_replaced(&self, client: &mut Client) -> Result<()> {
        self.mark(client, "").map(drop)
    }

    fn mark(&self, client: &mut Client, which: &str) -> Result<bool> {
        let ledger = &self.table;
        let sql = format!("UPDATE {ledger} SET replaced_by = $2 WHERE table_name = $1 AND replaced_by IS NULL{which}");
        let parameters: [(&(dyn ::postgres::types::ToSql + Sync), SqlType); 2] =
            [(&self.key.target.name, SqlType::TEXT), (&self.key.load_id, SqlType::TEXT)];
        let marked = client.execute_typed(&sql, &parameters).map_err(|error| failed("writing the ledger", &error))?;
        self.forget_kept(client)?;
        Ok(marked > 0)
    }

    /// Writes this load's row; returns when, in microseconds since 1970.
    ///
    /// # Errors
    ///
    /// A temporary one if the table's name, of which `oid` is the number, has become that of another one.
    pub(super) fn insert(
        &self,
        client: &mut Client,
        request: &LoadRequest,
        (columns, oid): (&[Fitted], Option<u32>),
        counts: Counts,
    ) -> Result<i64> {
        fault::point("ledger.write")?;
        // A row may be there under this id if its rows were replaced, or it had none and others of its stream's went with
        // their table; it then takes the new load's values.
        let sql = format!(
            "INSERT INTO {} AS l (table_name, load_id, read, loaded, quarantined, deduplicated, bytes, content_hash, \
             sources, schema, longshore_version, formats) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb, $11, $12::jsonb) \
             ON CONFLICT (table_name, load_id) DO UPDATE SET committed_at = now(), read = excluded.read, \
             loaded = excluded.loaded, quarantined = excluded.quarantined, deduplicated = excluded.deduplicated, \
             bytes = excluded.bytes, content_hash = excluded.content_hash, sources = excluded.sources, \
             schema = excluded.schema, longshore_version = excluded.longshore_version, formats = excluded.formats, \
             replaced_by = NULL \
             WHERE l.replaced_by IS NOT NULL OR l.loaded = 0 RETURNING {WRITTEN_AT}, xmax::text <> '0', to_regclass($13)::oid",
            self.table
        );
        let target = self.key.target.quoted();
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let sources: Vec<String> = request.sources.iter().map(|source| printable(source)).collect();
        let (read, loaded) = (number(counts.read), number(counts.loaded));
        let (quarantined, deduplicated) = (number(counts.quarantined), number(counts.deduplicated));
        let schema = columns.iter().map(|fitted| {
            let column = &fitted.column;
            json!({
                "path": printable(&column.path.to_string()),
                "name": column.name,
                "type": column.ty.to_string(),
                "nullable": column.nullable,
            })
        });
        let schema = serde_json::Value::from_iter(schema).to_string();
        let written = client.query_typed_opt(
            &sql,
            &[
                (&self.key.target.name, SqlType::TEXT),
                (&self.key.load_id, SqlType::TEXT),
                (&read, SqlType::INT8),
                (&loaded, SqlType::INT8),
                (&quarantined, SqlType::INT8),
                (&deduplicated, SqlType::INT8),
                (&number(request.bytes), SqlType::INT8),
                (&printable(&request.content_hash), SqlType::TEXT),
                (&sources, SqlType::TEXT_ARRAY),
                (&schema, SqlType::TEXT),
                (&env!("CARGO_PKG_VERSION"), SqlType::TEXT),
                (&formats(&request.formats), SqlType::TEXT),
                (&target, SqlType::TEXT),
            ],
        );
        match written.map_err(|error| failed("writing the ledger", &error))? {
            Some(row) if oid.is_some() && row.get::<_, Option<u32>>(2) != oid => Err(made_meanwhile(&target)),
            Some(row) => {
                // What a row has instead of another one, it was locked for.
                if row.get(1) {
                    self.forget_kept(client)?;
                }
                Ok(row.get(0))
            }
            None => Err(Error::new(ErrorKind::Conflict, "the ledger has this load already; nothing was loaded")
                .with_hint("something other than longshore wrote to the ledger while the load ran")),
        }
    }

    /// Takes away what an earlier load under this id has in quarantine: it would be counted as this one's.
    fn forget_kept(&self, client: &mut Client) -> Result<()> {
        let quarantine = self.key.beside(QUARANTINE).quoted();
        let sql =
            format!("DELETE FROM {quarantine} WHERE table_name = $1 AND load_id = $2 AND quarantined_at <> now()");
        let parameters: [(&(dyn ::postgres::types::ToSql + Sync), SqlType); 2] =
            [(&self.key.target.name, SqlType::TEXT), (&self.key.load_id, SqlType::TEXT)];
        client.execute_typed(&sql, &parameters).map_err(|error| failed("clearing the quarantine", &error))?;
        Ok(())
    }
}

pub(super) fn counts_of(rows: &[::postgres::Row]) -> Option<Counts> {
    let row = rows.first()?;
    let count = |i| u64::try_from(row.get::<_, i64>(i)).unwrap_or_default();
    Some(Counts { read: count(0), loaded: count(1), quarantined: count(2), deduplicated: count(3) })
}

/// The columns of the table of this (quoted) name; none if it does not exist.
fn columns_of(client: &mut Client, table: &str) -> Result<Vec<String>> {
    let sql =
        "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let rows = client.query_typed(sql, &[(&table, SqlType::TEXT)]);
    Ok(rows.map_err(|error| failed("reading the catalog", &error))?.iter().map(|row| row.get(0)).collect())
}

/// A hash of the columns that records are held against: the same paths and types have the same one.
pub(super) fn schema_version(columns: &[Fitted]) -> String {
    let mut hasher = blake3::Hasher::new();
    for Fitted { column, .. } in columns {
        for part in [column.path.to_string(), column.name.clone(), column.ty.to_string()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// Whether a table of this (quoted) name exists.
pub(super) fn exists(client: &mut Client, table: &str) -> Result<bool> {
    let row = client.query_typed_one("SELECT to_regclass($1) IS NOT NULL", &[(&table, SqlType::TEXT)]);
    Ok(row.map_err(|error| failed("reading the catalog", &error))?.get(0))
}

/// The formats as one JSON array; nothing where they are not known, or hold what Postgres cannot.
fn formats(formats: &[String]) -> Option<String> {
    let all = match formats {
        [] => return None,
        [first, rest @ ..] if rest.iter().all(|other| other == first) => first.clone(),
        all => all.join(","),
    };
    (!all.contains("\\u0000")).then(|| format!("[{all}]"))
}

/// Text that Postgres can hold: without U+0000.
fn printable(text: &str) -> String {
    text.replace('\0', "\\u0000")
}

/// Takes a lock that is held until the transaction ends.
pub(super) fn lock(client: &mut Client, number: i64, timeout: Duration) -> Result<()> {
    let sql = format!("{}; SELECT pg_advisory_xact_lock({number})", lock_timeout_is(timeout));
    match client.batch_execute(&sql) {
        Ok(()) => Ok(()),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            let waited = timeout.as_secs_f64();
            let message = format!("another load into the table is still running after {waited} s of waiting");
            Err(Error::new(ErrorKind::Database, message)
                .with_hint("run this one again when it has ended")
                .with_temporary(true))
        }
        Err(error) => Err(failed("waiting for other loads into the table", &error)),
    }
}

/// Limits how long statements of this transaction wait for a lock.
pub(super) fn set_lock_timeout(client: &mut Client, timeout: Duration) -> Result<()> {
    let sql = lock_timeout_is(timeout);
    client.batch_execute(&sql).map_err(|error| failed("setting up the session", &error))
}

/// The statement that limits how long those behind it wait for a lock.
pub(super) fn lock_timeout_is(timeout: Duration) -> String {
    // Zero would mean no limit.
    let millis = timeout.as_millis().clamp(1, i32::MAX as u128);
    format!("SET LOCAL lock_timeout = {millis}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_of_different_tables_differ_and_stay_the_same_over_versions() {
        let key = |schema: &str, name: &str| LoadKey {
            target: TableName { schema: Some(schema.into()), name: name.into() },
            load_id: "1".into(),
        };
        assert_ne!(key("a", "bc").lock(), key("ab", "c").lock());
        assert_ne!(key("a", "b").lock(), key("a", "b").schema_lock());
        assert_eq!(key("public", "orders").lock(), 748_443_118_647_613_113);
    }
}

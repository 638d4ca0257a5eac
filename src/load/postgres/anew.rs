//! A table that was dropped and is made anew: what the old one's rows have left behind.

use ::postgres::types::{ToSql, Type as SqlType};

use super::catalog;
use super::error::failed;
use super::gone::PARENT_ID;
use super::ledger::{LOADS, Ledger, LoadKey, QUARANTINE, exists};
use super::offsets::{OFFSETS, Offsets};
use super::session::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::TableName;

/// Has the sources of a table that was dropped begin anew, so that their rows come again.
///
/// # Errors
///
/// [`ErrorKind::Conflict`] if rows that came with them would stand twice then: in one of `others`, or in another table that a
/// stream has filled beside this one.
pub(super) fn begin_anew(client: &mut Client, own: &LoadKey, others: &[LoadKey]) -> Result<()> {
    // Where there are no streams, nobody needs a right to their table.
    let offsets = own.beside(OFFSETS).quoted();
    let readable = "SELECT coalesce(has_table_privilege(to_regclass($1)::oid, 'SELECT'), false)";
    let row = client.query_typed_one(readable, &[(&offsets, SqlType::TEXT)]);
    if !row.map_err(|error| failed("reading the catalog", &error))?.get::<_, bool>(0) {
        return Ok(());
    }
    let sql = format!("SELECT EXISTS (SELECT FROM {offsets} WHERE table_name = $1)");
    let row = client.query_typed_one(&sql, &[(&own.target.name, SqlType::TEXT)]);
    if !row.map_err(|error| failed("reading the offsets", &error))?.get::<_, bool>(0) {
        return Ok(());
    }
    let beside = companions(client, own)?;
    refuse_orphans(client, own, &[others, &beside].concat())?;
    give_up_kept(client, own)?;
    Offsets::new(own).forget(client)
}

/// Marks the loads of batches that had no rows but records in quarantine: these come again too, with their sources.
fn give_up_kept(client: &mut Client, own: &LoadKey) -> Result<()> {
    let [loads, quarantine, offsets] = [LOADS, QUARANTINE, OFFSETS].map(|name| own.beside(name).quoted());
    let sql = format!(
        "UPDATE {loads} SET replaced_by = $2 WHERE table_name = $1 AND replaced_by IS NULL AND load_id IN (\
         SELECT q.load_id FROM {quarantine} q JOIN {offsets} o ON o.table_name = $1 AND starts_with(q.source, o.source || '@') \
         WHERE q.table_name = $1)"
    );
    let parameters = [&own.target.name, &own.load_id].map(|text| (text as &(dyn ToSql + Sync), SqlType::TEXT));
    client.execute_typed(&sql, &parameters).map_err(|error| failed("writing the ledger", &error))?;
    Ok(())
}

/// A table was dropped, so that its loads are made anew: refuses to double the rows that went into others with its.
pub(super) fn refuse_orphans(client: &mut Client, own: &LoadKey, others: &[LoadKey]) -> Result<()> {
    for other in others {
        if catalog::find(client, &other.target)?.is_some()
            && Ledger::new(other).counts_on_rows_with(client, &Ledger::new(own))?
        {
            let (own, other) = (&own.target, &other.target);
            let message = format!("table {own} was dropped, but not {other}, whose rows came with its own");
            return Err(Error::new(ErrorKind::Conflict, message).with_hint(
                "drop that table too: all is loaded anew then, of a stream from the beginning of its sources",
            ));
        }
    }
    Ok(())
}

/// The tables that this one's stream has routed records to and that are there, by their names, without child tables.
pub(super) fn filled_beside(client: &mut Client, own: &LoadKey) -> Result<Vec<TableName>> {
    for table in [LOADS, OFFSETS] {
        if !exists(client, &own.beside(table).quoted())? {
            return Ok(Vec::new());
        }
    }
    let prefix = format!("{}_", own.target.name);
    let names = companions(client, own)?.into_iter().map(|beside| beside.target.name);
    let names: Vec<String> = names.filter(|name| name.starts_with(&prefix)).collect();
    let sql = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = $1 AND c.relname = ANY ($2) AND c.relkind IN ('r', 'p') \
               AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = $3 AND NOT a.attisdropped)";
    let parameters: [(&(dyn ToSql + Sync), SqlType); 3] =
        [(&own.schema(), SqlType::TEXT), (&names, SqlType::TEXT_ARRAY), (&PARENT_ID, SqlType::TEXT)];
    let rows = client.query_typed(sql, &parameters).map_err(|error| failed("reading the catalog", &error))?;
    Ok(rows.iter().map(|row| own.target.beside(row.get::<_, String>(0))).collect())
}

/// The tables in the same schema that a stream into this one has filled beside it, by the ids of its batches.
///
/// A batch is a load of the sources whose offsets are the table's; others can have the same id by chance, or by the caller's
/// choice. Another stream that reads the same source has batches of the same ids, and tables of its own: one for which there
/// are offsets, and others beside it. Those are left out, as far as names tell them apart.
fn companions(client: &mut Client, own: &LoadKey) -> Result<Vec<LoadKey>> {
    let (loads, offsets) = (own.beside(LOADS).quoted(), own.beside(OFFSETS).quoted());
    let sql = format!(
        "SELECT DISTINCT l.table_name FROM {loads} l JOIN {loads} o ON o.load_id = l.load_id AND o.table_name = $1 \
         WHERE l.table_name <> $1 AND l.loaded > 0 AND l.replaced_by IS NULL \
         AND EXISTS (SELECT FROM {offsets} f WHERE f.table_name = $1 AND f.source = ANY (o.sources)) \
         AND NOT EXISTS (SELECT FROM {offsets} f WHERE f.table_name = l.table_name) \
         AND NOT EXISTS (SELECT FROM {offsets} f WHERE f.table_name <> $1 AND starts_with(f.table_name, $2) \
         AND starts_with(l.table_name, f.table_name || '_')) \
         AND (starts_with(l.table_name, $2) OR NOT EXISTS (\
         SELECT FROM {loads} s JOIN {offsets} f ON f.table_name = s.table_name \
         WHERE s.load_id = l.load_id AND s.table_name <> $1)) ORDER BY 1"
    );
    let begins = format!("{}_", own.target.name);
    let parameters = [&own.target.name, &begins].map(|text| (text as &(dyn ToSql + Sync), SqlType::TEXT));
    let rows = client.query_typed(&sql, &parameters).map_err(|error| failed("reading the ledger", &error))?;
    let beside = |name: String| LoadKey { target: own.target.beside(name), load_id: own.load_id.clone() };
    Ok(rows.iter().map(|row| beside(row.get(0))).collect())
}

//! Beginning a batch with one call to the server, where nothing has changed since the last batch.
//!
//! What a batch asks for at its beginning is sent at once, on the assumption that the table is the one that the last batch
//! has filled. If the answers say otherwise, everything is undone and done again step by step. The catalog is read only
//! where a mark says that the columns are no longer what they were.

use std::time::Duration;

use ::postgres::Row;
use ::postgres::error::SqlState;
use ::postgres::types::Type as SqlType;

use super::PostgresOptions;
use super::catalog;
use super::error::failed;
use super::ledger::{LoadKey, lock_timeout_is};
use super::offsets::{Offsets, Step, positions};
use super::open::begin_of;
use super::session::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::plan::{ExistingTable, TableName};

/// The one table that the last batch has filled.
#[derive(Debug, Clone)]
pub(super) struct Familiar {
    pub(super) oid: u32,
    /// Whether rows cause nothing else: neither triggers nor foreign keys, nor checks at the end, and no numbers are taken
    /// for them, which who reads the table may take for the order of the batches.
    pub(super) is_quiet: bool,
    /// The table as it was read, and the mark that it had then.
    pub(super) seen: Option<(String, ExistingTable)>,
}

impl Familiar {
    /// Whether both are the same table with the same columns.
    pub(super) fn is_like(&self, other: &Familiar) -> bool {
        self.oid == other.oid && self.mark().is_some() && self.mark() == other.mark()
    }

    fn mark(&self) -> Option<&str> {
        self.seen.as_ref().map(|(mark, _)| mark.as_str())
    }
}

/// A table's number, kind and slots, whether it has rows, whether these [cause more](Familiar::is_quiet), and a mark that changes
/// with every change to its columns, their comments, and what depends on them: with all that [`catalog::COLUMNS`] reads.
fn state_of(table: &str) -> String {
    // A partition has triggers of its own; a default is a sequence's next number, or a function may take one.
    format!(
        "SELECT c.oid, c.relkind::text, c.relnatts, EXISTS (SELECT FROM {table}), c.relhastriggers \
         OR (c.relkind = 'p' AND EXISTS (WITH RECURSIVE part (oid) AS (SELECT inhrelid FROM pg_inherits WHERE inhparent = c.oid \
         UNION ALL SELECT i.inhrelid FROM pg_inherits i JOIN part ON i.inhparent = part.oid) \
         SELECT FROM part JOIN pg_class k ON k.oid = part.oid WHERE k.relhastriggers)) \
         OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attidentity <> '') \
         OR EXISTS (SELECT FROM pg_attrdef f JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid \
         WHERE f.adrelid = c.oid AND (d.refclassid, d.refobjid) <> ('pg_class'::regclass, c.oid)), concat_ws(' ', \
         (SELECT hashtextextended(string_agg(concat_ws(' ', attnum, xmin, ctid), ',' ORDER BY attnum), 0) \
         FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0), \
         (SELECT hashtextextended(string_agg(concat_ws(' ', objsubid, xmin, ctid), ',' ORDER BY objsubid), 0) \
         FROM pg_description WHERE objoid = c.oid AND classoid = 'pg_class'::regclass), \
         (SELECT hashtextextended(string_agg(d, ',' ORDER BY d), 0) FROM (SELECT concat_ws(' ', classid, objid, refobjsubid) \
         FROM pg_depend WHERE refclassid = 'pg_class'::regclass AND refobjid = c.oid) AS depends (d))) \
         FROM pg_class c WHERE c.oid = to_regclass($1)"
    )
}

/// Opens the transaction, takes the locks of the table, and reads it where it is not as the last batch has read it. `None` if
/// the name is another table's by now, or a source not where its step begins; the transaction is then to be rolled back.
pub(super) fn begin(
    client: &mut Client,
    options: &PostgresOptions,
    key: &LoadKey,
    familiar: Familiar,
    steps: &[Step],
) -> Result<Option<Familiar>> {
    fault::point("transaction.begin")?;
    fault::point("table.lock")?;
    let table = key.target.quoted();
    let locks = format!(
        "{}; {}; SELECT pg_advisory_xact_lock({}); {}; LOCK TABLE {table} IN ROW EXCLUSIVE MODE",
        begin_of(client),
        lock_timeout_is(options.queue_timeout),
        key.lock(),
        lock_timeout_is(options.lock_timeout),
    );
    let sources: Vec<&str> = steps.iter().map(|step| step.source.as_str()).collect();
    let asked = client.query_behind(
        &locks,
        [
            (&state_of(&table), &[(&table, SqlType::TEXT)]),
            (&Offsets::new(key).query(), &[(&key.target.name, SqlType::TEXT), (&sources, SqlType::TEXT_ARRAY)]),
        ],
    );
    match asked {
        Ok([state, offsets]) => known(client, key, familiar, steps, (&state, &offsets)),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            let message =
                format!("{table} is still locked after waiting: another load into it runs, or somebody holds it");
            let error = Error::new(ErrorKind::Database, message).with_temporary(true);
            Err(error.with_hint("it is tried again; `pg_locks` shows who has the table"))
        }
        Err(error) => Err(failed("beginning a batch", &error)),
    }
}

/// Goes on in a transaction that has the table's lock for rows already: takes the lock under which loads take turns, and looks
/// at the same things. `None` also if somebody else has that lock.
pub(super) fn go_on(
    client: &mut Client,
    options: &PostgresOptions,
    key: &LoadKey,
    familiar: Familiar,
    steps: &[Step],
) -> Result<Option<Familiar>> {
    fault::point("early.turn")?;
    let (table, lock) = (key.target.quoted(), format!("SELECT pg_try_advisory_xact_lock({})", key.lock()));
    let sources: Vec<&str> = steps.iter().map(|step| step.source.as_str()).collect();
    let asked = client.query_behind(
        &lock_timeout_is(options.lock_timeout),
        [
            (&lock, &[]),
            (&state_of(&table), &[(&table, SqlType::TEXT)]),
            (&Offsets::new(key).query(), &[(&key.target.name, SqlType::TEXT), (&sources, SqlType::TEXT_ARRAY)]),
        ],
    );
    let [lock, state, offsets] = asked.map_err(|error| failed("going on with a batch", &error))?;
    match lock.first().is_some_and(|row| row.get(0)) {
        true => known(client, key, familiar, steps, (&state, &offsets)),
        false => Ok(None),
    }
}

/// Opens a transaction that has the table's lock for rows and waits at most `patience` for it. Whether the table is as it
/// was.
pub(super) fn is_as_before(
    client: &mut Client,
    patience: Duration,
    table: &TableName,
    familiar: &Familiar,
) -> Result<bool> {
    let table = table.quoted();
    let (begin, patience) = (begin_of(client), lock_timeout_is(patience));
    let lock = format!("{begin}; {patience}; LOCK TABLE {table} IN ROW EXCLUSIVE MODE");
    let asked = client.query_behind(&lock, [(&state_of(&table), &[(&table, SqlType::TEXT)])]);
    let [state] = asked.map_err(|error| failed("beginning a batch early", &error))?;
    let is_same = |row: &Row| {
        row.get::<_, u32>(0) == familiar.oid && !row.get::<_, bool>(4) && familiar.mark() == Some(row.get(5))
    };
    Ok(state.first().is_some_and(is_same))
}

/// The table by what was asked of it, if it is the same and the sources are where the steps begin.
fn known(
    client: &mut Client,
    key: &LoadKey,
    familiar: Familiar,
    steps: &[Step],
    (state, offsets): (&[Row], &[Row]),
) -> Result<Option<Familiar>> {
    let is_same = |row: &&Row| row.get::<_, u32>(0) == familiar.oid && ["r", "p"].contains(&row.get(1));
    let is_there = positions(offsets).into_iter().eq(steps.iter().map(|step| step.from));
    let Some(state) = state.first().filter(is_same).filter(|_| is_there) else { return Ok(None) };
    let (mark, oid): (String, u32) = (state.get(5), familiar.oid);
    let seen = match familiar.seen {
        Some((before, table)) if before == mark => {
            let (slots, has_rows) = (usize::try_from(state.get::<_, i16>(2)).unwrap_or_default(), state.get(3));
            ExistingTable { slots, has_rows, ..table }
        }
        _ => catalog::read(client, oid, &key.target)?,
    };
    Ok(Some(Familiar { oid, is_quiet: !state.get::<_, bool>(4), seen: Some((mark, seen)) }))
}

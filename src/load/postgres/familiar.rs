//! Beginning a batch with one call to the server, where nothing has changed since the last batch.
//!
//! What a batch asks for at its beginning is sent at once, on the assumption that the table is the one that the last batch
//! has filled. If the answers say otherwise, everything is undone and done again step by step.

use ::postgres::error::SqlState;
use ::postgres::types::Type as SqlType;

use super::PostgresOptions;
use super::catalog;
use super::error::failed;
use super::ledger::{LoadKey, lock_timeout_is};
use super::offsets::{Offsets, Step, positions};
use super::open::BEGIN;
use super::session::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::plan::ExistingTable;

/// Opens the transaction, takes the locks of the table, which has the number `oid`, and reads the table as it is. `None` if
/// something is not as the last batch has left it, or a source not where its step begins; the transaction is then to be
/// rolled back.
pub(super) fn begin(
    client: &mut Client,
    options: &PostgresOptions,
    key: &LoadKey,
    oid: u32,
    steps: &[Step],
) -> Result<Option<ExistingTable>> {
    fault::point("transaction.begin")?;
    fault::point("table.lock")?;
    let table = &key.target;
    let locks = format!(
        "{BEGIN}; {}; SELECT pg_advisory_xact_lock({}); {}; LOCK TABLE {table} IN ROW EXCLUSIVE MODE",
        lock_timeout_is(options.queue_timeout),
        key.lock(),
        lock_timeout_is(options.lock_timeout),
    );
    let sources: Vec<&str> = steps.iter().map(|step| step.source.as_str()).collect();
    let asked = client.query_behind(
        &locks,
        [
            (catalog::FIND, &[(&key.schema(), SqlType::TEXT), (&table.name, SqlType::TEXT)]),
            (&Offsets::new(key).query(), &[(&table.name, SqlType::TEXT), (&sources, SqlType::TEXT_ARRAY)]),
            (catalog::COLUMNS, &[(&oid, SqlType::OID)]),
            (&catalog::rest_of(table), &[(&oid, SqlType::OID)]),
        ],
    );
    let [found, offsets, columns, rest] = match asked {
        Ok(rows) => rows,
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => return Ok(None),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            let message =
                format!("{table} is still locked after waiting: another load into it runs, or somebody holds it");
            let error = Error::new(ErrorKind::Database, message).with_temporary(true);
            return Err(error.with_hint("it is tried again; `pg_locks` shows who has the table"));
        }
        Err(error) => return Err(failed("beginning a batch", &error)),
    };
    let is_same = found.first().is_some_and(|row| row.get::<_, u32>(0) == oid && ["r", "p"].contains(&row.get(1)));
    let is_there = positions(&offsets).into_iter().eq(steps.iter().map(|step| step.from));
    Ok(rest.first().filter(|_| is_same && is_there).map(|rest| catalog::table_of(&columns, rest)))
}

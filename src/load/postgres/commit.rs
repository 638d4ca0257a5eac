//! The end of a transaction, and how it is learnt what became of it.

use ::postgres::error::{Severity, SqlState};

use super::error::failed;
use super::ledger::{Ledger, LoadKey, counts_of, exists, lock};
use super::session::{Client, Endpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::load::target::Counts;

/// Commits, and makes sure that it was a commit.
///
/// The client library drops the tag that would tell COMMIT from the ROLLBACK that a failed transaction ends with. So
/// the ledger is read behind it: on the same session, or, if it was lost together with the answer, on a new one.
///
/// Returns the session to go on with.
pub(super) fn commit(
    mut client: Client,
    endpoint: &Endpoint,
    key: &LoadKey,
    (counts, written_at): (Counts, i64),
) -> Result<(Client, Counts)> {
    fault::point("commit.send")?;
    let ledger = Ledger::new(key);
    let (client, found) = match client.commit_and_query(&ledger.query_own(), &ledger.parameters(&written_at)) {
        Ok(rows) => match (fault::point("commit.answer"), rows) {
            (Ok(()), Ok(rows)) => (client, counts_of(&rows)),
            _ => recover(endpoint, key, written_at)?,
        },
        Err(error) if outcome_is_unknown(&error) => recover(endpoint, key, written_at)?,
        // The server refused: a constraint that is checked at the end. It has rolled back.
        Err(error) => return Err(failed("committing", &error)),
    };
    match found {
        Some(stored) if stored == counts => Ok((client, counts)),
        Some(_) => Err(Error::new(ErrorKind::NotConserved, "the ledger holds other counts than this load's")
            .with_hint("something other than longshore wrote to the ledger while the load ran")),
        None => Err(Error::new(ErrorKind::Database, "the transaction did not commit; nothing was loaded")
            .with_hint("run the same load again")
            .with_temporary(true)),
    }
}

fn outcome_is_unknown(error: &::postgres::Error) -> bool {
    match error.as_db_error() {
        // A server that is being stopped may say so before or after the commit.
        Some(refusal) => {
            !matches!(refusal.parsed_severity(), Some(Severity::Error)) || *refusal.code() == SqlState::ADMIN_SHUTDOWN
        }
        None => true,
    }
}

/// Looks the load up on a new session, and returns that too.
fn recover(endpoint: &Endpoint, key: &LoadKey, written_at: i64) -> Result<(Client, Option<Counts>)> {
    let looked_up = (|| {
        let mut client = endpoint.reconnect()?;
        let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED{}", client.mark());
        client.batch_execute(&begin).map_err(|error| failed("reading the ledger", &error))?;
        // The old session may still be at work on the commit. It holds the table's lock until it has ended.
        lock(&mut client, key.lock(), endpoint.options.recovery_timeout)?;
        let ledger = Ledger::new(key);
        let rows = match exists(&mut client, &ledger.table)? {
            true => client.query_typed(&ledger.query_own(), &ledger.parameters(&written_at)),
            false => Ok(Vec::new()),
        };
        let found = counts_of(&rows.map_err(|error| failed("reading the ledger", &error))?);
        client.batch_execute("ROLLBACK").map_err(|error| failed("reading the ledger", &error))?;
        Ok((client, found))
    })();
    looked_up.map_err(|error: Error| {
        let what = "the connection was lost while committing, and whether the load was committed is not known";
        Error::new(ErrorKind::Database, format!("{what}: {}", error.message()))
            .with_hint("run the same load again: if it was committed, the ledger says so and nothing is loaded twice")
            .with_temporary(true)
    })
}

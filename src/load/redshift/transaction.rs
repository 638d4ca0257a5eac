//! The one transaction of a load.

use std::time::Duration;

use super::catalog;
use super::error::{Failure, Then, table_exists};
use super::plan::TablePlan;
use super::session::Session;
use super::sql::{CopyFrom, LoadSql, count};
use crate::error::{Error, ErrorKind};
use crate::load::stage::Staged;
use crate::load::target::Counts;
use crate::load::{LoadRequest, Mode};

/// All that the transaction is made of.
pub(super) struct Work<'a> {
    pub(super) sql: &'a LoadSql,
    pub(super) plan: &'a TablePlan,
    pub(super) request: &'a LoadRequest,
    pub(super) staged: &'a Staged,
    pub(super) from: CopyFrom<'a>,
    pub(super) read: u64,
    pub(super) queue_timeout: Duration,
}

/// How a transaction that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Committed(Counts),
    /// Somebody else had made the load, and nothing was done.
    WasThere(Counts),
}

impl Work<'_> {
    /// Makes the transaction. `alone` has it wait for every load beside this table too: what one does that lost
    /// against another, since the ledger is one table for all.
    ///
    /// Before COMMIT is sent, `written` is set to when the ledger's row was written. Behind that the row may be
    /// committed whatever the answer, and another load, which waited for the locks, may have replaced its rows before
    /// anybody looks.
    pub(super) fn run(
        &self,
        session: &mut Session,
        alone: bool,
        written: &mut Option<String>,
    ) -> Result<Outcome, Failure> {
        *written = None;
        self.begin(session, alone)?;
        if let Some(counts) = look_up(session, self.sql, None)? {
            session.run("closing the transaction", "ROLLBACK")?;
            return Ok(Outcome::WasThere(counts));
        }
        self.prepare(session)?;
        let loaded = self.rows(session, self.staged.manifest.as_deref(), self.staged.rows);
        let loaded = loaded.map_err(Failure::about_rows)?;
        let quarantined = self.quarantine(session)?;
        let deduplicated = self.staged.rows - loaded;
        let counts = Counts { read: self.read, loaded, quarantined, deduplicated };
        let record = self.sql.record_counts(&counts, self.request.bytes, &self.request.content_hash);
        session.run("writing the ledger", &record)?;
        *written = session.value("reading the ledger", &self.sql.written_at())?;
        session.run("committing", "COMMIT").map_err(|failure| match failure.then {
            Then::GiveUp if failure.code.is_none() => Failure { then: Then::LookUp, ..failure },
            _ => failure,
        })?;
        // A transaction that had failed would have ended in a rollback, which the client does not tell from a commit.
        let found = look_up(session, self.sql, written.as_deref());
        match found.map_err(|failure| Failure { then: Then::LookUp, ..failure })? {
            Some(stored) if stored == counts => Ok(Outcome::Committed(counts)),
            Some(_) => Err(Error::new(ErrorKind::NotConserved, "the ledger holds other counts than this load's")
                .with_hint("something other than longshore wrote to the ledger while the load ran")
                .into()),
            None => Err(Error::new(ErrorKind::Database, "the transaction did not commit; nothing was loaded")
                .with_hint("run the same load again")
                .with_temporary(true)
                .into()),
        }
    }

    /// Opens the transaction and takes the locks, always in one order. Until then nothing is read, so that all that is
    /// read sees what those before have committed.
    pub(super) fn begin(&self, session: &mut Session, alone: bool) -> Result<(), Failure> {
        let millis = self.queue_timeout.as_millis().clamp(1, i32::MAX as u128);
        let is_limited = session.run("setting up the session", &format!("SET statement_timeout TO {millis}")).is_ok();
        if let Some(set) = self.sql.settle_json() {
            // A server that does not know it refuses such texts, which are then found and quarantined.
            let _ = session.run("setting up the session", set);
        }
        session.run("opening a transaction", "BEGIN")?;
        // Who makes the table must be alone in it too: there is no table to lock yet.
        if alone || self.plan.before.is_empty() {
            session.run(LOCKING, &format!("LOCK TABLE {}", self.sql.ledger)).map_err(|failure| self.waited(failure))?;
        }
        if !self.plan.before.is_empty() {
            session.run(LOCKING, &format!("LOCK TABLE {}", self.sql.target)).map_err(|failure| self.waited(failure))?;
        }
        if is_limited {
            session.run("setting up the session", "SET statement_timeout TO 0")?;
        }
        Ok(())
    }

    fn waited(&self, failure: Failure) -> Failure {
        if failure.code.as_deref() != Some("57014") {
            return failure;
        }
        let waited = self.queue_timeout.as_secs_f64();
        let message = format!("another load into the table is still running after {waited} s of waiting");
        Error::new(ErrorKind::Database, message)
            .with_hint("run this one again when it has ended")
            .with_temporary(true)
            .into()
    }

    /// Makes the table ready, after a look at whether it still is what the rows were made for.
    pub(super) fn prepare(&self, session: &mut Session) -> Result<(), Failure> {
        let now = catalog::columns(session, &self.sql.table)?;
        if self.request.mode == Mode::FailIfExists && !now.is_empty() {
            return Err(table_exists(&self.sql.table).into());
        }
        if !self.plan.fits(&now) {
            let message = format!("{} was changed while rows for it were staged", self.sql.table.quoted());
            let hint = "run the same load again: it takes the table as it is then";
            let error = Error::new(ErrorKind::Conflict, message).with_hint(hint).with_temporary(true);
            return Err(Failure { then: Then::Replan, ..error.into() });
        }
        if self.request.mode == Mode::Replace {
            if !self.plan.before.is_empty() {
                session.run("emptying the table", &self.sql.delete_all())?;
            }
            session.run("writing the ledger", &self.sql.mark_replaced())?;
        } else if self.plan.before.is_empty() {
            // An earlier table of this name is gone, and its rows with it.
            session.run("writing the ledger", &self.sql.mark_replaced())?;
        }
        let earlier = session.number("reading the ledger", &self.sql.count_replaced())?;
        if earlier > 0 {
            for statement in self.sql.forget() {
                session.run("clearing what is left of an earlier load", &statement)?;
            }
        }
        let inside = self.plan.statements.iter().filter(|statement| statement.in_transaction);
        inside.map(|statement| &statement.sql).try_for_each(|sql| session.run("changing the table", sql))
    }

    /// Brings staged rows into the table; returns how many of them are there.
    pub(super) fn rows(&self, session: &mut Session, manifest: Option<&str>, rows: u64) -> Result<u64, Failure> {
        let Some(manifest) = manifest else { return Ok(0) };
        if !self.sql.is_staged() {
            session.run(COPYING, &self.sql.copy(manifest, &self.from))?;
            counted("rows", rows, copied(session)?)?;
            return Ok(rows);
        }
        session.run("making a staging table", &self.sql.drop_staging())?;
        session.run("making a staging table", &self.sql.create_staging())?;
        session.run(COPYING, &self.sql.copy(manifest, &self.from))?;
        counted("rows", rows, copied(session)?)?;
        counted("rows", rows, session.number("counting rows", &count(&self.sql.staging))?)?;
        let steps = [self.sql.drop_losers(), self.sql.drop_stale()];
        for statement in steps.into_iter().flatten() {
            session.run("dropping rows that lost to others", &statement)?;
        }
        let left = session.number("counting rows", &count(&self.sql.staging))?;
        for statement in [self.sql.update_matched(), self.sql.drop_matched()].into_iter().flatten() {
            session.run("changing the rows that have a key of the load", &statement)?;
        }
        let new = session.number("counting rows", &count(&self.sql.staging))?;
        let before = session.number("counting rows", &count(&self.sql.target))?;
        session.run("adding rows", &self.sql.insert(""))?;
        let after = session.number("counting rows", &count(&self.sql.target))?;
        counted("rows", new, after.saturating_sub(before))?;
        session.run("dropping the staging table", &self.sql.drop_staging())?;
        Ok(left)
    }

    fn quarantine(&self, session: &mut Session) -> Result<u64, Failure> {
        let Some(manifest) = self.staged.quarantine_manifest.as_deref() else { return Ok(0) };
        let copy = self.sql.copy_quarantine(&self.sql.quarantine, manifest, &self.from);
        session.run("copying quarantined records", &copy)?;
        counted("quarantined records", self.staged.quarantined, copied(session)?)?;
        Ok(self.staged.quarantined)
    }
}

const LOCKING: &str = "waiting for other loads into the table";
const COPYING: &str = "copying rows";

/// What the server says that its last COPY of this session stored.
fn copied(session: &mut Session) -> Result<u64, Failure> {
    session.number("counting rows", "SELECT CAST(pg_last_copy_count() AS VARCHAR)")
}

fn counted(what: &str, sent: u64, stored: u64) -> Result<(), Failure> {
    if sent == stored {
        return Ok(());
    }
    let message = format!("the server stored {stored} of {sent} {what} sent; nothing was loaded");
    Err(Error::new(ErrorKind::NotConserved, message).into())
}

/// The counts of the load, if its rows were committed and have not been replaced since; those of the row that this
/// process has `written`, by its time, whatever became of its rows.
pub(super) fn look_up(session: &mut Session, sql: &LoadSql, written: Option<&str>) -> Result<Option<Counts>, Failure> {
    const DOING: &str = "reading the ledger";
    let Some(row) = session.rows(DOING, &sql.look_up(written))?.into_iter().next() else { return Ok(None) };
    let numbers: Option<Vec<u64>> = row.iter().map(|text| text.as_deref()?.trim().parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[read, loaded, quarantined, deduplicated]) => {
            Ok(Some(Counts { read, loaded, quarantined, deduplicated }))
        }
        _ => Err(Failure::unreadable(DOING)),
    }
}

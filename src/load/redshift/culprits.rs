//! The rows for which the server refuses a load.
//!
//! Of a columnar file the server does not say which row it stopped at, and of any file it names the first one only. So
//! the transaction is tried with parts of the rows, and rolled back each time: what fails is halved until it is one
//! row. Those rows go to the quarantine, and the rest is loaded.

use std::ops::Range;

use super::error::{Failure, Then};
use super::session::Session;
use super::transaction::Work;
use crate::error::{Error, ErrorKind, Result};
use crate::load::conserve::within_limit;
use crate::load::stage::{StagedFile, Stager};
use crate::load::target::Refused;

/// Rows that are found at most: each costs some transactions. With more, it is the table or the source that wants mending.
const MOST_ROWS: usize = 100;
/// A file of fewer rows is searched whatever its rows look like.
const FEW_ROWS: u64 = 8;

/// Finds the rows at fault.
///
/// # Errors
///
/// `cause`, which the load failed with, where it is not the rows; [`ErrorKind::Conflict`] where it is too many of them, and
/// [`ErrorKind::TooManyQuarantined`] where it is more than the request allows; and what the server or the store fails with
/// meanwhile.
pub(super) fn find(session: &mut Session, work: &Work<'_>, stager: &mut Stager, cause: Error) -> Result<Vec<Refused>> {
    let (kept, limit) = (work.staged.quarantined, work.request.max_quarantined);
    let most = limit.map_or(MOST_ROWS, |limit| limit.saturating_sub(kept).min(MOST_ROWS as u64) as usize);
    let mut search = Search { session, work, stager, most, found: Vec::new() };
    let mut first = 0;
    for file in &work.staged.files {
        let range = 0..file.rows;
        if search.refusal(file, range.clone())?.is_some() {
            if file.rows >= FEW_ROWS && search.refuses_any(file)? {
                return Err(cause);
            }
            search.halve(file, first, range)?;
        }
        first += file.rows;
        if search.is_full() {
            within_limit(kept + search.found.len() as u64, limit)?;
            return Err(too_many(&search.found, cause));
        }
    }
    match search.found.is_empty() {
        true => Err(cause),
        false => Ok(search.found),
    }
}

struct Search<'a, 'b> {
    session: &'a mut Session,
    work: &'a Work<'b>,
    stager: &'a mut Stager,
    /// With more rows than these the search is given up.
    most: usize,
    found: Vec<Refused>,
}

/// What is said of more rows than are searched for.
fn too_many(found: &[Refused], cause: Error) -> Error {
    let reason = found.first().map_or("", |row| row.reason.as_str());
    let alike = found.iter().filter(|row| row.reason == reason).count();
    let message = format!(
        "more than {MOST_ROWS} rows are refused, which is too many to be put into quarantine; {alike} of the first {} as \
         the first one: {reason}",
        found.len()
    );
    Error::new(ErrorKind::Conflict, message)
        .with_hint("nothing was loaded; mend the records at their source, or load into a table that can hold them")
        .with_cause(cause)
}

impl Search<'_, '_> {
    /// What the server has against some rows of a file, if it has.
    fn refusal(&mut self, file: &StagedFile, rows: Range<u64>) -> Result<Option<Failure>> {
        let count = rows.end - rows.start;
        let manifest = self.stager.excerpt(file, rows)?;
        // What fails before the rows are copied says nothing of them: another load may hold the table's lock.
        let ready = self.work.begin(self.session, false).and_then(|()| self.work.prepare(self.session));
        let tried = ready.map(|()| self.work.rows(self.session, Some(&manifest), count));
        self.session.roll_back();
        match tried? {
            Ok(_) => Ok(None),
            Err(failure) if failure.then == Then::GiveUp && failure.error.kind() == ErrorKind::Database => {
                Ok(Some(failure))
            }
            Err(failure) => Err(failure.error),
        }
    }

    /// Whether the server refuses every row that it is shown of a file; then it is not the rows.
    fn refuses_any(&mut self, file: &StagedFile) -> Result<bool> {
        for row in [0, file.rows / 2, file.rows - 1] {
            if self.refusal(file, row..row + 1)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Searches rows of which one at least is refused.
    fn halve(&mut self, file: &StagedFile, first: u64, rows: Range<u64>) -> Result<()> {
        if rows.end - rows.start == 1 {
            // Asked once more, so that the server's log has this row last.
            if let Some(failure) = self.refusal(file, rows.clone())? {
                let (column, reason) = self.reason(&failure);
                self.found.push(Refused { row: first + rows.start, column, reason });
            }
            return Ok(());
        }
        let middle = rows.start + (rows.end - rows.start) / 2;
        let (left, right) = (rows.start..middle, middle..rows.end);
        let is_left = self.refusal(file, left.clone())?.is_some();
        if is_left {
            self.halve(file, first, left)?;
        }
        // If it is not the one half it is the other, which need not be asked for.
        if !is_left || (!self.is_full() && self.refusal(file, right.clone())?.is_some()) {
            self.halve(file, first, right)?;
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.found.len() > self.most
    }

    /// The server's reason for the row it was shown last: out of its log of load errors where it is there.
    fn reason(&mut self, failure: &Failure) -> (Option<usize>, String) {
        let logged =
            LOGS.iter().find_map(|sql| self.session.rows("reading the load errors", sql).ok()?.into_iter().next());
        let Some([Some(code), column, Some(reason)]) = logged.as_deref() else {
            return (None, failure.error.message().to_owned());
        };
        let column = column.as_deref().and_then(|name| self.work.sql.column(name.trim()));
        // Some reasons quote what they found.
        let reason = reason.trim().split(", Value").next().unwrap_or_default();
        (column, format!("the server refuses it: {reason} (load error {})", code.trim()))
    }
}

/// The last load error of this session: as provisioned clusters keep it, and as serverless ones do.
const LOGS: [&str; 2] = [
    "SELECT CAST(err_code AS VARCHAR), CAST(colname AS VARCHAR), CAST(err_reason AS VARCHAR) FROM stl_load_errors \
     WHERE session = pg_backend_pid() AND query = (SELECT MAX(query) FROM stl_load_errors WHERE session = \
     pg_backend_pid()) ORDER BY starttime DESC LIMIT 1",
    "SELECT CAST(error_code AS VARCHAR), CAST(column_name AS VARCHAR), CAST(error_message AS VARCHAR) FROM \
     sys_load_error_detail WHERE session_id = pg_backend_pid() ORDER BY start_time DESC LIMIT 1",
];

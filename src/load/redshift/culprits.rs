//! The rows for which the server refuses a load.
//!
//! Of a columnar file the server does not say which row it stopped at, and of any file it names the first one only. So
//! the transaction is tried with parts of the rows, and rolled back each time: what fails is halved until it is one
//! row. Those rows go to the quarantine, and the rest is loaded.

use std::ops::Range;

use super::error::Failure;
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
    // What is refused without any row is refused for another reason, which a file of few rows would not show.
    if let Some(file) = work.staged.files.first()
        && search.refusal(file, 0..0)?.is_some()
    {
        return Err(cause);
    }
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
        match tried?.map_err(Failure::about_rows) {
            Ok(_) => Ok(None),
            Err(failure) if failure.of_rows => Ok(Some(failure)),
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
            // Asked once more, so that what the server's log has from then on is of this row.
            let logged = LOGS.map(|log| log.newest(self.session));
            if let Some(failure) = self.refusal(file, rows.clone())? {
                let (column, reason) = self.reason(&failure, logged);
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

    /// The server's reason for the row it was shown last: out of its logs of load errors, where one has an entry behind
    /// what was the newest one before.
    fn reason(&mut self, failure: &Failure, newest: [Option<u64>; 2]) -> (Option<usize>, String) {
        let logged = LOGS.iter().zip(newest).find_map(|(log, newest)| log.behind(self.session, newest?));
        let Some([Some(code), column, Some(reason)]) = logged.as_deref() else {
            return (None, failure.error.message().to_owned());
        };
        let column = column.as_deref().and_then(|name| self.work.sql.column(name.trim()));
        // Some reasons quote what they found.
        let reason = reason.trim().split(", Value").next().unwrap_or_default();
        (column, format!("the server refuses it: {reason} (load error {})", code.trim()))
    }
}

/// A log of load errors, and what its columns are called. The log has no numbers of rows in Parquet, and keeps what it was
/// told for days, also of sessions that had this one's number (5.8).
struct Log {
    table: &'static str,
    session: &'static str,
    query: &'static str,
    reason: [&'static str; 3],
    time: &'static str,
}

/// As provisioned clusters keep it, and as serverless ones do.
const LOGS: [Log; 2] = [
    Log {
        table: "stl_load_errors",
        session: "session",
        query: "query",
        reason: ["err_code", "colname", "err_reason"],
        time: "starttime",
    },
    Log {
        table: "sys_load_error_detail",
        session: "session_id",
        query: "query_id",
        reason: ["error_code", "column_name", "error_message"],
        time: "start_time",
    },
];

const DOING: &str = "reading the load errors";

impl Log {
    /// The query of the newest entry of this session, 0 without one; `None` where the log cannot be read.
    fn newest(&self, session: &mut Session) -> Option<u64> {
        let Log { table, session: own, query, .. } = self;
        let sql =
            format!("SELECT CAST(COALESCE(MAX({query}), 0) AS VARCHAR) FROM {table} WHERE {own} = pg_backend_pid()");
        session.number(DOING, &sql).ok()
    }

    /// Code, column and reason of the first entry of this session behind a query.
    fn behind(&self, session: &mut Session, newest: u64) -> Option<Vec<Option<String>>> {
        let Log { table, session: own, query, reason, time } = self;
        let columns = reason.map(|column| format!("CAST({column} AS VARCHAR)")).join(", ");
        let sql = format!(
            "SELECT {columns} FROM {table} WHERE {own} = pg_backend_pid() AND {query} > {newest} ORDER BY {time} LIMIT 1"
        );
        session.rows(DOING, &sql).ok()?.into_iter().next()
    }
}

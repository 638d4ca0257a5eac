//! What the server says, and what it means for the load.

use std::error::Error as _;
use std::fmt::Display;

use ::postgres::error::DbError;

use crate::error::{Error, ErrorKind};
use crate::load::session::error::without_values;
use crate::plan::TableName;

/// What to do behind a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Tell the caller.
    GiveUp,
    /// Another transaction was in the way: make the same one again.
    Again,
    /// The table is no longer what it was planned for: plan anew, and if the rows fit it as they are, go on.
    Replan,
    /// The connection is lost. Whether the transaction was committed is in the ledger.
    LookUp,
}

/// A failed call.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) then: Then,
    /// Whether it was about rows, of which some may be at fault.
    pub(super) of_rows: bool,
    /// The server's code, if it was the server.
    pub(super) code: Option<String>,
}

impl Failure {
    /// The same failure of a statement that brings rows in: some of them may be at fault, unless the server blames
    /// something else.
    pub(super) fn about_rows(self) -> Self {
        let is_of_rows = self.then == Then::GiveUp
            && self.error.kind() == ErrorKind::Database
            && self.code.as_deref().is_some_and(|code| blames_rows(code, self.error.message()));
        Failure { of_rows: is_of_rows, ..self }
    }

    pub(super) fn unreadable(doing: impl Display) -> Self {
        let error = Error::new(ErrorKind::Database, format!("{doing}: the server's answer is not what was asked for"));
        Failure { error, then: Then::GiveUp, of_rows: false, code: None }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, then: Then::GiveUp, of_rows: false, code: None }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// What a load says that was to make the table.
pub(super) fn table_exists(table: &TableName) -> Error {
    Error::new(ErrorKind::Conflict, format!("table {} exists", table.quoted()))
        .with_hint("append to it, replace its rows, or choose another table")
}

/// Makes a failure of a failed call. The client's error is not kept as the cause: its text has all that the server
/// says, values too.
pub(super) fn failed(doing: impl Display, error: &::postgres::Error) -> Failure {
    let Some(refusal) = error.as_db_error() else {
        let reason = error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
        let error = Error::new(ErrorKind::Database, format!("{doing}: {reason}")).with_temporary(true);
        return Failure { error, then: Then::LookUp, of_rows: false, code: None };
    };
    let code = refusal.code().code().to_owned();
    let then = then(refusal);
    let failure = Error::new(ErrorKind::Database, format!("{doing}: {} (SQLSTATE {code})", message(refusal)));
    let failure = failure.with_temporary(then != Then::GiveUp);
    let error = match hint(&code, refusal) {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    };
    Failure { error, then, of_rows: false, code: Some(code) }
}

/// Whether the server may mean the rows. It does not with a code that says otherwise (a missing right, no room, a statement
/// that was cancelled); behind XX000, which a COPY answers with whatever happened (4.2, 5.8), not where it could not read
/// the files or takes their columns for others (5.2, 5.4).
fn blames_rows(code: &str, message: &str) -> bool {
    const OF_FILES: [&str; 9] = [
        "s3serviceexception",
        "s3 query exception",
        "s3curlexception",
        "not authorized",
        "access denied",
        "manifest file",
        "manifest parameter",
        // The message is often cut off here (5.4).
        "incompatible parquet s",
        "unmatched number of columns",
    ];
    let message = message.to_lowercase();
    match code.get(..2) {
        Some("22" | "23") => true,
        Some("XX") => message.contains("stl_load_errors") || !OF_FILES.iter().any(|text| message.contains(text)),
        _ => false,
    }
}

/// Redshift often answers with XX000 whatever happened, so the texts are looked at as well as the codes.
fn then(refusal: &DbError) -> Then {
    let code = refusal.code().code();
    if code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P03") {
        return Then::LookUp;
    }
    let says =
        |text: &str| refusal.message().contains(text) || refusal.detail().is_some_and(|detail| detail.contains(text));
    let conflict = ["Serializable isolation violation", "conflict with concurrent transaction", "deadlock detected"];
    let is_1023 = refusal.message().trim_start().trim_start_matches("ERROR:").trim_start().starts_with("1023");
    match matches!(code, "40001" | "40P01") || is_1023 || conflict.into_iter().any(says) {
        true => Then::Again,
        false => Then::GiveUp,
    }
}

/// The message without values, with what a failed COPY says about the files: their columns and types are in the detail.
fn message(refusal: &DbError) -> String {
    let text = one_line(refusal.message());
    let text = if refusal.code().code().starts_with("22") { without_values(&text) } else { text };
    match refusal.detail().and_then(about_files) {
        Some(about) => format!("{text}: {about}"),
        None => text,
    }
}

/// Code and context of an error of the part that reads columnar files (15001 to 15099): no value is in them.
fn about_files(detail: &str) -> Option<String> {
    let line = |name: &str| {
        let line = detail.lines().map(str::trim_start).find(|line| line.starts_with(name))?;
        Some(line[name.len()..].trim_start_matches([' ', ':']).trim().to_owned())
    };
    let code = line("code")?;
    // The file's address may be long, and what is said of it is cut off behind.
    let context = line("context")?;
    let said = context.split_once(' ').filter(|(file, _)| file.contains("://")).map_or(&*context, |(_, said)| said);
    let context: String = said.chars().take(400).collect();
    (code.len() == 5 && code.starts_with("150")).then(|| format!("{} (code {code})", one_line(&context)))
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn hint(code: &str, refusal: &DbError) -> Option<&'static str> {
    let text = refusal.message();
    Some(match code {
        "28P01" | "28000" => "check user and password; without one in the URL, PGPASSWORD is used",
        "3D000" => "create the database first, or check its name in the URL",
        "3F000" => "create the schema first, or check its name",
        "2BP01" => {
            "a column that is to become of another type is used by something: drop that (a view), load, and make it anew"
        }
        "42501" => "grant the user CREATE on the schema, and SELECT, INSERT, UPDATE and DELETE on the table",
        _ if text.contains("S3ServiceException") || text.contains("not authorized") => {
            "let the cluster's role read the staging prefix, and check that the bucket is in the cluster's region"
        }
        _ if text.contains("stl_load_errors") => "the rows at fault are looked up where the server names them",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_columnar_error_the_context_is_told() {
        let detail = "\n  -----------------------------------------------\n  error:  Spectrum Scan Error\n  code:      15007\n  \
                      context:   Unmatched number of columns between table and file. Table columns: 20, Data columns: 16\n  \
                      query:     1";
        assert_eq!(
            about_files(detail).unwrap(),
            "Unmatched number of columns between table and file. Table columns: 20, Data columns: 16 (code 15007)"
        );
        assert_eq!(about_files("  code: 1204\n  context: String length 'secret'"), None);
        assert_eq!(about_files("anything"), None);
    }

    #[test]
    fn rows_are_blamed_for_what_may_be_theirs_alone() {
        let load_error = "copying rows: Load into table 't' failed.  Check 'stl_load_errors' system table for details.";
        let parquet = "copying rows: Spectrum Scan Error: The length of the data column s is longer (code 15007)";
        for (code, message) in [("XX000", load_error), ("XX000", parquet), ("22001", "too long"), ("23502", "null")] {
            assert!(blames_rows(code, message), "{code} {message}");
        }
        let schema = "Spectrum Scan Error: File 'x' has an incompatible Parquet schema for column 'y' (code 15007)";
        for (code, message) in [
            ("42501", "permission denied"),
            ("53100", "disk full"),
            ("57014", "cancelled on user's request"),
            ("58030", "could not read"),
            ("XX000", "S3ServiceException:Access Denied,Status 403"),
            ("XX000", "User arn:… is not authorized to assume IAM Role"),
            ("XX000", schema),
        ] {
            assert!(!blames_rows(code, message), "{code} {message}");
        }
    }
}

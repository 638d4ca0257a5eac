//! What the server says, without the values that it says it about.

use std::error::Error as _;
use std::fmt::Display;

use ::postgres::error::DbError;

use crate::error::{Error, ErrorKind, Location};

/// Makes an error of a failed call. DETAIL is never shown, and of CONTEXT only the position: both hold values. For the
/// same reason the client's error, whose text has all of it, is not kept as the cause.
pub(in crate::load) fn failed(doing: impl Display, error: &::postgres::Error) -> Error {
    let Some(refusal) = error.as_db_error() else {
        let reason = match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        let failure = Error::new(ErrorKind::Database, format!("{doing}: {reason}")).with_temporary(is_lost(error));
        return match hint_without_code(&reason) {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        };
    };
    let code = refusal.code().code();
    let failure = Error::new(ErrorKind::Database, format!("{doing}: {} (SQLSTATE {code})", message(refusal)))
        .with_temporary((may_pass(code) || is_race(refusal)) && !is_refusal(refusal));
    let standby = refusal.message().contains("during recovery").then_some("25006");
    match hint(standby.unwrap_or(code)) {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// Whether the connection is gone, which a new one may mend. A certificate that was refused and bytes that are no
/// message of the protocol are failures of another kind.
fn is_lost(error: &::postgres::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput};
    let cause = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
    error.is_closed() || cause.is_some_and(|cause| !matches!(cause.kind(), InvalidData | InvalidInput))
}

fn hint_without_code(reason: &str) -> Option<&'static str> {
    if reason.contains("password missing") {
        Some("put the password into the environment variable PGPASSWORD")
    } else if reason.contains("does not support TLS") {
        Some("turn on `ssl` at the server, or write sslmode=disable where plain text is safe")
    } else if reason.contains("invalid peer certificate") {
        Some("name the roots that the certificate goes back to with sslrootcert, and the host as the certificate does")
    } else {
        None
    }
}

/// Whether somebody else has changed the same row of the catalog at the same moment, by a GRANT for one.
fn is_race(refusal: &DbError) -> bool {
    refusal.code().code() == "XX000" && refusal.message().starts_with("tuple concurrently ")
}

/// Whether what the server refuses for this reason may go through a moment later, in a transaction of its own.
fn may_pass(code: &str) -> bool {
    // A disk that is full has room again when the server's log was archived, or somebody has looked after it; memory, when
    // others have ended.
    const PASSING: [&str; 10] =
        ["40001", "40P01", "53100", "53200", "53300", "55P03", "57P01", "57P02", "57P03", "57P05"];
    code.starts_with("08") || PASSING.contains(&code)
}

/// Makes an error of a failed COPY, with the row and the column that the server stopped at.
pub(in crate::load) fn failed_copy(doing: &str, columns: &[String], error: &::postgres::Error) -> Error {
    let position = error.as_db_error().and_then(DbError::where_).map(|context| position(context, columns));
    let refused = error.as_db_error().is_some_and(blames_a_row);
    let Some((row, column)) = position else { return failed(doing, error).with_refused_row(refused) };
    let failure = match row {
        Some(row) => failed(format_args!("{doing}, row {row} as sent"), error),
        None => failed(doing, error),
    };
    let failure = failure.with_refused_row(refused);
    match column {
        Some(column) => failure.with_location(Location { column: Some(column), ..Location::default() }),
        None => failure,
    }
}

/// What a refused COPY says about the row: its number from 1, the column, and the reason without a value. `None` if it
/// failed for another reason.
pub(in crate::load) fn refused_row(
    error: &::postgres::Error,
    columns: &[String],
) -> Option<(Option<usize>, Option<String>, String)> {
    let refusal = error.as_db_error().filter(|refusal| blames_a_row(refusal))?;
    let (row, column) = refusal.where_().map_or((None, None), |context| position(context, columns));
    let row = row.and_then(|row| usize::try_from(row).ok());
    let column = column.or_else(|| refusal.column().map(str::to_owned));
    Some((row, column, format!("{} (SQLSTATE {})", message(refusal), refusal.code().code())))
}

/// Whether a COPY that is refused with this code might go through without some row: its value, a constraint or a
/// trigger is to blame, or it is too wide.
fn blames_a_row(refusal: &DbError) -> bool {
    let code = refusal.code().code();
    is_refusal(refusal)
        || ["22", "23"].iter().any(|class| code.starts_with(class))
        || ["44000", "54000"].contains(&code)
}

/// Whether the author of a trigger or function refuses something, under any code that he chose. Other languages than the
/// server's own pass errors on under their codes: what may pass was none of the author's.
fn is_refusal(refusal: &DbError) -> bool {
    is_raised(refusal) && (refusal.routine() == Some("exec_stmt_raise") || !may_pass(refusal.code().code()))
}

/// Whether a trigger or function has put the message into words.
fn is_raised(refusal: &DbError) -> bool {
    ["P0", "38", "39"].iter().any(|class| refusal.code().code().starts_with(class))
        || refusal.routine().is_some_and(|routine| {
            routine == "exec_stmt_raise" || ["PLy_", "plperl_", "pltcl_"].iter().any(|of| routine.starts_with(of))
        })
}

/// The message without a value: data errors quote what they refuse, and a trigger can say anything.
fn message(refusal: &DbError) -> String {
    match refusal.code().code().starts_with("22") {
        _ if is_raised(refusal) => "a trigger or function raised an exception".to_owned(),
        true => without_values(refusal.message()),
        false => refusal.message().replace(['\n', '\r'], " "),
    }
}

/// The message of a data error without what it quotes, in quotes or as bytes.
pub(in crate::load) fn without_values(text: &str) -> String {
    let text = text.split(": \"").next().unwrap_or(text);
    // A value may hold quotes itself.
    let shown = match (text.find('"'), text.rfind('"')) {
        (Some(first), Some(last)) => {
            format!("{}\"…\"{}", &text[..first], &text[last.max(first + 1)..].trim_start_matches('"'))
        }
        _ => text.to_owned(),
    };
    let words = shown.split([' ', '\n', '\r']).map(|word| if word.starts_with("0x") { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// Row and column out of a CONTEXT such as `COPY orders, line 3, column total: "x"`.
///
/// Table and column names may hold any text, and a value may follow. So the column is looked for among those known,
/// and the longest that matches is taken.
fn position(context: &str, columns: &[String]) -> (Option<u64>, Option<String>) {
    // The first one: behind it may come a value that looks the same. A table called `a, line 9` gives a wrong number.
    let Some((row, rest)) = context.match_indices(", line ").find_map(|(at, found)| {
        let digits = &context[at + found.len()..];
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        Some((digits[..end].parse().ok()?, &digits[end..]))
    }) else {
        return (None, None);
    };
    let column = rest.strip_prefix(", column ").and_then(|name| {
        let matching = columns.iter().filter(|known| {
            name.strip_prefix(known.as_str()).is_some_and(|end| end.is_empty() || end.starts_with([':', '\n']))
        });
        matching.max_by_key(|known| known.len()).cloned()
    });
    (Some(row), column)
}

fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "28P01" | "28000" => "check user and password; without one in the URL, PGPASSWORD is used",
        "3D000" => "create the database first, or check its name in the URL",
        "42501" => {
            "grant the user what the server names: CREATE on the schema for new tables, SELECT and INSERT on tables, UPDATE and \
             DELETE to merge, TRUNCATE to replace; only a table's owner can alter it"
        }
        "53200" => "the server is out of memory: try again later, or lower what its other sessions take",
        "53100" => "free space on the server's disk, then run the same load again",
        "53300" => "the server has no free connection: try again later, or raise max_connections",
        "55P03" => "another session holds the table: try again later, or raise the lock timeout",
        "40P01" | "40001" => "another session was in the way: run the same load again",
        "57P01" | "57P02" | "57P03" => "the server is stopping or starting: run the same load again",
        "22P05" => "the database's encoding does not have the character: load into a database whose encoding is UTF8",
        "25006" => "the server is read-only, perhaps a standby: connect to the primary",
        "0A000" => "the table has something that COPY or ALTER cannot work with, such as row-level security",
        "54000" => "the row is too wide for a page: load fewer columns, or keep nested ones as JSON",
        "54011" => "a table has at most 1,600 columns, dropped ones included",
        "23505" | "23502" | "23503" | "23514" => {
            "the table's own constraint refuses a row: load into a table without it"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_told_from_what_does_not() {
        assert!(
            ["08006", "40001", "40P01", "55P03", "57P01", "57P03", "53300", "53100", "53200"].into_iter().all(may_pass)
        );
        assert!(!["28P01", "3D000", "42501", "22P02", "23505", "57014"].into_iter().any(may_pass));
    }

    #[test]
    fn what_a_data_error_quotes_is_left_out() {
        for (said, shown) in [
            ("value too long for type character varying(3)", "value too long for type character varying(3)"),
            ("invalid input syntax for type integer: \"secret\"", "invalid input syntax for type integer"),
            ("value \"123\" is out of range for type integer", "value \"…\" is out of range for type integer"),
            ("invalid value \"se\"cr\" for \"YYYY\"", "invalid value \"…\""),
            ("invalid value \"", "invalid value \"…\""),
            ("bytes 0xe2 0x82 in encoding \"UTF8\"", "bytes … … in encoding \"…\""),
        ] {
            assert_eq!(without_values(said), shown);
        }
    }

    #[test]
    fn a_position_is_read_without_the_value() {
        let columns = ["total", "total: \"x", "a, column b"].map(str::to_owned);
        let found = |context: &str| position(context, &columns);
        assert_eq!(found("COPY orders, line 3, column total"), (Some(3), Some("total".into())));
        assert_eq!(found("COPY orders, line 3, column total: \"secret\""), (Some(3), Some("total".into())));
        assert_eq!(found("COPY o, line 12, column a, column b\nSQL function"), (Some(12), Some("a, column b".into())));
        assert_eq!(found("COPY o, line 12, column secret"), (Some(12), None));
        assert_eq!(found("COPY o, line 12: \"secret, line 4\""), (Some(12), None));
        assert_eq!(found("secret"), (None, None));
    }
}

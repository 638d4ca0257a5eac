//! Rows that the table itself refuses, found one by one, so that all the others load.
//!
//! A COPY stores all of its rows or none. So each piece of rows is a COPY of its own behind a savepoint. If it fails, the
//! savepoint undoes it, and what is in front of the row that the server names is tried without it; where it names none
//! (a foreign key is checked at the very end), half as much is tried. What goes in makes the next try twice as long. So a
//! piece without a refused row costs one COPY, one with few costs a few, and one of nothing else costs one per row.

use bytes::Bytes;

use super::copy::Sink;
use super::error::{failed, refused_row};
use crate::error::{Error, ErrorKind, Result};
use crate::load::copy_binary::CopyEncoder;
use crate::load::session::Client;
use crate::load::target::Refused;

/// Refused rows past which it is the table that is wrong, and not the rows.
const MOST: usize = 1_000_000;

/// Why so many refused rows are an error.
pub(super) fn within_most(refused: usize) -> Result<()> {
    if refused <= MOST {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, format!("the table refuses more than {MOST} rows"))
        .with_hint("look at the table's constraints and triggers, and at the first rows in question"))
}

/// Copies pieces of rows, and keeps those that were refused.
pub(super) struct Isolation<'a> {
    sink: &'a Sink,
    /// Rows that were given so far.
    given: u64,
    loaded: u64,
    refused: Vec<Refused>,
}

impl<'a> Isolation<'a> {
    pub(super) fn new(sink: &'a Sink) -> Self {
        Isolation { sink, given: 0, loaded: 0, refused: Vec::new() }
    }

    /// The rows that were loaded, and those that were not.
    pub(super) fn finish(self) -> (u64, Vec<Refused>) {
        (self.loaded, self.refused)
    }

    /// Copies rows in COPY's binary form, without header and trailer.
    pub(super) fn copy(&mut self, client: &mut Client, rows: Vec<u8>) -> Result<()> {
        let ends = ends(&rows).ok_or_else(|| Error::new(ErrorKind::Unsupported, "rows that are none"))?;
        let rows = Bytes::from(rows);
        let begin = |row: usize| if row == 0 { 0 } else { ends[row - 1] };
        let (mut at, mut step) = (0, ends.len());
        while at < ends.len() {
            let end = ends.len().min(at + step);
            let piece = rows.slice(begin(at)..begin(end));
            match self.attempt(client, piece)? {
                Ok(loaded) => {
                    self.loaded += loaded;
                    at = end;
                    step = step.saturating_mul(2);
                }
                Err(refusal) if end == at + 1 => {
                    self.keep(refusal, self.given + at as u64)?;
                    at = end;
                    step = 1;
                }
                // The server names the row, from 1. If it is the first, it is tried alone, to be sure.
                Err(Refusal { row: Some(row @ 1..), .. }) if row <= end - at => step = (row - 1).max(1),
                Err(_) => step = (end - at) / 2,
            }
        }
        self.given += ends.len() as u64;
        Ok(())
    }

    fn keep(&mut self, refusal: Refusal, row: u64) -> Result<()> {
        within_most(self.refused.len() + 1)?;
        let at = |name: &String| self.sink.columns.iter().position(|column| column == name);
        self.refused.push(Refused { row, column: refusal.column.as_ref().and_then(at), reason: refusal.reason });
        Ok(())
    }

    /// One COPY: the count of its rows, or why the table does not take them, with the transaction as it was before.
    fn attempt(&self, client: &mut Client, rows: Bytes) -> Result<Result<u64, Refusal>> {
        const SAVEPOINT: &str = "longshore_rows";
        let doing = |error: ::postgres::Error| failed("isolating a row", &error);
        client.batch_execute(&format!("SAVEPOINT {SAVEPOINT}")).map_err(doing)?;
        let copied = client.copy_in(&self.sink.sql).and_then(|mut copy| {
            copy.send(CopyEncoder::header())?;
            copy.send(rows)?;
            copy.send(CopyEncoder::trailer())?;
            copy.finish()
        });
        match copied {
            Ok(rows) => {
                client.batch_execute(&format!("RELEASE {SAVEPOINT}")).map_err(doing)?;
                Ok(Ok(rows))
            }
            Err(error) => {
                let Some((row, column, reason)) = refused_row(&error, &self.sink.columns) else {
                    return Err(self.sink.failed(&error));
                };
                client.batch_execute(&format!("ROLLBACK TO {SAVEPOINT}; RELEASE {SAVEPOINT}")).map_err(doing)?;
                Ok(Err(Refusal { row, column, reason }))
            }
        }
    }
}

/// Why a COPY failed.
struct Refusal {
    row: Option<usize>,
    column: Option<String>,
    reason: String,
}

/// Where each row ends; `None` if the bytes are no rows.
fn ends(bytes: &[u8]) -> Option<Vec<usize>> {
    let (mut ends, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let fields = i16::from_be_bytes(*bytes[at..].first_chunk()?);
        at += 2;
        for _ in 0..fields {
            // A NULL has the length -1, and no bytes.
            let len = i32::from_be_bytes(*bytes.get(at..)?.first_chunk()?);
            at += 4 + usize::try_from(len).unwrap_or_default();
        }
        if at > bytes.len() {
            return None;
        }
        ends.push(at);
    }
    Some(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_end_behind_their_last_field() {
        let row = [&[0, 2, 0, 0, 0, 1, 7][..], &[0xff; 4]].concat();
        let two = [&row[..], &row].concat();
        assert_eq!(ends(&two), Some(vec![11, 22]));
        assert_eq!(ends(&[]), Some(vec![]));
        for cut in 1..11 {
            assert_eq!(ends(&row[..cut]), None, "{cut}");
        }
    }
}

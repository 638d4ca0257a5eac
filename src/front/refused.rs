//! Rows that a place refused, turned into quarantined records when the load is made again.
//!
//! A place names such rows by their number. Decoding gives the same rows in the same order each time, so the record
//! behind a number is found by decoding again, with each row's origin kept.

use std::collections::BTreeMap;

use crate::batch::{Decoder, Misfit};
use crate::error::{Error, ErrorKind, Result};
use crate::load::Refused;
use crate::records::{Bad, PathTable, Record, Sink};
use crate::schema::Schema;

/// How often a load is made again without rows that were refused.
const MOST_ATTEMPTS: usize = 20;

/// The rows to leave out, by their number among all that are decoded.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    rows: BTreeMap<u64, (Option<usize>, String)>,
    attempts: usize,
}

impl LeftOut {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds rows that a place refused, which did not see those that were left out before.
    ///
    /// # Errors
    ///
    /// `error`, with which the place failed, if there is no end of it.
    pub(super) fn add(&mut self, refused: &[Refused], error: Error) -> Result<()> {
        self.attempts += 1;
        if self.attempts >= MOST_ATTEMPTS || refused.is_empty() {
            return Err(error);
        }
        let before: Vec<u64> = self.rows.keys().copied().collect();
        for Refused { row, column, reason } in refused {
            let mut number = *row;
            for left_out in &before {
                if *left_out <= number {
                    number += 1;
                }
            }
            self.rows.insert(number, (*column, reason.clone()));
        }
        Ok(())
    }

    /// The rows to leave out of `len` rows from number `first` on, each counted from there.
    pub(super) fn within(&self, first: u64, len: usize) -> impl Iterator<Item = usize> + '_ {
        self.rows.range(first..first + len as u64).map(move |(row, _)| (row - first) as usize)
    }

    /// The record of a row as one to keep aside.
    pub(super) fn misfit(&self, row: u64, schema: &Schema, origin: Misfit) -> Misfit {
        let Some((column, reason)) = self.rows.get(&row) else { return origin };
        let path = column.and_then(|at| schema.columns.get(at)).map(|column| column.path.to_string());
        Misfit { path, reason: reason.clone(), ..origin }
    }
}

/// A decoder that keeps where each of its rows came from.
pub(super) struct WithOrigins<'a> {
    pub(super) decoder: &'a mut Decoder,
    /// The records of the rows, in order; without a reason yet.
    pub(super) origins: Vec<Misfit>,
}

impl Sink for WithOrigins<'_> {
    fn record(&mut self, paths: &PathTable, record: &Record<'_>) {
        let before = self.decoder.rows();
        self.decoder.record(paths, record);
        if self.decoder.rows() > before {
            let raw = record.raw();
            self.origins.push(Misfit {
                source: record.source,
                line: record.line,
                byte: record.offset,
                path: None,
                reason: String::new(),
                raw: raw.to_vec(),
                raw_len: raw.len() as u64,
            });
        }
    }

    fn bad(&mut self, bad: &Bad<'_>) {
        self.decoder.bad(bad);
    }
}

/// An error for a batch whose rows and origins do not go together, which would be a defect.
pub(super) fn out_of_step() -> Error {
    Error::new(ErrorKind::NotConserved, "rows and their records are out of step; nothing was loaded")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(rows: &[u64]) -> Vec<Refused> {
        rows.iter().map(|row| Refused { row: *row, column: None, reason: "x".into() }).collect()
    }

    #[test]
    fn numbers_of_a_later_attempt_count_the_rows_left_out_before() {
        let mut left_out = LeftOut::default();
        left_out.add(&refused(&[2, 5]), Error::config("x")).unwrap();
        // Rows 0 1 3 4 6 7 8 were seen as 0 to 6.
        left_out.add(&refused(&[2, 4]), Error::config("x")).unwrap();
        assert_eq!(left_out.rows.keys().copied().collect::<Vec<_>>(), [2, 3, 5, 6]);
        assert_eq!(left_out.within(3, 3).collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn there_is_an_end_to_trying() {
        let mut left_out = LeftOut::default();
        assert!(left_out.add(&[], Error::config("x")).is_err());
        let outcomes = (0..30).map(|row| left_out.add(&refused(&[row]), Error::config("x")));
        assert!(outcomes.last().unwrap().is_err());
    }
}

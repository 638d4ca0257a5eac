//! From a row back to its record.

use super::decode::Decoder;
use super::misfit::Misfit;
use crate::records::{Bad, PathTable, Record, Sink};

/// Finds the records that certain rows were made of, by decoding them again. Rows are counted from 0 over all records
/// that are given to it; misfits are no rows.
#[derive(Debug)]
pub(crate) struct Locator<'a> {
    decoder: Decoder,
    /// In ascending order.
    wanted: &'a [usize],
    found: Vec<Misfit>,
}

impl<'a> Locator<'a> {
    /// Looks for rows of the batch that this decoder, which is empty, makes of the same records.
    pub(crate) fn new(decoder: Decoder, wanted: &'a [usize]) -> Self {
        Locator { decoder, wanted, found: Vec::new() }
    }

    /// The records, in the order of their rows. Path and reason are for the caller to fill in.
    pub(crate) fn finish(self) -> Vec<Misfit> {
        self.found
    }
}

impl Sink for Locator<'_> {
    fn record(&mut self, paths: &PathTable, record: &Record<'_>) {
        let row = self.decoder.rows();
        self.decoder.record(paths, record);
        if self.decoder.rows() > row && self.wanted.binary_search(&row).is_ok() {
            let place = (record.source, record.offset, record.line);
            self.found.push(Misfit::new(record.raw(), place, None, String::new()));
        }
    }

    fn bad(&mut self, bad: &Bad<'_>) {
        self.decoder.bad(bad);
    }
}

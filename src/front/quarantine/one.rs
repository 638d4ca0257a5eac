//! A record that is tried again has to be one, and whole.

use crate::front::frame::{Framed, frame};
use crate::records::{Bad, Format, PathTable, Reader, Record, Sink};
use crate::source::Chunk;

/// The record that these bytes are, on one line where it is JSON; or why they are none.
pub(super) fn one_record(
    reader: &mut Reader,
    format: &Format,
    (raw, is_whole): (&[u8], bool),
) -> Result<Vec<u8>, String> {
    if !is_whole {
        return Err("only its beginning was kept".into());
    }
    let bytes = match frame(raw, matches!(format, Format::Csv(_))) {
        Framed::Records(bytes) => bytes.into_owned(),
        Framed::NoRecord(reason) => return Err(reason),
    };
    let mut tally = Tally::default();
    reader.read(format, &mut Chunk::new(&bytes), &mut tally);
    match (tally.records, tally.fault) {
        (1, None) => Ok(tally.json.unwrap_or(bytes)),
        (_, Some(fault)) => Err(fault),
        (n, None) => Err(format!("{n} records in one")),
    }
}

/// Counts what is in a chunk.
#[derive(Default)]
struct Tally {
    records: u64,
    /// The last record, if it is JSON.
    json: Option<Vec<u8>>,
    fault: Option<String>,
}

impl Sink for Tally {
    fn record(&mut self, _: &PathTable, record: &Record<'_>) {
        self.records += 1;
        self.json = record.dialect.is_none().then(|| record.raw().to_vec());
    }

    fn bad(&mut self, bad: &Bad<'_>) {
        self.fault = Some(bad.fault.to_string());
    }
}

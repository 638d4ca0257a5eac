//! A replay: the records once more from bytes to rows, those that do not fit left out.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Quarantine, ReplayReport};
use crate::batch::{Decoder, Misfit};
use crate::error::{Error, ErrorKind, Result};
use crate::front::frame::{Framed, frame};
use crate::front::stream::resolve;
use crate::load::{Encode, LoadRequest, PostgresQuarantine, ROW_ID, Selection, Waiting, id_column};
use crate::plan::ExistingTable;
use crate::records::{Bad, Format, PathTable, Reader, Record, Sink};
use crate::sketch::{Collector, Sketch};
use crate::source::Chunk;

/// Bytes of records that one transaction takes.
const BYTES: i64 = 64 << 20;
/// Records decoded before their rows are sent.
const ROWS: usize = 10_000;
/// What the ledger calls the source of a replay.
const SOURCE: &str = "quarantine";

impl Quarantine {
    pub(super) fn connect(&self) -> Result<PostgresQuarantine> {
        PostgresQuarantine::connect(&self.url.0, &self.table, self.options.clone())
    }

    pub(super) fn replay_postgres(&self, selection: &Selection) -> Result<ReplayReport> {
        let mut report = ReplayReport::default();
        let mut quarantine = self.connect()?;
        for format in quarantine.formats(selection)? {
            self.replay_format(&mut quarantine, selection, format.as_deref(), &mut report)?;
        }
        Ok(report)
    }

    /// Replays all selected records of one format.
    fn replay_format(
        &self,
        quarantine: &mut PostgresQuarantine,
        selection: &Selection,
        written: Option<&str>,
        report: &mut ReplayReport,
    ) -> Result<()> {
        let format = match written {
            Some(text) => read_format(text)?,
            None => self.format.clone().unwrap_or(Format::Ndjson),
        };
        let mut after = i64::MIN;
        while let Some(replay) = quarantine.replay(selection, written, after, BYTES)? {
            after = replay.waiting.last().map_or(i64::MAX, |last| last.id);
            report.tried += replay.waiting.len() as u64;
            let attempt = Attempt::new(self, &format, &replay.waiting, report);
            if attempt.records.is_empty() {
                replay.leave()?;
                continue;
            }
            let (request, seen) = (self.request(&replay.waiting), attempt.sketch());
            let load_id = request.load_id.clone();
            let mut decide = |table: Option<&ExistingTable>| match table.is_some_and(|table| has_children(table, &seen))
            {
                true => Err(needs_a_stream()),
                false => resolve(&self.policy, &seen, table),
            };
            let mut open = replay.open(request, &self.contract, &mut decide)?;
            let encoder = open.encoder();
            let schema = Arc::new(open.schema.clone());
            let mut loaded = attempt.send(&schema, &encoder, report, |rows| open.write(rows))?;
            // Rows stand in the order of their records, so the last ones are taken out first.
            for refused in open.isolated()?.into_iter().rev() {
                loaded.remove(refused.row as usize);
                *report.left_because.entry(format!("the table refuses the row: {}", refused.reason)).or_default() += 1;
            }
            if loaded.is_empty() {
                // Nothing is changed for records that do not fit all the same.
                continue;
            }
            report.altered.append(&mut open.altered);
            let counts = open.commit(&loaded)?;
            report.loaded += counts.loaded;
            report.deduplicated += counts.deduplicated;
            report.load_ids.push(load_id);
        }
        report.left = report.tried - report.loaded - report.deduplicated;
        Ok(())
    }

    /// The load of a replay. Its id is made of the records, which no other replay can load again.
    fn request(&self, waiting: &[Waiting]) -> LoadRequest {
        let (mut id, mut content) = (blake3::Hasher::new(), blake3::Hasher::new());
        id.update(b"longshore replay 1");
        for record in waiting {
            id.update(&record.id.to_le_bytes());
            content.update(&(record.raw.len() as u64).to_le_bytes());
            content.update(&record.raw);
        }
        LoadRequest {
            table: self.table.clone(),
            load_id: id.finalize().to_hex()[..32].to_owned(),
            mode: self.mode.clone(),
            sources: vec![SOURCE.into()],
            formats: Vec::new(),
            content_hash: content.finalize().to_hex()[..32].to_owned(),
            bytes: waiting.iter().map(|record| record.raw.len() as u64).sum(),
            max_quarantined: None,
            isolate_rows: true,
        }
    }
}

/// Whether the table's rows have ids that these records do not bring with them: a stream made them, for child tables.
fn has_children(table: &ExistingTable, seen: &Sketch) -> bool {
    id_column(table).is_some() && !seen.fields.iter().any(|field| field.path.keys() == [ROW_ID])
}

fn needs_a_stream() -> Error {
    let message = "records of this table have rows in child tables too, which a replay does not make";
    Error::new(ErrorKind::Unsupported, message)
        .with_hint("write them to the stream again: `longshore quarantine show` prints them")
}

/// The format of a ledger's row. What stands in front of the records of a file does not stand in front of these.
fn read_format(text: &str) -> Result<Format> {
    let mut format: Format = serde_json::from_str(text).map_err(|cause| {
        Error::new(ErrorKind::Syntax, "the ledger has a format that this version does not know").with_cause(cause)
    })?;
    if let Format::Csv(layout) = &mut format {
        (layout.body, layout.preamble, layout.dialect.header) = (0, 0, false);
    }
    Ok(format)
}

/// The records of one transaction that are one record each, as bytes that can be read.
struct Attempt<'a> {
    quarantine: &'a Quarantine,
    format: &'a Format,
    records: Vec<(i64, Vec<u8>)>,
}

impl<'a> Attempt<'a> {
    /// Leaves out what is no record, which needs no table to be known.
    fn new(quarantine: &'a Quarantine, format: &'a Format, waiting: &[Waiting], report: &mut ReplayReport) -> Self {
        let mut attempt = Attempt { quarantine, format, records: Vec::new() };
        let mut reader = Reader::new(quarantine.limits);
        for record in waiting {
            match attempt.one_record(&mut reader, record) {
                Ok(bytes) => attempt.records.push((record.id, bytes)),
                Err(reason) => *report.left_because.entry(reason).or_default() += 1,
            }
        }
        attempt
    }

    fn one_record(&self, reader: &mut Reader, record: &Waiting) -> Result<Vec<u8>, String> {
        if !record.is_whole {
            return Err("only its beginning was kept".into());
        }
        let is_csv = matches!(self.format, Format::Csv(_));
        let bytes = match frame(&record.raw, is_csv) {
            Framed::Records(bytes) => bytes.into_owned(),
            Framed::NoRecord(reason) => return Err(reason),
        };
        let mut tally = Tally::default();
        reader.read(self.format, &mut Chunk::new(&bytes), &mut tally);
        match (tally.records, tally.fault) {
            (1, None) => Ok(bytes),
            (_, Some(fault)) => Err(fault),
            (n, None) => Err(format!("{n} records in one")),
        }
    }

    /// A chunk for each record, whose source is the record's number.
    fn chunks(&self) -> impl Iterator<Item = Chunk> {
        let mut offset = 0;
        self.records.iter().enumerate().map(move |(nth, (_, bytes))| {
            let mut chunk = Chunk::new(bytes);
            (chunk.source, chunk.offset, chunk.first_line) = (nth as u32, offset, nth as u64 + 1);
            offset += bytes.len() as u64;
            chunk
        })
    }

    /// The evidence of all records.
    fn sketch(&self) -> Sketch {
        let mut reader = Reader::new(self.quarantine.limits);
        let mut collector = Collector::new(&[SOURCE]);
        for (nth, mut chunk) in self.chunks().enumerate() {
            (chunk.source, chunk.sequence) = (0, nth as u64);
            collector.begin(0, nth as u64);
            reader.read(self.format, &mut chunk, &mut collector);
        }
        collector.finish(reader.paths(), std::slice::from_ref(self.format))
    }

    /// Decodes and sends what fits; returns the ids of those records.
    fn send(
        &self,
        schema: &Arc<crate::schema::Schema>,
        encoder: &dyn Encode,
        report: &mut ReplayReport,
        mut write: impl FnMut(crate::load::Prepared) -> Result<()>,
    ) -> Result<Vec<i64>> {
        let (mut reader, mut decoder) = (Reader::new(self.quarantine.limits), Decoder::new(schema.clone()));
        let mut misfits = BTreeSet::new();
        for (nth, mut chunk) in self.chunks().enumerate() {
            reader.read(self.format, &mut chunk, &mut decoder);
            if (nth + 1) % ROWS != 0 && nth + 1 != self.records.len() {
                continue;
            }
            let decoded = decoder.finish()?;
            for misfit in decoded.misfits {
                *report.left_because.entry(because(&misfit)).or_default() += 1;
                misfits.insert(misfit.source as usize);
            }
            if decoded.batch.num_rows() > 0 {
                write(encoder.encode(&decoded.batch)?)?;
            }
        }
        let fits = |(nth, (id, _)): (usize, &(i64, Vec<u8>))| (!misfits.contains(&nth)).then_some(*id);
        Ok(self.records.iter().enumerate().filter_map(fits).collect())
    }
}

/// Why a record does not fit, without its value.
fn because(misfit: &Misfit) -> String {
    match &misfit.path {
        Some(path) => format!("column `{path}`: {}", misfit.reason),
        None => misfit.reason.clone(),
    }
}

/// Counts what is in a chunk.
#[derive(Default)]
struct Tally {
    records: u64,
    fault: Option<String>,
}

impl Sink for Tally {
    fn record(&mut self, _: &PathTable, _: &Record<'_>) {
        self.records += 1;
    }

    fn bad(&mut self, bad: &Bad<'_>) {
        self.fault = Some(bad.fault.to_string());
    }
}

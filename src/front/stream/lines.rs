//! Records that were picked out of the buffer, each with the place it came from.

use std::sync::Arc;

use super::arrow::Declared;
use super::pieces::Piece;
use crate::batch::Misfit;
use crate::records::Record;
use crate::source::Chunk;

/// Records of one source, one after another.
#[derive(Debug, Default)]
pub(in crate::front) struct Lines {
    source: u32,
    sequence: u64,
    bytes: Vec<u8>,
    origins: Vec<Origin>,
    /// Whether the records were made of those that stand in the source.
    is_made: bool,
    /// What is declared of the records' columns.
    pub(super) declared: Option<Arc<Declared>>,
}

/// Where one of the records begins here, and where in its source.
#[derive(Debug, Clone, Copy)]
struct Origin {
    start: usize,
    byte: u64,
    line: u64,
}

impl Lines {
    /// Adds a record as it stands in its source.
    pub(super) fn push(&mut self, record: &Record<'_>) {
        self.push_as(record.raw(), record.offset, record.line);
    }

    /// Adds what was made of a record that stands at this byte and line of its source.
    pub(in crate::front) fn push_text(&mut self, text: &[u8], byte: u64, line: u64) {
        self.is_made = true;
        self.push_as(text, byte, line);
    }

    fn push_as(&mut self, text: &[u8], byte: u64, line: u64) {
        self.origins.push(Origin { start: self.bytes.len(), byte, line });
        self.bytes.extend_from_slice(text);
        self.bytes.push(b'\n');
    }

    /// Whether the records are others than those that stand in the source, which are what is to be kept of them.
    pub(super) fn is_made(&self) -> bool {
        self.is_made
    }

    /// Which source the records are of.
    pub(in crate::front) fn source(&self) -> u32 {
        self.source
    }

    /// Keeps only the records whose places in their source are wanted.
    pub(in crate::front) fn retain(&mut self, keep: impl Fn(u64) -> bool) {
        if self.origins.iter().all(|origin| keep(origin.byte)) {
            return;
        }
        let mut kept = Lines { declared: self.declared.take(), is_made: self.is_made, ..Lines::default() };
        (kept.source, kept.sequence) = (self.source, self.sequence);
        for (origin, record) in self.records().filter(|(origin, _)| keep(origin.byte)) {
            kept.origins.push(Origin { start: kept.bytes.len(), ..origin });
            kept.bytes.extend_from_slice(record);
        }
        *self = kept;
    }

    /// Says which piece the records are of.
    pub(super) fn of(mut self, piece: &Piece) -> Self {
        (self.source, self.sequence) = (piece.source, piece.sequence);
        self.declared.clone_from(&piece.declared);
        self
    }

    /// Puts the records of several into the order of their source.
    pub(super) fn merged(mut all: Vec<Lines>) -> Lines {
        if all.len() < 2 {
            return all.pop().unwrap_or_default();
        }
        let (source, sequence, declared) = (all[0].source, all[0].sequence, all[0].declared.clone());
        let is_made = all.iter().any(Lines::is_made);
        let mut records: Vec<(Origin, &[u8])> = all.iter().flat_map(Lines::records).collect();
        records.sort_by_key(|(origin, _)| origin.byte);
        let mut merged = Lines { source, sequence, declared, is_made, ..Lines::default() };
        for (origin, record) in records {
            merged.origins.push(Origin { start: merged.bytes.len(), ..origin });
            merged.bytes.extend_from_slice(record);
        }
        merged
    }

    /// Each record with its line end.
    fn records(&self) -> impl Iterator<Item = (Origin, &[u8])> {
        let ends = self.origins.iter().skip(1).map(|origin| origin.start).chain([self.bytes.len()]);
        self.origins.iter().zip(ends).map(|(origin, end)| (*origin, &self.bytes[origin.start..end]))
    }

    /// The places of the records in their source.
    pub(in crate::front) fn places(&self) -> impl Iterator<Item = u64> {
        self.origins.iter().map(|origin| origin.byte)
    }

    /// Says which source the records are of, and which chunk of it.
    pub(in crate::front) fn in_chunk(mut self, source: u32, sequence: u64) -> Self {
        (self.source, self.sequence) = (source, sequence);
        self
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// All records as a chunk, which begins where the first of them does.
    pub(in crate::front) fn chunk(&self) -> Chunk {
        let mut chunk = Chunk::new(&self.bytes);
        let first = self.origins.first();
        (chunk.source, chunk.sequence) = (self.source, self.sequence);
        (chunk.offset, chunk.first_line) = first.map_or((0, 1), |first| (first.byte, first.line));
        chunk
    }

    /// Byte and line in the source of the record that stands at `byte` of the chunk.
    pub(in crate::front) fn origin(&self, byte: u64) -> (u64, u64) {
        let start = (byte - self.origins.first().map_or(0, |first| first.byte)) as usize;
        let nth = self.origins.partition_point(|origin| origin.start <= start).saturating_sub(1);
        self.origins.get(nth).map_or((0, 0), |origin| (origin.byte, origin.line))
    }

    /// All records as misfits, because they have no table by the value of `field`.
    pub(super) fn refused(&self, field: &str) -> Vec<Misfit> {
        let misfit = |(origin, record): (Origin, &[u8])| {
            let raw = record.trim_ascii_end();
            Misfit {
                source: self.source,
                line: origin.line,
                byte: origin.byte,
                path: Some(field.to_owned()),
                reason: "no value that names one of the stream's tables".to_owned(),
                raw: raw.to_vec(),
                raw_len: raw.len() as u64,
            }
        };
        self.records().map(misfit).collect()
    }
}

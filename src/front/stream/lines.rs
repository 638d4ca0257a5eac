//! Records that were picked out of the buffer, each with the place it came from.

use std::sync::Arc;

use super::arrow::Declared;
use super::pieces::Piece;
use crate::batch::Misfit;
use crate::records::Record;
use crate::source::Chunk;

/// Records of one source, one after another.
#[derive(Debug, Default)]
pub(super) struct Lines {
    source: u32,
    sequence: u64,
    bytes: Vec<u8>,
    origins: Vec<Origin>,
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
        self.origins.push(Origin { start: self.bytes.len(), byte: record.offset, line: record.line });
        self.bytes.extend_from_slice(record.raw());
        self.bytes.push(b'\n');
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
        let mut records: Vec<(Origin, &[u8])> = all.iter().flat_map(Lines::records).collect();
        records.sort_by_key(|(origin, _)| origin.byte);
        let mut merged = Lines { source, sequence, declared, ..Lines::default() };
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

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// All records as a chunk, which begins where the first of them does.
    pub(super) fn chunk(&self) -> Chunk {
        let mut chunk = Chunk::new(&self.bytes);
        let first = self.origins.first();
        (chunk.source, chunk.sequence) = (self.source, self.sequence);
        (chunk.offset, chunk.first_line) = first.map_or((0, 1), |first| (first.byte, first.line));
        chunk
    }

    /// Gives a misfit of the chunk its place in the source.
    pub(super) fn in_source(&self, mut misfit: Misfit) -> Misfit {
        let start = (misfit.byte - self.origins.first().map_or(0, |first| first.byte)) as usize;
        let nth = self.origins.partition_point(|origin| origin.start <= start).saturating_sub(1);
        if let Some(origin) = self.origins.get(nth) {
            (misfit.byte, misfit.line) = (origin.byte, origin.line);
        }
        misfit
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

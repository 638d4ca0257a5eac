//! What is buffered, in pieces to work on.

use std::ops::Range;
use std::sync::Arc;

use super::arrow::Declared;
use super::buffer::{Buffer, Source, Write};
use crate::records::{Format, Limits, cutter};
use crate::source::Chunk;

/// About how many bytes are read and decoded at a time.
const PIECE: usize = 256 << 10;

/// A stretch of whole records in one source's buffer, all for one table.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// Which of the sources that have writes.
    pub(super) source: u32,
    pub(super) sequence: u64,
    pub(super) range: Range<usize>,
    /// Lines of the source's buffer before it.
    lines: u64,
    /// Which of the stream's tables.
    pub(super) table: usize,
    /// What is declared of the records' columns.
    pub(super) declared: Option<Arc<Declared>>,
}

impl Buffer {
    /// Everything in pieces of whole records. Lines of JSON are taken over the borders of writes into one table; rows of
    /// CSV are not, so that a quote left open in one write takes nothing of the next.
    pub(super) fn pieces(&self, format: &Format, limits: &Limits) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for (at, source) in self.active().enumerate() {
            let mut sequence = 0;
            for run in runs(source, matches!(format, Format::Csv(_))) {
                let mut lines = run.lines;
                let format = if run.declared.is_some() { &Format::Ndjson } else { format };
                for range in cut(&source.bytes, run.range, format, limits) {
                    let passed = memchr::memchr_iter(b'\n', &source.bytes[range.clone()]).count() as u64;
                    pieces.push(Piece {
                        source: at as u32,
                        sequence,
                        range,
                        lines,
                        table: run.table,
                        declared: run.declared.clone(),
                    });
                    sequence += 1;
                    lines += passed;
                }
            }
        }
        pieces
    }

    /// A piece as a chunk, with its place in all that its source has given since the stream was opened.
    pub(super) fn chunk(&self, piece: &Piece) -> Chunk {
        let Some(source) = self.active().nth(piece.source as usize) else { return Chunk::new(b"") };
        let mut chunk = Chunk::new(&source.bytes[piece.range.clone()]);
        chunk.source = piece.source;
        chunk.sequence = piece.sequence;
        chunk.offset = source.passed.0 + piece.range.start as u64;
        chunk.first_line = source.passed.1 + piece.lines + 1;
        chunk
    }
}

/// Writes that are read as one.
struct Run {
    range: Range<usize>,
    lines: u64,
    table: usize,
    declared: Option<Arc<Declared>>,
}

fn runs(source: &Source, each_write: bool) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let (mut start, mut lines) = (0, 0);
    for Write { end, lines: after, table, declared, .. } in &source.writes {
        match runs.last_mut() {
            Some(run) if run.table == *table && !each_write && declared.is_none() && run.declared.is_none() => {
                run.range.end = *end;
            }
            _ => runs.push(Run { range: start..*end, lines, table: *table, declared: declared.clone() }),
        }
        (start, lines) = (*end, *after);
    }
    runs
}

/// Cuts a range at record borders.
fn cut(bytes: &[u8], range: Range<usize>, format: &Format, limits: &Limits) -> Vec<Range<usize>> {
    let mut cutter = cutter(format, limits);
    let (mut start, mut room) = (range.start, PIECE);
    let mut ranges = Vec::new();
    while start < range.end {
        let end = range.end.min(start + room);
        match cutter.cut(&bytes[start..end], end == range.end) {
            // A record that is longer than this: look further.
            0 if end < range.end => room *= 2,
            0 => {
                ranges.push(start..range.end);
                start = range.end;
            }
            len => {
                ranges.push(start..start + len);
                (start, room) = (start + len, PIECE);
            }
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(writes: &[(&str, u64, usize)]) -> Buffer {
        let mut buffer = Buffer::default();
        for (bytes, position, table) in writes {
            buffer.add_source("a", None);
            buffer.push("a", bytes.as_bytes(), *position, *table);
        }
        buffer
    }

    #[test]
    fn pieces_are_whole_records_and_csv_never_reads_over_a_writes_border() {
        let line = format!("{{\"a\":\"{}\"}}\n", "x".repeat(1000));
        let many = line.repeat(1000);
        let big = buffer(&[(&many, 1, 0), (&line, 2, 0)]);
        let pieces = big.pieces(&Format::Ndjson, &Limits::default());
        assert!(pieces.len() > 2);
        let whole: Vec<u8> = pieces.iter().flat_map(|piece| big.chunk(piece).data().to_vec()).collect();
        assert_eq!(whole.len(), many.len() + line.len());
        let lines: Vec<u64> = pieces.iter().map(|piece| big.chunk(piece).first_line).collect();
        let pieces_end_with_lines = pieces.iter().all(|piece| big.chunk(piece).data().ends_with(b"\n"));
        assert!(pieces_end_with_lines && lines.windows(2).all(|pair| pair[0] < pair[1]));

        let csv = Format::Csv(crate::records::Layout { columns: vec!["a".into()], ..Default::default() });
        let torn = buffer(&[("\"open\n", 1, 0), ("1\n2\n", 2, 0)]);
        let pieces = torn.pieces(&csv, &Limits::default());
        assert_eq!(torn.chunk(pieces.last().unwrap()).data().len() + torn.chunk(&pieces[0]).data().len(), 10);
        assert_eq!(torn.chunk(&pieces[0]).data(), b"\"open\n");
    }

    #[test]
    fn writes_for_different_tables_are_never_in_one_piece() {
        let mixed = buffer(&[("{}\n", 1, 0), ("{}\n{}\n", 2, 1), ("{}", 3, 1), ("{}\n", 4, 0)]);
        let pieces = mixed.pieces(&Format::Ndjson, &Limits::default());
        let shape: Vec<_> = pieces.iter().map(|piece| (piece.table, piece.range.clone(), piece.lines)).collect();
        assert_eq!(shape, [(0, 0..3, 0), (1, 3..12, 1), (0, 12..15, 4)]);
    }
}

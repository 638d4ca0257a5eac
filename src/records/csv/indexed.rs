//! The fast way through a chunk whose quotes are regular: by an index of all separators.
//!
//! It gives what the way cell by cell gives; the tests compare them.

use super::is_blank_line;
use super::rows::Rows;
use crate::records::NodeId;
use crate::records::PathTable;
use crate::records::format::{Escape, LineEnd};
use crate::records::reader::Limits;
use crate::records::record::{Bad, Fault, Field, Kind, Sink};
use crate::simd::{Separators, separators};
use crate::source::Chunk;

/// What is known of the row that is being read.
struct Row {
    start: usize,
    line: u64,
    cells: usize,
    surplus: bool,
    quoted: bool,
}

impl Row {
    fn at(start: usize, line: u64) -> Self {
        Row { start, line, cells: 0, surplus: false, quoted: false }
    }
}

impl Rows {
    /// Reads the rows of a chunk from `start` on, which is on line `line`. False, and nothing is read, if the chunk
    /// is not regular. Its UTF-8 and NULs must have been checked.
    pub(super) fn read_indexed(
        &mut self,
        chunk: &Chunk,
        start: usize,
        line: u64,
        paths: &PathTable,
        limits: &Limits,
        sink: &mut impl Sink,
    ) -> bool {
        let data = chunk.data();
        let Some(of) = self.separators() else { return false };
        let mut positions = std::mem::take(&mut self.positions);
        positions.clear();
        let regular = separators(&data[start..], of, &mut positions);
        if regular {
            let mut row = Row::at(start, line);
            self.fields.clear();
            let mut at = start;
            for position in &positions {
                let end = start + *position as usize;
                if data[end] == of.delimiter {
                    self.push_cell(data, at, end, of.quote, &mut row);
                } else {
                    let stop = end - usize::from(end > row.start && data[end - 1] == b'\r');
                    self.push_cell(data, at, stop.max(at), of.quote, &mut row);
                    self.finish(chunk, &row, stop, paths, limits, sink);
                    let inner = if row.quoted { memchr::memchr_iter(b'\n', &data[row.start..end]).count() } else { 0 };
                    row = Row::at(end + 1, row.line + 1 + inner as u64);
                }
                at = end + 1;
            }
            if row.start < data.len() {
                let stop = data.len() - usize::from(data.ends_with(b"\r"));
                self.push_cell(data, at, stop.max(at), of.quote, &mut row);
                self.finish(chunk, &row, stop, paths, limits, sink);
            }
        }
        self.positions = positions;
        regular
    }

    fn separators(&self) -> Option<Separators> {
        #[cfg(test)]
        if self.plain {
            return None;
        }
        let simple = self.dialect.escape == Escape::Doubled && self.dialect.line_end == LineEnd::Newline;
        let quote = self.dialect.quote.filter(|_| simple)?;
        Some(Separators { delimiter: self.dialect.delimiter, quote, line_end: b'\n' })
    }

    #[inline]
    fn push_cell(&mut self, data: &[u8], start: usize, end: usize, quote: u8, row: &mut Row) {
        let quoted = end > start && data[start] == quote;
        match self.columns.get(row.cells) {
            Some(node) => self.fields.push(field(*node, data, start, end, quoted, quote)),
            None => row.surplus |= end > start,
        }
        row.quoted |= quoted;
        row.cells += 1;
    }

    /// Hands over the row that ends before `stop`.
    #[inline]
    fn finish(
        &mut self,
        chunk: &Chunk,
        row: &Row,
        stop: usize,
        paths: &PathTable,
        limits: &Limits,
        sink: &mut impl Sink,
    ) {
        let data = chunk.data();
        let text = &data[row.start..stop.max(row.start)];
        if row.cells > 1 || !is_blank_line(text) {
            let place = (chunk.source, chunk.offset + row.start as u64, row.line);
            let fault = match text.len() > limits.max_record_bytes {
                true => Err(Fault::TooLong),
                false => self.check_count(row.cells, row.surplus),
            };
            match fault {
                Ok(()) => sink.record(paths, &self.record(data, (row.start, row.start + text.len()), place)),
                Err(fault) => sink.bad(&Bad { raw: text, source: place.0, offset: place.1, line: place.2, fault }),
            }
        }
        self.fields.clear();
    }
}

#[inline]
fn field(node: NodeId, data: &[u8], start: usize, end: usize, quoted: bool, quote: u8) -> Field {
    if !quoted {
        return Field { node, kind: Kind::Cell, start: start as u32, end: end as u32 };
    }
    let escaped = memchr::memchr(quote, &data[start + 1..end - 1]).is_some();
    let kind = if escaped { Kind::EscapedQuoted } else { Kind::Quoted };
    Field { node, kind, start: start as u32 + 1, end: end as u32 - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::ROOT;
    use crate::records::format::{Dialect, Layout};
    use crate::records::record::Record;
    use proptest::prelude::*;

    /// All that a sink is told, as text.
    #[derive(Default)]
    struct Told(Vec<String>);

    impl Sink for Told {
        fn record(&mut self, _: &PathTable, record: &Record<'_>) {
            self.0.push(format!("{record:?}"));
        }

        fn bad(&mut self, bad: &Bad<'_>) {
            self.0.push(format!("{bad:?}"));
        }
    }

    fn told(text: &str, columns: u32, plain: bool) -> Vec<String> {
        let layout = Layout { dialect: Dialect::default(), ..Layout::default() };
        let mut rows = Rows::new(&layout, (ROOT..columns).collect());
        rows.plain = plain;
        let mut told = Told::default();
        rows.read(&Chunk::new(text.as_bytes()), &PathTable::default(), &Limits::default(), &mut told);
        told.0
    }

    #[test]
    fn the_indexed_way_is_taken_where_quotes_are_regular() {
        let mut rows = Rows::new(&Layout::default(), vec![ROOT, 1]);
        let paths = PathTable::default();
        for (text, regular) in [("a,\"b\"\n", true), ("a,b\"\n", false)] {
            let chunk = Chunk::new(text.as_bytes());
            let taken = rows.read_indexed(&chunk, 0, 1, &paths, &Limits::default(), &mut Told::default());
            assert_eq!(taken, regular, "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn the_indexed_way_gives_what_the_plain_way_gives(
            cells in proptest::collection::vec("(|x|12.5|\"\"|\"a\"|\"a,b\"|\"a\"\"b\"|\"c\n\"|\"c\r\nd\"|é|\r|x\"y|\"x\"y)(,|,|\n|\r\n|\r\r\n|\n\n)", 0..40),
            columns in 1u32..5,
            tail in "(|x|\"q\"|\r)",
        ) {
            let text = cells.concat() + &tail;
            prop_assert_eq!(told(&text, columns, false), told(&text, columns, true));
        }
    }
}

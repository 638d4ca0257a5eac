//! The fast way through a chunk whose quotes are regular: by an index of all separators.
//!
//! It gives what the way cell by cell gives; the tests compare them.

use super::is_blank_line;
use super::rows::Rows;
use super::tile::Tile;
use crate::records::NodeId;
use crate::records::PathTable;
use crate::records::format::{Dialect, Escape, LineEnd};
use crate::records::reader::Limits;
use crate::records::record::{Bad, Fault, Field, Kind, Sink};
use crate::simd::{Index, Separators, Spans};
use crate::source::{BACK_PAD, FRONT_PAD};

/// Fewer rows than this are not worth a tile.
const FEW: usize = 8;

/// Text that begins with a row, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    /// With a chunk's padding around it.
    pub(super) padded: &'a [u8],
    pub(super) source: u32,
    pub(super) offset: u64,
    pub(super) line: u64,
}

impl<'a> Text<'a> {
    pub(super) fn bytes(&self) -> &'a [u8] {
        &self.padded[FRONT_PAD..self.padded.len() - BACK_PAD]
    }
}

/// What of a dialect can be indexed: quotes that are doubled, or none, and lines that end in `\n`.
pub(super) fn separators(dialect: &Dialect) -> Option<Separators> {
    let simple = dialect.escape == Escape::Doubled || dialect.quote.is_none();
    let Dialect { delimiter, quote, .. } = *dialect;
    (simple && dialect.line_end == LineEnd::Newline).then_some(Separators { delimiter, quote, line_end: b'\n' })
}

impl Rows {
    /// Reads the rows of a text by its index, in tiles where rows have one cell for each column.
    pub(super) fn read_indexed(
        &mut self,
        text: Text<'_>,
        index: &mut Index,
        paths: &PathTable,
        limits: &Limits,
        sink: &mut impl Sink,
    ) {
        end_last_row(index, text.bytes().len());
        let can_be_long = text.bytes().len() > limits.max_record_bytes;
        let columns = std::mem::take(&mut self.columns);
        let (mut row, mut cell, mut line) = (0, 0, text.line);
        while row < index.rows.len() {
            let rows = match can_be_long {
                true => 0,
                false => regular_rows(&index.rows[row..], cell, columns.len()),
            };
            let last = if rows > 0 { cell + rows * columns.len() } else { index.rows[row] as usize };
            let ends = &index.ends[cell..=last];
            let spans = if rows > 0 { Spans::new(text.padded, ends, columns.len()) } else { None };
            let step = if spans.is_some() { rows } else { 1 };
            match spans {
                Some(spans) => {
                    let Text { source, offset, .. } = text;
                    let (columns, dialect, returns) = (&columns, &self.dialect, index.returns);
                    let (quotes, inner_lines) = (&index.quotes, &index.inner_lines);
                    sink.tile(
                        paths,
                        &Tile { spans, columns, quotes, inner_lines, returns, dialect, offset, source, line },
                    );
                }
                None => self.read_row(&Text { line, ..text }, ends, &columns, paths, limits, sink),
            }
            let (from, to) = (ends[0].wrapping_add(1), ends[ends.len() - 1]);
            line += (step + index.inner_lines.between(from as usize, to as usize) as usize) as u64;
            row += step;
            cell = last;
        }
        self.columns = columns;
    }

    /// Reads one row, whose first line is the text's.
    fn read_row(
        &mut self,
        text: &Text<'_>,
        ends: &[u32],
        columns: &[NodeId],
        paths: &PathTable,
        limits: &Limits,
        sink: &mut impl Sink,
    ) {
        let data = text.bytes();
        let row = &data[ends[0].wrapping_add(1) as usize..ends[ends.len() - 1] as usize];
        let start = ends[0].wrapping_add(1) as usize;
        let row = row.strip_suffix(b"\r").unwrap_or(row);
        let stop = start + row.len();
        let found = ends.len() - 1;
        if found == 1 && is_blank_line(row) {
            return;
        }
        let mut surplus = false;
        self.fields.clear();
        for (i, cell) in ends.windows(2).enumerate() {
            let (from, to) = (cell[0].wrapping_add(1) as usize, (cell[1] as usize).min(stop));
            match columns.get(i) {
                Some(node) => self.fields.push(field(*node, data, from, to, self.dialect.quote)),
                // An empty cell too many holds nothing where rows end in a delimiter.
                None => surplus |= to > from,
            }
        }
        let place = (text.source, text.offset + start as u64, text.line);
        let fault = match row.len() > limits.max_record_bytes {
            true => Err(Fault::TooLong),
            false => self.check_count(columns.len(), found, surplus),
        };
        match fault {
            Ok(()) => sink.record(paths, &self.record(data, (start, stop), place)),
            Err(fault) => sink.bad(&Bad { raw: row, source: place.0, offset: place.1, line: place.2, fault }),
        }
    }
}

/// Gives a last row without a line end the end of the text as its own.
fn end_last_row(index: &mut Index, len: usize) {
    let whole = index.rows.last().map_or(0, |cells| *cells as usize);
    if (index.ends[whole].wrapping_add(1) as usize) < len {
        index.ends.push(len as u32);
        index.rows.push(index.ends.len() as u32 - 1);
    }
}

/// How many of the rows that begin at cell `before` have one cell for each column. A line with one cell may be blank,
/// which is no row, so a table of one column has none of them.
fn regular_rows(rows: &[u32], before: usize, columns: usize) -> usize {
    let rows = &rows[..rows.len().min(Tile::MAX_ROWS)];
    if columns < 2 || rows.is_empty() {
        return 0;
    }
    // Of rows that are all alike, as nearly always, many are compared at a time.
    let wanted = |nth: usize| before + (nth + 1) * columns;
    let is_regular = |(nth, cells): (usize, &u32)| *cells as usize == wanted(nth);
    let all = rows.iter().enumerate().fold(true, |all, (nth, cells)| all & (*cells == wanted(nth) as u32));
    let regular = if all { rows.len() } else { rows.iter().enumerate().take_while(|row| is_regular(*row)).count() };
    if regular < FEW { 0 } else { regular }
}

fn field(node: NodeId, data: &[u8], start: usize, end: usize, quote: Option<u8>) -> Field {
    let Some(quote) = quote.filter(|quote| end > start && data[start] == *quote) else {
        return Field { node, kind: Kind::Cell, start: start as u32, end: end as u32 };
    };
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
    use crate::source::Chunk;
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
        let mut rows = Rows::new(&layout, (ROOT..columns).collect(), plain);
        let mut told = Told::default();
        rows.read(&Chunk::new(text.as_bytes()), &PathTable::default(), &Limits::default(), &mut told);
        told.0
    }

    #[test]
    fn the_indexed_way_is_taken_where_quotes_are_regular() {
        let rows = Rows::new(&Layout::default(), vec![ROOT, 1], false);
        for (text, regular) in [("a,\"b\"\n", true), ("a,b\"\n", false)] {
            assert_eq!(rows.clean(text.as_bytes(), &mut Index::default()).regular, regular, "{text:?}");
        }
    }

    #[test]
    fn tiles_are_made_of_rows_that_are_as_long_as_the_header() {
        #[derive(Default)]
        struct Sizes(Vec<usize>);
        impl Sink for Sizes {
            fn record(&mut self, _: &PathTable, _: &Record<'_>) {
                self.0.push(1);
            }

            fn bad(&mut self, _: &Bad<'_>) {
                self.0.push(0);
            }

            fn tile(&mut self, _: &PathTable, tile: &Tile<'_>) {
                self.0.push(tile.rows());
            }
        }
        let mut rows = Rows::new(&Layout::default(), vec![ROOT, 1], false);
        let text = format!("{}1,2,3\n{}\n1\n{}1,2", "1,2\n".repeat(9), "\"a\nb\",2\r\n".repeat(200), "3,\n".repeat(3));
        let mut sizes = Sizes::default();
        rows.read(&Chunk::new(text.as_bytes()), &PathTable::default(), &Limits::default(), &mut sizes);
        assert_eq!(sizes.0, [9, 0, 128, 72, 0, 1, 1, 1, 1]);
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        /// Tables with a row now and then that is none.
        #[test]
        fn tiles_give_what_the_plain_way_gives(
            rows in proptest::collection::vec(
                ("(|x|12.5|\"\"|\"a\"|\"a,b\"|\"a\"\"b\"|\"c\n\"|é)", "(|\r|y|\"\"|\"d\"\"\"|\"e\r\n\")", "(\n|\n|\n|\r\n|,z\n|\n\n|,\r\n)"),
                0..200,
            ),
            irregular in 0usize..400,
        ) {
            let mut text: String = rows.iter().map(|(a, b, end)| format!("{a},{b}{end}")).collect();
            let place = text.char_indices().nth(irregular).map(|(at, _)| at);
            prop_assert_eq!(told(&text, 2, false), told(&text, 2, true));
            if let Some(at) = place {
                text.insert(at, '"');
                prop_assert_eq!(told(&text, 2, false), told(&text, 2, true));
            }
        }
    }
}

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
use crate::simd::{Index, Marks, Separators, Spans};
use crate::source::{BACK_PAD, FRONT_PAD};

/// Fewer rows than this are not worth a tile.
const FEW: usize = 8;

/// Text that begins with a row, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    /// With a chunk's padding around it.
    pub(super) padded: &'a [u8],
    /// Without it, if it is known to be UTF-8 and not only ASCII.
    pub(super) utf8: Option<&'a str>,
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
        let data = text.bytes();
        end_last_row(&mut index.ends, data);
        let can_be_long = data.len() > limits.max_record_bytes;
        let columns = std::mem::take(&mut self.columns);
        let (mut cell, mut line) = (0, text.line);
        while cell + 1 < index.ends.len() {
            let ends = &index.ends[cell..];
            let rows = if can_be_long { 0 } else { regular_rows(data, ends, index.marks(), columns.len()) };
            let tiled = &ends[..=rows * columns.len()];
            let spans = if rows > 0 { Spans::new(text.padded, tiled, columns.len()) } else { None };
            let ends = match spans {
                Some(spans) => {
                    let Text { source, offset, utf8, .. } = text;
                    let (columns, dialect) = (&columns, &self.dialect);
                    let (marks, returns) = (index.marks(), index.look.returns);
                    sink.tile(paths, &Tile { spans, columns, marks, utf8, returns, dialect, offset, source, line });
                    tiled
                }
                None => {
                    let ends = &ends[..=cells_of_row(data, ends)];
                    self.read_row(&Text { line, ..text }, ends, &columns, paths, limits, sink);
                    ends
                }
            };
            cell += ends.len() - 1;
            let (from, to) = (ends[0].wrapping_add(1) as usize, ends[ends.len() - 1] as usize);
            line += 1 + index.marks().lines(data, b'\n', from, to);
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
fn end_last_row(ends: &mut Vec<u32>, data: &[u8]) {
    let last = ends[ends.len() - 1];
    // Behind a delimiter there is always a cell.
    let is_open = match data.get(last as usize) {
        Some(end) if *end != b'\n' => true,
        _ => (last.wrapping_add(1) as usize) < data.len(),
    };
    if is_open {
        ends.push(data.len() as u32);
    }
}

/// Whether this end of a cell ends its row.
#[inline(always)]
fn ends_row(data: &[u8], end: u32) -> bool {
    data.get(end as usize).is_none_or(|byte| *byte == b'\n')
}

/// How many cells the row has that begins behind the first of `ends`.
fn cells_of_row(data: &[u8], ends: &[u32]) -> usize {
    let cells = ends[1..].iter().position(|end| ends_row(data, *end));
    cells.map_or(ends.len() - 1, |last| last + 1)
}

/// How many of the rows that begin behind the first of `ends` have one cell for each column. A line with one cell may be
/// blank, which is no row, so a table of one column has none of them.
fn regular_rows(data: &[u8], ends: &[u32], marks: Marks<'_>, columns: usize) -> usize {
    if columns < 2 {
        return 0;
    }
    let (first, cells) = (ends[0].wrapping_add(1) as usize, &ends[1..]);
    let last_cells = cells.chunks_exact(columns).take(Tile::MAX_ROWS).map(|row| row[columns - 1]);
    let rows = last_cells.take_while(|end| ends_row(data, *end)).count();
    // If there are no more row ends than that in so many cells, none of them is within a row.
    let behind = if rows == 0 { first } else { cells[rows * columns - 1] as usize + 1 };
    let ended = marks.row_ends(first, behind) as usize + usize::from(behind > data.len());
    let regular = match ended == rows {
        true => rows,
        false => {
            let is_short = |row: &[u32]| row[..columns - 1].iter().any(|end| ends_row(data, *end));
            cells.chunks_exact(columns).take(rows).take_while(|row| !is_short(row)).count()
        }
    };
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
    use crate::source::{Chunk, Notes};
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
        rows.read(&mut Chunk::new(text.as_bytes()), &PathTable::default(), &Limits::default(), &mut told);
        told.0
    }

    #[test]
    fn the_indexed_way_is_taken_where_quotes_are_regular() {
        let rows = Rows::new(&Layout::default(), vec![ROOT, 1], false);
        for (text, regular) in [("a,\"b\"\n", true), ("a,b\"\n", false)] {
            let clean = rows.clean(text.as_bytes(), &mut Notes::default(), &mut Index::default());
            assert_eq!(clean.regular, regular, "{text:?}");
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
        rows.read(&mut Chunk::new(text.as_bytes()), &PathTable::default(), &Limits::default(), &mut sizes);
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

//! The cells of each row.

use super::cut::noted;
use super::indexed::{Text, separators};
use super::runaway::{Runaway, Settled};
use super::{cell_end, closing_quote, is_blank_line, line_end};
use crate::records::format::{Dialect, Layout};
use crate::records::paths::NodeId;
use crate::records::reader::Limits;
use crate::records::record::{Bad, Fault, Field, Kind, Record, Sink};
use crate::records::{PathTable, ROOT};
use crate::simd::{Index, Separators};
use crate::source::{Chunk, Notes};

/// Reads chunks of CSV.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(super) dialect: Dialect,
    body: u64,
    pub(super) columns: Vec<NodeId>,
    /// Cells that a row may have, the empty ones behind the header's last included.
    widest: usize,
    pub(super) fields: Vec<Field>,
    /// Where cells and rows end, for the indexed way.
    index: Index,
    /// Whether rows are always read cell by cell.
    plain: bool,
}

/// A row's bytes and what is known of them.
struct Row {
    start: usize,
    /// Behind its line end.
    end: usize,
    /// Whether it is a row, or a line that opens a quote and never closes it.
    whole: bool,
}

impl Rows {
    /// Makes a reader of one input; `columns` are the paths of its cells. A plain one takes no shortcut.
    pub(crate) fn new(layout: &Layout, columns: Vec<NodeId>, plain: bool) -> Self {
        let widest = columns.len() + layout.surplus as usize;
        Rows {
            dialect: layout.dialect,
            body: layout.body,
            columns,
            widest,
            fields: Vec::new(),
            index: Index::default(),
            plain,
        }
    }

    /// Reads every row of a chunk that stands behind the header. Blank lines are nothing. What was noted of the chunk is
    /// used up.
    pub(crate) fn read(&mut self, chunk: &mut Chunk, paths: &PathTable, limits: &Limits, sink: &mut impl Sink) {
        let start = usize::try_from(self.body.saturating_sub(chunk.offset)).unwrap_or(usize::MAX).min(chunk.len());
        let (mut notes, mut index) = (std::mem::take(&mut chunk.notes), std::mem::take(&mut self.index));
        // They are of whole chunks.
        notes.filled &= start == 0;
        let data = chunk.data();
        let clean = self.clean(&data[start..], &mut notes, &mut index);
        let line = chunk.first_line + self.lines(&data[..start]);
        if clean.regular && clean.utf8 && clean.nul {
            let (padded, offset) = (&chunk.buffer[start..], chunk.offset + start as u64);
            let text = Text { padded, utf8: clean.text, source: chunk.source, offset, line };
            self.read_indexed(text, &mut index, paths, limits, sink);
        } else {
            self.read_plainly(chunk, (start, line), &clean, limits, |row| match row {
                Ok(record) => sink.record(paths, record),
                Err(bad) => sink.bad(bad),
            });
        }
        (self.index, chunk.notes) = (index, notes);
    }

    /// Reads rows cell by cell, from a position and its line on.
    fn read_plainly(
        &mut self,
        chunk: &Chunk,
        (mut start, mut line): (usize, u64),
        clean: &Clean<'_>,
        limits: &Limits,
        mut take: impl FnMut(Result<&Record<'_>, &Bad<'_>>),
    ) {
        let data = chunk.data();
        let mut runaway = Runaway::default();
        while start < data.len() {
            let row = match runaway.settle(data, start, &self.dialect, limits.max_record_bytes) {
                Settled::Row(end) => Row { start, end, whole: true },
                Settled::Line(end) => Row { start, end, whole: false },
                // The input ends here: a last row without a line end, or a quote that stays open.
                Settled::Open { in_quotes: false } => Row { start, end: data.len(), whole: true },
                Settled::Open { in_quotes: true } => {
                    Row { start, end: line_end(data, start, &self.dialect), whole: false }
                }
            };
            let text = self.without_line_end(&data[row.start..row.end]);
            if !is_blank_line(text) {
                let place = (chunk.source, chunk.offset + start as u64, line);
                let cells = match text.len() > limits.max_record_bytes {
                    true => Err(Fault::TooLong),
                    false => self.cells(data, row.start, row.start + text.len(), &row, clean),
                };
                match cells {
                    Ok(()) => take(Ok(&self.record(data, (row.start, row.start + text.len()), place))),
                    Err(fault) => take(Err(&Bad { raw: text, source: place.0, offset: place.1, line: place.2, fault })),
                }
            }
            line += self.lines(&data[row.start..row.end]);
            start = row.end;
        }
    }

    /// What is known of a text by one look at all of it, which may be noted already. Makes its index if there can be one.
    pub(super) fn clean<'a>(&self, text: &'a [u8], notes: &mut Notes, index: &mut Index) -> Clean<'a> {
        let utf8 = || simdutf8::basic::from_utf8(text).ok();
        let Some(of) = self.separators() else {
            let text_or_none = utf8();
            let (utf8, nul) = (text_or_none.is_some(), memchr::memchr(0, text).is_none());
            return Clean { utf8, nul, regular: false, text: text_or_none };
        };
        match noted(notes) {
            Some(look) => index.load(look, &mut notes.blocks, text.len()),
            None => index.fill(text, of),
        }
        notes.filled = false;
        let look = index.look;
        let text = if look.ascii { None } else { utf8() };
        Clean { utf8: look.ascii || text.is_some(), nul: !look.nul, regular: look.regular && !look.open, text }
    }

    fn separators(&self) -> Option<Separators> {
        if self.plain { None } else { separators(&self.dialect) }
    }

    pub(super) fn lines(&self, text: &[u8]) -> u64 {
        memchr::memchr_iter(self.dialect.terminator(), text).count() as u64
    }

    fn without_line_end<'a>(&self, row: &'a [u8]) -> &'a [u8] {
        let row = row.strip_suffix(&[self.dialect.terminator()]).unwrap_or(row);
        row.strip_suffix(b"\r").unwrap_or(row)
    }

    /// Takes a row apart into cells.
    fn cells(&mut self, data: &[u8], start: usize, end: usize, row: &Row, clean: &Clean<'_>) -> Result<(), Fault> {
        let text = &data[start..end];
        if !clean.utf8 && std::str::from_utf8(text).is_err() {
            return Err(Fault::InvalidUtf8);
        }
        if !clean.nul && memchr::memchr(0, text).is_some() {
            return Err(Fault::Nul);
        }
        if !row.whole {
            return Err(Fault::UnclosedQuote);
        }
        self.fields.clear();
        let data = &data[..end];
        let (mut at, mut found, mut surplus) = (start, 0, false);
        loop {
            let (field, next) = self.cell(data, at);
            match self.columns.get(found) {
                Some(node) => self.fields.push(Field { node: *node, ..field }),
                // An empty cell too many holds nothing where rows end in a delimiter.
                None => surplus |= field.end > field.start || field.kind != Kind::Cell,
            }
            found += 1;
            if next >= data.len() {
                break;
            }
            at = next + 1;
        }
        self.check_count(self.columns.len(), found, surplus)
    }

    /// Whether a row has as many cells as the header. A surplus is cells too many that hold something.
    pub(super) fn check_count(&self, expected: usize, found: usize, surplus: bool) -> Result<(), Fault> {
        if found < expected || found > self.widest || surplus {
            return Err(Fault::CellCount { found: found as u32, expected: expected as u32 });
        }
        Ok(())
    }

    /// The cell at `at`, and the position of the delimiter behind it (or the end of the row).
    fn cell(&self, row: &[u8], at: usize) -> (Field, usize) {
        let field = |kind, from: usize, to: usize| Field { node: ROOT, kind, start: from as u32, end: to as u32 };
        let quote = self.dialect.quote.filter(|quote| row.get(at) == Some(quote));
        let close = quote.and_then(|quote| closing_quote(row, at + 1, quote, self.dialect.escape));
        let Some(close) = close else {
            let end = cell_end(row, at, &self.dialect);
            return (field(Kind::Cell, at, end), end);
        };
        let end = self.tail_end(row, close.at + 1);
        if end > close.at + 1 {
            return (field(Kind::EscapedQuoted, at + 1, end), end);
        }
        let kind = if close.escaped { Kind::EscapedQuoted } else { Kind::Quoted };
        (field(kind, at + 1, close.at), end)
    }

    /// Where a cell with text behind its closing quote ends.
    fn tail_end(&self, row: &[u8], from: usize) -> usize {
        memchr::memchr(self.dialect.delimiter, &row[from..]).map_or(row.len(), |found| from + found)
    }

    pub(super) fn record<'a>(&'a self, data: &'a [u8], span: (usize, usize), place: (u32, u64, u64)) -> Record<'a> {
        Record {
            bytes: data,
            fields: &self.fields,
            span: (span.0 as u32, span.1 as u32),
            source: place.0,
            offset: place.1,
            line: place.2,
            overwritten: &[],
            beyond: &[],
            dialect: Some(&self.dialect),
        }
    }
}

/// What is known of a whole chunk, so that most rows need no look of their own.
pub(super) struct Clean<'a> {
    /// All of it is UTF-8.
    pub(super) utf8: bool,
    /// It as a text, if more was looked at for that than whether it is ASCII.
    pub(super) text: Option<&'a str>,
    /// None of it is NUL.
    pub(super) nul: bool,
    /// Its index can be gone by.
    pub(super) regular: bool,
}

//! Some rows of CSV side by side, to be worked on column by column.

use crate::records::format::Dialect;
use crate::records::paths::NodeId;
use crate::records::record::{Field, Kind, Record};
use crate::simd::{Marks, Spans, Word, Words};
use crate::source::{BACK_PAD, FRONT_PAD};
use std::borrow::Cow;

/// Rows that follow each other in one CSV input and have one cell for each column.
///
/// Whoever works on one column after the other does not ask anew for each cell what it may be. Positions count in
/// [`Tile::text`].
#[derive(Debug, Clone, Copy)]
pub struct Tile<'a> {
    pub(super) spans: Spans<'a>,
    pub(super) columns: &'a [NodeId],
    pub(super) marks: Marks<'a>,
    /// The text, if it was checked to be UTF-8 by more than that it is ASCII.
    pub(super) utf8: Option<&'a str>,
    /// Whether there may be `\r` before line ends.
    pub(super) returns: bool,
    pub(super) dialect: &'a Dialect,
    /// Of the text's first byte in the input.
    pub(super) offset: u64,
    pub(super) source: u32,
    /// Of the first row.
    pub(super) line: u64,
}

/// What is at `i` in a tile's text is at `i + PAD` in its padded text.
pub(crate) const PAD: usize = FRONT_PAD;

impl<'a> Tile<'a> {
    /// The most rows that a tile has.
    pub const MAX_ROWS: usize = crate::simd::LANES;

    /// How many rows there are, at least one.
    pub fn rows(&self) -> usize {
        self.spans.rows()
    }

    /// The paths of the columns, from left to right.
    pub fn columns(&self) -> &'a [NodeId] {
        self.columns
    }

    /// The bytes that positions count in.
    pub fn text(&self) -> &'a [u8] {
        &self.padded()[FRONT_PAD..self.padded().len() - BACK_PAD]
    }

    /// Index of the input within its source.
    pub fn source(&self) -> u32 {
        self.source
    }

    /// Byte offset of a row in the input.
    pub fn offset(&self, row: usize) -> u64 {
        self.offset + self.start(row, 0) as u64
    }

    /// Physical line of a row, from 1.
    pub fn line(&self, row: usize) -> u64 {
        self.line + self.marks.lines(self.text(), self.dialect.terminator(), self.start(0, 0), self.start(row, 0))
    }

    /// The cell of a row and a column, both from 0.
    pub fn cell(&self, row: usize, column: usize) -> Field {
        let (start, end) = self.span(row, column);
        let node = self.columns[column];
        if !self.is_quoted(start, end) {
            return Field { node, kind: Kind::Cell, start: start as u32, end: end as u32 };
        }
        let escaped = self.marks.quotes(start + 1, end - 1) > 0;
        let kind = if escaped { Kind::EscapedQuoted } else { Kind::Quoted };
        Field { node, kind, start: start as u32 + 1, end: end as u32 - 1 }
    }

    /// Byte offset of a cell's value in the input.
    pub(crate) fn value_offset(&self, cell: &Field) -> u64 {
        self.offset + u64::from(cell.start)
    }

    /// A row as a record. Its fields are put into `fields`, whose memory is used again.
    pub fn record<'b>(&'b self, row: usize, fields: &'b mut Vec<Field>) -> Record<'b> {
        fields.clear();
        fields.extend((0..self.columns.len()).map(|column| self.cell(row, column)));
        self.record_of(row, fields)
    }

    /// Hands over the rows as records, one by one.
    pub fn each_record(&self, mut take: impl FnMut(&Record<'_>)) {
        let mut fields = Vec::with_capacity(self.columns.len());
        for row in 0..self.rows() {
            take(&self.record(row, &mut fields));
        }
    }

    /// A cell's value as text, without quotes and escapes.
    pub fn value(&self, cell: &Field) -> Cow<'a, [u8]> {
        let raw = &self.text()[cell.start as usize..cell.end as usize];
        match cell.kind {
            Kind::EscapedQuoted => Cow::Owned(super::unescape(raw, Some(self.dialect))),
            _ => Cow::Borrowed(raw),
        }
    }

    /// A row as a record of these fields of it.
    fn record_of<'b>(&'b self, row: usize, fields: &'b [Field]) -> Record<'b> {
        let end = self.span(row, self.columns.len() - 1).1;
        Record {
            bytes: self.text(),
            fields,
            span: (self.start(row, 0) as u32, end as u32),
            source: self.source,
            offset: self.offset(row),
            line: self.line(row),
            overwritten: &[],
            beyond: &[],
            dialect: Some(self.dialect),
        }
    }

    /// The rows from `from` on, `count` of them, as a tile of their own.
    pub(crate) fn part(&self, from: usize, count: usize) -> Tile<'a> {
        Tile { spans: self.spans.part(from, count), line: self.line(from), ..*self }
    }

    /// A record that all cells of the tile can be read by, though it names none of them.
    pub(crate) fn cells(&self) -> Record<'_> {
        self.record_of(0, &[])
    }

    /// The text with [`PAD`] bytes in front of it and 64 behind it that may be read too.
    pub(crate) fn padded(&self) -> &'a [u8] {
        self.spans.padded()
    }

    /// The byte around quoted cells, if there are any.
    pub(crate) fn quote(&self) -> Option<u8> {
        self.dialect.quote.filter(|_| self.marks.may_be_quoted())
    }

    /// Where the quotes of the text are.
    pub(crate) fn marks(&self) -> Marks<'a> {
        self.marks
    }

    /// The text, if it is known to be UTF-8.
    pub(crate) fn utf8(&self) -> Option<&'a str> {
        self.utf8
    }

    /// Where the cells of a column begin and end, quotes included, from the first row to the last.
    #[inline(always)]
    pub(crate) fn spans(&self, column: usize) -> impl ExactSizeIterator<Item = (usize, usize)> {
        self.spans.column(column).map(move |span| self.without_return(column, span))
    }

    /// The cells, if those of a column are as the spans have them: none may be quoted, and no `\r` stands behind one.
    pub(crate) fn bare(&self, column: usize) -> Option<Spans<'a>> {
        (!self.marks.may_be_quoted() && !self.may_return(column)).then_some(self.spans)
    }

    /// Whether `\r` may stand behind a column's cells.
    #[inline(always)]
    fn may_return(&self, column: usize) -> bool {
        self.returns && column + 1 == self.columns.len()
    }

    /// Whether `\r` stands before this end of a cell.
    #[inline(always)]
    fn returns(&self, end: usize) -> bool {
        // Before the text is padding, so there is always a byte to look at.
        self.padded()[FRONT_PAD + end - 1] == b'\r'
    }

    /// A cell without its quotes, and whether there were some.
    #[inline(always)]
    pub(crate) fn unquoted(&self, (start, end): (usize, usize)) -> (usize, usize, bool) {
        match self.is_quoted(start, end) {
            true => (start + 1, end - 1, true),
            false => (start, end, false),
        }
    }

    /// The ends of a column's cells. A quoted cell is there without its quotes if it begins like a number, and else as
    /// one that is longer than any number.
    pub(crate) fn words<W: Word>(&self, column: usize, words: &mut Words<W>) {
        self.spans.words(column, words);
        let may_return = self.may_return(column);
        if !may_return && !self.marks.may_be_quoted() {
            return;
        }
        const WIDE: u32 = u32::MAX;
        // The eight bytes before a position of the text.
        let tail = |end: usize| match self.padded()[end + FRONT_PAD - 8..].first_chunk() {
            Some(tail) => u64::from_le_bytes(*tail),
            None => 0,
        };
        for (row, span) in self.spans(column).enumerate() {
            let (start, end, quoted) = self.unquoted(span);
            let like_a_number = !quoted || matches!(self.padded()[FRONT_PAD + start], b'0'..=b'9' | b'-');
            if quoted || may_return {
                let (tail, len) = if like_a_number { (tail(end), (end - start) as u32) } else { (0, WIDE) };
                (words.tails[row], words.lens[row]) = (W::of_tail(tail), W::of_len(len));
            }
        }
    }

    fn start(&self, row: usize, column: usize) -> usize {
        self.spans.span(row, column).0
    }

    /// Where a cell begins and ends, quotes included.
    #[inline(always)]
    pub(crate) fn span(&self, row: usize, column: usize) -> (usize, usize) {
        self.without_return(column, self.spans.span(row, column))
    }

    #[inline(always)]
    fn without_return(&self, column: usize, (start, end): (usize, usize)) -> (usize, usize) {
        (start, end - usize::from(self.may_return(column) && end > start && self.returns(end)))
    }

    #[inline(always)]
    fn is_quoted(&self, start: usize, end: usize) -> bool {
        end > start && self.quote() == Some(self.padded()[FRONT_PAD + start])
    }
}

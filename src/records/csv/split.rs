//! A small splitter of rows and cells, for looking at the head of an input.
//!
//! It follows the rules of the record reader: a quote opens a quoted cell only as the cell's first byte, inside a
//! doubled quote is one quote, and what stands behind the closing quote belongs to the cell. It keeps byte ranges, so
//! that nothing is copied until a header is named.

use super::super::format::{Dialect, Escape, LineEnd};
use memchr::{memchr, memchr2};

/// How far an open quote may run in a head that goes on behind it before its line is called bad instead of torn.
const RUNAWAY: usize = 64 << 10;

/// One cell as a byte range of the head, quotes included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    start: u32,
    end: u32,
    /// Where the closing quote stands; 0 when the cell is not quoted (a closing quote is never the first byte).
    close: u32,
}

impl Cell {
    /// The cell as it stands in the input.
    pub(super) fn raw<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        &head[self.start as usize..self.end as usize]
    }

    /// The cell without its quotes, blanks at the ends removed; quotes inside stay as they are written.
    pub(super) fn trimmed<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        let inner = if self.is_quoted() && !self.has_tail() {
            &head[self.start as usize + 1..self.close as usize]
        } else {
            self.raw(head)
        };
        inner.trim_ascii()
    }

    pub(super) fn is_quoted(&self) -> bool {
        self.close != 0
    }

    /// Whether text stands behind the closing quote, as in `"a"b`.
    pub(super) fn has_tail(&self) -> bool {
        self.is_quoted() && self.close + 1 != self.end
    }

    /// The cell's value: quotes removed, escapes undone.
    pub(super) fn decoded(&self, head: &[u8], dialect: &Dialect) -> String {
        let (Some(quote), true) = (dialect.quote, self.is_quoted()) else {
            return String::from_utf8_lossy(self.raw(head)).into_owned();
        };
        let inner = &head[self.start as usize + 1..self.close as usize];
        let mut value = Vec::with_capacity(inner.len());
        let mut bytes = inner.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            let next = bytes.peek().copied();
            let escaped = match dialect.escape {
                _ if byte == quote => next == Some(quote),
                Escape::Backslash => byte == b'\\' && (next == Some(quote) || next == Some(b'\\')),
                Escape::Doubled => false,
            };
            value.push(if escaped { bytes.next().unwrap_or(byte) } else { byte });
        }
        value.extend_from_slice(&head[self.close as usize + 1..self.end as usize]);
        String::from_utf8_lossy(&value).into_owned()
    }
}

/// One record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Offset of its first byte.
    pub(super) start: usize,
    /// Offset behind its line end.
    pub(super) end: usize,
    first: usize,
    cells: usize,
    /// It holds a quote that never closes, and was cut at the end of that line.
    pub(super) broken: bool,
}

/// The records of a head, in order, without blank lines.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: Vec<Row>,
    cells: Vec<Cell>,
}

impl Rows {
    pub(super) fn all(&self) -> &[Row] {
        &self.rows
    }

    pub(super) fn cells(&self, row: &Row) -> &[Cell] {
        &self.cells[row.first..row.first + row.cells]
    }
}

/// Splits at most `limit` records. A last record without a line end counts only if the head is `complete`.
pub(super) fn split(head: &[u8], complete: bool, dialect: &Dialect, limit: usize) -> Rows {
    let mut rows = Rows::default();
    let mut at = 0;
    while at < head.len() && rows.rows.len() < limit {
        let first = rows.cells.len();
        let outcome = record(head, at, dialect, &mut rows.cells);
        let (end, ended, broken) = match outcome {
            Outcome::Ended(end) => (end, true, false),
            Outcome::Input => (head.len(), false, false),
            Outcome::Unclosed(open) if complete || head.len() - open > RUNAWAY => {
                // Only the line of that quote is bad: read it as if the quote were a plain character.
                rows.cells.truncate(first);
                let (line, end) = unquoted_line(head, at, open, dialect);
                let plain = Dialect { quote: None, ..*dialect };
                record(&head[..line], at, &plain, &mut rows.cells);
                (end, true, true)
            }
            Outcome::Unclosed(_) => (head.len(), false, false),
        };
        if !ended && !complete {
            rows.cells.truncate(first);
            break;
        }
        let is_blank = matches!(&rows.cells[first..], [cell] if cell.raw(head).trim_ascii().is_empty());
        if is_blank {
            rows.cells.truncate(first);
        } else {
            rows.rows.push(Row { start: at, end, first, cells: rows.cells.len() - first, broken });
        }
        at = end;
    }
    rows
}

enum Outcome {
    /// The record ended at its line end; the offset is behind it.
    Ended(usize),
    /// The head ended first.
    Input,
    /// The quote at this offset is never closed.
    Unclosed(usize),
}

/// Reads one record at `at` and pushes its cells.
fn record(head: &[u8], at: usize, dialect: &Dialect, cells: &mut Vec<Cell>) -> Outcome {
    let mut start = at;
    loop {
        let mut from = start;
        let mut close = 0;
        if dialect.quote.is_some() && head.get(start).copied() == dialect.quote {
            let Some(at) = closing_quote(head, start, dialect) else { return Outcome::Unclosed(start) };
            close = at;
            from = at + 1;
        }
        let newline = match dialect.line_end {
            LineEnd::Newline => b'\n',
            LineEnd::CarriageReturn => b'\r',
        };
        let stop = memchr2(dialect.delimiter, newline, &head[from..]).map_or(head.len(), |i| from + i);
        let separator = head.get(stop).copied();
        let mut end = stop;
        if separator == Some(newline) && newline == b'\n' && end > from && head[end - 1] == b'\r' {
            end -= 1;
        }
        cells.push(Cell { start: start as u32, end: end as u32, close: close as u32 });
        match separator {
            Some(byte) if byte == newline => return Outcome::Ended(stop + 1),
            Some(_) => start = stop + 1,
            None => return Outcome::Input,
        }
    }
}

/// Finds the quote that closes the one at `open`.
fn closing_quote(head: &[u8], open: usize, dialect: &Dialect) -> Option<usize> {
    let quote = head[open];
    let mut at = open + 1;
    while at < head.len() {
        let found = match dialect.escape {
            Escape::Doubled => memchr(quote, &head[at..]),
            Escape::Backslash => memchr2(quote, b'\\', &head[at..]),
        };
        let hit = at + found?;
        if head[hit] == quote && head.get(hit + 1) != Some(&quote) {
            return Some(hit);
        }
        at = hit + 2;
    }
    None
}

/// The end of the line that the quote at `open` stands on: without and with its line end.
fn unquoted_line(head: &[u8], at: usize, open: usize, dialect: &Dialect) -> (usize, usize) {
    let from = open.max(at);
    let newline = match dialect.line_end {
        LineEnd::Newline => b'\n',
        LineEnd::CarriageReturn => b'\r',
    };
    let Some(stop) = memchr(newline, &head[from..]).map(|i| from + i) else { return (head.len(), head.len()) };
    let cut = if newline == b'\n' && stop > from && head[stop - 1] == b'\r' { stop - 1 } else { stop };
    (cut, stop + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, complete: bool, dialect: Dialect) -> Vec<Vec<String>> {
        let head = text.as_bytes();
        let rows = split(head, complete, &dialect, 100);
        let decode = |row: &Row| rows.cells(row).iter().map(|cell| cell.decoded(head, &dialect)).collect();
        rows.all().iter().map(decode).collect()
    }

    #[test]
    fn quotes_hold_separators_newlines_and_quotes() {
        let text = "\"a,1\",\"b\nc\",\"d \"\"e\"\"\"\r\n\"x\"y,5\" pipe,\n";
        let expected = [vec!["a,1", "b\nc", "d \"e\""], vec!["xy", "5\" pipe", ""]];
        assert_eq!(values(text, true, Dialect::default()), expected);
    }

    #[test]
    fn a_backslash_escapes_a_quote_only_where_the_dialect_says_so() {
        let dialect = Dialect { escape: Escape::Backslash, ..Dialect::default() };
        assert_eq!(values("\"a \\\"b\\\", c\",\\N\n", true, dialect), [["a \"b\", c", "\\N"]]);
        assert_eq!(values("\"C:\\\",x\n", true, Dialect::default()), [["C:\\", "x"]]);
    }

    #[test]
    fn a_quote_that_never_closes_costs_one_line() {
        assert_eq!(values("1,a\n2,\"b\n3,c\n", true, Dialect::default()), [["1", "a"], ["2", "\"b"], ["3", "c"]]);
    }

    #[test]
    fn a_torn_last_record_is_left_out() {
        assert_eq!(values("1,a\n2,b", false, Dialect::default()), [["1", "a"]]);
        assert_eq!(values("1,a\n2,\"b\n", false, Dialect::default()), [["1", "a"]]);
        assert_eq!(values("1,a\n2,b", true, Dialect::default()), [["1", "a"], ["2", "b"]]);
    }

    #[test]
    fn a_lone_carriage_return_is_data_unless_it_ends_the_lines() {
        assert_eq!(values("a\rb,c\n", true, Dialect::default()), [["a\rb", "c"]]);
        let dialect = Dialect { line_end: LineEnd::CarriageReturn, ..Dialect::default() };
        assert_eq!(values("a,\"b\nc\"\rd,e\r", true, dialect), [["a", "b\nc"], ["d", "e"]]);
    }
}

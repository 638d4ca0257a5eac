//! CSV: where rows end, and what their cells are.
//!
//! A quote opens a quoted cell only where a cell begins. Inside, the quote is written twice (or behind a backslash,
//! if the dialect says so). What stands between the closing quote and the next delimiter belongs to the cell as it
//! is. A quoted cell that never closes, or not within the record limit, costs its first physical line and no more.

mod class;
mod cut;
mod header;
mod indexed;
mod rows;
mod runaway;
pub(super) mod sniff;
mod split;
mod tile;
mod unescape;

pub(crate) use cut::RowCut;
pub(crate) use rows::Rows;
pub(crate) use tile::PAD;
pub use tile::Tile;
pub(crate) use unescape::unescape;

use memchr::{memchr, memchr2};

use super::format::{Dialect, Escape, LineEnd};

impl Dialect {
    /// The byte that ends a line.
    pub(crate) fn terminator(&self) -> u8 {
        match self.line_end {
            LineEnd::Newline => b'\n',
            LineEnd::CarriageReturn => b'\r',
        }
    }
}

/// Where a row ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowEnd {
    /// Behind this byte, which ends it.
    At(usize),
    /// The text ends first, outside of quotes.
    Open,
    /// The text ends first, inside of quotes.
    InQuotes,
}

/// Looks for the end of the row that begins at `start`.
fn row_end(data: &[u8], start: usize, dialect: &Dialect) -> RowEnd {
    match dialect.quote {
        Some(quote) if data.get(start) == Some(&quote) => row_end_in_quotes(data, start + 1, quote, dialect),
        Some(quote) => row_end_outside(data, start, quote, dialect),
        None => match memchr(dialect.terminator(), &data[start..]) {
            Some(found) => RowEnd::At(start + found + 1),
            None => RowEnd::Open,
        },
    }
}

/// Looks for the end of a row from within a quoted cell on.
fn row_end_in_quotes(data: &[u8], from: usize, quote: u8, dialect: &Dialect) -> RowEnd {
    match closing_quote(data, from, quote, dialect.escape) {
        Some(close) => row_end_outside(data, close.at + 1, quote, dialect),
        None => RowEnd::InQuotes,
    }
}

/// Looks for the end of a row from a place on that is in no quoted cell and behind the first byte of one that is not.
fn row_end_outside(data: &[u8], mut at: usize, quote: u8, dialect: &Dialect) -> RowEnd {
    let end = dialect.terminator();
    loop {
        let Some(found) = memchr2(quote, end, &data[at..]).map(|found| at + found) else { return RowEnd::Open };
        if data[found] == end {
            return RowEnd::At(found + 1);
        }
        at = found + 1;
        if found > 0 && data[found - 1] == dialect.delimiter {
            match closing_quote(data, at, quote, dialect.escape) {
                Some(close) => at = close.at + 1,
                None => return RowEnd::InQuotes,
            }
        }
    }
}

/// Where a quoted cell closes.
#[derive(Debug, Clone, Copy)]
struct Close {
    at: usize,
    escaped: bool,
}

/// Looks for the quote that closes the cell whose content begins at `from`.
fn closing_quote(data: &[u8], from: usize, quote: u8, escape: Escape) -> Option<Close> {
    let mut at = from;
    let mut escaped = false;
    loop {
        let found = match escape {
            Escape::Doubled => memchr(quote, &data[at..]),
            Escape::Backslash => memchr2(quote, b'\\', &data[at..]),
        };
        let found = at + found?;
        let doubled = data[found] == quote && data.get(found + 1) == Some(&quote);
        if doubled || data[found] != quote {
            escaped = true;
            at = (found + 2).min(data.len());
        } else {
            return Some(Close { at: found, escaped });
        }
    }
}

/// Where the unquoted cell that begins at `from` ends: at a delimiter, at a line end, or with the text.
fn cell_end(data: &[u8], from: usize, dialect: &Dialect) -> usize {
    memchr2(dialect.delimiter, dialect.terminator(), &data[from..]).map_or(data.len(), |found| from + found)
}

/// Where the first physical line of `data` from `start` on ends, its line end included.
fn line_end(data: &[u8], start: usize, dialect: &Dialect) -> usize {
    memchr(dialect.terminator(), &data[start..]).map_or(data.len(), |found| start + found + 1)
}

/// Whether a row is only a line end.
fn is_blank_line(row: &[u8]) -> bool {
    row.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

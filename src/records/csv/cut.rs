//! Cutting CSV behind whole rows.

use super::indexed::separators;
use super::{RowEnd, line_end, row_end};
use crate::records::format::Dialect;
use crate::simd::last_row_end;
use crate::source::Cut;

/// Cuts where a row ends. Follows the same rule as the row reader, so both see the same rows.
#[derive(Debug)]
pub(crate) struct RowCut {
    dialect: Dialect,
    max_row: usize,
}

impl RowCut {
    pub(crate) fn new(dialect: Dialect, max_row: usize) -> Self {
        RowCut { dialect, max_row }
    }
}

/// The end of the row at `start`, where it is known: its own, or its first line's if the row is no row. `None` if
/// more text is needed to tell.
pub(super) fn settled_end(data: &[u8], start: usize, dialect: &Dialect, max_row: usize) -> Option<(usize, bool)> {
    let broken = || Some((line_end(data, start, dialect), false));
    match row_end(data, start, dialect) {
        // A quote as the last byte may be the first half of a doubled one, but then the row ends later anyway.
        RowEnd::At(end) if end - start > max_row => broken(),
        RowEnd::At(end) => Some((end, true)),
        RowEnd::InQuotes if data.len() - start > max_row => broken(),
        RowEnd::InQuotes | RowEnd::Open => None,
    }
}

impl Cut for RowCut {
    fn cut(&mut self, buffer: &[u8], at_end: bool) -> usize {
        if at_end {
            return buffer.len();
        }
        // With regular quotes, and no row that could be too long, one look finds the last row's end.
        let simple = separators(&self.dialect).filter(|_| buffer.len() <= self.max_row);
        if let Some(end) = simple.and_then(|of| last_row_end(buffer, of)) {
            return end;
        }
        let mut border = 0;
        while let Some((end, _)) = settled_end(buffer, border, &self.dialect, self.max_row) {
            if end == border || (end == buffer.len() && buffer[end - 1] != self.dialect.terminator()) {
                break;
            }
            border = end;
        }
        border
    }

    fn give_up(&mut self, buffer: &[u8]) -> usize {
        // The row reader finds the same: a row past the limit costs its first line.
        match line_end(buffer, 0, &self.dialect) {
            end if end > 0 && buffer[end - 1] == self.dialect.terminator() => end,
            _ => 0,
        }
    }

    fn state(&self) -> u8 {
        0
    }

    fn line_end(&self) -> u8 {
        self.dialect.terminator()
    }
}

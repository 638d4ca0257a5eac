//! Cutting CSV behind whole rows.

use super::indexed::separators;
use super::line_end;
use super::runaway::{Runaway, Settled};
use crate::records::format::Dialect;
use crate::simd::{Look, last_row_end, look};
use crate::source::{Cut, Notes};

/// Cuts where a row ends. Follows the same rule as the row reader, so both see the same rows.
#[derive(Debug)]
pub(crate) struct RowCut {
    dialect: Dialect,
    max_row: usize,
    /// Of what was last cut off.
    notes: Notes,
    /// Of the bytes behind the border.
    runaway: Runaway,
}

impl RowCut {
    pub(crate) fn new(dialect: Dialect, max_row: usize) -> Self {
        RowCut { dialect, max_row, notes: Notes::default(), runaway: Runaway::default() }
    }

    /// The end of the last row by one look at all bytes, which is noted; `None` if quotes are not regular.
    fn cut_by_look(&mut self, buffer: &[u8]) -> Option<usize> {
        let of = separators(&self.dialect)?;
        let found = look(buffer, of, &mut self.notes.blocks);
        if !found.regular {
            return None;
        }
        let end = last_row_end(&self.notes.blocks);
        let torn = memchr::memchr_iter(of.line_end, &buffer[end..]).count();
        (self.notes.filled, self.notes.flags, self.notes.lines) =
            (true, flags(found), u64::from(found.line_ends) - torn as u64);
        Some(end)
    }
}

/// What a look showed of a whole text, as it is noted.
fn flags(look: Look) -> u8 {
    let bits = [look.ascii, look.nul, look.returns, look.quoted];
    bits.iter().rev().fold(0, |flags, bit| flags << 1 | u8::from(*bit))
}

/// What was noted of a chunk, if anything was.
pub(super) fn noted(notes: &Notes) -> Option<Look> {
    let bit = |n: u8| notes.flags >> n & 1 != 0;
    let (ascii, nul, returns, quoted) = (bit(0), bit(1), bit(2), bit(3));
    let look = Look { regular: true, open: false, ascii, nul, returns, quoted, line_ends: notes.lines as u32 };
    notes.filled.then_some(look)
}

impl Cut for RowCut {
    fn cut(&mut self, buffer: &[u8], at_end: bool) -> usize {
        self.notes.filled = false;
        if at_end {
            return buffer.len();
        }
        // With regular quotes, and no row that could be too long, one look finds the last row's end.
        if buffer.len() <= self.max_row
            && self.runaway.is_idle()
            && let Some(end) = self.cut_by_look(buffer)
        {
            return end;
        }
        let mut border = 0;
        while let Settled::Row(end) | Settled::Line(end) =
            self.runaway.settle(buffer, border, &self.dialect, self.max_row)
        {
            if end == border || (end == buffer.len() && buffer[end - 1] != self.dialect.terminator()) {
                break;
            }
            border = end;
        }
        self.runaway.pass(border);
        border
    }

    fn give_up(&mut self, buffer: &[u8]) -> usize {
        self.notes.filled = false;
        // The row reader finds the same: a row past the limit costs its first line.
        match line_end(buffer, 0, &self.dialect) {
            end if end > 0 && buffer[end - 1] == self.dialect.terminator() => {
                self.runaway.pass(end);
                end
            }
            _ => {
                self.runaway = Runaway::default();
                0
            }
        }
    }

    fn note(&mut self, notes: &mut Notes) {
        std::mem::swap(notes, &mut self.notes);
        self.notes.filled = false;
    }

    fn state(&self) -> u8 {
        0
    }

    fn line_end(&self) -> u8 {
        self.dialect.terminator()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simd::Index;

    proptest! {
        /// The reader gets the same index from the notes as from the bytes, and lines are counted.
        #[test]
        fn what_is_noted_of_a_chunk_is_what_its_reader_would_find(
            cells in proptest::collection::vec("(|x|12.5|\"\"|\"a,b\"|\"a\"\"b\"|\"c\n\"|\"c\r\nd\"|é|\u{0}|x\"y)(,|,|\n|\r\n)", 1..60),
            view in 1usize..200,
        ) {
            let text = cells.concat().into_bytes();
            let dialect = Dialect::default();
            let of = separators(&dialect).unwrap();
            let (mut cut, mut notes) = (RowCut::new(dialect, 1 << 20), Notes::default());
            let (mut at, mut size) = (0, view);
            while at + size < text.len() {
                let found = cut.cut(&text[at..at + size], false);
                cut.note(&mut notes);
                if found == 0 {
                    size *= 2;
                    continue;
                }
                let chunk = &text[at..at + found];
                if let Some(look) = noted(&notes) {
                    let (mut loaded, mut filled) = (Index::default(), Index::default());
                    loaded.load(look, &mut notes.blocks, found);
                    filled.fill(chunk, of);
                    prop_assert_eq!(&loaded.ends, &filled.ends);
                    prop_assert!(filled.look.regular && !filled.look.open);
                    // A look that has gone further may only have seen more.
                    prop_assert!(filled.look.ascii || !look.ascii);
                    prop_assert!(look.nul || !filled.look.nul);
                    prop_assert!(look.returns || !filled.look.returns);
                    prop_assert!(look.quoted || !filled.look.quoted);
                    prop_assert_eq!(notes.lines, chunk.iter().filter(|byte| **byte == b'\n').count() as u64);
                }
                (at, size) = (at + found, view);
            }
            prop_assert_eq!(cut.cut(&text[at..], true), text.len() - at);
            cut.note(&mut notes);
            prop_assert!(noted(&notes).is_none(), "an end is cut off without a look");
        }
    }
}

//! Rows whose quotes run away, looked through once.
//!
//! A row that has not ended at the end of a line is inside of a quoted cell there, and from there on there is one way to go on.
//! So of all rows that are open at the ends of lines within a stretch, the first whose end is looked for settles the others:
//! where it ends, they end. Without that, text in which each line opens a quote would be looked through once for each
//! line.

use memchr::memrchr;

use super::{RowEnd, line_end, row_end, row_end_in_quotes};
use crate::records::format::Dialect;

/// What is known of rows that are too long, or have no end. It is of one text, which may grow, and whose front may be
/// [taken away](Runaway::pass).
#[derive(Debug, Default)]
pub(super) struct Runaway {
    known: Option<Known>,
}

/// A row that has not ended at the end of its first line.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Where it begins.
    start: usize,
    /// Behind the last line end at which it is known to be open.
    open_at: usize,
    /// Where it ends, if that is known.
    end: Option<usize>,
    /// What a text of so many bytes has shown.
    looked: (usize, RowEnd),
}

/// Where a row ends, or its first line if the row is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    Row(usize),
    Line(usize),
    /// More text is needed to tell; the row may be in quotes where this text ends.
    Open {
        in_quotes: bool,
    },
}

impl Runaway {
    /// Whether nothing is known.
    pub(super) fn is_idle(&self) -> bool {
        self.known.is_none()
    }

    /// Looks for the end of the row at `start`, which begins a line. A row of more than `max_row` bytes is none.
    pub(super) fn settle(&mut self, data: &[u8], start: usize, dialect: &Dialect, max_row: usize) -> Settled {
        self.known = self.known.filter(|known| start < known.end.unwrap_or(known.open_at));
        let found = match &mut self.known {
            Some(known) if start >= known.start => {
                let line = line_end(data, start, dialect);
                match row_end(&data[..line], start, dialect) {
                    RowEnd::InQuotes if ends_line(data, line, dialect) => match known.row_end(data, dialect) {
                        // That row ends where this one does not.
                        RowEnd::At(end) if end <= line => {
                            self.known = None;
                            row_end(data, start, dialect)
                        }
                        found => found,
                    },
                    found => found,
                }
            }
            _ => row_end(data, start, dialect),
        };
        if let RowEnd::At(end) = found
            && end <= data.len()
            && end - start <= max_row
        {
            return Settled::Row(end);
        }
        let line = line_end(data, start, dialect);
        // A quote as the last byte may be the first half of a doubled one, but then the row ends later anyway.
        let (settled, is_open) = match found {
            RowEnd::At(end) if end - start > max_row => (Settled::Line(line), true),
            RowEnd::At(_) => (Settled::Open { in_quotes: true }, true),
            RowEnd::InQuotes if data.len() - start > max_row => (Settled::Line(line), true),
            RowEnd::InQuotes => (Settled::Open { in_quotes: true }, true),
            RowEnd::Open => (Settled::Open { in_quotes: false }, false),
        };
        if is_open && self.known.is_none() && ends_line(data, line, dialect) {
            let mut known = Known { start, open_at: line, end: None, looked: (0, RowEnd::InQuotes) };
            known.note(data, found, dialect);
            self.known = Some(known);
        }
        settled
    }

    /// Notes that the first bytes are no longer there.
    pub(super) fn pass(&mut self, bytes: usize) {
        let rest = |known: Known| Known {
            start: known.start.saturating_sub(bytes),
            open_at: known.open_at.saturating_sub(bytes),
            end: known.end.map(|end| end - bytes),
            looked: (known.looked.0.saturating_sub(bytes), known.looked.1),
        };
        self.known = self.known.filter(|known| bytes < known.end.unwrap_or(known.open_at)).map(rest);
    }
}

impl Known {
    /// Where the row ends in a text that may be longer or shorter than what has been looked at.
    fn row_end(&mut self, data: &[u8], dialect: &Dialect) -> RowEnd {
        match (self.end, dialect.quote) {
            (Some(end), _) => RowEnd::At(end),
            (None, _) if self.looked.0 == data.len() => self.looked.1,
            (None, Some(quote)) if self.open_at <= data.len() => {
                let found = row_end_in_quotes(data, self.open_at, quote, dialect);
                self.note(data, found, dialect);
                found
            }
            _ => RowEnd::InQuotes,
        }
    }

    fn note(&mut self, data: &[u8], found: RowEnd, dialect: &Dialect) {
        self.looked = (data.len(), found);
        match found {
            RowEnd::At(end) => self.end = Some(end),
            // It has not ended at any line end of these.
            _ => self.open_at = memrchr(dialect.terminator(), data).map_or(0, |at| at + 1).max(self.open_at),
        }
    }
}

/// Whether these bytes from the front end with a line.
fn ends_line(data: &[u8], line: usize, dialect: &Dialect) -> bool {
    line > 0 && data[line - 1] == dialect.terminator()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::format::Escape;

    /// Where a row ends, by looking at all of it.
    fn plainly(data: &[u8], start: usize, dialect: &Dialect, max_row: usize) -> Settled {
        match row_end(data, start, dialect) {
            RowEnd::At(end) if end - start <= max_row => Settled::Row(end),
            RowEnd::InQuotes if data.len() - start <= max_row => Settled::Open { in_quotes: true },
            RowEnd::Open => Settled::Open { in_quotes: false },
            _ => Settled::Line(line_end(data, start, dialect)),
        }
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(b"\"\"\"\"x,,\\\n\n".to_vec()), 1..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_known_of_one_row_is_so_of_others(
            data in text(), max_row in 1usize..40, backslash in any::<bool>(), step in 1usize..20,
        ) {
            let escape = if backslash { Escape::Backslash } else { Escape::Doubled };
            let dialect = Dialect { escape, ..Dialect::default() };
            let mut start = 0;
            let mut whole = Runaway::default();
            while start < data.len() {
                let settled = whole.settle(&data, start, &dialect, max_row);
                prop_assert_eq!(settled, plainly(&data, start, &dialect, max_row), "at {}", start);
                start = match settled {
                    Settled::Row(end) | Settled::Line(end) => end,
                    Settled::Open { .. } => line_end(&data, start, &dialect),
                };
            }
            // The same text as it comes, its front taken away where rows or lines end.
            let (mut passed, mut shown) = (0, step);
            let mut growing = Runaway::default();
            while passed < data.len() {
                let view = &data[passed..data.len().min(passed + shown)];
                let (found, wanted) =
                    (growing.settle(view, 0, &dialect, max_row), plainly(view, 0, &dialect, max_row));
                let is_all = passed + shown >= data.len();
                match (found, wanted) {
                    // More may be known than this view shows.
                    (Settled::Open { in_quotes: true }, Settled::Open { .. }) if !is_all => shown *= 2,
                    (Settled::Line(line), Settled::Open { .. }) if !is_all => {
                        let rest = &data[passed..];
                        match plainly(rest, 0, &dialect, max_row) {
                            // It is too long already, however it ends.
                            Settled::Open { .. } => prop_assert!(rest.len() > max_row),
                            all => prop_assert_eq!(found, all),
                        }
                        (passed, shown) = (passed + line, step);
                        growing.pass(line);
                    }
                    _ => {
                        prop_assert_eq!(found, wanted, "{} bytes from {}", view.len(), passed);
                        match found {
                            Settled::Row(end) | Settled::Line(end) => {
                                (passed, shown) = (passed + end, step);
                                growing.pass(end);
                            }
                            Settled::Open { .. } if is_all => break,
                            Settled::Open { .. } => shown *= 2,
                        }
                    }
                }
            }
        }
    }
}

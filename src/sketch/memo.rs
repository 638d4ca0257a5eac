//! What is remembered of a column of CSV from tile to tile, and what is counted within one.

use super::evidence::Class;
use crate::value;

/// What is remembered of a column from one tile to the next. It makes work faster and never changes what comes of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Memo {
    pub(super) trial: Trial,
    /// Classes of which something was seen.
    pub(super) known: u32,
    /// A short word for "no value", its last byte in the highest place, and its number.
    pub(super) word: (u64, u8),
    /// Whether there were negative numbers.
    pub(super) signed: bool,
    /// Whether numbers had more than four bytes.
    pub(super) long: bool,
    pub(super) day: Day,
}

/// A day as it is written, and its seconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Day {
    text: (u64, u16),
    seconds: i64,
}

impl Day {
    /// The day at the front of a text, in seconds since 1970. Days that follow each other are often equal.
    #[inline]
    pub(super) fn read(&mut self, text: &[u8]) -> Option<i64> {
        let day = text.first_chunk::<10>()?;
        let text = (u64::from_le_bytes(*day.first_chunk()?), u16::from_le_bytes([day[8], day[9]]));
        if text != self.text {
            *self = Day { text, seconds: i64::from(value::date(day)?) * 86_400 };
        }
        Some(self.seconds)
    }
}

/// What cells are tried as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Trial {
    /// Nothing: each cell is looked at.
    #[default]
    Each,
    /// Whole numbers of at most eight digits.
    Integers,
    /// Numbers with a point among at most 15 digits.
    Fractions,
    /// Text that is certainly nothing else.
    Text,
    /// Days, and days with a time.
    Times,
    /// true and false.
    Booleans,
}

impl Trial {
    /// What to try after a cell of this class; `None` if it says nothing.
    pub(super) fn after(class: Class) -> Option<Trial> {
        match class {
            Class::Null | Class::NullWord => None,
            Class::Int16 | Class::Int32 => Some(Trial::Integers),
            Class::Frac => Some(Trial::Fractions),
            Class::Text => Some(Trial::Text),
            Class::Date | Class::Timestamp => Some(Trial::Times),
            Class::Boolean => Some(Trial::Booleans),
            _ => Some(Trial::Each),
        }
    }
}

/// Values of one class in a tile.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) count: u64,
    pub(super) first: usize,
    /// Bytes of the shortest and of the longest.
    pub(super) lens: (u64, u64),
}

impl Default for Run {
    fn default() -> Self {
        Run { count: 0, first: usize::MAX, lens: (u64::MAX, 0) }
    }
}

impl Run {
    #[inline(always)]
    pub(super) fn add(&mut self, row: usize, len: u64) {
        self.count += 1;
        self.first = self.first.min(row);
        self.lens = (self.lens.0.min(len), self.lens.1.max(len));
    }
}

//! How much of an input is looked at.

/// How much of each input is read, where not all of it is wanted.
///
/// Where the input can seek (an uncompressed UTF-8 file of line-delimited records), a sample is spread over it in about
/// sixteen stretches, so that it sees late fields too; elsewhere it is the beginning. A sample ends at a record
/// border, so it is about as long as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Sample {
    /// The whole input.
    #[default]
    All,
    /// About this many records of each input: reading stops with the chunk that brings them.
    Rows(u64),
    /// About this many decoded bytes of each input.
    Bytes(u64),
}

const STRETCHES: u64 = 16;

/// Equal stretches at equal distances over an input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    total: u64,
    /// Bytes of one stretch.
    pub(crate) len: u64,
    next: u64,
}

impl Spread {
    /// Spreads `budget` bytes over `total`; `None` when the budget covers it all.
    pub(crate) fn new(total: u64, budget: u64) -> Option<Self> {
        (budget < total).then_some(Spread { total, len: budget.div_ceil(STRETCHES).max(1), next: 1 })
    }

    /// Where the next stretch begins, at or behind `offset`.
    pub(crate) fn next(&mut self, offset: u64) -> Option<u64> {
        while self.next < STRETCHES {
            let point = (u128::from(self.total) * u128::from(self.next) / u128::from(STRETCHES)) as u64;
            self.next += 1;
            if point >= offset.max(1) {
                return Some(point);
            }
        }
        None
    }
}

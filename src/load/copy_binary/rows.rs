//! Columns → rows, 64 at a time, column by column.

use super::column::{Column, Values};
use super::runs::Fixed;
use crate::simd::{Job, Rows, TILE, Vector, filled, prefetch};

/// Bytes of a column's texts that are fetched ahead; where there are more, reading them shows a pattern of its own.
const MOST_FETCHED: usize = 4096;

/// A text with a NUL character, in the column of this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nul {
    pub(super) column: usize,
}

/// Appends the rows of columns to a vector, each with the number of its fields in front.
pub(super) struct Append<'a> {
    pub(super) columns: &'a [Column<'a>],
    pub(super) rows: usize,
    pub(super) out: &'a mut Vec<u8>,
}

impl Job for Append<'_> {
    /// If it is an error, some rows may have been appended.
    type Output = Result<(), Nul>;

    #[inline(always)]
    fn run(self, vector: impl Vector) -> Self::Output {
        let Append { columns, rows, out } = self;
        out.reserve(2 * rows + columns.iter().map(Column::bound).sum::<usize>());
        let count = (columns.len() as i16).to_be_bytes();
        let mut fixed = Fixed::new();
        for first in (0..rows).step_by(TILE) {
            let last = rows.min(first + TILE);
            let sizes = sizes(columns, first, last);
            let mut tile = Rows::new(out, &sizes[..last - first]);
            fixed.begin(first..last, count);
            for (number, column) in columns.iter().enumerate() {
                fetch(column, last, rows.min(last + TILE));
                match &column.values {
                    Values::Bytes(bytes) if column.valid(first) & (u64::MAX >> (TILE - (last - first))) != 0 => {
                        fixed.put(vector, &mut tile);
                        let (valid, offsets) = (column.valid(first), &bytes.offsets[first..=last]);
                        if bytes.is_text && has_nul(&bytes.data, offsets, valid) {
                            return Err(Nul { column: number });
                        }
                        tile.bytes(vector, valid, offsets, &bytes.data, bytes.versioned);
                    }
                    _ => fixed.add(vector, column, &mut tile),
                }
            }
            fixed.put(vector, &mut tile);
            tile.finish();
        }
        Ok(())
    }
}

/// How many bytes each of the rows `first..last` takes.
#[inline(always)]
fn sizes(columns: &[Column<'_>], first: usize, last: usize) -> [usize; TILE] {
    let all = u64::MAX >> (TILE - (last - first));
    let (mut sizes, mut alike) = ([0; TILE], 2 + 4 * columns.len());
    for column in columns {
        let (valid, width) = (column.valid(first) & all, column.values.width());
        if valid == 0 {
            continue;
        }
        match &column.values {
            Values::Bytes(bytes) => {
                let offsets = bytes.offsets[first..last].iter().zip(&bytes.offsets[first + 1..=last]);
                let version = usize::from(bytes.versioned);
                let fields = sizes.iter_mut().zip(offsets.map(|(from, to)| (to - from) as usize + version));
                if valid == all {
                    fields.for_each(|(size, len)| *size += len);
                } else {
                    fields.enumerate().for_each(|(row, (size, len))| *size += len & filled(valid, row));
                }
            }
            _ if valid == all => alike += width,
            _ => sizes.iter_mut().enumerate().for_each(|(row, size)| *size += width & filled(valid, row)),
        }
    }
    sizes.map(|size| size + alike)
}

/// Has the values of the rows `first..last` fetched, and where those of as many rows behind them are.
#[inline(always)]
fn fetch(column: &Column<'_>, first: usize, last: usize) {
    match &column.values {
        Values::None | Values::Bits(_) => {}
        Values::Two(values) => prefetch(&values[first..last]),
        Values::Four(values, _) => prefetch(&values[first..last]),
        Values::Eight(values, _) => prefetch(&values[first..last]),
        Values::Sixteen(values) => prefetch(&values[first..last]),
        Values::Bytes(bytes) => {
            prefetch(bytes.offsets.get(last..last + TILE).unwrap_or_default());
            let (from, to) = (bytes.offsets[first] as usize, bytes.offsets[last] as usize);
            prefetch(&bytes.data[from..to.min(from + MOST_FETCHED)]);
        }
    }
}

/// Whether a text has a NUL character. They are looked at together; where it is found, it may be that of a null.
fn has_nul(data: &[u8], offsets: &[i32], valid: u64) -> bool {
    let range = |from: i32, to: i32| &data[from as usize..to as usize];
    let [first, .., last] = *offsets else { return false };
    let text = |(row, (from, to)): (usize, (&i32, &i32))| valid >> row & 1 == 1 && range(*from, *to).contains(&0);
    memchr::memchr(0, range(first, last)).is_some() && offsets.iter().zip(&offsets[1..]).enumerate().any(text)
}

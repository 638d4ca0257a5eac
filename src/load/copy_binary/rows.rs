//! Columns → rows, 64 at a time, column by column.

use super::column::{Bytes, Column, Values};
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
        for first in (0..rows).step_by(TILE) {
            let sizes = sizes(columns, first, rows.min(first + TILE));
            let mut tile = Rows::new(out, &sizes[..TILE.min(rows - first)]);
            tile.head(count);
            for (number, column) in columns.iter().enumerate() {
                fetch(column, rows.min(first + TILE), rows.min(first + 2 * TILE));
                if append(vector, column, first, rows.min(first + TILE), &mut tile) {
                    return Err(Nul { column: number });
                }
            }
            tile.finish();
        }
        Ok(())
    }
}

/// How many bytes each of the rows `first..last` takes.
#[inline(always)]
fn sizes(columns: &[Column<'_>], first: usize, last: usize) -> [usize; TILE] {
    // What rows have alike is summed up first.
    let alike = |column: &Column<'_>| 4 + if column.nulls == 0 { column.values.width() } else { 0 };
    let mut sizes = [2 + columns.iter().map(alike).sum::<usize>(); TILE];
    for column in columns {
        let (valid, width) = (column.valid(first), column.values.width());
        match &column.values {
            Values::Bytes(bytes) => {
                let offsets = bytes.offsets[first..last].iter().zip(&bytes.offsets[first + 1..=last]);
                let version = usize::from(bytes.versioned);
                for (row, (size, (from, to))) in sizes.iter_mut().zip(offsets).enumerate() {
                    *size += ((to - from) as usize + version) & filled(valid, row);
                }
            }
            _ if column.nulls == 0 => {}
            _ => sizes.iter_mut().enumerate().for_each(|(row, size)| *size += width & filled(valid, row)),
        }
    }
    sizes
}

/// Appends a column's fields of the rows `first..last`. True if a text holds a NUL character.
#[inline(always)]
fn append(vector: impl Vector, column: &Column<'_>, first: usize, last: usize, tile: &mut Rows<'_>) -> bool {
    let valid = column.valid(first);
    match &column.values {
        Values::None => tile.nulls(),
        Values::Bits(bits) => {
            let bits = bits.word(first);
            tile.short(valid, 1, (0..TILE).map(|row| bits >> row & 1));
        }
        Values::Two(values) => tile.short(valid, 2, values[first..last].iter().map(|value| u64::from(*value as u16))),
        Values::Four(values, add) => {
            tile.short(valid, 4, values[first..last].iter().map(|value| u64::from(value.wrapping_add(*add) as u32)));
        }
        Values::Eight(values, add) => {
            tile.eight(valid, values[first..last].iter().map(|value| value.wrapping_add(*add) as u64));
        }
        Values::Sixteen(values) => tile.sixteen(valid, values[first..last].iter().copied()),
        Values::Bytes(Bytes { offsets, data, versioned, is_text }) => {
            return tile.bytes(vector, valid, &offsets[first..=last], data, *versioned) && *is_text;
        }
    }
    false
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

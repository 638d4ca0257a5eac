//! Neighbouring columns of fixed width, of which most rows of a tile have the fields in the same form.

use std::ops::Range;

use super::column::{Column, Values};
use crate::simd::{Job, LONGEST, Rows, Run, Spare, Vector};

/// Rows of a tile with a null in a column for which the column still goes with its neighbours.
const FEW: u32 = 6;
/// The longest field of fixed width.
const LONGEST_FIELD: usize = 4 + 16;
/// The length that stands for NULL.
const NULL: [u8; 4] = [0xff; 4];

/// The fields of neighbouring columns of fixed width, gathered until one comes that is of another kind.
///
/// What the rows have alike, which is the fields' lengths, is written to all of them at once, then the values over it. Rows
/// with a null where the others have a value are written by themselves.
pub(super) struct Fixed<'a> {
    rows: Range<usize>,
    skeleton: [u8; LONGEST],
    len: usize,
    /// The columns, and where in the skeleton the value of each is; without it every row has NULL.
    columns: Vec<(&'a Column<'a>, Option<usize>)>,
    /// Bytes at the beginning of the skeleton that are no field.
    head: usize,
    /// The rows that are like the skeleton, the first one's bit lowest.
    alike: u64,
    spare: Spare,
}

impl<'a> Fixed<'a> {
    pub(super) fn new() -> Self {
        let (skeleton, columns, spare) = ([0; LONGEST], Vec::new(), Spare::new());
        Fixed { rows: 0..0, skeleton, len: 0, columns, head: 0, alike: u64::MAX, spare }
    }

    /// Begins a tile of these rows, each of which has two bytes in front.
    pub(super) fn begin(&mut self, rows: Range<usize>, head: [u8; 2]) {
        self.rows = rows;
        self.skeleton[..2].copy_from_slice(&head);
        (self.len, self.head) = (2, 2);
    }

    /// Adds a column of fixed width.
    #[inline(always)]
    pub(super) fn add(&mut self, vector: impl Vector, column: &'a Column<'a>, tile: &mut Rows<'_>) {
        let all = u64::MAX >> (64 - self.rows.len());
        let valid = column.valid(self.rows.start) & all;
        let (width, nulls) = (column.values.width(), (all & !valid).count_ones());
        if self.len + LONGEST_FIELD > LONGEST || nulls > FEW && valid != 0 {
            self.put(vector, tile);
        }
        if width == 0 || valid == 0 {
            self.field(NULL, 0);
            self.columns.push((column, None));
        } else if nulls <= FEW {
            self.alike &= valid | !all;
            self.columns.push((column, Some(self.len + 4)));
            self.field((width as u32).to_be_bytes(), width);
        } else {
            vector.apart(Mixed { column, rows: self.rows.clone(), valid, tile });
        }
    }

    fn field(&mut self, length: [u8; 4], width: usize) {
        self.skeleton[self.len..self.len + 4].copy_from_slice(&length);
        self.len += 4 + width;
    }

    /// Writes what is gathered.
    #[inline(always)]
    pub(super) fn put(&mut self, vector: impl Vector, tile: &mut Rows<'_>) {
        if self.len > 0 {
            vector.apart(Put { fixed: self, tile });
        }
    }
}

/// Writes the fields that are gathered to a tile.
struct Put<'f, 'a, 't, 'o> {
    fixed: &'f mut Fixed<'a>,
    tile: &'t mut Rows<'o>,
}

impl Job for Put<'_, '_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self, _: impl Vector) {
        let Put { fixed, tile } = self;
        let mut run = tile.run(&fixed.skeleton[..fixed.len], fixed.alike, &mut fixed.spare);
        for (column, at) in &fixed.columns {
            if let Some(at) = at {
                each(&column.values, fixed.rows.clone(), &mut InRun { run: &mut run, at: *at });
            }
        }
        run.end();
        let mut apart = !fixed.alike;
        while (apart.trailing_zeros() as usize) < fixed.rows.len() {
            fixed.put_apart(apart.trailing_zeros() as usize, tile);
            apart &= apart - 1;
        }
        fixed.columns.clear();
        (fixed.len, fixed.head, fixed.alike) = (0, 0, u64::MAX);
    }
}

impl Fixed<'_> {
    /// Writes what is gathered to one row, field by field.
    fn put_apart(&self, row: usize, tile: &mut Rows<'_>) {
        let at = self.rows.start + row;
        tile.append(row, &self.skeleton[..self.head]);
        for (column, _) in &self.columns {
            if column.values.width() > 0 && column.valid(at) & 1 == 1 {
                each(&column.values, at..at + 1, &mut InRow { tile, row });
            } else {
                tile.append(row, &NULL);
            }
        }
    }
}

/// A column that is null in many rows of a tile and not in others.
struct Mixed<'c, 't, 'o> {
    column: &'c Column<'c>,
    rows: Range<usize>,
    valid: u64,
    tile: &'t mut Rows<'o>,
}

impl Job for Mixed<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self, _: impl Vector) {
        each(&self.column.values, self.rows, &mut InColumn { tile: self.tile, valid: self.valid });
    }
}

/// Where values go.
trait To {
    /// Takes a value of each row, as it is sent.
    fn values<const N: usize>(&mut self, values: impl ExactSizeIterator<Item = [u8; N]>);
}

/// Hands over the values of at most 64 rows of a column of fixed width.
#[inline(always)]
fn each(values: &Values<'_>, rows: Range<usize>, to: &mut impl To) {
    match values {
        // These have no width.
        Values::None | Values::Bytes(_) => {}
        Values::Bits(bits) => {
            let bits = bits.word(rows.start);
            to.values((0..rows.len()).map(|row| [(bits >> row & 1) as u8]));
        }
        Values::Two(values) => to.values(values[rows].iter().map(|value| value.to_be_bytes())),
        Values::Four(values, add) => to.values(values[rows].iter().map(|value| value.wrapping_add(*add).to_be_bytes())),
        Values::Eight(values, add) => {
            to.values(values[rows].iter().map(|value| value.wrapping_add(*add).to_be_bytes()));
        }
        Values::Sixteen(values) => to.values(values[rows].iter().copied()),
    }
}

struct InRun<'t, 'r, 'o> {
    run: &'t mut Run<'r, 'o>,
    at: usize,
}

impl To for InRun<'_, '_, '_> {
    #[inline(always)]
    fn values<const N: usize>(&mut self, values: impl ExactSizeIterator<Item = [u8; N]>) {
        self.run.values(self.at, values);
    }
}

struct InColumn<'t, 'o> {
    tile: &'t mut Rows<'o>,
    valid: u64,
}

impl To for InColumn<'_, '_> {
    #[inline(always)]
    fn values<const N: usize>(&mut self, values: impl ExactSizeIterator<Item = [u8; N]>) {
        self.tile.nullable(self.valid, values);
    }
}

struct InRow<'t, 'o> {
    tile: &'t mut Rows<'o>,
    row: usize,
}

impl To for InRow<'_, '_> {
    fn values<const N: usize>(&mut self, values: impl ExactSizeIterator<Item = [u8; N]>) {
        for value in values {
            self.tile.append(self.row, &(N as u32).to_be_bytes());
            self.tile.append(self.row, &value);
        }
    }
}

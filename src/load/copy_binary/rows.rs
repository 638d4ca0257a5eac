//! Columns → rows.
//!
//! Neighbouring columns of a fixed width are a *run*: its fields, lengths included, have the same places in every row
//! without nulls. A run is laid out for 64 rows at a time, column by column without a branch for each value, and then
//! copied into the rows whole. What is left for each row is a copy a run and a copy a text, in place of a decision a
//! field.

use super::column::{Bytes, Column, Values};
use crate::simd::Appender;

/// Rows laid out together: as many as a word of validity has bits.
const TILE: usize = 64;
/// The length that stands for NULL.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
/// Bytes copied at a time.
const BLOCK: usize = 32;

/// Appends all rows of the columns, each with the number of its fields in front.
pub(super) fn append(columns: &[Column<'_>], rows: usize, out: &mut Vec<u8>) {
    let bound: usize = columns.iter().map(Column::bound).sum();
    let mut segments = segments(columns, rows);
    let mut appender = Appender::new(out, bound + 2 * rows);
    for tile in 0..rows.div_ceil(TILE) {
        let (first, count) = (tile * TILE, TILE.min(rows - tile * TILE));
        for segment in &mut segments {
            match segment {
                Segment::Run(run) => run.lay_out(tile, count),
                Segment::Text(text) => text.valid = text.words.map_or(u64::MAX, |words| words[tile]),
            }
        }
        for row in 0..count {
            for segment in &segments {
                match segment {
                    Segment::Run(run) => run.append(row, &mut appender),
                    Segment::Text(text) => text.append(first + row, row, &mut appender),
                }
            }
        }
    }
    appender.finish();
}

enum Segment<'a> {
    Run(Box<Run<'a>>),
    Text(Text<'a>),
}

fn segments<'a>(columns: &'a [Column<'a>], rows: usize) -> Vec<Segment<'a>> {
    let mut segments = Vec::new();
    let mut run = Run::new(&(columns.len() as i16).to_be_bytes());
    for column in columns {
        if let Values::Bytes(bytes) = &column.values {
            end_run(&mut run, &mut segments);
            segments.push(Segment::Text(Text::new(bytes, column, rows)));
            continue;
        }
        // A null moves what follows it in its run, row by row; a column with many is better alone.
        let sparse = 16 * column.nulls > rows;
        if sparse {
            end_run(&mut run, &mut segments);
        }
        run.columns.push(Fixed { column, at: run.len, width: column.values.width() });
        run.len += 4 + column.values.width();
        if sparse {
            end_run(&mut run, &mut segments);
        }
    }
    end_run(&mut run, &mut segments);
    segments
}

fn end_run<'a>(run: &mut Run<'a>, segments: &mut Vec<Segment<'a>>) {
    let mut run = std::mem::replace(run, Run::new(&[]));
    if run.len > 0 {
        run.stride = run.len.next_multiple_of(BLOCK);
        run.cells = vec![0; TILE * run.stride];
        for row in run.cells.chunks_exact_mut(run.stride) {
            row[..run.prefix.len()].copy_from_slice(&run.prefix);
        }
        segments.push(Segment::Run(Box::new(run)));
    }
}

/// Columns of fixed width that stand side by side.
struct Run<'a> {
    /// What stands before the first field of each row.
    prefix: Vec<u8>,
    columns: Vec<Fixed<'a>>,
    /// Bytes of a row without nulls.
    len: usize,
    /// Bytes from one row to the next in `cells`.
    stride: usize,
    cells: Vec<u8>,
    /// Bytes that each row of the tile takes.
    lens: [u32; TILE],
}

/// A column of a run.
struct Fixed<'a> {
    column: &'a Column<'a>,
    /// Where its field begins in a row of the run.
    at: usize,
    width: usize,
}

impl<'a> Run<'a> {
    fn new(prefix: &[u8]) -> Self {
        let (prefix, len) = (prefix.to_vec(), prefix.len());
        Run { prefix, columns: Vec::new(), len, stride: 0, cells: Vec::new(), lens: [0; TILE] }
    }

    /// Lays out the fields of a tile's rows.
    fn lay_out(&mut self, tile: usize, count: usize) {
        self.lens = [self.len as u32; TILE];
        let mut full = u64::MAX;
        for fixed in &self.columns {
            fixed.lay_out(tile, count, &mut self.cells, self.stride);
            full &= fixed.column.valid.as_ref().map_or(u64::MAX, |words| words[tile]);
        }
        if full == u64::MAX {
            return;
        }
        if let [fixed] = &*self.columns {
            // The field is the row's last, so a null takes nothing but its length.
            let rows = self.cells.chunks_exact_mut(self.stride).zip(&mut self.lens).take(count);
            for (row, (cells, len)) in rows.enumerate() {
                let filled = full >> row & 1;
                let length = if filled == 1 { (fixed.width as u32).to_be_bytes() } else { NULL };
                cells[fixed.at..fixed.at + 4].copy_from_slice(&length);
                *len -= (1 - filled as u32) * fixed.width as u32;
            }
            return;
        }
        for row in (0..count).filter(|row| full >> row & 1 == 0) {
            self.close_up(tile, row);
        }
    }

    /// Writes a row's nulls and moves its other fields up.
    fn close_up(&mut self, tile: usize, row: usize) {
        let cells = &mut self.cells[row * self.stride..(row + 1) * self.stride];
        let mut to = self.prefix.len();
        for fixed in &self.columns {
            if fixed.column.valid.as_ref().is_none_or(|words| words[tile] >> row & 1 == 1) {
                cells.copy_within(fixed.at..fixed.at + 4 + fixed.width, to);
                to += 4 + fixed.width;
            } else {
                cells[to..to + 4].copy_from_slice(&NULL);
                to += 4;
            }
        }
        self.lens[row] = to as u32;
    }

    #[inline(always)]
    fn append(&self, row: usize, out: &mut Appender<'_>) {
        let (from, len) = (row * self.stride, self.lens[row] as usize);
        match self.stride {
            32 => out.copy::<32>(&self.cells, from, len),
            64 => out.copy::<64>(&self.cells, from, len),
            96 => out.copy::<96>(&self.cells, from, len),
            _ => out.copy::<128>(&self.cells, from, len),
        }
    }
}

impl Fixed<'_> {
    /// Writes length and value of each row; what is null gets some value.
    fn lay_out(&self, tile: usize, count: usize, cells: &mut [u8], stride: usize) {
        let rows = tile * TILE..tile * TILE + count;
        // From the field on, so that its place in each piece is known.
        let cells = cells[self.at..].chunks_mut(stride).take(count);
        match &self.column.values {
            Values::None | Values::Bytes(_) => cells.for_each(|cell| cell[..4].copy_from_slice(&NULL)),
            Values::Bits(words) => {
                let bits = words[tile];
                cells
                    .enumerate()
                    .for_each(|(row, cell)| cell[..5].copy_from_slice(&[0, 0, 0, 1, (bits >> row & 1) as u8]));
            }
            Values::Two(values) => {
                for (cell, value) in cells.zip(&values[rows]) {
                    let [a, b] = value.to_be_bytes();
                    cell[..6].copy_from_slice(&[0, 0, 0, 2, a, b]);
                }
            }
            Values::Four(values, add) => {
                for (cell, value) in cells.zip(&values[rows]) {
                    // Length and value in one store.
                    let field = 4 << 32 | u64::from(value.wrapping_add(*add) as u32);
                    cell[..8].copy_from_slice(&field.to_be_bytes());
                }
            }
            Values::Eight(values, add) => {
                for (cell, value) in cells.zip(&values[rows]) {
                    let field = 8 << 64 | u128::from(value.wrapping_add(*add) as u64);
                    cell[..12].copy_from_slice(&field.to_be_bytes()[4..]);
                }
            }
            Values::Sixteen(values) => {
                for (cell, value) in cells.zip(&values[rows]) {
                    cell[..4].copy_from_slice(&16_u32.to_be_bytes());
                    cell[4..20].copy_from_slice(value);
                }
            }
        }
    }
}

/// A column of values of any length.
struct Text<'a> {
    offsets: &'a [i32],
    data: &'a [u8],
    words: Option<&'a [u64]>,
    /// The rows of this tile that have a value.
    valid: u64,
    /// 1 where the version of the format stands before each value, as in `jsonb`, else 0.
    version: usize,
    width: Width,
}

/// How many bytes are copied at once, so that most values of a column fit.
#[derive(Clone, Copy)]
enum Width {
    Short,
    Middle,
    Long,
}

impl<'a> Text<'a> {
    fn new(bytes: &'a Bytes<'a>, column: &'a Column<'a>, rows: usize) -> Self {
        let average = bytes.len() / (rows - column.nulls).max(1);
        Text {
            offsets: &bytes.offsets,
            data: &bytes.data,
            words: column.valid.as_deref(),
            valid: u64::MAX,
            version: usize::from(bytes.versioned),
            width: match average {
                0..=16 => Width::Short,
                17..=40 => Width::Middle,
                _ => Width::Long,
            },
        }
    }

    #[inline(always)]
    fn append(&self, row: usize, in_tile: usize, out: &mut Appender<'_>) {
        let (from, to) = (self.offsets[row] as usize, self.offsets[row + 1] as usize);
        // Whether there is a value is as good as random in many columns, so it is calculated with and not asked:
        // a null has a length of all ones and no bytes.
        let filled = 0_usize.wrapping_sub((self.valid >> in_tile & 1) as usize);
        let len = (to - from) & filled;
        let [a, b, c, d] = ((len + self.version) as u32 | !(filled as u32)).to_be_bytes();
        // The fifth byte is the version, or the first of the value, which comes next.
        out.word([a, b, c, d, 1, 0, 0, 0], 4 + (self.version & filled));
        match self.width {
            Width::Short => out.copy::<32>(self.data, from, len),
            Width::Middle => out.copy::<64>(self.data, from, len),
            Width::Long => out.copy::<128>(self.data, from, len),
        }
    }
}

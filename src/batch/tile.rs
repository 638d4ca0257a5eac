//! A column of many rows of CSV at once.
//!
//! What comes of it is what comes of the cells one by one. Where a cell does not fit its row is only noted: the decoder
//! takes the rows back then, and reads those that fit without the others.

use super::column::{ColumnBuilder, Found};
use super::parse::Spelled;
use super::values::Values;
use crate::records::{PAD, Tile};
use crate::schema::{Reading, TimeUnit};
use crate::simd::{self, Integers, LANES, Part, Texts, Word, Words};
use crate::value;

/// Room to work in, used again for each column.
#[derive(Debug, Default)]
pub(super) struct Room {
    short: Numbers<u32>,
    long: Numbers<u64>,
    /// The rows without a value in the present column, ascending.
    nulls: Vec<u32>,
    /// The rows with a value that does not fit its column.
    pub(super) bad: Vec<u32>,
}

/// Room for the whole numbers of a column.
#[derive(Debug, Default)]
struct Numbers<W: Word> {
    words: Words<W>,
    integers: Integers<W>,
}

impl ColumnBuilder {
    /// Takes in a column of a tile, whose first row is row `base`. Rows that do not fit are added to `room.bad`; if the
    /// column is `required`, those without a value too.
    pub(super) fn append_tile(&mut self, base: usize, tile: &Tile<'_>, column: usize, required: bool, room: &mut Room) {
        self.pad(base);
        room.nulls.clear();
        self.values_of(tile, column, room);
        for row in &room.nulls {
            self.nulls.push(base + *row as usize, base + *row as usize + 1);
        }
        if required {
            room.bad.extend_from_slice(&room.nulls);
        }
        self.rows = base + tile.rows();
    }

    fn values_of(&mut self, tile: &Tile<'_>, column: usize, room: &mut Room) {
        let cells = Cells { tile, column, is_typed: self.is_typed(), reading: self.reading };
        let plain = self.plain;
        match &mut self.values {
            Values::Text(texts) if plain => {
                if !cells.texts(texts, room) {
                    self.one_by_one(tile, column, room);
                }
            }
            Values::Text(_) | Values::Json(_) => self.one_by_one(tile, column, room),
            Values::Int16(values) if plain => cells.integers(values, room, |number| number as i16),
            Values::Int32(values) if plain => cells.integers(values, room, |number| number as i32),
            Values::Int64(values) if plain => cells.integers(values, room, |number| number),
            Values::Int16(values) => cells.each(values, room, |_, _, _| None, narrow),
            Values::Int32(values) => cells.each(values, room, |_, _, _| None, narrow),
            Values::Int64(values) => cells.each(values, room, |_, _, _| None, narrow),
            Values::Decimal { unscaled, digits, scale } => {
                cells.each(unscaled, room, |_, _, _| None, |text| text.decimal(*digits, *scale));
            }
            Values::Float64(values) => {
                let quick = |bytes: &[u8], from, to| if plain { exact_double(bytes, from, to) } else { None };
                cells.each(values, room, quick, |text| text.double());
            }
            Values::Days(values) => {
                let mut last = LastDay::default();
                let quick = |bytes: &[u8], from, to| if plain { last.day(&bytes[from..to]) } else { None };
                cells.each(values, room, quick, |text| text.date());
            }
            Values::Time(values) => cells.each(values, room, |_, _, _| None, |text| text.time()),
            Values::Stamps { ticks, zoned, unit } => {
                let mut last = LastDay::default();
                let plain = plain && !*zoned && *unit == TimeUnit::Micro;
                let quick = |bytes: &[u8], from, to| if plain { last.instant(&bytes[from..to]) } else { None };
                cells.each(ticks, room, quick, |text| text.timestamp(*zoned, *unit));
            }
            Values::Uuid(values) => {
                let quick = |bytes: &[u8], from, to| if plain { value::uuid(&bytes[from..to]) } else { None };
                cells.each(values, room, quick, |text| text.uuid());
            }
            Values::Boolean(values) => {
                let mut found: Vec<bool> = Vec::with_capacity(LANES);
                let quick = |bytes: &[u8], from, to| if plain { value::boolean(&bytes[from..to]) } else { None };
                cells.each(&mut found, room, quick, |text| text.boolean());
                values.append_slice(&found);
            }
        }
    }

    /// Takes in cells as they are taken in without tiles.
    fn one_by_one(&mut self, tile: &Tile<'_>, column: usize, room: &mut Room) {
        let record = tile.cells();
        for row in 0..tile.rows() {
            let before = self.rows;
            let fits = self.slow(&record, &tile.cell(row, column));
            if self.rows == before {
                self.values.skip(1);
                self.rows += 1;
                if fits.is_ok() { &mut room.nulls } else { &mut room.bad }.push(row as u32);
            }
        }
    }
}

fn narrow<T: TryFrom<i128>>(text: Spelled<'_>) -> Result<T, Found> {
    T::try_from(text.integer()?).map_err(|_| super::column::TOO_WIDE)
}

/// The nearest double of the number in `bytes[from..to]`, where it is exact and in its plainest spelling. Zero may have a
/// sign, and past 2^53 not every whole number is a double.
#[inline]
fn exact_double(bytes: &[u8], from: usize, to: usize) -> Option<f64> {
    let number = value::fraction_at(bytes, from, to).or_else(|| value::simple(&bytes[from..to]))?;
    let is_exact = number.unscaled != 0 && (number.point || number.unscaled.unsigned_abs() < 1 << 53);
    is_exact.then(|| number.double())
}

/// A column of a tile and how it is read.
struct Cells<'a> {
    tile: &'a Tile<'a>,
    column: usize,
    /// Whether words for "no value" and empty quoted cells are nothing.
    is_typed: bool,
    reading: Reading,
}

impl Cells<'_> {
    /// Appends the value of each cell: `quick` is asked first, with where the cell is as it is written between quotes; what
    /// it does not know, `any` reads.
    #[inline(always)]
    fn each<T: Default>(
        &self,
        values: &mut Vec<T>,
        room: &mut Room,
        mut quick: impl FnMut(&[u8], usize, usize) -> Option<T>,
        any: impl Fn(Spelled<'_>) -> Result<T, Found>,
    ) {
        let first = values.len();
        values.resize_with(first + self.tile.rows(), T::default);
        for ((row, span), value) in self.tile.spans(self.column).enumerate().zip(&mut values[first..]) {
            let (from, to, quoted) = self.tile.unquoted(span);
            if from == to && !quoted {
                room.nulls.push(row as u32);
                continue;
            }
            *value = match quick(self.tile.padded(), PAD + from, PAD + to) {
                Some(value) => value,
                None => self.one(row, &mut room.nulls, &mut room.bad, &any),
            };
        }
    }

    /// The value of one cell, or any value and a note that there is none or that it does not fit.
    #[inline(never)]
    fn one<T: Default>(
        &self,
        row: usize,
        nulls: &mut Vec<u32>,
        bad: &mut Vec<u32>,
        any: &impl Fn(Spelled<'_>) -> Result<T, Found>,
    ) -> T {
        let cell = self.tile.cell(row, self.column);
        let text = self.tile.value(&cell);
        if super::column::is_null(self.is_typed, cell.kind, &text) {
            nulls.push(row as u32);
            return T::default();
        }
        match Spelled::new(cell.kind, &text, self.reading).and_then(any) {
            Ok(value) => value,
            Err(_) => {
                bad.push(row as u32);
                T::default()
            }
        }
    }

    /// Appends whole numbers, most of which have at most eight digits: by words of four bytes if no cell is longer.
    #[inline(always)]
    fn integers<T>(&self, values: &mut Vec<T>, room: &mut Room, cast: impl Fn(i64) -> T)
    where
        T: TryFrom<i64> + TryFrom<i128> + Default + Copy,
    {
        let Room { short, long, nulls, bad } = room;
        if !self.integers_in(short, values, nulls, bad, &cast) {
            self.integers_in(long, values, nulls, bad, &cast);
        }
    }

    /// The same by words of one length. False, and nothing appended, if longer ones are needed.
    #[inline(always)]
    fn integers_in<W: Word, T>(
        &self,
        Numbers { words, integers }: &mut Numbers<W>,
        values: &mut Vec<T>,
        nulls: &mut Vec<u32>,
        bad: &mut Vec<u32>,
        cast: &impl Fn(i64) -> T,
    ) -> bool
    where
        T: TryFrom<i64> + TryFrom<i128> + Default + Copy,
    {
        self.tile.words(self.column, words);
        simd::integers(words, true, integers);
        if integers.any_longer && W::BYTES < 8 {
            return false;
        }
        let base = values.len();
        values.resize(base + self.tile.rows(), T::default());
        simd::numbers::<W, T>(&integers.keys, &mut values[base..], cast);
        let mut others = self.others::<W, T>(integers);
        while others != 0 {
            let row = others.trailing_zeros() as usize;
            others &= others - 1;
            values[base + row] = match words.lens[row].len() {
                0 => {
                    nulls.push(row as u32);
                    T::default()
                }
                _ => self.one(row, nulls, bad, &narrow::<T>),
            };
        }
        true
    }

    /// A bit for each row that is none of the short whole numbers that a `T` can be.
    fn others<W: Word, T: TryFrom<i64>>(&self, found: &Integers<W>) -> u128 {
        let Integers { keys, min, max, count, .. } = found;
        let rows = self.tile.rows();
        let fits = |key: W::Key| key == W::OTHER || T::try_from(W::number(key).into()).is_ok();
        let mut others = match *count < rows as u64 {
            true => simd::others::<W>(keys) & u128::MAX >> (LANES - rows),
            false => 0,
        };
        if !fits(*min) || !fits(*max) {
            others |= (0..rows).filter(|row| !fits(keys[*row])).fold(0, |bits, row| bits | 1 << row);
        }
        others
    }

    /// Appends texts. Words for "no value" are text here, and so is an empty quoted cell. False, and nothing appended, where
    /// the column has become so long that each has to be looked at.
    fn texts(&self, texts: &mut Texts, room: &mut Room) -> bool {
        let tile = self.tile;
        if let (Some(spans), None) = (tile.bare(self.column), tile.utf8()) {
            return texts.extend_column(spans, self.column, &mut room.nulls);
        }
        let mut row = 0;
        let parts = tile.spans(self.column).map(|span| {
            let (from, to, quoted) = tile.unquoted(span);
            if from == to && !quoted {
                room.nulls.push(row);
            }
            row += 1;
            Part { from, to, is_escaped: quoted && tile.marks().quotes(from, to) > 0 }
        });
        texts.extend(tile.text(), tile.utf8(), tile.marks(), parts)
    }
}

/// The day of the last cell, which is often that of the next.
#[derive(Default)]
struct LastDay {
    text: [u8; 10],
    day: i32,
}

impl LastDay {
    #[inline]
    fn day(&mut self, text: &[u8]) -> Option<i32> {
        let text: &[u8; 10] = text.try_into().ok()?;
        if *text != self.text {
            *self = LastDay { text: *text, day: value::date(text)? };
        }
        Some(self.day)
    }

    /// A day and a time to the second, in microseconds since 1970.
    #[inline]
    fn instant(&mut self, text: &[u8]) -> Option<i64> {
        let text: &[u8; 19] = text.try_into().ok()?;
        if !matches!(text[10], b' ' | b'T') {
            return None;
        }
        let clock = value::clock(text.last_chunk()?)?;
        Some((i64::from(self.day(&text[..10])?) * 86_400 + i64::from(clock)) * 1_000_000)
    }
}

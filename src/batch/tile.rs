//! A column of many rows of CSV at once.
//!
//! What comes of it is what comes of the cells one by one. Where a cell does not fit its row is only noted: the decoder
//! takes the rows back then, and reads those that fit without the others.

use super::column::{ColumnBuilder, Found};
use super::parse::Spelled;
use super::values::{Texts, Values};
use crate::records::{PAD, Tile};
use crate::schema::{Reading, TimeUnit};
use crate::simd::{self, Integers, LANES, OTHER, Words};
use crate::value;

/// Room to work in, used again for each column.
#[derive(Debug)]
pub(super) struct Room {
    words: Words,
    integers: Integers,
    numbers: [i64; LANES],
    /// The rows without a value in the present column, ascending.
    nulls: Vec<u32>,
    /// The rows with a value that does not fit its column.
    pub(super) bad: Vec<u32>,
}

impl Default for Room {
    fn default() -> Self {
        let (words, integers) = (Words::default(), Integers::default());
        Room { words, integers, numbers: [0; LANES], nulls: Vec::new(), bad: Vec::new() }
    }
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
            Values::Text(texts) if plain => cells.texts(texts, room),
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
                cells.each(&mut found, room, |_, _, _| None, |text| text.boolean());
                found.into_iter().for_each(|value| values.append(value));
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
        values.reserve(self.tile.rows());
        for (row, span) in self.tile.spans(self.column).enumerate() {
            let (from, to, quoted) = self.tile.unquoted(span);
            if from == to && !quoted {
                room.nulls.push(row as u32);
                values.push(T::default());
                continue;
            }
            values.push(match quick(self.tile.padded(), PAD + from, PAD + to) {
                Some(value) => value,
                None => self.one(row, room, &any),
            });
        }
    }

    /// The value of one cell, or any value and a note that there is none or that it does not fit.
    #[inline(never)]
    fn one<T: Default>(&self, row: usize, room: &mut Room, any: &impl Fn(Spelled<'_>) -> Result<T, Found>) -> T {
        let cell = self.tile.cell(row, self.column);
        let text = self.tile.value(&cell);
        if super::column::is_null(self.is_typed, cell.kind, &text) {
            room.nulls.push(row as u32);
            return T::default();
        }
        match Spelled::new(cell.kind, &text, self.reading).and_then(any) {
            Ok(value) => value,
            Err(_) => {
                room.bad.push(row as u32);
                T::default()
            }
        }
    }

    /// Appends whole numbers, most of which have at most eight digits.
    #[inline(always)]
    fn integers<T>(&self, values: &mut Vec<T>, room: &mut Room, cast: impl Fn(i64) -> T)
    where
        T: TryFrom<i64> + TryFrom<i128> + Default + Copy,
    {
        let rows = self.tile.rows();
        self.tile.words(self.column, &mut room.words);
        simd::integers(&room.words, true, &mut room.integers);
        simd::numbers(&room.integers.keys, &mut room.numbers);
        let base = values.len();
        values.extend(room.numbers[..rows].iter().map(|number| cast(*number)));
        let mut others = self.others::<T>(&room.integers);
        while others != 0 {
            let row = others.trailing_zeros() as usize;
            others &= others - 1;
            values[base + row] = match room.words.lens[row] {
                0 => {
                    room.nulls.push(row as u32);
                    T::default()
                }
                _ => self.one(row, room, &narrow::<T>),
            };
        }
    }

    /// A bit for each row that is none of the short whole numbers that a `T` can be.
    fn others<T: TryFrom<i64>>(&self, found: &Integers) -> u128 {
        let Integers { keys, min, max, count } = found;
        let rows = self.tile.rows();
        let fits = |key: i64| key == OTHER || T::try_from(simd::number(key)).is_ok();
        let mut others = match *count < rows as u64 {
            true => simd::others(keys) & u128::MAX >> (LANES - rows),
            false => 0,
        };
        if !fits(*min) || !fits(*max) {
            others |= (0..rows).filter(|row| !fits(keys[*row])).fold(0, |bits, row| bits | 1 << row);
        }
        others
    }

    /// Appends texts. Words for "no value" are text here, and so is an empty quoted cell.
    fn texts(&self, texts: &mut Texts, room: &mut Room) {
        let tile = self.tile;
        let padded = tile.padded();
        for (row, span) in tile.spans(self.column).enumerate() {
            let (from, to, quoted) = tile.unquoted(span);
            let is_escaped = quoted && tile.quotes_between(from, to) > 0;
            let fits = if is_escaped {
                let quote = tile.quote().unwrap_or_default();
                texts.push_with(|data| unescape(&padded[PAD + from..PAD + to], quote, data))
            } else {
                if from == to && !quoted {
                    room.nulls.push(row as u32);
                }
                texts.push_part(padded, PAD + from, PAD + to)
            };
            if !fits {
                texts.skip(1);
                room.bad.push(row as u32);
            }
        }
    }
}

/// Appends what stands between regular quotes, each doubled quote as one.
fn unescape(text: &[u8], quote: u8, data: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(quote, rest) {
        data.extend_from_slice(&rest[..=at]);
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    data.extend_from_slice(rest);
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

//! One column of a batch, as the big-endian fields to write; settled once per batch.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::DataType;

use super::layout::Layout;
use super::numeric;

/// Days from 1970-01-01, where Arrow counts from, to 2000-01-01, where Postgres does.
pub(super) const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
pub(super) const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Why a column cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The array is of another type than the layout was made for.
    Type,
    /// A value that the column's type cannot hold exactly.
    Value,
}

/// A column's values, with one bit for each row that has one.
pub(super) struct Column<'a> {
    pub(super) values: Values<'a>,
    /// `None` if no row is null.
    valid: Option<Bits<'a>>,
    pub(super) nulls: usize,
    rows: usize,
}

/// One bit a row.
pub(super) struct Bits<'a>(&'a BooleanBuffer);

impl Bits<'_> {
    /// The bits from a row on, the row's own lowest; those past the last row mean nothing.
    #[inline(always)]
    pub(super) fn word(&self, row: usize) -> u64 {
        let bit = self.0.offset() + row;
        let (bytes, shift) = (self.0.values().get(bit / 8..).unwrap_or_default(), bit % 8);
        let low = bytes.first_chunk().map_or_else(|| part(bytes), |chunk| u64::from_le_bytes(*chunk));
        let high = bytes.get(8).map_or(0, |byte| u128::from(*byte) << 64);
        ((u128::from(low) | high) >> shift) as u64
    }
}

/// A word of fewer than eight bytes.
fn part(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// Values by their width on the wire.
pub(super) enum Values<'a> {
    /// Every row is null.
    None,
    Bits(Bits<'a>),
    Two(&'a [i16]),
    /// To each number the second is added, so that it counts from Postgres' epoch.
    Four(Cow<'a, [i32]>, i32),
    Eight(Cow<'a, [i64]>, i64),
    Sixteen(&'a [[u8; 16]]),
    Bytes(Bytes<'a>),
}

/// Values of any length.
pub(super) struct Bytes<'a> {
    /// Where each value begins in `data`, and where the last one ends.
    pub(super) offsets: Cow<'a, [i32]>,
    pub(super) data: Cow<'a, [u8]>,
    /// Whether a byte with the version of the format stands before each value, as `jsonb` has it.
    pub(super) versioned: bool,
    /// Whether they are texts, which must not hold a NUL character.
    pub(super) is_text: bool,
}

impl<'a> Column<'a> {
    /// Views a column under its layout, and checks its values.
    pub(super) fn new(layout: Layout, array: &'a ArrayRef) -> Result<Self, Refused> {
        let values = typed(layout, array)?;
        check(layout, array, &values)?;
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        Ok(Column {
            values,
            valid: nulls.map(|nulls| Bits(nulls.inner())),
            nulls: nulls.map_or(0, NullBuffer::null_count),
            rows: array.len(),
        })
    }

    /// Which rows have a value, from `row` on, the row's own bit lowest.
    #[inline(always)]
    pub(super) fn valid(&self, row: usize) -> u64 {
        self.valid.as_ref().map_or(u64::MAX, |bits| bits.word(row))
    }

    /// How many bytes the column's fields take at most, lengths included.
    pub(super) fn bound(&self) -> usize {
        let filled = self.rows - self.nulls;
        let data = match &self.values {
            Values::Bytes(bytes) => bytes.len() + usize::from(bytes.versioned) * filled,
            fixed => fixed.width() * filled,
        };
        4 * self.rows + data
    }
}

impl Values<'_> {
    /// Bytes of a value, without its length; 0 where they differ.
    pub(super) fn width(&self) -> usize {
        match self {
            Values::None | Values::Bytes(_) => 0,
            Values::Bits(_) => 1,
            Values::Two(_) => 2,
            Values::Four(..) => 4,
            Values::Eight(..) => 8,
            Values::Sixteen(_) => 16,
        }
    }
}

impl Bytes<'_> {
    /// Bytes of all values together.
    pub(super) fn len(&self) -> usize {
        match &*self.offsets {
            [first, .., last] => (last - first) as usize,
            _ => 0,
        }
    }
}

fn typed(layout: Layout, array: &ArrayRef) -> Result<Values<'_>, Refused> {
    let text = |versioned| {
        let array = array.as_string_opt::<i32>()?;
        let (offsets, data) = (Cow::Borrowed(array.value_offsets()), Cow::Borrowed(array.value_data()));
        Some(Values::Bytes(Bytes { offsets, data, versioned, is_text: true }))
    };
    let doubles = || array.as_primitive_opt::<Float64Type>();
    let values = match layout {
        Layout::AllNull => {
            let is_all = *array.data_type() == DataType::Null || array.null_count() == array.len();
            Some(Values::None).filter(|_| is_all)
        }
        Layout::Bool => array.as_boolean_opt().map(|a| Values::Bits(Bits(a.values()))),
        Layout::Int2 => array.as_primitive_opt::<Int16Type>().map(|a| Values::Two(a.values())),
        Layout::Int4 => as_i32(array).map(|values| Values::Four(values, 0)),
        Layout::Int8 => as_i64(array).map(|values| Values::Eight(values, 0)),
        Layout::IntNumeric => {
            as_i64(array).map(|values| numerics(array, values.iter().map(|value| i128::from(*value)), 0))
        }
        Layout::Numeric { scale } => array
            .as_primitive_opt::<Decimal128Type>()
            .filter(|a| i16::from(a.scale()) == i16::from(scale))
            .map(|a| numerics(array, a.values().iter().copied(), scale)),
        Layout::Float4 => match doubles() {
            Some(doubles) => Some(Values::Four(Cow::Owned(reals(array, doubles.values())?), 0)),
            None => None,
        },
        // A double is sent as its bits, which are those of an integer.
        Layout::Float8 => doubles().map(|a| Values::Eight(Cow::Borrowed(a.values().inner().typed_data()), 0)),
        Layout::Date => {
            array.as_primitive_opt::<Date32Type>().map(|a| Values::Four(Cow::Borrowed(a.values()), -EPOCH_DAYS))
        }
        Layout::Midnight => match array.as_primitive_opt::<Date32Type>() {
            Some(days) => Some(Values::Eight(Cow::Owned(midnights(array, days.values())?), 0)),
            None => None,
        },
        Layout::Time => {
            array.as_primitive_opt::<Time64MicrosecondType>().map(|a| Values::Eight(Cow::Borrowed(a.values()), 0))
        }
        Layout::Timestamp { utc } => array
            .as_primitive_opt::<TimestampMicrosecondType>()
            .filter(|a| a.timezone().is_some() == utc)
            .map(|a| Values::Eight(Cow::Borrowed(a.values()), -EPOCH_MICROS)),
        Layout::Uuid => array
            .as_fixed_size_binary_opt()
            .filter(|a| a.value_length() == 16)
            .map(|a| Values::Sixteen(a.value_data()[..16 * a.len()].as_chunks().0)),
        Layout::Text => text(false),
        Layout::Jsonb => text(true),
        Layout::Bytea => array.as_binary_opt::<i32>().map(|a| {
            let (offsets, data) = (Cow::Borrowed(a.value_offsets()), Cow::Borrowed(a.value_data()));
            Values::Bytes(Bytes { offsets, data, versioned: false, is_text: false })
        }),
    };
    values.ok_or(Refused::Type)
}

/// Whether the server will take the values. The whole column is looked at first, nulls with it, which needs no
/// branch for each row; only where something is found there do the nulls matter.
fn check(layout: Layout, array: &ArrayRef, values: &Values<'_>) -> Result<(), Refused> {
    let filled = |row: &usize| array.is_valid(*row);
    match (layout, values) {
        // The smallest number stands for an infinity, so what would become it is no date, nor what is before it.
        (Layout::Date, Values::Four(days, _)) => {
            let early = |day: &i32| *day <= i32::MIN + EPOCH_DAYS;
            let refused = any(days, early) && (0..days.len()).filter(filled).any(|row| early(&days[row]));
            if refused { Err(Refused::Value) } else { Ok(()) }
        }
        (Layout::Timestamp { .. }, Values::Eight(micros, _)) => {
            let early = |micros: &i64| *micros <= i64::MIN + EPOCH_MICROS;
            let refused = any(micros, early) && (0..micros.len()).filter(filled).any(|row| early(&micros[row]));
            if refused { Err(Refused::Value) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// Whether it holds for any; every value is looked at, so that many go at a time.
fn any<T>(values: &[T], holds: impl Fn(&T) -> bool) -> bool {
    values.iter().fold(false, |any, value| any | holds(value))
}

/// Numbers in the wire form of `numeric`.
fn numerics(array: &ArrayRef, values: impl Iterator<Item = i128>, scale: u8) -> Values<'static> {
    let (mut offsets, mut data) = (Vec::with_capacity(array.len() + 1), Vec::with_capacity(16 * array.len()));
    offsets.push(0);
    for (row, value) in values.enumerate() {
        if array.is_valid(row) {
            numeric::write(&mut data, value, scale);
        }
        offsets.push(data.len() as i32);
    }
    let (offsets, data) = (Cow::Owned(offsets), Cow::Owned(data));
    Values::Bytes(Bytes { offsets, data, versioned: false, is_text: false })
}

/// The bits of the doubles as `real`, if every one is the same number there.
fn reals(array: &ArrayRef, doubles: &[f64]) -> Result<Vec<i32>, Refused> {
    let real = |(row, double): (usize, &f64)| {
        let narrow = *double as f32;
        let same = double.is_nan() || f64::from(narrow) == *double || array.is_null(row);
        same.then_some(narrow.to_bits() as i32).ok_or(Refused::Value)
    };
    doubles.iter().enumerate().map(real).collect()
}

/// The beginnings of days, in microseconds since 2000.
fn midnights(array: &ArrayRef, days: &[i32]) -> Result<Vec<i64>, Refused> {
    let midnight = |(row, days): (usize, &i32)| match array.is_null(row) {
        true => Ok(0),
        false => midnight(*days).ok_or(Refused::Value),
    };
    days.iter().enumerate().map(midnight).collect()
}

/// The beginning of a day, if it is a number of microseconds that stands for no infinity.
fn midnight(days: i32) -> Option<i64> {
    let micros = i64::from(days).checked_mul(86_400_000_000)?.checked_sub(EPOCH_MICROS)?;
    (micros != i64::MIN).then_some(micros)
}

/// The numbers of a column, widened where they are narrower.
pub(super) fn as_i32(array: &ArrayRef) -> Option<Cow<'_, [i32]>> {
    if let Some(same) = array.as_primitive_opt::<Int32Type>() {
        return Some(Cow::Borrowed(same.values()));
    }
    let narrow = array.as_primitive_opt::<Int16Type>()?;
    Some(Cow::Owned(narrow.values().iter().map(|v| i32::from(*v)).collect()))
}

/// The numbers of a column, widened where they are narrower.
pub(super) fn as_i64(array: &ArrayRef) -> Option<Cow<'_, [i64]>> {
    if let Some(same) = array.as_primitive_opt::<Int64Type>() {
        return Some(Cow::Borrowed(same.values()));
    }
    Some(Cow::Owned(as_i32(array)?.iter().map(|v| i64::from(*v)).collect()))
}

//! One column of a batch, seen as the fields to write.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};

use super::numeric;
use crate::plan::PgType;

/// Days from 1970-01-01, where Arrow counts from, to 2000-01-01, where Postgres does.
const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// The length that stands for NULL.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();

/// How a column is written; settled once per load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    AllNull,
    Bool,
    Int2,
    Int4,
    Int8,
    IntNumeric,
    Numeric { scale: u8 },
    Float4,
    Float8,
    Date,
    Time,
    Timestamp { utc: bool },
    Uuid,
    Text,
    Jsonb,
    Bytea,
}

impl Layout {
    /// The layout for a pair of types, if values go from one to the other unchanged.
    pub(super) fn resolve(arrow: &DataType, sql: &PgType) -> Option<Layout> {
        Some(match (arrow, sql) {
            (DataType::Null, _) => Layout::AllNull,
            (DataType::Boolean, PgType::Bool) => Layout::Bool,
            (DataType::Int16, PgType::Int2) => Layout::Int2,
            (DataType::Int16 | DataType::Int32, PgType::Int4) => Layout::Int4,
            (DataType::Int16 | DataType::Int32 | DataType::Int64, PgType::Int8) => Layout::Int8,
            (DataType::Int16 | DataType::Int32 | DataType::Int64, PgType::Numeric(_)) => Layout::IntNumeric,
            (DataType::Decimal128(_, scale), PgType::Numeric(declared)) => {
                // The server rounds to a smaller declared scale without a word.
                let fits = declared.is_none_or(|(_, declared)| declared >= i16::from(*scale));
                Layout::Numeric { scale: u8::try_from(*scale).ok().filter(|scale| fits && *scale <= 38)? }
            }
            (DataType::Float64, PgType::Float8) => Layout::Float8,
            (DataType::Float64, PgType::Float4) => Layout::Float4,
            (DataType::Date32, PgType::Date) => Layout::Date,
            (DataType::Time64(TimeUnit::Microsecond), PgType::Time(_)) => Layout::Time,
            (DataType::Timestamp(TimeUnit::Microsecond, None), PgType::Timestamp(_)) => {
                Layout::Timestamp { utc: false }
            }
            (DataType::Timestamp(TimeUnit::Microsecond, Some(_)), PgType::TimestampTz(_)) => {
                Layout::Timestamp { utc: true }
            }
            (DataType::FixedSizeBinary(16), PgType::Uuid) => Layout::Uuid,
            (DataType::Utf8, PgType::Text | PgType::Varchar(_) | PgType::Char(_) | PgType::Json) => Layout::Text,
            (DataType::Utf8, PgType::Jsonb) => Layout::Jsonb,
            (DataType::Binary, PgType::Bytea) => Layout::Bytea,
            _ => return None,
        })
    }
}

/// A column's values, and which of them are there.
pub(super) struct Cells<'a> {
    values: Values<'a>,
    nulls: Option<&'a NullBuffer>,
    len: usize,
}

enum Values<'a> {
    AllNull,
    Bool(&'a BooleanArray),
    Int2(&'a [i16]),
    // Widening an integer is rare, so it is done for the whole column instead of by a variant for each pair.
    Int4(Cow<'a, [i32]>),
    Int8(Cow<'a, [i64]>),
    IntNumeric(Cow<'a, [i64]>),
    Numeric(&'a [i128], u8),
    Float4(&'a [f64]),
    Float8(&'a [f64]),
    Date(&'a [i32]),
    Timestamp(&'a [i64]),
    Uuid(&'a [u8]),
    Text(&'a [i32], &'a [u8]),
    Jsonb(&'a [i32], &'a [u8]),
}

impl<'a> Cells<'a> {
    /// Views a column under its layout, or `None` if it has another type.
    pub(super) fn new(layout: Layout, array: &'a ArrayRef) -> Option<Self> {
        let values = match layout {
            Layout::AllNull => Some(Values::AllNull).filter(|_| *array.data_type() == DataType::Null),
            Layout::Bool => array.as_boolean_opt().map(Values::Bool),
            Layout::Int2 => array.as_primitive_opt::<Int16Type>().map(|a| Values::Int2(a.values())),
            Layout::Int4 => as_i32(array).map(Values::Int4),
            Layout::Int8 => as_i64(array).map(Values::Int8),
            Layout::IntNumeric => as_i64(array).map(Values::IntNumeric),
            Layout::Numeric { scale } => array
                .as_primitive_opt::<Decimal128Type>()
                .filter(|a| i16::from(a.scale()) == i16::from(scale))
                .map(|a| Values::Numeric(a.values(), scale)),
            Layout::Float4 => array.as_primitive_opt::<Float64Type>().map(|a| Values::Float4(a.values())),
            Layout::Float8 => array.as_primitive_opt::<Float64Type>().map(|a| Values::Float8(a.values())),
            Layout::Date => array.as_primitive_opt::<Date32Type>().map(|a| Values::Date(a.values())),
            Layout::Time => {
                array.as_primitive_opt::<Time64MicrosecondType>().map(|a| Values::Int8(Cow::Borrowed(a.values())))
            }
            Layout::Timestamp { utc } => array
                .as_primitive_opt::<TimestampMicrosecondType>()
                .filter(|a| a.timezone().is_some() == utc)
                .map(|a| Values::Timestamp(a.values())),
            Layout::Uuid => array
                .as_fixed_size_binary_opt()
                .filter(|a| a.value_length() == 16)
                .map(|a| Values::Uuid(&a.value_data()[..16 * a.len()])),
            Layout::Text => array.as_string_opt::<i32>().map(|a| Values::Text(a.value_offsets(), a.value_data())),
            Layout::Jsonb => array.as_string_opt::<i32>().map(|a| Values::Jsonb(a.value_offsets(), a.value_data())),
            Layout::Bytea => array.as_binary_opt::<i32>().map(|a| Values::Text(a.value_offsets(), a.value_data())),
        }?;
        Some(Cells { values, nulls: array.nulls(), len: array.len() })
    }

    /// How many bytes the column's fields take at most, lengths included.
    pub(super) fn bound(&self) -> usize {
        let filled = self.len - self.nulls.map_or(0, NullBuffer::null_count);
        let text = |offsets: &[i32]| match offsets {
            [first, .., last] => (last - first) as usize,
            _ => 0,
        };
        let data = match &self.values {
            Values::AllNull => 0,
            Values::Bool(_) => filled,
            Values::Int2(_) => 2 * filled,
            Values::Int4(_) | Values::Float4(_) | Values::Date(_) => 4 * filled,
            Values::Int8(_) | Values::Float8(_) | Values::Timestamp(_) => 8 * filled,
            Values::IntNumeric(_) | Values::Numeric(..) => numeric::MAX_LEN * filled,
            Values::Uuid(_) => 16 * filled,
            Values::Text(offsets, _) => text(offsets),
            Values::Jsonb(offsets, _) => text(offsets) + filled,
        };
        4 * self.len + data
    }

    /// Appends the field of a row: its length and its bytes. `None` if the type cannot hold the value.
    #[inline]
    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) -> Option<()> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            out.extend_from_slice(&NULL);
            return Some(());
        }
        match &self.values {
            Values::AllNull => out.extend_from_slice(&NULL),
            Values::Bool(array) => out.extend_from_slice(&[0, 0, 0, 1, u8::from(array.value(row))]),
            Values::Int2(values) => field(out, values[row].to_be_bytes()),
            Values::Int4(values) => field(out, values[row].to_be_bytes()),
            Values::Int8(values) => field(out, values[row].to_be_bytes()),
            Values::IntNumeric(values) => numeric::write(out, i128::from(values[row]), 0),
            Values::Numeric(values, scale) => numeric::write(out, values[row], *scale),
            Values::Float4(values) => field(out, real(values[row])?.to_be_bytes()),
            Values::Float8(values) => field(out, values[row].to_be_bytes()),
            Values::Date(values) => field(out, date(values[row])?.to_be_bytes()),
            Values::Timestamp(values) => field(out, timestamp(values[row])?.to_be_bytes()),
            Values::Uuid(bytes) => {
                let bytes = bytes[16 * row..].first_chunk::<16>()?;
                field(out, *bytes);
            }
            Values::Text(offsets, data) => {
                let value = slice(offsets, data, row);
                out.extend_from_slice(&(value.len() as u32).to_be_bytes());
                out.extend_from_slice(value);
            }
            Values::Jsonb(offsets, data) => {
                let value = slice(offsets, data, row);
                let [a, b, c, d] = (value.len() as u32 + 1).to_be_bytes();
                // The 1 is the version of the jsonb wire format.
                out.extend_from_slice(&[a, b, c, d, 1]);
                out.extend_from_slice(value);
            }
        }
        Some(())
    }
}

/// Appends length and value in one piece, so that there is one capacity check.
#[inline]
fn field<const N: usize>(out: &mut Vec<u8>, value: [u8; N]) {
    let mut bytes = [0_u8; 20];
    bytes[..4].copy_from_slice(&(N as u32).to_be_bytes());
    bytes[4..4 + N].copy_from_slice(&value);
    out.extend_from_slice(&bytes[..4 + N]);
}

#[inline]
fn slice<'a>(offsets: &[i32], data: &'a [u8], row: usize) -> &'a [u8] {
    &data[offsets[row] as usize..offsets[row + 1] as usize]
}

fn as_i32(array: &ArrayRef) -> Option<Cow<'_, [i32]>> {
    if let Some(same) = array.as_primitive_opt::<Int32Type>() {
        return Some(Cow::Borrowed(same.values()));
    }
    let narrow = array.as_primitive_opt::<Int16Type>()?;
    Some(Cow::Owned(narrow.values().iter().map(|v| i32::from(*v)).collect()))
}

fn as_i64(array: &ArrayRef) -> Option<Cow<'_, [i64]>> {
    if let Some(same) = array.as_primitive_opt::<Int64Type>() {
        return Some(Cow::Borrowed(same.values()));
    }
    Some(Cow::Owned(as_i32(array)?.iter().map(|v| i64::from(*v)).collect()))
}

/// The value as `real`, if it is the same number there.
fn real(value: f64) -> Option<f32> {
    let narrow = value as f32;
    (value.is_nan() || f64::from(narrow) == value).then_some(narrow)
}

/// Days since 2000. The largest and smallest number stand for the infinities, so they are no dates.
fn date(days: i32) -> Option<i32> {
    days.checked_sub(EPOCH_DAYS).filter(|days| *days != i32::MIN)
}

/// Microseconds since 2000, without the infinities.
fn timestamp(micros: i64) -> Option<i64> {
    micros.checked_sub(EPOCH_MICROS).filter(|micros| *micros != i64::MIN)
}

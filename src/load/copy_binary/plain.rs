//! The plain way to write a batch, field by field: what the fast one is tested against.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int16Type, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::column::{EPOCH_DAYS, EPOCH_MICROS, as_i32, as_i64};
use super::layout::Layout;
use super::numeric;

/// The length that stands for NULL.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();

/// A column's values, and which of them are there.
pub(super) struct Cells<'a> {
    values: Values<'a>,
    nulls: Option<&'a NullBuffer>,
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
    Midnight(&'a [i32]),
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
            Layout::Midnight => array.as_primitive_opt::<Date32Type>().map(|a| Values::Midnight(a.values())),
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
        Some(Cells { values, nulls: array.nulls() })
    }

    /// Appends the field of a row: its length and its bytes. `None` if the type cannot hold the value.
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
            Values::IntNumeric(values) => number(out, i128::from(values[row]), 0),
            Values::Numeric(values, scale) => number(out, values[row], *scale),
            Values::Float4(values) => field(out, real(values[row])?.to_be_bytes()),
            Values::Float8(values) => field(out, values[row].to_be_bytes()),
            Values::Date(values) => field(out, date(values[row])?.to_be_bytes()),
            Values::Midnight(values) => field(out, timestamp(i64::from(values[row]) * 86_400_000_000)?.to_be_bytes()),
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
fn field<const N: usize>(out: &mut Vec<u8>, value: [u8; N]) {
    let mut bytes = [0_u8; 20];
    bytes[..4].copy_from_slice(&(N as u32).to_be_bytes());
    bytes[4..4 + N].copy_from_slice(&value);
    out.extend_from_slice(&bytes[..4 + N]);
}

fn number(out: &mut Vec<u8>, value: i128, scale: u8) {
    let mut bytes = Vec::new();
    numeric::write(&mut bytes, value, scale);
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(&bytes);
}

fn slice<'a>(offsets: &[i32], data: &'a [u8], row: usize) -> &'a [u8] {
    &data[offsets[row] as usize..offsets[row + 1] as usize]
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

/// Appends the rows of a batch whose every value fits.
pub(super) fn append(columns: &[Cells<'_>], rows: usize, out: &mut Vec<u8>) {
    for row in 0..rows {
        out.extend_from_slice(&(columns.len() as i16).to_be_bytes());
        columns.iter().for_each(|cells| cells.write(row, out).unwrap());
    }
}

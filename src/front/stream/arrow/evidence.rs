//! What the types of a record batch say, as evidence.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampNanosecondType, UInt64Type};
use arrow_array::{Array, ArrowPrimitiveType};
use arrow_schema::{DataType, Field, TimeUnit};

use super::cells::is_json;
use crate::path::Path;
use crate::sketch::{Class, Evidence, FieldEvidence, Position, Range};

/// Digits of a double before and behind the point: a decimal that met one would have to be text.
const DOUBLE_DIGITS: (u32, u32) = (309, 340);

/// Adds the evidence of a column.
pub(super) fn declare(field: &Field, array: &dyn Array, path: Path, fields: &mut Vec<FieldEvidence>) {
    let nth = fields.len() as u64;
    let nulls = array.logical_null_count() as u64;
    let filled = array.len() as u64 - nulls;
    let mut evidence = Evidence { appeared: (0, nth), ..Evidence::default() };
    let first = Position { source: 0, offset: 0, line: 1 };
    let class = measure(field, array, &mut evidence);
    for (class, count) in [(Class::Null, nulls), (class, filled)] {
        if count > 0 && array.data_type() != &DataType::Null {
            evidence.counts[class as usize] += count;
            evidence.note_first(class, first);
        }
    }
    fields.push(FieldEvidence { path, evidence });
}

/// The class that a column's type stands for, and what else is to be known of its values.
fn measure(field: &Field, array: &dyn Array, evidence: &mut Evidence) -> Class {
    match array.data_type() {
        DataType::Boolean => Class::Boolean,
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => whole(evidence, Class::Int16, 5),
        DataType::UInt16 | DataType::Int32 => whole(evidence, Class::Int32, 10),
        DataType::UInt32 => whole(evidence, Class::Int64, 10),
        DataType::Int64 => {
            evidence.ints = range::<Int64Type>(array);
            whole(evidence, Class::Int64, 19)
        }
        DataType::UInt64 => {
            evidence.ints = range::<UInt64Type>(array);
            whole(evidence, Class::IntWide, 20)
        }
        DataType::Float32 | DataType::Float64 => {
            (evidence.int_digits, evidence.scale) = DOUBLE_DIGITS;
            Class::Frac
        }
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => {
            let scale = u32::from(scale.unsigned_abs());
            (evidence.int_digits, evidence.scale) = (u32::from(*precision).saturating_sub(scale), scale);
            Class::Exact
        }
        DataType::Date32 => Class::Date,
        DataType::Date64 => Class::Timestamp,
        DataType::Time32(_) | DataType::Time64(_) => Class::Time,
        DataType::Timestamp(unit, zone) => match (zone.is_some(), *unit == TimeUnit::Nanosecond && is_finer(array)) {
            (false, false) => Class::Timestamp,
            (false, true) => Class::TimestampNanos,
            (true, false) => Class::TimestampTz,
            (true, true) => Class::TimestampTzNanos,
        },
        DataType::FixedSizeBinary(_) => Class::Uuid,
        DataType::Struct(_) => Class::Object,
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => Class::Array,
        DataType::Dictionary(_, _) => measure(field, array.as_any_dictionary().values().as_ref(), evidence),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View if is_json(field) => Class::WholeObject,
        _ => Class::Text,
    }
}

fn whole(evidence: &mut Evidence, class: Class, digits: u32) -> Class {
    evidence.int_digits = digits;
    class
}

/// The smallest and largest of a column's whole numbers: whether a double holds them depends on it.
fn range<T: ArrowPrimitiveType<Native: Into<i128>>>(array: &dyn Array) -> Option<Range<i128>> {
    let mut range = None;
    array.as_primitive::<T>().iter().flatten().for_each(|value| Range::add(&mut range, value.into()));
    range
}

/// Whether a time in nanoseconds is finer than microseconds.
fn is_finer(array: &dyn Array) -> bool {
    array.as_primitive::<TimestampNanosecondType>().iter().flatten().any(|nanos| nanos % 1_000 != 0)
}

//! The values of a column by their type, and the arrays they become.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float64Array, Int16Array, Int32Array,
    Int64Array, Time64MicrosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer};

use crate::schema::{TimeUnit, Type};
use crate::simd::Texts;

/// Values, one for each row; those of nulls mean nothing.
#[derive(Debug)]
pub(super) enum Values {
    Boolean(BooleanBufferBuilder),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Decimal {
        unscaled: Vec<i128>,
        /// Digits in all.
        digits: u32,
        /// Digits behind the point.
        scale: u32,
    },
    Float64(Vec<f64>),
    /// Days since 1970.
    Days(Vec<i32>),
    /// Microseconds since midnight.
    Time(Vec<i64>),
    /// Since 1970, in `unit`.
    Stamps {
        ticks: Vec<i64>,
        /// Whether values have a zone.
        zoned: bool,
        unit: TimeUnit,
    },
    Uuid(Vec<[u8; 16]>),
    Text(Texts),
    /// Texts that are JSON.
    Json(Texts),
}

/// What goes over all kinds of values in the same way.
macro_rules! each {
    ($values:expr, $vector:ident => $do:expr, $bits:ident => $with_bits:expr, $texts:ident => $with_texts:expr) => {
        match $values {
            Values::Boolean($bits) => $with_bits,
            Values::Int16($vector) => $do,
            Values::Int32($vector) | Values::Days($vector) => $do,
            Values::Int64($vector) | Values::Time($vector) | Values::Stamps { ticks: $vector, .. } => $do,
            Values::Decimal { unscaled: $vector, .. } => $do,
            Values::Float64($vector) => $do,
            Values::Uuid($vector) => $do,
            Values::Text($texts) | Values::Json($texts) => $with_texts,
        }
    };
}

impl Values {
    /// No values yet, with room for as many as the last batch had.
    pub(super) fn new(ty: Type, rows: usize, text_bytes: usize) -> Self {
        let ticks = || Vec::with_capacity(rows);
        match ty {
            Type::Boolean => Values::Boolean(BooleanBufferBuilder::new(rows)),
            Type::Int16 => Values::Int16(Vec::with_capacity(rows)),
            Type::Int32 => Values::Int32(Vec::with_capacity(rows)),
            Type::Int64 => Values::Int64(Vec::with_capacity(rows)),
            Type::Decimal { precision, scale } => {
                Values::Decimal { unscaled: Vec::with_capacity(rows), digits: precision.into(), scale: scale.into() }
            }
            Type::Float64 => Values::Float64(Vec::with_capacity(rows)),
            Type::Date => Values::Days(Vec::with_capacity(rows)),
            Type::Time => Values::Time(ticks()),
            Type::Timestamp(unit) => Values::Stamps { ticks: ticks(), zoned: false, unit },
            Type::TimestampTz(unit) => Values::Stamps { ticks: ticks(), zoned: true, unit },
            Type::Uuid => Values::Uuid(Vec::with_capacity(rows)),
            Type::Null | Type::Text => Values::Text(Texts::new(rows, text_bytes)),
            Type::Json => Values::Json(Texts::new(rows, text_bytes)),
        }
    }

    /// How many bytes the texts take.
    pub(super) fn text_bytes(&self) -> usize {
        match self {
            Values::Text(texts) | Values::Json(texts) => texts.bytes(),
            _ => 0,
        }
    }

    /// Adds the places of nulls.
    pub(super) fn skip(&mut self, rows: usize) {
        each!(self,
            values => values.resize(values.len() + rows, Default::default()),
            bits => bits.append_n(rows, false),
            texts => texts.skip(rows));
    }

    /// Forgets the values from row `rows` on.
    pub(super) fn truncate(&mut self, rows: usize) {
        each!(self, values => values.truncate(rows), bits => bits.truncate(rows), texts => texts.truncate(rows));
    }

    /// The array of a column of type `ty`.
    pub(super) fn finish(self, ty: Type, nulls: Option<NullBuffer>) -> ArrayRef {
        match self {
            Values::Boolean(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Int16(values) => Arc::new(Int16Array::new(values.into(), nulls)),
            Values::Int32(values) => Arc::new(Int32Array::new(values.into(), nulls)),
            Values::Int64(values) => Arc::new(Int64Array::new(values.into(), nulls)),
            Values::Decimal { unscaled, .. } => {
                Arc::new(Decimal128Array::new(unscaled.into(), nulls).with_data_type(ty.arrow()))
            }
            Values::Float64(values) => Arc::new(Float64Array::new(values.into(), nulls)),
            Values::Days(values) => Arc::new(Date32Array::new(values.into(), nulls)),
            Values::Time(values) => Arc::new(Time64MicrosecondArray::new(values.into(), nulls)),
            Values::Stamps { ticks, unit: TimeUnit::Nano, .. } => {
                Arc::new(TimestampNanosecondArray::new(ticks.into(), nulls).with_data_type(ty.arrow()))
            }
            Values::Stamps { ticks, .. } => {
                Arc::new(TimestampMicrosecondArray::new(ticks.into(), nulls).with_data_type(ty.arrow()))
            }
            Values::Uuid(values) => {
                let bytes = Buffer::from_vec(values.into_flattened());
                Arc::new(FixedSizeBinaryArray::new(16, bytes, nulls))
            }
            // Text comes from records whose UTF-8 has been checked; where that is not known it is checked once more, and never
            // fails.
            Values::Text(texts) | Values::Json(texts) => Arc::new(texts.finish(nulls)),
        }
    }
}

//! One column being filled, row by row.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float64Array, Int16Array, Int32Array,
    Int64Array, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use super::parse;
use crate::records::{Field, FieldKind, Record};
use crate::schema::{Column, Reading, TimeUnit, Type};
use crate::value::null_word;

/// Why a value does not fit its column: what was found instead.
pub(super) type Found = &'static str;

/// The values of a column, and which rows have one.
#[derive(Debug)]
pub(super) struct ColumnBuilder {
    ty: Type,
    reading: Reading,
    max_chars: Option<u32>,
    values: Values,
    valid: BooleanBufferBuilder,
}

#[derive(Debug)]
enum Values {
    Boolean(BooleanBufferBuilder),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Decimal(Vec<i128>),
    Float64(Vec<f64>),
    /// Days, microseconds or nanoseconds, as the type has it.
    Days(Vec<i32>),
    Ticks(Vec<i64>),
    Uuid(Vec<u8>),
    Text {
        ends: Vec<i32>,
        data: Vec<u8>,
    },
}

impl Values {
    /// No values yet, with room for as many as the last batch had.
    fn new(ty: Type, rows: usize, text_bytes: usize) -> Self {
        match ty {
            Type::Boolean => Values::Boolean(BooleanBufferBuilder::new(rows)),
            Type::Int16 => Values::Int16(Vec::with_capacity(rows)),
            Type::Int32 => Values::Int32(Vec::with_capacity(rows)),
            Type::Int64 => Values::Int64(Vec::with_capacity(rows)),
            Type::Decimal { .. } => Values::Decimal(Vec::with_capacity(rows)),
            Type::Float64 => Values::Float64(Vec::with_capacity(rows)),
            Type::Date => Values::Days(Vec::with_capacity(rows)),
            Type::Time | Type::Timestamp(_) | Type::TimestampTz(_) => Values::Ticks(Vec::with_capacity(rows)),
            Type::Uuid => Values::Uuid(Vec::with_capacity(16 * rows)),
            Type::Null | Type::Text | Type::Json => {
                let mut ends = Vec::with_capacity(rows + 1);
                ends.push(0);
                Values::Text { ends, data: Vec::with_capacity(text_bytes) }
            }
        }
    }

    fn text_bytes(&self) -> usize {
        match self {
            Values::Text { data, .. } => data.len(),
            _ => 0,
        }
    }

    /// Adds the place of a null.
    fn skip(&mut self) {
        match self {
            Values::Boolean(values) => values.append(false),
            Values::Int16(values) => values.push(0),
            Values::Int32(values) | Values::Days(values) => values.push(0),
            Values::Int64(values) | Values::Ticks(values) => values.push(0),
            Values::Decimal(values) => values.push(0),
            Values::Float64(values) => values.push(0.0),
            Values::Uuid(values) => values.extend_from_slice(&[0; 16]),
            Values::Text { ends, data } => ends.push(data.len() as i32),
        }
    }

    fn truncate(&mut self, rows: usize) {
        match self {
            Values::Boolean(values) => values.truncate(rows),
            Values::Int16(values) => values.truncate(rows),
            Values::Int32(values) | Values::Days(values) => values.truncate(rows),
            Values::Int64(values) | Values::Ticks(values) => values.truncate(rows),
            Values::Decimal(values) => values.truncate(rows),
            Values::Float64(values) => values.truncate(rows),
            Values::Uuid(values) => values.truncate(16 * rows),
            Values::Text { ends, data } => {
                ends.truncate(rows + 1);
                data.truncate(ends[rows] as usize);
            }
        }
    }
}

impl ColumnBuilder {
    pub(super) fn new(column: &Column) -> Self {
        ColumnBuilder {
            ty: column.ty,
            reading: column.reading,
            max_chars: column.max_chars,
            values: Values::new(column.ty, 0, 0),
            valid: BooleanBufferBuilder::new(0),
        }
    }

    /// Takes in a field of row `row`; rows between the last one and this get nulls.
    pub(super) fn append(&mut self, row: usize, record: &Record<'_>, field: &Field) -> Result<(), Found> {
        self.pad(row);
        let text = record.text(field);
        if self.is_null(field.kind, &text) {
            return Ok(());
        }
        match self.ty {
            Type::Text | Type::Null => {
                let text: &[u8] = match field.kind {
                    FieldKind::Object | FieldKind::WholeObject | FieldKind::Array => record.source_text(field),
                    _ => &text,
                };
                if self.max_chars.is_some_and(|max| !fits_chars(text, max as usize)) {
                    return Err("text longer than the column");
                }
                self.push_text(text);
            }
            Type::Json => match parse::json(field.kind, record.source_text(field), &text) {
                Ok(json) => self.push_text(json),
                Err(found) => return Err(found),
            },
            _ => self.parsed(field.kind, &text)?,
        }
        self.valid.append(true);
        Ok(())
    }

    /// Takes in a text of row `row` that is known to fit.
    pub(super) fn append_text(&mut self, row: usize, text: &[u8]) {
        self.pad(row);
        self.push_text(text);
        self.valid.append(true);
    }

    fn push_text(&mut self, text: &[u8]) {
        if let Values::Text { ends, data } = &mut self.values {
            data.extend_from_slice(text);
            ends.push(data.len() as i32);
        }
    }

    /// Whether a field holds no value for this column. Words for "no value" and empty quoted cells are text where
    /// the column is text, and nothing where it has a type.
    fn is_null(&self, kind: FieldKind, text: &[u8]) -> bool {
        let typed = !matches!(self.ty, Type::Text | Type::Json | Type::Null);
        match kind {
            FieldKind::Null => true,
            FieldKind::Cell => text.is_empty() || (typed && null_word(text).is_some()),
            FieldKind::Quoted | FieldKind::EscapedQuoted => typed && text.is_empty(),
            _ => false,
        }
    }

    fn parsed(&mut self, kind: FieldKind, text: &[u8]) -> Result<(), Found> {
        let text = parse::Spelled::new(kind, text, self.reading)?;
        match (&mut self.values, self.ty) {
            (Values::Boolean(values), _) => values.append(text.boolean()?),
            (Values::Int16(values), _) => values.push(i16::try_from(text.integer()?).map_err(|_| TOO_WIDE)?),
            (Values::Int32(values), _) => values.push(i32::try_from(text.integer()?).map_err(|_| TOO_WIDE)?),
            (Values::Int64(values), _) => values.push(i64::try_from(text.integer()?).map_err(|_| TOO_WIDE)?),
            (Values::Decimal(values), Type::Decimal { precision, scale }) => {
                values.push(text.decimal(u32::from(precision), u32::from(scale))?);
            }
            (Values::Float64(values), _) => values.push(text.double()?),
            (Values::Days(values), _) => values.push(text.date()?),
            (Values::Ticks(values), Type::Time) => values.push(text.time()?),
            (Values::Ticks(values), Type::Timestamp(unit)) => values.push(text.timestamp(false, unit)?),
            (Values::Ticks(values), Type::TimestampTz(unit)) => values.push(text.timestamp(true, unit)?),
            (Values::Uuid(values), _) => values.extend_from_slice(&text.uuid()?),
            _ => return Err("a value of another type"),
        }
        Ok(())
    }

    /// Whether row `row` has a value. Rows are only asked about as the last one.
    pub(super) fn has_value(&self, row: usize) -> bool {
        self.valid.len() == row + 1 && self.valid.get_bit(row)
    }

    /// Gives every row before `row` that has no value a null.
    fn pad(&mut self, row: usize) {
        while self.valid.len() < row {
            self.values.skip();
            self.valid.append(false);
        }
    }

    /// Takes back what was appended to rows from `row` on.
    pub(super) fn roll_back(&mut self, row: usize) {
        if self.valid.len() > row {
            self.valid.truncate(row);
        }
        self.values.truncate(self.valid.len());
    }

    /// The column's values for `rows` rows; the builder starts anew.
    pub(super) fn finish(&mut self, rows: usize) -> ArrayRef {
        self.pad(rows);
        let valid = NullBuffer::new(self.valid.finish());
        let nulls = (valid.null_count() > 0).then_some(valid);
        // One long record must not make every later batch reserve as much.
        let text_bytes = self.values.text_bytes().min(ROOM);
        let values = std::mem::replace(&mut self.values, Values::new(self.ty, rows.min(ROOM / 16), text_bytes));
        let ticks = |values: Vec<i64>| ScalarBuffer::from(values);
        match (values, self.ty) {
            (Values::Boolean(mut values), _) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            (Values::Int16(values), _) => Arc::new(Int16Array::new(values.into(), nulls)),
            (Values::Int32(values), _) => Arc::new(Int32Array::new(values.into(), nulls)),
            (Values::Int64(values), _) => Arc::new(Int64Array::new(values.into(), nulls)),
            (Values::Decimal(values), ty) => {
                Arc::new(Decimal128Array::new(values.into(), nulls).with_data_type(ty.arrow()))
            }
            (Values::Float64(values), _) => Arc::new(Float64Array::new(values.into(), nulls)),
            (Values::Days(values), _) => Arc::new(Date32Array::new(values.into(), nulls)),
            (Values::Ticks(values), Type::Time) => Arc::new(Time64MicrosecondArray::new(ticks(values), nulls)),
            (Values::Ticks(values), ty @ (Type::Timestamp(TimeUnit::Nano) | Type::TimestampTz(TimeUnit::Nano))) => {
                Arc::new(TimestampNanosecondArray::new(ticks(values), nulls).with_data_type(ty.arrow()))
            }
            (Values::Ticks(values), ty) => {
                Arc::new(TimestampMicrosecondArray::new(ticks(values), nulls).with_data_type(ty.arrow()))
            }
            (Values::Uuid(values), _) => Arc::new(FixedSizeBinaryArray::new(16, Buffer::from_vec(values), nulls)),
            (Values::Text { ends, data }, _) => {
                // Text comes from records whose UTF-8 has been checked; this checks once more and never fails.
                Arc::new(StringArray::new(OffsetBuffer::new(ends.into()), Buffer::from_vec(data), nulls))
            }
        }
    }
}

/// The most bytes that a column reserves for the next batch.
const ROOM: usize = 1 << 20;

const TOO_WIDE: Found = "a wider whole number";

fn fits_chars(text: &[u8], max: usize) -> bool {
    text.len() <= max || text.iter().filter(|byte| **byte & 0xC0 != 0x80).count() <= max
}

//! One column being filled, row by row.

use std::ops::Range;

use arrow_array::ArrayRef;
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::DataType;

use super::digits;
use super::nulls::Nulls;
use super::parse::{self, Spelled};
use super::values::{Made, Stored, Values};
use crate::records::{Field, FieldKind, Record};
use crate::schema::{Column, Reading, TimeUnit, Type};
use crate::simd::{Block, Memory};
use crate::value::{self, null_word};

/// Why a value does not fit its column: what was found instead.
pub(super) type Found = &'static str;

/// The values of a column, and which rows have one.
///
/// A row gets its value by one of the `append` functions, in ascending order of rows; rows that are passed over are
/// null.
#[derive(Debug)]
pub(super) struct ColumnBuilder {
    ty: Type,
    pub(super) reading: Reading,
    max_chars: Option<u32>,
    /// Whether values have their type's own spelling and any length, as nearly always.
    pub(super) plain: bool,
    pub(super) values: Values,
    pub(super) nulls: Nulls,
    /// Rows that have a value or a null.
    pub(super) rows: usize,
}

impl ColumnBuilder {
    pub(super) fn new(column: &Column) -> Self {
        ColumnBuilder {
            ty: column.ty,
            reading: column.reading,
            max_chars: column.max_chars,
            plain: column.reading == Reading::Native && column.max_chars.is_none(),
            values: Values::new(column.ty),
            nulls: Nulls::default(),
            rows: 0,
        }
    }

    /// Takes in a field of row `row`; rows between the last one and this get nulls.
    #[inline]
    pub(super) fn append(&mut self, row: usize, record: &Record<'_>, field: &Field) -> Result<(), Found> {
        if field.kind == FieldKind::Null {
            return Ok(());
        }
        self.pad(row);
        if self.plain && self.quick(record, field) {
            self.rows += 1;
            return Ok(());
        }
        self.slow(record, field)
    }

    /// Takes in a field that is spelled as most are: JSON's kinds for their own types. False, with nothing changed,
    /// if it has to be looked at more closely.
    #[inline]
    fn quick(&mut self, record: &Record<'_>, field: &Field) -> bool {
        let (from, to) = (field.start as usize, field.end as usize);
        let text = &record.bytes[from..to];
        match (&mut self.values, field.kind) {
            (Values::Text(texts), FieldKind::Str) => texts.push_part(record.bytes, from, to),
            (Values::Text(texts), FieldKind::Int | FieldKind::Real | FieldKind::True | FieldKind::False) => {
                texts.push(text)
            }
            (Values::Text(texts), FieldKind::EscapedStr) => texts.push_with(|data| record.unescape(field, data)),
            (Values::Json(texts), FieldKind::Str | FieldKind::EscapedStr) => {
                texts.push_part(record.bytes, from - 1, to + 1)
            }
            (Values::Json(texts), FieldKind::Array | FieldKind::Object | FieldKind::WholeObject) => {
                parse::json_in_record(text, field.kind).is_ok() && texts.push(text)
            }
            (Values::Int16(values), FieldKind::Int) => {
                push(values, digits::whole(record.bytes, from, to).and_then(|n| n.try_into().ok()))
            }
            (Values::Int32(values), FieldKind::Int) => {
                push(values, digits::whole(record.bytes, from, to).and_then(|n| n.try_into().ok()))
            }
            (Values::Int64(values), FieldKind::Int) => push(values, digits::whole(record.bytes, from, to)),
            (Values::Float64(values), FieldKind::Int) => {
                // Zero may have a sign, and past 2^53 not every number is a double.
                let exact = |n: &i64| *n != 0 && n.unsigned_abs() < 1 << 53;
                push(values, digits::whole(record.bytes, from, to).filter(exact).map(|n| n as f64))
            }
            (Values::Float64(values), FieldKind::Real) => {
                let exact = |n: &digits::Fraction| n.unscaled != 0 && n.digits <= 15;
                push(values, digits::fraction(record.bytes, from, to).filter(exact).map(|n| n.double()))
            }
            (Values::Boolean(values), FieldKind::True | FieldKind::False) => {
                values.append(field.kind == FieldKind::True);
                true
            }
            (Values::Days(values), FieldKind::Str) => push(values, value::date(text)),
            (Values::Time(values), FieldKind::Str) => push(values, value::time(text)),
            (Values::Stamps { ticks, zoned, unit }, FieldKind::Str) => {
                let stamp = value::timestamp(text).filter(|stamp| stamp.zoned == *zoned);
                push(
                    ticks,
                    stamp.and_then(|stamp| if *unit == TimeUnit::Micro { stamp.micros() } else { stamp.nanos() }),
                )
            }
            (Values::Uuid(values), FieldKind::Str) => push(values, value::uuid(text)),
            (Values::Decimal { unscaled, digits, scale }, FieldKind::Int | FieldKind::Real) => {
                push(unscaled, digits::fraction(record.bytes, from, to).and_then(|n| n.scaled(*digits, *scale)))
            }
            _ => false,
        }
    }

    /// Takes in any field, with every rule.
    pub(super) fn slow(&mut self, record: &Record<'_>, field: &Field) -> Result<(), Found> {
        let text = record.text(field);
        if is_null(self.is_typed(), field.kind, &text) {
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
                self.push_text(text)?;
            }
            Type::Json => self.push_text(parse::json(field.kind, record.source_text(field), &text)?)?,
            _ => self.parsed(field.kind, &text)?,
        }
        self.rows += 1;
        Ok(())
    }

    /// Takes in a text of row `row` that needs no check but for room.
    pub(super) fn append_text(&mut self, row: usize, text: &[u8]) -> Result<(), Found> {
        self.pad(row);
        self.push_text(text)?;
        self.rows += 1;
        Ok(())
    }

    fn push_text(&mut self, text: &[u8]) -> Result<(), Found> {
        match &mut self.values {
            Values::Text(texts) | Values::Json(texts) => {
                texts.push(text).then_some(()).ok_or("more text than a batch can hold")
            }
            _ => Err("a value of another type"),
        }
    }

    /// Whether words for "no value" and empty quoted cells are nothing in this column. Where it is text, they are text.
    pub(super) fn is_typed(&self) -> bool {
        !matches!(self.ty, Type::Text | Type::Json | Type::Null)
    }

    fn parsed(&mut self, kind: FieldKind, text: &[u8]) -> Result<(), Found> {
        let text = Spelled::new(kind, text, self.reading)?;
        match &mut self.values {
            Values::Boolean(values) => values.append(text.boolean()?),
            Values::Int16(values) => values.push(i16::try_from(text.integer()?).map_err(|_| TOO_WIDE)?),
            Values::Int32(values) => values.push(i32::try_from(text.integer()?).map_err(|_| TOO_WIDE)?),
            Values::Int64(values) => values.push(i64::try_from(text.integer()?).map_err(|_| TOO_WIDE)?),
            Values::Decimal { unscaled, digits, scale } => unscaled.push(text.decimal(*digits, *scale)?),
            Values::Float64(values) => values.push(text.double()?),
            Values::Days(values) => values.push(text.date()?),
            Values::Time(values) => values.push(text.time()?),
            Values::Stamps { ticks, zoned, unit } => ticks.push(text.timestamp(*zoned, *unit)?),
            Values::Uuid(values) => values.push(text.uuid()?),
            Values::Text(_) | Values::Json(_) => return Err("a value of another type"),
        }
        Ok(())
    }

    /// Whether row `row` has a value. Rows are only asked about as the last one.
    pub(super) fn has_value(&self, row: usize) -> bool {
        self.rows == row + 1
    }

    /// Gives every row before `row` that has nothing a null.
    #[inline]
    pub(super) fn pad(&mut self, row: usize) {
        if self.rows < row {
            self.values.skip(row - self.rows);
            self.nulls.push(self.rows, row);
            self.rows = row;
        }
    }

    /// Takes back what was appended to rows from `row` on.
    pub(super) fn roll_back(&mut self, row: usize) {
        if self.rows > row {
            self.rows = row;
            self.nulls.truncate(row);
            self.values.truncate(row);
        }
    }

    /// The bytes of a block that the column takes with `rows` rows; those that have nothing get nulls.
    pub(super) fn room(&mut self, rows: usize) -> usize {
        self.pad(rows);
        self.values.room() + Nulls::room(rows)
    }

    /// Copies the column to a block, by way of `words`; the builder starts anew.
    pub(super) fn store(&mut self, block: &mut Block, words: &mut Vec<u64>) -> StoredColumn {
        let rows = std::mem::take(&mut self.rows);
        StoredColumn { rows, values: self.values.store(block), nulls: self.nulls.store(rows, block, words) }
    }
}

/// A column in a block.
#[derive(Debug)]
pub(super) struct StoredColumn {
    rows: usize,
    values: Stored,
    nulls: Option<Range<usize>>,
}

impl StoredColumn {
    /// The column as an array of its type, which is `arrow` to Arrow.
    pub(super) fn array(self, arrow: &DataType, memory: &Memory) -> ArrayRef {
        let bits = self.nulls.map(|bits| BooleanBuffer::new(memory.bytes(bits), 0, self.rows));
        self.values.array(memory, Made { ty: arrow, rows: self.rows, nulls: bits.map(NullBuffer::new) })
    }
}

pub(super) const TOO_WIDE: Found = "a wider whole number";

/// Whether a field holds no value for a column, which may have a type of its own or be text.
pub(super) fn is_null(typed: bool, kind: FieldKind, text: &[u8]) -> bool {
    match kind {
        FieldKind::Null => true,
        FieldKind::Cell => text.is_empty() || (typed && null_word(text).is_some()),
        FieldKind::Quoted | FieldKind::EscapedQuoted => typed && text.is_empty(),
        _ => false,
    }
}

/// Appends a value if there is one.
#[inline(always)]
fn push<T>(values: &mut Vec<T>, value: Option<T>) -> bool {
    value.map(|value| values.push(value)).is_some()
}

fn fits_chars(text: &[u8], max: usize) -> bool {
    text.len() <= max || text.iter().filter(|byte| **byte & 0xC0 != 0x80).count() <= max
}

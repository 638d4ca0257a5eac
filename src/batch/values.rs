//! The values of a column by their type, and the arrays they become.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType, TimestampNanosecondType,
};
use arrow_array::{ArrayRef, BooleanArray, FixedSizeBinaryArray, PrimitiveArray};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, Buffer, NullBuffer};
use arrow_schema::DataType;

use crate::schema::{TimeUnit, Type};
use crate::simd::{Block, Memory, StoredTexts, Texts};

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

/// The most bytes that a column keeps for the next batch: one long record must not make all later ones hold as much.
const ROOM: usize = 1 << 20;

/// What goes over all kinds of values in the same way.
macro_rules! each {
    ($values:expr, $vector:ident => $do:expr, $bits:ident => $with_bits:expr, $texts:ident => $with_texts:expr) => {
        each!($values, $vector => $do, $bits => $with_bits, $vector => $do, $texts => $with_texts)
    };
    (
        $values:expr, $vector:ident => $do:expr, $bits:ident => $with_bits:expr, $uuids:ident => $with_uuids:expr,
        $texts:ident => $with_texts:expr
    ) => {
        match $values {
            Values::Boolean($bits) => $with_bits,
            Values::Int16($vector) => $do,
            Values::Int32($vector) | Values::Days($vector) => $do,
            Values::Int64($vector) | Values::Time($vector) | Values::Stamps { ticks: $vector, .. } => $do,
            Values::Decimal { unscaled: $vector, .. } => $do,
            Values::Float64($vector) => $do,
            Values::Uuid($uuids) => $with_uuids,
            Values::Text($texts) | Values::Json($texts) => $with_texts,
        }
    };
}

impl Values {
    /// No values yet.
    pub(super) fn new(ty: Type) -> Self {
        match ty {
            Type::Boolean => Values::Boolean(BooleanBufferBuilder::new(0)),
            Type::Int16 => Values::Int16(Vec::new()),
            Type::Int32 => Values::Int32(Vec::new()),
            Type::Int64 => Values::Int64(Vec::new()),
            Type::Decimal { precision, scale } => {
                Values::Decimal { unscaled: Vec::new(), digits: precision.into(), scale: scale.into() }
            }
            Type::Float64 => Values::Float64(Vec::new()),
            Type::Date => Values::Days(Vec::new()),
            Type::Time => Values::Time(Vec::new()),
            Type::Timestamp(unit) => Values::Stamps { ticks: Vec::new(), zoned: false, unit },
            Type::TimestampTz(unit) => Values::Stamps { ticks: Vec::new(), zoned: true, unit },
            Type::Uuid => Values::Uuid(Vec::new()),
            Type::Null | Type::Text => Values::Text(Texts::new()),
            Type::Json => Values::Json(Texts::new()),
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

    /// The bytes of a block that the values take.
    pub(super) fn room(&self) -> usize {
        each!(self,
            values => Block::room(values),
            bits => Block::room(bits.as_slice()),
            uuids => Block::room(uuids.as_flattened()),
            texts => texts.room())
    }

    /// Copies the values to a block; none are left.
    pub(super) fn store(&mut self, block: &mut Block) -> Stored {
        match self {
            Values::Boolean(bits) => {
                let part = block.push(bits.as_slice());
                bits.truncate(0);
                Stored::Values(part, booleans)
            }
            Values::Int16(values) => store::<Int16Type>(values, block),
            Values::Int32(values) => store::<Int32Type>(values, block),
            Values::Int64(values) => store::<Int64Type>(values, block),
            Values::Decimal { unscaled, .. } => store::<Decimal128Type>(unscaled, block),
            Values::Float64(values) => store::<Float64Type>(values, block),
            Values::Days(values) => store::<Date32Type>(values, block),
            Values::Time(values) => store::<Time64MicrosecondType>(values, block),
            Values::Stamps { ticks, unit: TimeUnit::Micro, .. } => store::<TimestampMicrosecondType>(ticks, block),
            Values::Stamps { ticks, unit: TimeUnit::Nano, .. } => store::<TimestampNanosecondType>(ticks, block),
            Values::Uuid(values) => {
                let part = block.push(values.as_flattened());
                clear(values);
                Stored::Values(part, uuids)
            }
            // Text comes from records whose UTF-8 has been checked; where that is not known it is checked once more, and
            // never fails.
            Values::Text(texts) | Values::Json(texts) => Stored::Texts(texts.store(block, ROOM)),
        }
    }
}

fn store<T: ArrowPrimitiveType>(values: &mut Vec<T::Native>, block: &mut Block) -> Stored {
    let part = block.push(values);
    clear(values);
    Stored::Values(part, numbers::<T>)
}

fn clear<T>(values: &mut Vec<T>) {
    values.clear();
    values.shrink_to(ROOM / size_of::<T>());
}

/// The values of a column in a block, and how they become an array.
#[derive(Debug)]
pub(super) enum Stored {
    Values(Range<usize>, fn(Made<'_>, Buffer) -> ArrayRef),
    Texts(StoredTexts),
}

/// What an array is made of besides its values.
#[derive(Debug)]
pub(super) struct Made<'a> {
    /// Its type to Arrow.
    pub(super) ty: &'a DataType,
    pub(super) rows: usize,
    pub(super) nulls: Option<NullBuffer>,
}

impl Stored {
    /// The array of a column.
    pub(super) fn array(self, memory: &Memory, made: Made<'_>) -> ArrayRef {
        match self {
            Stored::Values(part, array) => array(made, memory.bytes(part)),
            Stored::Texts(texts) => Arc::new(texts.array(memory, made.nulls)),
        }
    }
}

fn numbers<T: ArrowPrimitiveType>(made: Made<'_>, values: Buffer) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(values.into(), made.nulls).with_data_type(made.ty.clone()))
}

fn booleans(made: Made<'_>, values: Buffer) -> ArrayRef {
    Arc::new(BooleanArray::new(BooleanBuffer::new(values, 0, made.rows), made.nulls))
}

fn uuids(made: Made<'_>, values: Buffer) -> ArrayRef {
    Arc::new(FixedSizeBinaryArray::new(16, values, made.nulls))
}

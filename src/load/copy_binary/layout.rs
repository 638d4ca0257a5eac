//! Which Arrow type goes into which Postgres type, and how.

use arrow_schema::{DataType, TimeUnit};

use crate::plan::PgType;

/// How a column is written; settled once per load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    AllNull,
    Bool,
    Int2,
    Int4,
    Int8,
    IntNumeric,
    Numeric {
        scale: u8,
    },
    Float4,
    Float8,
    Date,
    /// A date as the beginning of its day.
    Midnight,
    Time,
    Timestamp {
        utc: bool,
    },
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
            (DataType::Date32, PgType::Timestamp(_)) => Layout::Midnight,
            (DataType::Time64(TimeUnit::Microsecond), PgType::Time(_)) => Layout::Time,
            (DataType::Timestamp(TimeUnit::Microsecond, None), PgType::Timestamp(_)) => {
                Layout::Timestamp { utc: false }
            }
            (DataType::Timestamp(TimeUnit::Microsecond, Some(_)), PgType::TimestampTz(_)) => {
                Layout::Timestamp { utc: true }
            }
            (DataType::FixedSizeBinary(16), PgType::Uuid) => Layout::Uuid,
            (
                DataType::Utf8,
                PgType::Text | PgType::Varchar(_) | PgType::Char(_) | PgType::Json | PgType::Textual(_),
            ) => Layout::Text,
            (DataType::Utf8, PgType::Jsonb) => Layout::Jsonb,
            (DataType::Binary, PgType::Bytea) => Layout::Bytea,
            _ => return None,
        })
    }
}

//! Postgres: its types as SQL, and how much of a page a row takes.

use std::fmt;

use crate::plan::{JsonType, PgType};
use crate::schema::{Column, Type};

/// What a row may take of a page after its long values have moved out of line, in bytes.
const PAGE: u64 = 8160;

/// What a value that moved out of line leaves in the row, in bytes.
const POINTER: u64 = 18;

impl PgType {
    /// The column type for values of a logical type, as `CREATE TABLE` names it.
    ///
    /// Every value is held unchanged once [`fit`](crate::plan::fit) has been there; `text` stands for types that
    /// Postgres has no exact type for.
    pub fn of(ty: Type, json: JsonType) -> PgType {
        match ty {
            Type::Boolean => PgType::Bool,
            Type::Int16 => PgType::Int2,
            Type::Int32 => PgType::Int4,
            Type::Int64 => PgType::Int8,
            Type::Decimal { precision, scale } => PgType::Numeric(Some((u16::from(precision), i16::from(scale)))),
            Type::Float64 => PgType::Float8,
            Type::Date => PgType::Date,
            Type::Time => PgType::Time(None),
            Type::Timestamp(_) => PgType::Timestamp(None),
            Type::TimestampTz(_) => PgType::TimestampTz(None),
            Type::Uuid => PgType::Uuid,
            Type::Json => match json {
                JsonType::Jsonb => PgType::Jsonb,
                JsonType::Json => PgType::Json,
            },
            Type::Null | Type::Text => PgType::Text,
        }
    }
}

impl fmt::Display for PgType {
    /// The type as SQL: `numeric(12,2)`, `timestamp(3)`, `varchar(40)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            PgType::Numeric(Some((p, s))) => return write!(f, "numeric({p},{s})"),
            PgType::Varchar(Some(n)) => return write!(f, "varchar({n})"),
            PgType::Char(n) => return write!(f, "char({n})"),
            PgType::Time(Some(p)) => return write!(f, "time({p})"),
            PgType::Timestamp(Some(p)) => return write!(f, "timestamp({p})"),
            PgType::TimestampTz(Some(p)) => return write!(f, "timestamptz({p})"),
            PgType::Bool => "boolean",
            PgType::Int2 => "smallint",
            PgType::Int4 => "integer",
            PgType::Int8 => "bigint",
            PgType::Numeric(None) => "numeric",
            PgType::Float4 => "real",
            PgType::Float8 => "double precision",
            PgType::Text => "text",
            PgType::Varchar(None) => "varchar",
            PgType::Date => "date",
            PgType::Time(None) => "time",
            PgType::Timestamp(None) => "timestamp",
            PgType::TimestampTz(None) => "timestamptz",
            PgType::Uuid => "uuid",
            PgType::Json => "json",
            PgType::Jsonb => "jsonb",
            PgType::Bytea => "bytea",
            PgType::Textual(name) | PgType::Other(name) => name,
        };
        f.write_str(name)
    }
}

/// A warning where a row with every column filled may not fit its page. The server makes such a table without a word
/// and refuses the row.
pub(in crate::plan) fn wide_row(columns: &[Column], json: JsonType) -> Option<String> {
    // The header is 23 bytes and one bit a column, rounded up to 8.
    let header = (23 + (columns.len() as u64).div_ceil(8)).next_multiple_of(8);
    let row = columns.iter().fold(header, |at, column| {
        let (size, align) = in_row(column, &PgType::of(column.ty, json));
        at.next_multiple_of(align) + size
    });
    (row > PAGE).then(|| {
        format!(
            "a row with every column filled takes about {row} bytes, and a page holds {PAGE}: the server refuses such \
             rows; keep fewer columns and the rest as one json column"
        )
    })
}

/// The least bytes a value can be made to take in the row, and their alignment.
fn in_row(column: &Column, ty: &PgType) -> (u64, u64) {
    match ty {
        PgType::Bool => (1, 1),
        PgType::Int2 => (2, 2),
        PgType::Int4 | PgType::Date => (4, 4),
        PgType::Int8 | PgType::Float8 | PgType::Time(_) | PgType::Timestamp(_) | PgType::TimestampTz(_) => (8, 8),
        PgType::Uuid => (16, 1),
        // A length byte, a header of two, and two bytes for every four digits.
        PgType::Numeric(Some((p, _))) => (POINTER.min(5 + 2 * u64::from(*p).div_ceil(4)), 1),
        _ => (POINTER.min(column.max_bytes.unwrap_or(0) + 1), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Path;

    fn columns(n: usize, ty: Type, max_bytes: u64) -> Vec<Column> {
        let column =
            |i: usize| Column { max_bytes: Some(max_bytes), ..Column::new(Path::new(["c"]), i.to_string(), ty) };
        (0..n).map(column).collect()
    }

    #[test]
    fn wide_rows_are_warned_of_where_a_server_refuses_them() {
        let warned = |n, ty, bytes| wide_row(&columns(n, ty, bytes), JsonType::Jsonb).is_some();
        assert!(!warned(1600, Type::Int32, 9), "1,600 integers fit");
        assert!(!warned(990, Type::Int64, 19) && warned(1010, Type::Int64, 19), "about 992 bigints fit");
        assert!(!warned(440, Type::Text, 9000) && warned(460, Type::Text, 9000), "about 440 long texts fit");
        assert!(!warned(1600, Type::Text, 3), "short texts stay short");
        assert!(warned(1600, Type::Json, 300));
    }
}

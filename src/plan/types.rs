//! Tables as the warehouse has them.

use super::statement::Class;
use super::widen::class_of;
use crate::schema::Column;

/// A Postgres column type, as the catalog gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PgType {
    /// `boolean`
    Bool,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `numeric`, with precision and scale where they are declared.
    Numeric(Option<(u16, i16)>),
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `text`
    Text,
    /// `character varying`, with its length in characters where it is declared.
    Varchar(Option<u32>),
    /// `character(n)`: padded with blanks.
    Char(u32),
    /// `date`
    Date,
    /// `time without time zone`, with its declared precision (0–6).
    Time(Option<u8>),
    /// `timestamp without time zone`, with its declared precision (0–6).
    Timestamp(Option<u8>),
    /// `timestamp with time zone`, with its declared precision (0–6).
    TimestampTz(Option<u8>),
    /// `uuid`
    Uuid,
    /// `json`
    Json,
    /// `jsonb`
    Jsonb,
    /// `bytea`
    Bytea,
    /// A type that is given text and says itself what it takes, by its name in `format_type`: an enumeration, `citext`.
    Textual(String),
    /// Anything else, by its name in `format_type`.
    Other(String),
}

/// One column of a table that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: PgType,
    /// Whether it refuses NULL.
    pub not_null: bool,
    /// Whether the server fills it when it is left out (default, identity).
    pub has_default: bool,
    /// Whether it is generated always and cannot be written.
    pub generated: bool,
    /// Its comment; longshore keeps the source path there.
    pub comment: Option<String>,
    /// Whether something depends on it so that its type cannot be changed: a view, a rule, a constraint for which there is
    /// no other type.
    pub used_by_view: bool,
    /// A collation other than that of its type, quoted. Another type has it too.
    pub collation: Option<String>,
    /// Whether a CHECK names it: with another type every row is checked again.
    pub checked: bool,
}

impl ExistingColumn {
    /// What it costs to give it another type: as [`class_of`](super::class_of) says, and where a CHECK names it, all rows are read
    /// again behind the lock, which for a large table is as bad as a rewrite.
    pub fn class_to(&self, to: &PgType) -> Class {
        match class_of(&self.ty, to) {
            Class::MetadataOnly if self.checked && self.ty != *to => Class::Rewrite,
            class => class,
        }
    }
}

/// A table that is there already.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExistingTable {
    /// Its columns, in order, without dropped ones.
    pub columns: Vec<ExistingColumn>,
    /// Columns ever created, dropped ones included: Postgres stops at 1,600 of these.
    pub slots: usize,
    /// Whether it holds any row.
    pub has_rows: bool,
}

/// A column as the load writes it: decoded as `column.ty` under `column.name`, sent as `sql`.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// What to decode; type, name and length limit are the table's.
    pub column: Column,
    /// The type in the table once the plan has run.
    pub sql: PgType,
}

//! A resolved schema: the columns of one table, each with its reason.

use serde::{Deserialize, Serialize};

use super::types::Type;
use super::undecided::Undecided;
use crate::path::Path;

/// How a column's values are spelled in the input, where it is not the type's own spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reading {
    /// The type's own spelling: ISO 8601 dates, `true`/`false`, plain numbers.
    #[default]
    Native,
    /// Day first: `31/12/2024`, also with `.` or `-`.
    DayFirst,
    /// Month first: `12/31/2024`.
    MonthFirst,
    /// Seconds since 1970-01-01 UTC.
    EpochSeconds,
    /// Milliseconds since 1970-01-01 UTC.
    EpochMillis,
    /// Numbers and booleans spelled as words or digits: `0`/`1`, `yes`/`no`, `y`/`n`, `on`/`off`, `t`/`f`.
    Words,
    /// A time without a zone is taken as UTC.
    AssumeUtc,
    /// Blanks around the value are dropped.
    Trim,
}

/// The first record that made a column what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// The input's name.
    pub source: String,
    /// Physical line of the record, from 1.
    pub line: u64,
    /// Byte offset of the record.
    pub byte: u64,
}

/// Why a column has its type.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Why {
    /// One line: `text: 00501 has a leading zero`-like, without a record's value.
    pub text: String,
    /// The first record that forced the present type, if a record did.
    pub witness: Option<Witness>,
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The field in the source.
    pub path: Path,
    /// The name in Postgres: at most 63 bytes, unique in the table also when case is folded.
    pub name: String,
    /// The logical type.
    pub ty: Type,
    /// Whether some record had no value here.
    pub nullable: bool,
    /// Whether the table refuses records without a value; they are quarantined then.
    pub required: bool,
    /// How the values are spelled.
    pub reading: Reading,
    /// Records with a value; not counted, and 0, of the column that fields past the budget share.
    pub filled: u64,
    /// The longest value as UTF-8 text, in bytes; `None` when nothing was seen.
    pub max_bytes: Option<u64>,
    /// Precision and scale of the decimal that holds every number seen here as it was written; `None` where something
    /// else was seen too, for more than 38 digits, and where nothing was seen.
    pub digits: Option<(u8, u8)>,
    /// What the column has to be where rows are put into order by it: the type of the numbers, or of the times, among its values.
    /// `None` where `ty` puts these into their order, which text and JSON do not, where there are none, and for a hint.
    pub ordered: Option<Type>,
    /// The longest text that is allowed, in characters, where an existing table says so.
    pub max_chars: Option<u32>,
    /// Whether rows are merged by it. Records without a value are quarantined then.
    pub key: bool,
    /// What becomes of a value that the type does not hold.
    pub on_misfit: OnMisfit,
    /// Why the type is what it is.
    pub why: Why,
}

/// What becomes of a value that its column does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnMisfit {
    /// Its record is quarantined.
    #[default]
    Record,
    /// It is quarantined by itself, and its record is loaded with null in its place.
    Value,
    /// It goes as text into the column with this index, and its own column stays null.
    Variant(usize),
}

impl Column {
    /// Makes a nullable column of a type, named as given; for schemas written by hand.
    pub fn new(path: Path, name: impl Into<String>, ty: Type) -> Self {
        Column {
            path,
            name: name.into(),
            ty,
            nullable: true,
            required: false,
            reading: Reading::Native,
            filled: 0,
            max_bytes: None,
            digits: None,
            ordered: None,
            max_chars: None,
            key: false,
            on_misfit: OnMisfit::Record,
            why: Why::default(),
        }
    }

    /// The same column of exact numbers, where it is one of doubles that are all short enough to be written out: what a
    /// column of exact numbers can take, though doubles in general it cannot.
    pub(crate) fn as_exact(&self) -> Option<Column> {
        let (precision, scale) = self.digits.filter(|_| self.ty == Type::Float64)?;
        Some(Column { ty: Type::Decimal { precision, scale }, ..self.clone() })
    }
}

/// The columns of one table, in the order in which their fields first appeared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Schema {
    /// The columns.
    pub columns: Vec<Column>,
    /// Index of the column, if there is one, that collects the fields past the column budget as one JSON object.
    pub overflow: Option<usize>,
    /// Fields without a column whose values are quarantined one by one, while their records are loaded.
    pub set_aside: Vec<Path>,
    /// Fields without a column whose records are quarantined, although there is a column that such fields share.
    pub kept_out: Vec<Path>,
    /// Decisions that the data did not settle.
    pub undecided: Vec<Undecided>,
}

impl Schema {
    /// The column whose path has this text.
    pub fn column(&self, path: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.path.to_string() == path)
    }
}

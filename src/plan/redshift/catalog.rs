//! A Redshift table as its catalog has it.

use std::fmt;

use crate::plan::Encoding;
use crate::plan::dialect::redshift::SqlType;

/// A Redshift column type, as the catalog gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedshiftType {
    /// `boolean`
    Boolean,
    /// `smallint`
    Smallint,
    /// `integer`
    Integer,
    /// `bigint`
    Bigint,
    /// `numeric(p,s)`
    Decimal(u8, u8),
    /// `real`
    Real,
    /// `double precision`
    Double,
    /// `date`
    Date,
    /// `time without time zone`
    Time,
    /// `timestamp without time zone`
    Timestamp,
    /// `timestamp with time zone`
    TimestampTz,
    /// `character(n)`: n bytes of ASCII, padded with blanks.
    Char(u32),
    /// `character varying(n)`: at most n bytes of UTF-8.
    Varchar(u32),
    /// `super`
    Super,
    /// Anything else, as the catalog spells it.
    Other(String),
}

impl RedshiftType {
    /// Reads a type as `format_type`, `pg_table_def` or `svv_columns` spell it.
    ///
    /// ```
    /// use longshore::plan::RedshiftType;
    /// assert_eq!(RedshiftType::of_catalog("character varying(256)"), RedshiftType::Varchar(256));
    /// assert_eq!(RedshiftType::of_catalog("numeric(18,2)"), RedshiftType::Decimal(18, 2));
    /// assert_eq!(RedshiftType::of_catalog("geometry"), RedshiftType::Other("geometry".into()));
    /// ```
    pub fn of_catalog(text: &str) -> RedshiftType {
        let text = text.trim().to_ascii_lowercase();
        let (name, arguments) = text.strip_suffix(')').and_then(|text| text.split_once('(')).unwrap_or((&text, ""));
        let numbers: Vec<u32> = arguments.split(',').filter_map(|number| number.trim().parse().ok()).collect();
        match (name, numbers.as_slice()) {
            ("boolean" | "bool", _) => RedshiftType::Boolean,
            ("smallint" | "int2", _) => RedshiftType::Smallint,
            ("integer" | "int" | "int4", _) => RedshiftType::Integer,
            ("bigint" | "int8", _) => RedshiftType::Bigint,
            ("numeric" | "decimal", [p @ 1..=38, s]) if s <= p => RedshiftType::Decimal(*p as u8, *s as u8),
            ("real" | "float4", _) => RedshiftType::Real,
            ("double precision" | "float8", _) => RedshiftType::Double,
            ("date", _) => RedshiftType::Date,
            ("time without time zone" | "time", []) => RedshiftType::Time,
            ("timestamp without time zone" | "timestamp", []) => RedshiftType::Timestamp,
            ("timestamp with time zone" | "timestamptz", []) => RedshiftType::TimestampTz,
            ("character" | "char" | "bpchar", [n]) => RedshiftType::Char(*n),
            ("character varying" | "varchar", [n]) => RedshiftType::Varchar(*n),
            ("super", _) => RedshiftType::Super,
            _ => RedshiftType::Other(text),
        }
    }

    /// The type as `format_type` spells it.
    ///
    /// ```
    /// use longshore::plan::RedshiftType;
    /// assert_eq!(RedshiftType::Decimal(18, 2).in_catalog(), "numeric(18,2)");
    /// ```
    pub fn in_catalog(&self) -> String {
        let name = match self {
            RedshiftType::Decimal(p, s) => return format!("numeric({p},{s})"),
            RedshiftType::Char(n) => return format!("character({n})"),
            RedshiftType::Varchar(n) => return format!("character varying({n})"),
            RedshiftType::Boolean => "boolean",
            RedshiftType::Smallint => "smallint",
            RedshiftType::Integer => "integer",
            RedshiftType::Bigint => "bigint",
            RedshiftType::Real => "real",
            RedshiftType::Double => "double precision",
            RedshiftType::Date => "date",
            RedshiftType::Time => "time without time zone",
            RedshiftType::Timestamp => "timestamp without time zone",
            RedshiftType::TimestampTz => "timestamp with time zone",
            RedshiftType::Super => "super",
            RedshiftType::Other(name) => name,
        };
        name.to_owned()
    }

    /// Declared bytes in a row, as far as they count towards the limit of queries.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            RedshiftType::Boolean => 1,
            RedshiftType::Smallint => 2,
            RedshiftType::Integer | RedshiftType::Real | RedshiftType::Date => 4,
            RedshiftType::Decimal(20.., _) => 16,
            RedshiftType::Char(n) | RedshiftType::Varchar(n) => u64::from(*n),
            RedshiftType::Super | RedshiftType::Other(_) => 0,
            _ => 8,
        }
    }
}

impl From<SqlType> for RedshiftType {
    fn from(ty: SqlType) -> Self {
        match ty {
            SqlType::Boolean => RedshiftType::Boolean,
            SqlType::Smallint => RedshiftType::Smallint,
            SqlType::Integer => RedshiftType::Integer,
            SqlType::Bigint => RedshiftType::Bigint,
            SqlType::Decimal(p, s) => RedshiftType::Decimal(p, s),
            SqlType::Double => RedshiftType::Double,
            SqlType::Date => RedshiftType::Date,
            SqlType::Time => RedshiftType::Time,
            SqlType::Timestamp => RedshiftType::Timestamp,
            SqlType::TimestampTz => RedshiftType::TimestampTz,
            SqlType::Varchar(n) => RedshiftType::Varchar(n),
            SqlType::Super => RedshiftType::Super,
        }
    }
}

impl fmt::Display for RedshiftType {
    /// The type as SQL: `VARCHAR(256)`, `DECIMAL(18,2)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RedshiftType::Decimal(p, s) => return write!(f, "DECIMAL({p},{s})"),
            RedshiftType::Char(n) => return write!(f, "CHAR({n})"),
            RedshiftType::Varchar(n) => return write!(f, "VARCHAR({n})"),
            RedshiftType::Boolean => "BOOLEAN",
            RedshiftType::Smallint => "SMALLINT",
            RedshiftType::Integer => "INTEGER",
            RedshiftType::Bigint => "BIGINT",
            RedshiftType::Real => "REAL",
            RedshiftType::Double => "DOUBLE PRECISION",
            RedshiftType::Date => "DATE",
            RedshiftType::Time => "TIME",
            RedshiftType::Timestamp => "TIMESTAMP",
            RedshiftType::TimestampTz => "TIMESTAMPTZ",
            RedshiftType::Super => "SUPER",
            RedshiftType::Other(name) => name,
        })
    }
}

/// One column of a table that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedshiftColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: RedshiftType,
    /// Whether it refuses NULL.
    pub not_null: bool,
    /// Whether it has a default, which forbids to alter its type.
    pub has_default: bool,
    /// Whether the server numbers it (`IDENTITY`).
    pub identity: bool,
    /// Its comment; longshore keeps the source path there.
    pub comment: Option<String>,
    /// Its encoding, where one is named; some forbid to widen it.
    pub encoding: Option<Encoding>,
    /// Whether it is the DISTKEY or in the SORTKEY, and so cannot be dropped.
    pub is_key: bool,
    /// Whether it is in a PRIMARY KEY, UNIQUE or FOREIGN KEY, which forbids to alter its type.
    pub constrained: bool,
    /// Whether a view that is bound to its schema uses it.
    pub used_by_view: bool,
}

impl RedshiftColumn {
    /// A nullable column of a type, with nothing that hinders a change.
    pub fn new(name: impl Into<String>, ty: RedshiftType) -> Self {
        RedshiftColumn {
            name: name.into(),
            ty,
            not_null: false,
            has_default: false,
            identity: false,
            comment: None,
            encoding: None,
            is_key: false,
            constrained: false,
            used_by_view: false,
        }
    }
}

/// A Redshift table that is there already: its columns, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RedshiftTable {
    /// Its columns, in order.
    pub columns: Vec<RedshiftColumn>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_read_back_from_how_the_catalog_spells_it() {
        use RedshiftType as R;
        let numbers = [R::Boolean, R::Smallint, R::Integer, R::Bigint, R::Decimal(18, 2), R::Real, R::Double];
        let times = [R::Date, R::Time, R::Timestamp, R::TimestampTz];
        let others = [R::Char(3), R::Varchar(256), R::Super, R::Other("geometry".into())];
        for ty in numbers.into_iter().chain(times).chain(others) {
            assert_eq!(R::of_catalog(&ty.in_catalog()), ty);
        }
    }
}

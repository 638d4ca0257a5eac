//! Redshift: its types, VARCHAR widths in bytes, and distribution, sort key and encodings.
//!
//! Never a precision on a time (Redshift refuses it), never CHAR (ASCII only), never an ENCODE that was not asked for
//! (some forbid to widen the column later).

use std::fmt;

use crate::error::{Error, ErrorKind, Location, Result};
use crate::plan::options::RedshiftOptions;
use crate::plan::{Distribution, Encoding, LongText, VarcharWidth, identifier};
use crate::schema::{Column, Schema, Type};

/// The widest VARCHAR, and the widest row that queries process, in bytes.
pub(in crate::plan) const WIDEST: u64 = 65_535;

/// VARCHAR where no value has been seen: what Redshift itself takes for a VARCHAR without a width.
const UNSEEN: u32 = 256;

/// The widths to choose from, so that near-equal data gives equal tables.
const CLASSES: [u32; 10] = [16, 32, 64, 128, 256, 512, 1024, 4096, 16_384, 65_535];

/// The largest SUPER value.
const SUPER_LIMIT: u64 = 16_000_000;

const MAX_SORT_COLUMNS: usize = 400;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plan) enum SqlType {
    Boolean,
    Smallint,
    Integer,
    Bigint,
    Decimal(u8, u8),
    Double,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Varchar(u32),
    Super,
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SqlType::Decimal(p, s) => return write!(f, "DECIMAL({p},{s})"),
            SqlType::Varchar(n) => return write!(f, "VARCHAR({n})"),
            SqlType::Boolean => "BOOLEAN",
            SqlType::Smallint => "SMALLINT",
            SqlType::Integer => "INTEGER",
            SqlType::Bigint => "BIGINT",
            SqlType::Double => "DOUBLE PRECISION",
            SqlType::Date => "DATE",
            SqlType::Time => "TIME",
            SqlType::Timestamp => "TIMESTAMP",
            SqlType::TimestampTz => "TIMESTAMPTZ",
            SqlType::Super => "SUPER",
        })
    }
}

impl SqlType {
    /// The type of a column that [`fit`](crate::plan::fit) has been over.
    pub(in crate::plan) fn of(column: &Column, options: &RedshiftOptions) -> SqlType {
        match column.ty {
            Type::Boolean => SqlType::Boolean,
            Type::Int16 => SqlType::Smallint,
            Type::Int32 => SqlType::Integer,
            Type::Int64 => SqlType::Bigint,
            Type::Decimal { precision, scale } => SqlType::Decimal(precision, scale),
            Type::Float64 => SqlType::Double,
            Type::Date => SqlType::Date,
            Type::Time => SqlType::Time,
            Type::Timestamp(_) => SqlType::Timestamp,
            Type::TimestampTz(_) => SqlType::TimestampTz,
            Type::Uuid => SqlType::Varchar(36),
            Type::Json => SqlType::Super,
            Type::Null | Type::Text => match (column.max_bytes, options.long_text) {
                (Some(longest), LongText::Super) if longest > WIDEST => SqlType::Super,
                (longest, _) => SqlType::Varchar(width(longest, options.width)),
            },
        }
    }

    /// Declared bytes in a row; SUPER lives by other rules and counts nothing.
    fn bytes(self) -> u64 {
        match self {
            SqlType::Boolean => 1,
            SqlType::Smallint => 2,
            SqlType::Integer | SqlType::Date => 4,
            SqlType::Decimal(20.., _) => 16,
            SqlType::Varchar(n) => u64::from(n),
            SqlType::Super => 0,
            _ => 8,
        }
    }

    /// Whether an encoding is for this type.
    fn takes(self, encoding: Encoding) -> bool {
        let text = matches!(self, SqlType::Varchar(_));
        let number = matches!(self, SqlType::Smallint | SqlType::Integer | SqlType::Bigint | SqlType::Decimal(..));
        let time = matches!(self, SqlType::Date | SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz);
        match encoding {
            Encoding::Raw | Encoding::Zstd => true,
            Encoding::Az64 | Encoding::Delta => number || time,
            Encoding::Delta32k => (number || time) && self != SqlType::Smallint,
            Encoding::Bytedict => !matches!(self, SqlType::Boolean | SqlType::Super),
            Encoding::Lzo => number || time || text || self == SqlType::Super,
            Encoding::Mostly8 => number,
            Encoding::Mostly16 => number && self != SqlType::Smallint,
            Encoding::Mostly32 => matches!(self, SqlType::Bigint | SqlType::Decimal(..)),
            Encoding::Runlength => self != SqlType::Super,
            Encoding::Text255 | Encoding::Text32k => text,
        }
    }
}

/// The class of VARCHAR for a longest value in bytes.
pub(in crate::plan) fn width(longest: Option<u64>, rule: VarcharWidth) -> u32 {
    let room = match (rule, longest) {
        (VarcharWidth::Max, _) => return CLASSES[CLASSES.len() - 1],
        (_, None) => return UNSEEN,
        (VarcharWidth::Headroom, Some(longest)) => longest.saturating_mul(2),
        (VarcharWidth::Tight, Some(longest)) => longest,
    };
    let class = CLASSES.into_iter().find(|&class| u64::from(class) >= room);
    class.unwrap_or(CLASSES[CLASSES.len() - 1])
}

/// The definitions of the columns and what follows their closing parenthesis.
pub(in crate::plan) struct Clauses {
    /// Type and encoding of each column, as SQL.
    pub(in crate::plan) columns: Vec<String>,
    /// Table attributes, one a line, each line begun by a line end.
    pub(in crate::plan) attributes: String,
    /// What may surprise later.
    pub(in crate::plan) warnings: Vec<String>,
}

/// The clauses for a schema that [`fit`](crate::plan::fit) has been over.
pub(in crate::plan) fn clauses(schema: &Schema, options: &RedshiftOptions) -> Result<Clauses> {
    let types: Vec<SqlType> = schema.columns.iter().map(|column| SqlType::of(column, options)).collect();
    let mut columns: Vec<String> = types.iter().map(SqlType::to_string).collect();
    let mut warnings = warnings(schema, &types);
    for (path, &encoding) in &options.encode {
        let at = find(schema, path, "an encoding")?;
        if !types[at].takes(encoding) {
            return Err(about(path, ErrorKind::Config, format!("{encoding} is no encoding for {}", types[at]))
                .with_hint("ZSTD takes every type; without an encoding Redshift chooses"));
        }
        if !encoding.widens() && matches!(types[at], SqlType::Varchar(_)) {
            warnings.push(format!("column `{path}` with {encoding} can never be widened in place"));
        }
        columns[at].push_str(&format!(" ENCODE {encoding}"));
    }
    if !options.encode.is_empty() {
        warnings.push("a named encoding turns ENCODE AUTO off for the whole table".to_owned());
    }
    Ok(Clauses { columns, attributes: attributes(schema, &types, options)?, warnings })
}

fn attributes(schema: &Schema, types: &[SqlType], options: &RedshiftOptions) -> Result<String> {
    let mut text = String::new();
    match &options.distribution {
        Distribution::Auto => {}
        Distribution::Even => text.push_str("\nDISTSTYLE EVEN"),
        Distribution::All => text.push_str("\nDISTSTYLE ALL"),
        Distribution::Key(path) => {
            let name = key_column(schema, types, path, "DISTKEY")?;
            text.push_str(&format!("\nDISTSTYLE KEY\nDISTKEY ({name})"));
        }
    }
    if options.sort_key.is_empty() {
        return Ok(text);
    }
    if options.sort_key.len() > MAX_SORT_COLUMNS {
        let n = options.sort_key.len();
        return Err(Error::config(format!("the sort key has {n} columns, redshift has at most {MAX_SORT_COLUMNS}"))
            .with_hint("the first few columns of a sort key do nearly all of its work"));
    }
    let mut names = Vec::new();
    for path in &options.sort_key {
        let name = key_column(schema, types, path, "SORTKEY")?;
        if names.contains(&name) {
            return Err(about(path, ErrorKind::Config, "the sort key names this column twice".to_owned())
                .with_hint("name each column once"));
        }
        names.push(name);
    }
    text.push_str(&format!("\nCOMPOUND SORTKEY ({})", names.join(", ")));
    Ok(text)
}

/// The quoted name of a column that may be a key.
fn key_column(schema: &Schema, types: &[SqlType], path: &str, key: &str) -> Result<String> {
    let at = find(schema, path, key)?;
    if types[at] == SqlType::Super {
        return Err(about(path, ErrorKind::Config, format!("a SUPER column cannot be the {key}"))
            .with_hint("choose a column of numbers, text or times; a field inside can be hinted to be one"));
    }
    Ok(identifier(&schema.columns[at].name))
}

fn find(schema: &Schema, path: &str, what: &str) -> Result<usize> {
    schema.columns.iter().position(|column| column.path.to_string() == path).ok_or_else(|| {
        about(path, ErrorKind::Config, format!("{what} is set for a column that the schema lacks"))
            .with_hint("options name columns by their path in the source, such as `order.id`")
    })
}

fn about(path: &str, kind: ErrorKind, message: String) -> Error {
    let place = Location { column: Some(path.to_owned()), ..Location::default() };
    Error::new(kind, message).with_location(place)
}

fn warnings(schema: &Schema, types: &[SqlType]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (column, ty) in schema.columns.iter().zip(types) {
        let longest = column.max_bytes.unwrap_or(0);
        let path = &column.path;
        if *ty == SqlType::Varchar(WIDEST as u32) && longest > WIDEST {
            warnings.push(format!(
                "column `{path}` has values of up to {longest} bytes, and VARCHAR ends at {WIDEST}: the longer ones \
                 are refused; SUPER holds them where enable_large_strings_opt_in is set"
            ));
        }
        if *ty == SqlType::Super && longest > SUPER_LIMIT {
            warnings.push(format!(
                "column `{path}` has values of up to {longest} bytes, and SUPER ends at {SUPER_LIMIT}: the longer \
                 ones are refused"
            ));
        }
    }
    let row: u64 = types.iter().map(|ty| ty.bytes()).sum();
    if row > WIDEST {
        warnings.push(format!(
            "the declared widths add up to {row} bytes a row, and queries stop with an error over rows of more than \
             {WIDEST}"
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varchar_widths_are_bytes_with_room_to_grow() {
        let cases = [
            (0, 16, 16),
            (8, 16, 16),
            (9, 32, 16),
            (16, 32, 16),
            (17, 64, 32),
            (128, 256, 128),
            (513, 4096, 1024),
            (8192, 16_384, 16_384),
            (8193, 65_535, 16_384),
            (65_535, 65_535, 65_535),
            (u64::MAX, 65_535, 65_535),
        ];
        for (longest, headroom, tight) in cases {
            assert_eq!(width(Some(longest), VarcharWidth::Headroom), headroom, "{longest}");
            assert_eq!(width(Some(longest), VarcharWidth::Tight), tight, "{longest}");
        }
        assert_eq!(width(None, VarcharWidth::Headroom), 256);
        assert_eq!(width(Some(1), VarcharWidth::Max), 65_535);
    }
}

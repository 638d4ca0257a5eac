//! The logical types a column can have.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// How fine a point in time is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimeUnit {
    /// Microseconds: what Postgres and Redshift hold.
    Micro,
    /// Nanoseconds: seen in the data, but no warehouse type holds them.
    Nano,
}

/// The logical type of a column: what its values are, independent of any warehouse.
///
/// As text (`Display`, [`FromStr`]) the names are `boolean`, `int16`, `int32`, `int64`, `decimal(p,s)`, `float64`,
/// `date`, `time`, `timestamp`, `timestamptz`, `uuid`, `text`, `json` and `null-only`.
///
/// ```
/// use longshore::Type;
/// let total: Type = "decimal(12,2)".parse()?;
/// assert_eq!(total, Type::Decimal { precision: 12, scale: 2 });
/// assert_eq!(total.to_string(), "decimal(12,2)");
/// assert!("money".parse::<Type>().is_err());
/// # Ok::<(), longshore::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Type {
    /// No value has been seen yet. Created as text.
    Null,
    /// true or false.
    Boolean,
    /// Whole numbers of 16 bits.
    Int16,
    /// Whole numbers of 32 bits.
    Int32,
    /// Whole numbers of 64 bits.
    Int64,
    /// Exact numbers.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: u8,
    },
    /// IEEE 754 double.
    Float64,
    /// A calendar day.
    Date,
    /// A time of day without a zone, in microseconds.
    Time,
    /// A day and time without a zone.
    Timestamp(TimeUnit),
    /// An instant.
    TimestampTz(TimeUnit),
    /// A 128-bit id.
    Uuid,
    /// Any string.
    Text,
    /// Any JSON value, kept whole.
    Json,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Null => "null-only",
            Type::Boolean => "boolean",
            Type::Int16 => "int16",
            Type::Int32 => "int32",
            Type::Int64 => "int64",
            Type::Decimal { precision, scale } => return write!(f, "decimal({precision},{scale})"),
            Type::Float64 => "float64",
            Type::Date => "date",
            Type::Time => "time",
            Type::Timestamp(_) => "timestamp",
            Type::TimestampTz(_) => "timestamptz",
            Type::Uuid => "uuid",
            Type::Text => "text",
            Type::Json => "json",
        })
    }
}

impl FromStr for Type {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "null-only" => Type::Null,
            "boolean" => Type::Boolean,
            "int16" => Type::Int16,
            "int32" => Type::Int32,
            "int64" => Type::Int64,
            "float64" => Type::Float64,
            "date" => Type::Date,
            "time" => Type::Time,
            "timestamp" => Type::Timestamp(TimeUnit::Micro),
            "timestamptz" => Type::TimestampTz(TimeUnit::Micro),
            "uuid" => Type::Uuid,
            "text" => Type::Text,
            "json" => Type::Json,
            _ => return decimal(text).ok_or_else(|| unknown(text)),
        })
    }
}

fn decimal(text: &str) -> Option<Type> {
    let (precision, scale) = text.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
    let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
    Some(Type::Decimal { precision, scale }).filter(|ty| ty.is_possible())
}

impl Type {
    /// Whether there is such a type: a decimal may be made with more digits than there can be.
    pub(super) fn is_possible(self) -> bool {
        match self {
            Type::Decimal { precision, scale } => (1..=38).contains(&precision) && scale <= precision,
            _ => true,
        }
    }
}

fn unknown(text: &str) -> Error {
    Error::config(format!("`{text}` is no column type")).with_hint(
        "types are boolean, int16, int32, int64, decimal(p,s) with p up to 38, float64, date, time, timestamp, \
         timestamptz, uuid, text, json",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_back_from_its_name() {
        let all =
            "null-only boolean int16 int32 int64 decimal(38,37) float64 date time timestamp timestamptz uuid text json";
        for name in all.split(' ') {
            assert_eq!(name.parse::<Type>().unwrap().to_string(), name);
        }
        for bad in ["decimal(39,0)", "decimal(3,4)", "decimal(0,0)", "Text", ""] {
            assert!(bad.parse::<Type>().is_err(), "{bad}");
        }
    }
}

//! How a column of the data gets along with a column of an existing Redshift table.

use super::catalog::RedshiftType;
use crate::plan::VarcharWidth;
use crate::plan::dialect::redshift::{WIDEST, width};
use crate::schema::{Column, TimeUnit, Type};

/// What to do with a column of the data that meets a column of the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fit {
    /// The table's type holds the values.
    Holds(Decode),
    /// The table's type has to become `to` first; `otherwise` says how to go on where it cannot.
    Widen { to: RedshiftType, decode: Decode, otherwise: Option<Decode> },
    /// Neither goes without changing a value: why.
    Refuse(&'static str),
}

/// The type to decode under, and the longest text in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Decode {
    pub(super) ty: Type,
    pub(super) max_bytes: Option<u32>,
}

impl From<Type> for Decode {
    fn from(ty: Type) -> Self {
        Decode { ty, max_bytes: None }
    }
}

fn holds(ty: Type) -> Fit {
    Fit::Holds(ty.into())
}

fn text(max_bytes: u32) -> Decode {
    Decode { ty: Type::Text, max_bytes: Some(max_bytes) }
}

fn widen(to: RedshiftType, ty: Type) -> Fit {
    Fit::Widen { to, decode: ty.into(), otherwise: None }
}

/// How a column of the data, of a type that Redshift has, goes into a column of this type.
pub(super) fn fit_into(column: &Column, have: &RedshiftType, rule: VarcharWidth) -> Fit {
    use RedshiftType as R;
    if let (R::Bigint | R::Decimal(..), Some(exact)) = (have, column.as_exact()) {
        return fit_into(&exact, have, rule);
    }
    match (have, column.ty) {
        (R::Other(_), _) => Fit::Refuse("longshore does not write this type"),
        (_, Type::Null) => natural(have).map_or(Fit::Refuse("longshore does not write this type"), Fit::Holds),
        (R::Varchar(n), _) => into_varchar(column, *n, rule),
        (R::Char(_), _) => Fit::Refuse("CHAR holds ASCII only, and pads every value with blanks"),
        (R::Super, _) => holds(Type::Json),
        (R::Smallint | R::Integer | R::Bigint, Type::Int16 | Type::Int32 | Type::Int64) => {
            into_integer(column.ty, have)
        }
        (R::Smallint | R::Integer | R::Bigint, Type::Decimal { precision, scale }) => {
            decimal(whole_digits(have), 0, precision - scale, scale)
        }
        (R::Smallint | R::Integer, Type::Float64) => widen(R::Double, Type::Float64),
        (R::Bigint, Type::Float64) => Fit::Refuse("a double does not hold every 64-bit integer"),
        (R::Decimal(p, s), Type::Int16 | Type::Int32 | Type::Int64 | Type::Decimal { .. }) => {
            into_decimal(column, *p, *s)
        }
        (R::Decimal(..), Type::Float64) => Fit::Refuse("a number with an exponent may need any number of digits"),
        (R::Double, Type::Float64 | Type::Int16 | Type::Int32) => holds(Type::Float64),
        (R::Double, Type::Int64) if column.max_bytes.is_some_and(|bytes| bytes <= 15) => holds(Type::Float64),
        (R::Double, Type::Decimal { precision: 0..=15, .. }) => holds(Type::Float64),
        (R::Double, Type::Int64 | Type::Decimal { .. }) => Fit::Refuse("a double holds 15 digits exactly"),
        (R::Double, _) => Fit::Refuse("how the server spells a double as text is not what came in"),
        (R::Real, _) => Fit::Refuse("REAL rounds to about 7 digits"),
        (R::Boolean, Type::Boolean) | (R::Date, Type::Date) | (R::Time, Type::Time) => holds(column.ty),
        (R::Date, Type::Timestamp(TimeUnit::Micro)) => widen(R::Timestamp, column.ty),
        (R::Timestamp, Type::Date | Type::Timestamp(TimeUnit::Micro)) => holds(Type::Timestamp(TimeUnit::Micro)),
        (R::TimestampTz, Type::TimestampTz(TimeUnit::Micro)) => holds(column.ty),
        (R::Timestamp, Type::TimestampTz(_)) => Fit::Refuse("the zone would be lost"),
        (R::TimestampTz, Type::Timestamp(_) | Type::Date) => {
            Fit::Refuse("the values have no zone, and one would have to be guessed")
        }
        (R::Time | R::Timestamp | R::TimestampTz, _) => {
            Fit::Refuse("no type holds both without spelling the old rows in another way")
        }
        (R::Boolean | R::Smallint | R::Integer | R::Bigint | R::Decimal(..), Type::Json) => widen(R::Super, Type::Json),
        (R::Date, Type::Json) => Fit::Refuse("a date cannot become SUPER"),
        (R::Boolean | R::Smallint | R::Integer | R::Bigint | R::Decimal(..) | R::Date, _) => {
            let longest = column.max_bytes.unwrap_or(0).max(printed(have));
            let n = width(Some(longest), rule);
            Fit::Widen { to: R::Varchar(n), decode: text(n), otherwise: None }
        }
    }
}

/// Under what a column without any value is decoded, so that a value that does come is checked against the table.
pub(super) fn natural(have: &RedshiftType) -> Option<Decode> {
    use RedshiftType as R;
    Some(match have {
        R::Boolean => Type::Boolean.into(),
        R::Smallint => Type::Int16.into(),
        R::Integer => Type::Int32.into(),
        R::Bigint => Type::Int64.into(),
        R::Decimal(precision, scale) => {
            Type::Decimal { precision: sure_digits(*precision).max(*scale), scale: *scale }.into()
        }
        R::Double => Type::Float64.into(),
        R::Date => Type::Date.into(),
        R::Time => Type::Time.into(),
        R::Timestamp => Type::Timestamp(TimeUnit::Micro).into(),
        R::TimestampTz => Type::TimestampTz(TimeUnit::Micro).into(),
        R::Varchar(n) => text(*n),
        R::Super => Type::Json.into(),
        R::Real | R::Char(_) | R::Other(_) => return None,
    })
}

/// Every value has a spelling, and VARCHAR holds it as it is if it is short enough.
fn into_varchar(column: &Column, n: u32, rule: VarcharWidth) -> Fit {
    let longest = column.max_bytes.unwrap_or(0);
    if longest <= u64::from(n) {
        return Fit::Holds(text(n));
    }
    let to = width(Some(longest.min(WIDEST)), rule).max(n);
    match to > n {
        true => Fit::Widen { to: RedshiftType::Varchar(to), decode: text(to), otherwise: Some(text(n)) },
        // The widest there is: longer values are refused one by one.
        false => Fit::Holds(text(n)),
    }
}

fn into_integer(data: Type, have: &RedshiftType) -> Fit {
    match (have, data) {
        (RedshiftType::Smallint, Type::Int16) => holds(Type::Int16),
        (RedshiftType::Integer, Type::Int16 | Type::Int32) => holds(Type::Int32),
        (RedshiftType::Bigint, _) => holds(Type::Int64),
        (_, Type::Int32) => widen(RedshiftType::Integer, data),
        _ => widen(RedshiftType::Bigint, data),
    }
}

fn into_decimal(column: &Column, p: u8, s: u8) -> Fit {
    let (whole, scale) = match column.ty {
        Type::Decimal { precision, scale } => (precision - scale, scale),
        // Digits that were seen, where that is known: not every bigint has nineteen.
        ty => {
            let most = if ty == Type::Int16 {
                5
            } else if ty == Type::Int32 {
                10
            } else {
                19
            };
            (column.max_bytes.map_or(most, |bytes| bytes.min(u64::from(most)) as u8), 0)
        }
    };
    let sure = sure_digits(p);
    if scale <= s && whole + s <= sure {
        return holds(Type::Decimal { precision: sure, scale: s });
    }
    decimal(p - s, s, whole, scale)
}

/// How many digits a DECIMAL of so many holds whatever they are: one of 19 has 64 bits, which end within its range (1.3).
fn sure_digits(precision: u8) -> u8 {
    if precision == 19 { 18 } else { precision }
}

/// The decimal that holds both.
fn decimal(whole: u8, scale: u8, other_whole: u8, other_scale: u8) -> Fit {
    let (whole, scale) = (whole.max(other_whole), scale.max(other_scale));
    // DECIMAL(19) does not hold every number of 19 digits.
    let precision = match whole + scale {
        19 => 20,
        other => other,
    };
    if precision > 38 || scale > 37 {
        return Fit::Refuse("no exact number type holds both");
    }
    widen(RedshiftType::Decimal(precision, scale), Type::Decimal { precision, scale })
}

fn whole_digits(integer: &RedshiftType) -> u8 {
    match integer {
        RedshiftType::Smallint => 5,
        RedshiftType::Integer => 10,
        _ => 19,
    }
}

/// The longest spelling of a value of a type, in bytes.
fn printed(ty: &RedshiftType) -> u64 {
    match ty {
        RedshiftType::Boolean => 5,
        RedshiftType::Smallint => 6,
        RedshiftType::Integer => 11,
        RedshiftType::Bigint => 20,
        RedshiftType::Decimal(p, _) => u64::from(*p) + 3,
        _ => 10,
    }
}

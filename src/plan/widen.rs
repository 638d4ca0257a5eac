//! How a column of the data gets along with a column of an existing Postgres table.

use super::{Class, JsonType, PgType};
use crate::schema::{Column, TimeUnit, Type};

/// What to do with a column of the data that meets a column of the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fit {
    /// The table's type holds the values; they are decoded like this.
    Holds(Decode),
    /// The table's type has to become `to` first. `otherwise` says how to go on where it cannot be altered, if the
    /// values may fit as it is: each is checked when it is decoded.
    Widen { to: PgType, decode: Decode, otherwise: Option<Decode> },
    /// Neither goes without changing a value. Why, and what the user can do.
    Refuse(&'static str, &'static str),
}

/// The type to decode under, and the longest text in characters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Decode {
    pub(super) ty: Type,
    pub(super) max_chars: Option<u32>,
}

impl From<Type> for Decode {
    fn from(ty: Type) -> Self {
        Decode { ty, max_chars: None }
    }
}

const OTHER_TABLE: &str = "load into another table, or alter the column by hand and load again";
const HINT_TYPE: &str = "hint the column to be of the table's type, so that values that do not fit are quarantined, \
                         or load into another table";

/// What changing a Postgres column from one type to another costs, if every value stays what it was.
///
/// [`Class::Impossible`] where values would change or get lost, even where the server would do it: `real` to
/// `double precision` shows digits that were never there, a `timestamp` as text is spelled in another way than it came.
///
/// ```
/// use longshore::plan::{Class, PgType, class_of};
/// assert_eq!(class_of(&PgType::Varchar(Some(40)), &PgType::Text), Class::MetadataOnly);
/// assert_eq!(class_of(&PgType::Int4, &PgType::Int8), Class::Rewrite);
/// assert_eq!(class_of(&PgType::Int8, &PgType::Float8), Class::Impossible);
/// ```
pub fn class_of(from: &PgType, to: &PgType) -> Class {
    use PgType as P;
    let fits = |yes: bool, class: Class| if yes { class } else { Class::Impossible };
    match (from, to) {
        _ if from == to => Class::MetadataOnly,
        (P::Varchar(_) | P::Text, P::Text | P::Varchar(None)) => Class::MetadataOnly,
        (P::Varchar(Some(n)), P::Varchar(Some(m))) => fits(n <= m, Class::MetadataOnly),
        (P::Numeric(Some(_)), P::Numeric(None)) => Class::MetadataOnly,
        (P::Numeric(Some((p, s))), P::Numeric(Some((q, t)))) => {
            let whole = |p: u16, s: i16| i32::from(p) - i32::from(s);
            let class = if s == t { Class::MetadataOnly } else { Class::Rewrite };
            fits(t >= s && whole(*q, *t) >= whole(*p, *s), class)
        }
        (P::Time(p), P::Time(q)) | (P::Timestamp(p), P::Timestamp(q)) | (P::TimestampTz(p), P::TimestampTz(q)) => {
            fits(p.unwrap_or(6) <= q.unwrap_or(6), Class::MetadataOnly)
        }
        (P::Int2, P::Int4 | P::Int8) | (P::Int4, P::Int8) | (P::Int2 | P::Int4, P::Float8) => Class::Rewrite,
        (P::Int2 | P::Int4 | P::Int8, P::Numeric(None)) => Class::Rewrite,
        (P::Int2 | P::Int4 | P::Int8, P::Numeric(Some((p, s)))) => {
            fits(i32::from(*p) - i32::from(*s) >= whole_digits(from), Class::Rewrite)
        }
        (P::Date, P::Timestamp(_)) => Class::Rewrite,
        (
            P::Bool | P::Int2 | P::Int4 | P::Int8 | P::Numeric(_) | P::Float8 | P::Date | P::Uuid,
            P::Text | P::Varchar(None) | P::Json | P::Jsonb,
        ) => Class::Rewrite,
        _ => Class::Impossible,
    }
}

/// How a column of the data, of a type that Postgres has, goes into a column of this type.
pub(super) fn fit_into(column: &Column, have: &PgType, json: JsonType) -> Fit {
    use PgType as P;
    if let (P::Int8 | P::Numeric(_), Some(exact)) = (have, column.as_exact()) {
        return fit_into(&exact, have, json);
    }
    match (have, column.ty) {
        (_, Type::Null) => Fit::Holds(decode_null(have)),
        (P::Text | P::Varchar(None) | P::Textual(_), _) => holds(Type::Text),
        (P::Varchar(Some(n)), _) => into_varchar(column, *n),
        (P::Char(n), Type::Text | Type::Uuid) => into_char(column, *n),
        (P::Char(_), _) => Fit::Refuse("char pads every value with blanks", OTHER_TABLE),
        (P::Json | P::Jsonb, _) => holds(Type::Json),
        (P::Bool, Type::Boolean) | (P::Uuid, Type::Uuid) | (P::Date, Type::Date) => holds(column.ty),
        (P::Int2 | P::Int4 | P::Int8, _) => into_integer(column.ty, have, json),
        (P::Numeric(declared), _) => into_numeric(column, *declared, json),
        (P::Float8, _) => into_float(column, json),
        (P::Date, Type::Timestamp(TimeUnit::Micro)) => widen(P::Timestamp(None), column.ty),
        (P::Bool | P::Uuid | P::Date, _) => into_common(column.ty, have, json),
        (P::Time(p), Type::Time) => precise(*p, P::Time(None), column.ty),
        (P::Timestamp(None | Some(6..)), Type::Date) => holds(Type::Timestamp(TimeUnit::Micro)),
        // As midnight, which every precision holds; a time among them would be rounded.
        (P::Timestamp(_), Type::Date) => holds(Type::Date),
        (P::Timestamp(p), Type::Timestamp(TimeUnit::Micro)) => precise(*p, P::Timestamp(None), column.ty),
        (P::TimestampTz(p), Type::TimestampTz(TimeUnit::Micro)) => precise(*p, P::TimestampTz(None), column.ty),
        (P::Timestamp(_), Type::TimestampTz(_)) => Fit::Refuse("the zone would be lost", OTHER_TABLE),
        (P::TimestampTz(_), Type::Timestamp(_) | Type::Date) => {
            Fit::Refuse("the values have no zone, and one would have to be guessed", HINT_TYPE)
        }
        (P::Time(_) | P::Timestamp(_) | P::TimestampTz(_), _) => {
            Fit::Refuse("no type holds both without spelling the old rows in another way", HINT_TYPE)
        }
        (P::Float4, _) => Fit::Refuse(
            "real rounds to about 7 digits, and widening it shows digits that were never there",
            "load into another table, or alter the column to double precision by hand and load again",
        ),
        (P::Bytea | P::Other(_), _) => Fit::Refuse("longshore does not write this type", OTHER_TABLE),
    }
}

fn holds(ty: Type) -> Fit {
    Fit::Holds(ty.into())
}

fn widen(to: PgType, ty: Type) -> Fit {
    Fit::Widen { to, decode: ty.into(), otherwise: None }
}

/// Under what a column without any value is decoded, so that a value that does come is checked against the table.
fn decode_null(have: &PgType) -> Decode {
    use PgType as P;
    let ty = match have {
        P::Bool => Type::Boolean,
        P::Int2 => Type::Int16,
        P::Int4 => Type::Int32,
        P::Int8 => Type::Int64,
        P::Numeric(Some(_)) => decimal_in(have, 0, 0).unwrap_or(Type::Null),
        // What does not fit is a misfit.
        P::Numeric(None) => Type::Decimal { precision: 38, scale: 10 },
        P::Float8 => Type::Float64,
        P::Text | P::Varchar(_) | P::Char(_) | P::Textual(_) => Type::Text,
        P::Date => Type::Date,
        P::Time(None | Some(6)) => Type::Time,
        P::Timestamp(None | Some(6)) => Type::Timestamp(TimeUnit::Micro),
        P::TimestampTz(None | Some(6)) => Type::TimestampTz(TimeUnit::Micro),
        P::Uuid => Type::Uuid,
        P::Json | P::Jsonb => Type::Json,
        // These would round a value, or hold none of ours: any value is a misfit.
        _ => Type::Null,
    };
    let max_chars = match have {
        P::Varchar(limit) => *limit,
        P::Char(n) => Some(*n),
        _ => None,
    };
    Decode { ty, max_chars }
}

/// The type that holds the values of both, where neither holds the other's: JSON if the data is, else text.
fn into_common(data: Type, have: &PgType, json: JsonType) -> Fit {
    let (to, ty) = match data {
        Type::Json => (PgType::of(Type::Json, json), Type::Json),
        _ => (PgType::Text, Type::Text),
    };
    match class_of(have, &to) {
        Class::Impossible => Fit::Refuse("no type holds both", HINT_TYPE),
        _ => widen(to, ty),
    }
}

/// A limit in characters, evidence in bytes: a value of more bytes than the limit has characters is most likely too
/// long, and dropping the limit costs nothing.
fn into_varchar(column: &Column, n: u32) -> Fit {
    let decode = Decode { ty: Type::Text, max_chars: Some(n) };
    let longest = column.max_bytes.unwrap_or(0);
    if longest <= u64::from(n) {
        return Fit::Holds(decode);
    }
    let may_fit = longest <= 4 * u64::from(n);
    Fit::Widen { to: PgType::Text, decode: Type::Text.into(), otherwise: may_fit.then_some(decode) }
}

fn into_char(column: &Column, n: u32) -> Fit {
    if column.max_bytes.unwrap_or(0) > 4 * u64::from(n) {
        return Fit::Refuse("there are longer values", "alter the column to text by hand and load again");
    }
    Fit::Holds(Decode { ty: Type::Text, max_chars: Some(n) })
}

/// Times into a column that may round them: its precision is dropped, which costs nothing.
fn precise(declared: Option<u8>, full: PgType, ty: Type) -> Fit {
    match declared {
        None | Some(6..) => holds(ty),
        Some(_) => widen(full, ty),
    }
}

fn into_integer(data: Type, have: &PgType, json: JsonType) -> Fit {
    match (have, data) {
        (PgType::Int2, Type::Int16) => holds(Type::Int16),
        (PgType::Int4, Type::Int16 | Type::Int32) => holds(Type::Int32),
        (PgType::Int8, Type::Int16 | Type::Int32 | Type::Int64) => holds(Type::Int64),
        (_, Type::Int32) => widen(PgType::Int4, data),
        (_, Type::Int64) => widen(PgType::Int8, data),
        (_, Type::Decimal { precision, scale }) => {
            let whole = i32::from(precision - scale);
            let to = numeric(whole.max(whole_digits(have)), i32::from(scale));
            match decimal_in(&to, whole, i32::from(scale)) {
                Some(ty) => widen(to, ty),
                None => into_common(data, have, json),
            }
        }
        (PgType::Int2 | PgType::Int4, Type::Float64) => widen(PgType::Float8, data),
        // A double does not hold every 64-bit integer.
        _ => into_common(data, have, json),
    }
}

fn into_numeric(column: &Column, declared: Option<(u16, i16)>, json: JsonType) -> Fit {
    let have = PgType::Numeric(declared);
    let seen = column.max_bytes.and_then(|bytes| i32::try_from(bytes).ok());
    let (whole, scale) = match column.ty {
        Type::Int16 | Type::Int32 | Type::Int64 => {
            let most = whole_digits(&PgType::of(column.ty, json));
            (seen.map_or(most, |bytes| bytes.min(most)), 0)
        }
        Type::Decimal { precision, scale } => (i32::from(precision - scale), i32::from(scale)),
        // A number with an exponent may need any number of digits.
        other => return into_common(other, &have, json),
    };
    if let Some(ty) = decimal_in(&have, whole, scale) {
        return holds(ty);
    }
    // Without evidence of the digits, or where the sign may be what is too much, the values may fit as it is.
    let room = declared.map_or(0, |(p, s)| i32::from(p) - i32::from(s));
    let integer = !matches!(column.ty, Type::Decimal { .. });
    let otherwise = if integer && seen.is_none_or(|_| whole == room + 1) { decimal_in(&have, 0, 0) } else { None };
    if let (None, Some(ty)) = (seen, otherwise) {
        return holds(ty);
    }
    let to = match declared {
        Some((p, s)) if usual(p, s) => numeric(room.max(whole), i32::from(s).max(scale)),
        _ => PgType::Numeric(None),
    };
    match decimal_in(&to, whole, scale) {
        Some(ty) => Fit::Widen { to, decode: ty.into(), otherwise: otherwise.map(Decode::from) },
        None => into_common(column.ty, &have, json),
    }
}

/// A double gives back every number of 15 digits as it was written. Where the data has more, its numbers and the doubles that
/// are there are only held together by text.
fn into_float(column: &Column, json: JsonType) -> Fit {
    match (column.ty, column.max_bytes) {
        (Type::Float64 | Type::Int16 | Type::Int32, _)
        // Of 16 bytes one may be the sign, and most numbers of 16 digits are doubles too: each is looked at when it is decoded.
        | (Type::Int64, Some(..=16))
        | (Type::Decimal { precision: ..=15, .. }, _) => holds(Type::Float64),
        (Type::Int64, None) => Fit::Refuse("a double holds 15 digits exactly, and the data may have more", HINT_TYPE),
        (other, _) => into_common(other, &PgType::Float8, json),
    }
}

/// The digits before the point that an integer type can have.
fn whole_digits(integer: &PgType) -> i32 {
    match integer {
        PgType::Int2 => 5,
        PgType::Int4 => 10,
        _ => 19,
    }
}

/// Postgres allows scales below zero and above the precision; such a column rounds numbers that look harmless.
fn usual(precision: u16, scale: i16) -> bool {
    (0..=i32::from(precision)).contains(&i32::from(scale))
}

fn numeric(whole: i32, scale: i32) -> PgType {
    match (u16::try_from(whole + scale), i16::try_from(scale)) {
        (Ok(p), Ok(s)) if p <= 1000 => PgType::Numeric(Some((p.max(1), s))),
        _ => PgType::Numeric(None),
    }
}

/// The decimal to decode under so that numbers of these digits fit it, and it fits a `numeric` column.
///
/// It is as roomy as the column allows, so that later values are not misfits for want of digits.
fn decimal_in(have: &PgType, whole: i32, scale: i32) -> Option<Type> {
    let (p, s) = match have {
        PgType::Numeric(Some((p, s))) if usual(*p, *s) => (i32::from(*p), i32::from(*s)),
        PgType::Numeric(None) => (38, scale),
        _ => return None,
    };
    if scale > s || whole > p - s {
        return None;
    }
    // Past 38 digits the column has more room than a decimal; its scale gives way first.
    let (precision, scale) = if p <= 38 { (p, s) } else { (38, s.min(38 - whole)) };
    Some(Type::Decimal { precision: u8::try_from(precision).ok()?, scale: u8::try_from(scale).ok()? })
}

#[cfg(test)]
#[path = "widen_tests.rs"]
mod tests;

//! Redshift's column types: which there are, their limits, and what stands for them in the backing server.

use std::fmt;

use super::cursor::Cursor;
use super::token::Kind;
use crate::refusal::Refusal;

/// The schema of the backing server that holds what the double adds to it.
pub const SCHEMA: &str = "redshift_double";

/// A column's type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// `SMALLINT`
    Smallint,
    /// `INTEGER`
    Integer,
    /// `BIGINT`
    Bigint,
    /// `DECIMAL(p,s)`
    Decimal(u32, u32),
    /// `REAL`
    Real,
    /// `DOUBLE PRECISION`
    Double,
    /// `BOOLEAN`
    Boolean,
    /// `CHAR(n)`, n in bytes, ASCII
    Char(u32),
    /// `VARCHAR(n)`, n in bytes
    Varchar(u32),
    /// `DATE`
    Date,
    /// `TIME`
    Time,
    /// `TIMETZ`
    TimeTz,
    /// `TIMESTAMP`
    Timestamp,
    /// `TIMESTAMPTZ`
    TimestampTz,
    /// `INTERVAL YEAR TO MONTH` or `INTERVAL DAY TO SECOND`
    Interval,
    /// `VARBYTE(n)`; whether n was written is kept, since COPY tells the two apart
    Varbyte(u32, bool),
    /// `SUPER`
    Super,
    /// `GEOMETRY`, `GEOGRAPHY` or `HLLSKETCH`
    Opaque(&'static str),
}

impl Type {
    /// The type as SQL for the backing server.
    pub fn backing(&self) -> String {
        match self {
            Type::Smallint => "smallint".into(),
            Type::Integer => "integer".into(),
            Type::Bigint => "bigint".into(),
            Type::Decimal(p, s) if *p != 19 => format!("numeric({p},{s})"),
            Type::Real => "real".into(),
            Type::Double => "double precision".into(),
            Type::Boolean => "boolean".into(),
            Type::Date => "date".into(),
            Type::Time => "time".into(),
            Type::TimeTz => "timetz".into(),
            Type::Timestamp => "timestamp".into(),
            Type::TimestampTz => "timestamptz".into(),
            Type::Interval => "interval".into(),
            _ => format!("{SCHEMA}.{}", self.domain().expect("the others are domains").0),
        }
    }

    /// Name and definition of the domain that stands for the type, where PostgreSQL has none that behaves like it.
    pub fn domain(&self) -> Option<(String, String)> {
        Some(match self {
            Type::Decimal(19, s) => (
                format!("decimal_19_{s}"),
                format!("numeric(19,{s}) CONSTRAINT overflow CHECK (abs(value) * 1e{s} <= 9223372036854775807)"),
            ),
            Type::Varchar(n) => {
                (format!("varchar_{n}"), format!("varchar CONSTRAINT too_long CHECK (octet_length(value) <= {n})"))
            }
            Type::Char(n) => (
                format!("char_{n}"),
                format!(
                    "character({n}) CONSTRAINT not_ascii CHECK (octet_length(value::text) = char_length(value::text))"
                ),
            ),
            Type::Varbyte(n, written) => (
                format!("varbyte_{n}{}", if *written { "" } else { "_default" }),
                format!("bytea CONSTRAINT too_long CHECK (octet_length(value) <= {n})"),
            ),
            Type::Super => ("super".into(), "jsonb".into()),
            Type::Opaque(name) => ((*name).to_owned(), "bytea".into()),
            _ => return None,
        })
    }

    /// Whether a column of it may be the DISTKEY or in the SORTKEY.
    pub fn is_key(&self) -> bool {
        !matches!(self, Type::Super | Type::Varbyte(..) | Type::Opaque(_) | Type::Interval)
    }

    /// Whether an encoding, in lower case, is for this type.
    pub fn takes(&self, encoding: &str) -> bool {
        let text = matches!(self, Type::Varchar(_) | Type::Char(_));
        let number = matches!(self, Type::Smallint | Type::Integer | Type::Bigint | Type::Decimal(..));
        let time = matches!(
            self,
            Type::Date | Type::Time | Type::TimeTz | Type::Timestamp | Type::TimestampTz | Type::Interval
        );
        match encoding {
            "raw" => true,
            "zstd" => !matches!(self, Type::Opaque(_)),
            "az64" => number || time,
            "bytedict" | "runlength" => !matches!(self, Type::Super | Type::Opaque(_)),
            "delta" => number || time,
            "delta32k" => (number || time) && *self != Type::Smallint,
            "lzo" => !matches!(self, Type::Boolean | Type::Real | Type::Double | Type::Opaque(_)),
            "mostly8" => number,
            "mostly16" => number && *self != Type::Smallint,
            "mostly32" => matches!(self, Type::Bigint | Type::Decimal(..)),
            "text255" | "text32k" => matches!(self, Type::Varchar(_)),
            _ => text && encoding == "lzo",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Decimal(p, s) => return write!(f, "numeric({p},{s})"),
            Type::Char(n) => return write!(f, "character({n})"),
            Type::Varchar(n) => return write!(f, "character varying({n})"),
            Type::Varbyte(n, _) => return write!(f, "binary varying({n})"),
            Type::Smallint => "smallint",
            Type::Integer => "integer",
            Type::Bigint => "bigint",
            Type::Real => "real",
            Type::Double => "double precision",
            Type::Boolean => "boolean",
            Type::Date => "date",
            Type::Time => "time without time zone",
            Type::TimeTz => "time with time zone",
            Type::Timestamp => "timestamp without time zone",
            Type::TimestampTz => "timestamp with time zone",
            Type::Interval => "interval",
            Type::Super => "super",
            Type::Opaque(name) => name,
        })
    }
}

/// Reads a type's name. `column` names the column in errors, as `table.column`.
pub(crate) fn parse(cursor: &mut Cursor<'_>, column: &str) -> Result<Type, Refusal> {
    let Some(token) = cursor.peek().filter(|token| token.kind == Kind::Word) else {
        return Err(cursor.error());
    };
    let word = token.value.clone();
    cursor.next();
    let ty = match word.as_str() {
        "smallint" | "int2" => Type::Smallint,
        "integer" | "int" | "int4" => Type::Integer,
        "bigint" | "int8" => Type::Bigint,
        "decimal" | "numeric" => decimal(cursor)?,
        "real" | "float4" => Type::Real,
        "float8" | "float" => Type::Double,
        "double" if cursor.take("precision") => Type::Double,
        "boolean" | "bool" => Type::Boolean,
        "char" | "character" | "nchar" if cursor.take("varying") => varchar(cursor)?,
        "char" | "character" | "nchar" => char(cursor, 1)?,
        "bpchar" => Type::Char(256),
        "varchar" | "nvarchar" => varchar(cursor)?,
        "text" => Type::Varchar(256),
        "date" => Type::Date,
        "time" | "timestamp" => time(cursor, &word)?,
        "timetz" => no_precision(cursor, Type::TimeTz)?,
        "timestamptz" => no_precision(cursor, Type::TimestampTz)?,
        "interval" if cursor.take("year to month") || cursor.take("day to second") => Type::Interval,
        "varbyte" | "varbinary" => varbyte(cursor)?,
        "binary" if cursor.take("varying") => varbyte(cursor)?,
        "super" => Type::Super,
        "geometry" => Type::Opaque("geometry"),
        "geography" => Type::Opaque("geography"),
        "hllsketch" => Type::Opaque("hllsketch"),
        _ => return Err(unsupported(column, &word)),
    };
    if cursor.peek().is_some_and(|token| token.is_mark("[")) || cursor.looking_at("array") {
        return Err(unsupported(column, &format!("{word}[]")));
    }
    Ok(ty)
}

fn unsupported(column: &str, ty: &str) -> Refusal {
    Refusal::new("0A000", format!("Column \"{column}\" has unsupported type \"{ty}\"."))
}

/// The number in parentheses, if there is one; `MAX` is the type's greatest.
fn length(cursor: &mut Cursor<'_>, max: u32) -> Result<Option<u32>, Refusal> {
    if !cursor.take_mark("(") {
        return Ok(None);
    }
    let n = if cursor.take("max") { i64::from(max) } else { cursor.whole_number()? };
    cursor.expect_mark(")")?;
    Ok(Some(u32::try_from(n).unwrap_or(0)))
}

fn limited(what: &str, n: u32, max: u32) -> Result<u32, Refusal> {
    match n {
        0 => Err(Refusal::new("22023", format!("length for type {what} must be at least 1"))),
        n if n > max => Err(Refusal::new("22023", format!("length for type {what} cannot exceed {max}"))),
        n => Ok(n),
    }
}

fn varchar(cursor: &mut Cursor<'_>) -> Result<Type, Refusal> {
    let n = length(cursor, 65_535)?.unwrap_or(256);
    limited("varchar", n, 65_535).map(Type::Varchar)
}

fn char(cursor: &mut Cursor<'_>, default: u32) -> Result<Type, Refusal> {
    let n = length(cursor, 4096)?.unwrap_or(default);
    limited("char", n, 4096).map(Type::Char)
}

fn varbyte(cursor: &mut Cursor<'_>) -> Result<Type, Refusal> {
    let n = length(cursor, 16_777_216)?;
    limited("varbyte", n.unwrap_or(64_000), 16_777_216).map(|bytes| Type::Varbyte(bytes, n.is_some()))
}

fn decimal(cursor: &mut Cursor<'_>) -> Result<Type, Refusal> {
    let (mut precision, mut scale) = (18, 0);
    if cursor.take_mark("(") {
        precision = cursor.whole_number()?;
        if cursor.take_mark(",") {
            scale = cursor.whole_number()?;
        }
        cursor.expect_mark(")")?;
    }
    if !(1..=38).contains(&precision) {
        return Err(Refusal::new("22023", format!("DECIMAL precision {precision} must be between 1 and 38")));
    }
    if !(0..=37).contains(&scale) {
        return Err(Refusal::new("22023", format!("DECIMAL scale {scale} must be between 0 and 37")));
    }
    if scale > precision {
        return Err(Refusal::new(
            "22023",
            format!("DECIMAL scale {scale} must be between 0 and precision {precision}"),
        ));
    }
    Ok(Type::Decimal(precision as u32, scale as u32))
}

fn no_precision(cursor: &Cursor<'_>, ty: Type) -> Result<Type, Refusal> {
    match cursor.peek() {
        Some(token) if token.is_mark("(") => Err(Refusal::unsupported("a precision on a time type")),
        _ => Ok(ty),
    }
}

fn time(cursor: &mut Cursor<'_>, word: &str) -> Result<Type, Refusal> {
    no_precision(cursor, Type::Time)?;
    let zone = cursor.take("with time zone");
    if !zone {
        cursor.take("without time zone");
    }
    Ok(match (word, zone) {
        ("time", false) => Type::Time,
        ("time", true) => Type::TimeTz,
        (_, false) => Type::Timestamp,
        (_, true) => Type::TimestampTz,
    })
}

/// The type that a domain or type of the backing server stands for, by its name as `format_type` has it.
pub fn of_backing(name: &str) -> Option<Type> {
    let name = name.strip_prefix(SCHEMA).map_or(name, |rest| rest.trim_start_matches('.'));
    let numbers: Vec<u32> =
        name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
    let starts = |prefix: &str| name.starts_with(prefix);
    Some(match (name, numbers.as_slice()) {
        ("smallint", _) => Type::Smallint,
        ("integer", _) => Type::Integer,
        ("bigint", _) => Type::Bigint,
        ("real", _) => Type::Real,
        ("double precision", _) => Type::Double,
        ("boolean", _) => Type::Boolean,
        ("date", _) => Type::Date,
        ("time without time zone", _) => Type::Time,
        ("time with time zone", _) => Type::TimeTz,
        ("timestamp without time zone", _) => Type::Timestamp,
        ("timestamp with time zone", _) => Type::TimestampTz,
        ("super", _) => Type::Super,
        ("geometry", _) => Type::Opaque("geometry"),
        ("geography", _) => Type::Opaque("geography"),
        ("hllsketch", _) => Type::Opaque("hllsketch"),
        (_, [p, s]) if starts("numeric(") => Type::Decimal(*p, *s),
        (_, [19, s]) if starts("decimal_19_") => Type::Decimal(19, *s),
        (_, [n]) if starts("varchar_") => Type::Varchar(*n),
        (_, [n]) if starts("char_") => Type::Char(*n),
        (_, [n]) if starts("varbyte_") => Type::Varbyte(*n, !name.ends_with("_default")),
        _ if starts("interval") => Type::Interval,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::token::tokens;

    fn read(sql: &str) -> Result<Type, Refusal> {
        let tokens = tokens(sql).unwrap();
        let mut cursor = Cursor::new(&tokens, false);
        let ty = parse(&mut cursor, "t.c")?;
        cursor.end()?;
        Ok(ty)
    }

    #[test]
    fn the_limits_are_redshifts() {
        for good in ["VARCHAR(65535)", "VARCHAR(MAX)", "CHAR(4096)", "DECIMAL(38,37)", "VARBYTE(16777216)", "TEXT"] {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in [
            "VARCHAR(65536)",
            "VARCHAR(0)",
            "CHAR(4097)",
            "DECIMAL(39)",
            "DECIMAL(38,38)",
            "DECIMAL(4,5)",
            "TIME(6)",
            "TIMESTAMP(6)",
            "INT[]",
            "UUID",
            "JSONB",
            "BYTEA",
            "SERIAL",
            "MONEY",
            "TIMESTAMPTZ(3)",
            "INTERVAL",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(read("TEXT").unwrap(), Type::Varchar(256), "without a word");
        assert_eq!(read("DECIMAL").unwrap(), Type::Decimal(18, 0));
    }

    #[test]
    fn every_type_is_known_again_in_the_backing_server() {
        for sql in ["INT", "DECIMAL(19,4)", "DECIMAL(20,0)", "VARCHAR(9)", "CHAR(3)", "SUPER", "VARBYTE", "VARBYTE(8)"]
        {
            let ty = read(sql).unwrap();
            assert_eq!(of_backing(&ty.backing()), Some(ty), "{sql}");
        }
    }
}

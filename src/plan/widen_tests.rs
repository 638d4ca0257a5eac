use proptest::prelude::*;

use super::*;
use crate::path::Path;

fn column(ty: Type, max_bytes: Option<u64>) -> Column {
    Column { max_bytes, ..Column::new(Path::new(["a"]), "a", ty) }
}

/// The outcome as text: the type decoded under, `→ type` where the table is widened first, `refused`.
fn outcome(ty: &str, max_bytes: Option<u64>, have: &PgType) -> String {
    let decode = |decode: Decode| match decode.max_chars {
        Some(n) => format!("{} up to {n}", decode.ty),
        None => decode.ty.to_string(),
    };
    match fit_into(&column(ty.parse().unwrap(), max_bytes), have, JsonType::Jsonb) {
        Fit::Holds(held) => decode(held),
        Fit::Widen { to, decode: held, otherwise: None } => format!("→ {to}: {}", decode(held)),
        Fit::Widen { to, decode: held, otherwise: Some(other) } => {
            format!("→ {to}: {}, else {}", decode(held), decode(other))
        }
        Fit::Refuse(..) => "refused".to_owned(),
    }
}

#[test]
fn doubles_that_can_be_written_out_go_into_exact_columns() {
    let doubles = |digits| Column { digits, ..column(Type::Float64, None) };
    let numeric = |p, s| PgType::Numeric(Some((p, s)));
    let decimal = |precision, scale| Type::Decimal { precision, scale };
    let fit = |digits, have: &PgType| fit_into(&doubles(Some(digits)), have, JsonType::Jsonb);
    assert_eq!(fit((4, 2), &numeric(10, 2)), holds(decimal(10, 2)), "12.50 into numeric(10,2)");
    assert_eq!(fit((5, 3), &numeric(10, 2)), widen(numeric(11, 3), decimal(11, 3)));
    assert_eq!(fit((2, 1), &PgType::Int8), widen(numeric(20, 1), decimal(20, 1)));
    assert_eq!(fit((2, 1), &PgType::Int4), widen(PgType::Float8, Type::Float64), "a double holds both");
    assert_eq!(fit((2, 1), &PgType::Float8), holds(Type::Float64));
    assert_eq!(fit_into(&doubles(None), &numeric(10, 2), JsonType::Jsonb), widen(PgType::Text, Type::Text), "1e300");
}

#[test]
fn each_type_meets_each_column_as_written_down() {
    use PgType as P;
    let numeric = |p, s| P::Numeric(Some((p, s)));
    #[rustfmt::skip]
    let cases = [
        // Integers go into wider ones; narrower columns grow.
        ("int16", None, P::Int8, "int64"),
        ("int64", None, P::Int2, "→ bigint: int64"),
        ("int32", None, P::Int2, "→ integer: int32"),
        ("decimal(6,2)", None, P::Int4, "→ numeric(12,2): decimal(12,2)"),
        ("decimal(38,38)", None, P::Int8, "→ numeric(57,38): decimal(38,38)"),
        ("float64", None, P::Int4, "→ double precision: float64"),
        ("float64", None, P::Int8, "→ text: text"),
        ("boolean", None, P::Int4, "→ text: text"),
        ("text", Some(40), P::Int8, "→ text: text"),
        ("json", None, P::Int4, "→ jsonb: json"),
        // Numbers with declared digits: by the evidence, and by the check of each record where there is none.
        ("int16", None, numeric(10, 2), "decimal(10,2)"),
        ("int64", None, numeric(10, 2), "decimal(10,2)"),
        ("int64", Some(8), numeric(10, 2), "decimal(10,2)"),
        ("int64", Some(9), numeric(10, 2), "→ numeric(11,2): decimal(11,2), else decimal(10,2)"),
        ("int64", Some(19), numeric(10, 2), "→ numeric(21,2): decimal(21,2)"),
        ("decimal(9,2)", None, numeric(10, 2), "decimal(10,2)"),
        ("decimal(11,2)", None, numeric(10, 2), "→ numeric(11,2): decimal(11,2)"),
        ("decimal(6,4)", None, numeric(10, 2), "→ numeric(12,4): decimal(12,4)"),
        ("decimal(38,30)", None, numeric(38, 0), "→ numeric(68,30): decimal(38,30)"),
        ("int64", Some(19), numeric(68, 30), "decimal(38,19)"),
        ("decimal(5,2)", None, P::Numeric(None), "decimal(38,2)"),
        ("int32", None, P::Numeric(None), "decimal(38,0)"),
        ("int16", None, numeric(3, -2), "→ numeric: decimal(38,0)"),
        ("int16", Some(2), numeric(2, 5), "→ numeric: decimal(38,0)"),
        ("float64", None, P::Numeric(None), "→ text: text"),
        ("uuid", None, numeric(10, 2), "→ text: text"),
        // Doubles take what they give back.
        ("int32", None, P::Float8, "float64"),
        ("int64", Some(15), P::Float8, "float64"),
        ("int64", Some(16), P::Float8, "float64"),
        ("int64", Some(17), P::Float8, "→ text: text"),
        ("int64", None, P::Float8, "refused"),
        ("decimal(15,3)", None, P::Float8, "float64"),
        ("decimal(16,3)", None, P::Float8, "→ text: text"),
        ("date", None, P::Float8, "→ text: text"),
        ("int16", None, P::Float4, "refused"),
        ("text", None, P::Float4, "refused"),
        // Times keep their zone, their digits and their spelling.
        ("date", None, P::Timestamp(Some(0)), "date"),
        ("date", None, P::Timestamp(None), "timestamp"),
        ("timestamp", None, P::Date, "→ timestamp: timestamp"),
        ("timestamp", None, P::Timestamp(Some(3)), "→ timestamp: timestamp"),
        ("time", None, P::Time(Some(6)), "time"),
        ("time", None, P::Time(Some(0)), "→ time: time"),
        ("timestamptz", None, P::TimestampTz(None), "timestamptz"),
        ("timestamptz", None, P::Timestamp(None), "refused"),
        ("timestamp", None, P::TimestampTz(None), "refused"),
        ("date", None, P::TimestampTz(None), "refused"),
        ("timestamptz", None, P::Date, "→ text: text"),
        ("text", None, P::Timestamp(None), "refused"),
        ("text", None, P::Time(None), "refused"),
        ("json", None, P::TimestampTz(None), "refused"),
        // Text takes everything, within its length.
        ("timestamptz", None, P::Text, "text"),
        ("json", None, P::Varchar(None), "text"),
        ("text", Some(10), P::Varchar(Some(10)), "text up to 10"),
        ("text", None, P::Varchar(Some(10)), "text up to 10"),
        ("text", Some(11), P::Varchar(Some(10)), "→ text: text, else text up to 10"),
        ("text", Some(41), P::Varchar(Some(10)), "→ text: text"),
        ("uuid", Some(36), P::Varchar(Some(36)), "text up to 36"),
        ("text", Some(2), P::Char(2), "text up to 2"),
        ("text", Some(9), P::Char(2), "refused"),
        ("int16", Some(2), P::Char(2), "refused"),
        ("uuid", None, P::Uuid, "uuid"),
        ("text", None, P::Uuid, "→ text: text"),
        ("text", None, P::Bool, "→ text: text"),
        ("json", None, P::Json, "json"),
        ("int16", None, P::Jsonb, "json"),
        ("text", None, P::Bytea, "refused"),
        ("text", None, P::Textual("citext".into()), "text"),
        ("int32", None, P::Textual("grade".into()), "text"),
        ("text", None, P::Other("inet".into()), "refused"),
        // Nothing goes anywhere, and what does come is checked.
        ("null-only", None, P::Int8, "int64"),
        ("null-only", None, P::Varchar(Some(3)), "text up to 3"),
        ("null-only", None, P::Timestamp(Some(0)), "null-only"),
        ("null-only", None, numeric(12, 2), "decimal(12,2)"),
        ("null-only", None, P::Other("inet".into()), "null-only"),
    ];
    for (data, max_bytes, have, expected) in cases {
        assert_eq!(outcome(data, max_bytes, &have), expected, "{data} ({max_bytes:?} bytes) into {have}");
    }
}

#[test]
fn a_change_that_would_show_other_values_is_impossible() {
    use PgType as P;
    let numeric = |p, s| P::Numeric(Some((p, s)));
    let cases = [
        (P::Varchar(Some(5)), P::Varchar(Some(9)), Class::MetadataOnly),
        (P::Varchar(Some(9)), P::Varchar(Some(5)), Class::Impossible),
        (P::Text, P::Varchar(Some(9)), Class::Impossible),
        (numeric(10, 2), numeric(12, 2), Class::MetadataOnly),
        (numeric(10, 2), numeric(12, 4), Class::Rewrite),
        (numeric(10, 2), numeric(11, 4), Class::Impossible),
        (numeric(10, 2), numeric(12, 1), Class::Impossible),
        (P::Numeric(None), numeric(38, 10), Class::Impossible),
        (P::Int8, numeric(20, 2), Class::Impossible),
        (P::Int8, numeric(21, 2), Class::Rewrite),
        (P::Int8, P::Int4, Class::Impossible),
        (P::Int8, P::Float8, Class::Impossible),
        (P::Float4, P::Float8, Class::Impossible),
        (P::Float8, P::Numeric(None), Class::Impossible),
        (P::Timestamp(Some(3)), P::Timestamp(None), Class::MetadataOnly),
        (P::Timestamp(None), P::Timestamp(Some(3)), Class::Impossible),
        (P::Timestamp(None), P::TimestampTz(None), Class::Impossible),
        (P::Timestamp(None), P::Text, Class::Impossible),
        (P::Time(None), P::Text, Class::Impossible),
        (P::Char(5), P::Text, Class::Impossible),
        (P::Text, P::Jsonb, Class::Impossible),
        (P::Uuid, P::Text, Class::Rewrite),
        (P::Text, P::Text, Class::MetadataOnly),
    ];
    for (from, to, class) in cases {
        assert_eq!(class_of(&from, &to), class, "{from} to {to}");
    }
}

fn any_pg() -> impl Strategy<Value = PgType> {
    use PgType as P;
    prop_oneof![
        prop::sample::select(vec![P::Bool, P::Int2, P::Int4, P::Int8, P::Numeric(None), P::Float4, P::Float8, P::Text]),
        prop::sample::select(vec![P::Date, P::Uuid, P::Json, P::Jsonb, P::Bytea, P::Varchar(None), P::Time(None)]),
        (1..1000u16, -5..1000i16).prop_map(|(p, s)| P::Numeric(Some((p, s)))),
        (1..60u32).prop_map(|n| P::Varchar(Some(n))),
        (1..60u32).prop_map(P::Char),
        (0..7u8).prop_map(|p| P::Timestamp(Some(p))),
        (0..7u8).prop_map(|p| P::TimestampTz(Some(p))),
    ]
}

fn any_type() -> impl Strategy<Value = Type> {
    let plain = "null-only boolean int16 int32 int64 float64 date time timestamp timestamptz uuid text json";
    prop_oneof![
        prop::sample::select(plain.split(' ').collect::<Vec<_>>()).prop_map(|name| name.parse().unwrap()),
        (1..39u8, 0..39u8).prop_map(|(p, s)| Type::Decimal { precision: p, scale: s.min(p) }),
    ]
}

/// Whether a column of this type keeps a decimal of so many digits as it is, from the digits alone.
fn keeps(ty: &PgType, whole: i32, scale: i32) -> bool {
    match ty {
        PgType::Numeric(None) | PgType::Text => true,
        PgType::Numeric(Some((p, s))) => scale <= i32::from(*s) && whole <= i32::from(*p) - i32::from(*s),
        PgType::Int2 => scale == 0 && whole <= 4,
        PgType::Int4 => scale == 0 && whole <= 9,
        PgType::Int8 => scale == 0 && whole <= 18,
        PgType::Float8 => whole + scale <= 15,
        _ => false,
    }
}

proptest! {
    #[test]
    fn no_widening_is_planned_that_would_change_a_value(ty in any_type(), bytes: Option<u8>, have in any_pg()) {
        let data = column(ty, bytes.map(u64::from));
        if let Fit::Widen { to, decode, .. } = fit_into(&data, &have, JsonType::Json) {
            prop_assert_ne!(class_of(&have, &to), Class::Impossible, "{} to {}", have, to);
            // Once widened, the same data is held, and decoded in the same way.
            let again = fit_into(&column(ty, bytes.map(u64::from)), &to, JsonType::Json);
            prop_assert_eq!(again, Fit::Holds(decode), "{} into {}", ty, to);
        }
    }

    #[test]
    fn decimals_are_decoded_with_all_their_digits_and_kept(precision in 1..39u8, s in 0..39u8, have in any_pg()) {
        let scale = s.min(precision);
        let (whole, digits) = (i32::from(precision - scale), i32::from(scale));
        let (decode, sql) = match fit_into(&column(Type::Decimal { precision, scale }, None), &have, JsonType::Jsonb) {
            Fit::Holds(decode) => (decode, have),
            Fit::Widen { to, decode, .. } => (decode, to),
            Fit::Refuse(..) => return Ok(()),
        };
        match decode.ty {
            Type::Decimal { precision: p, scale: s } => {
                prop_assert!(whole <= i32::from(p - s) && digits <= i32::from(s), "{} is too narrow", decode.ty);
                prop_assert!(keeps(&sql, i32::from(p - s), i32::from(s)), "{} into {}", decode.ty, sql);
            }
            Type::Text | Type::Json => {}
            Type::Float64 => prop_assert!(keeps(&sql, whole, digits), "{}", sql),
            other => prop_assert!(false, "a decimal cannot be decoded as {}", other),
        }
    }
}

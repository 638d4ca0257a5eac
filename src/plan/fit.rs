//! What a warehouse can hold of a schema.

use super::Dialect;
use super::redshift::RESERVED;
use crate::schema::names::Names;
use crate::schema::{Column, Reading, Schema, TimeUnit, Type};

/// The schema as a table in this dialect holds it: decode under it, and no value changes on the way in.
///
/// Types that the dialect lacks become ones that give every value back, with the reason in front of
/// [`Why::text`](crate::schema::Why): times in nanoseconds become text as written, a null-only column text, and on
/// Redshift a decimal of 38 decimals text and one of 19 digits has 20 (`DECIMAL(19,s)` holds only 64 bits).
///
/// Names stay as they are wherever the dialect can take them, so that a column has one name in every warehouse. The
/// others are made again: too long, empty or taken ones, the servers' own (`ctid`, …), and on Redshift, which folds
/// even quoted names to lower case, also those with ASCII capitals or a backslash (replaced by `_`) and those that begin
/// as longshore's names for columns that it replaces do (`_longshore_old_`, `_longshore_new_`), without the `_` in front.
pub fn fit(schema: &Schema, dialect: Dialect) -> Schema {
    // Postgres keeps `Id` and `id` apart; if a schema has both, they were wanted.
    let reserved = if dialect == Dialect::Redshift { RESERVED } else { &[] };
    let mut names = Names::new(dialect.name_limit(), dialect == Dialect::Redshift).without(reserved);
    let columns = schema.columns.iter().map(|column| {
        let wanted = match dialect {
            Dialect::Postgres => column.name.clone(),
            Dialect::Redshift => column.name.to_ascii_lowercase().replace('\\', "_"),
        };
        Column { name: names.claim(&wanted, &column.path), ..fit_type(column, dialect) }
    });
    Schema { columns: columns.collect(), ..schema.clone() }
}

/// The column with a type that the dialect has.
pub(crate) fn fit_type(column: &Column, dialect: Dialect) -> Column {
    let mut column = column.clone();
    let Some((ty, reason)) = substitute(column.ty, dialect) else {
        return column;
    };
    // Text is kept as it was written, whatever the reading would have made of it.
    if ty == Type::Text {
        column.reading = Reading::Native;
    }
    let before = std::mem::take(&mut column.why.text);
    column.why.text = format!("{ty}: {reason}");
    if !before.is_empty() {
        column.why.text.push_str(&format!("; {before}"));
    }
    column.ty = ty;
    column
}

fn substitute(ty: Type, dialect: Dialect) -> Option<(Type, &'static str)> {
    Some(match (ty, dialect) {
        (Type::Null, _) => (Type::Text, "no value has been seen"),
        (Type::Timestamp(TimeUnit::Nano) | Type::TimestampTz(TimeUnit::Nano), _) => {
            (Type::Text, "the warehouse holds no nanoseconds, and the value must not change")
        }
        (Type::Decimal { precision: 19, scale }, Dialect::Redshift) => {
            (Type::Decimal { precision: 20, scale }, "redshift's DECIMAL(19) does not hold every number of 19 digits")
        }
        (Type::Decimal { scale: 38.., .. }, Dialect::Redshift) => {
            (Type::Text, "redshift holds at most 37 decimals, and the value must not change")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Path;
    use crate::schema::Why;

    fn fit_one(ty: Type, dialect: Dialect) -> Column {
        let mut column = Column::new(Path::new(["a"]), "a", ty);
        column.reading = Reading::AssumeUtc;
        column.why = Why { text: "as seen".into(), witness: None };
        fit(&Schema { columns: vec![column], ..Schema::default() }, dialect).columns.remove(0)
    }

    #[test]
    fn what_a_warehouse_cannot_hold_becomes_text_with_its_reason() {
        for dialect in [Dialect::Postgres, Dialect::Redshift] {
            for ty in [Type::Timestamp(TimeUnit::Nano), Type::TimestampTz(TimeUnit::Nano), Type::Null] {
                let column = fit_one(ty, dialect);
                assert_eq!((column.ty, column.reading), (Type::Text, Reading::Native));
                assert!(column.why.text.starts_with("text: ") && column.why.text.ends_with("; as seen"));
            }
            let kept = fit_one(Type::Timestamp(TimeUnit::Micro), dialect);
            assert_eq!((kept.ty, kept.reading), (Type::Timestamp(TimeUnit::Micro), Reading::AssumeUtc));
            assert_eq!(kept.why.text, "as seen");
        }
    }

    #[test]
    fn redshift_decimals_skip_nineteen_digits_and_thirty_eight_decimals() {
        let decimal = |precision, scale| Type::Decimal { precision, scale };
        let cases = [
            (decimal(18, 2), decimal(18, 2)),
            (decimal(19, 2), decimal(20, 2)),
            (decimal(38, 37), decimal(38, 37)),
            (decimal(38, 38), Type::Text),
        ];
        for (ty, expected) in cases {
            assert_eq!(fit_one(ty, Dialect::Redshift).ty, expected);
            assert_eq!(fit_one(ty, Dialect::Postgres).ty, ty);
        }
    }

    #[test]
    fn a_name_stays_wherever_the_warehouse_can_take_it() {
        let names = |dialect| {
            let wanted = ["userId", "userid", "a\\b", "ctid", "select"];
            let columns = wanted.iter().map(|name| Column::new(Path::new([*name]), *name, Type::Text)).collect();
            let fitted = fit(&Schema { columns, ..Schema::default() }, dialect).columns;
            fitted.into_iter().map(|column| column.name).collect::<Vec<_>>()
        };
        assert_eq!(names(Dialect::Postgres), ["userId", "userid", "a\\b", "ctid_", "select"]);
        let redshift = names(Dialect::Redshift);
        assert_eq!(
            (redshift[0].as_str(), &redshift[2..]),
            ("userid", &["a_b", "ctid_", "select"].map(String::from)[..])
        );
        assert!(redshift[1].starts_with("userid_") && redshift[1].len() == 15, "{redshift:?}");
    }

    #[test]
    fn on_redshift_no_field_is_called_as_a_column_that_is_being_replaced() {
        let names = |dialect| {
            let wanted = ["_longshore_old_price", "longshore_old_price", "_Longshore_New_x", "_longshore_older"];
            let columns = wanted.iter().map(|name| Column::new(Path::new([*name]), *name, Type::Text)).collect();
            let fitted = fit(&Schema { columns, ..Schema::default() }, dialect).columns;
            fitted.into_iter().map(|column| column.name).collect::<Vec<_>>()
        };
        assert_eq!(names(Dialect::Postgres)[0], "_longshore_old_price");
        let redshift = names(Dialect::Redshift);
        assert_eq!(
            (&*redshift[0], &redshift[2..]),
            ("longshore_old_price", &["longshore_new_x", "_longshore_older"].map(String::from)[..])
        );
        assert!(redshift[1].starts_with("longshore_old_price_"), "{redshift:?}");
    }
}

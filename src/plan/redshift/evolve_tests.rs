use super::*;
use crate::path::Path;
use crate::plan::{Class, Encoding};
use crate::schema::TimeUnit;

fn data(name: &str, ty: Type, max_bytes: u64) -> Column {
    Column { max_bytes: Some(max_bytes), ..Column::new(Path::new([name]), name, ty) }
}

fn one(ty: RedshiftType, column: Column, options: &RedshiftEvolve) -> Result<RedshiftEvolution> {
    let mut existing = RedshiftColumn::new("c", ty);
    existing.comment = Some(comment_of(&Path::new(["c"])));
    of(vec![existing], vec![column], options)
}

fn of(table: Vec<RedshiftColumn>, data: Vec<Column>, options: &RedshiftEvolve) -> Result<RedshiftEvolution> {
    let name = TableName { schema: None, name: "t".into() };
    let schema = Schema { columns: data, ..Schema::default() };
    evolve_redshift(&schema, &RedshiftTable { columns: table }, &name, options)
}

fn sql(evolution: &RedshiftEvolution) -> Vec<&str> {
    evolution.plan.statements.iter().map(|statement| statement.sql.as_str()).collect()
}

#[test]
fn a_varchar_grows_in_place_and_outside_of_the_transaction() {
    let evolution = one(RedshiftType::Varchar(16), data("c", Type::Text, 20), &RedshiftEvolve::default()).unwrap();
    assert_eq!(sql(&evolution), ["ALTER TABLE \"t\" ALTER COLUMN \"c\" TYPE VARCHAR(64)"]);
    let statement = &evolution.plan.statements[0];
    assert_eq!((statement.class, statement.in_transaction), (Class::MetadataOnly, false));
    assert_eq!(evolution.columns[0].max_bytes, Some(64), "bytes, not characters");
    assert!(evolution.cleanup.is_empty());
}

#[test]
fn a_varchar_that_cannot_grow_in_place_is_replaced_or_keeps_its_limit() {
    let options = RedshiftEvolve::default();
    let mut encoded = RedshiftColumn::new("c", RedshiftType::Varchar(16));
    encoded.encoding = Some(Encoding::Text255);
    let evolution = of(vec![encoded.clone()], vec![data("c", Type::Text, 20)], &options).unwrap();
    assert!(sql(&evolution)[1].ends_with(" = \"c\""), "copied as it is: {:?}", sql(&evolution));
    for hinder in [
        (|column| column.has_default = true) as fn(&mut RedshiftColumn),
        |column| column.constrained = true,
        |column| column.used_by_view = true,
    ] {
        let mut held = RedshiftColumn::new("c", RedshiftType::Varchar(16));
        hinder(&mut held);
        let evolution = of(vec![held], vec![data("c", Type::Text, 20)], &options).unwrap();
        assert!(evolution.plan.is_empty() && !evolution.plan.warnings.is_empty());
        assert_eq!(evolution.columns[0].max_bytes, Some(16), "longer values are misfits, never cut");
    }
    let no_rewrite = RedshiftEvolve { rewrite: false, ..options };
    let evolution = of(vec![encoded], vec![data("c", Type::Text, 20)], &no_rewrite).unwrap();
    assert!(evolution.plan.is_empty());
}

#[test]
fn any_other_widening_adds_copies_and_swaps_in_the_loads_transaction() {
    let evolution = one(RedshiftType::Integer, data("c", Type::Int64, 19), &RedshiftEvolve::default()).unwrap();
    let tag = &sql(&evolution)[0].split("_longshore_new_").nth(1).unwrap()[..16];
    let expected = [
        format!("ALTER TABLE \"t\" ADD COLUMN \"_longshore_new_{tag}\" BIGINT"),
        format!("UPDATE \"t\" SET \"_longshore_new_{tag}\" = CAST(\"c\" AS BIGINT)"),
        "ALTER TABLE \"t\" DROP COLUMN \"c\"".to_owned(),
        format!("ALTER TABLE \"t\" RENAME COLUMN \"_longshore_new_{tag}\" TO \"c\""),
        "COMMENT ON COLUMN \"t\".\"c\" IS 'longshore path: [\"c\"]'".to_owned(),
    ];
    assert_eq!(sql(&evolution), expected);
    assert!(evolution.plan.statements.iter().all(|statement| statement.in_transaction));
    assert!(evolution.plan.statements[..4].iter().all(|statement| statement.class == Class::AddCopySwap));
    assert!(evolution.cleanup.is_empty(), "nothing is left behind");
    assert_eq!(evolution.columns[0].column.ty, Type::Int64);
}

fn commented(name: &str, comment: &str) -> RedshiftColumn {
    RedshiftColumn { comment: Some(comment.to_owned()), ..RedshiftColumn::new(name, RedshiftType::Integer) }
}

#[test]
fn what_an_earlier_version_left_behind_is_found_by_its_name_and_its_comment() {
    let options = RedshiftEvolve::default();
    let old = commented("_longshore_old_0123456789abcdef", "longshore: replaced");
    let drop = "ALTER TABLE \"t\" DROP COLUMN \"_longshore_old_0123456789abcdef\"";
    for ty in [Type::Int16, Type::Int64] {
        let found = of(vec![old.clone(), commented("c", "mine")], vec![data("c", ty, 19)], &options).unwrap();
        let dropped: Vec<_> = found.cleanup.statements.iter().map(|drop| (&*drop.sql, drop.in_transaction)).collect();
        assert_eq!(dropped, [(drop, false)], "whatever else the plan does");
    }
}

#[test]
fn a_column_that_is_called_as_what_was_left_behind_is_its_owners() {
    let options = RedshiftEvolve::default();
    for (name, comment) in [
        ("_longshore_old_price", comment_of(&Path::new(["_longshore_old_price"]))),
        ("_longshore_old_price", "longshore: replaced".to_owned()),
        ("_longshore_old_0123456789abcdef", comment_of(&Path::new(["_longshore_old_0123456789abcdef"]))),
        ("_longshore_old_0123456789abcdef", String::new()),
        ("_longshore_old_0123456789ABCDEF", "longshore: replaced".to_owned()),
        ("_longshore_old_0123456789abcdef0", "longshore: replaced".to_owned()),
    ] {
        let table = vec![commented("id", ""), commented(name, &comment)];
        let found = of(table, vec![data("id", Type::Int16, 1), data(name, Type::Int16, 1)], &options).unwrap();
        assert!(found.plan.is_empty() && found.cleanup.is_empty(), "{name} {comment}: {:?}", sql(&found));
        assert_eq!(found.columns[1].column.name, name, "{comment}");
    }
}

#[test]
fn no_new_column_is_called_as_what_stands_in_for_another_one() {
    let options = RedshiftEvolve::default();
    let first = one(RedshiftType::Integer, data("c", Type::Int64, 19), &options).unwrap();
    let taken = sql(&first)[0].split('"').nth(3).unwrap().to_owned();
    let new = vec![data("c", Type::Int64, 19), data("_longshore_new_x", Type::Int64, 19)];
    let table = vec![commented("c", ""), commented(&taken, "")];
    let found = of(table, new, &options).unwrap();
    assert!(sql(&found)[0].contains("ADD COLUMN \"_longshore_new_") && !sql(&found)[0].contains(&taken));
    assert_eq!(found.columns[1].column.name, "longshore_new_x");
}

#[test]
fn a_decimal_of_nineteen_digits_holds_every_number_of_eighteen() {
    let options = RedshiftEvolve::default();
    let of_type = |have: RedshiftType, column: Column| {
        let required = RedshiftColumn { not_null: true, ..RedshiftColumn::new("c", have) };
        of(vec![required], vec![Column { nullable: false, ..column }], &options)
    };
    let decimal = |precision, scale| Type::Decimal { precision, scale };
    let nineteen = |scale| RedshiftType::Decimal(19, scale);
    for (scale, ty) in
        [(4, decimal(3, 1)), (4, decimal(18, 4)), (4, Type::Int16), (0, decimal(18, 0)), (18, decimal(1, 1))]
    {
        let found = of_type(nineteen(scale), data("c", ty, 4)).unwrap();
        assert!(found.plan.is_empty() && found.plan.warnings.is_empty(), "{scale} {ty}: {:?}", sql(&found));
        assert_eq!(found.columns[0].sql, nineteen(scale));
        assert_eq!(found.columns[0].column.ty, decimal(18, scale), "no value that 64 bits may not hold");
    }
    for (scale, ty) in [(4, decimal(19, 4)), (4, decimal(16, 1)), (19, decimal(1, 1))] {
        assert_eq!(of_type(nineteen(scale), data("c", ty, 4)).unwrap_err().kind(), ErrorKind::Conflict, "{scale} {ty}");
    }
    let widened = one(nineteen(4), data("c", decimal(16, 1), 4), &options).unwrap();
    assert_eq!(widened.columns[0].sql, RedshiftType::Decimal(20, 4));
    let quarantined = RedshiftEvolve { impossible: Impossible::Quarantine, rewrite: false, ..options };
    let kept = one(nineteen(4), data("c", decimal(16, 1), 4), &quarantined).unwrap();
    assert!(kept.plan.is_empty() && kept.columns[0].column.ty == decimal(18, 4), "what is longer does not fit");
}

#[test]
fn every_widening_keeps_every_old_value() {
    use RedshiftType as R;
    let decimal = |precision, scale| Type::Decimal { precision, scale };
    let cases = [
        (R::Smallint, Type::Int32, R::Integer, "CAST(\"c\" AS INTEGER)"),
        (R::Bigint, decimal(12, 2), R::Decimal(21, 2), "CAST(\"c\" AS DECIMAL(21,2))"),
        (R::Integer, decimal(19, 0), R::Decimal(20, 0), "CAST(\"c\" AS DECIMAL(20,0))"),
        (R::Integer, Type::Float64, R::Double, "CAST(\"c\" AS DOUBLE PRECISION)"),
        (R::Decimal(10, 2), decimal(12, 6), R::Decimal(14, 6), "CAST(\"c\" AS DECIMAL(14,6))"),
        (R::Date, Type::Timestamp(TimeUnit::Micro), R::Timestamp, "CAST(\"c\" AS TIMESTAMP)"),
        (R::Bigint, Type::Text, R::Varchar(64), "CAST(\"c\" AS VARCHAR(64))"),
        (R::Boolean, Type::Text, R::Varchar(16), "CASE \"c\" WHEN TRUE THEN 'true' WHEN FALSE THEN 'false' END"),
        (R::Integer, Type::Json, R::Super, "JSON_PARSE(CAST(\"c\" AS VARCHAR(65535)))"),
    ];
    for (have, ty, to, value) in cases {
        let evolution = one(have.clone(), data("c", ty, 5), &RedshiftEvolve::default()).unwrap();
        assert_eq!(evolution.columns[0].sql, to, "{have} and {ty}");
        assert!(sql(&evolution)[1].ends_with(&format!(" = {value}")), "{:?}", sql(&evolution));
    }
}

#[test]
fn doubles_that_can_be_written_out_go_into_exact_columns() {
    let doubles = |digits| Column { digits: Some(digits), ..data("c", Type::Float64, 5) };
    let become_of = |have: &RedshiftType, digits| {
        let evolution = one(have.clone(), doubles(digits), &RedshiftEvolve::default()).unwrap();
        (evolution.columns[0].sql.clone(), evolution.plan.is_empty())
    };
    let decimal = RedshiftType::Decimal;
    assert_eq!(become_of(&decimal(10, 2), (4, 2)), (decimal(10, 2), true));
    assert_eq!(become_of(&decimal(10, 2), (5, 3)), (decimal(11, 3), false));
    assert_eq!(become_of(&RedshiftType::Bigint, (2, 1)), (decimal(20, 1), false));
}

#[test]
fn what_no_change_can_hold_is_refused_quarantined_or_put_beside() {
    let cases = [
        (RedshiftType::Bigint, Type::Float64),
        (RedshiftType::TimestampTz, Type::Text),
        (RedshiftType::Double, Type::Text),
        (RedshiftType::Timestamp, Type::TimestampTz(TimeUnit::Micro)),
    ];
    for (have, ty) in cases {
        let with = |impossible| RedshiftEvolve { impossible, ..RedshiftEvolve::default() };
        let error = one(have.clone(), data("c", ty, 5), &with(Impossible::Refuse)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let kept = one(have.clone(), data("c", ty, 5), &with(Impossible::Quarantine)).unwrap();
        assert!(kept.plan.is_empty() && kept.columns[0].column.ty != ty);
        let beside = one(have.clone(), data("c", ty, 5), &with(Impossible::Variant)).unwrap();
        let name = &beside.columns[0].column.name;
        assert!(name.starts_with("c_"), "{name}");
        assert!(sql(&beside)[0].starts_with(&format!("ALTER TABLE \"t\" ADD COLUMN \"{name}\" ")));
        let (mut first, mut second) =
            (RedshiftColumn::new("c", have), RedshiftColumn::new(name, beside.columns[0].sql.clone()));
        first.comment = Some(comment_of(&Path::new(["c"])));
        second.comment = first.comment.clone();
        let again = of(vec![first, second], vec![data("c", ty, 5)], &with(Impossible::Variant)).unwrap();
        assert!(again.plan.is_empty() && again.columns[0].column.name == *name, "the second load finds it again");
    }
}

#[test]
fn keys_and_required_columns_are_not_replaced() {
    for hinder in [(|column| column.is_key = true) as fn(&mut RedshiftColumn), |column| column.not_null = true] {
        let mut held = RedshiftColumn::new("c", RedshiftType::Integer);
        hinder(&mut held);
        let error = of(vec![held], vec![data("c", Type::Int64, 19)], &RedshiftEvolve::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
}

#[test]
fn new_columns_come_one_by_one_up_to_the_limit() {
    let table =
        |n: usize| (0..n).map(|i| RedshiftColumn::new(format!("c{i}"), RedshiftType::Bigint)).collect::<Vec<_>>();
    let new = || vec![data("a", Type::Text, 3), data("b\\C", Type::Json, 3)];
    let evolution = of(table(1598), new(), &RedshiftEvolve::default()).unwrap();
    assert_eq!(sql(&evolution)[0], "ALTER TABLE \"t\" ADD COLUMN \"a\" VARCHAR(16)");
    assert_eq!(sql(&evolution)[2], "ALTER TABLE \"t\" ADD COLUMN \"b_c\" SUPER");
    let error = of(table(1599), new(), &RedshiftEvolve::default()).unwrap_err();
    assert_eq!(error.message(), "2 new columns would make 1601 of the 1600 that a table can have");
}

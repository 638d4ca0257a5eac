use super::*;
use crate::path::Path;
use crate::schema::{TimeUnit, Why, Witness};

fn existing(name: &str, ty: PgType) -> ExistingColumn {
    ExistingColumn {
        name: name.into(),
        ty,
        not_null: false,
        has_default: false,
        generated: false,
        comment: None,
        used_by_view: false,
        collation: None,
        checked: false,
    }
}

fn commented(name: &str, ty: PgType, keys: &[&str]) -> ExistingColumn {
    let comment = Some(comment_of(&Path::new(keys.iter().copied())));
    ExistingColumn { comment, ..existing(name, ty) }
}

fn table(columns: Vec<ExistingColumn>) -> ExistingTable {
    ExistingTable { slots: columns.len(), columns, has_rows: true }
}

fn field(keys: &[&str], name: &str, ty: Type) -> Column {
    Column::new(Path::new(keys.iter().copied()), name, ty)
}

fn try_run(columns: Vec<Column>, table: &ExistingTable) -> Result<Evolution> {
    evolve(&Schema { columns, ..Schema::default() }, table, &"shop.orders".parse().unwrap(), JsonType::Jsonb)
}

fn run(columns: Vec<Column>, table: &ExistingTable) -> Evolution {
    try_run(columns, table).unwrap()
}

fn names(evolution: &Evolution) -> Vec<&str> {
    evolution.columns.iter().map(|fitted| fitted.column.name.as_str()).collect()
}

#[test]
fn a_table_that_can_take_the_rows_is_left_as_it_is() {
    let columns = vec![field(&["id"], "id", Type::Int16), field(&["note"], "note", Type::Null)];
    let evolution =
        run(columns, &table(vec![existing("id", PgType::Int8), existing("note", PgType::Varchar(Some(9)))]));
    assert!(evolution.plan.is_empty() && evolution.plan.warnings.is_empty());
    assert_eq!((evolution.columns[0].column.ty, &evolution.columns[0].sql), (Type::Int64, &PgType::Int8));
    assert_eq!((evolution.columns[1].column.ty, evolution.columns[1].column.max_chars), (Type::Text, Some(9)));
}

#[test]
fn the_table_just_created_takes_the_same_schema_without_a_change() {
    let columns = vec![
        field(&["a", "b"], "a_b", Type::Int64),
        field(&["a.b"], "a_b_0123abcd", Type::TimestampTz(TimeUnit::Nano)),
        field(&["n"], "n", Type::Null),
        field(&["d"], "d", Type::Decimal { precision: 12, scale: 2 }),
        field(&["j"], "j", Type::Json),
    ];
    let schema = Schema { columns, ..Schema::default() };
    let created = fitted(&schema, JsonType::Jsonb);
    let made = |fitted: &Fitted| ExistingColumn {
        comment: Some(comment_of(&fitted.column.path)),
        ..existing(&fitted.column.name, fitted.sql.clone())
    };
    let made = table(created.iter().map(made).collect());
    let evolution = evolve(&schema, &made, &"t".parse().unwrap(), JsonType::Jsonb).unwrap();
    assert!(evolution.plan.is_empty());
    let types =
        |all: &[Fitted]| all.iter().map(|f| (f.column.name.clone(), f.column.ty, f.sql.clone())).collect::<Vec<_>>();
    assert_eq!(types(&evolution.columns), types(&created));
}

#[test]
fn changes_of_one_class_share_a_statement_and_say_their_cost() {
    let have = table(vec![
        existing("small", PgType::Int2),
        existing("day", PgType::Date),
        existing("code", PgType::Int4),
        existing("tag", PgType::Varchar(Some(3))),
    ]);
    let mut tag = field(&["tag"], "tag", Type::Text);
    tag.max_bytes = Some(20);
    let columns = vec![
        field(&["small"], "small", Type::Int64),
        field(&["day"], "day", Type::Timestamp(TimeUnit::Micro)),
        field(&["code"], "code", Type::Text),
        tag,
        field(&["new", "one"], "new_one", Type::Boolean),
    ];
    let evolution = run(columns, &have);
    assert_eq!(
        format!("{:#}", evolution.plan),
        "-- metadata only: `tag` is varchar(3), and `tag` is text of up to 20 bytes; `new.one` is new (locks ACCESS EXCLUSIVE)\n\
         ALTER TABLE \"shop\".\"orders\"\n    ALTER COLUMN \"tag\" TYPE text,\n    ADD COLUMN \"new_one\" boolean;\n\
         -- rewrites the table: `small` is smallint, and `small` is int64; `day` is date, and `day` is timestamp; \
         `code` is integer, and `code` is text (locks ACCESS EXCLUSIVE)\n\
         ALTER TABLE \"shop\".\"orders\"\n    ALTER COLUMN \"small\" TYPE bigint,\n    \
         ALTER COLUMN \"day\" TYPE timestamp,\n    ALTER COLUMN \"code\" TYPE text USING \"code\"::text;\n\
         -- comment: keeps the source path of `new.one` (locks SHARE UPDATE EXCLUSIVE)\n\
         COMMENT ON COLUMN \"shop\".\"orders\".\"new_one\" IS 'longshore path: [\"new\",\"one\"]';\n"
    );
    assert!(evolution.plan.statements.iter().all(|statement| statement.in_transaction));
}

#[test]
fn a_column_is_known_by_its_path_under_any_name() {
    let have = table(vec![
        commented("renamed_by_hand", PgType::Int4, &["order", "id"]),
        existing("Total", PgType::Int4),
        existing("note", PgType::Text),
        existing("shipto", PgType::Text),
    ]);
    let columns = vec![
        field(&["shipTo"], "ship_to", Type::Text),
        field(&["order", "id"], "order_id", Type::Int16),
        field(&["total"], "total", Type::Int16),
        field(&["note"], "note", Type::Text),
    ];
    let evolution = run(columns, &have);
    assert_eq!(names(&evolution), ["shipto", "renamed_by_hand", "Total", "note"]);
    assert!(evolution.plan.is_empty());
}

#[test]
fn two_fields_never_share_a_column() {
    let have = table(vec![commented("a_b", PgType::Int4, &["a", "b"])]);
    let evolution = run(vec![field(&["a.b"], "a_b", Type::Int32)], &have);
    let name = names(&evolution)[0].to_owned();
    assert!(name.starts_with("a_b_") && name.len() == 12, "{name}");
    assert_eq!(evolution.plan.statements.len(), 2);
    assert_eq!(evolution.plan.warnings.len(), 1);
    // The name that was found stays: the next load knows the column by its comment.
    let next = table(vec![have.columns[0].clone(), commented(&name, PgType::Int4, &["a.b"])]);
    let again = run(vec![field(&["a.b"], "a_b", Type::Int32), field(&["a", "b"], "a_b_", Type::Int32)], &next);
    assert_eq!(names(&again), [name.as_str(), "a_b"]);
    assert!(again.plan.is_empty());
}

#[test]
fn names_that_match_without_case_in_two_ways_match_in_none() {
    let have = table(vec![existing("ID", PgType::Int4), existing("Id", PgType::Int4)]);
    let evolution = run(vec![field(&["id"], "id", Type::Int16)], &have);
    assert!(names(&evolution)[0].starts_with("id_"), "{:?}", names(&evolution));
    let twice = vec![field(&["id"], "id", Type::Int16), field(&["iD"], "iD", Type::Int16)];
    let evolution = run(twice, &table(vec![existing("ID", PgType::Int4)]));
    assert_eq!(evolution.plan.statements[0].sql.matches("ADD COLUMN").count(), 2);
}

#[test]
fn a_conflict_names_the_column_both_types_the_record_and_a_way_out() {
    let mut total = field(&["order", "total"], "order_total", Type::Text);
    let witness = Some(Witness { source: "orders.ndjson".into(), line: 41_210, byte: 9_000_001 });
    total.why = Why { text: "text: no time".into(), witness };
    let error = try_run(vec![total], &table(vec![existing("order_total", PgType::Timestamp(None))])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(
        error.to_string(),
        "orders.ndjson:41210 (byte 9000001): column `order.total`: the table has `order_total` as timestamp, the \
         data as text: no type holds both without spelling the old rows in another way"
    );
    assert!(error.hint().unwrap().contains("hint the column"));
}

#[test]
fn what_the_table_forbids_is_a_conflict_before_any_row_is_sent() {
    let of = |column: ExistingColumn, ty: Type| try_run(vec![field(&["a"], "a", ty)], &table(vec![column]));
    let viewed = |ty| ExistingColumn { used_by_view: true, ..existing("a", ty) };
    let error = of(viewed(PgType::Int2), Type::Int32).unwrap_err();
    assert!(error.message().contains("a view, a rule or a constraint uses it"), "{error}");
    assert_eq!(error.hint(), Some("drop what uses it, alter the column to integer, and make that again"));
    assert!(of(viewed(PgType::Int8), Type::Int32).is_ok(), "no change is needed");

    let generated = ExistingColumn { generated: true, not_null: true, ..existing("a", PgType::Int8) };
    assert!(of(generated.clone(), Type::Int16).unwrap_err().message().contains("the server generates it"));
    let unasked = run(vec![field(&["b"], "b", Type::Int16)], &table(vec![generated]));
    assert_eq!(names(&unasked), ["b"], "a generated column is left to the server");

    let required = ExistingColumn { not_null: true, ..existing("needed", PgType::Text) };
    let error = of(required.clone(), Type::Text).unwrap_err();
    assert_eq!(
        error.message(),
        "the table's column `needed` refuses NULL and has no default, and the data has no such field"
    );
    assert!(of(ExistingColumn { has_default: true, ..required }, Type::Text).is_ok());

    let nanos = of(existing("a", PgType::Timestamp(None)), Type::Timestamp(TimeUnit::Nano)).unwrap_err();
    assert!(nanos.message().contains("timestamp in nanoseconds, kept as text"), "{nanos}");
}

#[test]
fn a_view_over_a_varchar_leaves_its_length_to_the_check_of_each_record() {
    let mut text = field(&["a"], "a", Type::Text);
    text.max_bytes = Some(12);
    let viewed = ExistingColumn { used_by_view: true, ..existing("a", PgType::Varchar(Some(10))) };
    let evolution = run(vec![text], &table(vec![viewed]));
    assert!(evolution.plan.is_empty());
    assert_eq!(evolution.columns[0].column.max_chars, Some(10));
}

#[test]
fn dropped_columns_count_towards_the_limit() {
    let mut full = table(vec![existing("a", PgType::Int4)]);
    full.slots = 1599;
    let columns = vec![field(&["a"], "a", Type::Int16), field(&["b"], "b", Type::Int16)];
    assert!(try_run(columns.clone(), &full).is_ok());
    full.slots = 1600;
    let error = try_run(columns, &full).unwrap_err();
    assert_eq!(error.message(), "1 new columns would make 1601 of the 1600 that a table can have");
    assert!(try_run(vec![field(&["a"], "a", Type::Int16)], &full).is_ok(), "nothing is added");
}

#[test]
fn a_required_column_with_missing_values_is_warned_of() {
    let required = ExistingColumn { not_null: true, ..existing("a", PgType::Text) };
    let evolution = run(vec![field(&["a"], "a", Type::Text)], &table(vec![required]));
    assert!(evolution.columns[0].column.required);
    assert!(evolution.plan.warnings[0].contains("`a` refuses NULL"), "{:?}", evolution.plan.warnings);
}

#[test]
fn values_kept_as_text_are_kept_as_written() {
    let mut day = field(&["a"], "a", Type::Date);
    day.reading = Reading::DayFirst;
    let text = run(vec![day.clone()], &table(vec![existing("a", PgType::Text)]));
    assert_eq!((text.columns[0].column.ty, text.columns[0].column.reading), (Type::Text, Reading::Native));
    let date = run(vec![day], &table(vec![existing("a", PgType::Date)]));
    assert_eq!((date.columns[0].column.ty, date.columns[0].column.reading), (Type::Date, Reading::DayFirst));
}

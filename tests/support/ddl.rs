//! Schemas made by hand, and the plans that the golden files and the grammar check look at.

use longshore::plan::{
    CreateOptions, Distribution, Encoding, ExistingColumn, ExistingTable, Impossible, JsonType, LongText, NotNull,
    PgType, RedshiftColumn, RedshiftEvolution, RedshiftEvolve, RedshiftTable, RedshiftType, VarcharWidth, evolve,
    evolve_redshift,
};
use longshore::schema::{Naming, TimeUnit, assign};
use longshore::{Column, Dialect, Path, Plan, Schema, Type};

/// Keys joined by `/`, a type, and the longest value in bytes.
type Field<'a> = (&'a str, Type, u64);

fn schema(fields: &[Field<'_>], naming: Naming) -> Schema {
    let paths: Vec<Path> = fields.iter().map(|(keys, ..)| Path::new(keys.split('/'))).collect();
    let names = assign(&paths, naming, 63, true);
    let columns = paths.into_iter().zip(names).zip(fields).map(|((path, name), &(_, ty, longest))| {
        let max_bytes = (longest > 0).then_some(longest);
        Column { nullable: ty == Type::Null, max_bytes, ..Column::new(path, name, ty) }
    });
    Schema { columns: columns.collect(), ..Schema::default() }
}

/// Orders with a customer, amounts and items, as a shop's API gives them.
fn nested_orders() -> Schema {
    let fields = [
        ("_id", Type::Uuid, 36),
        ("orderNumber", Type::Int64, 12),
        ("order.number", Type::Int64, 12),
        ("customer/id", Type::Int32, 9),
        ("customer/e-mail", Type::Text, 61),
        ("customer/address/ZIP", Type::Text, 5),
        ("placedAt", Type::TimestampTz(TimeUnit::Micro), 24),
        ("shipBy", Type::Date, 10),
        ("pickup", Type::Time, 8),
        ("localTime", Type::Timestamp(TimeUnit::Micro), 19),
        ("scannedAt", Type::TimestampTz(TimeUnit::Nano), 30),
        ("total", Type::Decimal { precision: 12, scale: 2 }, 13),
        ("rate", Type::Float64, 22),
        ("gift", Type::Boolean, 5),
        ("floor", Type::Int16, 2),
        ("items", Type::Json, 2400),
        ("note", Type::Text, 9001),
        ("voucher", Type::Null, 0),
    ];
    schema(&fields, Naming::Snake)
}

/// Field names that mean harm, or are only careless.
fn hostile_names() -> Schema {
    let (long, longer) = ("value_".repeat(15), "value_".repeat(16));
    let fields = [
        "id\"; DROP TABLE \"orders\"; --",
        "it's",
        "back\\slash",
        "semi;colon",
        "new\nline",
        "null\0byte",
        "$1",
        "{{ jinja }}",
        "-- comment",
        "naïve café",
        "価格",
        "Größe",
        "GRÖSSE",
        "",
        " ",
        "ctid",
        "a.b",
        "a/b",
        "100%",
        long.as_str(),
        longer.as_str(),
    ]
    .map(|name| (name, Type::Text, 20));
    schema(&fields, Naming::Source)
}

/// Words that one dialect or the other keeps for itself.
fn reserved_words() -> Schema {
    let words = "select table user order group default primary all analyse tag open snapshot timestamp partition \
                 percent system identity off new old raw permissions backup encode delta wallet aes128 binary authorization \
                 collation column constraint limit offset placing tablesample oid xmin tableoid";
    let fields: Vec<Field<'_>> = words.split_whitespace().map(|word| (word, Type::Int32, 4)).collect();
    schema(&fields, Naming::Snake)
}

/// Decimals at the borders of what either warehouse holds.
fn wide_numeric() -> Schema {
    let digits = [(1, 0), (9, 9), (18, 4), (19, 0), (19, 19), (20, 2), (38, 0), (38, 37), (38, 38)];
    let names = digits.map(|(p, s)| format!("d_{p}_{s}"));
    let fields: Vec<Field<'_>> = digits
        .iter()
        .zip(&names)
        .map(|(&(precision, scale), name)| {
            (name.as_str(), Type::Decimal { precision, scale }, u64::from(precision) + 2)
        })
        .collect();
    schema(&fields, Naming::Snake)
}

/// As many columns as a table can have.
fn most_columns() -> Schema {
    let names: Vec<String> = (0..1600).map(|i| format!("column{i:04}")).collect();
    let fields: Vec<Field<'_>> = names.iter().map(|name| (name.as_str(), Type::Int32, 9)).collect();
    schema(&fields, Naming::Snake)
}

/// The plan for a table of 1,600 columns; its golden file holds a hash.
#[allow(dead_code, reason = "not every test that shares this file looks at it")]
pub(crate) fn widest(dialect: Dialect) -> Plan {
    Plan::create(&most_columns(), dialect, "wide").unwrap()
}

/// Every other plan by the name of its golden file.
pub(crate) fn plans(dialect: Dialect) -> Vec<(&'static str, Plan)> {
    let orders = nested_orders();
    let create = |schema: &Schema, table: &str| Plan::create(schema, dialect, table).unwrap();
    let with = |table: &str, options: CreateOptions| Plan::create_with(&orders, table, &options).unwrap();
    let mut plans = vec![
        ("nested_orders", create(&orders, "analytics.orders")),
        ("hostile_names", create(&hostile_names(), r#""My ""Schema"""."Robert'); DROP TABLE students; --""#)),
        ("reserved_words", create(&reserved_words(), "select.\"table\"")),
        ("wide_numeric", create(&wide_numeric(), "numbers")),
    ];
    let careful = || CreateOptions::new(dialect).with_if_not_exists(true).with_not_null(NotNull::Observed);
    match dialect {
        Dialect::Postgres => {
            plans.push(("not_null_json", with("orders", careful().with_json(JsonType::Json))));
            plans.push(("evolved", evolved()));
        }
        _ => {
            let keyed = careful()
                .with_distribution(Distribution::Key("customer.id".into()))
                .with_sort_key(["placedAt", "orderNumber"])
                .with_encoding("note", Encoding::Zstd)
                .with_encoding("total", Encoding::Az64);
            plans.push(("keys_and_encodings", with("orders", keyed)));
            let even = CreateOptions::new(dialect).with_distribution(Distribution::Even).with_comments(false);
            plans.push(("tight_even", with("orders", even.with_varchar_width(VarcharWidth::Tight))));
            let all = CreateOptions::new(dialect).with_distribution(Distribution::All).with_comments(false);
            let mut long = nested_orders();
            long.columns[16].max_bytes = Some(70_000);
            let options = all.with_long_text(LongText::Super);
            plans.push(("long_text_all", Plan::create_with(&long, "orders", &options).unwrap()));
            let RedshiftEvolution { plan, cleanup, .. } = evolved_redshift();
            plans.extend([("evolved", plan), ("evolved_cleanup", cleanup)]);
        }
    }
    plans
}

/// An older table of orders that has to grow in every way it can.
fn evolved() -> Plan {
    let existing = |name: &str, ty: PgType| ExistingColumn {
        name: name.into(),
        ty,
        not_null: false,
        has_default: false,
        generated: false,
        comment: None,
        used_by_view: false,
        collation: None,
        checked: false,
    };
    let columns = vec![
        existing("_id", PgType::Text),
        existing("Order_Number", PgType::Numeric(Some((10, 2)))),
        existing("customer_id", PgType::Int2),
        existing("customer_e_mail", PgType::Varchar(Some(20))),
        existing("placed_at", PgType::TimestampTz(Some(3))),
        existing("ship_by", PgType::Timestamp(None)),
        existing("total", PgType::Int4),
        existing("gift", PgType::Uuid),
        existing("items", PgType::Float8),
    ];
    let table = ExistingTable { slots: columns.len(), columns, has_rows: true };
    evolve(&nested_orders(), &table, &"analytics.orders".parse().unwrap(), JsonType::Jsonb).unwrap().plan
}

/// The same in Redshift, with what an earlier change has left behind.
fn evolved_redshift() -> RedshiftEvolution {
    let columns = vec![
        RedshiftColumn::new("_id", RedshiftType::Varchar(16)),
        RedshiftColumn::new("customer_id", RedshiftType::Smallint),
        RedshiftColumn::new("customer_e_mail", RedshiftType::Varchar(32)),
        RedshiftColumn::new("placed_at", RedshiftType::TimestampTz),
        RedshiftColumn::new("ship_by", RedshiftType::Date),
        RedshiftColumn::new("total", RedshiftType::Bigint),
        RedshiftColumn::new("gift", RedshiftType::Boolean),
        RedshiftColumn::new("items", RedshiftType::Double),
        RedshiftColumn {
            comment: Some("longshore: replaced".to_owned()),
            ..RedshiftColumn::new("_longshore_old_0123456789abcdef", RedshiftType::Integer)
        },
    ];
    let options = RedshiftEvolve::default().with_impossible(Impossible::Variant);
    let table = RedshiftTable { columns };
    evolve_redshift(&nested_orders(), &table, &"analytics.orders".parse().unwrap(), &options).unwrap()
}

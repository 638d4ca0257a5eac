//! What a stream does with values and columns that do not fit: null them, spare a large table, or keep a wide one narrow.
#![cfg(all(unix, feature = "postgres"))]

mod support;

use longshore::load::{Contract, Counts, OnChange, Rewrite};
use longshore::{ErrorKind, Loader, Offset, Policy, Receipt, Source, StreamLoader, StreamOptions, Type};
use support::*;

fn open_under(url: &str, contract: Contract) -> StreamLoader {
    Loader::new(url).table("t").open_with(StreamOptions::default().contract(contract)).unwrap()
}

fn batch(loader: &mut StreamLoader, bytes: &str, position: u64) -> longshore::Result<Receipt> {
    loader.write(bytes, Offset::new("s", position))?;
    loader.commit()
}

fn counts(read: u64, loaded: u64, quarantined: u64) -> Counts {
    Counts { read, loaded, quarantined, deduplicated: 0 }
}

fn rows(client: &mut postgres::Client, table: &str) -> Vec<String> {
    let sql = format!("SELECT t::text FROM {table} t ORDER BY 1");
    client.query(&sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn quarantine(client: &mut postgres::Client) -> Vec<String> {
    let sql = "SELECT concat_ws(' ', scope, source, line, path, convert_from(raw, 'UTF8'), reason) \
               FROM _longshore_quarantine ORDER BY source, line, path";
    client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_value_that_does_not_fit_is_nulled_and_quarantined_by_itself() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (a smallint, b date, c varchar(3))").unwrap();
    let null = Contract::default().columns(OnChange::NullValue).types(OnChange::NullValue);
    let mut loader = open_under(&url, null);
    let input = "{\"a\":1,\"b\":\"2024-01-01\",\"c\":\"abc\"}\n{\"a\":\"x\",\"b\":\"soon\",\"c\":\"abcd\"}\n\
                 {\"a\":2,\"new\":{\"deep\":[1,2]},\"b\":null}\nbroken\n";
    let receipt = batch(&mut loader, input, 4).unwrap();
    assert_eq!((receipt.counts, receipt.values_quarantined, receipt.altered.len()), (counts(4, 3, 1), 4, 0));
    assert_eq!(rows(&mut client, "t"), ["(,,)", "(1,2024-01-01,abc)", "(2,,)"]);
    assert_eq!(
        quarantine(&mut client),
        [
            "value s@4 2 a \"x\" expected int16, found a text",
            "value s@4 2 b \"soon\" expected date, found a text",
            "value s@4 2 c \"abcd\" expected text, found text longer than the column",
            "value s@4 3 new.deep [1,2] a field that no column takes",
            "record s@4 4 broken not valid JSON: expected a value",
        ]
        .map(|line| match line.starts_with("record") {
            true => quarantine(&mut client).pop().unwrap(),
            false => line.to_owned(),
        })
    );
    let totals = loader.totals();
    assert_eq!((totals.counts, totals.values_quarantined), (counts(4, 3, 1), 4));
}

#[test]
fn a_record_that_is_quarantined_leaves_none_of_its_values_there() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (a smallint, b smallint)").unwrap();
    let contract = Contract::default().types(OnChange::Quarantine).column("a", OnChange::NullValue);
    let receipt =
        batch(&mut open_under(&url, contract), "{\"a\":\"x\",\"b\":\"y\"}\n{\"a\":\"z\",\"b\":1}\n", 2).unwrap();
    assert_eq!((receipt.counts, receipt.values_quarantined), (counts(2, 1, 1), 1));
    let found = quarantine(&mut client);
    assert!(
        found[0].starts_with("record s@2 1 b {\"a\":\"x\"") && found[1].starts_with("value s@2 2 a \"z\""),
        "{found:?}"
    );
}

#[test]
fn a_contract_for_one_column_comes_before_that_for_all() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (a smallint, b smallint)").unwrap();
    let contract = Contract::default()
        .columns(OnChange::Freeze)
        .types(OnChange::Freeze)
        .column("a", OnChange::Evolve)
        .column("extra", OnChange::Evolve);
    let mut loader = open_under(&url, contract);
    let receipt = batch(&mut loader, "{\"a\":70000,\"b\":1,\"extra\":true}\n", 1).unwrap();
    assert_eq!((receipt.counts, receipt.schema.column("a").unwrap().ty), (counts(1, 1, 0), Type::Int32));
    let error = batch(&mut loader, "{\"b\":70000}\n", 2).unwrap_err();
    assert_eq!((error.kind(), error.location().unwrap().column.as_deref()), (ErrorKind::Conflict, Some("b")));
}

#[test]
fn a_quarantine_of_an_earlier_version_is_brought_up_to_date() {
    let (url, mut client) = database();
    batch(&mut open_under(&url, Contract::default()), "{\"a\":1}\nx\n", 1).unwrap();
    client.batch_execute("ALTER TABLE _longshore_quarantine DROP COLUMN scope").unwrap();
    batch(&mut open_under(&url, Contract::default()), "{\"a\":1}\ny\n", 2).unwrap();
    let scopes = "SELECT string_agg(scope, ' ') FROM _longshore_quarantine";
    assert_eq!(client.query_one(scopes, &[]).unwrap().get::<_, String>(0), "record record");
}

#[test]
fn a_large_table_is_spared_by_a_column_of_text_beside_and_a_view_shows_both_as_one() {
    let (url, mut client) = database();
    let spare = |bytes| Contract::default().rewrite(Rewrite::VariantColumn).large_table(bytes);
    let mut loader = open_under(&url, spare(1));
    batch(&mut loader, "{\"v\":1,\"w\":1,\"s\":\"x\"}\n{\"v\":2}\n", 2).unwrap();
    let node = "SELECT pg_relation_filenode('t')";
    let before: u32 = client.query_one(node, &[]).unwrap().get(0);
    let receipt = batch(&mut loader, "{\"v\":\"three\"}\n{\"v\":4}\n{\"v\":3000000000}\n", 5).unwrap();
    assert_eq!(receipt.counts, counts(3, 3, 0));
    assert!(receipt.altered.iter().any(|sql| sql.contains("ADD COLUMN \"v__text\" text")), "{:?}", receipt.altered);
    // From now on without a change; and a new column, and another variant, while the view is there.
    assert_eq!(batch(&mut loader, "{\"v\":\"five\"}\n", 6).unwrap().altered, [""; 0]);
    batch(&mut open_under(&url, spare(1)), "{\"v\":6,\"new\":true}\n{\"w\":1.5,\"v\":true}\n", 8).unwrap();
    assert_eq!(client.query_one(node, &[]).unwrap().get::<_, u32>(0), before, "the table was not rewritten");
    let sql = "SELECT string_agg(concat_ws('/', v, w, new), ' ' ORDER BY v) FROM t__whole";
    let shown: String = client.query_one(sql, &[]).unwrap().get(0);
    assert_eq!(shown, "1/1 2 3000000000 4 6/t five three true/1.5");
    let sql = "SELECT count(v), count(v__text), count(w__text) FROM t";
    let row = client.query_one(sql, &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (4, 4, 1));
    // A widening that rewrites nothing is still made, also of a column that the view shows.
    client.batch_execute("DROP VIEW t__whole; ALTER TABLE t ALTER COLUMN s TYPE varchar(4)").unwrap();
    batch(&mut loader, "{\"v\":7}\n", 9).unwrap();
    let wider = batch(&mut loader, "{\"s\":\"much longer than four\"}\n", 10).unwrap();
    assert!(wider.altered[0].contains("\"s\" TYPE text"), "{:?}", wider.altered);
    assert_eq!(count(&mut client, "t__whole"), 10);
}

#[test]
fn the_view_over_variants_is_let_be_as_long_as_nothing_is_to_be_changed() {
    let (url, mut client) = database();
    let spare = || Contract::default().rewrite(Rewrite::VariantColumn).large_table(1);
    batch(&mut open_under(&url, spare()), "{\"v\":1,\"w\":1}\n", 1).unwrap();
    batch(&mut open_under(&url, spare()), "{\"v\":\"two\"}\n", 2).unwrap();
    client.batch_execute("CREATE VIEW mine AS SELECT * FROM t__whole").unwrap();
    let mut loader = open_under(&url, spare());
    for (nth, record) in ["{\"v\":3}\n", "{\"v\":\"four\"}\n", "{\"v\":5,\"new\":1}\n"].into_iter().enumerate() {
        assert_eq!(batch(&mut loader, record, nth as u64 + 3).unwrap().counts, counts(1, 1, 0), "{record}");
    }
    assert_eq!(count(&mut client, "mine"), 5);
}

#[test]
fn a_view_of_another_table_is_let_be_whatever_its_name_and_comment() {
    let (url, mut client) = database();
    let ours = "CREATE TABLE other (x integer); CREATE VIEW t__whole AS SELECT x FROM other; \
                COMMENT ON VIEW t__whole IS 'longshore view: each column with its variant'";
    client.batch_execute(ours).unwrap();
    let spare = || Contract::default().rewrite(Rewrite::VariantColumn).large_table(1);
    batch(&mut open_under(&url, spare()), "{\"v\":1}\n", 1).unwrap();
    for (nth, record) in ["{\"v\":\"two\"}\n", "{\"v\":3,\"new\":1}\n"].into_iter().enumerate() {
        let receipt = batch(&mut open_under(&url, spare()), record, nth as u64 + 2).unwrap();
        assert!(!receipt.altered.iter().any(|sql| sql.contains("VIEW")), "{:?}", receipt.altered);
    }
    let shown = "SELECT pg_get_viewdef('t__whole'::regclass) LIKE '%other%'";
    assert!(client.query_one(shown, &[]).unwrap().get::<_, bool>(0));
    assert_eq!(count(&mut client, "t"), 3);
}

#[test]
fn a_text_column_that_is_widened_keeps_its_collation_and_its_index() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (k varchar(5) COLLATE \"C\" UNIQUE)").unwrap();
    let of = "SELECT format_type(a.atttypid, a.atttypmod), c.collname::text, pg_relation_filenode('t_k_key') \
              FROM pg_attribute a JOIN pg_collation c ON c.oid = a.attcollation WHERE attrelid = 't'::regclass AND attnum = 1";
    let before: u32 = client.query_one(of, &[]).unwrap().get(2);
    batch(&mut open_under(&url, Contract::default()), "{\"k\":\"much longer\"}\n", 1).unwrap();
    let row = client.query_one(of, &[]).unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("text", "C"));
    assert_eq!(row.get::<_, u32>(2), before, "the index was built anew");
}

#[test]
fn a_large_table_is_not_read_for_a_check_where_it_is_not_to_be_rewritten() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (v varchar(3) CHECK (length(v) < 100)); INSERT INTO t VALUES ('a')").unwrap();
    let spare = Contract::default().rewrite(Rewrite::Quarantine).large_table(1);
    let receipt = batch(&mut open_under(&url, spare), "{\"v\":\"b\"}\n{\"v\":\"longer\"}\n", 2).unwrap();
    assert_eq!((receipt.counts, receipt.altered), (counts(2, 1, 1), Vec::new()));
}

#[test]
fn a_double_that_becomes_text_or_json_is_the_number_that_was_read() {
    let (url, mut client) = database();
    let mut loader = open_under(&url, Contract::default());
    let numbers = "{\"a\":1e23,\"b\":99E20}\n{\"a\":0.1,\"b\":5e-324}\n{\"a\":-2.5e300,\"b\":1.5}\n\
                   {\"a\":1.7976931348623157e308,\"b\":-0.0001234567890123456}\n";
    batch(&mut loader, numbers, 4).unwrap();
    client.batch_execute("INSERT INTO t VALUES ('NaN', 0.25), ('-Infinity', 0.5)").unwrap();
    assert_eq!(batch(&mut loader, "{\"a\":\"x\",\"b\":[1]}\n", 5).unwrap().counts, counts(1, 1, 0));
    // As numbers: texts of one number differ.
    let sql = "SELECT count(*) FROM (SELECT a FROM t WHERE a NOT IN ('x', 'NaN', '-Infinity') OFFSET 0) n \
               WHERE a::numeric IN (1e23, 0.1, -2.5e300, 1.7976931348623157e308)";
    assert_eq!(client.query_one(sql, &[]).unwrap().get::<_, i64>(0), 4);
    assert_eq!(
        client.query_one("SELECT count(*) FROM t WHERE a IN ('NaN', '-Infinity')", &[]).unwrap().get::<_, i64>(0),
        2
    );
    let sql = "SELECT count(*) FROM (SELECT b FROM t WHERE jsonb_typeof(b) = 'number' OFFSET 0) n \
               WHERE b::numeric IN (99e20, 5e-324, 1.5, -0.0001234567890123456, 0.25, 0.5)";
    assert_eq!(client.query_one(sql, &[]).unwrap().get::<_, i64>(0), 6);
}

#[test]
fn a_promoted_field_is_shown_by_the_view_over_variants_too() {
    let (url, mut client) = database();
    let open = || {
        let contract = Contract::default().rewrite(Rewrite::VariantColumn).large_table(1);
        let loader = Loader::new(&url).table("t").policy(Policy::default().max_columns(3));
        loader.open_with(StreamOptions::default().contract(contract)).unwrap()
    };
    batch(&mut open(), "{\"a\":1,\"b\":1,\"c\":7,\"d\":1}\n{\"a\":1,\"b\":2}\n", 2).unwrap();
    batch(&mut open(), "{\"a\":\"x\"}\n", 3).unwrap();
    let mut loader = open();
    assert_eq!(loader.promote(None, "c").unwrap().rows, 1);
    assert_eq!(loader.promote(None, "c").unwrap().rows, 0);
    let shown = "SELECT string_agg(concat_ws('/', a, b, c, _overflow), ' ' ORDER BY a, b) FROM t__whole";
    assert_eq!(client.query_one(shown, &[]).unwrap().get::<_, String>(0), "1/1/7/{\"d\": 1} 1/2 x");
}

#[test]
fn a_column_with_a_constraint_gives_way_also_where_a_view_shows_another_with_its_variant() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (v integer, c integer CHECK (c <> 7))").unwrap();
    let spare = Contract::default().rewrite(Rewrite::VariantColumn).large_table(1);
    let mut loader = open_under(&url, spare);
    batch(&mut loader, "{\"v\":1,\"c\":1}\n", 1).unwrap();
    batch(&mut loader, "{\"v\":\"two\",\"c\":2}\n", 2).unwrap();
    let receipt = batch(&mut open_under(&url, Contract::default()), "{\"c\":\"x\"}\n{\"c\":3,\"n\":1}\n", 4).unwrap();
    assert_eq!((receipt.counts, receipt.altered[0].contains("ADD COLUMN \"n\"")), (counts(2, 1, 1), true));
    let sql = "SELECT string_agg(concat_ws('/', v, c, n), ' ' ORDER BY c) FROM t__whole";
    assert_eq!(client.query_one(sql, &[]).unwrap().get::<_, String>(0), "1/1 two/2 3/1");
}

#[test]
fn a_small_table_is_rewritten_and_a_large_one_may_quarantine_instead() {
    let (url, mut client) = database();
    let of = |rewrite, bytes| Contract::default().rewrite(rewrite).large_table(bytes);
    batch(&mut open_under(&url, Contract::default()), "{\"v\":1}\n", 1).unwrap();
    let kept = batch(&mut open_under(&url, of(Rewrite::Quarantine, 1)), "{\"v\":\"x\"}\n{\"v\":2}\n", 3).unwrap();
    assert_eq!((kept.counts, kept.altered.len()), (counts(2, 1, 1), 0));
    let small = batch(&mut open_under(&url, of(Rewrite::VariantColumn, 1 << 30)), "{\"v\":\"y\"}\n", 4).unwrap();
    assert!(small.altered[0].contains("TYPE text"), "{:?}", small.altered);
    assert_eq!(rows(&mut client, "t"), ["(1)", "(2)", "(y)"]);
}

#[test]
fn past_the_column_budget_the_rarest_fields_share_one_column_and_are_counted() {
    let (url, mut client) = database();
    let open = || Loader::new(&url).table("t").policy(Policy::default().max_columns(4)).open().unwrap();
    let mut loader = open();
    let input =
        "{\"a\":1,\"b\":1,\"c\":1}\n{\"a\":2,\"b\":2,\"d\":{\"x\":1},\"e\":\"one\"}\n{\"a\":3,\"b\":3,\"c\":3}\n";
    let first = batch(&mut loader, input, 3).unwrap();
    assert_eq!((first.counts, first.overflowed), (counts(3, 3, 0), 2));
    assert_eq!(rows(&mut client, "t")[1], "(2,2,,\"{\"\"d\"\": {\"\"x\"\": 1}, \"\"e\"\": \"\"one\"\"}\")");
    // New fields go where the rest is, whoever comes with them, and however often.
    let second = batch(&mut open(), "{\"a\":4,\"f\":[1]}\n{\"a\":5,\"f\":2,\"e\":null}\n", 5).unwrap();
    assert_eq!((second.counts, second.overflowed, second.altered.len()), (counts(2, 2, 0), 2, 0));
    let sql = "SELECT count(*) FROM t WHERE _overflow ? 'f'";
    assert_eq!(client.query_one(sql, &[]).unwrap().get::<_, i64>(0), 2);
    assert_eq!(loader.totals().overflowed, 2);
}

#[test]
fn the_column_that_fields_share_takes_none_that_the_contract_keeps_out() {
    let (url, mut client) = database();
    let options = || StreamOptions::default();
    let open = |contract: Contract| {
        let policy = Policy::default().max_columns(3);
        Loader::new(&url).table("t").policy(policy).open_with(options().contract(contract)).unwrap()
    };
    batch(&mut open(Contract::default()), "{\"a\":1,\"b\":1,\"c\":1,\"d\":1}\n{\"a\":1,\"b\":2}\n", 2).unwrap();
    assert_eq!(rows(&mut client, "t"), ["(1,1,\"{\"\"c\"\": 1, \"\"d\"\": 1}\")", "(1,2,)"]);
    let frozen = Contract::default().columns(OnChange::Freeze);
    let error = batch(&mut open(frozen), "{\"a\":2,\"zz\":1}\n", 3).unwrap_err();
    assert_eq!(error.to_string(), "s:1: column `zz`: the table has no such column, which the contract freezes");
    let apart = Contract::default().columns(OnChange::Quarantine).column("n", OnChange::NullValue);
    let apart = apart.column("d", OnChange::Evolve);
    let receipt = batch(&mut open(apart), "{\"a\":2,\"zz\":1}\n{\"a\":3,\"n\":1}\n{\"a\":4,\"d\":5}\n", 4).unwrap();
    assert_eq!((receipt.counts, receipt.values_quarantined, receipt.overflowed), (counts(3, 2, 1), 1, 1));
    assert_eq!(rows(&mut client, "t")[2..], ["(3,,)", "(4,,\"{\"\"d\"\": 5}\")"]);
    assert_eq!(
        quarantine(&mut client),
        [
            "record s@4 1 zz {\"a\":2,\"zz\":1} a field that no column takes",
            "value s@4 2 n 1 a field that no column takes"
        ]
    );
}

#[test]
fn numbers_become_what_they_become_however_a_stream_is_restarted() {
    let numbers =
        ["1e300", "9223372036854775807", "1.5", "0.1234567890123456789", "123456789012345678901234567890", "-7"];
    for one in numbers {
        for two in numbers.into_iter().filter(|two| *two != one) {
            for restarts in [false, true] {
                let (url, mut client) = database();
                let mut loader = open_under(&url, Contract::default());
                for (nth, number) in [one, two].into_iter().enumerate() {
                    if restarts {
                        loader = open_under(&url, Contract::default());
                    }
                    let loaded =
                        batch(&mut loader, &format!("{{\"v\":{number}}}"), nth as u64 + 1).unwrap().counts.loaded;
                    assert_eq!(loaded, 1, "{number} after {one}, restarts: {restarts}");
                }
                let sql = "SELECT count(*) FROM t WHERE v::text::numeric IN ($1::text::numeric, $2::text::numeric)";
                let kept: i64 = client.query_one(sql, &[&one, &two]).unwrap().get(0);
                assert_eq!(kept, 2, "{one} and {two}, restarts: {restarts}");
            }
        }
    }
}

#[test]
fn a_field_named_like_the_shared_column_keeps_its_values_apart_from_it() {
    let (url, mut client) = database();
    let mut loader = open_under(&url, Contract::default());
    batch(&mut loader, "{\"id\":1,\"_overflow\":\"mine\"}\n", 1).unwrap();
    let more = batch(&mut loader, "{\"id\":2,\"_overflow\":\"too\",\"new\":5}\n", 2).unwrap();
    assert_eq!((more.counts, more.overflowed), (counts(1, 1, 0), 0));
    assert_eq!(rows(&mut client, "t"), ["(1,mine,)", "(2,too,5)"]);
    // Past the budget, in a stream and in loads.
    let policy = Policy::default().max_columns(4);
    let mut narrow = Loader::new(&url).table("t").policy(policy.clone()).open().unwrap();
    let last = batch(&mut narrow, "{\"id\":3,\"_overflow\":\"3\",\"x\":1,\"y\":2}\n", 3).unwrap();
    assert_eq!((last.counts, last.overflowed), (counts(1, 1, 0), 2));
    assert_eq!(rows(&mut client, "t"), ["(1,mine,,)", "(2,too,5,)", "(3,3,,\"{\"\"x\"\": 1, \"\"y\"\": 2}\")"]);
    let lines = "{\"_overflow\":1,\"a\":1,\"b\":2,\"c\":3,\"d\":4}\n";
    for id in ["1", "2"] {
        let loader = Loader::new(&url).table("files").policy(policy.clone()).load_id(id);
        assert_eq!(loader.load(Source::bytes(lines)).unwrap().counts, counts(1, 1, 0));
    }
    let row = "(1,1,2,\"{\"\"c\"\": 3, \"\"d\"\": 4}\")";
    assert_eq!(rows(&mut client, "files"), [row, row]);
}

#[test]
fn two_thousand_fields_over_a_stream_stay_within_the_budget_and_none_is_lost() {
    let (url, mut client) = database();
    let mut loader = open_under(&url, Contract::default());
    for round in 0..20u64 {
        let record = |row: u64| {
            let field = 100 * round + row;
            format!("{{\"id\":{field},\"f{field}\":{field}}}\n")
        };
        let bytes: String = (0..100).map(record).collect();
        batch(&mut loader, &bytes, round + 1).unwrap();
    }
    let sql = "SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0";
    let columns: i64 = client.query_one(sql, &[]).unwrap().get(0);
    assert_eq!((columns, count(&mut client, "t")), (1_200, 2_000));
    let sql = "SELECT sum((v #>> '{}')::int)::bigint FROM t, jsonb_each(to_jsonb(t) - 'id' - '_overflow' || coalesce(_overflow, '{}')) \
               AS field (k, v) WHERE v <> 'null'";
    assert_eq!(client.query_one(sql, &[]).unwrap().get::<_, i64>(0), (0..2_000).sum::<i64>());
}

#[test]
fn a_promotion_that_would_change_a_value_changes_nothing() {
    let (url, mut client) = database();
    let open = |policy: Policy| Loader::new(&url).table("t").policy(policy.max_columns(2)).open().unwrap();
    let input = "{\"id\":1,\"price\":0.123456,\"due\":\"tomorrow\",\"on\":1,\"wide\":\"12345678901234567890123\"}\n";
    batch(&mut open(Policy::default()), input, 1).unwrap();
    let before = rows(&mut client, "t");
    for hint in ["price=decimal(20,3)", "price=int16", "due=date", "due=timestamptz", "on=boolean", "wide=float64"] {
        let hint: longshore::schema::Hint = hint.parse().unwrap();
        let (field, policy) = (hint.path.clone(), Policy::default().with_hint(hint));
        let error = open(policy).promote(None, &field).unwrap_err();
        assert_eq!((error.kind(), error.hint().is_some()), (ErrorKind::Conflict, true), "{field}: {error}");
        assert_eq!(error.location().unwrap().column.as_deref(), Some(field.as_str()));
        assert_eq!(rows(&mut client, "t"), before);
    }
    let hint: longshore::schema::Hint = "due=date@day_first".parse().unwrap();
    let error = open(Policy::default().with_hint(hint)).promote(None, "due").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    // Nor into a column that is there.
    client
        .batch_execute(
            "ALTER TABLE t ADD COLUMN \"on\" boolean; COMMENT ON COLUMN t.\"on\" IS 'longshore path: [\"on\"]'",
        )
        .unwrap();
    let error = open(Policy::default()).promote(None, "on").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let done = open(Policy::default().hint("price", Type::Float64)).promote(None, "price").unwrap();
    assert_eq!((done.ty, done.rows), (Type::Float64, 1));
    assert_eq!(client.query_one("SELECT price FROM t", &[]).unwrap().get::<_, f64>(0), 0.123456);
}

#[test]
fn a_promoted_time_in_nanoseconds_stays_as_it_was_written() {
    let (url, mut client) = database();
    let mut loader = Loader::new(&url).table("t").policy(Policy::default().max_columns(2)).open().unwrap();
    let nanos = "2024-01-01T00:00:00.123456789";
    batch(&mut loader, &format!("{{\"id\":1,\"j\":1,\"at\":\"{nanos}\"}}\n"), 1).unwrap();
    assert_eq!(loader.promote(None, "at").unwrap().ty, Type::Text);
    assert_eq!(client.query_one("SELECT at FROM t", &[]).unwrap().get::<_, String>(0), nanos);
    // More of them go where a load would have put them.
    batch(&mut loader, &format!("{{\"id\":2,\"at\":\"{nanos}\"}}\n"), 2).unwrap();
    assert_eq!(loader.promote(None, "at").unwrap().rows, 0);
    assert_eq!(client.query_one("SELECT count(at) FROM t", &[]).unwrap().get::<_, i64>(0), 2);
}

#[test]
fn a_field_past_the_budget_is_promoted_with_what_it_had_and_gets_what_comes() {
    let (url, mut client) = database();
    let mut loader = Loader::new(&url).table("t").policy(Policy::default().max_columns(2)).open().unwrap();
    let input = "{\"id\":1,\"n\":5,\"at\":\"2024-01-01\",\"o\":{\"x\":1}}\n{\"id\":2,\"n\":70000,\"at\":\"2024-01-02\"}\n{\"id\":3}\n";
    batch(&mut loader, input, 3).unwrap();
    assert_eq!(rows(&mut client, "t")[2], "(3,)");
    let n = loader.promote(None, "n").unwrap();
    assert_eq!((n.column.as_str(), n.ty, n.rows), ("n", Type::Int32, 2));
    let (at, o) = (loader.promote(Some("public.t"), "at").unwrap(), loader.promote(None, "o").unwrap());
    assert_eq!((at.ty, o.ty, o.rows), (Type::Date, Type::Json, 1));
    let sql = "SELECT string_agg(concat_ws('/', id, n, at, o, _overflow), ' ' ORDER BY id) FROM t";
    let moved: String = client.query_one(sql, &[]).unwrap().get(0);
    assert_eq!(moved, "1/5/2024-01-01/{\"x\": 1} 2/70000/2024-01-02 3");
    let receipt = batch(&mut loader, "{\"id\":4,\"n\":6,\"o\":{\"y\":2},\"other\":true}\n", 4).unwrap();
    assert_eq!((receipt.overflowed, receipt.altered.len()), (1, 0));
    let sql = "SELECT concat_ws('/', n, o, _overflow) FROM t WHERE id = 4";
    let came: String = client.query_one(sql, &[]).unwrap().get(0);
    assert_eq!(came, "6/{\"y\": 2}/{\"other\": true}");
    // Again is no harm; what is not there is an error.
    assert_eq!(loader.promote(None, "n").unwrap().rows, 0);
    let error = loader.promote(None, "nothing").unwrap_err();
    assert_eq!((error.kind(), error.location().unwrap().column.as_deref()), (ErrorKind::Conflict, Some("nothing")));
}

#[test]
fn ever_new_fields_do_not_turn_the_table_into_something_else() {
    let (url, mut client) = database();
    let mut loader = Loader::new(&url).table("t").policy(Policy::default().max_columns(5)).open().unwrap();
    // More different fields in all than are told apart in one input.
    for round in 0..13u64 {
        let fields: Vec<String> = (0..1_000).map(|n| format!("\"f{round}_{n}\":{n}")).collect();
        batch(&mut loader, &format!("{{\"id\":{round},{}}}\n", fields.join(",")), round + 1).unwrap();
    }
    let sql = "SELECT count(id), sum((SELECT count(*) FROM jsonb_object_keys(_overflow)))::bigint FROM t";
    let row = client.query_one(sql, &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (13, 13 * 1_000 - 3));
}

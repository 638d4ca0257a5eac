//! What a stream does to its table, and what its contract keeps it from.
#![cfg(all(unix, feature = "postgres"))]

mod support;

use std::time::Duration;

use longshore::load::{Contract, Counts, MergeKeys, Mode, OnChange};
use longshore::records::{FormatOptions, Kind};
use longshore::{ErrorKind, Loader, Offset, Policy, ReadOptions, Receipt, Source, StreamLoader, StreamOptions, Type};
use support::*;

fn open(url: &str) -> StreamLoader {
    Loader::new(url).table("t").open().unwrap()
}

fn open_under(url: &str, columns: OnChange, types: OnChange) -> StreamLoader {
    let options = StreamOptions::default().contract(Contract::default().columns(columns).types(types));
    Loader::new(url).table("t").open_with(options).unwrap()
}

/// Writes and commits.
fn batch(loader: &mut StreamLoader, bytes: &str, position: u64) -> longshore::Result<Receipt> {
    loader.write(bytes, Offset::new("s", position))?;
    loader.commit()
}

fn counts(read: u64, loaded: u64, quarantined: u64) -> Counts {
    Counts { read, loaded, quarantined, deduplicated: 0 }
}

/// All rows as text, sorted.
fn rows(client: &mut postgres::Client) -> Vec<String> {
    let sql = "SELECT t::text FROM t ORDER BY 1";
    client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn reasons(client: &mut postgres::Client) -> Vec<String> {
    let sql =
        "SELECT concat_ws(' ', source, line, byte, path, reason) FROM _longshore_quarantine ORDER BY source, line";
    client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_late_field_and_a_late_wider_type_change_the_table_and_no_value() {
    let (url, mut client) = database();
    let mut loader = open(&url);
    let first = batch(&mut loader, "{\"a\":1,\"late\":null}\n{\"a\":779}", 2).unwrap();
    assert_eq!((first.counts, first.schema.columns.len()), (counts(2, 2, 0), 1));
    assert!(first.altered[0].starts_with("CREATE TABLE"), "{:?}", first.altered);
    let same = batch(&mut loader, "{\"a\":5}\n", 3).unwrap();
    assert_eq!(same.altered, [""; 0]);
    let new = batch(&mut loader, "{\"a\":2,\"late\":7}\n", 4).unwrap();
    assert!(new.altered[0].contains("ADD COLUMN \"late\" integer"), "{:?}", new.altered);
    let wider = batch(&mut loader, "{\"a\":\"007\"}\n", 5).unwrap();
    assert!(wider.altered[0].contains("TYPE text USING"), "{:?}", wider.altered);
    assert_eq!(wider.schema.column("a").unwrap().ty, Type::Text);
    // Narrow again, and from a loader that has seen none of this.
    batch(&mut open(&url), "{\"a\":3}\n", 6).unwrap();
    assert_eq!(rows(&mut client), ["(007,)", "(1,)", "(2,7)", "(3,)", "(5,)", "(779,)"]);
    assert_eq!(open(&url).committed("s").unwrap(), Some(6));
}

#[test]
fn objects_of_nothing_but_nulls_are_no_new_fields() {
    for change in [OnChange::Evolve, OnChange::Freeze, OnChange::Quarantine, OnChange::NullValue] {
        let (url, mut client) = database();
        batch(&mut open(&url), "{\"a\":1,\"b\":{\"c\":2}}\n", 1).unwrap();
        let mut loader = open_under(&url, change, OnChange::Evolve);
        let lines = "{\"a\":2,\"new\":{\"x\":null}}\n{\"a\":3,\"new\":{\"x\":{\"y\":null,\"z\":null},\"w\":null},\"b\":{\"d\":{\"e\":null}}}\n";
        let found = batch(&mut loader, lines, 2).unwrap();
        assert_eq!((found.counts, found.altered), (counts(2, 2, 0), vec![]), "{change:?}");
        assert_eq!(found.values_quarantined, 0);
        assert_eq!(rows(&mut client), ["(1,2)", "(2,)", "(3,)"]);
    }
    // An empty object is a value, and so is a field behind nulls.
    let (url, mut client) = database();
    let lines = "{\"a\":{\"x\":null,\"y\":{}}}\n{\"b\":{\"x\":{\"y\":null},\"z\":1}}\n";
    assert_eq!(batch(&mut open(&url), lines, 1).unwrap().counts, counts(2, 2, 0));
    assert_eq!(rows(&mut client), ["(,1)", "({},)"]);
}

#[test]
fn quarantined_records_are_committed_with_their_batch_and_placed_in_their_write() {
    let (url, mut client) = database();
    let mut loader = open(&url);
    loader.write("{\"a\":1}\n", Offset::new("s", 1)).unwrap();
    loader.write("{\"a\":2}\n{broken\n", Offset::new("s", 2)).unwrap();
    loader.write("\"no object\"", Offset::new("r", 9)).unwrap();
    assert!(!exists(&mut client, "_longshore_quarantine"));
    let receipt = loader.commit().unwrap();
    assert_eq!(receipt.counts, counts(4, 2, 2));
    assert_eq!(receipt.offsets, [Offset::new("r", 9), Offset::new("s", 2)]);
    let found = reasons(&mut client);
    assert_eq!(found[0], "r@9 1 0 not a JSON object");
    assert!(found[1].starts_with("s@2 2 8 not valid JSON"), "{found:?}");
    let sql = "SELECT load_id, sources FROM _longshore_loads";
    let row = client.query_one(sql, &[]).unwrap();
    assert_eq!((Some(row.get(0)), row.get::<_, Vec<String>>(1)), (receipt.load_id, vec!["r".into(), "s".into()]));
}

#[test]
fn columns_of_enumerations_and_domains_take_what_these_take_and_keep_their_types() {
    let (url, mut client) = database();
    client
        .batch_execute(
            "CREATE TYPE \"Grade\" AS ENUM ('low', 'high', '1'); \
             CREATE DOMAIN short AS varchar(3); CREATE DOMAIN positive AS integer DEFAULT 7 NOT NULL CHECK (VALUE > 0); \
             CREATE TABLE t (grade \"Grade\", code short, n positive, at timestamptz)",
        )
        .unwrap();
    let lines = "{\"grade\":\"low\",\"code\":\"abc\",\"n\":1}\n{\"grade\":1,\"code\":12,\"n\":2}\n\
                 {\"grade\":\"none\",\"n\":3}\n{\"code\":\"abcd\",\"n\":4}\n{\"n\":-5}\n{\"n\":2147483648}\n{\"grade\":null,\"n\":6}\n\
                 {\"grade\":\"high\"}\n";
    let receipt = batch(&mut open(&url), lines, 1).unwrap();
    assert_eq!((receipt.counts, receipt.altered), (counts(8, 3, 5), vec![]));
    // A field that no record has takes the domain's default.
    assert_eq!(batch(&mut open(&url), "{\"grade\":\"high\"}\n", 2).unwrap().counts, counts(1, 1, 0));
    assert_eq!(rows(&mut client), ["(,,6,)", "(1,12,2,)", "(high,,7,)", "(low,abc,1,)"]);
    let found = reasons(&mut client);
    for (found, reason) in
        found.iter().zip(["for enum", "longer than the column", "violates", "expected int32", "no value"])
    {
        assert!(found.contains(reason) && !found.contains("none"), "{found}");
    }
    let by_grade = Mode::Merge(MergeKeys::new(["grade"]));
    let mut merging = Loader::new(&url).table("t").mode(by_grade).open().unwrap();
    batch(&mut merging, "{\"grade\":\"low\",\"n\":9}\n{\"grade\":\"low\",\"n\":8}\n", 3).unwrap();
    assert_eq!(rows(&mut client), ["(,,6,)", "(1,12,2,)", "(high,,7,)", "(low,abc,8,)"]);
}

#[test]
fn what_no_change_can_hold_is_quarantined_and_the_rest_goes_on() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (at timestamptz, r real, n int NOT NULL)").unwrap();
    let mut loader = open(&url);
    let good = "{\"at\":\"2024-01-01T00:00:00Z\",\"n\":1}\n";
    let bad = "{\"at\":\"soon\",\"n\":2}\n{\"r\":1.5,\"n\":3}\n{\"at\":\"2024-01-02T00:00:00Z\"}\n";
    let receipt = batch(&mut loader, &format!("{good}{bad}{good}"), 5).unwrap();
    assert_eq!(receipt.counts, counts(5, 2, 3));
    assert_eq!(
        reasons(&mut client),
        [
            "s@5 2 36 at expected timestamptz, found a text",
            "s@5 3 56 r a field that no column takes",
            "s@5 4 72 n expected int32, found no value, and the table refuses NULL",
        ]
    );
}

#[test]
fn a_frozen_contract_fails_clearly_and_leaves_nothing() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (a smallint)").unwrap();
    let mut loader = open_under(&url, OnChange::Freeze, OnChange::Freeze);
    let error = batch(&mut loader, "{\"a\":1,\"b\":1}", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(!error.is_temporary() && error.hint().is_some());
    assert_eq!(error.to_string(), "s:1: column `b`: the table has no such column, which the contract freezes");
    assert!(rows(&mut client).is_empty() && !exists(&mut client, "_longshore_loads"));
    // Nothing is lost either: once the table is altered by hand, all of it goes in.
    client.batch_execute("ALTER TABLE t ADD COLUMN b smallint").unwrap();
    let error = batch(&mut loader, "{\"a\":70000}", 2).unwrap_err();
    assert!(error.to_string().contains("column `a`: the table has smallint, and the data needs integer"), "{error}");
    client.batch_execute("ALTER TABLE t ALTER COLUMN a TYPE integer").unwrap();
    assert_eq!(loader.commit().unwrap().counts, counts(2, 2, 0));
    assert_eq!(rows(&mut client), ["(1,1)", "(70000,)"]);
}

#[test]
fn a_contract_that_quarantines_leaves_the_table_as_it_is() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (a smallint)").unwrap();
    let mut loader = open_under(&url, OnChange::Quarantine, OnChange::Quarantine);
    let receipt =
        batch(&mut loader, "{\"a\":1}\n{\"a\":2,\"b\":1}\n{\"a\":70000}\n{\"a\":\"x\"}\n{\"b\":null}", 5).unwrap();
    assert_eq!((receipt.counts, receipt.altered.len()), (counts(5, 2, 3), 0));
    assert_eq!(rows(&mut client), ["()", "(1)"]);
    assert_eq!(reasons(&mut client).len(), 3);
}

#[test]
fn too_many_misfits_roll_the_batch_back_and_keep_it() {
    let (url, mut client) = database();
    let mut loader = Loader::new(&url).table("t").max_quarantined(1).open().unwrap();
    batch(&mut loader, "{\"a\":1}\nx\n", 1).unwrap();
    let error = batch(&mut loader, "{\"a\":2}\nx\ny\n", 2).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManyQuarantined);
    assert_eq!((rows(&mut client).len(), reasons(&mut client).len()), (1, 1));
    assert_eq!(open(&url).committed("s").unwrap(), Some(1));
    assert_eq!(loader.commit().unwrap_err().kind(), ErrorKind::TooManyQuarantined);
}

#[test]
fn csv_goes_in_under_the_names_it_is_given() {
    let (url, mut client) = database();
    let csv = FormatOptions { kind: Some(Kind::Csv), delimiter: Some(b';'), ..FormatOptions::default() };
    let loader = Loader::new(&url).table("t").read(ReadOptions::default().format(csv));
    let mut loader = loader.open_with(StreamOptions::default().csv_columns(["id", "zip", "note"])).unwrap();
    loader.write("1;02134;\n2;70000;\"a;\"\"b\"\n", Offset::new("s", 2)).unwrap();
    loader.write("3;1;\"open\n", Offset::new("s", 3)).unwrap();
    loader.write("4;2;x\n5;6", Offset::new("s", 5)).unwrap();
    assert_eq!(loader.commit().unwrap().counts, counts(5, 3, 2));
    assert_eq!(rows(&mut client), ["(1,02134,)", "(2,70000,\"a;\"\"b\")", "(4,2,x)"]);
    assert_eq!(reasons(&mut client)[1], "s@5 2 6 2 cells where the header has 3");
}

#[test]
fn a_batch_closes_by_itself_at_its_limits() {
    let (url, mut client) = database();
    let limited = |options: StreamOptions| Loader::new(&url).table("t").open_with(options).unwrap();
    let mut by_rows = limited(StreamOptions::default().max_rows(3));
    for position in 1..=7 {
        by_rows.write("{\"a\":1}", Offset::new("rows", position)).unwrap();
    }
    assert_eq!(by_rows.committed("rows").unwrap(), Some(6), "what is on its way is waited for");
    assert_eq!((by_rows.totals().commits, rows(&mut client).len()), (2, 6));
    let mut by_bytes = limited(StreamOptions::default().max_bytes(15));
    for position in 1..=5 {
        by_bytes.write("{\"a\":1}\n", Offset::new("bytes", position)).unwrap();
    }
    assert_eq!(by_bytes.committed("bytes").unwrap(), Some(4), "what is on its way is waited for");
    assert_eq!((by_bytes.totals().commits, rows(&mut client).len()), (2, 10));
    let mut by_age = limited(StreamOptions::default().max_age(Duration::from_millis(50)));
    by_age.write("{\"a\":1}\n", Offset::new("age", 1)).unwrap();
    std::thread::sleep(Duration::from_millis(60));
    by_age.write("{\"a\":1}\n", Offset::new("age", 2)).unwrap();
    assert_eq!(by_age.committed("age").unwrap(), Some(1));
    assert_eq!((by_age.totals().commits, rows(&mut client).len()), (1, 11));
    // What is not committed is given up with the loader.
    drop((by_rows, by_bytes, by_age));
    assert_eq!(rows(&mut client).len(), 11);
    assert_eq!(open(&url).committed("age").unwrap(), Some(1));
}

#[test]
fn a_field_that_is_a_number_here_and_an_object_there_is_one_json_column_for_all_loaders() {
    let (url, mut client) = database();
    batch(&mut open(&url), "{\"rare\":7}\n", 1).unwrap();
    batch(&mut open(&url), "{\"rare\":{\"z\":8}}\n", 2).unwrap();
    batch(&mut open(&url), "{\"rare\":9}\n", 3).unwrap();
    assert_eq!(rows(&mut client), ["(\"{\"\"z\"\": 8}\")", "(7)", "(9)"]);
}

#[test]
fn a_hint_waits_for_its_field() {
    let (url, mut client) = database();
    let policy = longshore::Policy::default().hint("zip", Type::Text);
    let mut loader = Loader::new(&url).table("t").policy(policy).open().unwrap();
    batch(&mut loader, "{\"a\":1}\n", 1).unwrap();
    batch(&mut loader, "{\"a\":2,\"zip\":2134}\n", 2).unwrap();
    let sql = "SELECT data_type FROM information_schema.columns WHERE column_name = 'zip'";
    assert_eq!(client.query_one(sql, &[]).unwrap().get::<_, &str>(0), "text");
}

#[test]
fn a_column_that_its_constraints_do_not_let_become_text_keeps_its_type_and_what_it_does_not_hold_is_quarantined() {
    let tables = [
        "CREATE TABLE t (n bigint, a integer CHECK (a <> 7))",
        "CREATE TABLE other (a integer PRIMARY KEY); INSERT INTO other SELECT generate_series(1, 9); \
         CREATE TABLE t (n bigint, a integer REFERENCES other)",
        "CREATE TABLE t (n bigint, a integer); CREATE INDEX ON t ((a + 1))",
        "CREATE TABLE t (n bigint, a integer); CREATE INDEX ON t (n) WHERE a > 0",
    ];
    for sql in tables {
        let (url, mut client) = database();
        client.batch_execute(sql).unwrap();
        let mut loader = open(&url);
        let records = ["{\"n\":1,\"a\":1}", "{\"n\":2,\"a\":\"oops\"}", "{\"n\":3,\"a\":2,\"b\":\"new\"}"];
        for (at, record) in (1..).zip(records) {
            loader.write(record, Offset::new("s", at)).unwrap();
        }
        let receipt = loader.commit().unwrap();
        assert_eq!((receipt.counts.loaded, receipt.counts.quarantined), (2, 1), "{sql}");
        let found = "SELECT concat_ws(' ', sum(a), count(b), (SELECT path FROM _longshore_quarantine)) FROM t";
        assert_eq!(client.query_one(found, &[]).unwrap().get::<_, String>(0), "3 1 a", "{sql}");
        // A load of a file says which column it is, and changes nothing.
        let error = Loader::new(&url).table("t").load(Source::bytes("{\"n\":4,\"a\":\"oops\"}\n")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{sql}: {error}");
        assert!(error.location().unwrap().column.as_deref() == Some("a") && error.hint().is_some(), "{error}");
        assert_eq!(count(&mut client, "t"), 2);
    }
}

#[test]
fn a_column_that_its_constraints_let_become_wider_does() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (a integer CHECK (a > 0) DEFAULT 1)").unwrap();
    let mut loader = open(&url);
    loader.write("{\"a\":3000000000}", Offset::new("s", 1)).unwrap();
    loader.commit().unwrap();
    assert_eq!(client.query_one("SELECT a FROM t", &[]).unwrap().get::<_, i64>(0), 3_000_000_000);
}

#[test]
fn a_table_that_the_server_does_not_alter_takes_what_it_holds_and_the_rest_is_quarantined() {
    let tables = [
        "CREATE TABLE parent (n bigint, a integer); CREATE TABLE t () INHERITS (parent)",
        "CREATE TABLE parent (n bigint, a integer) PARTITION BY RANGE (n); \
         CREATE TABLE t PARTITION OF parent FOR VALUES FROM (0) TO (100)",
        "CREATE TYPE row_of AS (n bigint, a integer); CREATE TABLE t OF row_of",
        "CREATE TABLE t (n bigint, a integer); CREATE TABLE other (it t)",
    ];
    for sql in tables {
        let (url, mut client) = database();
        client.batch_execute(sql).unwrap();
        let mut loader = open(&url);
        let records = ["{\"n\":1,\"a\":1}", "{\"n\":2,\"a\":99999999999}", "{\"n\":3,\"a\":2}"];
        for (at, record) in (1..).zip(records) {
            loader.write(record, Offset::new("s", at)).unwrap();
        }
        let receipt = loader.commit().unwrap();
        assert_eq!((receipt.counts.loaded, receipt.counts.quarantined), (2, 1), "{sql}");
        let receipt = batch(&mut loader, "{\"n\":4,\"b\":1}\n", 4).unwrap();
        assert_eq!(receipt.counts.loaded + receipt.counts.quarantined, 1, "{sql}");
    }
}

#[test]
fn fields_that_differ_in_case_go_into_the_columns_that_are_called_like_them() {
    let (url, mut client) = database();
    for (sql, input, expected) in [
        ("CREATE TABLE t (\"ID\" integer, id integer)", "{\"ID\":1,\"id\":2}\n", "(1,2)"),
        ("CREATE TABLE t (id integer, \"ID\" integer)", "{\"ID\":1,\"id\":2}\n", "(2,1)"),
        ("CREATE TABLE t (\"userName\" text, user_name text)", "{\"user_name\":\"b\",\"userName\":\"a\"}\n", "(a,b)"),
        ("CREATE TABLE t (id integer, \"Id\" integer)", "{\"Id\":3}\n", "(,3)"),
    ] {
        client.batch_execute(&format!("DROP TABLE IF EXISTS t, _longshore_loads; {sql}")).unwrap();
        Loader::new(&url).table("t").load(Source::bytes(input)).unwrap();
        assert_eq!(rows(&mut client), [expected], "{sql}");
    }
}

#[test]
fn a_double_keeps_its_digits_whatever_the_role_has_set() {
    let (url, mut client) = database();
    let name = url.rsplit('/').next().unwrap();
    client.batch_execute(&format!("ALTER DATABASE \"{name}\" SET extra_float_digits = 0")).unwrap();
    for input in ["{\"f\":0.30000000000000004}\n", "{\"f\":\"x\"}\n"] {
        Loader::new(&url).table("t").load(Source::bytes(input)).unwrap();
    }
    assert_eq!(rows(&mut client), ["(0.30000000000000004)", "(x)"]);
}

#[test]
fn records_without_any_value_that_the_table_refuses_are_quarantined_too() {
    for sql in [
        "CREATE TABLE t (a int CHECK (a IS NOT NULL))",
        "CREATE TABLE t (a int); CREATE FUNCTION one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF EXISTS (SELECT FROM t) THEN RAISE EXCEPTION 'one is enough'; END IF; RETURN new; END $$; \
         CREATE TRIGGER one BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION one()",
    ] {
        let (url, mut client) = database();
        client.batch_execute(sql).unwrap();
        let refused = if sql.contains("TRIGGER") { 2 } else { 3 };
        let receipt = batch(&mut open(&url), "{}\n{}\n{}\n", 3).unwrap();
        assert_eq!(receipt.counts, counts(3, 3 - refused, refused), "{sql}");
        assert_eq!(count(&mut client, "_longshore_quarantine WHERE raw = '{}'"), refused as i64, "{sql}");
        let (url, mut client) = database();
        client.batch_execute(sql).unwrap();
        let report = Loader::new(&url).table("t").load(Source::bytes("{}\n{}\n{}\n")).unwrap();
        assert_eq!(report.counts, counts(3, 3 - refused, refused), "{sql}");
        assert_eq!(count(&mut client, "t"), 3 - refused as i64);
    }
}

#[test]
fn a_refused_record_is_found_behind_more_fields_than_are_told_apart() {
    let (url, mut client) = database();
    let policy = || Policy::default().max_columns(3);
    let merge = || Mode::Merge(MergeKeys::new(["id"]));
    let open = || Loader::new(&url).table("t").policy(policy()).mode(merge()).open().unwrap();
    batch(&mut open(), "{\"id\":1,\"z\":1,\"b\":2,\"c\":3}\n", 1).unwrap();
    client.batch_execute("ALTER TABLE t ADD CHECK (id <> 1300000)").unwrap();
    let one = |i: u32| format!("{{\"id\":{},\"u{i}\":1111111}}\n", 1_000_000 + i);
    let refused = "{\"id\":1300000,\"u1\":\"the refused record\"}";
    let ends: String = (0..20).map(|i| format!("{{\"id\":{i}}}\n")).collect();
    let input = [(1..=12_000).map(one).collect::<String>(), format!("{refused}\n"), ends].concat();
    let counts = batch(&mut open(), &input, 2).unwrap().counts;
    assert_eq!((counts.read, counts.loaded + counts.quarantined), (12_021, 12_021));
    let sql = "SELECT count(*), count(DISTINCT raw), count(*) FILTER (WHERE raw = $1) FROM _longshore_quarantine";
    let row = client.query_one(sql, &[&refused.as_bytes()]).unwrap();
    let found: (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(found, (counts.quarantined as i64, counts.quarantined as i64, 1));
    // One of them has taken the place of the row that was there.
    assert_eq!(count(&mut client, "t"), counts.loaded as i64);
}

#[test]
fn a_record_without_a_value_that_the_table_wants_is_in_nobodys_way() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (rid int, c int NOT NULL, \"D\" text NOT NULL)").unwrap();
    // Each time by a stream that has seen no other record.
    for (position, record) in ["{\"rid\":1}\n", "{\"rid\":2,\"c\":null,\"d\":\"x\"}\n"].into_iter().enumerate() {
        assert_eq!(batch(&mut open(&url), record, position as u64).unwrap().counts, counts(1, 0, 1));
    }
    assert_eq!(batch(&mut open(&url), "{\"rid\":3,\"c\":3,\"d\":\"x\"}\n", 2).unwrap().counts, counts(1, 1, 0));
    assert_eq!(rows(&mut client), ["(3,3,x)"]);
    assert!(reasons(&mut client).iter().all(|reason| reason.contains("the table refuses NULL")));
}

//! Merging by key: one row for each key, the last record of it, however often and by whomever it is written.
#![cfg(all(unix, feature = "postgres"))]

mod support;

use longshore::load::{Contract, Counts, MergeKeys, Mode, OnChange, Rewrite};
use longshore::records::{FormatOptions, Kind};
use longshore::{ErrorKind, Loader, Offset, ReadOptions, Receipt, Source, StreamLoader, StreamOptions};
use support::*;

fn by_id() -> MergeKeys {
    MergeKeys::new(["id"])
}

fn open(url: &str, keys: MergeKeys) -> StreamLoader {
    Loader::new(url).table("t").mode(Mode::Merge(keys)).open().unwrap()
}

fn batch(loader: &mut StreamLoader, bytes: &str, position: u64) -> longshore::Result<Receipt> {
    loader.write(bytes, Offset::new("s", position))?;
    loader.commit()
}

fn counts(read: u64, loaded: u64, quarantined: u64, deduplicated: u64) -> Counts {
    Counts { read, loaded, quarantined, deduplicated }
}

fn rows(client: &mut postgres::Client) -> Vec<String> {
    let sql = "SELECT t::text FROM t ORDER BY 1";
    client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn the_last_record_of_a_key_is_the_row_by_the_order_of_the_input() {
    let (url, mut client) = database();
    let mut loader = open(&url, by_id());
    let first =
        batch(&mut loader, "{\"id\":1,\"v\":\"a\"}\n{\"id\":2,\"v\":\"b\"}\n{\"id\":1,\"v\":\"c\"}\n", 3).unwrap();
    assert_eq!(first.counts, counts(3, 2, 0, 1));
    let second = batch(&mut loader, "{\"id\":2,\"v\":\"d\"}\n{\"id\":3,\"v\":\"e\"}\n", 5).unwrap();
    assert_eq!(second.counts, counts(2, 2, 0, 0));
    assert_eq!(rows(&mut client), ["(1,c)", "(2,d)", "(3,e)"]);
    let ledger = "SELECT sum(read)::bigint, sum(loaded)::bigint, sum(deduplicated)::bigint FROM _longshore_loads";
    let row = client.query_one(ledger, &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (5, 4, 1));
}

#[test]
fn an_ordering_field_decides_in_the_batch_and_against_the_table() {
    let (url, mut client) = database();
    let mut loader = open(&url, by_id().order_by("at"));
    let input = "{\"id\":1,\"at\":5,\"v\":\"new\"}\n{\"id\":1,\"at\":3,\"v\":\"old\"}\n{\"id\":2,\"v\":\"no time\"}\n";
    assert_eq!(batch(&mut loader, input, 1).unwrap().counts, counts(3, 2, 0, 1));
    // Older than the row, of the same age, and newer; and a record without a time against a row without one.
    let input = "{\"id\":1,\"at\":4,\"v\":\"stale\"}\n{\"id\":2,\"v\":\"again\"}\n{\"id\":3,\"at\":1,\"v\":\"x\"}\n";
    assert_eq!(batch(&mut loader, input, 2).unwrap().counts, counts(3, 2, 0, 1));
    assert_eq!(batch(&mut loader, "{\"id\":3,\"v\":\"null is least\"}\n", 3).unwrap().counts, counts(1, 0, 0, 1));
    assert_eq!(batch(&mut loader, "{\"id\":1,\"at\":5,\"v\":\"tie\"}\n", 4).unwrap().counts, counts(1, 1, 0, 0));
    assert_eq!(rows(&mut client), ["(1,5,tie)", "(2,,again)", "(3,1,x)"]);
}

#[test]
fn a_record_without_its_key_is_quarantined_and_says_why() {
    let (url, mut client) = database();
    let mut loader = open(&url, MergeKeys::new(["order.id", "line"]));
    // Not one record has a key: no table is made of them.
    assert_eq!(batch(&mut loader, "{\"line\":1}\n{}\nbroken\n", 3).unwrap().counts, counts(3, 0, 3, 0));
    assert!(!exists(&mut client, "t"));
    let input = "{\"order\":{\"id\":7},\"line\":1}\n{\"order\":{\"id\":null},\"line\":1}\n{\"order\":{\"id\":7}}\n";
    assert_eq!(batch(&mut loader, input, 6).unwrap().counts, counts(3, 1, 2, 0));
    // The table has the key; these records do not.
    assert_eq!(
        batch(&mut open(&url, MergeKeys::new(["order.id"])), "{\"line\":5}\n", 7).unwrap().counts,
        counts(1, 0, 1, 0)
    );
    let sql =
        "SELECT concat_ws(' ', source, line, path, reason) FROM _longshore_quarantine ORDER BY quarantined_at, line";
    let found: Vec<String> = client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(found[0], "s@3 1 order.id no value, and rows are merged by it");
    assert_eq!(found[3], "s@6 2 order.id expected int32, found no value, and rows are merged by it");
    assert_eq!(found[4], "s@6 3 line expected int32, found no value, and rows are merged by it");
    assert_eq!(found[5], "s@7 1 order.id expected int32, found no value, and rows are merged by it");
}

#[test]
fn the_record_is_the_whole_row_and_what_others_added_is_left_alone() {
    let (url, mut client) = database();
    batch(&mut open(&url, by_id()), "{\"id\":1,\"gone\":\"x\",\"v\":1}\n", 1).unwrap();
    client.batch_execute("ALTER TABLE t ADD note text; UPDATE t SET note = 'by hand'").unwrap();
    // A loader that has never seen the field that is gone.
    batch(&mut open(&url, by_id()), "{\"id\":1,\"v\":2,\"new\":true}\n", 2).unwrap();
    let row = client.query_one("SELECT gone, v::int, note, new FROM t", &[]).unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2), row.get(3)), (None::<String>, 2, Some("by hand".to_owned()), true));
}

#[test]
fn where_a_row_must_have_a_value_the_default_stands_for_a_field_that_is_not_there() {
    let (url, mut client) = database();
    let mut loader = open(&url, by_id());
    batch(&mut loader, "{\"id\":1,\"note\":\"a\",\"x\":1}\n", 1).unwrap();
    client.batch_execute("ALTER TABLE t ALTER note SET DEFAULT 'none', ALTER note SET NOT NULL").unwrap();
    let receipt = batch(&mut open(&url, by_id()), "{\"id\":1,\"x\":2}\n{\"id\":2,\"x\":3}\n", 2).unwrap();
    assert_eq!(receipt.counts, counts(2, 2, 0, 0));
    assert_eq!(rows(&mut client), ["(1,none,2)", "(2,none,3)"]);
}

#[test]
fn the_key_may_change_its_type_and_a_table_of_others_needs_no_index() {
    let (url, mut client) = database();
    let mut loader = open(&url, by_id());
    batch(&mut loader, "{\"id\":1,\"v\":1}\n{\"id\":2,\"v\":1}\n", 1).unwrap();
    let changed = batch(&mut loader, "{\"id\":\"1\",\"v\":2}\n{\"id\":\"x\",\"v\":2}\n", 2).unwrap();
    assert_eq!((changed.counts, rows(&mut client).join(" ")), (counts(2, 2, 0, 0), "(1,2) (2,1) (x,2)".into()));
    let index = "SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass AND indisunique";
    assert_eq!(client.query_one(index, &[]).unwrap().get::<_, i64>(0), 1);

    client.batch_execute("CREATE TABLE u (id int, v int); INSERT INTO u VALUES (1, 0), (1, 0), (2, 0)").unwrap();
    let mut others = Loader::new(&url).table("u").mode(Mode::Merge(by_id())).open().unwrap();
    // Both rows of the key that stands twice take the record's values, and it counts once.
    let merged = batch(&mut others, "{\"id\":1,\"v\":9}\n{\"id\":3,\"v\":9}\n", 1).unwrap();
    assert_eq!(merged.counts, counts(2, 2, 0, 0));
    let sql = "SELECT string_agg(u::text, ' ' ORDER BY id, v) FROM u";
    assert_eq!(client.query_one(sql, &[]).unwrap().get::<_, String>(0), "(1,9) (1,9) (2,0) (3,9)");
}

#[test]
fn a_key_too_long_for_an_index_costs_the_index_and_not_the_record() {
    let (url, mut client) = database();
    let mut loader = open(&url, by_id());
    batch(&mut loader, "{\"id\":\"short\",\"v\":1}\n", 1).unwrap();
    // Hardly compressible, so that the index cannot take it.
    let long: String =
        (0..9_000u32).map(|i| char::from(b'a' + (i.wrapping_mul(2_654_435_761) >> 27) as u8 % 26)).collect();
    for v in 2..4 {
        let record = format!("{{\"id\":\"{long}\",\"v\":{v}}}\n{{\"id\":\"short\",\"v\":{v}}}\n");
        assert_eq!(batch(&mut loader, &record, v).unwrap().counts, counts(2, 2, 0, 0));
    }
    let row = client.query_one("SELECT count(*), sum(v)::bigint FROM t", &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (2, 6));
}

#[test]
fn a_file_that_is_merged_again_changes_nothing_under_its_id_and_nothing_under_another() {
    let (url, mut client) = database();
    let input = "{\"id\":1,\"v\":\"a\"}\n{\"id\":1,\"v\":\"b\"}\n{\"id\":2,\"v\":\"c\"}\n{\"v\":\"no key\"}\n";
    let load = |id: &str| {
        let loader = Loader::new(&url).table("t").mode(Mode::Merge(by_id())).load_id(id);
        loader.load(Source::bytes(input)).unwrap()
    };
    let first = load("one");
    assert_eq!(first.counts, counts(4, 2, 1, 1));
    let again = load("one");
    assert_eq!((again.already_loaded, again.counts), (true, first.counts));
    assert_eq!(load("two").counts, counts(4, 2, 1, 1));
    assert_eq!(rows(&mut client), ["(1,b)", "(2,c)"]);
}

#[test]
fn what_cannot_be_merged_is_refused_before_anything_changes() {
    let (url, mut client) = database();
    let load = |keys: MergeKeys| {
        let loader = Loader::new(&url).table("t").mode(Mode::Merge(keys));
        loader.load(Source::bytes("{\"id\":1}\n")).unwrap_err()
    };
    let missing = load(MergeKeys::new(["uid"]));
    assert_eq!((missing.kind(), missing.location().unwrap().column.as_deref()), (ErrorKind::Conflict, Some("uid")));
    let of = |input: &'static str| {
        let ndjson = FormatOptions { kind: Some(Kind::Ndjson), ..FormatOptions::default() };
        let read = ReadOptions::default().format(ndjson);
        Loader::new(&url).table("t").mode(Mode::Merge(by_id())).read(read).load(Source::bytes(input))
    };
    assert_eq!(of("{}\n").unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(of("broken\n").unwrap().counts, counts(1, 0, 1, 0));
    assert_eq!(load(MergeKeys::default()).kind(), ErrorKind::Config);
    assert_eq!(load(by_id().order_by("at")).kind(), ErrorKind::Conflict);
    assert!(!exists(&mut client, "t"));
    let folder = tempfile::tempdir().unwrap();
    let loader = Loader::new(format!("dir:{}", folder.path().display())).table("t").mode(Mode::Merge(by_id()));
    assert_eq!(loader.load(Source::bytes("{\"id\":1}\n")).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn two_loaders_that_merge_the_same_keys_leave_one_row_for_each_the_newest() {
    let (url, mut client) = database();
    let totals: Vec<_> = std::thread::scope(|scope| {
        let threads = [0u64, 1].map(|nth| {
            let url = &url;
            scope.spawn(move || {
                let mut loader = open(url, by_id().order_by("at"));
                for round in 0..20 {
                    // Even times here, odd ones there, and every key in both.
                    let record = |id: u64| format!("{{\"id\":{id},\"at\":{},\"by\":{nth}}}\n", 2 * round + nth);
                    let bytes: String = (0..50).map(record).collect();
                    loader.write(&bytes, Offset::new(format!("loader-{nth}"), round + 1)).unwrap();
                    loader.commit().unwrap();
                }
                loader.totals().counts
            })
        });
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for counts in totals {
        assert_eq!((counts.read, counts.loaded + counts.deduplicated), (1_000, 1_000));
    }
    let row = client.query_one("SELECT count(*), min(at)::int, max(at)::int FROM t", &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i32>(1), row.get::<_, i32>(2)), (50, 39, 39));
}

/// A merge of some records into a table of others.
fn merge(url: &str, key: &str, records: &str) -> longshore::Result<Counts> {
    let loader = Loader::new(url).table("t").mode(Mode::Merge(MergeKeys::new([key])));
    Ok(loader.load(Source::bytes(records.to_owned()))?.counts)
}

#[test]
fn a_row_that_a_trigger_has_become_two_is_not_taken_for_one() {
    let (url, mut client) = database();
    client
        .batch_execute(
            "CREATE TABLE t (id bigint, v bigint); INSERT INTO t VALUES (1, 0); \
             CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.id := 100; RETURN NEW; END $$; \
             CREATE TRIGGER move BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION move()",
        )
        .unwrap();
    assert_eq!(merge(&url, "id", "{\"id\":1,\"v\":2}\n").unwrap_err().kind(), ErrorKind::NotConserved);
    assert_eq!(rows(&mut client), ["(1,0)"]);
}

#[test]
fn a_trigger_that_refuses_whole_statements_ends_a_merge() {
    let (url, mut client) = database();
    client
        .batch_execute(
            "CREATE TABLE t (id bigint); \
             CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'frozen'; END $$; \
             CREATE TRIGGER no BEFORE INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION no()",
        )
        .unwrap();
    let error = merge(&url, "id", "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n").unwrap_err();
    assert!(error.kind() == ErrorKind::Database && !error.is_temporary(), "{error}");
}

#[test]
fn a_row_that_a_trigger_refuses_under_a_code_of_its_own_is_quarantined_alone() {
    for code in ["45000", "40001", "38000"] {
        let (url, mut client) = database();
        client
            .batch_execute(&format!(
                "CREATE TABLE t (id bigint); CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF NEW.id = 2 THEN RAISE EXCEPTION 'secret' USING ERRCODE = '{code}'; END IF; RETURN NEW; END $$; \
                 CREATE TRIGGER no BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION no()"
            ))
            .unwrap();
        let records = "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n";
        assert_eq!(merge(&url, "id", records).unwrap(), counts(3, 2, 1, 0), "{code}");
        let report = Loader::new(&url).table("t").load(Source::bytes(records)).unwrap();
        assert_eq!(report.counts, counts(3, 2, 1, 0), "{code}");
        let mut stream = Loader::new(&url).table("t").open().unwrap();
        assert_eq!(batch(&mut stream, records, 1).unwrap().counts, counts(3, 2, 1, 0), "{code}");
    }
}

#[test]
fn a_key_that_the_server_numbers_always_is_merged_by() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text)").unwrap();
    merge(&url, "id", "{\"id\":1,\"v\":\"a\"}\n{\"id\":2,\"v\":\"b\"}\n").unwrap();
    merge(&url, "id", "{\"id\":2,\"v\":\"c\"}\n{\"id\":3,\"v\":\"d\"}\n").unwrap();
    assert_eq!(rows(&mut client), ["(1,a)", "(2,c)", "(3,d)"]);
    let error = merge(&url, "v", "{\"id\":9,\"v\":\"a\"}\n").unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && error.to_string().contains("id"), "{error}");
}

#[test]
fn keys_are_equal_where_the_tables_collation_has_them_equal() {
    let (url, mut client) = database();
    client
        .batch_execute(
            "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false); \
             CREATE TABLE t (k text COLLATE ci, v bigint)",
        )
        .unwrap();
    let twice = "{\"k\":\"a\",\"v\":1}\n{\"k\":\"A\",\"v\":2}\n";
    assert_eq!(merge(&url, "k", twice).unwrap(), counts(2, 1, 0, 1));
    assert_eq!(merge(&url, "k", "{\"k\":\"a\",\"v\":3}\n").unwrap(), counts(1, 1, 0, 0));
    assert_eq!(rows(&mut client), ["(a,3)"]);
}

#[test]
fn an_ordering_value_that_its_column_does_not_hold_never_counts_as_none() {
    let (url, mut client) = database();
    let open = |contract: Contract| {
        let loader = Loader::new(&url).table("t").mode(Mode::Merge(by_id().order_by("o")));
        loader.open_with(StreamOptions::default().contract(contract)).unwrap()
    };
    let null = || Contract::default().types(OnChange::NullValue);
    batch(&mut open(null()), "{\"id\":1,\"o\":100,\"v\":\"old\"}\n", 1).unwrap();
    let receipt =
        batch(&mut open(null()), "{\"id\":1,\"o\":3000000000,\"v\":\"new\"}\n{\"id\":1,\"o\":5}\n", 2).unwrap();
    assert_eq!(receipt.counts, counts(2, 0, 1, 1));
    // Nor where a column of text stands beside that of a large table.
    let spare = || Contract::default().rewrite(Rewrite::VariantColumn).large_table(1);
    let receipt = batch(&mut open(spare()), "{\"id\":1,\"o\":3000000000,\"v\":\"new\"}\n", 3).unwrap();
    assert_eq!(receipt.counts, counts(1, 0, 1, 0));
    assert_eq!(client.query_one("SELECT v FROM t", &[]).unwrap().get::<_, String>(0), "old");
}

#[test]
fn plain_numbers_of_a_table_of_others_stay_numbers_too_where_rows_are_merged_by_them() {
    let (url, mut client) = database();
    client
        .batch_execute("CREATE TABLE t (id numeric PRIMARY KEY, o numeric, v int); INSERT INTO t VALUES (1, 9, 1)")
        .unwrap();
    let mut loader = open(&url, by_id().order_by("o"));
    let records = "{\"id\":1.0,\"o\":10,\"v\":2}\n{\"id\":2,\"o\":\"n/a\",\"v\":3}\n{\"id\":\"x\",\"o\":1,\"v\":4}\n";
    assert_eq!(batch(&mut loader, records, 1).unwrap().counts, counts(3, 1, 2, 0));
    let found = "SELECT string_agg(concat_ws(' ', id::float8, o::float8, v), ',') FROM t";
    assert_eq!(client.query_one(found, &[]).unwrap().get::<_, String>(0), "1 10 2");
}

#[test]
fn numbers_that_rows_are_merged_by_stay_numbers() {
    let (url, mut client) = database();
    let merge =
        |records: &str, position| batch(&mut open(&url, by_id().order_by("o")), records, position).unwrap().counts;
    merge("{\"id\":1.5,\"o\":9,\"v\":1}\n", 1);
    assert_eq!(merge("{\"id\":2,\"o\":\"n/a\",\"v\":2}\n{\"id\":\"x\",\"o\":1}\n", 2), counts(2, 0, 2, 0));
    assert_eq!(merge("{\"id\":1.50,\"o\":10,\"v\":3}\n", 3), counts(1, 1, 0, 0));
    assert_eq!(client.query_one("SELECT count(*) || ' ' || max(v) FROM t", &[]).unwrap().get::<_, String>(0), "1 3");
    let keys = Mode::Merge(by_id().order_by("o"));
    let loader = Loader::new(&url).table("t").mode(keys);
    let error = loader.load(Source::bytes("{\"id\":\"x\",\"o\":1}\n")).unwrap_err();
    assert_eq!((error.kind(), error.hint().is_some()), (ErrorKind::Conflict, true), "{error}");
}

#[test]
fn a_record_without_an_ordering_value_is_the_least_however_the_stream_is_cut() {
    for cut in [1, 2, 3] {
        let (url, mut client) = database();
        let records = ["{\"id\":1,\"o\":null}\n", "{\"id\":2,\"o\":null}\n", "{\"id\":2,\"o\":1}\n"];
        for (nth, records) in records.chunks(cut).enumerate() {
            batch(&mut open(&url, by_id().order_by("o")), &records.concat(), nth as u64).unwrap();
        }
        assert_eq!(rows(&mut client), ["(1,)", "(2,1)"], "{cut} at a time");
    }
    // A column that the table has counts, also where it is called otherwise and no record has the field.
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (id int, \"O\" int); INSERT INTO t VALUES (1, 5)").unwrap();
    let receipt = batch(&mut open(&url, by_id().order_by("o")), "{\"id\":1}\n", 1).unwrap();
    assert_eq!(receipt.counts, counts(1, 0, 0, 1));
    batch(&mut open(&url, by_id().order_by("o")), "{\"id\":1,\"o\":4}\n", 2).unwrap();
    assert_eq!(rows(&mut client), ["(1,5)"]);
}

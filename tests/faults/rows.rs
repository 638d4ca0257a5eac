//! A row that the table itself refuses is quarantined alone: all others of its batch load.

use longshore::load::{Counts, MergeKeys, Mode};
use longshore::{ErrorKind, Loader, Offset, Source, StreamOptions};
use postgres::Client;

use crate::known::nothing_is_left;
use crate::support::{count, database};

/// Records `1..=n`, one a line; `a` is the number, `s` some text.
fn records(n: i64) -> String {
    (1..=n).map(|a| format!("{{\"a\":{a},\"s\":\"text {a}\"}}\n")).collect()
}

/// What is in quarantine: the numbers, the paths and the reasons.
fn quarantined(client: &mut Client) -> Vec<(i64, Option<String>, String)> {
    let sql = "SELECT (convert_from(raw, 'UTF8')::jsonb->>'a')::bigint, path, reason FROM _longshore_quarantine \
               ORDER BY 1";
    client.query(sql, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

fn load_and_stream(table: &str, n: i64, check: impl Fn(&mut Client, longshore::load::Counts)) {
    let (url, mut client) = database();
    client.batch_execute(table).unwrap();
    let report = Loader::new(&url).table("t").load(Source::bytes(records(n))).unwrap();
    check(&mut client, report.counts);
    assert_eq!(report.first_quarantined.len() as u64, report.counts.quarantined.min(1000));

    let (url, mut client) = database();
    client.batch_execute(table).unwrap();
    let mut loader = Loader::new(&url).table("t").open().unwrap();
    loader.write(records(n), Offset::new("s", 1)).unwrap();
    let receipt = loader.commit().unwrap();
    check(&mut client, receipt.counts);
    assert_eq!(loader.committed("s").unwrap(), Some(1));
}

#[test]
fn a_row_that_breaks_a_constraint_is_quarantined_and_the_rest_of_its_batch_loads() {
    let kinds = [
        ("a bigint CHECK (a <> 7777), s text", "violates check constraint \"t_a_check\" (SQLSTATE 23514)"),
        ("a bigint UNIQUE, s text); INSERT INTO t VALUES (7777, NULL", "unique constraint"),
        ("a bigint, s varchar(9) CHECK (s <> 'text 7777')", "t_s_check"),
        ("a bigint REFERENCES known (a), s text", "foreign key constraint \"t_a_fkey\" (SQLSTATE 23503)"),
        ("a bigint, s text, b int GENERATED ALWAYS AS (1 / (a - 7777)) STORED", "division by zero"),
    ];
    for (columns, reason) in kinds {
        let table = format!(
            "CREATE TABLE known (a bigint PRIMARY KEY); INSERT INTO known SELECT generate_series(1, 10000); \
             DELETE FROM known WHERE a = 7777; \
             CREATE TABLE t ({columns})"
        );
        let before = i64::from(columns.contains("INSERT"));
        load_and_stream(&table, 10_000, |client, counts| {
            assert_eq!((counts.read, counts.loaded, counts.quarantined), (10_000, 9_999, 1), "{columns}");
            let found = quarantined(client);
            assert_eq!((found.len(), found[0].0), (1, 7777), "{columns}");
            assert!(found[0].2.starts_with("the table refuses the row: ") && found[0].2.contains(reason), "{found:?}");
            assert!(!found[0].2.contains("7777)") && !found[0].2.contains("text 7777"), "no value: {found:?}");
            let sql = "SELECT count(*), sum(a)::bigint FROM t";
            let row = client.query_one(sql, &[]).unwrap();
            let sum = 10_000 * 10_001 / 2 - 7777 + before * 7777;
            assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (9_999 + before, sum), "{columns}");
        });
    }
}

#[test]
fn many_refused_rows_are_all_found_wherever_they_stand() {
    for (condition, n, refused) in [
        ("a % 1000 <> 0", 20_000, 20),
        ("a > 3", 20_000, 3),
        ("a <= 19990", 20_000, 10),
        ("a % 7 <> 0", 2_000, 2_000 / 7),
        ("a < 0", 500, 500),
    ] {
        let table = format!("CREATE TABLE t (a bigint CHECK ({condition}), s text)");
        load_and_stream(&table, n as i64, |client, counts| {
            assert_eq!((counts.loaded, counts.quarantined), (n - refused, refused), "{condition}");
            assert_eq!(count(client, "t"), (n - refused) as i64);
            let sql = format!(
                "SELECT count(DISTINCT raw), count(*) FILTER (WHERE {}) FROM _longshore_quarantine",
                condition.replace('a', "(convert_from(raw, 'UTF8')::jsonb->>'a')::bigint")
            );
            let row = client.query_one(&sql, &[]).unwrap();
            assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (refused as i64, 0), "{condition}");
        });
    }
}

#[test]
fn of_two_rows_with_one_key_in_a_batch_the_first_loads() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (a bigint PRIMARY KEY, s text)").unwrap();
    let input = records(100) + "{\"a\":5,\"s\":\"again\"}\nbroken\n" + &records(2);
    let report = Loader::new(&url).table("t").load(Source::bytes(input)).unwrap();
    assert_eq!((report.counts.loaded, report.counts.quarantined), (100, 4));
    let lines: Vec<u64> = report.first_quarantined.iter().map(|record| record.line).collect();
    let mut sorted = lines.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [101, 102, 103, 104]);
    assert_eq!(client.query_one("SELECT s FROM t WHERE a = 5", &[]).unwrap().get::<_, String>(0), "text 5");
    nothing_is_left(&mut client);
}

#[test]
fn what_a_trigger_raises_keeps_its_row_out_and_its_words_out_of_the_reason() {
    let table = "CREATE TABLE t (a bigint, s text); CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ \
                 BEGIN IF new.a = 50 THEN RAISE EXCEPTION 'no %', new.s; END IF; RETURN new; END $$; \
                 CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refuse()";
    load_and_stream(table, 200, |client, counts| {
        assert_eq!((counts.loaded, counts.quarantined), (199, 1));
        let reason = "the table refuses the row: a trigger or function raised an exception (SQLSTATE P0001)";
        assert_eq!(quarantined(client), [(50, None, reason.to_owned())]);
    });
}

#[test]
fn a_constraint_that_is_checked_at_the_commit_fails_the_batch_and_loses_nothing() {
    let (url, mut client) = database();
    let sql = "CREATE TABLE known (a bigint PRIMARY KEY); \
               CREATE TABLE t (a bigint REFERENCES known DEFERRABLE INITIALLY DEFERRED, s text)";
    client.batch_execute(sql).unwrap();
    let mut loader = Loader::new(&url).table("t").open().unwrap();
    loader.write(records(3), Offset::new("s", 1)).unwrap();
    let error = loader.commit().unwrap_err();
    assert!(error.kind() == ErrorKind::Database && !error.is_temporary(), "{error}");
    assert!(error.message().contains("(SQLSTATE 23503)"), "{error}");
    assert_eq!(count(&mut client, "t"), 0);
    client.batch_execute("INSERT INTO known SELECT generate_series(1, 3)").unwrap();
    assert_eq!(loader.commit().unwrap().counts.loaded, 3);
}

#[test]
fn more_refused_rows_than_may_be_quarantined_roll_everything_back() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (a bigint CHECK (a > 3), s text)").unwrap();
    let load = |most| Loader::new(&url).table("t").max_quarantined(most).load(Source::bytes(records(10)));
    assert_eq!(load(2).unwrap_err().kind(), ErrorKind::TooManyQuarantined);
    assert_eq!(count(&mut client, "t"), 0);
    assert_eq!(load(3).unwrap().counts.loaded, 7);
}

#[test]
fn a_stream_goes_on_with_care_behind_a_refused_row() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (a bigint CHECK (a % 10 <> 0), s text)").unwrap();
    let mut loader = Loader::new(&url).table("t").open_with(StreamOptions::default().max_rows(50)).unwrap();
    for a in 1..=1_500_i64 {
        let line = format!("{{\"a\":{a},\"s\":\"text {a}\"}}\n");
        loader.write(line, Offset::new("s", a as u64)).unwrap();
    }
    loader.commit().unwrap();
    assert_eq!((count(&mut client, "t"), count(&mut client, "_longshore_quarantine")), (1350, 150));
    let sql = "SELECT source, line, byte FROM _longshore_quarantine ORDER BY length(source), source LIMIT 1";
    let row = client.query_one(sql, &[]).unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), ("s@10", 1, 0));
    nothing_is_left(&mut client);
}

#[test]
fn a_record_that_the_table_refuses_while_merging_is_kept_aside_and_one_that_lost_to_it_goes_in() {
    let (url, mut client) = database();
    let made = "CREATE TABLE t (id bigint, v bigint CHECK (v <> 13), u text UNIQUE); \
                INSERT INTO t VALUES (9, 1, 'taken'), (5, 1, 'old')";
    client.batch_execute(made).unwrap();
    let by_id = Mode::Merge(MergeKeys::new(["id"]));
    let mut loader = Loader::new(&url).table("t").mode(by_id.clone()).open().unwrap();
    let input = "{\"id\":1,\"v\":1,\"u\":\"a\"}\n{\"id\":1,\"v\":13,\"u\":\"b\"}\n{\"id\":2,\"v\":2,\"u\":\"taken\"}\n\
                 {\"id\":5,\"v\":2,\"u\":\"new\"}\n{\"id\":3,\"v\":3,\"u\":\"c\"}\n{\"id\":3,\"v\":4,\"u\":\"d\"}\n";
    loader.write(input, Offset::new("s", 6)).unwrap();
    let Counts { read, loaded, quarantined, deduplicated } = loader.commit().unwrap().counts;
    assert_eq!((read, loaded, quarantined, deduplicated), (6, 3, 2, 1));
    let rows = "SELECT string_agg(concat_ws(' ', id, v, u), ', ' ORDER BY id) FROM t";
    assert_eq!(client.query_one(rows, &[]).unwrap().get::<_, &str>(0), "1 1 a, 3 4 d, 5 2 new, 9 1 taken");
    let kept = "SELECT string_agg(concat_ws(' ', line, path, substring(reason FROM 'SQLSTATE .....')), ', ' ORDER BY line) \
                FROM _longshore_quarantine";
    let kept = client.query_one(kept, &[]).unwrap();
    assert_eq!(kept.get::<_, &str>(0), "2 SQLSTATE 23514, 3 SQLSTATE 23505");

    // A load does the same, with every tenth row refused; and nothing but the rows that are fine.
    client.batch_execute("CREATE TABLE big (a bigint PRIMARY KEY CHECK (a % 10 <> 0), s text)").unwrap();
    let merging = Loader::new(&url).table("big").mode(Mode::Merge(MergeKeys::new(["a"])));
    let report = merging.load(Source::bytes(records(500))).unwrap();
    assert_eq!((report.counts.loaded, report.counts.quarantined), (450, 50));
    assert_eq!(count(&mut client, "big"), 450);
}

#[test]
fn a_record_is_kept_aside_with_all_its_elements_if_the_table_refuses_one_row_of_it() {
    let (url, mut client) = database();
    let options = StreamOptions::default().child_tables(longshore::ChildTables::All);
    let mut loader = Loader::new(&url).table("t").open_with(options).unwrap();
    let record = |id: i64, n: i64| format!("{{\"id\":{id},\"items\":[{{\"n\":{id}}},{{\"n\":{n}}}]}}\n");
    loader.write(record(1, 2), Offset::new("s", 1)).unwrap();
    loader.commit().unwrap();
    client.batch_execute("ALTER TABLE t ADD CHECK (id <> 3); ALTER TABLE t__items ADD CHECK (n <> 13)").unwrap();
    let input = [record(2, 13), record(3, 4), "{broken\n".to_owned(), record(4, 5), record(5, 13)].concat();
    loader.write(input, Offset::new("s", 6)).unwrap();
    let receipt = loader.commit().unwrap();
    assert_eq!((receipt.counts.read, receipt.counts.loaded, receipt.counts.quarantined), (5, 1, 4));
    let rows =
        "SELECT string_agg(t.id || ':' || i.n, ' ' ORDER BY i.n) FROM t JOIN t__items i ON i._parent_id = t._row_id";
    assert_eq!(client.query_one(rows, &[]).unwrap().get::<_, &str>(0), "1:1 1:2 4:4 4:5");
    assert_eq!((count(&mut client, "t"), count(&mut client, "t__items")), (2, 4), "no element is without its record");
    let kept = "SELECT string_agg(convert_from(raw, 'UTF8') || coalesce(path, ''), ' ' ORDER BY line) FROM _longshore_quarantine";
    let kept: String = client.query_one(kept, &[]).unwrap().get(0);
    let line = |id, n| record(id, n).trim_end().to_owned();
    let expected = [line(2, 13) + "items[]", line(3, 4), "{broken".to_owned(), line(5, 13) + "items[]"];
    assert_eq!(kept, expected.join(" "));
}

#[test]
fn a_refused_record_is_replayed_once_the_table_takes_it_and_is_left_until_then() {
    use longshore::{Quarantine, load::Selection};
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (a bigint CONSTRAINT odd CHECK (a % 2 = 1), s text)").unwrap();
    Loader::new(&url).table("t").load(Source::bytes(records(10))).unwrap();
    client.batch_execute("ALTER TABLE t DROP CONSTRAINT odd; ALTER TABLE t ADD CHECK (a <> 6)").unwrap();
    let replay = || Quarantine::new(&url, "t").replay(&Selection::default()).unwrap();
    let report = replay();
    assert_eq!((report.tried, report.loaded, report.left), (5, 4, 1));
    assert!(report.left_because.keys().any(|reason| reason.contains("(SQLSTATE 23514)")), "{report:?}");
    assert_eq!((count(&mut client, "t"), replay().loaded), (9, 0));
    client.batch_execute("ALTER TABLE t DROP CONSTRAINT t_a_check").unwrap();
    assert_eq!(replay().loaded, 1);
    assert_eq!(client.query_one("SELECT sum(a)::bigint FROM t", &[]).unwrap().get::<_, i64>(0), 55);
}

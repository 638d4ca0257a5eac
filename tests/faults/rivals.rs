//! Others who load into the same table, change it, or hold it.

use std::time::{Duration, Instant};

use longshore::load::{Mode, PostgresOptions};
use longshore::{Error, ErrorKind, Loader, Offset, Source, StreamOptions};
use postgres::{Client, NoTls};

use crate::kills::random;
use crate::support::{count, database};
use crate::{known, times};

/// The columns of `t` and their types.
fn types(client: &mut Client) -> Vec<(String, String)> {
    let sql = "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute \
               WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname";
    client.query(sql, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[test]
fn two_loaders_that_change_a_table_in_clashing_ways_end_in_the_join_of_both() {
    let mut seed = 23;
    for round in 0..times(8, 50) {
        let (url, mut client) = database();
        // Whole numbers by one, text by the other, and a new field from each, at about the same moment.
        let one = |i: i64| format!("{{\"n\":{i},\"v\":{},\"left\":{i}}}\n", i * 10_000_000_000);
        let two = |i: i64| format!("{{\"n\":{i},\"v\":\"text {i}\",\"right\":\"{i}\"}}\n");
        let kinds: [(&str, &(dyn Fn(i64) -> String + Sync)); 2] = [("one", &one), ("two", &two)];
        std::thread::scope(|scope| {
            for (source, record) in kinds {
                let (url, mut seed) = (&url, random(&mut seed, u64::MAX));
                scope.spawn(move || {
                    let mut loader = Loader::new(url).table("t").open().unwrap();
                    for i in 0..40 {
                        loader.write(record(i), Offset::new(source, i as u64 + 1)).unwrap();
                        if random(&mut seed, 4) == 0 {
                            std::thread::sleep(Duration::from_millis(random(&mut seed, 8)));
                            loader.commit().unwrap();
                        }
                    }
                    loader.commit().unwrap();
                });
            }
        });
        let types = types(&mut client);
        let ty = |name: &str| types.iter().find(|(column, _)| column == name).map(|(_, ty)| ty.as_str());
        assert_eq!((ty("v"), ty("left"), ty("n")), (Some("text"), Some("integer"), Some("integer")), "round {round}");
        let sql = "SELECT count(*), count(DISTINCT (n, v)), count(\"left\"), count(\"right\"), \
                   count(*) FILTER (WHERE v = 'text ' || n OR v = (n * 10000000000)::text) FROM t";
        let row = client.query_one(sql, &[]).unwrap();
        let found: Vec<i64> = (0..5).map(|i| row.get(i)).collect();
        assert_eq!(found, [80, 80, 40, 40, 80], "round {round}");
        known::nothing_is_left(&mut client);
    }
}

#[test]
fn loaders_into_many_tables_of_one_schema_begin_at_the_same_moment() {
    let (url, mut client) = database();
    std::thread::scope(|scope| {
        for i in 0..6 {
            let url = &url;
            scope.spawn(move || {
                let mut loader = Loader::new(url).table(format!("new.t{i}")).open().unwrap();
                loader.write("{\"a\":1}", Offset::new("s", 1)).unwrap();
                loader.commit().unwrap();
            });
        }
    });
    assert_eq!(count(&mut client, "new._longshore_loads"), 6);
}

#[test]
fn readers_are_never_queued_for_long_behind_a_change_that_waits() {
    let (url, mut client) = database();
    known::feed(&mut known::open(&url), 200).unwrap();
    // Somebody reads for a long time, so that no ALTER can begin.
    client.batch_execute("BEGIN; SELECT count(*) FROM t").unwrap();
    let limit = Duration::from_millis(300);
    let mut postgres = PostgresOptions::default();
    postgres.lock_timeout = limit;
    std::thread::scope(|scope| {
        let changing = scope.spawn(|| {
            let options = StreamOptions::default().postgres(postgres.clone());
            let mut loader = Loader::new(&url).table("t").open_with(options).unwrap();
            loader.write("{\"a\":200,\"s\":\"text 200\",\"fresh\":1}", Offset::new("known", 200)).unwrap();
            loader.commit().unwrap()
        });
        let mut reader = Client::connect(&url, NoTls).unwrap();
        let (started, mut longest) = (Instant::now(), Duration::ZERO);
        while started.elapsed() < Duration::from_secs(3) {
            let one = Instant::now();
            assert_eq!(count(&mut reader, "t"), 197);
            longest = longest.max(one.elapsed());
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(longest < limit + Duration::from_millis(700), "a reader waited for {longest:?}");
        assert!(longest > limit / 10, "no reader waited, so nothing was tested: {longest:?}");
        client.batch_execute("COMMIT").unwrap();
        let receipt = changing.join().unwrap();
        assert_eq!((receipt.counts.loaded, receipt.altered.is_empty()), (1, false));
    });
    assert_eq!(count(&mut client, "t"), 198);
}

/// Loads records `0..100`, lets somebody do something, and loads on to `200`.
fn between(sql: &str) -> (Client, Result<(), Error>) {
    let (url, mut client) = database();
    let mut loader = known::open(&url);
    known::feed(&mut loader, 100).unwrap();
    client.batch_execute(sql).unwrap();
    let outcome = known::feed(&mut loader, 200);
    (client, outcome)
}

/// What a query says, as text.
fn ask(client: &mut Client, sql: &str) -> String {
    client.query_one(&format!("SELECT ({sql})::text"), &[]).unwrap().get(0)
}

#[test]
fn a_column_that_somebody_drops_comes_again_with_the_next_value() {
    let (mut client, outcome) = between("ALTER TABLE t DROP COLUMN s");
    outcome.unwrap();
    assert_eq!(ask(&mut client, "SELECT count(*) FILTER (WHERE s = 'text ' || a) || '/' || count(*) FROM t"), "99/197");
}

#[test]
fn a_column_that_somebody_renames_or_moves_keeps_getting_its_values() {
    let (mut client, outcome) = between("ALTER TABLE t RENAME COLUMN s TO words");
    outcome.unwrap();
    assert_eq!(ask(&mut client, "SELECT count(*) FILTER (WHERE words = 'text ' || a) FROM t"), "197");
    let swap =
        "ALTER TABLE t RENAME COLUMN a TO x; ALTER TABLE t RENAME COLUMN s TO a; ALTER TABLE t RENAME COLUMN x TO s";
    let (mut client, outcome) = between(swap);
    outcome.unwrap();
    assert_eq!(
        ask(&mut client, "SELECT count(*) FILTER (WHERE a = 'text ' || s) FROM t"),
        "197",
        "never into the wrong one"
    );
}

#[test]
fn a_type_that_somebody_changes_gets_what_it_holds_and_the_rest_is_quarantined_or_widened() {
    let (mut client, outcome) = between("ALTER TABLE t ALTER COLUMN a TYPE text");
    outcome.unwrap();
    assert_eq!(ask(&mut client, "SELECT count(*) FILTER (WHERE s = 'text ' || a) FROM t"), "197");
    let (mut client, outcome) = between("ALTER TABLE t ALTER COLUMN s TYPE varchar(7)");
    outcome.unwrap();
    let kept = ask(&mut client, "SELECT count(*) FROM _longshore_quarantine").parse::<i64>().unwrap();
    let rows = ask(&mut client, "SELECT count(*) FILTER (WHERE s = 'text ' || a) FROM t").parse::<i64>().unwrap();
    assert_eq!(kept + rows, 200);
}

#[test]
fn a_table_that_somebody_empties_goes_on_and_one_that_is_renamed_is_an_error() {
    let (mut client, outcome) = between("TRUNCATE t");
    outcome.unwrap();
    assert_eq!(ask(&mut client, "SELECT count(*) || '/' || min(a) FROM t"), "99/100");
    let (mut client, outcome) = between("ALTER TABLE t RENAME TO elsewhere");
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(ask(&mut client, "SELECT count(*) FROM elsewhere"), "98");
    assert_eq!(ask(&mut client, "SELECT to_regclass('t') IS NULL"), "true");
}

#[test]
fn a_rule_that_somebody_adds_keeps_out_the_rows_it_refuses_and_no_other() {
    for sql in [
        "ALTER TABLE t ADD CHECK (a <> 150)",
        "CREATE UNIQUE INDEX ON t ((CASE WHEN a IN (5, 150) THEN 1 ELSE -a END))",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF new.a = 150 THEN \
         RAISE EXCEPTION 'no'; END IF; RETURN new; END $$; \
         CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    ] {
        let (mut client, outcome) = between(sql);
        outcome.unwrap();
        assert_eq!(ask(&mut client, "SELECT count(*) FROM t"), "196", "{sql}");
        let lost = "SELECT count(*) FROM _longshore_quarantine WHERE raw = '{\"a\":150,\"s\":\"text 150\"}'";
        assert_eq!(ask(&mut client, lost), "1", "{sql}");
    }
    let (mut client, outcome) = between("ALTER TABLE t ADD COLUMN must text NOT NULL DEFAULT 'x'");
    outcome.unwrap();
    assert_eq!(ask(&mut client, "SELECT count(*) FILTER (WHERE must = 'x') FROM t"), "197");
}

#[test]
fn a_trigger_that_swallows_rows_is_found_by_the_count_and_nothing_is_loaded() {
    let (mut client, outcome) = between(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; \
         CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW WHEN (new.a = 150) EXECUTE FUNCTION f()",
    );
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::NotConserved);
    assert_eq!(ask(&mut client, "SELECT count(*) FROM t"), "98");
}

/// Runs what is given beside a transaction of somebody else, which ends once that has begun to wait for a lock.
fn beside<T: Send>(url: &str, client: &mut Client, sql: &str, work: impl FnOnce() -> T + Send) -> T {
    let mut watch = Client::connect(url, NoTls).unwrap();
    client.batch_execute(&format!("BEGIN; {sql}")).unwrap();
    std::thread::scope(|scope| {
        let working = scope.spawn(work);
        let waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        while watch.query(waits, &[]).unwrap().is_empty() {
            assert!(!working.is_finished(), "it waits for nobody, so nothing is tested: {sql}");
            std::thread::sleep(Duration::from_millis(5));
        }
        client.batch_execute("COMMIT").unwrap();
        working.join().unwrap()
    })
}

#[test]
fn a_table_that_somebody_exchanges_while_its_lock_is_waited_for_gets_rows_of_its_own_types() {
    let record = "{\"id\":1,\"v\":4611686018427387904}\n{\"id\":2,\"v\":5}\n";
    let renamed = "ALTER TABLE x RENAME TO old; CREATE TABLE x (id bigint, v numeric)";
    let dropped = "DROP TABLE x; CREATE TABLE x (id bigint, v numeric)";
    for sql in [renamed, dropped, "DROP TABLE x"] {
        for mode in ["append", "replace", "stream"] {
            let (url, mut client) = database();
            client.batch_execute("CREATE TABLE x (id bigint, v bigint)").unwrap();
            let load =
                |mode| Loader::new(&url).table("x").mode(mode).load(Source::bytes(record)).map(|done| done.counts);
            let counts = beside(&url, &mut client, sql, || match mode {
                "append" => load(Mode::Append),
                "replace" => load(Mode::Replace),
                _ => {
                    let mut loader = Loader::new(&url).table("x").open().unwrap();
                    loader.write(record, Offset::new("s", 1)).unwrap();
                    loader.commit().map(|receipt| receipt.counts)
                }
            });
            assert_eq!(counts.unwrap().loaded, 2, "{mode}: {sql}");
            let rows = ask(&mut client, "SELECT string_agg(concat_ws(' ', id, v), ',' ORDER BY id) FROM x");
            assert_eq!(rows, "1 4611686018427387904,2 5", "{mode}: {sql}");
        }
    }
}

#[test]
fn others_who_change_the_catalog_at_the_same_moment_cost_a_try_and_no_more() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (a bigint)").unwrap();
    let batch = |record: &str, position| {
        let mut loader = Loader::new(&url).table("t").open().unwrap();
        loader.write(record, Offset::new("s", position)).unwrap();
        loader.commit().map(|receipt| receipt.counts.loaded)
    };
    // A GRANT changes the row of the catalog that a new column changes too.
    let granted = beside(&url, &mut client, "GRANT SELECT ON t TO PUBLIC", || batch("{\"a\":1,\"b\":2}", 1));
    assert_eq!(granted.unwrap(), 1);
    let made = "DROP TABLE t; DELETE FROM _longshore_loads; DELETE FROM _longshore_offsets";
    client.batch_execute(made).unwrap();
    let made = beside(&url, &mut client, "CREATE TABLE t (a text)", || batch("{\"a\":1}", 2));
    assert_eq!(made.unwrap(), 1);
    assert_eq!(ask(&mut client, "SELECT a FROM t"), "1");
}

#[test]
fn a_schema_that_somebody_exchanges_under_a_load_takes_no_row_away() {
    let (url, mut client) = database();
    let slow = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.2); RETURN new; END $$;
                CREATE SCHEMA live; CREATE SCHEMA standby; CREATE TABLE live.t (n bigint); CREATE TABLE standby.t (n float8);
                CREATE TRIGGER wait BEFORE INSERT ON live.t FOR EACH ROW EXECUTE FUNCTION wait()";
    client.batch_execute(slow).unwrap();
    Loader::new(&url).table("standby.t").load(Source::bytes("{\"n\":100}\n")).unwrap();
    let input: String = (0..8).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| Loader::new(&url).table("live.t").load(Source::bytes(input)).unwrap());
        let copies = "SELECT FROM pg_stat_activity WHERE query LIKE 'COPY%' AND datname = current_database()";
        while client.query(copies, &[]).unwrap().is_empty() {
            assert!(!loading.is_finished(), "it copies nothing, so nothing is tested");
            std::thread::sleep(Duration::from_millis(5));
        }
        client.batch_execute("ALTER SCHEMA live RENAME TO old; ALTER SCHEMA standby RENAME TO live").unwrap();
        assert_eq!(loading.join().unwrap().counts.loaded, 8);
    });
    assert_eq!(ask(&mut client, "SELECT count(*) || '/' || sum(n) FROM live.t"), "9/128");
    assert_eq!(ask(&mut client, "SELECT count(*) FROM old.t"), "0");
}

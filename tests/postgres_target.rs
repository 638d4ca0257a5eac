//! What the Postgres target promises, against a real server.
#![cfg(all(unix, feature = "postgres"))]

mod support;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int32Array, RecordBatch, RecordBatchOptions};
use longshore::load::{Begun, Counts, Mode, PostgresOptions, PostgresTarget, Prepared, Target};
use longshore::schema::Hint;
use longshore::{ErrorKind, Loader, Policy, Schema, Source, Type};
use support::*;

fn counts(read: u64, loaded: u64, quarantined: u64) -> Counts {
    Counts { read, loaded, quarantined, deduplicated: 0 }
}

#[test]
fn rows_quarantine_and_ledger_arrive_together() {
    let (url, mut client) = database();
    let mut target = PostgresTarget::connect(&url).unwrap();
    let (fitted, encoder) = begin(&mut target, &people(), &request("new_schema.people", "load-1"));
    assert_eq!(fitted.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["id", "name"]);
    target.write(encoder.encode(&people_batch(0..10)).unwrap()).unwrap();
    target.quarantine(misfit(3)).unwrap();
    target.write(Prepared::Batch(people_batch(10..15))).unwrap();
    assert!(!exists(&mut client, "new_schema.people"), "nothing is to be seen before the commit");
    assert_eq!(target.commit(16).unwrap(), counts(16, 15, 1));

    assert_eq!(count(&mut client, "new_schema.people WHERE name = 'name ' || id"), 15);
    let row = client.query_one("SELECT * FROM new_schema._longshore_loads", &[]).unwrap();
    assert_eq!(row.get::<_, &str>("table_name"), "people");
    assert_eq!(row.get::<_, &str>("load_id"), "load-1");
    let numbers = ["read", "loaded", "quarantined", "deduplicated", "bytes"].map(|name| row.get::<_, i64>(name));
    assert_eq!(numbers, [16, 15, 1, 0, 1234]);
    assert_eq!(row.get::<_, Vec<String>>("sources"), ["people.ndjson"]);
    let row = client.query_one("SELECT * FROM new_schema._longshore_quarantine", &[]).unwrap();
    assert_eq!((row.get::<_, i64>("line"), row.get::<_, i64>("byte")), (3, 300));
    assert_eq!(row.get::<_, &str>("source"), "people.ndjson");
    assert_eq!(row.get::<_, &str>("reason"), "expected int32, found text");
    assert_eq!(row.get::<_, Vec<u8>>("raw"), misfit(3).raw);
    let types = "SELECT schema->0->>'path' || ' ' || (schema->0->>'type') FROM new_schema._longshore_loads";
    assert_eq!(client.query_one(types, &[]).unwrap().get::<_, &str>(0), "id int32");
}

#[test]
fn the_same_load_id_is_loaded_once() {
    let (url, mut client) = database();
    for _ in 0..3 {
        assert_eq!(load_people(&url, &request("people", "a"), 0..5).unwrap(), counts(5, 5, 0));
    }
    assert_eq!(load_people(&url, &request("people", "b"), 5..7).unwrap(), counts(2, 2, 0));
    // Once more with FailIfExists: it was done, so it does not fail.
    let mut again = request("people", "a");
    again.mode = Mode::FailIfExists;
    load_people(&url, &again, 0..5).unwrap();
    assert_eq!(count(&mut client, "people"), 7);
    assert_eq!(count(&mut client, "_longshore_loads"), 2);
}

#[test]
fn two_loads_of_one_id_at_the_same_time_are_one() {
    let (url, mut client) = database();
    let results: Vec<_> = std::thread::scope(|scope| {
        let load = || load_people(&url, &request("people", "a"), 0..500);
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(load)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for result in results {
        assert_eq!(result.unwrap(), counts(500, 500, 0));
    }
    assert_eq!(count(&mut client, "people"), 500);
}

#[test]
fn first_loads_into_one_new_schema_do_not_trip_over_each_other() {
    let (url, mut client) = database();
    std::thread::scope(|scope| {
        let url = &url;
        for i in 0..4 {
            scope.spawn(move || load_people(url, &request(&format!("fresh.t{i}"), "a"), 0..50).unwrap());
        }
    });
    assert_eq!(count(&mut client, "fresh._longshore_loads"), 4);
    assert_eq!(count(&mut client, "fresh.t3"), 50);
}

#[test]
fn replacing_keeps_the_table_and_its_views_and_can_go_back() {
    let (url, mut client) = database();
    load_people(&url, &request("people", "a"), 0..5).unwrap();
    client.batch_execute("CREATE VIEW names AS SELECT name FROM people").unwrap();
    let replace = |id: &str| {
        let mut request = request("people", id);
        request.mode = Mode::Replace;
        request
    };
    load_people(&url, &replace("b"), 0..3).unwrap();
    assert_eq!(count(&mut client, "names"), 3);
    // The rows of `a` are gone, so the same id may be loaded again; those of `b` are there.
    load_people(&url, &replace("b"), 0..3).unwrap();
    load_people(&url, &replace("a"), 0..5).unwrap();
    assert_eq!(count(&mut client, "people"), 5);
    let sql = "SELECT string_agg(load_id, ',') FROM _longshore_loads WHERE replaced_by IS NULL";
    assert_eq!(client.query_one(sql, &[]).unwrap().get::<_, &str>(0), "a");
}

#[test]
fn a_load_into_a_table_that_was_dropped_is_done_again() {
    let (url, mut client) = database();
    load_people(&url, &request("people", "a"), 0..5).unwrap();
    client.batch_execute("DROP TABLE people").unwrap();
    load_people(&url, &request("people", "a"), 0..5).unwrap();
    assert_eq!(count(&mut client, "people"), 5);
}

#[test]
fn a_table_that_exists_can_be_refused() {
    let (url, _client) = database();
    load_people(&url, &request("people", "a"), 0..5).unwrap();
    let mut second = request("people", "b");
    second.mode = Mode::FailIfExists;
    let error = load_people(&url, &second, 0..5).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.message(), "table \"public\".\"people\" exists");
}

#[test]
fn what_is_not_committed_leaves_nothing() {
    let (url, mut client) = database();
    let nothing = |client: &mut postgres::Client, why: &str| {
        for table in ["people", "_longshore_loads", "_longshore_quarantine"] {
            assert!(!exists(client, table), "{table} after {why}");
        }
        let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
        assert_eq!(client.query_one(sql, &[]).unwrap().get::<_, i64>(0), 0, "{why}");
    };
    let open = || {
        let mut target = PostgresTarget::connect(&url).unwrap();
        let mut request = request("people", "a");
        request.max_quarantined = Some(1);
        let (_, encoder) = begin(&mut target, &people(), &request);
        target.write(encoder.encode(&people_batch(0..100)).unwrap()).unwrap();
        target
    };

    drop(open());
    nothing(&mut client, "a drop");

    let mut target = open();
    let error = target.commit(101).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConserved, "{error}");
    assert!(error.message().starts_with("101 records were read, but 100 rows loaded and 0 quarantined"), "{error}");
    nothing(&mut client, "a wrong count");

    let mut target = open();
    target.quarantine(misfit(1)).unwrap();
    let error = target.quarantine(misfit(2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManyQuarantined);
    assert!(target.commit(102).is_err());
    nothing(&mut client, "too many misfits");

    let mut target = open();
    target.write(Prepared::Bytes { bytes: vec![7; 1 << 16], rows: 1 }).unwrap();
    let error = target.commit(101).unwrap_err();
    assert!(error.message().contains("(SQLSTATE 22P04)"), "{error}");
    nothing(&mut client, "rows that are none");
}

#[test]
fn a_row_that_the_server_drops_is_noticed() {
    let (url, mut client) = database();
    client
        .batch_execute(
            "CREATE TABLE people (id integer, name text);
             CREATE FUNCTION drop_one() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN IF new.id = 3 THEN RETURN NULL; END IF; RETURN new; END $$;
             CREATE TRIGGER t BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION drop_one()",
        )
        .unwrap();
    let error = load_people(&url, &request("people", "a"), 0..5).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConserved);
    assert_eq!(error.message(), "the server stored 4 of 5 rows sent; nothing was loaded");
    assert_eq!(count(&mut client, "people"), 0);
}

#[test]
fn a_servers_refusal_tells_code_and_column_but_no_value() {
    let (url, mut client) = database();
    client
        .batch_execute(
            "CREATE TABLE people (id integer PRIMARY KEY, name text CHECK (name <> 'name 4'));
             INSERT INTO people VALUES (3, 'there')",
        )
        .unwrap();
    for (ids, code) in [(3..4, "23505"), (4..5, "23514")] {
        let error = load_people(&url, &request("people", "a"), ids).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Database);
        assert!(error.message().contains(&format!("(SQLSTATE {code})")), "{error}");
        assert!(!format!("{error:?}").contains("name 4"), "{error:?}");
        assert!(error.hint().is_some());
    }
    client
        .batch_execute(
            "DROP TABLE people; CREATE TABLE people (id integer, name text);
             CREATE FUNCTION complain() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'bad name %', new.name; END $$;
             CREATE TRIGGER t BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION complain()",
        )
        .unwrap();
    let error = load_people(&url, &request("people", "a"), 4..5).unwrap_err();
    assert!(error.message().contains("row 1 as sent") || error.message().contains("P0001"), "{error}");
    assert!(!format!("{error:?}").contains("name 4"), "{error:?}");
}

#[test]
fn hostile_names_are_only_names() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE bystander AS SELECT 1 AS one").unwrap();
    let hostile = ["\"; DROP TABLE bystander; --", "select", "a\\b", "ä\n'$$", "%s {}", "COPY"];
    let schema = schema(&hostile.map(|name| (name, Type::Int32)));
    for table in hostile {
        let name = format!("\"{0}\".\"{0}\"", table.replace('"', "\"\""));
        let mut target = PostgresTarget::connect(&url).unwrap();
        let (fitted, encoder) = begin(&mut target, &schema, &request(&name, "'; DROP TABLE bystander; --"));
        let one = || Arc::new(Int32Array::from(vec![7])) as ArrayRef;
        let batch = RecordBatch::try_from_iter(fitted.columns.iter().map(|c| (c.name.clone(), one()))).unwrap();
        target.write(encoder.encode(&batch).unwrap()).unwrap();
        let mut misfit = misfit(1);
        misfit.path = Some("a\0b".into());
        target.quarantine(misfit).unwrap();
        assert_eq!(target.commit(2).unwrap(), counts(2, 1, 1));
        assert_eq!(count(&mut client, &name), 1, "{table}");
    }
    assert_eq!(count(&mut client, "bystander"), 1);
}

#[test]
fn an_existing_table_is_loaded_under_its_own_types() {
    let (url, mut client) = database();
    client
        .batch_execute(
            "CREATE TABLE people (name varchar(20) NOT NULL, dropped integer, id bigint DEFAULT 7,
                 seen timestamptz NOT NULL DEFAULT now(), twice bigint GENERATED ALWAYS AS (id * 2) STORED);
             ALTER TABLE people DROP COLUMN dropped",
        )
        .unwrap();
    let mut target = PostgresTarget::connect(&url).unwrap();
    let (fitted, _) = begin(&mut target, &people(), &request("people", "a"));
    let types: Vec<_> = fitted.columns.iter().map(|c| (c.name.as_str(), c.ty, c.max_chars)).collect();
    assert_eq!(types, [("id", Type::Int64, None), ("name", Type::Text, Some(20))]);
    let ids: ArrayRef = Arc::new(arrow_array::Int64Array::from(vec![5, 6]));
    let names = people_batch(0..2).column(1).clone();
    target.write(Prepared::Batch(RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap())).unwrap();
    target.commit(2).unwrap();
    assert_eq!(count(&mut client, "people WHERE twice = id * 2 AND seen IS NOT NULL"), 2);
}

#[test]
fn an_existing_table_is_widened_in_the_loads_transaction() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE people (id smallint); INSERT INTO people VALUES (1)").unwrap();
    let type_of_id = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute \
                      WHERE attrelid = 'people'::regclass AND attname = 'id'";
    let mut target = PostgresTarget::connect(&url).unwrap();
    begin(&mut target, &people(), &request("people", "a"));
    drop(target);
    assert_eq!(client.query_one(type_of_id, &[]).unwrap().get::<_, &str>(0), "smallint");
    load_people(&url, &request("people", "a"), 100_000..100_002).unwrap();
    assert_eq!(client.query_one(type_of_id, &[]).unwrap().get::<_, &str>(0), "integer");
    assert_eq!(count(&mut client, "people WHERE id >= 100000 AND name IS NOT NULL"), 2);
    assert_eq!(count(&mut client, "people"), 3);
}

#[test]
fn dates_go_into_a_column_of_timestamps_as_midnight_and_times_do_not_follow_their_hint() {
    let (url, mut client) = database();
    let load = |table: &str, input: &str, hint: (&str, &str)| {
        let hint: Hint = format!("{}={}", hint.0, hint.1).parse().unwrap();
        Loader::new(&url)
            .table(table)
            .policy(Policy::default().with_hint(hint))
            .load(Source::bytes(input.to_owned()))
            .unwrap()
    };
    client
        .batch_execute("CREATE TABLE ev (id int, at timestamp(0)); CREATE TABLE due (id int, due timestamp)")
        .unwrap();
    let input = "{\"id\":1,\"at\":\"2024-01-05\"}\n{\"id\":2,\"at\":\"2024-01-05T23:59:59.75\"}\n";
    let report = load("ev", input, ("at", "date"));
    assert_eq!(report.counts, counts(2, 1, 1));
    load("due", "id,due\n1,31/12/2024\n2,30/11/2024\n", ("due", "date@day_first"));
    let ask = |client: &mut postgres::Client, sql: &str| client.query_one(sql, &[]).unwrap().get::<_, String>(0);
    assert_eq!(ask(&mut client, "SELECT string_agg(at::text, ',') FROM ev"), "2024-01-05 00:00:00");
    let found = ask(&mut client, "SELECT string_agg(due::text, ',' ORDER BY id) FROM due");
    assert_eq!(found, "2024-12-31 00:00:00,2024-11-30 00:00:00");
}

#[test]
fn a_field_without_any_value_goes_into_a_column_of_any_type() {
    let (url, mut client) = database();
    let types =
        ["numeric", "timestamp(0)", "timestamptz(3)", "time(0)", "real", "bytea", "inet", "text[]", "int4", "text"];
    for (nth, ty) in types.into_iter().enumerate() {
        client.batch_execute(&format!("CREATE TABLE t{nth} (id int, a {ty})")).unwrap();
        for input in ["{\"id\":3,\"a\":null}\n", "id,a\n4,\n5,\n"] {
            let report = Loader::new(&url).table(format!("t{nth}")).load(Source::bytes(input)).unwrap();
            assert_eq!(report.counts.quarantined, 0, "{ty}: {input}");
        }
        assert_eq!(count(&mut client, &format!("t{nth} WHERE a IS NULL")), 3, "{ty}");
    }
}

#[test]
fn a_view_keeps_a_column_from_being_changed_and_the_error_says_so() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE people (id smallint); CREATE VIEW v AS SELECT id FROM people").unwrap();
    let error = load_people(&url, &request("people", "a"), 0..2).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let error = load_people(&url, &request("v", "a"), 0..2).unwrap_err();
    assert_eq!(error.message(), "\"public\".\"v\" is a view, which cannot be loaded into");
}

#[test]
fn records_without_any_field_are_counted_as_rows() {
    let (url, mut client) = database();
    let empty = Schema::default();
    let batch = |rows| {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::new(arrow_schema::Schema::empty()), vec![], &options).unwrap()
    };
    let mut target = PostgresTarget::connect(&url).unwrap();
    let (_, encoder) = begin(&mut target, &empty, &request("bare", "a"));
    target.write(encoder.encode(&batch(3)).unwrap()).unwrap();
    assert_eq!(target.commit(3).unwrap(), counts(3, 3, 0));
    assert_eq!(count(&mut client, "bare"), 3);

    client.batch_execute("CREATE TABLE other (n integer DEFAULT 5)").unwrap();
    let mut target = PostgresTarget::connect(&url).unwrap();
    let (_, encoder) = begin(&mut target, &empty, &request("other", "a"));
    target.write(encoder.encode(&batch(2)).unwrap()).unwrap();
    target.commit(2).unwrap();
    assert_eq!(count(&mut client, "other WHERE n = 5"), 2);
}

#[test]
fn an_empty_input_makes_no_table_but_is_in_the_ledger() {
    let (url, mut client) = database();
    for _ in 0..2 {
        let mut target = PostgresTarget::connect(&url).unwrap();
        match target.begin(&Schema::default(), &request("nothing", "a")).unwrap() {
            Begun::Open { .. } => assert_eq!(target.commit(0).unwrap(), counts(0, 0, 0)),
            Begun::AlreadyLoaded(found) => assert_eq!(found, counts(0, 0, 0)),
        }
    }
    assert!(!exists(&mut client, "nothing"));
    assert_eq!(count(&mut client, "_longshore_loads"), 1);
}

#[test]
fn misfits_beyond_memory_arrive_whole() {
    let (url, mut client) = database();
    let mut target = PostgresTarget::connect(&url).unwrap();
    begin(&mut target, &people(), &request("people", "a"));
    for line in 0..300 {
        let mut misfit = misfit(line);
        misfit.raw = vec![line as u8; 64 << 10];
        target.quarantine(misfit).unwrap();
    }
    assert_eq!(target.commit(300).unwrap(), counts(300, 0, 300));
    let sql = "SELECT count(*) FROM _longshore_quarantine WHERE length(raw) = 65536 AND get_byte(raw, 9) = line % 256";
    assert_eq!(client.query_one(sql, &[]).unwrap().get::<_, i64>(0), 300);
}

#[test]
fn a_long_lock_ends_in_an_error_and_not_in_waiting() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE people (id smallint, name text); BEGIN; LOCK TABLE people").unwrap();
    let mut options = PostgresOptions::default();
    options.lock_timeout = Duration::from_millis(100);
    let mut target = PostgresTarget::connect_with(&url, options).unwrap();
    let error = target.begin(&people(), &request("people", "a")).err().unwrap();
    assert!(error.message().contains("(SQLSTATE 55P03)"), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn a_session_that_is_ended_by_the_server_loads_nothing() {
    let (url, mut client) = database();
    let mut target = PostgresTarget::connect(&url).unwrap();
    let (_, encoder) = begin(&mut target, &people(), &request("people", "a"));
    target.write(encoder.encode(&people_batch(0..100)).unwrap()).unwrap();
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'longshore' \
               AND datname = current_database()";
    assert_eq!(client.query_one(sql, &[]).unwrap().get::<_, i64>(0), 1);
    let error = target.commit(100).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Database, "{error}");
    assert!(!exists(&mut client, "people"));
}

#[test]
fn json_records_go_through_all_layers_into_a_server() {
    let (url, mut client) = database();
    let input = concat!(
        "{\"id\":1,\"price\":1.5,\"at\":\"2024-02-29T12:00:00Z\",\"tags\":[1,\"a\"],\"who\":{\"name\":\"\u{e9}\"}}\n",
        "{\"id\":70000,\"price\":null,\"uid\":\"00010203-0405-0607-0809-0a0b0c0d0e0f\"}\n",
        "{broken\n",
    );
    let load = || longshore::Loader::new(&url).table("shop.orders").load(longshore::Source::bytes(input)).unwrap();
    assert_eq!(load().counts, counts(3, 2, 1));
    assert!(load().already_loaded);
    let sql = "SELECT string_agg(concat_ws('|', id, price, at, tags, who_name, uid), ';' ORDER BY id) FROM shop.orders";
    client.batch_execute("SET TimeZone = 'UTC'").unwrap();
    assert_eq!(
        client.query_one(sql, &[]).unwrap().get::<_, &str>(0),
        "1|1.5|2024-02-29 12:00:00+00|[1, \"a\"]|é;70000|00010203-0405-0607-0809-0a0b0c0d0e0f"
    );
    let raw: Vec<u8> = client.query_one("SELECT raw FROM shop._longshore_quarantine", &[]).unwrap().get(0);
    assert_eq!(raw, b"{broken");
}

#[test]
fn fractions_go_into_columns_of_exact_numbers() {
    let (url, mut client) = database();
    client
        .batch_execute(
            "CREATE TABLE sales (id bigint, amount numeric(10,2), units bigint);
             INSERT INTO sales VALUES (9007199254740993, 0.10, 9007199254740993)",
        )
        .unwrap();
    let input = concat!(
        "{\"id\":1,\"amount\":12.50,\"units\":1}\n",
        "{\"id\":2,\"amount\":7.25,\"units\":1.5}\n",
        "{\"id\":3,\"amount\":1e2,\"units\":2}\n",
    );
    let report = longshore::Loader::new(&url).table("sales").load(longshore::Source::bytes(input)).unwrap();
    assert_eq!(report.counts, counts(3, 3, 0));
    let sql = "SELECT string_agg(concat_ws('|', id, amount, units), ';' ORDER BY id) FROM sales";
    assert_eq!(
        client.query_one(sql, &[]).unwrap().get::<_, &str>(0),
        "1|12.50|1.0;2|7.25|1.5;3|100.00|2.0;9007199254740993|0.10|9007199254740993.0"
    );
}

#[test]
fn two_fields_of_one_text_keep_their_columns_load_after_load() {
    let (url, mut client) = database();
    for id in 1..=3 {
        let input = format!("{{\"a\":{{\"b\":{id}}},\"a.b\":\"x{id}\"}}\n");
        let report = longshore::Loader::new(&url).table("twins").load(longshore::Source::bytes(input)).unwrap();
        assert_eq!((report.counts, report.schema.columns.len()), (counts(1, 1, 0), 2));
    }
    let sql = "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute
               WHERE attrelid = 'twins'::regclass AND attnum > 0";
    let names: String = client.query_one(sql, &[]).unwrap().get(0);
    let [nested, dotted] = names.split(' ').collect::<Vec<_>>()[..] else { panic!("{names}") };
    let sql = format!("SELECT string_agg({nested} || '|' || {dotted}, ';' ORDER BY {nested}) FROM twins");
    assert_eq!(client.query_one(&sql, &[]).unwrap().get::<_, &str>(0), "1|x1;2|x2;3|x3");
}

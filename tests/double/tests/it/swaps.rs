//! Columns that give way to wider copies of themselves: what uses them is never left with half of the values, and what is
//! only called like them is never dropped.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use longshore::load::{MergeKeys, Mode, Prepared, Target};
use longshore::{Column, ErrorKind, Path, Source, Type};

use crate::changes::begun_with;
use crate::support::Warehouse;
use crate::target::{load, loader, numbers, run, script, staged_for_live};

const VALUES: &str = "SELECT n FROM events ORDER BY n";
const SEEN: &str = "SELECT n FROM seen ORDER BY n";

/// The type of the column `n`.
fn of_type(warehouse: &Warehouse) -> String {
    let sql = "SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE \
               c.relname = 'events' AND a.attname = 'n'";
    numbers(warehouse, sql).remove(0)
}

#[test]
fn a_script_that_replaces_a_column_under_a_view_changes_nothing() {
    let warehouse = Warehouse::start();
    run(&mut warehouse.session(), &script(&warehouse, "zero", Mode::Append, "{\"n\":7}\n")).unwrap();
    warehouse.session().run("CREATE VIEW seen AS SELECT n FROM events");
    let (changes, load) = staged_for_live(&warehouse, "one", "{\"n\":5000000000,\"new\":1}\n");
    let changes = changes.expect("n becomes a bigint");
    let error = run(&mut warehouse.session(), &changes).expect_err("the view would go on with the old column");
    assert!(error.starts_with("2BP01"), "{error}");
    assert_eq!((of_type(&warehouse), numbers(&warehouse, SEEN)), ("smallint".to_owned(), vec!["7".to_owned()]));
    assert_eq!(numbers(&warehouse, "SELECT * FROM events"), ["7"], "no column was added either");
    run(&mut warehouse.session(), &load).expect_err("the changes were not made");

    warehouse.session().run("DROP VIEW seen");
    run(&mut warehouse.session(), &changes).unwrap();
    run(&mut warehouse.session(), &load).unwrap();
    assert_eq!(numbers(&warehouse, "SELECT * FROM events ORDER BY n"), ["7 -", "5000000000 1"]);
}

#[test]
fn a_script_that_replaces_the_column_of_a_key_changes_nothing() {
    let warehouse = Warehouse::start();
    warehouse.session().run("CREATE TABLE events (n SMALLINT, other SMALLINT) DISTKEY (n)");
    warehouse.session().run("INSERT INTO events VALUES (7, 8)");
    let (changes, _) = staged_for_live(&warehouse, "one", "{\"n\":5000000000}\n");
    run(&mut warehouse.session(), &changes.unwrap()).expect_err("a DISTKEY cannot be dropped");
    assert_eq!((of_type(&warehouse), numbers(&warehouse, VALUES)), ("smallint".to_owned(), vec!["7".to_owned()]));
}

#[test]
fn a_load_that_replaces_a_column_under_a_view_of_since_loads_nothing_and_says_what_to_do() {
    let warehouse = Warehouse::start();
    load(&warehouse, "zero", "{\"n\":7}\n");
    let mut target = begun_with(&warehouse, "one", Column::new(Path::new(["n"]), "n", Type::Int64));
    let wide: ArrayRef = Arc::new(Int64Array::from(vec![5_000_000_000]));
    target.write(Prepared::Batch(RecordBatch::try_from_iter_with_nullable([("n", wide, true)]).unwrap())).unwrap();
    warehouse.session().run("CREATE VIEW seen AS SELECT n FROM events");
    let error = target.commit(1).expect_err("the view would go on with the old column");
    assert_eq!(error.kind(), ErrorKind::Database);
    assert!(error.hint().unwrap().contains("a view"), "{error:?}");
    assert_eq!((of_type(&warehouse), numbers(&warehouse, SEEN)), ("smallint".to_owned(), vec!["7".to_owned()]));

    let planned = loader(&warehouse).load_id("one").load(Source::bytes("{\"n\":5000000000}\n")).unwrap_err();
    assert_eq!(planned.kind(), ErrorKind::Conflict, "a view that is there is seen in time: {planned}");
    warehouse.session().run("DROP VIEW seen");
    load(&warehouse, "one", "{\"n\":5000000000}\n");
    assert_eq!(numbers(&warehouse, VALUES), ["7", "5000000000"]);
}

#[test]
fn a_script_of_changes_runs_inside_of_a_transaction_that_its_runner_opened() {
    let warehouse = Warehouse::start();
    run(&mut warehouse.session(), &script(&warehouse, "zero", Mode::Append, "{\"n\":7,\"s\":\"a\"}\n")).unwrap();
    let wide = "x".repeat(400);
    for (id, records, rows) in [
        ("one", format!("{{\"n\":8,\"s\":\"{wide}\"}}\n"), vec!["7 1", "8 400"]),
        (
            "two",
            format!("{{\"n\":5000000000,\"s\":\"{wide}{wide}{wide}\"}}\n"),
            vec!["7 1", "8 400", "5000000000 1200"],
        ),
    ] {
        let (changes, load) = staged_for_live(&warehouse, id, &records);
        let mut session = warehouse.session();
        session.run("BEGIN");
        run(&mut session, &changes.expect("s is to be widened")).unwrap();
        session.run("COMMIT");
        run(&mut session, &load).unwrap();
        assert_eq!(numbers(&warehouse, "SELECT n, octet_length(s) FROM events ORDER BY n"), rows);
    }
}

#[test]
fn a_field_that_is_called_as_a_replaced_column_keeps_its_values() {
    let records = |id: u8| format!("{{\"id\":{id},\"_longshore_old_price\":5}}\n");
    let warehouse = Warehouse::start();
    run(&mut warehouse.session(), &script(&warehouse, "one", Mode::Append, &records(1))).unwrap();
    let (changes, second) = staged_for_live(&warehouse, "two", &records(2));
    assert_eq!(changes, None);
    run(&mut warehouse.session(), &second).unwrap();
    load(&warehouse, "three", &records(3));
    let rows = numbers(&warehouse, "SELECT id, longshore_old_price FROM events ORDER BY id");
    assert_eq!(rows, ["1 5", "2 5", "3 5"]);

    // A table that an earlier version made.
    let warehouse = Warehouse::start();
    warehouse.session().run("CREATE TABLE events (id SMALLINT, _longshore_old_price SMALLINT)");
    let comment = "'longshore path: [\"_longshore_old_price\"]'";
    warehouse.session().run(&format!("COMMENT ON COLUMN events._longshore_old_price IS {comment}"));
    load(&warehouse, "one", &records(1));
    let (changes, second) = staged_for_live(&warehouse, "two", "{\"id\":70000,\"_longshore_old_price\":5}\n");
    run(&mut warehouse.session(), &changes.expect("id is to be widened")).unwrap();
    run(&mut warehouse.session(), &second).unwrap();
    let rows = numbers(&warehouse, "SELECT id, _longshore_old_price FROM events ORDER BY id");
    assert_eq!(rows, ["1 5", "70000 5"]);
}

#[test]
fn what_an_earlier_version_left_of_a_column_is_dropped() {
    let warehouse = Warehouse::start();
    warehouse.session().run("CREATE TABLE events (n SMALLINT, _longshore_old_0123456789abcdef SMALLINT)");
    let comment = "'longshore: replaced'";
    warehouse.session().run(&format!("COMMENT ON COLUMN events._longshore_old_0123456789abcdef IS {comment}"));
    load(&warehouse, "one", "{\"n\":1}\n");
    assert_eq!(numbers(&warehouse, "SELECT * FROM events"), ["1"]);
}

#[test]
fn a_merge_takes_a_field_that_is_called_as_the_column_of_the_numbers() {
    let warehouse = Warehouse::start();
    let merge = || Mode::Merge(MergeKeys::new(["id"]));
    let first = "{\"id\":1,\"_longshore_row\":5}\n{\"id\":1,\"_longshore_row\":6}\n";
    loader(&warehouse).load_id("one").mode(merge()).load(Source::bytes(first)).unwrap();
    let second = script(&warehouse, "two", merge(), "{\"id\":2,\"_longshore_row\":7}\n");
    run(&mut warehouse.session(), &second).unwrap();
    assert_eq!(numbers(&warehouse, "SELECT id, _longshore_row FROM events ORDER BY id"), ["1 6", "2 7"]);
    let staging = &second[second.find("CREATE TEMP TABLE").unwrap()..];
    assert_eq!(staging[..staging.find(';').unwrap()].matches("\"_longshore_row\"").count(), 1, "{staging}");
}

#[test]
fn a_decimal_of_nineteen_digits_is_loaded_into_as_it_is() {
    let warehouse = Warehouse::start();
    warehouse.session().run("CREATE TABLE events (n DECIMAL(19,4) NOT NULL)");
    load(&warehouse, "one", "{\"n\":12.5}\n{\"n\":-99999999999999.9999}\n");
    let (changes, second) = staged_for_live(&warehouse, "two", "{\"n\":3}\n");
    assert_eq!(changes, None);
    run(&mut warehouse.session(), &second).unwrap();
    assert_eq!(numbers(&warehouse, VALUES), ["-99999999999999.9999", "3.0000", "12.5000"]);
}

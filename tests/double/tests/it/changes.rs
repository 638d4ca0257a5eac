//! Changes of a table that others change meanwhile: no value is lost by them, and no room for one.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use longshore::load::{
    Begun, LoadRequest, MergeKeys, Mode, Prepared, RedshiftTarget, ScriptOptions, StageOptions, Target,
};
use longshore::{Column, ErrorKind, Loader, Path, Policy, Schema, Source, Type};

use crate::support::Warehouse;
use crate::target::{load, loader, numbers, options, run, script, staged_for_live};

#[test]
fn changes_that_were_planned_for_another_type_than_a_column_has_now_change_no_value() {
    let warehouse = Warehouse::start();
    run(&mut warehouse.session(), &script(&warehouse, "zero", Mode::Append, "{\"n\":7}\n")).unwrap();
    // Both are planned for the table as it is now, and the second is run first.
    let (first, one) = staged_for_live(&warehouse, "one", "{\"n\":50000000}\n");
    let (second, two) = staged_for_live(&warehouse, "two", "{\"n\":1.5}\n{\"n\":2.25}\n");
    let (first, second) = (first.expect("n becomes an integer"), second.expect("n becomes a number with a point"));
    run(&mut warehouse.session(), &second).unwrap();
    run(&mut warehouse.session(), &two).unwrap();
    let values = || numbers(&warehouse, "SELECT n FROM events ORDER BY n");
    assert_eq!(values(), ["1.5", "2.25", "7"]);
    for late in [&first, &second] {
        let error = run(&mut warehouse.session(), late).expect_err("n is no smallint any more");
        assert!(error.contains("every_column_is_as_it_was_listed"), "{error}");
        assert_eq!(values(), ["1.5", "2.25", "7"]);
    }
    run(&mut warehouse.session(), &one).expect("n holds it, and what was planned for it need not be done");
    assert_eq!(values(), ["1.5", "2.25", "7", "50000000"]);
}

/// The width of the column `s`.
fn width(warehouse: &Warehouse) -> String {
    let sql = "SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE \
               c.relname = 'events' AND a.attname = 's'";
    numbers(warehouse, sql).remove(0)
}

#[test]
fn a_script_makes_no_text_column_narrower_than_another_one_has_made_it() {
    let warehouse = Warehouse::start();
    run(&mut warehouse.session(), &script(&warehouse, "zero", Mode::Append, "{\"s\":\"a\"}\n")).unwrap();
    let of =
        |id: &str, bytes: usize| staged_for_live(&warehouse, id, &format!("{{\"s\":\"{}\"}}\n", "x".repeat(bytes)));
    let ((narrow, one), (wide, _)) = (of("one", 20), of("two", 400));
    run(&mut warehouse.session(), &wide.unwrap()).unwrap();
    let wide = width(&warehouse);
    let error = run(&mut warehouse.session(), &narrow.unwrap()).expect_err("it would be made narrower");
    assert!(error.contains("every_column_is_as_it_was_listed"), "{error}");
    assert_eq!(width(&warehouse), wide);
    run(&mut warehouse.session(), &one).unwrap();
}

/// A load over a connection that has begun, of one column of text.
fn begun(warehouse: &Warehouse, id: &str, longest: u64) -> RedshiftTarget {
    let mut column = Column::new(Path::new(["s"]), "s", Type::Text);
    column.max_bytes = Some(longest);
    begun_with(warehouse, id, column)
}

/// A load over a connection that has begun, of one column.
pub(crate) fn begun_with(warehouse: &Warehouse, id: &str, column: Column) -> RedshiftTarget {
    let url = format!("{}?sslmode=disable", warehouse.double.url(&warehouse.database));
    let mut target = RedshiftTarget::connect(&url, options(warehouse)).unwrap();
    let schema = Schema { columns: vec![column], ..Schema::default() };
    let request = LoadRequest {
        table: "events".into(),
        load_id: id.into(),
        mode: Mode::Append,
        sources: vec!["s.ndjson".into()],
        formats: Vec::new(),
        content_hash: id.into(),
        bytes: 1,
        max_quarantined: None,
        isolate_rows: false,
    };
    assert!(matches!(target.begin(&schema, &request).unwrap(), Begun::Open { .. }));
    target
}

fn send(target: &mut RedshiftTarget, text: &str) {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
    target.write(Prepared::Batch(RecordBatch::try_from_iter_with_nullable([("s", texts, true)]).unwrap())).unwrap();
}

#[test]
fn a_load_makes_no_text_column_narrower_than_another_one_has_made_it_meanwhile() {
    let warehouse = Warehouse::start();
    load(&warehouse, "zero", "{\"s\":\"a\"}\n");
    let mut slow = begun(&warehouse, "slow", 20);
    send(&mut slow, &"x".repeat(20));
    load(&warehouse, "fast", &format!("{{\"s\":\"{}\"}}\n", "y".repeat(400)));
    let wide = width(&warehouse);
    slow.commit(1).unwrap();
    assert_eq!(width(&warehouse), wide);
    assert_eq!(numbers(&warehouse, "SELECT len(s) FROM events ORDER BY 1"), ["1", "20", "400"]);
}

#[test]
fn a_load_whose_column_is_made_narrower_meanwhile_is_staged_again_and_makes_it_wide() {
    let warehouse = Warehouse::start();
    load(&warehouse, "zero", &format!("{{\"s\":\"{}\"}}\n", "y".repeat(8)));
    let mut target = begun(&warehouse, "one", 20);
    send(&mut target, &"x".repeat(20));
    target.commit(1).unwrap();
    let wide = width(&warehouse);
    let mut target = begun(&warehouse, "two", 20);
    send(&mut target, &"z".repeat(20));
    warehouse.session().run("ALTER TABLE events ALTER COLUMN s TYPE VARCHAR(21)");
    let error = target.commit(1).expect_err("rows that were staged for a wider column are staged again");
    assert!(error.kind() == ErrorKind::Conflict && error.is_temporary(), "{error}");
    load(&warehouse, "two", &format!("{{\"s\":\"{}\"}}\n", "z".repeat(22)));
    assert_eq!(width(&warehouse), wide);
    assert_eq!(numbers(&warehouse, "SELECT len(s) FROM events ORDER BY 1"), ["8", "20", "22"]);
}

#[test]
fn a_merge_of_as_many_columns_as_a_table_can_have_is_refused_before_anything_is_staged() {
    let warehouse = Warehouse::start();
    let fields = |count: usize| (1..count).map(|at| format!(",\"c{at}\":1")).collect::<String>();
    let record = |count: usize| format!("{{\"id\":1{}}}\n", fields(count));
    let merging = |table: &str, count: usize| {
        let loader = loader(&warehouse).table(table).policy(Policy::default().max_columns(1600));
        loader.load_id("one").mode(Mode::Merge(MergeKeys::new(["id"]))).load(Source::bytes(record(count)))
    };
    let error = merging("wide", 1600).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.hint().unwrap().contains("--max-columns 1599"), "{error:?}");
    assert_eq!(merging("fits", 1599).unwrap().counts.loaded, 1);
}

#[test]
fn names_that_differ_in_trailing_blanks_alone_are_refused() {
    let warehouse = Warehouse::start();
    let folder = tempfile::tempdir().unwrap();
    let stage = StageOptions::new(format!("file://{}", folder.path().display())).unwrap();
    let staging = || Loader::stage(ScriptOptions::new(stage.clone())).table("events");
    for (loader, id) in [(loader(&warehouse), "one "), (staging(), "one "), (staging().table("\"events \""), "one")] {
        let error = loader.load_id(id).load(Source::bytes("{\"id\":1}\n")).unwrap_err();
        assert_eq!((error.kind(), error.message().contains("ends in a blank")), (ErrorKind::Config, true), "{error}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    load(&warehouse, " one", "{\"id\":1}\n");
}

#[test]
fn staged_texts_are_declared_as_wide_as_the_longest_one_is() {
    let warehouse = Warehouse::start();
    let records = "{\"k\":1,\"a\":\"abc\",\"b\":\"\",\"j\":[1,2],\"t\":\"10:00:00\"}\n";
    let made = |sent: &str| {
        let at = sent.find("CREATE TEMP TABLE \"_longshore_").expect("rows go through a table of their own");
        sent[at..].split(");").next().unwrap().to_owned()
    };
    let merge = || Mode::Merge(MergeKeys::new(["k"]));
    let connected = loader(&warehouse).load_id("one").mode(merge());
    connected.load(Source::bytes(records)).unwrap();
    let sent = warehouse.double.statements().join(";\n");
    for text in [made(&sent), made(&script(&warehouse, "two", merge(), records))] {
        for column in ["\"a\" VARCHAR(3)", "\"b\" VARCHAR(1)", "\"j\" VARCHAR(5)"] {
            assert!(text.contains(column), "{column}: {text}");
        }
        assert!(!text.contains("65535"), "{text}");
    }
}

#[test]
fn what_is_noticed_in_planning_a_table_is_in_the_report() {
    let warehouse = Warehouse::start();
    let long = "x".repeat(40_000);
    let wide = format!("{{\"a\":\"{long}\",\"b\":\"{long}\"}}\n");
    let folder = tempfile::tempdir().unwrap();
    let stage = StageOptions::new(format!("file://{}", folder.path().display())).unwrap();
    for loader in [loader(&warehouse), Loader::stage(ScriptOptions::new(stage))] {
        let report = loader.table("wide").load_id("one").load(Source::bytes(wide.clone())).unwrap();
        let warns = |warning: &String| warning.contains("declared widths add up to 131070 bytes");
        assert!(report.warnings.iter().any(warns), "{:?}", report.warnings);
    }
    load(&warehouse, "zero", "{\"id\":1}\n");
    warehouse.session().run("CREATE TABLE strict (id SMALLINT NOT NULL)");
    let records = "{\"id\":1}\n{\"id\":null}\n";
    let report = loader(&warehouse).table("strict").load_id("one").load(Source::bytes(records)).unwrap();
    assert!(report.warnings.iter().any(|warning| warning.contains("refuses NULL")), "{:?}", report.warnings);
    // The same on a Postgres server.
    let url = crate::support::database_url(&crate::support::new_database());
    Loader::new(&url).table("strict").load_id("zero").load(Source::bytes("{\"id\":1}\n")).unwrap();
    let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
    client.batch_execute("ALTER TABLE strict ALTER COLUMN id SET NOT NULL").unwrap();
    let report = Loader::new(&url).table("strict").load_id("one").load(Source::bytes(records)).unwrap();
    assert!(report.warnings.iter().any(|warning| warning.contains("refuses NULL")), "{:?}", report.warnings);
}

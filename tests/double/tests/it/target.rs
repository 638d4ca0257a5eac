//! Loads into the double: rows, ledger and quarantine in one transaction, whatever goes wrong.

use std::time::Duration;

use longshore::load::{
    CopyAuthorization, MergeKeys, Mode, RedshiftOptions, ScriptOptions, Selection, StageFormat, StageOptions,
    StageTarget,
};
use longshore::{ErrorKind, LoadReport, Loader, Quarantine, Source, live_table};
use longshore_redshift_double::s3::{ACCESS_KEY, Operation, S3Fault, SECRET_KEY};
use longshore_redshift_double::{BUCKET, Fault};

use crate::support::{Session, Warehouse};

pub(crate) fn options(warehouse: &Warehouse) -> RedshiftOptions {
    let stage = StageOptions::new(format!("s3://{BUCKET}/stage")).unwrap();
    let stage = stage.with_endpoint(warehouse.double.s3().endpoint()).with_access_key(ACCESS_KEY, SECRET_KEY, None);
    RedshiftOptions::new(stage)
        .with_authorization(CopyAuthorization::Role("arn:aws:iam::123456789012:role/copy".into()))
        .with_retry_for(Duration::from_secs(30))
}

pub(crate) fn loader(warehouse: &Warehouse) -> Loader {
    let url = format!("{}?sslmode=disable", warehouse.double.url(&warehouse.database));
    Loader::redshift(url, options(warehouse)).table("events")
}

pub(crate) fn load(warehouse: &Warehouse, id: &str, records: &str) -> LoadReport {
    loader(warehouse).load_id(id).load(Source::bytes(records.to_owned())).unwrap()
}

pub(crate) fn numbers(warehouse: &Warehouse, sql: &str) -> Vec<String> {
    let rows = warehouse.session().rows(sql);
    rows.into_iter()
        .map(|row| row.into_iter().map(|value| value.unwrap_or("-".into())).collect::<Vec<_>>().join(" "))
        .collect()
}

/// Objects left in the bucket.
pub(crate) fn staged(warehouse: &Warehouse) -> Vec<String> {
    let found = warehouse.double.s3().store().list(&format!("s3://{BUCKET}/stage/")).unwrap();
    found.into_iter().map(|(url, _)| url).collect()
}

const RECORDS: &str = "{\"id\":1,\"name\":\"a'\\\\b\",\"tags\":[1,{\"k\":\"v\"}],\"score\":0.5}\nno record\n\
                       {\"id\":2,\"name\":\"\",\"at\":\"2024-05-01T10:00:00Z\"}\n";

#[test]
fn a_load_is_there_once_with_its_quarantine_and_leaves_no_file() {
    let warehouse = Warehouse::start();
    let report = load(&warehouse, "one", RECORDS);
    assert_eq!((report.counts.read, report.counts.loaded, report.counts.quarantined), (3, 2, 1));
    let rows = numbers(&warehouse, "SELECT id, name, score FROM events ORDER BY id");
    assert_eq!(rows, ["1 a'\\b 0.5", "2  -"]);
    let ledger = "SELECT table_name, load_id, read, loaded, quarantined, deduplicated FROM _longshore_loads";
    assert_eq!(numbers(&warehouse, ledger), ["events one 3 2 1 0"]);
    let quarantine = "SELECT load_id, line, byte, reason FROM _longshore_quarantine";
    assert_eq!(numbers(&warehouse, quarantine).len(), 1);
    assert_eq!(staged(&warehouse), Vec::<String>::new());
    let again = load(&warehouse, "one", RECORDS);
    assert!(again.already_loaded);
    assert_eq!(numbers(&warehouse, "SELECT count(*) FROM events"), ["2"]);
}

#[test]
fn what_is_in_quarantine_is_listed_and_shown() {
    let warehouse = Warehouse::start();
    let url = format!("{}?sslmode=disable", warehouse.double.url(&warehouse.database));
    let quarantine = Quarantine::new(&url, "Events");
    assert!(quarantine.groups(&Selection::default()).unwrap().is_empty(), "there is none yet");
    load(&warehouse, "one", RECORDS);
    load(&warehouse, "two", "{\"id\":3}\nit's\\no \u{e9}\n{\"id\":4}\n\u{1}\n");
    let groups = quarantine.groups(&Selection::default()).unwrap();
    let of: Vec<_> = groups.iter().map(|group| (group.records, group.path.clone(), group.reason.as_str())).collect();
    assert_eq!(of.iter().map(|(records, ..)| records).sum::<u64>(), 3, "{of:?}");
    let of_two = Selection::default().load_id("two");
    let records = quarantine.records(&of_two, 10).unwrap();
    let raw: Vec<&[u8]> = records.iter().map(|record| record.raw.as_slice()).collect();
    assert_eq!(raw, ["it's\\no \u{e9}".as_bytes(), b"\x01"]);
    assert_eq!((records[0].line, records[0].byte, records[0].raw_bytes), (2, 9, 10));
    assert!(records[0].quarantined_at.ends_with('Z') && records[0].quarantined_at.len() == 20, "{records:?}");
    let second = of_two.id(&records[1].id).unwrap();
    assert_eq!(quarantine.records(&second, 10).unwrap(), records[1..]);
    let reason = Selection::default().reason(&groups[0].reason).source(&groups[0].source);
    assert_eq!(quarantine.records(&reason, 10).unwrap().len() as u64, groups[0].records);
    // Of rows that were replaced nothing is left to be looked after.
    loader(&warehouse).load_id("three").mode(Mode::Replace).load(Source::bytes("{\"id\":5}\n")).unwrap();
    assert!(quarantine.groups(&Selection::default()).unwrap().is_empty());
    assert_eq!(quarantine.records(&Selection::default().with_replayed(), 10).unwrap().len(), 3);
    assert_eq!(quarantine.replay(&Selection::default()).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_load_that_is_there_removes_the_files_of_one_that_was_killed_behind_its_commit() {
    let warehouse = Warehouse::start();
    let url = format!("{}?sslmode=disable", warehouse.double.url(&warehouse.database));
    let keeping = Loader::redshift(url, options(&warehouse).with_keep_staged(true)).table("events").load_id("one");
    assert!(!keeping.load(Source::bytes(RECORDS)).unwrap().already_loaded);
    let files = staged(&warehouse);
    assert!(files.iter().any(|url| url.ends_with(".parquet")), "{files:?}");
    assert!(keeping.load(Source::bytes(RECORDS)).unwrap().already_loaded);
    assert_eq!(staged(&warehouse), files, "they are to be kept");
    assert!(load(&warehouse, "one", RECORDS).already_loaded);
    let left = staged(&warehouse);
    assert!(left.len() == 1 && left[0].ends_with("/quarantine.ndjson.gz"), "{left:?}");
}

#[test]
fn a_connected_load_leaves_the_files_of_a_staged_one_alone() {
    let warehouse = Warehouse::start();
    let scripted = ScriptOptions::new(options(&warehouse).stage);
    let stage = || Loader::stage(scripted.clone()).table("public.events").load_id("one").load(Source::bytes(RECORDS));
    stage().unwrap();
    let files = staged(&warehouse);
    let url = format!("{}?sslmode=disable", warehouse.double.url(&warehouse.database));
    let connected = Loader::redshift(url, options(&warehouse)).table("public.events").load_id("one");
    for already in [false, true] {
        assert_eq!(connected.load(Source::bytes(RECORDS)).unwrap().already_loaded, already);
        assert_eq!(staged(&warehouse), files);
    }
    assert!(stage().unwrap().already_loaded);
    let found = StageTarget::find(&scripted, "public.events", "one").unwrap().unwrap();
    let script = String::from_utf8(warehouse.double.s3().store().read(&found.script).unwrap()).unwrap();
    run(&mut warehouse.session(), &script).unwrap();
    assert_eq!(numbers(&warehouse, "SELECT count(*) FROM events"), ["2"]);
}

#[test]
fn json_is_parsed_and_not_one_long_string() {
    let warehouse = Warehouse::start();
    for (format, id) in [(StageFormat::Parquet, "parquet"), (StageFormat::Csv, "csv")] {
        let mut options = options(&warehouse);
        options.stage = options.stage.with_format(format);
        let url = format!("{}?sslmode=disable", warehouse.double.url(&warehouse.database));
        let loader = Loader::redshift(url, options).table(id).load_id(id);
        let report = loader.load(Source::bytes(RECORDS)).unwrap();
        assert_eq!(report.counts.loaded, 2);
        let kinds = numbers(&warehouse, &format!("SELECT json_typeof(tags), name FROM {id} ORDER BY id"));
        assert_eq!(kinds, ["array a'\\b", "- "], "{format}");
    }
}

#[test]
fn a_table_takes_new_columns_and_wider_values() {
    let warehouse = Warehouse::start();
    load(&warehouse, "one", "{\"id\":1,\"s\":\"a\"}\n");
    let long = "x".repeat(100);
    let report = load(&warehouse, "two", &format!("{{\"id\":70000,\"s\":\"{long}\",\"extra\":true}}\n"));
    assert_eq!(report.counts.loaded, 1);
    let rows = numbers(&warehouse, "SELECT id, len(s), extra FROM events ORDER BY id");
    assert_eq!(rows, ["1 1 -", "70000 100 t"]);
}

#[test]
fn replacing_and_merging_do_what_they_say_once() {
    let warehouse = Warehouse::start();
    load(&warehouse, "one", "{\"k\":\"a\",\"v\":1,\"t\":5}\n{\"k\":\"b\",\"v\":2,\"t\":5}\n");
    let merge = |id: &str, records: &'static str| {
        let mode = Mode::Merge(MergeKeys::new(["k"]).order_by("t"));
        loader(&warehouse).load_id(id).mode(mode).load(Source::bytes(records)).unwrap().counts
    };
    let records = "{\"k\":\"a\",\"v\":10,\"t\":6}\n{\"k\":\"a\",\"v\":9,\"t\":5}\n{\"k\":\"b\",\"v\":0,\"t\":4}\n\
                   {\"k\":\"c\",\"v\":3,\"t\":1}\n{\"k\":null,\"v\":4,\"t\":1}\n";
    for _ in 0..2 {
        let counts = merge("two", records);
        assert_eq!((counts.read, counts.loaded, counts.quarantined, counts.deduplicated), (5, 2, 1, 2));
        assert_eq!(numbers(&warehouse, "SELECT k, v FROM events ORDER BY k"), ["a 10", "b 2", "c 3"]);
    }
    for _ in 0..2 {
        let replacing = loader(&warehouse).load_id("three").mode(Mode::Replace);
        replacing.load(Source::bytes("{\"k\":\"z\",\"v\":1,\"t\":1}\n")).unwrap();
        assert_eq!(numbers(&warehouse, "SELECT k FROM events"), ["z"]);
    }
    let replaced = numbers(&warehouse, "SELECT load_id FROM _longshore_loads WHERE replaced_by IS NOT NULL ORDER BY 1");
    assert_eq!(replaced, ["one", "two"]);
}

#[test]
fn whatever_cuts_the_transaction_the_load_is_there_once() {
    for fault in [
        Fault::SerializationFailure,
        Fault::CutInCopy,
        Fault::CutAfterCopy,
        Fault::CutBeforeCommit,
        Fault::CutAfterCommit,
    ] {
        let warehouse = Warehouse::start();
        load(&warehouse, "zero", "{\"id\":0,\"name\":\"\"}\n");
        warehouse.double.faults().inject(fault.clone(), 1);
        let report = load(&warehouse, "one", RECORDS);
        assert_eq!(report.counts.loaded, 2, "{fault:?}");
        assert_eq!(warehouse.double.faults().clear(), 0, "{fault:?} happened");
        assert_eq!(numbers(&warehouse, "SELECT count(*) FROM events"), ["3"], "{fault:?}");
        assert_eq!(numbers(&warehouse, "SELECT count(*) FROM _longshore_quarantine"), ["1"], "{fault:?}");
        assert_eq!(staged(&warehouse), Vec::<String>::new(), "{fault:?}");
    }
}

#[test]
fn a_load_that_takes_longer_than_it_may_be_tried_again_is_looked_up_and_tried_again() {
    let loader = |warehouse: &Warehouse, retry_for| {
        let url = format!("{}?sslmode=disable", warehouse.double.url(&warehouse.database));
        let loader = Loader::redshift(url, options(warehouse).with_retry_for(retry_for)).table("events").load_id("one");
        // The load itself is not made again.
        loader.retry_for(Duration::ZERO)
    };
    for (fault, retry_for) in [
        // Two COPYs stall for two seconds each.
        (Fault::SerializationFailure, Duration::from_millis(3900)),
        (Fault::CutBeforeCommit, Duration::from_millis(3900)),
        (Fault::CutAfterCommit, Duration::ZERO),
    ] {
        let warehouse = Warehouse::start();
        load(&warehouse, "zero", "{\"id\":0,\"name\":\"\"}\n");
        warehouse.double.faults().inject(Fault::StallAfterCopy, 2);
        warehouse.double.faults().inject(fault.clone(), 1);
        let report = loader(&warehouse, retry_for).load(Source::bytes(RECORDS)).unwrap();
        assert_eq!((report.already_loaded, report.counts.loaded), (false, 2), "{fault:?}");
        assert_eq!(warehouse.double.faults().clear(), 0, "{fault:?} happened");
        assert_eq!(numbers(&warehouse, "SELECT count(*) FROM events"), ["3"], "{fault:?}");
    }
    let warehouse = Warehouse::start();
    warehouse.double.faults().inject(Fault::CutBeforeCommit, 1);
    let error = loader(&warehouse, Duration::ZERO).load(Source::bytes(RECORDS)).unwrap_err();
    assert!(error.is_temporary() && !error.message().contains("not known"), "it was not committed: {error}");
}

#[test]
fn a_load_whose_commit_is_not_answered_and_that_another_one_replaces_is_not_made_again() {
    let warehouse = Warehouse::start();
    load(&warehouse, "zero", "{\"id\":0}\n");
    warehouse.double.statements();
    // While the first load copies, the second one comes to wait for its lock, and has it before the first looks again.
    warehouse.double.faults().inject(Fault::StallAfterCopy, 1);
    warehouse.double.faults().inject(Fault::CutAfterCommit, 1);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| load(&warehouse, "first", "{\"id\":1}\n"));
        while !warehouse.double.statements().iter().any(|sql| sql.starts_with("COPY ")) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let second = loader(&warehouse).load_id("second").mode(Mode::Replace);
        second.load(Source::bytes("{\"id\":2}\n")).unwrap();
        let report = first.join().unwrap();
        assert_eq!((report.already_loaded, report.counts.loaded), (false, 1));
    });
    let ledger = "SELECT load_id, replaced_by FROM _longshore_loads ORDER BY 1";
    assert_eq!(numbers(&warehouse, ledger), ["first second", "second -", "zero second"]);
    assert_eq!(numbers(&warehouse, "SELECT id FROM events"), ["2"]);
    assert_eq!(staged(&warehouse), Vec::<String>::new());
}

#[test]
fn a_row_that_the_server_refuses_is_quarantined_and_the_rest_is_loaded() {
    let warehouse = Warehouse::start();
    warehouse.double.faults().inject(Fault::BadRows("poison".into()), 1);
    let text = |id: u32| if id == 13 || id == 31 { "poison" } else { "short" };
    let records: String = (0..40).map(|id| format!("{{\"id\":{id},\"j\":[\"{}\"]}}\n", text(id))).collect();
    let report = load(&warehouse, "one", &records);
    assert_eq!((report.counts.loaded, report.counts.quarantined), (38, 2));
    let lines: Vec<u64> = report.first_quarantined.iter().map(|kept| kept.line).collect();
    assert_eq!(lines, [14, 32]);
    assert_eq!(numbers(&warehouse, "SELECT line FROM _longshore_quarantine ORDER BY 1"), ["14", "32"]);
}

#[test]
fn a_wait_for_a_lock_while_refused_rows_are_searched_for_is_not_taken_for_a_refusal() {
    let warehouse = Warehouse::start();
    load(&warehouse, "zero", "{\"id\":0,\"j\":[\"short\"]}\n");
    warehouse.double.faults().inject(Fault::BadRows("poison".into()), 1);
    let text = |id: u32| if id == 13 { "poison" } else { "short" };
    let records: String = (0..400).map(|id| format!("{{\"id\":{id},\"j\":[\"{}\"]}}\n", text(id))).collect();
    let url = format!("{}?sslmode=disable", warehouse.double.url(&warehouse.database));
    let options = options(&warehouse).with_queue_timeout(Duration::from_millis(1500));
    let loader = Loader::redshift(url, options).table("events").load_id("one").retry_for(Duration::ZERO);
    warehouse.double.statements();
    let error = std::thread::scope(|scope| {
        let loading = scope.spawn(|| loader.load(Source::bytes(records.clone())).unwrap_err());
        while !warehouse.double.statements().iter().any(|sql| sql.starts_with("COPY ")) {
            std::thread::sleep(Duration::from_millis(1));
        }
        // It waits for the load's first transaction, which is rolled back, and then the search waits for this one.
        let mut other = warehouse.session();
        other.run("BEGIN");
        other.run("LOCK TABLE events");
        let error = loading.join().unwrap();
        other.run("ROLLBACK");
        error
    });
    assert!(error.is_temporary() && error.message().contains("another load into the table"), "{error}");
    assert_eq!(numbers(&warehouse, "SELECT count(*) FROM events"), ["1"]);
    assert_eq!(staged(&warehouse), Vec::<String>::new());
    let report = loader.load(Source::bytes(records)).unwrap();
    assert_eq!((report.counts.loaded, report.counts.quarantined), (399, 1));
}

#[test]
fn more_refused_rows_than_are_searched_for_end_the_load_with_their_number_and_reason() {
    let warehouse = Warehouse::start();
    load(&warehouse, "zero", "{\"id\":0,\"j\":[\"short\"]}\n");
    warehouse.double.faults().inject(Fault::BadRows("poison".into()), 1);
    // The server is shown the first row, the middle one and the last one, and takes them: so it is the rows.
    let text = |id: u32| if id.is_multiple_of(60) { "short" } else { "poison" };
    let records: String = (0..121).map(|id| format!("{{\"id\":{id},\"j\":[\"{}\"]}}\n", text(id))).collect();
    let error = loader(&warehouse).load_id("one").load(Source::bytes(records)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let message = error.message();
    assert!(
        message.contains("more than 100 rows") && message.contains("101 of the first 101 as the first one: "),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("nothing was loaded") && !error.is_temporary());
    assert!(!format!("{error} {error:?}").contains("poison"), "a record's value is in the error");
    assert_eq!(numbers(&warehouse, "SELECT count(*) FROM events"), ["1"]);
    assert_eq!(staged(&warehouse), Vec::<String>::new());
}

#[test]
fn refused_rows_are_searched_for_as_far_as_they_may_be_quarantined() {
    let warehouse = Warehouse::start();
    load(&warehouse, "zero", "{\"id\":0,\"j\":[\"short\"]}\n");
    warehouse.double.faults().inject(Fault::BadRows("poison".into()), 1);
    let text = |id: u32| if id % 4 == 1 { "poison" } else { "short" };
    let records: String = (0..400).map(|id| format!("{{\"id\":{id},\"j\":[\"{}\"]}}\n", text(id))).collect();
    warehouse.double.statements();
    let limited = loader(&warehouse).max_quarantined(1).load_id("one");
    let error = limited.load(Source::bytes(records)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManyQuarantined, "{error}");
    let copies = warehouse.double.statements().iter().filter(|sql| sql.starts_with("COPY")).count();
    assert!(copies < 40, "two of a hundred rows are found by {copies} tries");
    assert_eq!(numbers(&warehouse, "SELECT count(*) FROM events"), ["1"]);
    assert_eq!(staged(&warehouse), Vec::<String>::new());
}

#[test]
fn staging_that_redshift_cannot_copy_from_is_refused_before_anything_is_said() {
    let warehouse = Warehouse::start();
    let folder = tempfile::tempdir().unwrap();
    for place in ["gs://lake/x".to_owned(), "az://lake/x".to_owned(), format!("file://{}", folder.path().display())] {
        let stage = StageOptions::new(&place).unwrap();
        let url = format!("{}?sslmode=disable", warehouse.double.url(&warehouse.database));
        let loader = Loader::redshift(url, RedshiftOptions::new(stage)).table("events");
        let error = loader.load(Source::bytes("{\"id\":1}\n")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{place}: {error}");
        assert!(error.hint().unwrap().contains("s3://"), "{error}");
    }
    assert_eq!(warehouse.double.statements(), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_object_store_that_stumbles_costs_time_and_nothing_else() {
    for (fault, times) in [
        (S3Fault::Refuse(Some(Operation::Put), 503, "SlowDown"), 2),
        (S3Fault::Refuse(None, 500, "InternalError"), 2),
        (S3Fault::CutUpload(10), 1),
    ] {
        let warehouse = Warehouse::start();
        warehouse.double.s3().faults().inject(fault.clone(), times);
        assert_eq!(load(&warehouse, "one", RECORDS).counts.loaded, 2, "{fault:?}");
        assert_eq!(staged(&warehouse), Vec::<String>::new(), "{fault:?}");
    }
}

#[test]
fn a_store_that_refuses_leaves_the_table_as_it_was() {
    let warehouse = Warehouse::start();
    load(&warehouse, "zero", "{\"id\":0}\n");
    warehouse.double.s3().faults().inject(S3Fault::Refuse(Some(Operation::Put), 403, "ExpiredToken"), 100);
    let error = loader(&warehouse).load_id("one").load(Source::bytes(RECORDS)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(!error.to_string().contains(SECRET_KEY));
    assert_eq!(numbers(&warehouse, "SELECT count(*) FROM events"), ["1"]);
}

#[test]
fn loads_into_one_table_at_once_are_all_there() {
    let warehouse = Warehouse::start();
    std::thread::scope(|scope| {
        for id in 0..4 {
            let warehouse = &warehouse;
            // The table may be made by another one meanwhile; then the same load is run again.
            scope.spawn(move || {
                for _ in 0..10 {
                    let records = format!("{{\"id\":{id}}}\n");
                    match loader(warehouse).load_id(format!("load {}", id / 2)).load(Source::bytes(records)) {
                        Ok(_) => return,
                        Err(error) => assert!(error.is_temporary(), "{error}"),
                    }
                }
                panic!("never loaded");
            });
        }
    });
    assert_eq!(numbers(&warehouse, "SELECT count(*) FROM events"), ["2"], "two ids, each loaded once");
    assert_eq!(numbers(&warehouse, "SELECT count(*) FROM _longshore_loads"), ["2"]);
}

#[test]
fn of_loads_at_once_that_are_to_make_the_table_one_does() {
    let warehouse = Warehouse::start();
    let load = |id: i32| {
        let loader = loader(&warehouse).mode(Mode::FailIfExists).load_id(format!("load {id}"));
        loader.load(Source::bytes(format!("{{\"id\":{id}}}\n")))
    };
    let done: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|id| {
                let load = &load;
                scope.spawn(move || load(id))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1);
    for error in done.into_iter().filter_map(Result::err) {
        assert!(error.kind() == ErrorKind::Conflict && error.message().ends_with("exists"), "{error}");
    }
    assert_eq!(numbers(&warehouse, "SELECT count(*) FROM events"), ["1"]);
}

/// The script of a load that is staged.
pub(crate) fn script(warehouse: &Warehouse, id: &str, mode: Mode, records: &str) -> String {
    let options = ScriptOptions::new(options(warehouse).stage);
    let loader = Loader::stage(options.clone()).table("events").load_id(id).mode(mode);
    loader.load(Source::bytes(records.to_owned())).unwrap();
    let staged = StageTarget::find(&options, "events", id).unwrap().expect("it is staged");
    String::from_utf8(warehouse.double.s3().store().read(&staged.script).unwrap()).unwrap()
}

/// A load that is staged for the table as it is: its script, and what is to be run before, if anything.
pub(crate) fn staged_for_live(warehouse: &Warehouse, id: &str, records: &str) -> (Option<String>, String) {
    let listed = warehouse.session().rows(&StageTarget::live_query("events").unwrap());
    let cell = |cell: Option<String>| cell.map(|text| format!("\"{}\"", text.replace('"', "\"\""))).unwrap_or_default();
    let row = |row: Vec<Option<String>>| row.into_iter().map(cell).collect::<Vec<_>>().join(",");
    let list: Vec<String> = listed.into_iter().map(row).collect();
    let list = format!("name,type,not_null,has_default,comment\n{}\n", list.join("\n"));
    let options = ScriptOptions::new(options(warehouse).stage).with_live(live_table(&Source::bytes(list)).unwrap());
    let loader = Loader::stage(options.clone()).table("events").load_id(id);
    loader.load(Source::bytes(records.to_owned())).unwrap();
    let staged = StageTarget::find(&options, "events", id).unwrap().expect("it is staged");
    let read = |url: &String| String::from_utf8(warehouse.double.s3().store().read(url).unwrap()).unwrap();
    (staged.changes.as_ref().map(read), read(&staged.script))
}

#[test]
fn what_a_table_lacks_is_a_script_of_its_own_and_without_it_nothing_is_loaded() {
    let warehouse = Warehouse::start();
    let first = script(&warehouse, "one", Mode::Append, "{\"id\":1,\"v\":\"a\"}\n");
    run(&mut warehouse.session(), &first).unwrap();

    let long = "x".repeat(700);
    let records = format!("{{\"id\":5000000000,\"v\":\"{long}\",\"w\":1.5}}\n{{\"id\":2,\"v\":null}}\n");
    let (changes, second) = staged_for_live(&warehouse, "two", &records);
    let changes = changes.expect("there is something to change");
    run(&mut warehouse.session(), &second).expect_err("the table lacks a column");
    assert_eq!(numbers(&warehouse, "SELECT id FROM events"), ["1"]);

    run(&mut warehouse.session(), &changes).unwrap();
    for _ in 0..2 {
        run(&mut warehouse.session(), &second).unwrap();
        let rows = numbers(&warehouse, "SELECT id, octet_length(v), w FROM events ORDER BY id");
        assert_eq!(rows, ["1 1 -", "2 - -", "5000000000 700 1.5"]);
    }
    run(&mut warehouse.session(), &changes).expect_err("the columns are there by now");
    assert_eq!(numbers(&warehouse, "SELECT count(*) FROM events"), ["3"]);

    let (changes, third) = staged_for_live(&warehouse, "three", &records);
    assert_eq!(changes, None, "the table has all that it takes");
    run(&mut warehouse.session(), &third).unwrap();
    assert_eq!(numbers(&warehouse, "SELECT count(*) FROM events"), ["5"]);
}

#[test]
fn a_script_for_a_table_that_would_change_its_values_loads_nothing() {
    let warehouse = Warehouse::start();
    let run = |script: &str| run(&mut warehouse.session(), script);
    // Two days are staged, each as if the table were missing.
    run(&script(&warehouse, "one", Mode::Append, "{\"n\":1,\"d\":1.25,\"s\":\"a\"}\n")).unwrap();
    let half = script(&warehouse, "two", Mode::Append, "{\"n\":1.5,\"d\":1.25,\"s\":\"a\"}\n");
    let error = run(&half).expect_err("an integer is no place for 1.5");
    assert!(error.contains("every_column_holds_its_values"), "{error}");
    let replace = script(&warehouse, "three", Mode::Replace, "{\"n\":1.5}\n");
    run(&replace).expect_err("the rows that are there must not go either");
    let merge = script(&warehouse, "four", Mode::Merge(MergeKeys::new(["d"])), "{\"n\":1.5,\"d\":1.25}\n");
    run(&merge).expect_err("nor may they be changed");
    let blanks = format!("{{\"s\":\"a{}\"}}\n", " ".repeat(300));
    run(&script(&warehouse, "five", Mode::Append, &blanks)).expect_err("blanks would be cut off");
    assert_eq!(numbers(&warehouse, "SELECT n, d, s FROM events"), ["1 1.25 a"]);
    assert_eq!(numbers(&warehouse, "SELECT count(*) FROM _longshore_loads"), ["1"]);

    // Wider values that the table has room for are no reason to refuse them.
    run(&script(&warehouse, "six", Mode::Append, "{\"n\":2,\"s\":\"twelve bytes\"}\n")).unwrap();
    let (changes, seven) = staged_for_live(&warehouse, "seven", "{\"n\":1.5}\n");
    run(&seven).expect_err("the changes were not made");
    run(&changes.expect("n is to be widened")).unwrap();
    run(&seven).unwrap();
    assert_eq!(numbers(&warehouse, "SELECT n FROM events ORDER BY n"), ["1", "1.5", "2"]);
}

/// Runs a script as a task would: statement by statement, up to the first error.
pub(crate) fn run(session: &mut Session, script: &str) -> Result<(), String> {
    let lines: Vec<&str> = script.lines().filter(|line| !line.starts_with("--")).collect();
    let text = lines.join("\n");
    text.split(";\n")
        .map(|sql| sql.trim_end_matches(';'))
        .filter(|sql| !sql.trim().is_empty())
        .try_for_each(|sql| session.try_rows(sql).map(drop).map_err(|error| format!("{error}: {sql}")))
}

#[test]
fn a_load_whose_last_answer_from_the_store_is_lost_is_staged_with_all_its_files() {
    for fault in [S3Fault::PutThenFail("staged.json", 500, "InternalError"), S3Fault::PutThenCut("staged.json")] {
        let warehouse = Warehouse::start();
        warehouse.double.s3().faults().inject(fault.clone(), 1);
        let sql = script(&warehouse, "one", Mode::Append, RECORDS);
        run(&mut warehouse.session(), &sql).unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(numbers(&warehouse, "SELECT id FROM events ORDER BY id"), ["1", "2"], "{fault:?}");
        assert_eq!(script(&warehouse, "one", Mode::Append, RECORDS), sql, "{fault:?}: it is staged once");
    }
}

#[test]
fn a_script_loads_once_however_often_it_is_run() {
    let warehouse = Warehouse::start();
    let records = "{\"k\":\"a\",\"v\":1,\"j\":[1]}\n{\"k\":\"b\",\"v\":2,\"j\":null}\nno record\n";
    let append = script(&warehouse, "one", Mode::Append, records);
    for _ in 0..2 {
        run(&mut warehouse.session(), &append).unwrap();
        assert_eq!(numbers(&warehouse, "SELECT k, v, json_typeof(j) FROM events ORDER BY k"), ["a 1 array", "b 2 -"]);
        assert_eq!(numbers(&warehouse, "SELECT read, loaded, quarantined FROM _longshore_loads"), ["3 2 1"]);
        assert_eq!(numbers(&warehouse, "SELECT line FROM _longshore_quarantine"), ["3"]);
    }
    let newer = "{\"k\":\"a\",\"v\":9,\"j\":[2]}\n{\"k\":\"a\",\"v\":8,\"j\":[3]}\n{\"k\":\"c\",\"v\":3,\"j\":[4]}\n";
    let merge = script(&warehouse, "two", Mode::Merge(MergeKeys::new(["k"])), newer);
    for _ in 0..2 {
        run(&mut warehouse.session(), &merge).unwrap();
        assert_eq!(numbers(&warehouse, "SELECT k, v FROM events ORDER BY k"), ["a 8", "b 2", "c 3"]);
        let counts = "SELECT read, loaded, deduplicated FROM _longshore_loads WHERE load_id = 'two'";
        assert_eq!(numbers(&warehouse, counts), ["3 2 1"]);
    }
    let replace = script(&warehouse, "three", Mode::Replace, "{\"k\":\"z\",\"v\":0,\"j\":[0]}\n");
    for _ in 0..2 {
        run(&mut warehouse.session(), &replace).unwrap();
        assert_eq!(numbers(&warehouse, "SELECT k FROM events"), ["z"]);
    }
}

#[test]
fn a_script_that_is_run_again_behind_a_newer_one_that_replaces_brings_nothing_back() {
    let warehouse = Warehouse::start();
    let run = |script: &str| run(&mut warehouse.session(), script).unwrap();
    let merge = Mode::Merge(MergeKeys::new(["k"]));
    for (nth, mode) in [Mode::Append, Mode::Replace, merge].into_iter().enumerate() {
        let old = script(&warehouse, &format!("old {nth}"), mode.clone(), "{\"k\":\"a\"}\nno record\n");
        let new = script(&warehouse, &format!("new {nth}"), Mode::Replace, "{\"k\":\"b\"}\n{\"k\":\"c\"}\n");
        run(&old);
        run(&new);
        let state = || {
            let ledger = "SELECT load_id, loaded, replaced_by FROM _longshore_loads ORDER BY load_id";
            let kept = "SELECT load_id, line FROM _longshore_quarantine ORDER BY load_id";
            [numbers(&warehouse, ledger), numbers(&warehouse, kept)]
        };
        let before = state();
        run(&old);
        assert_eq!(numbers(&warehouse, "SELECT k FROM events ORDER BY k"), ["b", "c"], "{mode:?}");
        assert_eq!(state(), before, "{mode:?}");
    }
}

/// A load into a folder, brought into the bucket: its two scripts.
fn in_a_folder(warehouse: &Warehouse, id: &str, records: &str) -> [String; 2] {
    let root = tempfile::tempdir().unwrap();
    let loader = Loader::new(format!("dir:{}", root.path().display())).table("events").load_id(id);
    loader.load(Source::bytes(records.to_owned())).unwrap();
    let folder = root.path().join("events").join(id);
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let placed = |name: &str| {
        let text = String::from_utf8(read(name)).unwrap();
        text.replace("s3://BUCKET/PREFIX", &format!("s3://{BUCKET}/folder"))
    };
    warehouse.put(&format!("folder/events/{id}/part-00000.parquet"), &read("part-00000.parquet"));
    warehouse.put(&format!("folder/events/{id}/manifest.redshift.json"), placed("manifest.redshift.json").as_bytes());
    ["create.redshift.sql", "load.redshift.sql"].map(placed)
}

#[test]
fn the_script_of_a_folder_loads_once_and_not_into_a_table_that_would_change_its_values() {
    let warehouse = Warehouse::start();
    let records = "{\"n\":1,\"s\":\"a\",\"j\":[{\"k\":1}],\"u\":\"00010203-0405-0607-0809-0a0b0c0d0e0f\",\"b\":true,\
                   \"t\":\"12:30:00\",\"d\":\"2024-05-01\",\"ts\":\"2024-05-01T10:00:00Z\",\"f\":0.5,\
                   \"x\":12345678901234567890}\n";
    let [create, first] = in_a_folder(&warehouse, "one", records);
    run(&mut warehouse.session(), &create).unwrap();
    for _ in 0..2 {
        run(&mut warehouse.session(), &first).unwrap();
        assert_eq!(numbers(&warehouse, "SELECT n, s, json_typeof(j), b, f FROM events"), ["1 a array t 0.5"]);
    }
    let [_, second] = in_a_folder(&warehouse, "two", "{\"n\":1.5}\n");
    let error = run(&mut warehouse.session(), &second).expect_err("an integer is no place for 1.5");
    assert!(error.contains("every_column_holds_its_values"), "{error}");
    assert_eq!(numbers(&warehouse, "SELECT n FROM events"), ["1"]);
}

#[test]
fn a_script_run_by_many_at_once_loads_once() {
    let warehouse = Warehouse::start();
    let first = script(&warehouse, "one", Mode::Append, "{\"k\":\"a\"}\n");
    run(&mut warehouse.session(), &first).unwrap();
    let second = script(&warehouse, "two", Mode::Append, "{\"k\":\"b\"}\n{\"k\":\"c\"}\n");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // A runner tries again; the server may have refused one of two that change the catalog at once.
                let outcome = (0..10).map(|_| run(&mut warehouse.session(), &second)).find(Result::is_ok);
                outcome.expect("the script runs").unwrap();
            });
        }
    });
    assert_eq!(numbers(&warehouse, "SELECT k FROM events ORDER BY k"), ["a", "b", "c"]);
    assert_eq!(numbers(&warehouse, "SELECT count(*) FROM _longshore_loads"), ["2"]);
}

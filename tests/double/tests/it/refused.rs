//! What the server refuses: rows that are at fault are told from everything else.

use longshore::load::{Mode, ScriptOptions, StageFormat};
use longshore::{ErrorKind, Loader, Source};
use longshore_redshift_double::Fault;
use postgres::{Client, NoTls};

use crate::support::{Warehouse, database_url};
use crate::target::{load, loader, numbers, options, run, script, staged};

#[test]
fn a_few_rows_are_not_blamed_for_what_is_not_theirs() {
    let refusals = [
        ("42501", "permission denied for relation events"),
        ("53100", "could not write: no space left on device"),
        ("57014", "Query cancelled on user's request"),
        ("XX000", "S3ServiceException:Access Denied,Status 403,Error AccessDenied"),
        ("XX000", "something that the guide has no words for"),
    ];
    for (code, message) in refusals {
        let warehouse = Warehouse::start();
        load(&warehouse, "zero", "{\"id\":0}\n");
        // The quarantine comes in as CSV, and would be taken.
        let containing = "FORMAT AS PARQUET".to_owned();
        let refuse = Fault::Refuse { containing, code: code.to_owned(), message: message.to_owned() };
        warehouse.double.faults().inject(refuse, 1000);
        let error = loader(&warehouse).load_id("one").load(Source::bytes("{\"id\":1}\n{\"id\":2}\n")).unwrap_err();
        assert!(error.kind() == ErrorKind::Database && error.message().contains(message), "{error}");
        assert_eq!(numbers(&warehouse, "SELECT id FROM events"), ["0"], "{message}");
        assert_eq!(numbers(&warehouse, "SELECT count(*) FROM _longshore_quarantine"), ["0"], "{message}");
        assert_eq!(numbers(&warehouse, "SELECT load_id FROM _longshore_loads"), ["zero"], "{message}");
        assert_eq!(staged(&warehouse), Vec::<String>::new());
    }
}

#[test]
fn a_few_rows_of_which_all_are_at_fault_are_quarantined() {
    let warehouse = Warehouse::start();
    load(&warehouse, "zero", "{\"s\":\"fine\"}\n");
    warehouse.double.faults().inject(Fault::BadRows("poison".into()), 1);
    let report = load(&warehouse, "one", "{\"s\":\"poison\"}\n{\"s\":\"poison\"}\n");
    assert_eq!((report.counts.loaded, report.counts.quarantined), (0, 2));
}

#[test]
fn the_reason_of_a_refused_row_is_its_own() {
    let warehouse = Warehouse::start();
    let mut options = options(&warehouse);
    options.stage = options.stage.with_format(StageFormat::Csv);
    let url = format!("{}?sslmode=disable", warehouse.double.url(&warehouse.database));
    let loader = Loader::redshift(url, options).table("events");
    loader.clone().load_id("zero").load(Source::bytes("{\"id\":0,\"s\":\"fine\"}\n")).unwrap();
    // One row is refused with a line in the log of load errors, and another one without.
    warehouse.double.faults().inject(Fault::BadRows("poison".into()), 1);
    let mut behind = Client::connect(&database_url(&warehouse.database), NoTls).unwrap();
    behind.batch_execute("ALTER TABLE events ADD CONSTRAINT no_seven CHECK (id <> 7)").unwrap();
    let text = |id: u32| if id == 3 { "poison" } else { "fine" };
    let records: String = (0..12).map(|id| format!("{{\"id\":{id},\"s\":\"{}\"}}\n", text(id))).collect();
    let report = loader.load_id("one").load(Source::bytes(records)).unwrap();
    let [logged, other] = report.first_quarantined.as_slice() else { panic!("{:?}", report.first_quarantined) };
    assert_eq!((logged.line, other.line), (4, 8));
    assert!(logged.reason.contains("a value that is refused (load error 1204)"), "{logged:?}");
    assert!(!other.reason.contains("load error") && other.reason.contains("no_seven"), "{other:?}");
}

#[test]
fn a_text_that_is_too_long_for_super_is_put_aside_before_anything_is_copied() {
    let warehouse = Warehouse::start();
    let wide = "x".repeat(70_000);
    let text = |id: u32| if id < 150 { wide.as_str() } else { "short" };
    let records: String = (0..160).map(|id| format!("{{\"id\":{id},\"j\":[\"{}\"]}}\n", text(id))).collect();
    // More than are searched for one by one.
    let report = load(&warehouse, "one", &records);
    assert_eq!((report.counts.loaded, report.counts.quarantined), (10, 150));
    let first = &report.first_quarantined[0];
    assert_eq!(first.path.as_deref(), Some("j"));
    assert!(first.reason.contains("a text of 70000 bytes inside of JSON"), "{first:?}");
    let copies = warehouse.double.statements().iter().filter(|sql| sql.starts_with("COPY ")).count();
    assert_eq!(copies, 2, "the rows and the quarantine, and no search");

    let sql = script(&warehouse, "two", Mode::Append, &records);
    run(&mut warehouse.session(), &sql).unwrap();
    assert_eq!(numbers(&warehouse, "SELECT count(*) FROM events"), ["20"]);
    assert_eq!(numbers(&warehouse, "SELECT quarantined FROM _longshore_loads"), ["150", "150"]);
}

#[test]
fn a_text_over_65535_bytes_goes_into_super_where_the_server_takes_it() {
    let warehouse = Warehouse::start();
    load(&warehouse, "zero", "{\"id\":0,\"j\":[\"short\"]}\n");
    warehouse.double.set_large_strings(true).unwrap();
    let records = format!("{{\"id\":1,\"j\":[\"{}\"]}}\n", "x".repeat(70_000));
    let report = load(&warehouse, "one", &records);
    assert_eq!((report.counts.loaded, report.counts.quarantined), (1, 0));
    let options = ScriptOptions::new(options(&warehouse).stage).with_large_strings(true);
    let staged = Loader::stage(options.clone()).table("events").load_id("two").load(Source::bytes(records)).unwrap();
    assert_eq!(staged.counts.quarantined, 0);
    let found = longshore::load::StageTarget::find(&options, "events", "two").unwrap().unwrap();
    let sql = String::from_utf8(warehouse.double.s3().store().read(&found.script).unwrap()).unwrap();
    run(&mut warehouse.session(), &sql).unwrap();
    let long = "SELECT count(*) FROM events WHERE octet_length(JSON_SERIALIZE(j)) > 70000";
    assert_eq!(numbers(&warehouse, long), ["2"]);
}

#[test]
fn of_equal_keys_in_one_object_the_last_is_kept() {
    let warehouse = Warehouse::start();
    let records = "{\"id\":1,\"j\":[{\"a\":1,\"a\":2}]}\n{\"id\":2,\"j\":[{\"a\":3}]}\n";
    let report = load(&warehouse, "one", records);
    assert_eq!((report.counts.loaded, report.counts.quarantined), (2, 0));
    run(&mut warehouse.session(), &script(&warehouse, "two", Mode::Append, records)).unwrap();
    let rows = numbers(&warehouse, "SELECT JSON_SERIALIZE(j) FROM events ORDER BY id");
    assert_eq!(rows, ["[{\"a\": 2}]", "[{\"a\": 2}]", "[{\"a\": 3}]", "[{\"a\": 3}]"]);
}

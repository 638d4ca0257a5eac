//! The object store: where files are, in which region, and what becomes of uploads.

use longshore::load::{Mode, StageFormat, StageOptions};
use longshore::{ErrorKind, Loader, Source};
use longshore_redshift_double::BUCKET;
use longshore_redshift_double::s3::{ACCESS_KEY, Operation, S3Fault, SECRET_KEY};

use crate::support::Warehouse;
use crate::target::{loader, numbers, options, run, script, staged};

const RECORDS: &str = "{\"id\":1,\"j\":[1]}\n{\"id\":2,\"j\":null}\n";

#[test]
fn files_in_a_bucket_of_another_region_are_staged_so_that_they_can_be_copied() {
    let warehouse = Warehouse::start();
    warehouse.double.s3().make_bucket("far", "eu-west-1").unwrap();
    let stage = StageOptions::new("s3://far/stage").unwrap().with_endpoint(warehouse.double.s3().endpoint());
    let mut options = options(&warehouse).with_copy_region("eu-west-1");
    options.stage = stage.with_access_key(ACCESS_KEY, SECRET_KEY, None);
    let url = format!("{}?sslmode=disable", warehouse.double.url(&warehouse.database));
    let connected = Loader::redshift(&url, options.clone()).table("events");
    assert_eq!(connected.load_id("one").load(Source::bytes(RECORDS)).unwrap().counts.loaded, 2);

    let scripted = longshore::load::ScriptOptions::new(options.stage.clone()).with_copy_region("eu-west-1");
    Loader::stage(scripted.clone()).table("events").load_id("two").load(Source::bytes(RECORDS)).unwrap();
    let found = longshore::load::StageTarget::find(&scripted, "events", "two").unwrap().unwrap();
    let sql = String::from_utf8(warehouse.double.s3().store().read(&found.script).unwrap()).unwrap();
    run(&mut warehouse.session(), &sql).unwrap();
    assert_eq!(numbers(&warehouse, "SELECT count(*) FROM events"), ["4"]);

    warehouse.double.statements();
    options.stage = options.stage.with_format(StageFormat::Parquet);
    let scripted = longshore::load::ScriptOptions::new(options.stage.clone()).with_copy_region("eu-west-1");
    for loader in [Loader::redshift(&url, options), Loader::stage(scripted)] {
        let error = loader.table("events").load_id("three").load(Source::bytes(RECORDS)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.hint().unwrap().contains("--stage-format csv"), "{error:?}");
    }
    assert_eq!(warehouse.double.statements(), Vec::<String>::new(), "it is said before the server is asked");
}

/// Records of so many bytes that can hardly be compressed.
fn random(bytes: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(DIGITS[(state >> 58) as usize])
    };
    let text = |_: usize| (0..60_000).map(|_| next()).collect::<String>();
    let texts: Vec<String> = (0..bytes.div_ceil(60_000)).map(text).collect();
    texts.iter().enumerate().map(|(id, text)| format!("{{\"id\":{id},\"s\":\"{text}\"}}\n")).collect()
}

#[test]
fn an_upload_whose_end_is_answered_by_an_error_is_there_once_and_none_is_left_unfinished() {
    let records = random(16 << 20);
    let rows = records.lines().count().to_string();
    for fault in [S3Fault::CompleteThenFail, S3Fault::CompleteThenErrorBody] {
        let warehouse = Warehouse::start();
        let s3 = warehouse.double.s3();
        s3.faults().inject(fault.clone(), 1);
        let mut options = options(&warehouse);
        options.stage = options.stage.with_slices(1).with_chunk_bytes(5 << 20);
        let url = format!("{}?sslmode=disable", warehouse.double.url(&warehouse.database));
        let loader = Loader::redshift(url, options).table("events").load_id("one");
        // What a pipeline does behind an error: the same once more.
        let tried = (0..3).map(|_| loader.load(Source::bytes(records.clone()))).find(Result::is_ok);
        assert!(!tried.expect("it loads").unwrap().already_loaded, "{fault:?}");
        assert_eq!(s3.faults().fired(), std::slice::from_ref(&fault));
        let parts = s3.faults().requests().iter().filter(|request| **request == Operation::Part).count();
        assert!(parts >= 3, "{parts} parts of an upload");
        assert_eq!(numbers(&warehouse, "SELECT count(*), count(DISTINCT id) FROM events"), [format!("{rows} {rows}")]);
        assert_eq!(staged(&warehouse), Vec::<String>::new(), "{fault:?}");
        assert_eq!(s3.unfinished().unwrap(), Vec::<String>::new(), "{fault:?}");
    }
}

#[test]
fn nothing_depends_on_what_the_store_lists() {
    let warehouse = Warehouse::start();
    let faults = warehouse.double.s3().faults();
    faults.every(1, S3Fault::EmptyList);
    for id in ["one", "two"] {
        assert_eq!(loader(&warehouse).load_id(id).load(Source::bytes(RECORDS)).unwrap().counts.loaded, 2);
    }
    let sql = script(&warehouse, "three", Mode::Append, RECORDS);
    run(&mut warehouse.session(), &sql).unwrap();
    assert!(!faults.fired().is_empty(), "lists were asked for in {BUCKET}");
    assert_eq!(numbers(&warehouse, "SELECT count(*) FROM events"), ["6"]);
}

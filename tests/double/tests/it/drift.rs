//! The drift stream through the double: whatever goes wrong on the way, the table ends as the oracle says.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use longshore::plan::path_of_comment;
use longshore::{LoadReport, Source};
use longshore_redshift_double::Fault;
use longshore_redshift_double::s3::{Operation, S3Fault};
use postgres::Client;
use serde_json::Value;

use crate::conformance::Warehouse;
use crate::places::Redshift;

/// What goes wrong at a warehouse whatever the batch does to the table.
pub(crate) const FAULTS: [Fault; 8] = [
    Fault::SerializationFailure,
    Fault::CutInCopy,
    Fault::CutAfterCopy,
    Fault::CutBeforeCommit,
    Fault::CutAfterCommit,
    Fault::MissingObject,
    Fault::OverwrittenObject,
    Fault::DuplicateEntry,
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/drift").join(name)
}

/// The lines of the stream of 20,000 records, in batches as bytes.
fn batches(lines: usize) -> Vec<Vec<u8>> {
    let file = std::fs::File::open(fixture("drift-seed1-20000.ndjson.gz")).unwrap();
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    let all: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    all.chunks(lines).map(<[&[u8]]>::concat).collect()
}

fn oracle() -> Value {
    serde_json::from_slice(&std::fs::read(fixture("drift-seed1-20000.oracle.json")).unwrap()).unwrap()
}

/// Loads one batch, again and again as a pipeline would, until it is loaded.
pub(crate) fn load(place: &Redshift, nth: usize, bytes: &[u8]) -> LoadReport {
    let mut tries = 0;
    loop {
        let loader = place.loader("s.drift").load_id(format!("drift-{nth}"));
        match loader.load(Source::bytes(bytes.to_vec())) {
            Ok(report) => return report,
            Err(error) => {
                tries += 1;
                assert!(tries < 6, "batch {nth}: {error:?}");
            }
        }
    }
}

/// Holds every count and every sum against the oracle, read from the server behind the double.
pub(crate) fn check(client: &mut Client, oracle: &Value) {
    client.batch_execute("SET TimeZone = 'UTC'").unwrap();
    let mut value = |sql: &str| -> String {
        let row = client.query_one(sql, &[]).unwrap_or_else(|error| panic!("{error:?}: {sql}"));
        row.get::<_, Option<String>>(0).unwrap_or_default()
    };
    let number = |name: &str| oracle[name].to_string();
    assert_eq!(value("SELECT count(*)::text FROM s.drift"), number("loaded"));
    assert_eq!(value("SELECT (count(*) - count(DISTINCT seq))::text FROM s.drift"), repeats(oracle));
    assert_eq!(value("SELECT count(*)::text FROM s._longshore_quarantine"), number("quarantined"));
    assert_eq!(value("SELECT sum(loaded)::text FROM s._longshore_loads"), number("loaded"));
    let columns = columns(client);
    for (field, expected) in oracle["columns"].as_object().unwrap() {
        let (filled, sum) = measure(&columns, field, expected["type"].as_str().unwrap());
        let sql = format!("SELECT ({filled})::text, trim_scale(({sum})::numeric)::text FROM s.drift");
        let row = client.query_one(&sql, &[]).unwrap_or_else(|error| panic!("{field}: {error:?}: {sql}"));
        assert_eq!(row.get::<_, String>(0), expected["non_null"].to_string(), "{field}: values");
        assert_eq!(row.get::<_, String>(1), expected["sum"].as_str().unwrap(), "{field}: sum");
    }
}

/// Lines that stand twice in the stream; both are records.
fn repeats(oracle: &Value) -> String {
    (oracle["lines"].as_u64().unwrap() - oracle["N"].as_u64().unwrap()).to_string()
}

/// The columns by their source paths.
fn columns(client: &mut Client) -> BTreeMap<String, String> {
    let sql = "SELECT redshift_double.shown(attname), col_description(attrelid, attnum) FROM pg_attribute \
               WHERE attrelid = 's.drift'::regclass AND attnum > 0 AND NOT attisdropped";
    let rows = client.query(sql, &[]).unwrap();
    let column = |row: &postgres::Row| {
        let path = path_of_comment(row.get::<_, Option<&str>>(1)?)?;
        Some((path.to_string(), format!("\"{}\"", row.get::<_, String>(0).replace('"', "\"\""))))
    };
    rows.iter().filter_map(column).collect()
}

/// The number of values and their sum, as SQL for the server behind the double.
fn measure(columns: &BTreeMap<String, String>, field: &str, ty: &str) -> (String, String) {
    let column = |path: &str| columns.get(path).cloned();
    if field == "f7" {
        let x = column("f7.x").expect("objects are taken apart");
        return (format!("count({x})"), format!("sum({x})"));
    }
    if field == "rare" {
        // A number here and an object there: one column, or two.
        let (mut filled, mut sum) = ("0".to_owned(), "0".to_owned());
        for name in ["rare", "rare.z"].into_iter().filter_map(column) {
            let json = format!("to_jsonb({name})");
            filled += &format!(" + count({name})");
            sum += &format!(" + coalesce(sum(coalesce(({json}->>'z')::numeric, ({json}#>>'{{}}')::numeric)), 0)");
        }
        return (filled, sum);
    }
    let path = longshore::Path::new([field]).to_string();
    let c = column(&path).unwrap_or_else(|| panic!("there is no column for {path}: {columns:?}"));
    let sum = match ty {
        "int64" | "decimal(20,0)" => format!("sum({c}::numeric)"),
        "float64" => format!("sum({c} * 8)"),
        "boolean" => format!("count(*) FILTER (WHERE {c})"),
        "text" | "uuid" => format!("sum(('x' || left(md5({c}::text), 8))::bit(32)::bigint)"),
        "date" => format!("sum({c} - date '1970-01-01')"),
        "timestamp" | "timestamptz" => format!("sum(extract(epoch FROM {c}))"),
        "json" => format!("sum((SELECT sum(item::numeric) FROM jsonb_array_elements_text({c}::jsonb) AS item))"),
        other => panic!("the oracle has a type that this test does not know: {other}"),
    };
    (format!("count({c})"), sum)
}

#[test]
fn the_drift_stream_ends_as_the_oracle_says() {
    let place = Redshift::start();
    for (nth, bytes) in batches(2500).iter().enumerate() {
        assert!(!load(&place, nth, bytes).already_loaded);
    }
    check(&mut place.behind(), &oracle());
    for (nth, bytes) in batches(2500).iter().enumerate() {
        assert!(load(&place, nth, bytes).already_loaded, "a replay adds nothing");
    }
    check(&mut place.behind(), &oracle());
}

#[test]
fn the_drift_stream_ends_the_same_when_the_warehouse_fails() {
    let place = Redshift::start();
    let refuse = |containing: &str, code: &str, message: &str| Fault::Refuse {
        containing: containing.to_owned(),
        code: code.to_owned(),
        message: message.to_owned(),
    };
    let mut faults = FAULTS.to_vec();
    faults.extend([
        Fault::RivalAddsColumn,
        refuse("ADD COLUMN", "42701", "column already exists"),
        refuse("LOCK", "40P01", "deadlock detected"),
        refuse("COPY", "57014", "Query cancelled on user's request"),
    ]);
    for (nth, bytes) in batches(1600).iter().enumerate() {
        place.warehouse.double.faults().inject(faults[nth % faults.len()].clone(), 1);
        load(&place, nth, bytes);
    }
    assert!(place.warehouse.double.faults().clear() <= 2, "nearly every fault happened");
    check(&mut place.behind(), &oracle());
}

#[test]
fn the_drift_stream_ends_the_same_when_the_object_store_fails() {
    let place = Redshift::start();
    let faults = place.warehouse.double.s3().faults();
    let each = [
        S3Fault::Refuse(None, 500, "InternalError"),
        S3Fault::Refuse(None, 503, "SlowDown"),
        S3Fault::Refuse(Some(Operation::Put), 429, "TooManyRequests"),
        S3Fault::CutUpload(1000),
        S3Fault::EmptyList,
        S3Fault::Refuse(None, 400, "ExpiredToken"),
        S3Fault::Refuse(Some(Operation::Put), 400, "BadDigest"),
        S3Fault::Refuse(None, 403, "RequestTimeTooSkewed"),
    ];
    for (nth, bytes) in batches(2000).iter().enumerate() {
        let fault = &each[nth % each.len()];
        faults.inject(fault.clone(), 2);
        load(&place, nth, bytes);
        faults.clear();
        assert!(faults.fired().contains(fault), "batch {nth}: {fault:?} did not happen");
    }
    check(&mut place.behind(), &oracle());
}

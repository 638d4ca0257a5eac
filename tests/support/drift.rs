//! The drift stream, and what a table must hold after it.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use longshore::plan::path_of_comment;
use postgres::Client;
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/drift").join(name)
}

/// The stream's 20,031 lines, each with its line end.
pub(crate) fn lines() -> Vec<Vec<u8>> {
    let file = std::fs::File::open(fixture("drift-seed1-20000.ndjson.gz")).unwrap();
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    let lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    assert_eq!(lines.len(), 20_031);
    lines
}

/// The lines in batches: bytes, and the number of the last line, from 1.
pub(crate) fn batches(lines: &[Vec<u8>], size: usize) -> Vec<(Vec<u8>, u64)> {
    lines.chunks(size).enumerate().map(|(i, lines)| (lines.concat(), (i * size + lines.len()) as u64)).collect()
}

/// Name and type of the column of each source path.
pub(crate) fn columns(client: &mut Client, table: &str) -> BTreeMap<String, (String, String)> {
    let sql = "SELECT attname::text, format_type(atttypid, atttypmod), col_description(attrelid, attnum) \
               FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped";
    let rows = client.query(sql, &[&table]).unwrap();
    let column = |row: &postgres::Row| {
        let path = path_of_comment(row.get(2)).expect("every column keeps its path");
        (path.to_string(), (row.get(0), row.get(1)))
    };
    rows.iter().map(column).collect()
}

/// Only the types.
pub(crate) fn types(client: &mut Client, table: &str) -> BTreeMap<String, String> {
    columns(client, table).into_iter().map(|(path, (_, ty))| (path, ty)).collect()
}

/// Holds a table and its quarantine against the oracle: every count, every sum, every type. `times` is how often the
/// stream was loaded.
pub(crate) fn check(client: &mut Client, table: &str, times: u64) {
    check_against(client, table, times, &fixture("drift-seed1-20000.oracle.json"));
}

/// The same with another stream's oracle.
pub(crate) fn check_against(client: &mut Client, table: &str, times: u64, oracle: &std::path::Path) {
    let oracle: Value = serde_json::from_slice(&std::fs::read(oracle).unwrap()).unwrap();
    client.batch_execute("SET TimeZone = 'UTC'").unwrap();
    let expected = |name: &str| (oracle[name].as_u64().unwrap() * times) as i64;
    let rows: i64 = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).unwrap().get(0);
    assert_eq!(rows, expected("loaded"), "rows");
    let sql = "SELECT count(*), coalesce(sum(loaded), 0)::bigint, coalesce(sum(quarantined), 0)::bigint, \
               (SELECT count(*) FROM _longshore_quarantine) FROM _longshore_loads";
    let ledger = client.query_one(sql, &[]).unwrap();
    assert_eq!((ledger.get::<_, i64>(1), ledger.get::<_, i64>(2)), (expected("loaded"), expected("quarantined")));
    assert_eq!(ledger.get::<_, i64>(3), expected("quarantined"), "quarantined");

    let columns = columns(client, table);
    for (field, expected) in oracle["columns"].as_object().unwrap() {
        let ty = expected["type"].as_str().unwrap();
        let (filled, sum) = measure(&columns, field, ty);
        let sql = format!("SELECT ({filled})::text, trim_scale(({sum})::numeric)::text FROM {table}");
        let row = client.query_one(&sql, &[]).unwrap_or_else(|error| panic!("{field}: {error}: {sql}"));
        let non_null = expected["non_null"].as_u64().unwrap() * times;
        assert_eq!(row.get::<_, String>(0), non_null.to_string(), "{field}: values");
        let once: i128 = expected["sum"].as_str().unwrap().parse().unwrap();
        assert_eq!(row.get::<_, String>(1), (once * i128::from(times)).to_string(), "{field}: sum");
    }
}

/// The number of values and their sum, as SQL; the column's type is checked on the way.
fn measure(columns: &BTreeMap<String, (String, String)>, field: &str, ty: &str) -> (String, String) {
    let quoted = |path: &str| columns.get(path).map(|(name, ty)| (format!("\"{}\"", name.replace('"', "\"\"")), ty));
    match field {
        "f7" => {
            let (x, _) = quoted("f7.x").expect("objects are taken apart");
            return (format!("count({x})"), format!("sum({x})"));
        }
        // A field may be a number here and an object there: one column, or two.
        "rare" => {
            let (mut filled, mut sum) = ("0".to_owned(), "0".to_owned());
            for path in ["rare", "rare.z"] {
                let Some((name, ty)) = quoted(path) else { continue };
                let number = match ty.as_str() {
                    "jsonb" => format!("coalesce(({name}->>'z')::numeric, ({name}#>>'{{}}')::numeric)"),
                    _ => name.clone(),
                };
                filled += &format!(" + count({name})");
                sum += &format!(" + coalesce(sum({number}), 0)");
            }
            return (filled, sum);
        }
        _ => {}
    }
    let path = longshore::Path::new([field]).to_string();
    let (c, have) = quoted(&path).unwrap_or_else(|| panic!("there is no column for {path}: {columns:?}"));
    let (sum, expected): (String, &[&str]) = match ty {
        "int64" => (format!("sum({c}::numeric)"), &["smallint", "integer", "bigint"]),
        "decimal(20,0)" => (format!("sum({c}::numeric)"), &["numeric(20,0)"]),
        "float64" => (format!("sum({c} * 8)"), &["double precision"]),
        "boolean" => (format!("count(*) FILTER (WHERE {c})"), &["boolean"]),
        "text" => (format!("sum(('x' || left(md5({c}), 8))::bit(32)::bigint)"), &["text"]),
        "uuid" => (format!("sum(('x' || left(md5({c}::text), 8))::bit(32)::bigint)"), &["uuid"]),
        "date" => (format!("sum({c} - date '1970-01-01')"), &["date"]),
        "timestamp" => (format!("sum(extract(epoch FROM {c}))"), &["timestamp without time zone"]),
        "timestamptz" => (format!("sum(extract(epoch FROM {c}))"), &["timestamp with time zone"]),
        "json" => {
            let items = format!("SELECT sum(item::numeric) FROM jsonb_array_elements_text({c}) AS item");
            (format!("sum(({items}))"), &["jsonb"])
        }
        other => panic!("the oracle has a type that this test does not know: {other}"),
    };
    assert!(expected.contains(&have.as_str()), "{field}: the column is {have}, and should be {expected:?}");
    (format!("count({c})"), sum)
}

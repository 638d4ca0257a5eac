//! Every value that goes into Postgres comes back as it was, as an independent reader has it.
#![cfg(feature = "postgres")]

#[path = "support/same.rs"]
mod same;

use std::io::Read;
use std::path::{Path, PathBuf};

use longshore::load::{TempCluster, TempOptions};
use longshore::{LoadReport, Loader, Source};
use postgres::{Client, NoTls, SimpleQueryMessage};
use serde_json::Value;

/// The shared test data, where it is at hand.
fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("LONGSHORE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    Some(folder.join("data")).filter(|data| data.is_dir())
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let fits = |path: &PathBuf| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending));
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file() && fits(path)).collect();
    files.sort();
    files
}

fn bytes(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).to_vec();
    }
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
    plain
}

struct Server {
    cluster: TempCluster,
    client: Client,
    tables: usize,
}

impl Server {
    fn start() -> Self {
        let cluster = TempCluster::start(TempOptions::for_tests())
            .expect("these tests need PostgreSQL's server programs (apt-get install postgresql)");
        let client = Client::connect(cluster.url(), NoTls).unwrap();
        Server { cluster, client, tables: 0 }
    }

    fn load(&mut self, path: &Path) -> LoadReport {
        self.tables += 1;
        let table = format!("t{}", self.tables);
        let loader = Loader::new(self.cluster.url()).table(&table);
        loader.load(Source::path(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The table's rows as Postgres prints them, in the order in which they went in.
    fn rows(&mut self, report: &LoadReport) -> Vec<Vec<Option<String>>> {
        if report.schema.columns.is_empty() {
            return Vec::new();
        }
        let names: Vec<String> =
            report.schema.columns.iter().map(|column| format!("\"{}\"", column.name.replace('"', "\"\""))).collect();
        let query = format!("SET timezone = 'UTC'; SELECT {} FROM {} ORDER BY ctid", names.join(", "), report.table);
        let messages = self.client.simple_query(&query).unwrap();
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|i| row.get(i).map(str::to_string)).collect()),
            _ => None,
        };
        messages.into_iter().filter_map(row).collect()
    }
}

/// What an independent reader finds in newline-delimited JSON: the objects, and how many lines are none.
fn json_records(text: &[u8]) -> (Vec<Value>, u64) {
    let (mut records, mut bad) = (Vec::new(), 0);
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        match serde_json::from_slice::<Value>(line) {
            Ok(value) if value.is_object() => records.push(value),
            _ => bad += 1,
        }
    }
    (records, bad)
}

fn check_json(server: &mut Server, path: &Path) -> usize {
    let (records, bad) = json_records(&bytes(path));
    let report = server.load(path);
    let name = path.display();
    assert_eq!((report.counts.loaded, report.counts.quarantined), (records.len() as u64, bad), "{name}");
    let mut values = 0;
    let rows = server.rows(&report);
    assert_eq!(rows.len(), records.len(), "{name}");
    for (i, (record, row)) in records.iter().zip(rows).enumerate() {
        for (column, found) in report.schema.columns.iter().zip(row) {
            let source =
                column.path.keys().iter().try_fold(record, |value, key| value.get(key)).unwrap_or(&Value::Null);
            let same = same::same_json(column.ty, source, found.as_deref());
            assert!(same, "{name}: record {i}, `{}` ({}): {source} became {found:?}", column.path, column.ty);
            values += usize::from(!source.is_null());
        }
        let known = |leaf: &[String]| report.schema.columns.iter().any(|column| leaf.starts_with(column.path.keys()));
        leaves(record, &mut Vec::new(), &mut |leaf| assert!(known(leaf), "{name}: record {i}, {leaf:?} has no column"));
    }
    values
}

/// Calls `see` with the path of every scalar and array that is not null.
fn leaves(value: &Value, path: &mut Vec<String>, see: &mut impl FnMut(&[String])) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                path.push(key.clone());
                leaves(value, path, see);
                path.pop();
            }
        }
        Value::Null => {}
        _ => see(path),
    }
}

fn check_csv(server: &mut Server, path: &Path) -> usize {
    let text = bytes(path);
    let delimiter = if path.extension().is_some_and(|ending| ending == "tsv") { b'\t' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_slice());
    let header = reader.byte_headers().unwrap().clone();
    let rows: Vec<csv::ByteRecord> = reader.byte_records().map(Result::unwrap).collect();
    let good = |row: &csv::ByteRecord| row.len() == header.len() && std::str::from_utf8(row.as_slice()).is_ok();
    let (good, bad): (Vec<_>, Vec<_>) = rows.into_iter().partition(good);
    let report = server.load(path);
    let name = path.display();
    assert_eq!((report.counts.loaded, report.counts.quarantined), (good.len() as u64, bad.len() as u64), "{name}");
    assert_eq!(report.schema.columns.len(), header.len(), "{name}");
    let mut values = 0;
    let rows = server.rows(&report);
    assert_eq!(rows.len(), good.len(), "{name}");
    for (i, (cells, row)) in good.iter().zip(rows).enumerate() {
        for ((column, found), cell) in report.schema.columns.iter().zip(row).zip(cells) {
            let cell = std::str::from_utf8(cell).unwrap();
            let same = same::same_cell(column.ty, cell, found.as_deref());
            assert!(same, "{name}: row {i}, `{}` ({}): {cell:?} became {found:?}", column.path, column.ty);
            values += usize::from(!cell.is_empty());
        }
    }
    values
}

#[test]
fn every_json_value_read_back_from_postgres_equals_the_source() {
    let mut server = Server::start();
    let mut paths = vec![fixtures().join("orders.ndjson"), fixtures().join("drift/drift-seed1-20000.ndjson.gz")];
    if let Some(data) = shared() {
        for folder in ["ndjson", "ndjson/singer"] {
            paths.extend(files(&data.join(folder), &[".ndjson", ".jsonl", ".ndjson.gz"]));
        }
    }
    let values: usize = paths.iter().map(|path| check_json(&mut server, path)).sum();
    println!("{values} values of {} files compared", paths.len());
    assert!(values > 250_000, "only {values} values were compared");
}

#[test]
fn every_csv_cell_read_back_from_postgres_equals_the_source() {
    let mut server = Server::start();
    let mut paths = vec![fixtures().join("stations.csv")];
    if let Some(data) = shared() {
        for folder in ["csv-real", "csv-spectrum"] {
            paths.extend(files(&data.join(folder), &[".csv", ".tsv"]));
        }
    }
    let values: usize = paths.iter().map(|path| check_csv(&mut server, path)).sum();
    println!("{values} cells of {} files compared", paths.len());
    assert!(values > 1_500, "only {values} cells were compared");
}

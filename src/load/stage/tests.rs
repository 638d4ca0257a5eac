//! Staging into a folder, with the files read back.

use std::fs::File;
use std::path::Path as FilePath;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::files::ROW_COLUMN;
use super::*;
use crate::plan::Dialect;
use crate::schema::Column;

fn schema() -> Schema {
    let column = |name: &str, ty| Column::new(crate::path::Path::new([name]), name, ty);
    Schema { columns: vec![column("n", Type::Int32), column("s", Type::Text)], ..Schema::default() }
}

fn batch(range: std::ops::Range<i32>) -> RecordBatch {
    // Texts that do not compress, so that files have a size.
    let text = |n: i32| (n % 7 != 0).then(|| blake3::hash(&n.to_le_bytes()).to_hex().to_string());
    let texts: StringArray = range.clone().map(text).collect();
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(range));
    RecordBatch::try_from_iter_with_nullable([("n", numbers, true), ("s", Arc::new(texts) as ArrayRef, true)]).unwrap()
}

fn open(options: &StageOptions, schema: &Schema, records: Option<u64>, numbered: bool) -> Stager {
    let table = TableName::parse("shop.orders", Dialect::Redshift).unwrap();
    let sources = ["in.ndjson".to_owned()];
    let text_bytes = vec![None; schema.columns.len()];
    let request = StageRequest {
        table: &table,
        load_id: "one",
        schema,
        sources: &sources,
        records,
        slices: Some(3),
        numbered,
        text_bytes,
        other_region: None,
        large_strings: false,
    };
    Stager::open(options, &request).unwrap()
}

fn options(root: &FilePath) -> StageOptions {
    StageOptions::new(format!("file://{}", root.display())).unwrap()
}

fn read(url: &str) -> Vec<RecordBatch> {
    let file = File::open(url.strip_prefix("file://").unwrap()).unwrap();
    ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().map(Result::unwrap).collect()
}

/// Every file below a folder.
fn tree(folder: &FilePath) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => names.extend(tree(&path)),
            false => names.push(path.display().to_string()),
        }
    }
    names.sort();
    names
}

fn misfit() -> Misfit {
    let (raw, reason) = (b"{\"n\":\"x\"}".to_vec(), "expected int32, found text".to_owned());
    Misfit { source: 0, line: 4, byte: 30, path: Some("n".into()), reason, raw, raw_len: 9 }
}

#[test]
fn files_are_a_multiple_of_the_slices_and_hold_every_row_in_order() {
    let root = tempfile::tempdir().unwrap();
    let records = 200_000;
    let mut stager = open(&options(root.path()), &schema(), Some(records), false);
    for start in (0..records as i32).step_by(5000) {
        stager.write(&batch(start..start + 5000)).unwrap();
    }
    let staged = stager.finish().unwrap();
    assert_eq!((staged.rows, staged.files.len(), staged.format), (records, 3, StageFormat::Parquet));
    let sizes: Vec<u64> = staged.files.iter().map(|file| file.bytes).collect();
    let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
    assert!(*least > 1 << 20 && most - least < most / 10, "{sizes:?}");
    let mut next = 0;
    for file in &staged.files {
        let mut rows = 0;
        for batch in read(&file.url) {
            rows += batch.num_rows() as u64;
            for n in batch.column(0).as_primitive::<Int32Type>().values() {
                assert_eq!(*n, next);
                next += 1;
            }
        }
        assert_eq!(rows, file.rows);
    }
    assert_eq!(next as u64, records);
}

#[test]
fn a_manifest_names_every_file_once_in_its_exact_size() {
    let root = tempfile::tempdir().unwrap();
    let mut stager = open(&options(root.path()), &schema(), None, false);
    stager.write(&batch(0..100)).unwrap();
    stager.quarantine(&misfit(), None).unwrap();
    let staged = stager.finish().unwrap();
    for manifest in [staged.manifest.as_ref().unwrap(), staged.quarantine_manifest.as_ref().unwrap()] {
        let text = std::fs::read(manifest.strip_prefix("file://").unwrap()).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let entries = manifest["entries"].as_array().unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0]["mandatory"], true);
        let path = entries[0]["url"].as_str().unwrap().strip_prefix("file://").unwrap();
        assert_eq!(entries[0]["meta"]["content_length"], std::fs::metadata(path).unwrap().len());
    }
    stager.verify(&staged).unwrap();
    std::fs::write(staged.files[0].url.strip_prefix("file://").unwrap(), "changed").unwrap();
    let error = stager.verify(&staged).unwrap_err();
    assert!(error.message().contains("was changed") && error.is_temporary(), "{error}");
}

#[test]
fn what_is_given_up_leaves_nothing_in_the_store() {
    let root = tempfile::tempdir().unwrap();
    let options = options(root.path()).with_chunk_bytes(5 << 20);
    {
        let mut stager = open(&options, &schema(), None, false);
        // More than a chunk, so that an upload in parts is under way.
        for start in (0..300_000).step_by(10_000) {
            stager.write(&batch(start..start + 10_000)).unwrap();
        }
        stager.quarantine(&misfit(), None).unwrap();
    }
    assert_eq!(tree(root.path()), Vec::<String>::new());
    let mut stager = open(&options, &schema(), None, false);
    stager.write(&batch(0..10)).unwrap();
    stager.finish().unwrap();
    drop(stager);
    assert_eq!(tree(root.path()), Vec::<String>::new());
}

#[test]
fn of_two_attempts_one_wins_and_takes_the_others_files_away() {
    let root = tempfile::tempdir().unwrap();
    let stage = || {
        let mut stager = open(&options(root.path()), &schema(), None, false);
        stager.write(&batch(0..10)).unwrap();
        stager.finish().unwrap();
        stager
    };
    let (mut first, mut second, mut crashed) = (stage(), stage(), stage());
    crashed.keep();
    let staged = |stager: &Stager| format!("{{\"script\":\"{}/load.sql\"}}", stager.url()).into_bytes();
    let (won, lost) = (staged(&first), staged(&second));
    assert!(first.win("staged.json", won.clone()).unwrap());
    assert!(first.win("staged.json", won.clone()).unwrap(), "a request that was sent again meets its own object");
    assert!(!second.win("staged.json", lost).unwrap());
    drop(second);
    first.clean_up(false, &[]);
    first.keep();
    let own = first.folder.clone();
    drop(first);
    let left = tree(root.path());
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(left.iter().all(|path| path.contains(&own) || path.ends_with("/one/staged.json")), "{left:?}");
    let table = TableName::parse("shop.orders", Dialect::Redshift).unwrap();
    assert_eq!(super::read(&options(root.path()), &table, "one", "staged.json").unwrap().unwrap(), won);
    assert_eq!(super::read(&options(root.path()), &table, "two", "staged.json").unwrap(), None);
}

#[test]
fn rows_are_numbered_where_their_order_matters() {
    let root = tempfile::tempdir().unwrap();
    let mut stager = open(&options(root.path()), &schema(), None, true);
    stager.write(&batch(5..8)).unwrap();
    stager.write(&batch(8..9)).unwrap();
    let staged = stager.finish().unwrap();
    let rows = read(&staged.files[0].url);
    let numbers: Vec<i64> =
        rows.iter().flat_map(|rows| rows.column(2).as_primitive::<Int64Type>().values().to_vec()).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
    assert_eq!(rows[0].schema().field(2).name(), ROW_COLUMN);
}

#[test]
fn the_column_of_the_numbers_has_a_name_of_its_own() {
    let column = |name: &str| Column::new(crate::path::Path::new([name]), name, Type::Text);
    let of = |names: &[&str]| {
        row_column(&Schema { columns: names.iter().map(|name| column(name)).collect(), ..Schema::default() })
    };
    assert_eq!(of(&["id"]), ROW_COLUMN);
    assert_eq!(of(&["_LONGSHORE_ROW", "_longshore_row__"]), "_longshore_row_");
    assert_eq!(of(&["_longshore_row_", "_longshore_row"]), "_longshore_row__");
    let root = tempfile::tempdir().unwrap();
    let mut schema = schema();
    schema.columns[1].name = ROW_COLUMN.to_owned();
    let mut stager = open(&options(root.path()), &schema, None, true);
    stager.write(&batch(5..8)).unwrap();
    let rows = read(&stager.finish().unwrap().files[0].url);
    let names: Vec<_> = rows[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["n", ROW_COLUMN, "_longshore_row_"]);
}

#[test]
fn csv_is_chosen_for_json_that_no_text_column_holds() {
    let mut schema = schema();
    schema.columns[1].ty = Type::Json;
    assert_eq!(format::choose(StageFormat::Auto, &schema, None), StageFormat::Parquet);
    schema.columns[1].max_bytes = Some(65_536);
    assert_eq!(format::choose(StageFormat::Auto, &schema, None), StageFormat::Csv);
    let root = tempfile::tempdir().unwrap();
    let mut stager = open(&options(root.path()), &schema, None, false);
    stager.write(&batch(6..8)).unwrap();
    let staged = stager.finish().unwrap();
    assert!(staged.files[0].url.ends_with(".csv.gz"));
    let file = File::open(staged.files[0].url.strip_prefix("file://").unwrap()).unwrap();
    let text = std::io::read_to_string(flate2::read::GzDecoder::new(file)).unwrap();
    let six = blake3::hash(&6_i32.to_le_bytes()).to_hex();
    assert_eq!(text, format!("6,\"{six}\"\n7,{}\n", NULL_MARKER));
}

#[test]
fn a_store_that_is_not_there_is_told_without_secrets() {
    let options = StageOptions::new("s3://lake/x").unwrap().with_endpoint("http://127.0.0.1:1");
    let options = options.with_access_key("id", "hunter2", None);
    let store = Store::open(&options).unwrap();
    // One try would do; the store's own retries make this the slowest test of the file.
    let error = failed_put(&store);
    assert_eq!(error.kind(), ErrorKind::Io);
}

fn failed_put(store: &Store) -> Error {
    let refused = object_store::Error::Generic {
        store: "S3",
        source: "status 503 for https://x/?X-Amz-Signature=hunter2".into(),
    };
    let error = super::store::failed("writing", &store.url(&store.path("a")), &refused);
    assert_eq!(error.message(), "writing s3://lake/x/a: the store answered with status 503");
    error
}

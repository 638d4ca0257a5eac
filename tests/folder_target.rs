//! What the folder target promises, with the parts read back.
#![cfg(feature = "parquet")]

#[cfg(all(unix, feature = "postgres"))]
mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::*;
use longshore::batch::Misfit;
use longshore::load::{Begun, Counts, Encode, FolderTarget, LoadRequest, Mode, Target};
use longshore::schema::TimeUnit;
use longshore::{Column, ErrorKind, Loader, Path, ReadOptions, Sample, Schema, Source, Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Type as Physical;

fn schema(columns: &[(&str, Type)]) -> Schema {
    let columns = columns.iter().map(|(name, ty)| Column::new(Path::new([*name]), *name, *ty)).collect();
    Schema { columns, ..Schema::default() }
}

fn request(table: &str, load_id: &str) -> LoadRequest {
    LoadRequest {
        table: table.into(),
        load_id: load_id.into(),
        mode: Mode::Append,
        sources: vec!["in.ndjson".into()],
        formats: Vec::new(),
        content_hash: "00ff".into(),
        bytes: 99,
        max_quarantined: None,
        isolate_rows: false,
    }
}

fn begin(target: &mut FolderTarget, schema: &Schema, request: &LoadRequest) -> (Schema, Box<dyn Encode>) {
    match target.begin(schema, request).unwrap() {
        Begun::Open { schema, encoder } => (schema, encoder),
        Begun::AlreadyLoaded(counts) => panic!("already loaded: {counts:?}"),
    }
}

fn numbers(range: std::ops::Range<i32>) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int32Array::from_iter_values(range));
    RecordBatch::try_from_iter_with_nullable([("n", column, true)]).unwrap()
}

fn load(root: &FilePath, request: &LoadRequest, range: std::ops::Range<i32>) -> longshore::Result<Counts> {
    let mut target = FolderTarget::new(root);
    let read = range.len() as u64;
    match target.begin(&schema(&[("n", Type::Int32)]), request)? {
        Begun::AlreadyLoaded(counts) => return Ok(counts),
        Begun::Open { encoder, .. } => target.write(encoder.encode(&numbers(range))?)?,
    }
    target.commit(read)
}

fn parts(folder: &FilePath) -> Vec<PathBuf> {
    let mut parts: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    parts.retain(|path| path.extension().is_some_and(|extension| extension == "parquet"));
    parts.sort();
    parts
}

fn read(folder: &FilePath) -> Vec<RecordBatch> {
    let open = |path: &PathBuf| ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    parts(folder).iter().flat_map(|path| open(path).build().unwrap()).map(Result::unwrap).collect()
}

fn json(path: PathBuf) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Every file below a folder, with its content.
fn tree(folder: &FilePath) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(tree(&path)),
            false => drop(files.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
    files
}

#[test]
fn every_type_reads_back_from_the_parts_as_it_was_written() {
    let root = tempfile::tempdir().unwrap();
    let wanted = [
        ("b", Type::Boolean),
        ("i", Type::Int64),
        ("small", Type::Decimal { precision: 9, scale: 2 }),
        ("large", Type::Decimal { precision: 38, scale: 10 }),
        ("f", Type::Float64),
        ("d", Type::Date),
        ("t", Type::Time),
        ("ts", Type::Timestamp(TimeUnit::Micro)),
        ("tz", Type::TimestampTz(TimeUnit::Micro)),
        ("u", Type::Uuid),
        ("s", Type::Text),
        ("j", Type::Json),
        ("nanos", Type::Timestamp(TimeUnit::Nano)),
    ];
    let mut target = FolderTarget::new(root.path()).with_url_prefix("s3://lake/raw/");
    let (fitted, encoder) = begin(&mut target, &schema(&wanted), &request("s.all_types", "one"));
    assert_eq!(fitted.columns[12].ty, Type::Text, "no warehouse holds nanoseconds");
    let decimal = |v: i128, p, s| Decimal128Array::from(vec![Some(v), None]).with_precision_and_scale(p, s).unwrap();
    let ids = [Some((0_u8..16).collect::<Vec<_>>()), None].into_iter();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(vec![Some(true), None])),
        Arc::new(Int64Array::from(vec![Some(i64::MIN), None])),
        Arc::new(decimal(-12345, 9, 2)),
        Arc::new(decimal(10_i128.pow(38) - 1, 38, 10)),
        Arc::new(Float64Array::from(vec![Some(-0.0), None])),
        Arc::new(Date32Array::from(vec![Some(-719_162), None])),
        Arc::new(Time64MicrosecondArray::from(vec![Some(86_399_999_999), None])),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None])),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None]).with_timezone("UTC")),
        Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(ids, 16).unwrap()),
        Arc::new(StringArray::from(vec![Some("é"), None])),
        Arc::new(StringArray::from(vec![Some("[1]"), None])),
        Arc::new(StringArray::from(vec![Some("2024-01-01T00:00:00.000000001"), None])),
    ];
    let names = wanted.iter().map(|(name, _)| *name);
    let batch = RecordBatch::try_from_iter_with_nullable(names.zip(columns.clone()).map(|(n, c)| (n, c, true)));
    target.write(encoder.encode(&batch.unwrap()).unwrap()).unwrap();
    assert_eq!(target.commit(2).unwrap(), Counts { read: 2, loaded: 2, quarantined: 0, deduplicated: 0 });

    let folder = root.path().join("s.all_types/one");
    let back = &read(&folder)[0];
    for (i, column) in columns.iter().enumerate() {
        match wanted[i].1 {
            Type::Uuid => {
                assert_eq!(back.column(i).as_string::<i32>().value(0), "00010203-0405-0607-0809-0a0b0c0d0e0f")
            }
            Type::Time => assert_eq!(back.column(i).as_string::<i32>().value(0), "23:59:59.999999"),
            _ => assert_eq!(back.column(i), column, "{}", wanted[i].0),
        }
        assert!(back.column(i).is_null(1));
    }
    let file = ParquetRecordBatchReaderBuilder::try_new(File::open(&parts(&folder)[0]).unwrap()).unwrap();
    for i in [2, 3] {
        let column = file.parquet_schema().column(i);
        assert_eq!(column.physical_type(), Physical::FIXED_LEN_BYTE_ARRAY, "the form that Redshift is known to read");
    }

    let manifest = json(folder.join("manifest.json"));
    let redshift = json(folder.join("manifest.redshift.json"));
    let size = fs::metadata(&parts(&folder)[0]).unwrap().len();
    let hash = blake3::hash(&fs::read(&parts(&folder)[0]).unwrap()).to_hex().to_string();
    assert_eq!(
        manifest["parts"][0],
        serde_json::json!({"file": "part-00000.parquet", "rows": 2, "bytes": size, "blake3": hash})
    );
    assert_eq!(manifest["columns"][3]["type"], "decimal(38,10)");
    let url = "s3://lake/raw/s.all_types/one/part-00000.parquet";
    let entry = serde_json::json!({"url": url, "mandatory": true, "meta": {"content_length": size}});
    assert_eq!(redshift, serde_json::json!({"entries": [entry]}));
    let script = fs::read_to_string(folder.join("load.redshift.sql")).unwrap();
    for part in [
        "FROM 's3://lake/raw/s.all_types/one/manifest.redshift.json' IAM_ROLE default FORMAT AS PARQUET MANIFEST;",
        "\"j\" VARCHAR(3)",
        "JSON_PARSE(\"j\")",
        "CAST(\"t\" AS TIME)",
        "count(*) = 2 ",
        "SET json_parse_dedup_attributes TO true;",
        "LOCK \"s\".\"all_types\";",
    ] {
        assert!(script.contains(part), "{part} in\n{script}");
    }
    assert!(fs::read_to_string(folder.join("create.redshift.sql")).unwrap().contains("\"j\" SUPER"));
    assert!(fs::read_to_string(folder.join("create.postgres.sql")).unwrap().contains("\"j\" jsonb"));
    let postgres = fs::read_to_string(folder.join("load.postgres.sql")).unwrap();
    let checked = "(column_name = 'small' AND (data_type LIKE 'DECIMAL%' AND numeric_scale >= 2))";
    assert!(postgres.contains("CAST(\"u\" AS UUID)") && postgres.contains(checked), "{postgres}");
}

#[test]
fn the_same_load_id_is_loaded_once() {
    let root = tempfile::tempdir().unwrap();
    let first = load(root.path(), &request("t", "a"), 0..5).unwrap();
    let before = tree(root.path());
    assert_eq!(load(root.path(), &request("t", "a"), 0..5).unwrap(), first);
    assert_eq!(tree(root.path()), before);
    load(root.path(), &request("t", "b"), 0..7).unwrap();
    load(root.path(), &request("other", "a"), 0..9).unwrap();
    let rows = |folder: &str| read(&root.path().join(folder)).iter().map(RecordBatch::num_rows).sum::<usize>();
    assert_eq!([rows("t/a"), rows("t/b"), rows("other/a")], [5, 7, 9]);
}

#[test]
fn what_is_not_committed_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let empty = |why: &str| assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "{why}");
    let open = |limit| {
        let mut target = FolderTarget::new(root.path());
        let mut request = request("t", "a");
        request.max_quarantined = limit;
        let (_, encoder) = begin(&mut target, &schema(&[("n", Type::Int32)]), &request);
        target.write(encoder.encode(&numbers(0..5)).unwrap()).unwrap();
        target
    };
    drop(open(None));
    empty("a drop");
    let error = open(None).commit(6).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConserved);
    empty("a wrong count");
    let mut target = open(Some(0));
    assert_eq!(target.quarantine(misfit(1, b"x")).unwrap_err().kind(), ErrorKind::TooManyQuarantined);
    assert!(target.commit(6).is_err());
    empty("too many misfits");
}

#[test]
fn what_a_crash_left_behind_is_put_right_by_the_next_load() {
    let root = tempfile::tempdir().unwrap();
    load(root.path(), &request("t", "a"), 0..5).unwrap();
    load(root.path(), &request("t", "b"), 0..5).unwrap();
    let table = root.path().join("t");
    fs::create_dir(table.join(".unfinished-c")).unwrap();
    fs::write(table.join(".unfinished-c/part-00000.parquet"), "half").unwrap();
    // `b` replaced `a`, but died before it removed it; `d` died before its rename.
    fs::write(table.join(".replaces-b"), "[\"a\"]").unwrap();
    fs::write(table.join(".replaces-d"), "[\"b\"]").unwrap();
    load(root.path(), &request("t", "e"), 0..5).unwrap();
    let mut left: Vec<_> = fs::read_dir(&table).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["b", "e"]);
}

#[test]
fn replacing_removes_the_other_loads_of_the_table() {
    let root = tempfile::tempdir().unwrap();
    load(root.path(), &request("t", "a"), 0..5).unwrap();
    load(root.path(), &request("other", "a"), 0..5).unwrap();
    let mut replace = request("t", "b");
    replace.mode = Mode::Replace;
    load(root.path(), &replace, 0..7).unwrap();
    let left: Vec<_> = fs::read_dir(root.path().join("t")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["b"]);
    assert!(root.path().join("other/a").exists());
    let mut fail = request("t", "c");
    fail.mode = Mode::FailIfExists;
    assert_eq!(load(root.path(), &fail, 0..1).unwrap_err().kind(), ErrorKind::Conflict);
    fail.table = "fresh".into();
    load(root.path(), &fail, 0..1).unwrap();
}

fn misfit(line: u64, raw: &[u8]) -> Misfit {
    let (source, reason, path) = (0, "expected int32, found text".into(), Some("n".into()));
    Misfit { source, line, byte: 10 * line, path, reason, raw: raw.to_vec(), raw_len: raw.len() as u64 }
}

#[test]
fn quarantined_records_are_kept_as_they_came_and_only_for_this_user() {
    let root = tempfile::tempdir().unwrap();
    let mut target = FolderTarget::new(root.path());
    begin(&mut target, &schema(&[("n", Type::Int32)]), &request("t", "a"));
    target.quarantine(misfit(3, b"{\"n\":\n\"x\"}")).unwrap();
    target.quarantine(misfit(9, b"\xff\xfe")).unwrap();
    assert_eq!(target.commit(2).unwrap(), Counts { read: 2, loaded: 0, quarantined: 2, deduplicated: 0 });
    let path = root.path().join("t/a/quarantine.ndjson");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["source"], &lines[0]["line"]), (&"in.ndjson".into(), &3.into()));
    assert_eq!(lines[0]["raw"], "{\"n\":\n\"x\"}");
    assert_eq!(lines[1]["raw_base64"], "//4=");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(parts(&root.path().join("t/a")).is_empty());
}

#[test]
fn parts_end_at_their_size_and_lose_no_row() {
    let root = tempfile::tempdir().unwrap();
    let mut target = FolderTarget::new(root.path()).with_part_bytes(20_000).with_row_group_rows(1000);
    let (_, encoder) = begin(&mut target, &schema(&[("n", Type::Int32)]), &request("t", "a"));
    for i in 0..20 {
        target.write(encoder.encode(&numbers(i * 1500..(i + 1) * 1500)).unwrap()).unwrap();
    }
    target.commit(30_000).unwrap();
    let folder = root.path().join("t/a");
    assert!(parts(&folder).len() > 1);
    let values: Vec<i32> = read(&folder)
        .iter()
        .flat_map(|batch| batch.column(0).as_primitive::<types::Int32Type>().values().to_vec())
        .collect();
    assert_eq!(values, (0..30_000).collect::<Vec<_>>());
    let manifest = json(folder.join("manifest.json"));
    let rows = manifest["parts"].as_array().unwrap().iter().map(|part| part["rows"].as_u64().unwrap());
    assert_eq!(rows.sum::<u64>(), 30_000);
}

#[test]
fn records_without_any_field_are_counted() {
    let root = tempfile::tempdir().unwrap();
    let mut target = FolderTarget::new(root.path());
    let (_, encoder) = begin(&mut target, &Schema::default(), &request("t", "a"));
    let options = RecordBatchOptions::new().with_row_count(Some(3));
    let batch = RecordBatch::try_new_with_options(Arc::new(arrow_schema::Schema::empty()), vec![], &options).unwrap();
    target.write(encoder.encode(&batch).unwrap()).unwrap();
    assert_eq!(target.commit(3).unwrap().loaded, 3);
    assert_eq!(json(root.path().join("t/a/manifest.json"))["loaded"], 3);
}

#[test]
fn the_scripts_have_room_for_texts_that_a_sample_did_not_show() {
    let root = tempfile::tempdir().unwrap();
    let short = "{\"s\":\"abc\"}\n".repeat(200);
    let input = format!("{short}{{\"s\":\"{}\"}}\n", "x".repeat(9000));
    let loader = Loader::new(format!("dir:{}", root.path().display())).table("t").load_id("a");
    let loader = loader.read(ReadOptions::default().sample(Sample::Rows(100)));
    assert_eq!(loader.load(Source::bytes(input)).unwrap().counts.loaded, 201);
    let read = |name: &str| fs::read_to_string(root.path().join("t/a").join(name)).unwrap();
    let create = read("create.redshift.sql");
    let width: u32 = create.split("VARCHAR(").nth(1).and_then(|rest| rest.split(')').next()?.parse().ok()).unwrap();
    assert!(width >= 9000, "{create}");
    assert!(read("load.redshift.sql").contains(">= 9000"), "the guard knows the longest text");
}

#[test]
fn a_table_too_wide_for_a_warehouse_is_still_good_for_other_readers() {
    let root = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..1601).map(|i| format!("c{i}")).collect();
    let wide = schema(&names.iter().map(|name| (name.as_str(), Type::Int32)).collect::<Vec<_>>());
    let mut target = FolderTarget::new(root.path());
    let (_, encoder) = begin(&mut target, &wide, &request("t", "a"));
    let column = || Arc::new(Int32Array::from(vec![1])) as ArrayRef;
    let batch = RecordBatch::try_from_iter(names.iter().map(|name| (name, column()))).unwrap();
    target.write(encoder.encode(&batch).unwrap()).unwrap();
    target.commit(1).unwrap();
    let script = fs::read_to_string(root.path().join("t/a/load.redshift.sql")).unwrap();
    assert!(script.starts_with("-- This warehouse cannot have the table: "), "{script}");
}

#[test]
fn hostile_names_stay_inside_the_folder() {
    let root = tempfile::tempdir().unwrap();
    let inner = root.path().join("inner");
    for (table, id) in [("\"../../x\"", "../../y"), ("\"..\"", "/etc/passwd"), ("\"a/b\"", "'; DROP TABLE t; --\n")] {
        load(&inner, &request(table, id), 0..3).unwrap();
        assert_eq!(load(&inner, &request(table, id), 0..3).unwrap().loaded, 3);
    }
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(&inner).unwrap().count(), 3);
    for (path, content) in tree(&inner) {
        if path.ends_with("load.redshift.sql") {
            let text = String::from_utf8(content).unwrap();
            assert!(!text.contains("-- '; DROP") && !text.contains(" '; DROP TABLE"), "{text}");
        }
    }
}

#[test]
fn a_second_load_into_a_table_waits_for_the_first() {
    let root = tempfile::tempdir().unwrap();
    let mut first = FolderTarget::new(root.path());
    let (_, encoder) = begin(&mut first, &schema(&[("n", Type::Int32)]), &request("t", "a"));
    first.write(encoder.encode(&numbers(0..5)).unwrap()).unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| load(root.path(), &request("t", "a"), 0..5));
        std::thread::sleep(std::time::Duration::from_millis(200));
        first.commit(5).unwrap();
        drop(first);
        assert_eq!(second.join().unwrap().unwrap().loaded, 5);
    });
}

/// Postgres stands in for Redshift here: what differs (COPY, the clock's name, the lock's reach) is replaced.
#[cfg(all(unix, feature = "postgres"))]
#[test]
fn the_redshift_script_adds_its_rows_once_however_often_it_is_run() {
    let root = tempfile::tempdir().unwrap();
    let (_, mut client) = support::database();
    let columns = schema(&[("n", Type::Int32)]);
    let script = |id: &str, mode, range: std::ops::Range<i32>| {
        let mut request = request("public.t", id);
        request.mode = mode;
        load(root.path(), &request, range.clone()).unwrap();
        let text = fs::read_to_string(root.path().join("public.t").join(id).join("load.redshift.sql")).unwrap();
        let text = text.replace("GETDATE()", "now()");
        let lines = text.lines().map(|line| match line.strip_prefix("COPY ") {
            Some(rest) => {
                let staging = rest.split(' ').next().unwrap();
                format!("INSERT INTO {staging} SELECT generate_series({}, {});", range.start, range.end - 1)
            }
            None => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let create = longshore::Plan::create(&columns, longshore::Dialect::Postgres, "public.t").unwrap();
    client.batch_execute(&create.to_string()).unwrap();
    let append = script("a", Mode::Append, 0..5);
    let replace = script("b", Mode::Replace, 10..13);
    let wrong = append.replace("count(*) = 5", "count(*) = 6").replace("'a'", "'c'");
    assert!(client.batch_execute(&wrong).is_err(), "a part that is not whole is noticed");
    client.batch_execute("ROLLBACK").unwrap();
    for _ in 0..2 {
        client.batch_execute(&append).unwrap();
        assert_eq!(support::count(&mut client, "t"), 5);
    }
    for _ in 0..2 {
        client.batch_execute(&replace).unwrap();
        assert_eq!(support::count(&mut client, "t WHERE n >= 10"), 3);
        assert_eq!(support::count(&mut client, "t"), 3);
    }
    // The rows of `a` were replaced, and whoever runs its script once more does not want them back.
    client.batch_execute(&append).unwrap();
    assert_eq!(support::count(&mut client, "t"), 3);
    let later = script("d", Mode::Append, 20..21);
    client.batch_execute("ALTER TABLE public.t ALTER n TYPE real").unwrap();
    client.batch_execute(&later).expect_err("the column would round");
    client.batch_execute("ROLLBACK; ALTER TABLE public.t ALTER n TYPE bigint").unwrap();
    client.batch_execute(&later).unwrap();
    assert_eq!(support::count(&mut client, "t"), 4);
}

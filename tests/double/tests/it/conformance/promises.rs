//! What longshore promises of every warehouse.

use longshore::load::{MergeKeys, Mode};
use longshore::{ErrorKind, Source};

use super::{Row, Warehouse, load};

fn row(values: &[&str]) -> Row {
    values.iter().map(|value| Some((*value).to_owned())).collect()
}

/// Hard values of every type, and each as the warehouse prints it.
pub(crate) fn every_value_comes_back(warehouse: &mut dyn Warehouse) {
    let table = warehouse.table("every_value");
    let records = concat!(
        r#"{"n":1,"i":-9223372036854775808,"d":18446744073709551616,"f":1e-7,"b":true,"s":"é 日本 😀 \\ ' \" \t \n","#,
        r#""day":"2024-02-29","ts":"2024-02-29T23:59:59.999999","tz":"2024-02-29T23:59:59.5+02:00","t":"12:30:00.25","#,
        r#""u":"123e4567-e89b-12d3-a456-426614174000","j":[1,{"a":"b"}],"o":{"x":"y"}}"#,
        "\n",
        r#"{"n":2,"i":9223372036854775807,"d":0,"f":123456.75,"b":false,"s":"\\N","day":"0001-01-01","ts":"1969-12-31T00:00:00","#,
        r#""tz":"1970-01-01T00:00:00Z","t":"00:00:00","u":"00000000-0000-0000-0000-000000000000","j":[],"o":{"x":""}}"#,
        "\n",
        r#"{"n":3,"s":""}"#,
        "\n",
    );
    let report = load(&*warehouse, &table, "every-value", records).expect("a good load");
    assert_eq!((report.counts.loaded, report.counts.quarantined), (3, 0));
    let columns = ["i", "d", "b", "s", "day", "ts", "tz", "t", "u", "o_x"].map(|name| format!("\"{name}\"")).join(", ");
    let rows = warehouse.rows(&format!("SELECT {columns} FROM {table} ORDER BY n"));
    let first = [
        "-9223372036854775808",
        "18446744073709551616",
        "t",
        "é 日本 😀 \\ ' \" \t \n",
        "2024-02-29",
        "2024-02-29 23:59:59.999999",
        "2024-02-29 21:59:59.5+00",
        "12:30:00.25",
        "123e4567-e89b-12d3-a456-426614174000",
        "y",
    ];
    let second = [
        "9223372036854775807",
        "0",
        "f",
        "\\N",
        "0001-01-01",
        "1969-12-31 00:00:00",
        "1970-01-01 00:00:00+00",
        "00:00:00",
        "00000000-0000-0000-0000-000000000000",
        "",
    ];
    assert_eq!(rows[0], row(&first));
    assert_eq!(rows[1], row(&second));
    let third: Row = (0..10).map(|at| (at == 3).then(String::new)).collect();
    assert_eq!(rows[2], third, "an empty text and no value are not the same");
    let floats = warehouse.value(&format!("SELECT count(*) FROM {table} WHERE f = 0.0000001 OR f = 123456.75"));
    assert_eq!(floats, "2");
    let json = warehouse.json("j");
    let json = warehouse.rows(&format!("SELECT {json} FROM {table} ORDER BY n"));
    let json: Vec<Option<String>> =
        json.into_iter().map(|row| row[0].as_ref().map(|text| text.replace(' ', ""))).collect();
    assert_eq!(json, [Some("[1,{\"a\":\"b\"}]".into()), Some("[]".into()), None]);
}

pub(crate) fn read_is_loaded_and_quarantined(warehouse: &mut dyn Warehouse) {
    let table = warehouse.table("conserved");
    let good: String = (0..500).map(|i| format!("{{\"id\":{i}}}\n")).collect();
    let report = load(&*warehouse, &table, "conserved", &format!("{good}no record\n{{\"id\":\n[1]\n")).expect("a load");
    let counts = report.counts;
    assert_eq!((counts.read, counts.loaded, counts.quarantined), (503, 500, 3));
    assert_eq!(warehouse.count(&table), 500);
    assert_eq!(warehouse.value(&format!("SELECT sum(id) FROM {table}")), "124750");
    let ledger = warehouse.table("_longshore_loads");
    let kept = warehouse.rows(&format!(
        "SELECT CAST(read AS VARCHAR(20)), CAST(loaded AS VARCHAR(20)), CAST(quarantined AS VARCHAR(20)) FROM {ledger} WHERE load_id = 'conserved'"
    ));
    assert_eq!(kept, [row(&["503", "500", "3"])]);
}

pub(crate) fn a_load_is_made_once(warehouse: &mut dyn Warehouse) {
    let table = warehouse.table("once");
    for again in [false, true, true] {
        let report = load(&*warehouse, &table, "once", "{\"a\":1}\n{\"a\":2}\n").expect("a load");
        assert_eq!((report.already_loaded, report.counts.loaded), (again, 2));
        assert_eq!(warehouse.count(&table), 2);
    }
}

pub(crate) fn the_same_bytes_are_the_same_load(warehouse: &mut dyn Warehouse) {
    let table = warehouse.table("same_bytes");
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["a.ndjson", "b.ndjson"] {
        let path = folder.path().join(name);
        std::fs::write(&path, "{\"a\":1}\n").expect("a file");
        warehouse.loader(&table).load(Source::path(&path)).expect("a load");
    }
    assert_eq!(warehouse.count(&table), 1);
}

pub(crate) fn a_quarantined_record_keeps_its_bytes_and_place(warehouse: &mut dyn Warehouse) {
    let table = warehouse.table("kept");
    load(&*warehouse, &table, "kept", "{\"a\":1}\n{\"a\": broken é }\n").expect("a load");
    let quarantine = warehouse.table("_longshore_quarantine");
    let kept = warehouse.rows(&format!("SELECT line, byte FROM {quarantine} WHERE load_id = 'kept'"));
    assert_eq!(kept, [row(&["2", "8"])]);
}

pub(crate) fn a_table_grows_with_its_data(warehouse: &mut dyn Warehouse) {
    let table = warehouse.table("grows");
    let batches = [
        "{\"id\":1,\"v\":\"short\",\"n\":1}\n".to_owned(),
        "{\"id\":2,\"v\":\"a text that is longer than what the first load has made room for\",\"n\":3000000000}\n"
            .to_owned(),
        "{\"id\":3,\"new\":true,\"n\":\"words\"}\n{\"id\":4,\"V\":\"x\"}\n".to_owned(),
    ];
    for (at, records) in batches.iter().enumerate() {
        let report = load(&*warehouse, &table, &format!("grows-{at}"), records).expect("a load");
        assert_eq!(report.counts.quarantined, 0, "{:?}", report.first_quarantined);
    }
    let rows = warehouse.rows(&format!("SELECT CAST(n AS VARCHAR(40)) FROM {table} ORDER BY id"));
    let n: Vec<Option<&str>> = rows.iter().map(|row| row[0].as_deref()).collect();
    assert_eq!(n, [Some("1"), Some("3000000000"), Some("words"), None], "old values are as they were");
    assert_eq!(warehouse.value(&format!("SELECT count(*) FROM {table} WHERE \"new\"")), "1");
    assert_eq!(warehouse.value(&format!("SELECT max(octet_length(v)) FROM {table}")), "64");
}

pub(crate) fn replace_leaves_the_new_rows_alone(warehouse: &mut dyn Warehouse) {
    let table = warehouse.table("replaced");
    load(&*warehouse, &table, "old", "{\"a\":1}\n{\"a\":2}\n").expect("a load");
    let replace = |warehouse: &dyn Warehouse| {
        let loader = warehouse.loader(&table).load_id("new").mode(Mode::Replace);
        loader.load(Source::bytes("{\"a\":3}\n")).expect("a load")
    };
    assert!(!replace(&*warehouse).already_loaded);
    assert!(replace(&*warehouse).already_loaded);
    assert_eq!(warehouse.rows(&format!("SELECT a FROM {table}")), [row(&["3"])]);
}

pub(crate) fn a_merge_leaves_one_row_a_key(warehouse: &mut dyn Warehouse) {
    let table = warehouse.table("merged");
    let merge = |id: &str, records: &str, warehouse: &dyn Warehouse| {
        let loader = warehouse.loader(&table).load_id(id).mode(Mode::Merge(MergeKeys::new(["k"])));
        loader.load(Source::bytes(records)).expect("a load").counts
    };
    let counts = merge("m1", "{\"k\":\"a\",\"v\":1}\n{\"k\":\"b\",\"v\":2}\n{\"k\":\"a\",\"v\":3}\n", &*warehouse);
    assert_eq!((counts.read, counts.loaded, counts.deduplicated), (3, 2, 1));
    merge("m2", "{\"k\":\"a\",\"v\":9}\n{\"k\":\"c\",\"v\":5}\n", &*warehouse);
    let rows = warehouse.rows(&format!("SELECT k, v FROM {table} ORDER BY k"));
    assert_eq!(rows, [row(&["a", "9"]), row(&["b", "2"]), row(&["c", "5"])]);
}

pub(crate) fn names_and_values_are_never_sql(warehouse: &mut dyn Warehouse) {
    let bystander = warehouse.table("bystander");
    load(&*warehouse, &bystander, "by", "{\"a\":1}\n").expect("a load");
    let table = warehouse.table("hostile");
    let drop = format!("\\\"; DROP TABLE {bystander}; --");
    let value = format!("\\\\'; DROP TABLE {bystander}; -- \\\\.\\n\\\\N\\tx'' \\u0001");
    let records =
        format!("{{\"{drop}\":\"{value}\",\"select\":1,\"tag\":2,\"ctid\":3,\"Tag\":4,\"{}\":5}}\n", "x".repeat(300));
    let report = load(&*warehouse, &table, &format!("'); DROP TABLE {bystander}; --"), &records).expect("a load");
    assert_eq!(report.counts.loaded, 1);
    assert_eq!(warehouse.count(&bystander), 1);
    let name = &report.schema.columns[0].name;
    let stored = warehouse.value(&format!("SELECT \"{}\" FROM {table}", name.replace('"', "\"\"")));
    assert_eq!(stored, format!("\\'; DROP TABLE {bystander}; -- \\.\n\\N\tx'' \u{1}"));
    assert_eq!(report.schema.columns.len(), 6, "no two fields became one column");
}

pub(crate) fn a_limit_on_the_quarantine_rolls_back(warehouse: &mut dyn Warehouse) {
    let table = warehouse.table("limited");
    load(&*warehouse, &table, "first", "{\"a\":1}\n").expect("a load");
    let loader = warehouse.loader(&table).load_id("second").max_quarantined(1);
    let error = loader.load(Source::bytes("{\"a\":2}\nx\ny\n")).expect_err("two are too many");
    assert_eq!(error.kind(), ErrorKind::TooManyQuarantined);
    assert_eq!(warehouse.count(&table), 1);
    let quarantine = warehouse.table("_longshore_quarantine");
    assert_eq!(warehouse.value(&format!("SELECT count(*) FROM {quarantine} WHERE load_id = 'second'")), "0");
}

pub(crate) fn two_loaders_under_one_id_load_once(warehouse: &mut dyn Warehouse) {
    let table = warehouse.table("rivals");
    load(&*warehouse, &table, "before", "{\"a\":0}\n").expect("a load");
    let records: String = (0..200).map(|i| format!("{{\"a\":{i}}}\n")).collect();
    let loaders: Vec<_> = (0..3).map(|_| warehouse.loader(&table).load_id("rival")).collect();
    std::thread::scope(|scope| {
        for loader in &loaders {
            let records = records.clone();
            scope.spawn(move || loader.load(Source::bytes(records)).expect("one loads, the others find it loaded"));
        }
    });
    assert_eq!(warehouse.count(&table), 201);
}

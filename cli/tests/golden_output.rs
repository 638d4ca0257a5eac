//! What people see, whole: the files in `tests/golden` read like documents.

mod common;

use common::{golden, longshore};

#[test]
fn infer_shows_the_table_the_quarantine_and_what_is_open() {
    for (name, input) in
        [("infer_orders.txt", "fixtures/orders.ndjson"), ("infer_stations.txt", "fixtures/stations.csv")]
    {
        let run = longshore(&["infer", input]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        golden(name, &run.stdout);
    }
}

#[test]
fn explain_shows_what_forced_the_type() {
    let run = longshore(&["explain", "fixtures/orders.ndjson", "points", "coupon", "-c", "shipping.zip"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    golden("explain_orders.txt", &run.stdout);
    let run = longshore(&["explain", "fixtures/stations.csv", "elevation_m"]);
    golden("explain_elevation.txt", &run.stdout);
}

#[test]
fn ddl_prints_sql_alone_and_warns_beside_it() {
    let keys =
        ["--dialect", "redshift", "--table", "rail.stations", "--distkey", "station_id", "--sortkey", "opened,name"];
    let run = longshore(&[&["ddl", "fixtures/stations.csv"], &keys[..]].concat());
    assert_eq!(run.code, 0);
    golden("ddl_stations_redshift.sql", &run.stdout);
    golden("ddl_stations_redshift.stderr.txt", &run.stderr);
    let run =
        longshore(&["ddl", "fixtures/orders.ndjson", "--not-null", "--if-not-exists", "--json-type", "json", "-q"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    golden("ddl_orders_postgres.sql", &run.stdout);
}

#[test]
fn load_shows_the_table_its_types_and_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", folder.path().display());
    let run = longshore(&["load", "fixtures/orders.ndjson", "--to", &to, "--load-id", "first"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let text = run.stdout.replace(folder.path().to_str().unwrap(), "FOLDER");
    let text: String = text.lines().map(|line| without_seconds(line) + "\n").collect();
    golden("load_orders.txt", &text);
    assert!(folder.path().join("orders/first/part-00000.parquet").is_file());
}

fn without_seconds(line: &str) -> String {
    match line.strip_suffix(" s").and_then(|line| line.rsplit_once(' ')) {
        Some((line, seconds)) if seconds.parse::<f64>().is_ok() => format!("{line} SECONDS"),
        _ => line.to_string(),
    }
}

#[test]
fn help_names_the_exit_codes() {
    let run = longshore(&["--help"]);
    assert_eq!(run.code, 0);
    golden("help.txt", &run.stdout);
    for command in ["infer", "explain", "ddl", "load", "merge", "stream", "quarantine"] {
        let run = longshore(&[command, "--help"]);
        assert!(run.code == 0 && run.stdout.contains("Exit codes"), "{command}");
    }
}

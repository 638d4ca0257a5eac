//! `--to temp`: a load into a throwaway Postgres server.
#![cfg(unix)]

mod common;

use std::process::Command;

use common::longshore;
use serde_json::json;

#[test]
fn a_throwaway_server_takes_a_load_and_goes_away() {
    let run = longshore(&["load", "--json", "fixtures/stations.csv", "--to", "temp"]);
    assert_eq!(run.code, 0, "Postgres must be installed for this test: {}", run.stderr);
    let found = run.json();
    assert_eq!((&found["loaded"], &found["quarantined"], &found["target"]), (&json!(299), &json!(1), &json!("temp")));
    assert!(found.get("server").is_none());
}

#[test]
fn a_kept_server_says_where_it_is_and_how_to_stop_it() {
    let run = longshore(&["load", "--json", "fixtures/stations.csv", "--to", "temp", "--keep"]);
    assert_eq!(run.code, 0, "Postgres must be installed for this test: {}", run.stderr);
    let server = &run.json()["server"];
    let url = server["url"].as_str().unwrap();
    // A second load goes into the same server, which shows that it runs.
    let again =
        longshore(&["load", "--json", "fixtures/stations.csv", "--to", url, "--mode", "fail", "--load-id", "2"]);
    let merge = ["load", "--json", "fixtures/stations.csv", "--to", url, "--mode", "merge"];
    let merged = longshore(&[&merge[..], &["--load-id", "3", "--key", "station_id"]].concat());
    let no_key = longshore(&[&merge[..], &["--load-id", "4", "--key", "no_such_column"]].concat());
    let stop = server["stop"].as_str().unwrap();
    let (stop, _) = stop.split_once(", then ").unwrap();
    assert!(Command::new("sh").args(["-c", stop]).status().unwrap().success());
    let folder = std::path::Path::new(server["folder"].as_str().unwrap());
    let pid = folder.join("data/postmaster.pid");
    let gone = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        !pid.exists()
    });
    assert!(gone, "the server did not stop");
    std::fs::remove_dir_all(folder).unwrap();
    let counts = merged.json();
    assert_eq!((merged.code, &counts["loaded"], &counts["deduplicated"]), (0, &json!(299), &json!(0)), "{counts}");
    assert_eq!((no_key.code, &no_key.json()["error"]["column"]), (2, &json!("no_such_column")));
    assert_eq!(
        (again.code, &again.json()["error"]["kind"]),
        (2, &json!("conflict")),
        "the table is there: {}",
        again.stderr
    );
}

//! Files staged in a folder, as on a disk that others mount.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cuts::{State, empty, names, rebuilt, run, states, states_behind_kills};
use crate::loads::{Input, rows};

const OUT: &str = "lake/stage";
const STAGING: &str = "file://{}/lake/stage";

/// Where a staged file is now: its URL names the folder it was first written to.
fn now(url: &Value, base: &Path) -> PathBuf {
    let (_, below) = url.as_str().unwrap().split_once(OUT).unwrap();
    base.join(OUT).join(below.trim_start_matches('/'))
}

/// The files of a manifest, each of the size that it is said to have.
fn listed(manifest: &Path, base: &Path) -> Vec<PathBuf> {
    let manifest: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    let entries = manifest["entries"].as_array().unwrap().iter().map(|entry| {
        let file = now(&entry["url"], base);
        assert_eq!(fs::metadata(&file).unwrap().len(), entry["meta"]["content_length"].as_u64().unwrap(), "{file:?}");
        file
    });
    entries.collect()
}

/// Whether the load is staged; then it is whole, as a script finds it.
fn is_staged(base: &Path, input: &Input) -> bool {
    let table = base.join(OUT).join("t");
    let Some(load) = names(&table).into_iter().next() else { return false };
    let Ok(text) = fs::read(table.join(load).join("staged.json")) else { return false };
    let staged: Value = serde_json::from_slice(&text).unwrap();
    let files = listed(&now(&staged["manifest"], base), base);
    let numbers: Vec<u64> = files.iter().flat_map(|file| rows(file)).collect();
    assert_eq!(numbers.len(), input.good().len());
    assert_eq!(numbers.into_iter().collect::<BTreeSet<_>>(), input.good());
    assert_eq!(staged["counts"]["quarantined"].as_u64().unwrap(), input.bad());
    let kept = now(&staged["quarantine"], base);
    assert!(fs::read(&kept).unwrap().starts_with(&[0x1f, 0x8b]), "the quarantine is a gzip file");
    listed(&kept.with_file_name("quarantine.manifest.json"), base);
    assert!(fs::read_to_string(now(&staged["script"], base)).unwrap().contains("COMMIT"));
    true
}

fn hold(states: &[State], stage: &[&str], input: &Input) {
    for state in states {
        let base = rebuilt(state);
        assert!(is_staged(base.path(), input) || !state.acknowledged, "acknowledged, {}", state.what);
        run(stage, base.path());
        assert!(is_staged(base.path(), input), "run again, {}", state.what);
        let table = base.path().join(OUT).join("t");
        let loads = names(&table);
        assert_eq!(loads.len(), 1, "{loads:?}, {}", state.what);
        let load = table.join(loads.first().unwrap());
        let left = names(&load);
        assert_eq!(left.len(), 2, "one attempt and the list of it: {left:?}, {}", state.what);
        for attempt in left.iter().filter(|name| *name != "staged.json") {
            let files = names(&load.join(attempt));
            assert!(files.iter().all(|name| !name.contains('#')), "{files:?}, {}", state.what);
        }
    }
}

#[test]
fn a_load_that_is_staged_in_a_folder_stays_there_and_one_that_is_not_can_be_staged_again() {
    let inputs = empty();
    let input = Input::new(inputs.path(), "in.ndjson", 0..300);
    let stage = ["stage", input.name(), "--staging", STAGING, "--table", "t"];
    let base = empty();
    hold(&states(&stage, base.path()), &stage, &input);
}

#[test]
fn what_a_killed_staging_has_begun_is_on_the_disk_once_the_next_one_says_so() {
    let inputs = empty();
    let input = Input::new(inputs.path(), "in.ndjson", 0..100);
    let stage = ["stage", input.name(), "--staging", STAGING, "--table", "t"];
    hold(&states_behind_kills(&stage, &empty), &stage, &input);
}

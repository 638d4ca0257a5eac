//! Loads into a folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cuts::{State, empty, names, rebuilt, run, states, states_behind_kills};
use crate::loads::{Input, rows};

/// Where the loads go, below the folder that was there before: the loader makes all of it.
const OUT: &str = "lake/raw";
const TO: &str = "dir:{}/lake/raw";

/// The inputs of the loads that a reader sees, each of which must be whole and all that its manifest says.
fn seen<'a>(base: &Path, inputs: &[&'a Input]) -> Vec<&'a str> {
    let table = base.join(OUT).join("t");
    let loads = names(&table).into_iter().filter(|name| !name.starts_with('.'));
    let mut seen: Vec<&str> = loads.map(|load| whole(&table.join(load), inputs)).collect();
    seen.sort_unstable();
    seen
}

/// Reads a load as one who takes it to a warehouse does. Returns the name of its input.
fn whole<'a>(load: &Path, inputs: &[&'a Input]) -> &'a str {
    let manifest: Value = serde_json::from_slice(&fs::read(load.join("manifest.json")).unwrap()).unwrap();
    let source = manifest["sources"][0].as_str().unwrap();
    let input = inputs.iter().find(|input| input.name() == source).unwrap();
    let mut numbers = Vec::new();
    for part in manifest["parts"].as_array().unwrap() {
        let file = load.join(part["file"].as_str().unwrap());
        assert_eq!(fs::metadata(&file).unwrap().len(), part["bytes"].as_u64().unwrap());
        let rows = rows(&file);
        assert_eq!(rows.len() as u64, part["rows"].as_u64().unwrap());
        numbers.extend(rows);
    }
    let loaded = numbers.len();
    assert_eq!(numbers.into_iter().collect::<BTreeSet<_>>(), input.good());
    let kept = fs::read_to_string(load.join("quarantine.ndjson")).unwrap();
    let kept: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((loaded, kept.len() as u64), (input.good().len(), input.bad()));
    let counts = ["loaded", "quarantined", "read"].map(|count| manifest[count].as_u64().unwrap());
    assert_eq!(counts, [loaded as u64, kept.len() as u64, loaded as u64 + kept.len() as u64]);
    for script in ["load.redshift.sql", "load.postgres.sql", "create.redshift.sql", "create.postgres.sql"] {
        assert!(fs::read_to_string(load.join(script)).unwrap().ends_with('\n'), "{script}");
    }
    let listed: Value = serde_json::from_slice(&fs::read(load.join("manifest.redshift.json")).unwrap()).unwrap();
    assert_eq!(listed["entries"].as_array().unwrap().len(), manifest["parts"].as_array().unwrap().len());
    input.name()
}

/// Runs the load once more in each state, with what readers see before and behind it.
fn hold(states: &[State], load: &[&str], inputs: &[&Input], before: &[&Input], behind: &[&Input]) {
    let sorted = |inputs: &[&Input]| {
        let mut names: Vec<String> = inputs.iter().map(|input| input.name().to_owned()).collect();
        names.sort_unstable();
        names
    };
    let (before, behind) = (sorted(before), sorted(behind));
    for state in states {
        let base = rebuilt(state);
        let at_once = seen(base.path(), inputs);
        match state.acknowledged {
            true => assert_eq!(at_once, behind, "acknowledged, {}", state.what),
            // Loads that are replaced go one after another, behind the new one.
            false => assert!(
                at_once == before
                    || at_once == behind
                    || behind.iter().all(|load| at_once.contains(&load.as_str())) && at_once.len() > behind.len(),
                "{at_once:?}, {}",
                state.what
            ),
        }
        run(load, base.path());
        assert_eq!(seen(base.path(), inputs), behind, "run again, {}", state.what);
        assert_eq!(names(base.path()), BTreeSet::from(["lake".into()]), "{}", state.what);
        assert_eq!(names(&base.path().join(OUT)), BTreeSet::from(["t".into()]), "{}", state.what);
        assert_eq!(names(&base.path().join(OUT).join("t")).len(), behind.len(), "leftovers, {}", state.what);
    }
}

#[test]
fn the_first_load_of_a_folder_is_there_whole_or_not_at_all_and_for_good_once_it_is_acknowledged() {
    let inputs = empty();
    let input = Input::new(inputs.path(), "first.ndjson", 0..4_000);
    let load = ["load", input.name(), "--to", TO, "--table", "t"];
    let base = empty();
    hold(&states(&load, base.path()), &load, &[&input], &[], &[&input]);
}

#[test]
fn a_load_beside_another_one_leaves_that_as_it_is() {
    let inputs = empty();
    let (old, new) =
        (Input::new(inputs.path(), "old.ndjson", 0..200), Input::new(inputs.path(), "new.ndjson", 200..400));
    let base = empty();
    run(&["load", old.name(), "--to", TO, "--table", "t"], base.path());
    let load = ["load", new.name(), "--to", TO, "--table", "t"];
    hold(&states(&load, base.path()), &load, &[&old, &new], &[&old], &[&old, &new]);
}

#[test]
fn loads_that_were_replaced_do_not_come_back() {
    let inputs = empty();
    let names = ["one.ndjson", "two.ndjson", "new.ndjson"];
    let [one, two, new] = [0, 1, 2].map(|i| Input::new(inputs.path(), names[i as usize], 100 * i..100 * i + 100));
    let base = empty();
    for input in [&one, &two] {
        run(&["load", input.name(), "--to", TO, "--table", "t"], base.path());
    }
    let load = ["load", new.name(), "--to", TO, "--table", "t", "--mode", "replace"];
    hold(&states(&load, base.path()), &load, &[&one, &two, &new], &[&one, &two], &[&new]);
}

#[test]
fn what_a_killed_load_has_begun_is_on_the_disk_once_the_next_one_says_so() {
    let inputs = empty();
    let (old, new) =
        (Input::new(inputs.path(), "old.ndjson", 0..100), Input::new(inputs.path(), "new.ndjson", 100..200));
    let load = ["load", new.name(), "--to", TO, "--table", "t", "--mode", "replace"];
    hold(&states_behind_kills(&load, &empty), &load, &[&new], &[], &[&new]);
    let beside = || {
        let base = empty();
        run(&["load", old.name(), "--to", TO, "--table", "t"], base.path());
        base
    };
    hold(&states_behind_kills(&load, &beside), &load, &[&old, &new], &[&old], &[&new]);
}

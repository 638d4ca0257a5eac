//! `--json` is a contract: one object, these keys, these types.

mod common;

use common::{longshore, longshore_with};
use serde_json::{Value, json};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn has(value: &Value, wanted: &[&str]) {
    let found = keys(value);
    for key in wanted {
        assert!(found.contains(key), "no key {key} among {found:?}");
    }
}

#[test]
fn infer_gives_format_dialect_records_columns_quarantined_and_undecided() {
    let run = longshore(&["infer", "--json", "fixtures/stations.csv"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let found = run.json();
    has(&found, &["format", "dialect", "records", "columns", "quarantined", "undecided"]);
    assert_eq!((&found["format"], &found["records"]), (&json!("csv"), &json!(299)));
    assert_eq!(
        found["dialect"],
        json!({"delimiter": ",", "quote": "\"", "escape": "doubled", "line_end": "newline", "header": true, "lines_before": 0})
    );
    let first = &found["columns"][0];
    has(first, &["path", "name", "type", "nullable", "why"]);
    assert_eq!(first["type"], "text");
    assert!(first["why"].as_str().unwrap().contains("stations.csv:2 (byte 103)"), "{first}");
    let elevation = &found["columns"][4];
    assert_eq!((&elevation["type"], &elevation["nullable"]), (&json!("int16"), &json!(true)));
    assert_eq!(found["quarantined"][0]["line"], 265);
    assert_eq!(found["quarantined"][0]["byte"], 23203);
    assert_eq!(found["quarantined"][0]["reason"], "12 cells where the header has 11");
    assert_eq!(found["quarantined_count"], 1);
    assert_eq!(found["undecided"][0]["hint"], "elevation_m=text");
}

#[test]
fn paths_have_dots_brackets_and_numbers_and_json_has_no_dialect() {
    let run = longshore_with(&["infer", "--json", "-"], b"{\"a\":{\"b\":1},\"a.b\":\"x\",\"c\":[{\"d\":1}]}\n");
    let found = run.json();
    assert_eq!((&found["format"], &found["dialect"]), (&json!("ndjson"), &Value::Null));
    let columns = found["columns"].as_array().unwrap();
    let paths: Vec<&str> = columns.iter().map(|column| column["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["a.b", "a.b#2", "c"]);
    assert_eq!((&columns[0]["keys"], &columns[1]["keys"]), (&json!(["a", "b"]), &json!(["a.b"])));
    let found = longshore_with(&["infer", "--json"], b"a,a,b\n1,x,2\n").json();
    assert_eq!(found["columns"][1]["path"], "a#2");
}

#[test]
fn several_inputs_are_listed_each_with_its_format() {
    let files = ["fixtures/stations.csv", "fixtures/orders.ndjson"];
    let found = longshore(&["infer", "--json", files[0], files[1]]).json();
    assert_eq!((&found["format"], &found["records"]), (&json!("csv"), &json!(299 + 1997)));
    let sources = found["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 2);
    for source in sources {
        has(source, &["name", "format", "dialect", "records", "quarantined"]);
    }
}

#[test]
fn a_pattern_that_the_shell_did_not_expand_is_expanded() {
    let found = longshore(&["infer", "--json", "fixtures/poison/b*.ndjson"]).json();
    let names: Vec<&str> = found["sources"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    let wanted = ["bad-utf8", "blank-lines", "bom"].map(|name| format!("fixtures/poison/{name}.ndjson"));
    assert_eq!(names, wanted);
}

#[cfg(target_os = "linux")]
#[test]
fn a_pattern_takes_files_whose_names_are_no_text_and_is_not_harmed_by_them() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let names: [&[u8]; 3] = [b"a.ndjson", b"\xff.ndjson", b"\xff.txt"];
    for (nth, name) in names.into_iter().enumerate() {
        let path = folder.path().join(std::ffi::OsStr::from_bytes(name));
        std::fs::write(path, format!("{{\"n\":{nth}}}\n")).unwrap();
    }
    let run = longshore(&["infer", "--json", &format!("{}/*.ndjson", folder.path().display())]);
    assert_eq!((run.code, &run.json()["records"]), (0, &json!(2)), "{}", run.stderr);
}

#[cfg(unix)]
#[test]
fn a_pattern_that_cannot_be_followed_everywhere_is_an_error_and_leaves_nothing_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("a")).unwrap();
    std::fs::write(path("a/data.json"), "{\"n\":1}\n").unwrap();
    // A link to itself, which even root cannot go through.
    std::os::unix::fs::symlink(path("b"), path("b")).unwrap();
    let run = longshore(&["infer", "--json", &path("*/data.json").display().to_string()]);
    assert_eq!(run.code, 66, "{}", run.stdout);
    assert!(run.stderr.contains("cannot list") && run.stderr.contains("hint: "), "{}", run.stderr);
}

#[test]
fn explain_gives_counts_and_the_forcing_record() {
    let found = longshore(&["explain", "--json", "fixtures/orders.ndjson", "points"]).json();
    let column = &found["columns"][0];
    assert_eq!(found["columns"].as_array().unwrap().len(), 1);
    assert_eq!(column["seen"], json!([["int16", 1889], ["fraction", 108]]));
    assert_eq!(column["forced_by"], "fixtures/orders.ndjson:1604 (byte 688474)");
}

#[test]
fn how_many_records_fill_the_column_of_fields_past_the_budget_is_not_made_up() {
    let input = b"{\"a\":1,\"b\":2,\"c\":3}\n{\"a\":1,\"c\":3}\n";
    let args = ["--max-columns", "2", "-"];
    for command in ["infer", "explain"] {
        let found = longshore_with(&[&[command, "--json"], &args[..]].concat(), input).json();
        let shared = &found["columns"][1];
        assert_eq!((&shared["name"], &shared["filled"]), (&json!("_overflow"), &Value::Null), "{command}");
        assert_eq!((&shared["nullable"], &found["columns"][0]["filled"]), (&json!(true), &json!(2)), "{command}");
        let told = longshore_with(&[&[command], &args[..]].concat(), input).stdout;
        assert!(told.contains("not counted"), "{told}");
    }
}

#[test]
fn ddl_gives_each_statement_with_its_class() {
    let found = longshore(&["ddl", "--json", "fixtures/stations.csv"]).json();
    assert_eq!((&found["dialect"], &found["table"]), (&json!("postgres"), &json!("stations")));
    has(&found["statements"][0], &["sql", "class", "lock", "in_transaction", "why"]);
    assert_eq!(found["statements"][0]["class"], "create");
    assert!(found["sql"].as_str().unwrap().starts_with("CREATE TABLE \"stations\" ("));
}

#[test]
fn load_gives_counts_that_balance_and_the_second_time_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", folder.path().display());
    let load = || longshore(&["load", "--json", "fixtures/orders.ndjson", "--to", &to, "--table", "shop.orders"]);
    let run = load();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let found = run.json();
    let wanted = ["read", "loaded", "quarantined", "deduplicated", "bytes", "seconds", "table", "load_id", "columns"];
    has(&found, &wanted);
    assert_eq!((&found["read"], &found["loaded"], &found["quarantined"]), (&json!(2000), &json!(1997), &json!(3)));
    assert_eq!((&found["deduplicated"], &found["bytes"]), (&json!(0), &json!(862_792)));
    assert_eq!((&found["table"], &found["already_loaded"]), (&json!("shop.orders"), &json!(false)));
    assert_eq!(found["first_quarantined"][1]["line"], 1033);
    has(&found["columns"][0], &["path", "name", "type", "nullable", "why"]);
    let again = load().json();
    assert_eq!((&again["already_loaded"], &again["load_id"]), (&json!(true), &found["load_id"]));
    assert_eq!((&again["read"], &again["loaded"]), (&found["read"], &found["loaded"]));
    let other =
        longshore(&["load", "--json", "fixtures/orders.ndjson", "--to", &to, "--table", "t", "--load-id", "mine"]);
    assert_eq!(other.json()["load_id"], "mine");
    // Where it is, is said, whatever the names.
    assert_eq!(other.json()["folder"], folder.path().join("t/mine").display().to_string());
    let args = ["load", "fixtures/orders.ndjson", "--to", &to, "--table", "Shop.Orders", "--load-id", "June 1"];
    let odd = longshore(&[&args[..], &["--json"]].concat()).json();
    let place = odd["folder"].as_str().unwrap();
    assert!(std::path::Path::new(place).join("manifest.json").is_file(), "{place}");
    let told = longshore(&args).stdout;
    assert!(told.lines().any(|line| line == format!("folder       {place}")), "{told}");
}

#[test]
fn the_load_id_is_the_contents_and_not_the_names() {
    let folder = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", folder.path().display());
    let bytes = std::fs::read(common::root().join("fixtures/stations.csv")).unwrap();
    let piped = longshore_with(&["load", "--json", "-", "--to", &to], &bytes).json();
    let file = longshore(&["load", "--json", "fixtures/stations.csv", "--to", &to]).json();
    assert_eq!((&piped["load_id"], &piped["loaded"]), (&file["load_id"], &json!(299)));
    assert_eq!((&piped["table"], &file["table"]), (&json!("stdin"), &json!("stations")));
}

#[test]
fn the_same_files_in_another_order_are_the_same_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("a.ndjson"), "{\"n\":1}\n").unwrap();
    std::fs::write(path("B.ndjson"), "{\"n\":2}\n").unwrap();
    let to = format!("dir:{}", path("out"));
    let load = |files: [&str; 2]| {
        longshore(&["load", "--json", &path(files[0]), &path(files[1]), "--to", &to, "--table", "t"]).json()
    };
    let (first, again) = (load(["a.ndjson", "B.ndjson"]), load(["B.ndjson", "a.ndjson"]));
    assert_eq!((&again["already_loaded"], &again["load_id"]), (&json!(true), &first["load_id"]));
    assert_eq!(load(["a.ndjson", "a.ndjson"])["already_loaded"], json!(false));
}

#[test]
fn a_sketch_stands_for_its_data_and_parts_merge_to_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let text = std::fs::read_to_string(common::root().join("fixtures/orders.ndjson")).unwrap();
    let (a, b) = text.split_at(text[..400_000].rfind('\n').unwrap() + 1);
    std::fs::write(file("a.ndjson"), a).unwrap();
    std::fs::write(file("b.ndjson"), b).unwrap();
    for part in ["a", "b"] {
        let run = longshore(&["infer", &file(&format!("{part}.ndjson")), "-w", &file(&format!("{part}.sketch"))]);
        assert_eq!(run.code, 0, "{}", run.stderr);
    }
    let run = longshore(&["merge", "--json", &file("a.sketch"), &file("b.sketch"), "-o", &file("all.sketch")]);
    assert_eq!((run.code, &run.json()["records"]), (0, &json!(1997)));
    let whole = longshore(&["infer", "--json", &file("a.ndjson"), &file("b.ndjson")]).json();
    let merged = longshore(&["infer", "--json", "--sketch", &file("all.sketch")]).json();
    assert_eq!(whole, merged);
    let ddl = longshore(&["ddl", "-q", "--table", "orders", "--sketch", &file("all.sketch")]);
    assert_eq!(ddl.stdout, longshore(&["ddl", "-q", "fixtures/orders.ndjson"]).stdout);
    let explained = longshore(&["explain", "--sketch", &file("all.sketch"), "points"]);
    assert!(explained.stdout.contains("points: float64"), "{}", explained.stdout);
}

#[cfg(unix)]
#[test]
fn a_sketch_that_cannot_be_written_whole_leaves_the_one_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (a, b) = (file("a.sketch"), file("b.sketch"));
    for (fixture, sketch) in [("fixtures/orders.ndjson", &a), ("fixtures/stations.csv", &b)] {
        assert_eq!(longshore(&["infer", fixture, "-q", "-w", sketch]).code, 0);
    }
    let before = std::fs::read(&a).unwrap();
    assert!(before.len() > 1024);
    // A file may have a block, as on a disk that is full.
    let line = format!("trap '' XFSZ; ulimit -f 1; exec {} merge {a} {b} -o {a}", env!("CARGO_BIN_EXE_longshore"));
    let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
    assert_eq!(output.status.code(), Some(74), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read(&a).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left over");
    assert_eq!(longshore(&["merge", &a, &b, "-o", &a]).code, 0);
    assert_ne!(std::fs::read(&a).unwrap(), before);
}

#[test]
fn a_load_that_was_made_before_warns_that_it_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", folder.path().display());
    let load =
        |file: &str, more: &[&str]| longshore(&[&["load", "--json", file, "--to", &to, "--table", "t"], more].concat());
    let (orders, stations) = ("fixtures/orders.ndjson", "fixtures/stations.csv");
    assert_eq!(load(orders, &[]).json()["warnings"], json!([]));
    assert_eq!(load(stations, &["--mode", "replace"]).json()["warnings"], json!([]));
    assert_eq!(load(orders, &[]).json()["already_loaded"], json!(false));
    let run = load(stations, &["--mode", "replace"]);
    assert_eq!((run.code, &run.json()["already_loaded"]), (0, &json!(true)));
    assert!(run.stderr.contains("not replaced"), "{}", run.stderr);
}

#[test]
fn a_list_of_a_folders_quarantine_says_which_load_an_id_is_of() {
    let folder = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", folder.path().display());
    for (id, text) in [("a", "other\n"), ("b", "{\"n\":\n")] {
        longshore_with(&["load", "-", "--to", &to, "--table", "t", "--load-id", id], text.as_bytes());
    }
    let into = ["--to", &to, "--table", "t"];
    let listed = longshore(&[&["quarantine", "list", "--json"], &into[..]].concat()).json();
    for group in listed["groups"].as_array().unwrap() {
        let (id, load) = (group["first"].as_str().unwrap(), group["load_id"].as_str().unwrap());
        let shown = longshore(&[&["quarantine", "show", id, "--load-id", load, "--json"], &into[..]].concat()).json();
        assert_eq!(shown["reason"], group["reason"]);
    }
    let text = longshore(&[&["quarantine", "list"], &into[..]].concat()).stdout;
    assert!(text.lines().next().unwrap().contains("first id  load id  "), "{text}");
}

#[test]
fn hints_and_naming_change_the_table() {
    let run = longshore_with(
        &["infer", "--json", "--hint", "due=date@day_first", "--hint", "n=text", "--naming", "source", "-"],
        b"{\"due\":\"03/04/2024\",\"n\":1,\"userName\":\"x\"}\n",
    );
    let found = run.json();
    let types: Vec<&str> = found["columns"].as_array().unwrap().iter().map(|c| c["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["date", "text", "text"]);
    assert_eq!(found["columns"][2]["name"], "userName");
    assert_eq!(found["undecided"], json!([]));
}

#[test]
fn what_is_said_of_the_format_overrides_what_is_found() {
    let found = longshore_with(&["infer", "--json", "--delimiter", ";", "--no-header", "-"], b"1;2,5\n3;4,5\n").json();
    assert_eq!((&found["dialect"]["delimiter"], &found["dialect"]["header"]), (&json!(";"), &json!(false)));
    assert_eq!((&found["columns"][0]["path"], &found["records"]), (&json!("column_1"), &json!(2)));
    let found = longshore_with(&["infer", "--json", "--format", "csv", "-"], b"{\"a\"\n1\n").json();
    assert_eq!(found["format"], "csv");
    let tab = longshore_with(&["infer", "--json", "--delimiter", "\\t", "-"], b"a,x\tb\n1\t2\n").json();
    assert_eq!(tab["columns"][0]["path"], "a,x");
    let latin = longshore_with(&["infer", "--json", "--encoding", "latin1", "-"], b"n\xe4me\nx\n").json();
    assert_eq!(latin["columns"][0]["path"], "näme");
}

#[test]
fn threads_do_not_change_the_answer() {
    let one = longshore(&["infer", "--json", "--threads", "1", "fixtures/orders.ndjson"]);
    let all = longshore(&["infer", "--json", "fixtures/orders.ndjson"]);
    assert_eq!(one.stdout, all.stdout);
}

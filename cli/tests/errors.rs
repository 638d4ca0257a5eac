//! Errors say where, what was found and what to do next; the exit code tells their kind.

mod common;

use std::process::{Command, Stdio};

use common::{longshore, longshore_with, root};
use serde_json::json;

#[test]
fn each_kind_of_failure_has_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", folder.path().display());
    let orders = "fixtures/orders.ndjson";
    let cases: [(&[&str], i32, &str); 17] = [
        (&["infer", orders, "--format", "xml"], 64, "invalid value"),
        (&["infer", orders, "--no-such-option"], 64, "unexpected argument"),
        (&["infer", orders, "-"], 64, "standard input cannot be read together with files"),
        (
            &["infer", orders, "--hint", "nope=text"],
            64,
            "column `nope`: a hint for a column that the data does not have",
        ),
        (&["infer", orders, "--hint", "total=money"], 64, "`money` is no column type"),
        (&["infer", orders, "--threads", "0"], 64, "invalid value"),
        (&["explain", orders, "nope"], 64, "`nope` is neither a file nor a column"),
        (&["ddl", orders, "--distkey", "number"], 64, "an option of redshift"),
        (&["load", orders, "--keep"], 64, "`--keep`"),
        (&["load", orders, "--to", "ftp:x"], 64, "`--to` names no target"),
        (&["infer", "fixtures/poison/truncated.ndjson.gz"], 65, "cut off"),
        (&["infer", "fixtures/poison/bad-crc.ndjson.gz"], 65, "bad-crc.ndjson.gz"),
        (&["infer", "--sketch", orders], 65, "not a sketch"),
        (&["infer", "nowhere.ndjson"], 66, "nowhere.ndjson: cannot open it"),
        (&["infer", "fixtures"], 66, "this is a folder"),
        (&["infer", "fixtures/*.parquet"], 66, "no file matches this pattern"),
        (&["load", orders, "--to", &to, "--max-quarantined", "2"], 3, "more than 2 records"),
    ];
    for (args, code, message) in cases {
        let run = longshore(args);
        assert_eq!(run.code, code, "{args:?}: {}", run.stderr);
        assert!(run.stderr.starts_with("error: ") && run.stderr.contains(message), "{args:?}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{args:?}");
    }
    assert!(!folder.path().join("orders").exists(), "a load that was rolled back leaves nothing");
}

#[test]
fn an_error_has_its_place_and_a_hint() {
    let run = longshore(&["infer", "fixtures/poison/truncated.ndjson.gz"]);
    assert!(run.stderr.starts_with("error: fixtures/poison/truncated.ndjson.gz (byte "), "{}", run.stderr);
    assert!(run.stderr.contains("\nhint: "), "{}", run.stderr);
}

#[test]
fn with_json_an_error_is_one_object_too() {
    let run = longshore(&["infer", "--json", "fixtures/poison/truncated.ndjson.gz"]);
    assert_eq!(run.code, 65);
    let error = &run.json()["error"];
    assert_eq!((&error["kind"], &error["source"]), (&json!("corrupt"), &json!("fixtures/poison/truncated.ndjson.gz")));
    assert!(error["byte"].is_u64() && error["hint"].is_string() && error["line"].is_null(), "{error}");
    assert!(!error["message"].as_str().unwrap().contains("truncated.ndjson.gz"), "the place is not said twice");
    let run = longshore(&["infer", "--json", "--no-such-option"]);
    assert_eq!((run.code, &run.json()["error"]["kind"]), (64, &json!("usage")));
}

#[test]
fn when_not_one_record_loads_it_is_said_and_the_quarantine_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", folder.path().display());
    let run = longshore_with(&["load", "--json", "-", "--format", "ndjson", "--to", &to, "--load-id", "x"], b"a\nb\n");
    assert_eq!(run.code, 3, "{}", run.stderr);
    let found = run.json();
    assert_eq!((&found["read"], &found["loaded"], &found["quarantined"]), (&json!(2), &json!(0), &json!(2)));
    assert!(folder.path().join("stdin/x/quarantine.ndjson").is_file());
}

#[test]
fn an_empty_input_is_no_error() {
    for args in [&["infer", "-"][..], &["infer"], &["ddl", "-q", "-"], &["explain", "-"]] {
        let run = longshore(args);
        assert_eq!(run.code, 0, "{args:?}: {}", run.stderr);
    }
    let found = longshore(&["infer", "--json", "-"]).json();
    assert_eq!((&found["format"], &found["records"], &found["columns"]), (&json!("ndjson"), &json!(0), &json!([])));
}

#[test]
fn there_is_no_progress_in_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", folder.path().display());
    let run = longshore(&["load", "fixtures/orders.ndjson", "--to", &to]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(!run.stdout.contains(['\r', '\u{1b}']), "{}", run.stdout);
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_there_is_progress_and_a_missing_input_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let command = |line: String| {
        // `script` of util-linux runs a command on a terminal of its own.
        Command::new("script").args(["-qec", &line, "/dev/null"]).current_dir(root()).stdin(Stdio::null()).output()
    };
    let (bin, to) = (env!("CARGO_BIN_EXE_longshore"), folder.path().display());
    let Ok(shown) = command(format!("{bin} load fixtures/orders.ndjson --to dir:{to}")) else {
        eprintln!("SKIPPED: the program `script` is not installed, so there is no terminal to look at");
        return;
    };
    let text = String::from_utf8_lossy(&shown.stdout);
    assert!(text.contains("pass 1 of 2, types") && text.contains("left"), "{text}");
    let asked = command(format!("{bin} infer")).unwrap();
    let text = String::from_utf8_lossy(&asked.stdout);
    assert!(text.contains("error: there is no input"), "{text}");
    assert_eq!(asked.status.code(), Some(64));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_longshore"))
        .args(["infer", "--json", "fixtures/orders.ndjson"])
        .current_dir(root())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn a_log_that_nobody_reads_any_more_does_not_end_a_load() {
    let folder = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", folder.path().display());
    for form in ["text", "json"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_longshore"))
            .args(["load", "fixtures/orders.ndjson", "--json", "--log", form, "--to", &to, "--table", form])
            .env("LONGSHORE_LOG", "trace")
            .current_dir(root())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stderr.take());
        let output = child.wait_with_output().unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the report");
        assert_eq!((output.status.code(), &report["loaded"]), (Some(0), &serde_json::json!(1997)));
    }
}

#[test]
fn a_password_never_shows_up() {
    let secret = "hunter2";
    let url = format!("postgres://me:{secret}@127.0.0.1:1/shop");
    let wrong = format!("postgres//me:{secret}@h/shop");
    let query = format!("postgres://127.0.0.1:1/shop?user=me&password={secret}");
    let blanks = format!("postgres://me:{secret} pw99@h/shop");
    let keyword = format!("host=h user=u password={secret}");
    let quoted = format!("host=h password = '{secret} it\\'s {secret}' user=u");
    let orders = "fixtures/orders.ndjson";
    let cases: [&[&str]; 14] = [
        &[&blanks],
        &["infer", orders, "--format", &blanks],
        &["load", orders, "--to", &blanks],
        &[&keyword],
        &["infer", orders, "--format", &quoted],
        &["load", orders, "--to", &keyword],
        &["load", orders, "--to", &url],
        &["load", orders, "--to", &query],
        &["load", orders, "--to", &wrong],
        &["load", orders, &url],
        &["load", orders, "--mode", &url],
        &["load", orders, "--to", &url, "--table", "a.b.c"],
        &["infer", &url],
        &["infer", &format!("--tp={url}")],
    ];
    for args in cases {
        for args in [args.to_vec(), [args, &["--json"][..]].concat()] {
            let run = longshore(&args);
            assert_ne!(run.code, 0, "{args:?}");
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(!said.contains(secret), "{}", said.replace(secret, "THE PASSWORD"));
        }
    }
    assert_eq!(longshore(&["load", orders, "--to", &url]).code, 5);
}

#[test]
fn a_url_that_is_taken_for_a_folders_name_is_shown_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    for more in [&[][..], &["--json"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
        command
            .arg("load")
            .arg(root().join("fixtures/orders.ndjson"))
            .args(["--to", "dir:postgres://me:hunter2@h/shop"]);
        let run = command.args(more).current_dir(folder.path()).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(
            run.status.success() && !said.contains("hunter2") && said.contains("dir:postgres://…@h/shop"),
            "{said}"
        );
    }
}

#[test]
fn with_json_wrong_arguments_are_told_with_all_that_they_are_about() {
    let run = longshore(&["load", "fixtures/orders.ndjson", "--json", "--mode", "merge"]);
    let error = &run.json()["error"];
    assert!(error["message"].as_str().unwrap().ends_with("were not provided: --key <PATH>"), "{error}");
    assert!(error["hint"].as_str().unwrap().starts_with("Usage: longshore load"), "{error}");
    let run = longshore(&["infer", "--json", "x", "--format", "xml"]);
    assert!(run.json()["error"]["message"].as_str().unwrap().contains("[possible values: auto, "), "{}", run.stdout);
}

#[test]
fn a_level_of_the_log_that_there_is_not_is_wrong_usage() {
    let run = |level: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
        command.args(["infer", "fixtures/stations.csv", "--json", "--log", "text"]).current_dir(root());
        command.env("LONGSHORE_LOG", level).output().unwrap()
    };
    let wrong = run("verbose");
    assert_eq!(wrong.status.code(), Some(64));
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(said.contains("`LONGSHORE_LOG` names no level") && said.contains("hint: write error, warn, "), "{said}");
    assert!(serde_json::from_slice::<serde_json::Value>(&wrong.stdout).unwrap()["error"]["kind"] == "usage");
    for level in ["", "debug", "WARN"] {
        assert_eq!(run(level).status.code(), Some(0), "{level}");
    }
}

#[test]
fn bytes_that_are_no_utf8_come_with_the_hint_that_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cafes.csv");
    std::fs::write(&file, b"id,name\n1,caf\xe9\n2,plain\n").unwrap();
    let said = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_longshore"));
        String::from_utf8(command.arg("infer").arg(&file).args(arguments).output().unwrap().stdout).unwrap()
    };
    assert!(said(&[]).contains("hint: if the input is Latin-1, say so with --encoding latin1"));
    assert!(said(&["--encoding", "latin1"]).contains("2 records, 0 quarantined"));
}

#[test]
fn an_option_of_redshift_is_refused_for_any_other_target() {
    for option in [
        &["--staging", "s3://lake/x"][..],
        &["--iam-role", "foo"],
        &["--aws-keys"],
        &["--stage-format", "xml"],
        &["--slices", "3"],
        &["--s3-endpoint", "http://127.0.0.1:9000"],
        &["--bucket-region", "zz"],
    ] {
        let run = longshore(&[&["load", "fixtures/orders.ndjson", "--to", "postgres://nowhere/x"], option].concat());
        assert_eq!(run.code, 64, "{option:?}: {}", run.stderr);
        let says = format!("error: `{}` is for loads into Redshift", option[0]);
        assert!(run.stderr.starts_with(&says) && run.stderr.contains("\nhint: "), "{option:?}: {}", run.stderr);
    }
}

#[cfg(feature = "redshift")]
#[test]
fn a_list_of_columns_that_is_not_there_is_a_missing_input() {
    let stage = ["stage", "fixtures/orders.ndjson", "--staging", "s3://lake/x", "--table", "t"];
    let run = longshore(&[&stage[..], &["--live-columns", "nosuch.csv"]].concat());
    assert_eq!(run.code, 66, "{}", run.stderr);
    assert!(run.stderr.starts_with("error: nosuch.csv: cannot open it"), "{}", run.stderr);
}

#[cfg(feature = "redshift")]
#[test]
fn a_store_without_credentials_is_told_before_anything_is_sent_and_with_what_to_give() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
    let given = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| name.starts_with("AWS_")));
    given.for_each(|(name, _)| {
        command.env_remove(name);
    });
    command.args(["stage", "fixtures/orders.ndjson", "--staging", "s3://lake/x", "--table", "t"]).current_dir(root());
    // Where a machine in a cloud would be given some; nobody is there.
    let run = command.env("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1").output().unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(said.starts_with("error: no credentials for s3://lake: ") && said.contains("AWS_ACCESS_KEY_ID"), "{said}");
    assert_eq!(run.status.code(), Some(64));
}

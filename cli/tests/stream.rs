//! `longshore stream` and `longshore quarantine` as somebody runs them: started, watched, signalled, started again.
#![cfg(unix)]

mod common;
#[path = "common/server.rs"]
mod server;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{longshore, longshore_with};
use postgres::{Client, NoTls};
use serde_json::{Value, json};
use server::{append, database, number, signal, start, stop, wait_for};

#[test]
fn a_pipe_is_loaded_to_its_end_with_its_last_line() {
    let (url, mut client) = database();
    let input = b"{\"a\":1}\nnone\n{\"a\":2}";
    let run = longshore_with(&["stream", "-", "--to", &url, "--table", "t", "--json"], input);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let found = run.json();
    let counts = ["read", "loaded", "quarantined", "deduplicated", "batches"].map(|key| found[key].clone());
    assert_eq!(counts, [json!(3), json!(2), json!(1), json!(0), json!(1)]);
    assert_eq!(number(&mut client, "SELECT sum(a)::bigint FROM t"), 3);
}

#[test]
fn what_is_no_plain_text_is_refused_rather_than_quarantined_line_by_line() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.ndjson");
    for (bytes, what) in
        [(&b"\x1f\x8b\x08\x00\n"[..], "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xff\xfe{\0", "UTF-16")]
    {
        std::fs::write(&file, bytes).unwrap();
        for run in [
            longshore(&["stream", file.to_str().unwrap(), "--to", &url, "--until-end"]),
            longshore_with(&["stream", "-", "--to", &url, "--table", "t"], bytes),
        ] {
            assert_eq!(run.code, 69, "{}", run.stderr);
            assert!(run.stderr.contains(what) && run.stderr.contains("longshore load"), "{}", run.stderr);
        }
    }
    assert_eq!(number(&mut client, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), 0);
}

#[test]
fn a_batch_that_cannot_be_committed_in_time_is_rolled_back_and_exit_code_and_json_say_so() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.ndjson");
    append(&path, "{\"a\":1}\n");
    let args = ["stream", path.to_str().unwrap(), "--to", &url, "--max-age", "0.1", "--json"];
    let child = start(&args);
    wait_for("a row", || number(&mut client, "SELECT count(*) FROM t") == 1);
    let mut other = Client::connect(&url, NoTls).unwrap();
    other.batch_execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").unwrap();
    append(&path, "{\"a\":2}\n");
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    wait_for("the stream waits for the lock", || number(&mut client, waits) > 0);
    let (output, took) = stop(child);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{text}");
    assert!(took < Duration::from_secs(12) && text.contains("could not be committed within"), "{took:?}: {text}");
    let object: Value = serde_json::from_slice(&output.stdout).expect("one object, and nothing else");
    assert!(object["error"]["message"].as_str().unwrap().starts_with("stopped, "), "{object}");
    other.batch_execute("COMMIT").unwrap();
    assert_eq!(longshore(&[&args[..], &["--until-end"]].concat()).code, 0);
    assert_eq!(number(&mut client, "SELECT sum(a)::bigint * 10 + count(*) FROM t"), 32, "each row once");
}

#[test]
fn a_second_signal_ends_the_stream_at_once() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.ndjson");
    append(&path, "{\"a\":1}\n");
    let child = start(&["stream", path.to_str().unwrap(), "--to", &url, "--max-age", "0.1"]);
    wait_for("a row", || number(&mut client, "SELECT count(*) FROM t") == 1);
    let mut other = Client::connect(&url, NoTls).unwrap();
    other.batch_execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").unwrap();
    append(&path, "{\"a\":2}\n");
    wait_for("the stream waits", || number(&mut client, "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0);
    signal(&child, "-INT");
    std::thread::sleep(Duration::from_millis(300));
    let started = Instant::now();
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(started.elapsed() < Duration::from_secs(3));
    other.batch_execute("COMMIT").unwrap();
    assert_eq!(number(&mut client, "SELECT count(*) FROM t"), 1);
}

/// What the metrics say over HTTP.
fn scrape(port: u16, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn metrics_and_logs_tell_what_is_done_and_hold_no_value_and_no_secret() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.ndjson");
    append(&path, "{\"a\":1,\"x\":\"marker-value\"}\n{\"a\":\"marker-value\n");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let secret = url.replace("postgres@", "postgres:marker-secret@");
    let child = Command::new(env!("CARGO_BIN_EXE_longshore"))
        .args(["stream", path.to_str().unwrap(), "--to", &secret, "--max-age", "0.1", "--metrics", &address])
        .args(["--log", "json"])
        .env("LONGSHORE_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("a row", || number(&mut client, "SELECT count(*) FROM t") == 1);
    wait_for("the metrics", || scrape(port, "/metrics").contains("longshore_records_loaded_total 1"));
    let text = scrape(port, "/metrics");
    for line in
        ["longshore_records_quarantined_total 1", "longshore_batches_total 1", "longshore_commit_seconds_count 1"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(scrape(port, "/other").starts_with("HTTP/1.1 404"));
    let (output, _) = stop(child);
    let log = String::from_utf8(output.stderr).unwrap();
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let batch = events.iter().find(|event| event["message"] == "batch committed").expect("a batch is logged");
    assert_eq!((&batch["span"]["name"], &batch["span"]["table"]), (&json!("batch"), &json!("t")));
    assert_eq!((&batch["table"], &batch["loaded"], &batch["quarantined"]), (&json!("t"), &json!(1), &json!(1)));
    for text in [text.as_str(), &log, &String::from_utf8_lossy(&output.stdout)] {
        assert!(!text.contains("marker-value") && !text.contains("marker-secret"), "{text}");
    }
}

#[test]
fn a_quarantine_is_listed_shown_and_replayed() {
    let (url, mut client) = database();
    let input = b"{\"a\":1}\n{\"a\":2}\n";
    let into = ["--to", &url, "--table", "t"];
    assert_eq!(longshore_with(&[&["stream", "-"], &into[..]].concat(), input).code, 0);
    let input = b"{\"a\":\"x\"}\n{\"a\":\n{\"a\":\"y\"}\n";
    let run = longshore_with(&[&["stream", "-", "--wider-types", "quarantine"], &into[..]].concat(), input);
    assert_eq!(run.code, 3, "not one record could be loaded: {}", run.stdout);

    let run = longshore(&[&["quarantine", "list"], &into[..]].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("not valid JSON") && !run.stdout.contains("\"x\""), "{}", run.stdout);
    let listed = longshore(&[&["quarantine", "list", "--json", "--path", "a"], &into[..]].concat()).json();
    assert_eq!((&listed["records"], &listed["groups"][0]["path"]), (&json!(2), &json!("a")));
    let id = listed["groups"][0]["first"].as_str().unwrap();
    let run = longshore(&[&["quarantine", "show", id], &into[..]].concat());
    assert_eq!((run.code, run.stdout.as_str()), (0, "{\"a\":\"x\"}"));
    assert!(run.stderr.contains("column `a`"), "{}", run.stderr);

    let run = longshore(&[&["quarantine", "replay", "--json", "--id", id], &into[..]].concat());
    assert_eq!((run.code, &run.json()["loaded"]), (0, &json!(1)), "{}", run.stderr);
    let run = longshore(&[&["quarantine", "replay"], &into[..]].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("loaded       1") && run.stdout.contains("not valid JSON"), "{}", run.stdout);
    assert_eq!(number(&mut client, "SELECT count(*) FROM t"), 4);
    let again = longshore(&[&["quarantine", "replay"], &into[..]].concat());
    assert_eq!(again.code, 3, "what was left does not fit any better");
    assert_eq!(longshore(&[&["quarantine", "show", "999"], &into[..]].concat()).code, 66);
}

#[test]
fn records_go_into_tables_by_the_value_of_a_field_and_their_arrays_into_tables_of_their_own() {
    let (url, mut client) = database();
    let input =
        b"{\"type\":\"sale\",\"items\":[{\"sku\":1},{\"sku\":2}],\"tags\":[7]}\n{\"type\":\"visit\"}\n{\"items\":[]}\n";
    let args = ["stream", "-", "--to", &url, "--table", "t", "--route", "type", "--unrouted", "quarantine"];
    let run = longshore_with(&[&args[..], &["--max-tables", "1", "--child-tables=items", "--json"]].concat(), input);
    assert_eq!((run.code, &run.json()["quarantined"]), (0, &json!(2)), "{}", run.stderr);
    assert_eq!(number(&mut client, "SELECT sum(sku)::bigint FROM t_sale__items"), 3);
    assert_eq!(number(&mut client, "SELECT count(tags) FROM t_sale"), 1, "not among the paths, and so whole");
    let all = ["stream", "-", "--to", &url, "--table", "u", "--child-tables"];
    assert_eq!(longshore_with(&all, input).code, 0);
    assert_eq!(number(&mut client, "SELECT count(*) FROM u__items a, u__tags b"), 2);
    let merged = ["stream", "-", "--to", &url, "--table", "v", "--child-tables", "--key", "type"];
    for (input, sum) in [(&input[..], 3), (b"{\"type\":\"sale\",\"items\":[{\"sku\":9}]}\n", 9)] {
        let run = longshore_with(&merged, input);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert_eq!(number(&mut client, "SELECT sum(sku)::bigint FROM v__items"), sum, "elements follow their record");
    }
    assert_eq!(longshore(&["stream", "x", "--to", &url, "--unrouted", "table"]).code, 64, "there is no route");
}

#[test]
fn a_file_is_loaded_with_its_arrays_as_tables_of_their_own() {
    let (url, mut client) = database();
    let load = |more: &[&str], input: &[u8]| {
        longshore_with(&[&["load", "-", "--to", &url, "--table", "t", "--json"], more].concat(), input)
    };
    let run = load(&["--child-tables=items"], b"{\"id\":1,\"items\":[{\"n\":1},{\"n\":2}],\"tags\":[7]}\n{\"id\":2}\n");
    assert_eq!((run.code, &run.json()["loaded"]), (0, &json!(2)), "{}", run.stderr);
    assert_eq!(number(&mut client, "SELECT sum(n)::bigint FROM t JOIN t__items i ON i._parent_id = t._row_id"), 3);
    assert_eq!(number(&mut client, "SELECT count(*) FROM t WHERE tags = '[7]'"), 1, "not among the paths");
    let merge = ["--child-tables=items", "--mode", "merge", "--key", "id"];
    assert_eq!(load(&merge, b"{\"id\":1,\"items\":[{\"n\":9}]}\n").code, 0);
    assert_eq!(number(&mut client, "SELECT sum(n)::bigint FROM t__items"), 9);
    let run = longshore_with(&["load", "-", "--to", "dir:out", "--child-tables"], b"{\"a\":[1]}\n");
    assert!(run.code != 0 && run.stderr.contains("Postgres"), "{}", run.stderr);
}

#[test]
fn a_replay_brings_the_elements_of_records_into_the_tables_of_their_arrays() {
    let (url, mut client) = database();
    let into = ["--to", &url, "--table", "t"];
    let stream = [&["stream", "-", "--wider-types", "quarantine", "--child-tables"], &into[..]].concat();
    let first = longshore_with(&stream, b"{\"id\":1,\"items\":[{\"n\":1}]}\n");
    assert_eq!(first.code, 0, "{}", first.stderr);
    longshore_with(&stream, b"{\"id\":2,\"items\":[{\"n\":\"x\"},{\"n\":2}],\"notes\":[3]}\n");
    client.batch_execute("DROP TABLE t__notes").unwrap();
    let replay = [&["quarantine", "replay", "--json"], &into[..]].concat();
    let run = longshore(&replay);
    assert_ne!(run.code, 0, "an array has no table");
    assert!(run.stderr.contains("--child-tables"), "{}", run.stderr);
    let run = longshore(&[&replay[..], &["--child-tables"]].concat());
    assert_eq!((run.code, &run.json()["loaded"]), (0, &json!(1)), "{}", run.stderr);
    let joined = "SELECT count(*) FROM t JOIN t__items i ON i._parent_id = t._row_id JOIN t__notes n ON n._parent_id = t._row_id";
    assert_eq!(number(&mut client, joined), 2);
}

#[test]
fn fields_past_the_budget_are_promoted_by_the_names_that_they_have_there() {
    let (url, mut client) = database();
    let input = b"{\"a\":1,\"c\":{\"e\":1,\"d\":3},\"c.d\":2}\n{\"a\":1,\"c\":{\"e\":1}}\n{\"a\":1,\"c\":{\"e\":1},\"c.d\":4}\n";
    let into = ["--to", &url, "--table", "t"];
    let stream = [&["stream", "-", "--max-columns", "3"], &into[..]].concat();
    let run = longshore_with(&stream, input);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let keys = "SELECT count(*) FROM t WHERE _overflow ? '[\"c.d\"]' AND _overflow -> 'c.d' = '3'";
    assert_eq!(number(&mut client, keys), 1, "two fields of one text are two keys");
    let run = longshore(&[&["promote", "--json", "[\"c.d\"]", "c.d"], &into[..]].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    let promoted = &run.json()["promoted"];
    assert_eq!((&promoted[0]["rows"], &promoted[1]["rows"]), (&json!(2), &json!(1)));
    let columns = [&promoted[0], &promoted[1]].map(|one| one["column"].as_str().unwrap().to_owned());
    let [dotted, nested] = columns.map(|name| format!("SELECT sum(\"{name}\")::bigint FROM t"));
    assert_eq!((number(&mut client, &dotted), number(&mut client, &nested)), (6, 3));
    // What comes from here on goes into the columns.
    assert_eq!(longshore_with(&stream, input).code, 0);
    assert_eq!((number(&mut client, &dotted), number(&mut client, &nested)), (12, 6));
    let run = longshore(&[&["promote", "nothing"], &into[..]].concat());
    assert_eq!(run.code, 2, "{}", run.stderr);
    let run = longshore(&["promote", "c.d", "--to", &url, "--table", "other"]);
    assert!(
        run.stderr.contains("there is no table") && run.stderr.contains("hint: name it with its schema"),
        "{}",
        run.stderr
    );
}

#[test]
fn an_object_that_is_past_the_budget_with_all_its_fields_is_promoted_whole() {
    let (url, mut client) = database();
    let into = ["--to", &url, "--table", "t"];
    // The second batch's object finds no room for any of its fields.
    let stream = [&["stream", "-", "--max-columns", "2"], &into[..]].concat();
    for input in [&b"{\"a\":1,\"b\":2}\n"[..], b"{\"a\":1,\"o\":{\"x\":1,\"y\":2}}\n"] {
        assert_eq!(longshore_with(&stream, input).code, 0);
    }
    assert_eq!(number(&mut client, "SELECT count(*) FROM t WHERE _overflow ? 'o'"), 1);
    assert_eq!(longshore(&[&["promote", "o.x"], &into[..]].concat()).code, 2, "it is not there under that name");
    let run = longshore(&[&["promote", "o"], &into[..]].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(number(&mut client, "SELECT count(*) FROM t WHERE o = '{\"x\":1,\"y\":2}'"), 1);
}

#[test]
fn what_cannot_be_is_refused_with_its_exit_code() {
    let cases: [(&[&str], i32, &str); 10] = [
        (&["stream", "fixtures", "--to", "postgres://127.0.0.1:1/d"], 66, "fixtures: this is a folder"),
        (&["promote", "x", "--to", "dir:out", "--table", "t"], 64, "`promote` changes a table on a Postgres server"),
        (&["quarantine", "list", "--to", "dir:nowhere", "--table", "t"], 66, "nowhere: there is no such folder"),
        (&["stream", "x.CSV", "--to", "postgres://127.0.0.1:1/d"], 64, "`--columns`"),
        (&["stream", "x", "--format", "csv", "--to", "postgres://127.0.0.1:1/d"], 64, "`--columns`"),
        (&["stream", "x.ndjson", "--to", "dir:out"], 64, "a stream goes into a Postgres server"),
        (&["stream", "--to", "postgres://127.0.0.1:1/d"], 64, "a stream needs files"),
        (&["stream", "--kafka", "h:1", "--to", "postgres://127.0.0.1:1/d"], 64, "--topic"),
        (&["stream", "x", "--to", "postgres://127.0.0.1:1/d", "--metrics", "1.2.3.4:5"], 74, "serving metrics"),
        (&["quarantine", "list", "--to", "s3:x", "--table", "t"], 64, "on a server"),
    ];
    for (args, code, message) in cases {
        let run = longshore(args);
        assert_eq!(run.code, code, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(message), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn a_table_that_nobody_knows_is_not_taken_for_one_without_a_quarantine() {
    let (url, mut client) = database();
    let unknown = |command: &str, to: &str, table: &str| {
        let run = longshore(&["quarantine", command, "--to", to, "--table", table]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.stderr.contains(&format!("warning: there is no table `{table}`"))
    };
    client.batch_execute("CREATE TABLE there (a int)").unwrap();
    for command in ["list", "replay"] {
        assert!(unknown(command, &url, "t"), "nothing was ever loaded");
        assert!(!unknown(command, &url, "there"));
    }
    assert_eq!(longshore_with(&["stream", "-", "--to", &url, "--table", "t"], b"{\"a\":1}\n").code, 0);
    client.batch_execute("DROP TABLE t").unwrap();
    for command in ["list", "replay"] {
        assert!(!unknown(command, &url, "t"), "it is in the ledger");
        assert!(unknown(command, &url, "tt"));
    }
    let folder = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", folder.path().display());
    assert_eq!(longshore_with(&["load", "-", "--to", &to, "--table", "t"], b"{\"a\":1}\n").code, 0);
    assert!(!unknown("list", &to, "t") && unknown("list", &to, "tt") && unknown("replay", &to, "tt"));
}

#[cfg(not(feature = "kafka"))]
#[test]
fn without_kafka_it_is_said_how_to_get_it() {
    let run = longshore(&["stream", "--kafka", "h:1", "--topic", "t", "--to", "postgres://127.0.0.1:1/d"]);
    assert_eq!(run.code, 69);
    assert!(run.stderr.contains("--features kafka"), "{}", run.stderr);
}

#[cfg(feature = "kafka")]
#[path = "../../tests/support/kafka.rs"]
mod kafka;

#[cfg(feature = "kafka")]
#[test]
fn a_stop_while_brokers_are_waited_for_ends_at_once_and_well() {
    let (url, _client) = database();
    // A port that is free, and stays so as long as nobody is given it.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let child = start(&["stream", "--kafka", &free, "--topic", "t", "--to", &url, "--json"]);
    std::thread::sleep(Duration::from_millis(1_500));
    let (output, took) = stop(child);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(took < Duration::from_secs(8), "{took:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["read"], &report["stopped"]), (&json!(0), &json!(true)));
}

#[cfg(feature = "kafka")]
#[test]
fn a_topic_goes_into_its_table_until_a_signal_comes() {
    let broker = kafka::Broker::start();
    broker.create_topic("shop.orders", 2);
    let messages: Vec<String> = (0..1_000).map(|n| format!("{{\"n\":{n}}}")).collect();
    let values = messages.iter().enumerate().map(|(nth, text)| ((nth % 2) as i32, Some(text.as_bytes())));
    kafka::produce(&broker.servers(), "shop.orders", values);
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let metrics = folder.path().join("metrics.prom");
    let servers = broker.servers();
    let args = ["stream", "--kafka", &servers, "--topic", "shop.orders", "--to", &url, "--max-age", "0.2", "--json"];
    let child = start(&[&args[..], &["--metrics", metrics.to_str().unwrap()]].concat());
    let rows = "SELECT count(*) FROM shop_orders";
    wait_for("all rows", || number(&mut client, rows) == 1_000);
    wait_for("the position of a partition", || {
        let text = std::fs::read_to_string(&metrics).unwrap_or_default();
        text.contains("longshore_partition_position{topic=\"shop.orders\",partition=\"0\"} 500")
    });
    let (output, took) = stop(child);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(took < Duration::from_secs(10), "{took:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["loaded"], &report["stopped"]), (&json!(1000), &json!(true)));
    assert_eq!(number(&mut client, "SELECT sum(n)::bigint FROM shop_orders"), 499_500);
}

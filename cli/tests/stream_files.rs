//! Files under `longshore stream`: what grows, is rotated, cut, replaced, or called by another name is loaded once, or it is
//! said why not.
#![cfg(unix)]

mod common;
#[path = "common/server.rs"]
mod server;

use std::path::Path;
use std::time::Duration;

use common::{longshore, longshore_with};
use serde_json::json;
use server::{append, database, number, signal, start, stop, wait_for};

#[test]
fn a_file_that_grows_is_followed_its_torn_tail_waits_and_a_restart_goes_on_at_its_byte() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    append(&path, "{\"a\":1}\n{\"a\":2}\n{\"a\":");
    let args = ["stream", path.to_str().unwrap(), "--to", &url, "--max-age", "0.1"];
    let rows = "SELECT count(*) FROM events";
    let child = start(&args);
    wait_for("two rows", || number(&mut client, rows) == 2);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(number(&mut client, "SELECT count(*) FROM _longshore_quarantine"), 0, "a torn tail is not taken early");
    append(&path, "3}\n");
    wait_for("the third row", || number(&mut client, rows) == 3);
    let (output, took) = stop(child);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(took < Duration::from_secs(10), "{took:?}");
    append(&path, "{\"a\":4}\n{\"a\":5}");
    let run = longshore(&[&args[..], &["--until-end", "--json"]].concat());
    assert_eq!((run.code, &run.json()["loaded"]), (0, &json!(2)), "{}", run.stderr);
    assert_eq!(number(&mut client, "SELECT sum(a)::bigint FROM events"), 15);
    assert_eq!(number(&mut client, "SELECT min(position) FROM _longshore_offsets"), 8 * 5 - 1);

    // Rotated: another first line is another source. Cut: an error.
    std::fs::write(&path, "{\"a\":10}\n").unwrap();
    let run = longshore(&[&args[..], &["--until-end"]].concat());
    assert_eq!((run.code, number(&mut client, "SELECT sum(a)::bigint FROM events")), (0, 25), "{}", run.stderr);
    std::fs::write(&path, "{\"a\":1}\n").unwrap();
    let run = longshore(&[&args[..], &["--until-end"]].concat());
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("it was cut or replaced"), "{}", run.stderr);
}

#[test]
fn a_file_is_one_source_however_its_path_is_spelled() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    append(&path, "{\"a\":1}\n{\"a\":2}\n");
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    let spelled = [path.clone(), folder.path().join(format!("../{name}/./events.ndjson")), folder.path().join("link")];
    std::os::unix::fs::symlink(&path, &spelled[2]).unwrap();
    let stream = |paths: &[&Path]| {
        let paths = paths.iter().map(|path| path.to_str().unwrap());
        let args: Vec<&str> = ["stream"].into_iter().chain(paths).collect();
        let run = longshore(&[&args[..], &["--to", &url, "--table", "events", "--until-end"]].concat());
        assert_eq!(run.code, 0, "{}", run.stderr);
    };
    spelled.iter().for_each(|path| stream(&[path]));
    append(&path, "{\"a\":3}\n");
    stream(&[&spelled[1], &spelled[0], &spelled[2]]);
    assert_eq!(number(&mut client, "SELECT count(*) * 100 + sum(a)::bigint FROM events"), 306);
    // What an earlier version has committed under another spelling goes on there.
    let old = format!("{}#", spelled[1].display());
    let rename = format!("UPDATE _longshore_offsets SET source = '{old}' || split_part(source, '#', 2)");
    client.batch_execute(&rename).unwrap();
    append(&path, "{\"a\":4}\n");
    stream(&[&spelled[1]]);
    assert_eq!(number(&mut client, "SELECT count(*) * 100 + sum(a)::bigint FROM events"), 410);
}

#[test]
fn rows_of_csv_in_a_file_may_go_over_lines_and_a_stray_quote_costs_its_line() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    append(&path, "1,\"one\nuno\"\n2,two\n\"3");
    let args = ["stream", path.to_str().unwrap(), "--to", &url, "--columns", "id,name", "--max-age", "0.1"];
    let child = start(&args);
    wait_for("two rows", || number(&mut client, "SELECT count(*) FROM rows") == 2);
    append(&path, "\",three\n");
    wait_for("three rows", || number(&mut client, "SELECT count(*) FROM rows") == 3);
    assert_eq!(stop(child).0.status.code(), Some(0));
    assert_eq!(number(&mut client, "SELECT count(*) FROM rows WHERE name = E'one\\nuno'"), 1);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_record() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let (rows, line) = (folder.path().join("rows.csv"), folder.path().join("line.ndjson"));
    std::fs::write(&rows, "\u{feff}\"x\ny\",1\nz,2\n").unwrap();
    std::fs::write(&line, "\u{feff}{\"a\":\"last\"}").unwrap();
    let csv = ["--format", "csv", "--columns", "a,b", "--until-end"];
    for _ in 0..2 {
        let run = longshore(&[&["stream", rows.to_str().unwrap(), "--to", &url, "--table", "t"], &csv[..]].concat());
        assert_eq!(run.code, 0, "{}", run.stderr);
        let run = longshore(&["stream", line.to_str().unwrap(), "--to", &url, "--table", "t", "--until-end"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
    }
    let run = longshore_with(&["stream", "-", "--to", &url, "--table", "t"], "\u{feff}{\"a\":\"piped\"}\n".as_bytes());
    assert_eq!(run.code, 0, "{}", run.stderr);
    let found: String = client.query_one("SELECT string_agg(a, ' ' ORDER BY a) FROM t", &[]).unwrap().get(0);
    assert_eq!(found, "last piped x\ny z");
}

#[test]
fn a_file_that_is_rotated_away_is_read_to_its_end_and_the_new_one_behind_it() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let (path, first, second) = (folder.path().join("r.ndjson"), folder.path().join("1"), folder.path().join("2"));
    append(&path, "{\"a\":1}\n");
    let child = start(&["stream", path.to_str().unwrap(), "--to", &url, "--max-age", "0.1"]);
    let sum = "SELECT sum(a)::bigint FROM r";
    wait_for("a row", || number(&mut client, sum) == 1);
    std::fs::rename(&path, &first).unwrap();
    append(&path, "{\"a\":20}\n{\"a\":20}\n");
    std::thread::sleep(Duration::from_millis(700));
    // Moved away in its turn before it was read, and its writer and that of the first one go on for a while.
    std::fs::rename(&path, &second).unwrap();
    append(&first, "{\"a\":2}\n{\"a\":2}");
    append(&second, "{\"a\":20}\n");
    append(&path, "{\"a\":300}\n{\"a\":");
    wait_for("all of three files", || number(&mut client, sum) == 5 + 60 + 300);
    append(&path, "300}\n");
    wait_for("what comes then", || number(&mut client, sum) == 5 + 60 + 600);
    let (output, _) = stop(child);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let run = longshore(&["stream", path.to_str().unwrap(), "--to", &url, "--until-end"]);
    assert_eq!((run.code, number(&mut client, "SELECT count(*) FROM r")), (0, 8), "{}", run.stderr);
}

#[test]
fn a_stream_that_is_stopped_behind_a_rotation_has_read_the_old_file_to_its_end() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let (path, first) = (folder.path().join("r.ndjson"), folder.path().join("1"));
    append(&path, "{\"a\":1}\n");
    let child = start(&["stream", path.to_str().unwrap(), "--to", &url, "--max-age", "0.1"]);
    wait_for("a row", || number(&mut client, "SELECT count(*) FROM r") == 1);
    std::fs::rename(&path, &first).unwrap();
    append(&path, "{\"b\":1}\n");
    std::thread::sleep(Duration::from_millis(700));
    append(&first, "{\"a\":2}");
    let (output, _) = stop(child);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(number(&mut client, "SELECT sum(a)::bigint FROM r"), 3, "nobody would find it later");
    assert_eq!(longshore(&["stream", path.to_str().unwrap(), "--to", &url, "--until-end"]).code, 0);
    assert_eq!(number(&mut client, "SELECT count(*) * 10 + sum(b)::bigint FROM r"), 31);
}

#[test]
fn a_file_that_is_cut_and_has_grown_again_between_two_looks_ends_the_stream() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.ndjson");
    for (nth, anew) in ["{\"a\":2}\n{\"a\":3}\n", "{\"a\":1}\n{\"a\":3}\n{\"a\":4}\n"].into_iter().enumerate() {
        std::fs::write(&path, "{\"a\":1}\n{\"a\":2}\n".split_at(8 * (nth + 1)).0).unwrap();
        let table = format!("t{nth}");
        let mut child = start(&["stream", path.to_str().unwrap(), "--to", &url, "--table", &table, "--max-age", "0.1"]);
        let rows = format!("SELECT count(*) FROM {table}");
        wait_for("the rows", || number(&mut client, &rows) == nth as i64 + 1);
        signal(&child, "-STOP");
        // The file itself, not another one of its name.
        std::fs::write(&path, anew).unwrap();
        signal(&child, "-CONT");
        wait_for("the end", || child.try_wait().unwrap().is_some());
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("written anew") && text.contains("hint: "), "{text}");
        assert_eq!(number(&mut client, &rows), nth as i64 + 1, "nothing of what is in question");
    }
}

#[test]
fn a_file_in_place_of_one_with_the_same_first_line_is_not_taken_for_it() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.ndjson");
    let stream = || longshore(&["stream", path.to_str().unwrap(), "--to", &url, "--until-end"]);
    std::fs::write(&path, "{\"t\":\"start\"}\n{\"n\":1}\n").unwrap();
    assert_eq!(stream().code, 0);
    // The same in a file of another inode goes on, as behind a copy or an editor.
    let copy = folder.path().join("copy");
    std::fs::write(&copy, "{\"t\":\"start\"}\n{\"n\":1}\n{\"n\":10}\n").unwrap();
    std::fs::rename(&copy, &path).unwrap();
    let run = stream();
    assert_eq!((run.code, number(&mut client, "SELECT sum(n)::bigint FROM s")), (0, 11), "{}", run.stderr);
    std::fs::write(&path, "{\"t\":\"start\"}\n{\"n\":2}\n{\"n\":10}\n{\"n\":3}\n").unwrap();
    std::fs::rename(&path, folder.path().join("s.1")).unwrap();
    std::fs::copy(folder.path().join("s.1"), &path).unwrap();
    let run = stream();
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("it was replaced") && run.stderr.contains("hint: "), "{}", run.stderr);
    assert_eq!(number(&mut client, "SELECT sum(n)::bigint FROM s"), 11);
}

#[test]
fn lines_that_end_in_cr_and_lf_are_loaded_once_also_where_the_first_was_taken_without_its_end() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.ndjson");
    let stream = || assert_eq!(longshore(&["stream", path.to_str().unwrap(), "--to", &url, "--until-end"]).code, 0);
    let sums = "SELECT count(*) * 100 + sum(a)::bigint FROM c";
    append(&path, "{\"a\":1}");
    stream();
    append(&path, "\r\n{\"a\":2}\r\n");
    stream();
    assert_eq!(number(&mut client, sums), 203);
    // A file of which an older version has loaded a part, under the mark of its line with the CR.
    let cr = "{\"a\":1}\r"
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let rename = format!(
        "DELETE FROM _longshore_offsets WHERE source LIKE '%+before'; \
         UPDATE _longshore_offsets SET source = split_part(source, '#', 1) || '#{cr:016x}'"
    );
    client.batch_execute(&rename).unwrap();
    append(&path, "{\"a\":3}\r\n");
    stream();
    stream();
    assert_eq!(number(&mut client, sums), 306);
}

/// Lines `{"n":FROM}` to `{"n":TO}`.
fn lines(numbers: std::ops::RangeInclusive<u32>) -> String {
    numbers.map(|n| format!("{{\"n\":{n}}}\n")).collect()
}

#[test]
fn a_file_that_is_rotated_onto_another_path_of_the_stream_is_loaded_once() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let [path, first, second, third] = ["d.log", "d.log.1", "d.log.2", "d.log.3"].map(|name| folder.path().join(name));
    append(&path, &lines(1..=3));
    append(&first, &lines(101..=103));
    // The same file by another path, which is no link.
    let hard = folder.path().join("hard");
    std::fs::hard_link(&path, &hard).unwrap();
    let paths = [&path, &first, &hard].map(|path| path.to_str().unwrap());
    let child = start(&[&["stream"], &paths[..], &["--to", &url, "--table", "d", "--max-age", "0.1"]].concat());
    wait_for("both files", || number(&mut client, "SELECT count(*) FROM d") == 6);
    std::fs::remove_file(&hard).unwrap();
    std::fs::rename(&first, &second).unwrap();
    std::fs::rename(&path, &first).unwrap();
    append(&path, &lines(4..=4));
    // By now the first file is read through and closed.
    wait_for("the new file", || number(&mut client, "SELECT max(n) FILTER (WHERE n < 100)::bigint FROM d") == 4);
    append(&second, &lines(104..=104));
    std::fs::rename(&first, &third).unwrap();
    std::fs::rename(&path, &first).unwrap();
    append(&path, &lines(5..=5));
    wait_for("the newest file", || number(&mut client, "SELECT max(n) FILTER (WHERE n < 100)::bigint FROM d") == 5);
    let (output, _) = stop(child);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(number(&mut client, "SELECT count(*) * 100 + count(DISTINCT n) FROM d"), 808);
}

#[test]
fn a_stop_right_behind_a_rotation_costs_no_record_whether_or_not_a_new_file_is_there() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    for (nth, new) in [None, Some("")].into_iter().enumerate() {
        let path = folder.path().join(format!("b{nth}.log"));
        append(&path, &lines(1..=3));
        let table = format!("b{nth}");
        let args = ["stream", path.to_str().unwrap(), "--to", &url, "--table", &table, "--max-age", "0.1"];
        let child = start(&[&args[..], &["--max-rows", "5000"]].concat());
        let rows = format!("SELECT count(*) FROM {table}");
        wait_for("the first rows", || number(&mut client, &rows) == 3);
        signal(&child, "-STOP");
        append(&path, &lines(4..=60_000));
        std::fs::rename(&path, folder.path().join("away")).unwrap();
        new.into_iter().for_each(|text| append(&path, text));
        signal(&child, "-TERM");
        signal(&child, "-CONT");
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(number(&mut client, &rows), 60_000, "a new file: {new:?}");
    }
}

#[test]
fn a_stop_that_takes_too_long_names_the_files_that_nobody_will_find_again_and_how_to_load_them() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let (path, away) = (folder.path().join("l.log"), folder.path().join("away"));
    append(&path, &lines(1..=3));
    let args = ["stream", path.to_str().unwrap(), "--to", &url, "--table", "l", "--max-age", "0.1"];
    let child = start(&args);
    wait_for("the first rows", || number(&mut client, "SELECT count(*) FROM l") == 3);
    client.batch_execute("BEGIN; LOCK TABLE l").unwrap();
    append(&path, &lines(4..=6));
    std::thread::sleep(Duration::from_millis(500));
    std::fs::rename(&path, &away).unwrap();
    append(&path, &lines(7..=7));
    let (output, _) = stop(child);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{text}");
    assert!(text.contains("moved away") && text.contains("l.log (inode "), "{text}");
    client.batch_execute("ROLLBACK").unwrap();
    // As the hint says.
    let until_end = || longshore(&[&args[..], &["--until-end"]].concat());
    std::fs::rename(&path, folder.path().join("new")).unwrap();
    std::fs::rename(&away, &path).unwrap();
    assert_eq!(until_end().code, 0);
    std::fs::rename(folder.path().join("new"), &path).unwrap();
    assert_eq!(until_end().code, 0);
    assert_eq!(number(&mut client, "SELECT count(*) * 100 + sum(n)::bigint FROM l"), 728);
}

#[test]
fn files_that_wait_for_their_turn_do_not_wait_once_more_in_it() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q.log");
    append(&path, &lines(1..=1));
    let child = start(&["stream", path.to_str().unwrap(), "--to", &url, "--max-age", "0.1"]);
    wait_for("a row", || number(&mut client, "SELECT count(*) FROM q") == 1);
    let started = std::time::Instant::now();
    for n in 2..=7 {
        std::fs::rename(&path, folder.path().join(n.to_string())).unwrap();
        append(&path, &lines(n..=n));
        std::thread::sleep(Duration::from_millis(500));
    }
    wait_for("all files", || number(&mut client, "SELECT count(*) FROM q") == 7);
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
    assert_eq!(stop(child).0.status.code(), Some(0));
}

#[test]
fn a_new_file_that_cannot_be_opened_for_a_moment_ends_nothing() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let (path, away) = (folder.path().join("o.log"), folder.path().join("away"));
    append(&path, &lines(1..=1));
    let child = start(&["stream", path.to_str().unwrap(), "--to", &url, "--max-age", "0.1"]);
    let rows = "SELECT count(*) FROM o";
    wait_for("a row", || number(&mut client, rows) == 1);
    std::fs::rename(&path, &away).unwrap();
    // Nobody, not even root, gets through a link to itself.
    std::os::unix::fs::symlink(&path, &path).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    append(&away, &lines(2..=2));
    wait_for("what came late", || number(&mut client, rows) == 2);
    std::fs::remove_file(&path).unwrap();
    append(&path, &lines(3..=3));
    wait_for("the new file", || number(&mut client, rows) == 3);
    assert_eq!(stop(child).0.status.code(), Some(0));
}

#[test]
fn a_new_file_that_cannot_be_opened_at_all_ends_the_stream_when_the_old_one_is_loaded() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    for (nth, is_moved_on) in [false, true].into_iter().enumerate() {
        let (path, away) = (folder.path().join(format!("s{nth}")), folder.path().join(format!("away{nth}")));
        append(&path, &lines(1..=1));
        let table = format!("s{nth}");
        let rows = format!("SELECT count(*) FROM {table}");
        let mut child = start(&["stream", path.to_str().unwrap(), "--to", &url, "--table", &table, "--max-age", "0.1"]);
        wait_for("a row", || number(&mut client, &rows) == 1);
        std::fs::rename(&path, &away).unwrap();
        append(&away, "{\"n\":2}");
        // A socket has a name and cannot be opened as a file.
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        if is_moved_on {
            std::thread::sleep(Duration::from_secs(2));
            std::fs::remove_file(&path).unwrap();
            append(&path, &lines(3..=3));
        }
        wait_for("the end", || child.try_wait().unwrap().is_some());
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(if is_moved_on { 74 } else { 66 }), "{text}");
        assert_eq!(text.contains("nothing of it is loaded"), is_moved_on, "{text}");
        assert_eq!(number(&mut client, &rows), 2, "{text}");
    }
}

#[test]
fn what_was_read_is_committed_when_a_file_ends_the_stream_and_it_is_said_how_far() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let (good, cut) = (folder.path().join("good"), folder.path().join("cut"));
    append(&good, &lines(1..=2));
    append(&cut, &lines(11..=11));
    let paths = [&good, &cut].map(|path| path.to_str().unwrap());
    let options = ["--to", &url, "--table", "f", "--max-age", "60", "--max-rows", "3"];
    let mut child = start(&[&["stream"], &paths[..], &options[..]].concat());
    wait_for("the first batch", || number(&mut client, "SELECT count(*) FROM f") == 3);
    append(&good, &lines(3..=3));
    append(&cut, &lines(12..=12));
    std::thread::sleep(Duration::from_secs(2));
    std::fs::write(&cut, "").unwrap();
    wait_for("the end", || child.try_wait().unwrap().is_some());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("it was cut or replaced; it is loaded up to byte 18\n"), "{text}");
    assert_eq!(number(&mut client, "SELECT count(*) * 100 + sum(n)::bigint FROM f"), 529);
}

#[test]
fn what_is_noted_of_a_file_makes_no_batch_of_its_own() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.log");
    append(&path, &format!("{}{{\"n\":6}}", lines(1..=5)));
    let args = ["stream", path.to_str().unwrap(), "--to", &url, "--until-end", "--json"];
    let run = longshore(&[&args[..], &["--max-rows", "1"]].concat());
    assert_eq!((run.code, &run.json()["batches"]), (0, &json!(6)), "{}", run.stderr);
    assert_eq!(number(&mut client, "SELECT count(*) FROM _longshore_loads WHERE read = 0"), 0);
    assert_eq!(number(&mut client, "SELECT count(*) FROM _longshore_offsets WHERE source LIKE '%+before'"), 1);
}

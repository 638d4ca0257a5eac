//! A loader that is killed at random moments is completed by the next run.

use std::time::{Duration, Instant};

use crate::child::{BATCH, Work, child};
use crate::support::{count, database, exists};
use crate::{known, times};

/// The next of a row of numbers below a limit, always the same for one seed.
pub(crate) fn random(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below.max(1)
}

/// Kills children of this kind until so many were killed before they were done; the time is a seeded part of that of a
/// clean run. Each database is then completed and checked.
fn kill(work: Work, kills: u64, records: i64) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), known::lines(0..records)).unwrap();
    let input = if work == Work::Stream { records.to_string() } else { file.path().display().to_string() };
    let (url, mut client) = database();
    let started = Instant::now();
    assert!(child(work, &url, &input).status().unwrap().success());
    let whole = started.elapsed();
    known::check(&mut client, records);

    let (mut seed, mut done, mut between) = (1, 0, 0);
    while done < kills {
        let (url, mut client) = database();
        // Some kills into one database, then it is completed.
        for _ in 0..1 + random(&mut seed, 4) {
            let mut child = child(work, &url, &input).spawn().unwrap();
            std::thread::sleep(whole.mul_f64(random(&mut seed, 1000) as f64 / 1000.0));
            child.kill().unwrap();
            if child.wait().unwrap().success() {
                break;
            }
            done += 1;
            if exists(&mut client, "t") {
                // What is seen is always a number of whole batches.
                let rows = count(&mut client, "t") + count(&mut client, "_longshore_quarantine");
                assert_eq!(rows as u64 % BATCH, 0, "a part of a batch is visible");
                between += u64::from(rows > 0);
            }
        }
        assert!(child(work, &url, &input).status().unwrap().success(), "the last run goes through");
        known::check(&mut client, records);
    }
    println!("{work:?}: {done} kills, {between} of them with something committed");
    assert!(work != Work::Stream || between > 0, "they all came before the first batch");
}

#[test]
fn a_stream_that_is_killed_at_random_moments_neither_doubles_nor_loses() {
    kill(Work::Stream, times(10, 200), 10_000);
}

#[test]
fn a_load_that_is_killed_at_random_moments_neither_doubles_nor_loses() {
    kill(Work::Load, times(5, 200), 20_000);
}

#[test]
fn a_load_that_is_terminated_by_a_signal_leaves_nothing_and_ends_at_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), known::lines(0..2_000)).unwrap();
    let (url, mut client) = database();
    // It waits for the table as long as this lock is held.
    client.batch_execute("CREATE TABLE t (a bigint, s text, late bigint)").unwrap();
    client.batch_execute("BEGIN; LOCK TABLE t").unwrap();
    for signal in ["TERM", "INT"] {
        let mut child = child(Work::Load, &url, &file.path().display().to_string()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(700));
        let sent = std::process::Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let started = Instant::now();
        assert!(!child.wait().unwrap().success(), "{signal}: it ended well");
        assert!(started.elapsed() < Duration::from_secs(10), "{signal}");
    }
    client.batch_execute("COMMIT").unwrap();
    known::nothing_is_left(&mut client);
    assert_eq!(count(&mut client, "t"), 0);
    assert!(child(Work::Load, &url, &file.path().display().to_string()).status().unwrap().success());
    known::check(&mut client, 2_000);
}

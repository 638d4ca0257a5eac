//! A stream whose schema changes under way ends as the oracle says, however it is cut, shared out and interrupted.
#![cfg(all(unix, feature = "postgres"))]

#[path = "support/drift.rs"]
mod drift;
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use longshore::load::{MergeKeys, Mode};
use longshore::{Loader, Offset, Route, Source, StreamLoader, StreamOptions};
use support::*;

fn open(url: &str) -> StreamLoader {
    Loader::new(url).table("t").open().unwrap()
}

/// Loads batches as one source, a commit for each.
fn load(url: &str, source: &str, batches: &[(Vec<u8>, u64)]) -> Vec<String> {
    let mut loader = open(url);
    let mut altered = Vec::new();
    for (bytes, position) in batches {
        loader.write(bytes, Offset::new(source, *position)).unwrap();
        altered.extend(loader.commit().unwrap().altered);
    }
    altered
}

/// The types that a stream gives the columns of a load: a load knows the end, and makes columns of small numbers smallint.
fn as_a_stream(mut types: BTreeMap<String, String>) -> BTreeMap<String, String> {
    types.values_mut().filter(|ty| *ty == "smallint").for_each(|ty| "integer".clone_into(ty));
    types
}

#[test]
fn the_same_stream_is_the_same_table_at_any_batch_size() {
    let lines = drift::lines();
    let (url, mut client) = database();
    // What a load makes that sees everything before it decides.
    Loader::new(&url).table("s.whole").load(Source::bytes(lines.concat())).unwrap();
    let whole = as_a_stream(drift::types(&mut client, "s.whole"));
    for size in [100, 1_000, lines.len()] {
        let (url, mut client) = database();
        let altered = load(&url, "drift", &drift::batches(&lines, size));
        drift::check(&mut client, "t", 1);
        assert_eq!(drift::types(&mut client, "t"), whole, "batches of {size}");
        // A table is altered for a new field or a wider type, and never without need.
        let alters = altered.iter().filter(|sql| sql.starts_with("ALTER TABLE")).count();
        assert!(alters <= 40, "{alters} ALTER TABLE in batches of {size}");
    }
}

#[test]
fn phases_in_the_other_order_end_in_the_same_types_and_values() {
    let lines = drift::lines();
    let mut batches = drift::batches(&lines, 500);
    batches.reverse();
    let batches: Vec<_> = batches.into_iter().enumerate().map(|(i, (bytes, _))| (bytes, i as u64)).collect();
    let (url, mut client) = database();
    load(&url, "drift", &batches);
    drift::check(&mut client, "t", 1);
}

#[test]
fn loaders_that_share_a_table_end_as_one_would() {
    let batches = drift::batches(&drift::lines(), 500);
    let (url, mut client) = database();
    std::thread::scope(|scope| {
        for (nth, source) in ["even", "odd"].into_iter().enumerate() {
            let own: Vec<_> = batches.iter().skip(nth).step_by(2).cloned().collect();
            let url = &url;
            scope.spawn(move || load(url, source, &own));
        }
    });
    drift::check(&mut client, "t", 1);
}

#[test]
fn two_loaders_on_one_source_neither_double_nor_lose() {
    let batches = drift::batches(&drift::lines(), 100);
    let (url, mut client) = database();
    let totals: Vec<_> = std::thread::scope(|scope| {
        // Their commits fall on different borders, so each finds parts of its batches done by the other.
        let threads = [3, 4].map(|writes| {
            let (url, batches) = (&url, &batches);
            scope.spawn(move || {
                let mut loader = open(url);
                for (nth, (bytes, position)) in batches.iter().enumerate() {
                    loader.write(bytes, Offset::new("drift", *position)).unwrap();
                    if nth % writes == 0 {
                        loader.commit().unwrap();
                    }
                }
                loader.commit().unwrap();
                loader.totals()
            })
        });
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    drift::check(&mut client, "t", 1);
    assert_eq!(totals[0].counts.read + totals[1].counts.read, 20_031);
    let skipped: u64 = totals.iter().map(|totals| totals.skipped).sum();
    assert_eq!(skipped, batches.len() as u64, "each write was loaded by one and skipped by the other");
}

#[test]
fn the_same_stream_again_adds_nothing_and_under_another_name_doubles_it() {
    let batches = drift::batches(&drift::lines(), 2_500);
    let (url, mut client) = database();
    load(&url, "drift", &batches);
    load(&url, "drift", &batches);
    drift::check(&mut client, "t", 1);
    load(&url, "drift again", &batches);
    drift::check(&mut client, "t", 2);
}

/// A loader that merges by the stream's own number, so that its repeats are one row.
fn open_merging(url: &str) -> StreamLoader {
    Loader::new(url).table("t").mode(Mode::Merge(MergeKeys::new(["seq"]))).open().unwrap()
}

/// Holds a table that was merged against one that everything was appended to, without its repeats.
fn check_merged(client: &mut postgres::Client, url: &str) {
    Loader::new(url).table("s.plain").load(Source::bytes(drift::lines().concat())).unwrap();
    let sql = "SELECT (SELECT count(*) FROM t), (SELECT count(DISTINCT seq) FROM s.plain), \
               (SELECT count(*) FROM (SELECT to_jsonb(t) FROM t EXCEPT SELECT to_jsonb(p) FROM s.plain p) AS others)";
    let row = client.query_one(sql, &[]).unwrap();
    assert_eq!(row.get::<_, i64>(0), row.get::<_, i64>(1));
    assert_eq!(row.get::<_, i64>(2), 0, "rows that are not the stream's");
    assert_eq!(drift::types(client, "t"), as_a_stream(drift::types(client, "s.plain")));
}

#[test]
fn merged_by_its_number_the_stream_is_itself_without_its_repeats_however_often_it_is_given() {
    let (url, mut client) = database();
    let mut loader = open_merging(&url);
    for (source, size) in [("drift", 1_000), ("again", 3_000)] {
        for (bytes, position) in drift::batches(&drift::lines(), size) {
            loader.write(&bytes, Offset::new(source, position)).unwrap();
            loader.commit().unwrap();
        }
    }
    let total = loader.totals().counts;
    assert_eq!(total.read, 2 * 20_031);
    assert_eq!(total.read, total.loaded + total.quarantined + total.deduplicated);
    check_merged(&mut client, &url);
}

const CHILD_URL: &str = "LONGSHORE_TEST_STREAM_URL";
/// Before which write the clock starts, and how many microseconds later the child dies.
const CHILD_DIES: &str = "LONGSHORE_TEST_STREAM_DIES";
/// What the child does with the records: `append`, `merge` or `route`.
const CHILD_DOES: &str = "LONGSHORE_TEST_STREAM_DOES";

/// Not a test of its own: what the next one runs in a process that aborts.
#[test]
fn child_that_may_die() {
    let Ok(url) = std::env::var(CHILD_URL) else { return };
    let dies = std::env::var(CHILD_DIES).ok();
    let dies = dies.as_deref().and_then(|dies| dies.split_once(' '));
    let dies = dies.map(|(write, micros)| (write.parse::<usize>().unwrap(), micros.parse::<u64>().unwrap()));
    let (mut loader, mut options) = (Loader::new(url).table("t"), StreamOptions::default().max_rows(300));
    match std::env::var(CHILD_DOES).unwrap().as_str() {
        "merge" => loader = loader.mode(Mode::Merge(MergeKeys::new(["seq"]))),
        "route" => options = options.route(Route::field("flag")),
        _ => {}
    }
    let mut loader = loader.open_with(options).unwrap();
    let from = loader.committed("drift").unwrap().unwrap_or(0);
    let rest = drift::batches(&drift::lines(), 50).into_iter().filter(|(_, position)| *position > from);
    for (nth, (bytes, position)) in rest.enumerate() {
        if let Some((_, micros)) = dies.filter(|(write, _)| *write == nth) {
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_micros(micros));
                std::process::abort();
            });
        }
        loader.write(bytes, Offset::new("drift", position)).unwrap();
    }
    loader.commit().unwrap();
}

/// Runs the child again and again, each time killing it somewhere, and then to its end.
fn run_under_kills(url: &str, does: &str) {
    let run = |dies: Option<(u64, u64)>| {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child_that_may_die"]).env(CHILD_URL, url).env(CHILD_DOES, does);
        command.env_remove(CHILD_DIES);
        if let Some((write, micros)) = dies {
            command.env(CHILD_DIES, format!("{write} {micros}"));
        }
        command.output().unwrap().status.success()
    };
    // A batch is 6 writes; the time behind them falls anywhere in the next one or two.
    let (mut kills, mut seed) = (0, 1u64);
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    while kills < 50 && !run(Some((next(40), next(20_000)))) {
        kills += 1;
    }
    assert!(kills >= 5, "the child finished after {kills} kills: they come too late to test anything");
    assert!(run(None), "the last run goes through");
}

#[test]
fn a_loader_that_merges_and_is_killed_anywhere_ends_with_the_same_rows() {
    let (url, mut client) = database();
    run_under_kills(&url, "merge");
    check_merged(&mut client, &url);
}

#[test]
fn a_loader_into_many_tables_that_is_killed_anywhere_leaves_each_record_in_one_of_them_once() {
    let (url, mut client) = database();
    run_under_kills(&url, "route");
    Loader::new(&url).table("s.plain").load(Source::bytes(drift::lines().concat())).unwrap();
    let counted = |table: &str| format!("SELECT seq, coalesce(flag::text, '') AS flag FROM {table}");
    let all = [counted("t_true"), counted("t_false"), counted("t_yes"), counted("t_no")].join(" UNION ALL ");
    let sql = format!(
        "WITH routed AS ({all} UNION ALL SELECT seq, '' FROM t), plain AS ({}) \
         SELECT (SELECT count(*) FROM routed), (SELECT count(*) FROM plain), \
         (SELECT count(*) FROM (SELECT * FROM routed EXCEPT ALL SELECT * FROM plain) AS others)",
        counted("s.plain")
    );
    let row = client.query_one(&sql, &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(2)), (row.get::<_, i64>(1), 0));
    let sql = "SELECT sum(quarantined)::bigint, (SELECT count(*) FROM _longshore_quarantine) FROM _longshore_loads";
    let row = client.query_one(sql, &[]).unwrap();
    assert_eq!(row.get::<_, i64>(0), row.get::<_, i64>(1));
}

#[test]
fn a_loader_that_is_killed_anywhere_goes_on_and_neither_doubles_nor_loses() {
    let (url, mut client) = database();
    run_under_kills(&url, "append");
    drift::check(&mut client, "t", 1);
    // Nothing is left open, once the server has noticed that the child is gone.
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'longshore' \
               AND datname = current_database()";
    let mut open = || client.query_one(sql, &[]).unwrap().get::<_, i64>(0);
    let gone = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        open() == 0
    });
    assert!(gone, "a session is left open");
}

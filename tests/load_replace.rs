//! A load that replaces a table's rows: all of them at once, and once for each load.
#![cfg(all(unix, feature = "postgres"))]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use longshore::load::Mode;
use longshore::{LoadReport, Loader, Source};
use support::*;

fn replace(url: &str, rows: std::ops::Range<u32>) -> LoadReport {
    let input: String = rows.map(|n| format!("{{\"n\":{n}}}\n")).collect();
    Loader::new(url).table("t").mode(Mode::Replace).load(Source::bytes(input)).unwrap()
}

#[test]
fn a_reader_sees_the_old_rows_or_the_new_ones_and_never_a_part() {
    let (url, mut client) = database();
    replace(&url, 0..1_000);
    let done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut seen = std::collections::BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                let row = client.query_one("SELECT count(*), coalesce(min(n), -1)::int FROM t", &[]).unwrap();
                seen.insert((row.get::<_, i64>(0), row.get::<_, i32>(1)));
            }
            seen
        });
        for round in 1..=5u32 {
            replace(&url, 1_000 * round..1_000 * (round + 1) + round);
        }
        done.store(true, Ordering::Relaxed);
        reading.join().unwrap()
    });
    let whole = |(count, min): &(i64, i32)| {
        let round = i64::from(*min) / 1_000;
        *min % 1_000 == 0 && *count == 1_000 + round
    };
    assert!(seen.iter().all(whole), "{seen:?}");
}

#[test]
fn replacing_is_done_once_for_each_load_and_again_when_another_came_between() {
    let (url, mut client) = database();
    assert!(!replace(&url, 0..3).already_loaded);
    assert!(replace(&url, 0..3).already_loaded);
    assert!(!replace(&url, 5..7).already_loaded);
    // The rows of the first load are gone, so its replay brings them back.
    assert!(!replace(&url, 0..3).already_loaded);
    let sql = "SELECT string_agg(n::text, ' ' ORDER BY n) FROM t";
    assert_eq!(client.query_one(sql, &[]).unwrap().get::<_, String>(0), "0 1 2");
}

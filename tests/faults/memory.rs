//! Memory over a stream that does not end.

use std::process::Stdio;

use longshore::{Loader, Offset, StreamOptions};

use crate::child::{Work, child};
use crate::support::database;

/// Records of a write, and of a batch.
const WRITE: u64 = 1_000;
const BATCH: u64 = 10_000;
/// At so many points the memory is looked at.
const POINTS: u64 = 10;
/// What each of these lines begins with.
const MARK: &str = "resident KiB: ";

/// What the child does: streams so many records, and looks at its own memory at equal distances.
pub(crate) fn stream(url: &str, records: u64) {
    let mut loader = Loader::new(url).table("t").open_with(StreamOptions::default().max_rows(BATCH)).unwrap();
    let mut text = String::new();
    for point in 1..=POINTS {
        let (from, end) = (records * (point - 1) / POINTS, records * point / POINTS);
        for start in (from..end).step_by(WRITE as usize) {
            text.clear();
            let stop = end.min(start + WRITE);
            (start..stop).for_each(|n| text.push_str(&format!("{{\"n\":{n},\"s\":\"text {n}\"}}\n")));
            loader.write(&text, Offset::new("s", stop)).unwrap();
        }
        println!("\n{MARK}{}", resident());
    }
    loader.commit().unwrap();
}

/// Memory of this process that is in use, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// `LONGSHORE_RECORDS` says how many. The first of the points is for getting warm.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "takes minutes: it is run by `scripts/faults --full`"]
fn memory_stays_flat_over_a_stream_of_small_records() {
    let records: i64 = std::env::var("LONGSHORE_RECORDS").map_or(20_000_000, |number| number.parse().unwrap());
    let (url, mut client) = database();
    let output = child(Work::Endless, &url, &records.to_string()).stdout(Stdio::piped()).output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    let points: Vec<u64> = said.lines().filter_map(|line| line.strip_prefix(MARK)?.parse().ok()).collect();
    println!("{records} records, resident KiB at each tenth: {points:?}");
    assert_eq!(points.len() as u64, POINTS);
    let bound = points[1] + points[1] / 10 + (4 << 10);
    assert!(points[2..].iter().all(|now| *now <= bound), "{points:?} is not below {bound}");
    let row = client.query_one("SELECT count(*), count(DISTINCT n), sum(n)::bigint FROM t", &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (records, records));
    assert_eq!(row.get::<_, i64>(2), records * (records - 1) / 2);
}

//! Records of which everything is known, and what must hold of a database they were loaded into.
#![allow(dead_code, reason = "not every feature's tests use all of it")]

use std::ops::Range;
use std::time::Duration;

use longshore::{Loader, Offset, StreamLoader};
use postgres::Client;

/// Every so many records one is broken.
const BROKEN: i64 = 97;
/// From here on records have one field more.
const LATE: i64 = 1000;

/// A record with its line end.
pub(crate) fn line(i: i64) -> String {
    match i % BROKEN {
        0 => format!("{{\"a\":{i},broken\n"),
        _ if i < LATE => format!("{{\"a\":{i},\"s\":\"text {i}\"}}\n"),
        _ => format!("{{\"a\":{i},\"s\":\"text {i}\",\"late\":{i}}}\n"),
    }
}

pub(crate) fn lines(range: Range<i64>) -> String {
    range.map(line).collect()
}

/// A stream into `t` with the default options.
pub(crate) fn open(url: &str) -> StreamLoader {
    Loader::new(url).table("t").open().unwrap()
}

/// Writes the records of a range behind what is committed of it, as one write each hundred, and commits.
pub(crate) fn feed(loader: &mut StreamLoader, upto: i64) -> longshore::Result<()> {
    let from = loader.committed("known")?.map_or(0, |position| position as i64 + 1);
    let mut at = from;
    while at < upto {
        let end = (at + 100).min(upto);
        loader.write(lines(at..end), Offset::new("known", end as u64 - 1))?;
        at = end;
    }
    loader.commit()?;
    Ok(())
}

/// Holds table `t`, quarantine and ledger against what records `0..upto`, each once, must have become; and that nothing
/// is left over: no table, no open transaction, no lock.
pub(crate) fn check(client: &mut Client, upto: i64) {
    let good: Vec<i64> = (0..upto).filter(|i| i % BROKEN != 0).collect();
    let bad = upto - good.len() as i64;
    let sql = "SELECT count(*), count(DISTINCT a), coalesce(sum(a), 0)::bigint, \
               count(*) FILTER (WHERE s IS DISTINCT FROM 'text ' || a) FROM t";
    let row = client.query_one(sql, &[]).unwrap();
    let found: (i64, i64, i64, i64) = (row.get(0), row.get(1), row.get(2), row.get(3));
    assert_eq!(found, (good.len() as i64, good.len() as i64, good.iter().sum(), 0), "rows, different ones, sum, wrong");
    if upto > LATE {
        let sql = format!("SELECT count(*) FROM t WHERE late IS DISTINCT FROM CASE WHEN a >= {LATE} THEN a END");
        assert_eq!(client.query_one(&sql, &[]).unwrap().get::<_, i64>(0), 0, "the late field");
    }
    let sql = "SELECT count(*), count(DISTINCT raw), count(*) FILTER (WHERE length(raw) <> raw_bytes) \
               FROM _longshore_quarantine";
    let row = client.query_one(sql, &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (bad, bad, 0), "quarantined");
    let sql = "SELECT sum(read)::bigint, sum(loaded)::bigint, sum(quarantined)::bigint, sum(deduplicated)::bigint \
               FROM _longshore_loads WHERE replaced_by IS NULL";
    let row = client.query_one(sql, &[]).unwrap();
    let ledger: (i64, i64, i64, i64) = (row.get(0), row.get(1), row.get(2), row.get(3));
    assert_eq!(ledger, (upto, good.len() as i64, bad, 0), "the ledger's sums");
    nothing_is_left(client);
}

/// No table besides `t` and longshore's own, no transaction, prepared or open, no advisory lock.
pub(crate) fn nothing_is_left(client: &mut Client) {
    let sql = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
               AND n.nspname NOT LIKE 'pg_toast%' AND c.relname <> 't' AND c.relname NOT LIKE '\\_longshore\\_%'";
    assert_eq!(client.query_one(sql, &[]).unwrap().get::<_, i64>(0), 0, "tables are left over");
    assert_eq!(client.query_one("SELECT count(*) FROM pg_prepared_xacts", &[]).unwrap().get::<_, i64>(0), 0);
    let sql = "SELECT coalesce(string_agg(concat_ws(' ', state, wait_event, query), '; '), '') FROM pg_stat_activity \
               WHERE application_name = 'longshore' AND datname = current_database() AND state LIKE '%_%' \
               AND state <> 'idle'";
    // A server takes a moment to notice that somebody is gone.
    let mut left = String::from("unknown");
    for _ in 0..500 {
        left = client.query_one(sql, &[]).unwrap().get(0);
        if left.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(left, "", "sessions are left over");
    let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(client.query_one(sql, &[]).unwrap().get::<_, i64>(0), 0, "locks are left over");
}

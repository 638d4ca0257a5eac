//! One batch is on its way while the next is gathered: whatever becomes of it, nothing is lost or doubled.
#![cfg(all(unix, feature = "postgres"))]

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use std::time::{Duration, Instant};

use longshore::load::{Contract, OnChange, PostgresOptions};
use longshore::{ErrorKind, Loader, Offset, StreamLoader, StreamOptions};
use proxy::{Fault, Proxy};
use support::*;

/// A stream whose batches are two records.
fn by_twos(url: &str, options: StreamOptions) -> StreamLoader {
    Loader::new(url).table("t").open_with(options.max_rows(2)).unwrap()
}

fn write(loader: &mut StreamLoader, positions: std::ops::RangeInclusive<u64>) -> longshore::Result<()> {
    positions.into_iter().try_for_each(|at| loader.write(format!("{{\"a\":{at}}}"), Offset::new("s", at)))
}

/// The numbers of the rows.
fn rows(client: &mut postgres::Client) -> Vec<i64> {
    client.query("SELECT a::bigint FROM t ORDER BY a", &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

/// Ends the transaction in a moment, and gives the session back.
fn commit_later(mut client: postgres::Client) -> std::thread::JoinHandle<postgres::Client> {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        client.batch_execute("COMMIT").unwrap();
        client
    })
}

fn behind(proxy: &Proxy, url: &str) -> String {
    proxy.url(url.rsplit_once('/').unwrap().1)
}

#[test]
fn records_are_gathered_while_a_batch_is_on_its_way() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (a smallint)").unwrap();
    let mut loader = by_twos(&url, StreamOptions::default());
    client.batch_execute("BEGIN; LOCK TABLE t").unwrap();
    write(&mut loader, 1..=3).unwrap();
    assert_eq!(loader.totals().commits, 0, "the first batch waits for the lock, and the third record is here");
    client.batch_execute("COMMIT").unwrap();
    write(&mut loader, 4..=9).unwrap();
    let receipt = loader.commit().unwrap();
    assert_eq!((receipt.counts.read, loader.totals().counts.read, loader.totals().commits), (1, 9, 5));
    assert_eq!(rows(&mut client), Vec::from_iter(1..=9));
    assert_eq!(loader.committed("s").unwrap(), Some(9));
}

#[test]
fn a_batch_on_its_way_that_fails_is_told_once_is_kept_and_goes_first() {
    let (url, mut client) = database();
    let forbid = "CREATE TABLE t (b smallint); CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ \
                  BEGIN RAISE insufficient_privilege; END $$; \
                  CREATE EVENT TRIGGER forbid ON ddl_command_start EXECUTE FUNCTION forbid()";
    client.batch_execute(forbid).unwrap();
    let mut loader = by_twos(&url, StreamOptions::default());
    write(&mut loader, 1..=2).unwrap();
    let error = loader.committed("s").unwrap_err();
    assert!(error.message().contains("(SQLSTATE 42501)") && !error.is_temporary(), "{error}");
    write(&mut loader, 3..=3).unwrap();
    assert!(write(&mut loader, 4..=4).is_err(), "what goes first does not go");
    assert!(loader.commit().is_err());
    assert_eq!((loader.totals().commits, count(&mut client, "t")), (0, 0));
    assert!(loader.tick().is_err(), "a tick tries again what has failed, and says so");
    client.batch_execute("DROP EVENT TRIGGER forbid").unwrap();
    // Taken in before the error: skipped.
    write(&mut loader, 4..=5).unwrap();
    loader.commit().unwrap();
    assert_eq!(rows(&mut client), [1, 2, 3, 4, 5]);
    assert_eq!((loader.totals().counts.read, loader.totals().skipped), (5, 1));
}

#[test]
fn a_batch_that_has_failed_is_tried_again_while_no_more_records_come() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (a smallint)").unwrap();
    let refuse = StreamOptions::default().contract(Contract::default().columns(OnChange::Freeze));
    let mut loader = by_twos(&url, refuse);
    (1..=2).try_for_each(|at| loader.write(format!("{{\"b\":{at}}}"), Offset::new("s", at))).unwrap();
    assert_eq!(loader.committed("s").unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(loader.tick().unwrap_err().kind(), ErrorKind::Conflict);
    client.batch_execute("DROP TABLE t; CREATE TABLE t (b smallint)").unwrap();
    loader.tick().unwrap();
    assert_eq!((loader.committed("s").unwrap(), count(&mut client, "t")), (Some(2), 2));
}

#[test]
fn a_batch_on_its_way_is_tried_again_by_the_next_call_for_as_long_as_it_may() {
    let (url, mut client) = database();
    let proxy = Proxy::start(None);
    let mut loader = by_twos(&behind(&proxy, &url), StreamOptions::default().retry_for(Duration::from_millis(300)));
    write(&mut loader, 1..=2).unwrap();
    loader.commit().unwrap();
    proxy.cut();
    write(&mut loader, 3..=4).unwrap();
    // Whatever is called next; here what is called while nothing comes.
    let started = Instant::now();
    let error = loop {
        match loader.tick() {
            Ok(_) => assert!(started.elapsed() < Duration::from_secs(90), "no error comes"),
            Err(error) => break error,
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(error.is_temporary() && error.kind() == ErrorKind::Database, "{error}");
    proxy.heal();
    write(&mut loader, 5..=6).unwrap();
    assert_eq!(loader.committed("s").unwrap(), Some(6));
    assert_eq!((rows(&mut client), loader.totals().commits), (vec![1, 2, 3, 4, 5, 6], 3));
}

#[test]
fn a_lost_answer_to_the_commit_of_a_batch_on_its_way_is_learnt_and_counted_once() {
    for (fault, lasts) in [(Fault::AnswerLost, false), (Fault::CommitLost, false), (Fault::AnswerLostForGood, true)] {
        let (url, mut client) = database();
        let proxy = Proxy::start(None);
        let mut postgres = PostgresOptions::default();
        postgres.recovery_timeout = Duration::from_millis(300);
        let retry_for = if lasts { Duration::ZERO } else { Duration::from_secs(60) };
        let options = StreamOptions::default().retry_for(retry_for).postgres(postgres);
        let mut loader = by_twos(&behind(&proxy, &url), options);
        write(&mut loader, 1..=2).unwrap();
        loader.commit().unwrap();
        proxy.lose(fault);
        write(&mut loader, 3..=5).unwrap();
        if lasts {
            let error = loader.commit().unwrap_err();
            assert!(error.is_temporary() && error.message().contains("is not known"), "{error}");
            proxy.heal();
        }
        loader.commit().unwrap();
        assert_eq!(rows(&mut client), [1, 2, 3, 4, 5]);
        let totals = loader.totals();
        assert_eq!((totals.commits, totals.counts.read, totals.skipped), (3, 5, 0));
    }
}

#[test]
fn rows_that_were_made_while_the_batch_before_changed_the_table_are_made_again() {
    let (url, mut client) = database();
    let mut loader = by_twos(&url, StreamOptions::default());
    write(&mut loader, 1..=2).unwrap();
    loader.commit().unwrap();
    client.batch_execute("BEGIN; LOCK TABLE t").unwrap();
    // These make the column wider, once they may; behind them, rows are made for the column as it is.
    write(&mut loader, 3_000_000_000..=3_000_000_001).unwrap();
    let release = commit_later(client);
    write(&mut loader, 3_000_000_002..=3_000_000_003).unwrap();
    let late = ["{\"a\":7}", "{\"a\":8,\"b\":\"new\"}"];
    for (at, record) in (3_000_000_004..).zip(late) {
        loader.write(record, Offset::new("s", at)).unwrap();
    }
    loader.commit().unwrap();
    let mut client = release.join().unwrap();
    let found = rows(&mut client);
    assert_eq!(found, [1, 2, 7, 8, 3_000_000_000, 3_000_000_001, 3_000_000_002, 3_000_000_003]);
    assert_eq!(client.query_one("SELECT count(b) FROM t WHERE a = 8", &[]).unwrap().get::<_, i64>(0), 1);
}

#[test]
fn a_record_that_does_not_fit_is_kept_aside_with_its_place_from_rows_that_were_made_ahead() {
    let (url, mut client) = database();
    let mut loader = by_twos(&url, StreamOptions::default().contract(Contract::default().types(OnChange::Quarantine)));
    client.batch_execute("CREATE TABLE t (a integer)").unwrap();
    write(&mut loader, 1..=2).unwrap();
    loader.commit().unwrap();
    client.batch_execute("BEGIN; LOCK TABLE t").unwrap();
    write(&mut loader, 3..=4).unwrap();
    let release = commit_later(client);
    loader.write("{\"a\":\"x\"}", Offset::new("s", 5)).unwrap();
    write(&mut loader, 6..=6).unwrap();
    loader.commit().unwrap();
    let mut client = release.join().unwrap();
    assert_eq!(rows(&mut client), [1, 2, 3, 4, 6]);
    let kept = "SELECT concat_ws(' ', source, line, byte, path, convert_from(raw, 'UTF8')) FROM _longshore_quarantine";
    assert_eq!(client.query_one(kept, &[]).unwrap().get::<_, String>(0), "s@5 1 0 a {\"a\":\"x\"}");
}

#[test]
fn short_records_that_are_long_rows_are_made_into_rows_in_their_turn() {
    let (url, mut client) = database();
    let batch = 20_000;
    let mut loader = Loader::new(&url).table("t").open_with(StreamOptions::default().max_rows(batch)).unwrap();
    // 600 columns, so that 20,000 rows take more than the 32 MiB that are held of a batch, in more than the first pieces of it.
    let wide: Vec<String> = (0..600).map(|nth| format!("\"c{nth}\":true")).collect();
    let records = |first: u64| (first..first + batch).map(|at| format!("{{\"a\":{at:<80}}}\n")).collect::<String>();
    loader.write(format!("{{\"a\":0,{}}}\n", wide.join(",")), Offset::new("s", 1)).unwrap();
    loader.commit().unwrap();
    for first in [1, 1 + batch, 1 + 2 * batch] {
        loader.write(records(first), Offset::new("s", first + batch)).unwrap();
    }
    loader.commit().unwrap();
    let sums = client.query_one("SELECT count(*), sum(a)::bigint, count(c599) FROM t", &[]).unwrap();
    let last = 3 * batch as i64;
    assert_eq!((sums.get(0), sums.get(1), sums.get(2)), (last + 1, last * (last + 1) / 2, 1_i64));
}

#[test]
fn a_source_that_is_given_up_is_dropped_from_both_batches_and_the_others_stay() {
    let (url, mut client) = database();
    let proxy = Proxy::start(None);
    let options = StreamOptions::default().retry_for(Duration::ZERO).max_rows(3);
    let mut loader = Loader::new(behind(&proxy, &url)).table("t").open_with(options).unwrap();
    for source in ["s", "kept"] {
        loader.write("{\"a\":0}", Offset::new(source, 1)).unwrap();
    }
    loader.commit().unwrap();
    proxy.cut();
    for (source, at) in [("s", 2), ("kept", 2), ("s", 3), ("s", 4), ("kept", 3)] {
        // The error of the batch on its way may come out of any of these; the second try is then skipped or taken in.
        let record = format!("{{\"a\":{at}}}");
        let offset = || Offset::new(source, at);
        if loader.write(&record, offset()).is_err() {
            loader.write(&record, offset()).unwrap();
        }
    }
    assert_eq!(loader.forget("s"), 3, "two on their way, and one behind them");
    proxy.heal();
    // If nobody was told of the error yet, the first of these is.
    if loader.commit().is_err() {
        loader.commit().unwrap();
    }
    let sql = "SELECT count(*), sum(a)::bigint FROM t WHERE a > 0";
    let row = client.query_one(sql, &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (2, 5));
    assert_eq!((loader.committed("s").unwrap(), loader.committed("kept").unwrap()), (Some(1), Some(3)));
}

#[test]
fn dropping_a_stream_waits_for_the_batch_on_its_way_and_gives_up_the_rest() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (a smallint)").unwrap();
    let mut loader = by_twos(&url, StreamOptions::default());
    write(&mut loader, 1..=3).unwrap();
    drop(loader);
    assert_eq!(rows(&mut client), [1, 2]);
    let mut next = by_twos(&url, StreamOptions::default());
    assert_eq!(next.committed("s").unwrap(), Some(2));
}

#[test]
fn what_others_change_between_two_batches_is_noticed_by_the_next() {
    let (url, mut client) = database();
    let mut loader = by_twos(&url, StreamOptions::default());
    write(&mut loader, 1..=4).unwrap();
    loader.commit().unwrap();
    // Another type, another column; a table that is put in its place; and another loader of the same source.
    client.batch_execute("ALTER TABLE t ALTER a TYPE text; ALTER TABLE t ADD other int DEFAULT 7").unwrap();
    write(&mut loader, 5..=6).unwrap();
    loader.commit().unwrap();
    client.batch_execute("ALTER TABLE t RENAME TO old; CREATE TABLE t (a bigint)").unwrap();
    write(&mut loader, 7..=8).unwrap();
    loader.commit().unwrap();
    let mut rival = by_twos(&url, StreamOptions::default());
    write(&mut rival, 8..=9).unwrap();
    rival.commit().unwrap();
    write(&mut loader, 9..=10).unwrap();
    loader.commit().unwrap();
    assert_eq!(rows(&mut client), [7, 8, 9, 10]);
    let old = "SELECT string_agg(a || ':' || other, ' ' ORDER BY a) FROM old";
    assert_eq!(client.query_one(old, &[]).unwrap().get::<_, &str>(0), "1:7 2:7 3:7 4:7 5:7 6:7");
    client.batch_execute("DROP TABLE _longshore_loads").unwrap();
    write(&mut loader, 11..=12).unwrap();
    let (error, _) = (loader.commit(), loader.commit().unwrap());
    assert!(error.is_err_and(|error| error.message().contains("(SQLSTATE 42P01)")));
    assert_eq!(rows(&mut client).len(), 6);
}

#[test]
fn a_view_that_was_made_between_two_batches_is_not_in_the_way_of_records_that_fit() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (a smallint)").unwrap();
    let mut loader = by_twos(&url, StreamOptions::default());
    write(&mut loader, 1..=4).unwrap();
    loader.commit().unwrap();
    client.batch_execute("CREATE VIEW v AS SELECT a FROM t").unwrap();
    loader.write("{\"a\":5}\n{\"a\":70000}", Offset::new("s", 5)).unwrap();
    loader.commit().unwrap();
    assert_eq!(rows(&mut client), [1, 2, 3, 4, 5]);
    assert_eq!(count(&mut client, "_longshore_quarantine"), 1, "the column cannot be altered under the view");
    client.batch_execute("DROP VIEW v").unwrap();
    loader.write("{\"a\":70001}", Offset::new("s", 6)).unwrap();
    loader.commit().unwrap();
    assert_eq!(rows(&mut client), [1, 2, 3, 4, 5, 70_001]);
}

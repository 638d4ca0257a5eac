//! What a stream survives.
#![cfg(all(unix, feature = "postgres"))]

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use std::time::{Duration, Instant};

use longshore::load::PostgresOptions;
use longshore::{ErrorKind, Feed, Loader, Offset, ReadOptions, StreamLoader, StreamOptions};
use proxy::{Fault, Proxy};
use support::*;

fn open(url: &str) -> StreamLoader {
    Loader::new(url).table("t").open().unwrap()
}

fn terminate(client: &mut postgres::Client) -> i64 {
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'longshore' \
               AND datname = current_database()";
    client.query_one(sql, &[]).unwrap().get(0)
}

/// How many rows there are, and how many different ones.
fn seen(client: &mut postgres::Client) -> (i64, i64) {
    let row = client.query_one("SELECT count(*), count(DISTINCT a) FROM t", &[]).unwrap();
    (row.get(0), row.get(1))
}

#[test]
fn a_write_that_is_repeated_adds_nothing() {
    let (url, mut client) = database();
    let mut loader = open(&url);
    for position in [1, 2, 2, 1, 3] {
        loader.write(format!("{{\"a\":{position}}}"), Offset::new("s", position)).unwrap();
    }
    assert_eq!(loader.totals().skipped, 2, "buffered already");
    loader.commit().unwrap();
    loader.write("{\"a\":3}", Offset::new("s", 3)).unwrap();
    let nothing = loader.commit().unwrap();
    assert_eq!((nothing.load_id, nothing.counts.read, nothing.offsets.len()), (None, 0, 0));
    assert_eq!(loader.totals().skipped, 3, "committed already");

    let mut restarted = open(&url);
    assert_eq!(restarted.committed("s").unwrap(), Some(3));
    assert_eq!(restarted.committed("other").unwrap(), None);
    for position in 2..=4 {
        restarted.write(format!("{{\"a\":{position}}}"), Offset::new("s", position)).unwrap();
    }
    restarted.commit().unwrap();
    assert_eq!(restarted.totals().skipped, 2);
    assert_eq!(seen(&mut client), (4, 4));
}

#[test]
fn a_line_that_does_not_end_is_quarantined_by_its_beginning_and_the_next_is_loaded() {
    let input = [&b"{\"a\":1}\n"[..], &[b'x'; 200_000], b"\n{\"a\":2}\n", &[b'y'; 90_000]].concat();
    for piece in [701, 150_000, input.len()] {
        let (url, mut client) = database();
        let mut read = ReadOptions::default();
        read.limits.max_record_bytes = 80_000;
        let mut loader = Loader::new(&url).table("t").read(read).open().unwrap();
        let mut feed = Feed::new(&loader, "s", 0);
        input.chunks(piece).for_each(|bytes| feed.push(&mut loader, bytes).unwrap());
        assert_eq!((feed.position(), feed.waiting()), (200_017, 90_000));
        feed.finish(&mut loader).unwrap();
        let counts = loader.commit().unwrap().counts;
        assert_eq!((counts.read, counts.loaded, counts.quarantined), (4, 2, 2));
        assert_eq!((seen(&mut client), loader.committed("s").unwrap()), ((2, 2), Some(input.len() as u64)));
        let sql = "SELECT string_agg(concat_ws(' ', source, reason, length(raw)), '; ' ORDER BY id) FROM _longshore_quarantine";
        let kept: String = client.query_one(sql, &[]).unwrap().get(0);
        let reason = "record longer than 80000 bytes 65536";
        assert_eq!(kept, format!("s@200009 {reason}; s@{} {reason}", input.len()));
    }
}

#[test]
fn a_session_that_is_ended_between_or_during_batches_is_replaced() {
    let (url, mut client) = database();
    let mut loader = open(&url);
    loader.write("{\"a\":1}", Offset::new("s", 1)).unwrap();
    assert_eq!(terminate(&mut client), 1);
    loader.commit().unwrap();
    // A long batch, ended again and again while it is under way.
    let text = "x".repeat(300);
    let many: String = (2..=90_000).map(|a| format!("{{\"a\":{a},\"s\":\"{text}\"}}\n")).collect();
    loader.write(&many, Offset::new("s", 2)).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let (receipt, ended) = std::thread::scope(|scope| {
        let done = &done;
        let committing = scope.spawn(move || {
            let receipt = loader.commit();
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            receipt
        });
        let mut ended = 0;
        while !done.load(std::sync::atomic::Ordering::Relaxed) && ended < 3 {
            let busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'longshore' \
                        AND datname = current_database() AND query LIKE 'COPY %' AND state = 'active'";
            if client.query_one(busy, &[]).unwrap().get::<_, i64>(0) > 0 {
                ended += terminate(&mut client);
            }
        }
        (committing.join().unwrap(), ended)
    });
    assert!(ended > 0, "the batch was over before it could be disturbed");
    assert_eq!(receipt.unwrap().counts.loaded, 89_999);
    assert_eq!(seen(&mut client), (90_000, 90_000));
}

/// A loader behind a proxy, with one row committed, and a second one buffered.
fn open_behind(proxy: &Proxy, url: &str, options: StreamOptions) -> StreamLoader {
    let url = proxy.url(url.rsplit_once('/').unwrap().1);
    let mut loader = Loader::new(url).table("t").open_with(options).unwrap();
    loader.write("{\"a\":1}", Offset::new("s", 1)).unwrap();
    loader.commit().unwrap();
    loader.write("{\"a\":2}\n{broken", Offset::new("s", 2)).unwrap();
    loader
}

#[test]
fn a_commit_that_is_lost_on_its_way_or_on_its_way_back_is_done_once() {
    for fault in [Fault::AnswerLost, Fault::CommitLost] {
        let (url, mut client) = database();
        let proxy = Proxy::start(None);
        let mut loader = open_behind(&proxy, &url, StreamOptions::default());
        proxy.lose(fault);
        let receipt = loader.commit().unwrap();
        assert_eq!((receipt.counts.loaded, receipt.counts.quarantined), (1, 1));
        loader.write("{\"a\":3}", Offset::new("s", 3)).unwrap();
        loader.commit().unwrap();
        assert_eq!(seen(&mut client), (3, 3));
        assert_eq!(count(&mut client, "_longshore_quarantine"), 1);
    }
}

#[test]
fn a_commit_whose_outcome_cannot_be_learnt_is_learnt_by_the_next_one() {
    let (url, mut client) = database();
    let proxy = Proxy::start(None);
    let mut postgres = PostgresOptions::default();
    postgres.recovery_timeout = Duration::from_millis(300);
    let options = StreamOptions::default().retry_for(Duration::ZERO).postgres(postgres);
    let mut loader = open_behind(&proxy, &url, options);
    proxy.lose(Fault::AnswerLostForGood);
    let error = loader.commit().unwrap_err();
    assert!(error.is_temporary() && error.message().contains("is not known"), "{error}");
    proxy.heal();
    let receipt = loader.commit().unwrap();
    assert_eq!((receipt.counts.loaded, receipt.counts.quarantined), (1, 1));
    assert_eq!((loader.totals().commits, loader.totals().skipped), (2, 0));
    assert_eq!(seen(&mut client), (2, 2));
    assert_eq!(count(&mut client, "_longshore_quarantine"), 1);
}

#[test]
fn what_passes_too_late_is_returned_and_the_batch_is_kept() {
    let (url, mut client) = database();
    let proxy = Proxy::start(None);
    let options = StreamOptions::default().retry_for(Duration::from_millis(300));
    let mut loader = open_behind(&proxy, &url, options);
    proxy.cut();
    let error = loader.commit().unwrap_err();
    assert!(error.is_temporary() && error.kind() == ErrorKind::Database, "{error}");
    proxy.heal();
    assert_eq!(loader.commit().unwrap().counts.read, 2);
    assert_eq!(seen(&mut client), (2, 2));
}

#[test]
fn what_does_not_pass_is_returned_at_once() {
    let (url, mut client) = database();
    let forbid = "CREATE TABLE t (a smallint); CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ \
                  BEGIN RAISE insufficient_privilege; END $$; \
                  CREATE EVENT TRIGGER forbid ON ddl_command_start EXECUTE FUNCTION forbid()";
    client.batch_execute(forbid).unwrap();
    let mut loader = open(&url);
    loader.write("{\"a\":3,\"b\":1}", Offset::new("s", 1)).unwrap();
    let started = Instant::now();
    let error = loader.commit().unwrap_err();
    assert!(error.message().contains("(SQLSTATE 42501)") && !error.is_temporary(), "{error}");
    assert!(started.elapsed() < Duration::from_secs(2));
    client.batch_execute("DROP EVENT TRIGGER forbid").unwrap();
    assert_eq!(loader.commit().unwrap().counts.loaded, 1);
}

#[test]
fn a_long_lock_is_waited_out() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (a smallint)").unwrap();
    let mut loader = open(&url);
    loader.write("{\"a\":1}", Offset::new("s", 1)).unwrap();
    client.batch_execute("BEGIN; LOCK TABLE t").unwrap();
    let started = Instant::now();
    std::thread::scope(|scope| {
        let committing = scope.spawn(|| loader.commit().unwrap());
        std::thread::sleep(Duration::from_millis(500));
        client.batch_execute("COMMIT").unwrap();
        assert_eq!(committing.join().unwrap().counts.loaded, 1);
    });
    assert!(started.elapsed() >= Duration::from_millis(500));
}

#[test]
fn a_table_that_is_dropped_under_a_stream_is_an_error_and_a_fresh_start_for_the_next() {
    let (url, mut client) = database();
    let mut loader = open(&url);
    loader.write("{\"a\":1}", Offset::new("s", 1)).unwrap();
    loader.commit().unwrap();
    client.batch_execute("DROP TABLE t").unwrap();
    loader.write("{\"a\":2}", Offset::new("s", 2)).unwrap();
    let error = loader.commit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.message(), "the offset of `s` has gone back since the stream was opened");
    let mut again = open(&url);
    assert_eq!(again.committed("s").unwrap(), None);
    again.write("{\"a\":1}", Offset::new("s", 1)).unwrap();
    again.commit().unwrap();
    assert_eq!(seen(&mut client), (1, 1));
}

#[test]
fn batches_without_any_row_move_the_offsets_on_too() {
    let (url, mut client) = database();
    let mut loader = open(&url);
    for position in 1..=3 {
        loader.write("broken", Offset::new("s", position)).unwrap();
        assert_eq!(loader.commit().unwrap().counts.quarantined, 1);
    }
    loader.write("", Offset::new("s", 4)).unwrap();
    assert_eq!(loader.commit().unwrap().counts.read, 0);
    assert_eq!(open(&url).committed("s").unwrap(), Some(4));
    loader.write("{}\n{}\n", Offset::new("s", 5)).unwrap();
    loader.commit().unwrap();
    loader.write("{\"a\":1}", Offset::new("s", 6)).unwrap();
    loader.commit().unwrap();
    assert_eq!(count(&mut client, "t"), 3);
    assert_eq!(count(&mut client, "_longshore_quarantine"), 3);
}

//! A server that crashes, is stopped, or ends our session.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use longshore::{Loader, Source, StreamOptions};
use postgres::{Client, NoTls};

use crate::kills::random;
use crate::proxy::{Fault, Proxy};
use crate::server::Server;
use crate::support::database;
use crate::{known, times};

/// Lines of a batch; none of the borders inside a batch is a multiple of it.
const BATCH: u64 = 500;

/// Reads the table all the time, also over crashes, and holds each count against the borders of batches.
fn watch(url: &str, over: &AtomicBool) -> u64 {
    let mut seen = 0;
    while !over.load(Ordering::Relaxed) {
        let Ok(mut client) = Client::connect(url, NoTls) else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        let sql = "SELECT (SELECT count(*) FROM t) + (SELECT count(*) FROM _longshore_quarantine)";
        while let Ok(row) = client.query_one(sql, &[]) {
            let rows: i64 = row.get(0);
            assert_eq!(rows as u64 % BATCH, 0, "a part of a batch is visible");
            seen += 1;
            if over.load(Ordering::Relaxed) {
                break;
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    seen
}

#[test]
fn a_server_that_crashes_under_a_stream_is_waited_for_and_no_part_of_a_batch_is_ever_seen() {
    let server = Server::durable();
    let records = BATCH as i64 * 60;
    let over = AtomicBool::new(false);
    let (crashes, mut seed) = (times(3, 20), 7);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(server.url(), &over));
        let streaming = scope.spawn(|| {
            let options = StreamOptions::default().max_rows(BATCH);
            let mut loader = Loader::new(server.url()).table("t").open_with(options).unwrap();
            // Slowly, so that all the crashes fall into it.
            let mut upto = 0;
            while upto < records {
                upto = (upto + records / 60).min(records);
                known::feed(&mut loader, upto).unwrap();
                std::thread::sleep(Duration::from_millis(100 * crashes / 3));
            }
        });
        for _ in 0..crashes {
            std::thread::sleep(Duration::from_millis(300 + random(&mut seed, 1500)));
            server.crash();
            std::thread::sleep(Duration::from_millis(random(&mut seed, 500)));
            server.start_again();
        }
        streaming.join().unwrap();
        over.store(true, Ordering::Relaxed);
        assert!(watching.join().unwrap() > 10, "the reader saw too little");
    });
    known::check(&mut server.client(), records);
}

#[test]
fn a_server_that_crashes_right_behind_the_commit_is_asked_whether_it_was_one() {
    let server = Server::durable();
    let proxy = Proxy::to(server.0.port(), None);
    let mut loader = known::open(&proxy.url("postgres"));
    known::feed(&mut loader, 300).unwrap();
    for round in 1..=times(2, 10) as i64 {
        proxy.lose(Fault::AnswerLostForGood);
        std::thread::scope(|scope| {
            let loader = &mut loader;
            let feeding = scope.spawn(move || known::feed(loader, 300 + 300 * round));
            crate::server::within(Duration::from_secs(20), || proxy.is_done());
            std::thread::sleep(Duration::from_millis(30 * round as u64));
            server.crash();
            server.start_again();
            proxy.heal();
            feeding.join().unwrap().unwrap();
        });
        known::check(&mut server.client(), 300 + 300 * round);
    }
}

#[test]
fn a_load_goes_on_when_its_session_is_ended_under_way() {
    let (url, mut client) = database();
    // Each row takes its time, so that the load is met in the middle.
    let slow = "CREATE TABLE t (a bigint, s text, late bigint); CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ \
                BEGIN IF new.a % 100 = 1 THEN PERFORM pg_sleep(0.02); END IF; RETURN new; END $$; \
                CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()";
    client.batch_execute(slow).unwrap();
    let busy = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'longshore' \
                AND datname = current_database() AND query LIKE 'COPY %' AND state = 'active'";
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| Loader::new(&url).table("t").load(Source::bytes(known::lines(0..5_000))));
        let mut ended = 0;
        crate::server::within(Duration::from_secs(30), || {
            ended += client.query_one(busy, &[]).unwrap().get::<_, i64>(0);
            ended >= 2 || loading.is_finished()
        });
        assert!(ended >= 2, "the load was over too soon");
        loading.join().unwrap().unwrap();
    });
    known::check(&mut client, 5_000);
}

/// Limits for all sessions that come from now on. The last one is known from version 17 on.
const LIMITS: &str = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = ''200ms''', current_database()); \
    EXECUTE format('ALTER DATABASE %I SET idle_in_transaction_session_timeout = ''100ms''', current_database()); \
    IF current_setting('server_version_num')::int >= 170000 THEN \
    EXECUTE format('ALTER DATABASE %I SET transaction_timeout = ''300ms''', current_database()); END IF; END $$";

#[test]
fn limits_of_time_that_the_server_has_for_others_do_not_cut_a_load() {
    let slow = "CREATE TABLE t (a bigint, s text, late bigint); CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ \
                BEGIN IF new.a = 5 THEN PERFORM pg_sleep(0.5); END IF; RETURN new; END $$; \
                CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()";
    let streamed = |url: &str| known::feed(&mut known::open(url), 300);
    let loaded = |url: &str| {
        let loader = Loader::new(url).table("t").retry_for(Duration::ZERO);
        loader.load(Source::bytes(known::lines(0..300))).map(drop)
    };
    for work in [&streamed as &dyn Fn(&str) -> longshore::Result<()>, &loaded] {
        let (url, mut client) = database();
        client.batch_execute(slow).unwrap();
        client.batch_execute(LIMITS).unwrap();
        work(&url).unwrap();
        known::check(&mut client, 300);
    }
}

/// The limit for a session that does nothing in an open transaction is met by a loader that is held up itself.
#[cfg(feature = "failpoints")]
#[test]
fn limits_of_time_do_not_cut_a_load_that_pauses_in_its_transaction() {
    use crate::child::{Work, child};
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), known::lines(0..300)).unwrap();
    for (work, input) in [(Work::Load, file.path().to_str().unwrap()), (Work::Stream, "300")] {
        let (url, mut client) = database();
        client.batch_execute(LIMITS).unwrap();
        let mut command = child(work, &url, input);
        // Each pause is longer than every limit.
        let status = command.env("FAILPOINTS", "copy.begin=sleep(400);commit.send=sleep(400)").status();
        assert!(status.unwrap().success(), "{work:?}");
        known::check(&mut client, 300);
    }
}

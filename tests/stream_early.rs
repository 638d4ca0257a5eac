//! The rows of a batch may be copied before its turn: whatever they meet there, nothing is lost, doubled or left behind.
#![cfg(all(unix, feature = "postgres"))]

mod support;

use std::io::copy;
use std::net::{TcpListener, TcpStream};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use longshore::load::{MergeKeys, Mode};
use longshore::{Loader, Offset, StreamLoader, StreamOptions};
use postgres::{Client, NoTls};
use support::*;

fn by_twos(url: &str) -> StreamLoader {
    Loader::new(url).table("t").open_with(StreamOptions::default().max_rows(2)).unwrap()
}

fn write(loader: &mut StreamLoader, positions: std::ops::RangeInclusive<u64>) {
    positions.into_iter().for_each(|at| loader.write(format!("{{\"a\":{at}}}"), Offset::new("s", at)).unwrap());
}

/// A stream whose table is known to it, so that rows can be copied early. There are the rows 1 to 6.
fn under_way(url: &str) -> StreamLoader {
    let mut loader = by_twos(url);
    for first in [1, 3, 5] {
        write(&mut loader, first..=first + 1);
        loader.commit().unwrap();
    }
    loader
}

/// Holds the ledger, so that a batch waits just before its commit; once `seen` says so, does something and
/// lets it go.
fn holding_the_ledger(
    url: &str,
    seen: &'static str,
    then: impl FnOnce(&mut Client, &mut Client) + Send + 'static,
) -> JoinHandle<()> {
    let mut holder = Client::connect(url, NoTls).unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE _longshore_loads IN EXCLUSIVE MODE").unwrap();
    let mut watcher = Client::connect(url, NoTls).unwrap();
    std::thread::spawn(move || {
        let started = Instant::now();
        while !watcher.query_one(seen, &[]).unwrap().get::<_, bool>(0) {
            assert!(started.elapsed() < Duration::from_secs(60), "never seen: {seen}");
            std::thread::sleep(Duration::from_millis(5));
        }
        then(&mut watcher, &mut holder);
        holder.batch_execute("COMMIT").unwrap();
    })
}

/// One batch waits for the ledger, and the rows of the next are there and wait for their turn.
const COPIED: &str = "SELECT count(*) FILTER (WHERE wait_event_type = 'Lock') = 1 \
                      AND count(*) FILTER (WHERE state = 'idle in transaction' AND query LIKE 'COPY%') = 1 \
                      FROM pg_stat_activity WHERE application_name = 'longshore' AND datname = current_database()";

/// One batch waits for the ledger.
const WAITS: &str = "SELECT count(*) FILTER (WHERE wait_event_type = 'Lock') = 1 \
                     FROM pg_stat_activity WHERE application_name = 'longshore' AND datname = current_database()";

/// The numbers of the rows.
fn rows(client: &mut Client) -> Vec<i64> {
    let rows = client.query("SELECT a::bigint FROM t ORDER BY a", &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Whether the row of this number was written by a transaction that began before the one with the number `before`.
fn was_early(client: &mut Client, row: i64, before: i64) -> bool {
    let sql = "SELECT xmin::text::bigint < $2 FROM t WHERE a = $1";
    client.query_one(sql, &[&(row as i32), &before]).unwrap().get(0)
}

fn number(client: &mut Client) -> i64 {
    client.query_one("SELECT txid_current()", &[]).unwrap().get(0)
}

/// No session of ours is in a transaction.
fn is_quiet(client: &mut Client) -> bool {
    let sql = "SELECT count(*) = 0 FROM pg_stat_activity \
               WHERE application_name = 'longshore' AND datname = current_database() AND state <> 'idle'";
    client.query_one(sql, &[]).unwrap().get(0)
}

#[test]
fn rows_are_copied_while_the_batch_before_is_committed_and_are_there_once() {
    let (url, mut client) = database();
    let mut loader = under_way(&url);
    let (tell, told) = std::sync::mpsc::channel();
    let held = holding_the_ledger(&url, COPIED, move |client, _| tell.send(number(client)).unwrap());
    write(&mut loader, 7..=10);
    loader.commit().unwrap();
    held.join().unwrap();
    assert_eq!(rows(&mut client), Vec::from_iter(1..=10));
    assert!(was_early(&mut client, 9, told.recv().unwrap()), "the rows were not copied early");
    write(&mut loader, 11..=30);
    loader.commit().unwrap();
    assert_eq!(rows(&mut client), Vec::from_iter(1..=30));
    assert_eq!((loader.totals().commits, loader.totals().counts.loaded), (15, 30));
    assert!(is_quiet(&mut client));
}

#[test]
fn rows_whose_turn_does_not_come_are_given_up_and_sent_in_their_turn() {
    let (url, mut client) = database();
    let mut loader = under_way(&url);
    let (tell, told) = std::sync::mpsc::channel();
    let held = holding_the_ledger(&url, COPIED, move |client, _| {
        let started = Instant::now();
        // All that holds them up is ours to end: nobody waits for rows that wait for their turn.
        while client.query_one(COPIED, &[]).unwrap().get::<_, bool>(0) {
            assert!(started.elapsed() < Duration::from_secs(60), "the rows are never given up");
            std::thread::sleep(Duration::from_millis(20));
        }
        tell.send(number(client)).unwrap();
    });
    write(&mut loader, 7..=12);
    loader.commit().unwrap();
    held.join().unwrap();
    assert_eq!(rows(&mut client), Vec::from_iter(1..=12));
    assert!(!was_early(&mut client, 9, told.recv().unwrap()));
    assert!(is_quiet(&mut client));
}

#[test]
fn a_turn_that_somebody_else_has_is_waited_for_without_the_rows() {
    let (url, mut client) = database();
    let mut loader = under_way(&url);
    let mut rival = Client::connect(&url, NoTls).unwrap();
    let held = holding_the_ledger(&url, COPIED, move |client, _| {
        // Each session has a lock of two numbers beside it.
        let sql = "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' \
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                   AND objsubid = 1";
        let turn: i64 = client.query_one(sql, &[]).unwrap().get(0);
        // Stands in the queue for the turn, so has it before the rows that are there.
        std::thread::spawn(move || {
            rival.batch_execute(&format!("BEGIN; SELECT pg_advisory_xact_lock({turn}); LOCK TABLE t")).unwrap();
            std::thread::sleep(Duration::from_millis(200));
            rival.batch_execute("ALTER TABLE t ADD more text DEFAULT 'x'; COMMIT").unwrap();
        });
        let waits = "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
        while !client.query_one(waits, &[]).unwrap().get::<_, bool>(0) {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    write(&mut loader, 7..=12);
    loader.commit().unwrap();
    held.join().unwrap();
    assert_eq!(rows(&mut client), Vec::from_iter(1..=12));
    let sql = "SELECT count(more) FROM t";
    assert_eq!(client.query_one(sql, &[]).unwrap().get::<_, i64>(0), 12, "the rows came behind the rival");
    assert!(is_quiet(&mut client));
}

#[test]
fn a_row_that_the_table_refuses_is_quarantined_once() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (a integer UNIQUE)").unwrap();
    let mut loader = under_way(&url);
    let held = holding_the_ledger(&url, WAITS, |_, _| std::thread::sleep(Duration::from_millis(100)));
    write(&mut loader, 7..=8);
    // One that the batch before has, which is not committed, and one that is there.
    for (at, a) in [(9, 8), (10, 9), (11, 1), (12, 10)] {
        loader.write(format!("{{\"a\":{a}}}"), Offset::new("s", at)).unwrap();
    }
    loader.commit().unwrap();
    held.join().unwrap();
    assert_eq!(rows(&mut client), Vec::from_iter(1..=10));
    let kept = "SELECT string_agg(source, ' ' ORDER BY source) FROM _longshore_quarantine";
    assert_eq!(client.query_one(kept, &[]).unwrap().get::<_, String>(0), "s@11 s@9");
    let totals = loader.totals().counts;
    assert_eq!((totals.read, totals.loaded, totals.quarantined), (12, 10, 2));
    assert!(is_quiet(&mut client));
}

#[test]
fn what_the_batch_before_changes_is_changed_though_rows_were_copied_behind_it() {
    let (url, mut client) = database();
    let mut loader = under_way(&url);
    let held = holding_the_ledger(&url, WAITS, |_, _| std::thread::sleep(Duration::from_millis(50)));
    write(&mut loader, 7..=8);
    // A new column, a wider one, and records that fit behind each.
    let records = ["{\"a\":9,\"b\":1}", "{\"a\":10}", "{\"a\":11}", "{\"a\":12}", "{\"a\":3000000000}", "{\"a\":14}"];
    for (at, record) in (9..).zip(records) {
        loader.write(record, Offset::new("s", at)).unwrap();
    }
    write(&mut loader, 15..=20);
    loader.commit().unwrap();
    held.join().unwrap();
    let expected = (1..=12).chain(14..=20).chain([3_000_000_000]);
    assert_eq!(rows(&mut client), Vec::from_iter(expected));
    assert_eq!(client.query_one("SELECT count(b) FROM t", &[]).unwrap().get::<_, i64>(0), 1);
    assert_eq!(count(&mut client, "_longshore_quarantine"), 0);
    assert!(is_quiet(&mut client));
}

#[test]
fn sessions_that_are_ended_while_rows_wait_for_their_turn_lose_and_double_nothing() {
    for ended in ["idle in transaction", "active"] {
        let (url, mut client) = database();
        let mut loader = under_way(&url);
        let sql = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE application_name = 'longshore' AND datname = current_database() AND state = '{ended}'"
        );
        let held = holding_the_ledger(&url, COPIED, move |client, _| {
            assert_eq!(client.query_one(&sql, &[]).unwrap().get::<_, i64>(0), 1);
        });
        write(&mut loader, 7..=14);
        loader.commit().unwrap();
        held.join().unwrap();
        assert_eq!(rows(&mut client), Vec::from_iter(1..=14), "{ended}");
        assert!(is_quiet(&mut client));
    }
}

#[test]
fn rows_that_cause_more_are_copied_in_their_turn() {
    let trigger = "CREATE TABLE seen (n bigint); INSERT INTO seen VALUES (0); CREATE TABLE t (a integer); \
                   CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS \
                   $$ BEGIN UPDATE seen SET n = n + 1; RETURN NEW; END $$; \
                   CREATE TRIGGER see BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION see()";
    let partition = trigger
        .replace("CREATE TABLE t (a integer)", "CREATE TABLE t (a integer) PARTITION BY RANGE (a)")
        .replace("CREATE TRIGGER see", "CREATE TABLE t_all PARTITION OF t DEFAULT; CREATE TRIGGER see")
        .replace("INSERT ON t ", "INSERT ON t_all ");
    let deferred = "CREATE TABLE t (a integer UNIQUE DEFERRABLE INITIALLY DEFERRED)";
    // Who reads what is behind the greatest number that was seen would miss rows that got theirs early.
    let serial = "CREATE TABLE t (id bigserial, a integer)";
    let identity = "CREATE TABLE t (id bigint GENERATED BY DEFAULT AS IDENTITY, a integer)";
    let function = "CREATE SEQUENCE s; CREATE FUNCTION n() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('s') $$; \
                    CREATE TABLE t (id bigint DEFAULT n(), a integer)";
    let merge = Mode::Merge(MergeKeys::new(["a"]));
    let appended = [trigger, &partition, deferred, serial, identity, function].map(|tables| (tables, Mode::Append));
    for (tables, mode) in appended.into_iter().chain([("SELECT 1", merge)]) {
        let (url, mut client) = database();
        client.batch_execute(tables).unwrap();
        let options = StreamOptions::default().max_rows(2);
        let mut loader = Loader::new(&url).table("t").mode(mode.clone()).open_with(options).unwrap();
        for first in [1, 3, 5] {
            write(&mut loader, first..=first + 1);
            loader.commit().unwrap();
        }
        let (tell, told) = std::sync::mpsc::channel();
        let held = holding_the_ledger(&url, WAITS, move |client, _| {
            std::thread::sleep(Duration::from_millis(200));
            tell.send(number(client)).unwrap();
        });
        write(&mut loader, 7..=10);
        loader.commit().unwrap();
        held.join().unwrap();
        assert_eq!(rows(&mut client), Vec::from_iter(1..=10));
        assert!(!was_early(&mut client, 9, told.recv().unwrap()), "{tables} {mode:?}");
    }
}

#[test]
fn a_stream_that_is_dropped_leaves_nothing_of_rows_that_wait_for_their_turn() {
    let (url, mut client) = database();
    let mut loader = under_way(&url);
    // The batch before fails for good, so the turn of the rows behind it never comes.
    let held = holding_the_ledger(&url, COPIED, |_, holder| {
        holder.batch_execute("ALTER TABLE _longshore_loads RENAME TO gone").unwrap();
    });
    write(&mut loader, 7..=8);
    let rest = (9..=10).try_for_each(|at| loader.write(format!("{{\"a\":{at}}}"), Offset::new("s", at)));
    let failed = rest.and_then(|()| loader.commit().map(drop)).unwrap_err();
    assert!(failed.message().contains("(SQLSTATE 42P01)"), "{failed}");
    held.join().unwrap();
    drop(loader);
    assert_eq!(rows(&mut client), Vec::from_iter(1..=6));
    let sessions = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'longshore'";
    let started = Instant::now();
    while !client.query_one(sessions, &[]).unwrap().get::<_, bool>(0) {
        assert!(started.elapsed() < Duration::from_secs(60), "a session is left");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_role_that_may_have_one_session_only_streams_with_that() {
    let (_, mut client) = database();
    let role =
        "CREATE ROLE lone LOGIN PASSWORD 'lone' CONNECTION LIMIT 1; GRANT CREATE, USAGE ON SCHEMA public TO lone";
    client.batch_execute(role).unwrap();
    let database: String = client.query_one("SELECT current_database()::text", &[]).unwrap().get(0);
    let lone = format!("postgres://lone:lone@127.0.0.1:{}/{database}", cluster().port());
    let mut loader = under_way(&lone);
    write(&mut loader, 7..=100);
    loader.commit().unwrap();
    assert_eq!(rows(&mut client), Vec::from_iter(1..=100));
}

/// A way to the server for one session at a time: others are accepted, and wait. Returns its port.
fn narrow_way() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn(move || {
        let pass_on = |mut from: TcpStream, mut to: TcpStream| copy(&mut from, &mut to);
        let (client, _) = listener.accept().unwrap();
        let server = TcpStream::connect(("127.0.0.1", cluster().port())).unwrap();
        [&client, &server].into_iter().for_each(|stream| stream.set_nodelay(true).unwrap());
        let (answers, questions) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        spawn(move || pass_on(answers, client));
        spawn(move || pass_on(questions, server));
        let waiting: Vec<_> = listener.incoming().collect();
        drop(waiting);
    });
    port
}

#[test]
fn a_second_session_that_is_kept_waiting_holds_up_the_stream_hardly_and_ever_more_seldom() {
    let (url, mut client) = database();
    let database = url.rsplit('/').next().unwrap();
    let mut loader = under_way(&format!("postgres://postgres@127.0.0.1:{}/{database}", narrow_way()));
    let started = Instant::now();
    write(&mut loader, 7..=400);
    loader.commit().unwrap();
    assert_eq!(rows(&mut client), Vec::from_iter(1..=400));
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

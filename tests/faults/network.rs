//! A network that resets, stalls, drips, loses the answer to a COMMIT, or says things that are no protocol.

use std::time::{Duration, Instant};

use longshore::load::PostgresOptions;
use longshore::{Loader, Source, StreamLoader, StreamOptions};

use crate::kills::random;
use crate::proxy::{Fault, Proxy};
use crate::support::database;
use crate::{known, times};

const RECORDS: i64 = 4_000;

fn name_of(url: &str) -> &str {
    url.rsplit_once('/').unwrap().1
}

/// How long a silence is borne in these tests, and how long a connection may take.
const SILENCE: Duration = Duration::from_secs(1);
const CONNECT: Duration = Duration::from_secs(1);

fn impatient(url: &str, retry_for: Duration, max_rows: u64) -> StreamLoader {
    let mut postgres = PostgresOptions::default();
    postgres.silence_timeout = SILENCE;
    let options = StreamOptions::default().max_rows(max_rows).retry_for(retry_for).postgres(postgres);
    Loader::new(format!("{url}?connect_timeout={}", CONNECT.as_secs())).table("t").open_with(options).unwrap()
}

/// The bytes that a client sends for the whole stream, of one batch.
fn whole() -> u64 {
    let (url, _) = database();
    let proxy = Proxy::start(None);
    known::feed(&mut known::open(&proxy.url(name_of(&url))), RECORDS).unwrap();
    proxy.sent()
}

#[test]
fn a_connection_that_is_reset_anywhere_is_made_anew_and_the_batch_repeated() {
    let whole = whole();
    let mut seed = 3;
    for _ in 0..times(6, 50) {
        let (url, mut client) = database();
        let at = random(&mut seed, whole);
        let proxy = Proxy::start(Some(Fault::ResetAfter(at)));
        known::feed(&mut known::open(&proxy.url(name_of(&url))), RECORDS).unwrap();
        assert!(proxy.is_done(), "nothing was reset after {at} of {whole} bytes");
        known::check(&mut client, RECORDS);
    }
}

#[test]
fn a_stream_opens_where_its_connection_is_reset_before_any_of_its_first_questions() {
    let (url, _) = database();
    // Past what a connection and its first questions send.
    for at in (0..480).step_by(times(24, 4) as usize) {
        let proxy = Proxy::start(Some(Fault::ResetAfter(at)));
        let mut loader = known::open(&proxy.url(name_of(&url)));
        assert_eq!(loader.committed("s").unwrap(), None);
        assert!(proxy.is_done(), "nothing was reset after {at} bytes");
    }
}

#[test]
fn either_of_a_streams_two_sessions_may_be_reset_anywhere() {
    let mut seed = 4;
    for _ in 0..times(10, 100) {
        let (url, mut client) = database();
        let at = random(&mut seed, 60_000);
        let proxy = Proxy::start(Some(Fault::ResetAfter(at)));
        let options = StreamOptions::default().max_rows(100);
        let mut loader = Loader::new(proxy.url(name_of(&url))).table("t").open_with(options).unwrap();
        known::feed(&mut loader, RECORDS).unwrap();
        assert!(proxy.is_done(), "nothing was reset after {at} bytes");
        known::check(&mut client, RECORDS);
    }
}

#[test]
fn a_load_goes_on_when_the_server_comes_back_after_seconds() {
    let (url, mut client) = database();
    let proxy = Proxy::start(Some(Fault::ResetAfter(40_000)));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !proxy.is_done() {
                std::thread::sleep(Duration::from_millis(1));
            }
            proxy.cut();
            std::thread::sleep(Duration::from_secs(5));
            proxy.heal();
        });
        let loader = Loader::new(proxy.url(name_of(&url))).table("t");
        loader.load(Source::bytes(known::lines(0..RECORDS))).unwrap();
    });
    known::check(&mut client, RECORDS);
}

#[test]
fn a_load_whose_connection_is_reset_anywhere_is_begun_again() {
    let mut seed = 5;
    for _ in 0..times(4, 50) {
        let (url, mut client) = database();
        let proxy = Proxy::start(Some(Fault::ResetAfter(random(&mut seed, 60_000))));
        let report = Loader::new(proxy.url(name_of(&url))).table("t").load(Source::bytes(known::lines(0..RECORDS)));
        report.unwrap();
        assert!(proxy.is_done(), "nothing was reset");
        known::check(&mut client, RECORDS);
    }
}

#[test]
fn a_lost_commit_and_a_lost_answer_are_told_apart_each_time() {
    let (url, mut client) = database();
    let proxy = Proxy::start(None);
    let mut loader = known::open(&proxy.url(name_of(&url)));
    let mut upto = 0;
    for round in 0..times(10, 200) {
        proxy.lose(if round % 2 == 0 { Fault::AnswerLost } else { Fault::CommitLost });
        upto += 40;
        known::feed(&mut loader, upto).unwrap();
        assert!(proxy.is_done());
    }
    known::check(&mut client, upto);
    assert_eq!(loader.totals().counts.read, upto as u64, "each batch is counted once, whatever became of its answer");
}

#[test]
fn a_peer_that_falls_silent_is_noticed_within_the_stated_time() {
    let whole = whole();
    // At the greeting, at the first statements, in the rows, and behind those: each batch has one of two sessions.
    let mut places = vec![10, 200, 900, whole / 3, whole / 2];
    let mut seed = 11;
    places.extend((0..times(0, 20)).map(|_| random(&mut seed, whole / 2)));
    for at in places {
        let (url, mut client) = database();
        let proxy = Proxy::start(Some(Fault::StallAfter(at)));
        let started = Instant::now();
        let mut loader = impatient(&proxy.url(name_of(&url)), Duration::from_secs(60), 1000);
        known::feed(&mut loader, RECORDS).unwrap();
        assert!(proxy.is_done(), "nothing stalled after {at} of {whole} bytes");
        // The silence, the question on another connection, and the work.
        assert!(started.elapsed() < 3 * (SILENCE + CONNECT) + Duration::from_secs(8), "{:?}", started.elapsed());
        // A session that was never heard of waits at the server until the line itself is gone.
        proxy.cut();
        known::check(&mut client, RECORDS);
    }
}

#[test]
fn a_server_that_is_at_work_may_be_silent_for_as_long_as_it_takes() {
    let (url, mut client) = database();
    let slow = "CREATE TABLE t (a bigint, s text, late bigint); CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ \
                BEGIN IF new.a = 5 THEN PERFORM pg_sleep(4); END IF; RETURN new; END $$; \
                CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()";
    client.batch_execute(slow).unwrap();
    let started = Instant::now();
    // Were the connection given up, this would be the error.
    known::feed(&mut impatient(&url, Duration::ZERO, 1000), 500).unwrap();
    assert!(started.elapsed() >= Duration::from_secs(4));
    known::check(&mut client, 500);
}

#[test]
fn a_slow_line_is_no_silence() {
    let (url, mut client) = database();
    let proxy = Proxy::start(None);
    let mut loader = impatient(&proxy.url(name_of(&url)), Duration::ZERO, u64::MAX);
    // More than 64 KiB in the time that a silence may last, and far less than the rows are.
    proxy.drip(100_000);
    let started = Instant::now();
    known::feed(&mut loader, 12_000).unwrap();
    assert!(started.elapsed() > 3 * SILENCE, "it was not slow: {:?}", started.elapsed());
    known::check(&mut client, 12_000);
}

#[test]
fn answers_that_are_no_protocol_are_an_error_and_never_a_panic() {
    let huge = [&b"D"[..], &[0x7f, 0xff, 0xff, 0xff], b"x"].concat();
    let answers: Vec<Vec<u8>> = vec![
        huge,
        b"D\0\0\0\x01".to_vec(),
        b"Z\0\0\0\x05?Z\0\0\0\x05I".to_vec(),
        b"T\0\0\0\x08\xff\xff\0\0".to_vec(),
        b"D\0\0\0\x0a\0\x02\0\0\0\x09".to_vec(),
        b"C\0\0\0\x07COP".to_vec(),
        b"E\0\0\0\x05\0".to_vec(),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        vec![0; 64],
        vec![0xff; 64],
    ];
    let mut seed = 17;
    let random_ones = (0..times(5, 200)).map(|_| (0..40).map(|_| random(&mut seed, 256) as u8).collect());
    let answers: Vec<Vec<u8>> = answers.into_iter().chain(random_ones).collect();
    let mut seed = 19;
    for answer in answers {
        let (url, mut client) = database();
        let at = random(&mut seed, 900);
        let proxy = Proxy::start(Some(Fault::AnswerAfter(at, answer.clone())));
        let url = format!("{}?connect_timeout=3", proxy.url(name_of(&url)));
        let load = || Loader::new(&url).table("t").retry_for(Duration::ZERO).load(Source::bytes(known::lines(0..500)));
        let outcome = load();
        assert!(proxy.is_done(), "nothing was said after {at} bytes");
        if let Err(error) = outcome {
            assert_eq!(error.kind(), longshore::ErrorKind::Database, "{error} behind {answer:?}");
            load().unwrap();
        }
        known::check(&mut client, 500);
    }
}

//! A topic ends in its table as the oracle says: each message once, whatever happens to those who read it. Against a real
//! broker, over TCP.
#![cfg(all(unix, feature = "kafka"))]

#[path = "support/drift.rs"]
mod drift;
#[path = "support/kafka.rs"]
mod kafka;
mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use kafka::{Broker, produce};
use longshore::records::{FormatOptions, Kind};
use longshore::source::KafkaOptions;
use longshore::{ErrorKind, KafkaStream, Loader, ReadOptions, Receipt, StreamObserver, StreamOptions};
use postgres::{Client, NoTls};
use support::*;

/// Messages of the drift stream.
const MESSAGES: i64 = 20_031;

/// One broker for all tests; each has topics of its own.
fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(Broker::start)
}

/// The group notices soon that a member is gone.
fn options(servers: &str, topic: &str, group: &str) -> KafkaOptions {
    let options = KafkaOptions::new(servers, [topic]).group(group);
    options.property("session.timeout.ms", "6000").property("heartbeat.interval.ms", "500")
}

fn consume(url: &str, kafka: KafkaOptions, rows: u64) -> KafkaStream {
    let options = StreamOptions::default().max_rows(rows).max_age(Duration::from_millis(500));
    Loader::new(url).table("t").consume(kafka, options).unwrap()
}

/// Makes a topic of three partitions, and sends the first part of the drift stream or all of it.
fn fill(topic: &str, part: std::ops::Range<usize>) {
    broker().create_topic(topic, 3);
    send(topic, part);
}

/// Sends a part of the drift stream; message i of the stream goes to partition i mod 3.
fn send(topic: &str, part: std::ops::Range<usize>) {
    let lines = drift::lines();
    let messages = part.map(|i| ((i % 3) as i32, Some(&lines[i][..lines[i].len() - 1])));
    produce(&broker().servers(), topic, messages);
}

/// How many messages are in the table, as its ledger has it.
fn committed(client: &mut Client) -> i64 {
    if !exists(client, "_longshore_offsets") {
        return 0;
    }
    let sql = "SELECT coalesce(sum(position), 0)::bigint FROM _longshore_offsets";
    client.query_one(sql, &[]).unwrap().get(0)
}

/// Polls until so many messages are committed.
fn poll_until(stream: &mut KafkaStream, client: &mut Client, messages: i64) {
    let started = Instant::now();
    while committed(client) < messages {
        stream.poll(Duration::from_millis(200)).unwrap();
        assert!(started.elapsed() < Duration::from_secs(240), "{} of {messages} messages came", committed(client));
    }
}

const CHILD: &str = "LONGSHORE_TEST_KAFKA_CHILD";

/// Says a word for each batch, as it is committed.
#[derive(Debug)]
struct Said;

impl StreamObserver for Said {
    fn committed(&self, _: &Receipt, _: Duration) {
        println!("committed");
    }
}

/// Not a test of its own: what the next one runs in processes that are killed.
#[test]
fn child_that_may_be_killed() {
    let Ok(settings) = std::env::var(CHILD) else { return };
    let [url, servers, topic, group, messages] = settings.split(' ').collect::<Vec<_>>()[..] else { panic!() };
    let batches = StreamOptions::default().max_rows(700).max_age(Duration::from_millis(500)).observer(Arc::new(Said));
    let mut stream = Loader::new(url).table("t").consume(options(servers, topic, group), batches).unwrap();
    let mut client = Client::connect(url, NoTls).unwrap();
    while committed(&mut client) < messages.parse().unwrap() {
        stream.poll(Duration::from_millis(200)).unwrap();
    }
    stream.close().unwrap();
}

#[test]
fn a_consumer_that_is_killed_anywhere_goes_on_at_the_ledger_and_the_table_is_as_the_oracle_says() {
    fill("killed", 0..MESSAGES as usize);
    let (url, mut client) = database();
    let mut seed = 1u64;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let (mut kills, mut finished) = (0, false);
    while !finished {
        // A group of its own each time: the broker need not wait for the dead, and its offsets are not looked at.
        let settings = format!("{url} {} killed group-{kills} {MESSAGES}", broker().servers());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_may_be_killed", "--nocapture"])
            .env(CHILD, settings)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        if kills < 12 {
            // Behind one of the first of its 29 batches, and then anywhere in the next one or two.
            let batches = 1 + next(2) as usize;
            let alive = said.by_ref().filter(|line| line.contains("committed")).take(batches).count() == batches;
            if alive {
                std::thread::sleep(Duration::from_micros(next(40_000)));
                child.kill().unwrap();
                kills += 1;
            }
        }
        said.for_each(drop);
        finished = child.wait().unwrap().success();
        assert!(finished || kills <= 12);
        assert!(kills > 0 || !finished, "the first child finished before it could be killed");
    }
    println!("{kills} kills");
    assert!(kills >= 5, "only {kills} kills: they come too late to test anything");
    assert_eq!(committed(&mut client), MESSAGES);
    drift::check(&mut client, "t", 1);
}

#[test]
fn members_that_come_and_go_share_the_partitions_and_load_each_message_once() {
    fill("shared", 0..8_000);
    let (url, mut client) = database();
    let servers = broker().servers();
    let mut first = consume(&url, options(&servers, "shared", "shared"), 400);
    poll_until(&mut first, &mut client, 1_000);
    assert_eq!(first.lag().len(), 3, "the only member has all partitions");
    let second = std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            let mut second = consume(&url, options(&servers, "shared", "shared"), 300);
            let mut client = Client::connect(&url, NoTls).unwrap();
            poll_until(&mut second, &mut client, MESSAGES);
            second
        });
        let started = Instant::now();
        while !(1..3).contains(&first.lag().len()) {
            first.poll(Duration::from_millis(50)).unwrap();
            assert!(started.elapsed() < Duration::from_secs(120), "the second member gets no partition");
        }
        // Both have a part now. The first leaves with a batch that is not full, and the second takes over.
        send("shared", 8_000..MESSAGES as usize);
        while first.poll(Duration::from_millis(50)).unwrap() == 0 && committed(&mut client) < MESSAGES {}
        first.close().unwrap();
        second.join().unwrap()
    });
    assert!(second.totals().counts.read > 0);
    second.close().unwrap();
    drift::check(&mut client, "t", 1);
}

#[test]
fn a_topic_that_was_loaded_adds_nothing_to_any_group_until_there_is_more() {
    broker().create_topic("again", 1);
    let servers = broker().servers();
    let (url, mut client) = database();
    produce(&servers, "again", [(0, Some(&b"{\"a\":1}"[..])), (0, Some(b"{\"a\":2}"))]);
    let mut stream = consume(&url, options(&servers, "again", "one"), 10);
    poll_until(&mut stream, &mut client, 2);
    stream.close().unwrap();
    let mut other = consume(&url, options(&servers, "again", "two"), 10);
    let started = Instant::now();
    while other.lag().is_empty() && started.elapsed() < Duration::from_secs(30) {
        other.poll(Duration::from_millis(200)).unwrap();
    }
    assert_eq!(other.lag()[0].position, Some(2), "nothing has been written here, and all is in the table");
    produce(&servers, "again", [(0, Some(&b"{\"a\":3}"[..]))]);
    poll_until(&mut other, &mut client, 3);
    assert_eq!(other.totals().counts.read, 1);
    assert_eq!(count(&mut client, "t"), 3);
    assert_eq!(other.lag()[0].position, Some(3));
}

#[test]
fn messages_that_are_no_records_are_in_the_quarantine_with_their_offsets() {
    broker().create_topic("odd", 1);
    let servers = broker().servers();
    let (url, mut client) = database();
    let values: [Option<&[u8]>; 7] = [
        Some(b"{\n \"a\": 1,\n \"b\": [1,\n2]\n}\n"),
        None,
        Some(b""),
        Some(b"{\"a\":2}\n{\"a\":3}"),
        Some(b"[\n{\"a\":9}\n]"),
        Some(b"\xff"),
        Some(b"{\"a\":4}"),
    ];
    produce(&servers, "odd", values.map(|value| (0, value)));
    let mut stream = consume(&url, options(&servers, "odd", "odd"), 100);
    poll_until(&mut stream, &mut client, 7);
    let counts = stream.totals().counts;
    stream.close().unwrap();
    assert_eq!((counts.read, counts.loaded, counts.quarantined), (8, 4, 4));
    let rows = client.query("SELECT a FROM t ORDER BY a", &[]).unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<i32>>(), [1, 2, 3, 4]);
    let kept = client.query("SELECT source, raw, reason FROM _longshore_quarantine ORDER BY source", &[]).unwrap();
    let kept: Vec<(String, Vec<u8>)> = kept.iter().map(|row| (row.get(0), row.get(1))).collect();
    let expected: [(&str, &[u8]); 4] = [
        ("kafka:odd/0@2", b""),
        ("kafka:odd/0@3", b""),
        ("kafka:odd/0@5", b"[\n{\"a\":9}\n]"),
        ("kafka:odd/0@6", b"\xff"),
    ];
    assert_eq!(kept, expected.map(|(source, raw)| (source.to_owned(), raw.to_vec())));
}

#[test]
fn values_of_csv_are_rows_under_the_columns_they_are_given() {
    broker().create_topic("csv", 1);
    let servers = broker().servers();
    let (url, mut client) = database();
    let values: [&[u8]; 3] = [b"1,\"one, or\nuno\"", b"2,two\r\n", b"3"];
    produce(&servers, "csv", values.map(|value| (0, Some(value))));
    let csv = ReadOptions::default().format(FormatOptions { kind: Some(Kind::Csv), ..Default::default() });
    let options_of_stream = StreamOptions::default().csv_columns(["id", "name"]).max_age(Duration::from_millis(200));
    let loader = Loader::new(&url).table("t").read(csv);
    let mut stream = loader.consume(options(&servers, "csv", "csv"), options_of_stream).unwrap();
    poll_until(&mut stream, &mut client, 3);
    stream.close().unwrap();
    let rows = client.query("SELECT name FROM t ORDER BY id", &[]).unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<String>>(), ["one, or\nuno", "two"]);
    assert_eq!(count(&mut client, "_longshore_quarantine"), 1);
}

#[test]
fn a_topic_that_is_not_there_is_said_before_anything_is_read() {
    let (url, _client) = database();
    let loader = Loader::new(&url).table("t");
    let error = loader.consume(options(&broker().servers(), "nowhere", "g"), StreamOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().contains("nowhere") && !error.is_temporary(), "{error}");
    assert!(error.hint().unwrap().contains("create the topic"));
}

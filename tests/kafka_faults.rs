//! What brokers do wrong, and what becomes of topics behind our back: nothing is lost in silence, nothing comes twice.
//! Against the mock cluster of the client library, which fails when it is told to.
#![cfg(all(unix, feature = "kafka"))]

#[path = "support/kafka.rs"]
mod kafka;
#[path = "support/proxy.rs"]
mod proxy;
mod support;

use std::time::{Duration, Instant};

use kafka::produce;
use longshore::source::{KafkaOptions, OnGap};
use longshore::{Error, ErrorKind, KafkaStream, Loader, Offset, StreamOptions};
use proxy::Proxy;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as Code};
use support::*;

type Cluster = MockCluster<'static, DefaultProducerContext>;

/// A cluster of one broker with the topic `t` of one partition.
fn cluster_with_topic() -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    cluster
}

fn options(cluster: &Cluster) -> KafkaOptions {
    KafkaOptions::new(cluster.bootstrap_servers(), ["t"]).connect_timeout(Duration::from_secs(10))
}

fn stream_options() -> StreamOptions {
    StreamOptions::default().max_age(Duration::from_millis(100)).retry_for(Duration::from_secs(3))
}

fn numbered(values: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    values.map(|n| format!("{{\"n\":{n}}}").into_bytes()).collect()
}

fn send(cluster: &Cluster, values: &[Vec<u8>]) {
    produce(&cluster.bootstrap_servers(), "t", values.iter().map(|value| (0, Some(value.as_slice()))));
}

/// Polls until the table has so many rows, or an error comes.
fn poll_until(stream: &mut KafkaStream, client: &mut postgres::Client, rows: i64) -> Result<(), Error> {
    let started = Instant::now();
    while !exists(client, "t") || count(client, "t") < rows {
        stream.poll(Duration::from_millis(100))?;
        assert!(started.elapsed() < Duration::from_secs(120), "the rows do not come");
    }
    Ok(())
}

/// Polls until an error comes.
fn poll_to_the_error(stream: &mut KafkaStream) -> Error {
    let started = Instant::now();
    loop {
        if let Err(error) = stream.poll(Duration::from_millis(100)) {
            return error;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "no error comes");
    }
}

/// Writes to the ledger how far the partition is loaded.
fn loaded_up_to(url: &str, position: u64) {
    let mut loader = Loader::new(url).table("t").open().unwrap();
    loader.write("{\"n\":0}\n", Offset::new("kafka:t/0", position)).unwrap();
    loader.commit().unwrap();
}

#[test]
fn errors_that_pass_are_waited_out_and_every_message_comes_once() {
    let cluster = cluster_with_topic();
    let (url, mut client) = database();
    send(&cluster, &numbered(0..500));
    cluster.request_errors(
        RDKafkaApiKey::Fetch,
        &[
            Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            Code::RD_KAFKA_RESP_ERR__TRANSPORT,
            Code::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        ],
    );
    cluster.request_errors(RDKafkaApiKey::JoinGroup, &[Code::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS]);
    let mut stream = Loader::new(&url).table("t").consume(options(&cluster), stream_options()).unwrap();
    poll_until(&mut stream, &mut client, 500).unwrap();
    cluster.request_errors(RDKafkaApiKey::Heartbeat, &[Code::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS]);
    send(&cluster, &numbered(500..1000));
    poll_until(&mut stream, &mut client, 1000).unwrap();
    stream.close().unwrap();
    let row = client.query_one("SELECT count(*), count(DISTINCT n), sum(n)::bigint FROM t", &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (1000, 1000, 499_500));
}

#[test]
fn brokers_that_stay_away_are_an_error_that_may_pass_and_nothing_is_lost() {
    let cluster = cluster_with_topic();
    let (url, mut client) = database();
    send(&cluster, &numbered(0..10));
    let loader = Loader::new(&url).table("t");
    let mut stream = loader.clone().consume(options(&cluster), stream_options()).unwrap();
    poll_until(&mut stream, &mut client, 10).unwrap();
    cluster.broker_down(1).unwrap();
    let error = poll_to_the_error(&mut stream);
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.is_temporary(), "{error}");
    drop(stream);
    let gone = loader.clone().consume(options(&cluster).connect_timeout(Duration::from_secs(2)), stream_options());
    let gone = gone.unwrap_err();
    assert!(gone.is_temporary() && gone.hint().is_some(), "{gone}");
    cluster.broker_up(1).unwrap();
    send(&cluster, &numbered(10..20));
    let mut stream = loader.consume(options(&cluster).group("again"), stream_options()).unwrap();
    poll_until(&mut stream, &mut client, 20).unwrap();
    assert_eq!(count(&mut client, "t"), 20);
}

#[test]
fn a_topic_that_was_made_anew_is_an_error_and_not_a_silent_wait() {
    let cluster = cluster_with_topic();
    let (url, mut client) = database();
    loaded_up_to(&url, 1_000);
    send(&cluster, &numbered(0..5));
    let loader = Loader::new(&url).table("t");
    let mut stream = loader.clone().consume(options(&cluster), stream_options()).unwrap();
    let error = poll_to_the_error(&mut stream);
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(error.message().contains("offset 1000") && error.message().contains("made anew"), "{error}");
    drop(stream);
    // As the hint says: under another name it is another source.
    let mut stream = loader.consume(options(&cluster).name("new").group("new"), stream_options()).unwrap();
    poll_until(&mut stream, &mut client, 6).unwrap();
    assert_eq!(stream.lag()[0].source, "kafka:new/t/0");
}

#[test]
fn records_that_retention_has_deleted_stop_the_stream_or_leave_a_note() {
    let cluster = cluster_with_topic();
    let (url, mut client) = database();
    loaded_up_to(&url, 1);
    // The mock keeps about 5 MB of a partition.
    let big: Vec<Vec<u8>> =
        (0..900).map(|n| format!("{{\"n\":{n},\"x\":\"{}\"}}", "x".repeat(10_000)).into_bytes()).collect();
    send(&cluster, &big);
    let loader = Loader::new(&url).table("t");
    let mut stream = loader.clone().consume(options(&cluster), stream_options()).unwrap();
    let error = poll_to_the_error(&mut stream);
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(error.message().contains("deleted before they were read"), "{error}");
    drop(stream);
    let kafka = options(&cluster).on_gap(OnGap::Record).group("on");
    let mut stream = loader.consume(kafka, stream_options()).unwrap();
    let last = "SELECT EXISTS (SELECT FROM t WHERE n = 899)";
    let started = Instant::now();
    while !client.query_one(last, &[]).unwrap().get::<_, bool>(0) {
        stream.poll(Duration::from_millis(100)).unwrap();
        assert!(started.elapsed() < Duration::from_secs(120), "the rows behind the gap do not come");
    }
    stream.close().unwrap();
    let sql = "SELECT source, reason, raw_bytes FROM _longshore_quarantine";
    let note = client.query_one(sql, &[]).unwrap();
    let (source, reason): (String, String) = (note.get(0), note.get(1));
    let low: i64 = source.strip_prefix("kafka:t/0@").unwrap().parse().unwrap();
    assert_eq!(reason, format!("the offsets 1 to {} were deleted before they were read", low - 1));
    assert_eq!(count(&mut client, "t"), 1 + 900 - low, "every record behind the gap is there once");
}

#[test]
fn a_ledger_that_cannot_be_asked_holds_the_partitions_back_until_it_can() {
    let cluster = cluster_with_topic();
    let (url, mut client) = database();
    send(&cluster, &numbered(0..5));
    loaded_up_to(&url, 2);
    let proxy = Proxy::start(None);
    let options_of_stream = stream_options().retry_for(Duration::from_millis(300));
    let loader = Loader::new(proxy.url(url.rsplit_once('/').unwrap().1)).table("t");
    let mut stream = loader.consume(options(&cluster), options_of_stream).unwrap();
    proxy.cut();
    let error = poll_to_the_error(&mut stream);
    assert!(error.is_temporary() && error.kind() == ErrorKind::Database, "{error}");
    assert!(stream.lag().is_empty());
    proxy.heal();
    poll_until(&mut stream, &mut client, 4).unwrap();
    let rows = client.query("SELECT n FROM t ORDER BY n", &[]).unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<i32>>(), [0, 2, 3, 4]);
}

#[test]
fn a_stream_that_is_dropped_commits_nothing_of_its_batch() {
    let cluster = cluster_with_topic();
    let (url, mut client) = database();
    send(&cluster, &numbered(0..5));
    let loader = Loader::new(&url).table("t");
    let mut stream = loader.clone().consume(options(&cluster), StreamOptions::default()).unwrap();
    let (started, mut taken) = (Instant::now(), 0);
    while taken < 5 && started.elapsed() < Duration::from_secs(60) {
        taken += stream.poll(Duration::from_millis(100)).unwrap();
    }
    assert_eq!(taken, 5);
    drop(stream);
    assert!(!exists(&mut client, "t"));
    let mut stream = loader.consume(options(&cluster).group("next"), StreamOptions::default()).unwrap();
    let mut taken = 0;
    while taken < 5 && started.elapsed() < Duration::from_secs(120) {
        taken += stream.poll(Duration::from_millis(100)).unwrap();
    }
    assert_eq!(stream.close().unwrap().counts.loaded, 5);
}

#[test]
fn a_table_that_refuses_ends_the_stream_and_the_messages_come_again() {
    let cluster = cluster_with_topic();
    let (url, mut client) = database();
    loaded_up_to(&url, 0);
    send(&cluster, &numbered(0..5));
    let drops_rows = "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
                      CREATE TRIGGER no BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION no()";
    client.batch_execute(drops_rows).unwrap();
    let loader = Loader::new(&url).table("t");
    let mut stream = loader.clone().consume(options(&cluster), stream_options().max_rows(2)).unwrap();
    let error = poll_to_the_error(&mut stream);
    assert_eq!(error.kind(), ErrorKind::NotConserved, "{error}");
    assert!(stream.poll(Duration::from_millis(100)).is_err(), "what follows a lost message is not taken in");
    drop(stream);
    client.batch_execute("DROP TRIGGER no ON t").unwrap();
    let mut stream = loader.consume(options(&cluster).group("next"), stream_options()).unwrap();
    poll_until(&mut stream, &mut client, 6).unwrap();
    stream.close().unwrap();
    assert_eq!(count(&mut client, "t"), 6);
}

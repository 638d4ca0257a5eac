//! Brokers that want TLS, or a password: let in with the right ones, refused at once and with the reason otherwise. Against a
//! real broker, with TLS before it.
#![cfg(all(unix, feature = "kafka-tls", feature = "tls"))]

#[path = "support/authority.rs"]
mod authority;
#[path = "support/kafka.rs"]
mod kafka;
#[path = "support/sasl_front.rs"]
mod sasl_front;
#[path = "support/scram.rs"]
mod scram;
mod support;
#[path = "support/tls_front.rs"]
mod tls_front;

use std::time::{Duration, Instant};

use authority::Authority;
use kafka::{Broker, produce_with};
use longshore::source::KafkaOptions;
use longshore::{ErrorKind, Loader, StreamOptions};
use sasl_front::SaslFront;
use support::*;
use tls_front::TlsFront;

/// Consumes the topic until so many messages are committed.
fn load(url: &str, table: &str, kafka: KafkaOptions, messages: u64) {
    let options = StreamOptions::default().max_age(Duration::from_millis(200));
    let mut stream = Loader::new(url).table(table).consume(kafka, options).unwrap();
    let started = Instant::now();
    while stream.totals().counts.read < messages {
        stream.poll(Duration::from_millis(200)).unwrap();
        assert!(started.elapsed() < Duration::from_secs(120), "the messages come");
    }
    stream.close().unwrap();
}

/// What joining comes to, which must not take as long as an absent broker is waited for.
fn refused(kafka: KafkaOptions) -> longshore::Error {
    let (url, _) = database();
    let started = Instant::now();
    let kafka = kafka.connect_timeout(Duration::from_secs(120));
    let error = Loader::new(&url).table("t").consume(kafka, StreamOptions::default()).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(100), "it is not waited for what cannot come");
    assert!(error.kind() == ErrorKind::Io && !error.is_temporary() && error.hint().is_some(), "{error}");
    error
}

#[test]
fn a_topic_is_read_over_tls_and_a_broker_that_somebody_else_has_signed_is_not_believed() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let front = TlsFront::open(authority.sign("IP:127.0.0.1,DNS:localhost", "1"));
    let broker = Broker::start_with(Some(front.port), &[]);
    front.lead_to(broker.port);
    broker.create_topic("orders", 1);
    let (root, servers) = (authority.root(), format!("127.0.0.1:{}", front.port));
    let messages = [&b"{\"id\":1}"[..], b"{\"id\":2}"].map(|value| (0, Some(value)));
    produce_with(&[("security.protocol", "ssl"), ("ssl.ca.location", &root)], &servers, "orders", messages);

    let secure = |root: &str| {
        let options = KafkaOptions::new(&servers, ["orders"]).property("security.protocol", "ssl");
        options.property("ssl.ca.location", root)
    };
    let (url, mut client) = database();
    load(&url, "t", secure(&root), 2);
    assert_eq!(count(&mut client, "t"), 2);
    let error = refused(secure(&stranger.root()));
    assert!(error.message().contains("certificate verify failed"), "{error}");
}

#[test]
fn a_broker_that_does_not_know_the_user_says_so_at_once_and_the_password_is_in_no_error() {
    let broker = Broker::start_with(None, &["--authentication"]);
    let kafka = KafkaOptions::new(broker.servers(), ["orders"])
        .property("security.protocol", "sasl_plaintext")
        .property("sasl.mechanism", "SCRAM-SHA-512")
        .property("sasl.username", "nobody")
        .property("sasl.password", "hunter2-marker");
    let error = refused(kafka);
    assert!(error.message().contains("SASL") && error.message().contains("unknown-user"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2-marker"));
}

/// Who a client says it is.
fn login<'a>(mechanism: &'a str, user: &'a str, password: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanism", mechanism),
        ("sasl.username", user),
        ("sasl.password", password),
    ]
}

fn as_user(servers: &str, login: [(&str, &str); 4]) -> KafkaOptions {
    login.into_iter().fold(KafkaOptions::new(servers, ["orders"]), |kafka, (key, value)| kafka.property(key, value))
}

/// A name that SCRAM has to escape, and a password with what its messages are made of.
const USER: &str = "orders,team=1";
const PASSWORD: &str = "p=a,ss wörd-marker";

fn a_user_gets_in_with_the_right_password_alone(mechanism: &str) {
    let front = SaslFront::open(USER, PASSWORD);
    let broker = Broker::start_with(Some(front.port), &[]);
    front.lead_to(broker.port);
    broker.create_topic("orders", 1);
    let servers = format!("127.0.0.1:{}", front.port);
    let values: Vec<String> = (0..50).map(|id| format!("{{\"id\":{id}}}")).collect();
    let messages = values.iter().map(|value| (0, Some(value.as_bytes())));
    produce_with(&login(mechanism, USER, PASSWORD), &servers, "orders", messages);

    let (url, mut client) = database();
    load(&url, "t", as_user(&servers, login(mechanism, USER, PASSWORD)), 50);
    let sql = "SELECT count(*), count(DISTINCT id), sum(id)::bigint FROM t";
    let row = client.query_one(sql, &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (50, 50, 49 * 50 / 2));
    assert!(front.admitted() > 0, "nobody was asked for a password");

    for (user, password) in [(USER, "wrong-marker"), ("somebody else", PASSWORD)] {
        let before = front.admitted();
        let error = refused(as_user(&servers, login(mechanism, user, password)));
        assert!(error.message().contains("SASL") && error.message().contains("invalid credentials"), "{error}");
        assert!(!format!("{error:?} {error} {:?}", error.hint()).contains("marker"), "a password is in an error");
        assert_eq!(front.admitted(), before);
    }
}

#[test]
fn a_user_gets_in_by_scram_sha_256_with_the_right_password_alone() {
    a_user_gets_in_with_the_right_password_alone("SCRAM-SHA-256");
}

#[test]
fn a_user_gets_in_by_scram_sha_512_with_the_right_password_alone() {
    a_user_gets_in_with_the_right_password_alone("SCRAM-SHA-512");
}

#[test]
fn a_user_gets_in_by_plain_with_the_right_password_alone() {
    a_user_gets_in_with_the_right_password_alone("PLAIN");
}

#[test]
fn topics_are_read_however_they_are_compressed() {
    let broker = Broker::start();
    let (url, mut client) = database();
    let value = format!("{{\"id\":1,\"text\":\"{}\"}}", "long and dull ".repeat(500));
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        broker.create_topic(codec, 1);
        let message = (0, Some(value.as_bytes()));
        produce_with(&[("compression.type", codec)], &broker.servers(), codec, [message]);
        load(&url, codec, KafkaOptions::new(broker.servers(), [codec]), 1);
        assert_eq!(count(&mut client, codec), 1, "{codec}");
    }
}

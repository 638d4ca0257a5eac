//! A Kafka broker that starts in a moment, and what fills its topics.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;

/// Runs the broker until standard input ends, as it does when this process does, however that may be.
const RUN: &str = r#""$@" </dev/null & broker=$!; read _; kill $broker; wait $broker"#;

/// A broker process of its own, reached over TCP. It keeps everything in memory and ends with this process at the latest.
pub(crate) struct Broker {
    child: Child,
    alive: Option<ChildStdin>,
    pub(crate) port: u16,
}

impl Broker {
    pub(crate) fn start() -> Self {
        Broker::start_with(None, &[])
    }

    /// One that tells its clients to come to another port, and is given more options.
    pub(crate) fn start_with(advertised: Option<u16>, options: &[&str]) -> Self {
        // Another process may take the port between here and there.
        let tries = (0..5).find_map(|_| Broker::try_start(advertised, options));
        tries.expect("the broker starts on a free port")
    }

    fn try_start(advertised: Option<u16>, options: &[&str]) -> Option<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let url = |port| format!("tcp://127.0.0.1:{port}");
        let mut child = Command::new("sh")
            .args(["-c", RUN, "broker"])
            .arg(program())
            .args(["broker", "--storage-engine", "memory://tansu/", "--listener-url", &url(port)])
            .args(["--advertised-listener-url", &url(advertised.unwrap_or(port))])
            .args(options)
            .env("CLUSTER_ID", "longshore-tests")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the broker can be run");
        let alive = child.stdin.take();
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) {
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(Broker { child, alive, port });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(alive);
        let _ = child.wait();
        None
    }

    /// Host and port.
    pub(crate) fn servers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn create_topic(&self, topic: &str, partitions: u32) {
        let url = format!("tcp://127.0.0.1:{}", self.port);
        let made = Command::new(program())
            .args(["topic", "create", "--broker", &url, topic, "--partitions", &partitions.to_string()])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.alive = None;
        let _ = self.child.wait();
    }
}

/// The broker's program: from `LONGSHORE_TANSU`, or where `scripts/broker` puts it.
fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("LONGSHORE_TANSU") {
        return path.into();
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    // The command's tests stand one folder deeper.
    let root = if root.ends_with("cli") { root.join("..") } else { root.to_path_buf() };
    let path = root.join("target/tools/bin/tansu");
    assert!(
        path.is_file(),
        "these tests need the Kafka broker Tansu: `scripts/broker` builds it once, as `scripts/test` does; or name \
         the program in LONGSHORE_TANSU"
    );
    path
}

/// Sends values to partitions and waits until the broker has them all. `None` is a tombstone.
///
/// One message is one batch: asked for an offset in the middle of a batch, Tansu 0.6 answers with the next batch, and
/// the rest of that one is lost.
pub(crate) fn produce<'a>(servers: &str, topic: &str, messages: impl IntoIterator<Item = (i32, Option<&'a [u8]>)>) {
    produce_with(&[], servers, topic, messages);
}

/// The same by a client with these properties.
pub(crate) fn produce_with<'a>(
    properties: &[(&str, &str)],
    servers: &str,
    topic: &str,
    messages: impl IntoIterator<Item = (i32, Option<&'a [u8]>)>,
) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set("batch.num.messages", "1").set("message.timeout.ms", "30000");
    properties.iter().for_each(|(key, value)| {
        config.set(*key, *value);
    });
    let producer: BaseProducer = config.create().unwrap();
    for (partition, value) in messages {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(partition).key(b"key".as_slice());
        if let Some(value) = value {
            record = record.payload(value);
        }
        while let Err((error, back)) = producer.send(record) {
            assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
            producer.poll(Duration::from_millis(50));
            record = back;
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    assert_eq!(producer.in_flight_count(), 0);
}

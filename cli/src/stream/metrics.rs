//! What a stream has done, as Prometheus reads it: over HTTP, or in a file.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use longshore::{Error, Receipt, StreamObserver};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::exit::Failure;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How often a file is written anew, and lag is asked for.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long somebody who asks may take, and how much he may say.
const PATIENCE: Duration = Duration::from_secs(2);
const LONGEST_REQUEST: usize = 8 << 10;
/// Seconds of a commit, as borders of the histogram.
const SECONDS: [f64; 11] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// Counters of one stream.
#[derive(Debug)]
pub(super) struct Metrics {
    read: Counter,
    loaded: Counter,
    quarantined: Counter,
    deduplicated: Counter,
    bytes: Counter,
    batches: Counter,
    retries: Counter,
    alters: Counter,
    seconds: Histogram,
    lag: Family<Partition, Gauge>,
    position: Family<Partition, Gauge>,
    registry: Registry,
    file: Option<PathBuf>,
    last: Mutex<(Option<Instant>, Option<Instant>)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Partition {
    topic: String,
    partition: i32,
}

impl Metrics {
    /// Begins to serve at an address, or to write to a file, or neither.
    pub(super) fn open(place: Option<&str>) -> Result<Arc<Metrics>, Failure> {
        let listener = match place.map(address).transpose()?.flatten() {
            Some(address) => {
                let bound = TcpListener::bind(address);
                Some(bound.map_err(|cause| Error::io(format_args!("serving metrics at {address}"), cause))?)
            }
            None => None,
        };
        let file = place.filter(|_| listener.is_none()).map(PathBuf::from);
        let metrics = Arc::new(Metrics::new(file));
        if let Some(path) = &metrics.file {
            metrics
                .write(path)
                .map_err(|cause| Error::io(format_args!("writing metrics to {}", path.display()), cause))?;
        }
        if let Some(listener) = listener {
            let served = metrics.clone();
            std::thread::spawn(move || served.serve(&listener));
        }
        Ok(metrics)
    }

    fn new(file: Option<PathBuf>) -> Metrics {
        let mut metrics = Metrics {
            read: Counter::default(),
            loaded: Counter::default(),
            quarantined: Counter::default(),
            deduplicated: Counter::default(),
            bytes: Counter::default(),
            batches: Counter::default(),
            retries: Counter::default(),
            alters: Counter::default(),
            seconds: Histogram::new(SECONDS),
            lag: Family::default(),
            position: Family::default(),
            registry: Registry::with_prefix("longshore"),
            file,
            last: Mutex::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        for (name, help, counter) in [
            ("records_read", "Records of committed batches", &self.read),
            ("records_loaded", "Records that became rows", &self.loaded),
            ("records_quarantined", "Records in the quarantine", &self.quarantined),
            ("records_deduplicated", "Records that lost to another one with the same key", &self.deduplicated),
            ("batches", "Batches committed", &self.batches),
            ("retries", "Attempts that a temporary error ended", &self.retries),
            ("table_changes", "Statements that made or changed the table", &self.alters),
        ] {
            registry.register(name, help, counter.clone());
        }
        registry.register_with_unit(
            "read",
            "Bytes of the records of committed batches",
            Unit::Bytes,
            self.bytes.clone(),
        );
        let help = "Time from a batch's closing to its commit, the wait for the batch before and all tries included";
        registry.register_with_unit("commit", help, Unit::Seconds, self.seconds.clone());
        registry.register("partition_lag", "Messages of a partition that are not in the table", self.lag.clone());
        registry.register(
            "partition_position",
            "The offset behind the last message in the table",
            self.position.clone(),
        );
    }

    /// Takes over how far the partitions are; asked for now and then only.
    #[cfg(feature = "kafka")]
    pub(super) fn lag(&self, ask: impl FnOnce() -> Vec<longshore::PartitionLag>) {
        if !self.is_due(|last| &mut last.0) {
            return;
        }
        // A partition that has gone to another member is that one's to report.
        self.lag.clear();
        self.position.clear();
        for partition in ask() {
            let label = Partition { topic: partition.topic.clone(), partition: partition.partition };
            let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
            if let Some(messages) = partition.messages() {
                self.lag.get_or_create(&label).set(number(messages));
            }
            if let Some(position) = partition.position {
                self.position.get_or_create(&label).set(number(position));
            }
        }
    }

    /// Writes the file anew, where there is one and it is time, or `now`. A disk that is full does not stop the stream.
    pub(super) fn publish(&self, now: bool) {
        let Some(path) = &self.file else { return };
        if (now || self.is_due(|last| &mut last.1))
            && let Err(error) = self.write(path)
        {
            tracing::warn!(%error, path = %path.display(), "metrics could not be written");
        }
    }

    fn is_due(&self, which: impl Fn(&mut (Option<Instant>, Option<Instant>)) -> &mut Option<Instant>) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let last = which(&mut last);
        let due = last.is_none_or(|last| last.elapsed() >= INTERVAL);
        if due {
            *last = Some(Instant::now());
        }
        due
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// Under another name first: whoever reads the file sees a whole one.
    fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let unfinished = PathBuf::from(name);
        std::fs::write(&unfinished, classic(&self.text()))
            .and_then(|()| std::fs::rename(&unfinished, path))
            .inspect_err(|_| {
                let _ = std::fs::remove_file(&unfinished);
            })
    }

    fn serve(&self, listener: &TcpListener) {
        for client in listener.incoming() {
            let is_there = client.is_ok();
            if let Err(error) = client.and_then(|client| self.answer(client)) {
                tracing::debug!(%error, "a request for metrics was not answered");
            }
            // Without a free file handle it fails again at once, for as long as somebody asks.
            if !is_there {
                std::thread::sleep(PATIENCE);
            }
        }
    }

    fn answer(&self, mut client: TcpStream) -> std::io::Result<()> {
        client.set_read_timeout(Some(PATIENCE))?;
        client.set_write_timeout(Some(PATIENCE))?;
        let mut request = Vec::new();
        let mut part = [0; 1024];
        // All clients wait for one another.
        let begun = Instant::now();
        while request.len() < LONGEST_REQUEST
            && begun.elapsed() < PATIENCE
            && !request.windows(4).any(|end| end == b"\r\n\r\n")
        {
            match client.read(&mut part)? {
                0 => break,
                len => request.extend_from_slice(&part[..len]),
            }
        }
        let asks = [&b"GET /metrics "[..], b"GET / "].iter().any(|line| request.starts_with(line));
        let (status, body) = if asks { ("200 OK", self.text()) } else { ("404 Not Found", "see /metrics\n".into()) };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        client.write_all(head.as_bytes())?;
        client.write_all(body.as_bytes())
    }
}

/// OpenMetrics as the older text format has it, which is what node_exporter reads in files: there a counter's description
/// has the name that its samples have, and units and an end are unknown.
fn classic(text: &str) -> String {
    let name_of = |line: &str, what: &str| Some(line.strip_prefix(what)?.split(' ').next()?.to_owned());
    let is_counter = |line: &&str| line.starts_with("# TYPE ") && line.ends_with(" counter");
    let counters: Vec<String> = text.lines().filter(is_counter).filter_map(|line| name_of(line, "# TYPE ")).collect();
    let known = text.lines().filter(|line| !line.starts_with("# UNIT ") && *line != "# EOF");
    let renamed = known.map(|line| {
        let name = name_of(line, "# TYPE ").or_else(|| name_of(line, "# HELP "));
        let counter = name.filter(|name| counters.contains(name));
        counter.map_or_else(
            || format!("{line}\n"),
            |name| format!("{}\n", line.replacen(&name, &format!("{name}_total"), 1)),
        )
    });
    renamed.collect()
}

impl StreamObserver for Metrics {
    fn committed(&self, receipt: &Receipt, took: Duration) {
        let counts = receipt.counts;
        self.read.inc_by(counts.read);
        self.loaded.inc_by(counts.loaded);
        self.quarantined.inc_by(counts.quarantined);
        self.deduplicated.inc_by(counts.deduplicated);
        self.bytes.inc_by(receipt.bytes);
        self.batches.inc();
        self.alters.inc_by(receipt.altered.len() as u64);
        self.seconds.observe(took.as_secs_f64());
    }

    fn retrying(&self, _: &Error, _: Duration) {
        self.retries.inc();
    }
}

/// The address that a place names: `host:port`, or `:port` for this machine alone. What has no colon, or a slash, is a file.
fn address(place: &str) -> Result<Option<SocketAddr>, Failure> {
    let Some((host, port)) = place.rsplit_once(':').filter(|_| !place.contains('/')) else { return Ok(None) };
    let host = if host.is_empty() { "127.0.0.1" } else { host.trim_matches(['[', ']']) };
    let found = port.parse().ok().and_then(|port: u16| (host, port).to_socket_addrs().ok()?.next());
    if found.is_none() {
        return Err(Error::config(format!("metrics cannot be served at `{place}`: there is no such address"))
            .with_hint("write HOST:PORT, :PORT, or a file, one with a colon in its name as ./NAME")
            .into());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_or_a_file() {
        let found = |place| address(place).unwrap();
        assert_eq!(found("127.0.0.1:9464"), Some(([127, 0, 0, 1], 9464).into()));
        assert_eq!(found(":9464"), Some(([127, 0, 0, 1], 9464).into()));
        assert_eq!(found("metrics.prom"), None);
        assert_eq!(found("/var/lib/node:exporter/longshore.prom"), None);
        assert!(address("0.0.0.0:99999").is_err() && address("metrics.invalid:9464").is_err());
    }

    #[test]
    fn counters_are_in_the_text_and_a_file_is_always_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.prom");
        let metrics = Metrics::open(path.to_str()).unwrap();
        let mut receipt = Receipt { bytes: 70, altered: vec!["ALTER".into()], ..Receipt::default() };
        (receipt.counts.read, receipt.counts.loaded, receipt.counts.quarantined) = (7, 6, 1);
        metrics.committed(&receipt, Duration::from_millis(30));
        metrics.publish(true);
        let text = std::fs::read_to_string(&path).unwrap();
        for line in [
            "longshore_records_read_total 7",
            "longshore_records_loaded_total 6",
            "longshore_records_quarantined_total 1",
            "longshore_read_bytes_total 70",
            "longshore_table_changes_total 1",
            "longshore_commit_seconds_bucket{le=\"0.02\"} 0",
            "longshore_commit_seconds_bucket{le=\"0.05\"} 1",
            // As node_exporter reads it: by the names of the samples, without what it does not know.
            "# TYPE longshore_records_read_total counter",
            "# HELP longshore_read_bytes_total Bytes of the records of committed batches.",
            "# TYPE longshore_commit_seconds histogram",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
        assert!(
            metrics.text().contains("# TYPE longshore_records_read counter") && metrics.text().ends_with("# EOF\n")
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing unfinished is left");
    }
}

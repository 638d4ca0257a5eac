//! Files into Postgres, whole process, beside `psql \copy` of the same rows already encoded.
//!
//! `cargo bench --bench postgres --features postgres -- --size 64 --rounds 5`. Both go into the same throwaway server, in
//! alternation: longshore infers the schema, makes the table and loads it, in a process of its own; `psql` copies a file
//! of COPY's binary form into a ready-made table of the same types. The third is a stream that commits a batch of 10,000
//! records with each write, and beside it stands what the server takes for that at the least: `psql` with 10,000 of the
//! encoded rows to a transaction. Needs Postgres' server programs and `psql`.
//!
//! With `--python PYTHON` other tools take their turns too, those that this Python has: see `support/postgres_peers.py`.

#[path = "support/mod.rs"]
#[allow(dead_code, reason = "the loads take two of the inputs")]
mod support;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use longshore::load::{TempCluster, TempOptions};
use longshore::records::{FormatOptions, Kind};
use longshore::{Loader, Offset, ReadOptions, Source, StreamOptions};
use postgres::{Client, NoTls};

use support::{CLICKSTREAM, FLIGHTS, Shape};

type Failure = Box<dyn std::error::Error>;

/// Records of a stream's batch.
const BATCH: u64 = 10_000;

/// Other tools, as `support/postgres_peers.py` calls them.
const PEERS: [&str; 4] = ["Polars + ADBC", "DuckDB", "dlt", "Sling"];

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    match (value("--load"), value("--stream"), value("--url")) {
        (Some(file), _, Some(url)) => load(&url, &file),
        (_, Some(file), Some(url)) => stream(&url, &file),
        _ => {
            let size = value("--size").map_or(Ok(64), |size| size.parse::<u64>())?;
            let rounds = value("--rounds").map_or(Ok(5), |rounds| rounds.parse::<usize>())?;
            compare(size << 20, rounds, value("--python").as_deref())
        }
    }
}

/// What a child does: one load.
fn load(url: &str, file: &str) -> Result<(), Failure> {
    Loader::new(url).table("loaded").load(Source::path(file))?;
    Ok(())
}

/// What a child does: one stream.
fn stream(url: &str, file: &str) -> Result<(), Failure> {
    let mut records = BufReader::with_capacity(1 << 20, File::open(file)?);
    let (mut options, mut read) = (StreamOptions::default().max_rows(BATCH), ReadOptions::default());
    if !records.fill_buf()?.starts_with(b"{") {
        let mut header = String::new();
        records.read_line(&mut header)?;
        options = options.csv_columns(header.trim_end().split(','));
        read = read.format(FormatOptions { kind: Some(Kind::Csv), ..FormatOptions::default() });
    }
    let mut loader = Loader::new(url).table("streamed").read(read).open_with(options)?;
    let (mut batch, mut position) = (Vec::new(), 0);
    loop {
        batch.clear();
        for _ in 0..BATCH {
            records.read_until(b'\n', &mut batch)?;
        }
        if batch.is_empty() {
            break;
        }
        position += batch.len() as u64;
        loader.write(&batch, Offset::new("file", position))?;
    }
    loader.commit()?;
    Ok(())
}

fn compare(size: u64, rounds: usize, python: Option<&str>) -> Result<(), Failure> {
    let cluster = TempCluster::start(TempOptions::default())?;
    let mut client = Client::connect(cluster.url(), NoTls)?;
    let settings = ["server_version", "fsync", "synchronous_commit", "wal_level", "max_wal_size", "shared_buffers"];
    for setting in settings {
        let shown: String = client.query_one(&format!("SHOW {setting}"), &[])?.get(0);
        print!("{setting} {shown}; ");
    }
    println!("by TCP to 127.0.0.1");
    let folder = tempfile::tempdir()?;
    for shape in [CLICKSTREAM, FLIGHTS] {
        let bench = Bench { cluster: &cluster, folder: folder.path(), shape: &shape, python };
        bench.run(&mut client, size, rounds)?;
    }
    Ok(())
}

struct Bench<'a> {
    cluster: &'a TempCluster,
    folder: &'a Path,
    shape: &'a Shape,
    /// An interpreter that has other tools.
    python: Option<&'a str>,
}

impl Bench<'_> {
    fn run(&self, client: &mut Client, size: u64, rounds: usize) -> Result<(), Failure> {
        let file = self.folder.join(self.shape.name.replace('/', "."));
        let mut out = BufWriter::new(File::create(&file)?);
        self.shape.write(size, &mut out)?;
        out.flush()?;
        drop(out);
        let bytes = std::fs::metadata(&file)?.len() as f64;
        let encoded = self.encode(client, &file)?;

        let whole = format!("\\copy ready from '{}' (format binary)\n", encoded.display());
        let parts = self.parts(&encoded)?;
        let (mut copied, mut in_parts, mut loaded, mut streamed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut others = PEERS.map(|name| (name, Vec::new()));
        for _ in 0..rounds {
            for (script, took) in [(&whole, &mut copied), (&parts, &mut in_parts)] {
                client.batch_execute("TRUNCATE ready; CHECKPOINT")?;
                took.push(self.psql(script)?);
            }
            clear(client)?;
            loaded.push(self.child("--load", &file)?);
            clear(client)?;
            streamed.push(self.child("--stream", &file)?);
            for (name, took) in &mut others {
                clear(client)?;
                took.extend(self.peer(name, &file)?);
            }
        }
        let [copied, in_parts, loaded, streamed] = [copied, in_parts, loaded, streamed].map(median);
        let rate = |seconds: f64| bytes / 1e6 / seconds;
        let encoded = std::fs::metadata(&encoded)?.len() as f64;
        println!("{}, {:.1} MB, encoded {:.1} MB, medians of {rounds}:", self.shape.name, bytes / 1e6, encoded / 1e6);
        println!("  psql \\copy      {copied:.3} s");
        println!("  longshore load  {loaded:.3} s, {:.1} MB/s: {:.2} times psql", rate(loaded), loaded / copied);
        println!("  psql by {BATCH} {in_parts:.3} s: {:.0} % of its own rate", 100.0 * copied / in_parts);
        println!(
            "  stream by {BATCH} {streamed:.3} s, {:.1} MB/s: {:.0} % of the load's rate, {:.2} times psql by {BATCH}",
            rate(streamed),
            100.0 * loaded / streamed,
            streamed / in_parts
        );
        for (name, took) in others.into_iter().filter(|(_, took)| !took.is_empty()) {
            let took = median(took);
            println!(
                "  {name} {took:.3} s, {:.1} MB/s: longshore's load is {:.1} times as fast",
                rate(took),
                took / loaded
            );
        }
        Ok(())
    }

    /// Has another tool load the file; the seconds that it took, if it is there and can.
    fn peer(&self, name: &str, file: &Path) -> Result<Option<f64>, Failure> {
        const NOT_HERE: i32 = 3;
        let Some(python) = self.python else { return Ok(None) };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/support/postgres_peers.py");
        let done = Command::new(python).arg(script).arg(name).arg(self.cluster.url()).arg(file).output()?;
        match done.status.code() {
            Some(0) => {}
            Some(NOT_HERE) => return Ok(None),
            _ => return Err(format!("{name}: {}", String::from_utf8_lossy(&done.stderr)).into()),
        }
        let printed = String::from_utf8_lossy(&done.stdout);
        let seconds = printed.lines().find_map(|line| line.trim().parse().ok());
        Ok(Some(seconds.ok_or_else(|| format!("{name} printed no seconds"))?))
    }

    /// The rows in COPY's binary form, and the table `ready` for them.
    fn encode(&self, client: &mut Client, file: &Path) -> Result<PathBuf, Failure> {
        clear(client)?;
        self.child("--load", file)?;
        client.batch_execute("DROP TABLE IF EXISTS ready; CREATE TABLE ready (LIKE loaded)")?;
        let encoded = self.folder.join("encoded");
        self.psql(&format!("\\copy loaded to '{}' (format binary)\n", encoded.display()))?;
        Ok(encoded)
    }

    /// Cuts a file of COPY's binary form into files of [`BATCH`] rows. Returns what loads one after the other, each in a
    /// transaction of its own.
    fn parts(&self, encoded: &Path) -> Result<String, Failure> {
        const HEADER: usize = 19;
        let bytes = std::fs::read(encoded)?;
        let number = |at: usize| -> Result<i32, Failure> { Ok(i32::from_be_bytes(bytes[at..at + 4].try_into()?)) };
        let (mut at, mut script) = (HEADER, String::new());
        for part in 0.. {
            let from = at;
            for _ in 0..BATCH {
                let fields = i16::from_be_bytes(bytes[at..at + 2].try_into()?);
                if fields < 0 {
                    break;
                }
                at += 2;
                for _ in 0..fields {
                    at += 4 + usize::try_from(number(at)?).unwrap_or(0);
                }
            }
            if from == at {
                break;
            }
            let file = self.folder.join(format!("part-{part}"));
            std::fs::write(&file, [&bytes[..HEADER], &bytes[from..at], &[0xff; 2]].concat())?;
            writeln!(script, "BEGIN;\n\\copy ready from '{}' (format binary)\nCOMMIT;", file.display())?;
        }
        Ok(script)
    }

    /// Runs a script; returns the seconds that it took.
    fn psql(&self, script: &str) -> Result<f64, Failure> {
        let file = self.folder.join("script.sql");
        std::fs::write(&file, script)?;
        let started = Instant::now();
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.cluster.url(), "-f"]).arg(&file);
        if psql.status()?.success() { Ok(started.elapsed().as_secs_f64()) } else { Err("psql failed".into()) }
    }

    fn child(&self, work: &str, file: &Path) -> Result<f64, Failure> {
        let started = Instant::now();
        let mut child = Command::new(std::env::current_exe()?);
        child.arg(work).arg(file).args(["--url", self.cluster.url()]).stdout(Stdio::null());
        if !child.status()?.success() {
            return Err(format!("the child of {work} failed").into());
        }
        Ok(started.elapsed().as_secs_f64())
    }
}

/// Nothing of the runs before is left, and the server has nothing to write for them.
fn clear(client: &mut Client) -> Result<(), Failure> {
    let ours = "_longshore_loads, _longshore_quarantine, _longshore_offsets";
    client.batch_execute(&format!("DROP TABLE IF EXISTS loaded, streamed, {ours}"))?;
    client.batch_execute("DROP SCHEMA IF EXISTS dlt_peer CASCADE; DROP SCHEMA IF EXISTS dlt_peer_staging CASCADE")?;
    client.batch_execute("CHECKPOINT")?;
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

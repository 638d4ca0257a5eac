//! The parties to a job, one after another, round after round.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::files::Input;
use crate::jobs::{Job, OWN, Party, Runner};
use crate::measure::{Measured, median};

/// A party whose warm-up takes longer, in seconds, runs in no more rounds than [`SLOW_ROUNDS`].
const SLOW: f64 = 10.0;
const SLOW_ROUNDS: usize = 2;

/// How children are started.
pub(crate) struct Bench {
    pub(crate) runs: usize,
    /// Threads where a party may use all.
    pub(crate) threads: usize,
    /// The interpreter that has the Python peers; without one they are left out.
    pub(crate) python: Option<PathBuf>,
    /// Where output goes; emptied behind every child.
    pub(crate) scratch: PathBuf,
}

/// One line of the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) job: String,
    pub(crate) input: String,
    pub(crate) party: String,
    pub(crate) threads: usize,
    /// Rounds measured.
    pub(crate) runs: usize,
    /// Medians over the rounds.
    pub(crate) seconds_cpu: f64,
    pub(crate) seconds_wall: f64,
    /// Megabytes (10⁶ bytes) for each second of CPU, and of wall time.
    pub(crate) mb_per_cpu_second: f64,
    pub(crate) mb_per_second: f64,
    /// Nanoseconds of CPU for each leaf value of the input.
    pub(crate) ns_per_leaf: f64,
    /// Peak resident memory, and what the process had before the job, in bytes.
    pub(crate) peak_rss: u64,
    pub(crate) rss_before: u64,
    /// This party's CPU and wall seconds over longshore's on as many threads: median of the rounds' ratios.
    pub(crate) cpu_ratio: Option<f64>,
    pub(crate) wall_ratio: Option<f64>,
    /// CPU seconds of the fastest and the slowest round.
    pub(crate) cpu_range: (f64, f64),
    /// Why there is no measurement.
    pub(crate) failed: Option<String>,
    /// The commit of longshore that was measured.
    #[serde(default)]
    pub(crate) commit: String,
}

/// A party on a number of threads, with what it took in each round.
struct Contender {
    party: Party,
    threads: usize,
    rounds: Vec<Measured>,
    limit: usize,
    failed: Option<String>,
}

impl Bench {
    /// Measures a job on an input.
    pub(crate) fn job(&self, job: &Job, input: &Input) -> Vec<Row> {
        let mut contenders: Vec<Contender> = job.parties.iter().flat_map(|party| self.contenders(*party)).collect();
        for round in 0..=self.runs {
            for contender in &mut contenders {
                if contender.failed.is_some() || round > contender.limit {
                    continue;
                }
                match self.child(contender.party, job, input, contender.threads) {
                    Err(failure) => contender.failed = Some(failure.to_string()),
                    Ok(measured) if round > 0 => contender.rounds.push(measured),
                    Ok(warm_up) if warm_up.seconds_wall > SLOW => contender.limit = self.runs.min(SLOW_ROUNDS),
                    Ok(_) => {}
                }
            }
            eprint!("\r{} {}: round {round} of {}  ", job.name, input.name, self.runs);
        }
        eprintln!();
        contenders.iter().map(|contender| row(job, input, contender, &contenders)).collect()
    }

    fn contenders(&self, party: Party) -> Vec<Contender> {
        if party.runner == Runner::Python && self.python.is_none() {
            return Vec::new();
        }
        let threads = if party.threaded && self.threads > 1 { vec![1, self.threads] } else { vec![1] };
        let contender = |threads| Contender { party, threads, rounds: Vec::new(), limit: self.runs, failed: None };
        threads.into_iter().map(contender).collect()
    }

    /// Runs one job in a process of its own.
    pub(crate) fn child(&self, party: Party, job: &Job, input: &Input, threads: usize) -> Result<Measured, Failure> {
        let out = self.scratch.join("out");
        clear(&self.scratch)?;
        let mut command = match (party.runner, &self.python) {
            (Runner::Python, Some(python)) => {
                let mut command = Command::new(python);
                command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers.py"));
                command
            }
            _ => self::worker()?,
        };
        command.args([party.name, job.name]).arg(&input.path).arg(threads.to_string()).arg(&out);
        command.env("POLARS_MAX_THREADS", threads.to_string()).env("RAYON_NUM_THREADS", threads.to_string());
        let line = last_line(&mut command)?;
        clear(&self.scratch)?;
        let measured: Measured = serde_json::from_str(&line)?;
        match (measured.rows, job.expects(input)) {
            (Some(rows), Some(records)) if rows != records => Err(format!("gave {rows} of {records} records").into()),
            _ => Ok(measured),
        }
    }

    /// Nanoseconds a record of longshore's stages: medians.
    pub(crate) fn stages(&self, input: &Input) -> Result<Vec<(String, f64)>, Failure> {
        let mut rounds = Vec::new();
        for _ in 0..self.runs.max(1) {
            let mut command = self::worker()?;
            command.args([OWN, "stages"]).arg(&input.path).args(["1", "-"]);
            let stages: std::collections::BTreeMap<String, f64> = serde_json::from_str(&last_line(&mut command)?)?;
            rounds.push(stages);
        }
        let order = ["cut", "index", "walk", "texts", "observe", "decode", "copy"];
        let of = |stage: &str| rounds.iter().filter_map(|round| round.get(stage).copied()).collect::<Vec<_>>();
        let known = order.into_iter().filter(|stage| !of(stage).is_empty());
        Ok(known.map(|stage| (stage.to_string(), median(of(stage)))).collect())
    }
}

/// This program as a worker.
fn worker() -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("worker");
    Ok(command)
}

fn last_line(command: &mut Command) -> Result<String, Failure> {
    let output = command.output()?;
    let last = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_string()
    };
    if output.status.success() {
        return Ok(last(&output.stdout));
    }
    Err(format!("{}: {}", output.status, last(&output.stderr)).into())
}

fn clear(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(fs::create_dir_all(folder)?)
}

fn row(job: &Job, input: &Input, contender: &Contender, all: &[Contender]) -> Row {
    let of = |number: fn(&Measured) -> f64| contender.rounds.iter().map(number);
    let (cpu, wall) = (median(of(|m| m.seconds_cpu)), median(of(|m| m.seconds_wall)));
    let bytes = contender.rounds.iter().find_map(|measured| measured.bytes).unwrap_or(input.bytes) as f64;
    let own = all.iter().find(|other| other.party.name == OWN && other.threads == contender.threads);
    let ratio = |number: fn(&Measured) -> f64| {
        let own = own.filter(|own| own.party.name != contender.party.name)?;
        let ratios: Vec<f64> =
            contender.rounds.iter().zip(&own.rounds).map(|(peer, own)| number(peer) / number(own)).collect();
        (!ratios.is_empty()).then(|| median(ratios))
    };
    let speed = |seconds: f64| if seconds > 0.0 { bytes / 1e6 / seconds } else { 0.0 };
    Row {
        job: job.name.to_string(),
        input: input.name.clone(),
        party: contender.party.name.to_string(),
        threads: contender.threads,
        runs: contender.rounds.len(),
        seconds_cpu: cpu,
        seconds_wall: wall,
        mb_per_cpu_second: speed(cpu),
        mb_per_second: speed(wall),
        ns_per_leaf: cpu * 1e9 / job.leaves(input),
        peak_rss: median(of(|m| m.peak_rss as f64)) as u64,
        rss_before: median(of(|m| m.rss_before as f64)) as u64,
        cpu_ratio: ratio(|m| m.seconds_cpu),
        wall_ratio: ratio(|m| m.seconds_wall),
        cpu_range: (of(|m| m.seconds_cpu).reduce(f64::min).unwrap_or(0.0), of(|m| m.seconds_cpu).fold(0.0, f64::max)),
        failed: contender.failed.clone(),
        commit: String::new(),
    }
}

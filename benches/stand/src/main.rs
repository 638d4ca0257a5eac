//! The measuring stand: longshore beside its peers, on the same files, in alternation.
//!
//! ```text
//! cargo run --release --manifest-path benches/stand/Cargo.toml -- [--size 64MiB] [--runs 5]
//!     [--only infer,decode,copy,parquet,stages,memory] [--out benches/results] [--memory-sizes 256MiB,4GiB]
//!     [--threads N] [--no-python]
//! ```
//!
//! Every measurement is a process of its own that does one job on one file and measures only the job. After a round
//! to warm up, the parties take turns, `--runs` times; a ratio is taken within each round, and the table shows the
//! median of the ratios. `memory` runs only when it is named: it makes files of 4 GiB.

mod chart;
mod files;
mod jobs;
mod machine;
mod measure;
mod memory;
mod report;
mod run;
#[path = "../../support/mod.rs"]
#[allow(dead_code, reason = "the in-memory half is for the other benchmarks")]
mod support;
mod worker;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use files::{Input, SHAPES};
use jobs::{JOBS, NAMES};
use report::Report;
use run::Bench;

/// Whatever went wrong, to be printed.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((first, rest)) if first == "worker" => worker::run(rest),
        _ => Options::parse(&arguments).and_then(|options| measure_all(&options)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line says.
struct Options {
    size: u64,
    runs: usize,
    only: Vec<String>,
    out: PathBuf,
    memory_sizes: Vec<u64>,
    threads: usize,
    python: bool,
    /// The command, for the report.
    command: String,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Options, Failure> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut options = Options {
            size: 64 << 20,
            runs: 5,
            only: ["infer", "decode", "copy", "parquet", "stages"].map(String::from).to_vec(),
            out: manifest.join("../results"),
            memory_sizes: vec![256 << 20, 4 << 30],
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            python: true,
            command: format!("cargo run --release --manifest-path benches/stand/Cargo.toml -- {}", arguments.join(" ")),
        };
        let mut arguments = arguments.iter();
        while let Some(flag) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{flag} needs a value"));
            match flag.as_str() {
                "--size" => options.size = bytes(value()?)?,
                "--runs" => options.runs = value()?.parse::<usize>()?.max(1),
                "--only" => options.only = value()?.split(',').map(str::to_string).collect(),
                "--out" => options.out = value()?.into(),
                "--memory-sizes" => options.memory_sizes = value()?.split(',').map(bytes).collect::<Result<_, _>>()?,
                "--threads" => options.threads = value()?.parse::<usize>()?.max(1),
                "--no-python" => options.python = false,
                other => return Err(format!("unknown option {other}").into()),
            }
        }
        match options.only.iter().find(|name| !NAMES.contains(&name.as_str())) {
            Some(name) => Err(format!("no job is called {name}; there are {}", NAMES.join(", ")).into()),
            None => Ok(options),
        }
    }

    fn wants(&self, job: &str) -> bool {
        self.only.iter().any(|name| name == job)
    }
}

/// A size as people write it: `64MiB`, `4GiB`, `1000000`.
fn bytes(text: &str) -> Result<u64, Failure> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        unit => return Err(format!("{unit} is no unit; use KiB, MiB or GiB").into()),
    };
    let number: u64 = digits.parse()?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("{text} is too large").into())
}

/// A size as [`bytes`] takes it.
pub(crate) fn size_text(bytes: u64) -> String {
    match bytes {
        _ if bytes.is_multiple_of(1 << 30) => format!("{}GiB", bytes >> 30),
        _ if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        _ => bytes.to_string(),
    }
}

fn measure_all(options: &Options) -> Result<(), Failure> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let python = if options.python { Some(machine::python(&target.join("venv"))?) } else { None };
    let scratch = target.join(format!("scratch-{}", std::process::id()));
    let bench = Bench { runs: options.runs, threads: options.threads, python, scratch };
    let data = target.join("data");
    std::fs::create_dir_all(&options.out)?;

    let wanted: Vec<_> = JOBS.iter().filter(|job| options.wants(job.name)).collect();
    if !wanted.is_empty() || options.wants("stages") {
        let inputs = SHAPES.iter().map(|shape| files::input(shape, options.size, &data));
        let inputs: Vec<Input> = inputs.collect::<Result<_, _>>()?;
        let path = options.out.join(format!("{}.json", size_text(options.size)));
        let mut report = Report::open(&path, &inputs, &bench, &options.command)?;
        for job in wanted {
            for input in inputs.iter().filter(|input| job.takes(&input.name)) {
                report.replace(bench.job(job, input));
                report.save(&path)?;
            }
        }
        for input in inputs.iter().filter(|_| options.wants("stages")) {
            report.replace_stages(&input.name, bench.stages(input)?);
        }
        report.finish();
        report.save(&path)?;
    }
    if options.wants("memory") {
        memory::measure(&bench, &options.memory_sizes, &data, &options.out)?;
    }
    let _ = std::fs::remove_dir_all(&bench.scratch);
    report::write(&options.out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_they_are_written() {
        for text in ["64MiB", "4GiB", "1000001"] {
            assert_eq!(size_text(bytes(text).unwrap()), text);
        }
        assert!(bytes("64MB").is_err() && bytes("MiB").is_err() && bytes("99999999999GiB").is_err());
    }

    #[test]
    fn an_unknown_job_is_refused() {
        let parse = |text: &str| Options::parse(&text.split(' ').map(String::from).collect::<Vec<_>>());
        assert!(parse("--only infer,decode --runs 3").is_ok());
        assert!(parse("--only infre").is_err() && parse("--runs").is_err() && parse("--sizes 1").is_err());
    }
}

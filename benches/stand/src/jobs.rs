//! Which jobs there are, and who does them.

use crate::files::{Input, SHAPES};

/// Who runs a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    /// This program, as a worker.
    Worker,
    /// `peers.py`.
    Python,
}

/// One party to a job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Party {
    pub(crate) name: &'static str,
    pub(crate) runner: Runner,
    /// Whether it can use more than one thread.
    pub(crate) threaded: bool,
}

/// A job, for the inputs whose names begin with `inputs`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    pub(crate) name: &'static str,
    pub(crate) inputs: &'static str,
    /// What it is, for the reader of the table.
    pub(crate) title: &'static str,
    pub(crate) parties: &'static [Party],
}

impl Job {
    pub(crate) fn takes(&self, input: &str) -> bool {
        input.starts_with(self.inputs)
    }

    /// Whether speed is in bytes of the file; otherwise it is in bytes that the party writes.
    pub(crate) fn counts_input(&self) -> bool {
        self.name != "copy"
    }

    /// How many leaves of the input it goes through.
    pub(crate) fn leaves(&self, input: &Input) -> f64 {
        let share = if self.counts_input() {
            1.0
        } else {
            (COPY_INPUT as f64 / input.bytes as f64).min(1.0) * COPY_PASSES as f64
        };
        input.leaves as f64 * share
    }

    /// What is known of the rows that must come out.
    pub(crate) fn expects(&self, input: &Input) -> Option<u64> {
        self.counts_input().then_some(input.records)
    }
}

/// How much of an input, in bytes, is made into batches for `copy`: they are held in memory.
pub(crate) const COPY_INPUT: u64 = 64 << 20;
/// How many times `copy` encodes them: once takes some milliseconds, too short to measure.
pub(crate) const COPY_PASSES: usize = 10;

/// The party that the others are compared with.
pub(crate) const OWN: &str = "longshore";

const fn worker(name: &'static str) -> Party {
    Party { name, runner: Runner::Worker, threaded: false }
}

const fn python(name: &'static str) -> Party {
    Party { name, runner: Runner::Python, threaded: true }
}

const LONGSHORE: Party = Party { threaded: true, ..worker(OWN) };
#[cfg(feature = "genson")]
const GENSON: Party = Party { threaded: true, ..worker("genson-rs") };

pub(crate) const JOBS: [Job; 6] = [
    Job {
        name: "infer",
        inputs: "ndjson/",
        title: "NDJSON: the types of the whole file",
        parties: &[
            LONGSHORE,
            worker("simd-json tape"),
            worker("serde_json::Value"),
            worker("arrow-json"),
            python("DuckDB"),
            python("Polars"),
            #[cfg(feature = "genson")]
            GENSON,
        ],
    },
    Job {
        name: "infer",
        inputs: "csv/",
        title: "CSV: the types of the whole file",
        parties: &[
            LONGSHORE,
            worker("simd-csv split"),
            worker("arrow-csv"),
            python("DuckDB"),
            python("Polars"),
            python("Polars without dates"),
        ],
    },
    Job {
        name: "decode",
        inputs: "ndjson/",
        title: "NDJSON, schema known: record batches",
        parties: &[LONGSHORE, worker("arrow-json"), python("DuckDB"), python("Polars")],
    },
    Job {
        name: "decode",
        inputs: "csv/",
        title: "CSV, schema known: record batches",
        parties: &[LONGSHORE, worker("arrow-csv"), python("DuckDB"), python("Polars")],
    },
    Job {
        name: "copy",
        inputs: "",
        title: "Record batches: COPY BINARY bytes (speed in bytes written)",
        parties: &[Party { threaded: false, ..LONGSHORE }, worker("pgpq")],
    },
    Job {
        name: "parquet",
        inputs: "ndjson/",
        title: "NDJSON: types of the whole file, then Parquet with zstd level 1",
        parties: &[LONGSHORE, worker("arrow-json + parquet"), python("DuckDB"), python("Polars")],
    },
];

/// The names that `--only` takes.
pub(crate) const NAMES: [&str; 6] = ["infer", "decode", "copy", "parquet", "stages", "memory"];

/// The inputs of a job, by name.
pub(crate) fn inputs(job: &Job) -> impl Iterator<Item = &'static str> {
    SHAPES.iter().map(|shape| shape.name).filter(|name| job.takes(name))
}

//! Peak memory of longshore on a small and on a large input: it must not grow with the input.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files;
use crate::jobs::{JOBS, OWN};
use crate::machine::Machine;
use crate::run::Bench;
use crate::support::{CLICKSTREAM, REVIEWS, Shape};
use crate::{Failure, size_text};

/// One input of each format.
const SHAPES: [Shape; 2] = [CLICKSTREAM, REVIEWS];

/// One line of the memory table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Peak {
    pub(crate) job: String,
    pub(crate) input: String,
    pub(crate) party: String,
    pub(crate) threads: usize,
    /// For each size, in bytes: peak resident memory of the process in bytes, and wall seconds.
    pub(crate) peaks: Vec<(u64, u64, f64)>,
}

/// What `memory.json` holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) machine: Machine,
    pub(crate) peaks: Vec<Peak>,
}

/// One run of each job at each size. The peers are measured on the smallest file only: some hold the whole input.
pub(crate) fn measure(bench: &Bench, sizes: &[u64], data: &Path, out: &Path) -> Result<(), Failure> {
    let mut peaks: Vec<Peak> = Vec::new();
    for (i, size) in sizes.iter().enumerate() {
        for shape in &SHAPES {
            let input = files::input(shape, *size, data)?;
            for job in JOBS.iter().filter(|job| job.counts_input() && job.takes(shape.name)) {
                for party in job.parties.iter().filter(|party| i == 0 || party.name == OWN) {
                    let threads = if party.threaded { bench.threads } else { 1 };
                    eprintln!("memory: {} {} of {}, {}", job.name, input.name, size_text(*size), party.name);
                    let measured = match bench.child(*party, job, &input, threads) {
                        Ok(measured) => measured,
                        Err(failure) => {
                            eprintln!("{} failed: {failure}", party.name);
                            continue;
                        }
                    };
                    let peak = (*size, measured.peak_rss, measured.seconds_wall);
                    let same = |known: &&mut Peak| {
                        (known.job.as_str(), known.input.as_str(), known.party.as_str())
                            == (job.name, shape.name, party.name)
                    };
                    match peaks.iter_mut().find(same) {
                        Some(known) => known.peaks.push(peak),
                        None => peaks.push(Peak {
                            job: job.name.to_string(),
                            input: shape.name.to_string(),
                            party: party.name.to_string(),
                            threads,
                            peaks: vec![peak],
                        }),
                    }
                }
            }
        }
    }
    let memory = Memory { machine: Machine::look(bench.python.as_deref()), peaks };
    std::fs::write(out.join("memory.json"), serde_json::to_string_pretty(&memory)? + "\n")?;
    Ok(())
}

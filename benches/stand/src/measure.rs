//! What one job took.

use std::fs;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// What a worker prints when its job is done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Records that came out, where the party counts them.
    pub(crate) rows: Option<u64>,
    /// Bytes that the speed is meant in, where they are not the file's.
    pub(crate) bytes: Option<u64>,
    /// User and system time of the whole process during the job, in seconds.
    pub(crate) seconds_cpu: f64,
    /// Wall time of the job in seconds.
    pub(crate) seconds_wall: f64,
    /// The process's largest resident memory during the job, in bytes; 0 where the system does not say.
    pub(crate) peak_rss: u64,
    /// Its resident memory before the job.
    pub(crate) rss_before: u64,
}

/// What a job says of itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Done {
    pub(crate) rows: Option<u64>,
    pub(crate) bytes: Option<u64>,
}

impl Done {
    pub(crate) fn rows(rows: u64) -> Self {
        Done { rows: Some(rows), bytes: None }
    }
}

/// Measures a job: not the start of the process, and not what was prepared before.
pub(crate) fn measure<E>(job: impl FnOnce() -> Result<Done, E>) -> Result<Measured, E> {
    // Makes the peak start anew; where that cannot be done it includes the preparation.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let rss_before = memory("VmRSS:");
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let done = job()?;
    let (seconds_cpu, seconds_wall) = (cpu_seconds() - cpu, wall.elapsed().as_secs_f64());
    let peak_rss = memory("VmHWM:");
    Ok(Measured { rows: done.rows, bytes: done.bytes, seconds_cpu, seconds_wall, peak_rss, rss_before })
}

/// CPU time of this process, all threads, user and system, in seconds.
pub(crate) fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// A line of `/proc/self/status`, in bytes.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

/// The middle of some numbers; of the two in the middle, their mean. 0 of none.
pub(crate) fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = numbers.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(median([9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median([4.0, 1.0, 2.0, 9.0]), 3.0);
        assert_eq!(median([]), 0.0);
    }

    #[test]
    fn only_the_job_is_measured() {
        let before = std::hint::black_box((0..30_000_000_u64).fold(0, |sum: u64, i| sum.wrapping_mul(3) ^ i));
        let idle = measure(|| Ok::<_, ()>(Done::rows(before & 1))).unwrap();
        let busy = measure(|| {
            let spin = (0..30_000_000_u64).fold(0, |sum: u64, i| std::hint::black_box(sum.wrapping_mul(3) ^ i));
            Ok::<_, ()>(Done::rows(spin & 1))
        });
        assert!(idle.seconds_cpu < busy.unwrap().seconds_cpu);
    }
}

//! Trying again what may pass by itself.

use std::time::{Duration, Instant};

use super::StreamOptions;
use crate::error::Result;

/// The first pause before something is tried again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Tries until it works, fails for good, or has taken too long. `seed` keeps loaders apart that failed together.
pub(super) fn patiently<T>(
    options: &StreamOptions,
    table: &str,
    seed: &str,
    mut work: impl FnMut() -> Result<T>,
) -> Result<T> {
    let started = Instant::now();
    for attempt in 0.. {
        let error = match work() {
            Err(error) if error.is_temporary() => error,
            outcome => return outcome,
        };
        let pause = pause(seed, attempt);
        if started.elapsed() + pause > options.retry_for {
            return Err(error);
        }
        tracing::warn!(table, attempt, %error, pause = pause.as_secs_f64(), "trying again");
        if let Some(observer) = &options.observer {
            observer.retrying(&error, pause);
        }
        std::thread::sleep(pause);
    }
    unreachable!("the loop has no end but those inside")
}

/// How long to wait after the nth failed attempt: between half and all of a doubling pause. Loaders that failed together
/// come back apart, since their batches differ.
fn pause(seed: &str, attempt: u32) -> Duration {
    let whole = LONGEST_PAUSE.min(FIRST_PAUSE.saturating_mul(1 << attempt.min(16)));
    let hash = blake3::hash(format!("{seed} {attempt}").as_bytes());
    whole.mul_f64(0.5 + f64::from(hash.as_bytes()[0]) / 512.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ_between_batches() {
        for attempt in 0..40 {
            let pause = pause("a", attempt);
            assert!(pause >= FIRST_PAUSE / 2 && pause <= LONGEST_PAUSE, "{pause:?}");
        }
        assert!(pause("a", 9) > pause("a", 3) && pause("a", 1) != pause("b", 1));
    }
}

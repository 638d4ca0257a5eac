//! Pauses between attempts.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// Growing pauses: each is between half and all of a limit that doubles up to the longest. Clients that failed together
/// so do not come back together.
///
/// ```text
/// attempt   1        2        3        …  capped at
/// pause     0.1-0.2  0.2-0.4  0.4-0.8  …  1-2 s
/// ```
#[derive(Debug)]
pub(crate) struct Pauses {
    limit: Duration,
    longest: Duration,
}

impl Pauses {
    /// Begins with a pause of at most `first`; none is longer than `longest`.
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Pauses { limit: first, longest }
    }

    /// Those that are over before so much time has passed from now on.
    pub(crate) fn within(self, time: Duration) -> impl Iterator<Item = Duration> {
        let begun = Instant::now();
        self.take_while(move |pause| begun.elapsed() + *pause < time)
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let limit = self.limit.min(self.longest);
        self.limit = limit.saturating_mul(2);
        // The standard library's own source of randomness, made for its hash tables.
        let random = RandomState::new().hash_one(0) as u32;
        Some(limit.mul_f64(0.5 + f64::from(random) / (2.0 * f64::from(u32::MAX))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        let (first, longest) = (Duration::from_millis(200), Duration::from_secs(2));
        let pauses: Vec<Duration> = Pauses::new(first, longest).take(12).collect();
        for (nth, pause) in pauses.iter().enumerate() {
            let limit = longest.min(first * (1 << nth.min(8)));
            assert!(*pause >= limit / 2 && *pause <= limit, "{nth}: {pause:?}");
        }
        let others: Vec<Duration> = Pauses::new(first, longest).take(12).collect();
        assert_ne!(pauses, others, "two that failed together come back apart");
        assert_eq!(Pauses::new(first, longest).within(Duration::ZERO).count(), 0);
        assert_eq!(Pauses::new(first, longest).within(Duration::MAX).take(12).count(), 12);
    }
}

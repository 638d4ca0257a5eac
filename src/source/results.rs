//! Results on their way from many threads to one, in the order of what they came of.
//!
//! To wake a thread costs as much as a good part of the work on a chunk, on a virtual machine above all. So who waits for
//! results is woken for several at a time, and looks by itself now and then in between.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// How long a result may lie about while its consumer sleeps and others are being worked on.
const PATIENCE: Duration = Duration::from_millis(1);

/// Places for results, made in the order in which they are to be taken.
#[derive(Debug)]
pub(super) struct Results<R> {
    places: Mutex<Places<R>>,
    wake: Condvar,
    /// Results for which the consumer is woken, if one of them is the next.
    enough: usize,
}

#[derive(Debug)]
struct Places<R> {
    /// Those not yet taken. Empty ones are worked on.
    open: VecDeque<Option<Result<R>>>,
    /// The number of the first of them.
    first: u64,
    /// How many of them are filled.
    filled: usize,
    /// Whether there will be no more.
    ended: bool,
    sleep: Sleep,
}

/// What the consumer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sleep {
    Awake,
    /// Sleeps for a short time while results are worked on.
    Dozes,
    /// Sleeps until there is a result at all.
    Sleeps,
}

/// A place for one result. Dropped without one it says that its worker panicked.
#[derive(Debug)]
pub(super) struct Place<'a, R> {
    results: &'a Results<R>,
    number: u64,
    is_filled: bool,
}

impl<R> Results<R> {
    /// Nothing yet. The consumer is woken for `enough` results.
    pub(super) fn new(enough: usize) -> Self {
        let places = Places { open: VecDeque::new(), first: 0, filled: 0, ended: false, sleep: Sleep::Awake };
        Results { places: Mutex::new(places), wake: Condvar::new(), enough }
    }

    /// Makes the place for the next result.
    pub(super) fn place(&self) -> Place<'_, R> {
        let mut places = self.lock();
        places.open.push_back(None);
        Place { results: self, number: places.first + places.open.len() as u64 - 1, is_filled: false }
    }

    /// Says that no more places will be made.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.wake.notify_one();
    }

    /// Waits for the next result. `None` behind the last.
    pub(super) fn take(&self) -> Option<Result<R>> {
        let mut places = self.lock();
        loop {
            if let Some(result) = places.take() {
                return Some(result);
            }
            let is_idle = places.open.is_empty();
            if is_idle && places.ended {
                return None;
            }
            places.sleep = if is_idle { Sleep::Sleeps } else { Sleep::Dozes };
            places = if is_idle {
                self.wake.wait(places).unwrap_or_else(PoisonError::into_inner)
            } else {
                self.wake.wait_timeout(places, PATIENCE).unwrap_or_else(PoisonError::into_inner).0
            };
            places.sleep = Sleep::Awake;
        }
    }

    fn fill(&self, number: u64, result: Result<R>) {
        let mut places = self.lock();
        let is_urgent = places.ended || result.is_err();
        let at = (number - places.first) as usize;
        places.open[at] = Some(result);
        places.filled += 1;
        let is_enough = places.filled >= self.enough || is_urgent;
        let wakes = match places.sleep {
            Sleep::Awake => false,
            Sleep::Dozes => is_enough && matches!(places.open.front(), Some(Some(_))),
            Sleep::Sleeps => true,
        };
        drop(places);
        if wakes {
            self.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Places<R>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R> Places<R> {
    fn take(&mut self) -> Option<Result<R>> {
        let result = self.open.pop_front_if(|place| place.is_some()).flatten()?;
        self.first += 1;
        self.filled -= 1;
        Some(result)
    }
}

impl<R> Place<'_, R> {
    /// Fills it.
    pub(super) fn fill(mut self, result: Result<R>) {
        self.is_filled = true;
        self.results.fill(self.number, result);
    }
}

impl<R> Drop for Place<'_, R> {
    fn drop(&mut self) {
        if !self.is_filled {
            self.results.fill(self.number, Err(Error::new(ErrorKind::Io, "a worker panicked")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_taken_in_the_order_of_their_places() {
        let results = Results::new(2);
        let places = [results.place(), results.place(), results.place()];
        for (i, place) in places.into_iter().enumerate().rev() {
            place.fill(Ok(i));
        }
        results.end();
        let taken: Vec<usize> = std::iter::from_fn(|| results.take()).map(Result::unwrap).collect();
        assert_eq!(taken, [0, 1, 2]);
        assert!(results.take().is_none());
    }

    #[test]
    fn a_result_is_not_kept_from_a_consumer_that_waits_for_it() {
        let results = Results::new(usize::MAX);
        std::thread::scope(|scope| {
            let consumer = scope.spawn(|| [results.take().unwrap().unwrap(), results.take().unwrap().unwrap()]);
            let slow = |place: Place<'_, u32>, result| {
                std::thread::sleep(Duration::from_millis(20));
                place.fill(Ok(result));
            };
            // One that comes alone, and one while another is still worked on, which is far from enough.
            slow(results.place(), 1);
            let (second, third) = (results.place(), results.place());
            slow(second, 2);
            assert_eq!(consumer.join().unwrap(), [1, 2]);
            third.fill(Ok(3));
        });
    }

    #[test]
    fn a_worker_that_panics_leaves_an_error() {
        let results = Results::<u32>::new(1);
        drop(results.place());
        assert!(results.take().unwrap().is_err());
    }
}

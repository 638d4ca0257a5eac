//! All cores at work on pieces whose order is kept.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::Scope;

use super::results::{Place, Results};
use crate::error::{Error, ErrorKind, Result};
use crate::threads;

/// Works on items on `threads` threads and consumes the results in the order of the items, on the calling thread.
///
/// `items` is iterated by the same threads, one at a time: whoever has read an item works on it while it is still in
/// that core's cache, and another thread reads the next one. `2 * threads + 2` items at most, but no fewer than 10, are read
/// and not yet consumed, so memory does not grow with their number. `work` gets a state that no other call has at the same time;
/// states are made when they are needed, used again, and returned at the end, in no particular order. Which items
/// share a state is a matter of timing, so what a state gathers must not depend on it.
/// With one thread everything runs on the calling thread, one item after another. 0 threads means one per core.
///
/// ```
/// use longshore::source::ordered_map;
///
/// let (mut squares, mut work) = (Vec::new(), |calls: &mut u32, i: u32| { *calls += 1; Ok(i * i) });
/// let calls = ordered_map((1..=4).map(Ok), 2, || 0, work, |square| { squares.push(square); Ok(()) })?;
/// assert_eq!(squares, [1, 4, 9, 16]);
/// assert_eq!(calls.iter().sum::<u32>(), 4);
/// # Ok::<(), longshore::Error>(())
/// ```
///
/// # Errors
///
/// The first error in the order of the items, whichever of the three closures it came from; everything before it has
/// been consumed and nothing behind it is. Reading stops then, but an item that is being read is waited for.
///
/// # Panics
///
/// A panic in any of the closures goes on in the caller, after the threads have ended.
pub fn ordered_map<T, R, S>(
    items: impl Iterator<Item = Result<T>> + Send,
    threads: usize,
    make_state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> Result<R> + Sync,
    mut consume: impl FnMut(R) -> Result<()>,
) -> Result<Vec<S>>
where
    T: Send,
    R: Send,
    S: Send,
{
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, NonZero::get),
        threads => threads,
    };
    if threads == 1 {
        let mut state = make_state();
        for item in items {
            consume(work(&mut state, item?)?)?;
        }
        return Ok(vec![state]);
    }
    let pool =
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("longshore-{i}"))
            .build()
            .map_err(|error| Error::new(ErrorKind::Io, format!("cannot start {threads} threads")).with_cause(error))?;
    let pool = Arc::new(pool);
    let most = (2 * threads + 2).max(FEWEST_AHEAD);
    let results = Results::new(most / 2);
    let (states, ahead) = (Mutex::new(Vec::new()), Mutex::new(Ahead { free: most, waiting: None }));
    let workers = Workers { states, make_state, work, results, ahead, stop: AtomicBool::new(false) };
    pool.in_place_scope(|scope| {
        workers.pass_on(items, scope);
        threads::within(&pool, || {
            let result = std::iter::from_fn(|| workers.results.take()).try_for_each(|result| {
                let result = result?;
                workers.consumed(scope);
                consume(result)
            });
            if result.is_err() {
                workers.stop.store(true, Ordering::Relaxed);
            }
            result
        })
    })?;
    Ok(workers.states.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Items that may be read and not yet consumed, however few the threads are.
const FEWEST_AHEAD: usize = 10;

/// How far reading may go ahead of consuming.
struct Ahead<I> {
    /// How many more items may be read.
    free: usize,
    /// What is left to read, while nothing may be.
    waiting: Option<I>,
}

struct Workers<I, R, S, M, W> {
    states: Mutex<Vec<S>>,
    make_state: M,
    work: W,
    results: Results<R>,
    ahead: Mutex<Ahead<I>>,
    /// Results are no longer wanted.
    stop: AtomicBool,
}

impl<I, T, R, S, M, W> Workers<I, R, S, M, W>
where
    I: Iterator<Item = Result<T>> + Send,
    T: Send,
    R: Send,
    S: Send,
    M: Fn() -> S + Sync,
    W: Fn(&mut S, T) -> Result<R> + Sync,
{
    /// Has the next item read by the next free thread, as soon as there is room for it.
    fn pass_on<'scope>(&'scope self, items: I, scope: &Scope<'scope>)
    where
        I: 'scope,
    {
        let mut ahead = lock(&self.ahead);
        match ahead.free.checked_sub(1) {
            Some(free) => ahead.free = free,
            None => return ahead.waiting = Some(items),
        }
        drop(ahead);
        scope.spawn(move |scope| self.read(items, scope));
    }

    /// Makes room for one more item.
    fn consumed<'scope>(&'scope self, scope: &Scope<'scope>)
    where
        I: 'scope,
    {
        let mut ahead = lock(&self.ahead);
        ahead.free += 1;
        let waiting = ahead.waiting.take();
        drop(ahead);
        if let Some(items) = waiting {
            self.pass_on(items, scope);
        }
    }

    /// Reads an item, passes on who reads the next, and works on the item. Reading ends with the first error.
    fn read<'scope>(&'scope self, mut items: I, scope: &Scope<'scope>)
    where
        I: 'scope,
    {
        let ended = Ended(&self.results);
        if self.stop.load(Ordering::Relaxed) {
            return;
        }
        let Some(item) = items.next() else { return };
        let place = self.results.place();
        match item {
            Err(error) => place.fill(Err(error)),
            Ok(item) => {
                std::mem::forget(ended);
                self.pass_on(items, scope);
                self.work(item, place);
            }
        }
    }

    fn work(&self, item: T, place: Place<'_, R>) {
        let free = lock(&self.states).pop();
        let mut state = free.unwrap_or_else(&self.make_state);
        let done = (self.work)(&mut state, item);
        lock(&self.states).push(state);
        place.fill(done);
    }
}

/// Says at its end, be it a panic, that no more results will come.
struct Ended<'a, R>(&'a Results<R>);

impl<R> Drop for Ended<'_, R> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::AtomicU64;
    use std::time::{Duration, Instant};

    use super::*;

    fn fail(text: &str) -> Error {
        Error::new(ErrorKind::Syntax, text)
    }

    /// Runs `test` and panics if it takes so long that it must hang.
    fn in_time(test: impl FnOnce() + Send + 'static) {
        let thread = std::thread::spawn(test);
        let begin = Instant::now();
        while !thread.is_finished() {
            assert!(begin.elapsed() < Duration::from_secs(60), "hangs");
            std::thread::sleep(Duration::from_millis(1));
        }
        thread.join().unwrap();
    }

    #[test]
    fn results_come_in_order_and_states_see_every_item_once() {
        in_time(|| {
            for threads in [1, 2, 3, 8] {
                let mut seen = Vec::new();
                let work = |sum: &mut u64, i: u64| {
                    if i.is_multiple_of(7) {
                        std::thread::sleep(Duration::from_micros(200));
                    }
                    *sum += i;
                    Ok(i)
                };
                let consume = |i| {
                    seen.push(i);
                    Ok(())
                };
                let states = ordered_map((0..1000).map(Ok), threads, || 0, work, consume).unwrap();
                assert!(seen.iter().copied().eq(0..1000));
                assert_eq!(states.iter().sum::<u64>(), 999 * 1000 / 2);
                assert!(states.len() <= threads);
            }
        });
    }

    #[test]
    fn the_first_error_in_order_wins_wherever_it_comes_from() {
        in_time(|| {
            for threads in [1, 2, 5] {
                let read = AtomicU64::new(0);
                let items = |bad: u64| {
                    let read = &read;
                    (0..).map(move |i| {
                        read.fetch_add(1, Ordering::Relaxed);
                        if i == bad { Err(fail("read")) } else { Ok(i) }
                    })
                };
                let run = |bad_read: u64, bad_work: u64, bad_consume: u64| {
                    read.store(0, Ordering::Relaxed);
                    let mut consumed = 0;
                    let work = |_: &mut (), i| {
                        if i >= bad_work { Err(fail(&format!("work {i}"))) } else { Ok(i) }
                    };
                    let consume = |i| {
                        if i == bad_consume {
                            return Err(fail("consume"));
                        }
                        assert_eq!(i, consumed);
                        consumed += 1;
                        Ok(())
                    };
                    let error = ordered_map(items(bad_read), threads, || (), work, consume).unwrap_err();
                    // Those ahead, and one that was consumed and failed.
                    let most = (2 * threads + 2).max(FEWEST_AHEAD) + 1;
                    assert!(read.load(Ordering::Relaxed) <= consumed + most as u64);
                    (error.to_string(), consumed)
                };
                assert_eq!(run(100, u64::MAX, u64::MAX), ("read".into(), 100));
                assert_eq!(run(100, 90, u64::MAX), ("work 90".into(), 90));
                assert_eq!(run(100, 90, 80), ("consume".into(), 80));
                assert_eq!(run(0, 0, 0), ("read".into(), 0));
            }
        });
    }

    #[test]
    fn a_panic_anywhere_is_passed_on_and_never_hangs() {
        in_time(|| {
            for threads in [1, 2, 4] {
                for place in ["read", "work", "consume"] {
                    let panic_at = |here: &str, i: u64| assert!(here != place || i != 50, "panic in {place}");
                    let items = (0..10_000u64).map(|i| {
                        panic_at("read", i);
                        Ok(i)
                    });
                    let work = |_: &mut (), i| {
                        panic_at("work", i);
                        Ok(i)
                    };
                    let consume = |i| {
                        panic_at("consume", i);
                        Ok(())
                    };
                    let run = AssertUnwindSafe(|| ordered_map(items, threads, || (), work, consume));
                    let panic = catch_unwind(run).unwrap_err();
                    let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                    assert_eq!(text, format!("panic in {place}"), "{threads} threads");
                }
            }
        });
    }
}

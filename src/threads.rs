//! The threads that the present work may use.
//!
//! Whoever consumes results on the calling thread may have work of its own that can be divided, such as the columns
//! of a file. It goes to the same pool that works on the chunks, so that the number of threads asked for is what is
//! used, however many layers have something to do.

use std::cell::RefCell;
use std::sync::Arc;

use rayon::ThreadPool;
use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};

use crate::error::Result;

thread_local! {
    static POOL: RefCell<Option<Arc<ThreadPool>>> = const { RefCell::new(None) };
}

/// Does some work on this thread during which [`for_each`] uses the pool.
pub(crate) fn within<T>(pool: &Arc<ThreadPool>, work: impl FnOnce() -> T) -> T {
    /// Puts back what was there, also when the work panics.
    struct Restore(Option<Arc<ThreadPool>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            POOL.set(self.0.take());
        }
    }
    let _restore = Restore(POOL.replace(Some(pool.clone())));
    work()
}

/// Does some work on each item: side by side within a pool, else one after the other.
///
/// # Errors
///
/// The first in the order of the items; side by side, the others are worked on nevertheless.
#[cfg_attr(not(feature = "parquet"), allow(dead_code, reason = "only files have columns to encode"))]
pub(crate) fn for_each<T: Send>(items: &mut [T], work: impl Fn(&mut T) -> Result<()> + Send + Sync) -> Result<()> {
    match POOL.with_borrow(Clone::clone) {
        None => items.iter_mut().try_for_each(work),
        Some(pool) => {
            let done: Vec<Result<()>> = pool.install(|| items.par_iter_mut().map(work).collect());
            done.into_iter().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn pool() -> Arc<ThreadPool> {
        Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap())
    }

    #[test]
    fn every_item_is_worked_on_within_a_pool_and_without() {
        let mut items: Vec<u32> = (0..100).collect();
        let double = |item: &mut u32| {
            *item *= 2;
            Ok(())
        };
        for_each(&mut items, double).unwrap();
        within(&pool(), || for_each(&mut items, double)).unwrap();
        assert!(items.iter().copied().eq((0..100).map(|item| 4 * item)));
    }

    #[test]
    fn the_first_error_in_order_wins() {
        let work = |item: &mut u32| if *item > 2 { Err(Error::config(item.to_string())) } else { Ok(()) };
        for error in [
            for_each(&mut [1, 2, 3, 4, 5], work).unwrap_err(),
            within(&pool(), || for_each(&mut [1, 2, 3, 4, 5], work)).unwrap_err(),
        ] {
            assert_eq!(error.to_string(), "3");
        }
    }

    #[test]
    fn work_in_a_pool_runs_on_its_threads_and_what_was_before_comes_back() {
        let at = |item: &mut Option<usize>| {
            *item = rayon::current_thread_index();
            Ok(())
        };
        let mut items = [None; 4];
        within(&pool(), || for_each(&mut items, at)).unwrap();
        assert!(items.iter().all(Option::is_some));
        for_each(&mut items, at).unwrap();
        assert_eq!(items, [None; 4]);
    }
}

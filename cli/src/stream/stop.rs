//! A stop that is asked for by a signal: the batch is committed, or rolled back if that takes too long.

use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use longshore::{Error, ErrorKind};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::held::Held;
use crate::exit::{Failure, OK, WAREHOUSE};

/// How long the last batch may take.
const GRACE: Duration = Duration::from_secs(9);

/// Whether the stream is to end.
pub(super) struct Stop {
    asked: Arc<AtomicBool>,
    done: Arc<AtomicBool>,
    /// Nothing has been read yet, so that nothing is to be waited for.
    opening: Arc<AtomicBool>,
    held: Held,
}

impl Stop {
    /// SIGTERM and SIGINT ask for the end; a second one ends the process at once, with 128 and its number. What is to be
    /// said if the end takes too long is an object too with `as_json`; `nothing` is said if nothing was read.
    pub(super) fn on_signals(as_json: bool, nothing: String) -> Result<Stop, Failure> {
        let [asked, done, opening] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first signal must not see its own mark.
            flag::register_conditional_shutdown(signal, 128 + signal, asked.clone())
                .and_then(|_| flag::register(signal, asked.clone()))
                .map_err(|cause| Error::io("setting up signals", cause))?;
        }
        let stop = Stop { asked, done, opening, held: Held::default() };
        stop.watch(as_json, nothing);
        Ok(stop)
    }

    /// The connection ends with the process, and with it a transaction that is open: the server rolls it back.
    fn watch(&self, as_json: bool, nothing: String) {
        let (asked, done, held) = (self.asked.clone(), self.done.clone(), self.held.clone());
        let opening = self.opening.clone();
        std::thread::spawn(move || {
            let mut since = None;
            loop {
                std::thread::sleep(Duration::from_millis(50));
                if done.load(Ordering::Relaxed) {
                    return;
                }
                if asked.load(Ordering::Relaxed) && opening.load(Ordering::Relaxed) {
                    print!("{nothing}");
                    exit(i32::from(OK));
                }
                if asked.load(Ordering::Relaxed) && since.get_or_insert_with(Instant::now).elapsed() > GRACE {
                    too_late(&held).print(as_json);
                    exit(i32::from(WAREHOUSE));
                }
            }
        });
    }

    /// The files of the stream, of which something is to be said if the end takes too long.
    pub(super) fn held(&self) -> &Held {
        &self.held
    }

    /// Does what comes before anything is read: a stop ends the process at once meanwhile.
    #[cfg(feature = "kafka")]
    pub(super) fn while_opening<T>(&self, open: impl FnOnce() -> T) -> T {
        self.opening.store(true, Ordering::Relaxed);
        let opened = open();
        self.opening.store(false, Ordering::Relaxed);
        opened
    }

    /// Whether a signal has come.
    pub(super) fn is_set(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Everything is committed; nothing has to be ended by force any more.
    pub(super) fn done(&self) {
        self.done.store(true, Ordering::Relaxed);
    }
}

fn too_late(held: &Held) -> Failure {
    let message = format!("stopped, and the last batch could not be committed within {} s", GRACE.as_secs());
    let hint = "start the stream again: it goes on behind the last batch that was committed";
    let hint = held.hint(Some(hint)).unwrap_or_default();
    Error::new(ErrorKind::Database, message).with_hint(hint).into()
}

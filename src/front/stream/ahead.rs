//! The thread that commits a batch while the next one is gathered.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use super::buffer::Buffer;
use super::commit::Committer;
use super::reading::Reading;
use crate::error::{Error, Result};

/// A batch that nothing more is added to.
pub(super) struct Closed {
    pub(super) buffer: Buffer,
    /// When it was closed.
    pub(super) started: Instant,
    /// What trying to commit it came to, until somebody has been told.
    pub(super) failed: Option<Error>,
}

/// A batch on its way, and all that is needed to commit it.
pub(super) struct Sent {
    pub(super) committer: Committer,
    pub(super) closed: Closed,
    pub(super) reading: Option<Reading>,
}

/// What comes back: the committer, and the batch unless it is committed.
pub(super) struct Landed {
    pub(super) committer: Committer,
    pub(super) left: Option<Closed>,
    /// What the thread panicked with; the panic is to go on in the caller.
    pub(super) panic: Option<Box<dyn Any + Send>>,
}

/// The thread. It has at most one batch, which it tries once: trying again would keep the caller from doing something
/// else about it. Dropping this waits for the batch, so that nothing is committed behind the caller's back.
pub(super) struct Ahead {
    send: Option<SyncSender<Box<Sent>>>,
    landed: Receiver<Box<Landed>>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Starts the thread.
    pub(super) fn start() -> Result<Self> {
        let (send, batches) = sync_channel::<Box<Sent>>(1);
        let (answer, landed) = sync_channel(1);
        let work = move || {
            for sent in batches {
                if answer.send(Box::new(try_once(*sent))).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("longshore-batch".into()).spawn(work);
        let thread = thread.map_err(|cause| Error::io("starting a thread", cause))?;
        Ok(Ahead { send: Some(send), landed, thread: Some(thread) })
    }

    /// Sends a batch on its way; the one before has landed.
    pub(super) fn send(&self, sent: Sent) -> Result<()> {
        let send = self.send.as_ref().ok_or_else(gone)?;
        send.send(Box::new(sent)).map_err(|_| gone())
    }

    /// Waits for the batch that is on its way.
    pub(super) fn wait(&self) -> Result<Landed> {
        self.landed.recv().map(|landed| *landed).map_err(|_| gone())
    }

    /// The batch that was on its way, if it is no longer.
    pub(super) fn look(&self) -> Option<Landed> {
        self.landed.try_recv().ok().map(|landed| *landed)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.send = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn try_once(sent: Sent) -> Landed {
    let Sent { mut committer, mut closed, reading } = sent;
    let attempt = AssertUnwindSafe(|| committer.attempt(&mut closed.buffer, closed.started, reading));
    // The committer is as it would be after an error: what it does not know, it asks the server.
    let (left, panic) = match catch_unwind(attempt) {
        Ok(Ok(_)) => (None, None),
        Ok(Err(error)) => (Some(Closed { failed: Some(error), ..closed }), None),
        Err(panic) => (Some(closed), Some(panic)),
    };
    Landed { committer, left, panic }
}

fn gone() -> Error {
    Error::config("the stream's thread is gone after a panic: open the stream again")
}

//! The thread that commits a batch while the next one is gathered.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
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
    pub(super) committer: Box<Committer>,
    pub(super) next: Next,
}

/// A batch that is ready to go.
pub(super) struct Next {
    pub(super) closed: Closed,
    pub(super) reading: Option<Reading>,
}

/// What comes back: the committer, unless the thread has gone on to the next batch with it, and the batch unless it is
/// committed.
pub(super) struct Landed {
    pub(super) committer: Option<Box<Committer>>,
    pub(super) left: Option<Closed>,
    /// Of a batch that is committed, what it was buffered in.
    pub(super) spent: Option<Buffer>,
    /// What the thread panicked with; the panic is to go on in the caller.
    pub(super) panic: Option<Box<dyn Any + Send>>,
}

/// The thread. It has at most one batch, which it tries once: trying again would keep the caller from doing something
/// else about it. Dropping this waits for the batch, so that nothing is committed behind the caller's back.
pub(super) struct Ahead {
    send: Option<SyncSender<Sent>>,
    landed: Receiver<Landed>,
    /// The batch that is to go when the one before is committed: the server then waits for nobody to be woken.
    queue: Arc<Mutex<Option<Next>>>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Starts the thread.
    pub(super) fn start() -> Result<Self> {
        let (send, batches) = sync_channel::<Sent>(1);
        let (answer, landed) = sync_channel(1);
        let queue = Arc::new(Mutex::new(None));
        let queued = queue.clone();
        let work = move || {
            for sent in batches {
                let mut sent = Some(sent);
                while let Some(batch) = sent.take() {
                    let mut landed = try_once(batch);
                    if landed.spent.is_some()
                        && let Some(next) = take(&queued)
                    {
                        sent = landed.committer.take().map(|committer| Sent { committer, next });
                    }
                    if answer.send(landed).is_err() {
                        return;
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("longshore-batch".into()).spawn(work);
        let thread = thread.map_err(|cause| Error::io("starting a thread", cause))?;
        Ok(Ahead { send: Some(send), landed, queue, thread: Some(thread) })
    }

    /// Sends a batch on its way; the one before has landed.
    pub(super) fn send(&self, sent: Sent) -> Result<()> {
        let send = self.send.as_ref().ok_or_else(gone)?;
        send.send(sent).map_err(|_| gone())
    }

    /// Has a batch go when the one that is on its way is committed. Waits for that one, and returns what became of it, with
    /// the batch if it did not go.
    pub(super) fn send_behind(&self, next: Next) -> (Result<Landed>, Option<Next>) {
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
        let landed = self.wait();
        (landed, take(&self.queue))
    }

    /// Waits for the batch that is on its way.
    pub(super) fn wait(&self) -> Result<Landed> {
        self.landed.recv().map_err(|_| gone())
    }

    /// The batch that was on its way, if it is no longer.
    pub(super) fn look(&self) -> Option<Landed> {
        self.landed.try_recv().ok()
    }
}

fn take(queue: &Mutex<Option<Next>>) -> Option<Next> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).take()
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
    let Sent { mut committer, next: Next { mut closed, reading } } = sent;
    let attempt = AssertUnwindSafe(|| committer.attempt(&mut closed.buffer, closed.started, reading));
    // The committer is as it would be after an error: what it does not know, it asks the server.
    let (left, spent, panic) = match catch_unwind(attempt) {
        Ok(Ok(_)) => (None, Some(closed.buffer), None),
        Ok(Err(error)) => (Some(Closed { failed: Some(error), ..closed }), None, None),
        Err(panic) => (Some(closed), None, Some(panic)),
    };
    Landed { committer: Some(committer), left, spent, panic }
}

fn gone() -> Error {
    Error::config("the stream's thread is gone after a panic: open the stream again")
}

//! Whose turn it is: one batch on its way to the server, the next one being gathered.

use std::panic::resume_unwind;
use std::time::Instant;

use super::StreamLoader;
use super::ahead::{Closed, Landed, Next, Sent};
use super::commit::Committer;
use super::reading::Reading;
use crate::error::{Error, Result};

impl StreamLoader {
    /// Sends on what is gathered, if it has reached a limit.
    pub(super) fn send_if_full(&mut self) -> Result<()> {
        if self.is_full() { self.send() } else { Ok(()) }
    }

    /// Reads what is gathered for its evidence, and sends it on its way when the batch before has arrived.
    pub(super) fn send(&mut self) -> Result<()> {
        self.commit_front()?;
        if !self.shared.tables.is_ready() {
            self.idle()?.patiently("", Committer::know_own_table)?;
        }
        // If this cannot be done, committing the batch tells why.
        let mut reading = Reading::of(&self.buffer, &self.shared).ok();
        if let (Some(reading), None) = (&mut reading, &self.committer) {
            reading.make_rows(&self.buffer, &self.shared);
        }
        self.look()?;
        let steps = self.buffer.steps();
        let closed = Closed { buffer: self.buffer.take(), started: Instant::now(), failed: None };
        let mut next = Next { closed, reading };
        if self.committer.is_none() {
            if !next.reading.as_mut().is_some_and(|reading| reading.copy_early(&self.shared, &steps)) {
                self.shared.early.hold();
            }
            let (landed, returned) = self.ahead.send_behind(next);
            let Some(returned) = returned else {
                self.under_way = steps;
                self.buffer.reuse(landed?.spent);
                return Ok(());
            };
            // The batch before is first to be seen to. Until it is, this one is gathered as if it had never been closed.
            self.buffer.put_back(returned.closed.buffer);
            self.take_back(landed?);
            self.retry()?;
            let closed = Closed { buffer: self.buffer.take(), started: Instant::now(), failed: None };
            next = Next { closed, reading: returned.reading };
        }
        let committer = self.committer.take().ok_or_else(lost)?;
        self.under_way = steps;
        self.shared.early.hold();
        self.ahead.send(Sent { committer, next })?;
        self.buffer.reuse(self.spent.take());
        Ok(())
    }

    /// Waits for the batch that is on its way. If it did not arrive, it is tried again here, until it does, fails for
    /// good, or has taken too long.
    pub(super) fn idle(&mut self) -> Result<&mut Committer> {
        self.wait();
        self.retry()?;
        self.committer.as_deref_mut().ok_or_else(lost)
    }

    /// Does the same for a batch that has landed by now, and waits for none.
    pub(super) fn look(&mut self) -> Result<()> {
        if self.committer.is_none()
            && let Some(landed) = self.ahead.look()
        {
            self.take_back(landed);
        }
        self.retry()
    }

    /// Waits for the batch that is on its way, and leaves it at that.
    pub(super) fn wait(&mut self) {
        if self.committer.is_none()
            && let Ok(landed) = self.ahead.wait()
        {
            self.take_back(landed);
        }
    }

    fn take_back(&mut self, landed: Landed) {
        self.committer = landed.committer;
        self.under_way.clear();
        self.front = landed.left;
        self.spent = landed.spent;
        if let Some(panic) = landed.panic {
            resume_unwind(panic);
        }
    }

    /// Tries again what came back with an error that nobody was told of.
    fn retry(&mut self) -> Result<()> {
        if self.front.as_ref().is_some_and(|front| front.failed.is_some()) { self.commit_front() } else { Ok(()) }
    }

    /// Commits the batch that came back, if there is one.
    pub(super) fn commit_front(&mut self) -> Result<()> {
        if let Some(Closed { buffer, started, failed }) = &mut self.front {
            let committer = self.committer.as_mut().ok_or_else(lost)?;
            committer.commit(buffer, *started, failed.take())?;
            self.front = None;
        }
        Ok(())
    }
}

/// A panic that went through the stream took its connection along.
pub(super) fn lost() -> Error {
    Error::config("the stream has panicked before").with_hint("open it again, and go on from what is committed")
}

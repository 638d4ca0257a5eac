//! The loader that a consumer works for.

use crate::error::Result;
use crate::front::frame::{Framed, frame};
use crate::front::stream::{Offset, StreamLoader};
use crate::source::kafka::{Owner, Received};

/// Keeps messages in a loader, whose ledger says where partitions go on.
pub(super) struct Keeper {
    pub(super) loader: StreamLoader,
    /// Whether the stream is being dropped, and nothing more is to be committed.
    pub(super) is_closing: bool,
}

impl Keeper {
    pub(super) fn new(loader: StreamLoader) -> Self {
        Keeper { loader, is_closing: false }
    }

    /// Takes in what was received, as rows to be or for the quarantine.
    pub(super) fn keep(&mut self, received: &Received<'_>) -> Result<()> {
        let message = match received {
            Received::Message(message) => message,
            Received::Gap { source, from, next } => {
                let reason = format!("the offsets {from} to {} were deleted before they were read", next - 1);
                return self.loader.set_aside(b"", reason, Offset::new(source, *next));
            }
        };
        let offset = Offset::new(&message.source, message.next());
        let Some(value) = message.value() else {
            return self.loader.set_aside(b"", "a message without a value (a tombstone)", offset);
        };
        match frame(value, self.loader.is_csv()) {
            Framed::Records(records) => self.loader.write(&*records, offset),
            Framed::NoRecord(reason) => self.loader.set_aside(value, reason, offset),
        }
    }
}

impl Owner for Keeper {
    fn resume_at(&mut self, source: &str) -> Result<Option<u64>> {
        self.loader.reached(source)
    }

    fn give_up(&mut self, sources: &[String]) {
        if !self.is_closing
            && let Err(error) = self.loader.commit_impatiently()
        {
            // The next owner reads it again: the ledger has not moved.
            tracing::warn!(%error, "the batch could not be committed before its partitions were given up");
        }
        for source in sources {
            let dropped = self.loader.forget(source);
            if dropped > 0 {
                tracing::info!(source, dropped, "messages dropped: the partition's next owner reads them again");
            }
        }
    }
}

//! What goes wrong on demand.

use std::sync::{Arc, Mutex};

/// A fault of the warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A COMMIT is answered by error 1023 and rolled back.
    SerializationFailure,
    /// The connection is cut when COPY has sent half of its rows; the block is rolled back. Outside of a block the
    /// COPY goes on and commits, as on Redshift.
    CutInCopy,
    /// COPY is done, and its answer comes two seconds later: time to kill the client in.
    StallAfterCopy,
    /// The connection is cut when COPY is done and before its answer.
    CutAfterCopy,
    /// The connection is cut when COMMIT arrives, before anything is done.
    CutBeforeCommit,
    /// COMMIT is done, and its answer is lost with the connection.
    CutAfterCommit,
    /// Another session adds a column of the same name and type just before this one does.
    RivalAddsColumn,
    /// The first object of a manifest is gone when COPY comes.
    MissingObject,
    /// The first object of a manifest was overwritten by another, longer one when COPY comes.
    OverwrittenObject,
    /// The first object of a manifest is listed twice.
    DuplicateEntry,
    /// Each row that holds the text is refused by a COPY, as long as this fault waits.
    BadRows(String),
    /// The next statement that holds the text is refused with this SQLSTATE and message.
    Refuse {
        /// A part of the statement, as it is sent.
        containing: String,
        /// The SQLSTATE.
        code: String,
        /// The message.
        message: String,
    },
}

/// The faults that are to come. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    waiting: Arc<Mutex<Vec<(Fault, u32)>>>,
}

impl Faults {
    /// Has a fault happen the next `times` times that it can.
    pub fn inject(&self, fault: Fault, times: u32) {
        if times > 0 {
            self.waiting.lock().expect("no holder panics").push((fault, times));
        }
    }

    /// Forgets the faults that have not happened, and says how many those were.
    pub fn clear(&self) -> u32 {
        self.waiting.lock().expect("no holder panics").drain(..).map(|(_, times)| times).sum()
    }

    /// Whether this fault is to happen now.
    pub(crate) fn take(&self, fault: &Fault) -> bool {
        self.take_if(|waiting| waiting == fault).is_some()
    }

    /// The text that makes a row bad, if there is one.
    pub(crate) fn bad_rows(&self) -> Option<String> {
        let waiting = self.waiting.lock().expect("no holder panics");
        waiting.iter().find_map(|(fault, _)| match fault {
            Fault::BadRows(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// The refusal that waits for a statement.
    pub(crate) fn refusal(&self, sql: &str) -> Option<(String, String)> {
        let fault =
            self.take_if(|waiting| matches!(waiting, Fault::Refuse { containing, .. } if sql.contains(containing)))?;
        match fault {
            Fault::Refuse { code, message, .. } => Some((code, message)),
            _ => None,
        }
    }

    fn take_if(&self, wanted: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut waiting = self.waiting.lock().expect("no holder panics");
        let at = waiting.iter().position(|(fault, _)| wanted(fault))?;
        let fault = waiting[at].0.clone();
        waiting[at].1 -= 1;
        if waiting[at].1 == 0 {
            waiting.remove(at);
        }
        Some(fault)
    }
}

//! What goes wrong with the object store on demand.

use std::sync::{Arc, Mutex};

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// An object in one request.
    Put,
    /// The beginning of an upload in parts.
    Create,
    /// One part.
    Part,
    /// The end of an upload in parts.
    Complete,
    /// An upload given up.
    Abort,
    /// An object, or what is known of it.
    Get,
    /// A list of keys.
    List,
    /// The end of an object.
    Delete,
    /// Any other request.
    Other,
}

/// A fault of the object store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum S3Fault {
    /// A request is refused with a status and one of S3's codes, and nothing is done.
    Refuse(Option<Operation>, u16, &'static str),
    /// An object or part is cut after so many bytes, with its connection.
    CutUpload(usize),
    /// A completed upload is answered by status 500.
    CompleteThenFail,
    /// A completed upload is answered by status 200 and an error in the body.
    CompleteThenErrorBody,
    /// An object whose key ends with a text is written, and the answer is a status and one of S3's codes.
    PutThenFail(&'static str, u16, &'static str),
    /// An object whose key ends with a text is written, and the connection is cut before the answer.
    PutThenCut(&'static str),
    /// A list is empty, whatever there is.
    EmptyList,
}

impl S3Fault {
    fn concerns(&self, operation: Operation, key: &str) -> bool {
        match self {
            S3Fault::Refuse(only, ..) => only.is_none_or(|only| only == operation),
            S3Fault::CutUpload(_) => matches!(operation, Operation::Put | Operation::Part),
            S3Fault::CompleteThenFail | S3Fault::CompleteThenErrorBody => operation == Operation::Complete,
            S3Fault::PutThenFail(end, ..) | S3Fault::PutThenCut(end) => {
                operation == Operation::Put && key.ends_with(end)
            }
            S3Fault::EmptyList => operation == Operation::List,
        }
    }
}

#[derive(Debug)]
struct Waiting {
    fault: S3Fault,
    /// How many requests that it concerns go well before each that does not.
    between: u32,
    passed: u32,
    left: u32,
}

/// The faults that are to come. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct S3Faults {
    waiting: Arc<Mutex<Vec<Waiting>>>,
    seen: Arc<Mutex<Vec<Operation>>>,
    fired: Arc<Mutex<Vec<S3Fault>>>,
}

impl S3Faults {
    /// Has a fault happen to the next `times` requests that it concerns.
    pub fn inject(&self, fault: S3Fault, times: u32) {
        self.add(fault, 0, times);
    }

    /// Has a fault happen to each `n`th request that it concerns, until it is cleared.
    pub fn every(&self, n: u32, fault: S3Fault) {
        self.add(fault, n.saturating_sub(1), u32::MAX);
    }

    fn add(&self, fault: S3Fault, between: u32, left: u32) {
        if left > 0 {
            let waiting = Waiting { fault, between, passed: 0, left };
            self.waiting.lock().expect("no holder panics").push(waiting);
        }
    }

    /// Forgets all faults that have not happened.
    pub fn clear(&self) {
        self.waiting.lock().expect("no holder panics").clear();
    }

    /// The faults that have happened so far, in order; forgets them.
    pub fn fired(&self) -> Vec<S3Fault> {
        std::mem::take(&mut self.fired.lock().expect("no holder panics"))
    }

    /// The requests so far, in order; forgets them.
    pub fn requests(&self) -> Vec<Operation> {
        std::mem::take(&mut self.seen.lock().expect("no holder panics"))
    }

    /// The fault for a request, if there is one.
    pub(super) fn next(&self, operation: Operation, key: &str) -> Option<S3Fault> {
        self.seen.lock().expect("no holder panics").push(operation);
        let mut waiting = self.waiting.lock().expect("no holder panics");
        let at = waiting.iter_mut().position(|waiting| {
            waiting.fault.concerns(operation, key) && {
                waiting.passed += 1;
                waiting.passed > waiting.between
            }
        })?;
        let found = &mut waiting[at];
        (found.passed, found.left) = (0, found.left - 1);
        let fault = found.fault.clone();
        if found.left == 0 {
            waiting.remove(at);
        }
        self.fired.lock().expect("no holder panics").push(fault.clone());
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_nth_request_fails_and_the_others_do_not() {
        let faults = S3Faults::default();
        faults.every(3, S3Fault::Refuse(None, 503, "SlowDown"));
        let failed: Vec<bool> = (0..6).map(|_| faults.next(Operation::Put, "a").is_some()).collect();
        assert_eq!(failed, [false, false, true, false, false, true]);
    }

    #[test]
    fn a_fault_waits_for_the_request_that_it_concerns() {
        let faults = S3Faults::default();
        faults.inject(S3Fault::CompleteThenFail, 1);
        assert!(faults.next(Operation::Part, "a").is_none());
        assert_eq!(faults.next(Operation::Complete, "a"), Some(S3Fault::CompleteThenFail));
        assert!(faults.next(Operation::Complete, "a").is_none());
        faults.inject(S3Fault::PutThenCut("b.json"), 1);
        assert!(faults.next(Operation::Put, "a.json").is_none());
        assert!(faults.next(Operation::Put, "x/b.json").is_some());
    }
}

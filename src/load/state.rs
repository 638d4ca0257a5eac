//! Where a target is in its one load.

use crate::error::{Error, Result};

/// Before a load, in the middle of it, or behind it. A call that fails ends the load: what went wrong once is not gone on with.
pub(super) enum State<W, L> {
    /// Nothing has begun; what the load will need is at hand.
    Waiting(W),
    Open(Box<L>),
    /// The load was committed, or was there before.
    Done,
    Failed,
}

impl<W, L> std::fmt::Debug for State<W, L> {
    /// Without what is inside: those are sessions and records.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            State::Waiting(_) => "Waiting",
            State::Open(_) => "Open",
            State::Done => "Done",
            State::Failed => "Failed",
        })
    }
}

impl<W, L> State<W, L> {
    /// Takes what was waiting. Until something else is said, the load has failed.
    pub(super) fn begin(&mut self) -> Result<W> {
        match std::mem::replace(self, State::Failed) {
            State::Waiting(waiting) => Ok(waiting),
            _ => Err(Error::config("a target takes one load: make a new one for the next")),
        }
    }

    /// Goes on with the open load, which has failed if this does.
    pub(super) fn during<T>(&mut self, work: impl FnOnce(&mut L) -> Result<T>) -> Result<T> {
        let State::Open(load) = self else { return Err(none_open()) };
        let outcome = work(load);
        if outcome.is_err() {
            *self = State::Failed;
        }
        outcome
    }

    /// Takes the open load, to end it. Until something else is said, it has failed.
    pub(super) fn end(&mut self) -> Result<Box<L>> {
        match std::mem::replace(self, State::Failed) {
            State::Open(load) => Ok(load),
            _ => Err(none_open()),
        }
    }
}

fn none_open() -> Error {
    Error::config("there is no open load: it failed before, or was not begun")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_fails_ends_the_load() {
        let mut state: State<(), u8> = State::Waiting(());
        assert!(state.during(|_| Ok(())).is_err(), "nothing was begun");
        let mut state: State<(), u8> = State::Waiting(());
        state.begin().unwrap();
        state = State::Open(Box::new(1));
        assert_eq!(state.during(|load| Ok(*load)).unwrap(), 1);
        assert!(state.during(|_| Err::<(), _>(Error::config("no"))).is_err());
        assert!(state.during(|_| Ok(())).is_err() && state.end().is_err());
    }

    #[test]
    fn a_target_takes_one_load() {
        let mut state: State<(), u8> = State::Done;
        assert!(state.begin().is_err());
    }
}

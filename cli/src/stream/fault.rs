//! Why files are not read on, and what became of that which had been read.

use std::io::Error as IoError;

use longshore::{Error, ErrorKind, StreamLoader};

use super::held::Held;
use crate::exit::{Failure, NO_INPUT};

#[derive(Debug)]
pub(super) enum Fault {
    /// Of the loader, which could not commit what it holds.
    Loader(Error),
    /// Of a file. What was read before is sound, and is to be committed.
    File {
        error: Error,
        /// The exit code, where the kind of error does not tell it.
        code: Option<u8>,
        /// What the ledger calls the file, once that is known.
        source: Option<String>,
    },
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Loader(error)
    }
}

impl Fault {
    pub(super) fn of_file(error: Error) -> Fault {
        Fault::File { error, code: None, source: None }
    }

    pub(super) fn cannot_open(name: &str, cause: IoError) -> Fault {
        Fault::File { error: Error::io("cannot open it", cause).in_source(name), code: Some(NO_INPUT), source: None }
    }

    pub(super) fn cannot_read(name: &str, cause: IoError) -> Fault {
        Fault::of_file(Error::io("cannot read on", cause).in_source(name))
    }

    pub(super) fn shorter(name: &str, size: u64, position: u64) -> Fault {
        let message = format!("the file has {size} bytes, and {position} have been read: it was cut or replaced");
        not_the_same(name, message)
    }

    pub(super) fn another(name: &str, position: u64) -> Fault {
        let message = format!(
            "the file begins as one that has been read up to byte {position}, but goes on as another one: it was replaced or \
             written anew"
        );
        not_the_same(name, message)
    }

    /// Says which source the file is.
    pub(super) fn of(mut self, known: Option<&str>) -> Fault {
        if let Fault::File { source, .. } = &mut self {
            *source = source.take().or_else(|| known.map(str::to_owned));
        }
        self
    }

    /// What is to be said: also how far the file is loaded, and which files nobody will find again. `committed` is what
    /// became of what had been read.
    pub(super) fn told(self, committed: Result<(), Error>, loader: &mut StreamLoader, held: &Held) -> Failure {
        let hinted = |error: Error| match held.hint(error.hint()) {
            Some(hint) => error.with_hint(hint),
            None => error,
        };
        let (error, code, source) = match self {
            Fault::Loader(error) => return hinted(error).into(),
            Fault::File { error, code, source } => (error, code, source),
        };
        let loaded = match (committed, source) {
            (Err(cause), _) => format!("; and what was read before could not be committed: {cause}"),
            (Ok(()), None) => String::new(),
            (Ok(()), Some(source)) => match loader.committed(&source) {
                Ok(place) => format!("; it is loaded up to byte {}", place.unwrap_or(0)),
                Err(_) => String::new(),
            },
        };
        let mut said = Error::new(error.kind(), format!("{}{loaded}", error.message()));
        if let Some(name) = error.location().and_then(|place| place.source.clone()) {
            said = said.in_source(name);
        }
        if let Some(hint) = error.hint() {
            said = said.with_hint(hint);
        }
        match code {
            Some(code) => Failure::with_code(hinted(said), code),
            None => hinted(said).into(),
        }
    }
}

fn not_the_same(name: &str, message: String) -> Fault {
    let hint = "move files away when they are rotated, rather than cut them; a new one with the first line of the old one needs \
                another path, or `longshore load`";
    Fault::of_file(Error::new(ErrorKind::Conflict, message).in_source(name).with_hint(hint))
}

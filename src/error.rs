//! What went wrong, where, what was found, and what to do next.
//!
//! One opaque [`Error`] serves every layer. Branch on [`Error::kind`]; show [`Error::location`] and
//! [`Error::hint`] beside the message. A message never holds a password, a connection string or the value of a
//! record: values go to the quarantine, not to a log.

use std::fmt;

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed; the part of an [`Error`] to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file, pipe or folder could not be read or written.
    Io,
    /// The input is damaged as a whole (a cut gzip, a wrong checksum), not in one record.
    Corrupt,
    /// A record or a stored document (a sketch, a manifest) does not follow its format.
    Syntax,
    /// An option is wrong, or two options contradict each other.
    Config,
    /// The input is understood, but this version cannot do what was asked.
    Unsupported,
    /// What the data needs cannot be had from the table as it is, or the other way round.
    Conflict,
    /// The warehouse refused, or could not be reached.
    Database,
    /// Records read do not equal those loaded, quarantined and deduplicated together; the load was rolled back.
    NotConserved,
    /// More records were quarantined than the caller allows; the load was rolled back.
    TooManyQuarantined,
}

impl ErrorKind {
    /// The kind in lower case, as `--json` prints it; the command calls `config` there `usage`.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::Io => "io",
            ErrorKind::Corrupt => "corrupt",
            ErrorKind::Syntax => "syntax",
            ErrorKind::Config => "config",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Conflict => "conflict",
            ErrorKind::Database => "database",
            ErrorKind::NotConserved => "not-conserved",
            ErrorKind::TooManyQuarantined => "too-many-quarantined",
        }
    }
}

/// Where in the input something is: as much of it as is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// The input's name: a path, `<stdin>`, `<bytes>`.
    pub source: Option<String>,
    /// Physical line, from 1.
    pub line: Option<u64>,
    /// Byte offset from 0 in the decompressed, decoded input.
    pub byte: Option<u64>,
    /// The field or column concerned, as a path such as `order.items[].sku`.
    pub column: Option<String>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(source) = &self.source {
            f.write_str(source)?;
            separator = ":";
        }
        if let Some(line) = self.line {
            write!(f, "{separator}{line}")?;
            separator = ": ";
        }
        if let Some(byte) = self.byte {
            let open = if separator.is_empty() { "" } else { " " };
            write!(f, "{open}(byte {byte})")?;
            separator = ": ";
        }
        if let Some(column) = &self.column {
            let separator = if separator == ":" { ": " } else { separator };
            write!(f, "{separator}column `{column}`")?;
        }
        Ok(())
    }
}

/// An error with a kind, a place, a message and, where there is one, a hint.
///
/// `Display` prints `place: message` on one line; the hint and the cause ([`std::error::Error::source`]) are for
/// the caller to show.
///
/// ```
/// use longshore::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::Config, "`--threads` must be at least 1").with_hint("leave it out to use all cores");
/// assert_eq!(error.kind(), ErrorKind::Config);
/// assert_eq!(error.to_string(), "`--threads` must be at least 1");
/// assert_eq!(error.hint(), Some("leave it out to use all cores"));
/// ```
#[derive(thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Inner>);

#[derive(Debug, thiserror::Error)]
#[error("{}{message}", place(.location.as_ref()))]
struct Inner {
    kind: ErrorKind,
    message: String,
    location: Option<Location>,
    hint: Option<String>,
    #[source]
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    temporary: bool,
    refused_row: bool,
}

impl Error {
    /// Makes an error of a kind. `message` is one line, lower case, without a final full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Error(Box::new(Inner {
            kind,
            message,
            location: None,
            hint: None,
            cause: None,
            temporary: false,
            refused_row: false,
        }))
    }

    /// Makes an [`ErrorKind::Io`] error that names what was being done.
    pub fn io(doing: impl fmt::Display, cause: std::io::Error) -> Self {
        Error::new(ErrorKind::Io, format!("{doing}: {cause}")).with_cause(cause)
    }

    /// Makes an [`ErrorKind::Config`] error.
    pub fn config(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Config, message)
    }

    /// Adds where it happened.
    #[must_use]
    pub fn with_location(mut self, location: Location) -> Self {
        self.0.location = Some(location);
        self
    }

    /// Adds the input's name, keeping what else is known of the place.
    #[must_use]
    pub fn in_source(mut self, name: impl Into<String>) -> Self {
        self.0.location.get_or_insert_with(Location::default).source = Some(name.into());
        self
    }

    /// Adds what the user can do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the error underneath. Its text is not repeated by `Display`.
    #[must_use]
    pub fn with_cause(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.cause = Some(Box::new(cause));
        self
    }

    /// Says whether the same call may succeed later, with nothing else changed.
    #[must_use]
    pub fn with_temporary(mut self, temporary: bool) -> Self {
        self.0.temporary = temporary;
        self
    }

    /// Whether the same call may succeed later, with nothing else changed: the connection was lost, the server is
    /// starting or full, another session was in the way. False unless it is known.
    pub fn is_temporary(&self) -> bool {
        self.0.temporary
    }

    /// Says that the warehouse refused a single row, and would have taken others.
    #[must_use]
    #[cfg(feature = "postgres")]
    pub(crate) fn with_refused_row(mut self, refused: bool) -> Self {
        self.0.refused_row = refused;
        self
    }

    /// Whether the warehouse refused a single row, and would have taken others.
    #[cfg(any(feature = "postgres", feature = "parquet"))]
    pub(crate) fn is_refused_row(&self) -> bool {
        self.0.refused_row
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message without the place.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where it happened, if it has a place in the input.
    pub fn location(&self) -> Option<&Location> {
        self.0.location.as_ref()
    }

    /// What the user can do next, if there is something.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What goes in front of a message: the place, where there is one.
fn place(location: Option<&Location>) -> String {
    location.map_or_else(String::new, |location| format!("{location}: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_prints_as_file_line_byte_and_column() {
        let place = Location {
            source: Some("events-06.jsonl".into()),
            line: Some(41_210),
            byte: Some(9_000_001),
            column: Some("items[].sku".into()),
        };
        assert_eq!(place.to_string(), "events-06.jsonl:41210 (byte 9000001): column `items[].sku`");
        let error = Error::new(ErrorKind::Syntax, "found a stray `}`").in_source("a.json");
        assert_eq!(error.to_string(), "a.json: found a stray `}`");
        let caused = error.with_cause(std::io::Error::other("underneath"));
        assert_eq!(std::error::Error::source(&caused).unwrap().to_string(), "underneath");
        let column = Location { column: Some("a".into()), ..Location::default() };
        assert_eq!(column.to_string(), "column `a`");
    }
}

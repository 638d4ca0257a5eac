//! `--log`: what the library tells while it works, on standard error.

use std::io::Write;

use clap::ValueEnum;
use longshore::Error;
use tracing::Level;

use crate::redact::redact;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// A line for people
    Text,
    /// A JSON object a line
    Json,
}

/// The level that the environment asks for.
const LEVEL: &str = "LONGSHORE_LOG";

/// Begins to log. `LONGSHORE_LOG` names the level: `error`, `warn`, `info` (the default), `debug` or `trace`.
pub(crate) fn start(form: Form) -> Result<(), Error> {
    let level = match std::env::var_os(LEVEL).unwrap_or_default() {
        level if level.is_empty() => Level::INFO,
        level => level.to_str().and_then(|level| level.parse().ok()).ok_or_else(no_level)?,
    };
    let builder = tracing_subscriber::fmt().with_max_level(level).log_internal_errors(false).with_writer(|| Redacted);
    // A second subscriber can only be a test's.
    let _ = match form {
        Form::Text => builder.try_init(),
        Form::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

fn no_level() -> Error {
    Error::config(format!("`{LEVEL}` names no level of a log"))
        .with_hint("write error, warn, info, debug or trace, or leave it out: info is the default")
}

/// Standard error, without the passwords of URLs. No event should hold any; this is the second lock.
struct Redacted;

impl Write for Redacted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        // Nobody may read standard error any more. That is no reason to end, and there is nowhere to say it.
        let _ = std::io::stderr().lock().write_all(redact(&text).as_bytes());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

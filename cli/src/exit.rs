//! How a command ends: what is printed where, and the exit code.

use std::io::Write;
use std::process::ExitCode;

use longshore::{Error, ErrorKind};

use crate::args::Output;
use crate::json;
use crate::output::clean;
use crate::redact::redact;

pub(crate) const OK: u8 = 0;
pub(crate) const CONFLICT: u8 = 2;
pub(crate) const QUARANTINED: u8 = 3;
pub(crate) const NOT_CONSERVED: u8 = 4;
pub(crate) const WAREHOUSE: u8 = 5;
pub(crate) const USAGE: u8 = 64;
pub(crate) const DATA: u8 = 65;
pub(crate) const NO_INPUT: u8 = 66;
pub(crate) const UNAVAILABLE: u8 = 69;
pub(crate) const IO: u8 = 74;

/// A command that did what it was asked.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// For standard output.
    pub(crate) text: String,
    /// For standard error, one line each.
    pub(crate) warnings: Vec<String>,
    pub(crate) code: u8,
}

impl Done {
    pub(crate) fn new(text: String) -> Self {
        Done { text, ..Done::default() }
    }

    /// Prints it. A reader that went away (`| head`) is no error.
    pub(crate) fn print(self, output: Output) -> ExitCode {
        if !output.quiet {
            for warning in &self.warnings {
                let _ = writeln!(std::io::stderr(), "warning: {}", clean(warning));
            }
        }
        match write_out(&self.text) {
            Ok(()) => ExitCode::from(self.code),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::from(self.code),
            Err(error) => Failure::from(Error::io("cannot write to standard output", error)).print(false),
        }
    }
}

fn write_out(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// A command that did not.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Error,
    code: u8,
}

impl Failure {
    /// A failure with a code that its kind alone does not tell.
    pub(crate) fn with_code(error: Error, code: u8) -> Self {
        Failure { error, code }
    }

    /// Something is wrong with an input that was not read yet.
    pub(crate) fn of_input(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Io => Failure::with_code(error, NO_INPUT),
            _ => error.into(),
        }
    }

    /// Text on standard error; with `--json` also an object on standard output, which is all that is there.
    pub(crate) fn print(&self, as_json: bool) -> ExitCode {
        let mut text = format!("error: {}\n", clean(&redact(&self.error.to_string())));
        let mut cause = std::error::Error::source(&self.error);
        while let Some(error) = cause {
            // Some messages hold their cause's text already.
            let line = clean(&redact(&error.to_string()));
            if !text.contains(&line) {
                text.push_str(&format!("cause: {line}\n"));
            }
            cause = error.source();
        }
        if let Some(hint) = self.error.hint() {
            text.push_str(&format!("hint: {}\n", clean(&redact(hint))));
        }
        let _ = std::io::stderr().write_all(text.as_bytes());
        if as_json {
            let _ = write_out(&json::error(&self.error, redact));
        }
        ExitCode::from(self.code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::Corrupt | ErrorKind::Syntax => DATA,
            ErrorKind::Config => USAGE,
            ErrorKind::Unsupported => UNAVAILABLE,
            ErrorKind::Conflict => CONFLICT,
            ErrorKind::Database => WAREHOUSE,
            ErrorKind::NotConserved => NOT_CONSERVED,
            ErrorKind::TooManyQuarantined => QUARANTINED,
            _ => IO,
        };
        Failure { error, code }
    }
}

/// Ends on arguments that cannot be read, or on `--help` and `--version`.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind as Kind;
    if matches!(error.kind(), Kind::DisplayHelp | Kind::DisplayVersion) {
        let _ = error.print();
        return ExitCode::from(OK);
    }
    let text = redact(&error.render().to_string());
    let _ = std::io::stderr().write_all(text.as_bytes());
    if std::env::args_os().any(|argument| argument == "--json") {
        let _ = write_out(&json::error(&in_short(&text), redact));
    }
    ExitCode::from(USAGE)
}

/// What is printed of wrong arguments as one line, with how the command is called as its hint.
///
/// The first paragraph says what is wrong; the arguments that it is about stand on lines of their own, set in. A tip may follow.
fn in_short(text: &str) -> Error {
    let mut lines = text.lines().map(str::trim_end);
    let first = lines.by_ref().take_while(|line| !line.is_empty()).map(str::trim).collect::<Vec<_>>();
    let message = match first.split_first() {
        Some((first, [])) => (*first).to_owned(),
        Some((first, more)) => format!("{} {}", first, more.join(", ")),
        None => String::new(),
    };
    let error = Error::config(message.strip_prefix("error: ").unwrap_or(&message));
    let hints: Vec<&str> =
        lines.map(str::trim).filter(|line| ["tip: ", "Usage: "].iter().any(|mark| line.starts_with(mark))).collect();
    if hints.is_empty() { error } else { error.with_hint(hints.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_arguments_are_told_in_one_line_with_all_that_they_are_about() {
        let text = "error: the following required arguments were not provided:\n  --to <URL>\n  --table <TABLE>\n\n\
                    Usage: longshore promote --to <URL> --table <TABLE> <PATH>...\n\nFor more information, try '--help'.\n";
        let error = in_short(text);
        let message = "the following required arguments were not provided: --to <URL>, --table <TABLE>";
        assert_eq!(error.message(), message);
        assert_eq!(error.hint(), Some("Usage: longshore promote --to <URL> --table <TABLE> <PATH>..."));
        assert_eq!(in_short("error: no\n").message(), "no");
    }

    #[test]
    fn every_kind_of_error_has_its_code() {
        let code = |kind| Failure::from(Error::new(kind, "x")).code;
        assert_eq!(code(ErrorKind::Corrupt), 65);
        assert_eq!(code(ErrorKind::NotConserved), 4);
        assert_eq!(code(ErrorKind::Io), 74);
        assert_eq!(Failure::of_input(Error::new(ErrorKind::Io, "x")).code, 66);
        assert_eq!(Failure::of_input(Error::config("x")).code, 64);
    }
}

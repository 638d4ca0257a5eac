//! Points at which a test makes a step fail. Without the feature `failpoints` they are nothing at all.
//!
//! A point is named after its layer and its step, as `copy.rows`, and stands before the step. `FAILPOINTS` says what
//! happens there, in the words of the crate `fail`: `copy.rows=2*off->1*return(kill)` kills the process at the third
//! batch of rows. The words in the brackets are `error`, `temporary`, `panic` and `kill`. `tests/faults` fails every point
//! at its first, second, third … hit.

use crate::error::Result;

/// Passes, unless a test wants it to fail.
///
/// # Errors
///
/// What the test asked for; none without the feature.
#[cfg(feature = "failpoints")]
pub(crate) fn point(name: &'static str) -> Result<()> {
    fail::fail_point!(name, |how| wanted::happen(name, how.as_deref()));
    Ok(())
}

/// Passes.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn point(_: &'static str) -> Result<()> {
    Ok(())
}

#[cfg(feature = "failpoints")]
mod wanted {
    use std::io::Write;
    use std::process::Command;

    use crate::error::{Error, ErrorKind, Result};

    /// Where it is written down, one line each, that a point has failed: a process that is killed cannot say so.
    const LOG: &str = "LONGSHORE_FAILPOINTS_LOG";

    pub(super) fn happen(name: &str, how: Option<&str>) -> Result<()> {
        if let Some(log) = std::env::var_os(LOG) {
            let log = std::fs::OpenOptions::new().create(true).append(true).open(log);
            let written = log.and_then(|mut log| writeln!(log, "{name}"));
            written.map_err(|cause| Error::io("writing the log of failpoints", cause))?;
        }
        match how {
            Some("panic") => panic!("failpoint {name}"),
            Some("kill") => {
                // The signal that cannot be caught: nothing is dropped, flushed or said.
                let _ = Command::new("kill").args(["-KILL", &std::process::id().to_string()]).status();
                loop {
                    std::thread::park();
                }
            }
            how => Err(Error::new(ErrorKind::Io, format!("failpoint {name}")).with_temporary(how == Some("temporary"))),
        }
    }
}

/// Sets up what `FAILPOINTS` says, for as long as the value lives. Without the feature there is nothing to set up.
#[cfg(feature = "failpoints")]
#[doc(hidden)]
pub fn from_environment() -> impl Drop {
    fail::FailScenario::setup()
}

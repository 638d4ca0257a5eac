//! The guarantee under faults: whatever goes wrong, in the end every record is a row or in quarantine, exactly once.
//!
//! `docs/faults.md` lists each fault with its outcome and its test. Short by default; `LONGSHORE_FULL=1`, as set by
//! `scripts/faults --full`, runs every loop at its full length.
#![cfg(all(unix, feature = "postgres"))]

#[cfg(feature = "tls")]
#[path = "../support/authority.rs"]
mod authority;
#[path = "../support/drift.rs"]
mod drift;
#[path = "../support/drift_stream.rs"]
mod drift_stream;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/mod.rs"]
mod support;

mod child;
mod clocks;
mod crashes;
mod drifting;
mod elements;
mod gone;
mod inputs;
mod kills;
mod known;
mod memory;
mod network;
mod refusals;
mod replays;
mod resources;
mod rivals;
mod rows;
mod secrets;
mod server;
mod steps;
#[cfg(feature = "tls")]
mod tls;
mod versions;

/// How often a loop runs: the first number by default, the second in full.
pub(crate) fn times(short: u64, full: u64) -> u64 {
    if is_full() { full } else { short }
}

/// Says that a test is left out, for this machine has not what it needs. In full that is a failure: whoever asks for everything
/// is not to take a test that was not run for one that has passed.
pub(crate) fn leave_out(why: &str) {
    assert!(!is_full(), "a test cannot be run here: {why}");
    println!("left out: {why}");
}

/// Whether everything is to be run at its full length.
pub(crate) fn is_full() -> bool {
    std::env::var_os("LONGSHORE_FULL").is_some_and(|value| value != "0")
}

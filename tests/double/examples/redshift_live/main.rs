//! Runs the conformance suite on a live Redshift, and asks it the facts that nobody here could check.
//!
//! ```sh
//! LONGSHORE_REDSHIFT_URL='redshift://user@cluster:5439/dev' PGPASSWORD=… \
//! LONGSHORE_REDSHIFT_STAGING='s3://bucket/prefix' LONGSHORE_REDSHIFT_ROLE='arn:aws:iam::…:role/…' \
//!     cargo run --release -p longshore-redshift-double --example redshift_live
//! ```
//!
//! Everything happens in a schema of its own, which is dropped at the end. It exits with 0 if every promise is kept, 1 if
//! one is not, and 64 if it is not told where to run.

mod asked;
#[path = "../../tests/it/conformance/mod.rs"]
mod conformance;
mod facts;
mod place;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use place::{Live, Settings};

fn main() -> ExitCode {
    let settings = match Settings::from_env() {
        Ok(settings) => settings,
        Err(missing) => {
            eprintln!("error: {missing}");
            eprintln!(
                "hint: set LONGSHORE_REDSHIFT_URL, LONGSHORE_REDSHIFT_STAGING and LONGSHORE_REDSHIFT_ROLE (or `default`)"
            );
            return ExitCode::from(64);
        }
    };
    let mut live = match Live::connect(settings) {
        Ok(live) => live,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(5);
        }
    };
    println!("| fact | what the server says |\n|---|---|");
    for (fact, ask) in facts::FACTS {
        println!("| {fact} | {} |", one_line(&ask(&mut live)));
    }
    println!("\n| promise | kept |\n|---|---|");
    let mut broken = 0;
    for (name, promise) in conformance::PROMISES {
        let kept = catch_unwind(AssertUnwindSafe(|| promise(&mut live))).is_ok();
        broken += usize::from(!kept);
        println!("| {name} | {} |", if kept { "yes" } else { "**no**" });
    }
    live.clean_up();
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// An answer in a cell of a table.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ").replace('|', "\\|")
}

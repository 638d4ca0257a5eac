//! A loader in a process of its own, which may fail, panic or be killed.

use std::process::{Command, Stdio};

use longshore::{Loader, ReadOptions, Source, StreamOptions};

use crate::known;

const WORK: &str = "LONGSHORE_TEST_WORK";
const URL: &str = "LONGSHORE_TEST_URL";
/// Of a load the file, of a stream the number of records.
const INPUT: &str = "LONGSHORE_TEST_INPUT";

/// Lines of a batch of the child's stream.
pub(crate) const BATCH: u64 = 1000;

/// What a child does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Work {
    /// Loads a file.
    Load,
    /// Loads a file with its arrays as child tables.
    Elements,
    /// Loads what comes through a pipe.
    Pipe,
    /// Streams known records from where the table is.
    Stream,
    /// Streams the long drift stream from where the table is; the input is the size of a batch.
    Drift,
    /// Merges ever new versions of orders, each with its items, from where the table is; the input is the number of them.
    Versions,
    /// Replays the quarantine of orders with items.
    Replay,
    /// Streams so many small records, and says how much memory it has meanwhile.
    Endless,
}

/// A command that does this work. What it says goes nowhere.
pub(crate) fn child(work: Work, url: &str, input: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child::that_may_fail", "--nocapture"]);
    command.env(WORK, format!("{work:?}")).env(URL, url).env(INPUT, input);
    command.env_remove("FAILPOINTS").env_remove("RUST_BACKTRACE").stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Not a test of its own: what the others run.
#[test]
fn that_may_fail() {
    let Ok(work) = std::env::var(WORK) else { return };
    let (url, input) = (std::env::var(URL).unwrap(), std::env::var(INPUT).unwrap());
    #[cfg(feature = "failpoints")]
    let _points = longshore::failpoints_from_environment();
    let loader = Loader::new(&url).table("t").read(ReadOptions::default().chunk_bytes(16 << 10));
    match work.as_str() {
        "Stream" => {
            let mut stream = Loader::new(&url).table("t").open_with(StreamOptions::default().max_rows(BATCH)).unwrap();
            known::feed(&mut stream, input.parse().unwrap()).unwrap();
        }
        "Drift" => {
            let mut stream = crate::drifting::open(&url);
            let from = stream.committed("drift").unwrap().unwrap_or(0);
            crate::drifting::batches(input.parse().unwrap(), |bytes, position| {
                if position > from {
                    stream.write(bytes, longshore::Offset::new("drift", position)).unwrap();
                    stream.commit().unwrap();
                }
            });
        }
        "Versions" => crate::versions::feed(&url, input.parse().unwrap()),
        "Elements" => crate::elements::load(loader, &input),
        "Replay" => crate::replays::replay(&url),
        "Endless" => crate::memory::stream(&url, input.parse().unwrap()),
        "Pipe" => drop(loader.load(Source::stdin()).unwrap_or_else(|error| panic!("{error} / {:?}", error.hint()))),
        _ => drop(loader.load(Source::path(input)).unwrap_or_else(|error| panic!("{error} / {:?}", error.hint()))),
    }
}

//! A run of the command, cut at every call.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use longshore_power::{Call, Cut, Disk, Tree, lay_down, read, record};

/// Whether every state is to be looked at.
fn is_full() -> bool {
    std::env::var_os("LONGSHORE_FULL").is_some_and(|value| value != "0")
}

/// What the disk may hold.
pub(crate) struct State {
    pub(crate) tree: Tree,
    /// Whether the command had ended with success, so that nothing of what it was asked for may be missing.
    pub(crate) acknowledged: bool,
    /// Whether something had been renamed by then.
    late: bool,
    /// For messages.
    pub(crate) what: String,
}

/// The command in front of a folder, `{}` in its arguments. Succeeds, or panics with what it says.
pub(crate) fn run(arguments: &[&str], folder: &Path) {
    let output = command(arguments, folder).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{arguments:?} says: {}", String::from_utf8_lossy(&output.stderr));
}

fn command(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
    let folder = folder.to_str().unwrap();
    command.args(arguments.iter().map(|argument| argument.replace("{}", folder)));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Records a run in a folder and its continuation in further ones, each of which may be killed behind a number of its calls.
/// The last one must succeed. Returns the disk in front of it all, and the calls.
fn recorded(arguments: &[&str], folder: &Path, kills: &[usize]) -> (Disk, Vec<Call>) {
    let before = Disk::new(folder).unwrap();
    let mut calls = Vec::new();
    for kill in kills.iter().copied().map(Some).chain([None]) {
        let recording = record(&mut command(arguments, folder), folder, kill).unwrap();
        assert_eq!(recording.code, kill.map_or(Some(0), |_| None), "{arguments:?} behind {kill:?}: {calls:?}");
        calls.extend(recording.calls);
    }
    let mut after = before.clone();
    calls.iter().for_each(|call| after.apply(call));
    assert!(after.cut(Cut::Everything) == read(folder).unwrap(), "a call was not recorded: {calls:?}");
    (before, calls)
}

/// Every state in which a cut may leave the folder during this run and right behind it, each once.
pub(crate) fn states(arguments: &[&str], folder: &Path) -> Vec<State> {
    let (disk, calls) = recorded(arguments, folder, &[]);
    assert!(calls.len() > 10, "{calls:?}");
    let mut found = Found::default();
    found.cut_everywhere(disk, &calls, 0, "");
    found.sample()
}

/// The states that a cut may leave while a run that was killed is done again, and behind that: a name that the first run made
/// and the second one finds is none that is on the disk.
pub(crate) fn states_behind_kills(arguments: &[&str], prepare: &dyn Fn() -> tempfile::TempDir) -> Vec<State> {
    let made = recorded(arguments, prepare().path(), &[]).1;
    let mut found = Found::default();
    for kill in 1..=made.len() {
        // What matters most happens at the end, and right behind a name was given.
        let matters = made.len() - kill < 12 || is_name(&made[kill - 1]);
        if !is_full() && !matters && !kill.is_multiple_of(12) {
            continue;
        }
        let folder = prepare();
        let (disk, calls) = recorded(arguments, folder.path(), &[kill]);
        found.cut_everywhere(disk, &calls, kill, &format!(", killed behind {kill}"));
    }
    found.sample()
}

/// States, each once.
#[derive(Default)]
struct Found {
    states: Vec<State>,
    seen: BTreeSet<(Tree, bool)>,
}

impl Found {
    /// Adds the states behind each call from the one of number `from` on.
    fn cut_everywhere(&mut self, mut disk: Disk, calls: &[Call], from: usize, what: &str) {
        let mut late = false;
        for done in 0..=calls.len() {
            let last = done.checked_sub(1).map(|last| &calls[last]);
            if let Some(call) = last {
                disk.apply(call);
                late |= is_name(call);
            }
            if done < from {
                continue;
            }
            let acknowledged = done == calls.len();
            let seeds = if is_full() || late { 16 } else { 2 };
            let some = (0..seeds).map(|seed| Cut::Some(seed + 1000 * done as u64));
            for cut in [Cut::Nothing, Cut::Everything, Cut::Names, Cut::Contents].into_iter().chain(some) {
                let tree = disk.cut(cut);
                if self.seen.insert((tree.clone(), acknowledged)) {
                    let what = format!("{cut:?} behind call {done}{what}: {:?}", last.map(summary));
                    self.states.push(State { tree, acknowledged, late, what });
                }
            }
        }
    }

    /// Some of the states, most of them from behind the first rename, for there old and new stand side by side.
    fn sample(self) -> Vec<State> {
        let count = |late: bool| self.states.iter().filter(|state| state.late == late).count();
        let each = |late: bool, wanted: usize| if is_full() { 1 } else { count(late).div_ceil(wanted).max(1) };
        let (each, mut nth) = ([each(false, 15), each(true, 300)], [0_usize; 2]);
        let found = self.states.len();
        let sampled: Vec<State> = self
            .states
            .into_iter()
            .filter(|state| {
                let late = usize::from(state.late);
                nth[late] += 1;
                state.acknowledged || nth[late].is_multiple_of(each[late])
            })
            .collect();
        println!("{found} states, {} of them looked at", sampled.len());
        sampled
    }
}

/// An empty folder, in memory where that is possible: the loader syncs a lot, and here no power is ever cut.
pub(crate) fn empty() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A state as files.
pub(crate) fn rebuilt(state: &State) -> tempfile::TempDir {
    let folder = empty();
    lay_down(&state.tree, folder.path()).unwrap();
    folder
}

/// Whether something got its name by this call that it was made under another one.
fn is_name(call: &Call) -> bool {
    matches!(call, Call::Rename(..) | Call::Link(..))
}

fn summary(call: &Call) -> String {
    match call {
        Call::Write(path, at, bytes) => format!("write {} bytes at {at} of {}", bytes.len(), path.display()),
        other => format!("{other:?}"),
    }
}

/// The names in a folder; none if it is not there.
pub(crate) fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

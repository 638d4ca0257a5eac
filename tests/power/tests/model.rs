//! The recorder misses nothing, and the model of the disk keeps what was synced and no more.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use longshore_power::{Call, Cut, Disk, Tree, read, record};

fn sh(script: &str, folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Runs a script, and holds what the model says that files now are against what they are.
fn run(script: &str, folder: &Path) -> (Disk, Vec<Call>) {
    let mut disk = Disk::new(folder).unwrap();
    let recording = record(&mut sh(script, folder), folder, None).unwrap();
    assert_eq!(recording.code, Some(0), "{:?}", recording.calls);
    recording.calls.iter().for_each(|call| disk.apply(call));
    assert!(disk.cut(Cut::Everything) == read(folder).unwrap(), "{:?}", recording.calls);
    (disk, recording.calls)
}

fn names(tree: &Tree) -> BTreeSet<&str> {
    tree.keys().map(|path| path.to_str().unwrap()).collect()
}

#[test]
fn what_programs_do_to_files_is_written_down_whole() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("old"), "before").unwrap();
    let script = "mkdir -p a/b && printf one >a/b/x && printf two >>a/b/x && cp a/b/x y && mv y z && ln z w && \
                  printf new >old && dd if=/dev/zero of=hole bs=10 count=1 seek=3 status=none && truncate -s 5 hole && \
                  (printf child >from-child) && rm z && mkdir gone && rmdir gone && rm -r a && printf long >c && sync c .";
    let (_, calls) = run(script, folder.path());
    let count = |is: fn(&Call) -> bool| calls.iter().filter(|call| is(call)).count();
    assert_eq!(count(|call| matches!(call, Call::Sync(_))), 2, "{calls:?}");
    assert_eq!(count(|call| matches!(call, Call::MakeFolder(_))), 3, "{calls:?}");
    assert_eq!(count(|call| matches!(call, Call::Link(..))), 1, "{calls:?}");
}

#[test]
fn what_was_not_synced_may_be_there_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, _) =
        run("printf kept >a && sync a . && printf lost >>a && printf b >b && mkdir c && printf d >c/d", folder.path());
    let nothing = disk.cut(Cut::Nothing);
    assert_eq!((names(&nothing), &nothing[Path::new("a")]), (BTreeSet::from(["a"]), &Some(b"kept".to_vec())));
    let named = disk.cut(Cut::Names);
    assert_eq!((names(&named), &named[Path::new("b")]), (BTreeSet::from(["a", "b", "c", "c/d"]), &Some(Vec::new())));
    let contents = disk.cut(Cut::Contents);
    assert_eq!((names(&contents), &contents[Path::new("a")]), (BTreeSet::from(["a"]), &Some(b"keptlost".to_vec())));
    let some: Vec<Tree> = (0..200).map(|seed| disk.cut(Cut::Some(seed))).collect();
    let found = |path: &str| some.iter().filter_map(|tree| tree.get(Path::new(path))).collect::<BTreeSet<_>>();
    let text = |text: &str| Some(text.as_bytes().to_vec());
    let of_a = ["kept", "keptl", "keptlo", "keptlos", "keptlost", "kept\0\0\0\0"].map(text);
    assert_eq!(found("a"), of_a.iter().collect());
    assert_eq!(found("b"), [text(""), text("b"), text("\0")].iter().collect());
    assert!(some.iter().any(|tree| names(tree) == BTreeSet::from(["a"])));
}

#[test]
fn a_name_is_only_sure_once_its_own_folder_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, _) = run("mkdir a && printf x >a/x && sync a/x a", folder.path());
    assert_eq!(disk.cut(Cut::Nothing), Tree::new());
    let (disk, _) = run("sync . && mv a/x a/y", folder.path());
    assert_eq!(names(&disk.cut(Cut::Nothing)), BTreeSet::from(["a", "a/x"]));
    assert_eq!(names(&disk.cut(Cut::Everything)), BTreeSet::from(["a", "a/y"]));
    let either: BTreeSet<_> =
        (0..50).map(|seed| disk.cut(Cut::Some(seed)).keys().cloned().collect::<Vec<_>>()).collect();
    assert_eq!(either.len(), 2, "a rename is done or not: {either:?}");
}

#[test]
fn a_command_can_be_killed_behind_any_of_its_calls() {
    for calls in 1..=3 {
        let folder = tempfile::tempdir().unwrap();
        let mut command = sh("mkdir a; mkdir b; mkdir c; mkdir d", folder.path());
        // A shell makes no folder by itself, and its child outlives it no longer than it takes to be noticed.
        let recording = record(&mut command, folder.path(), Some(calls)).unwrap();
        assert_eq!(recording.code, None);
        let made: Vec<PathBuf> = ["a", "b", "c"][..calls].iter().map(PathBuf::from).collect();
        assert_eq!(read(folder.path()).unwrap().into_keys().collect::<Vec<_>>(), made);
    }
}

#[test]
fn a_call_that_the_model_does_not_know_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = record(&mut sh("ln -s a b; sleep 60", folder.path()), folder.path(), None).unwrap_err();
    assert!(error.to_string().contains("symlink"), "{error}");
}

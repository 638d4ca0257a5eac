//! Disks that are full, memory and file handles that run out.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use longshore::{ErrorKind, Loader, Source, StreamObserver, StreamOptions};

use crate::child::{Work, child};
use crate::server::Server;
use crate::support::{count, database, exists};
use crate::{is_full, known};

/// A small file system of its own, if this user may make one.
#[derive(Debug)]
struct Small {
    folder: tempfile::TempDir,
}

impl Small {
    fn new(size: &str) -> Option<Self> {
        let small = Small { folder: tempfile::tempdir().unwrap() };
        let mounted = small.mount(&format!("size={size}"));
        if !mounted {
            crate::leave_out("this user may not mount a file system");
        }
        mounted.then_some(small)
    }

    fn mount(&self, options: &str) -> bool {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(self.path()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    fn grow(&self, size: &str) {
        assert!(self.mount(&format!("remount,size={size}")));
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).stderr(Stdio::null()).status();
    }
}

/// The output of a child on standard error, and whether it went through.
fn run(mut command: Command, stdin: Option<&Path>) -> (bool, String) {
    if let Some(file) = stdin {
        command.stdin(std::fs::File::open(file).unwrap());
    }
    let output = command.stderr(Stdio::piped()).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn file_of(folder: &Path, records: i64) -> PathBuf {
    let file = folder.join("known.ndjson");
    std::fs::write(&file, known::lines(0..records)).unwrap();
    file
}

#[test]
fn a_full_disk_on_our_side_is_named_and_the_load_goes_through_once_there_is_room() {
    let Some(small) = Small::new("1m") else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = file_of(folder.path(), 60_000);
    let (url, mut client) = database();
    let pipe = || {
        let mut command = child(Work::Pipe, &url, "");
        command.env("TMPDIR", small.path());
        // Through a pipe, so that it must be spooled.
        let mut cat = Command::new("cat").arg(&file).stdout(Stdio::piped()).spawn().unwrap();
        command.stdin(cat.stdout.take().unwrap()).stderr(Stdio::piped());
        let output = command.output().unwrap();
        // With it goes the end of the pipe that `cat` may still write to.
        drop(command);
        let _ = cat.wait();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (through, said) = pipe();
    assert!(!through && said.contains("No space left on device") && said.contains("TMPDIR"), "{said}");
    assert!(!exists(&mut client, "t"));
    assert_eq!(std::fs::read_dir(small.path()).unwrap().count(), 0, "a temporary file is left");
    small.grow("64m");
    assert!(pipe().0);
    known::check(&mut client, 60_000);
}

#[cfg(feature = "parquet")]
#[test]
fn a_full_disk_under_a_folder_leaves_the_loads_before_and_nothing_of_this_one() {
    let Some(small) = Small::new("512k") else { return };
    let out = small.path().join("out");
    let load = |records: i64| {
        Loader::new(format!("dir:{}", out.display())).table("t").load(Source::bytes(known::lines(0..records)))
    };
    let first = load(100).unwrap();
    let error = load(200_000).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(error.message().contains(small.path().to_str().unwrap()), "it names the place: {error}");
    let loads =
        || std::fs::read_dir(out.join("t")).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(loads(), [first.load_id.as_str()], "the first load, and nothing of the second");
    small.grow("256m");
    load(200_000).unwrap();
    assert_eq!(loads().len(), 2);
}

#[test]
fn a_full_disk_on_the_servers_side_rolls_back_and_is_tried_again_until_there_is_room() {
    let Some(small) = Small::new("2m") else { return };
    let server = Server::start();
    let mut client = server.client();
    let place = small.path().join("space");
    std::fs::create_dir(&place).unwrap();
    server.give(&place);
    std::fs::set_permissions(small.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    client.batch_execute(&format!("CREATE TABLESPACE small LOCATION '{}'", place.display())).unwrap();
    client.batch_execute("CREATE TABLE t (a bigint, s text, late bigint) TABLESPACE small").unwrap();
    let open = |options| Loader::new(server.url()).table("t").open_with(options).unwrap();
    let mut loader = open(StreamOptions::default().retry_for(Duration::ZERO));
    known::feed(&mut loader, 1_000).unwrap();
    let error = known::feed(&mut loader, 90_000).unwrap_err();
    assert!(error.message().contains("(SQLSTATE 53100)") && error.hint().is_some(), "{error}");
    assert_eq!(count(&mut client, "t"), 989, "nothing of the batch");
    drop(loader);
    let makes_room = Arc::new(MakesRoom { small, done: AtomicBool::new(false) });
    known::feed(&mut open(StreamOptions::default().observer(makes_room.clone())), 90_000).unwrap();
    assert!(makes_room.done.load(Ordering::Relaxed), "the disk was not full");
    known::check(&mut client, 90_000);
}

/// Somebody who looks after a full disk when the stream says that it tries again.
#[derive(Debug)]
struct MakesRoom {
    small: Small,
    done: AtomicBool,
}

impl StreamObserver for MakesRoom {
    fn retrying(&self, _: &longshore::Error, _: Duration) {
        if !self.done.swap(true, Ordering::Relaxed) {
            self.small.grow("64m");
        }
    }
}

/// The same command under limits that the shell sets.
fn limited(limits: &str, plain: &Command) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits}; exec \"$0\" \"$@\"")]).arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdout(Stdio::null());
    command
}

#[test]
fn few_file_handles_are_enough_or_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let input = file_of(folder.path(), 2_000).display().to_string();
    // What the test's own runner has left open would count too.
    let alone = "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-";
    for (handles, enough) in [(32, true), (16, true), (8, true), (7, false), (6, false)] {
        let (url, mut client) = database();
        let limits = format!("{alone}; ulimit -n {handles}");
        let (through, said) = run(limited(&limits, &child(Work::Load, &url, &input)), None);
        assert!(through || !enough, "{handles}: {said}");
        if !through {
            assert!(
                said.contains("Too many open files") || said.contains("loading shared libraries"),
                "{handles}: {said}"
            );
            assert!(child(Work::Load, &url, &input).status().unwrap().success());
        }
        known::check(&mut client, 2_000);
    }
}

#[test]
fn memory_is_bounded_whatever_the_size_of_the_input() {
    let folder = tempfile::tempdir().unwrap();
    // Records of about 40 bytes; 400 MiB of address space hold the program, its threads' stacks and its buffers. In full the input
    // is twice as large as that.
    let records = if is_full() { 20_000_000 } else { 600_000 };
    let file = folder.path().join("known.ndjson");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&file).unwrap());
    for i in 0..records {
        std::io::Write::write_all(&mut out, known::line(i).as_bytes()).unwrap();
    }
    drop(out);
    let (url, mut client) = database();
    let command = child(Work::Load, &url, &file.display().to_string());
    let (through, said) = run(limited("ulimit -v 409600", &command), None);
    assert!(through, "{said}");
    let bad = (0..records).filter(|i| i % 97 == 0).count() as i64;
    assert_eq!((count(&mut client, "t"), count(&mut client, "_longshore_quarantine")), (records - bad, bad));
}

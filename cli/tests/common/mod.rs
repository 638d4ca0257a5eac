//! Running the command, as a shell would.
#![allow(dead_code, reason = "not every test that shares this file uses all of it")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a run left behind.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Standard output, all of it, as one JSON object.
    pub(crate) fn json(&self) -> Value {
        let value = serde_json::from_str(&self.stdout);
        value.unwrap_or_else(|error| panic!("{error}\nstdout: {}\nstderr: {}", self.stdout, self.stderr))
    }
}

/// The repository, from which fixtures are named.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the command is a folder of the repository").to_path_buf()
}

/// Runs `longshore` in the repository's folder with no standard input.
pub(crate) fn longshore(args: &[&str]) -> Run {
    longshore_with(args, b"")
}

/// Runs `longshore` with something on standard input.
pub(crate) fn longshore_with(args: &[&str], stdin: &[u8]) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_longshore"))
        .args(args)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut pipe = child.stdin.take().expect("standard input is a pipe");
    let input = stdin.to_vec();
    // It may end without reading, so that a broken pipe here is nothing.
    let writer = std::thread::spawn(move || pipe.write_all(&input).ok());
    let output = child.wait_with_output().expect("the command ends");
    writer.join().expect("writing does not panic");
    Run {
        code: output.status.code().expect("the command was not killed"),
        stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
    }
}

/// Compares with a file in `tests/golden`; `UPDATE_GOLDEN=1` writes it anew.
pub(crate) fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE_GOLDEN=1 writes it", path.display()));
    assert!(golden == text, "{} differs; UPDATE_GOLDEN=1 writes it anew. It is now:\n{text}", path.display());
}

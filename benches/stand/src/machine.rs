//! What the measurements were made on and with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Failure;

/// The machine and the versions of everything that took part.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) system: String,
    pub(crate) rustc: String,
    /// The commit of longshore.
    pub(crate) commit: String,
    /// The allocator of the programs in Rust.
    pub(crate) allocator: String,
    /// The load of the last minute at the start: how busy others kept the machine.
    pub(crate) load: String,
    pub(crate) versions: BTreeMap<String, String>,
}

/// The crates whose versions are worth telling.
const CRATES: [&str; 8] =
    ["arrow-csv", "arrow-json", "genson-rs", "parquet", "pgpq", "serde_json", "simd-csv", "simd-json"];

impl Machine {
    pub(crate) fn look(python: Option<&Path>) -> Self {
        let mut versions = crates(include_str!("../Cargo.lock"));
        if let Some(python) = python {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers.py");
            let answer = said(Command::new(python).arg(script).arg("versions"));
            versions.extend(serde_json::from_str::<BTreeMap<String, String>>(&answer).unwrap_or_default());
        }
        let line = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map(|(_, value)| value.trim().to_string()).unwrap_or_default()
        };
        let memory = line("/proc/meminfo", "MemTotal");
        let kilobytes: u64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let folder = env!("CARGO_MANIFEST_DIR");
        Machine {
            cpu: line("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_gib: (kilobytes + (1 << 19)) >> 20,
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            rustc: said(Command::new("rustc").arg("--version")),
            commit: said(Command::new("git").args(["-C", folder, "rev-parse", "--short=12", "HEAD"])),
            // genson-rs installs it for the whole process.
            allocator: if cfg!(feature = "genson") { "mimalloc" } else { "system" }.to_string(),
            load: load.split(' ').next().unwrap_or_default().to_string(),
            versions,
        }
    }
}

/// The first line that a program prints, nothing if it fails.
fn said(command: &mut Command) -> String {
    let output = command.output().ok().filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_string()
}

/// The versions of [`CRATES`] in a lock file; of several, the highest, which is the one used directly.
fn crates(lock: &str) -> BTreeMap<String, String> {
    let quoted = |line: &str, key: &str| Some(line.strip_prefix(key)?.trim_matches('"').to_string());
    let mut versions = BTreeMap::new();
    let mut name = String::new();
    for line in lock.lines() {
        if let Some(found) = quoted(line, "name = ") {
            name = found;
        } else if let Some(version) = quoted(line, "version = ")
            && CRATES.contains(&name.as_str())
        {
            // A lock file lists the versions of one package in ascending order.
            versions.insert(name.clone(), version);
        }
    }
    versions
}

/// An interpreter with the packages of `requirements.txt`, made at the first call.
pub(crate) fn python(folder: &Path) -> Result<PathBuf, Failure> {
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("requirements.txt");
    let wanted = fs::read_to_string(&requirements)?;
    let (python, stamp) = (folder.join("bin/python"), folder.join("requirements.txt"));
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    eprintln!("installing the Python peers into {}", folder.display());
    run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements))?;
    fs::write(stamp, wanted)?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), Failure> {
    match command.status()?.success() {
        true => Ok(()),
        false => Err(format!("{command:?} failed; --no-python leaves the Python peers out").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lock_file() {
        let lock = "[[package]]\nname = \"simd-json\"\nversion = \"0.13.1\"\n\n[[package]]\nname = \"simd-json\"\nversion = \"0.19.0\"\n\n[[package]]\nname = \"other\"\nversion = \"9.9.9\"\n";
        assert_eq!(crates(lock).into_iter().collect::<Vec<_>>(), [("simd-json".into(), "0.19.0".into())]);
        assert!(crates(include_str!("../Cargo.lock")).contains_key("arrow-json"));
    }
}

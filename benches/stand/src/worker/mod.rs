//! One job by one party on one file, in a process of its own.

mod arrow;
mod copy;
mod csv;
pub(crate) mod json;
pub(crate) mod longshore;
mod stages;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use memchr::memrchr;

use crate::Failure;

/// What to do.
pub(crate) struct Task {
    party: String,
    job: String,
    file: PathBuf,
    threads: usize,
    /// A file or folder to write to, which does not exist.
    out: PathBuf,
}

impl Task {
    /// `PARTY JOB FILE THREADS OUT`.
    fn parse(arguments: &[String]) -> Result<Task, Failure> {
        let [party, job, file, threads, out] = arguments else {
            return Err("a worker takes PARTY JOB FILE THREADS OUT".into());
        };
        let (party, job) = (party.clone(), job.clone());
        Ok(Task { party, job, file: file.into(), threads: threads.parse()?, out: out.into() })
    }
}

/// Does the job and prints one line of JSON with what it took.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let task = Task::parse(arguments)?;
    if task.job == "stages" {
        println!("{}", serde_json::to_string(&stages::run(&task.file)?)?);
        return Ok(());
    }
    let measured = match (task.party.as_str(), task.job.as_str()) {
        ("longshore", "infer") => longshore::infer(&task),
        ("longshore", "decode") => longshore::decode(&task),
        ("longshore", "parquet") => longshore::parquet(&task),
        ("longshore", "copy") => copy::longshore(&task),
        ("pgpq", "copy") => copy::pgpq(&task),
        ("arrow-json", "infer") => arrow::infer_json(&task),
        ("arrow-json", "decode") => arrow::decode_json(&task),
        ("arrow-json + parquet", "parquet") => arrow::parquet(&task),
        ("arrow-csv", "infer") => arrow::infer_csv(&task),
        ("arrow-csv", "decode") => arrow::decode_csv(&task),
        ("simd-json tape", "infer") => json::tape(&task),
        ("serde_json::Value", "infer") => json::value(&task),
        ("simd-csv split", "infer") => csv::split(&task),
        #[cfg(feature = "genson")]
        ("genson-rs", "infer") => json::genson(&task),
        (party, job) => Err(format!("{party} cannot do {job}").into()),
    }?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

/// Bytes that the parties without a reader of their own read at once.
const BLOCK: usize = 1 << 20;

fn open(path: &Path) -> Result<BufReader<File>, Failure> {
    Ok(BufReader::with_capacity(BLOCK, File::open(path)?))
}

/// Reads a file in blocks of whole lines. Each comes with at least `padding` bytes behind it, of no meaning.
fn blocks(
    path: &Path,
    padding: usize,
    mut each: impl FnMut(&mut [u8], usize) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut file = File::open(path)?;
    let (mut buffer, mut filled) = (vec![0; BLOCK + padding], 0);
    loop {
        let room = buffer.len() - padding;
        if filled == room {
            buffer.resize(2 * room + padding, 0);
            continue;
        }
        let read = file.read(&mut buffer[filled..room])?;
        filled += read;
        let whole = match memrchr(b'\n', &buffer[..filled]) {
            _ if read == 0 => filled,
            Some(at) => at + 1,
            None => continue,
        };
        // What is behind the last line is saved from what a parser does to its padding.
        let rest = buffer[whole..filled].to_vec();
        each(&mut buffer, whole)?;
        buffer[..rest.len()].copy_from_slice(&rest);
        filled = rest.len();
        if read == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole_lines_and_all_of_the_file() {
        let path = std::env::temp_dir().join(format!("longshore-stand-blocks-{}", std::process::id()));
        let mut text: Vec<u8> = (0..200_000).flat_map(|i| format!("line {i}\n").into_bytes()).collect();
        // A line that is longer than a block, and one without an end.
        text.extend(std::iter::repeat_n(b'x', 3 * BLOCK));
        text.extend(b"\nlast");
        std::fs::write(&path, &text).unwrap();
        let mut read = Vec::new();
        blocks(&path, 64, |block, whole| {
            assert!(block.len() >= whole + 64);
            assert!(whole == 0 || block[whole - 1] == b'\n' || block[..whole].ends_with(b"last"));
            read.extend_from_slice(&block[..whole]);
            block[whole..whole + 64].fill(0);
            Ok(())
        })
        .unwrap();
        std::fs::remove_file(path).unwrap();
        assert!(read == text);
    }
}

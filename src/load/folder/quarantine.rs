//! Records that did not become rows, one JSON object per line.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::batch::Misfit;
use crate::error::{Error, Result};

pub(super) struct Quarantine {
    path: PathBuf,
    sources: Vec<String>,
    file: Option<BufWriter<File>>,
    rows: u64,
}

impl Quarantine {
    pub(super) fn new(folder: &Path, sources: &[String]) -> Self {
        Quarantine { path: folder.join("quarantine.ndjson"), sources: sources.to_vec(), file: None, rows: 0 }
    }

    /// Writes a record; returns how many there are now.
    pub(super) fn push(&mut self, misfit: &Misfit) -> Result<u64> {
        let line = line(misfit, &self.sources);
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::new(private(&self.path).map_err(|cause| broken(&self.path, cause))?)),
        };
        writeln!(file, "{line}").map_err(|cause| broken(&self.path, cause))?;
        self.rows += 1;
        Ok(self.rows)
    }

    /// Brings the file to the disk; returns how many lines it has.
    pub(super) fn finish(mut self) -> Result<u64> {
        let Some(file) = &mut self.file else { return Ok(0) };
        let synced = file.flush().and_then(|()| file.get_ref().sync_all());
        synced.map_err(|cause| broken(&self.path, cause))?;
        count_lines(&self.path).map_err(|cause| broken(&self.path, cause))
    }
}

/// A record as one JSON object.
pub(in crate::load) fn line(misfit: &Misfit, sources: &[String]) -> serde_json::Value {
    let source = sources.get(misfit.source as usize);
    let mut line = json!({
        "source": source.cloned().unwrap_or_else(|| format!("#{}", misfit.source)),
        "line": misfit.line,
        "byte": misfit.byte,
        "path": misfit.path,
        "reason": misfit.reason,
        "raw_bytes": misfit.raw_len,
    });
    match std::str::from_utf8(&misfit.raw) {
        Ok(text) => line["raw"] = text.into(),
        Err(_) => line["raw_base64"] = base64(&misfit.raw).into(),
    }
    line
}

fn count_lines(path: &Path) -> std::io::Result<u64> {
    let mut file = File::open(path)?;
    let (mut buffer, mut lines) = (vec![0; 64 << 10], 0);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(lines),
            len => lines += memchr::memchr_iter(b'\n', &buffer[..len]).count() as u64,
        }
    }
}

/// Creates a file that only this user can read: it holds records.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn broken(path: &Path, cause: std::io::Error) -> Error {
    Error::io(format_args!("writing {}", path.display()), cause)
}

/// Base 64 with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            match digit <= chunk.len() {
                true => text.push(DIGITS[(word >> (18 - 6 * digit)) as usize & 63].into()),
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_kept_in_base64() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfd]), "//79");
    }
}

//! Records that did not become rows, on their way into the store.
//!
//! They are written twice: as CSV that the warehouse copies into its quarantine table, where a record's bytes are cut
//! at what a row can hold, and as lines of JSON that have all of it.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::csv;
use super::files::StagedFile;
use super::upload::{Upload, Uploader};
use crate::batch::Misfit;
use crate::error::{Error, Result};
use crate::load::folder::quarantine_line;

/// Bytes of a record that the quarantine table holds; in a COPY each is two characters, and a row has 4 MB.
pub(in crate::load) const RAW_BYTES: usize = 1_000_000;

/// What the warehouse copies, and all of it.
const TABLE_FILE: &str = "quarantine.csv.gz";
pub(in crate::load) const LINES_FILE: &str = "quarantine.ndjson.gz";

/// The columns of the CSV, in order.
pub(in crate::load) const COLUMNS: [&str; 9] =
    ["table_name", "load_id", "source", "line", "byte", "path", "reason", "raw", "raw_bytes"];

pub(super) struct Quarantine {
    uploader: Uploader,
    folder: String,
    /// Table and load id, as the first cells of a row.
    key: String,
    sources: Vec<String>,
    open: Option<(GzEncoder<Upload>, GzEncoder<Upload>)>,
    rows: u64,
    cut: bool,
}

/// What was kept aside, in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::load) struct StagedQuarantine {
    /// What the warehouse copies.
    pub(in crate::load) table: StagedFile,
    /// All of it, one JSON object a line.
    pub(in crate::load) lines: StagedFile,
    /// Whether a record is in `lines` only as a whole.
    pub(in crate::load) cut: bool,
}

impl Quarantine {
    pub(super) fn new(uploader: Uploader, folder: String, table: &str, load_id: &str, sources: &[String]) -> Self {
        let mut key = String::new();
        cell(table, 127, &mut key);
        key.push(',');
        cell(load_id, 1024, &mut key);
        Quarantine { uploader, folder, key, sources: sources.to_vec(), open: None, rows: 0, cut: false }
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn push(&mut self, misfit: &Misfit) -> Result<()> {
        let open = self.open.get_or_insert_with(|| {
            let begin = |name: &str| {
                let path = self.uploader.store.path(&format!("{}/{name}", self.folder));
                GzEncoder::new(self.uploader.begin(path), Compression::fast())
            };
            (begin(TABLE_FILE), begin(LINES_FILE))
        });
        let written = (|| {
            open.0.write_all(line(&self.key, misfit, &self.sources).as_bytes())?;
            writeln!(open.1, "{}", quarantine_line(misfit, &self.sources))
        })();
        let broken = |cause| Error::io("writing quarantined records", cause);
        written.map_err(|cause| self.uploader.failure().unwrap_or_else(|| broken(cause)))?;
        self.cut |= misfit.raw.len() > RAW_BYTES;
        self.rows += 1;
        Ok(())
    }

    /// Takes both files out of the store, as far as it lets us.
    pub(super) fn remove(&mut self) {
        self.open = None;
        if self.rows > 0 {
            for name in [TABLE_FILE, LINES_FILE] {
                let _ = self.uploader.store.delete(&self.uploader.store.path(&format!("{}/{name}", self.folder)));
            }
        }
    }

    /// Ends both files; `None` if there was nothing to keep aside.
    pub(super) fn finish(&mut self) -> Result<Option<StagedQuarantine>> {
        let Some((table, lines)) = self.open.take() else { return Ok(None) };
        let end = |encoder: GzEncoder<Upload>, name: &str| {
            let path = self.uploader.store.path(&format!("{}/{name}", self.folder));
            let upload = encoder.finish().map_err(|cause| Error::io("writing quarantined records", cause))?;
            let object = upload.finish()?.wait()??;
            let url = self.uploader.store.url(&path);
            Ok::<_, Error>(StagedFile { url, bytes: object.bytes, rows: self.rows, path, e_tag: object.e_tag })
        };
        let (table, lines) = (end(table, TABLE_FILE)?, end(lines, LINES_FILE)?);
        Ok(Some(StagedQuarantine { table, lines, cut: self.cut }))
    }
}

/// The longest source name, path and reason that the quarantine table holds, in bytes.
const SOURCE_BYTES: usize = 4096;
const PATH_BYTES: usize = 16_384;
const REASON_BYTES: usize = 4096;

/// A text without U+0000, which no warehouse holds, cut to a column's width; the lines of JSON have all of it.
fn cell(text: &str, width: usize, line: &mut String) {
    let text = text.replace('\0', "\\u0000");
    let end = (0..=width.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    csv::quoted(&text[..end], line);
}

fn line(key: &str, misfit: &Misfit, sources: &[String]) -> String {
    let raw = &misfit.raw[..misfit.raw.len().min(RAW_BYTES)];
    let mut line = String::with_capacity(key.len() + 2 * raw.len() + 200);
    line.push_str(key);
    line.push(',');
    match sources.get(misfit.source as usize) {
        Some(name) => cell(name, SOURCE_BYTES, &mut line),
        None => cell(&format!("#{}", misfit.source), SOURCE_BYTES, &mut line),
    }
    line.push_str(&format!(",{},{},", misfit.line, misfit.byte));
    match &misfit.path {
        Some(path) => cell(path, PATH_BYTES, &mut line),
        None => line.push_str(csv::NULL),
    }
    line.push(',');
    cell(&misfit.reason, REASON_BYTES, &mut line);
    line.push(',');
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in raw {
        line.push(DIGITS[usize::from(byte >> 4)].into());
        line.push(DIGITS[usize::from(byte & 15)].into());
    }
    line.push_str(&format!(",{}\n", misfit.raw_len));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_row_whatever_is_in_it() {
        let misfit = Misfit {
            source: 7,
            line: 3,
            byte: 99,
            path: None,
            reason: "expected int32, found \"text\"".into(),
            raw: b"{\"a\":\xff\n}".to_vec(),
            raw_len: 9,
        };
        let mut key = String::new();
        cell("t\"1", 127, &mut key);
        assert_eq!(
            line(&key, &misfit, &[]),
            "\"t\"\"1\",\"#7\",3,99,@longshore.null@,\"expected int32, found \"\"text\"\"\",7b2261223aff0a7d,9\n"
        );
    }
}

//! A record that does not become a row, or a value that does not become a part of one.

/// A record that is kept out of the table, with what is needed to look at it and to replay it. Also a single value, kept
/// out of the row that its record became: then `raw` is the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Index of the input within its source.
    pub source: u32,
    /// Physical line on which the record begins, from 1.
    pub line: u64,
    /// Byte offset of the record in the decompressed, decoded input.
    pub byte: u64,
    /// The column whose value did not fit, as a path; `None` when the record itself is broken.
    pub path: Option<String>,
    /// Why, without the value: `expected int32, found text`.
    pub reason: String,
    /// The record's bytes as they came; its first 64 KiB where it was longer than the record limit.
    pub raw: Vec<u8>,
    /// The record's whole length in bytes.
    pub raw_len: u64,
}

/// Bytes of a record that a misfit keeps.
const RAW_KEPT: usize = 16 << 20;

impl Misfit {
    /// A record at `(source, byte, line)`.
    pub(super) fn new(raw: &[u8], place: (u32, u64, u64), path: Option<String>, reason: String) -> Self {
        let (source, byte, line) = place;
        let raw_len = raw.len() as u64;
        Misfit { source, line, byte, path, reason, raw: raw[..raw.len().min(RAW_KEPT)].to_vec(), raw_len }
    }
}

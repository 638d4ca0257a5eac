//! What several tests read: the repository's fixtures, developers' data where it is present, and a sink that keeps
//! everything it is given.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs;
use std::path::{Path as FilePath, PathBuf};

use longshore::records::{
    Bad, Fault, FieldKind, Format, FormatOptions, HEAD_BYTES, Limits, PathTable, Reader, Record, Sink, cutter, detect,
};
use longshore::source::{ChunkOptions, Piece, Pieces};
use longshore::{Path, Source};

/// An input as it is stored.
#[derive(Clone)]
pub(crate) struct Stored {
    /// Its path below the folder it comes from.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Stored {
    pub(crate) fn source(&self) -> Source {
        Source::bytes(self.bytes.clone()).named(&self.name)
    }

    /// The input decompressed and decoded; `None` if it is damaged.
    pub(crate) fn decoded(&self) -> Option<Vec<u8>> {
        let mut decoded = Vec::new();
        let mut input = self.source().open(0).ok()?;
        std::io::copy(&mut input, &mut decoded).ok()?;
        Some(decoded)
    }
}

/// The inputs of the repository: the order stream, the stations, the hostile files, the drift stream.
pub(crate) fn fixtures() -> Vec<Stored> {
    let root = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    found.retain(|stored| {
        let other = [".md", ".tsv", ".jsonl", ".oracle.json", ".gitattributes"];
        !other.iter().any(|ending| stored.name.ends_with(ending))
    });
    assert!(found.len() > 35, "the fixtures are part of the repository");
    found
}

/// The folders of developers' data with CSV.
const CSV: &[&str] = &[
    "csv-real",
    "csv-spectrum",
    "pollock/polluted/csv",
    "pollock/survey/csv",
    "duckdb-csv",
    "arrow-csv",
    "arrow-testing",
    "clevercsv",
    "csvkit",
    "readr",
    "tabulator",
    "frictionless",
    "messy",
    "poison",
];

/// The folders of developers' data with JSON.
const JSON: &[&str] = &["ndjson", "simdjson", "duckdb-json", "arrow-json", "jsontestsuite/test_parsing"];

/// Developers' data in CSV, and files that call themselves that.
pub(crate) fn shared_csv() -> Vec<Stored> {
    CSV.iter().flat_map(|folder| shared(folder)).collect()
}

/// Developers' data in any format.
pub(crate) fn shared_all() -> Vec<Stored> {
    shared_csv().into_iter().chain(JSON.iter().flat_map(|folder| shared(folder))).collect()
}

/// Developers' data below this folder; nothing where it is not present, unless `LONGSHORE_SHARED` says that it is.
pub(crate) fn shared(folder: &str) -> Vec<Stored> {
    let named = std::env::var_os("LONGSHORE_SHARED").map(PathBuf::from);
    let is_named = named.is_some();
    let root = named.unwrap_or_else(|| FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../shared")).join("data");
    assert!(root.is_dir() || !is_named, "LONGSHORE_SHARED has no folder `data`: {}", root.display());
    if !root.is_dir() {
        eprintln!("nothing of {folder} is compared: there is no {}", root.display());
    }
    let mut found = Vec::new();
    walk(&root, &root.join(folder), &mut found);
    found
}

fn walk(root: &FilePath, folder: &FilePath, found: &mut Vec<Stored>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(root, &path, found);
        } else if let Ok(bytes) = fs::read(&path) {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            found.push(Stored { name, bytes });
        }
    }
}

/// One field of a record, copied out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Leaf {
    pub(crate) path: Path,
    pub(crate) kind: FieldKind,
    /// Unquoted and unescaped.
    pub(crate) text: Vec<u8>,
    /// As it stands in the input.
    pub(crate) source_text: Vec<u8>,
    /// Byte offset in the input.
    pub(crate) offset: u64,
}

/// One record, or what is none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) offset: u64,
    pub(crate) line: u64,
    pub(crate) raw: Vec<u8>,
    pub(crate) overwritten: usize,
    pub(crate) content: Result<Vec<Leaf>, Fault>,
}

/// Keeps everything.
#[derive(Debug, Default)]
pub(crate) struct Items(pub(crate) Vec<Item>);

impl Sink for Items {
    fn record(&mut self, paths: &PathTable, record: &Record<'_>) {
        let leaf = |field: &longshore::records::Field| Leaf {
            path: paths.path(field.node),
            kind: field.kind,
            text: record.text(field).into_owned(),
            source_text: record.source_text(field).to_vec(),
            offset: record.offset_of(field),
        };
        self.0.push(Item {
            offset: record.offset,
            line: record.line,
            raw: record.raw().to_vec(),
            overwritten: record.overwritten.len(),
            content: Ok(record.fields.iter().map(leaf).collect()),
        });
    }

    fn bad(&mut self, bad: &Bad<'_>) {
        self.0.push(Item {
            offset: bad.offset,
            line: bad.line,
            raw: bad.raw.to_vec(),
            overwritten: 0,
            content: Err(bad.fault),
        });
    }
}

/// What a reader makes of decoded bytes in a format, with chunks of this size.
pub(crate) fn read(format: &Format, decoded: &[u8], chunk_bytes: usize) -> Vec<Item> {
    read_by(Reader::new(Limits::default()), format, decoded, chunk_bytes)
}

/// What this reader makes of them.
pub(crate) fn read_by(mut reader: Reader, format: &Format, decoded: &[u8], chunk_bytes: usize) -> Vec<Item> {
    let mut items = Items::default();
    for piece in pieces(format, decoded, chunk_bytes) {
        match piece {
            Piece::Records(mut chunk) => reader.read(format, &mut chunk, &mut items),
            Piece::Gap(gap) => items.0.push(Item {
                offset: gap.offset,
                line: gap.line,
                raw: gap.head,
                overwritten: 0,
                content: Err(Fault::TooLong),
            }),
        }
    }
    items.0
}

/// Decoded bytes in chunks of this size.
pub(crate) fn pieces(format: &Format, decoded: &[u8], chunk_bytes: usize) -> impl Iterator<Item = Piece> {
    let limits = Limits::default();
    let options = ChunkOptions { chunk_bytes, max_record_bytes: limits.max_record_bytes };
    let input = Source::bytes(decoded.to_vec()).encoding(longshore::Encoding::Utf8).open(0).unwrap();
    Pieces::new(input, cutter(format, &limits), 0, options).map(|piece| piece.unwrap())
}

/// The format of decoded bytes.
pub(crate) fn format_of(name: &str, decoded: &[u8], options: &FormatOptions) -> longshore::Result<Format> {
    detect(&decoded[..decoded.len().min(HEAD_BYTES)], decoded.len() < HEAD_BYTES, name, options)
}

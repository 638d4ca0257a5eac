//! The quarantine of a table in a folder: a file beside the parts of each load.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::manifest::Manifest;
use super::place::table_folder;
use crate::error::{Error, ErrorKind, Result};
use crate::load::kept::{KeptGroup, KeptRecord, Selection};
use crate::plan::{Dialect, TableName};

/// The file beside the parts of a load.
const FILE: &str = "quarantine.ndjson";
/// What the id of a replay adds to that of the load whose records it takes.
const REPLAY: &str = "-replay";
/// What the source of a replay is called, in front of the id of that load.
const QUARANTINE_OF: &str = "quarantine of ";

/// The quarantine of all loads of one table.
pub(crate) struct FolderQuarantine {
    /// By name of their folders.
    loads: Vec<Load>,
}

/// One load that kept records aside.
#[derive(Debug)]
struct Load {
    folder: PathBuf,
    id: String,
    formats: Vec<String>,
    /// The load that has taken its records.
    taken_by: Option<Taker>,
    /// The id under which a load can take them.
    next: String,
}

/// A load that has taken the records of another one's quarantine.
#[derive(Debug, Clone)]
struct Taker {
    folder: PathBuf,
    id: String,
}

impl Taker {
    /// The ids of the records that it could not load either: those that it has kept aside in its turn stand there under
    /// the line that they were given to it on, which is their id.
    fn left(&self) -> Result<BTreeSet<i64>> {
        let path = self.folder.join(FILE);
        let mut left = BTreeSet::new();
        if path.is_file() {
            for_each_line(&path, |_, kept: LeftLine| Ok(left.insert(kept.line)))?;
        }
        Ok(left)
    }
}

/// What of a line of `quarantine.ndjson` says which record of a load before it it is.
#[derive(Deserialize)]
struct LeftLine {
    line: i64,
}

/// A line of `quarantine.ndjson`.
#[derive(Deserialize)]
struct Line {
    source: String,
    line: u64,
    byte: u64,
    path: Option<String>,
    reason: String,
    raw_bytes: u64,
    raw: Option<String>,
    raw_base64: Option<String>,
}

/// Records of one load, to be tried again.
pub(crate) struct Again<'a> {
    /// The id of the load that is to take them.
    pub(crate) load_id: String,
    /// What that load calls its source.
    pub(crate) source: String,
    /// How the records were read, as JSON text.
    pub(crate) formats: &'a [String],
    load: &'a Load,
}

impl Again<'_> {
    /// Shows all records, by their ids, which are 1, 2, 3 …
    pub(crate) fn visit(&self, mut show: impl FnMut(KeptRecord) -> Result<()>) -> Result<()> {
        self.load.visit(&Selection::default(), |record| show(record).map(|()| true))
    }
}

impl FolderQuarantine {
    /// Looks at the loads of a table. One that is not there has none.
    pub(crate) fn open(root: &Path, table: &str) -> Result<Self> {
        let folder = root.join(table_folder(&TableName::parse(table, Dialect::Redshift)?));
        let failed = |cause| Error::io(format_args!("reading {}", folder.display()), cause);
        if !folder.exists() {
            return Ok(FolderQuarantine { loads: Vec::new() });
        }
        let mut folders = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() && !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
                folders.push(path);
            }
        }
        folders.sort();
        let mut manifests = Vec::new();
        for folder in folders {
            manifests.extend(Manifest::read(&folder)?.map(|manifest| (manifest, folder)));
        }
        Ok(FolderQuarantine { loads: with_quarantine(manifests) })
    }

    /// Whether there is a folder of such a table.
    pub(crate) fn is_known(root: &Path, table: &str) -> Result<bool> {
        Ok(root.join(table_folder(&TableName::parse(table, Dialect::Redshift)?)).is_dir())
    }

    /// What is in quarantine, by reason, path and source; the largest groups first.
    pub(crate) fn groups(&self, selection: &Selection) -> Result<Vec<KeptGroup>> {
        let mut groups: BTreeMap<(String, Option<String>, String), KeptGroup> = BTreeMap::new();
        for load in self.selected(selection) {
            load.visit(selection, |record| {
                let key = (record.reason.clone(), record.path.clone(), record.source.clone());
                let group = groups.entry(key).or_insert_with(|| KeptGroup {
                    reason: record.reason.clone(),
                    path: record.path.clone(),
                    source: record.source.clone(),
                    records: 0,
                    bytes: 0,
                    first: record.id.clone(),
                    replayed: 0,
                    load_id: Some(record.load_id.clone()),
                });
                group.records += 1;
                group.bytes += record.raw_bytes;
                group.replayed += u64::from(record.replayed_by.is_some());
                Ok(true)
            })?;
        }
        let mut groups: Vec<KeptGroup> = groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.records));
        Ok(groups)
    }

    /// The first records that are selected, load by load.
    pub(crate) fn records(&self, selection: &Selection, limit: u32) -> Result<Vec<KeptRecord>> {
        let mut records = Vec::new();
        for load in self.selected(selection) {
            load.visit(selection, |record| {
                if records.len() < limit as usize {
                    records.push(record);
                }
                Ok(records.len() < limit as usize)
            })?;
        }
        Ok(records)
    }

    /// The records of selected loads that were not replayed, one load at a time.
    pub(crate) fn again(&self, selection: &Selection) -> impl Iterator<Item = Again<'_>> {
        self.selected(selection).map(|load| Again {
            load_id: load.next.clone(),
            source: format!("{QUARANTINE_OF}{}", load.id),
            formats: &load.formats,
            load,
        })
    }

    fn selected<'a>(&'a self, selection: &Selection) -> impl Iterator<Item = &'a Load> + use<'a> {
        let (id, replayed) = (selection.load_id.clone(), selection.replayed);
        let is_meant =
            move |load: &&Load| id.as_ref().is_none_or(|id| *id == load.id) && (replayed || load.taken_by.is_none());
        self.loads.iter().filter(is_meant)
    }
}

/// Of all loads those that kept records aside. A load is a replay if its source says so: its id alone might be a user's own.
fn with_quarantine(manifests: Vec<(Manifest, PathBuf)>) -> Vec<Load> {
    let ids: BTreeSet<String> = manifests.iter().map(|(manifest, _)| manifest.load_id.clone()).collect();
    let replay = |(manifest, folder): &(Manifest, PathBuf)| {
        let [source] = manifest.sources.as_slice() else { return None };
        let of = source.strip_prefix(QUARANTINE_OF)?;
        let is_replay = manifest.load_id.strip_prefix(of)?.starts_with(REPLAY);
        is_replay.then(|| (of.to_owned(), Taker { folder: folder.clone(), id: manifest.load_id.clone() }))
    };
    let replays: BTreeMap<String, Taker> = manifests.iter().filter_map(replay).collect();
    let load = |(manifest, folder): (Manifest, PathBuf)| {
        let Manifest { load_id: id, formats, .. } = manifest;
        let taken_by = replays.get(&id).cloned();
        let mut names = (1_u64..).map(|nth| match nth {
            1 => format!("{id}{REPLAY}"),
            nth => format!("{id}{REPLAY}-{nth}"),
        });
        // Whoever asks for records that were replayed is told that this load was made.
        let taker = taken_by.as_ref().map(|taker| taker.id.clone());
        let next = taker.or_else(|| names.find(|name| !ids.contains(name))).unwrap_or_default();
        folder.join(FILE).is_file().then_some(Load { folder, id, formats, taken_by, next })
    };
    manifests.into_iter().filter_map(load).collect()
}

impl Load {
    /// Shows the selected records of this load, until one is enough.
    fn visit(&self, selection: &Selection, mut show: impl FnMut(KeptRecord) -> Result<bool>) -> Result<()> {
        let path = self.folder.join(FILE);
        let left = self.taken_by.as_ref().map(Taker::left).transpose()?.unwrap_or_default();
        let taker = self.taken_by.as_ref().map(|taker| taker.id.clone());
        for_each_line(&path, |nth, record: Line| {
            let raw = match (record.raw, record.raw_base64) {
                (Some(text), _) => text.into_bytes(),
                (None, Some(text)) => from_base64(&text).ok_or_else(|| damaged(&path, nth))?,
                (None, None) => return Err(damaged(&path, nth)),
            };
            let is_meant = selection.reason.as_ref().is_none_or(|reason| *reason == record.reason)
                && (selection.path.is_none() || selection.path == record.path)
                && selection.source.as_ref().is_none_or(|source| *source == record.source)
                && selection.numbers.as_ref().is_none_or(|numbers| numbers.contains(&nth));
            let kept = KeptRecord {
                id: nth.to_string(),
                source: record.source,
                line: record.line,
                byte: record.byte,
                path: record.path,
                reason: record.reason,
                raw,
                raw_bytes: record.raw_bytes,
                load_id: self.id.clone(),
                schema_version: None,
                quarantined_at: String::new(),
                replayed_by: taker.clone().filter(|_| !left.contains(&nth)),
                moved_to: taker.clone().filter(|_| left.contains(&nth)),
            };
            if is_meant { show(kept) } else { Ok(true) }
        })
    }
}

/// Shows the lines of a quarantine with their numbers, from 1, until one is enough.
fn for_each_line<T: DeserializeOwned>(path: &Path, mut show: impl FnMut(i64, T) -> Result<bool>) -> Result<()> {
    let failed = |cause| Error::io(format_args!("reading {}", path.display()), cause);
    let file = BufReader::new(File::open(path).map_err(failed)?);
    for (nth, line) in (1..).zip(file.split(b'\n')) {
        let line = serde_json::from_slice(&line.map_err(failed)?).map_err(|_| damaged(path, nth))?;
        if !show(nth, line)? {
            break;
        }
    }
    Ok(())
}

fn damaged(path: &Path, line: i64) -> Error {
    let message = format!("{}:{line}: this is no line of a quarantine", path.display());
    Error::new(ErrorKind::Corrupt, message).with_hint("the file was changed by something else")
}

/// The bytes of base 64 with padding (RFC 4648).
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for chunk in digits.chunks(4) {
        let word = chunk.iter().try_fold(0_u32, |word, digit| Some(word << 6 | u32::from(value(*digit)?)))?;
        let word = word << (6 * (4 - chunk.len()));
        bytes.extend_from_slice(&word.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_base64() {
        for (text, bytes) in
            [("", &b""[..]), ("Zg==", b"f"), ("Zm8=", b"fo"), ("Zm9v", b"foo"), ("//79", b"\xff\xfe\xfd")]
        {
            assert_eq!(from_base64(text).as_deref(), Some(bytes));
        }
        assert_eq!(from_base64("Z*=="), None);
    }
}

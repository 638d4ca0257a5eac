//! Rows as files in an object store, for a warehouse to copy from.
//!
//! Nothing here depends on what a store lists: every file is known by its URL, is in the store in the size that was
//! written, and stands in a manifest. A load's files lie below `<staging URL>/<table>/<load id>/<attempt>/`; the
//! attempt is new each time, so that a copy that still reads the files of an earlier one is never disturbed.

mod credentials;
mod csv;
mod excerpt;
mod files;
mod format;
mod limits;
mod options;
mod quarantine;
mod sizes;
mod store;
mod upload;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use arrow_array::RecordBatch;
use object_store::path::Path;
use serde_json::json;

pub(super) use self::csv::NULL as NULL_MARKER;
use self::files::{Files, Form};
pub(super) use self::files::{StagedFile, row_column};
pub(super) use self::format::check_region;
pub(super) use self::limits::RowLimits;
pub use self::options::{StageFormat, StageOptions};
use self::quarantine::Quarantine;
pub(super) use self::quarantine::{COLUMNS as QUARANTINE_COLUMNS, LINES_FILE, StagedQuarantine};
use self::store::Store;
use self::upload::Uploader;
use crate::batch::Misfit;
use crate::error::{Error, ErrorKind, Result};
use crate::load::conserve::within_limit;
use crate::load::folder::{Shape, folder_name, table_folder};
use crate::load::redshift_ledger::WIDEST_VARCHAR;
use crate::load::target::{Prepared, Refused};
use crate::plan::TableName;
use crate::schema::{Schema, Type};

/// Files are made a multiple of this where nothing is known of the cluster.
const SLICES: u32 = 4;
/// The object that says which attempt at staging a load for a script counts.
pub(super) const STAGED: &str = "staged.json";
/// Refused rows that are told of; with more, something is wrong with the table and not with the rows.
const MAX_REFUSED: usize = 10_000;

/// What is staged, and for which load.
pub(super) struct StageRequest<'a> {
    pub(super) table: &'a TableName,
    pub(super) load_id: &'a str,
    /// The columns in the order in which the warehouse takes them.
    pub(super) schema: &'a Schema,
    pub(super) sources: &'a [String],
    /// Records of the input, where they are known.
    pub(super) records: Option<u64>,
    /// Slices of the cluster, where they are known.
    pub(super) slices: Option<u32>,
    /// Whether a last column holds the row's number, from 0.
    pub(super) numbered: bool,
    /// The longest text of each column, in bytes.
    pub(super) text_bytes: Vec<Option<u32>>,
    /// The bucket's region, where it is not the warehouse's.
    pub(super) other_region: Option<&'a str>,
    /// Whether a text inside of JSON may have more than 65,535 bytes.
    pub(super) large_strings: bool,
}

/// One load's files while they are written. Dropped before [`Stager::keep`], it takes them out of the store again.
pub(super) struct Stager {
    store: Store,
    /// `<table>/<load id>`, and below it `<attempt>`.
    load_folder: String,
    folder: String,
    format: StageFormat,
    files: Files,
    quarantine: Quarantine,
    limits: RowLimits,
    refused: Vec<Refused>,
    rows: u64,
    /// Small objects of this attempt.
    written: Vec<Path>,
    /// The file that was read back last, and its bytes.
    read_last: Option<(Path, Vec<u8>)>,
    kept: bool,
}

/// What [`Stager::finish`] leaves in the store.
#[derive(Debug, Clone)]
pub(super) struct Staged {
    pub(super) format: StageFormat,
    pub(super) files: Vec<StagedFile>,
    /// The manifest of the files; none if there is no row.
    pub(super) manifest: Option<String>,
    pub(super) rows: u64,
    /// The longest text of each column, in bytes; 0 where there is none.
    pub(super) longest: Vec<u64>,
    pub(super) quarantine: Option<StagedQuarantine>,
    /// The manifest of the quarantine's file.
    pub(super) quarantine_manifest: Option<String>,
    pub(super) quarantined: u64,
}

impl Stager {
    /// Opens the store; writes nothing yet.
    pub(super) fn open(options: &StageOptions, request: &StageRequest<'_>) -> Result<Self> {
        check_region(options, request.other_region)?;
        let store = Store::open(options)?;
        let load_folder = load_folder(request.table, request.load_id);
        let folder = format!("{load_folder}/{}", attempt());
        let format = format::choose(options.format, request.schema, request.other_region);
        let mut schema = request.schema.clone();
        if request.numbered {
            let name = row_column(&schema);
            schema.columns.push(crate::schema::Column::new(crate::path::Path::new([&*name]), name, Type::Int64));
        }
        let form = Form::new(format, Shape::new(&schema)?, request.numbered);
        let uploader = Uploader::new(store.clone(), options.chunk_bytes, options.concurrency);
        let slices = options.slices.or(request.slices).unwrap_or(SLICES);
        let files = Files::new(uploader.clone(), folder.clone(), form, options, slices, request.records);
        let quarantine =
            Quarantine::new(uploader, folder.clone(), &request.table.name, request.load_id, request.sources);
        let mut text_bytes = request.text_bytes.clone();
        if format != StageFormat::Csv {
            // In Parquet, JSON is text on its way through a staging table.
            let json = request.schema.columns.iter().zip(&mut text_bytes).filter(|(column, _)| column.ty == Type::Json);
            json.for_each(|(_, bytes)| *bytes = Some(WIDEST_VARCHAR as u32));
        }
        let is_json = |column: &crate::schema::Column| column.ty == Type::Json;
        let limits = RowLimits {
            text_bytes,
            refuse_marker: format == StageFormat::Csv,
            json: request.schema.columns.iter().map(is_json).collect(),
            large_strings: request.large_strings,
            longest: Vec::new(),
        };
        let (refused, written) = (Vec::new(), Vec::new());
        Ok(Stager {
            store,
            load_folder,
            folder,
            format,
            files,
            quarantine,
            limits,
            refused,
            rows: 0,
            written,
            read_last: None,
            kept: false,
        })
    }

    /// The format that was chosen.
    pub(super) fn format(&self) -> StageFormat {
        self.format
    }

    /// Rows that the warehouse would refuse, by their number; found before anything is sent there.
    pub(super) fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Writes rows that were not encoded.
    pub(super) fn take(&mut self, rows: Prepared) -> Result<()> {
        match rows {
            Prepared::Batch(batch) => self.write(&batch),
            Prepared::Bytes { .. } => Err(Error::new(ErrorKind::Unsupported, "staging takes batches, not bytes")),
        }
    }

    /// Writes rows.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let refused = self.limits.refused(batch, self.rows);
        if self.refused.len() + refused.len() > MAX_REFUSED {
            return Err(Error::new(ErrorKind::Conflict, format!("more than {MAX_REFUSED} rows do not fit the table"))
                .with_hint("load into another table, or widen the columns of this one"));
        }
        self.refused.extend(refused);
        let record = self.rows + self.quarantine.rows();
        self.files.write(batch, record, self.rows)?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Keeps a record aside, of which there may be `limit`.
    pub(super) fn quarantine(&mut self, misfit: &Misfit, limit: Option<u64>) -> Result<()> {
        self.quarantine.push(misfit)?;
        within_limit(self.quarantine.rows(), limit)
    }

    /// Ends all files, looks at each in the store, and writes the manifests.
    pub(super) fn finish(&mut self) -> Result<Staged> {
        let files = self.files.finish()?.to_vec();
        let quarantine = self.quarantine.finish()?;
        if let Some(quarantine) = &quarantine {
            self.written.extend([quarantine.table.path.clone(), quarantine.lines.path.clone()]);
        }
        let manifest = match files.is_empty() {
            true => None,
            false => Some(self.put("manifest.json", listing(&files))?),
        };
        let quarantine_manifest = match &quarantine {
            Some(kept) => Some(self.put("quarantine.manifest.json", listing(std::slice::from_ref(&kept.table)))?),
            None => None,
        };
        let (rows, quarantined, format) = (self.rows, self.quarantine.rows(), self.format);
        let longest = self.limits.longest.clone();
        Ok(Staged { format, files, manifest, rows, longest, quarantine, quarantine_manifest, quarantined })
    }

    /// Writes a small object beside the files; returns its URL.
    pub(super) fn put(&mut self, name: &str, content: Vec<u8>) -> Result<String> {
        let path = self.store.path(&format!("{}/{name}", self.folder));
        let bytes = content.len() as u64;
        self.written.push(path.clone());
        self.store.put(&path, content)?;
        self.look(&path, bytes, None)?;
        Ok(self.store.url(&path))
    }

    /// Makes sure that every file is still what was written.
    pub(super) fn verify(&self, staged: &Staged) -> Result<()> {
        let kept = staged.quarantine.iter().map(|quarantine| &quarantine.table);
        staged.files.iter().chain(kept).try_for_each(|file| self.look(&file.path, file.bytes, file.e_tag.as_deref()))
    }

    fn look(&self, path: &Path, bytes: u64, e_tag: Option<&str>) -> Result<()> {
        let found = self.store.head(path)?;
        let complaint = match &found {
            None => "it is no longer there".to_owned(),
            Some(object) if object.bytes != bytes => format!("it has {} bytes, and {bytes} were written", object.bytes),
            Some(object) if e_tag.is_some() && object.e_tag.as_deref() != e_tag => "it was written again".to_owned(),
            Some(_) => return Ok(()),
        };
        Err(Error::new(
            ErrorKind::Conflict,
            format!("the staged file {} was changed: {complaint}", self.store.url(path)),
        )
        .with_hint("nothing but longshore may write below the staging URL; run the same load again")
        .with_temporary(true))
    }

    /// Some rows of a staged file as one of their own, for a look at what a server has against them; the URL of its
    /// manifest. All of a file is the file itself.
    pub(super) fn excerpt(&mut self, file: &StagedFile, rows: Range<u64>) -> Result<String> {
        let nth = self.written.len();
        if rows == (0..file.rows) {
            return self.put(&format!("probe-{nth}.json"), listing(std::slice::from_ref(file)));
        }
        let content = match self.read_last.take() {
            Some((path, content)) if path == file.path => content,
            _ => {
                // What somebody else wrote over it says nothing of our rows, and may not even be a file of rows.
                self.look(&file.path, file.bytes, file.e_tag.as_deref())?;
                self.store.get(&file.path)?.ok_or_else(|| {
                    Error::new(ErrorKind::Conflict, format!("the staged file {} is no longer there", file.url))
                })?
            }
        };
        let cut = excerpt::cut(self.format, &content, &self.files.form().file_shape(), rows.clone());
        self.read_last = Some((file.path.clone(), content));
        let cut = cut?;
        let bytes = cut.len() as u64;
        let ending = if self.format == StageFormat::Csv { "csv.gz" } else { "parquet" };
        let url = self.put(&format!("probe-{nth}.{ending}"), cut)?;
        let rows = rows.end - rows.start;
        let probe = StagedFile { url, bytes, rows, path: file.path.clone(), e_tag: None };
        self.put(&format!("probe-{nth}.json"), listing(&[probe]))
    }

    /// Says in one object, for all attempts of the load, which one counts; false if another one does already. The
    /// content must tell this attempt from all others.
    pub(super) fn win(&mut self, name: &str, content: Vec<u8>) -> Result<bool> {
        let path = self.store.path(&format!("{}/{name}", self.load_folder));
        let written = self.store.put_if_absent(&path, content.clone());
        match written.and_then(|first| self.store.keep(&path).map(|()| first)) {
            Ok(true) => {
                self.keep();
                Ok(true)
            }
            answer => self.settle(&path, &content, answer),
        }
    }

    /// Finds out which attempt counts where the answer does not tell. The object may have been written although the
    /// answer to that was lost or an error, and a request that the client then sends again by itself meets its own
    /// object.
    fn settle(&mut self, path: &Path, content: &[u8], answer: Result<bool>) -> Result<bool> {
        // Until it is known, the object that counts may name these files.
        self.kept = true;
        let found = match self.store.get(path) {
            Ok(found) => found,
            Err(unread) => return Err(uncertain(answer.err().unwrap_or(unread))),
        };
        match (found, answer) {
            (Some(found), _) if found == content => self.store.keep(path).map(|()| true).map_err(uncertain),
            // A request whose answer did not come may still be under way.
            (None, Err(error)) if error.is_temporary() => Err(uncertain(error)),
            (found, answer) => {
                self.kept = false;
                if found.is_some() { Ok(false) } else { answer }
            }
        }
    }

    /// The URL that all of this attempt's objects lie below.
    pub(super) fn url(&self) -> String {
        self.store.url(&self.store.path(&self.folder))
    }

    /// Leaves the files where they are when this goes.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }

    /// Takes out of the store what other attempts of the same load have left there, and with `all` what this one has,
    /// but for objects of the given names. As far as the store lets it: leftovers cost space and nothing else.
    pub(super) fn clean_up(&mut self, all: bool, but: &[&str]) {
        let own = (!all).then(|| self.store.path(&self.folder));
        clean_up(&self.store, &self.load_folder, own, but);
    }
}

/// A failure behind which nobody knows whether the load is staged.
fn uncertain(error: Error) -> Error {
    error.with_hint("stage the same load again: if it was staged, that says so, and its files are still there")
}

/// Removes what attempts have left in a load's folder, but for one attempt, for the one that a script was staged for,
/// and for objects of the given names.
fn clean_up(store: &Store, load_folder: &str, own: Option<Path>, but: &[&str]) {
    // Where that cannot be told, all of it may belong to a script.
    let Ok(scripted) = scripted(store, load_folder) else { return };
    let load = store.path(load_folder);
    let Ok(found) = store.below(&load) else { return };
    let spared: Vec<Path> = own.into_iter().chain(scripted).collect();
    for path in found {
        let is_spared = spared.iter().any(|spared| path.as_ref().starts_with(spared.as_ref()))
            || path.filename().is_some_and(|name| but.contains(&name));
        let is_attempts = path.as_ref().matches('/').count() > load.as_ref().matches('/').count() + 1;
        if is_attempts && !is_spared {
            let _ = store.delete(&path);
        }
    }
    store.sweep(&load);
}

/// The folder of the attempt that a script was staged for, if one was.
fn scripted(store: &Store, load_folder: &str) -> Result<Option<Path>> {
    let path = store.path(&format!("{load_folder}/{STAGED}"));
    let Some(content) = store.get(&path)? else { return Ok(None) };
    let staged: serde_json::Value = serde_json::from_slice(&content).unwrap_or_default();
    let attempt = staged["script"].as_str().and_then(|url| url.rsplit('/').nth(1));
    let unreadable = || Error::new(ErrorKind::Corrupt, format!("{} is not what longshore wrote", store.url(&path)));
    attempt.map(|attempt| Some(store.path(&format!("{load_folder}/{attempt}")))).ok_or_else(unreadable)
}

impl Drop for Stager {
    fn drop(&mut self) {
        if !self.kept {
            self.quarantine.remove();
            self.files.remove();
            for path in &self.written {
                let _ = self.store.delete(path);
            }
        }
    }
}

/// Reads a small object of a load; `None` if it is not there. What is there is made sure to stay.
pub(super) fn read(options: &StageOptions, table: &TableName, load_id: &str, name: &str) -> Result<Option<Vec<u8>>> {
    let store = Store::open(options)?;
    let path = store.path(&format!("{}/{name}", load_folder(table, load_id)));
    let found = store.get(&path)?;
    // Whoever wrote it may have been killed before its name was on the disk.
    if found.is_some() {
        store.keep(&path)?;
    }
    Ok(found)
}

/// Takes out of the store what attempts at a load have left there, but for the one that a script was staged for, and
/// for objects of the given names.
pub(super) fn clean_up_load(options: &StageOptions, table: &TableName, load_id: &str, but: &[&str]) {
    if let Ok(store) = Store::open(options) {
        clean_up(&store, &load_folder(table, load_id), None, but);
    }
}

fn load_folder(table: &TableName, load_id: &str) -> String {
    format!("{}/{}", table_folder(table), folder_name(load_id, load_id))
}

/// A name that no other attempt has: it is no load id, and nothing is computed from it.
fn attempt() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let seed = (now, std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed), std::thread::current().id());
    blake3::hash(format!("{seed:?}").as_bytes()).to_hex()[..16].to_owned()
}

/// The files as COPY wants them listed: each must be there, in exactly this size, once.
fn listing(files: &[StagedFile]) -> Vec<u8> {
    let entries = files
        .iter()
        .map(|file| json!({ "url": file.url, "mandatory": true, "meta": { "content_length": file.bytes } }));
    let mut text = json!({ "entries": entries.collect::<Vec<_>>() }).to_string().into_bytes();
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests;

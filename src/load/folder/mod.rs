//! Loading into a folder: Parquet parts, with what is needed to bring them into a warehouse.

mod kept;
mod manifest;
mod parts;
mod place;
mod quarantine;
mod scripts;
mod shape;

#[cfg(feature = "redshift")]
pub(super) use self::place::{folder_name, table_folder};
#[cfg(feature = "redshift")]
pub(super) use self::quarantine::line as quarantine_line;
use std::path::{Path as FilePath, PathBuf};

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;

pub(crate) use self::kept::{Again, FolderQuarantine};
use self::manifest::Manifest;
use self::parts::Parts;
use self::place::Place;
use self::quarantine::Quarantine;
use self::shape::FolderEncoder;
pub(super) use self::shape::Shape;
use super::conserve::{conserved, within_limit};
use super::mode::Mode;
use super::parquet_file::ROW_GROUP_ROWS;
use super::state::State;
use super::target::{Begun, Counts, LoadRequest, Prepared, Target};
use crate::batch::Misfit;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::plan::{Dialect, TableName};
use crate::schema::Schema;

/// Bytes of a part past which the next one is begun.
const PART_BYTES: u64 = 128 << 20;
/// Where the parts will stand, unless the caller says so.
const URL_PREFIX: &str = "s3://BUCKET/PREFIX";

/// A folder as the place to load into.
///
/// A load makes the folder `PATH/<table>/<load id>/` with
///
/// - `part-00000.parquet`, …: the rows (zstd, decimals as fixed-length bytes, instants with the UTC flag; UUIDs, times
///   of day and JSON as text, because Redshift's COPY takes them in no other way);
/// - `quarantine.ndjson`: the records that did not become rows, if there are any, one JSON object per line;
/// - `manifest.json`: the counts, and each part's rows, bytes and BLAKE3 hash;
/// - `manifest.redshift.json`: the parts as Redshift's COPY wants them listed;
/// - `create.postgres.sql`, `create.redshift.sql`: the table;
/// - `load.redshift.sql`, `load.postgres.sql`: how the parts get into it.
///
/// It is written under another name and renamed when it is complete and on the disk, so it is there whole or not at
/// all; once a load has succeeded, a power cut does not take it back. What a crashed load left behind is removed by the next load into the table. Loads into one table take turns. A
/// table or id whose name cannot be a folder's is given one with a hash: [`folder_of`](FolderTarget::folder_of) says which.
///
/// Columns get types that both Postgres and Redshift hold (see [`plan::fit`](crate::plan::fit)): times in
/// nanoseconds, for one, are text.
///
/// [`Mode::Replace`] removes the table's other loads once the new one is in place.
#[derive(Debug)]
pub struct FolderTarget {
    root: PathBuf,
    url_prefix: String,
    part_bytes: u64,
    row_group_rows: usize,
    state: State<(), Load>,
}

/// A load between `begin` and `commit`. The place comes last: its drop removes the unfinished folder.
struct Load {
    request: LoadRequest,
    schema: Schema,
    shape: Shape,
    parts: Parts,
    /// The longest text of each column so far, in bytes: the evidence may be that of a sample.
    longest: Vec<u64>,
    quarantine: Quarantine,
    place: Place,
}

impl FolderTarget {
    /// Makes a target for a folder, which is created if it is missing.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        FolderTarget {
            root: path.into(),
            url_prefix: URL_PREFIX.to_owned(),
            part_bytes: PART_BYTES,
            row_group_rows: ROW_GROUP_ROWS,
            state: State::Waiting(()),
        }
    }

    /// The folder of one load into the folder `root`. Its names are the table's and the load's as they are where they are of
    /// small letters, digits, `-`, `_` and `.` and begin with a letter or digit; others become `x…` with a hash, for there are
    /// file systems that do not tell `A` from `a`, and names that lead elsewhere.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for what is no name of a table.
    pub fn folder_of(root: impl AsRef<FilePath>, table: &str, load_id: &str) -> Result<PathBuf> {
        let (table, load) = place::names(&TableName::parse(table, Dialect::Redshift)?, load_id);
        Ok(root.as_ref().join(table).join(load))
    }

    /// Names the URL that the folder will be copied to, for the Redshift manifest. Default: `s3://BUCKET/PREFIX`, to be
    /// filled in by hand.
    #[must_use]
    pub fn with_url_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.url_prefix = prefix.into().trim_end_matches('/').to_owned();
        self
    }

    /// Sets the size of a part, in bytes, past which the next one is begun. Default: 128 MiB.
    #[must_use]
    pub fn with_part_bytes(mut self, bytes: u64) -> Self {
        self.part_bytes = bytes;
        self
    }

    /// Sets how many rows a row group has at most; at least 1. Default: 131,072.
    #[must_use]
    pub fn with_row_group_rows(mut self, rows: usize) -> Self {
        self.row_group_rows = rows.max(1);
        self
    }
}

impl Target for FolderTarget {
    fn begin(&mut self, schema: &Schema, request: &LoadRequest) -> Result<Begun> {
        self.state.begin()?;
        if request.load_id.is_empty() {
            return Err(Error::config("a load id must not be empty"));
        }
        // Redshift refuses some names that Postgres takes, and the scripts are for both.
        let table = TableName::parse(&request.table, Dialect::Redshift)?;
        if let Mode::Merge(_) = request.mode {
            return Err(Error::new(ErrorKind::Unsupported, "a folder of parts has no rows to merge into")
                .with_hint("load into Postgres, or append and merge in the warehouse"));
        }
        let mut place = Place::open(&self.root, &table, &request.load_id)?;
        if let Some(found) = Manifest::read(&place.finished())? {
            if found.load_id != request.load_id || found.table != table.quoted() {
                let message = format!("{} holds another load or table", place.finished().display());
                return Err(Error::new(ErrorKind::Conflict, message).with_hint("choose another folder or load id"));
            }
            // Whoever renamed it may have been killed before it was on the disk for good.
            place.keep()?;
            self.state = State::Done;
            return Ok(Begun::AlreadyLoaded(found.counts()));
        }
        if request.mode == Mode::FailIfExists && !place.loads()?.is_empty() {
            let message = format!("table {} has loads in {}", table.quoted(), self.root.display());
            return Err(Error::new(ErrorKind::Conflict, message)
                .with_hint("append to it, replace them, or choose another table"));
        }
        place.start()?;
        let schema = shape::fitted(schema);
        let shape = Shape::new(&schema)?;
        let parts = Parts::new(place.unfinished(), &shape, self.part_bytes, self.row_group_rows);
        let quarantine = Quarantine::new(place.unfinished(), &request.sources);
        let encoder = Box::new(FolderEncoder::new(&shape));
        let request = request.clone();
        let longest = vec![0; schema.columns.len()];
        let load = Load { request, schema: schema.clone(), shape, parts, longest, quarantine, place };
        self.state = State::Open(Box::new(load));
        Ok(Begun::Open { schema, encoder })
    }

    fn write(&mut self, rows: Prepared) -> Result<()> {
        let Prepared::Batch(batch) = rows else {
            return Err(Error::new(ErrorKind::Unsupported, "a folder takes batches, not rows as bytes"));
        };
        self.state.during(|load| {
            fault::point("folder.rows")?;
            let batch = load.shape.convert(&batch)?;
            for (longest, array) in load.longest.iter_mut().zip(batch.columns()) {
                *longest = (*longest).max(longest_of(array));
            }
            load.parts.write(&batch)
        })
    }

    fn quarantine(&mut self, misfit: Misfit) -> Result<()> {
        self.state.during(|load| within_limit(load.quarantine.push(&misfit)?, load.request.max_quarantined))
    }

    fn commit(&mut self, read: u64) -> Result<Counts> {
        let counts = self.state.end()?.commit(read, &self.url_prefix)?;
        self.state = State::Done;
        Ok(counts)
    }
}

/// The longest text of a column, in bytes; 0 if it holds others.
fn longest_of(array: &ArrayRef) -> u64 {
    let Some(texts) = array.as_string_opt::<i32>() else { return 0 };
    texts.value_offsets().windows(2).map(|ends| ends[1].abs_diff(ends[0]).into()).max().unwrap_or(0)
}

impl Load {
    fn commit(self, read: u64, url_prefix: &str) -> Result<Counts> {
        let Load { request, mut schema, parts, longest, quarantine, mut place, .. } = self;
        for (column, longest) in schema.columns.iter_mut().zip(&longest) {
            column.max_bytes = column.max_bytes.map(|seen| seen.max(*longest));
        }
        let sent = parts.sent();
        fault::point("folder.parts")?;
        let parts = parts.finish()?;
        let quarantined = quarantine.finish()?;
        // Without columns there is no part; such rows are counted by the manifest alone.
        let loaded = if schema.columns.is_empty() { sent } else { parts.iter().map(|part| part.rows).sum() };
        let counts = conserved("the folder", read, (sent, loaded), (quarantined, quarantined), 0)?;
        let table = TableName::parse(&request.table, Dialect::Redshift)?;
        let manifest = Manifest::new(&table, &request, &schema, counts, parts);
        let url = format!("{url_prefix}/{}", place.relative());
        place.write("manifest.redshift.json", &manifest.for_redshift(&url)?)?;
        for (name, text) in scripts::all(&table, &request, (&schema, &longest), &manifest, &url) {
            place.write(name, text.as_bytes())?;
        }
        place.write("manifest.json", &manifest.to_json()?)?;
        place.commit(request.mode == Mode::Replace)?;
        Ok(counts)
    }
}

//! From chunks to records, whatever their format.

use super::csv::{RowCut, Rows};
use super::format::Format;
use super::json::{DocumentCut, Documents, LineCut, Lines};
use super::paths::{NodeId, PathTable};
use super::record::Sink;
use crate::path::Path;
use crate::source::{Chunk, Cut};

/// Arrays and objects may be nested this deep; Redshift's SUPER ends there too. Deeper records are bad.
pub const MAX_DEPTH: usize = 1000;

/// Fields that one record may have at its top level; a record with more is bad. It keeps one hostile line from making
/// the table of paths grow by as many.
pub const MAX_FIELDS: usize = 10_000;

/// Fields that a nested object may hold, over all its levels, to be taken apart; with more it is kept whole. The nested
/// objects of one record that are taken apart hold at most [`MAX_FIELDS`] between them.
pub const MAX_NESTED_FIELDS: usize = 1_000;

/// What a reader takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest record in bytes, 16 MiB by default.
    pub max_record_bytes: usize,
    /// How many levels of objects become columns by path, 16 by default; deeper ones stay whole. 1 keeps every
    /// nested object whole.
    pub flatten_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_record_bytes: 16 << 20, flatten_depth: 16 }
    }
}

/// Reads the records of chunks and hands them to a [`Sink`]. One per thread; its path table grows over all inputs.
///
/// ```
/// use longshore::records::{Bad, Format, Limits, PathTable, Reader, Record, Sink};
/// use longshore::source::Chunk;
///
/// #[derive(Default)]
/// struct Count(u32, u32);
/// impl Sink for Count {
///     fn record(&mut self, _: &PathTable, _: &Record<'_>) { self.0 += 1 }
///     fn bad(&mut self, _: &Bad<'_>) { self.1 += 1 }
/// }
///
/// let mut reader = Reader::new(Limits::default());
/// let mut count = Count::default();
/// reader.read(&Format::Ndjson, &mut Chunk::new(b"{\"a\":1}\n{\"a\":\n{\"a\":3}\n"), &mut count);
/// assert_eq!((count.0, count.1), (2, 1));
/// ```
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    paths: PathTable,
    lines: Lines,
    documents: Documents,
    /// Of the CSV input that the last CSV chunk came from.
    rows: Option<(u32, Rows)>,
    /// Whether CSV is read cell by cell.
    plain: bool,
}

impl Reader {
    /// Makes a reader that knows no paths yet.
    pub fn new(limits: Limits) -> Self {
        Reader {
            limits,
            paths: PathTable::default(),
            lines: Lines::default(),
            documents: Documents::default(),
            rows: None,
            plain: false,
        }
    }

    /// Reads by the plain ways only. Records, places and faults are the same, at less speed: what the shortcuts are
    /// compared with.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.lines.plain = true;
        self.plain = true;
        self
    }

    /// The paths known so far.
    pub fn paths(&self) -> &PathTable {
        &self.paths
    }

    /// The paths known so far, to add some that are not to be waited for.
    pub fn paths_mut(&mut self) -> &mut PathTable {
        &mut self.paths
    }

    /// Reads every record of a chunk, in order. `format` is that of the input the chunk comes from.
    pub fn read(&mut self, format: &Format, chunk: &mut Chunk, sink: &mut impl Sink) {
        match format {
            Format::Ndjson => self.lines.read(chunk, &mut self.paths, &self.limits, sink),
            Format::Json => self.documents.read(chunk, &mut self.paths, &self.limits, sink),
            Format::Csv(layout) => {
                let (_, rows) = match &mut self.rows {
                    Some(rows) if rows.0 == chunk.source => rows,
                    rows => {
                        let columns = csv_columns(&layout.columns, &mut self.paths);
                        rows.insert((chunk.source, Rows::new(layout, columns, self.plain)))
                    }
                };
                rows.read(chunk, &self.paths, &self.limits, sink);
            }
        }
    }
}

/// The paths of a header's columns: equal names become `a`, `a#2`, `a#3`.
pub fn csv_paths(columns: &[String]) -> Vec<Path> {
    let mut counts = rustc_hash::FxHashMap::<&str, u32>::default();
    let mut nth = |name| {
        let count = counts.entry(name).or_insert(0);
        *count += 1;
        *count
    };
    columns.iter().map(|name| Path::new([name.as_str()]).nth(nth(name.as_str()))).collect()
}

fn csv_columns(columns: &[String], paths: &mut PathTable) -> Vec<NodeId> {
    csv_paths(columns).iter().map(|path| paths.insert(path)).collect()
}

/// The cutter for inputs of a format.
pub fn cutter(format: &Format, limits: &Limits) -> Box<dyn Cut> {
    match format {
        Format::Ndjson => Box::new(LineCut),
        Format::Json => Box::new(DocumentCut::default()),
        Format::Csv(layout) => Box::new(RowCut::new(layout.dialect, limits.max_record_bytes)),
    }
}

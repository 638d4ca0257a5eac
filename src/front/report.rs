//! What a load tells of itself.

use std::path::PathBuf;

use crate::load::Counts;
use crate::schema::Schema;
use crate::sketch::Sketch;

/// What a load did.
#[derive(Debug, Clone)]
pub struct LoadReport {
    /// Records read, loaded and quarantined; they balance.
    pub counts: Counts,
    /// Bytes of the inputs as they are stored.
    pub bytes: u64,
    /// Wall time in seconds.
    pub seconds: f64,
    /// The table as it was asked for.
    pub table: String,
    /// The id of the load.
    pub load_id: String,
    /// The folder that the load's parts are in, if it went into a folder.
    pub folder: Option<PathBuf>,
    /// Whether the ledger had this load already, so that nothing was done; the counts are the ledger's.
    pub already_loaded: bool,
    /// The columns as they were loaded.
    pub schema: Schema,
    /// The evidence that the schema was made from; to explain the columns, or to keep for the next load.
    pub sketch: Sketch,
    /// The first records that were kept aside, at most [`MAX_QUARANTINED_LISTED`]; all of them are in the quarantine.
    pub first_quarantined: Vec<Quarantined>,
    /// What was noticed on the way and is no error.
    pub warnings: Vec<String>,
}

/// How many quarantined records a [`LoadReport`] lists; all are counted, and kept by the target.
pub const MAX_QUARANTINED_LISTED: usize = 1000;

/// A record that was kept aside: where it stands and why, without its bytes, which are in the quarantine.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Quarantined {
    /// The input's name.
    pub source: String,
    /// Physical line, from 1.
    pub line: u64,
    /// Byte offset in the decompressed, decoded input.
    pub byte: u64,
    /// The column whose value did not fit; `None` when the record itself is broken.
    pub path: Option<String>,
    /// Why.
    pub reason: String,
}

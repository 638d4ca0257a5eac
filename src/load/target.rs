//! What every place to load into has in common.

use arrow_array::RecordBatch;

use super::Mode;
use crate::batch::Misfit;
use crate::error::Result;
use crate::schema::Schema;

/// One load: what goes where, under which id.
#[derive(Debug, Clone)]
pub struct LoadRequest {
    /// The table as the user wrote it: `orders`, `analytics.orders`, `"My Schema"."Orders"`.
    pub table: String,
    /// The id under which the load happens at most once per table.
    pub load_id: String,
    /// What to do with rows that are there.
    pub mode: Mode,
    /// The names of the inputs; [`Misfit::source`] is an index into it.
    pub sources: Vec<String>,
    /// How the inputs are read, each as the JSON text of a [`Format`](crate::records::Format): one for each of them, or
    /// one for all, or none where that is not known. A replay of quarantined records needs it.
    pub formats: Vec<String>,
    /// A hash of the inputs' bytes, as hexadecimal text.
    pub content_hash: String,
    /// Bytes of the inputs as stored, before decompression.
    pub bytes: u64,
    /// A limit on quarantined records past which the load is rolled back.
    pub max_quarantined: Option<u64>,
    /// Whether rows that the table's own constraints and triggers refuse are looked for one by one, so that all others
    /// load; [`Target::isolated`] gives them. Without it such a row ends the load. It costs time, so a load is first tried
    /// without.
    pub isolate_rows: bool,
}

/// The counts of one load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Records in the input.
    pub read: u64,
    /// Rows added to the table.
    pub loaded: u64,
    /// Records kept aside.
    pub quarantined: u64,
    /// Records that lost to another one, or to a row, with the same key; 0 unless the mode is
    /// [`Mode::Merge`]. Each record that was read is in exactly one of the other three counts.
    pub deduplicated: u64,
}

/// What a target says at the start.
pub enum Begun {
    /// The load id is in the ledger: nothing is to be done, and these are its counts.
    AlreadyLoaded(Counts),
    /// Go on: decode under this schema, prepare with this encoder.
    Open {
        /// The schema as the table has it or will have it; its columns are the batches' columns, in order.
        schema: Schema,
        /// Turns batches into what [`Target::write`] takes; called on many threads.
        encoder: Box<dyn Encode>,
    },
}

/// A batch, ready to be sent.
#[derive(Debug)]
pub enum Prepared {
    /// Rows as bytes of the target's wire format.
    Bytes {
        /// The bytes, without the stream's header and trailer.
        bytes: Vec<u8>,
        /// How many rows they hold.
        rows: u64,
    },
    /// The batch itself.
    Batch(RecordBatch),
}

impl Prepared {
    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        match self {
            Prepared::Bytes { rows, .. } => *rows,
            Prepared::Batch(batch) => batch.num_rows() as u64,
        }
    }
}

/// The part of a target's work that runs on the worker threads.
pub trait Encode: Send + Sync {
    /// Prepares one batch.
    ///
    /// # Errors
    ///
    /// Only for a batch that does not have the schema that [`Begun::Open`] gave.
    fn encode(&self, batch: &RecordBatch) -> Result<Prepared>;
}

/// A place to load into: one value is one load, committed whole or not at all.
///
/// The order of calls is `begin`, then any number of `write` and `quarantine` in any order, then `commit`. Dropping
/// it before `commit` leaves the place as it was.
pub trait Target {
    /// Tells how many records the input holds, before [`begin`](Target::begin); a target may size its files by it.
    /// Not calling it is fine, and so is a number that turns out to be wrong.
    fn expect(&mut self, records: u64) {
        let _ = records;
    }

    /// Looks the load id up, plans and makes the changes the schema needs, and opens the load.
    fn begin(&mut self, schema: &Schema, request: &LoadRequest) -> Result<Begun>;

    /// Sends rows.
    fn write(&mut self, rows: Prepared) -> Result<()>;

    /// Keeps a record aside; it is stored with the rows. Memory stays bounded however many there are.
    fn quarantine(&mut self, misfit: Misfit) -> Result<()>;

    /// Waits for the rows to be stored; returns those that the table refused, in the order in which they were sent. Their
    /// records are for the caller to [`quarantine`](Target::quarantine). No more rows can be sent after it.
    ///
    /// # Errors
    ///
    /// What the place says. Without [`LoadRequest::isolate_rows`] a refused row is an error, too.
    fn isolated(&mut self) -> Result<Vec<Refused>> {
        Ok(Vec::new())
    }

    /// Checks that `read` = rows stored + records kept aside, as the place itself counts them, records the load in
    /// the ledger and commits.
    ///
    /// # Errors
    ///
    /// [`NotConserved`](crate::ErrorKind::NotConserved) or
    /// [`TooManyQuarantined`](crate::ErrorKind::TooManyQuarantined), after which nothing has changed.
    fn commit(&mut self, read: u64) -> Result<Counts>;

    /// What was noticed while the table was planned and is no error, once [`begin`](Target::begin) has returned: columns that
    /// do not hold every value, rows that queries may find too wide. None by default.
    fn warnings(&self) -> &[String] {
        &[]
    }

    /// The rows for which the place refused the load, after [`commit`](Target::commit) failed: the same load without
    /// them may succeed. None by default, and where the failure has another cause.
    fn refused(&self) -> &[Refused] {
        &[]
    }
}

/// A row that a place would not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its number in the order of [`Target::write`], from 0.
    pub row: u64,
    /// Index of the column in the schema that [`Begun::Open`] gave, where it is one column's value.
    pub column: Option<usize>,
    /// Why, without the value.
    pub reason: String,
}

//! What a stream tells of what it did.

use super::Offset;
use crate::load::Counts;
use crate::schema::Schema;

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Receipt {
    /// Records read, loaded, quarantined and deduplicated in all tables; they balance.
    pub counts: Counts,
    /// Single values that were quarantined, of records that are loaded without them.
    pub values_quarantined: u64,
    /// Values that went into a column `_overflow`, since their fields are past the column budget.
    pub overflowed: u64,
    /// The id of the batch in the ledger; `None` if nothing was committed.
    pub load_id: Option<String>,
    /// How far each source of the batch is committed now.
    pub offsets: Vec<Offset>,
    /// The statements that made or changed the tables, in the order in which they ran.
    pub altered: Vec<String>,
    /// The columns of the stream's own table, as they were loaded.
    pub schema: Schema,
    /// The same for each table of the batch, the stream's own first.
    pub tables: Vec<TableReceipt>,
    /// Bytes of the records, as they were written to the loader.
    pub bytes: u64,
}

/// What a commit did to one table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TableReceipt {
    /// The table's name with its schema, quoted.
    pub table: String,
    /// The table whose records the rows belong to, if this is a child table. Its counts are then of rows, and are not in
    /// those of the batch.
    pub child_of: Option<String>,
    /// Records read, loaded, quarantined and deduplicated; they balance.
    pub counts: Counts,
    /// Single values that were quarantined, of records that are loaded without them.
    pub values_quarantined: u64,
    /// Values that went into the column `_overflow`.
    pub overflowed: u64,
    /// The statements that made or changed the table, in the order in which they ran.
    pub altered: Vec<String>,
    /// The columns as they were loaded.
    pub schema: Schema,
}

/// What a stream has done since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamTotals {
    /// Records of all batches.
    pub counts: Counts,
    /// Single values that were quarantined, of records that are loaded without them.
    pub values_quarantined: u64,
    /// Values that went into a column `_overflow`.
    pub overflowed: u64,
    /// Batches committed.
    pub commits: u64,
    /// Writes that were skipped, because their positions were committed or buffered already.
    pub skipped: u64,
}

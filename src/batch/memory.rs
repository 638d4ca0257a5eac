//! How much memory batches take.

use arrow_array::{Array, RecordBatch};

/// The bytes that a batch's values take. Its arrays share one allocation, which Arrow's own count has once for each.
pub(crate) fn bytes_of(batch: &RecordBatch) -> usize {
    let bytes = |column: &dyn Array| {
        let data = column.to_data();
        data.get_slice_memory_size().unwrap_or_else(|_| data.get_array_memory_size())
    };
    batch.columns().iter().map(|column| bytes(column)).sum()
}

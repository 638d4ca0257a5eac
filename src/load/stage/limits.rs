//! What a row must keep to, where the server would refuse the whole load for it.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

use super::csv::NULL;
use crate::batch::bytes_of;
use crate::load::target::Refused;

/// Bytes of a row that a COPY takes, of any source. A little is left for separators and quotes.
const ROW_BYTES: usize = (4 << 20) - (64 << 10);

/// The limits of one table's rows.
#[derive(Debug, Clone, Default)]
pub(in crate::load) struct RowLimits {
    /// The longest text of each column, in bytes, where there is a limit.
    pub(in crate::load) text_bytes: Vec<Option<u32>>,
    /// Whether the text that stands for null in CSV is refused.
    pub(super) refuse_marker: bool,
    /// The longest text of each column so far, in bytes; 0 where there is none.
    pub(super) longest: Vec<u64>,
}

impl RowLimits {
    /// The rows of a batch that go past a limit; the batch's first row has number `first`.
    pub(super) fn refused(&mut self, batch: &RecordBatch, first: u64) -> Vec<Refused> {
        let mut refused: Vec<Refused> = Vec::new();
        let mut refuse = |row: usize, column: Option<usize>, reason: String| {
            let row = first + row as u64;
            if refused.iter().all(|other| other.row != row) {
                refused.push(Refused { row, column, reason });
            }
        };
        self.longest.resize(batch.num_columns(), 0);
        for ((at, array), longest) in batch.columns().iter().enumerate().zip(&mut self.longest) {
            let Some(texts) = array.as_string_opt::<i32>() else { continue };
            let limit = self.text_bytes.get(at).copied().flatten().map_or(usize::MAX, |limit| limit as usize);
            let lengths = texts.offsets().lengths();
            // A look at the lengths alone; most batches end here.
            for (row, len) in lengths.enumerate() {
                if len as u64 > *longest && texts.is_valid(row) {
                    *longest = len as u64;
                }
                if len > limit && texts.is_valid(row) {
                    refuse(row, Some(at), format!("{len} bytes, and the column takes {limit}"));
                }
                if self.refuse_marker && len == NULL.len() && texts.is_valid(row) && texts.value(row) == NULL {
                    refuse(row, Some(at), "the text that stands for null in staged files".to_owned());
                }
            }
        }
        if bytes_of(batch) > ROW_BYTES {
            for row in 0..batch.num_rows() {
                let bytes = row_bytes(batch, row);
                if bytes > ROW_BYTES {
                    refuse(row, None, format!("a row of {bytes} bytes, and a COPY takes {ROW_BYTES}"));
                }
            }
        }
        refused.sort_by_key(|refused| refused.row);
        refused
    }
}

/// About what a row takes in a staged file; in text a quote may become two bytes.
fn row_bytes(batch: &RecordBatch, row: usize) -> usize {
    let bytes = batch.columns().iter().map(|array| match array.data_type() {
        DataType::Utf8 if array.is_valid(row) => {
            let text = array.as_string::<i32>().value(row);
            text.len() + memchr::memchr2_iter(b'"', b'|', text.as_bytes()).count()
        }
        _ => 16,
    });
    bytes.sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, StringArray};

    use super::*;

    #[test]
    fn a_row_past_a_limit_is_named_with_its_number_and_column() {
        let wide = "x".repeat(ROW_BYTES + 1);
        let a: ArrayRef = Arc::new(StringArray::from(vec![Some("äö"), Some("abcde"), None, Some("")]));
        let b: ArrayRef = Arc::new(StringArray::from(vec![Some(""), Some("abcdef"), Some(NULL), Some(&wide)]));
        let batch = RecordBatch::try_from_iter_with_nullable([("a", a, true), ("b", b, true)]).unwrap();
        let mut limits = RowLimits { text_bytes: vec![Some(4), None], refuse_marker: true, longest: Vec::new() };
        let found = limits.refused(&batch, 10);
        let found: Vec<_> = found.iter().map(|refused| (refused.row, refused.column)).collect();
        assert_eq!(found, [(11, Some(0)), (12, Some(1)), (13, None)]);
        assert_eq!(limits.longest, [5, wide.len() as u64]);
        assert!(RowLimits::default().refused(&batch.slice(0, 3), 0).is_empty());
    }
}

//! What a row must keep to, where the server would refuse the whole load for it.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

use super::csv::NULL;
use crate::batch::bytes_of;
use crate::load::target::Refused;

/// Bytes of a row that a COPY takes, of any source. A little is left for separators and quotes.
const ROW_BYTES: usize = (4 << 20) - (64 << 10);

/// The longest text inside of SUPER, in bytes, unless the cluster's `enable_large_strings_opt_in` is on (1.2, 1.4).
const LONGEST_STRING: usize = 65_535;

/// The limits of one table's rows.
#[derive(Debug, Clone, Default)]
pub(in crate::load) struct RowLimits {
    /// The longest text of each column, in bytes, where there is a limit.
    pub(in crate::load) text_bytes: Vec<Option<u32>>,
    /// Whether the text that stands for null in CSV is refused.
    pub(super) refuse_marker: bool,
    /// Which columns hold JSON.
    pub(super) json: Vec<bool>,
    /// Whether texts inside of JSON may be longer than [`LONGEST_STRING`].
    pub(super) large_strings: bool,
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
            let looks_inside = !self.large_strings && self.json.get(at).copied().unwrap_or(false);
            let lengths = texts.offsets().lengths();
            // A look at the lengths alone; most batches end here.
            for (row, len) in lengths.enumerate() {
                if len as u64 > *longest && texts.is_valid(row) {
                    *longest = len as u64;
                }
                if len > limit && texts.is_valid(row) {
                    refuse(row, Some(at), format!("{len} bytes, and the column takes {limit}"));
                }
                if looks_inside && len > LONGEST_STRING && texts.is_valid(row) {
                    let inside = longest_string(texts.value(row));
                    if inside > LONGEST_STRING {
                        let reason =
                            format!("a text of {inside} bytes inside of JSON, and SUPER takes {LONGEST_STRING}");
                        refuse(row, Some(at), reason);
                    }
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

/// The bytes of the longest text in a JSON text, names of fields among them, as they are behind their escapes.
fn longest_string(json: &str) -> usize {
    let bytes = json.as_bytes();
    let (mut at, mut longest) = (0, 0);
    while let Some(open) = memchr::memchr(b'"', &bytes[at..]) {
        at += open + 1;
        let (mut length, mut from) = (0, at);
        loop {
            let Some(stop) = memchr::memchr2(b'"', b'\\', &bytes[from..]) else { return longest };
            length += stop;
            from += stop;
            if bytes[from] == b'"' {
                break;
            }
            let (escaped, taken) = escape(&bytes[from..]);
            length += escaped;
            from = (from + taken).min(bytes.len());
        }
        longest = longest.max(length);
        at = from + 1;
    }
    longest
}

/// The bytes of the character that an escape stands for, and those of the escape.
fn escape(bytes: &[u8]) -> (usize, usize) {
    let unit = |at: usize| {
        let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    match (unit(0), unit(6)) {
        (None, _) => (1, 2),
        (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (4, 12),
        (Some(0..=0x7F), _) => (1, 6),
        (Some(0x80..=0x7FF), _) => (2, 6),
        _ => (3, 6),
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
        let mut limits = RowLimits { text_bytes: vec![Some(4), None], refuse_marker: true, ..RowLimits::default() };
        let found = limits.refused(&batch, 10);
        let found: Vec<_> = found.iter().map(|refused| (refused.row, refused.column)).collect();
        assert_eq!(found, [(11, Some(0)), (12, Some(1)), (13, None)]);
        assert_eq!(limits.longest, [5, wide.len() as u64]);
        assert!(RowLimits::default().refused(&batch.slice(0, 3), 0).is_empty());
    }

    #[test]
    fn a_text_inside_of_json_is_as_long_as_it_is_behind_its_escapes() {
        for (json, longest) in [
            ("{}", 0),
            ("[1,true,null]", 0),
            (r#"{"key":"ab","k":["äö",{"x":""}]}"#, 4),
            (r#""a\"b\\c\n""#, 6),
            (r#""\u0041\u00e4\u20ac\ud83d\ude00""#, 1 + 2 + 3 + 4),
            (r#"["\ud83d","cut"#, 3),
        ] {
            assert_eq!(longest_string(json), longest, "{json}");
        }
    }

    #[test]
    fn a_row_whose_json_holds_too_long_a_text_is_refused_unless_the_cluster_takes_it() {
        let text = |n: usize| format!("[\"{}\",\"b\"]", "x".repeat(n));
        let many = format!("[{}]", vec!["\"short\""; 20_000].join(","));
        let j: ArrayRef = Arc::new(StringArray::from(vec![text(65_535), text(65_536), many]));
        let batch = RecordBatch::try_from_iter([("j", j)]).unwrap();
        let mut limits = RowLimits { json: vec![true], ..RowLimits::default() };
        let found: Vec<_> = limits.refused(&batch, 0).iter().map(|refused| (refused.row, refused.column)).collect();
        assert_eq!(found, [(1, Some(0))]);
        let mut large = RowLimits { json: vec![true], large_strings: true, ..RowLimits::default() };
        assert!(large.refused(&batch, 0).is_empty());
        assert!(RowLimits::default().refused(&batch, 0).is_empty(), "text that is no JSON has its column's limit");
    }
}

//! Record batches as records: lines of JSON, with the types that their columns declare.
//!
//! A row becomes a line so that everything that is promised of records holds for rows too: a value that its column does
//! not hold is found by the same check, and what is quarantined can be read and replayed. The types do not come from the
//! values, as they do for JSON, but from the batch: a text that looks like a date stays text.

mod apart;
mod cells;
mod evidence;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow_array::RecordBatch;

use self::apart::declared;
use self::cells::{Cell, cell, text};
use super::ChildTables;
use crate::error::Result;
use crate::path::Path;
use crate::records::Format;
use crate::sketch::{BadRecords, FieldEvidence, Position, Sketch, SourceEvidence};

/// What a batch declares of its columns.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Declared {
    /// As if the rows were records of input 0, the first one at byte 0.
    fields: Vec<FieldEvidence>,
    /// How many there are; 0 for rows that have values besides what is declared, and are counted with these: those that are
    /// taken apart.
    rows: u64,
    /// The same of the rows of child tables, by the keys that lead to them.
    pub(super) children: BTreeMap<Vec<String>, Arc<Declared>>,
}

/// The rows of a batch as lines of JSON, each with its line end, and what the batch declares of them.
///
/// # Errors
///
/// [`Unsupported`](crate::ErrorKind::Unsupported) with the column, for a type that no column of a table has;
/// [`Config`](crate::ErrorKind::Config) for two columns of one name.
pub(super) fn lines(batch: &RecordBatch, which: &ChildTables) -> Result<(Vec<u8>, Declared)> {
    let schema = batch.schema_ref();
    let mut columns: Vec<(Vec<u8>, Cell<'_>)> = Vec::new();
    for (field, array) in schema.fields().iter().zip(batch.columns()) {
        let path = Path::new([field.name().as_str()]);
        let mut key = Vec::new();
        text(field.name(), &mut key);
        if columns.iter().any(|(known, _)| *known == key) {
            return Err(cells::two_of_one_name(&path));
        }
        columns.push((key, cell(field, array.as_ref(), &path)?));
    }
    let mut out = Vec::with_capacity(32 * batch.num_rows() * columns.len());
    for row in 0..batch.num_rows() {
        out.push(b'{');
        for (nth, (key, cell)) in columns.iter().enumerate() {
            if nth > 0 {
                out.push(b',');
            }
            out.extend_from_slice(key);
            out.push(b':');
            cell(row, &mut out);
        }
        out.extend_from_slice(b"}\n");
    }
    Ok((out, declared(batch, which)))
}

impl Declared {
    /// Whether rows have values besides what is declared.
    pub(super) fn is_partial(&self) -> bool {
        self.rows == 0
    }

    /// What is to be seen in the values, of the evidence that they give: what is declared is not.
    pub(super) fn besides(&self, mut values: Sketch) -> Sketch {
        let declared: HashSet<&Path> = self.fields.iter().map(|field| &field.path).collect();
        values.fields.retain(|field| !declared.contains(&field.path));
        values
    }

    /// The evidence of the rows, as those of a source that stand from this byte and line on.
    pub(super) fn sketch(&self, source: &str, byte: u64, line: u64) -> Sketch {
        let mut fields = self.fields.clone();
        for field in &mut fields {
            field.evidence.appeared.1 += byte;
            let place = |position: &mut Position| (position.offset, position.line) = (byte, line);
            field.evidence.first.iter_mut().for_each(|(_, position)| place(position));
        }
        let format = Some(Format::Ndjson);
        let source = SourceEvidence { name: source.to_owned(), format, records: self.rows, bad: 0 };
        Sketch::assemble(vec![source], fields, BadRecords::default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, Int32Array, StringArray};

    use super::*;
    use crate::schema::Policy;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn rows_are_lines_and_types_are_the_batchs() {
        let day: ArrayRef = Arc::new(StringArray::from(vec![Some("2024-01-01"), None, Some("a\"b\n")]));
        let number: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), Some(-7), None]));
        let double: ArrayRef = Arc::new(Float64Array::from(vec![0.1, 1e16, f64::NAN]));
        let (lines, declared) =
            lines(&batch(vec![("day", day), ("n", number), ("x\"y", double)]), &ChildTables::None).unwrap();
        assert_eq!(
            String::from_utf8(lines).unwrap(),
            "{\"day\":\"2024-01-01\",\"n\":7,\"x\\\"y\":0.1}\n{\"day\":null,\"n\":-7,\"x\\\"y\":1e16}\n\
             {\"day\":\"a\\\"b\\n\",\"n\":null,\"x\\\"y\":no value of Float64: NaN}\n"
        );
        let schema = Policy::default().resolve(&declared.sketch("s", 100, 5)).unwrap();
        let types: Vec<String> = schema.columns.iter().map(|column| column.ty.to_string()).collect();
        assert_eq!(types, ["text", "int32", "float64"]);
    }

    #[test]
    fn two_columns_of_one_name_are_refused() {
        let number: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        let error = lines(&batch(vec![("a", number.clone()), ("a", number)]), &ChildTables::None).unwrap_err();
        assert_eq!((error.kind(), error.location().unwrap().column.as_deref()), (crate::ErrorKind::Config, Some("a")));
    }
}

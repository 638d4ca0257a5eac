//! What a record batch declares of its rows, and, where they are taken apart, of the elements of their lists: the types of
//! these, as for any other column.
//!
//! What rows get besides (ids, places, and the lengths that stand for lists) no batch declares; that is seen in the values.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, GenericListArray, OffsetSizeTrait, RecordBatch};
use arrow_schema::{DataType, Field, FieldRef};

use super::Declared;
use super::evidence::declare;
use crate::front::stream::ChildTables;
use crate::path::Path;
use crate::sketch::FieldEvidence;

/// What a batch declares, given which of its lists become child tables.
pub(super) fn declared(batch: &RecordBatch, which: &ChildTables) -> Declared {
    let mut work = Work { which, children: BTreeMap::new() };
    let mut fields = Vec::new();
    for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        work.field(field, array.as_ref(), &mut Place::default(), &mut fields);
    }
    let child = |fields| Arc::new(Declared { fields, ..Declared::default() });
    let children = work.children.into_iter().map(|(keys, fields)| (keys, child(fields))).collect();
    let rows = if *which == ChildTables::None { batch.num_rows() as u64 } else { 0 };
    Declared { fields, rows, children }
}

/// Where in a record a field is.
#[derive(Default)]
struct Place {
    /// The keys that lead to it from the record, with `[]` for an element.
    keys: Vec<String>,
    /// How many of them lead to its row.
    row: usize,
}

struct Work<'a> {
    which: &'a ChildTables,
    children: BTreeMap<Vec<String>, Vec<FieldEvidence>>,
}

impl Work<'_> {
    /// Declares a column of the rows whose fields are in `out`.
    fn field(&mut self, field: &Field, array: &dyn Array, place: &mut Place, out: &mut Vec<FieldEvidence>) {
        place.keys.push(field.name().clone());
        match elements(array) {
            Some((of, elements)) if self.which.includes(&Path::new(place.keys.iter().cloned()).to_string()) => {
                self.elements(&of, elements.as_ref(), &place.keys);
            }
            _ => {
                declare(field, array, Path::new(place.keys[place.row..].iter().cloned()), out);
                if let Some(object) = array.as_struct_opt() {
                    for (field, array) in object.fields().iter().zip(object.columns()) {
                        self.field(field, array.as_ref(), place, out);
                    }
                }
            }
        }
        place.keys.pop();
    }

    /// Declares the rows of a child table.
    fn elements(&mut self, of: &Field, elements: &dyn Array, keys: &[String]) {
        let mut out = self.children.remove(keys).unwrap_or_default();
        match elements.as_struct_opt() {
            Some(object) => {
                let keys: Vec<String> = keys.iter().cloned().chain(["[]".to_owned()]).collect();
                let mut place = Place { row: keys.len(), keys };
                for (field, array) in object.fields().iter().zip(object.columns()) {
                    self.field(field, array.as_ref(), &mut place, &mut out);
                }
            }
            None => declare(of, elements, Path::new(["value"]), &mut out),
        }
        self.children.insert(keys.to_vec(), out);
    }
}

/// The elements of all lists of an array, if it is one of lists.
fn elements(array: &dyn Array) -> Option<(FieldRef, ArrayRef)> {
    match array.data_type() {
        DataType::List(of) => Some((of.clone(), within(array.as_list::<i32>()))),
        DataType::LargeList(of) => Some((of.clone(), within(array.as_list::<i64>()))),
        DataType::FixedSizeList(of, _) => Some((of.clone(), array.as_fixed_size_list().values().clone())),
        _ => None,
    }
}

/// The elements of these lists, where the array is a slice of more.
fn within<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> ArrayRef {
    let offsets = lists.value_offsets();
    let (from, to) = (offsets[0].as_usize(), offsets[lists.len()].as_usize());
    lists.values().slice(from, to - from)
}

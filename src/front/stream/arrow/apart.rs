//! What a record batch declares of its rows when they are taken apart: of what is left of them, and of the elements of their
//! lists. It is the types of the lists' elements, as for any other column.
//!
//! What rows get besides (ids, places, and the lengths that stand for lists) no batch declares; that is seen in the values.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, GenericListArray, OffsetSizeTrait, RecordBatch};
use arrow_schema::{DataType, Field, FieldRef};

use super::Declared;
use super::evidence::declare_one;
use crate::front::stream::ChildTables;
use crate::path::Path;
use crate::sketch::FieldEvidence;

/// What is declared of a batch's tables.
#[derive(Debug, Default, PartialEq)]
pub(in crate::front::stream) struct Apart {
    /// Of the rows without what is in child tables.
    pub(in crate::front::stream) own: Arc<Declared>,
    /// Of the rows of child tables, by the keys that lead to them.
    pub(in crate::front::stream) children: BTreeMap<Vec<String>, Arc<Declared>>,
}

impl Apart {
    pub(super) fn of(batch: &RecordBatch, which: &ChildTables) -> Apart {
        let mut work = Work { which, children: BTreeMap::new() };
        let mut own = Vec::new();
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            work.field(field, array.as_ref(), &mut Place::default(), &mut own);
        }
        let declared = |fields| Arc::new(Declared { fields, rows: 0, apart: None });
        let children = work.children.into_iter().map(|(keys, fields)| (keys, declared(fields))).collect();
        Apart { own: declared(own), children }
    }
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
                declare_one(field, array, Path::new(place.keys[place.row..].iter().cloned()), out);
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
            None => declare_one(of, elements, Path::new(["value"]), &mut out),
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

//! Arrays that become tables of their own.

mod check;
mod family;
mod members;
mod take_apart;

pub(super) use self::check::Refused;
pub(super) use self::family::Families;
pub(in crate::front) use self::take_apart::{file_row_id, row_id, take_apart};
use crate::path::Path;

/// Which arrays of a stream's records become child tables, one row for each element.
///
/// The elements of `order.items` in table `shop` go into `shop__order__items`. A row there has `_parent_id`, which is
/// `_row_id` of its record, and `_index`, the element's place from 0. An element that is an object gives its fields, any
/// other one is in `value`. In the record's own row the array's place is taken by its length; where a field is an array
/// here and a number there, only the child table tells them apart.
///
/// The lists of a record batch are taken apart like arrays, and the types of their elements are those of the rows.
///
/// `_row_id` is a UUID made of the record's source, the position of its write, and the record's place in the write, so it
/// is the same whenever the record is loaded. Rows of child tables have one too, for their own arrays.
///
/// Where rows are merged by key, the rows of a record's elements go with the row whose place another takes, and a record
/// that loses to another one leaves none.
///
/// A record is loaded with all its elements or not at all: if one of them does not fit, the record is quarantined whole,
/// with the path of what did not fit. A record that has a field of one of these names is quarantined too. Counts are of
/// records; those of rows in child tables are in each [`TableReceipt`](crate::TableReceipt).
///
/// ```
/// use longshore::ChildTables;
/// assert!(ChildTables::paths(["order.items"]).includes("order.items"));
/// assert!(!ChildTables::default().includes("order.items"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ChildTables {
    /// None: arrays stay whole, as JSON.
    #[default]
    None,
    /// All of them, also those within elements, in up to 100 tables; records with more are quarantined.
    All,
    /// Those at these paths. Of an array within the elements of another one the path is `order.items[].tags`.
    Paths(Vec<String>),
}

/// How many child tables a stream or a load may make.
pub(in crate::front) const MAX_CHILD_TABLES: usize = 100;

impl ChildTables {
    /// Names the arrays by their paths.
    pub fn paths(paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        ChildTables::Paths(paths.into_iter().map(Into::into).collect())
    }

    /// Whether the array that these keys lead to becomes a table.
    pub(in crate::front) fn wants(&self, keys: &[String]) -> bool {
        match self {
            // The step into an array, and so no name that a table could be known by.
            _ if keys.last().is_some_and(|key| key == "[]") => false,
            ChildTables::Paths(_) => self.includes(&Path::new(keys.iter().cloned()).to_string()),
            _ => self.includes(""),
        }
    }

    /// Whether the array at a path becomes a table.
    pub fn includes(&self, path: &str) -> bool {
        match self {
            ChildTables::None => false,
            ChildTables::All => true,
            ChildTables::Paths(paths) => paths.iter().any(|known| known == path),
        }
    }
}

/// The path of the rows of a child table in their record, by the keys that lead to it: `items[]`.
pub(in crate::front) fn rows_path(keys: &[String]) -> String {
    format!("{}[]", Path::new(keys.iter().cloned()))
}

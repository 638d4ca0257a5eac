//! Which column of the table holds a field, as a stream finds it.

use rustc_hash::FxHashMap;

use crate::path::Path;
use crate::plan::{ExistingColumn, ExistingTable, path_of_comment};
use crate::schema::Column;

/// The columns of a table, by what they are known by.
pub(super) struct There<'a> {
    /// All of them.
    pub(super) columns: &'a [ExistingColumn],
    /// Those that say which field they hold.
    by_path: FxHashMap<Path, &'a ExistingColumn>,
    /// All others, by their names in lower case.
    by_name: FxHashMap<String, &'a ExistingColumn>,
}

impl<'a> There<'a> {
    pub(super) fn new(table: Option<&'a ExistingTable>) -> Self {
        let columns = table.map_or(&[][..], |table| &table.columns);
        let mut there = There { columns, by_path: FxHashMap::default(), by_name: FxHashMap::default() };
        for column in columns {
            match column.comment.as_deref().and_then(path_of_comment) {
                Some(path) => there.by_path.entry(path).or_insert(column),
                None => there.by_name.entry(column.name.to_ascii_lowercase()).or_insert(column),
            };
        }
        there
    }

    /// The column that holds the field of a column of the data.
    pub(super) fn column(&self, column: &Column) -> Option<&'a ExistingColumn> {
        let named = |name: &str| self.by_name.get(&name.to_ascii_lowercase());
        let found = self.by_path.get(&column.path).or_else(|| named(&column.name));
        found.or_else(|| named(&column.path.to_string())).copied()
    }
}

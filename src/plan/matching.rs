//! Which column of a table holds which field of the data; the same in every warehouse.

use rustc_hash::{FxHashMap, FxHashSet};

#[cfg(feature = "postgres")]
use super::ExistingTable;
use super::path_of_comment;
use crate::schema::{Column, Schema};

/// What a column of a table is known by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) name: &'a str,
    pub(super) comment: Option<&'a str>,
}

/// For each column of the schema the index of the column of a Postgres table that holds the same field, as [`evolve`](super::evolve)
/// finds it.
#[cfg(feature = "postgres")]
pub(crate) fn matched(schema: &Schema, table: &ExistingTable) -> Vec<Option<usize>> {
    let known: Vec<Known<'_>> =
        table.columns.iter().map(|column| Known { name: &column.name, comment: column.comment.as_deref() }).collect();
    match_columns(schema, &known)
}

/// For each column of the schema the index of the table's column that holds the same field.
pub(super) fn match_columns(schema: &Schema, table: &[Known<'_>]) -> Vec<Option<usize>> {
    let paths: Vec<_> = table.iter().map(|column| column.comment.and_then(path_of_comment)).collect();
    let mut by_path = FxHashMap::default();
    let mut by_name = FxHashMap::default();
    for (at, (column, path)) in table.iter().zip(&paths).enumerate() {
        match path {
            Some(path) => {
                by_path.entry(path).or_insert(at);
            }
            None => {
                by_name.insert(column.name, at);
            }
        }
    }
    // Of two columns for one place the first takes it. A column that is called as the field is spelled comes before one that
    // is called as ours would be: `ID` and `id` are two fields, and may be two columns.
    let mut taken = FxHashSet::default();
    let mut matched: Vec<Option<usize>> = schema
        .columns
        .iter()
        .map(|column| by_path.get(&column.path).or_else(|| by_name.get(column.path.to_string().as_str())).copied())
        .map(|found| found.filter(|&at| taken.insert(at)))
        .collect();
    for (column, matched) in schema.columns.iter().zip(&mut matched).filter(|(_, matched)| matched.is_none()) {
        *matched = by_name.get(column.name.as_str()).copied().filter(|&at| taken.insert(at));
    }
    // A table that others made may spell a name in another case, or as the source does.
    let spellings: [fn(&Column) -> String; 2] = [|column| column.name.clone(), |column| column.path.to_string()];
    for spelling in spellings {
        let free = |at: &usize| paths[*at].is_none() && !matched.contains(&Some(*at));
        let mut open: FxHashMap<String, Vec<usize>> = FxHashMap::default();
        for at in (0..table.len()).filter(free) {
            open.entry(table[at].name.to_lowercase()).or_default().push(at);
        }
        let mut wanted: FxHashMap<String, Vec<usize>> = FxHashMap::default();
        for (i, column) in schema.columns.iter().enumerate().filter(|&(i, _)| matched[i].is_none()) {
            wanted.entry(spelling(column).to_lowercase()).or_default().push(i);
        }
        // Only where there is no doubt on either side.
        for (name, columns) in wanted {
            if let ([i], Some([at])) = (columns.as_slice(), open.get(&name).map(Vec::as_slice)) {
                matched[*i] = Some(*at);
            }
        }
    }
    matched
}

//! What becomes of rows that are in a table already.

use std::collections::BTreeSet;

use crate::error::{Error, Result};

/// What to do with rows that are in the table already.
///
/// ```
/// use longshore::load::{MergeKeys, Mode};
/// let mode = Mode::Merge(MergeKeys::new(["order.id"]).order_by("updated_at"));
/// assert_ne!(mode, Mode::default());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Mode {
    /// Keep them and add to them.
    #[default]
    Append,
    /// Put the load in their place, in one transaction.
    Replace,
    /// Refuse to load if the table exists.
    FailIfExists,
    /// Put each record in the place of the row that has the same key, and add it where there is none.
    Merge(MergeKeys),
}

/// By which fields records and rows are the same, and which of them is the later one.
///
/// Of several records with one key the last stays: that with the greatest value of the ordering field, and of equal
/// values, or without an ordering field, the one that came last. Null is less than every value. A row in the table stays
/// where its ordering value is greater than the record's. What loses is counted as
/// [`Counts::deduplicated`](super::Counts::deduplicated), whether to a record of the same batch or to a row. A record
/// with null in a key field is quarantined.
///
/// The record that stays is the whole row: columns of fields that it does not have become null. Columns that others
/// added to the table are left alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MergeKeys {
    /// The key fields, as paths: `id`, `order.id`. At least one.
    pub keys: Vec<String>,
    /// The ordering field, as a path. `None`, the default, for the order of the input.
    pub order_by: Option<String>,
}

impl MergeKeys {
    /// Names the key fields by their paths.
    pub fn new(keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        MergeKeys { keys: keys.into_iter().map(Into::into).collect(), order_by: None }
    }

    /// Names the ordering field by its path.
    #[must_use]
    pub fn order_by(mut self, path: impl Into<String>) -> Self {
        self.order_by = Some(path.into());
        self
    }

    /// The paths of all fields that have to be columns for this.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().chain(&self.order_by).map(String::as_str)
    }

    /// Whether rows can be told apart by it.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) without any key, or with one that stands twice.
    pub fn check(&self) -> Result<()> {
        let distinct: BTreeSet<&String> = self.keys.iter().collect();
        if self.keys.is_empty() {
            return Err(Error::config("merging needs a key").with_hint("name the fields that tell records apart"));
        }
        if distinct.len() < self.keys.len() {
            return Err(Error::config("a key field is named twice").with_hint("name each field of the key once"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_fields_and_each_of_them_once() {
        MergeKeys::new(["a", "b"]).order_by("a").check().unwrap();
        for keys in [vec![], vec!["a", "a"]] {
            assert!(MergeKeys::new(keys).check().unwrap_err().hint().is_some());
        }
    }
}

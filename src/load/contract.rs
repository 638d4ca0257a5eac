//! What a stream may do to its table.

use std::collections::BTreeMap;

#[cfg(feature = "postgres")]
use crate::error::{Error, ErrorKind, Location};
#[cfg(feature = "postgres")]
use crate::schema::Column;

/// Bytes of a table from which on it counts as large, unless said otherwise: to rewrite so much takes seconds to a minute,
/// in which nobody can read the table.
const LARGE_TABLE: u64 = 1 << 30;

/// What a stream may do to a table that is there, when the data has what the table does not.
///
/// A table that is not there is made of the first batch, whatever the contract says of new columns.
///
/// ```
/// use longshore::load::{Contract, OnChange, Rewrite};
/// let contract = Contract::default()
///     .columns(OnChange::Freeze)
///     .types(OnChange::Evolve)
///     .column("note", OnChange::NullValue)
///     .rewrite(Rewrite::VariantColumn);
/// assert_eq!(contract.for_new_column("note"), OnChange::NullValue);
/// assert_eq!(contract.for_new_column("other"), OnChange::Freeze);
/// assert_eq!(contract.large_table, 1 << 30);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contract {
    /// What happens to fields that the table has no column for. [`OnChange::Evolve`] by default.
    pub columns: OnChange,
    /// What happens to values that are too wide for their column's type. [`OnChange::Evolve`] by default.
    pub types: OnChange,
    /// What happens to single fields instead, by path, whether they are new or too wide.
    pub by_column: BTreeMap<String, OnChange>,
    /// What happens where a wider type would rewrite a large table. [`Rewrite::Allow`] by default.
    pub rewrite: Rewrite,
    /// From how many bytes on a table is large, without its indexes. 1 GiB by default.
    pub large_table: u64,
}

impl Default for Contract {
    fn default() -> Self {
        Contract {
            columns: OnChange::default(),
            types: OnChange::default(),
            by_column: BTreeMap::new(),
            rewrite: Rewrite::default(),
            large_table: LARGE_TABLE,
        }
    }
}

impl Contract {
    /// Sets what happens to fields that the table has no column for.
    #[must_use]
    pub fn columns(mut self, on_change: OnChange) -> Self {
        self.columns = on_change;
        self
    }

    /// Sets what happens to values that are too wide for their column's type.
    #[must_use]
    pub fn types(mut self, on_change: OnChange) -> Self {
        self.types = on_change;
        self
    }

    /// Sets what happens to one field, whether it is new or its values are too wide.
    #[must_use]
    pub fn column(mut self, path: impl Into<String>, on_change: OnChange) -> Self {
        self.by_column.insert(path.into(), on_change);
        self
    }

    /// Sets what happens where a wider type would rewrite a large table.
    #[must_use]
    pub fn rewrite(mut self, rewrite: Rewrite) -> Self {
        self.rewrite = rewrite;
        self
    }

    /// Sets from how many bytes on a table is large.
    #[must_use]
    pub fn large_table(mut self, bytes: u64) -> Self {
        self.large_table = bytes;
        self
    }

    /// What happens to the field at `path` if the table has no column for it.
    pub fn for_new_column(&self, path: &str) -> OnChange {
        self.by_column.get(path).copied().unwrap_or(self.columns)
    }

    /// What happens to values of the field at `path` that are too wide for their column.
    pub fn for_wider_type(&self, path: &str) -> OnChange {
        self.by_column.get(path).copied().unwrap_or(self.types)
    }
}

/// What happens when the data asks for a change to the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnChange {
    /// The table is changed. Where no change keeps every value (a text in a `timestamptz` column), the records whose
    /// values do not fit are quarantined.
    #[default]
    Evolve,
    /// The batch fails with [`Conflict`](crate::ErrorKind::Conflict), and nothing of it is loaded.
    Freeze,
    /// The table stays as it is, and the records concerned are quarantined.
    Quarantine,
    /// The table stays as it is. The records are loaded with null in place of the values concerned, and each of these
    /// values is quarantined by itself, with its path. A record of which only values were quarantined counts as
    /// loaded.
    NullValue,
}

/// What happens where a wider type would rewrite a large table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Rewrite {
    /// The table is rewritten, in the batch's transaction. Nobody can read it meanwhile.
    #[default]
    Allow,
    /// The column stays as it is. Values that it does not hold go as text into a new column beside it,
    /// `NAME__text`, and the view `TABLE__whole` shows both as one column of text.
    VariantColumn,
    /// The column stays as it is, and records whose values it does not hold are quarantined.
    Quarantine,
}

/// What is said of a column that would have to be changed, or made, where the contract freezes that.
#[cfg(feature = "postgres")]
pub(crate) fn frozen(column: &Column, why: &str) -> Error {
    let witness = column.why.witness.as_ref();
    let place = Location {
        source: witness.map(|witness| witness.source.clone()),
        line: witness.map(|witness| witness.line),
        byte: None,
        column: Some(column.path.to_string()),
    };
    Error::new(ErrorKind::Conflict, format!("{why}, which the contract freezes"))
        .with_location(place)
        .with_hint("alter the table by hand and commit again, or let the contract evolve or quarantine")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_column_comes_before_what_is_said_of_all() {
        let contract = Contract::default().types(OnChange::Freeze).column("a", OnChange::Quarantine);
        assert_eq!(contract.for_wider_type("a"), OnChange::Quarantine);
        assert_eq!(contract.for_wider_type("b"), OnChange::Freeze);
        assert_eq!(contract.for_new_column("b"), OnChange::Evolve);
    }
}

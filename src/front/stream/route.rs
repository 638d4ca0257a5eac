//! Which of several tables a record goes into.

/// Sends each record of a stream into a table by the value of one field.
///
/// The table of a value is called `TABLE_VALUE`, in the schema of the stream's own table: `events_click`. So a value
/// never names a table that the stream does not own. A value that is a name already (lower-case ASCII letters, digits
/// and `_`, and short enough) is taken as it is; any other is made one, and gets a hash of the value at its end, so that
/// two values never share a table.
///
/// Records without a value in the field (none, null, an object or an array) and those past the bound on tables stay in
/// the stream's own table, or are quarantined.
///
/// ```
/// use longshore::{Route, Unrouted};
/// let route = Route::field("type").max_tables(20).unrouted(Unrouted::Quarantine);
/// assert_eq!(route.table_for("events", "click"), "events_click");
/// assert!(route.table_for("events", "Page View").starts_with("events_page_view_"));
/// assert_ne!(route.table_for("events", "Click"), route.table_for("events", "CLICK"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// The field, as a path.
    pub field: String,
    /// How many tables the stream may send records to, besides its own; those that it has filled before it was opened, and that are
    /// still there, are among them. Default: 64.
    pub max_tables: usize,
    /// What becomes of records without a table. Default: [`Unrouted::OwnTable`].
    pub unrouted: Unrouted,
}

/// What becomes of a record that a [`Route`] has no table for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Unrouted {
    /// It goes into the stream's own table.
    #[default]
    OwnTable,
    /// It is quarantined.
    Quarantine,
}

/// Bytes that a table's name has in Postgres.
const NAME_LIMIT: usize = 63;
/// `_` and 16 hexadecimal digits.
const SUFFIX: usize = 17;

impl Route {
    /// Routes by the field at this path.
    pub fn field(path: impl Into<String>) -> Self {
        Route { field: path.into(), max_tables: 64, unrouted: Unrouted::default() }
    }

    /// Sets how many tables the stream may send records to, besides its own.
    #[must_use]
    pub fn max_tables(mut self, tables: usize) -> Self {
        self.max_tables = tables;
        self
    }

    /// Sets what becomes of records without a table.
    #[must_use]
    pub fn unrouted(mut self, unrouted: Unrouted) -> Self {
        self.unrouted = unrouted;
        self
    }

    /// The name of the table for a value, given that of the stream's own table, without its schema.
    pub fn table_for(&self, table: &str, value: &str) -> String {
        joined_name(table, "_", value)
    }
}

/// `TABLE` + `between` + `part`, as a name: `part` as it is if it is one already, else made one, with a hash at the end.
pub(super) fn joined_name(table: &str, between: &str, part: &str) -> String {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let whole = format!("{table}{between}{part}");
    // `__` stands before the arrays of child tables: no other part may hold it, or make one with what it is joined to.
    let is_step = !part.contains("__") && !part.starts_with('_') && !part.ends_with('_');
    let is_plain = !part.is_empty() && part.chars().all(is_name) && is_step;
    // The names of longshore's own tables are none that a value may lead to.
    if is_plain && whole.len() <= NAME_LIMIT && !whole.starts_with("_longshore_") {
        return whole;
    }
    let plain: String = part.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    let mut name = format!("{table}{between}{}", plain.trim_matches('_'));
    let mut end = name.len().min(NAME_LIMIT - SUFFIX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    let mut hasher = blake3::Hasher::new();
    // With its length, so that no two pairs of table and part are hashed alike.
    hasher.update(&(table.len() as u64).to_le_bytes());
    hasher.update(table.as_bytes());
    hasher.update(part.as_bytes());
    format!("{}_{}", name.trim_end_matches('_'), &hasher.finalize().to_hex()[..SUFFIX - 1])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_becomes_a_name_and_never_another_values_name() {
        let route = Route::field("type");
        for (value, expected) in [("click", "events_click"), ("v2_click", "events_v2_click"), ("7", "events_7")] {
            assert_eq!(route.table_for("events", value), expected);
        }
        let odd = [
            "a__b",
            "_a",
            "a_",
            "Click",
            "CLICK",
            "click!",
            "click ",
            "",
            "\"; DROP TABLE t; --",
            "été",
            "a.b",
            "日本",
            "\0",
        ];
        let mut names: Vec<String> = odd.iter().map(|value| route.table_for("events", value)).collect();
        let tables = odd.iter().zip(&names);
        assert!(
            tables.filter(|(value, _)| value.contains('_')).all(|(value, name)| *name != format!("events_{value}"))
        );
        for name in &names {
            assert!(name.starts_with("events_") || name.starts_with("events"), "{name}");
            assert!(name.chars().all(|c| c.is_alphanumeric() || c == '_'), "{name}");
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), odd.len());
    }

    proptest! {
        #[test]
        fn every_value_has_a_name_that_fits(table in "[a-z_é]{1,63}", value: String) {
            let name = Route::field("type").table_for(&table, &value);
            prop_assert!(name.len() <= NAME_LIMIT && !name.contains('\0'));
            prop_assert_eq!(&name, &Route::field("other").table_for(&table, &value));
        }
    }
}

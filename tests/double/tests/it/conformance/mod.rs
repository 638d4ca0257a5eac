//! One suite for every warehouse: the promises are written once, and each place has to keep them all.
//!
//! Checks are read in SQL that both Postgres and Redshift have, so that the same suite runs on a live cluster.

pub(crate) mod promises;

use longshore::{LoadReport, Loader, Source};

/// A row as texts.
pub(crate) type Row = Vec<Option<String>>;

/// A place to load into, and a session that looks at what is there.
pub(crate) trait Warehouse {
    /// A loader into a table of this place. It takes no part in what the warehouse remembers of others.
    fn loader(&self, table: &str) -> Loader;

    /// Runs a statement and gives its rows. Panics with the server's error.
    fn rows(&mut self, sql: &str) -> Vec<Row>;

    /// SQL that prints a JSON column.
    fn json(&self, column: &str) -> String;

    /// The name of a table with its schema, so that tests do not see each other's.
    fn table(&self, name: &str) -> String;

    /// The statements that were sent so far, where the place can tell.
    #[allow(dead_code, reason = "not every program that shares this file asks")]
    fn statements(&self) -> Vec<String> {
        Vec::new()
    }

    /// The first value of the first row.
    fn value(&mut self, sql: &str) -> String {
        self.rows(sql)[0][0].clone().unwrap_or_else(|| "NULL".to_owned())
    }

    /// The number of rows of a table.
    fn count(&mut self, table: &str) -> u64 {
        self.value(&format!("SELECT count(*) FROM {table}")).parse().expect("a count")
    }
}

/// Loads bytes under an id.
pub(crate) fn load(warehouse: &dyn Warehouse, table: &str, id: &str, records: &str) -> longshore::Result<LoadReport> {
    warehouse.loader(table).load_id(id).load(Source::bytes(records))
}

/// A promise, by the name under which it is reported.
pub(crate) type Promise = (&'static str, fn(&mut dyn Warehouse));

/// Every promise of the suite.
pub(crate) const PROMISES: &[Promise] = &[
    ("every value comes back as it was sent", promises::every_value_comes_back),
    ("read is loaded and quarantined", promises::read_is_loaded_and_quarantined),
    ("a load is made once, however often it is run", promises::a_load_is_made_once),
    ("a replay under another name of the file adds nothing", promises::the_same_bytes_are_the_same_load),
    ("a quarantined record keeps its bytes and place", promises::a_quarantined_record_keeps_its_bytes_and_place),
    ("a table grows with its data", promises::a_table_grows_with_its_data),
    ("replace leaves the new rows alone", promises::replace_leaves_the_new_rows_alone),
    ("a merge leaves one row a key", promises::a_merge_leaves_one_row_a_key),
    ("names and values are never SQL", promises::names_and_values_are_never_sql),
    ("a limit on the quarantine rolls everything back", promises::a_limit_on_the_quarantine_rolls_back),
    ("two loaders under one id load once", promises::two_loaders_under_one_id_load_once),
];

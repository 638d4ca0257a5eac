//! The tables of a stream.

use std::collections::BTreeMap;

use super::children::MAX_CHILD_TABLES;
use super::route::{Route, Unrouted, joined_name};
use crate::error::Result;
use crate::plan::{Dialect, TableName};
use crate::schema::Schema;
use crate::sketch::Sketch;

/// All tables that a stream has written to, by number; its own has the number 0.
#[derive(Debug, Default)]
pub(super) struct Tables {
    all: Vec<Table>,
    route: Option<Route>,
    /// The numbers of the tables that values of the routing field lead to.
    by_value: BTreeMap<String, usize>,
    /// The numbers of child tables, by that of their parent and the keys that lead to them.
    by_keys: BTreeMap<(usize, Vec<String>), usize>,
    /// The numbers of the tables that the caller has named, by what it called them.
    by_name: BTreeMap<String, usize>,
}

/// One table, and what is known of it.
#[derive(Debug)]
pub(super) struct Table {
    /// With its schema.
    pub(super) name: TableName,
    /// The evidence of all batches that were committed here.
    pub(super) seen: Sketch,
    /// As the last batch was loaded.
    pub(super) schema: Schema,
}

impl Tables {
    pub(super) fn new(route: Option<Route>) -> Self {
        Tables { route, ..Tables::default() }
    }

    /// The route, once the stream's own table is known.
    pub(super) fn route(&self) -> Option<&Route> {
        self.route.as_ref()
    }

    pub(super) fn get(&self, number: usize) -> &Table {
        &self.all[number]
    }

    pub(super) fn get_mut(&mut self, number: usize) -> &mut Table {
        &mut self.all[number]
    }

    /// Whether the stream's own table is known.
    pub(super) fn is_ready(&self) -> bool {
        !self.all.is_empty()
    }

    /// The number of a table, which is added if it is new.
    pub(super) fn number(&mut self, name: TableName) -> usize {
        let known = self.all.iter().position(|table| table.name == name);
        known.unwrap_or_else(|| {
            self.all.push(Table { name, seen: Sketch::default(), schema: Schema::default() });
            self.all.len() - 1
        })
    }

    /// The number of a table that the caller names, if it was named like this before.
    pub(super) fn named(&self, text: &str) -> Option<usize> {
        self.by_name.get(text).copied()
    }

    /// Notes what the caller calls a table.
    pub(super) fn call(&mut self, text: &str, name: TableName) -> usize {
        let number = self.number(name);
        self.by_name.insert(text.to_owned(), number);
        number
    }

    /// The number of a child table, given that of its parent and the keys of its array; `None` past the bound.
    pub(super) fn child(&mut self, parent: usize, keys: &[String]) -> Option<usize> {
        let place = (parent, keys.to_vec());
        if let Some(number) = self.by_keys.get(&place) {
            return Some(*number);
        }
        if self.by_keys.len() >= MAX_CHILD_TABLES {
            return None;
        }
        let parent = &self.all[parent].name;
        let name = TableName { schema: parent.schema.clone(), name: child_name(&parent.name, keys) };
        let number = self.number(name);
        self.by_keys.insert(place, number);
        Some(number)
    }

    /// The number of the table that a value of the routing field leads to; `None` if its records are to be quarantined.
    pub(super) fn routed(&mut self, value: Option<&str>) -> Option<usize> {
        let route = self.route.as_ref()?;
        let otherwise = match route.unrouted {
            Unrouted::OwnTable => Some(0),
            Unrouted::Quarantine => None,
        };
        let Some(value) = value else { return otherwise };
        if let Some(number) = self.by_value.get(value) {
            return Some(*number);
        }
        if self.by_value.len() >= route.max_tables {
            return otherwise;
        }
        let own = &self.all[0].name;
        let name = TableName { schema: own.schema.clone(), name: route.table_for(&own.name, value) };
        let number = self.number(name);
        self.by_value.insert(value.to_owned(), number);
        Some(number)
    }
}

/// The name of a child table: `orders__items__tags`, a step for each key.
fn child_name(parent: &str, keys: &[String]) -> String {
    let steps = keys.iter().filter(|key| *key != "[]");
    steps.fold(parent.to_owned(), |name, key| joined_name(&name, "__", key))
}

/// A table as the caller names it.
pub(super) fn parse(text: &str) -> Result<TableName> {
    TableName::parse(text, Dialect::Postgres)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_that_are_not_the_same_are_never_one_table() {
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        let all = [&["a", "b"][..], &["a__b"], &["a_b"], &["a", "[]", "b"], &["A", "b"], &["a", "B"]];
        let names: Vec<String> = all.iter().map(|path| child_name("t", &keys(path))).collect();
        assert_eq!((names[0].as_str(), names[2].as_str()), ("t__a__b", "t__a_b"));
        for (nth, name) in names.iter().enumerate().filter(|(nth, _)| *nth != 3) {
            assert!(
                names.iter().enumerate().all(|(other, found)| other == 3 || other == nth || found != name),
                "{names:?}"
            );
        }
    }

    #[test]
    fn values_lead_to_tables_up_to_the_bound_and_then_stay_or_go() {
        for (unrouted, past) in [(Unrouted::OwnTable, Some(0)), (Unrouted::Quarantine, None)] {
            let mut tables = Tables::new(Some(Route::field("type").max_tables(2).unrouted(unrouted)));
            tables.number(TableName { schema: Some("s".into()), name: "events".into() });
            let found: Vec<_> = ["a", "b", "a", "c", "b"].into_iter().map(|value| tables.routed(Some(value))).collect();
            assert_eq!(found, [Some(1), Some(2), Some(1), past, Some(2)]);
            assert_eq!(tables.routed(None), past);
            assert_eq!(tables.get(2).name.quoted(), "\"s\".\"events_b\"");
        }
    }
}

//! The tables of a stream.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::children::MAX_CHILD_TABLES;
use super::route::{Route, Unrouted, joined_name};
use crate::error::Result;
use crate::plan::{Dialect, TableName};

/// All tables that a stream has written to, by number; its own has the number 0. A batch that is read gives numbers while
/// the one before it is still committed.
#[derive(Debug, Default)]
pub(in crate::front) struct Tables {
    route: Option<Route>,
    numbers: Mutex<Numbers>,
}

#[derive(Debug, Default)]
struct Numbers {
    /// The tables' names, with their schemas.
    names: Vec<TableName>,
    /// The numbers of the tables that values of the routing field lead to.
    by_value: BTreeMap<String, usize>,
    /// Those tables, and the ones that earlier runs of the stream have filled: as many as there are.
    routed: HashSet<TableName>,
    /// The numbers of child tables, by that of their parent and the keys that lead to them.
    by_keys: BTreeMap<(usize, Vec<String>), usize>,
    /// The numbers of the tables that the caller has named, by what it called them.
    by_name: BTreeMap<String, usize>,
}

impl Tables {
    pub(in crate::front) fn new(route: Option<Route>) -> Self {
        Tables { route, ..Tables::default() }
    }

    /// The route, once the stream's own table is known.
    pub(super) fn route(&self) -> Option<&Route> {
        self.route.as_ref()
    }

    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A table's name, with its schema.
    pub(in crate::front) fn name(&self, number: usize) -> TableName {
        self.numbers().names[number].clone()
    }

    /// Whether the stream's own table is known.
    pub(super) fn is_ready(&self) -> bool {
        !self.numbers().names.is_empty()
    }

    /// Takes note of tables that the stream has filled before it was opened. They count, and what leads to them still does.
    pub(super) fn know_routed(&self, tables: impl IntoIterator<Item = TableName>) {
        self.numbers().routed.extend(tables);
    }

    /// The number of a table, which is added if it is new.
    pub(in crate::front) fn number(&self, name: TableName) -> usize {
        self.numbers().number(name)
    }

    /// The number of a table that the caller names, if it was named like this before.
    pub(super) fn named(&self, text: &str) -> Option<usize> {
        self.numbers().by_name.get(text).copied()
    }

    /// Notes what the caller calls a table.
    pub(super) fn call(&self, text: &str, name: TableName) -> usize {
        let mut numbers = self.numbers();
        let number = numbers.number(name);
        numbers.by_name.insert(text.to_owned(), number);
        number
    }

    /// The number of a child table, given that of its parent and the keys of its array; `None` past the bound.
    pub(in crate::front) fn child(&self, parent: usize, keys: &[String]) -> Option<usize> {
        let mut numbers = self.numbers();
        let place = (parent, keys.to_vec());
        if let Some(number) = numbers.by_keys.get(&place) {
            return Some(*number);
        }
        if numbers.by_keys.len() >= MAX_CHILD_TABLES {
            return None;
        }
        let parent = &numbers.names[parent];
        let name = parent.beside(child_name(&parent.name, keys));
        let number = numbers.number(name);
        numbers.by_keys.insert(place, number);
        Some(number)
    }

    /// The number of the table that a value of the routing field leads to; `None` if its records are to be quarantined.
    pub(super) fn routed(&self, value: Option<&str>) -> Option<usize> {
        let route = self.route.as_ref()?;
        let otherwise = match route.unrouted {
            Unrouted::OwnTable => Some(0),
            Unrouted::Quarantine => None,
        };
        let Some(value) = value else { return otherwise };
        let mut numbers = self.numbers();
        if let Some(number) = numbers.by_value.get(value) {
            return Some(*number);
        }
        let own = &numbers.names[0];
        let name = own.beside(route.table_for(&own.name, value));
        if !numbers.routed.contains(&name) && numbers.routed.len() >= route.max_tables {
            return otherwise;
        }
        let number = numbers.number(name.clone());
        numbers.routed.insert(name);
        numbers.by_value.insert(value.to_owned(), number);
        Some(number)
    }
}

impl Numbers {
    fn number(&mut self, name: TableName) -> usize {
        let known = self.names.iter().position(|known| *known == name);
        known.unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        })
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
        let all = [
            &["a", "b"][..],
            &["a__b"],
            &["a_b"],
            &["a", "[]", "b"],
            &["A", "b"],
            &["a", "B"],
            &["a_", "b"],
            &["a", "_b"],
        ];
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
            let tables = Tables::new(Some(Route::field("type").max_tables(2).unrouted(unrouted)));
            tables.number(TableName { schema: Some("s".into()), name: "events".into() });
            let found: Vec<_> = ["a", "b", "a", "c", "b"].into_iter().map(|value| tables.routed(Some(value))).collect();
            assert_eq!(found, [Some(1), Some(2), Some(1), past, Some(2)]);
            assert_eq!(tables.routed(None), past);
            assert_eq!(tables.name(2).quoted(), "\"s\".\"events_b\"");
        }
    }

    #[test]
    fn tables_of_earlier_runs_count_and_what_leads_to_them_still_does() {
        let tables = Tables::new(Some(Route::field("type").max_tables(2).unrouted(Unrouted::Quarantine)));
        let name = |name: &str| TableName { schema: Some("s".into()), name: name.into() };
        tables.number(name("events"));
        tables.know_routed(["a", "b", "c"].map(|value| name(&format!("events_{value}"))));
        let found: Vec<_> = ["z", "c", "a", "z"].into_iter().map(|value| tables.routed(Some(value))).collect();
        assert_eq!(found, [None, Some(1), Some(2), None], "more than are allowed now are there, and are filled");
    }
}

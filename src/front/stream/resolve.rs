//! The schema of a batch: what the stream has shown so far, and what the table is.

use rustc_hash::FxHashSet;

use super::budget::keep_to_budget;
use super::room::leave_room;
use super::there::There;
use crate::error::{Error, ErrorKind, Result};
use crate::load::{Contract, INDEX, Mode, PARENT_ID, ROW_ID};
use crate::path::Path;
use crate::plan::{ExistingColumn, ExistingTable, matched, path_of_comment};
use crate::schema::{Column, Policy, Schema, Type};
use crate::sketch::Sketch;

/// What the schema of a stream is decided by, besides its evidence.
#[derive(Debug)]
pub(in crate::front) struct Resolver<'a> {
    policy: &'a Policy,
    /// Fields that have to be columns, as paths, like those that tie child rows to others: those that rows are merged by.
    keys: Vec<&'a str>,
    /// That of them by which rows are put into order.
    order: Option<&'a str>,
    /// Whether a column that wants a value is there for records without its field: these are told so then, one by one.
    has_required: bool,
    /// What may be changed of the table.
    contract: Contract,
}

impl<'a> Resolver<'a> {
    pub(in crate::front) fn new(policy: &'a Policy, mode: &'a Mode) -> Self {
        let (keys, order) = match mode {
            Mode::Merge(by) => (by.paths().collect(), by.order_by.as_deref()),
            _ => (Vec::new(), None),
        };
        Resolver { policy, keys, order, has_required: false, contract: Contract::default() }
    }

    /// Keeps to a contract, as far as it is about fields that share a column, and has records without a value that the table wants
    /// be misfits: they must not be in the way of others.
    pub(in crate::front) fn within(self, contract: &Contract) -> Self {
        Resolver { contract: contract.clone(), has_required: true, ..self }
    }

    /// Resolves the evidence of a stream.
    ///
    /// Six things differ from a file, whose end has been seen. A hint waits for its field. A field without a value so
    /// far gets no column: its first value may be of any type, and the column a table makes for it would be text for good.
    /// A field that the table keeps whole stays whole, although the objects seen here could be taken apart. The column
    /// budget is the table's, not that of the fields seen here. Whole numbers get room to grow in. And a field that rows are put into
    /// order by becomes no text, as long as there are numbers or times in it.
    pub(in crate::front) fn resolve(&self, seen: &Sketch, table: Option<&ExistingTable>) -> Result<Schema> {
        let mut policy = self.policy.clone().max_columns(usize::MAX);
        let mut schema = patient(&mut policy, seen)?;
        let kept_whole = kept_whole(&schema, table);
        if !kept_whole.is_empty() {
            policy = kept_whole.iter().fold(policy, |policy, path| policy.hint(path.to_string(), Type::Json));
            schema = patient(&mut policy, seen)?;
        }
        let is_unseen = |column: &&Column| column.ty == Type::Null;
        let unseen: FxHashSet<_> =
            schema.columns.iter().filter(is_unseen).map(|unseen| unseen.path.to_string()).collect();
        schema.columns.retain(|column| !is_unseen(&column));
        schema.undecided.retain(|open| !unseen.contains(&open.path));
        self.add_keys(&mut schema, table);
        if let (true, Some(table)) = (self.has_required, table) {
            add_required(&mut schema, table);
        }
        let there = There::new(table);
        self.keep_order(&mut schema, &there);
        let must = |column: &Column| {
            let path = column.path.to_string();
            let is_id = [ROW_ID, PARENT_ID, INDEX].contains(&path.as_str());
            is_id || self.keys.contains(&path.as_str()) || policy.hint_of(&column.path).is_some()
        };
        keep_to_budget(&mut schema, &there, self.policy.max_columns, must, &self.contract)?;
        leave_room(&mut schema, &there, seen, self.policy);
        Ok(schema)
    }

    /// Adds the fields to merge by that only the table has: the records without them are to be told so.
    fn add_keys(&self, schema: &mut Schema, table: Option<&ExistingTable>) {
        for key in self.keys.iter().filter(|key| schema.column(key).is_none()).copied().collect::<Vec<_>>() {
            let columns = || table.into_iter().flat_map(|table| &table.columns);
            let found = columns().find_map(|column| match column.comment.as_deref().and_then(path_of_comment) {
                Some(path) => (path.to_string() == key).then(|| Column::new(path, &column.name, Type::Null)),
                None => (column.name == key).then(|| Column::new(Path::new([key]), key, Type::Null)),
            });
            // A table of others may spell it in another case.
            let is_alike = |column: &&ExistingColumn| {
                column.name.to_lowercase() == key.to_lowercase()
                    && column.comment.as_deref().and_then(path_of_comment).is_none()
            };
            let alike =
                || columns().find(is_alike).map(|column| Column::new(Path::new([key]), &column.name, Type::Null));
            schema.columns.extend(found.or_else(alike));
        }
    }

    /// Has a new column of the order be of the type of its numbers or times: what else there is does not fit then.
    fn keep_order(&self, schema: &mut Schema, there: &There<'_>) {
        let of_order = |column: &&mut Column| self.order.is_some_and(|order| column.path.to_string() == order);
        if let Some(column) = schema.columns.iter_mut().find(of_order)
            && let (Some(ordered), None) = (column.ordered, there.column(column))
        {
            column.ty = ordered;
        }
    }
}

/// Adds the columns that want a value and get none from these records.
fn add_required(schema: &mut Schema, table: &ExistingTable) {
    let matched = matched(schema, table);
    let required = table.columns.iter().enumerate().filter(|(at, column)| {
        column.not_null && !column.has_default && !column.generated && !matched.contains(&Some(*at))
    });
    let added: Vec<Column> = required
        .map(|(_, column)| {
            let path = column.comment.as_deref().and_then(path_of_comment);
            Column::new(path.unwrap_or_else(|| Path::new([&column.name])), &column.name, Type::Null)
        })
        .collect();
    schema.columns.extend(added);
}

/// Resolves, without the hints for fields that have not been seen.
fn patient(policy: &mut Policy, seen: &Sketch) -> Result<Schema> {
    loop {
        let error = match policy.resolve(seen) {
            Err(error) if error.kind() == ErrorKind::Config => error,
            outcome => return outcome,
        };
        let Some(path) = waiting(&error, policy) else { return Err(error) };
        policy.hints.retain(|hint| hint.path != path);
    }
}

fn waiting(error: &Error, policy: &Policy) -> Option<String> {
    let path = error.location()?.column.clone()?;
    policy.hints.iter().any(|hint| hint.path == path).then_some(path)
}

/// The fields that the table has a column for, and the schema only columns of what is inside.
fn kept_whole(schema: &Schema, table: Option<&ExistingTable>) -> Vec<Path> {
    let columns = table.map_or(&[][..], |table| &table.columns);
    let paths = columns.iter().filter_map(|column| path_of_comment(column.comment.as_deref()?));
    let kept = paths.filter(|path| !path.is_overflow());
    let inside = |path: &Path, top: &Path| path.keys().len() > top.keys().len() && path.keys().starts_with(top.keys());
    kept.filter(|top| schema.columns.iter().any(|column| inside(&column.path, top))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;
    use crate::plan::{PgType, comment_of};

    fn columns(policy: Policy, input: &str, table: Option<&ExistingTable>) -> Vec<(String, Type)> {
        let seen = Sketch::of(&Source::bytes(input.to_owned())).unwrap();
        let schema = Resolver::new(&policy, &Mode::Append).resolve(&seen, table).unwrap();
        schema.columns.into_iter().map(|column| (column.path.to_string(), column.ty)).collect()
    }

    #[test]
    fn a_field_without_a_value_waits_and_so_does_a_hint() {
        let policy = Policy::default().hint("zip", Type::Text).hint("a", Type::Int64);
        let found = columns(policy, "{\"a\":1,\"late\":null}\n", None);
        assert_eq!(found, [("a".to_owned(), Type::Int64)]);
    }

    #[test]
    fn of_a_field_without_a_column_nothing_is_said_to_be_open() {
        let seen = Sketch::of(&Source::bytes("{\"a\":1,\"late\":null,\"d\":\"03/04/2024\"}\n")).unwrap();
        let schema = Resolver::new(&Policy::default(), &Mode::Append).resolve(&seen, None).unwrap();
        assert!(!schema.undecided.is_empty() && schema.undecided.iter().all(|open| open.path == "d"));
    }

    #[test]
    fn what_the_table_keeps_whole_stays_whole() {
        let column = ExistingColumn {
            name: "rare".into(),
            ty: PgType::Int2,
            not_null: false,
            has_default: false,
            generated: false,
            comment: Some(comment_of(&Path::new(["rare"]))),
            used_by_view: false,
            collation: None,
            checked: false,
        };
        let table = ExistingTable { columns: vec![column], slots: 1, has_rows: true };
        let input = "{\"rare\":{\"z\":1}}\n";
        assert_eq!(columns(Policy::default(), input, None), [("rare.z".to_owned(), Type::Int32)]);
        assert_eq!(columns(Policy::default(), input, Some(&table)), [("rare".to_owned(), Type::Json)]);
    }
}

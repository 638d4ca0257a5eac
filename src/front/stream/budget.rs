//! How many columns a stream may give its table.

use rustc_hash::FxHashSet;

use super::there::There;
use crate::error::Result;
use crate::load::{Contract, OnChange, frozen};
use crate::path::Path;
use crate::plan::{ExistingColumn, path_of_comment};
use crate::schema::{Column, Naming, POSTGRES_NAME, Schema, Type, Why, assign};

/// Holds a table to its column budget: of the new fields those that are filled most often become columns, as long as there
/// is room, and the others share one column of JSON.
///
/// Once a table has that column, every new field goes there, so that one field is never in two places; it stays there
/// until it is promoted. What `must` be a column is one all the same. A field that the contract keeps out of a table that is
/// there is kept out of that column too.
///
/// # Errors
///
/// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) for a field that the contract freezes out.
pub(super) fn keep_to_budget(
    schema: &mut Schema,
    there: &There<'_>,
    budget: usize,
    must: impl Fn(&Column) -> bool,
    contract: &Contract,
) -> Result<()> {
    let overflows = there.columns.iter().any(is_overflow);
    let is_new = |at: &usize| there.column(&schema.columns[*at]).is_none();
    let mut new: Vec<usize> = (0..schema.columns.len()).filter(is_new).collect();
    let room = if overflows { 0 } else { budget.saturating_sub(there.columns.len()) };
    if !overflows && new.len() <= room {
        return Ok(());
    }
    new.sort_by_key(|at| {
        let column = &schema.columns[*at];
        (!must(column), std::cmp::Reverse(column.filled), *at)
    });
    let forced = new.iter().filter(|at| must(&schema.columns[**at])).count();
    // One column less, for the one that all the others share.
    let given_up: FxHashSet<usize> =
        new.split_off(room.saturating_sub(1).max(forced).min(new.len())).into_iter().collect();
    if !there.columns.is_empty() {
        keep_out(schema, &given_up, contract)?;
    }
    let text = format!("{} fields past the budget of {budget} columns", given_up.len());
    let mut at = 0;
    schema.columns.retain(|_| {
        at += 1;
        !given_up.contains(&(at - 1))
    });
    let path = Path::overflow();
    let own = path.to_string();
    // A field of that very name that has no column yet is one of those that share it.
    schema.columns.retain(|column| column.name != own || must(column) || there.column(column).is_some());
    let name = match schema.columns.iter().find(|column| column.name == own) {
        Some(other) => assign(&[other.path.clone(), path.clone()], Naming::Snake, POSTGRES_NAME, true).remove(1),
        None => own,
    };
    let why = Why { text, witness: None };
    schema.columns.push(Column { why, ..Column::new(path, name, Type::Json) });
    schema.overflow = Some(schema.columns.len() - 1);
    Ok(())
}

/// Does to fields that get no column of their own what the contract says of such fields.
fn keep_out(schema: &mut Schema, given_up: &FxHashSet<usize>, contract: &Contract) -> Result<()> {
    let Schema { columns, kept_out, set_aside, .. } = schema;
    for (_, column) in columns.iter().enumerate().filter(|(at, _)| given_up.contains(at)) {
        match contract.for_new_column(&column.path.to_string()) {
            OnChange::Evolve => {}
            OnChange::Freeze => return Err(frozen(column, "the table has no such column")),
            OnChange::Quarantine => kept_out.push(column.path.clone()),
            OnChange::NullValue => set_aside.push(column.path.clone()),
        }
    }
    Ok(())
}

/// Whether a column of the table is the one that fields share.
pub(super) fn is_overflow(column: &ExistingColumn) -> bool {
    column.comment.as_deref().and_then(path_of_comment).is_some_and(|path| path.is_overflow())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ExistingTable, PgType, comment_of};

    fn schema(fields: &[(&str, u64)]) -> Schema {
        let column = |(name, filled): &(&str, u64)| Column {
            filled: *filled,
            ..Column::new(Path::new([*name]), *name, Type::Int16)
        };
        Schema { columns: fields.iter().map(column).collect(), ..Schema::default() }
    }

    fn table(names: &[&str]) -> ExistingTable {
        let column = |name: &&str| ExistingColumn {
            name: (*name).to_owned(),
            ty: PgType::Int2,
            not_null: false,
            has_default: false,
            generated: false,
            comment: Some(comment_of(&if *name == "_overflow" { Path::overflow() } else { Path::new([*name]) })),
            used_by_view: false,
            collation: None,
            checked: false,
        };
        ExistingTable { columns: names.iter().map(column).collect(), slots: names.len(), has_rows: true }
    }

    fn kept(mut schema: Schema, table: Option<&ExistingTable>, budget: usize) -> String {
        let must = |column: &Column| column.name == "key";
        keep_to_budget(&mut schema, &There::new(table), budget, must, &Contract::default()).unwrap();
        assert_eq!(schema.overflow, schema.columns.iter().position(|column| column.path.is_overflow()));
        schema.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_fields_that_are_filled_most_seldom_share_a_column() {
        let fields = schema(&[("a", 5), ("b", 1), ("c", 9), ("d", 3)]);
        assert_eq!(kept(fields.clone(), None, 4), "a b c d");
        assert_eq!(kept(fields.clone(), None, 3), "a c _overflow");
        assert_eq!(kept(fields, Some(&table(&["b", "x"])), 4), "b c _overflow");
    }

    #[test]
    fn what_a_table_has_stays_and_what_is_new_goes_where_the_rest_is() {
        let fields = schema(&[("a", 5), ("b", 1), ("key", 0)]);
        assert_eq!(kept(fields.clone(), Some(&table(&["b", "_overflow"])), 1_200), "b key _overflow");
        assert_eq!(kept(fields, Some(&table(&["a", "b", "key", "_overflow"])), 1), "a b key _overflow");
    }

    #[test]
    fn the_shared_column_takes_no_field_that_the_contract_keeps_out() {
        let contract = Contract::default()
            .columns(OnChange::Quarantine)
            .column("b", OnChange::NullValue)
            .column("c", OnChange::Evolve);
        let kept = |contract: &Contract, table: Option<&ExistingTable>| {
            let mut schema = schema(&[("a", 5), ("b", 1), ("c", 2), ("d", 3)]);
            keep_to_budget(&mut schema, &There::new(table), 2, |_| false, contract).map(|()| schema)
        };
        let there = table(&["a", "_overflow"]);
        let schema = kept(&contract, Some(&there)).unwrap();
        assert_eq!((schema.kept_out, schema.set_aside), (vec![Path::new(["d"])], vec![Path::new(["b"])]));
        let error = kept(&contract.clone().column("d", OnChange::Freeze), Some(&there)).unwrap_err();
        assert_eq!(error.to_string(), "column `d`: the table has no such column, which the contract freezes");
        let schema = kept(&contract, None).unwrap();
        assert!(schema.kept_out.is_empty() && schema.set_aside.is_empty(), "a table that is new is made of all fields");
    }

    #[test]
    fn a_field_of_the_shared_columns_name_is_a_field_like_others() {
        let fields = schema(&[("_overflow", 5), ("a", 5), ("b", 1), ("key", 0)]);
        assert_eq!(kept(fields.clone(), None, 4), "_overflow a b key");
        assert_eq!(kept(fields.clone(), None, 3), "key _overflow");
        let mut there = table(&["_overflow", "a"]);
        there.columns[0].comment = Some(comment_of(&Path::new(["_overflow"])));
        let found = kept(fields, Some(&there), 3);
        assert!(found.starts_with("_overflow a key _overflow_"), "{found}");
    }
}

//! What a stream's contract allows of the changes that the data asks for.

use super::variant;
use crate::error::{ErrorKind, Result};
use crate::load::{Contract, OnChange, Rewrite, frozen};
use crate::plan::{self, Class, Evolution, ExistingTable, JsonType, TableName};
use crate::schema::{OnMisfit, Schema, Type};

/// Plans the changes to a table within a contract.
///
/// A column that must or can not be changed is decoded as the table has it, so that values that do not fit come back
/// as misfits; one that must not be added, or that cannot be written at all, is left out, and its values are misfits. A
/// column of a large table that would be rewritten is treated as the contract has it.
/// `schema` is what is left of it in the end.
///
/// # Errors
///
/// [`ErrorKind::Conflict`] with the column, where the contract freezes what would have to change, and for what no
/// single column is to blame: too many of them, or one that the table requires and the data lacks.
pub(super) fn evolve_within(
    schema: &mut Schema,
    existing: &ExistingTable,
    table: &TableName,
    json: JsonType,
    (contract, closed): (&Contract, bool),
    is_large: bool,
) -> Result<Evolution> {
    for column in &mut schema.columns {
        if contract.for_wider_type(&column.path.to_string()) == OnChange::NullValue {
            column.on_misfit = OnMisfit::Value;
        }
    }
    variant::take_up(schema, existing);
    // Each turn takes a column back or out, or gives it a variant, so this ends.
    loop {
        let mut evolution = match plan::evolve(schema, existing, table, json) {
            Ok(evolution) => evolution,
            Err(error) => {
                let path = error.location().and_then(|place| place.column.as_deref());
                let at = schema.columns.iter().position(|column| Some(column.path.to_string().as_str()) == path);
                match at {
                    Some(at)
                        if error.kind() == ErrorKind::Conflict
                            && contract.for_wider_type(path.unwrap_or_default()) != OnChange::Freeze =>
                    {
                        give_way(schema, at, contract);
                        continue;
                    }
                    _ => return Err(error),
                }
            }
        };
        match first_forbidden(schema, existing, &evolution, (contract, closed), is_large)? {
            Some((at, Instead::GiveWay)) => give_way(schema, at, contract),
            Some((at, Instead::Out { null })) => leave_out(schema, at, null),
            Some((at, Instead::Variant)) => variant::add(schema, at),
            None => {
                variant::connect(&mut evolution.columns);
                return Ok(evolution);
            }
        }
    }
}

/// What a column is to do that must not be as the evolution has it.
enum Instead {
    /// Not be, since the table has no such column; its values are to be null or not.
    Out { null: bool },
    /// Be as the table has it, or not at all.
    GiveWay,
    /// Be as the table has it, beside a column of text for what it does not hold.
    Variant,
}

/// Makes a column fit whatever the table has; one that does not even so is left out.
fn give_way(schema: &mut Schema, at: usize, contract: &Contract) {
    if schema.columns[at].ty != Type::Null {
        schema.columns[at].ty = Type::Null;
        return;
    }
    let null = contract.for_wider_type(&schema.columns[at].path.to_string()) == OnChange::NullValue;
    leave_out(schema, at, null);
}

/// Leaves a column out. Its values make their records misfits, or are put aside by themselves where they are to be `null`;
/// they do not go into a column that fields share.
fn leave_out(schema: &mut Schema, at: usize, null: bool) {
    let path = schema.columns.remove(at).path;
    match null {
        true => schema.set_aside.push(path),
        false if path.is_overflow() => {}
        false => schema.kept_out.push(path),
    }
    schema.overflow = match schema.overflow {
        Some(overflow) if overflow == at => None,
        Some(overflow) if overflow > at => Some(overflow - 1),
        overflow => overflow,
    };
}

/// The first column that is not to be as the evolution has it.
fn first_forbidden(
    schema: &mut Schema,
    existing: &ExistingTable,
    evolution: &Evolution,
    (contract, closed): (&Contract, bool),
    is_large: bool,
) -> Result<Option<(usize, Instead)>> {
    for (at, fitted) in evolution.columns.iter().enumerate() {
        let column = &schema.columns[at];
        if variant::is_variant(&column.path) {
            continue;
        }
        let path = column.path.to_string();
        let have = existing.columns.iter().find(|have| have.name == fitted.column.name);
        match have {
            None => match contract.for_new_column(&path) {
                OnChange::Evolve if !closed => {}
                OnChange::Freeze => return Err(frozen(column, "the table has no such column")),
                action => return Ok(Some((at, Instead::Out { null: action == OnChange::NullValue }))),
            },
            Some(have) if have.ty != fitted.sql => match contract.for_wider_type(&path) {
                OnChange::Evolve => {
                    let rewrites = is_large && have.class_to(&fitted.sql) == Class::Rewrite;
                    match contract.rewrite {
                        Rewrite::VariantColumn if rewrites => return Ok(Some((at, Instead::Variant))),
                        Rewrite::Quarantine if rewrites => return Ok(Some((at, Instead::GiveWay))),
                        _ => {}
                    }
                }
                OnChange::Freeze => {
                    let (have, need) = (&have.ty, &fitted.sql);
                    return Err(frozen(column, &format!("the table has {have}, and the data needs {need}")));
                }
                OnChange::Quarantine | OnChange::NullValue => return Ok(Some((at, Instead::GiveWay))),
            },
            // A type that holds none of our values.
            Some(_) if fitted.column.ty == Type::Null => {
                schema.columns[at].ty = Type::Null;
                return Ok(Some((at, Instead::GiveWay)));
            }
            Some(_) => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Path;
    use crate::plan::{ExistingColumn, PgType};
    use crate::schema::Column;

    fn table(columns: &[(&str, PgType)]) -> ExistingTable {
        let column = |(name, ty): &(&str, PgType)| ExistingColumn {
            name: (*name).to_owned(),
            ty: ty.clone(),
            not_null: false,
            has_default: false,
            generated: false,
            comment: None,
            used_by_view: false,
            collation: None,
            checked: false,
        };
        ExistingTable { columns: columns.iter().map(column).collect(), slots: columns.len(), has_rows: true }
    }

    fn plan(contract: Contract, columns: &[(&str, Type)]) -> Result<(Vec<(String, Type)>, usize)> {
        let table = table(&[("n", PgType::Int2), ("at", PgType::TimestampTz(None)), ("r", PgType::Float4)]);
        let columns = columns.iter().map(|(name, ty)| Column::new(Path::new([*name]), *name, *ty)).collect();
        let mut schema = Schema { columns, ..Schema::default() };
        let evolution =
            evolve_within(&mut schema, &table, &"t".parse()?, JsonType::default(), (&contract, false), false)?;
        assert_eq!(schema.columns.len(), evolution.columns.len());
        let columns = evolution.columns.into_iter().map(|fitted| (fitted.column.name, fitted.column.ty));
        Ok((columns.collect(), evolution.plan.statements.len()))
    }

    fn both(on_change: OnChange) -> Contract {
        Contract::default().columns(on_change).types(on_change)
    }

    #[test]
    fn what_the_table_can_become_it_becomes() {
        let (columns, statements) = plan(both(OnChange::Evolve), &[("n", Type::Text), ("new", Type::Date)]).unwrap();
        assert_eq!(columns, [("n".into(), Type::Text), ("new".into(), Type::Date)]);
        assert_eq!(statements, 3, "one to add, one to widen, one comment");
    }

    #[test]
    fn what_it_cannot_become_is_decoded_as_the_table_has_it() {
        let wanted = [("at", Type::Text), ("r", Type::Float64)];
        let (columns, statements) = plan(both(OnChange::Evolve), &wanted).unwrap();
        assert_eq!(columns, [("at".into(), Type::TimestampTz(crate::schema::TimeUnit::Micro))]);
        assert_eq!(statements, 0);
    }

    #[test]
    fn quarantining_changes_nothing() {
        let wanted = [("new", Type::Date), ("n", Type::Text), ("newer", Type::Date)];
        let (columns, statements) = plan(both(OnChange::Quarantine), &wanted).unwrap();
        assert_eq!((columns, statements), (vec![("n".into(), Type::Int16)], 0));
    }

    #[test]
    fn a_frozen_table_names_the_column() {
        let message = |wanted| plan(both(OnChange::Freeze), &[wanted]).unwrap_err().to_string();
        assert_eq!(
            message(("n", Type::Int64)),
            "column `n`: the table has smallint, and the data needs bigint, which the contract freezes"
        );
        assert_eq!(
            message(("new", Type::Date)),
            "column `new`: the table has no such column, which the contract freezes"
        );
        assert!(message(("at", Type::Text)).contains("timestamptz"));
    }
}

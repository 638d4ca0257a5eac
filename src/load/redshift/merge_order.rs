//! What columns that rows are merged by must not become.

use super::plan::TablePlan;
use crate::error::{Error, ErrorKind, Location, Result};
use crate::load::Mode;
use crate::load::postgres::{out_of_order, valueless};
use crate::plan::RedshiftType;
use crate::schema::{Schema, Type};

/// Looks whether rows can be merged by the columns that the plan makes for the data's.
///
/// # Errors
///
/// [`ErrorKind::Conflict`] for a new column of the key or the order without any value, which would be text for good; for a new one of
/// the order that would be text though numbers or times are in it; and for numbers and times of the table that would become text.
/// Texts are compared by their spelling: `10` comes before `9`.
pub(super) fn check_order(mode: &Mode, data: &Schema, plan: &TablePlan) -> Result<()> {
    let Mode::Merge(by) = mode else { return Ok(()) };
    for (column, made) in data.columns.iter().zip(&plan.schema.columns) {
        let path = column.path.to_string();
        let orders = by.order_by.as_ref() == Some(&path);
        if !orders && !by.keys.contains(&path) {
            continue;
        }
        if let Some(change) = plan.changes.iter().find(|change| change.name == made.name) {
            if is_told_otherwise(&change.from, &change.to, orders) {
                return Err(retold(&path, &change.to));
            }
        } else if !plan.before.iter().any(|have| have.name == made.name) {
            match (column.ty, column.ordered) {
                (Type::Null, _) => return Err(valueless(column)),
                (_, Some(ordered)) if orders => return Err(out_of_order(column, ordered)),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether values are compared otherwise as text. Whole numbers, days and booleans are the same keys as text, in another order.
fn is_told_otherwise(from: &RedshiftType, to: &RedshiftType, orders: bool) -> bool {
    use RedshiftType as R;
    let is_text = |ty: &R| matches!(ty, R::Varchar(_) | R::Char(_) | R::Super);
    let is_one_spelled = matches!(from, R::Boolean | R::Smallint | R::Integer | R::Bigint | R::Date);
    is_text(to) && !is_text(from) && (orders || !is_one_spelled)
}

fn retold(path: &str, to: &RedshiftType) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("rows are merged by this field, and as {to} its values would be told apart otherwise"),
    )
    .with_location(Location { column: Some(path.to_owned()), ..Location::default() })
    .with_hint("hint it to be of the table's type, so that records with other values are quarantined")
}

#[cfg(test)]
mod tests {
    use super::super::plan;
    use super::*;
    use crate::load::MergeKeys;
    use crate::path::Path;
    use crate::plan::{CreateOptions, Dialect, RedshiftColumn, RedshiftEvolve, TableName};
    use crate::schema::{Column, TimeUnit};

    /// Looks at a merge by `id` in the order of `ord`, of which `ordered` are the numbers or times among texts.
    fn checked(id: Type, ord: Type, ordered: Option<Type>, before: Vec<RedshiftColumn>) -> Result<()> {
        let table: TableName = "t".parse().unwrap();
        let column = |name: &str, ty| Column { max_bytes: Some(40), ..Column::new(Path::new([name]), name, ty) };
        let columns = vec![column("id", id), Column { ordered, ..column("ord", ord) }];
        let data = Schema { columns, ..Schema::default() };
        let plan = match before.is_empty() {
            true => plan::create(&data, &table, &CreateOptions::new(Dialect::Redshift)),
            false => plan::evolve(&data, before, &table, &RedshiftEvolve::default()),
        };
        check_order(&Mode::Merge(MergeKeys::new(["id"]).order_by("ord")), &data, &plan.unwrap())
    }

    #[test]
    fn an_order_that_would_be_that_of_spellings_is_refused_with_the_hint_to_give() {
        let nanos = Type::TimestampTz(TimeUnit::Nano);
        for (id, ord, ordered) in [
            (Type::Int32, Type::Text, Some(Type::Int64)),
            (Type::Int32, Type::Null, None),
            (Type::Null, Type::Int32, None),
            (Type::Int32, nanos, Some(Type::TimestampTz(TimeUnit::Micro))),
        ] {
            let error = checked(id, ord, ordered, Vec::new()).unwrap_err();
            assert!(error.kind() == ErrorKind::Conflict && error.hint().unwrap().contains("--hint"), "{ord:?} {error}");
        }
        for (id, ord) in [(Type::Int32, Type::Int64), (Type::Int32, Type::Text), (Type::Text, Type::Float64)] {
            checked(id, ord, None, Vec::new()).unwrap();
        }
    }

    #[test]
    fn columns_of_the_table_are_not_made_text_where_that_changes_what_is_equal_or_less() {
        use RedshiftType as R;
        let table = |id, ord| vec![RedshiftColumn::new("id", id), RedshiftColumn::new("ord", ord)];
        checked(Type::Text, Type::Int32, None, table(R::Bigint, R::Bigint)).unwrap();
        assert!(checked(Type::Text, Type::Int32, None, table(R::Decimal(10, 2), R::Bigint)).is_err());
        assert!(checked(Type::Int32, Type::Text, Some(Type::Int32), table(R::Bigint, R::Bigint)).is_err());
        checked(Type::Int32, Type::Text, Some(Type::Int32), table(R::Bigint, R::Varchar(64))).unwrap();
        checked(Type::Int32, Type::Null, None, table(R::Bigint, R::Bigint)).unwrap();
    }
}

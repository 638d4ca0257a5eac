//! What a table needs to take a schema's rows, and how they are written to it.

use super::catalog::CatalogColumn;
use crate::error::{Error, ErrorKind, Location, Result};
use crate::load::Mode;
use crate::plan::{CreateOptions, Dialect, Plan, Statement, TableName, fit, path_of_comment};
use crate::schema::{Column, Schema, Type};

/// The changes to a table, and the columns as the load writes them.
#[derive(Debug, Clone)]
pub(super) struct TablePlan {
    /// Statements, in order. Those that may not run in a transaction come first.
    pub(super) statements: Vec<Statement>,
    /// What to decode under: names and types are the table's.
    pub(super) schema: Schema,
    /// The longest text of each column, in bytes.
    pub(super) text_bytes: Vec<Option<u32>>,
    /// The table before the statements ran; none if it is to be made.
    pub(super) before: Vec<CatalogColumn>,
}

impl TablePlan {
    /// Whether the table is still as it was planned for. What is changed outside of the transaction may be changed.
    pub(super) fn fits(&self, now: &[CatalogColumn]) -> bool {
        let shape = |columns: &[CatalogColumn]| {
            columns.iter().map(|column| (column.name.clone(), kind(&column.ty), column.not_null)).collect::<Vec<_>>()
        };
        shape(&self.before) == shape(now)
    }
}

/// A type without its width: that of a VARCHAR only grows.
fn kind(ty: &str) -> String {
    match ty.starts_with("character varying") {
        true => "character varying".to_owned(),
        false => ty.to_owned(),
    }
}

/// The columns of a merge, by index: the keys, and what orders records of one key.
pub(super) type MergeColumns = (Vec<usize>, Option<usize>);

/// Finds the columns that a merge goes by, and has every row have a value in the keys.
///
/// # Errors
///
/// [`ErrorKind::Config`] for a field that is no column, or one of JSON, whose values cannot be compared.
pub(super) fn merge_columns(mode: &Mode, schema: &mut Schema) -> Result<Option<MergeColumns>> {
    let Mode::Merge(keys) = mode else { return Ok(None) };
    keys.check()?;
    let find = |path: &str| {
        let found = schema.columns.iter().position(|column| column.path.to_string() == path);
        found.filter(|at| schema.columns[*at].ty != Type::Json).ok_or_else(|| {
            let place = Location { column: Some(path.to_owned()), ..Location::default() };
            Error::config("a merge goes by this field, and the data has no such column whose values can be compared")
                .with_location(place)
                .with_hint("`longshore infer` lists the columns by their paths")
        })
    };
    let order = keys.order_by.as_deref().map(find).transpose()?;
    let keys = keys.keys.iter().map(|path| find(path)).collect::<Result<Vec<_>>>()?;
    for at in &keys {
        schema.columns[*at].required = true;
    }
    Ok(Some((keys, order)))
}

/// Plans a new table.
pub(super) fn create(schema: &Schema, table: &TableName, options: &CreateOptions) -> Result<TablePlan> {
    let plan = Plan::create_with(schema, &table.quoted(), options)?;
    let fitted = fit(schema, Dialect::Redshift);
    let text_bytes = vec![Some(65_535); fitted.columns.len()];
    Ok(TablePlan { statements: plan.statements, schema: fitted, text_bytes, before: Vec::new() })
}

/// Plans what a table that is there needs.
pub(super) fn evolve(schema: &Schema, before: Vec<CatalogColumn>) -> Result<TablePlan> {
    let fitted = fit(schema, Dialect::Redshift);
    let mut columns = Vec::new();
    let mut text_bytes = Vec::new();
    for column in &fitted.columns {
        let path = |known: &CatalogColumn| known.comment.as_deref().and_then(path_of_comment);
        let found = before.iter().find(|known| path(known).as_ref() == Some(&column.path));
        let found = found.or_else(|| before.iter().find(|known| path(known).is_none() && known.name == column.name));
        let Some(known) = found else { return Err(lacks(column)) };
        columns.push(Column { name: known.name.clone(), required: known.not_null, ..column.clone() });
        text_bytes.push(Some(65_535));
    }
    let schema = Schema { columns, ..fitted };
    Ok(TablePlan { statements: Vec::new(), schema, text_bytes, before })
}

fn lacks(column: &Column) -> Error {
    let place = Location { column: Some(column.path.to_string()), ..Location::default() };
    Error::new(ErrorKind::Conflict, "the table has no such column").with_location(place)
}

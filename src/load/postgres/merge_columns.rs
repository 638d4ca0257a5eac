//! The columns that rows are merged by: which they are, and what they must not become.

use std::borrow::Cow;

use crate::error::{Error, ErrorKind, Location, Result};
use crate::load::MergeKeys;
use crate::plan::{self, ExistingTable, Fitted, PgType, path_of_comment};
use crate::schema::{Column, OnMisfit, Schema, Type};

/// The first field of the key or the order that none of these columns holds. An order that the table does not hold either has no
/// value anywhere: null is the least, so all are equal by it.
pub(super) fn missing<'a>(columns: &[Fitted], table: Option<&ExistingTable>, by: &'a MergeKeys) -> Option<&'a str> {
    let is_in_table = |path: &str| {
        table.into_iter().flat_map(|table| &table.columns).any(|have| {
            match have.comment.as_deref().and_then(path_of_comment) {
                Some(of) => of.to_string() == path,
                None => have.name.to_lowercase() == path.to_lowercase(),
            }
        })
    };
    let is_needed = |path: &str| by.keys.iter().any(|key| key == path) || is_in_table(path);
    by.paths().find(|path| position(columns, path).is_none() && is_needed(path))
}

/// The error for a field to merge by that is nowhere.
pub(crate) fn missing_field(path: &str) -> Error {
    Error::new(ErrorKind::Conflict, "rows are merged by a field that neither the records nor the table have")
        .with_location(Location { column: Some(path.to_owned()), ..Location::default() })
        .with_hint("name it by its path, as `longshore infer` lists it")
}

/// Marks the columns of the key as such: a record without a value there is none. Nor is one whose key or order its column does
/// not hold: put aside, the value would be missing where rows are compared.
pub(super) fn mark_keys(columns: &mut [Fitted], by: &MergeKeys) {
    for fitted in columns {
        let path = fitted.column.path.to_string();
        fitted.column.key |= by.keys.contains(&path);
        if by.paths().any(|of| of == path) {
            fitted.column.on_misfit = OnMisfit::Record;
        }
    }
}

/// The first column of the key or the order that would become text or JSON and by which rows would then be compared otherwise: as
/// text, `10` comes before `9`, and `1.5` and `1.50` are two keys. Whole numbers, days and booleans are the same keys as text.
pub(super) fn retold<'a>(columns: &'a [Fitted], table: &ExistingTable, by: &MergeKeys) -> Option<&'a Fitted> {
    use PgType as P;
    let is_text = |ty: &P| matches!(ty, P::Text | P::Varchar(_) | P::Char(_) | P::Textual(_) | P::Json | P::Jsonb);
    let is_one_spelled = |ty: &P| matches!(ty, P::Bool | P::Int2 | P::Int4 | P::Int8 | P::Date);
    columns.iter().filter(|fitted| is_text(&fitted.sql)).find(|fitted| {
        let path = fitted.column.path.to_string();
        let orders = by.order_by.as_ref() == Some(&path);
        let have = table.columns.iter().find(|have| have.name == fitted.column.name);
        let is_told_otherwise = |ty: &P| !is_text(ty) && (orders || fitted.sql != P::Text || !is_one_spelled(ty));
        by.paths().any(|of| of == path) && have.is_some_and(|have| is_told_otherwise(&have.ty))
    })
}

/// The schema of a load with columns that rows can be merged by where the table does not have these yet. One of the order without any
/// value waits for its first: its column would be text for good, and numbers would be compared as such.
///
/// # Errors
///
/// [`ErrorKind::Conflict`] for a key without any value, which likewise would be text, and for an order that would not be that of
/// its numbers or times.
pub(super) fn to_be_made<'a>(
    schema: &'a Schema,
    table: Option<&ExistingTable>,
    by: &MergeKeys,
) -> Result<Cow<'a, Schema>> {
    let there = table.map_or_else(|| vec![None; schema.columns.len()], |table| plan::matched(schema, table));
    let mut waits = None;
    for (at, column) in schema.columns.iter().enumerate().filter(|(at, _)| there[*at].is_none()) {
        let path = column.path.to_string();
        let orders = by.order_by.as_ref() == Some(&path);
        match (column.ty, column.ordered) {
            (Type::Null, _) if by.keys.contains(&path) => return Err(valueless(column)),
            (Type::Null, _) if orders => waits = Some(at),
            (_, Some(ordered)) if orders => return Err(out_of_order(column, ordered)),
            _ => {}
        }
    }
    let Some(at) = waits else { return Ok(Cow::Borrowed(schema)) };
    let mut schema = schema.clone();
    schema.columns.remove(at);
    schema.overflow = schema.overflow.map(|overflow| overflow - usize::from(overflow > at));
    Ok(Cow::Owned(schema))
}

pub(crate) fn valueless(column: &Column) -> Error {
    let path = column.path.to_string();
    let message = "rows are merged by this field, of which no record has a value, so there is no type for its column";
    Error::new(ErrorKind::Conflict, message)
        .with_hint(format!("say of what type its values will be: `--hint {path}=int64`"))
        .with_location(Location { column: Some(path), ..Location::default() })
}

pub(crate) fn out_of_order(column: &Column, ordered: Type) -> Error {
    let path = column.path.to_string();
    let message = format!(
        "rows are put into order by this field, and as {} its values would be compared by their spelling ({})",
        if column.ty == Type::Json { "json" } else { "text" },
        column.why.text
    );
    Error::new(ErrorKind::Conflict, message)
        .with_hint(format!(
            "with `--hint {path}={ordered}` records with other values are quarantined, with `--hint {path}=text` spellings are compared"
        ))
        .with_location(Location { column: Some(path), ..Location::default() })
}

pub(super) fn position(columns: &[Fitted], path: &str) -> Option<usize> {
    columns.iter().position(|fitted| fitted.column.path.to_string() == path)
}

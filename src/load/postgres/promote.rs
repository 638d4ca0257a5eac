//! A field out of the overflow column into a column of its own.

use ::postgres::types::Type as SqlType;

use super::error::failed;
use super::ledger::{LoadKey, lock, set_lock_timeout};
use super::session::Client;
use super::stream::PostgresStream;
use super::variant::View;
use super::{PostgresOptions, catalog, open};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::load::Mode;
use crate::path::Path;
use crate::plan::{
    self, Dialect, Evolution, ExistingColumn, ExistingTable, PgType, TableName, comment_of, identifier, literal,
    path_of_comment,
};
use crate::schema::names::Names;
use crate::schema::{Column, Schema, Type};

/// What is decided of a field, given its values as JSON texts, one call for each.
pub(crate) trait Decide {
    /// Takes in a value.
    fn value(&mut self, json: &str);
    /// The field as a column.
    fn column(&mut self) -> Result<Column>;
    /// Has the values that come from now on held against the column that they are to go into.
    fn hold_against(&mut self, column: &Column);
    /// Why one of them does not fit, if one does not.
    fn misfit(&mut self) -> Option<String>;
}

/// What a promotion did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Promoted {
    /// The column's name.
    pub(crate) name: String,
    /// Its type.
    pub(crate) ty: Type,
    /// Rows whose value moved.
    pub(crate) rows: u64,
    /// The statements that were run.
    pub(crate) statements: Vec<String>,
}

impl PostgresStream {
    /// Makes a column of a field whose values are in the overflow column `overflow`, and moves the values there, in one
    /// transaction. `field` is its key in the overflow, `path` the field itself.
    pub(crate) fn promote(
        &mut self,
        table: &TableName,
        overflow: &Path,
        field: &str,
        path: &Path,
        decide: &mut dyn Decide,
    ) -> Result<Promoted> {
        let options = self.options().clone();
        self.in_session(|client| {
            open::begin(client)?;
            let promoted = promote(client, &options, table, overflow, field, path, decide);
            let end = if promoted.is_ok() { "COMMIT" } else { "ROLLBACK" };
            match (promoted, client.batch_execute(end)) {
                (Ok(promoted), Ok(())) => Ok(promoted),
                (Ok(_), Err(error)) => Err(failed("committing", &error)),
                (Err(error), _) => Err(error),
            }
        })
    }
}

fn promote(
    client: &mut Client,
    options: &PostgresOptions,
    table: &TableName,
    overflow: &Path,
    field: &str,
    path: &Path,
    decide: &mut dyn Decide,
) -> Result<Promoted> {
    let key = LoadKey { target: table.clone(), load_id: String::new() };
    lock(client, key.lock(), options.queue_timeout)?;
    set_lock_timeout(client, options.lock_timeout)?;
    let Some(oid) = catalog::find(client, table)? else {
        let error = Error::new(ErrorKind::Conflict, format!("there is no table {table}"));
        return Err(error.with_hint("name it with its schema if it is not in the first one of `search_path`"));
    };
    let existing = open::occupy(client, oid, &key, &Mode::Append)?;
    let found = |path: &Path| {
        let is_it = |comment: &String| path_of_comment(comment).as_ref() == Some(path);
        existing.columns.iter().find(|column| column.comment.as_ref().is_some_and(is_it))
    };
    let Some(from) = found(overflow) else {
        return Err(nothing(field, format!("the table {table} has no column for fields past a budget")));
    };
    let from = format!("{}::jsonb", identifier(&from.name));
    read_values(client, table, &from, field, decide)?;
    let column = decide.column()?;
    // As a load has it: what the server would round is kept as it was written.
    let column = if column.ty == Type::Null { column } else { plan::fit_type(&column, Dialect::Postgres) };
    let there = found(path).cloned();
    if column.ty == Type::Null && there.is_none() {
        return Err(nothing(field, format!("no row of {table} has a value of it past the budget")));
    }
    let mut statements = Vec::new();
    let (name, sql_type, column) = match there {
        Some(there) => {
            let column = as_it_is(field, &there, column, table, options)?;
            (there.name, there.ty, column)
        }
        None => {
            let (name, ty) = add_column(table, &existing, path, &column, options, &mut statements);
            (name, ty, column)
        }
    };
    // What the server makes of a text is not always what it says: it rounds, cuts off, and knows words such as `now`.
    decide.hold_against(&column);
    read_values(client, table, &from, field, decide)?;
    if let Some(reason) = decide.misfit() {
        return Err(unfit(field, reason));
    }
    // The view over variants is to show the new column too.
    let refused = |error: ::postgres::Error| failed("making the view over variants anew", &error);
    let mut view = View::over(table, &existing).filter(|_| !statements.is_empty());
    if let Some(over) = &view {
        client.batch_execute("SAVEPOINT longshore_view").map_err(refused)?;
        if !over.drop(client, oid)? {
            // Somebody's own view shows it, so it stays as it is.
            client.batch_execute("ROLLBACK TO SAVEPOINT longshore_view").map_err(refused)?;
            view = None;
        }
    }
    for statement in &statements {
        client.batch_execute(statement).map_err(|error| failed("adding the column", &error))?;
    }
    let rows = move_values(client, table, overflow_name(&existing, overflow), field, (&name, &sql_type))?;
    if let Some(view) = view {
        statements.extend(view.create(client, oid)?);
    }
    Ok(Promoted { name, ty: column.ty, rows, statements })
}

/// The column that is there, if it holds values of such a type without a change.
fn as_it_is(
    field: &str,
    there: &ExistingColumn,
    column: Column,
    table: &TableName,
    options: &PostgresOptions,
) -> Result<Column> {
    let schema = Schema { columns: vec![column], ..Schema::default() };
    let alone = ExistingTable { columns: vec![there.clone()], slots: 1, has_rows: true };
    let Evolution { plan, mut columns, .. } = plan::evolve(&schema, &alone, table, options.json)?;
    match columns.pop() {
        Some(fitted) if plan.statements.is_empty() => Ok(fitted.column),
        _ => Err(unfit(field, format!("the column is {}, which does not hold all its values", there.ty))),
    }
}

fn unfit(field: &str, reason: String) -> Error {
    Error::new(ErrorKind::Conflict, format!("a value of `{field}` does not fit its column: {reason}"))
        .with_location(Location { column: Some(field.to_owned()), ..Location::default() })
        .with_hint("leave the hint out, or hint a type that holds every value; nothing was changed")
}

fn overflow_name<'a>(existing: &'a ExistingTable, overflow: &Path) -> &'a str {
    let is_it = |comment: &String| path_of_comment(comment).as_ref() == Some(overflow);
    let found = existing.columns.iter().find(|column| column.comment.as_ref().is_some_and(is_it));
    found.map_or("", |column| &column.name)
}

/// The bytes of values that are to be read at a time.
const FETCHED: usize = 16 << 20;

/// Reads all values of the field, some at a time, fewer where they are long.
fn read_values(
    client: &mut Client,
    table: &TableName,
    overflow: &str,
    field: &str,
    decide: &mut dyn Decide,
) -> Result<()> {
    let refused = |error: ::postgres::Error| failed("reading the values", &error);
    let key = literal(field, Dialect::Postgres);
    let sql = format!(
        "DECLARE longshore_values NO SCROLL CURSOR FOR \
         SELECT ({overflow} -> {key})::text FROM {table} WHERE {overflow} ? {key}"
    );
    client.batch_execute(&sql).map_err(refused)?;
    let mut most = 10;
    loop {
        let rows = client.query_typed(&format!("FETCH {most} FROM longshore_values"), &[]).map_err(refused)?;
        if rows.is_empty() {
            return client.batch_execute("CLOSE longshore_values").map_err(refused);
        }
        let values = rows.iter().map(|row| row.get::<_, &str>(0));
        let bytes: usize = values.inspect(|value| decide.value(value)).map(str::len).sum();
        most = (FETCHED / (bytes / rows.len()).max(1)).clamp(1, 10 * most).min(10_000);
    }
}

fn add_column(
    table: &TableName,
    existing: &ExistingTable,
    path: &Path,
    column: &Column,
    options: &PostgresOptions,
    statements: &mut Vec<String>,
) -> (String, PgType) {
    let mut names = Names::new(Dialect::Postgres.name_limit(), true);
    existing.columns.iter().for_each(|column| names.reserve(&column.name));
    let name = names.claim(&column.name, path);
    let ty = PgType::of(column.ty, options.json);
    statements.push(format!("ALTER TABLE {table} ADD COLUMN {} {ty}", identifier(&name)));
    let comment = literal(&comment_of(path), Dialect::Postgres);
    statements.push(format!("COMMENT ON COLUMN {table}.{} IS {comment}", identifier(&name)));
    (name, ty)
}

/// Moves the values, which the column's type holds.
fn move_values(
    client: &mut Client,
    table: &TableName,
    overflow: &str,
    field: &str,
    (name, ty): (&str, &PgType),
) -> Result<u64> {
    let (overflow, name) = (identifier(overflow), identifier(name));
    let json = format!("{overflow}::jsonb");
    let value = match ty {
        PgType::Json | PgType::Jsonb => format!("({json} -> $1)::{ty}"),
        _ => format!("({json} ->> $1)::{ty}"),
    };
    let sql = format!(
        "UPDATE {table} SET {name} = {value}, {overflow} = nullif({json} - $1, '{{}}'::jsonb) WHERE {json} ? $1"
    );
    client.execute_typed(&sql, &[(&field, SqlType::TEXT)]).map_err(|error| failed("moving the values", &error))
}

fn nothing(field: &str, message: String) -> Error {
    Error::new(ErrorKind::Conflict, message)
        .with_location(Location { column: Some(field.to_owned()), ..Location::default() })
        .with_hint("the fields past the budget are the keys of the column `_overflow`; an object that is there whole is one of them")
}

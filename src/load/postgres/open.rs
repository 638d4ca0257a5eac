//! The first half of a load: its transaction, the look into the ledger, and the table made ready for the rows.

use std::borrow::Cow;

use ::postgres::error::SqlState;
use ::postgres::types::Type as SqlType;

use super::anew::begin_anew;
use super::catalog::{self, Refusals};
use super::error::failed;
use super::gone;
use super::ledger::{LOADS, Ledger, LoadKey, QUARANTINE, lock, set_lock_timeout};
use super::merge_columns;
use super::offsets::OFFSETS;
use super::session::{Client, Endpoint};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::fault;
use crate::load::{Counts, LoadRequest, Mode};
use crate::plan::{
    self, CreateOptions, Dialect, Evolution, ExistingTable, Fitted, JsonType, Plan, TableName, identifier,
};
use crate::schema::Schema;

/// Settings last as long as the transaction, so that they are also right behind a pooler. The isolation level matters:
/// after waiting for a lock, a statement has to see what the holder committed. The keepalives have the server notice within two
/// minutes that we are gone without a word, and free the locks; the timeout does so where it waits for us to take in an
/// answer, for then there are no keepalives.
const BEGIN: &str = "
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL extra_float_digits = 3;
SET LOCAL standard_conforming_strings = on;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT set_config('transaction_timeout', '0', true) WHERE current_setting('server_version_num')::int >= 170000;
SET LOCAL client_min_messages = warning;
SET LOCAL tcp_keepalives_idle = 60;
SET LOCAL tcp_keepalives_interval = 10;
SET LOCAL tcp_keepalives_count = 6;
SET LOCAL tcp_user_timeout = 120000";

/// What two sessions that create the same thing at the same time can meet.
const RACES: [SqlState; 4] =
    [SqlState::DUPLICATE_TABLE, SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_OBJECT, SqlState::DUPLICATE_SCHEMA];

pub(super) enum Opened {
    AlreadyLoaded(Counts),
    Ready(Ready),
}

/// A table that waits for rows, in an open transaction.
pub(super) struct Ready {
    pub(super) key: LoadKey,
    pub(super) columns: Vec<Fitted>,
    /// Statements that make a table without columns, to be run once there is a row for it.
    pub(super) deferred: Vec<String>,
    /// Statements that were run to make or change the table.
    pub(super) done: Vec<String>,
    /// Whether the table is new.
    pub(super) created: bool,
    /// The table's number, where it is known.
    pub(super) oid: Option<u32>,
    /// What was noticed in planning and is no error.
    pub(super) warnings: Vec<String>,
}

pub(super) fn open(client: &mut Client, endpoint: &Endpoint, schema: &Schema, request: &LoadRequest) -> Result<Opened> {
    let table = table_name(request)?;
    if let Mode::Merge(keys) = &request.mode {
        keys.check()?;
    }
    begin(client)?;
    refuse_other_servers(client)?;
    let key = LoadKey { target: resolve(client, table)?, load_id: request.load_id.clone() };
    lock(client, key.lock(), endpoint.options.queue_timeout)?;

    let found = catalog::find(client, &key.target)?;
    if let Some(counts) = Ledger::new(&key).look_up(client)?
        // Rows of a table that was dropped are gone, so the load is to be done again.
        && (found.is_some() || counts.loaded == 0)
    {
        client.batch_execute("ROLLBACK").map_err(|error| failed("closing the transaction", &error))?;
        return Ok(Opened::AlreadyLoaded(counts));
    }
    if found.is_some() && request.mode == Mode::FailIfExists {
        return Err(Error::new(ErrorKind::Conflict, format!("table {} exists", key.target.quoted()))
            .with_hint("append to it, replace its rows, or choose another table"));
    }
    create_surroundings(client, endpoint, &key, false)?;
    set_lock_timeout(client, endpoint.options.lock_timeout)?;
    require_keys(schema, &request.mode)?;
    let ready = match found {
        Some(oid) => {
            let (mut existing, mut refusals) = (occupy(client, oid, &key, &request.mode)?, Refusals::default());
            let schema = to_be_made(schema, Some(&existing), &request.mode)?;
            loop {
                let evolution = plan::evolve(&schema, &existing, &key.target, endpoint.options.json)?;
                keep_keys(&evolution.columns, &existing, &request.mode)?;
                if let Some(ready) = adapt(client, oid, &key, evolution, &existing, &mut refusals)? {
                    break ready;
                }
                refusals.apply(&mut existing);
            }
        }
        None => {
            let schema = to_be_made(schema, None, &request.mode)?;
            create(client, key, &schema, endpoint.options.json)?
        }
    };
    Ok(Opened::Ready(ready))
}

/// Looks before anything is changed whether there are the fields to merge by.
fn require_keys(schema: &Schema, mode: &Mode) -> Result<()> {
    match mode {
        // Where no record has a field, there is nothing to merge, and a record that is empty is told by its load.
        Mode::Merge(by) if !schema.columns.is_empty() => {
            let missing = by.paths().find(|path| schema.column(path).is_none());
            missing.map_or(Ok(()), |path| Err(merge_columns::missing_field(path)))
        }
        _ => Ok(()),
    }
}

/// The schema with columns that rows can be merged by, if they are.
fn to_be_made<'a>(schema: &'a Schema, table: Option<&ExistingTable>, mode: &Mode) -> Result<Cow<'a, Schema>> {
    match mode {
        Mode::Merge(by) => merge_columns::to_be_made(schema, table, by),
        _ => Ok(Cow::Borrowed(schema)),
    }
}

/// Refuses to make text of a column that rows are merged by.
fn keep_keys(columns: &[Fitted], existing: &ExistingTable, mode: &Mode) -> Result<()> {
    let Mode::Merge(keys) = mode else { return Ok(()) };
    let Some(fitted) = merge_columns::retold(columns, existing, keys) else { return Ok(()) };
    let message =
        format!("rows are merged by this field, and as {} its values would be told apart otherwise", fitted.sql);
    Err(Error::new(ErrorKind::Conflict, message)
        .with_location(Location { column: Some(fitted.column.path.to_string()), ..Location::default() })
        .with_hint("hint the field to be of its column's type, so that records with other values are quarantined"))
}

/// The table of a request, if it is one that can be loaded into.
pub(super) fn table_name(request: &LoadRequest) -> Result<TableName> {
    let table = TableName::parse(&request.table, Dialect::Postgres)?;
    refuse_own(&table)?;
    if request.load_id.is_empty() || request.load_id.contains('\0') {
        return Err(Error::config("a load id must not be empty or hold U+0000"));
    }
    Ok(table)
}

/// Refuses the names of longshore's own tables.
pub(super) fn refuse_own(table: &TableName) -> Result<()> {
    match [LOADS, QUARANTINE, OFFSETS].contains(&table.name.as_str()) {
        true => {
            Err(Error::config(format!("`{}` is longshore's own table", table.name)).with_hint("choose another name"))
        }
        false => Ok(()),
    }
}

/// Opens the transaction of a load.
pub(super) fn begin(client: &mut Client) -> Result<()> {
    fault::point("transaction.begin")?;
    client.batch_execute(&begin_of(client)).map_err(|error| failed("opening a transaction", &error))
}

/// What opens a transaction of a session, by which it can be asked for elsewhere as long as it lasts.
pub(super) fn begin_of(client: &Client) -> String {
    format!("{BEGIN}{}", client.mark())
}

/// Redshift speaks the protocol, but has no COPY from the client.
pub(super) fn refuse_other_servers(client: &mut Client) -> Result<()> {
    let version = client.simple_query("SELECT version()").map_err(|error| failed("asking for the version", &error))?;
    let is_redshift = version.iter().any(|message| match message {
        ::postgres::SimpleQueryMessage::Row(row) => row.get(0).is_some_and(|text| text.contains("Redshift")),
        _ => false,
    });
    if !is_redshift {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "the server is Amazon Redshift, which takes no rows from a connection")
        .with_hint("load into a folder, copy it to S3 and run its load.redshift.sql"))
}

/// Gives the table its schema: where the search path finds it, else where it would be created.
pub(super) fn resolve(client: &mut Client, table: TableName) -> Result<TableName> {
    if table.schema.is_some() {
        return Ok(table);
    }
    let sql = "SELECT coalesce((SELECT n.nspname FROM unnest(current_schemas(false)) WITH ORDINALITY AS s (name, nth) \
               JOIN pg_namespace n ON n.nspname = s.name \
               JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = $1 ORDER BY nth LIMIT 1), \
               current_schema())::text";
    let row = client.query_typed_one(sql, &[(&table.name, SqlType::TEXT)]);
    let schema: Option<String> = row.map_err(|error| failed("reading the search path", &error))?.get(0);
    let Some(schema) = schema else {
        return Err(Error::config("the server's search path names no schema that exists")
            .with_hint("write the table as schema.table"));
    };
    Ok(TableName { schema: Some(schema), name: table.name })
}

/// Makes the schema and longshore's own tables where they are missing.
pub(super) fn create_surroundings(
    client: &mut Client,
    endpoint: &Endpoint,
    key: &LoadKey,
    offsets: bool,
) -> Result<()> {
    let ledger = Ledger::new(key);
    let sql = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
    let schema_exists = |client: &mut Client| -> Result<bool> {
        let row = client.query_typed_one(sql, &[(&key.schema(), SqlType::TEXT)]);
        Ok(row.map_err(|error| failed("reading the catalog", &error))?.get(0))
    };
    if schema_exists(client)? && ledger.missing(client, offsets)?.is_empty() {
        return Ok(());
    }
    // IF NOT EXISTS is not safe against another session that creates the same.
    lock(client, key.schema_lock(), endpoint.options.queue_timeout)?;
    if !schema_exists(client)? {
        create_tolerantly(client, &format!("CREATE SCHEMA IF NOT EXISTS {}", identifier(key.schema())))?;
    }
    for statement in ledger.missing(client, offsets)? {
        create_tolerantly(client, &statement)?;
    }
    Ok(())
}

/// Creates something that is as good if another session has just created it.
fn create_tolerantly(client: &mut Client, statement: &str) -> Result<()> {
    let refused = |error: ::postgres::Error| failed("creating longshore's tables", &error);
    fault::point("ledger.create")?;
    client.batch_execute("SAVEPOINT longshore_create").map_err(refused)?;
    match client.batch_execute(statement) {
        Ok(()) => client.batch_execute("RELEASE SAVEPOINT longshore_create").map_err(refused),
        Err(error) if error.code().is_some_and(|code| RACES.contains(code)) => {
            client.batch_execute("ROLLBACK TO SAVEPOINT longshore_create").map_err(refused)
        }
        Err(error) => Err(refused(error)),
    }
}

/// Makes the table.
pub(super) fn create(client: &mut Client, key: LoadKey, schema: &Schema, json: JsonType) -> Result<Ready> {
    let options = CreateOptions::new(Dialect::Postgres).with_json(json);
    let plan = Plan::create_with(schema, &key.target.quoted(), &options)?;
    let warnings = plan.warnings;
    let statements: Vec<String> = plan.statements.into_iter().map(|statement| statement.sql).collect();
    // An earlier table of this name is gone, and its rows with it.
    if Ledger::new(&key).mark_dropped(client)? {
        begin_anew(client, &key, &[])?;
    }
    if schema.columns.is_empty() {
        // An input without any record gives no table; one with records `{}` gives one without columns.
        let (columns, done, oid) = (Vec::new(), Vec::new(), None);
        return Ok(Ready { key, columns, deferred: statements, done, created: true, oid, warnings });
    }
    for statement in &statements {
        fault::point("table.create")?;
        client.batch_execute(statement).map_err(|error| match error.as_db_error() {
            Some(refusal) if is_made(refusal) => made_meanwhile(&key.target.quoted()),
            _ => failed("creating the table", &error),
        })?;
    }
    let (columns, oid) = (plan::fitted(schema, json), catalog::find(client, &key.target)?);
    Ok(Ready { key, columns, deferred: Vec::new(), done: statements, created: true, oid, warnings })
}

/// Whether the server says that a table which was not there a moment ago is there: by its name, or by that of its row type.
fn is_made(refusal: &::postgres::error::DbError) -> bool {
    let code = refusal.code();
    *code == SqlState::DUPLICATE_TABLE || *code == SqlState::UNIQUE_VIOLATION && refusal.schema() == Some("pg_catalog")
}

/// Locks the table, empties it if the mode says so, and reads what it is.
///
/// From here to the commit nobody else can change the table: binary rows for other types than those read now could be
/// taken for something else without an error. Only its schema can still be given another name, and another one that name;
/// whether that was so is seen when the ledger is written.
pub(super) fn occupy(client: &mut Client, oid: u32, key: &LoadKey, mode: &Mode) -> Result<ExistingTable> {
    fault::point("table.lock")?;
    let table = key.target.quoted();
    let lock = match mode {
        Mode::Replace => "ACCESS EXCLUSIVE",
        _ => "ROW EXCLUSIVE",
    };
    match client.batch_execute(&format!("LOCK TABLE {table} IN {lock} MODE")) {
        Ok(()) => {}
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => return Err(made_meanwhile(&table)),
        Err(error) => return Err(failed("locking the table", &error)),
    }
    // Who has waited for a lock may have got that of another table, which was given the name in the meantime.
    if catalog::find(client, &key.target)? != Some(oid) {
        return Err(made_meanwhile(&table));
    }
    if *mode == Mode::Replace {
        refuse_children(client, oid, key)?;
        let truncate = format!("TRUNCATE TABLE {table}");
        client.batch_execute(&truncate).map_err(|error| failed("emptying the table", &error))?;
        Ledger::new(key).mark_replaced(client)?;
    }
    catalog::read(client, oid, &key.target)
}

/// What is said of a table that somebody else has made, dropped or exchanged between the look at it and its lock.
pub(super) fn made_meanwhile(table: &str) -> Error {
    let message = format!("{table} was made, dropped or exchanged by somebody else at the same moment");
    Error::new(ErrorKind::Database, message)
        .with_temporary(true)
        .with_hint("it is tried again, with the table as it is then")
}

/// Refuses to replace rows that rows of child tables belong to.
fn refuse_children(client: &mut Client, oid: u32, key: &LoadKey) -> Result<()> {
    let target = &key.target;
    let existing = catalog::read(client, oid, target)?;
    let Some(id) = gone::id_column(&existing) else { return Ok(()) };
    let (parent, id) = (identifier(gone::PARENT_ID), identifier(&id.name));
    let owned = gone::children(client, target)?.into_iter().filter(|child| child.is_owned);
    for gone::Child { name, .. } in owned {
        let sql = format!("SELECT EXISTS (SELECT FROM {name} c JOIN {target} t ON c.{parent} = t.{id})");
        let row = client.query_typed_one(&sql, &[]).map_err(|error| failed("looking for child tables", &error))?;
        if row.get(0) {
            let message =
                format!("rows of {name} belong to rows of {target}, and would be left behind if these were replaced");
            return Err(Error::new(ErrorKind::Conflict, message)
                .with_hint("empty or drop the child tables first, or load into another table"));
        }
    }
    Ok(())
}

/// Changes the table. `None` if the server does not alter it because of what it is or what uses a column; that is noted then,
/// and the changes are to be planned anew.
pub(super) fn adapt(
    client: &mut Client,
    oid: u32,
    key: &LoadKey,
    evolution: Evolution,
    existing: &ExistingTable,
    refusals: &mut Refusals,
) -> Result<Option<Ready>> {
    let Evolution { plan, columns, .. } = evolution;
    let warnings = plan.warnings;
    let done: Vec<String> = plan.statements.into_iter().map(|statement| statement.sql).collect();
    let failed = |error: ::postgres::Error| failed("changing the table", &error);
    if !done.is_empty() {
        client.batch_execute("SAVEPOINT longshore_alter").map_err(failed)?;
    }
    for statement in &done {
        fault::point("table.alter")?;
        if let Err(error) = client.batch_execute(statement) {
            if catalog::is_refusal(&error) {
                client.batch_execute("ROLLBACK TO SAVEPOINT longshore_alter").map_err(failed)?;
                if refusals.note(client, oid, existing, &columns)? {
                    return Ok(None);
                }
            }
            return Err(failed(error));
        }
    }
    let (deferred, oid) = (Vec::new(), Some(oid));
    Ok(Some(Ready { key: key.clone(), columns, deferred, done, created: false, oid, warnings }))
}

//! The SQL that brings a load's parts into a warehouse.

use std::fmt::Write;

use super::manifest::Manifest;
use crate::error::Error;
use crate::load::redshift_ledger::{
    LOADS, LOADS_COLUMNS, NOW, SETTLE_JSON, check_columns, check_names, copied_type, folded, is_loaded, text,
};
use crate::load::{LoadRequest, Mode};
use crate::plan::{Dialect, Plan, TableName, fit, identifier, literal};
use crate::schema::{Column, Schema, Type};

/// The scripts, with their files' names.
pub(super) fn all(
    table: &TableName,
    request: &LoadRequest,
    (schema, longest): (&Schema, &[u64]),
    manifest: &Manifest,
    url: &str,
) -> Vec<(&'static str, String)> {
    // Without columns there is no table to make, and no part to load.
    if schema.columns.is_empty() {
        return Vec::new();
    }
    let postgres = Plan::create(schema, Dialect::Postgres, &table.quoted());
    let redshift =
        check_names(table, &request.load_id).and_then(|()| Plan::create(schema, Dialect::Redshift, &table.quoted()));
    let scripts = [
        ("load.postgres.sql", postgres.as_ref().map(|_| for_postgres(table, request, schema, manifest))),
        (
            "load.redshift.sql",
            redshift.as_ref().map(|_| for_redshift(table, request, (schema, longest), manifest, url)),
        ),
        ("create.postgres.sql", postgres.as_ref().map(|plan| format!("{plan:#}"))),
        ("create.redshift.sql", redshift.as_ref().map(|plan| format!("{plan:#}"))),
    ];
    // The parts are good for other readers also where a warehouse cannot have such a table.
    let scripts = scripts.map(|(name, script)| (name, script.unwrap_or_else(impossible)));
    scripts.into()
}

fn impossible(error: &Error) -> String {
    let reason = error.to_string().replace(char::is_control, " ");
    format!("-- This warehouse cannot have the table: {reason}\n")
}

/// The ledger beside a table, as SQL.
fn ledger(table: &TableName) -> String {
    table.beside(LOADS).quoted()
}

/// A statement that fails unless `count` is the number of rows of `table`: SQL has no plain way to say so.
fn check_count(count: u64, table: &str) -> String {
    format!("SELECT 1 / CASE WHEN count(*) = {count} THEN 1 ELSE 0 END AS every_row_is_there FROM {table};\n")
}

/// A script for Redshift. It may be run again: rows are added only if the ledger does not have the load, replaced or
/// not.
fn for_redshift(
    table: &TableName,
    request: &LoadRequest,
    (schema, longest): (&Schema, &[u64]),
    manifest: &Manifest,
    url: &str,
) -> String {
    let columns = fit(schema, Dialect::Redshift).columns;
    let (target, ledger) = (table.quoted(), ledger(table));
    let parses = columns.iter().any(|column| column.ty == Type::Json);
    // As a connected load writes it.
    let name = folded(table.clone()).name;
    let loaded = is_loaded(&ledger, &name, &request.load_id);
    let (name, id) = (text(&name), text(&request.load_id));
    let mut sql = format!(
        "-- Loads {rows} rows into Redshift, once: run again, it adds nothing, also where a newer load replaced them.\n\
         -- Before: run create.redshift.sql, copy this folder to the place that manifest.redshift.json names, and give\n\
         -- the cluster a role that may read it (here its default one). Run it in one session and stop at an error.\n\
         -- A text or JSON value of more than 65,535 bytes ends the COPY, and nothing is loaded: `longshore stage`,\n\
         -- or a load over a connection, puts such a record aside, and takes longer JSON.\n\
         {set}CREATE TABLE IF NOT EXISTS {ledger} ({LOADS_COLUMNS}\n);\n\
         -- A transaction of its own, with the locks before anything is read.\n\
         COMMIT;\n\
         BEGIN;\n\
         -- Two sessions that run this take turns, and nobody changes the table meanwhile.\n\
         LOCK {ledger};\n",
        rows = manifest.loaded,
        set = if parses { format!("{SETTLE_JSON};\n") } else { String::new() },
    );
    if !manifest.parts.is_empty() {
        let widths = columns.iter().map(|column| (column, column.max_bytes));
        let _ = write!(
            sql,
            "LOCK {target};\n\
             -- Fails if a column is missing, or would round numbers or cut texts that are put into it.\n{};\n",
            check_columns(&folded(table.clone()), widths),
        );
        // The parts go through a table of their own: a JSON text that is copied into SUPER stays one string, a TIME
        // cannot be copied from Parquet, and this way the rows can be counted before they are added.
        let staging = identifier(&format!("_longshore_{}", &blake3::hash(request.load_id.as_bytes()).to_hex()[..16]));
        let definitions = columns
            .iter()
            .zip(longest)
            .map(|(column, longest)| format!("{} {}", identifier(&column.name), copied_type(column, Some(*longest))));
        let names: Vec<String> = columns.iter().map(|column| identifier(&column.name)).collect();
        let names = names.join(", ");
        let values = columns.iter().map(|column| {
            let name = identifier(&column.name);
            match column.ty {
                Type::Json => format!("JSON_PARSE({name})"),
                Type::Time => format!("CAST({name} AS TIME)"),
                _ => name,
            }
        });
        let manifest_url = text(&format!("{url}/manifest.redshift.json"));
        let _ = write!(
            sql,
            "DROP TABLE IF EXISTS {staging};\n\
             CREATE TEMP TABLE {staging} (\n    {}\n);\n\
             COPY {staging} ({names}) FROM {manifest_url} IAM_ROLE default FORMAT AS PARQUET MANIFEST;\n{}",
            definitions.collect::<Vec<_>>().join(",\n    "),
            check_count(manifest.loaded, &staging),
        );
        if request.mode == Mode::Replace {
            // TRUNCATE would commit.
            let _ = writeln!(sql, "DELETE FROM {target} WHERE NOT EXISTS ({loaded});");
        }
        let _ = write!(
            sql,
            "INSERT INTO {target} ({names})\nSELECT {}\nFROM {staging}\nWHERE NOT EXISTS ({loaded});\n\
             DROP TABLE {staging};\n",
            values.collect::<Vec<_>>().join(", "),
        );
    } else if request.mode == Mode::Replace {
        let _ = writeln!(sql, "DELETE FROM {target} WHERE NOT EXISTS ({loaded});");
    }
    if request.mode == Mode::Replace {
        let _ = writeln!(
            sql,
            "UPDATE {ledger} SET replaced_by = {id} WHERE table_name = {name} AND load_id <> {id} \
             AND replaced_by IS NULL AND NOT EXISTS ({loaded});"
        );
    }
    let counts = manifest.counts();
    let _ = write!(
        sql,
        "INSERT INTO {ledger} (table_name, load_id, committed_at, read, loaded, quarantined, deduplicated, bytes, \
         content_hash, longshore_version)\nSELECT {name}, {id}, {NOW}, {}, {}, {}, {}, {}, {}, {}\nWHERE NOT EXISTS \
         ({loaded});\nCOMMIT;\n",
        counts.read,
        counts.loaded,
        counts.quarantined,
        counts.deduplicated,
        manifest.bytes,
        text(&manifest.content_hash),
        text(env!("CARGO_PKG_VERSION")),
    );
    sql
}

/// Postgres cannot read Parquet, so this is a script for DuckDB, which can, and writes to Postgres.
fn for_postgres(table: &TableName, request: &LoadRequest, schema: &Schema, manifest: &Manifest) -> String {
    let columns = fit(schema, Dialect::Postgres).columns;
    let schema_name = table.schema.as_deref().unwrap_or("public");
    let target = format!("warehouse.{}.{}", identifier(schema_name), identifier(&table.name));
    let mut sql = format!(
        "-- Postgres cannot read Parquet by itself. The shortest way is to load the input again with longshore, into\n\
         -- a postgres:// URL. To load these parts, run create.postgres.sql there, and then this script in DuckDB, in\n\
         -- this folder. It adds {} rows each time it is run.\n\
         INSTALL postgres;\nLOAD postgres;\nATTACH '' AS warehouse (TYPE postgres); -- PGHOST, PGDATABASE, … say where\n\
         BEGIN;\n",
        manifest.loaded
    );
    if request.mode == Mode::Replace {
        let _ = writeln!(sql, "DELETE FROM {target};");
    }
    if !manifest.parts.is_empty() {
        let names: Vec<String> = columns.iter().map(|column| identifier(&column.name)).collect();
        // Parts are read by their own names, which may differ from the table's.
        let values = columns.iter().zip(&schema.columns).map(|(column, part)| {
            let name = identifier(&part.name);
            match column.ty {
                Type::Uuid => format!("CAST({name} AS UUID)"),
                Type::Time => format!("CAST({name} AS TIME)"),
                Type::Json => format!("CAST({name} AS JSON)"),
                _ => name,
            }
        });
        let values: Vec<String> = values.collect();
        let _ = write!(
            sql,
            "-- Fails if a column is missing, or would round numbers that are put into it.\n{};\n",
            check_for_duckdb(schema_name, &table.name, &columns),
        );
        let files: Vec<String> = manifest.parts.iter().map(|part| literal(&part.file, Dialect::Postgres)).collect();
        let _ = write!(
            sql,
            "INSERT INTO {target} ({})\nSELECT {}\nFROM read_parquet([{}]);\n",
            names.join(", "),
            values.join(", "),
            files.join(", "),
        );
    }
    sql.push_str("COMMIT;\n");
    sql
}

/// A statement for DuckDB that fails unless a table of the attached server has all columns, each of a type that holds
/// the values as they are. Its INSERT converts them to the type that it takes the column for: a number is rounded.
fn check_for_duckdb(schema_name: &str, table: &str, columns: &[Column]) -> String {
    let literal = |value: &str| literal(value, Dialect::Postgres);
    let conditions = columns.iter().map(|column| {
        let holds = match column.ty {
            Type::Boolean => "data_type = 'BOOLEAN'".to_owned(),
            Type::Int16 | Type::Int32 => {
                "(data_type IN ('SMALLINT', 'INTEGER', 'BIGINT', 'DOUBLE') OR data_type LIKE 'DECIMAL%')".to_owned()
            }
            Type::Int64 => "(data_type IN ('SMALLINT', 'INTEGER', 'BIGINT') OR data_type LIKE 'DECIMAL%')".to_owned(),
            Type::Decimal { scale, .. } => format!("(data_type LIKE 'DECIMAL%' AND numeric_scale >= {scale})"),
            Type::Float64 => "data_type = 'DOUBLE'".to_owned(),
            Type::Date => "data_type IN ('DATE', 'TIMESTAMP')".to_owned(),
            Type::Timestamp(_) => "data_type = 'TIMESTAMP'".to_owned(),
            Type::TimestampTz(_) => "data_type = 'TIMESTAMP WITH TIME ZONE'".to_owned(),
            Type::Time => "data_type = 'TIME'".to_owned(),
            Type::Uuid => "data_type = 'UUID'".to_owned(),
            Type::Json => "data_type IN ('JSON', 'VARCHAR')".to_owned(),
            Type::Null | Type::Text => "data_type = 'VARCHAR'".to_owned(),
        };
        format!("(column_name = {} AND {holds})", literal(&column.name))
    });
    format!(
        "SELECT CASE WHEN count(*) = {} THEN true\n\
         ELSE error('the table lacks a column, or has one of another type') END\n\
         FROM duckdb_columns() WHERE database_name = 'warehouse' AND schema_name = {} AND table_name = {}\n\
         AND (\n    {}\n)",
        columns.len(),
        literal(schema_name),
        literal(table),
        conditions.collect::<Vec<_>>().join("\n    OR "),
    )
}

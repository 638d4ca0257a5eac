//! What a load into Redshift has in common by a connection and by a folder's script: the ledger that both share, and the
//! types that Parquet files are copied into.

use crate::plan::{Dialect, TableName, literal};
use crate::schema::{Column, Type};

/// The ledger's table, beside the target.
pub(super) const LOADS: &str = "_longshore_loads";

/// The columns of the ledger.
pub(super) const LOADS_COLUMNS: &str = "
    \"table_name\" VARCHAR(127) NOT NULL,
    \"load_id\" VARCHAR(1024) NOT NULL,
    \"committed_at\" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
    \"read\" BIGINT NOT NULL,
    \"loaded\" BIGINT NOT NULL,
    \"quarantined\" BIGINT NOT NULL,
    \"deduplicated\" BIGINT NOT NULL,
    \"bytes\" BIGINT NOT NULL,
    \"content_hash\" VARCHAR(256) NOT NULL,
    \"longshore_version\" VARCHAR(64) NOT NULL,
    \"replaced_by\" VARCHAR(1024)";

/// The row of a load in the ledger, unless its rows were replaced since.
pub(super) fn is_loaded(ledger: &str, table: &str, load_id: &str) -> String {
    let (name, id) = (text(table), text(load_id));
    format!("SELECT 1 FROM {ledger} WHERE table_name = {name} AND load_id = {id} AND replaced_by IS NULL")
}

/// The type of a temporary table's column that takes a Parquet column as it is. A JSON text that is copied into SUPER stays
/// one string, and a TIME cannot be copied from Parquet.
pub(super) fn copied_type(column: &Column) -> String {
    match column.ty {
        Type::Boolean => "BOOLEAN",
        Type::Int16 => "SMALLINT",
        Type::Int32 => "INTEGER",
        Type::Int64 => "BIGINT",
        Type::Decimal { precision, scale } => return format!("DECIMAL({precision},{scale})"),
        Type::Float64 => "DOUBLE PRECISION",
        Type::Date => "DATE",
        Type::Timestamp(_) => "TIMESTAMP",
        Type::TimestampTz(_) => "TIMESTAMPTZ",
        Type::Time => "VARCHAR(15)",
        Type::Uuid => "VARCHAR(36)",
        Type::Null | Type::Text | Type::Json => "VARCHAR(65535)",
    }
    .to_owned()
}

/// A table's name as the server has it, which folds names also in quotes.
pub(super) fn folded(table: TableName) -> TableName {
    let fold = |name: String| name.to_ascii_lowercase();
    TableName { schema: table.schema.map(fold), name: fold(table.name) }
}

/// A text as a literal, of which Redshift takes none with U+0000.
pub(super) fn text(value: &str) -> String {
    literal(&value.replace('\0', "\\u0000"), Dialect::Redshift)
}

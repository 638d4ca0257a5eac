//! What a load into Redshift has in common by a connection and by a folder's script: the ledger that both share, the
//! types that Parquet files are copied into, and the check that a table's types hold what is copied.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::plan::{Dialect, TableName, literal};
use crate::schema::{Column, Type};

/// The ledger's table, beside the target.
pub(super) const LOADS: &str = "_longshore_loads";

/// The columns of the ledger.
pub(super) const LOADS_COLUMNS: &str = "
    \"table_name\" VARCHAR(127) NOT NULL,
    \"load_id\" VARCHAR(1024) NOT NULL,
    \"committed_at\" TIMESTAMPTZ NOT NULL,
    \"read\" BIGINT NOT NULL,
    \"loaded\" BIGINT NOT NULL,
    \"quarantined\" BIGINT NOT NULL,
    \"deduplicated\" BIGINT NOT NULL,
    \"bytes\" BIGINT NOT NULL,
    \"content_hash\" VARCHAR(256) NOT NULL,
    \"longshore_version\" VARCHAR(64) NOT NULL,
    \"replaced_by\" VARCHAR(1024)";

/// What `committed_at` is set to. GETDATE() is a TIMESTAMP, and a default has to be of its column's type (2.4): so the time
/// is no default, and is converted where it is put in.
pub(super) const NOW: &str = "CAST(GETDATE() AS TIMESTAMPTZ)";

/// What has the server keep the last of equal keys in one object of a JSON text, where it would refuse the text.
pub(super) const SETTLE_JSON: &str = "SET json_parse_dedup_attributes TO true";

/// The rows of a load in the ledger, also where its rows in the table were replaced since: whoever runs an old script
/// once more does not ask for what a newer load has taken away.
pub(super) fn is_loaded(ledger: &str, table: &str, load_id: &str) -> String {
    let (name, id) = (text(table), text(load_id));
    format!("SELECT 1 FROM {ledger} WHERE table_name = {name} AND load_id = {id}")
}

/// The type of a temporary table's column that takes a Parquet column as it is. A JSON text that is copied into SUPER stays
/// one string, and a TIME cannot be copied from Parquet.
///
/// A text's column is as wide as the `longest` one in bytes, where that is known: an INSERT … SELECT over columns that are
/// declared with more than 65,535 bytes together fails with error 8001 (1.2).
pub(super) fn copied_type(column: &Column, longest: Option<u64>) -> String {
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
        Type::Null | Type::Text | Type::Json => {
            return format!("VARCHAR({})", longest.unwrap_or(WIDEST_VARCHAR).clamp(1, WIDEST_VARCHAR));
        }
    }
    .to_owned()
}

/// The longest text of a column, in bytes.
pub(super) const WIDEST_VARCHAR: u64 = 65_535;

/// The attributes of one table; of one whose schema is not known, where it would be created.
pub(super) fn of_table(table: &TableName) -> String {
    format!(
        "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = {} AND c.relname = {} AND c.relkind = 'r'",
        table.schema.as_deref().map_or("current_schema()".to_owned(), text),
        text(&table.name)
    )
}

/// A statement that fails unless the table has all columns of a load, each of a type that holds the values as they are.
/// An INSERT converts them without a word: it rounds to the digits that a number has room for, and cuts blanks off the
/// end of a text. A value that is too large it refuses by itself, so a smaller number type is let through.
///
/// Each column comes with the length of its longest text in bytes, where that is known. The ledger cannot be looked at
/// in here: a query of the catalog takes no other table.
pub(super) fn check_columns<'a>(table: &TableName, columns: impl Iterator<Item = (&'a Column, Option<u64>)>) -> String {
    let mut alike: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut count = 0;
    for (column, longest) in columns {
        alike.entry(holds(column.ty, longest)).or_default().push(text(&column.name));
        count += 1;
    }
    let conditions = alike.iter().map(|(holds, names)| format!("(a.attname IN ({}) AND {holds})", names.join(", ")));
    format!(
        "SELECT 1 / CASE WHEN COUNT(*) = {count} THEN 1 ELSE 0 END AS every_column_holds_its_values {} AND a.attnum > \
         0 AND NOT a.attisdropped AND (\n    {}\n)",
        of_table(table),
        conditions.collect::<Vec<_>>().join("\n    OR "),
    )
}

/// The condition that an attribute holds every value of a type.
fn holds(ty: Type, longest: Option<u64>) -> String {
    const TYPE: &str = "format_type(a.atttypid, a.atttypmod)";
    let is = |name: &str| format!("{TYPE} = '{name}'");
    // Of a number with too many digits the server says so, but for those behind the point.
    let numeric = |scale: u8| format!("({TYPE} LIKE 'numeric%' AND MOD(a.atttypmod - 4, 65536) >= {scale})");
    let varchar = |bytes: u64| format!("({TYPE} LIKE 'character varying%' AND a.atttypmod - 4 >= {bytes})");
    let integer = format!("{TYPE} IN ('smallint', 'integer', 'bigint')");
    match ty {
        Type::Boolean => is("boolean"),
        Type::Int16 | Type::Int32 => format!("({integer} OR {} OR {})", is("double precision"), numeric(0)),
        Type::Int64 => format!("({integer} OR {})", numeric(0)),
        Type::Decimal { scale: 0, .. } => format!("({integer} OR {})", numeric(0)),
        Type::Decimal { scale, .. } => numeric(scale),
        Type::Float64 => is("double precision"),
        Type::Date => format!("({} OR {})", is("date"), is("timestamp without time zone")),
        Type::Timestamp(_) => is("timestamp without time zone"),
        Type::TimestampTz(_) => is("timestamp with time zone"),
        Type::Time => is("time without time zone"),
        Type::Uuid => varchar(36),
        Type::Null | Type::Text => varchar(longest.unwrap_or(0)),
        Type::Json => is("super"),
    }
}

/// Makes sure that the ledger tells a load from all others.
///
/// # Errors
///
/// [`Config`](crate::ErrorKind::Config) for an id that it cannot hold, and for names that end in a blank: trailing blanks do
/// not count in comparisons (1.2), so two loads or tables would be taken for one.
pub(super) fn check_names(table: &TableName, load_id: &str) -> Result<()> {
    if load_id.is_empty() || load_id.len() > 1024 || load_id.contains('\0') {
        return Err(Error::config("a load id must have 1 to 1024 bytes and no U+0000"));
    }
    for (what, name) in [("a load id", load_id), ("a table's name", &table.name)] {
        if name.ends_with(' ') {
            return Err(Error::config(format!("{what} ends in a blank, which Redshift does not tell from none"))
                .with_hint("leave the blank out"));
        }
    }
    Ok(())
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

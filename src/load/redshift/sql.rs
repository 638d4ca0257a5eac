//! The statements of a load, as text. One is what one call of the server takes.
//!
//! The connected loader and the script for somebody else's task are made of the same ones. Where a script has to be
//! safe to run twice, its statements carry the condition that the ledger lacks the load.

use super::options::CopyAuthorization;
use super::plan::MergeColumns;
use crate::load::redshift_ledger::{LOADS, LOADS_COLUMNS, NOW, SETTLE_JSON, copied_type, is_loaded, text};
use crate::load::stage::{NULL_MARKER, QUARANTINE_COLUMNS, StageFormat, row_column};
use crate::load::target::Counts;
use crate::plan::{TableName, identifier};
use crate::schema::{Column, Schema, Type};

/// The table of records that are no rows, beside the target. Its columns' names are in quotes: RAW is a reserved word. A COPY
/// does not have the time, so that is a default, which has to be of the column's type (2.4): GETDATE() is a TIMESTAMP.
pub(super) const QUARANTINE: &str = "_longshore_quarantine";

const QUARANTINE_DEFINITION: &str = "
    \"table_name\" VARCHAR(127) NOT NULL,
    \"load_id\" VARCHAR(1024) NOT NULL,
    \"quarantined_at\" TIMESTAMP NOT NULL DEFAULT GETDATE(),
    \"source\" VARCHAR(4096) NOT NULL,
    \"line\" BIGINT NOT NULL,
    \"byte\" BIGINT NOT NULL,
    \"path\" VARCHAR(16384),
    \"reason\" VARCHAR(4096) NOT NULL,
    \"raw\" VARBYTE(1024000),
    \"raw_bytes\" BIGINT NOT NULL";

/// How the server reads staged files.
#[derive(Debug, Clone)]
pub(super) struct CopyFrom<'a> {
    pub(super) authorization: &'a CopyAuthorization,
    pub(super) region: Option<&'a str>,
}

impl CopyFrom<'_> {
    fn authorized(&self) -> String {
        match self.authorization {
            CopyAuthorization::DefaultRole => "IAM_ROLE default".to_owned(),
            CopyAuthorization::Role(role) => format!("IAM_ROLE {}", text(role)),
            CopyAuthorization::Keys { access_key_id, secret_access_key, session_token } => {
                let token = session_token.as_ref().map(|token| format!(" SESSION_TOKEN {}", text(token)));
                format!(
                    "ACCESS_KEY_ID {} SECRET_ACCESS_KEY {}{}",
                    text(access_key_id),
                    text(secret_access_key),
                    token.unwrap_or_default()
                )
            }
        }
    }

    fn csv(&self) -> String {
        let region = self.region.map(|region| format!(" REGION {}", text(region)));
        format!("FORMAT AS CSV GZIP MANIFEST NULL AS {}{}", text(NULL_MARKER), region.unwrap_or_default())
    }
}

/// One load's names and columns as SQL.
#[derive(Debug, Clone)]
pub(super) struct LoadSql {
    pub(super) table: TableName,
    pub(super) target: String,
    pub(super) ledger: String,
    pub(super) quarantine: String,
    /// The temporary table that rows go through, where they do.
    pub(super) staging: String,
    pub(super) format: StageFormat,
    load_id: String,
    columns: Vec<Column>,
    /// The staging table's column of the rows' numbers, quoted.
    row: String,
    /// The longest text of each column in bytes, once that is known.
    longest: Vec<u64>,
    /// The keys of a merge by index, and what orders the records of one key.
    merge: Option<MergeColumns>,
    /// Whether rows go through the staging table whatever they are.
    through_staging: bool,
}

impl LoadSql {
    pub(super) fn new(
        table: &TableName,
        load_id: &str,
        schema: &Schema,
        format: StageFormat,
        merge: Option<MergeColumns>,
    ) -> Self {
        let beside = |name: &str| table.beside(name).quoted();
        let hash = blake3::hash(load_id.as_bytes()).to_hex();
        LoadSql {
            table: table.clone(),
            target: table.quoted(),
            ledger: beside(LOADS),
            quarantine: beside(QUARANTINE),
            staging: identifier(&format!("_longshore_{}", &hash[..16])),
            format,
            load_id: load_id.to_owned(),
            columns: schema.columns.clone(),
            row: identifier(&row_column(schema)),
            longest: Vec::new(),
            merge,
            through_staging: false,
        }
    }

    /// The same load with all rows through the staging table.
    pub(super) fn through_staging(self) -> Self {
        LoadSql { through_staging: true, ..self }
    }

    /// The same load with the staged texts' lengths, which the staging table's columns then have.
    pub(super) fn with_longest(self, longest: &[u64]) -> Self {
        LoadSql { longest: longest.to_vec(), ..self }
    }

    /// Whether rows go through a table of their own: to be merged, or because COPY from Parquet makes one long string
    /// of a JSON text and refuses a time of day.
    pub(super) fn is_staged(&self) -> bool {
        let converted = |column: &Column| matches!(column.ty, Type::Json | Type::Time);
        self.through_staging
            || self.merge.is_some()
            || (self.format != StageFormat::Csv && self.columns.iter().any(converted))
    }

    /// What has the server take JSON texts with equal keys, where there are JSON texts. Whether it also settles what a COPY
    /// of CSV reads into SUPER is documented nowhere (1.4 has JSON_PARSE alone); it does no harm there.
    pub(super) fn settle_json(&self) -> Option<&'static str> {
        self.columns.iter().any(|column| column.ty == Type::Json).then_some(SETTLE_JSON)
    }

    /// Whether the staging table has the number of each row.
    pub(super) fn is_numbered(&self) -> bool {
        self.merge.is_some()
    }

    fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| identifier(&column.name)).collect()
    }

    /// The index of a column, by its name.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    pub(super) fn create_ledger(&self) -> String {
        format!("CREATE TABLE IF NOT EXISTS {} ({LOADS_COLUMNS}\n)", self.ledger)
    }

    pub(super) fn create_quarantine(&self) -> String {
        format!("CREATE TABLE IF NOT EXISTS {} ({QUARANTINE_DEFINITION}\n)", self.quarantine)
    }

    /// A temporary table for records that are kept aside. Like the quarantine's, but for the time, which a COPY does not
    /// have: `LIKE` would take over that it must not be null, and not its default.
    pub(super) fn create_kept(&self, name: &str) -> String {
        let lines: Vec<&str> = QUARANTINE_DEFINITION.lines().filter(|line| !line.contains("quarantined_at")).collect();
        format!("CREATE TEMP TABLE {name} ({}\n)", lines.join("\n"))
    }

    /// The load's rows in the ledger, whatever became of what it has loaded: what a script goes by.
    pub(super) fn is_loaded(&self) -> String {
        is_loaded(&self.ledger, &self.table.name, &self.load_id)
    }

    /// The counts in the ledger, as text; with `written`, also those of the row that was written at that time.
    pub(super) fn look_up(&self, written: Option<&str>) -> String {
        let (name, id) = (text(&self.table.name), text(&self.load_id));
        let or_written = written.map(|at| format!(" OR CAST(committed_at AS VARCHAR) = {}", text(at)));
        format!(
            "SELECT CAST(read AS VARCHAR), CAST(loaded AS VARCHAR), CAST(quarantined AS VARCHAR), \
             CAST(deduplicated AS VARCHAR) FROM {} WHERE table_name = {name} AND load_id = {id} AND (replaced_by IS \
             NULL{})",
            self.ledger,
            or_written.unwrap_or_default()
        )
    }

    /// When the load's row in the ledger was written, as text: what tells it from a row that a replaced load of the
    /// same id left there.
    pub(super) fn written_at(&self) -> String {
        let (name, id) = (text(&self.table.name), text(&self.load_id));
        format!(
            "SELECT CAST(committed_at AS VARCHAR) FROM {} WHERE table_name = {name} AND load_id = {id} AND replaced_by \
             IS NULL",
            self.ledger
        )
    }

    pub(super) fn create_staging(&self) -> String {
        let longest = self.longest.iter().copied().map(Some).chain(std::iter::repeat(None));
        let columns = self.columns.iter().zip(longest);
        let mut lines: Vec<String> = columns.map(|(column, longest)| self.staged(column, longest)).collect();
        if self.is_numbered() {
            lines.push(format!("{} BIGINT", self.row));
        }
        format!("CREATE TEMP TABLE {} (\n    {}\n)", self.staging, lines.join(",\n    "))
    }

    pub(super) fn drop_staging(&self) -> String {
        format!("DROP TABLE IF EXISTS {}", self.staging)
    }

    fn staged(&self, column: &Column, longest: Option<u64>) -> String {
        let ty = match column.ty {
            Type::Time if self.format == StageFormat::Csv => "TIME".to_owned(),
            Type::Json if self.format == StageFormat::Csv => "SUPER".to_owned(),
            // Whether the text that stands for null is told before its length is looked at, is not said anywhere.
            _ if self.format == StageFormat::Csv => {
                copied_type(column, longest.map(|longest| longest.max(NULL_MARKER.len() as u64)))
            }
            _ => copied_type(column, longest),
        };
        format!("{} {ty}", identifier(&column.name))
    }

    /// The COPY of the rows, into the staging table where there is one. The columns are named, since files are matched
    /// with them by position, and a table's columns may have moved.
    pub(super) fn copy(&self, manifest: &str, from: &CopyFrom<'_>) -> String {
        let mut names = self.names();
        let into = if self.is_staged() { &self.staging } else { &self.target };
        if self.is_numbered() {
            names.push(self.row.clone());
        }
        let format = match self.format {
            StageFormat::Csv => from.csv(),
            _ => "FORMAT AS PARQUET MANIFEST".to_owned(),
        };
        format!("COPY {into} ({}) FROM {} {} {format}", names.join(", "), text(manifest), from.authorized())
    }

    /// The COPY of the records that were kept aside.
    pub(super) fn copy_quarantine(&self, into: &str, manifest: &str, from: &CopyFrom<'_>) -> String {
        let names = QUARANTINE_COLUMNS.map(identifier).join(", ");
        format!("COPY {into} ({names}) FROM {} {} {}", text(manifest), from.authorized(), from.csv())
    }

    /// Takes the rows that were there away. TRUNCATE would commit.
    pub(super) fn delete_all(&self) -> String {
        format!("DELETE FROM {}", self.target)
    }

    pub(super) fn mark_replaced(&self) -> String {
        let (name, id) = (text(&self.table.name), text(&self.load_id));
        format!("UPDATE {} SET replaced_by = {id} WHERE table_name = {name} AND replaced_by IS NULL", self.ledger)
    }

    /// How many rows the ledger has for this id whose loads were replaced, as text.
    pub(super) fn count_replaced(&self) -> String {
        let (name, id) = (text(&self.table.name), text(&self.load_id));
        format!("SELECT CAST(COUNT(*) AS VARCHAR) FROM {} WHERE table_name = {name} AND load_id = {id}", self.ledger)
    }

    /// Takes away what an earlier load under this id, whose rows are gone, left in ledger and quarantine.
    pub(super) fn forget(&self) -> [String; 2] {
        let (name, id) = (text(&self.table.name), text(&self.load_id));
        [&self.ledger, &self.quarantine]
            .map(|table| format!("DELETE FROM {table} WHERE table_name = {name} AND load_id = {id}"))
    }

    /// Of the staged rows with one key, all but the last: the last by the ordering column, then by the input's order.
    pub(super) fn drop_losers(&self) -> Option<String> {
        let (keys, order) = self.merge.as_ref()?;
        let row = &self.row;
        let partition: Vec<String> = keys.iter().flat_map(|&at| self.key_parts(at)).collect();
        let order = order.map(|at| format!("{} DESC NULLS LAST, ", identifier(&self.columns[at].name)));
        Some(format!(
            "DELETE FROM {staging} WHERE {row} IN (SELECT {row} FROM (SELECT {row}, ROW_NUMBER() OVER (PARTITION BY {} \
             ORDER BY {}{row} DESC) AS nth FROM {staging}) AS ranked WHERE nth > 1)",
            partition.join(", "),
            order.unwrap_or_default(),
            staging = self.staging,
        ))
    }

    /// The staged rows that are older than the row with their key in the table.
    pub(super) fn drop_stale(&self) -> Option<String> {
        let (_, order) = self.merge.as_ref()?;
        let order = identifier(&self.columns[(*order)?].name);
        let (staging, from, target) = (&self.staging, &self.target, identifier(&self.table.name));
        Some(format!(
            "DELETE FROM {staging} USING {from} WHERE {} AND ({target}.{order} > {staging}.{order} OR \
             ({staging}.{order} IS NULL AND {target}.{order} IS NOT NULL))",
            self.same_key(),
        ))
    }

    /// Gives the rows of the table that have a staged row's key its values, in the columns of the load alone.
    pub(super) fn update_matched(&self) -> Option<String> {
        let (keys, _) = self.merge.as_ref()?;
        let others = self.columns.iter().enumerate().filter(|(at, _)| !keys.contains(at));
        let sets = others.map(|(_, column)| format!("{} = {}", identifier(&column.name), self.value(column)));
        let sets: Vec<String> = sets.collect();
        let same_key = self.same_key();
        (!sets.is_empty())
            .then(|| format!("UPDATE {} SET {} FROM {} WHERE {same_key}", self.target, sets.join(", "), self.staging))
    }

    /// Takes away the staged rows whose keys are in the table, so that those left are new.
    pub(super) fn drop_matched(&self) -> Option<String> {
        self.merge.as_ref()?;
        Some(format!("DELETE FROM {} USING {} WHERE {}", self.staging, self.target, self.same_key()))
    }

    fn same_key(&self) -> String {
        let (staging, target) = (&self.staging, identifier(&self.table.name));
        let keys = self.merge.as_ref().map_or(&[][..], |(keys, _)| keys);
        let equal = keys.iter().map(|&at| {
            let name = identifier(&self.columns[at].name);
            match self.columns[at].ty {
                // Trailing blanks do not count in a comparison, and two keys that differ in them are two keys.
                Type::Text | Type::Null => format!(
                    "{target}.{name} = {staging}.{name} AND OCTET_LENGTH({target}.{name}) = OCTET_LENGTH({staging}.{name})"
                ),
                _ => format!("{target}.{name} = {staging}.{name}"),
            }
        });
        equal.collect::<Vec<_>>().join(" AND ")
    }

    fn key_parts(&self, at: usize) -> Vec<String> {
        let name = identifier(&self.columns[at].name);
        match self.columns[at].ty {
            Type::Text | Type::Null => vec![name.clone(), format!("OCTET_LENGTH({name})")],
            _ => vec![name],
        }
    }

    /// The staged rows into the table; `unless` is the condition of a script.
    pub(super) fn insert(&self, unless: &str) -> String {
        let values = self.columns.iter().map(|column| self.value(column));
        format!(
            "INSERT INTO {} ({})\nSELECT {}\nFROM {}{unless}",
            self.target,
            self.names().join(", "),
            values.collect::<Vec<_>>().join(", "),
            self.staging,
        )
    }

    /// A staged value as the table has it.
    fn value(&self, column: &Column) -> String {
        let name = format!("{}.{}", self.staging, identifier(&column.name));
        match column.ty {
            Type::Json if self.format != StageFormat::Csv => format!("JSON_PARSE({name})"),
            Type::Time if self.format != StageFormat::Csv => format!("CAST({name} AS TIME)"),
            _ => name,
        }
    }

    /// This load's row in the ledger. The counts are SQL, so that a script can have the server count.
    pub(super) fn record(&self, counts: [&str; 4], bytes: u64, content_hash: &str, unless: &str) -> String {
        let [read, loaded, quarantined, deduplicated] = counts;
        format!(
            "INSERT INTO {} (table_name, load_id, committed_at, read, loaded, quarantined, deduplicated, bytes, \
             content_hash, longshore_version)\nSELECT {}, {}, {NOW}, {read}, {loaded}, {quarantined}, {deduplicated}, \
             {bytes}, {}, {}{unless}",
            self.ledger,
            text(&self.table.name),
            text(&self.load_id),
            text(content_hash),
            text(env!("CARGO_PKG_VERSION")),
        )
    }

    pub(super) fn record_counts(&self, counts: &Counts, bytes: u64, content_hash: &str) -> String {
        let Counts { read, loaded, quarantined, deduplicated } = *counts;
        let texts = [read, loaded, quarantined, deduplicated].map(|count| count.to_string());
        let [read, loaded, quarantined, deduplicated] = &texts;
        self.record([read, loaded, quarantined, deduplicated], bytes, content_hash, "")
    }
}

/// The number of a table's rows, as text.
pub(super) fn count(table: &str) -> String {
    format!("SELECT CAST(COUNT(*) AS VARCHAR) FROM {table}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_is_of_its_columns_type() {
        let table = TableName { schema: None, name: "t".to_owned() };
        let sql = LoadSql::new(&table, "one", &Schema::default(), StageFormat::Csv, None);
        let definitions = sql.create_ledger() + &sql.create_quarantine();
        let defaults: Vec<&str> = definitions.lines().filter(|line| line.contains("DEFAULT")).collect();
        assert_eq!(defaults, ["    \"quarantined_at\" TIMESTAMP NOT NULL DEFAULT GETDATE(),"]);
        assert!(sql.record(["0"; 4], 0, "", "").contains("'one', CAST(GETDATE() AS TIMESTAMPTZ), 0"));
    }
}

//! Merging by key: rows go into a staging table of the same transaction, and from there into the table.
//!
//! UPDATE and INSERT, and neither ON CONFLICT nor MERGE: these need a unique index, or a later server, and this works on
//! any table. Loads into one table take turns, so nobody adds a key in between.

use std::ops::RangeInclusive;

use ::postgres::error::SqlState;
use ::postgres::types::Type as SqlType;

use super::catalog;
use super::error::{failed, refused_row};
use super::gone::Gone;
use super::ledger::LoadKey;
use super::session::Client;
use crate::error::{Error, ErrorKind, Location, Result};
use crate::load::MergeKeys;
use crate::plan::{ExistingColumn, ExistingTable, Fitted, PgType, TableName, identifier, path_of_comment};
use crate::schema::OnMisfit;

/// The comment by which the index that a merge made is known again.
const INDEX_COMMENT: &str = "longshore merge key";

/// A merge under way. Names are quoted.
pub(super) struct Merge {
    target: TableName,
    pub(super) stage: TableName,
    /// The staging table's own column, which numbers the rows as they came.
    pub(super) nth: String,
    keys: Vec<String>,
    order: Option<String>,
    columns: Vec<String>,
    /// Columns of fields that these records do not have.
    absent: Vec<String>,
    traits: Vec<Trait>,
    /// Notes the ids of rows that go, where rows of child tables point at them.
    pub(super) gone: Option<Gone>,
}

/// Rows of the staging table, by what numbers them.
pub(super) type Numbers = RangeInclusive<i64>;

/// What became of the rows of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Merged {
    /// Rows added or put in the place of others.
    pub(super) loaded: u64,
    /// Rows that lost to another one of the batch, or to one in the table.
    pub(super) deduplicated: u64,
}

/// The first field of the key or the order that none of these columns holds.
pub(super) fn missing<'a>(columns: &[Fitted], by: &'a MergeKeys) -> Option<&'a str> {
    by.paths().find(|path| position(columns, path).is_none())
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

fn position(columns: &[Fitted], path: &str) -> Option<usize> {
    columns.iter().position(|fitted| fitted.column.path.to_string() == path)
}

impl Merge {
    /// Makes the staging table, and on a table that is new the index of the key. Marks the key's columns as such.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if a field of the key or the order has no column, [`ErrorKind::Unsupported`] if one is of
    /// a type that has no order.
    pub(super) fn begin(
        client: &mut Client,
        key: &LoadKey,
        columns: &mut [Fitted],
        by: &MergeKeys,
        new_table: bool,
    ) -> Result<Merge> {
        by.check()?;
        let mut names = Vec::new();
        for path in by.paths() {
            let at = position(columns, path).ok_or_else(|| missing_field(path))?;
            if columns[at].sql == PgType::Json {
                let place = Location { column: Some(path.to_owned()), ..Location::default() };
                let message = "a json column cannot be compared, so rows cannot be merged by it";
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .with_location(place)
                    .with_hint("keep JSON as jsonb, or merge by another field"));
            }
            names.push(identifier(&columns[at].column.name));
        }
        mark_keys(columns, by);
        let order = by.order_by.as_ref().and_then(|_| names.pop());
        let mut nth = "_longshore_nth".to_owned();
        while columns.iter().any(|fitted| fitted.column.name == nth) {
            nth.push('_');
        }
        let stage = TableName {
            schema: Some("pg_temp".to_owned()),
            name: format!("longshore_stage_{:016x}", key.lock().cast_unsigned()),
        };
        let there = if new_table { None } else { existing(client, key)? };
        let traits = if new_table { Vec::new() } else { traits(client, key)? };
        let of_server =
            |fitted: &&Fitted| traits.iter().any(|known| known.is_always && known.name == fitted.column.name);
        if let Some(fitted) = columns.iter().filter(|fitted| !fitted.column.key).find(of_server) {
            let place = Location { column: Some(fitted.column.path.to_string()), ..Location::default() };
            let message = "the server numbers this column itself, always, so a merge cannot set it";
            return Err(Error::new(ErrorKind::Conflict, message)
                .with_location(place)
                .with_hint("leave the field out, or make the column GENERATED BY DEFAULT"));
        }
        let absent = there.as_ref().map_or(Vec::new(), |table| absent(table, columns));
        let merge = Merge {
            target: key.target.clone(),
            stage,
            nth: identifier(&nth),
            keys: names,
            order,
            columns: columns.iter().map(|fitted| identifier(&fitted.column.name)).collect(),
            traits,
            absent,
            gone: Gone::of(key, columns, there.as_ref()),
        };
        merge.create_stage(client, columns)?;
        if new_table {
            merge.create_index(client)?;
        }
        Ok(merge)
    }

    fn create_stage(&self, client: &mut Client, columns: &[Fitted]) -> Result<()> {
        // Keys are equal here where they are so in the table.
        let collation = |fitted: &Fitted| {
            let known = self.traits.iter().find(|known| known.name == fitted.column.name);
            known.and_then(|known| known.collation.as_ref()).map_or_else(String::new, |name| format!(" COLLATE {name}"))
        };
        let definitions = self.columns.iter().zip(columns);
        let definitions = definitions.map(|(name, fitted)| format!("{name} {}{}, ", fitted.sql, collation(fitted)));
        let sql = format!(
            "CREATE TEMPORARY TABLE {} ({}{} bigint GENERATED ALWAYS AS IDENTITY) ON COMMIT DROP",
            identifier(&self.stage.name),
            definitions.collect::<String>(),
            self.nth
        );
        client.batch_execute(&sql).map_err(|error| failed("creating a staging table", &error))
    }

    /// An index makes merging fast, and keeps others from adding a key twice. The server names it, so that no name is
    /// in the way.
    fn create_index(&self, client: &mut Client) -> Result<()> {
        let refused = |error: ::postgres::Error| failed("indexing the key", &error);
        let sql = format!("CREATE UNIQUE INDEX ON {} ({})", self.target, self.keys.join(", "));
        client.batch_execute(&sql).map_err(refused)?;
        let sql = "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
                   WHERE i.indrelid = to_regclass($1) AND i.indisunique";
        let row = client.query_typed_one(sql, &[(&self.target.quoted(), SqlType::TEXT)]).map_err(refused)?;
        let index = self.target.beside(row.get::<_, String>(0));
        client.batch_execute(&format!("COMMENT ON INDEX {index} IS '{INDEX_COMMENT}'")).map_err(refused)
    }

    /// Merges the rows of the staging table, whose COPY has ended.
    pub(super) fn apply(&self, client: &mut Client) -> Result<Merged> {
        self.analyze(client)?;
        let deduplicated = self.drop_duplicates(client)?;
        match self.put_in_place(client, None)? {
            Ok(loaded) => Ok(Merged { loaded, deduplicated }),
            Err(error) => Err(refused(&error).with_refused_row(true)),
        }
    }

    pub(super) fn analyze(&self, client: &mut Client) -> Result<()> {
        let sql = format!("ANALYZE {} ({})", self.stage, self.keys.join(", "));
        client.batch_execute(&sql).map_err(|error| refused(&error))
    }

    /// Drops the rows that lose to another one; returns how many they are.
    pub(super) fn drop_duplicates(&self, client: &mut Client) -> Result<u64> {
        if let Some(gone) = &self.gone {
            gone.note_all(client, &self.stage)?;
        }
        let losers = client.execute_typed(&self.drop_losers(), &[]).map_err(|error| refused(&error))?;
        let stale = match self.drop_stale() {
            Some(sql) => client.execute_typed(&sql, &[]).map_err(|error| refused(&error))?,
            None => 0,
        };
        if let Some(gone) = &self.gone {
            gone.keep_those_that_go(client, &self.stage, &self.target, &self.same_key())?;
        }
        Ok(losers + stale)
    }

    /// Updates and adds all rows, or those with these numbers; the inner error is the table's that refuses one of them, with
    /// the transaction as it was before. A key that is too long for the index that we made costs the index, not the row.
    pub(super) fn put_in_place(
        &self,
        client: &mut Client,
        numbers: Option<&Numbers>,
    ) -> Result<Result<u64, ::postgres::Error>> {
        loop {
            client.batch_execute("SAVEPOINT longshore_merge").map_err(|error| refused(&error))?;
            let error = match self.update_and_insert(client, numbers) {
                Ok(rows) => {
                    client.batch_execute("RELEASE longshore_merge").map_err(|error| refused(&error))?;
                    return Ok(Ok(rows));
                }
                Err(error) if refused_row(&error, &[]).is_some() => error,
                Err(error) => return Err(refused(&error)),
            };
            let back = "ROLLBACK TO longshore_merge; RELEASE longshore_merge";
            client.batch_execute(back).map_err(|error| refused(&error))?;
            if error.code() != Some(&SqlState::PROGRAM_LIMIT_EXCEEDED) || !self.drop_index(client)? {
                return Ok(Err(error));
            }
        }
    }

    fn update_and_insert(&self, client: &mut Client, numbers: Option<&Numbers>) -> Result<u64, ::postgres::Error> {
        let of = numbers.map_or(String::new(), |numbers| {
            format!(" AND s.{} BETWEEN {} AND {}", self.nth, numbers.start(), numbers.end())
        });
        let updated: i64 = client.query_typed_one(&self.update(&of), &[])?.get(0);
        let inserted = client.execute_typed(&self.insert(&of), &[])?;
        Ok(updated.cast_unsigned() + inserted)
    }

    /// Drops the index that we made, and says whether there was one.
    fn drop_index(&self, client: &mut Client) -> Result<bool> {
        let refused = |error: ::postgres::Error| failed("dropping the index of the key", &error);
        let sql = "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
                   WHERE i.indrelid = to_regclass($1) AND obj_description(c.oid, 'pg_class') = $2";
        let parameters: [(&(dyn ::postgres::types::ToSql + Sync), SqlType); 2] =
            [(&self.target.quoted(), SqlType::TEXT), (&INDEX_COMMENT, SqlType::TEXT)];
        let Some(row) = client.query_typed_opt(sql, &parameters).map_err(refused)? else { return Ok(false) };
        let index = self.target.beside(row.get::<_, String>(0));
        tracing::warn!(table = %self.target, %index, "a key is too long for its index, which is dropped");
        client.batch_execute(&format!("DROP INDEX {index}")).map_err(refused)?;
        Ok(true)
    }

    /// Of the rows with one key only the last stays.
    fn drop_losers(&self) -> String {
        let Merge { stage, nth, keys, .. } = self;
        let keys = keys.join(", ");
        let order = self.order.as_ref().map_or(String::new(), |order| format!("{order} DESC NULLS LAST, "));
        format!(
            "WITH ranked AS (SELECT {nth} AS nth, row_number() OVER (PARTITION BY {keys} ORDER BY {order}{nth} DESC) AS place \
             FROM {stage}) DELETE FROM {stage} s USING ranked r WHERE s.{nth} = r.nth AND r.place > 1"
        )
    }

    /// Rows that are older than the one in the table.
    fn drop_stale(&self) -> Option<String> {
        let order = self.order.as_ref()?;
        let (stage, target, same) = (&self.stage, &self.target, self.same_key());
        Some(format!(
            "DELETE FROM {stage} s USING {target} t \
             WHERE {same} AND t.{order} IS NOT NULL AND (s.{order} IS NULL OR s.{order} < t.{order})"
        ))
    }

    /// Counts records, not rows: a table without our index may hold a key twice.
    fn update(&self, of: &str) -> String {
        let Merge { stage, target, nth, .. } = self;
        // One that the server numbers always is a key, and so the same.
        let is_set =
            |column: &&String| self.traits.iter().all(|known| !known.is_always || identifier(&known.name) != **column);
        let present = self.columns.iter().filter(is_set).map(|column| format!("{column} = s.{column}"));
        let set = present.chain(self.absent.iter().cloned()).collect::<Vec<_>>().join(", ");
        let same = self.same_key();
        format!(
            "WITH updated AS (UPDATE {target} AS t SET {set} FROM {stage} s WHERE {same}{of} RETURNING s.{nth} AS nth) \
             SELECT count(DISTINCT nth) FROM updated"
        )
    }

    fn insert(&self, of: &str) -> String {
        let Merge { stage, target, nth, .. } = self;
        let (columns, same) = (self.columns.join(", "), self.same_key());
        format!(
            "INSERT INTO {target} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {stage} s \
             WHERE NOT EXISTS (SELECT FROM {target} t WHERE {same}){of} ORDER BY {nth}"
        )
    }

    fn same_key(&self) -> String {
        self.keys.iter().map(|key| format!("t.{key} = s.{key}")).collect::<Vec<_>>().join(" AND ")
    }
}

pub(super) fn refused(error: &::postgres::Error) -> Error {
    failed("merging the rows", error)
}

/// What the staging table is to know of a column of the target.
#[derive(Debug)]
struct Trait {
    name: String,
    /// Whether only the server gives it values: `GENERATED ALWAYS AS IDENTITY`.
    is_always: bool,
    /// A collation other than that of its type, quoted.
    collation: Option<String>,
}

/// The columns of which there is anything to know.
fn traits(client: &mut Client, key: &LoadKey) -> Result<Vec<Trait>> {
    let sql = "SELECT a.attname::text, a.attidentity = 'a', CASE WHEN a.attcollation <> b.typcollation \
               THEN quote_ident(n.nspname) || '.' || quote_ident(c.collname) END \
               FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
               JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END \
               LEFT JOIN pg_collation c ON c.oid = a.attcollation LEFT JOIN pg_namespace n ON n.oid = c.collnamespace \
               WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped \
               AND (a.attidentity = 'a' OR a.attcollation <> b.typcollation)";
    let rows = client.query_typed(sql, &[(&key.target.quoted(), SqlType::TEXT)]);
    let known = |row: &::postgres::Row| Trait { name: row.get(0), is_always: row.get(1), collation: row.get(2) };
    Ok(rows.map_err(|error| failed("reading the catalog", &error))?.iter().map(known).collect())
}

fn existing(client: &mut Client, key: &LoadKey) -> Result<Option<ExistingTable>> {
    catalog::find(client, &key.target)?.map(|oid| catalog::read(client, oid, &key.target)).transpose()
}

/// What becomes of the table's columns of other fields than these, which a record that takes a row's place does not have: no
/// value, or where there must be one the default, as in a row that is added.
fn absent(table: &ExistingTable, columns: &[Fitted]) -> Vec<String> {
    let ours = table.columns.iter().filter(|column| {
        let holds_a_field = column.comment.as_deref().and_then(path_of_comment).is_some();
        let is_here = columns.iter().any(|fitted| fitted.column.name == column.name);
        holds_a_field && !is_here && !column.generated
    });
    let value = |column: &ExistingColumn| if column.not_null && column.has_default { "DEFAULT" } else { "NULL" };
    ours.map(|column| format!("{} = {}", identifier(&column.name), value(column))).collect()
}

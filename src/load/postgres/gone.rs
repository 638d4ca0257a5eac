//! Rows of child tables that have lost their record, because another took its place.
//!
//! A record's id is made of where it came from, so the row of a later version has another one than the row whose place it
//! takes. A merge into a table with such ids notes which of them go; the rows that point at these are then deleted, and
//! those that point at these in turn.

use ::postgres::types::{ToSql, Type as SqlType};

use super::error::failed;
use super::ledger::LoadKey;
use super::merge;
use super::session::Client;
use crate::error::Result;
use crate::fault;
use crate::path::Path;
use crate::plan::{ExistingColumn, ExistingTable, Fitted, PgType, TableName, identifier, path_of_comment};

/// The fields by which rows of child tables are known: a row's own id, that of the row it belongs to, and its place there.
pub(crate) const ROW_ID: &str = "_row_id";
pub(crate) const PARENT_ID: &str = "_parent_id";
pub(crate) const INDEX: &str = "_index";

/// So much of a table's name its child tables' names begin with, however long they are.
const PREFIX: usize = 46;

/// The ids of rows that a merge takes away, in a temporary table of its transaction.
#[derive(Debug)]
pub(super) struct Gone {
    table: String,
    /// The column of the ids, quoted.
    id: String,
    /// Whether the records that come have ids too. Those of a file have none.
    come_with_ids: bool,
}

/// A table whose rows point at those of another one.
pub(super) struct Child {
    pub(super) name: TableName,
    /// Whether others may point at its own.
    has_ids: bool,
    is_indexed: bool,
    /// Whether its indexes are ours to make.
    pub(super) is_owned: bool,
}

fn is_id(path: &Path, ty: &PgType) -> bool {
    path.keys() == [ROW_ID] && *ty == PgType::Uuid
}

/// The column of a table whose rows have ids, for those of child tables to point at.
pub(super) fn id_column(table: &ExistingTable) -> Option<&ExistingColumn> {
    let path = |column: &ExistingColumn| column.comment.as_deref().and_then(path_of_comment);
    table.columns.iter().find(|column| path(column).is_some_and(|path| is_id(&path, &column.ty)))
}

impl Gone {
    /// For records with these columns that are merged into a table, if it is there already. `None` if neither has ids.
    pub(super) fn of(key: &LoadKey, columns: &[Fitted], table: Option<&ExistingTable>) -> Option<Gone> {
        let comes = columns.iter().find(|fitted| is_id(&fitted.column.path, &fitted.sql));
        let there = table.and_then(id_column);
        let id = comes.map(|fitted| &fitted.column.name).or(there.map(|column| &column.name))?;
        Some(Gone {
            table: format!("pg_temp.longshore_gone_{:016x}", key.lock().cast_unsigned()),
            id: identifier(id),
            come_with_ids: comes.is_some(),
        })
    }

    /// Notes all rows of the staging table.
    pub(super) fn note_all(&self, client: &mut Client, stage: &TableName) -> Result<()> {
        let Gone { table, id, come_with_ids } = self;
        let name = table.trim_start_matches("pg_temp.");
        let mut sql = format!("CREATE TEMPORARY TABLE {name} (id uuid, is_new boolean) ON COMMIT DROP");
        if *come_with_ids {
            sql += &format!("; INSERT INTO {table} SELECT {id}, true FROM {stage}");
        }
        client.batch_execute(&sql).map_err(|error| merge::refused(&error))
    }

    /// Of the rows that came, only those stay noted that have lost, which are no longer in the staging table; and those of
    /// the table are noted whose place others are about to take.
    pub(super) fn keep_those_that_go(
        &self,
        client: &mut Client,
        stage: &TableName,
        target: &TableName,
        same_key: &str,
    ) -> Result<()> {
        let Gone { table, id, come_with_ids } = self;
        let stayed = match come_with_ids {
            true => format!("DELETE FROM {table} g USING {stage} s WHERE g.id = s.{id}; "),
            false => String::new(),
        };
        // A record that comes again under the id that it had brings the rows of its elements again too.
        let sql = format!(
            "{stayed}INSERT INTO {table} SELECT t.{id}, false FROM {target} t JOIN {stage} s ON {same_key} \
             WHERE t.{id} IS NOT NULL"
        );
        client.batch_execute(&sql).map_err(|error| merge::refused(&error))
    }

    /// Deletes the rows that point at rows which are gone, and sees to it that they are found by an index. Returns the ids
    /// of the records that came and did not become rows.
    pub(super) fn settle(&self, client: &mut Client, target: &TableName) -> Result<Vec<[u8; 16]>> {
        let refused = |error: ::postgres::Error| failed("deleting rows of child tables", &error);
        let children = children(client, target)?;
        fault::point("children.delete")?;
        for Child { name, .. } in children.iter().filter(|child| !child.is_indexed && child.is_owned) {
            let sql = format!("CREATE INDEX ON {name} ({})", identifier(PARENT_ID));
            client.batch_execute(&sql).map_err(refused)?;
        }
        client.batch_execute(&format!("ANALYZE {}", self.table)).map_err(refused)?;
        let sql = format!("SELECT uuid_send(id) FROM {} WHERE is_new", self.table);
        let lost = client.query_typed(&sql, &[]).map_err(refused)?;
        let mut goes_on = !children.is_empty();
        while goes_on {
            let mut deleted = 0;
            for child in &children {
                deleted += client.execute_typed(&self.delete(child), &[]).map_err(refused)?;
            }
            // What pointed at the rows that were just deleted goes in the next round.
            goes_on = deleted > 0 && children.iter().any(|child| child.has_ids);
        }
        Ok(lost.iter().filter_map(|row| row.get::<_, &[u8]>(0).try_into().ok()).collect())
    }

    fn delete(&self, Child { name, has_ids, .. }: &Child) -> String {
        let (table, parent, id) = (&self.table, identifier(PARENT_ID), identifier(ROW_ID));
        let delete = format!("DELETE FROM {name} c USING {table} g WHERE NOT g.is_new AND c.{parent} = g.id");
        match has_ids {
            false => delete,
            true => format!(
                "WITH deleted AS ({delete} RETURNING c.{id} AS id), noted AS (INSERT INTO {table} \
                 SELECT id, false FROM deleted WHERE id IS NOT NULL) SELECT FROM deleted"
            ),
        }
    }
}

/// The child tables of a table, and theirs: those beside it whose names are its own with `__` and more behind it, or begin like
/// it and end in a hash, and whose rows have what rows of child tables have. To look at one too many costs time and nothing else: ids are the same nowhere else.
pub(super) fn children(client: &mut Client, target: &TableName) -> Result<Vec<Child>> {
    const SQL: &str = "\
        SELECT c.relname::text, r.attnum IS NOT NULL, EXISTS (SELECT FROM pg_index i \
                WHERE i.indrelid = c.oid AND i.indkey[0] = p.attnum AND i.indisvalid AND i.indpred IS NULL), \
            pg_has_role(c.relowner, 'USAGE') \
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
        JOIN pg_attribute p ON p.attrelid = c.oid AND p.attname = $3 AND p.atttypid = 'uuid'::regtype AND NOT p.attisdropped \
        JOIN pg_attribute x ON x.attrelid = c.oid AND x.attname = $4 AND NOT x.attisdropped \
        LEFT JOIN pg_attribute r ON r.attrelid = c.oid AND r.attname = $5 AND r.atttypid = 'uuid'::regtype \
                AND NOT r.attisdropped \
        WHERE n.nspname = $1 AND starts_with(c.relname, $2) AND (starts_with(c.relname, $6) OR c.relname ~ '_[0-9a-f]{16}$') \
        AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't' \
        ORDER BY c.relname";
    let mut end = target.name.len().min(PREFIX);
    while !target.name.is_char_boundary(end) {
        end -= 1;
    }
    let begins = format!("{}__", target.name);
    let schema = target.schema.as_deref().unwrap_or_default();
    let parameters = [schema, target.name[..end].trim_end_matches('_'), PARENT_ID, INDEX, ROW_ID, &begins];
    let parameters = parameters.each_ref().map(|text| (text as &(dyn ToSql + Sync), SqlType::TEXT));
    let rows = client.query_typed(SQL, &parameters).map_err(|error| failed("looking for child tables", &error))?;
    let child = |row: &::postgres::Row| Child {
        name: target.beside(row.get::<_, String>(0)),
        has_ids: row.get(1),
        is_indexed: row.get(2),
        is_owned: row.get(3),
    };
    Ok(rows.iter().map(child).collect())
}

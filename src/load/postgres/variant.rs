//! Columns beside others: text for the values that a column of a large table does not hold, so that the table need not be
//! rewritten. A view shows both as one.

use ::postgres::error::SqlState;
use ::postgres::types::Type as SqlType;

use super::catalog;
use super::error::failed;
use super::session::Client;
use crate::error::Result;
use crate::path::Path;
use crate::plan::{ExistingTable, Fitted, TableName, identifier, literal, path_of_comment};
use crate::schema::{Column, OnMisfit, Schema, Type};

/// The last key of a variant's path. A record with U+0000 in a key is quarantined, so no field has this path.
const KEY: &str = "\0text";
/// What the names of variants and of the view end in.
const COLUMN_ENDS: &str = "__text";
const VIEW_ENDS: &str = "__whole";
/// By this comment the view is known again.
const VIEW_COMMENT: &str = "longshore view: each column with its variant";
/// Bytes of a name.
const NAME_LIMIT: usize = 63;

/// Whether the path is that of a variant.
pub(super) fn is_variant(path: &Path) -> bool {
    path.keys().last().is_some_and(|key| key == KEY)
}

fn variant_of(path: &Path) -> Path {
    let keys = path.keys().iter().map(String::as_str).chain([KEY]);
    Path::new(keys.collect::<Vec<_>>()).nth(path.ordinal())
}

/// Gives the columns their variants that the table has.
pub(super) fn take_up(schema: &mut Schema, table: &ExistingTable) {
    let there = |path: &Path| {
        let path = variant_of(path);
        table.columns.iter().any(|column| column.comment.as_deref().and_then(path_of_comment) == Some(path.clone()))
    };
    for at in 0..schema.columns.len() {
        if there(&schema.columns[at].path) {
            add(schema, at);
        }
    }
}

/// Gives a column a variant; the column itself stays as the table has it.
pub(super) fn add(schema: &mut Schema, at: usize) {
    let column = &mut schema.columns[at];
    column.ty = Type::Null;
    let (path, name) = (variant_of(&column.path), with_end(&column.name, COLUMN_ENDS));
    schema.columns.push(Column::new(path, name, Type::Text));
}

/// Says of each column which one is its variant.
pub(super) fn connect(columns: &mut [Fitted]) {
    for at in 0..columns.len() {
        let path = variant_of(&columns[at].column.path);
        if let Some(variant) = columns.iter().position(|other| other.column.path == path) {
            columns[at].column.on_misfit = OnMisfit::Variant(variant);
        }
    }
}

/// A name with something at its end, cut to fit.
fn with_end(name: &str, end: &str) -> String {
    let mut room = name.len().min(NAME_LIMIT - end.len());
    while !name.is_char_boundary(room) {
        room -= 1;
    }
    format!("{}{end}", &name[..room])
}

/// The view over a table with variants.
pub(super) struct View {
    table: TableName,
    view: TableName,
}

impl View {
    /// The view over a table, if the table has variants.
    pub(super) fn over(table: &TableName, existing: &ExistingTable) -> Option<View> {
        let paths = existing.columns.iter().filter_map(|column| path_of_comment(column.comment.as_deref()?));
        let has_variants = paths.into_iter().any(|path| is_variant(&path));
        has_variants.then(|| View::of(table))
    }

    /// The view over a table.
    pub(super) fn of(table: &TableName) -> View {
        let name = &table.name;
        let mut view = with_end(name, VIEW_ENDS);
        // Tables whose long names begin alike have a view each.
        if !view.starts_with(&**name) {
            view = with_end(name, &format!("_{}{VIEW_ENDS}", &blake3::hash(name.as_bytes()).to_hex()[..8]));
        }
        View { table: table.clone(), view: table.beside(view) }
    }

    /// Drops the view, if it is ours: while it is there, no column can be altered. False if something else uses it, and the
    /// transaction is to go back to before.
    pub(super) fn drop(&self, client: &mut Client, oid: u32) -> Result<bool> {
        if !self.is_ours(client, oid)? {
            return Ok(true);
        }
        match client.batch_execute(&format!("DROP VIEW {}", self.view)) {
            Ok(()) => Ok(true),
            Err(error) if error.code() == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) => Ok(false),
            Err(error) => Err(failed("dropping the view over variants", &error)),
        }
    }

    /// Makes the view of the table as it is now; returns what was run. Where the name is taken by something else, there
    /// is no view.
    pub(super) fn create(&self, client: &mut Client, oid: u32) -> Result<Vec<String>> {
        let taken = "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname = $1 AND c.relname = $2)";
        let schema = self.view.schema.as_deref().unwrap_or_default();
        let row = client.query_typed_one(taken, &[(&schema, SqlType::TEXT), (&self.view.name, SqlType::TEXT)]);
        if row.map_err(|error| failed("reading the catalog", &error))?.get(0) {
            tracing::warn!(view = %self.view, "the name of the view over variants is taken, so there is no view");
            return Ok(Vec::new());
        }
        let existing = catalog::read(client, oid, &self.table)?;
        let statements = vec![
            self.definition(&existing),
            format!("COMMENT ON VIEW {} IS {}", self.view, literal(VIEW_COMMENT, crate::plan::Dialect::Postgres)),
        ];
        for statement in &statements {
            client.batch_execute(statement).map_err(|error| failed("creating the view over variants", &error))?;
        }
        Ok(statements)
    }

    fn definition(&self, existing: &ExistingTable) -> String {
        let columns = existing.columns.iter();
        let columns = columns.map(|column| (&*column.name, column.comment.as_deref().and_then(path_of_comment)));
        let (variants, columns): (Vec<_>, Vec<_>) =
            columns.partition(|(_, path)| path.as_ref().is_some_and(is_variant));
        // A column that others made has no path; its variant has its name.
        let is_of = |column: &(&str, Option<Path>), variant: &(&str, Option<Path>)| match &column.1 {
            Some(path) => variant.1 == Some(variant_of(path)),
            None => variant
                .0
                .rfind(COLUMN_ENDS)
                .is_some_and(|end| with_end(column.0, COLUMN_ENDS) == variant.0[..end + COLUMN_ENDS.len()]),
        };
        let mut shown = Vec::new();
        for column in &columns {
            let name = identifier(column.0);
            shown.push(match variants.iter().find(|variant| is_of(column, variant)) {
                Some((text, _)) => format!("coalesce({name}::text, {}) AS {name}", identifier(text)),
                None => name,
            });
        }
        format!("CREATE VIEW {} AS SELECT {} FROM {}", self.view, shown.join(", "), self.table)
    }

    /// Whether the view is ours, and shows the table with this number.
    fn is_ours(&self, client: &mut Client, oid: u32) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                   JOIN pg_rewrite r ON r.ev_class = c.oid \
                   JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid \
                   WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'v' \
                   AND obj_description(c.oid, 'pg_class') = $3 \
                   AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $4)";
        let schema = self.view.schema.as_deref().unwrap_or_default();
        let parameters: [(&(dyn ::postgres::types::ToSql + Sync), SqlType); 4] = [
            (&schema, SqlType::TEXT),
            (&self.view.name, SqlType::TEXT),
            (&VIEW_COMMENT, SqlType::TEXT),
            (&oid, SqlType::OID),
        ];
        let row = client.query_typed_one(sql, &parameters);
        Ok(row.map_err(|error| failed("reading the catalog", &error))?.get(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_whose_long_names_begin_alike_have_a_view_each_and_its_name_fits() {
        let of = |name: String| View::of(&TableName { schema: None, name }).view.name;
        let (one, other) = (of("x".repeat(60) + "1"), of("x".repeat(60) + "2"));
        assert!(one != other && one.len() <= NAME_LIMIT && one.ends_with(VIEW_ENDS), "{one} {other}");
        assert_eq!(of("t".into()), "t__whole");
    }

    #[test]
    fn a_variant_is_no_field_and_its_name_fits() {
        let path = Path::new(["a", "b"]);
        assert!(is_variant(&variant_of(&path)) && !is_variant(&path));
        assert_ne!(variant_of(&path), variant_of(&Path::new(["a", "b"]).nth(2)));
        let comment = crate::plan::comment_of(&variant_of(&path));
        assert_eq!((path_of_comment(&comment), comment.contains('\0')), (Some(variant_of(&path)), false));
        assert_eq!(with_end("v", COLUMN_ENDS), "v__text");
        assert_eq!(with_end(&"é".repeat(31), COLUMN_ENDS).len(), 62);
    }
}

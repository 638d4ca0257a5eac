//! The schema of a batch: what the stream has shown so far, and what the table is.

use crate::error::{Error, ErrorKind, Result};
use crate::path::Path;
use crate::plan::{ExistingTable, path_of_comment};
use crate::schema::{Policy, Schema, Type};
use crate::sketch::Sketch;

/// Resolves the evidence of a stream.
///
/// Three things differ from a file, whose end has been seen. A hint waits for its field. A field without a value so
/// far gets no column: its first value may be of any type, and the column a table makes for it would be text for good.
/// And a field that the table keeps whole stays whole, although the objects seen here could be taken apart.
pub(in crate::front) fn resolve(policy: &Policy, seen: &Sketch, table: Option<&ExistingTable>) -> Result<Schema> {
    let mut policy = policy.clone();
    let mut schema = patient(&mut policy, seen)?;
    let kept_whole = kept_whole(&schema, table);
    if !kept_whole.is_empty() {
        policy = kept_whole.iter().fold(policy, |policy, path| policy.hint(path.to_string(), Type::Json));
        schema = patient(&mut policy, seen)?;
    }
    let overflow = schema.overflow.and_then(|at| schema.columns.get(at)).map(|column| column.path.clone());
    schema.columns.retain(|column| column.ty != Type::Null);
    schema.overflow = overflow.and_then(|path| schema.columns.iter().position(|column| column.path == path));
    Ok(schema)
}

/// Resolves, without the hints for fields that have not been seen.
fn patient(policy: &mut Policy, seen: &Sketch) -> Result<Schema> {
    loop {
        let error = match policy.resolve(seen) {
            Err(error) if error.kind() == ErrorKind::Config => error,
            outcome => return outcome,
        };
        let Some(path) = waiting(&error, policy) else { return Err(error) };
        policy.hints.retain(|hint| hint.path != path);
    }
}

fn waiting(error: &Error, policy: &Policy) -> Option<String> {
    let path = error.location()?.column.clone()?;
    policy.hint_for(&path).is_some().then_some(path)
}

/// The fields that the table has a column for, and the schema only columns of what is inside.
fn kept_whole(schema: &Schema, table: Option<&ExistingTable>) -> Vec<Path> {
    let columns = table.map_or(&[][..], |table| &table.columns);
    let kept = columns.iter().filter_map(|column| path_of_comment(column.comment.as_deref()?));
    let inside = |path: &Path, top: &Path| path.keys().len() > top.keys().len() && path.keys().starts_with(top.keys());
    kept.filter(|top| schema.columns.iter().any(|column| inside(&column.path, top))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;
    use crate::plan::{ExistingColumn, PgType, comment_of};

    fn columns(policy: Policy, input: &str, table: Option<&ExistingTable>) -> Vec<(String, Type)> {
        let seen = Sketch::of(&Source::bytes(input.to_owned())).unwrap();
        let schema = resolve(&policy, &seen, table).unwrap();
        schema.columns.into_iter().map(|column| (column.path.to_string(), column.ty)).collect()
    }

    #[test]
    fn a_field_without_a_value_waits_and_so_does_a_hint() {
        let policy = Policy::default().hint("zip", Type::Text).hint("a", Type::Int64);
        let found = columns(policy, "{\"a\":1,\"late\":null}\n", None);
        assert_eq!(found, [("a".to_owned(), Type::Int64)]);
    }

    #[test]
    fn what_the_table_keeps_whole_stays_whole() {
        let column = ExistingColumn {
            name: "rare".into(),
            ty: PgType::Int2,
            not_null: false,
            has_default: false,
            generated: false,
            comment: Some(comment_of(&Path::new(["rare"]))),
            used_by_view: false,
        };
        let table = ExistingTable { columns: vec![column], slots: 1, has_rows: true };
        let input = "{\"rare\":{\"z\":1}}\n";
        assert_eq!(columns(Policy::default(), input, None), [("rare.z".to_owned(), Type::Int16)]);
        assert_eq!(columns(Policy::default(), input, Some(&table)), [("rare".to_owned(), Type::Json)]);
    }
}

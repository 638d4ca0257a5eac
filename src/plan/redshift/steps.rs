//! Changes of a Redshift table as statements, in an order that a crash cannot harm.

use super::catalog::{RedshiftColumn, RedshiftType};
use crate::plan::create::comment_on;
use crate::plan::statement::{Class, Lock, Statement};
use crate::plan::{Dialect, TableName, identifier};

/// What a column that was replaced is called until it is dropped.
const OLD: &str = "_longshore_old_";

/// What its replacement is called before it has the name.
const NEW: &str = "_longshore_new_";

/// One change of one column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// A VARCHAR becomes wider where it stands.
    Widen { name: String, to: RedshiftType, why: String },
    /// A column that the table lacks.
    Add { name: String, ty: RedshiftType, comment: String, why: String },
    /// A column gives way to a wider copy of itself.
    Swap { name: String, to: RedshiftType, value: String, comment: Option<String>, why: String },
}

/// A replacement for a column.
pub(super) fn swapped(existing: &RedshiftColumn, to: &RedshiftType, why: String) -> Step {
    Step::Swap {
        name: existing.name.clone(),
        to: to.clone(),
        value: copied(existing, to),
        comment: existing.comment.clone(),
        why,
    }
}

/// The number behind the name of a replaced column, if this is the name of one.
///
/// The name alone tells it from all others, so that a plan made after a crash, or by another loader, finds it.
pub(super) fn leftover_of(name: &str) -> Option<&str> {
    name.strip_prefix(OLD)
}

/// The same few bytes for the same name, however long it is.
fn tag(name: &str) -> String {
    blake3::hash(name.as_bytes()).to_hex()[..16].to_owned()
}

/// An old value as the new type has it, equal to what it was.
fn copied(existing: &RedshiftColumn, to: &RedshiftType) -> String {
    let name = identifier(&existing.name);
    // There is no cast from BOOLEAN to VARCHAR.
    let text = match existing.ty {
        RedshiftType::Boolean => format!("CASE {name} WHEN TRUE THEN 'true' WHEN FALSE THEN 'false' END"),
        _ => format!("CAST({name} AS VARCHAR(65535))"),
    };
    match (&existing.ty, to) {
        (RedshiftType::Varchar(_), RedshiftType::Varchar(_)) => name,
        (_, RedshiftType::Super) => format!("JSON_PARSE({text})"),
        (RedshiftType::Boolean, RedshiftType::Varchar(_)) => text,
        _ => format!("CAST({name} AS {to})"),
    }
}

/// The statements: outside of a transaction first, then those for the load's; and what is dropped afterwards.
pub(super) fn statements(steps: &[Step], leftovers: &[&str], table: &TableName) -> (Vec<Statement>, Vec<Statement>) {
    let (mut outside, mut inside) = (Vec::new(), Vec::new());
    let mut cleanup: Vec<Statement> = leftovers.iter().map(|name| drop_column(table, name)).collect();
    for step in steps {
        match step {
            Step::Widen { name, to, why } => outside.push(Statement {
                in_transaction: false,
                ..alter(table, &format!("ALTER COLUMN {} TYPE {to}", identifier(name)), Class::MetadataOnly, why)
            }),
            Step::Add { name, ty, comment, why } => {
                inside.push(alter(table, &format!("ADD COLUMN {} {ty}", identifier(name)), Class::MetadataOnly, why));
                inside.push(comment_on_column(table, name, comment));
            }
            Step::Swap { name, to, value, comment, why } => {
                let old = format!("{OLD}{}", tag(name));
                // An earlier replacement of the same column may still wait to be dropped.
                if leftovers.contains(&old.as_str()) {
                    inside.push(Statement { in_transaction: true, ..drop_column(table, &old) });
                    cleanup.retain(|statement| !statement.sql.contains(&identifier(&old)));
                }
                swap(&mut inside, table, name, &old, to, value, comment.as_deref(), why);
                cleanup.push(drop_column(table, &old));
            }
        }
    }
    outside.append(&mut inside);
    (outside, cleanup)
}

#[allow(clippy::too_many_arguments, reason = "the parts of one step")]
fn swap(
    statements: &mut Vec<Statement>,
    table: &TableName,
    name: &str,
    old: &str,
    to: &RedshiftType,
    value: &str,
    comment: Option<&str>,
    why: &str,
) {
    let new = format!("{NEW}{}", tag(name));
    let (quoted, old_name, new_name) = (identifier(name), identifier(old), identifier(&new));
    let class = Class::AddCopySwap;
    statements.push(alter(table, &format!("ADD COLUMN {new_name} {to}"), class, why));
    statements.push(Statement {
        sql: format!("UPDATE {table} SET {new_name} = {value}"),
        class,
        lock: Some(Lock::AccessExclusive),
        in_transaction: true,
        why: format!("every row's `{name}` is copied"),
    });
    statements.push(alter(table, &format!("RENAME COLUMN {quoted} TO {old_name}"), class, "the old column makes room"));
    statements.push(alter(
        table,
        &format!("RENAME COLUMN {new_name} TO {quoted}"),
        class,
        "the new one takes its place",
    ));
    if let Some(comment) = comment {
        // The path must not lead to the old column any more.
        statements.push(comment_on_column(table, old, "longshore: replaced"));
        statements.push(comment_on_column(table, name, comment));
    }
}

fn alter(table: &TableName, change: &str, class: Class, why: &str) -> Statement {
    Statement {
        sql: format!("ALTER TABLE {table} {change}"),
        class,
        lock: Some(Lock::AccessExclusive),
        in_transaction: true,
        why: why.to_owned(),
    }
}

fn comment_on_column(table: &TableName, name: &str, comment: &str) -> Statement {
    let on = format!("COLUMN {table}.{}", identifier(name));
    comment_on(on, comment, Dialect::Redshift, format!("keeps the source path of `{name}`"))
}

/// Dropped after the commit and by itself: a view that uses the old column must not undo the load.
fn drop_column(table: &TableName, name: &str) -> Statement {
    let change = format!("DROP COLUMN {}", identifier(name));
    Statement { in_transaction: false, ..alter(table, &change, Class::MetadataOnly, "a column that was replaced") }
}

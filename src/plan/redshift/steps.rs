//! Changes of a Redshift table as statements, in an order that a crash cannot harm.

use super::catalog::{RedshiftColumn, RedshiftTable, RedshiftType};
use crate::plan::create::comment_on;
use crate::plan::statement::{Class, Lock, Statement};
use crate::plan::{Dialect, TableName, identifier};

/// What earlier versions called a column that they had replaced, until it was dropped behind the commit.
const OLD: &str = "_longshore_old_";

/// What a replacement is called before it has the name.
const NEW: &str = "_longshore_new_";

/// What earlier versions left as the comment of a column that they had replaced, so that no path led to it.
const REPLACED: &str = "longshore: replaced";

/// Beginnings of names that no column for a field gets.
pub(in crate::plan) const RESERVED: &[&str] = &[OLD, NEW];

/// Hexadecimal digits behind them.
const TAG: usize = 16;

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

/// Whether a column is what an earlier version left of one that it replaced.
///
/// The name alone does not tell: a field may be called so, and what is taken for a leftover is dropped. So the comment has to
/// be ours too. A leftover without one, of a column that had none, stays until somebody drops it.
pub(super) fn is_leftover(column: &RedshiftColumn) -> bool {
    let is_tag = |tag: &str| tag.len() == TAG && tag.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    column.name.strip_prefix(OLD).is_some_and(is_tag) && column.comment.as_deref() == Some(REPLACED)
}

/// What the replacement of a column is called meanwhile: the same for the same column, and as no other one of the table.
fn interim(name: &str, table: &RedshiftTable) -> String {
    let mut seed = name.to_owned();
    loop {
        let hash = blake3::hash(seed.as_bytes()).to_hex();
        let interim = format!("{NEW}{}", &hash[..TAG]);
        if table.columns.iter().all(|column| column.name != interim) {
            return interim;
        }
        // No name holds it, so that this is never another column's.
        seed.push('\0');
    }
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

/// The statements: outside of a transaction first, then those for the load's.
pub(super) fn statements(steps: &[Step], before: &RedshiftTable, table: &TableName) -> Vec<Statement> {
    let (mut outside, mut inside) = (Vec::new(), Vec::new());
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
                inside.extend(swap(table, (name, &interim(name, before)), (to, value), why));
                inside.extend(comment.as_ref().map(|comment| comment_on_column(table, name, comment)));
            }
        }
    }
    outside.append(&mut inside);
    outside
}

/// The drop of what an earlier version left of a column that it replaced.
///
/// By itself: a view that uses the column must not undo the load.
pub(super) fn drop_leftover(table: &TableName, name: &str) -> Statement {
    let change = format!("DROP COLUMN {}", identifier(name));
    let why = "an earlier version replaced this column";
    Statement { in_transaction: false, ..alter(table, &change, Class::MetadataOnly, why) }
}

/// A column that gives way to a copy of itself, which has the name `new` until the old one is gone.
///
/// The old one goes in the same transaction. What uses it, a view or a key, is bound to its number and not to its name: it
/// would go on with the old column, which gets no more values. The server refuses the drop then, and all is as it was.
fn swap(table: &TableName, (name, new): (&str, &str), (to, value): (&RedshiftType, &str), why: &str) -> [Statement; 4] {
    let (quoted, new) = (identifier(name), identifier(new));
    let class = Class::AddCopySwap;
    let copy = Statement {
        sql: format!("UPDATE {table} SET {new} = {value}"),
        class,
        lock: Some(Lock::AccessExclusive),
        in_transaction: true,
        why: format!("every row's `{name}` is copied"),
    };
    [
        alter(table, &format!("ADD COLUMN {new} {to}"), class, why),
        copy,
        alter(table, &format!("DROP COLUMN {quoted}"), class, "the old column makes room"),
        alter(table, &format!("RENAME COLUMN {new} TO {quoted}"), class, "the new one takes its place"),
    ]
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

//! What is going to be done to a warehouse: statements in order, each with its cost.

use std::fmt;

use serde::Serialize;

/// What a statement costs the warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Class {
    /// Makes something new.
    Create,
    /// Sets a comment.
    Comment,
    /// Changes the catalog only: as fast on a large table as on an empty one.
    MetadataOnly,
    /// Writes every row of the table again.
    Rewrite,
    /// Adds a column, copies into it, and puts it in the place of the old one, which the warehouse cannot alter.
    AddCopySwap,
    /// Cannot be done without changing or losing values. No plan holds such a statement.
    Impossible,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Create => "creates",
            Class::Comment => "comment",
            Class::MetadataOnly => "metadata only",
            Class::Rewrite => "rewrites the table",
            Class::AddCopySwap => "adds, copies, swaps",
            Class::Impossible => "impossible",
        })
    }
}

/// The lock a statement takes on a table, until its transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Lock {
    /// Readers and writers go on; other changes to the table wait.
    ShareUpdateExclusive,
    /// Nobody reads or writes; the statement itself waits for every open transaction on the table.
    AccessExclusive,
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lock::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Lock::AccessExclusive => "ACCESS EXCLUSIVE",
        })
    }
}

/// One SQL statement, ready to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// The text, without a semicolon at its end.
    pub sql: String,
    /// What it costs.
    pub class: Class,
    /// The lock it takes on a table that was there before; `None` on a table that the plan makes.
    pub lock: Option<Lock>,
    /// Whether it may run inside a transaction.
    pub in_transaction: bool,
    /// Why it is needed, on one line.
    pub why: String,
}

/// The statements that bring a warehouse's table to a schema, in the order in which they run.
///
/// `{}` prints the statements alone, each ended by `;` and a line end; `{:#}` puts warnings and each statement's
/// reason, class and lock before it as SQL comments.
///
/// ```
/// use longshore::plan::{Dialect, Plan};
/// use longshore::{Column, Path, Schema, Type};
/// let mut schema = Schema::default();
/// schema.columns.push(Column::new(Path::new(["id"]), "id", Type::Int64));
/// let plan = Plan::create(&schema, Dialect::Postgres, "shop.orders")?;
/// assert!(plan.to_string().starts_with("CREATE TABLE \"shop\".\"orders\" (\n    \"id\" bigint\n);\n"));
/// # Ok::<(), longshore::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Plan {
    /// The statements.
    pub statements: Vec<Statement>,
    /// What may surprise later, though every statement runs: one line each.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Whether there is nothing to be done.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            for warning in &self.warnings {
                writeln!(f, "-- warning: {}", one_line(warning))?;
            }
        }
        for statement in &self.statements {
            if f.alternate() {
                write!(f, "-- {}: {}", statement.class, one_line(&statement.why))?;
                match statement.lock {
                    Some(lock) => writeln!(f, " (locks {lock})")?,
                    None => writeln!(f)?,
                }
            }
            writeln!(f, "{};", statement.sql)?;
        }
        Ok(())
    }
}

/// A reason may quote a field's name, and a line end in one would end the SQL comment.
fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_cannot_leave_its_comment() {
        let statement = Statement {
            sql: "SELECT 1".into(),
            class: Class::Rewrite,
            lock: Some(Lock::AccessExclusive),
            in_transaction: true,
            why: "field `a\nDROP TABLE b;\r` grew".into(),
        };
        let plan = Plan { statements: vec![statement], warnings: vec!["x\ny".into()] };
        assert_eq!(plan.to_string(), "SELECT 1;\n");
        assert_eq!(
            format!("{plan:#}"),
            "-- warning: x y\n\
             -- rewrites the table: field `a DROP TABLE b; ` grew (locks ACCESS EXCLUSIVE)\n\
             SELECT 1;\n"
        );
    }
}

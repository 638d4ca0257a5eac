//! A load as one script, for somebody else to run: any number of times, and by two at once.
//!
//! SQL outside of a stored procedure has no IF, so the condition that the ledger lacks the load stands in every
//! statement that changes something. A load whose rows were replaced counts as there: a scheduler that runs its script
//! once more, after a newer load, must not bring them back. The files go into a temporary table first, which is the
//! session's own and harms nobody however often it is filled. Only then the transaction begins, with a lock before
//! anything is read: it sees what those before it have committed, and those behind it see what it does.

use std::fmt::Write;

use super::plan::{Change, TablePlan};
use super::sql::{CopyFrom, LoadSql};
use crate::load::redshift_ledger::{check_columns, of_table, text};
use crate::load::stage::Staged;
use crate::load::target::Counts;
use crate::load::{LoadRequest, Mode};
use crate::plan::{RedshiftType, TableName, identifier};

/// What the script is made of.
pub(super) struct Script<'a> {
    pub(super) sql: &'a LoadSql,
    pub(super) plan: &'a TablePlan,
    pub(super) request: &'a LoadRequest,
    pub(super) staged: &'a Staged,
    pub(super) from: CopyFrom<'a>,
    pub(super) counts: Counts,
}

impl Script<'_> {
    pub(super) fn text(&self) -> String {
        let mut script = String::new();
        let Counts { read, quarantined, .. } = self.counts;
        let _ = write!(
            script,
            "-- Loads {} of {read} records into {}, once; {quarantined} go to the quarantine.\n\
             -- It may be run again, and by two at once: what the ledger has is not loaded again, also where a newer\n\
             -- load has replaced it.\n\
             -- Run it whole, in one session, and stop at the first error; nothing is loaded then.\n",
            self.staged.rows,
            comment(&self.sql.target),
        );
        if self.has_changes() {
            script.push_str("-- What changes.redshift.sql does to the table must have been done before.\n");
        }
        self.surroundings(&mut script);
        self.copies(&mut script);
        self.transaction(&mut script);
        script
    }

    fn surroundings(&self, script: &mut String) {
        if let Some(set) = self.sql.settle_json() {
            statement(script, set);
        }
        if let Some(schema) = &self.sql.table.schema {
            statement(script, &format!("CREATE SCHEMA IF NOT EXISTS {}", identifier(schema)));
        }
        statement(script, &self.sql.create_ledger());
        statement(script, &self.sql.create_quarantine());
        if self.plan.before.is_empty() {
            self.plan.statements.iter().for_each(|planned| statement(script, &planned.sql));
        }
    }

    fn has_changes(&self) -> bool {
        !self.plan.before.is_empty() && !self.plan.statements.is_empty()
    }

    /// What the table needs that is there, if anything. SQL has no IF, so this is no part of what may be run again.
    pub(super) fn changes(&self) -> Option<String> {
        if !self.has_changes() {
            return None;
        }
        let table = comment(&self.sql.target);
        let mut script = format!(
            "-- Changes {table} for a load: to be run once, before load.redshift.sql.\n\
             -- Run it in one session, and stop at the first error: it says that the table is no longer as it was listed.\n\
             -- Nothing is lost then: list its columns anew, and stage the load again under another load id.\n",
        );
        let (inside, before): (Vec<_>, Vec<_>) =
            self.plan.statements.iter().partition(|planned| planned.in_transaction);
        // Of columns that are changed outside of a transaction only this can be said, and not for how long.
        let made = |change: &&Change| before.iter().any(|planned| change.is_made_by(planned));
        self.as_listed(&mut script, self.plan.changes.iter());
        // A runner may have opened a transaction by itself. A type is changed in none, and in one that has read by now, what
        // is read behind the lock would be what was there then.
        script.push_str("-- Outside of any transaction.\n");
        statement(&mut script, "COMMIT");
        before.iter().for_each(|planned| statement(&mut script, &planned.sql));
        if !inside.is_empty() {
            statement(&mut script, "BEGIN");
            statement(&mut script, &format!("LOCK TABLE {}", self.sql.target));
            self.as_listed(&mut script, self.plan.changes.iter().filter(|change| !made(change)));
            inside.iter().for_each(|planned| statement(&mut script, &planned.sql));
            statement(&mut script, "COMMIT");
        }
        if !self.plan.cleanup.is_empty() {
            script.push_str("-- All is changed. What an earlier version left is dropped, unless a view uses it.\n");
            self.plan.cleanup.iter().for_each(|planned| statement(&mut script, &planned.sql));
        }
        Some(script)
    }

    /// A look at whether columns still are what they were listed as: another script may have changed them since, and more
    /// values may be there than this one was planned for.
    fn as_listed<'a>(&self, script: &mut String, changes: impl Iterator<Item = &'a Change>) {
        let changes: Vec<&Change> = changes.collect();
        if !changes.is_empty() {
            statement(script, &check_listed(&self.sql.table, &changes));
        }
    }

    /// Everything that is copied, into tables of the session's own.
    fn copies(&self, script: &mut String) {
        script.push_str("-- The files, into tables that are this session's own.\n");
        if let Some(manifest) = &self.staged.manifest {
            statement(script, &self.sql.drop_staging());
            statement(script, &self.sql.create_staging());
            statement(script, &self.sql.copy(manifest, &self.from));
        }
        if let Some(manifest) = &self.staged.quarantine_manifest {
            let kept = self.kept();
            statement(script, &format!("DROP TABLE IF EXISTS {kept}"));
            statement(script, &self.sql.create_kept(&kept));
            statement(script, &self.sql.copy_quarantine(&kept, manifest, &self.from));
        }
    }

    /// The temporary table of the records that were kept aside.
    fn kept(&self) -> String {
        let name = self.sql.staging.trim_matches('"');
        identifier(&format!("{name}_q"))
    }

    fn transaction(&self, script: &mut String) {
        let unless = format!("\nWHERE NOT EXISTS ({})", self.sql.is_loaded());
        let and_unless = format!(" AND NOT EXISTS ({})", self.sql.is_loaded());
        // A runner that opened a transaction by itself has read by now, and would see the ledger as it was then.
        script.push_str("-- A transaction of its own, with the lock before anything is read.\n");
        statement(script, "COMMIT");
        statement(script, "BEGIN");
        statement(script, &format!("LOCK TABLE {}", self.sql.ledger));
        statement(script, &format!("LOCK TABLE {}", self.sql.target));
        self.columns(script);
        // Left there by a load whose row in the ledger was deleted by hand, to have it once more.
        statement(script, &format!("DELETE FROM {} WHERE {}{and_unless}", self.sql.quarantine, self.of_this_load()));
        if self.request.mode == Mode::Replace {
            statement(script, &format!("{}{unless}", self.sql.delete_all()));
            statement(script, &format!("{}{and_unless}", self.sql.mark_replaced()));
        }
        let staging = &self.sql.staging;
        if self.staged.manifest.is_some() {
            check(script, self.staged.rows, staging);
            for drop in [self.sql.drop_losers(), self.sql.drop_stale()].into_iter().flatten() {
                statement(script, &drop);
            }
        }
        if self.staged.quarantine_manifest.is_some() {
            let kept = self.kept();
            check(script, self.staged.quarantined, &kept);
            let names = crate::load::stage::QUARANTINE_COLUMNS.map(identifier).join(", ");
            let insert = format!("INSERT INTO {} ({names})\nSELECT {names}\nFROM {kept}{unless}", self.sql.quarantine);
            statement(script, &insert);
        }
        self.rows(script, &unless);
        statement(script, "COMMIT");
    }

    /// A look at the table's types, behind the lock: it may be another one than the rows were staged for.
    fn columns(&self, script: &mut String) {
        let columns = &self.plan.schema.columns;
        if self.staged.manifest.is_none() || columns.is_empty() {
            return;
        }
        script.push_str("-- Fails if a column is missing, or would round numbers or cut texts that are put into it.\n");
        let longest = self.staged.longest.iter().copied().map(Some).chain(std::iter::repeat(None));
        statement(script, &check_columns(&self.sql.table, columns.iter().zip(longest)));
    }

    /// The rows and the ledger's row. A merge takes its staged rows apart, so there the ledger's row comes first, while
    /// they can be counted; of a load that the ledger has, all staged rows are dropped before.
    fn rows(&self, script: &mut String, unless: &str) {
        let is_loaded = self.sql.is_loaded();
        if self.staged.manifest.is_some() && self.sql.is_numbered() {
            statement(script, &format!("DELETE FROM {} WHERE EXISTS ({is_loaded})", self.sql.staging));
            self.record(script, unless);
            for change in [self.sql.update_matched(), self.sql.drop_matched()].into_iter().flatten() {
                statement(script, &change);
            }
            statement(script, &self.sql.insert(""));
            return;
        }
        if self.staged.manifest.is_some() {
            statement(script, &self.sql.insert(unless));
        }
        self.record(script, unless);
    }

    /// The ledger's row; in a merge the server counts what is left of the rows.
    fn record(&self, script: &mut String, unless: &str) {
        let texts = [self.counts.read, self.counts.loaded, self.counts.quarantined, self.counts.deduplicated];
        let [read, mut loaded, quarantined, mut deduplicated] = texts.map(|count| count.to_string());
        if self.sql.is_numbered() && self.staged.manifest.is_some() {
            let left = format!("(SELECT COUNT(*) FROM {})", self.sql.staging);
            deduplicated = format!("{} - {left}", self.staged.rows);
            loaded = left;
        }
        let counts = [read.as_str(), &loaded, &quarantined, &deduplicated];
        statement(script, &self.sql.record(counts, self.request.bytes, &self.request.content_hash, unless));
    }

    fn of_this_load(&self) -> String {
        format!("table_name = {} AND load_id = {}", text(&self.sql.table.name), text(&self.request.load_id))
    }
}

/// A statement that fails unless each column is still what it was listed as, before it becomes another type. A change that
/// was planned for other values would round them, and one that makes a VARCHAR narrower would take room from what others
/// have put there or are about to.
fn check_listed(table: &TableName, changes: &[&Change]) -> String {
    const TYPE: &str = "format_type(a.atttypid, a.atttypmod)";
    let condition = |change: &&Change| {
        let name = text(&change.name);
        match (&change.from, &change.to) {
            (RedshiftType::Varchar(_), RedshiftType::Varchar(to)) => {
                format!("(a.attname = {name} AND {TYPE} LIKE 'character varying%' AND a.atttypmod - 4 <= {to})")
            }
            (from, _) => format!("(a.attname = {name} AND {TYPE} = {})", text(&from.in_catalog())),
        }
    };
    let conditions: Vec<String> = changes.iter().map(condition).collect();
    format!(
        "SELECT 1 / CASE WHEN COUNT(*) = {} THEN 1 ELSE 0 END AS every_column_is_as_it_was_listed {} AND a.attnum > 0 AND \
         NOT a.attisdropped AND (\n    {}\n)",
        changes.len(),
        of_table(table),
        conditions.join("\n    OR "),
    )
}

/// A statement that fails unless `rows` is the number of rows of a table: SQL has no plain way to say so.
fn check(script: &mut String, rows: u64, table: &str) {
    let check = format!("SELECT 1 / CASE WHEN COUNT(*) = {rows} THEN 1 ELSE 0 END AS every_row_is_there FROM {table}");
    statement(script, &check);
}

fn statement(script: &mut String, sql: &str) {
    script.push_str(sql);
    script.push_str(";\n");
}

/// A name in an SQL comment, which a line end would end.
fn comment(name: &str) -> String {
    name.replace(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'), " ")
}

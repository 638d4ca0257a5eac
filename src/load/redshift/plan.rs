//! What a table needs to take a schema's rows, and how they are written to it.

use crate::error::{Error, Location, Result};
use crate::load::Mode;
use crate::plan::{
    CreateOptions, MAX_COLUMNS, Plan, RedshiftColumn, RedshiftEvolution, RedshiftEvolve, RedshiftFitted, RedshiftTable,
    RedshiftType, Statement, TableName, evolve_redshift, identifier,
};
use crate::schema::{Schema, Type};

/// The changes to a table, and the columns as the load writes them.
#[derive(Debug, Clone)]
pub(super) struct TablePlan {
    /// Statements, in order. Those that may not run in a transaction come first.
    pub(super) statements: Vec<Statement>,
    /// What is run after the commit, each by itself; a failure harms nothing.
    pub(super) cleanup: Vec<Statement>,
    /// What to decode under: names and types are the table's.
    pub(super) schema: Schema,
    /// The longest text of each column, in bytes.
    pub(super) text_bytes: Vec<Option<u32>>,
    /// The table before the statements ran; none if it is to be made.
    pub(super) before: Vec<RedshiftColumn>,
    /// The columns of it that become others.
    pub(super) changes: Vec<Change>,
    /// What may surprise whoever uses the table.
    pub(super) warnings: Vec<String>,
}

/// A column of the table that becomes of another type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) name: String,
    pub(super) from: RedshiftType,
    pub(super) to: RedshiftType,
}

impl Change {
    /// Whether a statement widens this column where it stands.
    pub(super) fn is_made_by(&self, statement: &Statement) -> bool {
        statement.sql.ends_with(&format!(" ALTER COLUMN {} TYPE {}", identifier(&self.name), self.to))
    }

    /// Whether the column is now of a type that this change does no harm to: a text that is no wider than it becomes, and
    /// anything else as it was listed.
    fn fits(&self, now: &RedshiftType) -> bool {
        match (now, &self.to) {
            (RedshiftType::Varchar(now), RedshiftType::Varchar(to)) => now <= to,
            (now, _) => *now == self.from,
        }
    }
}

impl TablePlan {
    /// Whether a statement is still to be run on the table as it is now. A VARCHAR that another load has widened since
    /// is wide enough, and must not be made narrower again.
    pub(super) fn is_wanted(&self, statement: &Statement, now: &[RedshiftColumn]) -> bool {
        let change = self.changes.iter().find(|change| change.is_made_by(statement));
        let known = change.and_then(|change| now.iter().find(|known| known.name == change.name));
        match (change.map(|change| &change.to), known.map(|known| &known.ty)) {
            (Some(RedshiftType::Varchar(to)), Some(RedshiftType::Varchar(now))) => now < to,
            _ => true,
        }
    }

    /// Whether a column's values come in another type than the table's: DECIMAL(19) takes those of DECIMAL(18). A COPY of
    /// Parquet converts nothing (5.4), so that such rows go through a table of their own.
    pub(super) fn is_converted(&self) -> bool {
        let written = |known: &RedshiftColumn| self.schema.columns.iter().find(|column| column.name == known.name);
        self.before.iter().any(|known| match (&known.ty, written(known).map(|column| column.ty)) {
            (RedshiftType::Decimal(19, _), Some(Type::Decimal { precision, .. })) => precision < 19,
            _ => false,
        })
    }

    /// Whether the texts of the load fit the table as it is now, but for columns that the transaction itself changes.
    pub(super) fn is_wide_enough(&self, now: &[RedshiftColumn]) -> bool {
        let inside = |name: &str| self.changes.iter().any(|change| change.name == name && self.is_inside(change));
        self.schema.columns.iter().zip(&self.text_bytes).all(|(column, bytes)| {
            let width = now.iter().find(|known| known.name == column.name).map(|known| &known.ty);
            match (width, bytes) {
                (Some(RedshiftType::Varchar(width)), Some(bytes)) => bytes <= width || inside(&column.name),
                _ => true,
            }
        })
    }

    /// Takes a plan for the table as it is now, if rows that were made for this one go with it.
    pub(super) fn adopt(&mut self, other: TablePlan) -> bool {
        let shape = |plan: &TablePlan| {
            plan.schema.columns.iter().map(|column| (column.name.clone(), column.ty)).collect::<Vec<_>>()
        };
        let narrower =
            |(ours, theirs): (&Option<u32>, &Option<u32>)| theirs.is_some() && *theirs < ours.or(Some(u32::MAX));
        if shape(self) != shape(&other) || self.text_bytes.iter().zip(&other.text_bytes).any(narrower) {
            return false;
        }
        let (schema, text_bytes) = (std::mem::take(&mut self.schema), std::mem::take(&mut self.text_bytes));
        *self = TablePlan { schema, text_bytes, ..other };
        true
    }

    /// Whether the table is still as it was planned for, with room for the load's texts. What is changed outside of the
    /// transaction may be changed, and no change may take room from what others put there.
    pub(super) fn fits(&self, now: &[RedshiftColumn]) -> bool {
        let shape = |columns: &[RedshiftColumn]| {
            columns.iter().map(|column| (column.name.clone(), kind(&column.ty), column.not_null)).collect::<Vec<_>>()
        };
        let unharmed = |change: &Change| {
            now.iter().find(|known| known.name == change.name).is_none_or(|known| change.fits(&known.ty))
        };
        shape(&self.before) == shape(now)
            && self.is_wide_enough(now)
            && self.changes.iter().filter(|change| self.is_inside(change)).all(unharmed)
    }

    /// Whether a change is made in the transaction, by a copy of the column.
    fn is_inside(&self, change: &Change) -> bool {
        !self.statements.iter().any(|statement| change.is_made_by(statement))
    }
}

/// A type without its width: that of a VARCHAR only grows.
fn kind(ty: &RedshiftType) -> RedshiftType {
    match ty {
        RedshiftType::Varchar(_) => RedshiftType::Varchar(0),
        other => other.clone(),
    }
}

/// The columns of a merge, by index: the keys, and what orders records of one key.
pub(super) type MergeColumns = (Vec<usize>, Option<usize>);

/// Finds the columns that a merge goes by, and has every row have a value in the keys.
///
/// # Errors
///
/// [`ErrorKind::Config`] for a field that is no column, or one of JSON, whose values cannot be compared.
pub(super) fn merge_columns(mode: &Mode, schema: &mut Schema) -> Result<Option<MergeColumns>> {
    let Mode::Merge(keys) = mode else { return Ok(None) };
    keys.check()?;
    let find = |path: &str| {
        let found = schema.columns.iter().position(|column| column.path.to_string() == path);
        found.filter(|at| schema.columns[*at].ty != Type::Json).ok_or_else(|| {
            let place = Location { column: Some(path.to_owned()), ..Location::default() };
            Error::config("a merge goes by this field, and the data has no such column whose values can be compared")
                .with_location(place)
                .with_hint("`longshore infer` lists the columns by their paths")
        })
    };
    let order = keys.order_by.as_deref().map(find).transpose()?;
    let keys = keys.keys.iter().map(|path| find(path)).collect::<Result<Vec<_>>>()?;
    // The rows of a merge are staged with their numbers: one column more, of which a table has 1,600 at most (2.2).
    if schema.columns.len() >= MAX_COLUMNS {
        let most = MAX_COLUMNS - 1;
        return Err(Error::config(format!(
            "a merge of {} columns needs one more for the rows' numbers, and a table has {MAX_COLUMNS} at most",
            schema.columns.len()
        ))
        .with_hint(format!("set a column budget (--max-columns {most}): the fields past it go into one json column")));
    }
    for at in &keys {
        schema.columns[*at].required = true;
    }
    Ok(Some((keys, order)))
}

/// Plans a new table.
pub(super) fn create(schema: &Schema, table: &TableName, options: &CreateOptions) -> Result<TablePlan> {
    let plan = Plan::create_with(schema, &table.quoted(), options)?;
    // To a table without columns, all of them are added: that tells of which type each one is, and how wide.
    let evolve = RedshiftEvolve { create: options.clone(), ..RedshiftEvolve::default() };
    let columns = evolve_redshift(schema, &RedshiftTable::default(), table, &evolve)?.columns;
    let text_bytes = columns.iter().map(|fitted| fitted.max_bytes).collect();
    let columns = columns.into_iter().map(|fitted| fitted.column).collect();
    let schema = Schema { columns, ..schema.clone() };
    let (statements, warnings) = (plan.statements, plan.warnings);
    let (cleanup, before, changes) = (Vec::new(), Vec::new(), Vec::new());
    Ok(TablePlan { statements, cleanup, schema, text_bytes, before, changes, warnings })
}

/// Plans what a table that is there needs.
pub(super) fn evolve(
    schema: &Schema,
    before: Vec<RedshiftColumn>,
    table: &TableName,
    options: &RedshiftEvolve,
) -> Result<TablePlan> {
    let known = RedshiftTable { columns: before.clone() };
    let RedshiftEvolution { plan, cleanup, columns } = evolve_redshift(schema, &known, table, options)?;
    let overflow = schema.overflow.and_then(|at| schema.columns.get(at)).map(|column| &column.path);
    let overflow = overflow.and_then(|path| columns.iter().position(|fitted| fitted.column.path == *path));
    let text_bytes = columns.iter().map(|fitted| fitted.max_bytes).collect();
    let change = |fitted: &RedshiftFitted| {
        let (name, to) = (&fitted.column.name, &fitted.sql);
        let known = before.iter().find(|known| known.name == *name && known.ty != *to)?;
        Some(Change { name: name.clone(), from: known.ty.clone(), to: to.clone() })
    };
    let changes = columns.iter().filter_map(change).collect();
    let columns = columns.into_iter().map(|fitted| fitted.column).collect();
    let schema = Schema { columns, overflow, ..schema.clone() };
    let Plan { statements, warnings } = plan;
    Ok(TablePlan { statements, cleanup: cleanup.statements, schema, text_bytes, before, changes, warnings })
}

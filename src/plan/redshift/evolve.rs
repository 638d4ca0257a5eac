//! An existing Redshift table brought to what the data needs.

use std::collections::BTreeMap;

use super::catalog::{RedshiftColumn, RedshiftTable, RedshiftType};
use super::fit::{Decode, Fit, fit_into, natural};
use super::steps::{RESERVED, Step, drop_leftover, is_leftover, statements, swapped};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::plan::create::check_length;
use crate::plan::dialect::MAX_COLUMNS;
use crate::plan::dialect::redshift::{SqlType, WIDEST};
use crate::plan::fit::fit_type;
use crate::plan::matching::{Known, match_columns};
use crate::plan::{CreateOptions, Dialect, Plan, TableName, comment_of, path_of_comment};
use crate::schema::names::Names;
use crate::schema::{Column, Reading, Schema, Type};

/// What becomes of a column whose table type neither holds the data nor can become one that does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Impossible {
    /// The load is refused, and says why.
    #[default]
    Refuse,
    /// A second column beside the old one takes the data, named after its type: `v` and `v_float64`. A query that wants
    /// both joins them with COALESCE.
    Variant,
    /// The table stays as it is, and records that do not fit it are quarantined.
    Quarantine,
}

/// How a Redshift table may be changed; what is not said takes the default named with each option.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedshiftEvolve {
    /// How new columns are made: widths and what becomes of long texts. Keys and encodings are not used.
    pub create: CreateOptions,
    /// What becomes of a column that no change can fit (default: the load is refused).
    pub impossible: Impossible,
    /// Whether a column may be replaced by a wider copy of itself, which writes every row of the table again (default:
    /// yes). Without it such a column is as one that no change can fit.
    pub rewrite: bool,
}

impl Default for RedshiftEvolve {
    fn default() -> Self {
        RedshiftEvolve {
            create: CreateOptions::new(Dialect::Redshift),
            impossible: Impossible::default(),
            rewrite: true,
        }
    }
}

impl RedshiftEvolve {
    /// Sets how new columns are made. The options must be Redshift's.
    #[must_use]
    pub fn with_create(mut self, create: CreateOptions) -> Self {
        self.create = create;
        self
    }

    /// Sets what becomes of a column that no change can fit.
    #[must_use]
    pub fn with_impossible(mut self, impossible: Impossible) -> Self {
        self.impossible = impossible;
        self
    }

    /// Sets whether a column may be replaced by a wider copy of itself.
    #[must_use]
    pub fn with_rewrite(mut self, rewrite: bool) -> Self {
        self.rewrite = rewrite;
        self
    }
}

/// A column as the load writes it: decoded as `column.ty` under `column.name`, into the table's `sql`.
#[derive(Debug, Clone, PartialEq)]
pub struct RedshiftFitted {
    /// What to decode; type and name are the table's.
    pub column: Column,
    /// The type in the table once the plan has run.
    pub sql: RedshiftType,
    /// The longest text that the column takes, in UTF-8 bytes, where it is text.
    pub max_bytes: Option<u32>,
}

/// How an existing Redshift table takes a schema's rows.
#[derive(Debug, Clone, PartialEq)]
pub struct RedshiftEvolution {
    /// The changes. First those that may not run in a transaction, each by itself; the others belong into the load's.
    pub plan: Plan,
    /// Drops what an earlier version has left of columns that it replaced: to be run after the commit, each by itself. A
    /// failure harms nothing, and the next plan has it again.
    pub cleanup: Plan,
    /// How each column of the schema is decoded and written once the plan has run, in the schema's order.
    pub columns: Vec<RedshiftFitted>,
}

/// Plans what an existing Redshift table needs to take the rows of a schema; changes no value that is there.
///
/// A column is known again as in Postgres: by the source path in its comment, else by its name. A `VARCHAR` is widened in
/// place, outside of the transaction; a column that the table lacks is added, one a statement. Any other widening adds
/// a column, copies into it, drops the old one and gives its name to the new one, all in the load's transaction: a crash
/// leaves the table as it was, and so does a view that uses the old column.
///
/// ```
/// use longshore::plan::{RedshiftColumn, RedshiftEvolve, RedshiftTable, RedshiftType, TableName, evolve_redshift};
/// use longshore::{Column, Path, Schema, Type};
/// let table = RedshiftTable { columns: vec![RedshiftColumn::new("note", RedshiftType::Varchar(16))] };
/// let mut note = Column::new(Path::new(["note"]), "note", Type::Text);
/// note.max_bytes = Some(40);
/// let schema = Schema { columns: vec![note], ..Schema::default() };
/// let name: TableName = "orders".parse()?;
/// let evolution = evolve_redshift(&schema, &table, &name, &RedshiftEvolve::default())?;
/// assert_eq!(evolution.plan.to_string(), "ALTER TABLE \"orders\" ALTER COLUMN \"note\" TYPE VARCHAR(128);\n");
/// assert!(!evolution.plan.statements[0].in_transaction);
/// # Ok::<(), longshore::Error>(())
/// ```
///
/// # Errors
///
/// [`Conflict`](ErrorKind::Conflict) with the column, both types and the first record that needed the data's type,
/// where no change keeps every value and [`Impossible::Refuse`] is set; where the table wants a value that the schema
/// does not have; and where the table would have more than 1,600 columns.
pub fn evolve_redshift(
    schema: &Schema,
    table: &RedshiftTable,
    name: &TableName,
    options: &RedshiftEvolve,
) -> Result<RedshiftEvolution> {
    // What an earlier plan left behind is nobody's column.
    let (leftovers, live): (Vec<_>, Vec<_>) = table.columns.iter().partition(|column| is_leftover(column));
    let known: Vec<Known<'_>> = live.iter().map(|c| Known { name: &c.name, comment: c.comment.as_deref() }).collect();
    let matched = match_columns(schema, &known);
    check_required(&live, &matched)?;
    let mut changes = Changes { options, live: &live, names: names(table), steps: Vec::new(), warnings: Vec::new() };
    let mut columns = Vec::with_capacity(schema.columns.len());
    for (column, found) in schema.columns.iter().zip(&matched) {
        columns.push(match found {
            Some(at) => changes.take(column, live[*at])?,
            None => changes.add(column, &column.name.to_ascii_lowercase().replace('\\', "_")),
        });
    }
    check_count(table.columns.len(), &changes.steps)?;
    changes.warn_of_width(table, &columns);
    let plan = statements(&changes.steps, table, name);
    let cleanup = leftovers.iter().map(|column| drop_leftover(name, &column.name)).collect();
    check_length(&plan, Dialect::Redshift)?;
    Ok(RedshiftEvolution {
        plan: Plan { statements: plan, warnings: changes.warnings },
        cleanup: Plan { statements: cleanup, warnings: Vec::new() },
        columns,
    })
}

fn names(table: &RedshiftTable) -> Names {
    let mut names = Names::new(Dialect::Redshift.name_limit(), true).without(RESERVED);
    table.columns.iter().for_each(|column| names.reserve(&column.name));
    names
}

fn check_required(live: &[&RedshiftColumn], matched: &[Option<usize>]) -> Result<()> {
    let wants = |column: &RedshiftColumn| column.not_null && !column.has_default && !column.identity;
    match live.iter().enumerate().find(|(at, column)| wants(column) && !matched.contains(&Some(*at))) {
        None => Ok(()),
        Some((_, column)) => {
            let name = &column.name;
            let message =
                format!("the table's column `{name}` refuses NULL and has no default, and the data has no such field");
            Err(Error::new(ErrorKind::Conflict, message).with_hint("load into another table, or make this one anew"))
        }
    }
}

/// Added columns count, and so do those that are replaced until the old one is dropped.
fn check_count(present: usize, steps: &[Step]) -> Result<()> {
    let new = steps.iter().filter(|step| !matches!(step, Step::Widen { .. })).count();
    let total = present + new;
    if total <= MAX_COLUMNS || new == 0 {
        return Ok(());
    }
    let message = format!("{new} new columns would make {total} of the {MAX_COLUMNS} that a table can have");
    Err(Error::new(ErrorKind::Conflict, message).with_hint("load into a new table, or set a column budget"))
}

struct Changes<'a> {
    options: &'a RedshiftEvolve,
    live: &'a [&'a RedshiftColumn],
    names: Names,
    steps: Vec<Step>,
    warnings: Vec<String>,
}

impl Changes<'_> {
    /// A column of the data goes into one of the table, or into a variant of it.
    fn take(&mut self, column: &Column, existing: &RedshiftColumn) -> Result<RedshiftFitted> {
        let data = if column.ty == Type::Null { column.clone() } else { fit_type(column, Dialect::Redshift) };
        if existing.identity {
            return Err(conflict(column, existing, "the server numbers it, and it cannot be written"));
        }
        let rule = self.options.create.varchar_width();
        match fit_into(&data, &existing.ty, rule) {
            Fit::Holds(decode) => Ok(self.as_it_is(&data, existing, decode)),
            Fit::Widen { to, decode, otherwise } => match (self.hindrance(existing, &to), otherwise) {
                (None, _) => {
                    self.steps.push(step(column, existing, &to));
                    Ok(self.written(&data, existing, to, decode))
                }
                (Some(why), Some(decode)) => {
                    self.warnings.push(format!(
                        "column `{}` stays {}, since {why}: longer values do not fit",
                        existing.name, existing.ty
                    ));
                    Ok(self.as_it_is(&data, existing, decode))
                }
                (Some(why), None) => self.impossible(column, &data, existing, why),
            },
            Fit::Refuse(why) => self.impossible(column, &data, existing, why),
        }
    }

    /// Why a column cannot become `to`, if so.
    fn hindrance(&self, existing: &RedshiftColumn, to: &RedshiftType) -> Option<&'static str> {
        if in_place(existing, to) {
            return None;
        }
        if existing.has_default || existing.not_null {
            return Some("its default or NOT NULL would be lost with the column");
        }
        if existing.is_key {
            return Some("it is the DISTKEY or in the SORTKEY");
        }
        if existing.constrained {
            return Some("it is in a PRIMARY KEY, UNIQUE or FOREIGN KEY");
        }
        if existing.used_by_view {
            return Some("a view uses it");
        }
        (!self.options.rewrite).then_some("rewriting the table is not allowed")
    }

    fn as_it_is(&mut self, data: &Column, existing: &RedshiftColumn, decode: Decode) -> RedshiftFitted {
        self.written(data, existing, existing.ty.clone(), decode)
    }

    fn written(
        &mut self,
        data: &Column,
        existing: &RedshiftColumn,
        sql: RedshiftType,
        decode: Decode,
    ) -> RedshiftFitted {
        if existing.not_null && data.nullable {
            self.warnings.push(format!(
                "column `{}` refuses NULL, and some records have no value for `{}`: those do not fit",
                existing.name, data.path
            ));
        }
        let longest = data.max_bytes.unwrap_or(0);
        if decode.max_bytes.is_some_and(|max| longest > u64::from(max)) {
            self.warnings.push(format!(
                "column `{}` has values of up to {longest} bytes, and {sql} holds fewer: the longer ones do not fit",
                data.path
            ));
        }
        let mut column = Column { name: existing.name.clone(), required: existing.not_null, ..data.clone() };
        // Where the type gives way to text or JSON, values are kept as they were written.
        if column.ty != decode.ty && matches!(decode.ty, Type::Text | Type::Json) {
            column.reading = Reading::Native;
        }
        column.ty = decode.ty;
        RedshiftFitted { column, sql, max_bytes: decode.max_bytes }
    }

    fn impossible(
        &mut self,
        column: &Column,
        data: &Column,
        existing: &RedshiftColumn,
        why: &'static str,
    ) -> Result<RedshiftFitted> {
        match self.options.impossible {
            Impossible::Refuse => Err(conflict(column, existing, why)),
            Impossible::Quarantine => match natural(&existing.ty) {
                Some(decode) => Ok(self.as_it_is(data, existing, decode)),
                None => Err(conflict(column, existing, why)),
            },
            Impossible::Variant => {
                if let Some(found) = self.variant(data, existing) {
                    return Ok(found);
                }
                let kind: String = data.ty.to_string().chars().take_while(char::is_ascii_alphanumeric).collect();
                self.warnings.push(format!("`{}` gets a second column beside `{}`: {why}", column.path, existing.name));
                Ok(self.add(data, &format!("{}_{kind}", existing.name)))
            }
        }
    }

    /// A column for the same field that an earlier load put beside this one.
    fn variant(&mut self, data: &Column, existing: &RedshiftColumn) -> Option<RedshiftFitted> {
        let of_path =
            |column: &RedshiftColumn| column.comment.as_deref().and_then(path_of_comment).as_ref() == Some(&data.path);
        let others = self.live.iter().copied().filter(|column| column.name != existing.name && of_path(column));
        let rule = self.options.create.varchar_width();
        for other in others {
            match fit_into(data, &other.ty, rule) {
                Fit::Holds(decode) => return Some(self.as_it_is(data, other, decode)),
                Fit::Widen { to, decode, .. } if self.hindrance(other, &to).is_none() => {
                    self.steps.push(step(data, other, &to));
                    return Some(self.written(data, other, to, decode));
                }
                _ => {}
            }
        }
        None
    }

    /// A column of the data that the table does not have.
    fn add(&mut self, column: &Column, wanted: &str) -> RedshiftFitted {
        let mut column = fit_type(column, Dialect::Redshift);
        column.name = self.names.claim(wanted, &column.path);
        let sql = RedshiftType::from(SqlType::of(&column, self.options.create.redshift()));
        let decode = natural(&sql).unwrap_or(Decode::from(column.ty));
        self.steps.push(Step::Add {
            name: column.name.clone(),
            ty: sql.clone(),
            comment: comment_of(&column.path),
            why: format!("`{}` is new", column.path),
        });
        column.ty = if column.ty == Type::Uuid { Type::Uuid } else { decode.ty };
        RedshiftFitted { column, sql, max_bytes: decode.max_bytes }
    }

    /// Queries stop with an error over rows that are declared too wide.
    fn warn_of_width(&mut self, table: &RedshiftTable, columns: &[RedshiftFitted]) {
        let mut widths: BTreeMap<&str, u64> = table.columns.iter().map(|c| (c.name.as_str(), c.ty.bytes())).collect();
        widths.extend(columns.iter().map(|fitted| (fitted.column.name.as_str(), fitted.sql.bytes())));
        let row: u64 = widths.values().sum();
        if row > WIDEST && !self.steps.is_empty() {
            self.warnings.push(format!(
                "the declared widths add up to {row} bytes a row, and queries stop with an error over rows of more than \
                 {WIDEST}"
            ));
        }
    }
}

/// Whether `ALTER COLUMN … TYPE` does it: a VARCHAR that nothing holds back.
fn in_place(existing: &RedshiftColumn, to: &RedshiftType) -> bool {
    matches!((&existing.ty, to), (RedshiftType::Varchar(n), RedshiftType::Varchar(m)) if n < m)
        && existing.encoding.is_none_or(|encoding| encoding.widens())
        && !existing.has_default
        && !existing.constrained
        && !existing.used_by_view
}

fn step(column: &Column, existing: &RedshiftColumn, to: &RedshiftType) -> Step {
    let why = format!("`{}` is {}, and `{}` is {}", existing.name, existing.ty, column.path, column.ty);
    if in_place(existing, to) {
        return Step::Widen { name: existing.name.clone(), to: to.clone(), why };
    }
    swapped(existing, to, why)
}

fn conflict(column: &Column, existing: &RedshiftColumn, why: &str) -> Error {
    let witness = column.why.witness.as_ref();
    let place = Location {
        source: witness.map(|witness| witness.source.clone()),
        line: witness.map(|witness| witness.line),
        byte: witness.map(|witness| witness.byte),
        column: Some(column.path.to_string()),
    };
    let message = format!("the table has `{}` as {}, the data as {}: {why}", existing.name, existing.ty, column.ty);
    Error::new(ErrorKind::Conflict, message).with_location(place).with_hint(
        "hint the column to be of the table's type, allow a second column for it, or load into another table",
    )
}

#[cfg(test)]
#[path = "evolve_tests.rs"]
mod tests;

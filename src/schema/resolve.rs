//! Evidence + policy → the columns of a table.

use super::decide::{decide, digits, forced_by, ordered, soft_is_null};
use super::names;
use super::policy::{Hint, Policy};
use super::table::{Column, Reading, Schema, Why, Witness};
use super::types::Type;
use super::undecided::undecided;
use crate::error::{Error, ErrorKind, Location, Result};
use crate::path::Path;
use crate::sketch::{Class, ClassSet, Evidence, FieldEvidence, Position, Sketch};

/// Bytes that a Postgres identifier holds.
pub(crate) const POSTGRES_NAME: usize = 63;

impl Policy {
    /// Decides the columns of a table, in the order in which their fields first appeared.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if a hint names a field that the data does not have, or a type that there is not: a decimal of
    /// more than 38 digits, or one that values cannot be spelled for as the hint says.
    pub fn resolve(&self, sketch: &Sketch) -> Result<Schema> {
        let mut fields = self.columns_of(sketch);
        fields.sort_by_key(|field| field.evidence.appeared);
        let fields = told_apart(fields);
        self.check_hints(&fields)?;
        let mut columns: Vec<(Column, &FieldEvidence)> =
            fields.into_iter().map(|(path, field)| (self.column(path, field, sketch), field)).collect();
        let overflow = self.keep_to_budget(&mut columns);
        let undecided = columns.iter().flat_map(|(column, field)| self.open(column, field)).collect();
        let mut columns: Vec<Column> = columns.into_iter().map(|(column, _)| column).collect();
        let overflow = overflow.map(|column| {
            columns.push(column);
            columns.len() - 1
        });
        let paths: Vec<Path> = columns.iter().map(|column| column.path.clone()).collect();
        for (column, name) in columns.iter_mut().zip(names::assign(&paths, self.naming, POSTGRES_NAME, true)) {
            column.name = name;
        }
        Ok(Schema { columns, overflow, undecided, ..Schema::default() })
    }

    /// The fields that become columns: everything but objects that are taken apart, and what is inside fields that
    /// stay whole.
    fn columns_of<'a>(&self, sketch: &'a Sketch) -> Vec<&'a FieldEvidence> {
        let fields = sketch.fields();
        let mut columns = Vec::new();
        let mut whole: Option<&Path> = None;
        // Sorted by path, so what is inside a field follows it.
        for (at, field) in fields.iter().enumerate() {
            if whole.is_some_and(|top| inside(&field.path, top)) {
                continue;
            }
            if self.is_taken_apart(field, &fields[at + 1..]) {
                continue;
            }
            whole = Some(&field.path);
            columns.push(field);
        }
        columns
    }

    fn is_taken_apart(&self, field: &FieldEvidence, following: &[FieldEvidence]) -> bool {
        let path = &field.path;
        let classes = field.evidence.classes().without(ClassSet::of(&[Class::Null, Class::EmptyObject]));
        let only_objects = classes == ClassSet::of(&[Class::Object]);
        if !self.flatten || !only_objects || field.evidence.is_collapsed() || self.hint_of(path).is_some() {
            return false;
        }
        let children = following.iter().take_while(|below| inside(&below.path, path));
        let direct = children.filter(|below| below.path.keys().len() == path.keys().len() + 1).count();
        (1..=self.max_map_keys).contains(&direct)
    }

    fn check_hints(&self, fields: &[(Path, &FieldEvidence)]) -> Result<()> {
        for hint @ Hint { path, ty, reading } in &self.hints {
            if !ty.is_possible() || !reading.fits(*ty) {
                return Err(Error::new(ErrorKind::Config, format!("the hint for `{path}` is no type: {ty}@{reading}"))
                    .with_hint("a decimal has 1 to 38 digits, not more of them behind the point; a reading goes with its types"));
            }
            if !fields.iter().any(|(path, _)| hint.is_for(path)) {
                let place = Location { column: Some(path.clone()), ..Location::default() };
                return Err(Error::new(ErrorKind::Config, "a hint for a column that the data does not have")
                    .with_location(place)
                    .with_hint("`longshore infer` lists the columns by their paths"));
            }
        }
        Ok(())
    }

    fn column(&self, path: Path, field: &FieldEvidence, sketch: &Sketch) -> Column {
        let evidence = &field.evidence;
        let hint = self.hint_of(&path);
        let decided = if evidence.is_collapsed() { Type::Json } else { decide(evidence.classes(), evidence) };
        let ty = hint.map_or(decided, |hint| hint.ty);
        let soft =
            if soft_is_null(ty) { evidence.count(Class::EmptyQuoted) + evidence.count(Class::NullWord) } else { 0 };
        let filled = evidence.filled() - soft;
        let witness = |position: Position| Witness {
            source: sketch.source_name(position).to_string(),
            line: position.line,
            byte: position.offset,
        };
        let why = match hint {
            Some(_) => Why { text: format!("hint; {}", seen(evidence)), witness: None },
            None => Why { text: seen(evidence), witness: forced_by(decided, evidence).map(witness) },
        };
        Column {
            nullable: filled < sketch.records(),
            reading: hint.map_or(Reading::Native, |hint| hint.reading),
            filled,
            max_bytes: evidence.bytes().map(|range| range.max),
            digits: digits(evidence),
            ordered: if hint.is_some() { None } else { ordered(ty, evidence) },
            why,
            ..Column::new(path, String::new(), ty)
        }
    }

    fn open(&self, column: &Column, field: &FieldEvidence) -> Vec<super::undecided::Undecided> {
        let hinted = self.hint_of(&column.path).is_some();
        if hinted { Vec::new() } else { undecided(column, &field.evidence) }
    }

    /// Past the column budget, gives up the columns that are filled most seldom for one that holds them all.
    fn keep_to_budget(&self, columns: &mut Vec<(Column, &FieldEvidence)>) -> Option<Column> {
        if columns.len() <= self.max_columns {
            return None;
        }
        let mut order: Vec<usize> = (0..columns.len()).collect();
        let hinted = |at: usize| self.hint_of(&columns[at].0.path).is_some();
        order.sort_by_key(|at| (!hinted(*at), std::cmp::Reverse(columns[*at].0.filled), *at));
        let mut kept = vec![false; columns.len()];
        order[..self.max_columns - 1].iter().for_each(|at| kept[*at] = true);
        let given_up = columns.len() - (self.max_columns - 1);
        let mut keep = kept.into_iter();
        columns.retain(|_| keep.next().unwrap_or(true));
        let text = format!("{given_up} fields past the budget of {} columns", self.max_columns);
        Some(Column { why: Why { text, witness: None }, ..Column::new(Path::overflow(), String::new(), Type::Json) })
    }
}

fn inside(path: &Path, top: &Path) -> bool {
    path.keys().len() > top.keys().len() && path.keys().starts_with(top.keys())
}

/// The fields with their paths; the second of two whose paths have the same text (`{"a.b":1}` and `{"a":{"b":1}}`) gets the
/// mark `#2`.
fn told_apart(fields: Vec<&FieldEvidence>) -> Vec<(Path, &FieldEvidence)> {
    let mut taken = std::collections::HashSet::new();
    let tell = |field: &FieldEvidence| {
        let mut path = field.path.clone();
        while !taken.insert(path.to_string()) {
            path = path.marked();
        }
        path
    };
    let paths: Vec<Path> = fields.iter().copied().map(tell).collect();
    paths.into_iter().zip(fields).collect()
}

/// `25000 int16, 1 text`: what was seen, the most frequent first.
fn seen(evidence: &Evidence) -> String {
    let mut counts: Vec<(u64, Class)> =
        Class::ALL.into_iter().map(|class| (evidence.count(class), class)).filter(|(count, _)| *count > 0).collect();
    counts.sort_by_key(|(count, class)| (std::cmp::Reverse(*count), *class));
    let words: Vec<String> = counts.into_iter().map(|(count, class)| format!("{count} {class}")).collect();
    if words.is_empty() { "no value".to_string() } else { words.join(", ") }
}

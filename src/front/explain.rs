//! Why each column is what it is.

use crate::schema::{Column, Schema, Undecided};
use crate::sketch::{Class, Evidence, Sketch};

/// What was seen of one column, and why it has its type.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ColumnReport {
    /// The field in the source.
    pub path: String,
    /// The column's name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: String,
    /// Whether some record had no value.
    pub nullable: bool,
    /// Records in all, and with a value.
    pub records: u64,
    /// Records with a value.
    pub filled: u64,
    /// How many values of each kind, the most frequent first.
    pub seen: Vec<(String, u64)>,
    /// The smallest value, where the values have an order.
    pub min: Option<String>,
    /// The largest value.
    pub max: Option<String>,
    /// The longest value as UTF-8 text, in bytes.
    pub max_bytes: Option<u64>,
    /// The first record that forced the type: `file:line (byte n)`.
    pub forced_by: Option<String>,
    /// One line that says it all.
    pub why: String,
}

/// The reasons behind a schema.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Explanation {
    /// One report a column.
    pub columns: Vec<ColumnReport>,
    /// What the data did not settle.
    pub undecided: Vec<Undecided>,
}

impl Explanation {
    /// Explains a schema by the sketch it was resolved from.
    pub fn of(schema: &Schema, sketch: &Sketch) -> Self {
        let report = |column: &Column| {
            let same =
                |path: &crate::Path| path.keys() == column.path.keys() && path.ordinal() == column.path.ordinal();
            let field = sketch.fields().iter().find(|field| same(&field.path));
            report(column, field.map(|field| &field.evidence), sketch)
        };
        Explanation { columns: schema.columns.iter().map(report).collect(), undecided: schema.undecided.clone() }
    }
}

fn report(column: &Column, evidence: Option<&Evidence>, sketch: &Sketch) -> ColumnReport {
    let (min, max) = evidence.map_or((None, None), range);
    let forced_by = column.why.witness.as_ref().map(|witness| match witness.line {
        0 => format!("{} (byte {})", witness.source, witness.byte),
        line => format!("{}:{line} (byte {})", witness.source, witness.byte),
    });
    ColumnReport {
        path: column.path.to_string(),
        name: column.name.clone(),
        ty: column.ty.to_string(),
        nullable: column.nullable,
        records: sketch.records(),
        filled: column.filled,
        seen: evidence.map(seen).unwrap_or_default(),
        min,
        max,
        max_bytes: column.max_bytes,
        why: why(column, forced_by.as_deref()),
        forced_by,
    }
}

fn why(column: &Column, forced_by: Option<&str>) -> String {
    match forced_by {
        Some(place) => format!("{}; first {} at {place}", column.why.text, column.ty),
        None => column.why.text.clone(),
    }
}

fn seen(evidence: &Evidence) -> Vec<(String, u64)> {
    let mut seen: Vec<(String, u64)> = Class::ALL
        .into_iter()
        .filter(|class| evidence.count(*class) > 0)
        .map(|class| (class.to_string(), evidence.count(class)))
        .collect();
    seen.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    seen
}

/// The range of the values, as text: of numbers, or of days and times.
fn range(evidence: &Evidence) -> (Option<String>, Option<String>) {
    if let Some(ints) = evidence.ints().filter(|_| evidence.floats().is_none()) {
        return (Some(ints.min.to_string()), Some(ints.max.to_string()));
    }
    if let Some(floats) = evidence.floats() {
        let ints = evidence.ints().map(|ints| (ints.min as f64, ints.max as f64));
        let (low, high) = ints.unwrap_or((floats.min, floats.max));
        return (Some(floats.min.min(low).to_string()), Some(floats.max.max(high).to_string()));
    }
    let day = |seconds: i64| {
        chrono::DateTime::from_timestamp(seconds, 0).map(|at| at.format("%Y-%m-%dT%H:%M:%S").to_string())
    };
    evidence.seconds().map_or((None, None), |range| (day(range.min), day(range.max)))
}

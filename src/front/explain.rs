//! Why each column is what it is.

use crate::schema::{Column, Schema, Undecided};
use crate::sketch::{Class, ClassSet, Evidence, Sketch};

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

/// Whole numbers and such as a double gives back: those that there is a range of.
const RANGED: ClassSet = ClassSet::of(&[
    Class::Int16,
    Class::Int32,
    Class::Int64,
    Class::IntWide,
    Class::Frac,
    Class::Exp,
    Class::NonFinite,
]);
const MOMENTS: ClassSet =
    ClassSet::of(&[Class::Date, Class::Timestamp, Class::TimestampNanos, Class::TimestampTz, Class::TimestampTzNanos]);
/// What is no value, or may be none.
const NOTHING: ClassSet = ClassSet::of(&[Class::Null, Class::NullWord, Class::EmptyQuoted]);

/// The range of the values, as text: of numbers, or of days and times. None if it is not known of all of them.
fn range(evidence: &Evidence) -> (Option<String>, Option<String>) {
    let values = evidence.classes().without(NOTHING);
    if values.within(RANGED) {
        let ints = evidence.ints().map(|ints| (ints.min, ints.max));
        let floats = evidence.floats().map(|floats| (floats.min, floats.max));
        return match (ints, floats) {
            (Some((min, max)), None) => (Some(min.to_string()), Some(max.to_string())),
            (None, Some((min, max))) => (Some(min.to_string()), Some(max.to_string())),
            (Some(ints), Some(floats)) => (
                Some(if (ints.0 as f64) < floats.0 { ints.0.to_string() } else { floats.0.to_string() }),
                Some(if (ints.1 as f64) > floats.1 { ints.1.to_string() } else { floats.1.to_string() }),
            ),
            (None, None) => (None, None),
        };
    }
    if !values.within(MOMENTS) {
        return (None, None);
    }
    let day = |seconds: i64| {
        chrono::DateTime::from_timestamp(seconds, 0).map(|at| at.format("%Y-%m-%dT%H:%M:%S").to_string())
    };
    evidence.seconds().map_or((None, None), |range| (day(range.min), day(range.max)))
}

//! Why each column is what it is.

use crate::schema::{Column, FLOATS, INTS, NAIVE, NULL, SOFT, Schema, Undecided, ZONED};
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
    /// Records with a value; `None` where that was not counted, as of the column that the fields past the budget share.
    pub filled: Option<u64>,
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
        filled: (!column.path.is_overflow()).then_some(column.filled),
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

/// The range of the values, as text: of numbers, or of days and times. None if it is not known of all of them.
fn range(evidence: &Evidence) -> (Option<String>, Option<String>) {
    let values = evidence.classes().without(NULL).without(SOFT);
    if values.within(INTS.union(FLOATS)) {
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
    if !values.within(NAIVE.union(ZONED)) {
        return (None, None);
    }
    let day = |seconds: i64| {
        chrono::DateTime::from_timestamp(seconds, 0).map(|at| at.format("%Y-%m-%dT%H:%M:%S").to_string())
    };
    evidence.seconds().map_or((None, None), |range| (day(range.min), day(range.max)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Hint;
    use crate::{ErrorKind, Policy, Source, Type};

    fn sketch(data: &str) -> Sketch {
        Sketch::of(&Source::bytes(data)).unwrap()
    }

    fn explained(data: &str) -> Explanation {
        let sketch = sketch(data);
        Explanation::of(&Policy::default().resolve(&sketch).unwrap(), &sketch)
    }

    #[test]
    fn the_record_that_forced_a_type_is_the_one_that_did_or_none_is_named() {
        let line = |data: &str| {
            let forced = explained(data).columns[0].forced_by.clone()?;
            forced.split([':', ' ']).nth(1).and_then(|line| line.parse::<u32>().ok())
        };
        assert_eq!(line("a,b\nNA,1\n5,2\nabc,3\n"), Some(4), "a word for no value forces nothing");
        assert_eq!(line("a,b\n5,2\n70000,1\n6,3\n"), Some(3));
        assert_eq!(line("a,b\nNA,2\n\"\",1\n"), Some(2), "unless there is nothing else");
        let digits = "{\"v\":12345678901234567890}\n{\"v\":0.12345678901234567890123}\n";
        assert_eq!((explained(digits).columns[0].ty.as_str(), line(digits)), ("text", None));
    }

    #[test]
    fn how_many_records_fill_the_column_of_fields_past_the_budget_is_not_said() {
        let sketch = sketch("{\"a\":1,\"b\":2,\"c\":3}\n{\"a\":1,\"c\":3}\n");
        let schema = Policy::default().max_columns(2).resolve(&sketch).unwrap();
        let filled = Explanation::of(&schema, &sketch).columns.into_iter().map(|column| (column.name, column.filled));
        let wanted = [("a".to_owned(), Some(2)), ("_overflow".to_owned(), None)];
        assert_eq!(filled.collect::<Vec<_>>(), wanted);
        assert!(schema.columns[1].nullable);
    }

    #[test]
    fn a_range_is_that_of_all_values_or_none() {
        let range = |data: &str| {
            let column = explained(data).columns.remove(0);
            Some(format!("{} to {}", column.min?, column.max?))
        };
        assert_eq!(range("v,w\n5,a\n0.25,b\n-7,c\n").unwrap(), "-7 to 5");
        assert_eq!(range("v,w\n5,a\n12345678901234567.89,b\n0.1,c\n"), None);
        assert_eq!(range("v,w\n5,a\nabc,b\n"), None);
        assert_eq!(range("v,w\n9007199254740993,a\n0.5,b\n").unwrap(), "0.5 to 9007199254740993");
        assert_eq!(range("v,w\n2024-01-05,a\nNA,b\n").unwrap(), "2024-01-05T00:00:00 to 2024-01-05T00:00:00");
    }

    #[test]
    fn a_hint_is_for_the_field_that_is_shown_under_its_path() {
        let sketch = sketch("{\"a.b\":1,\"a\":{\"b\":2}}\n");
        let types = |hints: &[&str]| {
            let hints = hints.iter().map(|hint| hint.parse::<Hint>().unwrap());
            let policy = hints.fold(Policy::default(), Policy::with_hint);
            let types = policy.resolve(&sketch)?.columns.into_iter().map(|column| (column.path.to_string(), column.ty));
            Ok::<_, crate::Error>(types.collect::<Vec<_>>())
        };
        let both = |first, second| vec![("a.b".to_owned(), first), ("a.b#2".to_owned(), second)];
        assert_eq!(types(&["a.b#2=text"]).unwrap(), both(Type::Int16, Type::Text));
        assert_eq!(types(&["a.b=text"]).unwrap(), both(Type::Text, Type::Int16));
        assert_eq!(types(&["[\"a\",\"b\"]=int64"]).unwrap(), both(Type::Int16, Type::Int64));
        assert_eq!(types(&["a.b#3=text"]).unwrap_err().kind(), ErrorKind::Config);
        let no_type = Policy::default().hint("a.b", Type::Decimal { precision: 40, scale: 2 }).resolve(&sketch);
        assert_eq!(no_type.unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn dates_among_times_with_a_zone_and_wide_numbers_with_blanks_are_undecided() {
        let hints = |data: &str| -> Vec<String> {
            explained(data).undecided.into_iter().map(|undecided| undecided.hint).collect()
        };
        assert_eq!(hints("t,w\n2024-01-05,a\n2024-01-05T10:00:00Z,b\n"), ["t=timestamptz@assume_utc"]);
        assert_eq!(hints("{\"n\":\" 5\"}\n{\"n\":\"5000000000\"}\n"), [""; 0], "texts of JSON are texts");
        assert_eq!(hints("n,w\n\" 5\",a\n5000000000,b\n"), ["n=decimal(38,0)@trim"]);
        assert_eq!(hints("n,w\n\" 5\",a\n0.5,b\n"), ["n=float64@trim"]);
    }
}

//! `longshore explain`: what was seen of each column, and what forced its type.

use std::path::{Path, PathBuf};

use longshore::{ColumnReport, Error, Explanation, Schema, Source};

use crate::args::Explain;
use crate::evidence::Evidence;
use crate::exit::{Done, Failure};
use crate::json;
use crate::output::{clean, count, percent, shell};

pub(crate) fn run(args: &Explain) -> Result<Done, Failure> {
    let policy = args.evidence.meaning.policy()?;
    let (files, mut wanted) = split(&args.evidence.input.files, args.evidence.sketch.is_some());
    wanted.extend(args.columns.iter().cloned());
    let evidence = Evidence::read(&args.evidence, &files, args.output.quiet)?;
    let schema = policy.resolve(&evidence.sketch)?;
    let mut explanation = Explanation::of(&schema, &evidence.sketch);
    if !wanted.is_empty() {
        check(&wanted, &schema)?;
        explanation.columns.retain(|column| wanted.contains(&column.path));
        explanation.undecided.retain(|open| wanted.contains(&open.path));
    }
    let text = match args.output.json {
        true => json::explain(&evidence, &explanation),
        false => explanation.columns.iter().map(|column| describe(column, &explanation)).collect::<Vec<_>>().join("\n"),
    };
    Ok(Done { warnings: evidence.warnings, ..Done::new(text) })
}

/// Files, and columns behind them: what stands behind the first file and names none is a column's path. With a
/// sketch there are no files.
fn split(arguments: &[PathBuf], sketch: bool) -> (Vec<PathBuf>, Vec<String>) {
    let is_file = |path: &Path| {
        let text = path.to_string_lossy();
        path.exists()
            || text == "-"
            || text.contains("://")
            || (text.contains('*') && Source::glob(&text).check().is_ok())
    };
    let mut files = Vec::new();
    let mut columns = Vec::new();
    for argument in arguments {
        if !sketch && (files.is_empty() || is_file(argument)) {
            files.push(argument.clone());
        } else {
            columns.push(argument.to_string_lossy().into_owned());
        }
    }
    (files, columns)
}

fn check(wanted: &[String], schema: &Schema) -> Result<(), Failure> {
    match wanted.iter().find(|path| schema.column(path).is_none()) {
        None => Ok(()),
        Some(path) => Err(Error::config(format!("`{path}` is neither a file nor a column"))
            .with_hint("`longshore infer` lists the columns by their paths")
            .into()),
    }
}

fn describe(column: &ColumnReport, explanation: &Explanation) -> String {
    let named = if column.name == column.path { String::new() } else { format!(" as {}", column.name) };
    let mut lines = vec![
        format!("{}{named}: {}{}", column.path, column.ty, if column.nullable { ", nullable" } else { "" }),
        line("filled", &filled(column)),
    ];
    let seen: Vec<String> = column.seen.iter().map(|(class, n)| format!("{} {class}", count(*n))).collect();
    if column.filled.is_some() {
        lines.push(line("seen", if seen.is_empty() { "no value".into() } else { seen.join(", ") }.as_str()));
    }
    // The range of the numbers among texts would look like the range of all.
    let ordered = !matches!(column.ty.as_str(), "text" | "json");
    if let (Some(min), Some(max), true) = (&column.min, &column.max, ordered) {
        lines.push(line("range", &format!("{min} to {max}")));
    }
    if let Some(bytes) = column.max_bytes {
        lines.push(line("longest", &format!("{} bytes", count(bytes))));
    }
    lines.push(match &column.forced_by {
        Some(place) => line("forced by", place),
        None => line("why", &column.why),
    });
    for open in explanation.undecided.iter().filter(|open| open.path == column.path) {
        lines.push(line("undecided", &format!("{}, {}", open.question, open.chosen)));
        lines.push(line("", &format!("--hint {}", shell(&open.hint))));
    }
    lines.iter().map(|line| clean(line) + "\n").collect()
}

fn filled(column: &ColumnReport) -> String {
    let Some(filled) = column.filled else { return "not counted".into() };
    format!("{} of {} records ({})", count(filled), count(column.records), percent(filled, column.records))
}

fn line(label: &str, text: &str) -> String {
    format!("  {label:<9}  {text}")
}

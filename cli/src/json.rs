//! `--json`: one object, with the keys that the manual names, in that order.

use longshore::load::{Counts, KeptGroup, KeptRecord};
use longshore::plan::Statement;
use longshore::records::{Dialect as Separators, Escape, Format, LineEnd};
use longshore::schema::Undecided;
use longshore::{
    ColumnReport, Dialect, Error, ErrorKind, Explanation, LoadReport, Path, Plan, Promotion, Quarantined, ReplayReport,
    Schema, Sketch, StreamTotals,
};
use serde::Serialize;

use crate::evidence::{Evidence, bad_records, format_of_first, is_nullable};
use crate::load::{Kept, folder};

fn text(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// How a CSV input separates its cells.
#[derive(Serialize)]
struct DialectJson {
    delimiter: char,
    quote: Option<char>,
    escape: Escape,
    line_end: LineEnd,
    header: bool,
    /// Titles and blank lines in front of it, which are no records.
    lines_before: u64,
}

fn dialect(format: Option<&Format>) -> Option<DialectJson> {
    let Some(Format::Csv(layout)) = format else { return None };
    let Separators { delimiter, quote, escape, line_end, header } = layout.dialect;
    let quote = quote.map(char::from);
    Some(DialectJson { delimiter: delimiter.into(), quote, escape, line_end, header, lines_before: layout.preamble })
}

#[derive(Serialize)]
struct ColumnJson {
    path: String,
    name: String,
    #[serde(rename = "type")]
    ty: String,
    nullable: bool,
    why: String,
    /// The path as it is made up: text alone does not tell a key with a dot from a nested one.
    keys: Vec<String>,
    filled: Option<u64>,
    max_bytes: Option<u64>,
}

fn columns(schema: &Schema, sketch: &Sketch) -> Vec<ColumnJson> {
    let reports = Explanation::of(schema, sketch).columns;
    let column = |(report, path): (ColumnReport, &Path)| ColumnJson {
        nullable: is_nullable(&report),
        path: report.path,
        name: report.name,
        ty: report.ty,
        why: report.why,
        keys: path.keys().to_vec(),
        filled: report.filled,
        max_bytes: report.max_bytes,
    };
    reports.into_iter().zip(schema.columns.iter().map(|column| &column.path)).map(column).collect()
}

#[derive(Serialize)]
struct SourceJson<'a> {
    name: &'a str,
    format: Option<&'a str>,
    dialect: Option<DialectJson>,
    records: u64,
    quarantined: u64,
}

fn sources(sketch: &Sketch) -> Vec<SourceJson<'_>> {
    let source = |source: &'_ longshore::sketch::SourceEvidence| (source.records, source.bad);
    let of = sketch.sources().iter().map(|evidence| {
        let (records, quarantined) = source(evidence);
        SourceJson {
            name: &evidence.name,
            format: evidence.format.as_ref().map(Format::as_str),
            dialect: dialect(evidence.format.as_ref()),
            records,
            quarantined,
        }
    });
    of.collect()
}

#[derive(Serialize)]
struct InferJson<'a> {
    format: Option<&'a str>,
    dialect: Option<DialectJson>,
    records: u64,
    columns: Vec<ColumnJson>,
    quarantined: Vec<Quarantined>,
    quarantined_count: u64,
    undecided: &'a [Undecided],
    duplicate_keys: u64,
    sources: Vec<SourceJson<'a>>,
    warnings: &'a [String],
}

pub(crate) fn infer(evidence: &Evidence, schema: &Schema) -> String {
    let sketch = &evidence.sketch;
    let format = format_of_first(sketch, &evidence.first);
    text(&InferJson {
        format: format.map(Format::as_str),
        dialect: dialect(format),
        records: sketch.records(),
        columns: columns(schema, sketch),
        quarantined: bad_records(sketch),
        quarantined_count: sketch.bad().count(),
        undecided: &schema.undecided,
        duplicate_keys: sketch.duplicate_keys().0,
        sources: sources(sketch),
        warnings: &evidence.warnings,
    })
}

#[derive(Serialize)]
struct ExplainJson<'a> {
    format: Option<&'a str>,
    records: u64,
    #[serde(flatten)]
    explanation: &'a Explanation,
}

pub(crate) fn explain(evidence: &Evidence, explanation: &Explanation) -> String {
    let format = format_of_first(&evidence.sketch, &evidence.first).map(Format::as_str);
    text(&ExplainJson { format, records: evidence.sketch.records(), explanation })
}

#[derive(Serialize)]
struct DdlJson<'a> {
    dialect: Dialect,
    table: &'a str,
    sql: String,
    statements: &'a [Statement],
    warnings: &'a [String],
}

pub(crate) fn ddl(plan: &Plan, dialect: Dialect, table: &str, warnings: &[String]) -> String {
    text(&DdlJson { dialect, table, sql: plan.to_string(), statements: &plan.statements, warnings })
}

#[derive(Serialize)]
struct LoadJson<'a> {
    read: u64,
    loaded: u64,
    quarantined: u64,
    deduplicated: u64,
    bytes: u64,
    seconds: f64,
    table: &'a str,
    load_id: &'a str,
    columns: Vec<ColumnJson>,
    already_loaded: bool,
    target: &'a str,
    folder: Option<String>,
    first_quarantined: &'a [Quarantined],
    undecided: &'a [Undecided],
    sources: Vec<SourceJson<'a>>,
    warnings: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<&'a Kept>,
}

pub(crate) fn load(report: &LoadReport, target: &str, server: Option<&Kept>) -> String {
    text(&LoadJson {
        read: report.counts.read,
        loaded: report.counts.loaded,
        quarantined: report.counts.quarantined,
        deduplicated: report.counts.deduplicated,
        bytes: report.bytes,
        seconds: report.seconds,
        table: &report.table,
        load_id: &report.load_id,
        columns: columns(&report.schema, &report.sketch),
        already_loaded: report.already_loaded,
        target,
        folder: folder(report),
        first_quarantined: &report.first_quarantined,
        undecided: &report.schema.undecided,
        sources: sources(&report.sketch),
        warnings: &report.warnings,
        server,
    })
}

#[cfg(feature = "redshift")]
#[derive(Serialize)]
struct StageJson<'a> {
    read: u64,
    staged: u64,
    quarantined: u64,
    bytes: u64,
    seconds: f64,
    table: &'a str,
    load_id: &'a str,
    columns: Vec<ColumnJson>,
    already_staged: bool,
    script: &'a str,
    changes: Option<&'a str>,
    manifest: Option<&'a str>,
    files: Vec<StagedFileJson<'a>>,
    quarantine: Option<&'a str>,
    first_quarantined: &'a [Quarantined],
    undecided: &'a [Undecided],
    sources: Vec<SourceJson<'a>>,
    warnings: &'a [String],
}

#[cfg(feature = "redshift")]
#[derive(Serialize)]
struct StagedFileJson<'a> {
    url: &'a str,
    bytes: u64,
}

#[cfg(feature = "redshift")]
pub(crate) fn stage(report: &LoadReport, staged: &longshore::load::StagedLoad) -> String {
    text(&StageJson {
        read: report.counts.read,
        staged: report.counts.loaded,
        quarantined: report.counts.quarantined,
        bytes: report.bytes,
        seconds: report.seconds,
        table: &report.table,
        load_id: &report.load_id,
        columns: columns(&report.schema, &report.sketch),
        already_staged: report.already_loaded,
        script: &staged.script,
        changes: staged.changes.as_deref(),
        manifest: staged.manifest.as_deref(),
        files: staged.files.iter().map(|(url, bytes)| StagedFileJson { url, bytes: *bytes }).collect(),
        quarantine: staged.quarantine.as_deref(),
        first_quarantined: &report.first_quarantined,
        undecided: &report.schema.undecided,
        sources: sources(&report.sketch),
        warnings: &report.warnings,
    })
}

#[derive(Serialize)]
struct MergeJson {
    sketches: usize,
    sources: usize,
    records: u64,
    fields: usize,
}

pub(crate) fn merge(merged: &Sketch, sketches: usize) -> String {
    let (sources, fields) = (merged.sources().len(), merged.fields().len());
    text(&MergeJson { sketches, sources, records: merged.records(), fields })
}

#[derive(Serialize)]
struct StreamJson {
    read: u64,
    loaded: u64,
    quarantined: u64,
    deduplicated: u64,
    batches: u64,
    skipped: u64,
    stopped: bool,
}

pub(crate) fn stream(totals: &StreamTotals, stopped: bool) -> String {
    let Counts { read, loaded, quarantined, deduplicated } = totals.counts;
    let (batches, skipped) = (totals.commits, totals.skipped);
    text(&StreamJson { read, loaded, quarantined, deduplicated, batches, skipped, stopped })
}

#[derive(Serialize)]
struct PromotionJson<'a> {
    path: &'a str,
    column: &'a str,
    r#type: String,
    rows: u64,
    altered: &'a [String],
}

#[derive(Serialize)]
struct PromotionsJson<'a> {
    promoted: Vec<PromotionJson<'a>>,
}

pub(crate) fn promote(paths: &[String], promoted: &[Promotion]) -> String {
    let both = paths.iter().zip(promoted);
    let promoted = both.map(|(path, Promotion { column, ty, rows, altered })| PromotionJson {
        path,
        column,
        r#type: ty.to_string(),
        rows: *rows,
        altered,
    });
    text(&PromotionsJson { promoted: promoted.collect() })
}

#[derive(Serialize)]
struct GroupsJson<'a> {
    records: u64,
    groups: &'a [KeptGroup],
}

pub(crate) fn quarantine(groups: &[KeptGroup]) -> String {
    text(&GroupsJson { records: groups.iter().map(|group| group.records).sum(), groups })
}

#[derive(Serialize)]
struct KeptJson<'a> {
    id: &'a str,
    source: &'a str,
    line: u64,
    byte: u64,
    path: Option<&'a str>,
    reason: &'a str,
    load_id: &'a str,
    schema_version: Option<&'a str>,
    quarantined_at: &'a str,
    replayed_by: Option<&'a str>,
    moved_to: Option<&'a str>,
    raw_bytes: u64,
    /// The bytes, where they are text.
    raw: Option<&'a str>,
    /// The bytes in hexadecimal digits, where they are not.
    raw_hex: Option<String>,
}

pub(crate) fn kept(record: &KeptRecord) -> String {
    let raw = std::str::from_utf8(&record.raw).ok();
    let hex = || record.raw.iter().map(|byte| format!("{byte:02x}")).collect();
    text(&KeptJson {
        id: &record.id,
        source: &record.source,
        line: record.line,
        byte: record.byte,
        path: record.path.as_deref(),
        reason: &record.reason,
        load_id: &record.load_id,
        schema_version: record.schema_version.as_deref(),
        quarantined_at: &record.quarantined_at,
        replayed_by: record.replayed_by.as_deref(),
        moved_to: record.moved_to.as_deref(),
        raw_bytes: record.raw_bytes,
        raw,
        raw_hex: raw.is_none().then(hex),
    })
}

#[derive(Serialize)]
struct ReplayJson<'a> {
    tried: u64,
    loaded: u64,
    deduplicated: u64,
    left: u64,
    left_because: &'a std::collections::BTreeMap<String, u64>,
    load_ids: &'a [String],
    altered: &'a [String],
}

pub(crate) fn replay(report: &ReplayReport) -> String {
    let ReplayReport { tried, loaded, deduplicated, left, left_because, load_ids, altered } = report;
    let deduplicated = *deduplicated;
    text(&ReplayJson { tried: *tried, loaded: *loaded, deduplicated, left: *left, left_because, load_ids, altered })
}

#[derive(Serialize)]
struct ErrorJson {
    error: ErrorBody,
}

#[derive(Serialize)]
struct ErrorBody {
    kind: &'static str,
    message: String,
    source: Option<String>,
    line: Option<u64>,
    byte: Option<u64>,
    column: Option<String>,
    hint: Option<String>,
}

/// An error; `redact` takes secrets out of every text.
pub(crate) fn error(error: &Error, redact: impl Fn(&str) -> String) -> String {
    let kind = match error.kind() {
        ErrorKind::Config => "usage",
        kind => kind.as_str(),
    };
    let place = error.location().cloned().unwrap_or_default();
    text(&ErrorJson {
        error: ErrorBody {
            kind,
            message: redact(error.message()),
            source: place.source.as_deref().map(&redact),
            line: place.line,
            byte: place.byte,
            column: place.column,
            hint: error.hint().map(&redact),
        },
    })
}

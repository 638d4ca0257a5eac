//! What the commands have in common: finding the inputs, reading them or a sketch, and telling about both.

use std::fmt::Write;
use std::io::IsTerminal;
use std::path::Path;

use longshore::records::{Escape, Fault, Format, LineEnd};
use longshore::{
    ColumnReport, Encoding, Error, ErrorKind, Explanation, Inference, Quarantined, Schema, Sketch, Source,
};
use longshore::{Watch, schema::Undecided};

use crate::args;
use crate::exit::{DATA, Failure, NO_INPUT};
use crate::output::{count, counted, percent, shell, table};
use crate::progress::Bar;

/// How many quarantined records people are shown.
const SHOWN: usize = 5;

/// What a command knows of its input.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) sketch: Sketch,
    /// The name of the first input, as it was given.
    pub(crate) first: String,
    pub(crate) warnings: Vec<String>,
}

impl Evidence {
    /// Reads the input, or the sketch in its place.
    pub(crate) fn read(args: &args::Evidence, files: &[impl AsRef<Path>], quiet: bool) -> Result<Evidence, Failure> {
        if let Some(path) = &args.sketch {
            if !files.is_empty() {
                return Err(Error::config("both a sketch and an input are given")
                    .with_hint("leave out the files, or `--sketch`")
                    .into());
            }
            let sketch = read_sketch(path)?;
            let first = sketch.sources().first().map(|source| source.name.clone()).unwrap_or_default();
            return Ok(Evidence { sketch, first, warnings: Vec::new() });
        }
        let source = source(files, args.input.encoding())?;
        let watch = Watch::default();
        let bar = Bar::show(&source, &watch, 1, quiet);
        let Inference { sketch, warnings, .. } = Inference::of(&source, &args.input.options(watch))?;
        drop(bar);
        Ok(Evidence { sketch, first: source.name(0).to_string(), warnings })
    }
}

/// The inputs that the arguments name.
pub(crate) fn source(files: &[impl AsRef<Path>], encoding: Encoding) -> Result<Source, Failure> {
    let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
    let is_stdin = |file: &&Path| file.as_os_str() == "-";
    let source = match files.as_slice() {
        [] if std::io::stdin().is_terminal() => {
            return Err(Error::config("there is no input").with_hint("name a file, or pipe data in").into());
        }
        [] => Source::stdin(),
        [file] if is_stdin(file) => Source::stdin(),
        files if files.iter().any(is_stdin) => {
            return Err(Error::config("standard input cannot be read together with files")
                .with_hint("give `-` alone, or the files alone")
                .into());
        }
        files => Source::paths(expand(files)?),
    };
    source.check().map_err(Failure::of_input)?;
    Ok(source.encoding(encoding))
}

/// The files, with patterns that the shell has left as they are replaced by what they match.
fn expand(files: &[&Path]) -> Result<Vec<std::path::PathBuf>, Failure> {
    let mut paths = Vec::new();
    for file in files {
        let text = file.to_string_lossy();
        if let Some((scheme, _)) = text.split_once("://").filter(|(scheme, _)| !scheme.contains('/')) {
            // The rest of it may hold a password.
            let message = format!("an input is a `{scheme}` URL, and only files and standard input can be read");
            let hint = "download it first, or pipe it in; the warehouse goes behind `--to`";
            return Err(Error::new(ErrorKind::Unsupported, message).with_hint(hint).into());
        }
        if text.contains(['*', '?', '[']) && !file.exists() {
            let found = Source::glob(&text);
            found.check().map_err(Failure::of_input)?;
            paths.extend((0..found.len()).filter_map(|i| found.path_of(i)).map(Path::to_path_buf));
        } else {
            paths.push(file.to_path_buf());
        }
    }
    Ok(paths)
}

/// Reads a sketch file.
pub(crate) fn read_sketch(path: &Path) -> Result<Sketch, Failure> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|cause| {
        Failure::with_code(Error::io("cannot read the sketch", cause).in_source(name.as_str()), NO_INPUT)
    })?;
    Sketch::from_bytes(&bytes).map_err(|error| {
        let error = match error.kind() {
            ErrorKind::Syntax => error.with_hint("a sketch is what `longshore infer -w FILE` writes"),
            _ => error,
        };
        Failure::with_code(error.in_source(name), DATA)
    })
}

/// Writes a sketch file.
pub(crate) fn write_sketch(path: &Path, sketch: &Sketch) -> Result<(), Failure> {
    let written = crate::whole::write(path, &sketch.to_bytes());
    written.map_err(|cause| Error::io("cannot write the sketch", cause).in_source(path.display().to_string()).into())
}

/// The format of the first input.
pub(crate) fn format_of_first<'a>(sketch: &'a Sketch, first: &str) -> Option<&'a Format> {
    sketch.sources().iter().find(|source| source.name == first)?.format.as_ref()
}

/// The records that were none, by place.
pub(crate) fn bad_records(sketch: &Sketch) -> Vec<Quarantined> {
    let listed = sketch.bad().first().iter().map(|(position, reason)| Quarantined {
        source: sketch.source_name(*position).to_string(),
        line: position.line,
        byte: position.offset,
        path: None,
        reason: reason.clone(),
    });
    listed.collect()
}

/// The inputs and their formats, for people.
pub(crate) fn describe_inputs(sketch: &Sketch) -> String {
    let mut text = String::new();
    let sources = sketch.sources();
    for source in sources.iter().take(SHOWN) {
        let format = source.format.as_ref().map_or_else(|| "format unknown".to_string(), describe_format);
        let _ = writeln!(text, "{}: {format}", crate::output::clean(&source.name));
    }
    if sources.len() > SHOWN {
        let _ = writeln!(text, "and {} more inputs", sources.len() - SHOWN);
    }
    text
}

/// `csv, delimiter `;`, no quotes, no header`.
fn describe_format(format: &Format) -> String {
    let Format::Csv(layout) = format else { return format.as_str().to_string() };
    let dialect = &layout.dialect;
    let show = |byte: u8| match byte {
        b'\t' => "tab".to_string(),
        byte => format!("`{}`", char::from(byte)),
    };
    let mut text = format!("csv, delimiter {}", show(dialect.delimiter));
    match dialect.quote {
        Some(quote) => text.push_str(&format!(", quote {}", show(quote))),
        None => text.push_str(", no quotes"),
    }
    if dialect.escape == Escape::Backslash {
        text.push_str(", escaped by backslash");
    }
    if dialect.line_end == LineEnd::CarriageReturn {
        text.push_str(", lines end in CR");
    }
    text.push_str(if dialect.header { ", header" } else { ", no header" });
    match layout.preamble {
        0 => {}
        lines => text.push_str(&format!(", {} before it", counted(lines, "line"))),
    }
    text
}

/// The columns, for people.
pub(crate) fn describe_columns(schema: &Schema, sketch: &Sketch) -> String {
    let columns = Explanation::of(schema, sketch).columns;
    if columns.is_empty() {
        return "no columns\n".to_string();
    }
    let alone = sketch.sources().len() == 1;
    // The path is what hints take, the name what the table has; often they are one.
    let renamed = columns.iter().any(|column| column.path != column.name);
    let cells = |column: &ColumnReport| {
        let mut cells = vec![column.path.clone()];
        cells.extend(renamed.then(|| column.name.clone()));
        cells.push(column.ty.clone());
        cells.push(if is_nullable(column) { "null" } else { "" }.to_string());
        cells.push(column.filled.map_or_else(|| "not counted".into(), |filled| percent(filled, column.records)));
        cells.push(why(column, alone));
        cells
    };
    let head: Vec<&str> =
        ["column"].into_iter().chain(renamed.then_some("name")).chain(["type", "null", "filled", "why"]).collect();
    table(&head, &["filled"], &columns.iter().map(cells).collect::<Vec<_>>())
}

/// Whether some record had no value, as the data shows; a table's own column may take NULL all the same.
pub(crate) fn is_nullable(column: &ColumnReport) -> bool {
    column.filled.is_none_or(|filled| filled < column.records)
}

/// The reason; with one input, its name need not be said for each column.
fn why(column: &ColumnReport, alone: bool) -> String {
    let place = column.forced_by.as_ref().filter(|_| alone);
    let short = place.and_then(|place| {
        let line = place.rsplit_once(" (byte ")?.0.rsplit_once(':')?.1;
        Some(format!("{}line {line}", column.why.strip_suffix(place.as_str())?))
    });
    short.unwrap_or_else(|| column.why.clone())
}

/// The first quarantined records, for people; nothing if there are none.
pub(crate) fn describe_quarantined(first: &[Quarantined], total: u64) -> String {
    if total == 0 {
        return String::new();
    }
    let mut text = format!("\nquarantined: {}\n", counted(total, "record"));
    for bad in first.iter().take(SHOWN) {
        let column = bad.path.as_ref().map(|path| format!("column `{path}`: ")).unwrap_or_default();
        let line = format!("{}:{} (byte {}): {column}{}", bad.source, bad.line, bad.byte, bad.reason);
        let _ = writeln!(text, "  {}", crate::output::clean(&line));
    }
    let shown = first.len().min(SHOWN) as u64;
    if total > shown && shown > 0 {
        let _ = writeln!(text, "  and {} more", count(total - shown));
    }
    if first.iter().any(|bad| bad.reason == Fault::InvalidUtf8.to_string()) {
        text.push_str("  hint: if the input is Latin-1, say so with --encoding latin1\n");
    }
    text
}

/// What the data did not settle, each with the hint that does; nothing if all is settled.
pub(crate) fn describe_undecided(undecided: &[Undecided]) -> String {
    if undecided.is_empty() {
        return String::new();
    }
    let row = |open: &Undecided| {
        let what = format!("{}, {}", open.question, open.chosen);
        vec![format!("  {}", open.path), what, format!("--hint {}", shell(&open.hint))]
    };
    let rows: Vec<Vec<String>> = undecided.iter().map(row).collect();
    format!("\n{}", table(&["undecided", "the data does not say, so", "to settle it"], &[], &rows))
}

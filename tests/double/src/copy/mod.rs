//! `COPY`, carried out by the double: the manifest, the objects, their checks, and the rows into the backing server.

mod convert;
mod csv;
mod json;
mod manifest;
mod parquet;
mod row;
mod semi;
mod value;

use std::io;

use crate::backend::Backend;
use crate::catalog::{Catalog, TableColumn, columns};
use crate::faults::{Fault, Faults};
use crate::refusal::Refusal;
use crate::s3::Store;
use crate::session::Stop;
use crate::sql::copy::{Compression, Copy, Format, Json};
use crate::sql::name::{backing, literal, quote};
use crate::sql::types::{SCHEMA, Type};
pub(crate) use manifest::Entry;
use row::Line;

/// The longest row of any source, in bytes.
const LONGEST_ROW: usize = 4 << 20;

/// What a COPY works with.
pub(crate) struct Context<'a> {
    pub(crate) backend: &'a mut Backend,
    pub(crate) catalog: &'a Catalog,
    pub(crate) store: &'a Store,
    pub(crate) faults: &'a Faults,
    /// The number of the statement, for the system tables.
    pub(crate) query: u64,
    pub(crate) session: u32,
    /// Whether strings may be longer than 65,535 bytes.
    pub(crate) large_strings: bool,
}

/// Why a row could not be loaded; a line of `stl_load_errors`.
#[derive(Debug, Clone)]
pub(crate) struct BadRow {
    pub(crate) code: u32,
    pub(crate) reason: String,
    /// The column, if one is at fault.
    pub(crate) column: Option<usize>,
    pub(crate) value: String,
}

impl BadRow {
    fn new(code: u32, reason: impl Into<String>) -> Self {
        BadRow { code, reason: reason.into(), column: None, value: String::new() }
    }

    fn at(self, column: usize, value: &str) -> Self {
        BadRow { column: Some(column), value: value.to_owned(), ..self }
    }
}

/// What one object gave: rows in the text form of the backing server's COPY, and the rows that are bad, with line and
/// text.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) rows: Vec<Line>,
    pub(crate) bad: Vec<(u64, String, BadRow)>,
}

/// Runs a COPY in the session's transaction. Gives the number of rows.
pub(crate) fn run(copy: &Copy, context: &mut Context<'_>) -> Result<u64, Stop> {
    let table = columns(context.backend, &copy.table)??;
    let targets = targets(copy, &table)?;
    tamper(copy, context)?;
    let mut entries = manifest::entries(copy, context.store)?;
    if copy.manifest && context.faults.take(&Fault::DuplicateEntry) {
        entries.push(entries[0].clone());
    }
    if context.faults.take(&Fault::CutInCopy) {
        return cut(copy, context, &targets, &entries);
    }
    let done = load(copy, context, &targets, &entries, entries.len())?;
    if context.faults.take(&Fault::StallAfterCopy) {
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
    if context.faults.take(&Fault::CutAfterCopy) {
        return Err(Stop::Cut);
    }
    Ok(done)
}

/// What happens to objects between their staging and the COPY.
fn tamper(copy: &Copy, context: &Context<'_>) -> Result<(), Refusal> {
    let first = || manifest::entries(copy, context.store).map(|entries| entries[0].url.clone());
    if copy.manifest && context.faults.take(&Fault::MissingObject) {
        context.store.remove(&first()?)?;
    }
    if copy.manifest && context.faults.take(&Fault::OverwrittenObject) {
        let url = first()?;
        let longer = [context.store.read(&url)?, b"longer".to_vec()].concat();
        context.store.write(&url, &longer)?;
    }
    Ok(())
}

/// The client goes away: inside of a block everything is rolled back, outside of one the COPY goes on.
fn cut(copy: &Copy, context: &mut Context<'_>, targets: &[TableColumn], entries: &[Entry]) -> Result<u64, Stop> {
    let half = if context.backend.in_block() { entries.len().div_ceil(2) } else { entries.len() };
    load(copy, context, targets, entries, half)?;
    Err(Stop::Cut)
}

/// The columns that the file's columns go to, in the file's order.
fn targets(copy: &Copy, table: &[TableColumn]) -> Result<Vec<TableColumn>, Refusal> {
    let explicit = copy.has("explicit_ids");
    let Some(names) = &copy.columns else {
        if explicit {
            return Err(Refusal::internal("EXPLICIT_IDS needs the IDENTITY column in a list of columns"));
        }
        // The server numbers IDENTITY columns itself.
        return Ok(table.iter().filter(|column| column.identity.is_empty()).cloned().collect());
    };
    let mut found: Vec<TableColumn> = Vec::new();
    for name in names {
        let column = table.iter().find(|column| column.name == *name).ok_or_else(|| {
            Refusal::new("42703", format!("column \"{name}\" of relation \"{}\" does not exist", copy.table.name))
        })?;
        if found.iter().any(|other| other.number == column.number) {
            return Err(Refusal::new("42701", format!("column \"{name}\" specified more than once")));
        }
        if column.identity == "a" && !explicit {
            return Err(Refusal::internal(format!("cannot set an identity column to a value: {name}")));
        }
        found.push(column.clone());
    }
    let left = |column: &&TableColumn| column.not_null && !column.has_default && column.identity.is_empty();
    if let Some(column) = table.iter().filter(left).find(|column| !names.contains(&column.name)) {
        return Err(Refusal::internal(format!("Cannot COPY: NOT NULL column {} is not in the list", column.name)));
    }
    Ok(found)
}

/// Loads the first `limit` entries.
fn load(
    copy: &Copy,
    context: &mut Context<'_>,
    targets: &[TableColumn],
    entries: &[Entry],
    limit: usize,
) -> Result<u64, Stop> {
    let names: Vec<String> = targets.iter().map(|column| quote(&backing(&column.name))).collect();
    let identity = if copy.has("explicit_ids") { "OVERRIDING" } else { "" };
    if !identity.is_empty() {
        return Err(Refusal::double_lacks("EXPLICIT_IDS").into());
    }
    let sql = format!("COPY {} ({}) FROM STDIN", copy.table.backing(), names.join(", "));
    let (mut count, mut errors, mut files) = (0_u64, 0_usize, Vec::new());
    let catalog = context.catalog.clone();
    let (store, query, session, large) = (context.store, context.query, context.session, context.large_strings);
    let spoiled = context.faults.bad_rows();
    let fed = context.backend.copy_in(&sql, |write| {
        for entry in entries.iter().take(limit) {
            let loaded = object(copy, store, targets, entry, large).and_then(|loaded| match &spoiled {
                Some(text) => spoil(copy, loaded, text),
                None => Ok(loaded),
            });
            let loaded = match loaded {
                Ok(loaded) => loaded,
                Err(refusal) => {
                    log_spectrum(&catalog, query, &refusal)?;
                    return Ok(Err(refusal));
                }
            };
            for (line, text, bad) in &loaded.bad {
                log_bad(&catalog, query, session, copy, targets, entry, *line, text, bad)?;
            }
            errors += loaded.bad.len();
            if errors >= copy.max_errors() {
                return Ok(Err(failed(copy)));
            }
            for rows in loaded.rows.chunks(1000) {
                write(&rows.iter().flat_map(|row| row.bytes.iter().copied()).collect::<Vec<u8>>())?;
            }
            count += loaded.rows.len() as u64;
            files.push((entry.url.clone(), loaded.rows.len(), entry.size));
        }
        Ok(if copy.has("noload") { Err(Refusal::new("NOLOAD", "")) } else { Ok(()) })
    })?;
    match fed {
        Err(refusal) if refusal.code == "NOLOAD" => return Err(Refusal::double_lacks("NOLOAD").into()),
        other => other?,
    }
    for (url, rows, size) in files {
        catalog.run(&format!(
            "INSERT INTO {SCHEMA}.loads (query, session, relname, data_source, file_format, filename, lines, bytes) \
             VALUES ({query}, {session}, {}, {}, '{}', {}, {rows}, {size})",
            literal(&copy.table.name),
            literal(&copy.from),
            format!("{:?}", copy.format).to_lowercase(),
            literal(&url)
        ))?;
    }
    Ok(count)
}

fn failed(copy: &Copy) -> Refusal {
    let table = &copy.table.name;
    Refusal::internal(format!("Load into table '{table}' failed.  Check 'stl_load_errors' system table for details."))
}

/// Has the rows be bad that hold a text. Of a columnar file one ends the load, and nobody is told which.
fn spoil(copy: &Copy, mut loaded: Loaded, text: &str) -> Result<Loaded, Refusal> {
    let is_bad = |row: &Line| row.bytes.windows(text.len()).any(|part| part == text.as_bytes());
    if copy.format == Format::Parquet {
        return match loaded.rows.iter().any(is_bad) {
            true => Err(Refusal::internal("Spectrum Scan Error")
                .with_detail("error:  Spectrum Scan Error\n code:      15007\n context:   a value that is refused")),
            false => Ok(loaded),
        };
    }
    for (at, row) in std::mem::take(&mut loaded.rows).into_iter().enumerate() {
        match is_bad(&row) {
            true => {
                let shown = String::from_utf8_lossy(&row.bytes).into_owned();
                loaded.bad.push((at as u64 + 1, shown, BadRow::new(1204, "a value that is refused").at(0, text)));
            }
            false => loaded.rows.push(row),
        }
    }
    Ok(loaded)
}

/// The rows of one object.
fn object(copy: &Copy, store: &Store, targets: &[TableColumn], entry: &Entry, large: bool) -> Result<Loaded, Refusal> {
    let bytes = store.read(&entry.url)?;
    match copy.format {
        Format::Parquet => parquet::rows(copy, targets, entry, bytes, large),
        Format::Csv => csv::rows(copy, targets, &decompressed(copy, bytes)?, large),
        Format::Json(Json::Paths) => Err(Refusal::double_lacks("jsonpaths files")),
        Format::Json(json) => json::rows(copy, json, targets, &decompressed(copy, bytes)?, large),
        Format::Other => Err(Refusal::double_lacks("this format")),
    }
}

fn decompressed(copy: &Copy, bytes: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    let mut plain = Vec::new();
    let bad = |error: io::Error| Refusal::internal("Problem reading compressed file").with_detail(error.to_string());
    match copy.compression {
        None => return Ok(bytes),
        Some(Compression::Gzip) => {
            io::copy(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut plain).map_err(bad)?;
        }
        Some(Compression::Zstd) => {
            zstd::stream::copy_decode(&bytes[..], &mut plain).map_err(bad)?;
        }
        Some(Compression::Other) => return Err(Refusal::double_lacks("BZIP2 and LZOP")),
    }
    Ok(plain)
}

/// Spectrum's messages are longer in its log than in the error.
fn log_spectrum(catalog: &Catalog, query: u64, refusal: &Refusal) -> io::Result<()> {
    match &refusal.detail {
        Some(detail) => {
            catalog.run(&format!("INSERT INTO {SCHEMA}.spectrum_log VALUES ({query}, {})", literal(detail)))
        }
        None => Ok(()),
    }
}

#[allow(clippy::too_many_arguments, reason = "a line of the log has as many columns")]
fn log_bad(
    catalog: &Catalog,
    query: u64,
    session: u32,
    copy: &Copy,
    targets: &[TableColumn],
    entry: &Entry,
    line: u64,
    text: &str,
    bad: &BadRow,
) -> io::Result<()> {
    let column = bad.column.and_then(|at| targets.get(at));
    let ty = column.map(|column| column.ty.to_string()).unwrap_or_default();
    let length = match column.map(|column| &column.ty) {
        Some(Type::Varchar(n) | Type::Char(n)) => n.to_string(),
        _ => "0".to_owned(),
    };
    // Multibyte characters are dots, and columns end where the system table's do.
    let shown = |text: &str, limit: usize| {
        let dots: String = text.chars().map(|c| if c.is_ascii() && c != '\0' { c } else { '.' }).take(limit).collect();
        literal(&dots)
    };
    catalog.run(&format!(
        "INSERT INTO {SCHEMA}.load_errors (query, session, relid, relname, filename, line_number, colname, type, col_length, \
         position, raw_line, raw_field_value, err_code, err_reason) VALUES ({query}, {session}, to_regclass({})::oid, {}, {}, {line}, \
         {}, {}, {}, 0, {}, {}, {}, {})",
        literal(&copy.table.backing()),
        literal(&copy.table.name),
        shown(&entry.url, 256),
        shown(column.map_or("", |column| &column.name), 127),
        shown(ty.split('(').next().unwrap_or(""), 10),
        literal(&length),
        shown(text, 1024),
        shown(&bad.value, 1024),
        bad.code,
        shown(&bad.reason, 100),
    ))
}

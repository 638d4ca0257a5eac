//! CSV files, and which of their rows cannot be loaded.

use super::convert::{Reading, convert};
use super::{BadRow, Loaded, row};
use crate::catalog::TableColumn;
use crate::refusal::Refusal;
use crate::sql::copy::Copy;

/// Options that the double carries out; the others would change values in silence, or need more of a server.
const KNOWN: &[&str] = &[
    "manifest",
    "gzip",
    "zstd",
    "null",
    "emptyasnull",
    "ignoreheader",
    "delimiter",
    "quote",
    "maxerror",
    "ignoreallerrors",
    "roundec",
    "timeformat",
    "dateformat",
    "compupdate",
    "statupdate",
    "encoding",
    "region",
    "fillrecord",
];

/// What the rows of a file are, one by one.
pub(crate) fn rows(copy: &Copy, targets: &[TableColumn], bytes: &[u8], large: bool) -> Result<Loaded, Refusal> {
    copy.within(KNOWN, "CSV")?;
    let one = |option: &str, default: u8| copy.value(option).and_then(|text| text.bytes().next()).unwrap_or(default);
    let skipped: usize = copy.value("ignoreheader").and_then(|n| n.parse().ok()).unwrap_or(0);
    let start = behind_lines(bytes, skipped);
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(one("delimiter", b','))
        .quote(one("quote", b'"'))
        .from_reader(&bytes[start..]);
    let mut loaded = Loaded::default();
    let mut record = ::csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|error| Refusal::internal(error.to_string()))? {
        let line = record.position().map_or(0, ::csv::Position::line) + skipped as u64;
        match one_row(copy, targets, &record, large) {
            Ok(row) => loaded.rows.push(row),
            Err(bad) => {
                let text: Vec<_> = record.iter().map(String::from_utf8_lossy).collect();
                loaded.bad.push((line, text.join(","), bad));
            }
        }
    }
    Ok(loaded)
}

fn behind_lines(bytes: &[u8], lines: usize) -> usize {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    ends.take(lines).last().unwrap_or(0)
}

fn one_row(copy: &Copy, targets: &[TableColumn], record: &::csv::ByteRecord, large: bool) -> Result<row::Line, BadRow> {
    if record.len() > targets.len() {
        return Err(BadRow::new(1202, "Extra column(s) found"));
    }
    if record.len() < targets.len() && !copy.has("fillrecord") {
        return Err(BadRow::new(1203, "Missing column(s): fewer fields than columns"));
    }
    let null = copy.value("null").unwrap_or("\\N");
    let reading =
        Reading { rounds: copy.has("roundec"), any_time: copy.value("timeformat").is_some(), large_strings: large };
    let mut values = Vec::with_capacity(targets.len());
    for (at, column) in targets.iter().enumerate() {
        let Some(bytes) = record.get(at) else {
            values.push(None);
            continue;
        };
        let text = std::str::from_utf8(bytes)
            .map_err(|_| BadRow::new(1220, "String contains invalid or unsupported UTF8 codepoints").at(at, ""))?;
        let is_text = matches!(column.ty, crate::sql::types::Type::Varchar(_) | crate::sql::types::Type::Char(_));
        let is_null = text == null || (text.is_empty() && (!is_text || copy.has("emptyasnull")));
        values.push(match is_null {
            true => None,
            false => Some(convert(text, &column.ty, reading).map_err(|bad| bad.at(at, text))?),
        });
    }
    row::line(&values, targets)
}

//! Finding an input's format from its first bytes.

mod json;

use super::csv::sniff::sniff;
use super::format::{Format, FormatOptions, Kind, Layout};
use crate::error::Result;
use json::{Lines, Look};

/// How many bytes [`detect`] looks at, at most: 1 MiB.
pub const HEAD_BYTES: usize = 1 << 20;

/// Finds the format of an input from its first bytes.
///
/// `head` holds the first bytes of the input, decompressed and decoded, without a byte-order mark; no more than
/// [`HEAD_BYTES`] of them are looked at. Invalid UTF-8 is not an error here. `complete` says that `head` is the whole input;
/// otherwise its last line may be torn. `name` is the input's name, of which only the ending is used (`.csv`, `.tsv`,
/// `.ndjson`, `.jsonl`, `.json`, also before `.gz` and `.zst`), and only where the content leaves room for doubt.
/// What `options` states is taken as given, and a delimiter means CSV.
///
/// The answer depends on the arguments alone and takes time linear in the size of `head`.
///
/// JSON is recognised by its first value: objects that each stand on a line of their own are [`Format::Ndjson`], even
/// if some lines are damaged; an array of records, an object that spans lines and objects that share a line are
/// [`Format::Json`]. Arrays that each stand on a line are [`Format::Ndjson`], whose reader will refuse them one by one.
/// Anything else is [`Format::Csv`], with the dialect under which the rows are most alike. Titles and blank lines in
/// front of the table are skipped and counted. The first record names the columns unless every one of its cells is of
/// the same kind as the column below it and not all of them are text: `1,2,3` over `4,5,6` is two records without a
/// header. Empty input is what its name says, or else [`Format::Ndjson`].
///
/// # Errors
///
/// [`ErrorKind::Config`](crate::ErrorKind::Config) for a delimiter or quote that cannot be one, and
/// [`ErrorKind::Syntax`](crate::ErrorKind::Syntax) for CSV of which not one record ends within `head`, though `head` is
/// not complete.
///
/// # Example
///
/// ```
/// use longshore::records::{Format, FormatOptions, detect};
///
/// let found = detect(b"id;zip\n1;02134\n2;10001\n", true, "shops.txt", &FormatOptions::default())?;
/// let Format::Csv(layout) = found else { panic!("found {}", found.as_str()) };
/// assert_eq!(layout.dialect.delimiter, b';');
/// assert_eq!(layout.columns, ["id", "zip"]);
/// assert_eq!(layout.body, 7);
///
/// let found = detect(b"{\"id\":1}\n{\"id\":2}\n", true, "events", &FormatOptions::default())?;
/// assert_eq!(found, Format::Ndjson);
/// # Ok::<(), longshore::Error>(())
/// ```
pub fn detect(head: &[u8], complete: bool, name: &str, options: &FormatOptions) -> Result<Format> {
    let complete = complete && head.len() <= HEAD_BYTES;
    let head = &head[..head.len().min(HEAD_BYTES)];
    let ending = Ending::of(name);
    match options.kind {
        Some(Kind::Ndjson) => return Ok(Format::Ndjson),
        Some(Kind::Json) => return Ok(Format::Json),
        Some(Kind::Csv) => return csv(head, complete, ending, options).map(Format::Csv),
        None if options.delimiter.is_some() => return csv(head, complete, ending, options).map(Format::Csv),
        None => {}
    }
    if head.trim_ascii().is_empty() {
        return match ending {
            Ending::Csv | Ending::Tsv => csv(head, complete, ending, options).map(Format::Csv),
            Ending::Json => Ok(Format::Json),
            Ending::Ndjson | Ending::Other => Ok(Format::Ndjson),
        };
    }
    match json::look(head, complete) {
        Look::Lines => Ok(Format::Ndjson),
        Look::Documents => Ok(Format::Json),
        Look::Neither(lines) => neither(head, complete, ending, &lines, options),
    }
}

/// Decides for an input that is not plainly JSON: CSV, unless the name says otherwise and the content allows it.
fn neither(head: &[u8], complete: bool, ending: Ending, lines: &Lines, options: &FormatOptions) -> Result<Format> {
    let as_named = if ending == Ending::Json { Format::Json } else { Format::Ndjson };
    match ending {
        Ending::Csv | Ending::Tsv => return csv(head, complete, ending, options).map(Format::Csv),
        Ending::Json | Ending::Ndjson if lines.objects() > 0 => return Ok(Format::Ndjson),
        // One endless line: no CSV header could be had from it, and as a line it is one bad record.
        Ending::Other if !complete && memchr::memchr2(b'\n', b'\r', head).is_none() => return Ok(Format::Ndjson),
        _ => {}
    }
    match csv(head, complete, ending, options) {
        Ok(layout) if ending == Ending::Other || layout.columns.len() > 1 => Ok(Format::Csv(layout)),
        Err(error) if ending == Ending::Other => Err(error),
        _ => Ok(as_named),
    }
}

fn csv(head: &[u8], complete: bool, ending: Ending, options: &FormatOptions) -> Result<Layout> {
    sniff(head, complete, (ending == Ending::Tsv).then_some(b'\t'), options)
}

/// What the ending of a name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Csv,
    Tsv,
    Ndjson,
    Json,
    Other,
}

impl Ending {
    fn of(name: &str) -> Ending {
        let name = name.to_ascii_lowercase();
        let packed = [".gz", ".gzip", ".zst", ".zstd"].iter().find_map(|ending| name.strip_suffix(ending));
        match packed.unwrap_or(&name).rsplit_once('.').map(|(_, ending)| ending) {
            Some("csv") => Ending::Csv,
            Some("tsv" | "tab") => Ending::Tsv,
            Some("ndjson" | "jsonl" | "ldjson") => Ending::Ndjson,
            Some("json") => Ending::Json,
            _ => Ending::Other,
        }
    }
}

#[cfg(test)]
mod tests;

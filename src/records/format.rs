//! What an input looks like: its format, and for CSV its dialect and header.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How a quote is written inside a quoted cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Escape {
    /// Written twice: `"say ""hi"""` (RFC 4180).
    #[default]
    Doubled,
    /// Behind a backslash: `"say \"hi\""`. A doubled quote is understood too.
    Backslash,
}

/// What ends a record outside quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineEnd {
    /// `\n`, or `\r\n`; both may occur in one file. A lone `\r` is data.
    #[default]
    Newline,
    /// `\r` alone, as old Macs wrote.
    CarriageReturn,
}

/// How a CSV file separates and quotes its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// Between cells; one byte, `,` by default.
    pub delimiter: u8,
    /// Around cells that hold separators; `"` by default, `None` when nothing is quoted.
    pub quote: Option<u8>,
    /// How a quote is written inside quotes.
    pub escape: Escape,
    /// What ends a record.
    pub line_end: LineEnd,
    /// Whether the first record names the columns.
    pub header: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Dialect {
            delimiter: b',',
            quote: Some(b'"'),
            escape: Escape::Doubled,
            line_end: LineEnd::Newline,
            header: true,
        }
    }
}

/// The layout of one CSV input.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Layout {
    /// Separators and quotes.
    pub dialect: Dialect,
    /// The columns' names as the header has them (unquoted, unescaped, BOM removed), or `column_1`, `column_2`, …
    /// without one. Equal names stay equal here.
    pub columns: Vec<String>,
    /// Byte offset at which the data records begin: behind the preamble and the header.
    pub body: u64,
    /// How many empty cells a row may have behind the header's last: as many as the usual row has, 0 in a regular file.
    /// Without that habit a cell too many means that a delimiter slipped in, and all cells behind it are in the wrong
    /// column.
    #[serde(default)]
    pub surplus: u32,
    /// How many lines stand before the header and are neither header nor data (titles, blank lines).
    pub preamble: u64,
    /// How many of these rows hold something.
    #[serde(skip)]
    pub titles: u64,
}

/// The format of one input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Format {
    /// One JSON object a line.
    Ndjson,
    /// JSON documents: one array of records, or objects one after another over any number of lines.
    Json,
    /// Delimited text.
    Csv(Layout),
}

impl Format {
    /// `ndjson`, `json` or `csv`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Format::Ndjson => "ndjson",
            Format::Json => "json",
            Format::Csv(_) => "csv",
        }
    }

    /// The whole of it as JSON text, which serde reads back.
    #[cfg(any(feature = "postgres", feature = "parquet"))]
    pub(crate) fn written(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What the user says about the format, in place of looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FormatOptions {
    /// The format, or `None` to look at the data.
    pub kind: Option<Kind>,
    /// The CSV delimiter, or `None` to look at the data. Giving one means CSV where `kind` is `None`.
    pub delimiter: Option<u8>,
    /// The CSV quote: `None` to look at the data, `Some(None)` for no quoting.
    pub quote: Option<Option<u8>>,
    /// Whether there is a CSV header, or `None` to look at the data.
    pub header: Option<bool>,
}

impl FormatOptions {
    /// Refuses a delimiter or quote that cannot be one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a line end, what is not ASCII, a delimiter that is the
    /// quote, and a quote that values are made of: a letter, a digit, a sign or a point.
    pub(crate) fn check_dialect(&self) -> Result<()> {
        let quote = self.quote.flatten();
        let unusable = |byte: u8| matches!(byte, b'\n' | b'\r') || !byte.is_ascii();
        let message = match (self.delimiter, quote) {
            (Some(delimiter), _) if unusable(delimiter) => {
                "the CSV delimiter must be one ASCII character and no line end"
            }
            (_, Some(b'-' | b'+' | b'.')) => "the CSV quote must be no character that numbers have",
            (_, Some(quote)) if quote.is_ascii_alphanumeric() => "the CSV quote must be no letter and no digit",
            (_, Some(quote)) if unusable(quote) => "the CSV quote must be one ASCII character and no line end",
            (Some(delimiter), Some(quote)) if delimiter == quote => {
                "the CSV delimiter and quote are the same character"
            }
            _ => return Ok(()),
        };
        Err(Error::config(message))
    }
}

/// A format without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// One JSON object a line.
    Ndjson,
    /// JSON documents.
    Json,
    /// Delimited text.
    Csv,
}

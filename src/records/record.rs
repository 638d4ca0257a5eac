//! One record as a list of fields over its bytes.

use std::borrow::Cow;
use std::fmt;

use super::csv;
use super::format::Dialect;
use super::json;
use super::paths::NodeId;

/// What a field's bytes are, as the format has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// JSON `null`.
    Null,
    /// JSON `true`.
    True,
    /// JSON `false`.
    False,
    /// A JSON number without point or exponent.
    Int,
    /// A JSON number with a point or an exponent.
    Real,
    /// A JSON string without escapes; the bytes are those between the quotes.
    Str,
    /// A JSON string with escapes; the bytes are those between the quotes.
    EscapedStr,
    /// A JSON array, brackets included.
    Array,
    /// A JSON object, braces included. The fields inside it follow.
    Object,
    /// A JSON object, braces included, whose fields do not follow: it is nested too deep, or holds more than
    /// [`MAX_NESTED_FIELDS`](super::MAX_NESTED_FIELDS).
    WholeObject,
    /// An unquoted CSV cell.
    Cell,
    /// A quoted CSV cell; the bytes are those between the quotes.
    Quoted,
    /// A quoted CSV cell with escapes or with text behind the closing quote; the bytes begin behind the opening
    /// quote and end with the cell, without a closing quote at the very end.
    EscapedQuoted,
}

/// One field of a record: which, what, and where its bytes are within [`Record::bytes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The field's path.
    pub node: NodeId,
    /// What its bytes are.
    pub kind: Kind,
    /// Index of the first byte.
    pub start: u32,
    /// Index behind the last byte.
    pub end: u32,
}

/// One record: its fields in the order of the source, each path at most once, parents before what they hold.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The bytes that the fields' positions count in.
    pub bytes: &'a [u8],
    /// The fields.
    pub fields: &'a [Field],
    /// Where the record's own bytes are.
    pub span: (u32, u32),
    /// Index of the input within its source.
    pub source: u32,
    /// Byte offset in the input.
    pub offset: u64,
    /// Physical line, from 1.
    pub line: u64,
    /// The paths of keys that stood twice in one object, once for each value that was not kept: the last one was.
    pub overwritten: &'a [NodeId],
    /// The objects with keys past [`MAX_KEYS`](super::MAX_KEYS), once for each such key that is here: their values are in no field.
    pub beyond: &'a [NodeId],
    /// The dialect, when the record comes from CSV.
    pub dialect: Option<&'a Dialect>,
}

impl<'a> Record<'a> {
    /// The record as it stands in the input, without its line end.
    pub fn raw(&self) -> &'a [u8] {
        &self.bytes[self.span.0 as usize..self.span.1 as usize]
    }

    /// A field's bytes, still escaped.
    #[inline]
    pub fn value(&self, field: &Field) -> &'a [u8] {
        &self.bytes[field.start as usize..field.end as usize]
    }

    /// A field's bytes as they stand in the input, quotes included.
    pub fn source_text(&self, field: &Field) -> &'a [u8] {
        let (start, end) = (field.start as usize, field.end as usize);
        match field.kind {
            Kind::Str | Kind::EscapedStr => &self.bytes[start - 1..end + 1],
            _ => &self.bytes[start..end],
        }
    }

    /// A field's value as text: strings and cells without quotes and escapes, everything else as it is spelled.
    #[inline]
    pub fn text(&self, field: &Field) -> Cow<'a, [u8]> {
        let raw = self.value(field);
        match field.kind {
            Kind::EscapedStr => Cow::Owned(json::unescape(raw)),
            Kind::EscapedQuoted => Cow::Owned(csv::unescape(raw, self.dialect)),
            _ => Cow::Borrowed(raw),
        }
    }

    /// Appends a field's value as text, as [`Record::text`] has it, to `out`.
    #[inline]
    pub fn unescape(&self, field: &Field, out: &mut Vec<u8>) {
        match field.kind {
            Kind::EscapedStr => json::unescape_part(self.bytes, field.start as usize, field.end as usize, out),
            _ => out.extend_from_slice(&self.text(field)),
        }
    }

    /// Byte offset of a field's value in the input.
    pub fn offset_of(&self, field: &Field) -> u64 {
        self.offset + u64::from(field.start - self.span.0)
    }
}

/// Why a stretch of input is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// JSON that does not parse.
    Malformed(&'static str),
    /// A JSON value that is no object.
    NotAnObject,
    /// Bytes that are no UTF-8.
    InvalidUtf8,
    /// An escape of half a surrogate pair.
    LoneSurrogate,
    /// A NUL character, raw or as `\u0000`: no warehouse can store it in text.
    Nul,
    /// Arrays or objects nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    TooDeep,
    /// More fields than [`MAX_FIELDS`](super::MAX_FIELDS).
    TooManyFields,
    /// Longer than the record limit.
    TooLong,
    /// A CSV row with another number of cells than the header.
    CellCount {
        /// Cells in the row.
        found: u32,
        /// Cells in the header.
        expected: u32,
    },
    /// A quoted cell that never closes.
    UnclosedQuote,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Malformed(what) => write!(f, "not valid JSON: {what}"),
            Fault::NotAnObject => f.write_str("not a JSON object"),
            Fault::InvalidUtf8 => f.write_str("not valid UTF-8"),
            Fault::LoneSurrogate => f.write_str("half a surrogate pair in a string"),
            Fault::Nul => f.write_str("a NUL character, which no warehouse can store"),
            Fault::TooDeep => write!(f, "nested deeper than {} levels", super::MAX_DEPTH),
            Fault::TooManyFields => write!(f, "more than {} fields in one record", super::MAX_FIELDS),
            Fault::TooLong => f.write_str("longer than the record limit"),
            Fault::CellCount { found, expected } => {
                let s = if *found == 1 { "" } else { "s" };
                write!(f, "{found} cell{s} where the header has {expected}")
            }
            Fault::UnclosedQuote => f.write_str("a quoted cell that never closes"),
        }
    }
}

/// A stretch of input that is no record.
#[derive(Debug, Clone, Copy)]
pub struct Bad<'a> {
    /// Its bytes, without the line end.
    pub raw: &'a [u8],
    /// Index of the input within its source.
    pub source: u32,
    /// Byte offset in the input.
    pub offset: u64,
    /// Physical line, from 1.
    pub line: u64,
    /// Why.
    pub fault: Fault,
}

/// What takes records as they are read.
pub trait Sink {
    /// A record. Its paths are numbers in the reader's table.
    fn record(&mut self, paths: &super::PathTable, record: &Record<'_>);

    /// A stretch that is no record; reading goes on behind it.
    fn bad(&mut self, bad: &Bad<'_>);

    /// Many records at once, where the format allows it. As long as nothing better is said, they are taken one by one.
    fn tile(&mut self, paths: &super::PathTable, tile: &super::Tile<'_>) {
        tile.each_record(|record| self.record(paths, record));
    }
}

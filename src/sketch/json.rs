//! A sketch as bytes: JSON, one object, versioned, the same bytes for the same sketch.

use serde::{Deserialize, Serialize};

use super::evidence::{Class, Evidence, Position, Range, Seen};
use super::merge::{BadRecords, FieldEvidence, Sketch, SourceEvidence};
use crate::error::{Error, ErrorKind, Result};
use crate::path::Path;
use crate::records::Format;

/// The version of the form below. A reader takes its own version only.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    longshore_sketch: u32,
    sources: Vec<StoredSource>,
    fields: Vec<StoredField>,
    bad: u64,
    bad_first: Vec<(u32, u64, u64, String)>,
}

#[derive(Serialize, Deserialize)]
struct StoredSource {
    name: String,
    format: Option<Format>,
    records: u64,
    bad: u64,
}

/// Numbers that JSON readers would round are kept as text.
#[derive(Serialize, Deserialize)]
struct StoredField {
    keys: Vec<String>,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    nth: u32,
    appeared: (u32, u64),
    /// Class, count, and the first record: input, byte, line.
    seen: Vec<(String, u64, u32, u64, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ints: Option<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    floats: Option<(String, String)>,
    digits: (u32, u32),
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seconds: Option<(i64, i64)>,
    #[serde(default, skip_serializing_if = "is_zero")]
    null_words: u8,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    collapsed: bool,
    /// How many values were overwritten, and the first record with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    overwritten: Option<(u64, u32, u64, u64)>,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_one(nth: &u32) -> bool {
    *nth == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(bits: &u8) -> bool {
    *bits == 0
}

impl Sketch {
    /// The sketch as bytes (JSON text): a few hundred bytes for each field, the same for equal sketches.
    pub fn to_bytes(&self) -> Vec<u8> {
        let root = self.root.clone().map(FieldEvidence::of_root);
        let stored = Stored {
            longshore_sketch: VERSION,
            sources: self.sources.iter().map(store_source).collect(),
            fields: root.iter().chain(&self.fields).map(store_field).collect(),
            bad: self.bad.count,
            bad_first: self.bad.first.iter().map(|(p, why)| (p.source, p.offset, p.line, why.clone())).collect(),
        };
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    /// Reads a sketch back.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Syntax`] if these are not the bytes of a sketch, [`ErrorKind::Unsupported`] if they are of
    /// another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Sketch> {
        let syntax = |cause: serde_json::Error| Error::new(ErrorKind::Syntax, "not a sketch").with_cause(cause);
        let version: Version = serde_json::from_slice(bytes).map_err(syntax)?;
        if version.longshore_sketch != VERSION {
            let message = format!("a sketch of version {}, this reads {VERSION}", version.longshore_sketch);
            return Err(Error::new(ErrorKind::Unsupported, message).with_hint("make the sketch again from the input"));
        }
        let stored: Stored = serde_json::from_slice(bytes).map_err(syntax)?;
        let makes_sense = stored.makes_sense();
        let fields = stored.fields.into_iter().map(read_field).collect::<Option<Vec<_>>>().filter(|_| makes_sense);
        let position = |(source, offset, line)| Position { source, offset, line };
        let bad_first = stored.bad_first.into_iter().map(|(s, o, l, why)| (position((s, o, l)), why)).collect();
        Ok(Sketch::assemble(
            stored.sources.into_iter().map(read_source).collect(),
            fields.ok_or_else(|| Error::new(ErrorKind::Syntax, "a sketch with a field that makes no sense"))?,
            BadRecords { count: stored.bad, first: bad_first },
        ))
    }
}

/// More records than anybody has; so many can be added up.
const MOST: u64 = 1 << 56;
/// The most digits that are believed.
const MOST_DIGITS: u32 = 1 << 20;

impl Stored {
    /// Whether all that is said is of sources that there are, and in numbers that can be.
    fn makes_sense(&self) -> bool {
        let is_source = |source: u32| (source as usize) < self.sources.len();
        let fields = self.fields.iter().all(|field| {
            let seen = field.seen.iter().all(|(_, count, source, ..)| *count < MOST && is_source(*source));
            let overwritten = field.overwritten.is_none_or(|(count, source, ..)| count < MOST && is_source(source));
            let appeared = field.appeared.0 == u32::MAX || is_source(field.appeared.0);
            let (before, behind) = field.digits;
            seen && overwritten && appeared && before <= MOST_DIGITS && behind <= MOST_DIGITS
        });
        let sources = self.sources.iter().all(|source| source.records < MOST && source.bad < MOST);
        fields && sources && self.bad < MOST && self.bad_first.iter().all(|(source, ..)| is_source(*source))
    }
}

#[derive(Deserialize)]
struct Version {
    longshore_sketch: u32,
}

fn store_source(source: &SourceEvidence) -> StoredSource {
    let SourceEvidence { name, format, records, bad } = source.clone();
    StoredSource { name, format, records, bad }
}

fn read_source(stored: StoredSource) -> SourceEvidence {
    let StoredSource { name, format, records, bad } = stored;
    SourceEvidence { name, format, records, bad }
}

fn store_field(field: &FieldEvidence) -> StoredField {
    let evidence = &field.evidence;
    let seen = |(class, first): &(Class, Position)| {
        (class.as_str().to_string(), evidence.count(*class), first.source, first.offset, first.line)
    };
    StoredField {
        keys: field.path.keys().to_vec(),
        nth: field.path.ordinal(),
        appeared: evidence.appeared,
        seen: evidence.first.iter().map(seen).collect(),
        ints: evidence.ints.map(|range| (range.min.to_string(), range.max.to_string())),
        floats: evidence.floats.map(|range| (format!("{:e}", range.min), format!("{:e}", range.max))),
        digits: (evidence.int_digits, evidence.scale),
        bytes: evidence.bytes.map(|range| (range.min, range.max)),
        seconds: evidence.seconds.map(|range| (range.min, range.max)),
        null_words: evidence.null_words,
        collapsed: evidence.collapsed,
        overwritten: evidence
            .overwritten
            .first
            .map(|first| (evidence.overwritten.count, first.source, first.offset, first.line)),
    }
}

fn read_field(stored: StoredField) -> Option<FieldEvidence> {
    let mut evidence = Evidence {
        appeared: stored.appeared,
        ints: read_range(stored.ints)?,
        floats: read_range(stored.floats)?,
        int_digits: stored.digits.0,
        scale: stored.digits.1,
        bytes: stored.bytes.map(|(min, max)| Range { min, max }),
        seconds: stored.seconds.map(|(min, max)| Range { min, max }),
        null_words: stored.null_words,
        collapsed: stored.collapsed,
        overwritten: stored.overwritten.map_or(Seen::default(), |(count, source, offset, line)| Seen {
            count,
            first: Some(Position { source, offset, line }),
        }),
        ..Evidence::default()
    };
    for (class, count, source, offset, line) in stored.seen {
        let class = Class::ALL.into_iter().find(|known| known.as_str() == class)?;
        evidence.counts[class as usize] = count;
        evidence.note_first(class, Position { source, offset, line });
    }
    Some(FieldEvidence { path: Path::new(stored.keys).nth(stored.nth), evidence })
}

/// `None` only if there are bounds that do not read.
fn read_range<T: std::str::FromStr>(stored: Option<(String, String)>) -> Option<Option<Range<T>>> {
    match stored {
        None => Some(None),
        Some((min, max)) => Some(Some(Range { min: min.parse().ok()?, max: max.parse().ok()? })),
    }
}

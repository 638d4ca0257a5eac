//! JSON: newline-delimited records and documents.
//!
//! The plain way is a SIMD structural index and a walk over it, which knows every rule. Before it comes a scanner that
//! needs no index, for the lines that are like those before them.

mod documents;
mod escape;
mod index;
mod scan;
mod walk;

pub(crate) use documents::{DocumentCut, Documents};
pub(crate) use escape::{unescape, unescape_part, unescaped_len};
pub(crate) use index::Index;
pub(crate) use walk::{Walk, WalkState};

use memchr::memchr;

use super::record::{Bad, Fault, Field, Record, Sink};
use super::{NodeId, PathTable, reader::Limits};
use crate::source::{Chunk, Cut};
use scan::{Cursor, Scanner};

/// Checks that a text is one JSON value, by the rules for values inside records.
///
/// # Errors
///
/// Why it is not.
///
/// ```
/// use longshore::records::{Fault, check_json};
/// assert_eq!(check_json(b"[1, {\"a\": null}]"), Ok(()));
/// assert!(matches!(check_json(b"{a: 1}"), Err(Fault::Malformed(_))));
/// ```
pub fn check_json(text: &[u8]) -> Result<(), Fault> {
    let (mut index, mut scratch) = (Index::default(), Vec::new());
    if !index.build_text(text, &mut scratch) {
        return Err(Fault::Malformed("text that is no UTF-8, or a string that does not end"));
    }
    Walk::new(text, index.positions(), memchr(b'\\', text)).value_alone(text.len() as u32, &mut WalkState::default())
}

/// Whether a byte is JSON white space.
#[inline]
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Cuts newline-delimited input at line ends.
#[derive(Debug, Default)]
pub(crate) struct LineCut;

impl Cut for LineCut {
    fn cut(&mut self, buffer: &[u8], at_end: bool) -> usize {
        if at_end { buffer.len() } else { memchr::memrchr(b'\n', buffer).map_or(0, |at| at + 1) }
    }

    fn give_up(&mut self, _buffer: &[u8]) -> usize {
        0
    }

    fn state(&self) -> u8 {
        0
    }

    fn can_resync(&self) -> bool {
        true
    }
}

/// Reads chunks of newline-delimited JSON.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// Reads all lines by the walk: the plain way, which the scanner is compared with.
    pub(crate) plain: bool,
    scanner: Scanner,
    caution: Caution,
    index: Index,
    /// The index of single lines, and of documents, where the chunk's own is of no use.
    one: Index,
    scratch: Vec<u8>,
    state: WalkState,
}

/// Lines of a chunk that the scanner may leave to the walk; and one more for each so many that it read.
const LEFT: usize = 4;
const READ_FOR_ONE_LEFT: usize = 8;

/// How many chunks go without the scanner, after one where it left too many lines.
#[derive(Debug, Default)]
struct Caution {
    left: u32,
    next: u32,
}

impl Caution {
    /// Whether the next chunk goes without.
    fn skips(&mut self) -> bool {
        let skips = self.left > 0;
        self.left = self.left.saturating_sub(1);
        skips
    }

    fn note(&mut self, went_well: bool) {
        self.next = if went_well { 0 } else { (2 * self.next + 1).min(31) };
        self.left = self.next;
    }
}

impl Lines {
    /// Reads every line of a chunk. A line is one JSON object, or bad; blank lines are nothing.
    pub(crate) fn read(&mut self, chunk: &mut Chunk, paths: &mut PathTable, limits: &Limits, sink: &mut impl Sink) {
        let mut cursor = Cursor { start: 0, line: chunk.first_line };
        if !self.plain && !self.caution.skips() && simdutf8::basic::from_utf8(chunk.data()).is_ok() {
            self.scan(chunk, &mut cursor, paths, limits, sink);
            self.caution.note(cursor.start >= chunk.len());
        }
        if cursor.start < chunk.len() {
            self.walk(chunk, cursor, paths, limits, sink);
        }
    }

    /// Reads the lines of a chunk by the scanner, and those that it leaves one by one, until they are too many.
    fn scan(
        &mut self,
        chunk: &Chunk,
        cursor: &mut Cursor,
        paths: &mut PathTable,
        limits: &Limits,
        sink: &mut impl Sink,
    ) {
        let data = chunk.data();
        let (mut read, mut left) = (0, 0);
        loop {
            read += self.scanner.lines(chunk, cursor, paths, limits, sink);
            if cursor.start >= data.len() || left >= LEFT + read / READ_FOR_ONE_LEFT {
                return;
            }
            left += 1;
            let (place, end) = Place::of_line(chunk, cursor);
            let text = &data[cursor.start..end];
            if text.len() > limits.max_record_bytes {
                place.bad(text, Fault::TooLong, sink);
            } else {
                self.one.read_one(text, &mut self.scratch, &place, paths, &mut self.state, limits, sink);
            }
            cursor.pass(end);
        }
    }

    /// Reads the lines of a chunk from the cursor on by an index of all of it.
    fn walk(
        &mut self,
        chunk: &mut Chunk,
        mut cursor: Cursor,
        paths: &mut PathTable,
        limits: &Limits,
        sink: &mut impl Sink,
    ) {
        let whole = self.index.build_chunk(chunk);
        let data = chunk.data();
        let backslash = memchr(b'\\', &data[cursor.start..]).map(|at| cursor.start + at);
        let mut walk = Walk::new(data, self.index.positions(), backslash);
        walk.skip_to(cursor.start as u32);
        while cursor.start < data.len() {
            let (place, end) = Place::of_line(chunk, &cursor);
            let text = &data[cursor.start..end];
            let span = (cursor.start as u32, end as u32);
            if text.len() > limits.max_record_bytes {
                walk.skip_to(end as u32);
                place.bad(text, Fault::TooLong, sink);
            } else if whole {
                match walk.record(span.0, span.1, paths, &mut self.state, limits) {
                    Ok(true) => place.record(data, span, &self.state.fields, self.state.odd_keys(), paths, sink),
                    Ok(false) => {}
                    Err(fault) => {
                        walk.skip_to(end as u32);
                        place.bad(text, fault, sink);
                    }
                }
            } else {
                self.one.read_one(text, &mut self.scratch, &place, paths, &mut self.state, limits, sink);
            }
            cursor.pass(end);
        }
    }
}

/// Where a record stands in its input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) source: u32,
    pub(crate) offset: u64,
    pub(crate) line: u64,
}

impl Place {
    /// Where the line at the cursor stands, and where it ends in the chunk.
    fn of_line(chunk: &Chunk, cursor: &Cursor) -> (Place, usize) {
        let data = chunk.data();
        let end = memchr(b'\n', &data[cursor.start..]).map_or(data.len(), |at| cursor.start + at);
        (Place { source: chunk.source, offset: chunk.offset + cursor.start as u64, line: cursor.line }, end)
    }

    pub(crate) fn bad(&self, text: &[u8], fault: Fault, sink: &mut impl Sink) {
        let raw = text.strip_suffix(b"\r").unwrap_or(text);
        sink.bad(&Bad { raw, source: self.source, offset: self.offset, line: self.line, fault });
    }

    #[inline]
    fn record(
        &self,
        bytes: &[u8],
        span: (u32, u32),
        fields: &[Field],
        (overwritten, beyond): (&[NodeId], &[NodeId]),
        paths: &PathTable,
        sink: &mut impl Sink,
    ) {
        let text = &bytes[span.0 as usize..span.1 as usize];
        let span = (span.0, span.1 - u32::from(text.ends_with(b"\r")));
        sink.record(
            paths,
            &Record {
                bytes,
                fields,
                span,
                source: self.source,
                offset: self.offset,
                line: self.line,
                overwritten,
                beyond,
                dialect: None,
            },
        );
    }
}

impl Index {
    /// Reads one JSON value that stands alone in `text`: the way round for a line in a chunk that holds something
    /// broken, and for documents.
    #[expect(clippy::too_many_arguments, reason = "the parts of one reader, borrowed separately")]
    pub(crate) fn read_one(
        &mut self,
        text: &[u8],
        scratch: &mut Vec<u8>,
        place: &Place,
        paths: &mut PathTable,
        state: &mut WalkState,
        limits: &Limits,
        sink: &mut impl Sink,
    ) {
        if text.iter().all(|byte| is_blank(*byte)) {
            return;
        }
        if !self.build_text(text, scratch) {
            let fault = match std::str::from_utf8(text) {
                Err(_) => Fault::InvalidUtf8,
                Ok(_) if !text.trim_ascii_start().starts_with(b"{") => Fault::NotAnObject,
                Ok(_) => Fault::Malformed("a string that does not end, or a control character in a string"),
            };
            return place.bad(text, fault, sink);
        }
        let mut walk = Walk::new(text, self.positions(), memchr(b'\\', text));
        match walk.record(0, text.len() as u32, paths, state, limits) {
            Ok(true) => {
                let span = (0, text.len() as u32);
                place.record(text, span, &state.fields, state.odd_keys(), paths, sink);
            }
            Ok(false) => {}
            Err(fault) => place.bad(text, fault, sink),
        }
    }
}

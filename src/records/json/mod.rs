//! JSON: newline-delimited records and documents, by a SIMD structural index and a walk over it.

mod documents;
mod escape;
mod index;
mod walk;

pub(crate) use documents::{DocumentCut, Documents};
pub(crate) use escape::{unescape, unescape_into};
pub(crate) use index::Index;
pub(crate) use walk::{Walk, WalkState};

use memchr::memchr;

use super::record::{Bad, Fault, Record, Sink};
use super::{PathTable, reader::Limits};
use crate::source::{Chunk, Cut};

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
    index: Index,
    /// The index of single lines, and of documents, where the chunk's own is of no use.
    one: Index,
    scratch: Vec<u8>,
    state: WalkState,
}

impl Lines {
    /// Reads every line of a chunk. A line is one JSON object, or bad; blank lines are nothing.
    pub(crate) fn read(&mut self, chunk: &mut Chunk, paths: &mut PathTable, limits: &Limits, sink: &mut impl Sink) {
        let whole = self.index.build_chunk(chunk);
        let data = chunk.data();
        let backslash = memchr(b'\\', data);
        let mut walk = Walk::new(data, self.index.positions(), backslash);
        let mut start = 0;
        let mut line = chunk.first_line;
        while start < data.len() {
            let end = memchr(b'\n', &data[start..]).map_or(data.len(), |at| start + at);
            let place = Place { source: chunk.source, offset: chunk.offset + start as u64, line };
            let text = &data[start..end];
            if text.len() > limits.max_record_bytes {
                walk.skip_to(end as u32);
                place.bad(text, Fault::TooLong, sink);
            } else if whole {
                match walk.record(start as u32, end as u32, paths, &mut self.state, limits) {
                    Ok(true) => place.record(data, (start as u32, end as u32), &self.state, paths, sink),
                    Ok(false) => {}
                    Err(fault) => {
                        walk.skip_to(end as u32);
                        place.bad(text, fault, sink);
                    }
                }
            } else {
                self.one.read_one(text, &mut self.scratch, &place, paths, &mut self.state, limits, sink);
            }
            start = end + 1;
            // Behind a jump of a sample nobody knows which line this is.
            line += u64::from(line > 0);
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
    pub(crate) fn bad(&self, text: &[u8], fault: Fault, sink: &mut impl Sink) {
        let raw = text.strip_suffix(b"\r").unwrap_or(text);
        sink.bad(&Bad { raw, source: self.source, offset: self.offset, line: self.line, fault });
    }

    fn record(&self, bytes: &[u8], span: (u32, u32), state: &WalkState, paths: &PathTable, sink: &mut impl Sink) {
        let text = &bytes[span.0 as usize..span.1 as usize];
        let span = (span.0, span.1 - u32::from(text.ends_with(b"\r")));
        sink.record(
            paths,
            &Record {
                bytes,
                fields: &state.fields,
                span,
                source: self.source,
                offset: self.offset,
                line: self.line,
                overwritten: &state.overwritten,
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
            Ok(true) => place.record(text, (0, text.len() as u32), state, paths, sink),
            Ok(false) => {}
            Err(fault) => place.bad(text, fault, sink),
        }
    }
}

//! A stream of bytes into a stream of records, each with its byte offset.

use super::{Offset, StreamLoader};
use crate::error::Result;
use crate::records::{Format, Limits, cutter};
use crate::source::Cut;

/// Writes bytes as they come, a file that grows or a pipe, to a [`StreamLoader`], record by record.
///
/// The position of a record is the byte offset behind it. So after a restart, bytes from the committed position on (see
/// [`StreamLoader::committed`]) continue where the table ends, however they are cut. What follows the last record's end
/// waits for the rest of its record, and is not taken for one. A byte-order mark at offset 0 is no part of the first record.
///
/// ```no_run
/// use std::io::{Read, Seek, SeekFrom};
/// use longshore::{Feed, Loader};
///
/// let mut loader = Loader::new("postgres://localhost/shop").table("events").open()?;
/// let from = loader.committed("events.ndjson")?.unwrap_or(0);
/// # let io = |cause| longshore::Error::io("reading", cause);
/// let mut file = std::fs::File::open("events.ndjson").map_err(io)?;
/// file.seek(SeekFrom::Start(from)).map_err(io)?;
/// let mut feed = Feed::new(&loader, "events.ndjson", from);
/// let mut bytes = vec![0; 64 << 10];
/// loop {
///     let len = file.read(&mut bytes).map_err(io)?;
///     if len == 0 { break }
///     feed.push(&mut loader, &bytes[..len])?;
/// }
/// loader.commit()?;
/// println!("{} bytes of the last record are still to come", feed.waiting());
/// # Ok::<(), longshore::Error>(())
/// ```
pub struct Feed {
    source: String,
    /// Byte offset of the first byte that is held.
    position: u64,
    /// Whether a byte-order mark may still come.
    begins: bool,
    records: Splitter,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Lines that a record may have before each of them costs a look at all of it.
const LINES: u32 = 64;

impl Feed {
    /// Makes a feed for a source whose next byte stands at `position`. Format and limits are those of the loader.
    pub fn new(loader: &StreamLoader, source: impl Into<String>, position: u64) -> Self {
        let records = Splitter::new(&loader.shared.format, &loader.shared.settings.read.limits);
        Feed { source: source.into(), position, begins: position == 0, records }
    }

    /// Byte offset behind the last record that was written to the loader.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes behind it, whose record has not come to its end.
    pub fn waiting(&self) -> u64 {
        self.records.held.len() as u64
    }

    /// Takes in more bytes, and writes the records that they complete.
    ///
    /// # Errors
    ///
    /// As [`StreamLoader::write`]. The bytes have been taken in all the same: to go on after a temporary error, push no
    /// bytes.
    pub fn push(&mut self, loader: &mut StreamLoader, bytes: &[u8]) -> Result<()> {
        self.records.held.extend_from_slice(bytes);
        if self.begins && !self.pass_mark() {
            return Ok(());
        }
        let mut start = 0;
        let outcome = loop {
            let Some(end) = self.records.next(start) else { break Ok(()) };
            let position = self.position + (end - start) as u64;
            if let Err(error) = loader.write(&self.records.held[start..end], Offset::new(&self.source, position)) {
                self.records.look_again_at(start);
                break Err(error);
            }
            (self.position, start) = (position, end);
        };
        self.records.drop_to(start);
        outcome
    }

    /// Passes over a byte-order mark. False if too little has come to know.
    fn pass_mark(&mut self) -> bool {
        let held = &self.records.held;
        if held.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(held) {
            return false;
        }
        if held.starts_with(BYTE_ORDER_MARK) {
            self.records.drop_to(BYTE_ORDER_MARK.len());
            self.position = BYTE_ORDER_MARK.len() as u64;
        }
        self.begins = false;
        true
    }

    /// Takes what is held for a whole record: the source has come to its end.
    ///
    /// # Errors
    ///
    /// As [`StreamLoader::write`].
    pub fn finish(&mut self, loader: &mut StreamLoader) -> Result<()> {
        let held = &self.records.held;
        if held.is_empty() {
            return Ok(());
        }
        let position = self.position + held.len() as u64;
        loader.write(&held[..], Offset::new(&self.source, position))?;
        self.position = position;
        self.records.drop_to(self.records.held.len());
        Ok(())
    }
}

/// Bytes, and where the records in them end. That depends on the bytes alone and not on how they came, so that
/// records end at the same places for everybody who reads them.
struct Splitter {
    held: Vec<u8>,
    /// Bytes held in which the end of the first record has been looked for.
    looked: usize,
    cutter: Box<dyn Cut>,
    line_end: u8,
    longest: usize,
    /// Line ends at which the first record has not ended, and the size that it has to reach before it is looked at again.
    open: (u32, usize),
}

impl Splitter {
    fn new(format: &Format, limits: &Limits) -> Self {
        let cutter = cutter(format, limits);
        let line_end = cutter.line_end();
        Splitter { held: Vec::new(), looked: 0, cutter, line_end, longest: limits.max_record_bytes, open: (0, 0) }
    }

    /// Where the record that begins at `start` ends, if it does.
    fn next(&mut self, start: usize) -> Option<usize> {
        while let Some(at) = memchr::memchr(self.line_end, &self.held[self.looked.max(start)..]) {
            let end = self.looked.max(start) + at + 1;
            self.looked = end;
            let size = end - start;
            if size < self.open.1 {
                continue;
            }
            // A line may end inside a quoted cell.
            let mut cut = self.cutter.cut(&self.held[start..end], false);
            if cut == 0 && size > self.longest {
                cut = match self.cutter.give_up(&self.held[start..end]) {
                    0 => size,
                    given_up => given_up,
                };
            }
            if cut > 0 {
                (self.looked, self.open) = (start + cut, (0, 0));
                return Some(start + cut);
            }
            // A quote that does not close must not make reading quadratic.
            let (lines, _) = self.open;
            self.open = (lines + 1, if lines < LINES { 0 } else { size + size / 2 });
        }
        self.looked = self.held.len();
        None
    }

    /// Forgets what is known of the record that begins at `start`.
    fn look_again_at(&mut self, start: usize) {
        (self.looked, self.open) = (start, (0, 0));
    }

    fn drop_to(&mut self, start: usize) {
        self.held.drain(..start);
        self.looked = self.looked.saturating_sub(start);
    }
}

impl std::fmt::Debug for Feed {
    /// Without what is held: that is data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Feed");
        shown.field("source", &self.source).field("position", &self.position);
        shown.field("waiting", &self.records.held.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::Layout;

    /// Where records end, and what is left, when the bytes come in these pieces.
    fn ends(format: &Format, bytes: &[u8], pieces: &[usize]) -> (Vec<usize>, usize) {
        let mut records = Splitter::new(format, &Limits { max_record_bytes: 40, ..Limits::default() });
        let (mut ends, mut passed, mut rest) = (Vec::new(), 0, bytes);
        for len in pieces.iter().cycle() {
            let (piece, behind) = rest.split_at((*len).min(rest.len()));
            records.held.extend_from_slice(piece);
            let mut start = 0;
            while let Some(end) = records.next(start) {
                ends.push(passed + end);
                start = end;
            }
            records.drop_to(start);
            (passed, rest) = (passed + start, behind);
            if rest.is_empty() {
                break;
            }
        }
        (ends, records.held.len())
    }

    fn csv() -> Format {
        Format::Csv(Layout { columns: vec!["a".into(), "b".into()], ..Layout::default() })
    }

    #[test]
    fn a_record_ends_with_its_line_unless_that_ends_inside_a_quoted_cell() {
        let bytes = b"1,\"x\ny\"\n2,z\n3,";
        assert_eq!(ends(&csv(), bytes, &[100]), (vec![8, 12], 2));
        assert_eq!(ends(&Format::Ndjson, b"{}\n\n{", &[100]), (vec![3, 4], 1));
    }

    #[test]
    fn a_quote_that_never_closes_costs_its_line_and_not_the_rest() {
        let bytes = [&b"\"open\n"[..], &b"1,2\n".repeat(1_000)].concat();
        let (found, left) = ends(&csv(), &bytes, &[17]);
        // It is known for what it is once it is longer than a record may be; the lines in it come along.
        assert!(found[0] <= 44 && found.len() > 980, "{found:?}");
        assert_eq!((found.last(), left), (Some(&bytes.len()), 0));
    }

    proptest! {
        #[test]
        fn records_end_at_the_same_places_however_the_bytes_come(
            text in r#"([a1,"\n]|\n|x,y\n){0,120}"#,
            pieces in prop::collection::vec(1..30_usize, 1..5),
        ) {
            for format in [csv(), Format::Ndjson] {
                prop_assert_eq!(ends(&format, text.as_bytes(), &pieces), ends(&format, text.as_bytes(), &[1]));
                prop_assert_eq!(ends(&format, text.as_bytes(), &[1000]), ends(&format, text.as_bytes(), &[1]));
            }
        }
    }
}

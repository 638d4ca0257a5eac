//! A stream of bytes into a stream of records, each with its byte offset.

use std::ops::Range;

use super::{Offset, StreamLoader};
use crate::error::Result;
use crate::records::{Format, Limits, cutter};
use crate::source::{Cut, GAP_HEAD, LONGEST, longer_than};

/// Writes bytes as they come, a file that grows or a pipe, to a [`StreamLoader`], record by record.
///
/// The position of a record is the byte offset behind it. So after a restart, bytes from the committed position on (see
/// [`StreamLoader::committed`]) continue where the table ends, however they are cut. What follows the last record's end
/// waits for the rest of its record, and is not taken for one. A record longer than the loader's limit is quarantined with its
/// first 64 KiB, and no more of it is held. A byte-order mark at offset 0 is no part of the first record.
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
        self.records.held.len() as u64 + self.records.too_long.as_ref().map_or(0, |record| record.len)
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
            if let Err(error) = self.write(loader, start..end) {
                self.records.look_again_at(start);
                break Err(error);
            }
            start = end;
        };
        self.records.drop_to(start);
        outcome
    }

    /// Writes a record, of which these bytes, or only the last of them, are held.
    fn write(&mut self, loader: &mut StreamLoader, held: Range<usize>) -> Result<()> {
        let Splitter { held: bytes, too_long, longest, .. } = &mut self.records;
        let passed = too_long.as_ref().map_or(0, |record| record.len);
        let position = self.position + passed + held.len() as u64;
        let offset = Offset::new(&self.source, position);
        match too_long {
            None => loader.write(&bytes[held], offset)?,
            Some(record) => {
                let len = passed + held.len() as u64;
                loader.set_aside_head((&record.head, len), longer_than(*longest), offset)?;
            }
        }
        (self.position, *too_long) = (position, None);
        Ok(())
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
        let held = 0..self.records.held.len();
        if self.waiting() == 0 {
            return Ok(());
        }
        self.write(loader, held.clone())?;
        self.records.drop_to(held.end);
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
    format: Format,
    limits: Limits,
    line_end: u8,
    longest: usize,
    /// Line ends at which the first record has not ended, and the size that it has to reach before it is looked at again.
    open: (u32, usize),
    /// The record that what is held goes on with, if that is too long.
    too_long: Option<TooLong>,
}

/// The beginning of a record that is too long to be held.
struct TooLong {
    head: Vec<u8>,
    /// Its bytes so far.
    len: u64,
    /// How many of those held are its last, once that is known.
    end: Option<usize>,
}

impl Splitter {
    fn new(format: &Format, limits: &Limits) -> Self {
        let cutter = cutter(format, limits);
        let line_end = cutter.line_end();
        let longest = limits.max_record_bytes.clamp(1, LONGEST);
        let (format, limits) = (format.clone(), *limits);
        Splitter {
            held: Vec::new(),
            looked: 0,
            cutter,
            format,
            limits,
            line_end,
            longest,
            open: (0, 0),
            too_long: None,
        }
    }

    /// Where the record ends that begins at `start`, or that goes on there because it is too long.
    fn next(&mut self, start: usize) -> Option<usize> {
        if self.too_long.is_some() {
            return self.end_of_too_long(start);
        }
        while let Some(at) = memchr::memchr(self.line_end, &self.held[self.looked.max(start)..]) {
            let end = self.looked.max(start) + at + 1;
            self.looked = end;
            let size = end - start;
            if size > self.longest {
                return self.past_the_limit(start);
            }
            if size < self.open.1 {
                continue;
            }
            // A line may end inside a quoted cell.
            let cut = self.cutter.cut(&self.held[start..end], false);
            if cut > 0 {
                return Some(self.cut(start, cut));
            }
            // A quote that does not close must not make reading quadratic.
            let (lines, _) = self.open;
            self.open = (lines + 1, if lines < LINES { 0 } else { size + size / 2 });
        }
        self.looked = self.held.len();
        if self.held.len() - start > self.longest { self.past_the_limit(start) } else { None }
    }

    fn cut(&mut self, start: usize, len: usize) -> usize {
        (self.looked, self.open) = (start + len, (0, 0));
        start + len
    }

    /// Where the record that begins at `start`, and has not ended in as many bytes as it may have, is cut off.
    fn past_the_limit(&mut self, start: usize) -> Option<usize> {
        let view = &self.held[start..start + self.longest];
        let cut = match self.cutter.cut(view, false) {
            0 => self.cutter.give_up(view),
            cut => cut,
        };
        if cut > 0 {
            return Some(self.cut(start, cut));
        }
        let head = view[..view.len().min(GAP_HEAD)].to_vec();
        self.cutter.pass(view, true);
        self.too_long = Some(TooLong { head, len: view.len() as u64, end: None });
        // What was looked at belongs to it, and is no longer held.
        self.held.drain(start..start + self.longest);
        self.end_of_too_long(start)
    }

    /// Where the record ends that is too long and goes on at `start`. If it goes on behind what is held, that is let go.
    fn end_of_too_long(&mut self, start: usize) -> Option<usize> {
        let record = self.too_long.as_mut()?;
        record.end = record.end.or_else(|| self.cutter.pass(&self.held[start..], false));
        if let Some(len) = record.end {
            return Some(self.cut(start, len));
        }
        record.len += (self.held.len() - start) as u64;
        self.held.truncate(start);
        (self.looked, self.open) = (start, (0, 0));
        None
    }

    /// Forgets what is known of the record that begins at `start`.
    fn look_again_at(&mut self, start: usize) {
        (self.looked, self.open) = (start, (0, 0));
        if matches!(self.format, Format::Csv(_)) {
            // It has noted what is behind this record.
            self.cutter = cutter(&self.format, &self.limits);
        }
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
        let (mut ends, mut passed, mut rest): (_, usize, _) = (Vec::new(), 0, bytes);
        for len in pieces.iter().cycle() {
            let (piece, behind) = rest.split_at((*len).min(rest.len()));
            records.held.extend_from_slice(piece);
            let mut start = 0;
            while let Some(end) = records.next(start) {
                let before = records.too_long.take().map_or(0, |record| record.len as usize);
                passed += before + end - start;
                ends.push(passed);
                start = end;
            }
            records.drop_to(start);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        (ends, records.held.len() + records.too_long.map_or(0, |record| record.len as usize))
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

    #[test]
    fn a_value_of_a_document_that_is_too_long_ends_where_it_ends() {
        let long = format!("{{\"a\":[\n{}{{\"b\":1}}\n]}}", "{\"b\":1},\n".repeat(9));
        let text = format!("[{{\"a\":0}},\n{long},\n{{\"a\":2}}\n]\n");
        let behind = text.find(&long).unwrap() + long.len();
        for pieces in [1, 7, 1000] {
            let (found, left) = ends(&Format::Json, text.as_bytes(), &[pieces]);
            assert!(found.contains(&behind) && found.iter().filter(|end| **end < behind).count() == 1, "{found:?}");
            assert!(left <= 3, "{left}");
        }
    }

    #[test]
    fn of_a_record_that_does_not_end_little_is_held() {
        let mut records = Splitter::new(&Format::Ndjson, &Limits { max_record_bytes: 40, ..Limits::default() });
        for _ in 0..100 {
            records.held.extend_from_slice(&[b'x'; 30]);
            assert_eq!(records.next(0), None);
            assert!(records.held.len() <= 40);
        }
        records.held.extend_from_slice(b"yz\n{}\n");
        assert_eq!(records.next(0), Some(3));
        let record = records.too_long.take().unwrap();
        assert_eq!((record.len, record.head.len()), (3_000, 40));
        assert_eq!(records.next(3), Some(6));
    }

    proptest! {
        #[test]
        fn records_end_at_the_same_places_however_the_bytes_come(
            text in r#"([a1,"\n]|\n|x,y\n|[{}\[\]:]){0,120}"#,
            pieces in prop::collection::vec(1..30_usize, 1..5),
        ) {
            for format in [csv(), Format::Ndjson, Format::Json] {
                prop_assert_eq!(ends(&format, text.as_bytes(), &pieces), ends(&format, text.as_bytes(), &[1]));
                prop_assert_eq!(ends(&format, text.as_bytes(), &[1000]), ends(&format, text.as_bytes(), &[1]));
            }
        }
    }
}

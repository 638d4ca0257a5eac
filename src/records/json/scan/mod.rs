//! Records in one pass, by what stood between the values of earlier ones.
//!
//! From the end of one value to the start of the next, records of one kind have the same bytes: `","event":"`. Such a
//! text is learned once, with what it means ([`Steps`]), and from then on compared as a whole, so that there is nothing
//! to index and no key to look up. Where no text fits, [`look`] reads on byte by byte and teaches what it found.
//!
//! This way takes plain records only. It gives up on whatever is broken, has a key twice, or comes near a limit, and
//! leaves no trace of it; the walk over the index then says what it is. What both take, both read alike.

mod look;
mod steps;
mod value;

use super::Place;
use crate::records::paths::{NO_NODE, NodeId, PathTable, ROOT};
use crate::records::reader::{Limits, MAX_NESTED_FIELDS};
use crate::records::record::{Field, Kind, Sink};
use crate::simd::{Job, Padded, Vector, dispatch};
use crate::source::Chunk;
use look::Look;
use steps::{Step, Steps};

/// Records with more fields are left to the walk, so that no object is ever kept whole for its number of fields.
const MOST_FIELDS: usize = MAX_NESTED_FIELDS;

/// Objects and arrays that are open at a time; what is nested deeper is left to the walk.
const MOST_OPEN: usize = 62;

/// Reads plain records; keeps what it has learned from chunk to chunk.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    steps: Steps,
    state: State,
    look: Look,
}

/// The record being read.
#[derive(Debug)]
struct State {
    /// The fields so far are the first `len` of these.
    fields: Fields,
    len: usize,
    /// The objects that are open are the first `depth` of these, as indexes of their fields.
    open: [u16; MOST_OPEN],
    depth: usize,
    /// The record that last held each path, to notice a key that stands twice.
    seen: Vec<u64>,
    record: u64,
}

impl Default for State {
    fn default() -> Self {
        State { fields: Fields::default(), len: 0, open: [0; MOST_OPEN], depth: 0, seen: Vec::new(), record: 0 }
    }
}

/// Where the next record begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    /// Index of its first byte in the chunk.
    pub(crate) start: usize,
    /// Its line, 0 where it is not known.
    pub(crate) line: u64,
}

impl Cursor {
    /// Goes to the line behind the one that ends at `end`.
    #[inline]
    pub(crate) fn pass(&mut self, end: usize) {
        self.start = end + 1;
        // Behind a jump of a sample nobody knows which line this is.
        self.line += u64::from(self.line > 0);
    }
}

impl Scanner {
    /// Reads the lines of a chunk, which must be UTF-8, from the cursor on. Stops at the end or at a line that is not
    /// for this way, with the cursor on it; says how many records it read.
    pub(crate) fn lines(
        &mut self,
        chunk: &Chunk,
        cursor: &mut Cursor,
        paths: &mut PathTable,
        limits: &Limits,
        sink: &mut impl Sink,
    ) -> usize {
        dispatch(Lines { scanner: self, chunk, cursor, paths, limits, sink })
    }
}

struct Lines<'a, S> {
    scanner: &'a mut Scanner,
    chunk: &'a Chunk,
    cursor: &'a mut Cursor,
    paths: &'a mut PathTable,
    limits: &'a Limits,
    sink: &'a mut S,
}

impl<S: Sink> Job for Lines<'_, S> {
    type Output = usize;

    #[inline(always)]
    fn run(self, vector: impl Vector) -> usize {
        let Lines { scanner, chunk, cursor, paths, limits, sink } = self;
        let data = chunk.data();
        let Some(padded) = Padded::new(chunk.padded()) else { return 0 };
        let mut read = 0;
        while cursor.start < data.len() {
            if data[cursor.start] == b'\n' {
                cursor.pass(cursor.start);
                continue;
            }
            let before = paths.begin();
            let end = scanner.record(vector, padded, cursor.start, paths, limits);
            let end = end.and_then(|behind| line_end(data, behind));
            let Some(end) = end.filter(|end| end - cursor.start <= limits.max_record_bytes) else {
                paths.take_back(before);
                scanner.look.forget();
                return read;
            };
            scanner.look.teach(&mut scanner.steps, data);
            read += 1;
            let fields = scanner.state.fields();
            let place = Place { source: chunk.source, offset: chunk.offset + cursor.start as u64, line: cursor.line };
            place.record(data, (cursor.start as u32, end as u32), fields, (&[], &[]), paths, sink);
            cursor.pass(end);
        }
        read
    }
}

/// Where the line ends whose object ends before `at`, if there are only blanks left in it.
#[inline]
fn line_end(data: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match data.get(at) {
            None | Some(b'\n') => return Some(at),
            Some(b' ' | b'\t' | b'\r') => at += 1,
            Some(_) => return None,
        }
    }
}

impl Scanner {
    /// Reads the record that begins at `start`. Returns where its object ends, or `None` if it is not for this way.
    #[inline(always)]
    fn record(
        &mut self,
        vector: impl Vector,
        text: Padded<'_>,
        start: usize,
        paths: &mut PathTable,
        limits: &Limits,
    ) -> Option<usize> {
        let Scanner { steps, state, look } = self;
        state.begin(paths);
        let (mut at, mut from) = (start, ROOT);
        loop {
            let (node, next) = match steps.find(vector, from, text, at) {
                Some((step, next)) => {
                    if step.has_marks() {
                        state.follow(step, at)?;
                    }
                    at += usize::from(step.len);
                    (step.node, next)
                }
                None => {
                    let (node, to) = look.ahead(text.bytes(), at, from, state, paths, limits)?;
                    at = to;
                    (node, text.get(at)?)
                }
            };
            if node == NO_NODE {
                return Some(at);
            }
            let value = value::read(vector, text, at, next, state.depth)?;
            state.push(node, value.kind, value.start, value.end)?;
            at = value.next;
            from = node;
        }
    }
}

/// Room for the fields of a record.
#[derive(Debug)]
struct Fields(Box<[Field; MOST_FIELDS]>);

impl Default for Fields {
    fn default() -> Self {
        const EMPTY: Field = Field { node: ROOT, kind: Kind::Null, start: 0, end: 0 };
        Fields(Box::new([EMPTY; MOST_FIELDS]))
    }
}

impl State {
    fn begin(&mut self, paths: &PathTable) {
        self.len = 0;
        self.depth = 0;
        self.record += 1;
        if self.seen.len() < paths.len() {
            self.know(paths);
        }
    }

    /// Makes room for the paths that there are.
    #[cold]
    fn know(&mut self, paths: &PathTable) {
        self.seen.resize(self.seen.len().max(paths.len()), 0);
    }

    /// The fields of the record.
    fn fields(&self) -> &[Field] {
        &self.fields.0[..self.len]
    }

    /// Adds a field. `None` if the path stands in this record already, or if there are too many fields.
    #[inline(always)]
    fn push(&mut self, node: NodeId, kind: Kind, start: usize, end: usize) -> Option<()> {
        let seen = self.seen.get_mut(node as usize)?;
        if *seen == self.record {
            return None;
        }
        *seen = self.record;
        *self.fields.0.get_mut(self.len)? = Field { node, kind, start: start as u32, end: end as u32 };
        self.len += 1;
        Some(())
    }

    #[inline]
    fn open(&mut self, node: NodeId, at: usize) -> Option<()> {
        *self.open.get_mut(self.depth)? = self.len as u16;
        self.depth += 1;
        self.push(node, Kind::Object, at, at)
    }

    #[inline]
    fn close(&mut self, at: usize) -> Option<()> {
        self.depth = self.depth.checked_sub(1)?;
        let field = *self.open.get(self.depth)?;
        self.fields.0.get_mut(usize::from(field))?.end = at as u32 + 1;
        Some(())
    }

    /// Opens and closes the objects that a step at `at` opens and closes.
    #[inline]
    fn follow(&mut self, step: &Step, at: usize) -> Option<()> {
        for mark in step.marks() {
            let at = at + usize::from(mark.at);
            match mark.node {
                NO_NODE => self.close(at)?,
                node => self.open(node, at)?,
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Bad, Record};

    #[derive(Default)]
    struct Count(usize);

    impl Sink for Count {
        fn record(&mut self, _: &PathTable, record: &Record<'_>) {
            self.0 += record.fields.len();
        }

        fn bad(&mut self, _: &Bad<'_>) {}
    }

    /// How many of the lines the scanner takes, and how many fields they have.
    fn taken(scanner: &mut Scanner, paths: &mut PathTable, text: &str) -> (usize, usize) {
        let (chunk, mut count) = (Chunk::new(text.as_bytes()), Count::default());
        let mut cursor = Cursor { start: 0, line: 1 };
        let read = scanner.lines(&chunk, &mut cursor, paths, &Limits::default(), &mut count);
        (read, count.0)
    }

    #[test]
    fn plain_lines_are_taken_and_are_learned_once() {
        let (mut scanner, mut paths) = (Scanner::default(), PathTable::default());
        let lines = "{\"id\":1,\"a\":{\"x\":\"y\",\"z\":[1,{\"k\":\"]\"}]},\"t\":true,\"e\":\"\\u00e9\"}\n\
                     { \"id\" : -1.5e3, \"n\" : null }\r\n{\"id\":2,\"a\":{}}\n";
        assert_eq!(taken(&mut scanner, &mut paths, lines), (3, 7 + 3 + 3));
        let learned = scanner.steps.len();
        for _ in 0..3 {
            assert_eq!(taken(&mut scanner, &mut paths, lines), (3, 13));
        }
        assert_eq!(scanner.steps.len(), learned);
    }

    #[test]
    fn what_is_not_plain_is_left_and_leaves_nothing() {
        for line in ["{\"a\":1,\"b\":{\"c\":2},\"a\":3}", "{\"x\":1,\"y\":}", "[1]", "{\"z\":\"\u{1}\"}", "{\"q\":1}}"]
        {
            let (mut scanner, mut paths) = (Scanner::default(), PathTable::default());
            assert_eq!(taken(&mut scanner, &mut paths, line), (0, 0), "{line}");
            assert_eq!((paths.len(), scanner.steps.len()), (1, 0), "{line}");
        }
    }
}

//! The writes of a stream that are not committed yet.

mod places;

use std::sync::Arc;
use std::time::Instant;

use super::arrow::Declared;
use crate::batch::Misfit;
use crate::error::{Error, ErrorKind, Result};
use crate::load::Step;

/// What is buffered, source by source. Sources stay known from batch to batch.
#[derive(Default)]
pub(super) struct Buffer {
    /// Sorted by name.
    sources: Vec<Source>,
    lines: u64,
    bytes: u64,
    since: Option<Instant>,
}

/// One source: how far it is committed, and what was written behind that.
pub(super) struct Source {
    name: String,
    committed: Option<u64>,
    pub(super) bytes: Vec<u8>,
    pub(super) writes: Vec<Write>,
    /// What goes into the quarantine unread, in the order of the writes.
    asides: Vec<Aside>,
    /// Bytes and lines of the batches before, so that places count on.
    pub(super) passed: (u64, u64),
}

/// What the caller says is no record: it takes the place of the bytes of a write.
struct Aside {
    position: u64,
    reason: String,
    raw: Vec<u8>,
    /// Bytes that the record had, of which `raw` may be the first.
    raw_len: u64,
}

/// One write: its position, the bytes and lines in the source's buffer up to its end, and which of the stream's tables
/// it is for.
pub(super) struct Write {
    position: u64,
    pub(super) end: usize,
    pub(super) lines: u64,
    pub(super) table: usize,
    /// What is declared of its columns, where it was a record batch.
    pub(super) declared: Option<Arc<Declared>>,
}

impl Buffer {
    /// Where a source is, the buffered writes included; `None` if the source is not known here.
    pub(super) fn position(&self, source: &str) -> Option<Option<u64>> {
        let source = &self.sources[self.find(source).ok()?];
        Some(source.writes.last().map(|write| write.position).or(source.committed))
    }

    /// Where the buffered writes of the sources begin, of those that have such a position.
    #[cfg(feature = "kafka")]
    pub(super) fn positions(&self) -> impl Iterator<Item = (String, u64)> {
        self.sources.iter().filter_map(|source| Some((source.name.clone(), source.committed?)))
    }

    /// Makes a source known.
    pub(super) fn add_source(&mut self, name: &str, committed: Option<u64>) {
        if let Err(at) = self.find(name) {
            let (name, bytes, writes, asides) = (name.to_owned(), Vec::new(), Vec::new(), Vec::new());
            self.sources.insert(at, Source { name, committed, bytes, writes, asides, passed: (0, 0) });
        }
    }

    /// Makes a source unknown again; returns how many of its writes are given up.
    pub(super) fn forget(&mut self, name: &str) -> u64 {
        let Ok(at) = self.find(name) else { return 0 };
        let dropped = self.sources.remove(at).writes.len() as u64;
        self.count();
        dropped
    }

    /// Takes in a write of a source that is known, whose bytes go into the quarantine.
    pub(super) fn push_aside(&mut self, name: &str, (raw, raw_len): (&[u8], u64), reason: String, position: u64) {
        self.push(name, b"", position, 0);
        let Ok(at) = self.find(name) else { return };
        self.sources[at].asides.push(Aside { position, reason, raw: raw.to_vec(), raw_len });
        self.lines += 1;
        self.bytes += raw.len() as u64;
    }

    /// Takes in a record batch as a write: its rows as lines of JSON, with what it declares of them.
    pub(super) fn push_declared(&mut self, name: &str, lines: &[u8], declared: Declared, position: u64, table: usize) {
        self.push(name, lines, position, table);
        let Ok(at) = self.find(name) else { return };
        if let Some(write) = self.sources[at].writes.last_mut() {
            write.declared = Some(Arc::new(declared));
        }
    }

    /// Takes in a write of a source that is known.
    pub(super) fn push(&mut self, name: &str, bytes: &[u8], position: u64, table: usize) {
        let Ok(at) = self.find(name) else { return };
        let source = &mut self.sources[at];
        source.bytes.extend_from_slice(bytes);
        // The next write begins a record of its own, whether or not this one ended its last line.
        let open = !bytes.is_empty() && !bytes.ends_with(b"\n");
        if open {
            source.bytes.push(b'\n');
        }
        let lines = memchr::memchr_iter(b'\n', bytes).count() as u64 + u64::from(open);
        let before = source.writes.last().map_or(0, |write| write.lines);
        source.writes.push(Write { position, end: source.bytes.len(), lines: before + lines, table, declared: None });
        self.lines += lines;
        self.bytes += bytes.len() as u64;
        self.since.get_or_insert_with(Instant::now);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sources.iter().all(|source| source.writes.is_empty())
    }

    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When the oldest buffered write came.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// How far the batch takes each source that has writes, in the order of their names.
    pub(super) fn steps(&self) -> Vec<Step> {
        let step = |source: &Source| {
            let to = source.writes.last()?.position;
            Some(Step { source: source.name.clone(), from: source.committed, to })
        };
        self.sources.iter().filter_map(step).collect()
    }

    /// The sources of the steps, by name.
    pub(super) fn names(&self) -> Vec<String> {
        self.active().map(|source| source.name.clone()).collect()
    }

    /// A name for each write, as the quarantine gives it: `events-3@41210`.
    pub(super) fn write_names(&self) -> Vec<String> {
        self.names_of(|_| true)
    }

    /// Those of writes that were record batches.
    pub(super) fn declared_names(&self) -> Vec<String> {
        self.names_of(|write| write.declared.is_some())
    }

    fn names_of(&self, wanted: impl Fn(&Write) -> bool) -> Vec<String> {
        let writes = self.active().flat_map(|source| source.writes.iter().map(move |write| (source, write)));
        let wanted = writes.filter(|(_, write)| wanted(write));
        wanted.map(|(source, write)| format!("{}@{}", source.name, write.position)).collect()
    }

    /// A hash of what is buffered, as hexadecimal text.
    pub(super) fn content_hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for source in self.active() {
            hasher.update(&(source.bytes.len() as u64).to_le_bytes());
            hasher.update(&source.bytes);
            for aside in &source.asides {
                hasher.update(&(aside.raw.len() as u64).to_le_bytes());
                hasher.update(&aside.raw);
            }
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// What the caller has set aside, each with its write as its source.
    pub(super) fn asides(&self) -> impl Iterator<Item = Misfit> {
        let mut before = 0;
        self.active().flat_map(move |source| {
            let first = before;
            before += source.writes.len();
            source.asides.iter().map(move |aside| {
                let nth = source.writes.partition_point(|write| write.position < aside.position);
                Misfit {
                    source: (first + nth) as u32,
                    line: 1,
                    byte: 0,
                    path: None,
                    reason: aside.reason.clone(),
                    raw: aside.raw.clone(),
                    raw_len: aside.raw_len,
                }
            })
        })
    }

    /// Takes out what is buffered, to be committed by others. What is written from here on goes on behind it.
    pub(super) fn take(&mut self) -> Buffer {
        let sources = self.sources.iter_mut().filter(|source| !source.writes.is_empty()).map(Source::take).collect();
        let taken = Buffer { sources, ..*self };
        self.count();
        taken
    }

    /// Puts back what was taken out, behind which nothing has been written since.
    pub(super) fn put_back(&mut self, taken: Buffer) {
        for source in taken.sources {
            if let Ok(at) = self.find(&source.name) {
                self.sources[at] = source;
            }
        }
        self.since = taken.since;
        self.count();
    }

    /// Takes over the memory of a buffer that has been committed, source by source.
    pub(super) fn reuse(&mut self, spent: Option<Buffer>) {
        for Source { name, mut bytes, .. } in spent.into_iter().flat_map(|spent| spent.sources) {
            if let Ok(at) = self.find(&name)
                && self.sources[at].bytes.capacity() == 0
            {
                bytes.clear();
                self.sources[at].bytes = bytes;
            }
        }
    }

    /// Empties the buffer after a commit that took its sources along these steps.
    pub(super) fn committed(&mut self, steps: &[Step]) {
        for step in steps {
            if let Ok(at) = self.find(&step.source) {
                self.sources[at].drop_to(step.to);
            }
        }
        self.count();
    }

    /// Goes on from where others have taken the sources: drops what is committed already, and says how many writes
    /// that were.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if a source has gone back. What is buffered does not begin there.
    pub(super) fn move_on(&mut self, steps: &[Step], positions: &[Option<u64>]) -> Result<u64> {
        if let Some((step, _)) = steps.iter().zip(positions).find(|(step, position)| **position < step.from) {
            let message = format!("the offset of `{}` has gone back since the stream was opened", step.source);
            return Err(Error::new(ErrorKind::Conflict, message).with_hint(
                "the table was dropped, or its offset changed: open the stream again, and go on from there",
            ));
        }
        let mut skipped = 0;
        for (step, position) in steps.iter().zip(positions) {
            if let (Ok(at), Some(position)) = (self.find(&step.source), position) {
                skipped += self.sources[at].drop_to(*position);
            }
        }
        self.count();
        Ok(skipped)
    }

    fn count(&mut self) {
        self.bytes = self.sources.iter().map(Source::held).sum();
        self.lines = self.sources.iter().map(Source::records).sum();
        if self.is_empty() {
            self.since = None;
        }
    }

    /// The sources that have writes.
    pub(super) fn active(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| !source.writes.is_empty())
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.sources.binary_search_by(|source| source.name.as_str().cmp(name))
    }
}

impl Source {
    /// Bytes held, those that were set aside included.
    fn held(&self) -> u64 {
        self.bytes.len() as u64 + self.asides.iter().map(|aside| aside.raw.len() as u64).sum::<u64>()
    }

    /// Takes out the writes; the position of the last counts as committed from here on.
    fn take(&mut self) -> Source {
        let (to, lines) = self.writes.last().map_or((self.committed, 0), |last| (Some(last.position), last.lines));
        let behind = Source {
            name: self.name.clone(),
            committed: to,
            bytes: Vec::new(),
            writes: Vec::new(),
            asides: Vec::new(),
            passed: (self.passed.0 + self.bytes.len() as u64, self.passed.1 + lines),
        };
        std::mem::replace(self, behind)
    }

    /// Lines, and what was set aside.
    fn records(&self) -> u64 {
        self.writes.last().map_or(0, |write| write.lines) + self.asides.len() as u64
    }

    /// Drops the writes up to a position; returns how many they were.
    fn drop_to(&mut self, position: u64) -> u64 {
        let done = self.writes.partition_point(|write| write.position <= position);
        let (end, lines) = match done.checked_sub(1).and_then(|last| self.writes.get(last)) {
            Some(write) => (write.end, write.lines),
            None => (0, 0),
        };
        self.bytes.drain(..end);
        self.writes.drain(..done);
        self.asides.retain(|aside| aside.position > position);
        for write in &mut self.writes {
            write.end -= end;
            write.lines -= lines;
        }
        self.passed = (self.passed.0 + end as u64, self.passed.1 + lines);
        self.committed = Some(position);
        done as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Format, Limits};

    fn buffer(writes: &[(&str, &str, u64)]) -> Buffer {
        let mut buffer = Buffer::default();
        for (source, bytes, position) in writes {
            buffer.add_source(source, None);
            buffer.push(source, bytes.as_bytes(), *position, 0);
        }
        buffer
    }

    fn step(source: &str, from: Option<u64>, to: u64) -> Step {
        Step { source: source.into(), from, to }
    }

    fn misfit(source: u32, line: u64, byte: u64) -> Misfit {
        Misfit { source, line, byte, path: None, reason: String::new(), raw: Vec::new(), raw_len: 0 }
    }

    #[test]
    fn the_same_writes_are_the_same_steps_in_whatever_order_the_sources_come() {
        let one = buffer(&[("b", "{}", 1), ("a", "{}\n", 7), ("b", "{}\n", 2)]);
        let two = buffer(&[("a", "{}\n", 7), ("b", "{}\n", 1), ("b", "{}\n", 2)]);
        assert_eq!(one.steps(), [step("a", None, 7), step("b", None, 2)]);
        assert_eq!((one.steps(), one.content_hash()), (two.steps(), two.content_hash()));
    }

    #[test]
    fn a_misfit_is_placed_in_the_write_that_it_came_with() {
        let mut buffer = buffer(&[("a", "{}\n", 1), ("b", "{}\n{}", 10), ("b", "{}\n{}\n", 20)]);
        assert_eq!(buffer.write_names(), ["a@1", "b@10", "b@20"]);
        let place = |buffer: &Buffer, misfit| {
            let Misfit { source, line, byte, .. } = buffer.locate(misfit);
            (source, line, byte)
        };
        assert_eq!(place(&buffer, misfit(1, 2, 3)), (1, 2, 3));
        assert_eq!(place(&buffer, misfit(1, 3, 6)), (2, 1, 0));
        assert_eq!(place(&buffer, misfit(1, 4, 9)), (2, 2, 3));
        // Places count on over batches, and are still found.
        buffer.committed(&buffer.steps());
        buffer.push("b", b"{}\nx", 30, 0);
        let pieces = buffer.pieces(&Format::Ndjson, &Limits::default());
        let chunk = buffer.chunk(&pieces[0]);
        assert_eq!((chunk.source, chunk.offset, chunk.first_line), (0, 12, 5));
        assert_eq!(place(&buffer, misfit(0, 6, 15)), (0, 2, 3));
    }

    #[test]
    fn what_others_have_committed_is_dropped_and_the_rest_goes_on_behind_it() {
        let mut buffer = buffer(&[("a", "{\"a\":1}\n", 1), ("a", "{\"a\":2}\n", 2), ("a", "{\"a\":3}\n", 3)]);
        let steps = buffer.steps();
        assert_eq!(buffer.move_on(&steps, &[Some(2)]).unwrap(), 2);
        assert_eq!(buffer.steps(), [step("a", Some(2), 3)]);
        assert_eq!((buffer.lines(), buffer.bytes()), (1, 8));
        assert_eq!(buffer.position("a"), Some(Some(3)));
        let error = buffer.move_on(&buffer.steps(), &[None]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(buffer.move_on(&buffer.steps(), &[Some(9)]).unwrap(), 1);
        assert!(buffer.is_empty() && buffer.since().is_none());
    }

    #[test]
    fn what_is_written_behind_a_batch_goes_on_where_it_ends() {
        let mut buffer = buffer(&[("a", "{}\n", 1), ("b", "{}\n{}", 10)]);
        buffer.push_aside("b", (b"raw", 3), "no value".into(), 11);
        let taken = buffer.take();
        assert_eq!(taken.steps(), [step("a", None, 1), step("b", None, 11)]);
        assert_eq!((taken.lines(), taken.bytes(), taken.asides().count()), (4, 3 + 5 + 3, 1));
        assert!(buffer.is_empty() && buffer.since().is_none() && buffer.steps().is_empty());
        assert_eq!((buffer.lines(), buffer.bytes(), buffer.position("b")), (0, 0, Some(Some(11))));
        buffer.push("b", b"{}\nx", 30, 0);
        assert_eq!(buffer.steps(), [step("b", Some(11), 30)]);
        let pieces = buffer.pieces(&Format::Ndjson, &Limits::default());
        let chunk = buffer.chunk(&pieces[0]);
        assert_eq!((chunk.offset, chunk.first_line), (6, 3));
    }

    #[test]
    fn what_is_set_aside_has_its_write_as_its_source_and_goes_when_that_is_committed() {
        let mut buffer = buffer(&[("a", "{}\n", 1), ("b", "{}\n", 1)]);
        buffer.push_aside("b", (b"raw", 3), "no value".into(), 2);
        buffer.push("b", b"{}", 3, 0);
        buffer.push_aside("b", (b"", 0), "no value".into(), 4);
        assert_eq!((buffer.lines(), buffer.bytes()), (5, 3 + 3 + 3 + 2));
        let names = buffer.write_names();
        let placed: Vec<(String, Vec<u8>)> =
            buffer.asides().map(|aside| (names[aside.source as usize].clone(), aside.raw)).collect();
        assert_eq!(placed, [("b@2".to_owned(), b"raw".to_vec()), ("b@4".to_owned(), Vec::new())]);
        buffer.committed(&[step("b", None, 2)]);
        assert_eq!((buffer.asides().count(), buffer.lines()), (1, 3));
        assert_eq!((buffer.forget("b"), buffer.forget("c")), (2, 0));
        assert_eq!((buffer.asides().count(), buffer.lines(), buffer.position("b")), (0, 1, None));
    }
}

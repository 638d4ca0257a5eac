//! An input in pieces: chunks of whole records, and gaps where a record was too long to hold.

use crate::error::Result;

use super::buffers::Buffers;
use super::chunk::{BACK_PAD, Chunk, Cut, FRONT_PAD, Gap, Piece};
use super::input::{Input, InputEnd};
use super::sample::{Sample, Spread};

/// How an input is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkOptions {
    /// How many bytes a chunk is to have, 256 KiB by default. It ends at the last record border within them; only a
    /// record that is longer by itself makes a longer chunk.
    pub chunk_bytes: usize,
    /// How many bytes one record may take with its line end, 16 MiB by default, and just under 4 GiB at most. A longer one
    /// becomes a [`Gap`]. This limit comes first: a chunk is never longer than it.
    pub max_record_bytes: usize,
}

impl Default for ChunkOptions {
    fn default() -> Self {
        ChunkOptions { chunk_bytes: 256 << 10, max_record_bytes: 16 << 20 }
    }
}

/// The longest record and chunk that can be: positions within a chunk are numbers of 32 bits.
pub(crate) const LONGEST: usize = (u32::MAX - (1 << 20)) as usize;

/// How much of a gap is kept.
pub(crate) const GAP_HEAD: usize = 64 << 10;

/// Why a record that is longer than the limit is none, as the quarantine states it.
pub(crate) fn longer_than(limit: usize) -> String {
    format!("record longer than {limit} bytes")
}

/// Cuts an [`Input`] into [`Piece`]s, in order.
///
/// Where it cuts depends on the bytes, the cutter and [`ChunkOptions`] only, never on how the bytes arrived; which
/// records are too long does not even depend on the chunk size. The pieces, put together, are the input. At most about
/// `max_record_bytes + chunk_bytes` are held. After an error there are no more pieces.
pub struct Pieces {
    input: Input,
    cut: Box<dyn Cut>,
    options: ChunkOptions,
    buffers: Buffers,
    window: Window,
    /// How many bytes the cutter is shown next.
    want: usize,
    /// Whether the input has no more bytes than the window holds.
    ended: bool,
    /// Whether the end has been looked at.
    over: bool,
    failed: bool,
    source: u32,
    sequence: u64,
    /// Of the first byte in the window.
    offset: u64,
    line: u64,
    state: u8,
    /// Where a sample ends or jumps.
    stop: Option<u64>,
    spread: Option<Spread>,
    /// Bytes that were moved to make room.
    #[cfg(test)]
    moved: usize,
}

impl Pieces {
    /// Begins at the input's first unread byte, which is to be its first byte or a record border. `source` is the
    /// input's index within its [`Source`](super::Source).
    pub fn new(input: Input, cut: Box<dyn Cut>, source: u32, options: ChunkOptions) -> Self {
        let max_record_bytes = options.max_record_bytes.clamp(1, LONGEST);
        let chunk_bytes = options.chunk_bytes.clamp(1, max_record_bytes);
        let options = ChunkOptions { chunk_bytes, max_record_bytes };
        let state = cut.state();
        Pieces {
            input,
            cut,
            options,
            buffers: Buffers::new(&options),
            window: Window::over(Vec::new()),
            want: chunk_bytes,
            ended: false,
            over: false,
            failed: false,
            source,
            sequence: 0,
            offset: 0,
            line: 1,
            state,
            stop: None,
            spread: None,
            #[cfg(test)]
            moved: 0,
        }
    }

    /// Takes chunk buffers from a stock that is shared with other inputs.
    #[must_use]
    pub fn with_buffers(mut self, buffers: Buffers) -> Self {
        self.buffers = buffers;
        self
    }

    /// Reads a sample in place of all. To be said before the first piece.
    ///
    /// # Errors
    ///
    /// When nothing can be read of an input that is to be sampled by rows.
    pub fn with_sample(mut self, sample: Sample) -> Result<Self> {
        let budget = match sample {
            Sample::All => return Ok(self),
            Sample::Bytes(bytes) => bytes,
            Sample::Rows(rows) => {
                let line_end = self.cut.line_end();
                let head = self.input.peek(64 << 10)?;
                let lines = memchr::memchr_iter(line_end, head).count().max(1);
                // A quarter more than the head promises, for records that are longer later.
                let bytes = u128::from(rows) * (head.len() as u128) * 5 / (lines as u128 * 4);
                u64::try_from(bytes).unwrap_or(u64::MAX)
            }
        };
        let can_jump = self.cut.can_resync() && self.input.can_seek();
        self.spread = self.input.size_hint().filter(|_| can_jump).and_then(|total| Spread::new(total, budget));
        self.stop = match (&self.spread, sample) {
            (Some(spread), _) => Some(spread.len),
            (None, Sample::Bytes(bytes)) => Some(bytes),
            // Whoever counts the records stops.
            (None, _) => None,
        };
        self.begin();
        Ok(self)
    }

    /// The stock that this takes chunk buffers from, to give them back to.
    pub fn buffers(&self) -> Buffers {
        self.buffers.clone()
    }

    /// The input's name.
    pub fn name(&self) -> &str {
        self.input.name()
    }

    /// Ends the reading; see [`Input::finish`].
    ///
    /// # Errors
    ///
    /// As [`Input::finish`].
    pub fn finish(self) -> Result<InputEnd> {
        self.input.finish()
    }

    fn advance(&mut self) -> Result<Option<Piece>> {
        loop {
            if self.stop.is_some_and(|stop| self.offset >= stop) && !self.jump()? {
                return Ok(None);
            }
            self.fill(self.want)?;
            let view = self.window.first(self.want);
            let len = view.len();
            if len == 0 {
                return Ok(self.missing_end().map(Piece::Gap));
            }
            let at_end = self.ended && len == self.window.len();
            let cut = self.cut.cut(view, at_end).min(len);
            if cut > 0 {
                return Ok(Some(Piece::Records(self.emit(cut))));
            }
            if at_end {
                return Ok(Some(Piece::Records(self.emit(len))));
            }
            if len < self.options.max_record_bytes {
                self.want = len.saturating_mul(2).min(self.options.max_record_bytes);
                continue;
            }
            let cut = self.cut.give_up(view).min(len);
            return Ok(Some(if cut > 0 { Piece::Records(self.emit(cut)) } else { Piece::Gap(self.skip()?) }));
        }
    }

    /// Reads until the window holds exactly `want` bytes, or more if it had more, or all there are.
    fn fill(&mut self, want: usize) -> Result<()> {
        if self.ended || self.window.len() >= want {
            return Ok(());
        }
        if self.window.buffer.is_empty() {
            self.window = Window::over(self.buffers.take());
        }
        #[cfg(test)]
        {
            self.moved += if self.window.lacks_room(want) { self.window.len() } else { 0 };
        }
        self.window.make_room(want, self.options.chunk_bytes);
        while self.window.len() < want && !self.ended {
            let n = self.input.read_some(self.window.room(want))?;
            self.window.end += n;
            self.ended = n == 0;
        }
        Ok(())
    }

    /// Cuts the first `n` bytes off as a chunk.
    fn emit(&mut self, n: usize) -> Chunk {
        let mut notes = self.buffers.take_notes();
        self.cut.note(&mut notes);
        let lines = match notes.filled {
            true => notes.lines,
            false => count(self.cut.line_end(), self.window.first(n)),
        };
        let buffer = self.window.split(n, &self.buffers);
        let chunk = Chunk {
            buffer,
            source: self.source,
            sequence: self.sequence,
            offset: self.offset,
            first_line: self.line,
            state: self.state,
            notes,
        };
        self.sequence += 1;
        self.passed(n as u64, lines);
        chunk
    }

    /// An input that stops where it should go on is counted as one record that could not be had.
    fn missing_end(&mut self) -> Option<Gap> {
        let reason = self.cut.missing_end().filter(|_| !std::mem::replace(&mut self.over, true))?;
        let (source, offset, line) = (self.source, self.offset, self.line);
        Some(Gap { source, offset, line, len: 0, head: Vec::new(), reason: reason.to_string() })
    }

    /// Skips the record that fills the window and goes on, to its end. Nothing of it is kept but the head.
    fn skip(&mut self) -> Result<Gap> {
        let line_end = self.cut.line_end();
        let mut gap = Gap {
            source: self.source,
            offset: self.offset,
            line: self.line,
            len: 0,
            head: Vec::new(),
            reason: longer_than(self.options.max_record_bytes),
        };
        let mut lines = 0;
        // What was looked at belongs to the record, also the line ends within it.
        let mut first = true;
        while self.window.len() > 0 {
            let end = self.cut.pass(self.window.live(), std::mem::take(&mut first));
            let part = end.unwrap_or(self.window.len());
            let bytes = self.window.first(part);
            lines += count(line_end, bytes);
            gap.head.extend_from_slice(&bytes[..bytes.len().min(GAP_HEAD - gap.head.len())]);
            gap.len += part as u64;
            self.window.drop_first(part);
            if end.is_some() {
                break;
            }
            if self.window.len() == 0 && self.window.buffer.capacity() > self.buffers.largest() {
                self.window = Window::over(Vec::new());
            }
            self.fill(self.options.chunk_bytes)?;
        }
        self.passed(gap.len, lines);
        Ok(gap)
    }

    /// Notes that the window begins at a new border.
    fn passed(&mut self, bytes: u64, lines: u64) {
        self.offset += bytes;
        if self.line > 0 {
            self.line += lines;
        }
        self.state = self.cut.state();
        self.begin();
    }

    /// Settles how much of the next chunk is looked at first: a chunk, or what is left of a sample.
    fn begin(&mut self) {
        let left = self.stop.map_or(u64::MAX, |stop| stop.saturating_sub(self.offset).max(1));
        self.want = self.options.chunk_bytes.min(usize::try_from(left).unwrap_or(usize::MAX));
    }

    /// Goes to the first line start at or behind the sample's next point; `false` when there is none.
    fn jump(&mut self) -> Result<bool> {
        let Some((point, len)) = self.spread.as_mut().and_then(|spread| Some((spread.next(self.offset)?, spread.len)))
        else {
            return Ok(false);
        };
        // One byte before, so that a line which begins at the point is taken.
        self.input.seek_to(point - 1)?;
        self.window.drop_first(self.window.len());
        self.ended = false;
        self.offset = point - 1;
        self.line = 0;
        let line_end = self.cut.line_end();
        loop {
            self.fill(self.options.chunk_bytes)?;
            let found = memchr::memchr(line_end, self.window.live());
            let part = found.map_or(self.window.len(), |at| at + 1);
            self.window.drop_first(part);
            self.passed(part as u64, 0);
            if found.is_some() || part == 0 {
                self.stop = Some(self.offset.saturating_add(len));
                self.begin();
                return Ok(found.is_some());
            }
        }
    }
}

fn count(line_end: u8, bytes: &[u8]) -> u64 {
    memchr::memchr_iter(line_end, bytes).count() as u64
}

impl Iterator for Pieces {
    type Item = Result<Piece>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let piece = self.advance();
        self.failed = piece.is_err();
        piece.transpose()
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pieces").field("input", &self.input).field("offset", &self.offset).finish_non_exhaustive()
    }
}

/// The bytes that were read and not yet emitted: `buffer[start..end]`.
///
/// The buffer has a chunk's shape (front pad, data, back pad), so that in the usual case, where almost all of it is one
/// chunk, it becomes that chunk and only the torn record behind is copied to the next buffer.
struct Window {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Window {
    fn over(buffer: Vec<u8>) -> Self {
        Window { buffer, start: FRONT_PAD, end: FRONT_PAD }
    }

    fn len(&self) -> usize {
        self.end - self.start
    }

    fn live(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    fn first(&self, n: usize) -> &[u8] {
        let live = self.live();
        &live[..n.min(live.len())]
    }

    /// Where to read to, for `want` bytes in all.
    fn room(&mut self, want: usize) -> &mut [u8] {
        &mut self.buffer[self.end..self.start + want]
    }

    fn drop_first(&mut self, n: usize) {
        self.start += n;
        if self.start == self.end {
            (self.start, self.end) = (FRONT_PAD, FRONT_PAD);
        }
    }

    /// Whether the buffer does not hold `want` bytes from `start` on.
    fn lacks_room(&self, want: usize) -> bool {
        self.start + want + BACK_PAD > self.buffer.len()
    }

    /// Makes the buffer hold `want` bytes from `start` on. Past a chunk's size it gets a chunk's size to spare, so that
    /// when a long stretch is cut into small pieces it is moved once per `chunk` bytes and not once per piece.
    fn make_room(&mut self, want: usize, chunk: usize) {
        if !self.lacks_room(want) {
            return;
        }
        if self.start > FRONT_PAD {
            self.buffer.copy_within(self.start..self.end, FRONT_PAD);
            (self.start, self.end) = (FRONT_PAD, FRONT_PAD + self.len());
        }
        let spare = if want > chunk { chunk } else { 0 };
        let needed = FRONT_PAD + want + spare + BACK_PAD;
        if self.buffer.len() < needed {
            self.buffer.reserve_exact(needed - self.buffer.len());
            self.buffer.resize(needed, 0);
        }
    }

    /// Splits the first `n` bytes off as a chunk's buffer.
    fn split(&mut self, n: usize, buffers: &Buffers) -> Vec<u8> {
        let data = self.start..self.start + n;
        let whole = self.start == FRONT_PAD && n >= self.buffer.len() / 2;
        let mut other = Window::over(buffers.take());
        let mut chunk = if whole {
            let tail = &self.buffer[data.end..self.end];
            other.make_room(tail.len(), tail.len());
            other.buffer[FRONT_PAD..FRONT_PAD + tail.len()].copy_from_slice(tail);
            other.end = FRONT_PAD + tail.len();
            std::mem::swap(self, &mut other);
            other.buffer
        } else {
            other.make_room(n, n);
            other.buffer[FRONT_PAD..FRONT_PAD + n].copy_from_slice(&self.buffer[data]);
            self.drop_first(n);
            other.buffer
        };
        // A reused buffer keeps its bytes, so that only the pads are written again.
        chunk[..FRONT_PAD].fill(b' ');
        chunk.truncate(FRONT_PAD + n);
        chunk.resize(FRONT_PAD + n + BACK_PAD, 0);
        chunk
    }
}

#[cfg(test)]
mod tests;

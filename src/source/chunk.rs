//! A chunk: whole records as bytes, with where they came from.

/// Bytes kept free in front of a chunk's data, so that a parser may put a sentinel there.
pub(crate) const FRONT_PAD: usize = 16;
/// Zero bytes kept behind a chunk's data, so that SIMD may read past the end.
pub(crate) const BACK_PAD: usize = 64;

/// A run of whole records and where it stands in its input.
///
/// The data is held with 16 bytes in front and 64 zero bytes behind it, so that SIMD may read past the end. `offset` and
/// `first_line` count in the decompressed, decoded input, after a byte-order mark.
#[derive(Debug, Default, Clone)]
pub struct Chunk {
    /// Front pad, data, back pad.
    pub(crate) buffer: Vec<u8>,
    /// Index of the input within its [`Source`](crate::Source), from 0.
    pub source: u32,
    /// Position among the chunks of this input, from 0.
    pub sequence: u64,
    /// Byte offset of the first byte.
    pub offset: u64,
    /// Physical line of the first byte, from 1; 0 where it is not known, behind a jump of a [`Sample`](super::Sample).
    pub first_line: u64,
    /// What the cutter knew at the start of this chunk (for instance: inside a top-level array); 0 at the start.
    pub state: u8,
    /// What the cutter has learned of the data.
    pub(crate) notes: Notes,
}

/// What a cutter has learned of the bytes that it cut off, for whoever reads the records of the same format, so that
/// nobody looks at them twice. It can be left out, and what it means is not this layer's business.
#[derive(Debug, Default, Clone)]
pub struct Notes {
    /// Whether the rest means anything.
    pub(crate) filled: bool,
    /// Four words for each 64 bytes of the data.
    pub(crate) blocks: Vec<[u64; 4]>,
    /// What holds of all of the data, a bit each.
    pub(crate) flags: u8,
    /// How many line ends there are.
    pub(crate) lines: u64,
}

impl Chunk {
    /// Makes a chunk over a copy of `data`, at the start of input 0.
    pub fn new(data: &[u8]) -> Self {
        let mut chunk = Chunk { first_line: 1, ..Chunk::default() };
        chunk.set_data(data);
        chunk
    }

    /// Replaces the data, reusing the buffer.
    pub(crate) fn set_data(&mut self, data: &[u8]) {
        self.notes.filled = false;
        self.buffer.clear();
        self.buffer.reserve(FRONT_PAD + data.len() + BACK_PAD);
        self.buffer.resize(FRONT_PAD, b' ');
        self.buffer.extend_from_slice(data);
        self.buffer.resize(FRONT_PAD + data.len() + BACK_PAD, 0);
    }

    /// The records' bytes.
    pub fn data(&self) -> &[u8] {
        &self.buffer[FRONT_PAD..self.buffer.len() - BACK_PAD]
    }

    /// The records' bytes, and 64 zero bytes behind them.
    pub(crate) fn padded(&self) -> &[u8] {
        &self.buffer[FRONT_PAD..]
    }

    /// How many bytes the records take.
    pub fn len(&self) -> usize {
        self.buffer.len() - FRONT_PAD - BACK_PAD
    }

    /// Whether there is no data.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A stretch of input that is no usable record: it is counted as one quarantined record, and its bytes past
/// `head` are not kept, so that memory stays bounded. Its place says where to find it.
#[derive(Debug, Clone)]
pub struct Gap {
    /// Index of the input within its source, from 0.
    pub source: u32,
    /// Byte offset of the first byte.
    pub offset: u64,
    /// Physical line of the first byte, from 1; 0 where it is not known, as in [`Chunk::first_line`].
    pub line: u64,
    /// Its whole length in bytes.
    pub len: u64,
    /// Its first bytes, 64 KiB at most.
    pub head: Vec<u8>,
    /// Why, as the quarantine states it: `record longer than 16777216 bytes`.
    pub reason: String,
}

/// What reading an input yields, in order.
#[derive(Debug)]
pub enum Piece {
    /// Whole records.
    Records(Chunk),
    /// One record that could not be held.
    Gap(Gap),
}

/// Tells the source layer where records end. One per input, called in order, never concurrently.
///
/// `buffer` always begins at a record border and grows from call to call until a border is found; so a cutter may
/// remember how far it has looked since the last border it returned. After a non-zero answer the caller drops that
/// many bytes from the front.
pub trait Cut: Send {
    /// Returns how many bytes from the front of `buffer` are whole records: as many as it can, 0 if there is no
    /// border yet. With `at_end` there is no more input: everything that is left must be returned, also a torn tail.
    fn cut(&mut self, buffer: &[u8], at_end: bool) -> usize;

    /// The record at the front of `buffer` is longer than the record limit. Returns how much of it to cut off as a
    /// record that will not parse (a runaway quote's first line), or 0 to let the caller [pass](Cut::pass) over it. Either
    /// way the next call begins at a new border.
    fn give_up(&mut self, buffer: &[u8]) -> usize;

    /// Passes over a record that is too long to be held: `first` the buffer that [`give_up`](Cut::give_up) was shown, then
    /// the bytes behind it. Returns how many of these belong to the record, or `None` if all do and it may go on. Ends at the
    /// next line end behind the first buffer where nothing else is known.
    fn pass(&mut self, bytes: &[u8], first: bool) -> Option<usize> {
        let end = if first { None } else { memchr::memchr(self.line_end(), bytes) };
        end.map(|at| at + 1)
    }

    /// Exchanges `notes`, whose memory may be used again, for what was learned of the bytes that the last call of
    /// [`cut`](Cut::cut) or [`give_up`](Cut::give_up) has cut off. A cutter that learns nothing leaves them as they are.
    fn note(&mut self, _notes: &mut Notes) {}

    /// What [`Chunk::state`] is to hold for a chunk that begins at the present border.
    fn state(&self) -> u8;

    /// The byte that ends a physical line: `\n`, or `\r` in files that use it alone.
    fn line_end(&self) -> u8 {
        b'\n'
    }

    /// What is wrong with an input that ended here, if something is: records may be missing behind it. Asked once,
    /// when all of the input has been cut off.
    fn missing_end(&self) -> Option<&'static str> {
        None
    }

    /// Whether a record can begin at any line start, so that reading may go on in the middle of an input.
    fn can_resync(&self) -> bool {
        false
    }
}

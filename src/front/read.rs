//! Reading a source: its inputs one after another, each in its own format, as pieces for all cores.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;
use crate::fault;
use crate::records::{Format, FormatOptions, Limits, cutter, detect};
use crate::source::{Buffers, ChunkOptions, InputEnd, Piece, Pieces, Sample, Source};

/// How much of an input is looked at to find its format.
const HEAD: usize = crate::records::HEAD_BYTES;

/// How a source is read. [`ReadOptions::default`] looks at the data for its format, reads all of it, on all cores.
///
/// ```
/// use longshore::{ReadOptions, Sample};
/// let options = ReadOptions::default().threads(2).sample(Sample::Rows(10_000));
/// assert_eq!(options.threads, 2);
/// ```
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// What is known of the format; nothing by default.
    pub format: FormatOptions,
    /// The longest record, and how deep objects are taken apart.
    pub limits: Limits,
    /// Threads to work on, 0 (the default) for one per core.
    pub threads: usize,
    /// How much is read to infer a schema, all by default. A load reads everything anyway.
    pub sample: Sample,
    /// Bytes of a chunk, 0 (the default) for 256 KiB. It changes speed and memory, never the result.
    pub chunk_bytes: usize,
    /// Where to follow what is being read.
    pub watch: Watch,
}

impl ReadOptions {
    /// Sets what is known of the format.
    #[must_use]
    pub fn format(mut self, format: FormatOptions) -> Self {
        self.format = format;
        self
    }

    /// Sets the number of threads, 0 for one per core.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets how much is read to infer a schema.
    #[must_use]
    pub fn sample(mut self, sample: Sample) -> Self {
        self.sample = sample;
        self
    }

    /// Sets the bytes of a chunk, 0 for 256 KiB.
    #[must_use]
    pub fn chunk_bytes(mut self, bytes: usize) -> Self {
        self.chunk_bytes = bytes;
        self
    }

    /// Sets where to follow what is being read.
    #[must_use]
    pub fn watch(mut self, watch: Watch) -> Self {
        self.watch = watch;
        self
    }

    fn chunks(&self) -> ChunkOptions {
        let max_record_bytes = self.limits.max_record_bytes;
        match self.chunk_bytes {
            0 => ChunkOptions { max_record_bytes, ..ChunkOptions::default() },
            chunk_bytes => ChunkOptions { chunk_bytes, max_record_bytes },
        }
    }
}

/// A counter to look at from another thread while something is read. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    records: AtomicU64,
    pass: AtomicU64,
}

impl Watch {
    /// Records read in this pass.
    pub fn records(&self) -> u64 {
        self.0.records.load(Ordering::Relaxed)
    }

    /// Which pass is under way: 1 to infer the schema, 2 to load.
    pub fn pass(&self) -> u64 {
        self.0.pass.load(Ordering::Relaxed)
    }

    pub(super) fn begin(&self) {
        self.0.records.store(0, Ordering::Relaxed);
        self.0.pass.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add(&self, records: u64) {
        self.0.records.fetch_add(records, Ordering::Relaxed);
    }
}

/// One piece of an input, with its format.
pub(super) struct Part {
    pub(super) format: Arc<Format>,
    pub(super) piece: Piece,
}

/// What was found out about the inputs on the way.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The format of each input read so far.
    pub(super) formats: Vec<Arc<Format>>,
    /// How each input ended.
    pub(super) ends: Vec<InputEnd>,
}

impl Found {
    /// The hashes of the inputs' stored bytes, in order.
    pub(super) fn hashes(&self) -> Vec<[u8; 32]> {
        self.ends.iter().map(|end| end.content_hash.unwrap_or_default()).collect()
    }
}

/// The parts of all inputs, in order.
pub(super) struct Parts<'a> {
    source: &'a Source,
    options: &'a ReadOptions,
    sample: Sample,
    hashed: bool,
    /// The formats, where they are known from a first pass.
    known: Option<&'a [Arc<Format>]>,
    buffers: Buffers,
    next: usize,
    open: Option<(Arc<Format>, Pieces)>,
    found: Arc<Mutex<Found>>,
    failed: bool,
}

impl<'a> Parts<'a> {
    /// The parts of a first pass, which looks for the formats.
    pub(super) fn first_pass(source: &'a Source, options: &'a ReadOptions, hashed: bool) -> Self {
        let buffers = Buffers::new(&options.chunks());
        let (sample, found) = (options.sample, Arc::default());
        Parts { source, options, sample, hashed, known: None, buffers, next: 0, open: None, found, failed: false }
    }

    #[cfg(any(feature = "postgres", feature = "parquet"))]
    /// The parts of a second pass over everything, in the formats that the first one found.
    pub(super) fn second_pass(source: &'a Source, options: &'a ReadOptions, formats: &'a [Arc<Format>]) -> Self {
        Parts { sample: Sample::All, known: Some(formats), ..Parts::first_pass(source, options, true) }
    }

    /// What is found out on the way; complete when the parts are through.
    pub(super) fn found(&self) -> Arc<Mutex<Found>> {
        self.found.clone()
    }

    /// The stock that chunk buffers go back to.
    pub(super) fn buffers(&self) -> Buffers {
        self.buffers.clone()
    }

    fn advance(&mut self) -> Result<Option<Part>> {
        loop {
            if let Some((format, pieces)) = &mut self.open {
                fault::point("source.read")?;
                if let Some(piece) = pieces.next() {
                    return Ok(Some(Part { format: format.clone(), piece: piece? }));
                }
                self.end_input()?;
            }
            if self.next >= self.source.len() {
                return Ok(None);
            }
            self.open = Some(self.open(self.next)?);
            self.next += 1;
        }
    }

    /// Leaves the input that is being read; the next part is of the next one.
    pub(super) fn end_input(&mut self) -> Result<()> {
        if let Some((_, pieces)) = self.open.take() {
            let end = pieces.finish()?;
            self.lock().ends.push(end);
        }
        Ok(())
    }

    fn open(&self, i: usize) -> Result<(Arc<Format>, Pieces)> {
        fault::point("source.open")?;
        let mut input = if self.hashed { self.source.open_hashed(i)? } else { self.source.open(i)? };
        let format = match self.known.and_then(|known| known.get(i)) {
            Some(format) => format.clone(),
            None => {
                let name = input.name().to_string();
                let head = input.peek(HEAD)?;
                let complete = head.len() < HEAD;
                Arc::new(detect(head, complete, &name, &self.options.format).map_err(|error| error.in_source(name))?)
            }
        };
        self.lock().formats.push(format.clone());
        let cut = cutter(&format, &self.options.limits);
        let pieces = Pieces::new(input, cut, i as u32, self.options.chunks());
        Ok((format, pieces.with_buffers(self.buffers.clone()).with_sample(self.sample)?))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Iterator for Parts<'_> {
    type Item = Result<Part>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let part = self.advance();
        self.failed = part.is_err();
        part.transpose()
    }
}

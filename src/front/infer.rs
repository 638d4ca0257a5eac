//! A source → its sketch.

use std::sync::{Arc, PoisonError};

use super::read::{Found, Part, Parts, ReadOptions};
use crate::error::Result;
use crate::fault;
use crate::records::{Format, Reader};
use crate::sketch::{Collector, Sketch};
use crate::source::{Piece, Sample, Source, ordered_map};

/// What reading a source showed: the evidence, and the inputs' formats and sizes.
///
/// ```
/// use longshore::{Inference, Policy, ReadOptions, Source};
/// let source = Source::bytes("id,zip\n1,02134\n2,90210\n");
/// let inference = Inference::of(&source, &ReadOptions::default())?;
/// assert_eq!(inference.formats[0].as_str(), "csv");
/// let schema = Policy::default().resolve(&inference.sketch)?;
/// assert_eq!(schema.column("zip").unwrap().ty.to_string(), "text");
/// # Ok::<(), longshore::Error>(())
/// ```
#[derive(Debug)]
pub struct Inference {
    /// The evidence.
    pub sketch: Sketch,
    /// The format of each input, in the order of the source.
    pub formats: Vec<Arc<Format>>,
    /// Bytes of all inputs as they are stored.
    pub stored_bytes: u64,
    /// Hashes of the inputs' stored bytes, in the order of the source; none where they were not asked for.
    pub hashes: Vec<[u8; 32]>,
    /// What was noticed on the way and is no error: bytes behind the end of a gzip, a file that grew.
    pub warnings: Vec<String>,
}

/// What one worker has.
pub(super) struct Worker {
    pub(super) reader: Reader,
    pub(super) collector: Collector,
}

impl Inference {
    /// Reads a source, all of it unless the options say otherwise, on all cores unless they say otherwise.
    ///
    /// # Errors
    ///
    /// [`Io`](crate::ErrorKind::Io) and [`Corrupt`](crate::ErrorKind::Corrupt) if an input cannot be read to its end,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) and [`Config`](crate::ErrorKind::Config) if it cannot be read as asked. Records that are broken
    /// are no errors: the sketch counts them.
    pub fn of(source: &Source, options: &ReadOptions) -> Result<Inference> {
        Inference::read(source, options, false)
    }

    /// The same, with the hash of the stored bytes.
    pub(super) fn read(source: &Source, options: &ReadOptions, hashed: bool) -> Result<Inference> {
        source.check()?;
        options.watch.begin();
        let parts = Parts::first_pass(source, options, hashed);
        let (found, buffers) = (parts.found(), parts.buffers());
        let names: Vec<&str> = source.names().collect();
        let worker = || Worker { reader: Reader::new(options.limits), collector: Collector::new(&names) };
        let rows = match options.sample {
            Sample::Rows(rows) => Some(rows),
            _ => None,
        };
        let work = |worker: &mut Worker, part: Part| {
            fault::point("infer.chunk")?;
            let before = worker.collector.records();
            take(worker, part, &buffers);
            options.watch.add(worker.collector.records() - before);
            Ok(())
        };
        let mut workers = match rows {
            // Counting needs one after another; a sample is small.
            Some(rows) => vec![first_rows(parts, rows, worker(), &buffers)?],
            None => ordered_map(parts, options.threads, worker, work, |()| Ok(()))?,
        };
        if workers.is_empty() {
            // Inputs without a record need nobody's work, but they and their formats are to be known all the same.
            workers.push(worker());
        }
        let found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Inference::assemble(source, workers, found, hashed))
    }

    pub(super) fn assemble(source: &Source, workers: Vec<Worker>, found: Found, hashed: bool) -> Inference {
        let names: Vec<String> = source.names().map(str::to_string).collect();
        let formats: Vec<Format> = found.formats.iter().map(|format| format.as_ref().clone()).collect();
        let sketches = workers.into_iter().map(|worker| worker.collector.finish(worker.reader.paths(), &formats));
        Inference {
            sketch: Sketch::merge_all(sketches),
            stored_bytes: found.ends.iter().map(|end| end.stored_bytes).sum(),
            hashes: if hashed { found.hashes() } else { Vec::new() },
            warnings: warnings(&names, &found),
            formats: found.formats,
        }
    }
}

/// Takes a part into a worker's evidence.
fn take(worker: &mut Worker, part: Part, buffers: &crate::source::Buffers) {
    match part.piece {
        Piece::Records(mut chunk) => {
            worker.collector.begin(chunk.source, chunk.sequence);
            worker.reader.read(&part.format, &mut chunk, &mut worker.collector);
            buffers.recycle(chunk);
        }
        Piece::Gap(gap) => worker.collector.gap(gap.source, gap.offset, gap.line, &gap.reason),
    }
}

/// Reads whole chunks until there are `rows` records of each input.
fn first_rows(mut parts: Parts<'_>, rows: u64, mut worker: Worker, buffers: &crate::source::Buffers) -> Result<Worker> {
    while let Some(part) = parts.next() {
        let part = part?;
        let source = match &part.piece {
            Piece::Records(chunk) => chunk.source,
            Piece::Gap(gap) => gap.source,
        };
        take(&mut worker, part, buffers);
        if worker.collector.records_of(source) >= rows {
            parts.end_input()?;
        }
    }
    Ok(worker)
}

/// One hash over the hashes of the inputs, in their order.
#[cfg(any(feature = "postgres", feature = "parquet"))]
pub(super) fn content_hash(hashes: &[[u8; 32]]) -> String {
    let mut hasher = blake3::Hasher::new();
    for hash in hashes {
        hasher.update(hash);
    }
    hasher.finalize().to_hex()[..32].to_string()
}

fn warnings(names: &[String], found: &Found) -> Vec<String> {
    let of = |((name, end), format): ((&String, &crate::source::InputEnd), &Arc<Format>)| -> Vec<String> {
        let in_front = match &**format {
            Format::Csv(layout) if layout.titles > 0 => Some(match layout.preamble {
                1 => "the first line, in front of the table, is not taken for a record".to_owned(),
                lines => format!("the first {lines} lines, in front of the table, are not taken for records"),
            }),
            _ => None,
        };
        in_front.iter().chain(&end.warnings).map(|warning| format!("{name}: {warning}")).collect()
    };
    names.iter().zip(&found.ends).zip(&found.formats).flat_map(of).collect()
}

impl Sketch {
    /// The evidence of a source: all of it, on all cores. See [`Inference::of`] for options.
    ///
    /// # Errors
    ///
    /// As [`Inference::of`].
    pub fn of(source: &Source) -> Result<Sketch> {
        Ok(Inference::of(source, &ReadOptions::default())?.sketch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_input_is_an_input_on_any_number_of_threads() {
        let of = |threads| Inference::of(&Source::bytes(""), &ReadOptions::default().threads(threads)).unwrap().sketch;
        assert_eq!(of(1), of(4));
        assert_eq!(of(4).sources().len(), 1);
    }

    /// Rows without an end, as `yes 1,2` writes them.
    struct Endless(bool);

    impl std::io::Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let line = if std::mem::take(&mut self.0) { b"a,b\n" } else { b"1,2\n" };
            into[..4].copy_from_slice(line);
            Ok(4)
        }
    }

    #[test]
    fn a_sample_of_rows_ends_where_the_input_does_not() {
        let options = ReadOptions::default().sample(Sample::Rows(10));
        let sketch = Inference::of(&Source::reader(Endless(true)), &options).unwrap().sketch;
        assert!((10..200_000).contains(&sketch.records()), "{}", sketch.records());
    }

    #[test]
    fn what_is_inside_of_a_record_that_is_too_long_is_no_record() {
        let long = format!("{{\"data\":[\n{}{{\"id\":9}}\n]}}", "{\"id\":1},\n".repeat(50));
        for text in [
            format!("[{{\"a\":1}},\n{long},{{\"a\":2}},\n{{\"a\":3}}]\n"),
            format!("{{\"a\":1}}{long}{{\"a\":2}}\n{{\"a\":3}}"),
        ] {
            let mut options = ReadOptions::default();
            options.limits.max_record_bytes = 200;
            options.format.kind = Some(crate::records::Kind::Json);
            let sketch = Inference::of(&Source::bytes(text), &options).unwrap().sketch;
            let paths: Vec<String> = sketch.fields().iter().map(|field| field.path.to_string()).collect();
            assert_eq!((sketch.records(), sketch.sources()[0].bad, paths), (3, 1, vec!["a".to_owned()]));
        }
    }

    #[test]
    fn lines_in_front_of_a_table_are_a_warning() {
        let warnings = |text: &str| Inference::of(&Source::bytes(text), &ReadOptions::default()).unwrap().warnings;
        assert_eq!(
            warnings("Sales report\n\nid,name,total\n1,a,2.5\n2,b,3.5\n"),
            ["<bytes>: the first 2 lines, in front of the table, are not taken for records"]
        );
        assert!(warnings("\n\nid,name,total\n1,a,2.5\n").is_empty());
    }
}

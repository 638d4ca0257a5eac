//! Where longshore's time goes, stage by stage.
//!
//! Each chunk of the file goes through every stage before the next chunk is read, so that all of them see the same
//! machine; times are summed over the chunks, in CPU time of this single thread.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use longshore::batch::Decoder;
use longshore::load::CopyEncoder;
use longshore::plan::{JsonType, fitted};
use longshore::records::{Bad, Limits, PathTable, Reader, Record, Sink};
use longshore::sketch::Collector;
use longshore::source::{Chunk, Piece};
use longshore::{Schema, source::Pieces};
use simd_json::{Buffers, INPUT_PADDING, Tape};

use super::longshore as own;
use crate::Failure;
use crate::measure::cpu_seconds;

/// Nanoseconds a record of each stage. A stage includes those it stands on: `observe` and `decode` include `walk`,
/// `walk` includes `index` where the format is JSON; `cut` and `copy` stand alone.
pub(crate) type Stages = BTreeMap<String, f64>;

/// Takes records and does nothing with them.
#[derive(Default)]
struct Nothing(u64);

impl Sink for Nothing {
    fn record(&mut self, _: &PathTable, record: &Record<'_>) {
        self.0 += std::hint::black_box(record.fields).len() as u64;
    }

    fn bad(&mut self, _: &Bad<'_>) {}
}

/// Takes the text of every field, unescaped.
#[derive(Default)]
struct Texts(u64);

impl Sink for Texts {
    fn record(&mut self, _: &PathTable, record: &Record<'_>) {
        for field in record.fields {
            self.0 += std::hint::black_box(record.text(field)).len() as u64;
        }
    }

    fn bad(&mut self, _: &Bad<'_>) {}
}

/// Runs a stage and adds its time.
fn time<T>(total: &mut f64, stage: impl FnOnce() -> T) -> T {
    let begin = cpu_seconds();
    let result = stage();
    *total += cpu_seconds() - begin;
    result
}

#[derive(Default)]
struct Totals {
    cut: f64,
    index: f64,
    walk: f64,
    texts: f64,
    observe: f64,
    decode: f64,
    copy: f64,
}

pub(super) fn run(file: &Path) -> Result<Stages, Failure> {
    let columns = fitted(&own::schema(file)?, JsonType::Jsonb);
    let schema = Schema { columns: columns.iter().map(|fitted| fitted.column.clone()).collect(), ..Schema::default() };
    let encoder = CopyEncoder::of(&columns)?;
    let (format, mut pieces) = own::pieces(file)?;
    let is_json = format.as_str() == "ndjson";
    let reader = || Reader::new(Limits::default());
    let (mut walking, mut texting, mut observing, mut decoding) = (reader(), reader(), reader(), reader());
    let (mut nothing, mut texts, mut collector) = (Nothing::default(), Texts::default(), Collector::new(&["stages"]));
    let mut decoder = Decoder::new(Arc::new(schema));
    let mut index = Index::default();
    let (mut totals, mut records, mut out) = (Totals::default(), 0, Vec::new());
    while let Some(mut chunk) = next(&mut pieces, &mut totals.cut)? {
        if is_json {
            index.load(&chunk);
            time(&mut totals.index, || index.build());
        }
        time(&mut totals.walk, || walking.read(&format, &mut chunk, &mut nothing));
        time(&mut totals.texts, || texting.read(&format, &mut chunk, &mut texts));
        time(&mut totals.observe, || {
            collector.begin(chunk.source, chunk.sequence);
            observing.read(&format, &mut chunk, &mut collector);
        });
        let decoded = time(&mut totals.decode, || {
            decoding.read(&format, &mut chunk, &mut decoder);
            decoder.finish()
        })?;
        records += decoded.read;
        out.clear();
        time(&mut totals.copy, || encoder.encode(&decoded.batch, &mut out))?;
    }
    std::hint::black_box((nothing.0, texts.0));
    let mut stages = Stages::new();
    for (name, seconds) in [
        ("cut", totals.cut),
        ("index", totals.index),
        ("walk", totals.walk),
        ("texts", totals.texts),
        ("observe", totals.observe),
        ("decode", totals.decode),
        ("copy", totals.copy),
    ] {
        if name != "index" || is_json {
            stages.insert(name.to_string(), seconds * 1e9 / records as f64);
        }
    }
    Ok(stages)
}

fn next(pieces: &mut Pieces, total: &mut f64) -> Result<Option<Chunk>, Failure> {
    match time(total, || pieces.next()) {
        Some(piece) => match piece? {
            Piece::Records(chunk) => Ok(Some(chunk)),
            Piece::Gap(_) => Err("the inputs have no gaps".into()),
        },
        None => Ok(None),
    }
}

/// The structural index by itself, made by simd-json in the way longshore has it made: the number `0` in front of
/// the chunk stops the second stage, so that only the first one runs.
#[derive(Default)]
struct Index {
    text: Vec<u8>,
    buffers: Buffers,
}

impl Index {
    fn load(&mut self, chunk: &Chunk) {
        self.text.clear();
        self.text.extend_from_slice(b"0\n");
        self.text.extend_from_slice(chunk.data());
        self.text.resize(2 + chunk.len() + INPUT_PADDING, 0);
    }

    fn build(&mut self) {
        let len = self.text.len() - INPUT_PADDING;
        let outcome = simd_json::fill_tape_padded(&mut self.text, len, &mut self.buffers, &mut Tape::null());
        std::hint::black_box((outcome.is_ok(), self.buffers.structural_indexes().len()));
    }
}

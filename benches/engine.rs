//! Speed of each step on inputs of known shape, in bytes of input (of output, for COPY) per second.
//!
//! `cargo bench` runs all of them; the loads into Postgres need its programs on the machine.

#[path = "support/mod.rs"]
mod support;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use longshore::batch::Decoder;
use longshore::load::{CopyEncoder, TempCluster, TempOptions};
use longshore::plan::{Fitted, JsonType, fitted};
use longshore::records::{Format, FormatOptions, Limits, Reader, cutter, detect};
use longshore::source::{Chunk, ChunkOptions, Piece, Pieces};
use longshore::{Inference, Loader, Policy, ReadOptions, Schema, Sketch, Source};

const BYTES: usize = 16 << 20;

type Generator = fn(usize) -> Vec<u8>;

const INPUTS: [(&str, Generator); 4] = [
    ("ndjson/clickstream", support::clickstream),
    ("ndjson/events", support::events),
    ("csv/flights", support::flights),
    ("csv/reviews", support::reviews),
];

fn one_thread() -> ReadOptions {
    ReadOptions::default().threads(1)
}

/// Chunks of an input, as a worker gets them, and its format.
fn chunks(data: &[u8]) -> (Vec<Chunk>, Format) {
    let head = &data[..data.len().min(1 << 20)];
    let format = detect(head, false, "bench", &FormatOptions::default()).unwrap();
    let input = Source::bytes(data).open(0).unwrap();
    let pieces = Pieces::new(input, cutter(&format, &Limits::default()), 0, ChunkOptions::default());
    let chunk = |piece| match piece {
        Ok(Piece::Records(chunk)) => chunk,
        other => panic!("the inputs have no gaps: {other:?}"),
    };
    (pieces.map(chunk).collect(), format)
}

fn schema(data: &[u8]) -> Schema {
    let sketch = Sketch::of(&Source::bytes(data)).unwrap();
    Policy::default().resolve(&sketch).unwrap()
}

fn sketch(c: &mut Criterion) {
    let mut group = c.benchmark_group("sketch");
    for (name, generate) in INPUTS {
        let source = Source::bytes(generate(BYTES));
        group.throughput(Throughput::Bytes(BYTES as u64));
        group.bench_function(name, |b| b.iter(|| Inference::of(black_box(&source), &one_thread()).unwrap()));
    }
    group.finish();
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for (name, generate) in INPUTS {
        let data = generate(BYTES);
        let schema = Arc::new(schema(&data));
        let (mut chunks, format) = chunks(&data);
        let (mut reader, mut decoder) = (Reader::new(Limits::default()), Decoder::new(schema));
        group.throughput(Throughput::Bytes(data.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                for chunk in &mut chunks {
                    reader.read(&format, chunk, &mut decoder);
                    black_box(decoder.finish().unwrap());
                }
            });
        });
    }
    group.finish();
}

fn copy_encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("copy-encode");
    for (name, generate) in INPUTS {
        let data = generate(BYTES);
        let columns: Vec<Fitted> = fitted(&schema(&data), JsonType::Jsonb);
        let schema =
            Schema { columns: columns.iter().map(|fitted| fitted.column.clone()).collect(), ..Schema::default() };
        let (mut chunks, format) = chunks(&data);
        let (mut reader, mut decoder) = (Reader::new(Limits::default()), Decoder::new(Arc::new(schema)));
        let encoder = CopyEncoder::of(&columns).unwrap();
        let mut batches = Vec::new();
        let mut out = Vec::new();
        for chunk in &mut chunks {
            reader.read(&format, chunk, &mut decoder);
            batches.push(decoder.finish().unwrap().batch);
            encoder.encode(&batches[batches.len() - 1], &mut out).unwrap();
        }
        group.throughput(Throughput::Bytes(out.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                for batch in &batches {
                    out.clear();
                    encoder.encode(black_box(batch), &mut out).unwrap();
                }
            });
        });
    }
    group.finish();
}

fn file_to_postgres(c: &mut Criterion) {
    let cluster = TempCluster::start(TempOptions::default()).expect("PostgreSQL's programs are on the machine");
    let folder = tempfile::tempdir().unwrap();
    let mut group = c.benchmark_group("file-to-postgres");
    group.sample_size(10);
    for (name, generate) in INPUTS {
        let path = folder.path().join(name.replace('/', "-"));
        let data = generate(BYTES);
        std::fs::write(&path, &data).unwrap();
        group.throughput(Throughput::Bytes(data.len() as u64));
        let mut run = 0;
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                run += 1;
                let loader = Loader::new(cluster.url()).table(format!("{}_{run}", name.replace('/', "_")));
                black_box(loader.load(Source::path(&path)).unwrap());
            });
        });
    }
    group.finish();
}

criterion_group!(engine, sketch, decode, copy_encode, file_to_postgres);
criterion_main!(engine);

//! longshore, through its public interface.

use std::path::Path;
use std::sync::Arc;

use longshore::batch::Decoder;
use longshore::records::{Format, FormatOptions, HEAD_BYTES, Limits, Reader, Sink, cutter, detect};
use longshore::source::{ChunkOptions, Piece, Pieces, ordered_map};
use longshore::{Inference, Loader, Policy, ReadOptions, Schema, Sketch, Source};

use super::Task;
use crate::Failure;
use crate::files::Input;
use crate::measure::{Done, Measured, measure};

pub(super) fn infer(task: &Task) -> Result<Measured, Failure> {
    measure(|| {
        let options = ReadOptions::default().threads(task.threads);
        let inference = Inference::of(&Source::path(&task.file), &options)?;
        let schema = Policy::default().resolve(&inference.sketch)?;
        match schema.columns.is_empty() {
            true => Err("no columns".into()),
            false => Ok(Done::rows(inference.sketch.records())),
        }
    })
}

pub(super) fn decode(task: &Task) -> Result<Measured, Failure> {
    let schema = Arc::new(schema(&task.file)?);
    let limits = Limits::default();
    measure(|| {
        let (format, pieces) = pieces(&task.file)?;
        let buffers = pieces.buffers();
        let worker = || (Reader::new(limits), Decoder::new(schema.clone()));
        let work = |(reader, decoder): &mut (Reader, Decoder), piece: Piece| {
            if let Piece::Records(mut chunk) = piece {
                reader.read(&format, &mut chunk, decoder);
                buffers.recycle(chunk);
            }
            decoder.finish()
        };
        let mut rows = 0;
        ordered_map(pieces, task.threads, worker, work, |decoded| {
            rows += decoded.batch.num_rows() as u64;
            Ok(())
        })?;
        Ok(Done::rows(rows))
    })
}

pub(super) fn parquet(task: &Task) -> Result<Measured, Failure> {
    measure(|| {
        let report = Loader::new(format!("dir:{}", task.out.display()))
            .table("events")
            .read(ReadOptions::default().threads(task.threads))
            .load(Source::path(&task.file))?;
        Ok(Done::rows(report.counts.loaded))
    })
}

/// The schema of a file whose evidence was kept.
pub(super) fn schema(file: &Path) -> Result<Schema, Failure> {
    let sketch = Sketch::from_bytes(&std::fs::read(Input::sketch(file))?)?;
    Ok(Policy::default().resolve(&sketch)?)
}

/// The pieces of a file, and its format.
pub(super) fn pieces(file: &Path) -> Result<(Format, Pieces), Failure> {
    let mut input = Source::path(file).open(0)?;
    let name = input.name().to_string();
    let head = input.peek(HEAD_BYTES)?;
    let format = detect(head, head.len() < HEAD_BYTES, &name, &FormatOptions::default())?;
    let cut = cutter(&format, &Limits::default());
    Ok((format, Pieces::new(input, cut, 0, ChunkOptions::default())))
}

/// Reads a whole file into a sink.
pub(crate) fn read(file: &Path, sink: &mut impl Sink) -> Result<(), Failure> {
    let (format, pieces) = pieces(file)?;
    let mut reader = Reader::new(Limits::default());
    for piece in pieces {
        if let Piece::Records(mut chunk) = piece? {
            reader.read(&format, &mut chunk, sink);
        }
    }
    Ok(())
}

//! Arrow → Postgres' COPY BINARY: the same batches for both.

use std::sync::Arc;

use arrow_array::RecordBatch;
use longshore::Schema;
use longshore::batch::Decoder;
use longshore::load::CopyEncoder;
use longshore::plan::{Fitted, JsonType, fitted};
use longshore::records::{Limits, Reader};
use longshore::source::Piece;
use pgpq::ArrowToPostgresBinaryEncoder;

use super::{Task, longshore as own};
use crate::Failure;
use crate::jobs::{COPY_INPUT, COPY_PASSES};
use crate::measure::{Done, Measured, measure};

/// The batches of a file's first records, in columns that Postgres has.
fn batches(task: &Task) -> Result<(Vec<Fitted>, Vec<RecordBatch>), Failure> {
    let columns = fitted(&own::schema(&task.file)?, JsonType::Json);
    let schema = Schema { columns: columns.iter().map(|fitted| fitted.column.clone()).collect(), ..Schema::default() };
    let (mut reader, mut decoder) = (Reader::new(Limits::default()), Decoder::new(Arc::new(schema)));
    let (format, pieces) = own::pieces(&task.file)?;
    let (mut batches, mut read) = (Vec::new(), 0);
    for piece in pieces {
        if let Piece::Records(mut chunk) = piece? {
            read += chunk.len() as u64;
            reader.read(&format, &mut chunk, &mut decoder);
            batches.push(decoder.finish()?.batch);
        }
        if read >= COPY_INPUT {
            break;
        }
    }
    Ok((columns, batches))
}

pub(super) fn longshore(task: &Task) -> Result<Measured, Failure> {
    let (columns, batches) = batches(task)?;
    measure(|| {
        let encoder = CopyEncoder::of(&columns)?;
        let (mut out, mut bytes) = (Vec::new(), 0);
        for batch in repeated(&batches) {
            out.clear();
            encoder.encode(batch, &mut out)?;
            bytes += out.len() as u64;
        }
        Ok(Done { rows: None, bytes: Some(bytes) })
    })
}

pub(super) fn pgpq(task: &Task) -> Result<Measured, Failure> {
    let (_, batches) = batches(task)?;
    let batches = batches.iter().map(cross_over).collect::<Result<Vec<_>, _>>()?;
    let schema = batches.first().ok_or("no batches")?.schema();
    measure(|| {
        let mut encoder = ArrowToPostgresBinaryEncoder::try_new(&schema)?;
        let (mut out, mut bytes) = (Default::default(), 0);
        encoder.write_header(&mut out)?;
        for batch in repeated(&batches) {
            out.clear();
            encoder.write_batch(batch, &mut out)?;
            bytes += out.len() as u64;
        }
        Ok(Done { rows: None, bytes: Some(bytes) })
    })
}

/// All batches, as often as the job has it.
fn repeated<T>(batches: &[T]) -> impl Iterator<Item = &T> {
    std::iter::repeat_n(batches, COPY_PASSES).flatten()
}

/// A batch in the version of Arrow that pgpq takes.
fn cross_over(batch: &RecordBatch) -> Result<arrow59_array::RecordBatch, Failure> {
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(batch)?;
    let bytes = writer.into_inner()?;
    let mut reader = arrow59_ipc::reader::StreamReader::try_new(bytes.as_slice(), None)?;
    Ok(reader.next().ok_or("an empty stream")??)
}

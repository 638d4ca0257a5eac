//! arrow-json, arrow-csv and parquet.

use std::fs::File;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_csv::reader::Format;
use arrow_schema::{ArrowError, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{BLOCK, Task, open};
use crate::Failure;
use crate::measure::{Done, Measured, measure};

/// Rows of a batch: these crates' own default for JSON, and faster than their default for CSV.
const BATCH_ROWS: usize = 8192;

pub(super) fn infer_json(task: &Task) -> Result<Measured, Failure> {
    measure(|| {
        let (_, rows) = arrow_json::reader::infer_json_schema(open(&task.file)?, None)?;
        Ok(Done::rows(rows as u64))
    })
}

fn json_schema(task: &Task) -> Result<Schema, Failure> {
    Ok(arrow_json::reader::infer_json_schema(open(&task.file)?, None)?.0)
}

fn json_batches(task: &Task, schema: Schema) -> Result<impl Iterator<Item = Result<RecordBatch, ArrowError>>, Failure> {
    let builder = arrow_json::ReaderBuilder::new(Arc::new(schema)).with_batch_size(BATCH_ROWS);
    // Without this a column that was inferred as text does not take numbers.
    Ok(builder.with_coerce_primitive(true).build(open(&task.file)?)?)
}

pub(super) fn decode_json(task: &Task) -> Result<Measured, Failure> {
    let schema = json_schema(task)?;
    measure(|| count(json_batches(task, schema)?))
}

fn csv_format(task: &Task) -> Result<Format, Failure> {
    let format = Format::default().with_header(true);
    // Only for the file that needs it: an expression is slower than none.
    Ok(match task.file.ends_with("csv-flights") {
        true => format.with_null_regex(regex::Regex::new("^(NA)?$")?),
        false => format,
    })
}

pub(super) fn infer_csv(task: &Task) -> Result<Measured, Failure> {
    let format = csv_format(task)?;
    measure(|| {
        let (_, rows) = format.infer_schema(open(&task.file)?, None)?;
        Ok(Done::rows(rows as u64))
    })
}

pub(super) fn decode_csv(task: &Task) -> Result<Measured, Failure> {
    let format = csv_format(task)?;
    let (schema, _) = format.infer_schema(open(&task.file)?, None)?;
    measure(|| {
        let builder = arrow_csv::ReaderBuilder::new(Arc::new(schema)).with_format(format);
        count(builder.with_batch_size(BATCH_ROWS).build_buffered(open(&task.file)?)?)
    })
}

fn count(batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>) -> Result<Done, Failure> {
    let mut rows = 0;
    for batch in batches {
        rows += batch?.num_rows() as u64;
    }
    Ok(Done::rows(rows))
}

pub(super) fn parquet(task: &Task) -> Result<Measured, Failure> {
    measure(|| {
        let schema = json_schema(task)?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?)).build();
        let out = std::io::BufWriter::with_capacity(BLOCK, File::create(&task.out)?);
        let mut writer = ArrowWriter::try_new(out, Arc::new(schema.clone()), Some(properties))?;
        let mut rows = 0;
        for batch in json_batches(task, schema)? {
            let batch = batch?;
            rows += batch.num_rows() as u64;
            writer.write(&batch)?;
        }
        writer.close()?;
        Ok(Done::rows(rows))
    })
}

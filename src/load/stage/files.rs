//! The files of a load: batches in, objects of planned sizes out.

use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use flate2::Compression;
use flate2::write::GzEncoder;
use object_store::path::Path;
use parquet::file::properties::WriterProperties;
use std::io::Write;
use std::sync::Arc;

use super::csv;
use super::sizes::Sizes;
use super::store::{Object, Pending};
use super::upload::{Upload, Uploader};
use super::{StageFormat, StageOptions};
use crate::batch::bytes_of;
use crate::error::{Error, Result};
use crate::load::folder::Shape;
use crate::load::parquet_columns;
use crate::load::parquet_file::{FileShape, ParquetFile, ROW_GROUP_ROWS};
use crate::schema::Schema;

/// Bytes of the first batches, in memory, that are encoded once to see how small they become.
const MEASURED_BYTES: usize = 2 << 20;

/// A file that is in the store, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::load) struct StagedFile {
    /// Its URL.
    pub(in crate::load) url: String,
    /// Its size as the store tells it.
    pub(in crate::load) bytes: u64,
    /// Its rows.
    pub(in crate::load) rows: u64,
    pub(super) path: Path,
    pub(super) e_tag: Option<String>,
}

/// The column that holds a row's number, unless a field has that name.
pub(super) const ROW_COLUMN: &str = "_longshore_row";

/// The name of the column that holds a row's number, where there is one: no column of the rows has it, in any case.
pub(in crate::load) fn row_column(schema: &Schema) -> String {
    let mut name = ROW_COLUMN.to_owned();
    while schema.columns.iter().any(|column| column.name.eq_ignore_ascii_case(&name)) {
        name.push('_');
    }
    name
}

/// What a file begins with and how it is made.
#[derive(Clone)]
pub(super) struct Form {
    pub(super) format: StageFormat,
    shape: Shape,
    /// Whether the last column is the row's number, which the batches do not have.
    numbered: bool,
    /// How the columns of Parquet files are encoded, once the first rows are known.
    columns: Option<WriterProperties>,
}

impl Form {
    pub(super) fn new(format: StageFormat, shape: Shape, numbered: bool) -> Self {
        Form { format, shape, numbered, columns: None }
    }

    fn ending(&self) -> &'static str {
        match self.format {
            StageFormat::Csv => "csv.gz",
            _ => "parquet",
        }
    }

    fn open<W: Write + Send>(&self, to: W) -> Result<Encoder<W>> {
        if self.format == StageFormat::Csv {
            return Ok(Encoder::Csv(Box::new(GzEncoder::new(to, Compression::fast()))));
        }
        Ok(Encoder::Parquet(Box::new(ParquetFile::new(to, self.file_shape()))))
    }

    /// What a Parquet file of this form looks like.
    pub(super) fn file_shape(&self) -> FileShape {
        let (arrow, parquet) = (self.shape.arrow().clone(), self.shape.parquet().clone());
        FileShape { arrow, parquet, row_group_rows: ROW_GROUP_ROWS, columns: self.columns.clone() }
    }

    /// Settles how the columns of Parquet files of about so many rows are encoded; these are the first.
    fn settle(&mut self, first: &[RecordBatch], rows: usize) {
        if self.format == StageFormat::Parquet {
            self.columns = Some(parquet_columns::properties(self.shape.parquet(), first, rows));
        }
    }

    /// A batch as it is written, its first row having number `first`.
    fn rows(&self, batch: &RecordBatch, first: u64) -> Result<RecordBatch> {
        if !self.numbered {
            return if self.format == StageFormat::Csv { Ok(batch.clone()) } else { self.shape.convert(batch) };
        }
        let numbers = (0..batch.num_rows()).map(|row| i64::try_from(first).unwrap_or(i64::MAX) + row as i64);
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(Int64Array::from_iter_values(numbers)) as ArrayRef);
        let fields = columns.iter().zip(self.shape.arrow().fields());
        let fields = fields.map(|(column, field)| field.as_ref().clone().with_data_type(column.data_type().clone()));
        let schema = Arc::new(arrow_schema::Schema::new(fields.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let numbered = RecordBatch::try_new_with_options(schema, columns, &options)
            .map_err(|cause| Error::config("a batch is not what was agreed on").with_cause(cause))?;
        if self.format == StageFormat::Csv { Ok(numbered) } else { self.shape.convert(&numbered) }
    }
}

/// A file's bytes in the making.
enum Encoder<W: Write + Send> {
    Parquet(Box<ParquetFile<W>>),
    Csv(Box<GzEncoder<W>>),
}

impl<W: Write + Send> Encoder<W> {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        match self {
            Encoder::Parquet(writer) => writer.write(rows),
            Encoder::Csv(writer) => csv::write(rows, writer.as_mut()),
        }
    }

    fn finish(self) -> Result<W> {
        match self {
            Encoder::Parquet(writer) => writer.finish(),
            Encoder::Csv(writer) => writer.finish().map_err(|cause| Error::io("writing a staged file", cause)),
        }
    }
}

impl Encoder<Upload> {
    fn bytes(&self) -> u64 {
        match self {
            Encoder::Parquet(writer) => writer.bytes(),
            Encoder::Csv(writer) => writer.get_ref().bytes(),
        }
    }
}

/// A file that is being written.
struct Open {
    encoder: Encoder<Upload>,
    path: Path,
    rows: u64,
    number: u64,
}

/// The files of one load, written one after the other and sent side by side.
pub(super) struct Files {
    uploader: Uploader,
    folder: String,
    form: Form,
    records: Option<u64>,
    slices: u32,
    part_bytes: u64,
    sizes: Option<Sizes>,
    /// Batches that wait for the measure to be taken, each with the number of its first record and row.
    waiting: Vec<(RecordBatch, u64, u64)>,
    waiting_bytes: usize,
    open: Option<Open>,
    /// Files whose last bytes are under way, and files that are there.
    ending: Vec<(Path, u64, Pending<Result<Object>>)>,
    done: Vec<StagedFile>,
}

impl Files {
    pub(super) fn new(
        uploader: Uploader,
        folder: String,
        form: Form,
        options: &StageOptions,
        slices: u32,
        records: Option<u64>,
    ) -> Self {
        Files {
            uploader,
            folder,
            form,
            records,
            slices,
            part_bytes: options.part_bytes,
            sizes: None,
            waiting: Vec::new(),
            waiting_bytes: 0,
            open: None,
            ending: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Writes a batch; `record` and `row` are the numbers of its first record and row.
    pub(super) fn write(&mut self, batch: &RecordBatch, record: u64, row: u64) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if self.sizes.is_some() {
            return self.place(batch, record, row);
        }
        self.waiting_bytes += bytes_of(batch);
        self.waiting.push((batch.clone(), record, row));
        if self.waiting_bytes >= MEASURED_BYTES { self.measure() } else { Ok(()) }
    }

    /// Plans the files by what the first batches become, and writes these.
    fn measure(&mut self) -> Result<()> {
        let waiting = self.waiting.iter().map(|(batch, _, first)| self.form.rows(batch, *first));
        let waiting = waiting.collect::<Result<Vec<_>>>()?;
        let of_a_file =
            self.records.map_or(ROW_GROUP_ROWS, |records| (records / u64::from(self.slices.max(1))) as usize);
        self.form.settle(&waiting, of_a_file);
        let mut encoder = self.form.open(Vec::new())?;
        waiting.iter().try_for_each(|rows| encoder.write(rows))?;
        let rows: usize = waiting.iter().map(RecordBatch::num_rows).sum();
        let row_bytes = encoder.finish()?.len() as f64 / rows.max(1) as f64;
        self.sizes = Some(Sizes::plan(self.records, row_bytes, self.slices, self.part_bytes));
        for (batch, record, row) in std::mem::take(&mut self.waiting) {
            self.place(&batch, record, row)?;
        }
        Ok(())
    }

    /// Writes a batch to the file it belongs to; one that lies on a border is cut there.
    fn place(&mut self, batch: &RecordBatch, record: u64, row: u64) -> Result<()> {
        let sizes = *self.sizes.get_or_insert(Sizes::plan(None, 0.0, 1, self.part_bytes));
        let rows = batch.num_rows();
        let mut at = 0;
        while at < rows {
            let number = sizes.file_of(record + at as u64);
            let same = |end: &usize| sizes.file_of(record + *end as u64) == number;
            let end = if same(&(rows - 1)) { rows } else { (at..rows).find(|end| !same(end)).unwrap_or(rows) };
            if self.open.as_ref().is_some_and(|open| open.number != number) {
                self.end()?;
            }
            self.append(&batch.slice(at, end - at), row + at as u64, number)?;
            if self.open.as_ref().is_some_and(|open| sizes.is_full(open.encoder.bytes())) {
                self.end()?;
            }
            at = end;
        }
        Ok(())
    }

    fn append(&mut self, batch: &RecordBatch, first: u64, number: u64) -> Result<()> {
        let rows = self.form.rows(batch, first)?;
        let mut open = match self.open.take() {
            Some(open) => open,
            None => {
                let nth = self.ending.len() + self.done.len();
                let name = format!("{}/part-{nth:05}.{}", self.folder, self.form.ending());
                let path = self.uploader.store.path(&name);
                let encoder = self.form.open(self.uploader.begin(path.clone()))?;
                Open { encoder, path, rows: 0, number }
            }
        };
        open.encoder.write(&rows).map_err(|error| self.uploader.failure().unwrap_or(error))?;
        open.rows += batch.num_rows() as u64;
        self.open = Some(open);
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let upload = open.encoder.finish().map_err(|error| self.uploader.failure().unwrap_or(error))?;
        self.ending.push((open.path, open.rows, upload.finish()?));
        Ok(())
    }

    /// What files are made of.
    pub(super) fn form(&self) -> &Form {
        &self.form
    }

    /// Ends the last file and waits until every file is in the store.
    pub(super) fn finish(&mut self) -> Result<&[StagedFile]> {
        if !self.waiting.is_empty() {
            self.measure()?;
        }
        self.end()?;
        let mut outcome = Ok(());
        for (path, rows, pending) in std::mem::take(&mut self.ending) {
            match pending.wait().and_then(|object| object) {
                Ok(Object { bytes, e_tag }) => {
                    let url = self.uploader.store.url(&path);
                    self.done.push(StagedFile { url, bytes, rows, path, e_tag });
                }
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome.map(|()| self.done.as_slice())
    }

    /// Removes every file, as far as the store lets it.
    pub(super) fn remove(&mut self) {
        self.open = None;
        let _ = self.finish();
        for file in std::mem::take(&mut self.done) {
            let _ = self.uploader.store.delete(&file.path);
        }
    }
}

//! One Parquet file: batches in, bytes out, the columns encoded side by side.

use std::io::Write;

use arrow_array::RecordBatch;
use arrow_schema::{Field, SchemaRef};
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriter, ArrowWriterOptions, compute_leaves,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescriptor;

use super::parquet_columns;
use crate::batch::bytes_of;
use crate::error::{Error, ErrorKind, Result};
use crate::threads;

/// Encoded bytes after which a row group ends, so that wide rows do not fill the memory.
const ROW_GROUP_BYTES: usize = 64 << 20;
/// Rows after which a row group ends, unless the caller says so.
pub(super) const ROW_GROUP_ROWS: usize = 128 << 10;
/// Bytes of batches that are gathered and encoded together: enough for a look at what columns hold, and for the
/// columns to be worth a thread each.
const GATHERED_BYTES: usize = 4 << 20;

/// What a file looks like: its columns, in Arrow and in Parquet.
#[derive(Debug, Clone)]
pub(super) struct FileShape {
    pub(super) arrow: SchemaRef,
    pub(super) parquet: SchemaDescriptor,
    /// Rows of a row group, at most.
    pub(super) row_group_rows: usize,
    /// How each column is encoded; `None` lets every file choose by its first rows.
    pub(super) columns: Option<WriterProperties>,
}

/// A Parquet file that is being written, with zstd.
///
/// A column has a dictionary if its first values tell that it will be small: others would be built, filled up and
/// thrown away, which costs more than to encode the values.
///
/// In memory are the encoded pages of the present row group (at most about 64 MiB), the batches that are gathered (4
/// MiB and one batch), and a page of each column.
pub(super) struct ParquetFile<W: Write + Send> {
    shape: FileShape,
    gathered: Vec<RecordBatch>,
    gathered_bytes: usize,
    state: State<W>,
}

enum State<W: Write + Send> {
    /// Nothing is encoded yet, and so no encoding is chosen.
    Waiting(W),
    Open(Box<Open<W>>),
    /// An error has ended it.
    Failed,
}

/// A file with a row group that is being filled.
struct Open<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    factory: ArrowRowGroupWriterFactory,
    columns: Vec<Column>,
    /// Rows in the present row group.
    rows: usize,
}

/// A column of the present row group.
struct Column {
    index: usize,
    /// Taken when the row group ends.
    writer: Option<ArrowColumnWriter>,
    chunk: Option<ArrowColumnChunk>,
}

impl<W: Write + Send> ParquetFile<W> {
    /// Makes a file whose bytes go to `to`.
    pub(super) fn new(to: W, shape: FileShape) -> Self {
        ParquetFile { shape, gathered: Vec::new(), gathered_bytes: 0, state: State::Waiting(to) }
    }

    /// Adds the rows of a batch that has the file's columns.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.schema_ref().fields() != self.shape.arrow.fields() {
            return Err(Error::new(ErrorKind::Unsupported, "a batch does not have the columns of its Parquet file"));
        }
        self.gathered_bytes += bytes_of(batch);
        self.gathered.push(batch.clone());
        if self.gathered_bytes >= GATHERED_BYTES { self.encode() } else { Ok(()) }
    }

    /// Bytes written, or about as many as will be for the rows taken in: those not encoded yet count as they are.
    pub(super) fn bytes(&self) -> u64 {
        let encoded = match &self.state {
            State::Open(open) => open.writer.bytes_written() + open.in_progress(),
            _ => 0,
        };
        (encoded + self.gathered_bytes) as u64
    }

    /// Writes what is left and the footer.
    pub(super) fn finish(mut self) -> Result<W> {
        self.encode()?;
        match self.state {
            State::Open(mut open) => {
                open.end_row_group()?;
                open.writer.into_inner().map_err(unwritten)
            }
            _ => Err(Error::new(ErrorKind::Unsupported, "a Parquet file that could not be written before")),
        }
    }

    /// Encodes what is gathered.
    fn encode(&mut self) -> Result<()> {
        let batches = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        let mut open = match std::mem::replace(&mut self.state, State::Failed) {
            State::Open(open) => open,
            State::Waiting(to) => Box::new(Open::new(to, &self.shape, &batches)?),
            State::Failed => {
                return Err(Error::new(ErrorKind::Unsupported, "a Parquet file that could not be written before"));
            }
        };
        open.append(&self.shape, batches)?;
        self.state = State::Open(open);
        Ok(())
    }
}

impl<W: Write + Send> Open<W> {
    fn new(to: W, shape: &FileShape, first: &[RecordBatch]) -> Result<Self> {
        let chosen = || parquet_columns::properties(&shape.parquet, first, shape.row_group_rows);
        let columns = shape.columns.clone().unwrap_or_else(chosen);
        let options = ArrowWriterOptions::new().with_properties(columns).with_parquet_schema(shape.parquet.clone());
        let writer = ArrowWriter::try_new_with_options(to, shape.arrow.clone(), options).map_err(unwritten)?;
        let (writer, factory) = writer.into_serialized_writer().map_err(unwritten)?;
        Ok(Open { writer, factory, columns: Vec::new(), rows: 0 })
    }

    /// Bytes of the present row group, encoded or about to be.
    fn in_progress(&self) -> usize {
        self.columns.iter().filter_map(|column| column.writer.as_ref()).map(|w| w.get_estimated_total_bytes()).sum()
    }

    /// Encodes batches, in as many row groups as their limits ask for.
    fn append(&mut self, shape: &FileShape, batches: Vec<RecordBatch>) -> Result<()> {
        let mut waiting =
            batches.into_iter().filter(|batch| batch.num_rows() > 0).collect::<std::collections::VecDeque<_>>();
        while !waiting.is_empty() {
            let mut now = Vec::new();
            while let Some(batch) = waiting.pop_front() {
                let room = shape.row_group_rows - self.rows;
                self.rows += batch.num_rows().min(room);
                if batch.num_rows() > room {
                    waiting.push_front(batch.slice(room, batch.num_rows() - room));
                    now.push(batch.slice(0, room));
                    break;
                }
                now.push(batch);
            }
            self.encode(shape, &now)?;
            if self.rows == shape.row_group_rows || self.in_progress() >= ROW_GROUP_BYTES {
                self.end_row_group()?;
            }
        }
        Ok(())
    }

    fn encode(&mut self, shape: &FileShape, batches: &[RecordBatch]) -> Result<()> {
        if self.columns.is_empty() {
            let group = self.writer.flushed_row_groups().len();
            let writers = self.factory.create_column_writers(group).map_err(unwritten)?;
            let column = |(index, writer)| Column { index, writer: Some(writer), chunk: None };
            self.columns = writers.into_iter().enumerate().map(column).collect();
        }
        threads::for_each(&mut self.columns, |column| {
            let field = shape.arrow.field(column.index);
            batches.iter().try_for_each(|batch| column.append(field, batch)).map_err(unwritten)
        })
    }

    fn end_row_group(&mut self) -> Result<()> {
        if std::mem::take(&mut self.rows) == 0 {
            return Ok(());
        }
        threads::for_each(&mut self.columns, |column| {
            column.chunk = column.writer.take().map(ArrowColumnWriter::close).transpose().map_err(unwritten)?;
            Ok(())
        })?;
        let mut group = self.writer.next_row_group().map_err(unwritten)?;
        for chunk in self.columns.drain(..).filter_map(|column| column.chunk) {
            chunk.append_to_row_group(&mut group).map_err(unwritten)?;
        }
        group.close().map(|_| ()).map_err(unwritten)
    }
}

impl Column {
    fn append(&mut self, field: &Field, batch: &RecordBatch) -> std::result::Result<(), ParquetError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        compute_leaves(field, batch.column(self.index))?.iter().try_for_each(|leaf| writer.write(leaf))
    }
}

/// An error of the Parquet library.
pub(super) fn unwritten(error: ParquetError) -> Error {
    let kind = match &error {
        ParquetError::External(cause) if cause.is::<std::io::Error>() => ErrorKind::Io,
        _ => ErrorKind::Unsupported,
    };
    Error::new(kind, format!("writing a Parquet part: {error}"))
}

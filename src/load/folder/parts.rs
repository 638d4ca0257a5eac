//! The Parquet files.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde::{Deserialize, Serialize};

use super::shape::Shape;
use crate::error::{Error, ErrorKind, Result};

/// Encoded bytes after which a row group ends, so that wide rows do not fill the memory.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// A part that is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) file: String,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) blake3: String,
}

/// The parts of a load, written one after the other.
pub(super) struct Parts {
    folder: PathBuf,
    shape: Shape,
    part_bytes: u64,
    properties: WriterProperties,
    current: Option<ArrowWriter<Hashing>>,
    done: Vec<Part>,
    sent: u64,
}

impl Parts {
    pub(super) fn new(folder: &Path, shape: &Shape, part_bytes: u64, row_group_rows: usize) -> Self {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(row_group_rows))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .set_created_by(concat!("longshore ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let (folder, shape) = (folder.to_owned(), shape.clone());
        Parts { folder, shape, part_bytes, properties, current: None, done: Vec::new(), sent: 0 }
    }

    /// How many rows were given to [`Parts::write`].
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.sent += batch.num_rows() as u64;
        // A part without columns cannot count its rows.
        if batch.num_columns() == 0 || batch.num_rows() == 0 {
            return Ok(());
        }
        let mut writer = match self.current.take() {
            Some(writer) => writer,
            None => self.begin()?,
        };
        writer.write(batch).map_err(unwritten)?;
        if (writer.bytes_written() + writer.in_progress_size()) as u64 >= self.part_bytes {
            return self.end(writer);
        }
        self.current = Some(writer);
        Ok(())
    }

    fn begin(&self) -> Result<ArrowWriter<Hashing>> {
        let path = self.folder.join(format!("part-{:05}.parquet", self.done.len()));
        let options = ArrowWriterOptions::new()
            .with_properties(self.properties.clone())
            .with_parquet_schema(self.shape.parquet().clone());
        ArrowWriter::try_new_with_options(Hashing::create(path)?, self.shape.arrow().clone(), options)
            .map_err(unwritten)
    }

    fn end(&mut self, writer: ArrowWriter<Hashing>) -> Result<()> {
        let written = writer.into_inner().map_err(unwritten)?;
        self.done.push(written.close()?);
        Ok(())
    }

    /// Ends the last part. The rows of each are those that its footer names, read back from the file.
    pub(super) fn finish(mut self) -> Result<Vec<Part>> {
        if let Some(writer) = self.current.take() {
            self.end(writer)?;
        }
        for part in &mut self.done {
            let path = self.folder.join(&part.file);
            let file =
                File::open(&path).map_err(|cause| Error::io(format_args!("opening {}", path.display()), cause))?;
            let reader = SerializedFileReader::new(file).map_err(unwritten)?;
            part.rows = u64::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or_default();
        }
        Ok(self.done)
    }
}

/// A file that is hashed and counted as it is written.
struct Hashing {
    file: BufWriter<File>,
    path: PathBuf,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Hashing {
    fn create(path: PathBuf) -> Result<Self> {
        let file =
            File::create_new(&path).map_err(|cause| Error::io(format_args!("creating {}", path.display()), cause))?;
        Ok(Hashing { file: BufWriter::with_capacity(1 << 20, file), path, hasher: blake3::Hasher::new(), bytes: 0 })
    }

    /// Brings the file to the disk.
    fn close(mut self) -> Result<Part> {
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(|cause| Error::io(format_args!("writing {}", self.path.display()), cause))?;
        let file = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Part { file, rows: 0, bytes: self.bytes, blake3: self.hasher.finalize().to_hex().to_string() })
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // The library does not know the name.
        let named =
            |cause: std::io::Error| std::io::Error::new(cause.kind(), format!("{}: {cause}", self.path.display()));
        let count = self.file.write(bytes).map_err(named)?;
        self.hasher.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
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

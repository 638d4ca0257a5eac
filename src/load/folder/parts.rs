//! The Parquet files.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde::{Deserialize, Serialize};

use super::shape::Shape;
use crate::error::{Error, Result};
use crate::load::parquet_file::{FileShape, ParquetFile, unwritten};

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
    shape: FileShape,
    part_bytes: u64,
    current: Option<ParquetFile<Hashing>>,
    done: Vec<Part>,
    sent: u64,
}

impl Parts {
    pub(super) fn new(folder: &Path, shape: &Shape, part_bytes: u64, row_group_rows: usize) -> Self {
        let (arrow, parquet) = (shape.arrow().clone(), shape.parquet().clone());
        let shape = FileShape { arrow, parquet, row_group_rows, columns: None };
        Parts { folder: folder.to_owned(), shape, part_bytes, current: None, done: Vec::new(), sent: 0 }
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
        writer.write(batch)?;
        if writer.bytes() >= self.part_bytes {
            return self.end(writer);
        }
        self.current = Some(writer);
        Ok(())
    }

    fn begin(&self) -> Result<ParquetFile<Hashing>> {
        let path = self.folder.join(format!("part-{:05}.parquet", self.done.len()));
        Ok(ParquetFile::new(Hashing::create(path)?, self.shape.clone()))
    }

    fn end(&mut self, writer: ParquetFile<Hashing>) -> Result<()> {
        self.done.push(writer.finish()?.close()?);
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

//! Some rows of a staged file as a file of their own, to see what a server has against them.

use std::io::{Read, Write};
use std::ops::Range;

use arrow_array::RecordBatch;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::StageFormat;
use crate::error::{Error, ErrorKind, Result};
use crate::load::parquet_file::{FileShape, ParquetFile, unwritten};

/// The rows of a file, cut out of its bytes.
pub(super) fn cut(format: StageFormat, content: &[u8], shape: &FileShape, rows: Range<u64>) -> Result<Vec<u8>> {
    let (start, count) = (rows.start as usize, (rows.end - rows.start) as usize);
    if format == StageFormat::Csv {
        return csv(content, start, count).map_err(|cause| Error::io("reading a staged file", cause));
    }
    let spooled = tempfile::tempfile().and_then(|mut file| file.write_all(content).map(|()| file));
    let spooled = spooled.map_err(|cause| Error::io("keeping a staged file in a temporary one", cause))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(spooled).map_err(unwritten)?;
    let reader = reader.with_offset(start).with_limit(count).build().map_err(unwritten)?;
    let mut file = ParquetFile::new(Vec::new(), shape.clone());
    for batch in reader {
        let unread = |cause| Error::new(ErrorKind::Corrupt, "a staged file that cannot be read").with_cause(cause);
        let batch: RecordBatch = batch.map_err(unread)?;
        // What is read back has the same columns but for what the file's schema does not keep.
        let batch = RecordBatch::try_new(shape.arrow.clone(), batch.columns().to_vec()).map_err(unread)?;
        file.write(&batch)?;
    }
    file.finish()
}

fn csv(content: &[u8], start: usize, count: usize) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    GzDecoder::new(content).read_to_end(&mut text)?;
    let (mut row, mut quoted) = (0, false);
    let (mut from, mut to) = (if start == 0 { Some(0) } else { None }, text.len());
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => {
                row += 1;
                if row == start {
                    from = Some(at + 1);
                }
                if row == start + count {
                    to = at + 1;
                    break;
                }
            }
            _ => {}
        }
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&text[from.unwrap_or(to)..to])?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_csv_are_told_apart_whatever_they_hold() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(b"1,\"a\n\"\n2,\"b\"\"\n\"\"\"\n3,\"\"\n").unwrap();
        let content = encoder.finish().unwrap();
        let rows = |start, count| {
            let mut text = String::new();
            GzDecoder::new(csv(&content, start, count).unwrap().as_slice()).read_to_string(&mut text).unwrap();
            text
        };
        assert_eq!(rows(0, 1), "1,\"a\n\"\n");
        assert_eq!(rows(1, 1), "2,\"b\"\"\n\"\"\"\n");
        assert_eq!(rows(2, 1), "3,\"\"\n");
        assert_eq!(rows(1, 2), "2,\"b\"\"\n\"\"\"\n3,\"\"\n");
    }
}

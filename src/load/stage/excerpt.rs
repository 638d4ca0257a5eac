//! Some rows of a staged file as a file of their own, to see what a server has against them.

use std::io::{BufRead, BufReader, Write};
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

/// Reads no further than to the end of the last row wanted, and never has more of the text in memory than a buffer.
fn csv(content: &[u8], start: usize, count: usize) -> std::io::Result<Vec<u8>> {
    let mut text = BufReader::new(GzDecoder::new(content));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let (mut row, mut quoted) = (0, false);
    while row < start + count {
        let piece = text.fill_buf()?;
        if piece.is_empty() {
            break;
        }
        let end = row_end(piece, &mut quoted);
        let length = end.unwrap_or(piece.len());
        if row >= start {
            encoder.write_all(&piece[..length])?;
        }
        text.consume(length);
        row += usize::from(end.is_some());
    }
    encoder.finish()
}

/// Where the row ends that a piece of the text begins or goes on with, if that is in the piece. A line end in quotes is
/// none, and quotes are doubled inside of quotes; `quoted` is kept from piece to piece.
fn row_end(piece: &[u8], quoted: &mut bool) -> Option<usize> {
    for at in memchr::memchr2_iter(b'"', b'\n', piece) {
        match piece[at] {
            b'"' => *quoted = !*quoted,
            _ if !*quoted => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Read;

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
        assert_eq!(rows(2, 9), "3,\"\"\n");
    }

    #[test]
    fn of_a_large_csv_nothing_is_read_behind_the_rows_wanted() {
        let row = |nth: usize| format!("{nth},\"{}\n\"\"\"\n", "x".repeat(nth % 5000));
        let text: String = (0..1000).map(row).collect();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
        encoder.write_all(text.as_bytes()).unwrap();
        let content = encoder.finish().unwrap();
        let cut = |content: &[u8], start, count| {
            let mut text = String::new();
            GzDecoder::new(csv(content, start, count)?.as_slice()).read_to_string(&mut text)?;
            std::io::Result::Ok(text)
        };
        for (start, count) in [(0, 1), (0, 1000), (400, 1), (999, 1), (123, 456)] {
            let expected: String = (start..start + count).map(row).collect();
            assert!(cut(&content, start, count).unwrap() == expected, "{count} rows from {start}");
        }
        // What is behind is not there, and is not missed.
        let (half, first) = (&content[..content.len() / 2], row(0) + &row(1));
        assert_eq!(cut(half, 0, 2).unwrap(), first);
        cut(half, 999, 1).unwrap_err();
    }
}

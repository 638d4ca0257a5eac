//! How the columns of staged files are encoded: small, for they are sent and kept.

use std::cmp::Reverse;

use arrow_array::RecordBatch;
use parquet::file::properties::WriterProperties;

use crate::error::Result;
use crate::load::parquet_columns::{QUICK, Way, pays, properties};
use crate::load::parquet_file::{FileShape, ParquetFile};

/// What the compressors of a file may take together, beside those that take hardly anything.
const MOST_MEMORY: usize = 128 << 20;
/// A way that costs many times as much has to save one byte of so many.
const LEAST_SAVED: u64 = 50;

/// Ways that cost time, and about what the compressor of each keeps while a column is written. How zstd looks for what
/// repeats depends on the level and, in steps, on the bytes of a page.
const THOROUGH: [(Way, usize); 3] = [
    // Words far apart from each other.
    (Way { level: 12, page_bytes: 1 << 20 }, 12 << 20),
    // Digits without a rule between some bytes that are always the same, as ids are. It weighs what a match costs, and
    // takes those that are short.
    (Way { level: 13, page_bytes: 120_000 }, 3 << 20),
    // Numbers that go up: three of four bytes are those of the number before.
    (Way { level: 12, page_bytes: 16_000 }, 1 << 19),
];

/// What a way to compress a column brings.
struct Won {
    column: usize,
    /// Bytes of the sample.
    saved: u64,
    way: Way,
    memory: usize,
}

/// How a file of so many rows is made small, at the cost of time; its first batches are these.
///
/// A column without a dictionary is compressed in the way that makes its first rows smallest, and those first that have
/// most to win from it, as far as there is memory for the compressors.
pub(super) fn small(shape: &FileShape, first: &[RecordBatch], rows: usize) -> Result<WriterProperties> {
    let rows = rows.min(shape.row_group_rows);
    let plain: Vec<usize> = (0..shape.parquet.num_columns()).filter(|column| !pays(first, *column, rows)).collect();
    let quick = sizes(shape, QUICK, first)?;
    let mut won: Vec<Won> =
        plain.iter().map(|column| Won { column: *column, saved: 0, way: QUICK, memory: 0 }).collect();
    for (way, memory) in THOROUGH {
        let sizes = sizes(shape, way, first)?;
        for won in &mut won {
            let (before, now) = (quick[won.column], sizes[won.column]);
            let saved = before.saturating_sub(now);
            if saved > won.saved && saved >= before / LEAST_SAVED {
                *won = Won { saved, way, memory, ..*won };
            }
        }
    }
    won.sort_by_key(|won| Reverse(won.saved));
    let mut memory = MOST_MEMORY;
    for won in &mut won {
        match memory.checked_sub(won.memory) {
            Some(left) => memory = left,
            None => won.way = QUICK,
        }
    }
    properties(shape, |column| match won.iter().find(|won| won.column == column) {
        Some(won) => (won.way, false),
        None => (QUICK, true),
    })
}

/// How many bytes each column takes in a file of a sample, if it is compressed in this way.
fn sizes(shape: &FileShape, way: Way, sample: &[RecordBatch]) -> Result<Vec<u64>> {
    let columns = Some(properties(shape, |_| (way, false))?);
    let mut file = ParquetFile::new(std::io::sink(), FileShape { columns, ..shape.clone() });
    sample.iter().try_for_each(|batch| file.write(batch))?;
    file.column_bytes()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int32Array, StringArray};
    use parquet::arrow::ArrowSchemaConverter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::basic::Compression;
    use parquet::schema::types::ColumnPath;

    use super::*;

    const ROWS: usize = 20_000;

    /// Numbers without a rule, the same each time.
    fn numbers(seed: u64) -> impl Iterator<Item = u64> {
        let step = |state: &mut u64| {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            Some(mixed ^ mixed >> 27)
        };
        std::iter::repeat_n((), ROWS).scan(seed, move |state, ()| step(state))
    }

    fn ids(seed: u64) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(numbers(seed).map(|n| format!("{:08x}-{:04x}", n >> 32, n & 0xffff))))
    }

    fn words() -> ArrayRef {
        const WORDS: [&str; 8] = ["harbour", "crane", "tide", "cargo", "anchor", "berth", "quay", "manifest"];
        let text = |n: u64| (0..6).map(|i| WORDS[(n >> (9 * i)) as usize % 8]).collect::<Vec<_>>().join(" ");
        Arc::new(StringArray::from_iter_values(numbers(7).map(text)))
    }

    fn counting() -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(1_000_000..1_000_000 + ROWS as i32))
    }

    /// Long texts in which no character tells anything of the next one.
    fn noise() -> ArrayRef {
        let text = |n: u64| numbers(n).take(600).map(|n| char::from((n >> 57) as u8)).collect::<String>();
        Arc::new(StringArray::from_iter_values(numbers(3).take(500).map(text)))
    }

    fn batch(columns: impl IntoIterator<Item = ArrayRef>) -> RecordBatch {
        let columns = columns.into_iter().enumerate().map(|(i, column)| (format!("c{i}"), column));
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn shape(batch: &RecordBatch) -> FileShape {
        let parquet = ArrowSchemaConverter::new().convert(&batch.schema()).unwrap();
        FileShape { arrow: batch.schema(), parquet, row_group_rows: 128 << 10, columns: None }
    }

    fn file(shape: &FileShape, batch: &RecordBatch) -> Vec<u8> {
        let mut file = ParquetFile::new(Vec::new(), shape.clone());
        file.write(batch).unwrap();
        file.finish().unwrap()
    }

    fn levels(properties: &WriterProperties, columns: usize) -> Vec<i32> {
        let level = |column: usize| match properties.compression(&ColumnPath::from(format!("c{column}"))) {
            Compression::ZSTD(level) => level.compression_level(),
            other => panic!("{other}"),
        };
        (0..columns).map(level).collect()
    }

    #[test]
    fn a_file_that_is_made_small_has_the_same_rows_in_fewer_bytes() {
        for (column, percent) in [(ids(1), 96), (words(), 85), (counting(), 60)] {
            let batch = batch([column]);
            let mut shape = shape(&batch);
            let quick = file(&shape, &batch).len();
            shape.columns = Some(small(&shape, std::slice::from_ref(&batch), ROWS).unwrap());
            let small = file(&shape, &batch);
            assert!(100 * small.len() <= percent * quick, "{} of {quick}", small.len());
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(small)).unwrap();
            let read: Vec<_> = reader.with_batch_size(ROWS).build().unwrap().map(Result::unwrap).collect();
            assert_eq!(read, [batch]);
        }
    }

    #[test]
    fn what_does_not_get_smaller_costs_no_time() {
        let batch = batch([noise(), Arc::new(Int32Array::from(vec![1; 500])) as ArrayRef]);
        let properties = small(&shape(&batch), std::slice::from_ref(&batch), ROWS).unwrap();
        assert_eq!(levels(&properties, 2), [1, 1]);
    }

    #[test]
    fn however_many_columns_there_are_the_compressors_have_a_limit() {
        let batch = batch((0..100).map(|seed| ids(1000 * seed).slice(0, 400)));
        let properties = small(&shape(&batch), std::slice::from_ref(&batch), ROWS).unwrap();
        let thorough = levels(&properties, 100).into_iter().filter(|level| *level > 1).count();
        assert!((1..=MOST_MEMORY >> 19).contains(&thorough) && thorough < 100, "{thorough}");
    }
}

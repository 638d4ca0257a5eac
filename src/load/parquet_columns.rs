//! How each column of a Parquet file is encoded, by a look at its first values.

use arrow_array::RecordBatch;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::distinct;
use super::parquet_file::{FileShape, unwritten};
use crate::error::Result;

/// How a column without a dictionary is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    /// Of zstd.
    pub(super) level: i32,
    pub(super) page_bytes: usize,
}

/// As fast as it goes.
pub(super) const QUICK: Way = Way { level: 1, page_bytes: 1 << 20 };

/// How a file is written in little time whose first batches are these.
pub(super) fn quick(shape: &FileShape, first: &[RecordBatch]) -> Result<WriterProperties> {
    properties(shape, |column| (QUICK, pays(first, column, shape.row_group_rows)))
}

/// The properties of a file; `way` says of each column how it is compressed and whether it has a dictionary.
pub(super) fn properties(shape: &FileShape, way: impl Fn(usize) -> (Way, bool)) -> Result<WriterProperties> {
    let mut properties = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by(concat!("longshore ", env!("CARGO_PKG_VERSION")).to_owned());
    for (index, column) in shape.parquet.columns().iter().enumerate() {
        let (way, dictionary) = way(index);
        let path = ColumnPath::from(column.path().parts().to_vec());
        properties = way.set(properties, &path)?.set_column_dictionary_enabled(path, dictionary);
    }
    Ok(properties.build())
}

impl Way {
    fn set(self, properties: WriterPropertiesBuilder, column: &ColumnPath) -> Result<WriterPropertiesBuilder> {
        let level = ZstdLevel::try_new(self.level).map_err(unwritten)?;
        Ok(properties
            .set_column_compression(column.clone(), Compression::ZSTD(level))
            .set_column_data_page_size_limit(column.clone(), self.page_bytes))
    }
}

/// Whether a dictionary is to be expected to make a column of so many rows smaller.
pub(super) fn pays(first: &[RecordBatch], column: usize, rows: usize) -> bool {
    distinct::pays(first.iter().map(|batch| batch.column(column)), rows)
}

//! The columns as the parts hold them.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Time64MicrosecondType;
use arrow_array::{Array, ArrayRef, FixedSizeBinaryArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Schema as ArrowSchema, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::schema::types::{SchemaDescriptor, Type as ParquetType};

use crate::error::{Error, ErrorKind, Result};
use crate::load::parquet_file::unwritten;
use crate::load::target::{Encode, Prepared};
use crate::plan::{Dialect, fit};
use crate::schema::{Column, Schema, Type};
use crate::value::uuid_text;

/// The schema with types that both warehouses have; names stay, since the parts are matched by position.
pub(super) fn fitted(schema: &Schema) -> Schema {
    // What Redshift lacks beyond Postgres, Postgres has in the form that Redshift wants.
    let types = fit(schema, Dialect::Redshift).columns;
    let columns = schema.columns.iter().zip(types);
    let columns = columns.map(|(column, fitted)| Column { name: column.name.clone(), ..fitted }).collect();
    Schema { columns, ..schema.clone() }
}

/// What a load's parts look like.
#[derive(Debug, Clone)]
pub(in crate::load) struct Shape {
    /// The types that batches come with.
    decoded: Arc<[DataType]>,
    /// The types that are written.
    arrow: SchemaRef,
    parquet: SchemaDescriptor,
}

impl Shape {
    pub(in crate::load) fn new(schema: &Schema) -> Result<Self> {
        let decoded: Vec<DataType> = schema.columns.iter().map(|column| column.ty.arrow()).collect();
        let fields = schema.columns.iter().zip(&decoded).map(|(column, decoded)| {
            let written = match column.ty {
                Type::Uuid | Type::Time => DataType::Utf8,
                _ => decoded.clone(),
            };
            Field::new(&column.name, written, true)
        });
        let arrow = Arc::new(ArrowSchema::new(fields.collect::<Vec<_>>()));
        let parquet = descriptor(&arrow)?;
        Ok(Shape { decoded: decoded.into(), arrow, parquet })
    }

    pub(in crate::load) fn arrow(&self) -> &SchemaRef {
        &self.arrow
    }

    pub(in crate::load) fn parquet(&self) -> &SchemaDescriptor {
        &self.parquet
    }

    /// A batch with the columns that are written; one that has them already is returned as it is.
    pub(in crate::load) fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.num_columns() != self.decoded.len() {
            let (found, expected) = (batch.num_columns(), self.decoded.len());
            return Err(Error::new(ErrorKind::Unsupported, format!("a batch has {found} columns, not {expected}")));
        }
        let columns = batch.columns().iter().zip(&*self.decoded).zip(self.arrow.fields());
        let columns = columns.map(|((array, decoded), field)| convert(array, decoded, field));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.arrow.clone(), columns.collect::<Result<_>>()?, &options)
            .map_err(|error| Error::new(ErrorKind::Unsupported, format!("a batch is not what was agreed on: {error}")))
    }
}

/// Prepares batches on the worker threads.
pub(super) struct FolderEncoder(Shape);

impl FolderEncoder {
    pub(super) fn new(shape: &Shape) -> Self {
        FolderEncoder(shape.clone())
    }
}

impl Encode for FolderEncoder {
    fn encode(&self, batch: &RecordBatch) -> Result<Prepared> {
        Ok(Prepared::Batch(self.0.convert(batch)?))
    }
}

fn convert(array: &ArrayRef, decoded: &DataType, field: &Field) -> Result<ArrayRef> {
    if array.data_type() == field.data_type() {
        return Ok(array.clone());
    }
    if array.data_type() != decoded {
        let (found, name) = (array.data_type(), field.name().escape_debug());
        let message = format!("a batch holds {found} in `{name}`, where the load has {decoded}");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    if let Some(ids) = array.as_fixed_size_binary_opt() {
        return Ok(Arc::new(uuid_texts(ids)));
    }
    let mut text = StringBuilder::with_capacity(array.len(), 16 * array.len());
    array.as_primitive::<Time64MicrosecondType>().iter().for_each(|time| text.append_option(time.map(time_text)));
    Ok(Arc::new(text.finish()))
}

fn uuid_texts(ids: &FixedSizeBinaryArray) -> StringArray {
    let (mut ends, mut data) = (Vec::with_capacity(ids.len() + 1), Vec::with_capacity(36 * ids.len()));
    ends.push(0);
    for row in 0..ids.len() {
        if let (true, Some(id)) = (ids.is_valid(row), ids.value(row).first_chunk()) {
            data.extend_from_slice(&uuid_text(id));
        }
        ends.push(data.len() as i32);
    }
    StringArray::new(OffsetBuffer::new(ends.into()), Buffer::from_vec(data), ids.nulls().cloned())
}

/// `23:59:59`, with the digits of the fraction that there are.
fn time_text(micros: i64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match fraction {
        0 => text,
        _ => format!("{text}.{fraction:06}").trim_end_matches('0').to_owned(),
    }
}

/// The Parquet schema: as the library makes it, but with decimals of every precision as fixed-length bytes, the form
/// that Redshift is known to read; the library would take integers for the shorter ones.
fn descriptor(arrow: &ArrowSchema) -> Result<SchemaDescriptor> {
    let converted = ArrowSchemaConverter::new().convert(arrow).map_err(unwritten)?;
    let root = converted.root_schema();
    let columns = root.get_fields().iter().zip(arrow.fields()).map(|(column, field)| match field.data_type() {
        DataType::Decimal128(precision, scale) => decimal(field.name(), *precision, *scale).map(Arc::new),
        _ => Ok(column.clone()),
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let root = ParquetType::group_type_builder(root.name()).with_fields(columns).build().map_err(unwritten)?;
    Ok(SchemaDescriptor::new(Arc::new(root)))
}

fn decimal(name: &str, precision: u8, scale: i8) -> Result<ParquetType> {
    // As many bytes as the largest number with a sign needs.
    let largest = 10_u128.pow(u32::from(precision)) - 1;
    let bytes = (128 - largest.leading_zeros() + 1).div_ceil(8);
    ParquetType::primitive_type_builder(name, Physical::FIXED_LEN_BYTE_ARRAY)
        .with_length(bytes as i32)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::decimal(i32::from(scale), i32::from(precision))))
        .with_precision(i32::from(precision))
        .with_scale(i32::from(scale))
        .build()
        .map_err(unwritten)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_times_are_spelled_as_the_servers_spell_them() {
        let id: [u8; 16] = std::array::from_fn(|i| 0xf0 + i as u8);
        let ids = FixedSizeBinaryArray::try_from_sparse_iter_with_size([None, Some(id), None].into_iter(), 16).unwrap();
        let texts = uuid_texts(&ids);
        let expected = [None, Some("f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff"), None];
        assert_eq!(texts.iter().collect::<Vec<_>>(), expected);
        assert_eq!(time_text(0), "00:00:00");
        assert_eq!(time_text(86_399_999_999), "23:59:59.999999");
        assert_eq!(time_text(3_600_500_000), "01:00:00.5");
    }
}

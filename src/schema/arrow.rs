//! A schema as Arrow has it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, SchemaRef, TimeUnit as ArrowUnit};

use super::table::Schema;
use super::types::{TimeUnit, Type};

impl Type {
    /// The Arrow type that holds a column of this type: text and JSON as `Utf8`, UUIDs as 16 bytes, times in
    /// microseconds unless they are known to be nanoseconds, instants with the zone `UTC`.
    pub fn arrow(self) -> DataType {
        let unit = |unit| match unit {
            TimeUnit::Micro => ArrowUnit::Microsecond,
            TimeUnit::Nano => ArrowUnit::Nanosecond,
        };
        match self {
            Type::Boolean => DataType::Boolean,
            Type::Int16 => DataType::Int16,
            Type::Int32 => DataType::Int32,
            Type::Int64 => DataType::Int64,
            Type::Decimal { precision, scale } => DataType::Decimal128(precision, scale as i8),
            Type::Float64 => DataType::Float64,
            Type::Date => DataType::Date32,
            Type::Time => DataType::Time64(ArrowUnit::Microsecond),
            Type::Timestamp(of) => DataType::Timestamp(unit(of), None),
            Type::TimestampTz(of) => DataType::Timestamp(unit(of), Some("UTC".into())),
            Type::Uuid => DataType::FixedSizeBinary(16),
            Type::Null | Type::Text | Type::Json => DataType::Utf8,
        }
    }
}

impl Schema {
    /// The schema as Arrow has it: columns by name, all nullable, the source path in the metadata under
    /// `longshore.path`, and Arrow's extension names for UUIDs and JSON.
    pub fn arrow(&self) -> SchemaRef {
        let field = |column: &super::Column| {
            let mut metadata = HashMap::from([("longshore.path".to_string(), column.path.to_string())]);
            let extension = match column.ty {
                Type::Uuid => Some("arrow.uuid"),
                Type::Json => Some("arrow.json"),
                _ => None,
            };
            metadata.extend(extension.map(|name| ("ARROW:extension:name".to_string(), name.to_string())));
            Field::new(&column.name, column.ty.arrow(), true).with_metadata(metadata)
        };
        Arc::new(arrow_schema::Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }
}

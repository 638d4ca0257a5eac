//! Parquet files: matched by position, with exactly the types that the columns want.

use arrow_array::Array;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::schema::types::Type as Field;

use super::value::{json_text, text_of};
use super::{Entry, Loaded, row};
use crate::catalog::TableColumn;
use crate::refusal::Refusal;
use crate::sql::copy::Copy;
use crate::sql::types::Type;

/// The rows of a file. Nothing of a columnar file is dropped: the first bad value ends the load.
pub(crate) fn rows(
    copy: &Copy,
    targets: &[TableColumn],
    entry: &Entry,
    bytes: Vec<u8>,
    large: bool,
) -> Result<Loaded, Refusal> {
    let url = &entry.url;
    let unreadable = |error: String| scan_error(&format!("File '{url}' is no Parquet file: {error}"));
    // What a writer of Arrow noted for other readers of Arrow is nothing to a warehouse.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes::Bytes::from(bytes), options)
        .map_err(|e| unreadable(e.to_string()))?;
    let fields = builder.parquet_schema().root_schema().get_fields().to_vec();
    let fills = copy.has("fillrecord") && fields.len() < targets.len();
    if fields.len() != targets.len() && !fills {
        return Err(scan_error(&format!(
            "Unmatched number of columns between table and file. Table columns: {}, Data columns: {}, File name: {url}",
            targets.len(),
            fields.len()
        )));
    }
    for (field, column) in fields.iter().zip(targets) {
        check_type(copy, field, column, url)?;
    }
    let reader = builder.build().map_err(|e| unreadable(e.to_string()))?;
    let mut loaded = Loaded::default();
    for batch in reader {
        let batch = batch.map_err(|e| unreadable(e.to_string()))?;
        for at in 0..batch.num_rows() {
            let mut values = Vec::with_capacity(targets.len());
            for (array, column) in batch.columns().iter().zip(targets) {
                values.push(value(array, at, column, url, large)?);
            }
            values.resize(targets.len(), None);
            let line = row::line(&values, targets).map_err(|bad| {
                let column = bad.column.map_or("", |at| targets[at].name.as_str());
                scan_error(&format!("{} in column {column}, File: {url}", bad.reason))
            })?;
            loaded.rows.push(line);
        }
    }
    Ok(loaded)
}

fn scan_error(context: &str) -> Refusal {
    Refusal::internal("Spectrum Scan Error")
        .with_detail(format!("error:  Spectrum Scan Error\n code:      15007\n context:   {context}"))
}

fn check_type(copy: &Copy, field: &Field, column: &TableColumn, url: &str) -> Result<(), Refusal> {
    if column.ty == Type::Time || column.ty == Type::TimeTz {
        return Err(scan_error(&format!("Column {} of type {} cannot be loaded from Parquet", column.name, column.ty)));
    }
    if matches!(column.ty, Type::Varbyte(_, true)) {
        return Err(scan_error(&format!("cannot load fixed width VARBYTE columns from parquet: {}", column.name)));
    }
    if column.ty == Type::Super {
        if copy.has("serializetojson") {
            return Ok(());
        }
        return Err(Refusal::internal("Assert")
            .with_detail("error:  Assert\n code:      1000\n context:   Unreachable - Invalid type: 4000"));
    }
    if field.is_primitive() && accepts(&column.ty, field) {
        return Ok(());
    }
    Err(scan_error(&format!(
        "File '{url}' has an incompatible Parquet schema for column '{url}.{}'. Column type: {}, Parquet schema:\n{}",
        field.name(),
        column.ty.to_string().to_uppercase(),
        described(field)
    )))
}

fn described(field: &Field) -> String {
    if field.is_primitive() {
        let logical = field.get_basic_info().logical_type_ref();
        format!(
            "optional {} {} ({:?}, {:?})",
            field.get_physical_type(),
            field.name(),
            logical,
            field.get_basic_info().converted_type()
        )
    } else {
        format!("optional group {}", field.name())
    }
}

/// Whether a column of this type takes a field of this form. Forms about which nothing is known are refused.
fn accepts(ty: &Type, field: &Field) -> bool {
    let physical = field.get_physical_type();
    let converted = field.get_basic_info().converted_type();
    let logical = field.get_basic_info().logical_type_ref();
    let time = |utc: bool| match logical {
        Some(LogicalType::Timestamp(time)) => {
            time.is_adjusted_to_u_t_c == utc && matches!(time.unit, TimeUnit::MILLIS | TimeUnit::MICROS)
        }
        _ => false,
    };
    match ty {
        Type::Boolean => physical == Physical::BOOLEAN,
        Type::Smallint => {
            physical == Physical::INT32
                && matches!(converted, ConvertedType::INT_8 | ConvertedType::INT_16 | ConvertedType::UINT_8)
        }
        Type::Integer => {
            physical == Physical::INT32
                && matches!(converted, ConvertedType::NONE | ConvertedType::INT_32 | ConvertedType::UINT_16)
        }
        Type::Bigint => physical == Physical::INT64 && matches!(converted, ConvertedType::NONE | ConvertedType::INT_64),
        Type::Real => physical == Physical::FLOAT,
        Type::Double => physical == Physical::DOUBLE,
        Type::Decimal(p, s) => {
            physical == Physical::FIXED_LEN_BYTE_ARRAY
                && converted == ConvertedType::DECIMAL
                && field.get_precision() == *p as i32
                && field.get_scale() == *s as i32
        }
        Type::Date => physical == Physical::INT32 && converted == ConvertedType::DATE,
        Type::Timestamp => physical == Physical::INT96 || (physical == Physical::INT64 && time(false)),
        Type::TimestampTz => physical == Physical::INT64 && time(true),
        Type::Varchar(_) | Type::Char(_) => physical == Physical::BYTE_ARRAY && converted == ConvertedType::UTF8,
        Type::Varbyte(..) => physical == Physical::BYTE_ARRAY && converted == ConvertedType::NONE && logical.is_none(),
        Type::Time | Type::TimeTz | Type::Interval | Type::Super | Type::Opaque(_) => false,
    }
}

fn value(
    array: &dyn Array,
    at: usize,
    column: &TableColumn,
    url: &str,
    large: bool,
) -> Result<Option<String>, Refusal> {
    if array.is_null(at) {
        return Ok(None);
    }
    let name = &column.name;
    let unreadable = || {
        scan_error(&format!("column {name} of File: {url} holds {} that the double does not read", array.data_type()))
    };
    if column.ty == Type::Super {
        let json = json_text(array, at).ok_or_else(unreadable)?;
        if json.len() > 65_537 && !large {
            return Err(scan_error(&format!(
                "String value exceeds the max size of 65535 bytes, column {name}, File: {url}"
            )));
        }
        return Ok(Some(json));
    }
    let text = text_of(array, at).ok_or_else(unreadable)?;
    let limit = match column.ty {
        Type::Varchar(n) | Type::Char(n) => n as usize,
        _ => return Ok(Some(text)),
    };
    if text.len() > limit {
        return Err(scan_error(&format!(
            "The length of the data column {name} is longer than the length defined in the table. Table: {limit}, Data: {}, File name: {url}",
            text.len()
        )));
    }
    if text.contains('\0') {
        return Err(scan_error(&format!("Invalid null byte - field longer than 1 byte, column {name}, File: {url}")));
    }
    if matches!(column.ty, Type::Char(_)) && !text.is_ascii() {
        return Err(scan_error(&format!("Multibyte character not supported for CHAR, column {name}, File: {url}")));
    }
    Ok(Some(text))
}

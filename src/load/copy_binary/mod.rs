//! Arrow batches → the bytes of `COPY … FROM STDIN (FORMAT binary)`.
//!
//! The stream is row-major while batches are columns. Each column is resolved to typed slices and checked once per
//! batch; then the sizes of 64 rows are summed up, which says where each begins, and the fields are written column by
//! column to their places.

mod column;
mod layout;
mod numeric;
#[cfg(test)]
mod plain;
mod rows;
mod runs;
#[cfg(test)]
mod tests;

use arrow_array::RecordBatch;
use arrow_schema::DataType;

use self::column::{Column, Refused};
use self::layout::Layout;
use self::rows::Append;
use super::target::{Encode, Prepared};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::plan::{Fitted, PgType};
use crate::schema::Type;
use crate::simd::dispatch;

/// The signature, the flags and the length of the (empty) header extension.
const HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Rows encoded at a time: what is made of a column on the way stays small.
const MOST_ROWS: usize = 1 << 20;
/// A row of -1 fields.
const TRAILER: [u8; 2] = [0xff, 0xff];

/// Turns batches into rows of Postgres' binary COPY format.
///
/// The server converts nothing: the encoder must be made for the column types that the table has. A stream is
/// [`CopyEncoder::header`], the rows of any number of batches in order, [`CopyEncoder::trailer`]. The server takes a
/// stream that was cut between two rows, so the count it reports has to be compared with the rows sent.
///
/// | Arrow | Postgres |
/// |---|---|
/// | `Null` | any |
/// | `Boolean` | `boolean` |
/// | `Int16`, `Int32`, `Int64` | an integer that is as wide or wider, `numeric` |
/// | `Decimal128(p, s)` | `numeric`, or `numeric(q, t)` with `t ≥ s` |
/// | `Float64` | `double precision`; `real`, where every value survives |
/// | `Date32` | `date`; `timestamp`, as the beginning of the day |
/// | `Time64(Microsecond)` | `time` |
/// | `Timestamp(Microsecond, None)` | `timestamp` |
/// | `Timestamp(Microsecond, Some("UTC"))` | `timestamptz` |
/// | `FixedSizeBinary(16)` | `uuid` |
/// | `Utf8` | `text`, `varchar`, `char`, `json`, `jsonb` |
/// | `Binary` | `bytea` |
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{Int32Array, RecordBatch};
/// use arrow_schema::DataType;
/// use longshore::load::CopyEncoder;
/// use longshore::plan::PgType;
///
/// let batch = RecordBatch::try_from_iter([("n", Arc::new(Int32Array::from(vec![1])) as _)]).unwrap();
/// let encoder = CopyEncoder::new(&[(DataType::Int32, PgType::Int4)])?;
/// let mut row = Vec::new();
/// encoder.encode(&batch, &mut row)?;
/// assert_eq!(row, [0, 1, 0, 0, 0, 4, 0, 0, 0, 1]);
/// # Ok::<(), longshore::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyEncoder {
    columns: Vec<Layout>,
}

impl CopyEncoder {
    /// Makes an encoder for batches of these Arrow types, written to columns of these Postgres types.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for a pair that is not in the table above, or more columns than a row can have.
    pub fn new(columns: &[(DataType, PgType)]) -> Result<Self> {
        // 1,664 is what one select list may have, and a table has less; the format itself counts to 32,767.
        if columns.len() > i16::MAX as usize {
            return Err(Error::new(ErrorKind::Unsupported, format!("a row cannot have {} columns", columns.len())));
        }
        let layouts = columns.iter().enumerate().map(|(i, (arrow, sql))| {
            Layout::resolve(arrow, sql).ok_or_else(|| {
                Error::new(ErrorKind::Unsupported, format!("{arrow} cannot be written to a column of type {sql:?}"))
                    .with_location(Location { column: Some(format!("#{}", i + 1)), ..Location::default() })
            })
        });
        Ok(CopyEncoder { columns: layouts.collect::<Result<_>>()? })
    }

    /// Makes an encoder for the columns of a load.
    ///
    /// # Errors
    ///
    /// As [`CopyEncoder::new`].
    pub fn of(columns: &[Fitted]) -> Result<Self> {
        let pair = |Fitted { column, sql }: &Fitted| match column.ty {
            // Of a field without any value there is nothing to be written, whatever the table has for it.
            Type::Null if Layout::resolve(&column.ty.arrow(), sql).is_none() => (DataType::Null, sql.clone()),
            ty => (ty.arrow(), sql.clone()),
        };
        let pairs: Vec<_> = columns.iter().map(pair).collect();
        CopyEncoder::new(&pairs).map_err(|error| {
            let index = columns.iter().zip(&pairs).position(|(_, (arrow, sql))| Layout::resolve(arrow, sql).is_none());
            match index {
                Some(i) => {
                    let column = Some(columns[i].column.path.to_string());
                    error.with_location(Location { column, ..Location::default() })
                }
                None => error,
            }
        })
    }

    /// What a stream begins with.
    pub fn header() -> &'static [u8] {
        &HEADER
    }

    /// What a stream ends with.
    pub fn trailer() -> &'static [u8] {
        &TRAILER
    }

    /// Appends the rows of a batch to `out`, without header or trailer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if the batch's columns are not those the encoder was made for, and
    /// [`ErrorKind::Conflict`] for a value that the column's type cannot hold: a date outside Postgres' range, a
    /// double that `real` would change, a text with a NUL character. `out` is then as it was.
    pub fn encode(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        if batch.num_columns() != self.columns.len() {
            let (found, expected) = (batch.num_columns(), self.columns.len());
            return Err(Error::new(ErrorKind::Unsupported, format!("a batch has {found} columns, not {expected}")));
        }
        if batch.num_rows() <= MOST_ROWS {
            return self.append(batch, out);
        }
        let start = out.len();
        for first in (0..batch.num_rows()).step_by(MOST_ROWS) {
            let part = batch.slice(first, MOST_ROWS.min(batch.num_rows() - first));
            if let Err(error) = self.append(&part, out) {
                out.truncate(start);
                return Err(error);
            }
        }
        Ok(())
    }

    fn append(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = self.columns.iter().zip(batch.columns()).map(|(layout, array)| Column::new(*layout, array));
        let columns = columns.enumerate().map(|(i, column)| column.map_err(|refused| error(batch, i, refused)));
        let (columns, start) = (columns.collect::<Result<Vec<_>>>()?, out.len());
        dispatch(Append { columns: &columns, rows: batch.num_rows(), out }).map_err(|nul| {
            out.truncate(start);
            let message = "a text holds a NUL character, which Postgres cannot store";
            in_column(batch, nul.column, Error::new(ErrorKind::Conflict, message))
        })
    }
}

impl Encode for CopyEncoder {
    fn encode(&self, batch: &RecordBatch) -> Result<Prepared> {
        let mut bytes = Vec::new();
        CopyEncoder::encode(self, batch, &mut bytes)?;
        Ok(Prepared::Bytes { bytes, rows: batch.num_rows() as u64 })
    }
}

fn error(batch: &RecordBatch, column: usize, refused: Refused) -> Error {
    let error = match refused {
        Refused::Type => {
            let found = batch.column(column).data_type();
            Error::new(ErrorKind::Unsupported, format!("a batch holds {found} where the load has another type"))
        }
        Refused::Value => {
            Error::new(ErrorKind::Conflict, "a value is outside of what the column's type can hold exactly")
        }
    };
    in_column(batch, column, error)
}

fn in_column(batch: &RecordBatch, column: usize, error: Error) -> Error {
    let column = Some(batch.schema_ref().field(column).name().clone());
    error.with_location(Location { column, ..Location::default() })
}

//! Rows as CSV, in the spelling that Redshift's COPY reads back to the same values.
//!
//! Text always stands in quotes, with quotes inside doubled, so that an empty text is `""`. No value is [`NULL`] without
//! quotes; the COPY names it. Whether Redshift takes the marker for null also inside quotes is not known, so a text
//! that equals it is refused before it gets here.

use std::fmt::Write as _;
use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike};

use crate::error::{Error, ErrorKind, Result};
use crate::value::{decimal_text, uuid_text};

/// What stands for no value.
pub(in crate::load) const NULL: &str = "@longshore.null@";

/// Writes a batch; every row ends with a line feed.
pub(super) fn write(batch: &RecordBatch, to: &mut impl Write) -> Result<()> {
    let columns: Vec<Cells<'_>> = batch.columns().iter().map(Cells::of).collect::<Result<_>>()?;
    let mut line = String::new();
    for row in 0..batch.num_rows() {
        line.clear();
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                line.push(',');
            }
            column.append(row, &mut line)?;
        }
        line.push('\n');
        to.write_all(line.as_bytes()).map_err(|cause| Error::io("writing a staged file", cause))?;
    }
    Ok(())
}

/// A text in quotes.
pub(super) fn quoted(text: &str, line: &mut String) {
    line.push('"');
    for (at, piece) in text.split('"').enumerate() {
        if at > 0 {
            line.push_str("\"\"");
        }
        line.push_str(piece);
    }
    line.push('"');
}

/// One column, with its type found out once.
struct Cells<'a> {
    array: &'a ArrayRef,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Boolean,
    Int16,
    Int32,
    Int64,
    Decimal(i8),
    Float64,
    Date,
    Time,
    Timestamp { utc: bool },
    Text,
    Uuid,
}

impl<'a> Cells<'a> {
    fn of(array: &'a ArrayRef) -> Result<Self> {
        let kind = match array.data_type() {
            DataType::Boolean => Kind::Boolean,
            DataType::Int16 => Kind::Int16,
            DataType::Int32 => Kind::Int32,
            DataType::Int64 => Kind::Int64,
            DataType::Decimal128(_, scale) => Kind::Decimal(*scale),
            DataType::Float64 => Kind::Float64,
            DataType::Date32 => Kind::Date,
            DataType::Time64(TimeUnit::Microsecond) => Kind::Time,
            DataType::Timestamp(TimeUnit::Microsecond, zone) => Kind::Timestamp { utc: zone.is_some() },
            DataType::Utf8 => Kind::Text,
            DataType::FixedSizeBinary(16) => Kind::Uuid,
            other => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("a batch holds {other}, which has no CSV form"),
                ));
            }
        };
        Ok(Cells { array, kind })
    }

    fn append(&self, row: usize, line: &mut String) -> Result<()> {
        if self.array.is_null(row) {
            line.push_str(NULL);
            return Ok(());
        }
        let out_of_range = || Error::new(ErrorKind::Unsupported, "a time that no calendar holds");
        let written = match self.kind {
            Kind::Boolean => {
                line.push(if self.array.as_boolean().value(row) { 't' } else { 'f' });
                Ok(())
            }
            Kind::Int16 => write!(line, "{}", self.array.as_primitive::<Int16Type>().value(row)),
            Kind::Int32 => write!(line, "{}", self.array.as_primitive::<Int32Type>().value(row)),
            Kind::Int64 => write!(line, "{}", self.array.as_primitive::<Int64Type>().value(row)),
            Kind::Decimal(scale) => {
                let value = self.array.as_primitive::<Decimal128Type>().value(row);
                line.push_str(&decimal_text(value, usize::from(scale.unsigned_abs())));
                Ok(())
            }
            // The shortest digits that give the same double again.
            Kind::Float64 => write!(line, "{:?}", self.array.as_primitive::<Float64Type>().value(row)),
            Kind::Date => {
                let days = self.array.as_primitive::<Date32Type>().value(row);
                let day = NaiveDate::from_epoch_days(days).ok_or_else(out_of_range)?;
                date(day, line)
            }
            Kind::Time => {
                let micros = self.array.as_primitive::<Time64MicrosecondType>().value(row);
                let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
                write!(line, "{:02}:{:02}:{:02}.{fraction:06}", seconds / 3600, seconds / 60 % 60, seconds % 60)
            }
            Kind::Timestamp { utc } => {
                let micros = self.array.as_primitive::<TimestampMicrosecondType>().value(row);
                let at = DateTime::from_timestamp_micros(micros).ok_or_else(out_of_range)?.naive_utc();
                timestamp(at, line).map(|()| {
                    if utc {
                        line.push_str("+00");
                    }
                })
            }
            Kind::Text => {
                quoted(self.array.as_string::<i32>().value(row), line);
                Ok(())
            }
            Kind::Uuid => {
                let id = self.array.as_fixed_size_binary().value(row).first_chunk();
                line.extend(id.iter().flat_map(|id| uuid_text(id)).map(char::from));
                Ok(())
            }
        };
        written.map_err(|_| Error::new(ErrorKind::Unsupported, "a value that cannot be written"))
    }
}

fn date(day: NaiveDate, line: &mut String) -> std::fmt::Result {
    match day.year() {
        year @ 1.. => write!(line, "{year:04}-{:02}-{:02}", day.month(), day.day()),
        // There is no year 0.
        year => write!(line, "{:04}-{:02}-{:02} BC", 1 - year, day.month(), day.day()),
    }
}

fn timestamp(at: NaiveDateTime, line: &mut String) -> std::fmt::Result {
    let (day, time) = (at.date(), at.time());
    let era = if day.year() < 1 { " BC" } else { "" };
    let year = if day.year() < 1 { 1 - day.year() } else { day.year() };
    let micros = time.nanosecond() / 1000;
    write!(line, "{year:04}-{:02}-{:02} ", day.month(), day.day())?;
    write!(line, "{:02}:{:02}:{:02}.{micros:06}{era}", time.hour(), time.minute(), time.second())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::*;

    use super::*;

    #[test]
    fn every_type_is_spelled_as_copy_reads_it() {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("b", Arc::new(BooleanArray::from(vec![Some(true), None]))),
            ("i", Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))),
            ("d", Arc::new(Decimal128Array::from(vec![Some(-5), None]).with_precision_and_scale(9, 2).unwrap())),
            ("f", Arc::new(Float64Array::from(vec![Some(-0.1), None]))),
            ("day", Arc::new(Date32Array::from(vec![Some(-1), None]))),
            ("t", Arc::new(Time64MicrosecondArray::from(vec![Some(86_399_999_999), None]))),
            ("ts", Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None]))),
            ("tz", Arc::new(TimestampMicrosecondArray::from(vec![Some(0), None]).with_timezone("UTC"))),
            ("s", Arc::new(StringArray::from(vec![Some("a,\"b\"\n"), Some("")]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut text = Vec::new();
        write(&batch, &mut text).unwrap();
        let n = NULL;
        assert_eq!(
            String::from_utf8(text).unwrap(),
            format!(
                "t,-9223372036854775808,-0.05,-0.1,1969-12-31,23:59:59.999999,1969-12-31 23:59:59.999999,\
                 1970-01-01 00:00:00.000000+00,\"a,\"\"b\"\"\n\"\n{n},{n},{n},{n},{n},{n},{n},{n},\"\"\n"
            )
        );
    }
}

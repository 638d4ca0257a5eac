//! In which format rows are staged.

use super::{StageFormat, StageOptions};
use crate::error::{Error, Result};
use crate::load::redshift_ledger::WIDEST_VARCHAR;
use crate::schema::{Column, Schema, Type};

/// The format that is wanted; of one's own choice Parquet, unless a JSON value is too long for the text column of a
/// staging table, or the bucket is in another region.
pub(super) fn choose(wanted: StageFormat, schema: &Schema, other_region: Option<&str>) -> StageFormat {
    let long =
        |column: &Column| column.ty == Type::Json && column.max_bytes.is_some_and(|bytes| bytes > WIDEST_VARCHAR);
    match wanted {
        StageFormat::Auto if other_region.is_some() || schema.columns.iter().any(long) => StageFormat::Csv,
        StageFormat::Auto => StageFormat::Parquet,
        format => format,
    }
}

/// Makes sure that files in this format can be copied from a bucket of another region: Parquet cannot (5.1).
///
/// # Errors
///
/// [`Config`](crate::ErrorKind::Config) for Parquet.
pub(in crate::load) fn check_region(options: &StageOptions, other_region: Option<&str>) -> Result<()> {
    if other_region.is_none() || options.format != StageFormat::Parquet {
        return Ok(());
    }
    Err(Error::config("Redshift copies Parquet from a bucket in its own region alone, and another one is named").with_hint(
        "stage as CSV (--stage-format csv), or name no region of the bucket (--bucket-region) if it is the cluster's",
    ))
}

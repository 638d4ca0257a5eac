//! longshore turns raw JSON and CSV records into well-defined warehouse tables.

pub mod batch;
pub mod error;
mod fault;
mod front;
pub mod load;
pub mod path;
pub mod plan;
pub mod records;
pub mod schema;
mod simd;
pub mod sketch;
pub mod source;
pub mod value;

#[cfg(feature = "failpoints")]
#[doc(hidden)]
pub use fault::from_environment as failpoints_from_environment;
pub use error::{Error, ErrorKind, Location, Result};
pub use front::{ColumnReport, Explanation, Inference, ReadOptions, Watch, table_for};
#[cfg(any(feature = "postgres", feature = "parquet"))]
pub use front::{LoadReport, Loader, MAX_QUARANTINED_LISTED, Quarantined};
#[cfg(feature = "postgres")]
pub use front::{Offset, Receipt, StreamLoader, StreamOptions, StreamTotals};
pub use path::Path;
pub use plan::{Dialect, Plan};
pub use schema::{Column, Policy, Schema, Type};
pub use sketch::Sketch;
pub use source::{Encoding, Sample, Source};

/// The program in the manual is compiled with the documentation tests.
#[cfg(all(doctest, feature = "postgres"))]
#[doc = include_str!("../README.md")]
struct Manual;

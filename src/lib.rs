//! longshore turns raw JSON and CSV records into well-defined warehouse tables, and loads each input once.
//!
//! It keeps evidence about every field of the whole input, decides from it the narrowest types that give back every value, and
//! checks every value again on its way: a record is a row, or it is in quarantine with its bytes and the reason.
//!
//! ```
//! use longshore::{Policy, Sketch, Source};
//!
//! let source = Source::bytes("{\"id\":1,\"zip\":\"02134\"}\n{\"id\":70000,\"zip\":\"SW1A 1AA\"}\n{broken\n");
//! let sketch = Sketch::of(&source)?;
//! let schema = Policy::default().resolve(&sketch)?;
//! let columns: Vec<_> = schema.columns.iter().map(|column| format!("{} {}", column.name, column.ty)).collect();
//! assert_eq!(columns, ["id int32", "zip text"]);
//! assert_eq!((sketch.records(), sketch.bad().count()), (2, 1));
//! # Ok::<(), longshore::Error>(())
//! ```
//!
//! Where to begin:
//!
//! - `Loader`: an input into a table, and by `Loader::open` whatever comes, for as long as it comes; `Quarantine`: what did not
//!   become rows, and a second try for it.
//! - [`Inference`] and [`Explanation`]: what the whole input shows, and why each column is what it is. A [`Sketch`] is that
//!   evidence, made of parts on many machines and merged; a [`Policy`] makes a [`Schema`] of it.
//! - [`Plan`]: the SQL that makes a table, or brings one that is there to its data.
//! - [`source`], [`records`], [`batch`], [`load`]: the layers below, each of use alone.
//!
//! Without features there are reading, inference, schema, SQL and Arrow batches. `postgres` loads into Postgres, `parquet` into a
//! folder, `redshift` into Redshift; `kafka` and `kafka-tls` consume topics, `tls` encrypts connections. Calls block, and need no
//! runtime of the caller's. Everything that fails is an [`Error`] with a kind, a place and, where there is one, a hint.

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
mod threads;
pub mod value;

pub use error::{Error, ErrorKind, Location, Result};
#[cfg(feature = "failpoints")]
#[doc(hidden)]
pub use fault::from_environment as failpoints_from_environment;
#[cfg(feature = "redshift")]
pub use front::live_table;
#[cfg(feature = "postgres")]
pub use front::{
    ChildTables, Feed, Offset, Promotion, Receipt, Route, StreamLoader, StreamObserver, StreamOptions, StreamRecords,
    StreamTotals, TableReceipt, Unrouted,
};
pub use front::{ColumnReport, Explanation, Inference, ReadOptions, Watch, table_for};
#[cfg(feature = "kafka")]
pub use front::{KafkaStream, PartitionLag};
#[cfg(any(feature = "postgres", feature = "parquet"))]
pub use front::{LoadReport, Loader, MAX_QUARANTINED_LISTED, Quarantined};
#[cfg(any(feature = "postgres", feature = "parquet"))]
pub use front::{Quarantine, ReplayReport};
pub use path::Path;
pub use plan::{Dialect, Plan};
pub use schema::{Column, Policy, Schema, Type};
pub use sketch::Sketch;
pub use source::{Encoding, Sample, Source};

/// The programs in the manual are compiled with the documentation tests.
#[cfg(all(doctest, feature = "postgres"))]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/streams.md")]
struct Manual;

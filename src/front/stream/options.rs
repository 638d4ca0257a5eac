//! What goes into a stream and what comes out of it, besides records.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use super::Receipt;
use super::children::ChildTables;
use super::route::Route;
use crate::error::{Error, ErrorKind, Result};
use crate::load::{Contract, PostgresOptions};
use crate::records::{Dialect, Format, FormatOptions, Kind, Layout};

/// A place in a source: the position behind the last record that is meant.
///
/// Positions of one source grow from write to write. What they count (records, bytes, Kafka offsets) is the caller's
/// own affair.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset {
    /// The name of the source: a topic's partition, a file, a queue.
    pub source: String,
    /// The position; at most 2^63 - 1.
    pub position: u64,
}

impl Offset {
    /// Makes an offset.
    pub fn new(source: impl Into<String>, position: u64) -> Self {
        Offset { source: source.into(), position }
    }
}

/// How a [`StreamLoader`](crate::StreamLoader) behaves. Every setting has a default.
///
/// ```
/// use std::time::Duration;
/// use longshore::StreamOptions;
/// let options = StreamOptions::default().max_rows(10_000).max_age(Duration::from_secs(5));
/// assert_eq!((options.max_rows, options.max_bytes), (10_000, 64 << 20));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StreamOptions {
    /// What the tables may be changed to. By default they follow the data.
    pub contract: Contract,
    /// Into which tables records go by the value of a field. Default: `None`, all into one table.
    pub route: Option<Route>,
    /// Which arrays become tables of their own. Default: none.
    pub child_tables: ChildTables,
    /// A batch with so many lines is sent on its way. Default: 100,000.
    pub max_rows: u64,
    /// A batch with so many bytes is sent on its way. Default: 64 MiB.
    pub max_bytes: u64,
    /// A batch whose first write is so old is committed by the next write, or by
    /// [`tick`](crate::StreamLoader::tick). Default: `None`, at any age.
    pub max_age: Option<Duration>,
    /// How long temporary errors are tried again before they are returned. Default: 2 minutes.
    pub retry_for: Duration,
    /// The names of the columns of CSV, whose writes have no header.
    pub csv_columns: Option<Vec<String>>,
    /// How long to wait for locks, and the type of JSON columns.
    pub postgres: PostgresOptions,
    /// Who is told of commits and retries, for metrics. Default: nobody.
    pub observer: Option<Arc<dyn StreamObserver>>,
}

/// Who is told what a stream does, as it does it. Called on the thread that commits, which is the caller's own or, for a
/// batch that a write has filled, one of the loader's; the next batch waits meanwhile, so it should be quick.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
/// use std::time::Duration;
/// use longshore::{Receipt, StreamObserver, StreamOptions};
///
/// #[derive(Debug, Default)]
/// struct Rows(AtomicU64);
/// impl StreamObserver for Rows {
///     fn committed(&self, receipt: &Receipt, _: Duration) {
///         self.0.fetch_add(receipt.counts.loaded, Ordering::Relaxed);
///     }
/// }
/// let rows = Arc::new(Rows::default());
/// let options = StreamOptions::default().observer(rows.clone());
/// assert_eq!(rows.0.load(Ordering::Relaxed), 0);
/// ```
pub trait StreamObserver: Debug + Send + Sync {
    /// A batch was committed; `took` is the time from its closing to the answer, tries included.
    fn committed(&self, receipt: &Receipt, took: Duration) {
        let _ = (receipt, took);
    }

    /// A temporary error was met; the work is tried again after `pause`.
    fn retrying(&self, error: &Error, pause: Duration) {
        let _ = (error, pause);
    }
}

impl Default for StreamOptions {
    fn default() -> Self {
        StreamOptions {
            contract: Contract::default(),
            route: None,
            child_tables: ChildTables::None,
            max_rows: 100_000,
            max_bytes: 64 << 20,
            max_age: None,
            retry_for: Duration::from_secs(120),
            csv_columns: None,
            postgres: PostgresOptions::default(),
            observer: None,
        }
    }
}

impl StreamOptions {
    /// Sets what the table may be changed to.
    #[must_use]
    pub fn contract(mut self, contract: Contract) -> Self {
        self.contract = contract;
        self
    }

    /// Sets into which tables records go by the value of a field.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.route = Some(route);
        self
    }

    /// Sets which arrays become tables of their own.
    #[must_use]
    pub fn child_tables(mut self, children: ChildTables) -> Self {
        self.child_tables = children;
        self
    }

    /// Sets with how many lines a batch is committed.
    #[must_use]
    pub fn max_rows(mut self, rows: u64) -> Self {
        self.max_rows = rows;
        self
    }

    /// Sets with how many bytes a batch is committed.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets at what age of its first write a batch is committed by the next one.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Sets how long temporary errors are tried again; zero returns the first one.
    #[must_use]
    pub fn retry_for(mut self, time: Duration) -> Self {
        self.retry_for = time;
        self
    }

    /// Sets the names of the columns of CSV.
    #[must_use]
    pub fn csv_columns(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.csv_columns = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets how long to wait for locks, and the type of JSON columns.
    #[must_use]
    pub fn postgres(mut self, options: PostgresOptions) -> Self {
        self.postgres = options;
        self
    }

    /// Refuses what does not go together.
    pub(super) fn check(&self, format: &Format) -> Result<()> {
        if self.child_tables == ChildTables::None {
            return Ok(());
        }
        match format {
            Format::Ndjson => Ok(()),
            _ => Err(Error::config("CSV has no arrays to make child tables of").with_hint("leave child tables out")),
        }
    }

    /// Sets who is told of commits and retries.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn StreamObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The format of the writes.
    pub(super) fn format(&self, told: &FormatOptions) -> Result<Format> {
        let is_csv = match told.kind {
            Some(Kind::Csv) => true,
            Some(Kind::Ndjson) => false,
            None => told.delimiter.is_some() || self.csv_columns.is_some(),
            Some(_) => {
                return Err(Error::new(ErrorKind::Unsupported, "a stream takes NDJSON or CSV, and no other format")
                    .with_hint("write each record on a line of its own"));
            }
        };
        if !is_csv {
            return Ok(Format::Ndjson);
        }
        let columns = match &self.csv_columns {
            Some(columns) if !columns.is_empty() && told.header != Some(true) => columns.clone(),
            _ => {
                return Err(Error::config("a stream of CSV has no header, and needs the names of its columns")
                    .with_hint("name them with `StreamOptions::csv_columns`, or `--columns` of the command"));
            }
        };
        told.check_dialect()?;
        let usual = Dialect { header: false, ..Dialect::default() };
        let delimiter = told.delimiter.unwrap_or(usual.delimiter);
        // What delimits cells does not quote them.
        let quote = told.quote.unwrap_or(usual.quote.filter(|quote| *quote != delimiter));
        let dialect = Dialect { delimiter, quote, ..usual };
        Ok(Format::Csv(Layout { dialect, columns, ..Layout::default() }))
    }
}

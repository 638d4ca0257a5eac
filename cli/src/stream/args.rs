//! What can be said to `longshore stream`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use longshore::load::{Contract, MergeKeys, Mode, OnChange};
use longshore::records::{FormatOptions, Kind};
use longshore::{ChildTables, ReadOptions, Route, StreamOptions, Unrouted};

use crate::args::{Meaning, Output, Quote, delimiter, quote};

/// Load what comes, for as long as it comes: Kafka topics, files that grow, standard input
#[derive(Debug, Args)]
pub(crate) struct Stream {
    /// Files that grow, each read on from where its table ends, or `-` for standard input
    #[arg(value_name = "FILE", conflicts_with = "kafka")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) kafka: Kafka,
    /// The Postgres server: postgres://user@host/database. Keep a password out of the command line: PGPASSWORD is used
    #[arg(long, value_name = "URL")]
    pub(crate) to: String,
    /// The table: orders, analytics.orders, '"My Schema"."Orders"' [default: from the first topic's or file's name]
    #[arg(long)]
    pub(crate) table: Option<String>,
    /// Stop at the end of the files, rather than wait for more
    #[arg(long, conflicts_with = "kafka")]
    pub(crate) until_end: bool,
    #[command(flatten)]
    pub(crate) records: Records,
    #[command(flatten)]
    pub(crate) meaning: Meaning,
    #[command(flatten)]
    pub(crate) changes: Changes,
    #[command(flatten)]
    pub(crate) by: MergeBy,
    #[command(flatten)]
    pub(crate) tables: Tables,
    #[command(flatten)]
    pub(crate) batches: Batches,
    /// Serve metrics for Prometheus at an address such as 127.0.0.1:9464, or write them to a file
    #[arg(long, value_name = "ADDR|FILE")]
    pub(crate) metrics: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Which topics, and how.
#[derive(Debug, Args)]
pub(crate) struct Kafka {
    /// Read from Kafka: brokers as host:port, separated by commas
    #[arg(long, value_name = "HOST", requires = "topic")]
    pub(crate) kafka: Option<String>,
    /// A topic; may be repeated
    #[arg(long, value_name = "TOPIC", requires = "kafka", value_delimiter = ',')]
    pub(crate) topic: Vec<String>,
    /// The consumer group, whose members share the partitions
    #[arg(long, value_name = "GROUP", requires = "kafka", default_value = "longshore")]
    pub(crate) group: String,
    /// A name for the cluster in the ledger: for a topic that was made anew, or topics of two clusters in one table
    #[arg(long, value_name = "NAME", requires = "kafka")]
    pub(crate) cluster: Option<String>,
    /// What to do when records were deleted from the topic before they were read
    #[arg(long, value_enum, requires = "kafka", default_value_t = OnGapArg::Stop)]
    pub(crate) on_gap: OnGapArg,
    /// A property of the Kafka client, such as fetch.min.bytes=100000; may be repeated
    #[arg(long, value_name = "KEY=VALUE", requires = "kafka")]
    pub(crate) kafka_property: Vec<String>,
    /// A file of such properties, a line each: for passwords
    #[arg(long, value_name = "FILE", requires = "kafka")]
    pub(crate) kafka_config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum OnGapArg {
    /// End with an error that says how many offsets are gone
    Stop,
    /// Go on, with an entry in the quarantine
    Record,
}

/// What records look like.
#[derive(Debug, Args)]
pub(crate) struct Records {
    /// The format of the records
    #[arg(long, value_enum)]
    format: Option<FormatArg>,
    /// The names of the columns of CSV, which has no header here
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// What stands between CSV cells: one character, `\t` or `tab`
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    delimiter: Option<u8>,
    /// What stands around CSV cells: one character, or `none`
    #[arg(long, value_name = "CHAR", value_parser = quote)]
    quote: Option<Quote>,
    /// How many cores to use [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    Ndjson,
    Csv,
}

impl Records {
    /// Whether it is said what the records look like.
    pub(crate) fn are_described(&self) -> bool {
        self.format.is_some() || self.columns.is_some()
    }

    pub(crate) fn options(&self) -> ReadOptions {
        let kind = self.format.map(|format| match format {
            FormatArg::Ndjson => Kind::Ndjson,
            FormatArg::Csv => Kind::Csv,
        });
        let quote = self.quote.map(|Quote(quote)| quote);
        let format = FormatOptions { kind, delimiter: self.delimiter, quote, ..FormatOptions::default() };
        ReadOptions::default().format(format).threads(self.threads.map_or(0, usize::from))
    }
}

/// What records may change of the table.
#[derive(Debug, Args)]
pub(crate) struct Changes {
    /// What happens to fields that the table has no column for
    #[arg(long, value_enum, value_name = "ACTION", default_value_t = ChangeArg::Evolve)]
    new_columns: ChangeArg,
    /// What happens to values that are too wide for their column's type
    #[arg(long, value_enum, value_name = "ACTION", default_value_t = ChangeArg::Evolve)]
    wider_types: ChangeArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ChangeArg {
    /// The table is changed
    Evolve,
    /// The batch fails
    Freeze,
    /// The records are quarantined
    Quarantine,
}

impl Changes {
    pub(crate) fn contract(&self) -> Contract {
        let action = |change| match change {
            ChangeArg::Evolve => OnChange::Evolve,
            ChangeArg::Freeze => OnChange::Freeze,
            ChangeArg::Quarantine => OnChange::Quarantine,
        };
        let mut contract = Contract::default();
        (contract.columns, contract.types) = (action(self.new_columns), action(self.wider_types));
        contract
    }
}

/// By what rows and records are the same.
#[derive(Debug, Args)]
pub(crate) struct MergeBy {
    /// Put each record in the place of the row with its key: a field of the key, as a path; may be repeated
    #[arg(long = "key", value_name = "PATH")]
    keys: Vec<String>,
    /// With `--key`: the field whose greatest value is the last [default: the order of the input]
    #[arg(long, value_name = "PATH", requires = "keys")]
    order_by: Option<String>,
}

impl MergeBy {
    pub(crate) fn mode(&self) -> Mode {
        if self.keys.is_empty() {
            return Mode::Append;
        }
        let keys = MergeKeys::new(&self.keys);
        Mode::Merge(match &self.order_by {
            Some(path) => keys.order_by(path),
            None => keys,
        })
    }
}

/// Into which tables records go.
#[derive(Debug, Args)]
pub(crate) struct Tables {
    /// Send each record into a table by the value of a field: TABLE_VALUE
    #[arg(long, value_name = "PATH")]
    route: Option<String>,
    /// With `--route`: how many such tables there may be, besides TABLE
    #[arg(long, value_name = "N", requires = "route", default_value_t = 64)]
    max_tables: usize,
    /// With `--route`: what becomes of records without such a table
    #[arg(long, value_enum, requires = "route", default_value_t = UnroutedArg::Table)]
    unrouted: UnroutedArg,
    #[command(flatten)]
    arrays: Arrays,
}

/// Which arrays become tables.
#[derive(Debug, Args)]
pub(crate) struct Arrays {
    /// Make tables of arrays, a row for each element: all of them, or those at these paths
    #[arg(
        long,
        value_name = "PATH,…",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        value_delimiter = ','
    )]
    child_tables: Option<Vec<String>>,
}

impl Arrays {
    pub(crate) fn which(&self) -> ChildTables {
        match self.child_tables.as_deref() {
            None => ChildTables::None,
            Some([all]) if all.is_empty() => ChildTables::All,
            Some(paths) => ChildTables::paths(paths),
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum UnroutedArg {
    /// They go into TABLE
    Table,
    /// They are quarantined
    Quarantine,
}

impl Tables {
    fn options(&self, mut options: StreamOptions) -> StreamOptions {
        if let Some(path) = &self.route {
            let unrouted = match self.unrouted {
                UnroutedArg::Table => Unrouted::OwnTable,
                UnroutedArg::Quarantine => Unrouted::Quarantine,
            };
            options = options.route(Route::field(path).max_tables(self.max_tables).unrouted(unrouted));
        }
        options.child_tables(self.arrays.which())
    }
}

/// When a batch is committed.
#[derive(Debug, Args)]
pub(crate) struct Batches {
    /// Commit a batch at so many records
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    max_rows: u64,
    /// Commit a batch at so many bytes
    #[arg(long, value_name = "N", default_value_t = 64 << 20, value_parser = clap::value_parser!(u64).range(1..))]
    max_bytes: u64,
    /// Commit a batch when its first record is so many seconds old
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    max_age: Duration,
    /// Try again for so many seconds after errors that may pass, once connected; the first connection to the server gets four tries
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds)]
    retry_for: Duration,
    /// Roll a batch back when more of its records than this are quarantined [default: any number]
    #[arg(long, value_name = "N")]
    pub(crate) max_quarantined: Option<u64>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.strip_suffix('s').unwrap_or(text).parse::<f64>().ok();
    let whole = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    whole.ok_or_else(|| "write a number of seconds".to_string())
}

impl Stream {
    /// How the stream behaves.
    pub(crate) fn options(&self) -> StreamOptions {
        let Batches { max_rows, max_bytes, max_age, retry_for, .. } = self.batches;
        let options = StreamOptions::default().max_rows(max_rows).max_bytes(max_bytes).max_age(max_age);
        let options = self.tables.options(options.retry_for(retry_for).contract(self.changes.contract()));
        match &self.records.columns {
            Some(columns) => options.csv_columns(columns),
            None => options,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_of_seconds() {
        assert_eq!(seconds("2.5"), Ok(Duration::from_millis(2_500)));
        assert_eq!(seconds("10s"), Ok(Duration::from_secs(10)));
        assert!(seconds("-1").is_err() && seconds("soon").is_err() && seconds("NaN").is_err());
    }
}

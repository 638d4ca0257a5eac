//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use longshore::records::{FormatOptions, Kind};
use longshore::schema::Naming;
use longshore::{Dialect, Encoding, Policy, ReadOptions, Result, Sample, Watch};

use crate::load::Load;
use crate::log;
use crate::promote::Promote;
use crate::quarantine::QuarantineArgs;
use crate::stage::Stage;
use crate::stream::Stream;

const EXIT_CODES: &str = "\
Exit codes:
   0  done
   2  the table cannot take the data as it is
   3  more records quarantined than allowed (rolled back), or not one record could be loaded
   4  records read do not equal loaded plus quarantined plus deduplicated (rolled back)
   5  the warehouse refused or could not be reached, or a stream that was stopped could not commit in time
  64  wrong usage
  65  the input is damaged, or no record can be made out in it
  66  no such input, or it cannot be opened
  69  a program or feature is missing, or the input is of a kind that is not taken
  74  another input or output error
 130  a second SIGINT ended a stream at once (143: a second SIGTERM)";

/// Raw JSON and CSV records in, well-defined warehouse tables out.
#[derive(Debug, Parser)]
#[command(name = "longshore", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Log on standard error what is done: loads, batches, retries; never a record. With `LONGSHORE_LOG=debug` also each
    /// statement that a stream changes a table by; the other levels are error, warn, info (the default) and trace
    #[arg(long, global = true, value_enum, value_name = "FORM")]
    pub(crate) log: Option<log::Form>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read the input and show the table it makes: columns, types, nulls, reasons
    #[command(after_help = EXIT_CODES)]
    Infer(Infer),
    /// Show what was seen of each column, and the first record that forced its type
    #[command(after_help = EXIT_CODES)]
    Explain(Explain),
    /// Print the SQL that creates the table
    #[command(after_help = EXIT_CODES)]
    Ddl(Ddl),
    /// Load the input into a table, whole or not at all, once
    #[command(after_help = EXIT_CODES)]
    Load(Load),
    /// Stage the input in an object store, with a script that loads it into Redshift once
    #[command(after_help = EXIT_CODES)]
    Stage(Stage),
    /// Put sketch files together that `infer -w` wrote from parts of the input
    #[command(after_help = EXIT_CODES)]
    Merge(Merge),
    /// Load what comes, for as long as it comes: Kafka topics, files that grow, standard input
    #[command(after_help = EXIT_CODES)]
    Stream(Box<Stream>),
    /// Make columns of fields that share the column `_overflow`
    #[command(after_help = EXIT_CODES)]
    Promote(Promote),
    /// List, show and replay the records that did not become rows
    #[command(after_help = EXIT_CODES)]
    Quarantine(QuarantineArgs),
}

impl Command {
    pub(crate) fn output(&self) -> Output {
        match self {
            Command::Infer(args) => args.output,
            Command::Explain(args) => args.output,
            Command::Ddl(args) => args.output,
            Command::Load(args) => args.loading.output,
            Command::Stage(args) => args.loading.output,
            Command::Merge(args) => args.output,
            Command::Stream(args) => args.output,
            Command::Promote(args) => args.output,
            Command::Quarantine(args) => args.output(),
        }
    }
}

/// How the answer is given.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Output {
    /// Print one JSON object on standard output and nothing else, errors too
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress and no warnings
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// What is read, and how.
#[derive(Debug, Args)]
pub(crate) struct Input {
    /// Files, patterns such as 'events/*.json.gz', or `-` for standard input; gzip and zstd are recognised
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The format, rather than what the data looks like
    #[arg(long, value_enum, default_value_t = FormatArg::Auto)]
    format: FormatArg,
    /// What stands between CSV cells: one character, `\t` or `tab`
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    delimiter: Option<u8>,
    /// What stands around CSV cells: one character, or `none`
    #[arg(long, value_name = "CHAR", value_parser = quote)]
    quote: Option<Quote>,
    /// The first CSV record names the columns, behind titles that something besides their words tells from records
    #[arg(long, conflicts_with = "no_header")]
    header: bool,
    /// The first CSV record is data; columns are called column_1, column_2, …
    #[arg(long)]
    no_header: bool,
    /// How the text is encoded
    #[arg(long, value_enum, default_value_t = EncodingArg::Auto)]
    encoding: EncodingArg,
    /// How many cores to use [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Infer from about this many records of each input, rather than all
    #[arg(long, value_name = "N", conflicts_with = "sample_bytes", value_parser = clap::value_parser!(u64).range(1..))]
    sample_rows: Option<u64>,
    /// Infer from about this many bytes of each input, rather than all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample_bytes: Option<u64>,
}

impl Input {
    pub(crate) fn options(&self, watch: Watch) -> ReadOptions {
        let kind = match self.format {
            FormatArg::Auto => None,
            FormatArg::Ndjson => Some(Kind::Ndjson),
            FormatArg::Json => Some(Kind::Json),
            FormatArg::Csv => Some(Kind::Csv),
        };
        let header = (self.header || self.no_header).then_some(self.header);
        let format =
            FormatOptions { kind, delimiter: self.delimiter, quote: self.quote.map(|Quote(quote)| quote), header };
        let sample = match (self.sample_rows, self.sample_bytes) {
            (Some(rows), _) => Sample::Rows(rows),
            (None, Some(bytes)) => Sample::Bytes(bytes),
            (None, None) => Sample::All,
        };
        let threads = self.threads.map_or(0, usize::from);
        ReadOptions::default().format(format).threads(threads).sample(sample).watch(watch)
    }

    pub(crate) fn encoding(&self) -> Encoding {
        match self.encoding {
            EncodingArg::Auto => Encoding::Auto,
            EncodingArg::Utf8 => Encoding::Utf8,
            EncodingArg::Utf16le => Encoding::Utf16Le,
            EncodingArg::Utf16be => Encoding::Utf16Be,
            EncodingArg::Latin1 => Encoding::Latin1,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    Auto,
    Ndjson,
    Json,
    Csv,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EncodingArg {
    Auto,
    #[value(name = "utf-8", alias = "utf8")]
    Utf8,
    #[value(name = "utf-16le")]
    Utf16le,
    #[value(name = "utf-16be")]
    Utf16be,
    Latin1,
}

/// `Some` for a character, `None` for no quoting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quote(pub(crate) Option<u8>);

pub(crate) fn delimiter(text: &str) -> Result<u8, String> {
    match text {
        "\\t" | "tab" => Ok(b'\t'),
        _ => one_byte(text).ok_or_else(|| "write one ASCII character, `\\t` or `tab`".to_string()),
    }
}

pub(crate) fn quote(text: &str) -> Result<Quote, String> {
    match text {
        "none" => Ok(Quote(None)),
        _ => one_byte(text)
            .map(|byte| Quote(Some(byte)))
            .ok_or_else(|| "write one ASCII character or `none`".to_string()),
    }
}

fn one_byte(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Some(*byte),
        _ => None,
    }
}

/// What the evidence is to mean.
#[derive(Debug, Args)]
pub(crate) struct Meaning {
    /// Give a column a type, whatever the data shows: PATH=TYPE or PATH=TYPE@READING; may be repeated
    #[arg(long = "hint", value_name = "HINT")]
    hints: Vec<String>,
    /// How columns are named
    #[arg(long, value_enum, default_value_t = NamingArg::Snake)]
    naming: NamingArg,
    /// Keep nested objects whole as JSON, rather than as columns by path
    #[arg(long)]
    no_flatten: bool,
    /// How many columns a table may have before the rarest share one of JSON [default: 1200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1600))]
    max_columns: Option<u16>,
}

impl Meaning {
    pub(crate) fn policy(&self) -> Result<Policy> {
        let naming = match self.naming {
            NamingArg::Snake => Naming::Snake,
            NamingArg::Source => Naming::Source,
        };
        let mut policy = Policy::default().naming(naming).flatten(!self.no_flatten);
        if let Some(columns) = self.max_columns {
            policy = policy.max_columns(usize::from(columns));
        }
        for hint in &self.hints {
            policy = policy.with_hint(hint.parse()?);
        }
        Ok(policy)
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NamingArg {
    /// Lower case with underscores: user.firstName is user_first_name
    Snake,
    /// The path as it is: user.firstName
    Source,
}

/// Input, or a sketch in its place.
#[derive(Debug, Args)]
pub(crate) struct Evidence {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) meaning: Meaning,
    /// Take the evidence from a sketch file rather than from data
    #[arg(long, value_name = "SKETCH")]
    pub(crate) sketch: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Infer {
    #[command(flatten)]
    pub(crate) evidence: Evidence,
    /// Write the evidence to a sketch file, for `--sketch` and `merge`
    #[arg(short, long, value_name = "SKETCH")]
    pub(crate) write: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) evidence: Evidence,
    /// Explain only this column, named by its path; may be repeated. A path may also stand behind the files
    #[arg(short, long = "column", value_name = "PATH")]
    pub(crate) columns: Vec<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Ddl {
    #[command(flatten)]
    pub(crate) evidence: Evidence,
    /// Whose SQL
    #[arg(long, value_enum, default_value_t = DialectArg::Postgres)]
    pub(crate) dialect: DialectArg,
    /// The table: orders, analytics.orders, '"My Schema"."Orders"' [default: the first file's name]
    #[arg(long)]
    pub(crate) table: Option<String>,
    /// Leave a table of that name as it is
    #[arg(long)]
    pub(crate) if_not_exists: bool,
    /// Refuse NULL in columns that had a value in every record
    #[arg(long)]
    pub(crate) not_null: bool,
    /// The Postgres type for JSON values
    #[arg(long, value_enum)]
    pub(crate) json_type: Option<JsonTypeArg>,
    /// Redshift: spread the rows by the column at this path
    #[arg(long, value_name = "PATH", conflicts_with = "diststyle")]
    pub(crate) distkey: Option<String>,
    /// Redshift: sort by the columns at these paths
    #[arg(long, value_name = "PATH,…", value_delimiter = ',')]
    pub(crate) sortkey: Vec<String>,
    /// Redshift: how rows are spread
    #[arg(long, value_enum)]
    pub(crate) diststyle: Option<DistStyleArg>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DialectArg {
    Postgres,
    Redshift,
}

impl From<DialectArg> for Dialect {
    fn from(dialect: DialectArg) -> Dialect {
        match dialect {
            DialectArg::Postgres => Dialect::Postgres,
            DialectArg::Redshift => Dialect::Redshift,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum JsonTypeArg {
    Jsonb,
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum DistStyleArg {
    Auto,
    Even,
    All,
}

#[derive(Debug, Args)]
pub(crate) struct Merge {
    /// Sketch files that `infer -w` wrote
    #[arg(value_name = "SKETCH", required = true)]
    pub(crate) sketches: Vec<PathBuf>,
    /// Where to write the sketch of them all
    #[arg(short = 'o', long = "output", value_name = "SKETCH")]
    pub(crate) into: PathBuf,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_delimiter_is_one_character_or_its_name() {
        assert_eq!((delimiter("tab"), delimiter("\\t"), delimiter(";")), (Ok(b'\t'), Ok(b'\t'), Ok(b';')));
        assert!(delimiter("::").is_err() && delimiter("é").is_err() && delimiter("").is_err());
        assert!(matches!(quote("none"), Ok(Quote(None))));
    }
}

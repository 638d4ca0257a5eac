//! What `load` and `stage` have in common: an input, on its way into a table under an id.

use clap::{Args, ValueEnum};
use longshore::load::{Counts, MergeKeys, Mode};
use longshore::{Error, LoadReport, Loader, Policy, Source, Watch};

use crate::args::{Input, Meaning, Output};
use crate::evidence;
use crate::exit::{self, Failure};
use crate::progress::Bar;

#[derive(Debug, Args)]
pub(crate) struct Loading {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    meaning: Meaning,
    /// The table: orders, analytics.orders, '"My Schema"."Orders"' [default: the first file's name]
    #[arg(long)]
    pub(crate) table: Option<String>,
    /// What happens to rows that are there
    #[arg(long, value_enum, default_value_t = ModeArg::Append)]
    mode: ModeArg,
    /// With `--mode merge`: a field by whose value rows are the same, as a path; may be repeated
    #[arg(long = "key", value_name = "PATH", required_if_eq("mode", "merge"))]
    keys: Vec<String>,
    /// With `--mode merge`: the field whose greatest value is the last [default: the order of the input]
    #[arg(long, value_name = "PATH", requires = "keys")]
    order_by: Option<String>,
    /// The id of the load; a table takes an id once, until a later load replaces its rows [default: from the content]
    #[arg(long, value_name = "ID")]
    load_id: Option<String>,
    /// Load nothing when more records than this are quarantined [default: any number]
    #[arg(long, value_name = "N")]
    max_quarantined: Option<u64>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeArg {
    /// Keep them and add to them
    Append,
    /// Put the load in their place
    Replace,
    /// Refuse to load if the table exists
    Fail,
    /// Put each record in the place of the row with its key
    Merge,
}

/// An input that is there, and what is to be made of it.
pub(crate) struct Ready<'a> {
    args: &'a Loading,
    source: Source,
    policy: Policy,
    mode: Mode,
}

impl Loading {
    /// Finds out what is wrong before anything is read or started.
    pub(crate) fn ready(&self) -> Result<Ready<'_>, Failure> {
        let (policy, mode) = (self.meaning.policy()?, self.mode()?);
        let source = evidence::source(&self.input.files, self.input.encoding())?;
        Ok(Ready { args: self, source, policy, mode })
    }

    fn mode(&self) -> longshore::Result<Mode> {
        if self.mode != ModeArg::Merge && !self.keys.is_empty() {
            return Err(Error::config("`--key` says by what rows are merged, and the mode is another one")
                .with_hint("add `--mode merge`, or leave `--key` out"));
        }
        Ok(match self.mode {
            ModeArg::Append => Mode::Append,
            ModeArg::Replace => Mode::Replace,
            ModeArg::Fail => Mode::FailIfExists,
            ModeArg::Merge => {
                let keys = MergeKeys::new(&self.keys);
                Mode::Merge(match &self.order_by {
                    Some(path) => keys.order_by(path),
                    None => keys,
                })
            }
        })
    }
}

impl Ready<'_> {
    /// Takes the input through a loader, and shows how far it is.
    pub(crate) fn load(mut self, loader: Loader) -> Result<LoadReport, Failure> {
        let (args, watch) = (self.args, Watch::default());
        {
            let _bar = Bar::show(&self.source, &watch, 1, args.output.quiet);
            self.source.spool()?;
        }
        let _bar = Bar::show(&self.source, &watch, 2, args.output.quiet);
        let mut loader = loader.mode(self.mode).policy(self.policy).read(args.input.options(watch));
        if let Some(table) = &args.table {
            loader = loader.table(table);
        }
        if let Some(id) = &args.load_id {
            loader = loader.load_id(id);
        }
        if let Some(records) = args.max_quarantined {
            loader = loader.max_quarantined(records);
        }
        Ok(loader.load(self.source)?)
    }
}

/// The exit code of a load that went through: an input of which nothing came in is no success.
pub(crate) fn code(counts: &Counts) -> u8 {
    let none = counts.read > 0 && counts.loaded == 0 && counts.deduplicated == 0;
    if none { exit::QUARANTINED } else { exit::OK }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn merging_needs_a_key_and_an_order_needs_merging() {
        let parse = |arguments: &str| Cli::try_parse_from(format!("longshore load f {arguments}").split(' ')).is_ok();
        assert!(parse("--mode merge --key a --key b.c --order-by d"));
        assert!(!parse("--mode merge") && !parse("--mode append --order-by d"));
    }

    #[test]
    fn an_input_of_which_nothing_came_in_is_no_success() {
        let counts = |loaded, quarantined, deduplicated| Counts {
            read: loaded + quarantined + deduplicated,
            loaded,
            quarantined,
            deduplicated,
        };
        assert_eq!(code(&counts(0, 3, 0)), exit::QUARANTINED);
        assert_eq!(
            (code(&counts(1, 3, 0)), code(&counts(0, 0, 2)), code(&counts(0, 0, 0))),
            (exit::OK, exit::OK, exit::OK)
        );
    }
}

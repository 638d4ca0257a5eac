//! `longshore promote`: columns of fields that were past the column budget.

use clap::Args;
use longshore::{Error, Loader, Promotion};

use crate::args::{Meaning, Output};
use crate::exit::{Done, Failure};
use crate::json;
use crate::output::counted;

/// Make columns of fields that share the column `_overflow`, and move the values that there are
#[derive(Debug, Args)]
pub(crate) struct Promote {
    /// The fields, as they are called in `_overflow`: order.zip, or '["a.b"]' where a key holds a dot. An object of which all
    /// fields are past the budget is there whole, under its own path: order
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<String>,
    /// The Postgres server: postgres://user@host/database. Keep a password out of the command line: PGPASSWORD is used
    #[arg(long, value_name = "URL")]
    to: String,
    /// The table: orders, analytics.orders, '"My Schema"."Orders"'
    #[arg(long)]
    table: String,
    #[command(flatten)]
    meaning: Meaning,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Each field is a transaction: one that fails leaves those before it promoted.
pub(crate) fn run(args: &Promote) -> Result<Done, Failure> {
    if !args.to.starts_with("postgres://") && !args.to.starts_with("postgresql://") {
        return Err(Error::config("`promote` changes a table on a Postgres server, and `--to` names none")
            .with_hint("write postgres://user@host/database")
            .into());
    }
    let mut stream = Loader::new(&args.to).table(&args.table).policy(args.meaning.policy()?).open()?;
    let mut promoted: Vec<Promotion> = Vec::new();
    for path in &args.paths {
        promoted.push(stream.promote(None, path)?);
    }
    let text = match args.output.json {
        true => json::promote(&args.paths, &promoted),
        false => args.paths.iter().zip(&promoted).map(|(path, done)| line(path, done)).collect(),
    };
    Ok(Done::new(text))
}

fn line(path: &str, Promotion { column, ty, rows, .. }: &Promotion) -> String {
    format!("{path}: {} moved to the column {column}, {ty}\n", counted(*rows, "value"))
}

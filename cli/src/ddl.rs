//! `longshore ddl`: the SQL that creates the table.

use longshore::plan::{CreateOptions, Distribution, JsonType, NotNull};
use longshore::{Error, Plan, table_for};

use crate::args::{Ddl, DistStyleArg, JsonTypeArg};
use crate::evidence::Evidence;
use crate::exit::{Done, Failure};
use crate::json;
use crate::output::{counted, shell};

pub(crate) fn run(args: &Ddl) -> Result<Done, Failure> {
    let policy = args.evidence.meaning.policy()?;
    let evidence = Evidence::read(&args.evidence, &args.evidence.input.files, args.output.quiet)?;
    let schema = policy.resolve(&evidence.sketch)?;
    for path in args.distkey.iter().chain(&args.sortkey) {
        if schema.column(path).is_none() {
            return Err(Error::config(format!("a key names the column `{path}`, which the data does not have"))
                .with_hint("`longshore infer` lists the columns by their paths")
                .into());
        }
    }
    let table = args.table.clone().unwrap_or_else(|| table_for(&evidence.first));
    let plan = Plan::create_with(&schema, &table, &options(args))?;
    let mut warnings = evidence.warnings;
    warnings.extend(plan.warnings.iter().cloned());
    if schema.columns.is_empty() {
        warnings.push("the input has no record with a field, so the table has no column".to_string());
    }
    match evidence.sketch.bad().count() {
        0 => {}
        n => {
            warnings.push(format!("{} could not be read; `longshore infer` shows where and why", counted(n, "record")))
        }
    }
    for open in &schema.undecided {
        warnings.push(format!(
            "column `{}`: {}, {}; to settle it: --hint {}",
            open.path,
            open.question,
            open.chosen,
            shell(&open.hint)
        ));
    }
    let text =
        if args.output.json { json::ddl(&plan, args.dialect.into(), &table, &warnings) } else { plan.to_string() };
    Ok(Done { warnings, ..Done::new(text) })
}

fn options(args: &Ddl) -> CreateOptions {
    let mut options = CreateOptions::new(args.dialect.into()).with_if_not_exists(args.if_not_exists);
    if args.not_null {
        options = options.with_not_null(NotNull::Observed);
    }
    if let Some(json) = args.json_type {
        options = options.with_json(match json {
            JsonTypeArg::Jsonb => JsonType::Jsonb,
            JsonTypeArg::Json => JsonType::Json,
        });
    }
    if let Some(path) = &args.distkey {
        options = options.with_distribution(Distribution::Key(path.clone()));
    } else if let Some(style) = args.diststyle {
        options = options.with_distribution(match style {
            DistStyleArg::Auto => Distribution::Auto,
            DistStyleArg::Even => Distribution::Even,
            DistStyleArg::All => Distribution::All,
        });
    }
    options.with_sort_key(args.sortkey.iter().cloned())
}

//! `longshore stage`: the input as files in an object store, with a script that loads them, for somebody else to run.

use std::path::PathBuf;

use clap::Args;

use crate::args::DialectArg;
use crate::exit::{Done, Failure};
use crate::loading::Loading;
use crate::staging::Staging;

#[derive(Debug, Args)]
#[cfg_attr(not(feature = "redshift"), allow(dead_code, reason = "read by the feature `redshift` alone"))]
pub(crate) struct Stage {
    /// The warehouse that the script is for
    #[arg(long, value_enum, default_value_t = DialectArg::Redshift)]
    dialect: DialectArg,
    #[command(flatten)]
    pub(crate) loading: Loading,
    #[command(flatten)]
    staging: Staging,
    /// For a table that is there: its columns, as the query of `--live-query` lists them, in CSV or JSON. What the table lacks
    /// becomes a script to be run before
    #[arg(long, value_name = "FILE", help_heading = "Redshift")]
    live_columns: Option<PathBuf>,
    /// Print the query that lists the columns of `--table`, and stage nothing
    #[arg(long, requires = "table", help_heading = "Redshift")]
    live_query: bool,
}

#[cfg(not(feature = "redshift"))]
pub(crate) fn run(_: &Stage) -> Result<Done, Failure> {
    Err(crate::staging::missing().into())
}

#[cfg(feature = "redshift")]
pub(crate) fn run(args: &Stage) -> Result<Done, Failure> {
    use longshore::load::StageTarget;
    use longshore::{Error, ErrorKind, Source, live_table};

    use crate::{json, loading};

    if args.dialect != DialectArg::Redshift {
        return Err(Error::config("files are staged for Redshift alone")
            .with_hint("Postgres is loaded over its connection: longshore load --to postgres://…")
            .into());
    }
    if args.live_query {
        let table = args.loading.table.as_deref().unwrap_or_default();
        return Ok(Done::new(StageTarget::live_query(table)? + ";\n"));
    }
    let ready = args.loading.ready()?;
    let live = args.live_columns.as_ref().map(|file| live_table(&Source::path(file)).map_err(Failure::of_input));
    let report = ready.load(args.staging.stager(live.transpose()?)?)?;
    let found = args.staging.find(&report.table, &report.load_id)?;
    let gone = || Error::new(ErrorKind::Conflict, "what was staged was taken away again by something else");
    let found = found.ok_or_else(gone)?;
    let text = match args.loading.output.json {
        true => json::stage(&report, &found),
        false => describe(&report, &found),
    };
    Ok(Done { text, code: loading::code(&report.counts), warnings: report.warnings })
}

#[cfg(feature = "redshift")]
fn describe(report: &longshore::LoadReport, staged: &longshore::load::StagedLoad) -> String {
    use std::fmt::Write;

    use crate::evidence::{describe_columns, describe_inputs, describe_quarantined, describe_undecided};
    use crate::output::{clean, count, counted};

    let counts = &report.counts;
    let mut text = describe_inputs(&report.sketch);
    text.push('\n');
    text.push_str(&describe_columns(&report.schema, &report.sketch));
    let listed = if report.already_loaded { 0 } else { counts.quarantined };
    text.push_str(&describe_quarantined(&report.first_quarantined, listed));
    text.push_str(&describe_undecided(&report.schema.undecided));
    text.push('\n');
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "{label:<12} {}", clean(value));
    };
    line("table", &report.table);
    line("load id", &report.load_id);
    line("read", &count(counts.read));
    line("staged", &count(counts.loaded));
    line("quarantined", &count(counts.quarantined));
    let bytes = staged.files.iter().map(|(_, bytes)| bytes).sum();
    line("files", &format!("{}, {}", staged.files.len(), counted(bytes, "byte")));
    if let Some(manifest) = &staged.manifest {
        line("manifest", manifest);
    }
    if let Some(quarantine) = &staged.quarantine {
        line("quarantine", quarantine);
    }
    if let Some(changes) = &staged.changes {
        line("run first", changes);
    }
    line("script", &staged.script);
    if report.already_loaded {
        line("", "this load was staged before, so nothing was done");
    }
    text
}

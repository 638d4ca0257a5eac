//! `longshore stage`: the input as files in an object store, with a script that loads them, for somebody else to run.

use crate::args::Stage;
use crate::exit::{Done, Failure};

#[cfg(not(feature = "redshift"))]
pub(crate) fn run(_: &Stage) -> Result<Done, Failure> {
    Err(crate::staging::missing().into())
}

#[cfg(feature = "redshift")]
pub(crate) fn run(args: &Stage) -> Result<Done, Failure> {
    use longshore::{Error, ErrorKind, Watch};

    use crate::progress::Bar;
    use crate::{evidence, exit, json};

    let policy = args.meaning.policy()?;
    if args.dialect != crate::args::DialectArg::Redshift {
        return Err(Error::config("files are staged for Redshift alone")
            .with_hint("Postgres is loaded over its connection: longshore load --to postgres://…")
            .into());
    }
    let mut loader = args.staging.stager()?.mode(crate::load::mode(args.mode, &args.merge)).policy(policy);
    let mut source = evidence::source(&args.input.files, args.input.encoding())?;
    let watch = Watch::default();
    {
        let _bar = Bar::show(&source, &watch, 1, args.output.quiet);
        source.spool()?;
    }
    let bar = Bar::show(&source, &watch, 2, args.output.quiet);
    loader = loader.read(args.input.options(watch));
    if let Some(table) = &args.table {
        loader = loader.table(table);
    }
    if let Some(id) = &args.load_id {
        loader = loader.load_id(id);
    }
    if let Some(records) = args.max_quarantined {
        loader = loader.max_quarantined(records);
    }
    let staged = loader.load(source);
    drop(bar);
    let report = staged?;
    let found = args.staging.find(&report.table, &report.load_id)?;
    let gone = || Error::new(ErrorKind::Conflict, "what was staged was taken away again by something else");
    let found = found.ok_or_else(gone)?;
    let text = match args.output.json {
        true => json::stage(&report, &found),
        false => describe(&report, &found),
    };
    let none = report.counts.read > 0 && report.counts.loaded == 0;
    let code = if none { exit::QUARANTINED } else { exit::OK };
    Ok(Done { text, warnings: report.warnings, code })
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
    line("script", &staged.script);
    if report.already_loaded {
        line("", "this load was staged before, so nothing was done");
    }
    text
}

//! `longshore load`: the input into a table, whole or not at all, once.

use std::fmt::Write;

use clap::Args;
use longshore::{Error, LoadReport, Loader};

use crate::evidence::{describe_columns, describe_inputs, describe_quarantined, describe_undecided};
use crate::exit::{Done, Failure};
use crate::json;
use crate::loading::{Loading, code};
use crate::output::{clean, count, counted};
use crate::redact::redact;
use crate::staging::Staging;
use crate::stream::Arrays;

const REDSHIFT: &str = "redshift://";

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// Where to: postgres://user@host/database, redshift://user@host/database, dir:FOLDER, or `temp` for a throwaway
    /// Postgres server. Keep a password out of the command line: PGPASSWORD is used
    #[arg(long, value_name = "TARGET", default_value = "dir:longshore-out")]
    to: String,
    /// With `--to temp`: leave the server running, and say where it is and how to stop it
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    pub(crate) loading: Loading,
    #[command(flatten)]
    arrays: Arrays,
    #[command(flatten)]
    staging: Staging,
}

/// Where a load goes, and what is left of it when it is done.
pub(crate) struct Place {
    /// For the loader.
    url: String,
    /// For people: without a password.
    shown: String,
    /// Of a throwaway server that goes on running.
    pub(crate) kept: Option<Kept>,
    #[cfg(unix)]
    cluster: Option<longshore::load::TempCluster>,
}

/// A throwaway server that goes on running.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Kept {
    pub(crate) url: String,
    pub(crate) folder: String,
    pub(crate) stop: String,
}

pub(crate) fn run(args: &Load) -> Result<Done, Failure> {
    check(args)?;
    let ready = args.loading.ready()?;
    let mut place = Place::of(args)?;
    let loader = match place.url.starts_with(REDSHIFT) {
        true => args.staging.loader(&place.url)?,
        false => Loader::new(place.url.as_str()),
    };
    let loader = loader.child_tables(args.arrays.which());
    let report = ready.load(loader)?;
    place.keep(args.keep);
    let text = match args.loading.output.json {
        true => json::load(&report, &place.shown, place.kept.as_ref()),
        false => describe(&report, &place),
    };
    Ok(Done { text, code: code(&report.counts), warnings: report.warnings })
}

/// What must be right before anything is read.
fn check(args: &Load) -> Result<(), Failure> {
    if args.keep && args.to != "temp" {
        return Err(Error::config("`--keep` keeps a throwaway server running, and `--to` names none")
            .with_hint("add `--to temp`, or leave `--keep` out")
            .into());
    }
    if args.to == "dir:" {
        return Err(Error::config("`--to dir:` names no folder").with_hint("write dir:FOLDER").into());
    }
    if let Some(option) = args.staging.given().filter(|_| !args.to.starts_with(REDSHIFT)) {
        return Err(Error::config(format!("`{option}` is for loads into Redshift, and `--to` names no Redshift"))
            .with_hint(format!("add `--to redshift://user@host/database`, or leave `{option}` out"))
            .into());
    }
    let known = ["dir:", "postgres://", "postgresql://", REDSHIFT].iter().any(|scheme| args.to.starts_with(scheme));
    if !known && args.to != "temp" {
        return Err(Error::config("`--to` names no target that longshore knows")
            .with_hint("write postgres://user@host/database, redshift://user@host/database, dir:FOLDER or temp")
            .into());
    }
    Ok(())
}

impl Place {
    #[cfg(unix)]
    fn of(args: &Load) -> Result<Place, Failure> {
        if args.to == "temp" {
            let cluster = crate::temp::start()?;
            let url = cluster.url().to_string();
            return Ok(Place { url, shown: "temp".into(), kept: None, cluster: Some(cluster) });
        }
        Ok(Place { url: args.to.clone(), shown: shown(&args.to), kept: None, cluster: None })
    }

    #[cfg(not(unix))]
    fn of(args: &Load) -> Result<Place, Failure> {
        if args.to == "temp" {
            let message = "a throwaway Postgres server can be started on Unix only";
            return Err(Error::new(longshore::ErrorKind::Unsupported, message).into());
        }
        Ok(Place { url: args.to.clone(), shown: shown(&args.to), kept: None })
    }

    #[cfg(unix)]
    fn keep(&mut self, keep: bool) {
        if let Some(cluster) = self.cluster.take().filter(|_| keep) {
            self.kept = Some(crate::temp::keep(cluster));
        }
    }

    #[cfg(not(unix))]
    fn keep(&mut self, _: bool) {}
}

/// The target without what may be a secret: of a server's URL only its kind.
fn shown(to: &str) -> String {
    match to {
        _ if to.starts_with("dir:") => redact(to),
        _ if to.starts_with(REDSHIFT) => "redshift".to_string(),
        _ => "postgres".to_string(),
    }
}

fn describe(report: &LoadReport, place: &Place) -> String {
    let counts = &report.counts;
    let mut text = describe_inputs(&report.sketch);
    text.push('\n');
    text.push_str(&describe_columns(&report.schema, &report.sketch));
    let listed = if report.already_loaded { 0 } else { counts.quarantined };
    text.push_str(&describe_quarantined(&report.first_quarantined, listed));
    text.push_str(&describe_undecided(&report.schema.undecided));
    text.push('\n');
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "{label:<12} {}", clean(&value));
    };
    line("table", report.table.clone());
    line("target", place.shown.clone());
    if let Some(folder) = folder(report) {
        line("folder", folder);
    }
    line("load id", report.load_id.clone());
    line("read", count(counts.read));
    line("loaded", count(counts.loaded));
    line("quarantined", count(counts.quarantined));
    line("deduplicated", count(counts.deduplicated));
    if report.already_loaded {
        line("", "this load was made before, so nothing was done; the counts are the ones written down then".into());
    } else {
        line("input", format!("{} in {:.2} s", counted(report.bytes, "byte"), report.seconds));
    }
    if let Some(kept) = &place.kept {
        line("server", kept.url.clone());
        line("to stop it", kept.stop.clone());
    }
    text
}

/// The folder of the load. What was meant for a server's URL may be in its name.
pub(crate) fn folder(report: &LoadReport) -> Option<String> {
    report.folder.as_ref().map(|folder| redact(&folder.display().to_string()))
}

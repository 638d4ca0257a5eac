//! `longshore quarantine`: the records that did not become rows, and a second try for them.

use std::io::Write;

use clap::{Args, Subcommand};
use longshore::load::{KeptGroup, KeptRecord, Selection};
use longshore::{Error, ErrorKind, Quarantine, ReplayReport};

use crate::args::{Meaning, Output};
use crate::exit::{self, Done, Failure};
use crate::json;
use crate::output::{clean, count, counted, table};
use crate::stream::{Arrays, Changes, MergeBy};

#[derive(Debug, Args)]
pub(crate) struct QuarantineArgs {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What is there, by reason, column and source; no record's value is shown
    List(List),
    /// The bytes of one record, on standard output
    Show(Show),
    /// Try records again, with the table, the hints and the contract as they are now
    Replay(Replay),
}

/// Which records are meant.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Where the table is: postgres://user@host/database, redshift://… or dir:FOLDER. PGPASSWORD is used
    #[arg(long, value_name = "URL")]
    to: String,
    /// The table
    #[arg(long)]
    table: String,
    /// Only those with exactly this reason
    #[arg(long)]
    reason: Option<String>,
    /// Only those of which the value of the column at this path did not fit
    #[arg(long)]
    path: Option<String>,
    /// Only those of this file or other source
    #[arg(long)]
    source: Option<String>,
    /// Only those of this load
    #[arg(long, value_name = "ID")]
    load_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    which: Which,
    /// Also those that were loaded by a replay, and those of loads whose rows were replaced
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    which: Which,
    /// The record's id; `list` shows the first of each group
    #[arg(value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    which: Which,
    /// Only this record; may be repeated
    #[arg(long, value_name = "ID")]
    id: Vec<String>,
    #[command(flatten)]
    meaning: Meaning,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    by: MergeBy,
    #[command(flatten)]
    arrays: Arrays,
    #[command(flatten)]
    pub(crate) output: Output,
}

impl QuarantineArgs {
    pub(crate) fn output(&self) -> Output {
        match &self.command {
            Command::List(args) => args.output,
            Command::Show(args) => args.output,
            Command::Replay(args) => args.output,
        }
    }
}

impl Which {
    fn quarantine(&self) -> Result<Quarantine, Failure> {
        if let Some(folder) = self.to.strip_prefix("dir:").filter(|folder| !std::path::Path::new(folder).is_dir()) {
            let error = Error::new(ErrorKind::Io, "there is no such folder").in_source(folder);
            return Err(Failure::with_code(
                error.with_hint("`--to dir:FOLDER` is the one of the loads"),
                exit::NO_INPUT,
            ));
        }
        Ok(Quarantine::new(&self.to, &self.table))
    }

    /// What to say where nothing was found: of a table that nobody knows there is nothing to find.
    fn warnings(&self, quarantine: &Quarantine) -> Result<Vec<String>, Failure> {
        if quarantine.is_known()? {
            return Ok(Vec::new());
        }
        Ok(vec![format!("there is no table `{}`, and nothing was loaded into one of that name", self.table)])
    }

    fn selection(&self) -> Selection {
        let mut selection = Selection::default();
        selection.reason.clone_from(&self.reason);
        selection.path.clone_from(&self.path);
        selection.source.clone_from(&self.source);
        selection.load_id.clone_from(&self.load_id);
        selection
    }
}

pub(crate) fn run(args: &QuarantineArgs) -> Result<Done, Failure> {
    match &args.command {
        Command::List(args) => list(args),
        Command::Show(args) => show(args),
        Command::Replay(args) => replay(args),
    }
}

fn list(args: &List) -> Result<Done, Failure> {
    let selection = args.which.selection();
    let selection = if args.all { selection.with_replayed() } else { selection };
    let quarantine = args.which.quarantine()?;
    let groups = quarantine.groups(&selection)?;
    let warnings = if groups.is_empty() { args.which.warnings(&quarantine)? } else { Vec::new() };
    let text = match args.output.json {
        true => json::quarantine(&groups),
        false => describe(&groups),
    };
    Ok(Done { warnings, ..Done::new(text) })
}

fn describe(groups: &[KeptGroup]) -> String {
    if groups.is_empty() {
        return "nothing is in quarantine\n".into();
    }
    let replayed = groups.iter().any(|group| group.replayed > 0);
    // Where an id is a number within a load, it needs that.
    let in_loads = groups.iter().any(|group| group.load_id.is_some());
    let row = |group: &KeptGroup| {
        let mut cells = vec![count(group.records)];
        cells.extend(replayed.then(|| count(group.replayed)));
        cells.push(group.first.clone());
        cells.extend(in_loads.then(|| group.load_id.clone().unwrap_or_default()));
        cells.push(group.path.clone().unwrap_or_default());
        cells.extend([group.source.clone(), group.reason.clone()]);
        cells
    };
    let head = ["records"].into_iter().chain(replayed.then_some("replayed"));
    let head = head.chain(["first id"]).chain(in_loads.then_some("load id"));
    let head: Vec<&str> = head.chain(["column", "source", "reason"]).collect();
    table(&head, &["records", "replayed", "first id"], &groups.iter().map(row).collect::<Vec<_>>())
}

fn show(args: &Show) -> Result<Done, Failure> {
    let mut selection = args.which.selection().with_replayed();
    if let Some(id) = &args.id {
        selection = selection.id(id)?;
    }
    let found = args.which.quarantine()?.records(&selection, 1)?;
    let Some(record) = found.first() else {
        let error = Error::config("no such record is in quarantine").with_hint("`longshore quarantine list` shows ids");
        return Err(Failure::with_code(error, exit::NO_INPUT));
    };
    if args.output.json {
        return Ok(Done::new(json::kept(record)));
    }
    if !args.output.quiet {
        let _ = write!(std::io::stderr(), "{}", place(record));
    }
    // As they are: they need not be text.
    let mut out = std::io::stdout().lock();
    match out.write_all(&record.raw).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::io("cannot write to standard output", error).into())
        }
        _ => Ok(Done::default()),
    }
}

fn place(record: &KeptRecord) -> String {
    let KeptRecord { id, source, line, byte, reason, load_id, raw_bytes, .. } = record;
    let column = record.path.as_ref().map(|path| format!("column `{path}`: ")).unwrap_or_default();
    let mut text = clean(&format!("{source}:{line} (byte {byte}): {column}{reason}"));
    let schema = record.schema_version.as_deref().unwrap_or("unknown");
    text.push_str(&format!("\nid {id}, load {}, schema {schema}, {}", clean(load_id), counted(*raw_bytes, "byte")));
    if (record.raw.len() as u64) < *raw_bytes {
        text.push_str(&format!(", of which {} were kept", count(record.raw.len() as u64)));
    }
    if let Some(replay) = &record.replayed_by {
        text.push_str(&format!(", loaded by the replay {}", clean(replay)));
    }
    if let Some(replay) = &record.moved_to {
        text.push_str(&format!(", moved on to the replay {}", clean(replay)));
    }
    text + "\n"
}

fn replay(args: &Replay) -> Result<Done, Failure> {
    let mut selection = args.which.selection();
    for id in &args.id {
        selection = selection.id(id)?;
    }
    let quarantine = args.which.quarantine()?.policy(args.meaning.policy()?).contract(args.changes.contract());
    let quarantine = quarantine.mode(args.by.mode()).child_tables(args.arrays.which());
    let report = quarantine.replay(&selection)?;
    let warnings = if report.tried == 0 { args.which.warnings(&quarantine)? } else { Vec::new() };
    let text = if args.output.json { json::replay(&report) } else { describe_replay(&report) };
    // Something was to be loaded and nothing could be: a pipeline must not take that for success.
    let code = if report.tried > 0 && report.loaded + report.deduplicated == 0 { exit::QUARANTINED } else { exit::OK };
    Ok(Done { text, code, warnings })
}

fn describe_replay(report: &ReplayReport) -> String {
    let rows = [
        ("tried", report.tried),
        ("loaded", report.loaded),
        ("deduplicated", report.deduplicated),
        ("left", report.left),
    ];
    let mut text: String = rows.iter().map(|(label, n)| format!("{label:<12} {}\n", count(*n))).collect();
    if !report.left_because.is_empty() {
        let row = |(reason, n): (&String, &u64)| vec![count(*n), reason.clone()];
        let rows: Vec<Vec<String>> = report.left_because.iter().map(row).collect();
        text.push('\n');
        text.push_str(&table(&["left", "because"], &["left"], &rows));
    }
    text
}

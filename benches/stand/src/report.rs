//! The results: a JSON file for each size, and pages made from all of them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files::Input;
use crate::jobs::{JOBS, Job, OWN, inputs};
use crate::machine::Machine;
use crate::memory::Memory;
use crate::run::{Bench, Row};
use crate::{Failure, chart, size_text};

/// What is known of one size.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The size asked for, in bytes.
    pub(crate) size: u64,
    pub(crate) command: String,
    pub(crate) runs: usize,
    /// What "all threads" means.
    pub(crate) threads: usize,
    pub(crate) machine: Machine,
    /// The load of the last minute at the end.
    pub(crate) load_at_end: String,
    /// Bytes, records and leaves of each input.
    pub(crate) inputs: BTreeMap<String, (u64, u64, u64)>,
    pub(crate) rows: Vec<Row>,
    /// Nanoseconds a record of each of longshore's stages.
    pub(crate) stages: BTreeMap<String, Vec<(String, f64)>>,
    /// The commit of longshore that the stages are of.
    #[serde(default)]
    pub(crate) stages_commit: String,
}

impl Report {
    /// Begins a report, with the rows of earlier runs on the same machine, if there were some: a run of some jobs
    /// leaves the others' rows, and each row knows its commit.
    pub(crate) fn open(path: &Path, inputs: &[Input], bench: &Bench, command: &str) -> Result<Report, Failure> {
        let machine = Machine::look(bench.python.as_deref());
        let facts = |input: &Input| (input.name.clone(), (input.bytes, input.records, input.leaves));
        let mut report = Report {
            size: bytes_of(path)?,
            command: command.to_string(),
            runs: bench.runs,
            threads: bench.threads,
            load_at_end: machine.load.clone(),
            machine,
            inputs: inputs.iter().map(facts).collect(),
            rows: Vec::new(),
            stages: BTreeMap::new(),
            stages_commit: String::new(),
        };
        if let Some(known) = fs::read(path).ok().and_then(|text| serde_json::from_slice::<Report>(&text).ok()) {
            report.keep(known);
        }
        Ok(report)
    }

    /// Takes over what an earlier report has, if it may stand beside this one's.
    fn keep(&mut self, known: Report) {
        if !known.is_like(self) {
            return;
        }
        let commit = known.machine.commit.clone();
        self.rows = known.rows;
        self.rows.iter_mut().filter(|row| row.commit.is_empty()).for_each(|row| row.commit.clone_from(&commit));
        self.stages = known.stages;
        self.stages_commit = if known.stages_commit.is_empty() { commit } else { known.stages_commit };
        for (name, version) in known.machine.versions {
            self.machine.versions.entry(name).or_insert(version);
        }
    }

    /// Whether its rows may stand beside another's: the same machine, inputs and peers, as far as both have them.
    fn is_like(&self, other: &Report) -> bool {
        let place = |report: &Report| {
            let Machine { cpu, allocator, .. } = report.machine.clone();
            (cpu, allocator, report.inputs.clone(), report.threads)
        };
        let theirs = &other.machine.versions;
        let same = |(name, version): (&String, &String)| theirs.get(name).is_none_or(|theirs| theirs == version);
        place(self) == place(other) && self.machine.versions.iter().all(same)
    }

    /// Puts the stages of an input in the place of older ones.
    pub(crate) fn replace_stages(&mut self, input: &str, stages: Vec<(String, f64)>) {
        self.stages.insert(input.to_string(), stages);
        self.stages_commit.clone_from(&self.machine.commit);
    }

    /// What was measured of other commits, for the reader of the page.
    fn of_other_commits(&self) -> Vec<String> {
        let other = |commit: &str| !commit.is_empty() && commit != self.machine.commit;
        let rows = self.rows.iter().map(|row| (row.job.as_str(), row.commit.as_str()));
        let stages = self.stages.keys().map(|_| ("stages", self.stages_commit.as_str()));
        let mut notes: Vec<String> =
            rows.chain(stages).filter(|(_, commit)| other(commit)).map(|(job, at)| format!("{job} at {at}")).collect();
        notes.sort_unstable();
        notes.dedup();
        notes
    }

    /// Puts the rows of a job on an input in the place of older ones.
    pub(crate) fn replace(&mut self, rows: Vec<Row>) {
        for row in rows {
            if let Some(failed) = &row.failed {
                eprintln!("{} {} {}, {} threads: {failed}", row.job, row.input, row.party, row.threads);
            }
            let same = |old: &Row| {
                (&old.job, &old.input, &old.party, old.threads) == (&row.job, &row.input, &row.party, row.threads)
            };
            self.rows.retain(|old| !same(old));
            self.rows.push(Row { commit: self.machine.commit.clone(), ..row });
        }
    }

    pub(crate) fn finish(&mut self) {
        self.load_at_end = Machine::look(None).load;
    }

    pub(crate) fn save(&self, path: &Path) -> Result<(), Failure> {
        Ok(fs::write(path, serde_json::to_string_pretty(self)? + "\n")?)
    }

    /// The rows of a job on an input, in the order of its parties.
    pub(crate) fn rows(&self, job: &Job, input: &str) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.iter().filter(|row| row.job == job.name && row.input == input).collect();
        rows.sort_by_key(|row| (job.parties.iter().position(|party| party.name == row.party), row.threads));
        rows
    }
}

/// The size in a report's file name.
fn bytes_of(path: &Path) -> Result<u64, Failure> {
    crate::bytes(&path.file_stem().unwrap_or_default().to_string_lossy())
}

const HEAD: &str = "# longshore beside its peers

Made by the stand in `benches/stand`; see its `src/main.rs` for the options and `benches/support` for the inputs.

- Each measurement is a process of its own that does one job on one file in the page cache; only the job is measured,
  not the start of the process. After one round to warm up, the parties take turns; numbers are medians over the
  rounds. A ratio is taken within each round, and its median is shown: **CPU ×** and **wall ×** say how many times
  longshore's time a party needs on as many threads; above 1 longshore is faster.
- CPU time is user and system time of the whole process. What else the machine does moves it far less than wall time,
  but it moves it: neighbours share caches, memory and the clock. `±` is the slowest round over the fastest, in CPU
  time; ratios within a round suffer less. MB is 10⁶ bytes, MiB 2²⁰. `ns/leaf` is CPU time for each value that is no
  array and no object. `peak` is the resident memory of the whole process at its highest during the job, `base` what it
  had before: interpreter, libraries, prepared schema.
- Peers have their full inference and their best documented settings: DuckDB `sample_size=-1`,
  `preserve_insertion_order=false`; Polars `infer_schema_length=None`, and `try_parse_dates` where it looks for dates;
  arrow-json and arrow-csv without a limit on the records they infer from; genson-rs the whole file in memory, cut at
  line ends. In the flights `NA` is null for everybody (DuckDB `nullstr`, Polars `null_values`, arrow-csv
  `null_regex`). A party that is shown on one thread only has no threads.
- `simd-json tape` and `simd-csv split` infer nothing: they are what is left of the job when one only parses, and the
  mark to measure inference by. longshore's inference keeps for each field the classes, ranges, widths and first
  records that its answers rest on; the peers' gives types alone.
- The parties in Rust, longshore among them, are one program and share its allocator: mimalloc, which genson-rs installs
  for the whole process, unless the stand is built with `--no-default-features`.
";

/// Writes the page and the charts from every result in a folder.
pub(crate) fn write(folder: &Path) -> Result<(), Failure> {
    let mut reports = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_report = path.extension().is_some_and(|ending| ending == "json") && bytes_of(&path).is_ok();
        if is_report {
            reports.push(serde_json::from_slice::<Report>(&fs::read(&path)?)?);
        }
    }
    reports.sort_by_key(|report| report.size);
    let mut page = String::from(HEAD);
    for report in &reports {
        let name = size_text(report.size);
        fs::write(folder.join(format!("{name}.svg")), chart::svg(report))?;
        section(&mut page, report, &name)?;
    }
    if let Ok(text) = fs::read(folder.join("memory.json")) {
        memory(&mut page, &serde_json::from_slice(&text)?)?;
    }
    Ok(fs::write(folder.join("README.md"), page)?)
}

fn section(page: &mut String, report: &Report, name: &str) -> std::fmt::Result {
    writeln!(page, "\n## {name} files\n")?;
    machine(page, &report.machine)?;
    writeln!(
        page,
        "- Command: `{}`, {} rounds; {} threads where a party may use all.",
        report.command.trim(),
        report.runs,
        report.threads
    )?;
    writeln!(page, "- Load of the machine: {} at the start, {} at the end.", report.machine.load, report.load_at_end)?;
    let others = report.of_other_commits();
    if !others.is_empty() {
        writeln!(page, "- Measured earlier, of other commits of longshore: {}.", others.join(", "))?;
    }
    let facts = report.inputs.iter().map(|(name, (bytes, records, leaves))| {
        format!(
            "{name} {records} records, {:.1} leaves and {} bytes each",
            *leaves as f64 / *records as f64,
            bytes / records
        )
    });
    writeln!(page, "- Inputs: {}.\n", facts.collect::<Vec<_>>().join("; "))?;
    writeln!(page, "![MB for each second of CPU, one thread]({name}.svg)\n")?;
    ratios(page, report)?;
    for job in &JOBS {
        if inputs(job).any(|input| !report.rows(job, input).is_empty()) {
            table(page, report, job)?;
        }
    }
    stages(page, report)
}

fn machine(page: &mut String, machine: &Machine) -> std::fmt::Result {
    let versions: Vec<String> = machine.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let Machine { cpu, cores, memory_gib, system, rustc, commit, allocator, .. } = machine;
    let build = format!("{rustc}; longshore at {commit}; allocator: {allocator}");
    writeln!(page, "- Machine: {cpu}, {cores} cores, {memory_gib} GiB, {system}; {build}.")?;
    writeln!(page, "- Peers: {}.", versions.join(", "))
}

/// One line for each job and input: how many times longshore's time each peer needs on one thread.
fn ratios(page: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(page, "### CPU time against longshore's, one thread\n")?;
    writeln!(page, "| job | input | longshore | times longshore's CPU time | all threads over one, wall |")?;
    writeln!(page, "| --- | --- | ---: | --- | ---: |")?;
    for (job, input) in JOBS.iter().flat_map(|job| inputs(job).map(move |input| (job, input))) {
        let rows = report.rows(job, input);
        let own = |threads| rows.iter().find(|row| row.party == OWN && row.threads == threads && row.runs > 0);
        let Some(one) = own(1) else { continue };
        let peers = rows.iter().filter(|row| row.threads == 1);
        let peers = peers.filter_map(|row| row.cpu_ratio.map(|ratio| format!("{} {ratio:.2}", row.party)));
        let gain = own(report.threads).filter(|_| report.threads > 1 && job.parties[0].threaded);
        let gain = gain.map_or(String::new(), |all| format!("{:.2}", one.seconds_wall / all.seconds_wall));
        let (name, speed) = (job.name, one.mb_per_cpu_second);
        writeln!(page, "| {name} | {input} | {speed:.0} MB/s | {} | {gain} |", peers.collect::<Vec<_>>().join(" · "))?;
    }
    Ok(())
}

fn table(page: &mut String, report: &Report, job: &Job) -> std::fmt::Result {
    writeln!(page, "\n### {}\n", job.title)?;
    writeln!(
        page,
        "| input | party | threads | MB/s of CPU | ± | MB/s of wall | ns/leaf | peak (base) MiB | CPU × | wall × |"
    )?;
    writeln!(page, "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    for row in inputs(job).flat_map(|input| report.rows(job, input)) {
        let Row { input, party, threads, .. } = row;
        let party = if party == OWN { format!("**{party}**") } else { party.clone() };
        if row.runs == 0 {
            writeln!(page, "| {input} | {party} | {threads} | failed | | | | | | |")?;
            continue;
        }
        let times = |ratio: Option<f64>| ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        writeln!(
            page,
            "| {input} | {party} | {threads} | {:.0} | {:.2} | {:.0} | {:.1} | {} ({}) | {} | {} |",
            row.mb_per_cpu_second,
            row.cpu_range.1 / row.cpu_range.0,
            row.mb_per_second,
            row.ns_per_leaf,
            row.peak_rss >> 20,
            row.rss_before >> 20,
            times(row.cpu_ratio),
            times(row.wall_ratio),
        )?;
    }
    let failures = report.rows.iter().filter(|row| row.job == job.name && job.takes(&row.input));
    for row in failures {
        if let Some(failed) = &row.failed {
            writeln!(page, "\n{} on {}, {} threads: {failed}.", row.party, row.input, row.threads)?;
        }
    }
    Ok(())
}

fn stages(page: &mut String, report: &Report) -> std::fmt::Result {
    if report.stages.is_empty() {
        return Ok(());
    }
    writeln!(page, "\n### longshore, stage by stage: ns of CPU a record, one thread\n")?;
    writeln!(
        page,
        "`cut` reads the file and cuts chunks; `index` is simd-json's structural index; `walk` finds every field (with the
index, as each of the following); `texts` also unescapes every value; `observe` also classifies it and keeps evidence;
`decode` makes record batches instead; `copy` encodes those as COPY BINARY, by itself. What a stage adds is in brackets.\n"
    )?;
    let order = ["cut", "index", "walk", "texts", "observe", "decode", "copy"];
    writeln!(page, "| input | {} |", order.join(" | "))?;
    writeln!(page, "| --- |{}", " ---: |".repeat(order.len()))?;
    for (input, stages) in &report.stages {
        let of = |name: &str| stages.iter().find(|(stage, _)| stage == name).map(|(_, ns)| *ns);
        let cell = |name: &&str| {
            let below = match *name {
                "walk" => of("index"),
                "texts" | "observe" | "decode" => of("walk"),
                _ => None,
            };
            match (of(name), below) {
                (Some(ns), Some(below)) => format!("{ns:.0} (+{:.0})", ns - below),
                (Some(ns), None) => format!("{ns:.0}"),
                (None, _) => String::new(),
            }
        };
        writeln!(page, "| {input} | {} |", order.iter().map(cell).collect::<Vec<_>>().join(" | "))?;
    }
    Ok(())
}

fn memory(page: &mut String, memory: &Memory) -> std::fmt::Result {
    writeln!(page, "\n## Peak memory as the input grows\n")?;
    machine(page, &memory.machine)?;
    let mut sizes: Vec<u64> = memory.peaks.iter().flat_map(|peak| peak.peaks.iter().map(|(size, ..)| *size)).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let heads: Vec<String> = sizes.iter().map(|size| format!("{} file: MiB", size_text(*size))).collect();
    writeln!(page, "\n| job | input | party | threads | {} |", heads.join(" | "))?;
    writeln!(page, "| --- | --- | --- | ---: |{}", " ---: |".repeat(sizes.len()))?;
    for peak in &memory.peaks {
        let at = |size: &u64| peak.peaks.iter().find(|(of, ..)| of == size).map(|(_, bytes, _)| bytes >> 20);
        let cells: Vec<String> =
            sizes.iter().map(|size| at(size).map_or(String::new(), |mib| mib.to_string())).collect();
        let party = if peak.party == OWN { format!("**{OWN}**") } else { peak.party.clone() };
        writeln!(page, "| {} | {} | {party} | {} | {} |", peak.job, peak.input, peak.threads, cells.join(" | "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(party: &str, threads: usize, seconds: f64, cpu_ratio: Option<f64>) -> Row {
        Row {
            job: "infer".into(),
            input: "csv/flights".into(),
            party: party.into(),
            threads,
            runs: 3,
            seconds_cpu: seconds,
            seconds_wall: seconds,
            mb_per_cpu_second: 10.0 / seconds,
            mb_per_second: 10.0 / seconds,
            ns_per_leaf: 1.0,
            peak_rss: 0,
            rss_before: 0,
            cpu_ratio,
            wall_ratio: cpu_ratio,
            cpu_range: (seconds, seconds),
            failed: None,
            commit: String::new(),
        }
    }

    fn report(rows: Vec<Row>) -> Report {
        Report {
            size: 1 << 20,
            command: String::new(),
            runs: 3,
            threads: 2,
            machine: Machine::default(),
            load_at_end: String::new(),
            inputs: BTreeMap::new(),
            rows,
            stages: BTreeMap::new(),
            stages_commit: String::new(),
        }
    }

    #[test]
    fn a_run_of_one_job_leaves_the_rows_of_the_others() {
        let mut old = report(vec![row(OWN, 1, 2.0, None)]);
        old.machine.commit = "before".into();
        old.machine.versions.insert("DuckDB".into(), "2.0.0".into());
        let mut new = report(Vec::new());
        new.machine.commit = "now".into();
        new.keep(old.clone());
        new.replace(vec![Row { job: "copy".into(), ..row(OWN, 1, 1.0, None) }]);
        let commits: Vec<_> = new.rows.iter().map(|row| (row.job.as_str(), row.commit.as_str())).collect();
        assert_eq!(commits, [("infer", "before"), ("copy", "now")]);
        assert_eq!(new.of_other_commits(), ["infer at before"]);
        // Another version of a peer, or another machine, is another table.
        let mut other = report(Vec::new());
        other.machine.versions.insert("DuckDB".into(), "2.1.0".into());
        other.keep(old);
        assert!(other.rows.is_empty());
    }

    #[test]
    fn a_second_run_takes_the_place_of_the_first() {
        let mut report = report(vec![row(OWN, 1, 2.0, None), row("DuckDB", 1, 4.0, Some(2.0))]);
        report.replace(vec![row("DuckDB", 1, 6.0, Some(3.0)), row("DuckDB", 2, 8.0, Some(4.0))]);
        assert_eq!(report.rows.iter().map(|row| row.seconds_cpu).collect::<Vec<_>>(), [2.0, 6.0, 8.0]);
    }

    #[test]
    fn the_summary_states_the_ratio_and_what_threads_gain() {
        let rows = vec![row(OWN, 1, 2.0, None), row(OWN, 2, 1.25, None), row("DuckDB", 1, 4.0, Some(2.0))];
        let mut page = String::new();
        ratios(&mut page, &report(rows)).unwrap();
        assert!(page.ends_with("| infer | csv/flights | 5 MB/s | DuckDB 2.00 | 1.60 |\n"), "{page}");
    }

    #[test]
    fn a_party_that_failed_is_shown_as_failed() {
        let failed = Row { runs: 0, failed: Some("it ran out of memory".into()), ..row("Polars", 1, 0.0, None) };
        let report = report(vec![row(OWN, 1, 2.0, None), failed]);
        let mut page = String::new();
        table(&mut page, &report, &JOBS[1]).unwrap();
        assert!(page.contains("| Polars | 1 | failed |") && page.contains("it ran out of memory"), "{page}");
    }
}

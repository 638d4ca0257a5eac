//! A replay: the records once more from bytes to rows, those that do not fit left out.

use std::collections::BTreeMap;

use super::attempt::{Attempt, SOURCE};
use super::{Quarantine, ReplayReport};
use crate::error::{Error, ErrorKind, Result};
use crate::front::stream::{ChildTables, Resolver};
use crate::load::{Counts, LoadRequest, Mode, OpenReplay, PostgresQuarantine, Selection, Waiting};
use crate::plan::TableName;
use crate::records::Format;

/// Bytes of records that one transaction takes.
const BYTES: i64 = 64 << 20;

impl Quarantine {
    pub(super) fn connect(&self) -> Result<PostgresQuarantine> {
        PostgresQuarantine::connect(&self.url.0, &self.table, self.options.clone())
    }

    pub(super) fn replay_postgres(&self, selection: &Selection) -> Result<ReplayReport> {
        let mut report = ReplayReport::default();
        let mut quarantine = self.connect()?;
        for format in quarantine.formats(selection)? {
            self.replay_format(&mut quarantine, selection, format.as_deref(), &mut report)?;
        }
        report.left = report.tried - report.loaded - report.deduplicated;
        Ok(report)
    }

    /// Replays all selected records of one format.
    fn replay_format(
        &self,
        quarantine: &mut PostgresQuarantine,
        selection: &Selection,
        written: Option<&str>,
        report: &mut ReplayReport,
    ) -> Result<()> {
        let format = match written {
            Some(text) => read_format(text)?,
            None => self.format.clone().unwrap_or(Format::Ndjson),
        };
        let mut after = i64::MIN;
        loop {
            let waiting = quarantine.waiting(selection, written, after, BYTES)?;
            let Some(last) = waiting.last().map(|last| last.id) else { return Ok(()) };
            // If others were faster with one of them, what is left of them is looked up again.
            if self.replay_some(quarantine, &format, waiting, report)? {
                after = last;
            }
        }
    }

    /// Replays records in one transaction. Returns whether they were all waiting still: if not, nothing was done.
    fn replay_some(
        &self,
        quarantine: &mut PostgresQuarantine,
        format: &Format,
        waiting: Vec<Waiting>,
        report: &mut ReplayReport,
    ) -> Result<bool> {
        let request = self.request(&waiting);
        let mut attempt = Attempt::new(self, format, quarantine.table(), &waiting);
        drop(waiting);
        let which = self.which(quarantine, &attempt)?;
        if which != ChildTables::None {
            attempt.take_apart(&which);
        }
        while !attempt.is_empty() {
            let tables = attempt.tables();
            let others: Vec<TableName> = tables[1..].iter().map(|(_, name)| name.clone()).collect();
            let opened = quarantine.open(&request.load_id, &attempt.ids(), &others, &self.contract)?;
            let Some(open) = opened else { return Ok(false) };
            // Again without the records that do not fit, or of which a table has refused a row.
            if self.load(open, &tables, &request, &mut attempt, report)? {
                break;
            }
        }
        report.tried += attempt.len();
        for reason in attempt.into_left() {
            *report.left_because.entry(reason).or_default() += 1;
        }
        Ok(true)
    }

    /// Which arrays become rows of child tables.
    fn which(&self, quarantine: &mut PostgresQuarantine, attempt: &Attempt<'_>) -> Result<ChildTables> {
        if attempt.is_csv() {
            return Ok(ChildTables::None);
        }
        if self.child_tables != ChildTables::None {
            return Ok(self.child_tables.clone());
        }
        match quarantine.child_tables()? {
            None => Ok(ChildTables::None),
            Some(known) if attempt.has_other_arrays(&known) => Err(which_child_tables()),
            Some(_) => Ok(ChildTables::All),
        }
    }

    /// Loads what fits of an attempt and commits it. `false` if records do not fit, or a table has refused their rows: they have
    /// been left out, and nothing was changed.
    fn load(
        &self,
        mut open: OpenReplay<'_>,
        tables: &[(usize, TableName)],
        request: &LoadRequest,
        attempt: &mut Attempt<'_>,
        report: &mut ReplayReport,
    ) -> Result<bool> {
        let (tried, mut schemas) = (attempt.ids().len(), BTreeMap::new());
        for (nth, (table, _)) in tables.iter().enumerate() {
            let (mode, seen) = (self.mode_of(*table), attempt.sketch(*table));
            let resolver = Resolver::new(&self.policy, mode).within(&self.contract);
            match open.prepare(nth, mode, &mut |have| resolver.resolve(&seen, have))? {
                Some(schema) => drop(schemas.insert(*table, schema)),
                None => attempt.leave_all(&open.keyless(nth).unwrap_or_default()),
            }
        }
        attempt.check(&schemas)?;
        if attempt.ids().len() < tried {
            // Nothing is changed for records that do not fit all the same.
            open.leave();
            return Ok(attempt.is_empty());
        }
        let (mut altered, mut own) = (Vec::new(), Counts::default());
        for (nth, (table, name)) in tables.iter().enumerate() {
            let (table, mode) = (*table, self.mode_of(*table).clone());
            let request = LoadRequest { table: name.quoted(), mode, bytes: attempt.bytes(table), ..request.clone() };
            let mut opened = open.open(nth, &request, &[])?;
            let Some(sent) = attempt.send(table, &mut opened)? else { return Ok(false) };
            altered.append(&mut opened.altered);
            let settled = open.close(opened, sent)?;
            if nth == 0 {
                own = settled.counts;
                attempt.drop_children(&settled.lost);
            }
        }
        open.commit(&request.load_id, &attempt.ids())?;
        report.altered.append(&mut altered);
        report.loaded += own.loaded;
        report.deduplicated += own.deduplicated;
        report.load_ids.push(request.load_id.clone());
        Ok(true)
    }

    /// What becomes of rows that are in a table. Those of a child table come and go with their record.
    fn mode_of(&self, table: usize) -> &Mode {
        if table == 0 { &self.mode } else { &Mode::Append }
    }

    /// The load of a replay. Its id is made of the records, which no other replay can load again.
    fn request(&self, waiting: &[Waiting]) -> LoadRequest {
        let (mut id, mut content) = (blake3::Hasher::new(), blake3::Hasher::new());
        id.update(b"longshore replay 2");
        for record in waiting {
            // Numbers begin anew where somebody has emptied the quarantine.
            let (place, number) = (&record.place, record.id.to_le_bytes());
            for part in [&number, place.load_id.as_bytes(), place.source.as_bytes(), &record.raw] {
                id.update(&(part.len() as u64).to_le_bytes());
                id.update(part);
            }
            content.update(&(record.raw.len() as u64).to_le_bytes());
            content.update(&record.raw);
        }
        LoadRequest {
            table: self.table.clone(),
            load_id: id.finalize().to_hex()[..32].to_owned(),
            mode: self.mode.clone(),
            sources: vec![SOURCE.into()],
            formats: Vec::new(),
            content_hash: content.finalize().to_hex()[..32].to_owned(),
            bytes: waiting.iter().map(|record| record.raw.len() as u64).sum(),
            max_quarantined: None,
            isolate_rows: true,
        }
    }
}

fn which_child_tables() -> Error {
    let message =
        "records of this table have rows in child tables too, and some of these have arrays without such a table";
    Error::new(ErrorKind::Unsupported, message)
        .with_hint("say which arrays become tables, as for the stream: `--child-tables`, or `Quarantine::child_tables`")
}

/// The format of a ledger's row. What stands in front of the records of a file does not stand in front of these.
fn read_format(text: &str) -> Result<Format> {
    let mut format: Format = serde_json::from_str(text).map_err(|cause| {
        Error::new(ErrorKind::Syntax, "the ledger has a format that this version does not know").with_cause(cause)
    })?;
    if let Format::Csv(layout) = &mut format {
        (layout.body, layout.preamble, layout.dialect.header) = (0, 0, false);
    }
    Ok(format)
}

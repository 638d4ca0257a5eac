//! A replay in a folder: the records of a load's quarantine as a load of their own.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::one::one_record;
use super::{Quarantine, ReplayReport};
use crate::batch::Misfit;
use crate::error::{Error, ErrorKind, Result};
use crate::front::loader::Loader;
use crate::front::read::ReadOptions;
use crate::front::report::LoadReport;
#[cfg(feature = "postgres")]
use crate::front::stream::ChildTables;
use crate::load::{Again, FolderQuarantine, KeptRecord, OnChange, Selection};
use crate::records::{Format, FormatOptions, Kind, Reader};
use crate::source::{Encoding, Source};

impl Quarantine {
    /// Replays the quarantine of each selected load of a folder. What does not fit is in the new load's quarantine.
    pub(super) fn replay_folder(&self, root: &str, selection: &Selection) -> Result<ReplayReport> {
        self.check_folder_replay(selection)?;
        let open = || FolderQuarantine::open(Path::new(root), &self.table);
        let mut report = ReplayReport::default();
        for again in open()?.again(selection) {
            if again.formats.iter().any(|format| format.contains("\"csv\"")) {
                return Err(Error::new(ErrorKind::Unsupported, "rows of CSV cannot be replayed in a folder")
                    .with_hint("`longshore quarantine show` gives their bytes: load them under a header of theirs"));
            }
            let load = self.load_again(&again)?;
            if load.already_loaded {
                continue;
            }
            report.tried += load.counts.read;
            report.loaded += load.counts.loaded;
            report.deduplicated += load.counts.deduplicated;
            report.left += load.counts.quarantined;
            for left in open()?.groups(&Selection::default().load_id(&load.load_id))? {
                let column = left.path.map(|path| format!("column `{path}`: ")).unwrap_or_default();
                *report.left_because.entry(format!("{column}{}", left.reason)).or_default() += left.records;
            }
            report.load_ids.push(load.load_id);
        }
        Ok(report)
    }

    fn check_folder_replay(&self, selection: &Selection) -> Result<()> {
        let refused = |what: &str, hint: &str| Err(Error::new(ErrorKind::Unsupported, what).with_hint(hint));
        if (&selection.reason, &selection.path, &selection.source) != (&None, &None, &None) || selection.has_ids() {
            return refused("a folder's quarantine is replayed load by load, and whole", "select a load, or nothing");
        }
        let contract = &self.contract;
        if [contract.columns, contract.types] != [OnChange::Evolve; 2] || !contract.by_column.is_empty() {
            let what = "a load into a folder has columns of its own, which no contract keeps as they are";
            return refused(what, "leave `--new-columns` and `--wider-types` out, and give types by `--hint`");
        }
        #[cfg(feature = "postgres")]
        if self.child_tables != ChildTables::None {
            let hint = "leave `--child-tables` out: arrays are kept as JSON there";
            return refused("a folder has no child tables", hint);
        }
        Ok(())
    }

    /// Loads the records of one quarantine. A line that is no record is kept aside again without being read: its beginning
    /// may look like one, and its bytes like another encoding.
    fn load_again(&self, again: &Again<'_>) -> Result<LoadReport> {
        let ndjson = FormatOptions { kind: Some(Kind::Ndjson), ..FormatOptions::default() };
        let mut read = ReadOptions::default().format(ndjson);
        read.limits = self.limits;
        let loader = Loader::new(&self.url.0)
            .table(&self.table)
            .load_id(&again.load_id)
            .policy(self.policy.clone())
            .mode(self.mode.clone())
            .read(read);
        let (file, len) = self.lines(again)?;
        let source = Source::spooled(file, len).named(&again.source).encoding(Encoding::Utf8);
        loader.load_beside(source, &|keep| self.no_records(again, keep))
    }

    /// The records as lines of a temporary file, and its size. A blank line stands for what is none, so that the number of a
    /// line is the id of a record.
    fn lines(&self, again: &Again<'_>) -> Result<(File, u64)> {
        let cannot_write = |cause| {
            Error::io("cannot write a temporary copy", cause).with_hint("`TMPDIR` names the folder for temporary files")
        };
        let mut file = BufWriter::new(tempfile::tempfile().map_err(cannot_write)?);
        let (mut reader, mut len) = (Reader::new(self.limits), 0);
        again.visit(|record| {
            let mut line = once_more(&mut reader, &record).unwrap_or_default();
            line.push(b'\n');
            len += line.len() as u64;
            file.write_all(&line).map_err(cannot_write)
        })?;
        Ok((file.into_inner().map_err(|error| cannot_write(error.into_error()))?, len))
    }

    /// Shows what is no record, and where its blank line stands.
    fn no_records(&self, again: &Again<'_>, keep: &mut dyn FnMut(Misfit) -> Result<()>) -> Result<()> {
        let (mut reader, mut line, mut byte) = (Reader::new(self.limits), 0, 0);
        again.visit(|record| {
            let read = once_more(&mut reader, &record);
            line += 1;
            let begin = byte;
            byte += read.as_ref().map_or(0, |read| read.len() as u64) + 1;
            let Err(reason) = read else { return Ok(()) };
            let KeptRecord { path, raw, raw_bytes: raw_len, .. } = record;
            keep(Misfit { source: 0, line, byte: begin, path, reason, raw, raw_len })
        })
    }
}

/// The record as one line of JSON, or why it stays: what was kept of it is not all, or empty, or no record.
fn once_more(reader: &mut Reader, record: &KeptRecord) -> Result<Vec<u8>, String> {
    let is_whole = record.raw.len() as u64 == record.raw_bytes;
    if !is_whole || record.raw.trim_ascii().is_empty() {
        return Err(record.reason.clone());
    }
    one_record(reader, &Format::Ndjson, (&record.raw, true))
}

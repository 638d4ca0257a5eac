//! A replay in a folder: the records of a load's quarantine as a load of their own.

use std::path::Path;

use super::{Quarantine, ReplayReport};
use crate::error::{Error, ErrorKind, Result};
use crate::front::frame::{Framed, frame};
use crate::front::loader::Loader;
use crate::front::read::ReadOptions;
#[cfg(feature = "postgres")]
use crate::front::stream::ChildTables;
use crate::load::{FolderQuarantine, Selection};
use crate::records::{FormatOptions, Kind};
use crate::source::Source;

impl Quarantine {
    /// Replays the quarantine of each selected load of a folder. What does not fit is in the new load's quarantine.
    pub(super) fn replay_folder(&self, root: &str, selection: &Selection) -> Result<ReplayReport> {
        if (&selection.reason, &selection.path, &selection.source) != (&None, &None, &None) || selection.has_ids() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a folder's quarantine is replayed load by load, and whole",
            )
            .with_hint("select a load, or nothing"));
        }
        #[cfg(feature = "postgres")]
        if self.child_tables != ChildTables::None {
            return Err(Error::new(ErrorKind::Unsupported, "a folder has no child tables")
                .with_hint("leave `--child-tables` out: arrays are kept as JSON there"));
        }
        let mut report = ReplayReport::default();
        for again in FolderQuarantine::open(Path::new(root), &self.table)?.again(selection) {
            let again = again?;
            if again.formats.iter().any(|format| format.contains("\"csv\"")) {
                return Err(Error::new(ErrorKind::Unsupported, "rows of CSV cannot be replayed in a folder")
                    .with_hint("`longshore quarantine show` gives their bytes: load them under a header of theirs"));
            }
            let mut bytes = Vec::new();
            for record in &again.records {
                let is_whole = record.raw.len() as u64 == record.raw_bytes;
                match frame(&record.raw, false) {
                    Framed::Records(line) if is_whole => bytes.extend_from_slice(line.trim_ascii_end()),
                    // It is counted and kept again, as the one line that it cannot be taken for.
                    _ => bytes.extend(record.raw.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte })),
                }
                bytes.push(b'\n');
            }
            let ndjson = FormatOptions { kind: Some(Kind::Ndjson), ..FormatOptions::default() };
            let loader = Loader::new(&self.url.0)
                .table(&self.table)
                .load_id(again.load_id)
                .policy(self.policy.clone())
                .mode(self.mode.clone());
            let mut read = ReadOptions::default().format(ndjson);
            read.limits = self.limits;
            let loader = loader.read(read);
            let load = loader.load(Source::bytes(bytes).named(again.source))?;
            if load.already_loaded {
                continue;
            }
            report.tried += load.counts.read;
            report.loaded += load.counts.loaded;
            report.deduplicated += load.counts.deduplicated;
            report.left += load.counts.quarantined;
            for left in load.first_quarantined {
                let column = left.path.map(|path| format!("column `{path}`: ")).unwrap_or_default();
                *report.left_because.entry(format!("{column}{}", left.reason)).or_default() += 1;
            }
            report.load_ids.push(load.load_id);
        }
        Ok(report)
    }
}

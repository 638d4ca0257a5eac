//! Records that cannot be loaded, whatever they hold.

use crate::batch::Misfit;
use crate::records::{Bad, PathTable, Record, Sink};

/// Bytes of a record that a misfit keeps.
const RAW_KEPT: usize = 16 << 20;

/// Makes a misfit of every record, for want of a value to merge by.
pub(super) struct Refuse<'a> {
    path: &'a str,
    pub(super) misfits: Vec<Misfit>,
}

impl<'a> Refuse<'a> {
    pub(super) fn new(path: &'a str) -> Self {
        Refuse { path, misfits: Vec::new() }
    }
}

impl Sink for Refuse<'_> {
    fn record(&mut self, _: &PathTable, record: &Record<'_>) {
        let reason = "no value, and rows are merged by it".to_owned();
        let place = (record.source, record.line, record.offset);
        self.misfits.push(misfit(place, Some(self.path.to_owned()), reason, record.raw()));
    }

    fn bad(&mut self, bad: &Bad<'_>) {
        self.misfits.push(broken(bad));
    }
}

/// The misfit of what is no record.
pub(in crate::front) fn broken(bad: &Bad<'_>) -> Misfit {
    misfit((bad.source, bad.line, bad.offset), None, bad.fault.to_string(), bad.raw)
}

/// Makes a misfit of a record at a place: source, line and byte.
pub(in crate::front) fn misfit(place: (u32, u64, u64), path: Option<String>, reason: String, raw: &[u8]) -> Misfit {
    let (source, line, byte) = place;
    let kept = raw[..raw.len().min(RAW_KEPT)].to_vec();
    Misfit { source, line, byte, path, reason, raw: kept, raw_len: raw.len() as u64 }
}

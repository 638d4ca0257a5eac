//! Where in its source, and in its write, a record stands.

use super::Buffer;
use crate::batch::Misfit;

impl Buffer {
    /// Gives a misfit its place in the write that it came with, in place of that in the source.
    pub(in super::super) fn locate(&self, mut misfit: Misfit) -> Misfit {
        let mut before = 0;
        for (at, source) in self.active().enumerate() {
            if at as u32 == misfit.source {
                let byte = misfit.byte - source.passed.0;
                let nth = source.writes.partition_point(|write| write.end as u64 <= byte);
                let (end, lines) = match nth.checked_sub(1).and_then(|last| source.writes.get(last)) {
                    Some(write) => (write.end as u64, write.lines),
                    None => (0, 0),
                };
                misfit.byte = byte - end;
                misfit.line -= source.passed.1 + lines;
                misfit.source = (before + nth) as u32;
                break;
            }
            before += source.writes.len();
        }
        misfit
    }

    /// What a record is, wherever it is loaded from: the source's name, the position of its write, and its byte in that.
    pub(in super::super) fn identity(&self, source: u32, byte: u64) -> (&str, u64, u64) {
        let Some(source) = self.active().nth(source as usize) else { return ("", 0, byte) };
        let at = byte.saturating_sub(source.passed.0);
        let nth = source.writes.partition_point(|write| write.end as u64 <= at);
        let start = nth.checked_sub(1).map_or(0, |before| source.writes[before].end as u64);
        let position = source.writes.get(nth).map_or(0, |write| write.position);
        (&source.name, position, at - start)
    }

    /// The line of a source that begins at this byte, and its number.
    pub(in super::super) fn line_at(&self, source: u32, byte: u64) -> (&[u8], u64) {
        let Some(source) = self.active().nth(source as usize) else { return (b"", 0) };
        let start = (byte.saturating_sub(source.passed.0) as usize).min(source.bytes.len());
        let rest = &source.bytes[start..];
        let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let before = memchr::memchr_iter(b'\n', &source.bytes[..start]).count() as u64;
        (rest[..len].trim_ascii_end(), source.passed.1 + before + 1)
    }
}

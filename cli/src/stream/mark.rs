//! By what a file is known again: its path, its first line, and what stands before the place up to which it is loaded.

use std::fs::File;
use std::io::{ErrorKind as IoKind, Read, Seek, SeekFrom};

use longshore::{Error, Offset, StreamLoader};

use super::fault::Fault;

/// Bytes of the first line, and of those before a place, by which a file is known again.
pub(super) const MARKED: usize = 4 << 10;
/// How much of a number is the hash, where it holds a place and the hash of what stands before that.
const HASH_BITS: u32 = 20;
/// Places behind this one do not fit beside a hash.
const LAST_PLACE: u64 = 1 << (62 - HASH_BITS);

/// What the ledger calls a file: its path, which is one however it is spelled, and a mark of its first line. A file of
/// which something is committed under a name that an older version gave it keeps that: its path as it is spelled here, or
/// the mark of a line with the CR of its end.
pub(super) fn known_as(path: &str, spelled: &str, head: &[u8], loader: &mut StreamLoader) -> longshore::Result<String> {
    let line = head.strip_suffix(b"\n").unwrap_or(head);
    let bare = without_cr(line);
    let name = |path: &str, line: &[u8]| format!("{path}#{:016x}", hash(line));
    let mut names = vec![name(path, bare)];
    for older in [name(spelled, bare), name(path, line), name(spelled, line)] {
        if !names.contains(&older) {
            names.push(older);
        }
    }
    if names.len() > 1 {
        for known in &names {
            if loader.committed(known)?.is_some() {
                return Ok(known.clone());
            }
        }
    }
    Ok(names.swap_remove(0))
}

/// A line that was taken for complete without its end may have got a CR and an LF since, one after the other.
fn without_cr(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
    &line[..end]
}

/// FNV-1a: it has to tell a file from the one before it, not to withstand anybody.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The bytes before a place, of which there may be fewer than wanted.
pub(super) fn before(file: &mut File, place: u64, most: usize) -> std::io::Result<Vec<u8>> {
    let len = place.min(most as u64);
    let mut bytes = vec![0; len as usize];
    file.seek(SeekFrom::Start(place - len))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Notes the bytes that stand before a place, which is that of the next record's end. The note is a source of its own, whose
/// position holds the place and a hash: it is committed with the record, and only ever goes up.
pub(super) fn note(before: &[u8], source: &str, place: u64, loader: &mut StreamLoader) -> longshore::Result<()> {
    if place == 0 || place > LAST_PLACE {
        return Ok(());
    }
    loader.write("", Offset::new(note_of(source), place << HASH_BITS | short(before)))
}

/// Whether a file that is committed up to a place holds what was noted, if anything was. One that has fewer bytes does not.
pub(super) fn is_as_noted(
    file: &mut File,
    (source, committed): (&str, u64),
    loader: &mut StreamLoader,
) -> Result<bool, Fault> {
    // A note that is ahead of its file says nothing: somebody has set the file back by hand, or the record is not whole yet.
    let noted = loader.committed(&note_of(source))?.filter(|noted| noted >> HASH_BITS <= committed);
    let Some(noted) = noted else { return Ok(true) };
    match before(file, noted >> HASH_BITS, MARKED) {
        Ok(bytes) => Ok(short(&bytes) == noted & ((1 << HASH_BITS) - 1)),
        Err(cause) if cause.kind() == IoKind::UnexpectedEof => Ok(false),
        Err(cause) => Err(Fault::of_file(Error::io("cannot read again what was read", cause).in_source(source))),
    }
}

fn note_of(source: &str) -> String {
    format!("{source}+before")
}

fn short(bytes: &[u8]) -> u64 {
    let hash = hash(bytes);
    (hash ^ hash >> HASH_BITS ^ hash >> (2 * HASH_BITS)) & ((1 << HASH_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_line_is_one_however_its_end_came() {
        for line in [&b"a"[..], b"a\r", b"a\r\r"] {
            assert_eq!(without_cr(line), b"a");
        }
        assert_eq!((without_cr(b"\r"), without_cr(b"a\rb")), (&b""[..], &b"a\rb"[..]));
    }

    #[test]
    fn what_stands_before_a_place_is_known_again_and_another_is_told_from_it() {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &[b"start\n".repeat(1000), b"end\n".to_vec()].concat()).unwrap();
        let seen: std::collections::BTreeSet<u64> =
            [6, 12, 6000, 6004].into_iter().map(|place| short(&before(&mut file, place, MARKED).unwrap())).collect();
        assert_eq!(seen.len(), 4);
        assert!(seen.iter().all(|hash| *hash < 1 << HASH_BITS) && LAST_PLACE << HASH_BITS <= 1 << 62);
        assert_eq!(before(&mut file, 6005, 4).unwrap_err().kind(), IoKind::UnexpectedEof);
    }
}

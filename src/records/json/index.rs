//! Where the structure of JSON text is: braces, brackets, colons, commas, and where strings and scalars begin.

use std::sync::OnceLock;

use simd_json::{Buffers, ErrorType, INPUT_PADDING, Tape};

use super::is_blank;
use crate::source::{BACK_PAD, Chunk, FRONT_PAD};

/// Bytes put in front of the text: a document of its own, so that simd-json's second stage stops at once.
const SENTINEL: &[u8; 2] = b"0\n";

const _: () = assert!(BACK_PAD >= INPUT_PADDING && FRONT_PAD >= SENTINEL.len());

/// The structural index of a text, with its buffers, which are reused.
///
/// simd-json finds the structure of *all* records of a chunk in one SIMD pass (with UTF-8 and control characters
/// checked) before it looks at the first value. It has no call for that pass alone, so it is given the number `0`
/// in front, finds trailing data behind it, and leaves the index. That the index survives this error is observed and
/// not promised, so it is checked once per process; if it ever fails, the scalar twin below does the work.
#[derive(Default)]
pub(crate) struct Index {
    buffers: Buffers,
    positions: Vec<u32>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("positions", &self.positions.len()).finish()
    }
}

impl Index {
    /// Indexes a chunk. False if it holds invalid UTF-8, a control character in a string, or a string that does
    /// not end; which line is to blame is not known then.
    pub(crate) fn build_chunk(&mut self, chunk: &mut Chunk) -> bool {
        if !simd_works() {
            return scalar(chunk.data(), &mut self.positions);
        }
        let (from, len) = (FRONT_PAD - SENTINEL.len(), chunk.len());
        let buffer = &mut chunk.buffer[from..];
        buffer[..SENTINEL.len()].copy_from_slice(SENTINEL);
        self.simd(buffer, len)
    }

    /// Indexes a text of its own, by way of `scratch`.
    pub(crate) fn build_text(&mut self, text: &[u8], scratch: &mut Vec<u8>) -> bool {
        if !simd_works() {
            return scalar(text, &mut self.positions);
        }
        scratch.clear();
        scratch.extend_from_slice(SENTINEL);
        scratch.extend_from_slice(text);
        scratch.resize(SENTINEL.len() + text.len() + INPUT_PADDING, 0);
        self.simd(scratch, text.len())
    }

    /// The positions found, ascending, counted from the start of the text.
    pub(crate) fn positions(&self) -> &[u32] {
        &self.positions
    }

    fn simd(&mut self, padded: &mut [u8], len: usize) -> bool {
        self.positions.clear();
        let shift = SENTINEL.len() as u32;
        let mut tape = Tape::null();
        let outcome = simd_json::fill_tape_padded(padded, len + SENTINEL.len(), &mut self.buffers, &mut tape);
        if outcome.is_err_and(|error| !matches!(error.error(), ErrorType::TrailingData)) {
            return false;
        }
        // The first position is the sentinel itself.
        self.positions.extend(self.buffers.structural_indexes().iter().skip(1).map(|at| at - shift));
        true
    }
}

/// Whether simd-json leaves its index as this module needs it, tried once.
fn simd_works() -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    *WORKS.get_or_init(|| {
        let mut index = Index::default();
        let mut probe = SENTINEL.to_vec();
        let text = b"{\"a\": [1, \"x]\\\"\"]}\n  {\"b\":null }\n";
        probe.extend_from_slice(text);
        probe.resize(probe.len() + INPUT_PADDING, 0);
        let mut expected = Vec::new();
        index.simd(&mut probe, text.len()) && scalar(text, &mut expected) && index.positions == expected
    })
}

/// The same index byte by byte: the twin that tests compare with.
fn scalar(text: &[u8], positions: &mut Vec<u32>) -> bool {
    positions.clear();
    let mut in_string = false;
    let mut in_scalar = false;
    let mut escaped = false;
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        let was_escaped = escaped;
        escaped = byte == b'\\' && !was_escaped && !in_string;
        if in_string {
            match byte {
                b'\\' => {
                    at += 1;
                    if text.get(at).is_some_and(|escaped| *escaped < 0x20) {
                        return false;
                    }
                }
                b'"' => {
                    in_string = false;
                    in_scalar = false;
                }
                0..=0x1F => return false,
                _ => {}
            }
        } else {
            match byte {
                b'{' | b'}' | b'[' | b']' | b':' | b',' => {
                    positions.push(at as u32);
                    in_scalar = false;
                }
                // Outside a string a backslash is an error that the walk finds; the SIMD pass lets it escape a
                // quote there too, so this does.
                b'"' if !was_escaped => {
                    positions.push(at as u32);
                    in_string = true;
                    in_scalar = true;
                }
                _ if is_blank(byte) => in_scalar = false,
                _ => {
                    if !in_scalar {
                        positions.push(at as u32);
                    }
                    in_scalar = true;
                }
            }
        }
        at += 1;
    }
    !in_string && std::str::from_utf8(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn simd_json_leaves_its_index_behind() {
        assert!(simd_works());
    }

    fn both(text: &[u8]) -> (Option<Vec<u32>>, Option<Vec<u32>>) {
        let mut index = Index::default();
        let mut chunk = Chunk::new(text);
        let simd = index.build_chunk(&mut chunk).then(|| index.positions().to_vec());
        let mut positions = Vec::new();
        let plain = scalar(text, &mut positions).then_some(positions);
        (simd, plain)
    }

    #[test]
    fn the_simd_index_equals_the_scalar_one_at_all_lengths() {
        let text =
            b"{\"k\":\"v\\\\\\\"\", \"n\" : [-1.5e3,true,null,\"\xc3\xa9\"]}\r\n \t{\"a\":{}}\n\n[ ]x \"y\" z\n\"un";
        for from in 0..text.len() {
            for to in from..=text.len() {
                let (simd, plain) = both(&text[from..to]);
                assert_eq!(simd, plain, "{:?}", String::from_utf8_lossy(&text[from..to]));
            }
        }
    }

    proptest! {
        #[test]
        fn the_simd_index_equals_the_scalar_one_on_any_text(text in "[{}\\[\\]:,\"\\\\a1 \n\té\u{1}]{0,200}") {
            let (simd, plain) = both(text.as_bytes());
            prop_assert_eq!(simd, plain);
        }
    }
}

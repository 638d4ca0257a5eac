//! Short copies to the end of a vector, done with stores of a fixed width.
//!
//! A copy of an unknown few bytes is a call and a handful of branches; a copy of 32 is two loads and two stores. So
//! more is copied than is wanted, and only the length goes on by what is wanted: what is too much is overwritten by
//! the next copy, or never counted. Where that would read or write outside of the memory at hand, exactly what is
//! wanted is copied.

use super::vector::{Vector, WINDOW, Window};

/// Bytes that [`extend_short`] copies at once, and the most that it copies so.
const BLOCK: usize = 32;
const SHORT: usize = 4 * BLOCK;

/// Appends `source[from..to]` to a vector; fastest if it is at most 128 bytes and not at the end of `source`.
///
/// # Panics
///
/// If that is outside of `source`.
#[inline]
pub(crate) fn extend_short(out: &mut Vec<u8>, source: &[u8], from: usize, to: usize) {
    let len = to.wrapping_sub(from);
    let short = len <= SHORT && from <= source.len() && source.len() - from >= SHORT;
    if !short || out.capacity() - out.len() < SHORT {
        return out.extend_from_slice(&source[from..to]);
    }
    // SAFETY: `SHORT` bytes are readable behind `from` in `source` and as many writable behind the vector's end, and
    // the two do not overlap, for one is borrowed and the other borrowed mutably. Blocks begin before `len`, which is at
    // most a multiple of theirs, so they end within these bytes. The length grows by no more than was written.
    unsafe {
        let (source, target) = (source.as_ptr().add(from), out.as_mut_ptr().add(out.len()));
        let mut at = 0;
        loop {
            let block = source.add(at).cast::<[u8; BLOCK]>().read_unaligned();
            target.add(at).cast::<[u8; BLOCK]>().write_unaligned(block);
            at += BLOCK;
            if at >= len {
                break;
            }
        }
        out.set_len(out.len() + len);
    }
}

/// Appends `source[from..to]` up to the first backslash or control character, and returns where that is, or `to`.
///
/// # Panics
///
/// If that is outside of `source`.
#[inline(always)]
pub(crate) fn extend_to_escape(vector: impl Vector, out: &mut Vec<u8>, source: &[u8], from: usize, to: usize) -> usize {
    let mut at = from;
    while at < to {
        let Some(window) = source[at..].first_chunk::<WINDOW>() else {
            let text = &source[at..to];
            let plain = text.iter().position(|byte| *byte == b'\\' || *byte < 0x20).unwrap_or(text.len());
            out.extend_from_slice(&text[..plain]);
            return at + plain;
        };
        let plain = (vector.quotes(window).other.trailing_zeros() as usize).min(to - at);
        out.reserve(WINDOW);
        // SAFETY: there is room for a window behind the vector's end, and it is not in the window, for one is borrowed and
        // the other borrowed mutably. The length grows by at most the window's.
        unsafe {
            out.as_mut_ptr().add(out.len()).cast::<Window>().write_unaligned(*window);
            out.set_len(out.len() + plain);
        }
        at += plain;
        if plain < WINDOW {
            return at;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::super::vector::{Job, each_vector};
    use super::*;

    #[test]
    fn short_copies_agree_with_plain_ones_at_all_lengths_and_offsets() {
        let source: Vec<u8> = (0..if cfg!(miri) { 135 } else { 200 }).collect();
        for room in [0, 20, 128, 400] {
            for from in 0..=source.len() {
                for to in from..=source.len() {
                    let mut out = Vec::with_capacity(room + 2);
                    out.extend_from_slice(b"ab");
                    extend_short(&mut out, &source, from, to);
                    assert_eq!((&out[..2], &out[2..]), (&b"ab"[..], &source[from..to]));
                }
            }
        }
    }

    struct ToEscape<'a>(&'a [u8], usize, usize);

    impl Job for ToEscape<'_> {
        type Output = (Vec<u8>, usize);

        #[inline(always)]
        fn run(self, vector: impl Vector) -> Self::Output {
            let mut out = b"before".to_vec();
            let at = extend_to_escape(vector, &mut out, self.0, self.1, self.2);
            (out, at)
        }
    }

    #[test]
    fn text_ends_at_its_first_escape_at_all_lengths_and_offsets() {
        let most = if cfg!(miri) { 70 } else { 150 };
        for escape in [b'\\', b'\n'] {
            for at in 0..most {
                let mut source = vec![b'a'; most];
                source[at] = escape;
                for from in 0..most {
                    for to in (from..=most).step_by(7) {
                        let end = if (from..to).contains(&at) { at } else { to };
                        let plain = ([b"before", &source[from..end]].concat(), end);
                        each_vector(|| ToEscape(&source, from, to), |made| assert_eq!(made, plain));
                    }
                }
            }
        }
    }
}

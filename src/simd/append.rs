//! Short copies to the end of a vector, done with stores of a fixed width.
//!
//! A copy of an unknown few bytes is a call and a handful of branches; a copy of 32 is two loads and two stores. So
//! more is copied than is wanted, and only the length goes on by what is wanted: what is too much is overwritten by
//! the next copy, or never counted. Where that would read or write outside of the memory at hand, exactly what is
//! wanted is copied.

/// Bytes to reserve beyond what will be appended, so that wide stores have room to the end.
pub(crate) const SLACK: usize = 128;

/// Appends to a vector whose room was reserved before.
///
/// Nothing is added to the vector before [`Appender::finish`].
pub(crate) struct Appender<'a> {
    out: &'a mut Vec<u8>,
    /// The vector's allocation, `room` bytes long. It does not move, for the vector is borrowed and not grown.
    start: *mut u8,
    room: usize,
    /// Bytes that are filled; never more than `room`.
    at: usize,
}

impl<'a> Appender<'a> {
    /// Begins behind what the vector holds, with room for `bytes` and [`SLACK`] more.
    pub(crate) fn new(out: &'a mut Vec<u8>, bytes: usize) -> Self {
        out.reserve(bytes + SLACK);
        let (start, room, at) = (out.as_mut_ptr(), out.capacity(), out.len());
        Appender { out, start, room, at }
    }

    /// Makes all that was appended the vector's.
    pub(crate) fn finish(self) {
        // SAFETY: `at` is at most the capacity, and every byte before it was the vector's before or has been
        // written: each call moves `at` over bytes that it has just filled.
        unsafe { self.out.set_len(self.at) };
    }

    /// Appends the first `len` of eight bytes.
    #[inline(always)]
    pub(crate) fn word(&mut self, bytes: [u8; 8], len: usize) {
        if self.room - self.at >= 8 && len <= 8 {
            // SAFETY: there are 8 bytes between `at` and the end of the allocation, which nothing else refers to.
            unsafe { self.start.add(self.at).cast::<[u8; 8]>().write_unaligned(bytes) };
            self.at += len;
        } else {
            let bytes = &bytes[..len];
            // SAFETY: this is what is left of the allocation.
            self.at += unsafe { exactly(bytes, self.start.add(self.at), self.room - self.at) };
        }
    }

    /// Appends `source[from..from + len]`, by one copy of `WIDTH` bytes and, where that is too short, one of the rest.
    ///
    /// # Panics
    ///
    /// If that is outside of `source`.
    #[inline(always)]
    pub(crate) fn copy<const WIDTH: usize>(&mut self, source: &[u8], from: usize, len: usize) {
        if from <= source.len() && source.len() - from >= WIDTH && self.room - self.at >= WIDTH {
            // SAFETY: `WIDTH` bytes are readable behind `from` in `source`, and as many writable behind `at`. The two
            // do not overlap: `source` is borrowed while the vector is borrowed mutably.
            unsafe {
                let target = self.start.add(self.at).cast::<[u8; WIDTH]>();
                target.write_unaligned(source.as_ptr().add(from).cast::<[u8; WIDTH]>().read_unaligned());
            }
            if len <= WIDTH {
                self.at += len;
                return;
            }
            let rest = &source[from + WIDTH..from + len];
            self.at += WIDTH;
            // SAFETY: this is what is left of the allocation.
            self.at += unsafe { exactly(rest, self.start.add(self.at), self.room - self.at) };
        } else {
            let bytes = &source[from..from + len];
            // SAFETY: this is what is left of the allocation.
            self.at += unsafe { exactly(bytes, self.start.add(self.at), self.room - self.at) };
        }
    }
}

/// Copies bytes to `target`, where there is room for `room` bytes; returns how many they are. It takes no `Appender`, so
/// that one can live in registers.
///
/// # Panics
///
/// If there is no room, which is a defect of the caller's sum.
///
/// # Safety
///
/// `room` bytes from `target` on must be the caller's to write, and `bytes` must be none of them.
#[inline(never)]
unsafe fn exactly(bytes: &[u8], target: *mut u8, room: usize) -> usize {
    assert!(bytes.len() <= room, "room for all that is appended was reserved");
    // SAFETY: by the promise above, and because the bytes fit.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
    bytes.len()
}

/// Bytes that [`extend_short`] copies at once.
const SHORT: usize = 32;

/// Appends `source[from..to]` to a vector; fastest if it is at most 32 bytes and not at the end of `source`.
///
/// # Panics
///
/// If that is outside of `source`.
#[inline]
pub(crate) fn extend_short(out: &mut Vec<u8>, source: &[u8], from: usize, to: usize) {
    let short = to.wrapping_sub(from) <= SHORT && from <= source.len() && source.len() - from >= SHORT;
    if !short || out.capacity() - out.len() < SHORT {
        return out.extend_from_slice(&source[from..to]);
    }
    // SAFETY: `SHORT` bytes are readable behind `from` in `source` and as many writable behind the vector's end, and
    // the two do not overlap, for one is borrowed and the other borrowed mutably. The length grows by at most as many
    // bytes as were written.
    unsafe {
        let target = out.as_mut_ptr().add(out.len()).cast::<[u8; SHORT]>();
        target.write_unaligned(source.as_ptr().add(from).cast::<[u8; SHORT]>().read_unaligned());
        out.set_len(out.len() + (to - from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The twin: the same by the standard library.
    #[derive(Default)]
    struct Plain(Vec<u8>);

    impl Plain {
        fn word(&mut self, bytes: [u8; 8], len: usize) {
            self.0.extend_from_slice(&bytes[..len]);
        }

        fn copy(&mut self, source: &[u8], from: usize, len: usize) {
            self.0.extend_from_slice(&source[from..from + len]);
        }
    }

    fn same<const WIDTH: usize>(source: &[u8], slack: usize) {
        for from in 0..=source.len() {
            for len in 0..=source.len() - from {
                let (mut fast, mut plain) = (b"before".to_vec(), Plain(b"before".to_vec()));
                let mut appender = Appender::new(&mut fast, 3 * len + 16);
                // As if there were no slack, so that the end of the room is met.
                appender.room = appender.at + 2 * len + 7 + slack;
                appender.copy::<WIDTH>(source, from, len);
                appender.word(*b"abcdefgh", 4);
                appender.copy::<WIDTH>(source, from, len);
                appender.word(*b"ijklmnop", 3);
                appender.finish();
                plain.copy(source, from, len);
                plain.word(*b"abcdefgh", 4);
                plain.copy(source, from, len);
                plain.word(*b"ijklmnop", 3);
                assert_eq!(fast, plain.0, "{WIDTH} {from} {len} {slack}");
            }
        }
    }

    #[test]
    fn wide_copies_agree_with_plain_ones_at_all_lengths_and_offsets() {
        let source: Vec<u8> = (0..=255).cycle().skip(7).take(if cfg!(miri) { 40 } else { 150 }).collect();
        for slack in [0, 1, 40, SLACK] {
            same::<32>(&source, slack);
            same::<64>(&source, slack);
        }
    }

    #[test]
    fn short_copies_agree_with_plain_ones_at_all_lengths_and_offsets() {
        let source: Vec<u8> = (0..80).collect();
        for room in [0, 20, 32, 200] {
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

    #[test]
    fn what_is_not_finished_is_not_there() {
        let mut out = b"before".to_vec();
        Appender::new(&mut out, 10).word([1; 8], 8);
        assert_eq!(out, b"before");
    }

    #[test]
    #[should_panic(expected = "room for all that is appended was reserved")]
    fn past_the_room_nothing_is_written() {
        let mut out = Vec::new();
        let mut appender = Appender::new(&mut out, 0);
        appender.room = 5;
        appender.copy::<32>(&[0; 32], 0, 6);
    }
}

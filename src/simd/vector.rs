//! Windows of 64 bytes, looked at as a whole by the widest registers that there are.
//!
//! A [`Job`] is written once over any [`Vector`] and compiled once for each; [`dispatch`] runs the one that this
//! processor has instructions for. What a vector answers depends on the window alone, so all of them agree.

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

/// Bytes that are looked at together.
pub(crate) const WINDOW: usize = 64;

/// Bytes that are looked at together.
pub(crate) type Window = [u8; WINDOW];

/// A text with zero bytes behind it, so that a whole window begins at each of its places and at its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Padded<'a> {
    bytes: &'a [u8],
    /// Bytes without the padding.
    len: usize,
}

impl<'a> Padded<'a> {
    /// Of bytes whose last 64 are padding. `None` if they are fewer.
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        Some(Padded { bytes, len: bytes.len().checked_sub(WINDOW)? })
    }

    /// The text, and the padding behind it.
    #[inline(always)]
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The window that begins at a place; `None` behind the end of the text.
    #[inline(always)]
    pub(crate) fn window(self, at: usize) -> Option<&'a Window> {
        if at > self.len {
            return None;
        }
        // SAFETY: `new` made `bytes` as long as `len` and a window, and `at` is at most `len`, so the window is inside of
        // `bytes`; arrays of bytes need no alignment. One comparison in place of two is what this is for.
        Some(unsafe { &*self.bytes.as_ptr().add(at).cast::<Window>() })
    }

    /// The byte at a place, also in the padding.
    #[inline(always)]
    pub(crate) fn get(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }
}

/// Questions to a window. A bit of an answer stands for the byte with its number.
pub(crate) trait Vector: Copy {
    /// Which bytes are `"`, and which are `\` or below 0x20.
    fn quotes(self, window: &Window) -> Quotes;

    /// Which of the first 32 bytes are decimal digits.
    fn digits(self, window: &Window) -> u32;

    /// Which bytes are `byte`.
    fn equal(self, window: &Window, byte: u8) -> u64;

    /// Whether the bytes chosen by `mask`, from the front without a gap, are those of `literal`.
    fn starts_with(self, window: &Window, literal: &Window, mask: u64) -> bool;

    /// Copies bytes, no more and no fewer.
    ///
    /// # Safety
    ///
    /// As many bytes from `to` on must be the caller's to write, and none of them one of `from`.
    #[inline(always)]
    unsafe fn copy(self, from: &[u8], to: *mut u8) {
        // SAFETY: by the promise above.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) };
    }

    /// Does work as a function of its own, so that what is rare or long does not swell what is not.
    fn apart<J: Job>(self, job: J) -> J::Output;
}

/// Where a JSON string may end, as bits of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quotes {
    /// `"`.
    pub(crate) quote: u64,
    /// `\` and control characters.
    pub(crate) other: u64,
}

/// Work that asks a [`Vector`] many things.
pub(crate) trait Job {
    /// What comes of it.
    type Output;

    /// Does the work. To be marked `#[inline(always)]` with all that asks `vector`, or it is not compiled for its
    /// instructions.
    fn run(self, vector: impl Vector) -> Self::Output;
}

/// Runs a job with the widest vectors of this processor.
#[inline]
pub(crate) fn dispatch<J: Job>(job: J) -> J::Output {
    #[cfg(target_arch = "x86_64")]
    return x86::dispatch(job);
    #[cfg(target_arch = "aarch64")]
    return job.run(neon::Neon::new());
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    job.run(Scalar)
}

/// One byte after the other: the twin that the others are compared with, and all there is on other processors.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), allow(dead_code, reason = "the twin in tests"))]
pub(crate) struct Scalar;

fn bits(window: &[u8], is: impl Fn(u8) -> bool) -> u64 {
    window.iter().enumerate().fold(0, |bits, (at, byte)| bits | u64::from(is(*byte)) << at)
}

impl Vector for Scalar {
    #[inline(always)]
    fn quotes(self, window: &Window) -> Quotes {
        Quotes { quote: bits(window, |byte| byte == b'"'), other: bits(window, |byte| byte == b'\\' || byte < 0x20) }
    }

    #[inline(always)]
    fn digits(self, window: &Window) -> u32 {
        bits(&window[..32], |byte| byte.is_ascii_digit()) as u32
    }

    #[inline(always)]
    fn equal(self, window: &Window, byte: u8) -> u64 {
        bits(window, |other| other == byte)
    }

    #[inline(always)]
    fn starts_with(self, window: &Window, literal: &Window, mask: u64) -> bool {
        let len = mask.trailing_ones() as usize;
        window[..len] == literal[..len]
    }

    #[inline(never)]
    fn apart<J: Job>(self, job: J) -> J::Output {
        job.run(self)
    }
}

/// Runs a job with each vector that this processor has, the scalar one among them.
#[cfg(test)]
pub(super) fn each_vector<J: Job>(job: impl Fn() -> J, check: impl Fn(J::Output)) {
    check(job().run(Scalar));
    check(dispatch(job()));
    #[cfg(target_arch = "x86_64")]
    x86::tests::each(job, check);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Asks a vector everything.
    struct Ask<'a> {
        window: &'a Window,
        literal: &'a Window,
        len: usize,
    }

    impl Job for Ask<'_> {
        type Output = [(Quotes, u32, bool, u64); 2];

        #[inline(always)]
        fn run(self, vector: impl Vector) -> Self::Output {
            let mask = if self.len == WINDOW { u64::MAX } else { (1 << self.len) - 1 };
            let fits = vector.starts_with(self.window, self.literal, mask);
            let equal = vector.equal(self.window, self.literal[0]);
            let here = (vector.quotes(self.window), vector.digits(self.window), fits, equal);
            [here, vector.apart(Again(self.window, self.literal, mask))]
        }
    }

    struct Again<'a>(&'a Window, &'a Window, u64);

    impl Job for Again<'_> {
        type Output = (Quotes, u32, bool, u64);

        #[inline(always)]
        fn run(self, vector: impl Vector) -> Self::Output {
            let fits = vector.starts_with(self.0, self.1, self.2);
            (vector.quotes(self.0), vector.digits(self.0), fits, vector.equal(self.0, self.1[0]))
        }
    }

    fn compare(window: &Window, literal: &Window, len: usize) {
        let twin = Ask { window, literal, len }.run(Scalar);
        each_vector(|| Ask { window, literal, len }, |answer| assert_eq!(answer, twin));
    }

    #[test]
    fn a_window_is_what_stands_at_its_place() {
        let bytes: Vec<u8> = (0..=255).collect();
        for len in 0..bytes.len() {
            let Some(text) = Padded::new(&bytes[..len]) else {
                assert!(len < WINDOW);
                continue;
            };
            for at in 0..len + 2 {
                assert_eq!(text.window(at).map(|window| &window[..]), bytes[..len].get(at..at + WINDOW));
                assert_eq!(text.get(at), bytes[..len].get(at).copied());
            }
        }
    }

    #[test]
    fn vectors_agree_on_every_byte_at_every_place() {
        for at in 0..WINDOW {
            for byte in 0..=u8::MAX {
                let mut window = [b'a'; WINDOW];
                window[at] = byte;
                compare(&window, &[b'a'; WINDOW], at + 1);
                compare(&window, &[b'a'; WINDOW], at);
            }
        }
    }

    proptest! {
        #[test]
        fn vectors_agree_on_any_window(
            window in proptest::array::uniform32(any::<[u8; 2]>()), other in any::<[u8; 32]>(), len in 0..=WINDOW
        ) {
            let window: Window = window.concat().try_into().unwrap();
            let mut literal = window;
            literal[32..].copy_from_slice(&other);
            compare(&window, &literal, len);
            compare(&window, &window, len);
        }
    }
}

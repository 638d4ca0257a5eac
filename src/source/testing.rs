//! What the tests of this layer share.

use std::path::PathBuf;

use super::Cut;

/// Records that end at a line end, whatever they hold.
#[derive(Default)]
pub(crate) struct Lines {
    /// How much of the buffer was looked at.
    seen: usize,
    borders: u8,
    /// What `give_up` is to cut off.
    give_up: usize,
}

impl Lines {
    /// Cuts off `n` bytes of a record that is too long.
    pub(crate) fn giving_up(n: usize) -> Self {
        Lines { give_up: n, ..Lines::default() }
    }
}

impl Cut for Lines {
    fn cut(&mut self, buffer: &[u8], at_end: bool) -> usize {
        assert!(buffer.len() >= self.seen, "the buffer only grows until a border is found");
        let found = memchr::memrchr(b'\n', &buffer[self.seen..]).map(|at| self.seen + at + 1);
        let cut = if at_end { buffer.len() } else { found.unwrap_or(0) };
        self.seen = if cut == 0 { buffer.len() } else { 0 };
        self.borders = self.borders.wrapping_add(u8::from(cut > 0));
        cut
    }

    fn give_up(&mut self, _: &[u8]) -> usize {
        self.seen = 0;
        self.borders = self.borders.wrapping_add(1);
        self.give_up
    }

    fn state(&self) -> u8 {
        self.borders
    }

    fn can_resync(&self) -> bool {
        true
    }
}

/// A file of the shared test data, where that is at hand.
pub(crate) fn shared(file: &str) -> Option<PathBuf> {
    let root = std::env::var_os("LONGSHORE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    Some(root.join("data").join(file)).filter(|path| path.exists())
}

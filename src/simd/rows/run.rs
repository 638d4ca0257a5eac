//! Fields side by side that most rows have in the same form.

use super::{LONGEST, Rows, Spare, TILE};

/// Fields of fixed width that have a place in every row, or in the spare for rows that are apart. Their lengths are
/// written, as part of the skeleton, and their values are to be.
///
/// So a value costs one store at a place that is known, whatever stands around it.
pub(crate) struct Run<'r, 'a> {
    /// Where the run begins in each row: behind it are `len` bytes of that row, or the spare.
    pub(super) places: [*mut u8; TILE],
    pub(super) len: usize,
    pub(super) count: usize,
    /// The rows that are not apart.
    pub(super) alike: u64,
    pub(super) rows: &'r mut Rows<'a>,
    pub(super) _spare: &'r mut Spare,
}

impl Run<'_, '_> {
    /// Writes the skeleton.
    #[inline(always)]
    pub(super) fn skeleton(&self, bytes: &[u8]) {
        match bytes.len() {
            0 => {}
            1..4 => bytes.iter().enumerate().for_each(|(at, byte)| self.same(at, [*byte])),
            4..8 => self.pieces::<4>(bytes),
            8..16 => self.pieces::<8>(bytes),
            16..32 => self.pieces::<16>(bytes),
            _ => self.pieces::<32>(bytes),
        }
    }

    /// Writes at least `N` bytes by pieces of as many, of which the last overlaps the one before.
    #[inline(always)]
    fn pieces<const N: usize>(&self, bytes: &[u8]) {
        for at in (0..bytes.len() - N).step_by(N).chain([bytes.len() - N]) {
            if let Some(piece) = bytes[at..].first_chunk::<N>() {
                self.same(at, *piece);
            }
        }
    }

    /// Writes the same bytes to each row.
    #[inline(always)]
    fn same<const N: usize>(&self, at: usize, bytes: [u8; N]) {
        assert!(at + N <= self.len);
        for place in &self.places[..self.count] {
            // SAFETY: `len` bytes behind the place are in the row or the spare, which nobody else has a hold of.
            unsafe { place.add(at).cast::<[u8; N]>().write_unaligned(bytes) };
        }
    }

    /// Writes a value to each row, `at` bytes behind the beginning of the run.
    ///
    /// # Panics
    ///
    /// If that is outside of the run, or there is not a value for each row.
    #[inline(always)]
    pub(crate) fn values<const N: usize>(&mut self, at: usize, values: impl ExactSizeIterator<Item = [u8; N]>) {
        assert!(at + N <= self.len && values.len() == self.count, "a value for each row");
        for (place, value) in self.places[..self.count].iter().zip(values) {
            // SAFETY: `len` bytes behind the place are in the row or the spare, which nobody else has a hold of.
            unsafe { place.add(at).cast::<[u8; N]>().write_unaligned(value) };
        }
    }

    /// Goes on behind the run. To the rows that are apart nothing was added.
    #[inline(always)]
    pub(crate) fn end(self) {
        self.rows.ahead += self.len;
        let mut apart = !self.alike;
        while apart.trailing_zeros() < self.count as u32 {
            let at = &mut self.rows.at[apart.trailing_zeros() as usize];
            *at = at.wrapping_sub(self.len);
            apart &= apart - 1;
        }
    }
}

const _: () = assert!(LONGEST >= 20 && LONGEST >= TILE / 8);

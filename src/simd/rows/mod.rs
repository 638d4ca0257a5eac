//! Rows of fields that are put together side by side, column by column.
//!
//! A row whose fields are appended one after the other asks at each field what kind it is and how long, and guesses
//! wrong at many. Here a column's fields go into 64 rows in one loop that asks nothing: where each row begins follows
//! from its size, which is known before.

mod bytes;
mod run;
#[cfg(test)]
mod tests;

pub(crate) use self::run::Run;

/// Rows that are put together at a time: as many as a word of validity has bits.
pub(crate) const TILE: usize = 64;

/// The longest skeleton of a run.
pub(crate) const LONGEST: usize = 256;

/// Where values go that no row has a place for.
pub(crate) struct Spare([u8; LONGEST]);

impl Spare {
    pub(crate) fn new() -> Self {
        Spare([0; LONGEST])
    }
}

/// Rows at the end of a vector that are being filled from the left. A field is its length in four bytes, the highest
/// first, and the bytes of its value.
///
/// Nothing is added to the vector before [`Rows::finish`].
pub(crate) struct Rows<'a> {
    out: &'a mut Vec<u8>,
    /// The vector's allocation. It does not move, for the vector is borrowed and not grown.
    start: *mut u8,
    /// Where the next field of each row goes, less `ahead`, which may wrap. Everything before is written.
    at: [usize; TILE],
    /// Where each row ends; inside of the allocation, and where the next one begins.
    ends: [usize; TILE],
    /// Bytes that all rows have got alike.
    ahead: usize,
    count: usize,
}

impl<'a> Rows<'a> {
    /// Begins rows of these sizes behind what the vector holds, at most [`TILE`] of them.
    pub(crate) fn new(out: &'a mut Vec<u8>, sizes: &[usize]) -> Self {
        let total = sizes.iter().try_fold(0_usize, |sum, size| sum.checked_add(*size));
        out.reserve(total.expect("rows are no longer than the memory"));
        let (mut at, mut ends) = ([0; TILE], [0; TILE]);
        let mut end = out.len();
        for ((at, place), size) in at.iter_mut().zip(&mut ends).zip(sizes) {
            (*at, *place) = (end, end + size);
            end += size;
        }
        let start = out.as_mut_ptr();
        Rows { out, start, at, ends, ahead: 0, count: sizes.len() }
    }

    /// Writes the same bytes behind what each row has, at most [`LONGEST`], as the skeleton of a run of fields whose
    /// values go over it. Rows whose bit in `alike` is not set are left out; what the run has for them is to be
    /// [appended](Rows::append) to each once the run has ended.
    ///
    /// # Panics
    ///
    /// If a row has no room.
    #[inline(always)]
    pub(crate) fn run<'r>(&'r mut self, skeleton: &[u8], alike: u64, spare: &'r mut Spare) -> Run<'r, 'a> {
        let (len, count, ahead, start) = (skeleton.len(), self.count, self.ahead, self.start);
        assert!(len <= LONGEST, "a run of at most {LONGEST} bytes");
        let mut places = [spare.0.as_mut_ptr(); TILE];
        let rows = self.at[..count].iter().zip(&self.ends[..count]).zip(&mut places);
        // The highest bit says of a number that it is negative, and no place is as high.
        let mut room = 0;
        if alike.trailing_ones() as usize >= count {
            for ((at, end), place) in rows {
                let here = at.wrapping_add(ahead);
                room |= end.wrapping_sub(here + len);
                *place = start.wrapping_add(here);
            }
        } else {
            for (_, ((at, end), place)) in rows.enumerate().filter(|(row, _)| alike >> row & 1 == 1) {
                let here = at.wrapping_add(ahead);
                room |= end.wrapping_sub(here + len);
                *place = start.wrapping_add(here);
            }
        }
        assert!(room as isize >= 0, "{ROOM}");
        let run = Run { places, len, count, alike, rows: self, _spare: spare };
        run.skeleton(skeleton);
        run
    }

    /// Appends bytes to one row.
    ///
    /// # Panics
    ///
    /// If the row has no room for them.
    #[inline]
    pub(crate) fn append(&mut self, row: usize, bytes: &[u8]) {
        assert!(row < self.count);
        let place = self.at[row].wrapping_add(self.ahead);
        assert!(place + bytes.len() <= self.ends[row], "{ROOM}");
        // SAFETY: these bytes are in the row, by the line above, and so in the allocation, which is not that of `bytes`:
        // one is borrowed, the other mutably.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.add(place), bytes.len()) };
        self.at[row] = self.at[row].wrapping_add(bytes.len());
    }

    /// Appends a field of `N` bytes and its length to each row whose bit in `valid` is set, to the others NULL.
    ///
    /// # Panics
    ///
    /// If a row has no room, or there is not a value for each.
    #[inline(always)]
    pub(crate) fn nullable<const N: usize>(&mut self, valid: u64, values: impl Iterator<Item = [u8; N]>) {
        let (start, ahead, mut spare) = (self.start, self.ahead, [0; N]);
        let places = self.at[..self.count].iter_mut().zip(&self.ends[..self.count]);
        let (mut written, spare) = (0, spare.as_mut_ptr());
        for (row, ((at, end), value)) in places.zip(values).enumerate() {
            let (place, filled) = (at.wrapping_add(ahead), filled(valid, row));
            let (width, length) = (N & filled, N as u32 | !(filled as u32));
            assert!(place + 4 + width <= *end, "{ROOM}");
            // Whether there is a value is as good as random in many columns, so it is written in any case: where the
            // row ends behind a null, to where nobody reads it, else to where the next field takes its place.
            // SAFETY: the length is in the row, by the line above, and so in the allocation; the value as well, or it is
            // in `spare`, which is as long.
            unsafe {
                start.add(place).cast::<[u8; 4]>().write_unaligned(length.to_be_bytes());
                let to = if place + 4 + N <= *end { start.add(place + 4) } else { spare };
                to.cast::<[u8; N]>().write_unaligned(value);
            }
            *at = at.wrapping_add(width);
            written += 1;
        }
        assert_eq!(written, self.count, "a value for each row");
        self.ahead += 4;
    }

    /// Makes the rows the vector's.
    ///
    /// # Panics
    ///
    /// If a row is not full, which is a defect of whoever gave its size.
    pub(crate) fn finish(self) {
        let Some(last) = self.count.checked_sub(1) else { return };
        let full = (0..self.count).all(|row| self.at[row].wrapping_add(self.ahead) == self.ends[row]);
        assert!(full, "{ROOM}");
        // SAFETY: the rows stand side by side behind what was the vector's, inside of its allocation, and each has been
        // written from its beginning to its end: `at` and `ahead` go on only over bytes that were just written.
        unsafe { self.out.set_len(self.ends[last]) };
    }
}

/// Asks the processor to fetch what will be read soon, for it sees no pattern in reading a little of many columns.
#[inline(always)]
pub(crate) fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for at in (0..size_of_val(values)).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the place is inside of `values`; a prefetch reads nothing and needs no more than SSE.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().cast::<i8>().add(at)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// All ones for a row whose bit is set, else 0.
#[inline(always)]
pub(crate) fn filled(valid: u64, row: usize) -> usize {
    0_usize.wrapping_sub((valid >> row & 1) as usize)
}

const ROOM: &str = "a row is as long as its fields";

//! Fields of any length.

use super::super::vector::{Job, Vector};
use super::{ROOM, Rows, TILE, filled};

/// The length that stands for NULL.
const NULL: [u8; 4] = [0xff; 4];

impl Rows<'_> {
    /// Appends a field to each row: where its bit in `valid` is set the bytes between its offset and the next one, else
    /// NULL. A `versioned` value has a byte 1 before it.
    ///
    /// # Panics
    ///
    /// If the offsets do not ascend, or not within `data`, or a row has no room.
    #[inline(always)]
    pub(crate) fn bytes(&mut self, vector: impl Vector, valid: u64, offsets: &[i32], data: &[u8], versioned: bool) {
        // In a function of its own the loop has all registers.
        vector.apart(Bytes { rows: self, valid, offsets, data, versioned });
    }

    /// Writes NULL to each row.
    #[inline(always)]
    fn nulls(&mut self) {
        for (at, end) in self.at[..self.count].iter().zip(&self.ends[..self.count]) {
            let place = at.wrapping_add(self.ahead);
            assert!(place + 4 <= *end, "{ROOM}");
            // SAFETY: these bytes are in the row, by the line above, and so in the allocation.
            unsafe { self.start.add(place).cast::<[u8; 4]>().write_unaligned(NULL) };
        }
        self.ahead += 4;
    }
}

/// What [`Rows::bytes`] does.
struct Bytes<'r, 'a> {
    rows: &'r mut Rows<'a>,
    valid: u64,
    offsets: &'r [i32],
    data: &'r [u8],
    versioned: bool,
}

impl Job for Bytes<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(mut self, vector: impl Vector) {
        self.offsets = &self.offsets[..=self.rows.count];
        let pairs = self.offsets.iter().zip(&self.offsets[1..]);
        let (ascend, widest) = pairs.fold((true, 0), |(ascend, widest), (from, to)| {
            (ascend & (from <= to), widest.max(to.wrapping_sub(*from)))
        });
        let (first, last) = (self.offsets[0], self.offsets[self.rows.count]);
        assert!(ascend && first >= 0 && last as usize <= self.data.len());
        let valid = self.valid & u64::MAX >> (TILE - self.rows.count.max(1));
        match widest {
            _ if 4 * valid.count_ones() as usize <= self.rows.count => self.few(vector, valid),
            // Each in a function of its own, where its loop has all registers.
            0..=16 => vector.apart(Many::<16>(self)),
            17..=32 => vector.apart(Many::<32>(self)),
            33..=64 => vector.apart(Many::<64>(self)),
            _ => vector.apart(Many::<0>(self)),
        }
    }
}

/// Fields of which none is longer than `WIDTH`, or of any length if that is 0. The offsets are looked at.
struct Many<'r, 'a, const WIDTH: usize>(Bytes<'r, 'a>);

impl<const WIDTH: usize> Job for Many<'_, '_, WIDTH> {
    type Output = ();

    #[inline(always)]
    fn run(self, vector: impl Vector) {
        let Many(Bytes { rows, valid, offsets, data, versioned }) = self;
        let (start, ahead) = (rows.start, rows.ahead);
        let Some(mut from) = offsets.first().map(|first| *first as usize) else { return };
        let places = rows.at[..rows.count].iter_mut().zip(&rows.ends[..rows.count]);
        for (row, ((at, end), to)) in places.zip(&offsets[1..]).enumerate() {
            let (place, to) = (at.wrapping_add(ahead), *to as usize);
            // Whether there is a value is as good as random in many columns, so it is calculated with and not asked: a null
            // has a length of all ones and no bytes.
            let filled = filled(valid, row);
            let (len, version) = ((to - from) & filled, usize::from(versioned) & filled);
            let (length, value) = ((version + len) as u32 | !(filled as u32), place + 4 + version);
            assert!(value + len <= *end, "{ROOM}");
            // SAFETY: offsets ascend within `data`, by the assertion before. What is written is in the row, by the line above
            // or the condition below, and so in the allocation, which is not that of `data`: one is borrowed, the other
            // mutably. Behind the value there is nothing yet, for a row is filled from the left.
            unsafe {
                start.add(place).cast::<[u8; 4]>().write_unaligned(length.to_be_bytes());
                if version == 1 {
                    start.add(place + 4).write(1);
                }
                // A copy of a width that is known needs no look at the length.
                if WIDTH > 0 && value + WIDTH <= *end && from + WIDTH <= data.len() {
                    let block = data.as_ptr().add(from).cast::<[u8; WIDTH]>().read_unaligned();
                    start.add(value).cast::<[u8; WIDTH]>().write_unaligned(block);
                } else {
                    vector.copy(data.get_unchecked(from..from + len), start.add(value));
                }
            }
            *at = at.wrapping_add(version + len);
            from = to;
        }
        rows.ahead += 4;
    }
}

impl Bytes<'_, '_> {
    /// Appends fields of which most are NULL.
    #[inline(always)]
    fn few(self, vector: impl Vector, mut valid: u64) {
        let Bytes { rows, offsets, data, versioned, .. } = self;
        rows.nulls();
        while valid != 0 {
            let row = valid.trailing_zeros() as usize;
            let (at, end) = (&mut rows.at[row], rows.ends[row]);
            let value = &data[offsets[row] as usize..offsets[row + 1] as usize];
            let (place, len) = (at.wrapping_add(rows.ahead), usize::from(versioned) + value.len());
            assert!(place + len <= end, "{ROOM}");
            // SAFETY: the length goes where the NULL is, and the value is in the row, by the line above, and so in the
            // allocation, which is not that of `data`: one is borrowed, the other mutably.
            unsafe {
                rows.start.add(place - 4).cast::<[u8; 4]>().write_unaligned((len as u32).to_be_bytes());
                if versioned {
                    rows.start.add(place).write(1);
                }
                vector.copy(value, rows.start.add(place + usize::from(versioned)));
            }
            *at = at.wrapping_add(len);
            valid &= valid - 1;
        }
    }
}

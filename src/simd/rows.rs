//! Rows of fields that are put together side by side, column by column.
//!
//! A row whose fields are appended one after the other asks at each field what kind it is and how long, and guesses
//! wrong at many. Here a column's fields go into 64 rows in one loop that asks nothing: where each row begins follows
//! from its size, which is known before.

use super::vector::{Job, Vector};

/// Rows that are put together at a time: as many as a word of validity has bits.
pub(crate) const TILE: usize = 64;

/// Rows at the end of a vector that are being filled from the left. A field is its length in four bytes, the highest
/// first, and the bytes of its value.
///
/// Nothing is added to the vector before [`Rows::finish`].
pub(crate) struct Rows<'a> {
    out: &'a mut Vec<u8>,
    /// The vector's allocation. It does not move, for the vector is borrowed and not grown.
    start: *mut u8,
    /// Where the next field of each row goes, less `ahead`. Everything before is written.
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

    /// Puts two bytes in front of each row.
    #[inline(always)]
    pub(crate) fn head(&mut self, bytes: [u8; 2]) {
        for row in 0..self.count {
            let at = self.at[row] + self.ahead;
            assert!(at + 2 <= self.ends[row], "{ROOM}");
            // SAFETY: these bytes are in the row, by the line above, and so in the allocation.
            unsafe { self.start.add(at).cast::<[u8; 2]>().write_unaligned(bytes) };
        }
        self.ahead += 2;
    }

    /// Appends a field of up to eight bytes to each row: where its bit in `valid` is set a value of `width` bytes, which
    /// are the lowest of its number, else NULL.
    #[inline(always)]
    pub(crate) fn short(&mut self, valid: u64, width: usize, values: impl Iterator<Item = u64>) {
        let (length, unused) = ((width as u64) << (8 * width), 8 * (4 - width));
        let field = |(row, value): (usize, u64)| ((length | value) << unused | nulls(valid, row)).to_be_bytes();
        self.fixed::<8>(valid, width, values.enumerate().map(field));
    }

    /// Appends a field of eight bytes and its length to each row whose bit in `valid` is set, to the others NULL.
    #[inline(always)]
    pub(crate) fn eight(&mut self, valid: u64, values: impl Iterator<Item = u64>) {
        let field = |(row, value): (usize, u64)| {
            let field = (8 << 64 | u128::from(value)) << 32;
            (field | u128::from(nulls(valid, row)) << 64).to_be_bytes()
        };
        self.fixed::<16>(valid, 8, values.enumerate().map(field));
    }

    /// Appends a field of 16 bytes and its length to each row whose bit in `valid` is set, to the others NULL.
    #[inline(always)]
    pub(crate) fn sixteen(&mut self, valid: u64, values: impl Iterator<Item = [u8; 16]>) {
        let field = |(row, value): (usize, [u8; 16])| {
            let mut field = [0; 20];
            field[..4].copy_from_slice(&(16 | nulls(valid, row) as u32).to_be_bytes());
            field[4..].copy_from_slice(&value);
            field
        };
        self.fixed::<20>(valid, 16, values.enumerate().map(field));
    }

    /// Appends a NULL to each row.
    #[inline(always)]
    pub(crate) fn nulls(&mut self) {
        self.short(0, 0, std::iter::repeat(0));
    }

    /// Appends the first `4 + width` bytes of a field to each row, and the first 4 where the row's bit in `valid` is not
    /// set. Where there is room in the row all of them are written, which makes no difference: the next field takes the
    /// place of those that are too many.
    #[inline(always)]
    fn fixed<const N: usize>(&mut self, valid: u64, width: usize, fields: impl Iterator<Item = [u8; N]>) {
        assert!(4 + width <= N);
        let (start, ahead, all) = (self.start, self.ahead, valid.trailing_ones() as usize >= self.count);
        let places = self.at[..self.count].iter_mut().zip(&self.ends[..self.count]);
        let write = |place: usize, end: usize, field: [u8; N], len: usize| {
            if place + N <= end {
                // SAFETY: these bytes are in the row, by the line above, and so in the allocation.
                unsafe { start.add(place).cast::<[u8; N]>().write_unaligned(field) };
            } else {
                assert!(place + len <= end, "{ROOM}");
                // SAFETY: as above.
                unsafe { at_the_end(field, len, start.add(place)) };
            }
        };
        let mut written = 0;
        // In two loops, for most columns have no nulls in most tiles.
        if all {
            for ((at, end), field) in places.zip(fields) {
                write(*at + ahead, *end, field, 4 + width);
                written += 1;
            }
        } else {
            for (row, ((at, end), field)) in places.zip(fields).enumerate() {
                let width = width & filled(valid, row);
                write(*at + ahead, *end, field, 4 + width);
                *at += width;
                written += 1;
            }
        }
        assert_eq!(written, self.count, "a field for each row");
        self.ahead += 4 + if all { width } else { 0 };
    }

    /// Appends a field to each row: where its bit in `valid` is set the bytes between its offset and the next one, else
    /// NULL. A `versioned` value has a byte 1 before it. Returns whether a byte of the values is 0.
    ///
    /// # Panics
    ///
    /// If the offsets do not ascend, or not within `data`.
    #[inline(always)]
    pub(crate) fn bytes(
        &mut self,
        vector: impl Vector,
        valid: u64,
        offsets: &[i32],
        data: &[u8],
        versioned: bool,
    ) -> bool {
        // In a function of its own the loop has all registers.
        vector.apart(Bytes { rows: self, valid, offsets, data, versioned })
    }

    /// Makes the rows the vector's.
    ///
    /// # Panics
    ///
    /// If a row is not full, which is a defect of whoever gave its size.
    pub(crate) fn finish(self) {
        let Some(last) = self.count.checked_sub(1) else { return };
        let full = (0..self.count).all(|row| self.at[row] + self.ahead == self.ends[row]);
        assert!(full, "{ROOM}");
        // SAFETY: the rows stand side by side behind what was the vector's, inside of its allocation, and each has been
        // written from its beginning to its end: `at` and `ahead` go on only over bytes that were just written.
        unsafe { self.out.set_len(self.ends[last]) };
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
    type Output = bool;

    #[inline(always)]
    fn run(self, vector: impl Vector) -> bool {
        let Bytes { rows, valid, offsets, data, versioned } = self;
        let (start, ahead) = (rows.start, rows.ahead);
        let offsets = &offsets[..=rows.count];
        let ascend = offsets.iter().zip(&offsets[1..]).fold(true, |ascend, (from, to)| ascend & (from <= to));
        assert!(ascend && offsets[0] >= 0 && offsets[rows.count] as usize <= data.len());
        let mut has_zero = false;
        let mut from = offsets[0] as usize;
        let places = rows.at[..rows.count].iter_mut().zip(&rows.ends[..rows.count]);
        for (row, ((at, end), to)) in places.zip(&offsets[1..]).enumerate() {
            let (place, to) = (*at + ahead, *to as usize);
            // Whether there is a value is as good as random in many columns, so it is calculated with and not asked: a null
            // has a length of all ones and no bytes.
            let filled = filled(valid, row);
            let (len, version) = ((to - from) & filled, usize::from(versioned) & filled);
            assert!(place + 4 + version + len <= *end, "{ROOM}");
            // SAFETY: offsets ascend within `data`, by the assertion before the loop. What is written is in the row, by the
            // line above, and so in the allocation, which is not that of `data`: one is borrowed, the other mutably.
            unsafe {
                let length = (version + len) as u32 | !(filled as u32);
                start.add(place).cast::<[u8; 4]>().write_unaligned(length.to_be_bytes());
                if version == 1 {
                    start.add(place + 4).write(1);
                }
                has_zero |= vector.copy(data.get_unchecked(from..from + len), start.add(place + 4 + version));
            }
            *at += version + len;
            from = to;
        }
        rows.ahead += 4;
        has_zero
    }
}

/// Writes the first `len` bytes of a field, at least 4: in a function of its own, so that elsewhere a field can live in
/// registers. Two pieces that overlap hold every length between one and two of them.
///
/// # Safety
///
/// As many bytes from `to` on must be the caller's to write.
#[cold]
#[inline(never)]
unsafe fn at_the_end<const N: usize>(field: [u8; N], len: usize, to: *mut u8) {
    let piece = if len < 8 { 4 } else { 8 };
    for at in [0, len - piece] {
        let bytes = &field[at..at + piece];
        // SAFETY: the piece ends at `len` or before.
        unsafe {
            match piece {
                4 => std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.add(at), 4),
                _ => std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.add(at), 8),
            }
        }
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

/// All ones for a row whose bit is not set, else 0.
#[inline(always)]
fn nulls(valid: u64, row: usize) -> u64 {
    (valid >> row & 1).wrapping_sub(1)
}

const ROOM: &str = "a row is as long as its fields";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::vector::each_vector;
    use super::*;

    /// The length that stands for NULL.
    const NULL: [u8; 4] = [0xff; 4];

    /// A table of texts and numbers.
    struct Table<'a> {
        offsets: &'a [i32],
        data: &'a [u8],
        valid: u64,
        versioned: bool,
        count: usize,
    }

    impl Table<'_> {
        fn text(&self, row: usize) -> Option<&[u8]> {
            let text = &self.data[self.offsets[row] as usize..self.offsets[row + 1] as usize];
            (self.valid >> row & 1 == 1).then_some(text)
        }

        /// The twin: row by row, by the standard library.
        fn plain(&self) -> (Vec<u8>, bool) {
            let (mut out, mut has_zero) = (b"before".to_vec(), false);
            for row in 0..self.count {
                out.extend([7, 8]);
                for _ in 0..2 {
                    let value = self.text(row);
                    has_zero |= value.is_some_and(|value| value.contains(&0));
                    let version: &[u8] = if self.versioned { &[1] } else { &[] };
                    match value {
                        None => out.extend(NULL),
                        Some(value) => {
                            out.extend(((version.len() + value.len()) as u32).to_be_bytes());
                            out.extend([version, value].concat());
                        }
                    }
                    for field in Self::numbers(row) {
                        out.extend(if value.is_some() { field } else { NULL.to_vec() });
                    }
                }
                out.extend(NULL);
            }
            (out, has_zero)
        }

        /// The fields of fixed width that each text is followed by.
        fn numbers(row: usize) -> [Vec<u8>; 5] {
            let row = row as u8;
            let field = |width: usize| {
                let mut value = vec![row; width];
                value[0] = width as u8;
                [&(width as u32).to_be_bytes()[..], &value].concat()
            };
            [1, 2, 4, 8, 16].map(field)
        }

        fn sizes(&self) -> Vec<usize> {
            let field = |row| self.text(row).map_or(0, |text| text.len() + usize::from(self.versioned) + 31);
            (0..self.count).map(|row| 2 + 4 * 13 + 2 * field(row)).collect()
        }
    }

    impl Job for &Table<'_> {
        type Output = (Vec<u8>, bool);

        #[inline(always)]
        fn run(self, vector: impl Vector) -> Self::Output {
            let mut out = b"before".to_vec();
            let mut rows = Rows::new(&mut out, &self.sizes());
            rows.head([7, 8]);
            let mut has_zero = false;
            for _ in 0..2 {
                has_zero |= rows.bytes(vector, self.valid, self.offsets, self.data, self.versioned);
                let value = |row: usize, width: usize| {
                    let mut bytes = [row as u8; 8];
                    bytes[8 - width] = width as u8;
                    u64::from_be_bytes(bytes) & u64::MAX >> (64 - 8 * width)
                };
                for width in [1, 2, 4] {
                    rows.short(self.valid, width, (0..TILE).map(|row| value(row, width)));
                }
                rows.eight(self.valid, (0..TILE).map(|row| value(row, 8)));
                rows.sixteen(self.valid, (0..TILE).map(|row| Table::numbers(row)[4][4..].try_into().unwrap()));
            }
            rows.nulls();
            rows.finish();
            (out, has_zero)
        }
    }

    fn same(table: &Table<'_>) {
        each_vector(|| table, |made| assert_eq!(made, table.plain()));
    }

    #[test]
    fn rows_have_the_bytes_of_plain_ones_at_all_lengths_and_offsets() {
        let most = if cfg!(miri) { 40 } else { 300 };
        let data: Vec<u8> = (0..2 * most).map(|i| (i % 255) as u8 + 1).collect();
        for from in 0..most {
            for len in 0..most {
                let offsets = [from, from + len];
                same(&Table { offsets: &offsets, data: &data, valid: 1, versioned: len % 2 == 1, count: 1 });
            }
        }
    }

    #[test]
    fn a_zero_is_seen_wherever_it_stands_in_a_value_and_nowhere_else() {
        let most = if cfg!(miri) { 20 } else { 140 };
        for len in 1..most {
            for zero in 0..len + 2 {
                let mut data = vec![1; len + 2];
                data[zero] = 0;
                for valid in [0, 1] {
                    let table = Table { offsets: &[1, len as i32 + 1], data: &data, valid, versioned: false, count: 1 };
                    assert_eq!(table.plain().1, valid == 1 && (1..=len).contains(&zero));
                    same(&table);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_rows_have_the_bytes_of_plain_ones(
            lens in prop::collection::vec(0_usize..300, 0..=TILE), valid: u64, versioned: bool, byte: u8
        ) {
            let data = vec![byte; lens.iter().sum()];
            let ends = lens.iter().scan(0, |end, len| { *end += *len as i32; Some(*end) });
            let offsets: Vec<i32> = std::iter::once(0).chain(ends).collect();
            same(&Table { offsets: &offsets, data: &data, valid, versioned, count: lens.len() });
        }
    }

    #[test]
    fn what_is_not_finished_is_not_there() {
        let mut out = b"before".to_vec();
        Rows::new(&mut out, &[6]).nulls();
        assert_eq!(out, b"before");
    }

    #[test]
    #[should_panic(expected = "a row is as long as its fields")]
    fn a_row_that_is_not_full_is_not_taken() {
        let mut rows = Vec::new();
        let mut rows = Rows::new(&mut rows, &[4, 5]);
        rows.nulls();
        rows.finish();
    }

    #[test]
    #[should_panic(expected = "a field for each row")]
    fn a_row_without_a_value_is_not_taken() {
        Rows::new(&mut Vec::new(), &[5, 5]).short(3, 1, std::iter::once(7));
    }

    #[test]
    #[should_panic(expected = "a row is as long as its fields")]
    fn past_the_end_of_a_row_nothing_is_written() {
        let mut out = Vec::new();
        Rows::new(&mut out, &[8, 8]).bytes(super::super::vector::Scalar, 3, &[0, 2, 7], b"abcdefg", false);
    }
}

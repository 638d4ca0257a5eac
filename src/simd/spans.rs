//! Cells of a column out of a table that is stored row by row, side by side.

use super::integers::{Word, Words};
use super::lanes::{LANES, Lengths};

/// Bytes before and behind a text that may be read too.
const FRONT: usize = 16;
const BACK: usize = 64;

/// Where the cells of a table are in a text, row by row. All of them are inside of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spans<'a> {
    padded: &'a [u8],
    ends: &'a [u32],
    width: usize,
    rows: usize,
}

/// For each byte a set of lengths, a bit each; the highest bit stands for all lengths from 63 on.
pub(crate) type Watch = [u64; 256];

impl<'a> Spans<'a> {
    /// Makes spans of at most [`LANES`] rows of `width` cells. A cell lies between one of `ends` and the next; before the
    /// first may stand what is one less than 0. `padded` is the text with 16 bytes before it and 64 behind it. `None` if
    /// a cell does not end in the text, or if these are no whole rows.
    pub(crate) fn new(padded: &'a [u8], ends: &'a [u32], width: usize) -> Option<Self> {
        let len = padded.len().checked_sub(FRONT + BACK)?;
        let (first, rest) = ends.split_first()?;
        let rows = rest.len().checked_div(width).filter(|rows| *rows <= LANES && rows * width == rest.len())?;
        let last = greatest(rest);
        let fits = last as usize <= len && first.wrapping_add(1) as usize <= len;
        fits.then_some(Spans { padded, ends, width, rows })
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The text with its padding.
    pub(crate) fn padded(&self) -> &'a [u8] {
        self.padded
    }

    /// The rows from `from` on, `count` of them.
    pub(crate) fn part(&self, from: usize, count: usize) -> Spans<'a> {
        let ends = &self.ends[from * self.width..=(from + count) * self.width];
        Spans { ends, rows: count, ..*self }
    }

    /// Where a cell begins and ends.
    #[inline(always)]
    pub(crate) fn span(&self, row: usize, column: usize) -> (usize, usize) {
        let at = row * self.width + column;
        (self.ends[at].wrapping_add(1) as usize, self.ends[at + 1] as usize)
    }

    /// Where the cells of a column begin and end.
    #[inline(always)]
    pub(crate) fn column(&self, column: usize) -> impl ExactSizeIterator<Item = (usize, usize)> + use<'a> {
        let (ends, width, mut at) = (self.ends, self.width, column);
        (0..self.rows).map(move |_| {
            let span = (ends[at].wrapping_add(1) as usize, ends[at + 1] as usize);
            at += width;
            span
        })
    }

    /// The ends of a column's cells.
    pub(crate) fn words<W: Word>(&self, column: usize, words: &mut Words<W>) {
        let places = words.tails.iter_mut().zip(&mut words.lens);
        self.each(column, places, |before, end, (word, len)| {
            // SAFETY: `end` is inside the text, which has FRONT bytes before it: eight of them, or of the text, end where
            // the cell does.
            let tail = unsafe { self.padded.as_ptr().add(FRONT - 8 + end as usize).cast::<[u8; 8]>().read() };
            (*word, *len) = (W::of_tail(u64::from_le_bytes(tail)), W::of_len(end.wrapping_sub(before).wrapping_sub(1)));
        });
        words.lens[self.rows..].fill(W::default());
    }

    /// The lengths of a column's cells, and whether the table has that length for the first byte of the cell. Of an empty
    /// cell that byte may be any.
    pub(crate) fn lengths(&self, column: usize, watch: &Watch, lengths: &mut Lengths) {
        let places = lengths.lens.iter_mut().zip(&mut lengths.watched);
        self.each(column, places, |before, end, (len, watched)| {
            // SAFETY: what stands before a cell is inside the text or just before it, so this byte is inside the text or
            // the first behind it, which has BACK bytes.
            let first = unsafe { *self.padded.get_unchecked(FRONT + before.wrapping_add(1) as usize) };
            *len = end.wrapping_sub(before).wrapping_sub(1);
            *watched = (watch[first as usize] >> (*len).min(63)) as u32 & 1;
        });
        lengths.lens[self.rows..].fill(0);
    }

    /// Appends the column's cells to `data`, and to `ends` how long `data` then is. The rows whose cells are empty are added
    /// to `empty`.
    pub(crate) fn copy(&self, column: usize, data: &mut Vec<u8>, ends: &mut Vec<i32>, empty: &mut Vec<u32>) {
        // A copy of so many bytes is faster than one of a few.
        const SHORT: usize = 32;
        data.reserve(self.rows * SHORT);
        let first = ends.len();
        ends.resize(first + self.rows, 0);
        let (mut at, mut left, mut row) = (data.len(), self.rows, 0);
        self.each(column, ends[first..].iter_mut(), |before, end, place| {
            let len = end.wrapping_sub(before).wrapping_sub(1) as usize;
            let from = FRONT + before.wrapping_add(1) as usize;
            left -= 1;
            if len <= SHORT {
                // SAFETY: what stands before a cell is inside the text or just before it, and behind the text are BACK
                // bytes, so `SHORT` are readable from `from` on. For each row that is left and for this one there is room
                // for as many behind `at`. The two do not overlap: one is borrowed, the other borrowed mutably.
                unsafe {
                    let bytes = self.padded.as_ptr().add(from).cast::<[u8; SHORT]>().read();
                    data.as_mut_ptr().add(at).cast::<[u8; SHORT]>().write(bytes);
                }
                at += len;
            } else {
                // SAFETY: the bytes up to `at` have been written, within what was reserved.
                unsafe { data.set_len(at) };
                data.extend_from_slice(&self.padded[from..FRONT + end as usize]);
                data.reserve(left * SHORT);
                at = data.len();
            }
            *place = at as i32;
            if len == 0 {
                empty.push(row);
            }
            row += 1;
        });
        // SAFETY: as above.
        unsafe { data.set_len(at) };
    }

    /// Calls `take` for each row with what stands before the column's cell, where it ends, and the next of `places`. Both
    /// positions are as [`new`](Spans::new) has found them: inside the text, or just before it.
    #[inline(always)]
    fn each<P>(&self, column: usize, places: impl Iterator<Item = P>, mut take: impl FnMut(u32, u32, P)) {
        assert!(column < self.width);
        let mut at = column;
        for place in places.take(self.rows) {
            // SAFETY: there are `rows` times `width` ends behind the first. In row `r`, which is below `rows`, `at` is
            // `r` times `width` and `column`, which is below `width`.
            let (before, end) = unsafe { (*self.ends.get_unchecked(at), *self.ends.get_unchecked(at + 1)) };
            take(before, end, place);
            at += self.width;
        }
    }
}

/// The greatest of some positions, 0 of none.
fn greatest(of: &[u32]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if super::has_avx512() {
        // SAFETY: the line above has found these features in this process.
        return unsafe { greatest_avx512(of) };
    }
    greatest_plain(of)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,popcnt,lzcnt")]
fn greatest_avx512(of: &[u32]) -> u32 {
    greatest_plain(of)
}

#[inline(always)]
fn greatest_plain(of: &[u32]) -> u32 {
    of.iter().fold(0, |greatest, one| greatest.max(*one))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scalar twins, by slices.
    fn plain<W: Word>(spans: &Spans<'_>, column: usize, watch: &Watch) -> (Words<W>, Lengths) {
        let (mut words, mut lengths) = (Words::default(), Lengths::default());
        for row in 0..spans.rows() {
            let (start, end) = spans.span(row, column);
            let before = &spans.padded[..FRONT + end];
            words.tails[row] = W::of_tail(u64::from_le_bytes(*before.last_chunk().unwrap()));
            words.lens[row] = W::of_len((end - start) as u32);
            lengths.lens[row] = (end - start) as u32;
            let first = spans.padded[FRONT + start];
            lengths.watched[row] = u32::from(watch[first as usize] & 1 << (end - start).min(63) != 0);
        }
        (words, lengths)
    }

    fn padded(text: &[u8]) -> Vec<u8> {
        [&[b'#'; FRONT], text, &[0; BACK]].concat()
    }

    #[test]
    fn cells_are_found_at_all_lengths_and_offsets() {
        let mut watch = [0; 256];
        (b'a'..=b'z').for_each(|byte| watch[byte as usize] = 1 << (byte - b'a') | 1 << 63);
        for width in 1..5 {
            for rows in 0..=LANES {
                // Lengths from 0 on, so that cells begin and end everywhere.
                let cells: Vec<String> = (0..rows * width)
                    .map(|i| "abcdefghijklmnopqrstuvwxyz".repeat(3)[i % 26..][..(i * 7) % 40].to_string())
                    .collect();
                let text = cells.join(",");
                let mut ends = vec![u32::MAX];
                cells.iter().for_each(|cell| ends.push(ends.last().unwrap().wrapping_add(1 + cell.len() as u32)));
                let padded = padded(text.as_bytes());
                let spans = Spans::new(&padded, &ends, width).unwrap();
                assert_eq!(spans.rows(), rows);
                for column in 0..width {
                    let (mut words, mut lengths) = (Words::<u64>::default(), Lengths::default());
                    spans.words(column, &mut words);
                    spans.lengths(column, &watch, &mut lengths);
                    let (plain_words, plain_lengths) = plain(&spans, column, &watch);
                    assert_eq!((words.tails, words.lens), (plain_words.tails, plain_words.lens));
                    let (mut data, mut ends, mut empty) = (b"before".to_vec(), vec![6], Vec::new());
                    spans.copy(column, &mut data, &mut ends, &mut empty);
                    let texts: Vec<&str> = cells.iter().skip(column).step_by(width).map(String::as_str).collect();
                    assert_eq!(data, format!("before{}", texts.concat()).into_bytes());
                    assert!(
                        ends.windows(2)
                            .map(|ends| (ends[1] - ends[0]) as usize)
                            .eq(texts.iter().map(|text| text.len()))
                    );
                    assert!(empty.iter().map(|row| *row as usize).eq((0..rows).filter(|row| texts[*row].is_empty())));
                    let mut words = Words::<u32>::default();
                    spans.words(column, &mut words);
                    let (plain_words, _) = plain(&spans, column, &watch);
                    assert_eq!((words.tails, words.lens), (plain_words.tails, plain_words.lens));
                    assert_eq!(lengths.lens, plain_lengths.lens);
                    assert_eq!(lengths.watched, plain_lengths.watched);
                }
            }
        }
    }

    #[test]
    fn the_greatest_position_is_found_at_any_place() {
        for len in 0..200 {
            let mut positions = vec![7; len];
            assert_eq!(greatest(&positions), greatest_plain(&positions));
            for at in 0..len {
                positions[at] = u32::MAX - 1;
                assert_eq!((greatest(&positions), greatest_plain(&positions)), (u32::MAX - 1, u32::MAX - 1));
                positions[at] = 7;
            }
        }
    }

    #[test]
    fn what_is_not_inside_the_text_is_refused() {
        let padded = padded(b"ab,cd");
        assert!(Spans::new(&padded, &[u32::MAX, 2, 5], 2).is_some());
        for (ends, width) in [
            (&[u32::MAX, 2, 6][..], 2),
            (&[u32::MAX, 9, 5], 2),
            (&[9, 2, 5], 2),
            (&[u32::MAX, 2], 2),
            (&[u32::MAX, 2, 5], 0),
            (&[], 1),
        ] {
            assert!(Spans::new(&padded, ends, width).is_none(), "{ends:?}");
        }
        assert!(Spans::new(&padded, &[3; 2 + LANES], 1).is_none(), "too many rows");
        assert!(Spans::new(b"short", &[u32::MAX, 0], 1).is_none());
    }
}

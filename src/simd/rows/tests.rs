use proptest::prelude::*;

use super::super::vector::{Job, Scalar, Vector, each_vector};
use super::*;

/// The length that stands for NULL.
const NULL: [u8; 4] = [0xff; 4];

/// A table of texts and numbers.
struct Table<'a> {
    offsets: &'a [i32],
    data: &'a [u8],
    valid: u64,
    /// The rows whose numbers go with those of their neighbours.
    alike: u64,
    versioned: bool,
    count: usize,
}

impl Table<'_> {
    fn text(&self, row: usize) -> Option<&[u8]> {
        let text = &self.data[self.offsets[row] as usize..self.offsets[row + 1] as usize];
        (self.valid >> row & 1 == 1).then_some(text)
    }

    /// The twin: row by row, by the standard library.
    fn plain(&self) -> Vec<u8> {
        let mut out = b"before".to_vec();
        for row in 0..self.count {
            out.extend([7, 8]);
            out.extend(Self::numbers(row).concat());
            for _ in 0..2 {
                let value = self.text(row);
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
        out
    }

    /// A field of each width, with its length.
    fn numbers(row: usize) -> [Vec<u8>; 5] {
        [1, 2, 4, 8, 16].map(|width| [&(width as u32).to_be_bytes()[..], &Self::number::<16>(row)[..width]].concat())
    }

    fn number<const N: usize>(row: usize) -> [u8; N] {
        std::array::from_fn(|at| (row + 3 * at) as u8)
    }

    fn sizes(&self) -> Vec<usize> {
        let field = |row| self.text(row).map_or(0, |text| text.len() + usize::from(self.versioned) + 31);
        (0..self.count).map(|row| 2 + 51 + 4 * 13 + 2 * field(row)).collect()
    }
}

impl Job for &Table<'_> {
    type Output = Vec<u8>;

    #[inline(always)]
    fn run(self, vector: impl Vector) -> Self::Output {
        fn numbers<const N: usize>(count: usize) -> impl ExactSizeIterator<Item = [u8; N]> {
            (0..count).map(Table::number::<N>)
        }
        let (mut out, mut spare) = (b"before".to_vec(), Spare::new());
        let mut rows = Rows::new(&mut out, &self.sizes());
        let skeleton: Vec<u8> = [vec![7, 8], Table::numbers(100).concat()].concat();
        let mut run = rows.run(&skeleton, self.alike, &mut spare);
        run.values(6, numbers::<1>(self.count));
        run.values(11, numbers::<2>(self.count));
        run.values(17, numbers::<4>(self.count));
        run.values(25, numbers::<8>(self.count));
        run.values(37, numbers::<16>(self.count));
        run.end();
        for row in (0..self.count).filter(|row| self.alike >> row & 1 == 0) {
            rows.append(row, &[7, 8]);
            Table::numbers(row).iter().for_each(|field| rows.append(row, field));
        }
        for _ in 0..2 {
            rows.bytes(vector, self.valid, self.offsets, self.data, self.versioned);
            rows.nullable(self.valid, numbers::<1>(self.count));
            rows.nullable(self.valid, numbers::<2>(self.count));
            rows.nullable(self.valid, numbers::<4>(self.count));
            rows.nullable(self.valid, numbers::<8>(self.count));
            rows.nullable(self.valid, numbers::<16>(self.count));
        }
        rows.run(&NULL, u64::MAX, &mut spare).end();
        rows.finish();
        out
    }
}

fn same(table: &Table<'_>) {
    each_vector(|| table, |made| assert_eq!(made, table.plain()));
}

#[test]
fn rows_have_the_bytes_of_plain_ones_at_all_lengths_and_offsets() {
    let most = if cfg!(miri) { 40 } else { 300 };
    let data: Vec<u8> = (0..2 * most).map(|i| i as u8).collect();
    for from in 0..most {
        for len in 0..most {
            let offsets = [from, from + len];
            let versioned = len % 2 == 1;
            same(&Table { offsets: &offsets, data: &data, valid: 1, alike: 1, versioned, count: 1 });
        }
    }
}

#[test]
fn skeletons_are_written_at_all_lengths() {
    for len in 0..=LONGEST {
        let skeleton: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let mut out = Vec::new();
        let mut rows = Rows::new(&mut out, &[len; 3]);
        rows.run(&skeleton, 0b101, &mut Spare::new()).end();
        rows.append(1, &vec![7; len]);
        rows.finish();
        assert_eq!(out, [skeleton.clone(), vec![7; len], skeleton].concat());
    }
}

proptest! {
    #[test]
    fn any_rows_have_the_bytes_of_plain_ones(
        lens in prop::collection::vec(0_usize..300, 0..=TILE), most in 1_usize..300,
        valid: u64, rare: bool, alike: u64, versioned: bool, byte: u8,
    ) {
        let lens: Vec<usize> = lens.into_iter().map(|len| len % most).collect();
        let data = vec![byte; lens.iter().sum()];
        let ends = lens.iter().scan(0, |end, len| { *end += *len as i32; Some(*end) });
        let offsets: Vec<i32> = std::iter::once(0).chain(ends).collect();
        let valid = if rare { valid & valid >> 7 & valid >> 13 } else { valid };
        same(&Table { offsets: &offsets, data: &data, valid, alike, versioned, count: lens.len() });
    }
}

#[test]
fn what_is_not_finished_is_not_there() {
    let mut out = b"before".to_vec();
    Rows::new(&mut out, &[6]).run(&NULL, 1, &mut Spare::new()).end();
    assert_eq!(out, b"before");
}

#[test]
#[should_panic(expected = "a row is as long as its fields")]
fn a_row_that_is_not_full_is_not_taken() {
    let mut out = Vec::new();
    let mut rows = Rows::new(&mut out, &[4, 5]);
    rows.run(&NULL, 3, &mut Spare::new()).end();
    rows.finish();
}

#[test]
#[should_panic(expected = "a row is as long as its fields")]
fn a_row_that_is_apart_and_has_got_nothing_is_not_taken() {
    let mut out = Vec::new();
    let mut rows = Rows::new(&mut out, &[4, 4]);
    rows.run(&NULL, 1, &mut Spare::new()).end();
    rows.finish();
}

#[test]
#[should_panic(expected = "a value for each row")]
fn a_row_without_a_value_is_not_taken() {
    Rows::new(&mut Vec::new(), &[5, 5]).nullable(3, std::iter::once([7]));
}

#[test]
#[should_panic(expected = "a value for each row")]
fn a_row_of_a_run_without_a_value_is_not_taken() {
    Rows::new(&mut Vec::new(), &[5, 5]).run(&[0, 0, 0, 1, 0], 3, &mut Spare::new()).values(4, std::iter::once([7]));
}

#[test]
#[should_panic(expected = "a value for each row")]
fn behind_a_run_nothing_is_written() {
    Rows::new(&mut Vec::new(), &[9]).run(&[0, 0, 0, 1, 0], 1, &mut Spare::new()).values(2, std::iter::once([7; 4]));
}

#[test]
#[should_panic(expected = "a row is as long as its fields")]
fn past_the_end_of_a_row_no_skeleton_is_written() {
    Rows::new(&mut Vec::new(), &[8, 3]).run(&NULL, 3, &mut Spare::new()).end();
}

#[test]
#[should_panic(expected = "a row is as long as its fields")]
fn past_the_end_of_a_row_no_text_is_written() {
    let mut out = Vec::new();
    Rows::new(&mut out, &[8, 8]).bytes(Scalar, 3, &[0, 2, 7], b"abcdefg", false);
}

#[test]
#[should_panic(expected = "a row is as long as its fields")]
fn past_the_end_of_a_row_no_value_is_written() {
    Rows::new(&mut Vec::new(), &[8, 7]).nullable(3, [[1, 2, 3, 4]; 2].into_iter());
}

//! Whether a column is worth a dictionary, by a look at the first of its values.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::Hasher;

/// Values that are looked at.
const LOOKED_AT: usize = 8192;
/// A number in a Parquet file has at least as many bytes.
const LEAST_WIDTH: usize = 4;

/// What the first values of a column are like.
#[derive(Debug, Default)]
struct Look {
    seen: usize,
    /// Bytes of these values in a Parquet file.
    bytes: usize,
    /// How often each value was seen. They are told apart by a hash; two that share one make the answer no worse than a
    /// guess.
    distinct: FxHashMap<u64, u32>,
}

/// Whether a dictionary is to be expected to halve a column of so many rows. Where there are no values it is yes, for
/// then nobody knows.
///
/// Half, because compression comes after it: what it does to values it cannot do to their numbers.
pub(super) fn pays<'a>(arrays: impl Iterator<Item = &'a ArrayRef>, rows: usize) -> bool {
    let mut look = Look::default();
    for array in arrays {
        let filled: Vec<usize> =
            (0..array.len()).filter(|row| array.is_valid(*row)).take(LOOKED_AT - look.seen).collect();
        look.seen += filled.len();
        look.add(array, filled.into_iter());
        if look.seen == LOOKED_AT {
            break;
        }
    }
    if look.bytes == 0 {
        return true;
    }
    let width = look.bytes as f64 / look.seen as f64;
    let (rows, distinct) = (rows as f64, look.expected(rows));
    distinct * width + rows * distinct.log2().ceil().max(1.0) / 8.0 <= rows * width / 2.0
}

/// Of `all` values in a bag this many are drawn at least once in `draws`.
fn drawn(all: f64, draws: f64) -> f64 {
    -all * (-draws / all).exp_m1()
}

/// How many values `rows` rows have if the first `seen` have `distinct`, each value being as frequent as any other.
fn if_alike(seen: usize, distinct: usize, rows: usize) -> f64 {
    let (seen, distinct, rows) = (seen as f64, distinct as f64, rows as f64);
    // More in the bag are more drawn, up to where each drawing brings a new one.
    let (mut low, mut high) = (distinct.log2(), 40.0);
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        if drawn(middle.exp2(), seen) < distinct { low = middle } else { high = middle }
    }
    drawn(high.exp2(), rows.max(seen)).max(distinct)
}

impl Look {
    /// How many values so many rows have. Some values may be much more frequent than others, which keeps the rare ones out of
    /// sight; how many these are is told by those that were seen once and twice: A. Chao, "Nonparametric estimation of the
    /// number of classes in a population" (1984).
    fn expected(&self, rows: usize) -> f64 {
        let seen_times = |times: u32| self.distinct.values().filter(|seen| **seen == times).count() as f64;
        let (once, twice) = (seen_times(1), seen_times(2));
        let unseen = once * once / (2.0 * twice.max(0.5));
        let by_rare = drawn(self.distinct.len() as f64 + unseen, rows.max(self.seen) as f64);
        if_alike(self.seen, self.distinct.len(), rows).max(by_rare)
    }

    /// Counts the values with these hashes.
    fn count(&mut self, hashes: impl Iterator<Item = u64>) {
        hashes.for_each(|hash| *self.distinct.entry(hash).or_default() += 1);
    }

    /// Adds the values of some rows; nothing for types that are not looked into.
    fn add(&mut self, array: &ArrayRef, rows: impl ExactSizeIterator<Item = usize>) {
        if let Some(texts) = array.as_string_opt::<i32>() {
            self.bytes += rows.len() * LEAST_WIDTH;
            for text in rows.map(|row| texts.value(row).as_bytes()) {
                self.bytes += text.len();
                self.count(std::iter::once(hash(text)));
            }
            return;
        }
        if let Some(bits) = array.as_boolean_opt() {
            self.bytes += rows.len();
            self.count(rows.map(|row| u64::from(bits.value(row))));
            return;
        }
        // Others have a fixed width, so their bytes stand side by side.
        let data = array.to_data();
        let width = match array.data_type() {
            DataType::FixedSizeBinary(width) => *width as usize,
            other => other.primitive_width().unwrap_or(0),
        };
        let Some(values) = data.buffers().first().filter(|_| width > 0) else { return };
        let start = data.offset() * width;
        self.bytes += rows.len() * width.max(LEAST_WIDTH);
        self.count(rows.map(|row| hash(&values[start + row * width..start + (row + 1) * width])));
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::*;
    use std::sync::Arc;

    fn of(array: impl Array + 'static) -> bool {
        let array: ArrayRef = Arc::new(array);
        let sliced = array.slice(1, array.len() - 1);
        let answer = pays([&array].into_iter(), array.len());
        assert_eq!(answer, pays([&sliced, &sliced.slice(0, 0)].into_iter(), sliced.len()));
        answer
    }

    #[test]
    fn few_values_repeat_and_ids_do_not() {
        assert!(of(Int64Array::from_iter_values((0..1000).map(|i| i % 10))));
        assert!(!of(Int64Array::from_iter_values(0..1000)));
        assert!(of(StringArray::from_iter_values((0..1000).map(|i| format!("value {}", i % 10)))));
        assert!(!of(StringArray::from_iter_values((0..1000).map(|i| format!("value {i}")))));
        assert!(of(Int16Array::from_iter_values((0..1000).map(|i| i % 10))));
        assert!(!of(Decimal128Array::from_iter_values(0..1000)));
        assert!(of(Float64Array::from_iter((0..1000).map(|i| (i % 2 == 0).then_some(f64::from(i % 8))))));
        assert!(of(NullArray::new(10)));
        let ids = (0_u128..1000).map(|i| i.to_be_bytes());
        assert!(!of(FixedSizeBinaryArray::try_from_iter(ids).unwrap()));
    }

    #[test]
    fn a_dictionary_pays_sooner_the_more_rows_share_it() {
        // Of 5,000 values 8,192 rows have seen 4,030: too many for themselves, few for a row group.
        let mut state = 1_u64;
        let values = (0..LOOKED_AT).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as i32 % 5000
        });
        let array: ArrayRef = Arc::new(Int32Array::from_iter_values(values));
        assert!(!pays([&array].into_iter(), LOOKED_AT));
        assert!(pays([&array].into_iter(), 128 << 10));
    }

    #[test]
    fn the_number_of_values_is_told_from_the_first_of_them() {
        assert_eq!(if_alike(8192, 3, 100_000).round(), 3.0);
        assert_eq!(if_alike(8192, 8192, 100_000).round(), 100_000.0);
        // 8,192 drawings out of 5,000 bring 4,029 of them, out of 100,000 they bring 7,866.
        assert!((if_alike(8192, 4029, 1 << 20) - 5000.0).abs() < 10.0);
        assert!((if_alike(8192, 7866, 1 << 24) - 100_000.0).abs() < 500.0);
    }

    #[test]
    fn a_few_frequent_values_do_not_hide_how_many_rare_ones_there_are() {
        let look = |value: &dyn Fn(i32) -> i32| {
            let array: ArrayRef = Arc::new(Int32Array::from_iter_values((0..LOOKED_AT as i32).map(value)));
            pays([&array].into_iter(), 128 << 10)
        };
        // Every other row has one of ten values, and the others one each.
        assert!(!look(&|row| if row % 2 == 0 { row % 10 } else { row + 10 }));
        assert!(look(&|row| if row % 2 == 0 { row % 10 } else { row % 1000 + 10 }));
    }

    #[test]
    fn only_the_first_values_count() {
        let first: ArrayRef = Arc::new(Int32Array::from_iter_values(0..LOOKED_AT as i32));
        let later: ArrayRef = Arc::new(Int32Array::from(vec![1; 10 * LOOKED_AT]));
        assert!(!pays([&first, &later].into_iter(), 11 * LOOKED_AT));
        assert!(pays([&later, &first].into_iter(), 11 * LOOKED_AT));
        assert!(pays(std::iter::empty(), 1));
    }
}

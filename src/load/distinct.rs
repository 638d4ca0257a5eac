//! Whether a column's values repeat each other, by a look at the first of them.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use rustc_hash::{FxHashSet, FxHasher};
use std::hash::Hasher;

/// Values that are looked at.
const LOOKED_AT: usize = 8192;

/// Whether at most half of the first values are new. Where there are no values it is yes, for then nobody knows.
///
/// Values are told apart by a hash; two that share one make the answer no worse than a guess.
pub(super) fn repeats<'a>(arrays: impl Iterator<Item = &'a ArrayRef>) -> bool {
    let (mut seen, mut distinct) = (0_usize, FxHashSet::default());
    for array in arrays {
        let rows = (0..array.len()).filter(|row| array.is_valid(*row)).take(LOOKED_AT - seen);
        hashes(array, rows.inspect(|_| seen += 1), &mut distinct);
        if seen == LOOKED_AT {
            break;
        }
    }
    2 * distinct.len() <= seen
}

/// Adds the hash of each row's value; nothing for types that are not looked into.
fn hashes(array: &ArrayRef, rows: impl Iterator<Item = usize>, into: &mut FxHashSet<u64>) {
    if let Some(texts) = array.as_string_opt::<i32>() {
        return into.extend(rows.map(|row| hash(texts.value(row).as_bytes())));
    }
    if let Some(bits) = array.as_boolean_opt() {
        return into.extend(rows.map(|row| u64::from(bits.value(row))));
    }
    // Others have a fixed width, so their bytes stand side by side.
    let data = array.to_data();
    let width = match array.data_type() {
        DataType::FixedSizeBinary(width) => *width as usize,
        other => other.primitive_width().unwrap_or(0),
    };
    let Some(values) = data.buffers().first().filter(|_| width > 0) else { return };
    let start = data.offset() * width;
    into.extend(rows.map(|row| hash(&values[start + row * width..start + (row + 1) * width])));
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
        let answer = repeats([&array].into_iter());
        assert_eq!(answer, repeats([&sliced, &sliced.slice(0, 0)].into_iter()));
        answer
    }

    #[test]
    fn few_values_repeat_and_ids_do_not() {
        assert!(of(Int64Array::from_iter_values((0..1000).map(|i| i % 10))));
        assert!(!of(Int64Array::from_iter_values(0..1000)));
        assert!(of(StringArray::from_iter_values((0..1000).map(|i| format!("value {}", i % 10)))));
        assert!(!of(StringArray::from_iter_values((0..1000).map(|i| format!("value {i}")))));
        assert!(of(BooleanArray::from_iter((0..1000).map(|i| Some(i % 3 == 0)))));
        assert!(!of(Decimal128Array::from_iter_values(0..1000)));
        assert!(of(Float64Array::from_iter((0..1000).map(|i| (i % 2 == 0).then_some(f64::from(i % 8))))));
        assert!(of(NullArray::new(10)));
        let ids = (0_u128..1000).map(|i| i.to_be_bytes());
        assert!(!of(FixedSizeBinaryArray::try_from_iter(ids).unwrap()));
    }

    #[test]
    fn only_the_first_values_count() {
        let first: ArrayRef = Arc::new(Int32Array::from_iter_values(0..LOOKED_AT as i32));
        let later: ArrayRef = Arc::new(Int32Array::from(vec![1; 10 * LOOKED_AT]));
        assert!(!repeats([&first, &later].into_iter()));
        assert!(repeats([&later, &first].into_iter()));
        assert!(repeats(std::iter::empty()));
    }
}

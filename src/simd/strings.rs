//! Arrays of text whose UTF-8 is checked by vector code.

use arrow_array::StringArray;
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer};

/// Makes an array as [`StringArray::new`] does, but for how UTF-8 is checked, which is many times as fast here where
/// text is not all ASCII.
///
/// # Panics
///
/// As there: if a text is no UTF-8, or if offsets or nulls do not fit.
pub(crate) fn strings(offsets: OffsetBuffer<i32>, data: Buffer, nulls: Option<NullBuffer>) -> StringArray {
    if !are_texts(&offsets, &data) || nulls.as_ref().is_some_and(|nulls| nulls.len() + 1 != offsets.len()) {
        // Says what is wrong, or finds that nothing is.
        return StringArray::new(offsets, data, nulls);
    }
    // SAFETY: offsets ascend, as the type of the buffer says. `are_texts` has seen that the last one is within the data,
    // that the data up to it is UTF-8 as a whole, and that each offset is where a character begins or the end; so each
    // text is UTF-8. There is a null bit for each text.
    unsafe { StringArray::new_unchecked(offsets, data, nulls) }
}

/// Bytes from which on texts are long.
const LONG: usize = 32;

/// Whether the stretches between ascending offsets are UTF-8. False may also mean that it has to be looked at text by
/// text.
fn are_texts(offsets: &[i32], data: &[u8]) -> bool {
    let end = offsets.last().copied().unwrap_or_default() as usize;
    let Some(text) = data.get(..end).and_then(|data| simdutf8::basic::from_utf8(data).ok()) else { return false };
    // In ASCII every place is one where a character begins; but of long texts it is quicker to look at the places.
    (offsets.len() * LONG > end && text.is_ascii())
        || offsets.iter().all(|offset| text.is_char_boundary(*offset as usize))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made(ends: &[i32], data: &[u8]) -> Result<StringArray, ()> {
        let (ends, data) = (ends.to_vec(), data.to_vec());
        std::panic::catch_unwind(|| strings(OffsetBuffer::new(ends.into()), Buffer::from_vec(data), None)).map_err(drop)
    }

    #[test]
    fn only_text_becomes_an_array_of_text() {
        assert!(made(&[0, 2, 2, 5], "a\u{e9}\u{e9}".as_bytes()).is_err(), "an offset within a character");
        assert!(made(&[0, 1], b"\xFF").is_err());
        assert!(made(&[0, 3], b"ab").is_err());
        let array = made(&[0, 1, 1, 3], "a\u{e9}".as_bytes()).unwrap();
        assert_eq!(array.iter().flatten().collect::<Vec<_>>(), ["a", "", "\u{e9}"]);
    }

    proptest! {
        #[test]
        fn arrays_are_those_of_arrow(texts in prop::collection::vec(".{0,20}", 0..20)) {
            let ends = std::iter::once(0).chain(texts.iter().scan(0, |at, text| { *at += text.len() as i32; Some(*at) }));
            let (ends, data): (Vec<i32>, Vec<u8>) = (ends.collect(), texts.concat().into_bytes());
            let expected = StringArray::new(OffsetBuffer::new(ends.clone().into()), Buffer::from_vec(data.clone()), None);
            prop_assert_eq!(made(&ends, &data), Ok(expected));
        }
    }
}

//! Texts whose UTF-8 is checked many bytes at a time.

use arrow_array::StringArray;
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer};

/// An array of texts: what [`StringArray::new`] makes of its parts, by a faster check.
///
/// # Panics
///
/// If the parts make no array: bytes that are no UTF-8, a text that begins inside a character, lengths that differ.
pub(crate) fn string_array(offsets: OffsetBuffer<i32>, data: Buffer, nulls: Option<NullBuffer>) -> StringArray {
    let rows = offsets.len() - 1;
    let fits = offsets[rows] as usize <= data.len() && nulls.as_ref().is_none_or(|nulls| nulls.len() == rows);
    if !fits || !are_texts(&offsets, &data) {
        // It says what is wrong.
        return StringArray::new(offsets, data, nulls);
    }
    // SAFETY: an `OffsetBuffer` ascends from at least 0, and its last offset is inside of the data. All of the data is
    // UTF-8 and every offset is at the begin of a character or at the end, so each text is UTF-8. There are as many
    // nulls as texts.
    unsafe { StringArray::new_unchecked(offsets, data, nulls) }
}

/// Whether the data is UTF-8, and cut between characters only.
fn are_texts(offsets: &[i32], data: &[u8]) -> bool {
    let begins = |offset: &i32| data.get(*offset as usize).is_none_or(|byte| byte & 0xC0 != 0x80);
    data.is_ascii() || (simdutf8::basic::from_utf8(data).is_ok() && offsets.iter().all(begins))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both(offsets: Vec<i32>, data: &[u8]) -> (Option<StringArray>, Option<StringArray>) {
        let (offsets, data) = (OffsetBuffer::new(offsets.into()), Buffer::from(data));
        let plain = StringArray::try_new(offsets.clone(), data.clone(), None).ok();
        let fits = offsets[offsets.len() - 1] as usize <= data.len();
        (plain, (fits && are_texts(&offsets, &data)).then(|| string_array(offsets, data, None)))
    }

    #[test]
    fn the_fast_check_agrees_with_the_plain_one_at_all_lengths_and_cuts() {
        let text = "plain ascii, then: añ€😀 and again plain ascii of some length".as_bytes();
        for len in 0..=text.len() {
            for cut in 0..=len {
                let (plain, fast) = both(vec![0, cut as i32, len as i32], &text[..len]);
                // The plain check leaves out what is behind the last text; here all is checked.
                assert_eq!(plain, fast, "{len} {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_fast_check_agrees_with_the_plain_one_on_any_bytes(
            parts in prop::collection::vec(prop_oneof![
                "[a-z]{0,40}".prop_map(String::into_bytes),
                "[é€😀a]{0,20}".prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..3),
            ], 0..20),
        ) {
            let mut offsets = vec![0];
            parts.iter().for_each(|part| offsets.push(offsets[offsets.len() - 1] + part.len() as i32));
            let (plain, fast) = both(offsets, &parts.concat());
            prop_assert_eq!(plain, fast);
        }
    }

    #[test]
    #[should_panic(expected = "non UTF-8")]
    fn what_is_no_text_makes_no_array() {
        string_array(OffsetBuffer::new(vec![0, 1].into()), Buffer::from(b"\xff"), None);
    }
}

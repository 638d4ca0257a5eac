//! Texts on their way to an array, and arrays of text whose UTF-8 is checked by vector code, or known.

use std::ops::Range;

use arrow_array::StringArray;
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer};

use super::append::extend_short;
use super::block::{Block, Memory};
use super::csv::Marks;
use super::spans::Spans;

/// Texts, one behind the other.
#[derive(Debug)]
pub(crate) struct Texts {
    /// Where each begins, and where the last one ends.
    ends: Vec<i32>,
    data: Vec<u8>,
    /// Only true if `data` is UTF-8 and each of `ends` is where a character begins or the end: if all of it was taken from
    /// `str`s, at such places.
    is_utf8: bool,
}

/// A part of a text that becomes a text of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Whether there are quotes in it, all of them doubled, which stand for one each.
    pub(crate) is_escaped: bool,
}

impl Texts {
    /// No texts yet.
    pub(crate) fn new() -> Self {
        Texts { ends: vec![0], data: Vec::new(), is_utf8: true }
    }

    /// Appends a text. False if it does not fit: offsets are numbers of 31 bits.
    #[inline]
    pub(crate) fn push(&mut self, text: &[u8]) -> bool {
        self.push_part(text, 0, text.len())
    }

    /// Appends `source[from..to]`. False if it does not fit.
    #[inline]
    pub(crate) fn push_part(&mut self, source: &[u8], from: usize, to: usize) -> bool {
        if self.data.len() + (to - from) > i32::MAX as usize {
            return false;
        }
        self.is_utf8 = false;
        extend_short(&mut self.data, source, from, to);
        self.ends.push(self.data.len() as i32);
        true
    }

    /// Appends what `write` adds to the data. False if it does not fit.
    #[inline]
    pub(crate) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.is_utf8 = false;
        let before = self.data.len();
        write(&mut self.data);
        if self.data.len() > i32::MAX as usize {
            self.data.truncate(before);
            return false;
        }
        self.ends.push(self.data.len() as i32);
        true
    }

    /// Appends parts of a text that do not overlap. `text` is the same as a `str`, if it is known to be one; `marks` are its
    /// quotes. False, and nothing appended, if all of the text would not fit.
    #[inline]
    pub(crate) fn extend(
        &mut self,
        source: &[u8],
        text: Option<&str>,
        marks: Marks<'_>,
        parts: impl ExactSizeIterator<Item = Part>,
    ) -> bool {
        if self.data.len() + source.len() > i32::MAX as usize {
            return false;
        }
        let first = self.ends.len();
        self.ends.resize(first + parts.len(), 0);
        // What is said of `text` counts only if it is the source.
        let text = text.filter(|text| std::ptr::eq(text.as_bytes(), source));
        let mut is_utf8 = std::mem::take(&mut self.is_utf8) && text.is_some();
        for (end, Part { from, to, is_escaped }) in self.ends[first..].iter_mut().zip(parts) {
            match is_escaped {
                false => extend_short(&mut self.data, source, from, to),
                true => is_utf8 &= unescape(source, from, to, marks, &mut self.data),
            }
            *end = self.data.len() as i32;
            is_utf8 &= text.is_none_or(|text| text.is_char_boundary(from) && text.is_char_boundary(to));
        }
        self.is_utf8 = is_utf8;
        true
    }

    /// Appends the cells of a column as they are; the rows of empty ones are added to `empty`. False, and nothing appended,
    /// if all of the text would not fit.
    pub(crate) fn extend_column(&mut self, spans: Spans<'_>, column: usize, empty: &mut Vec<u32>) -> bool {
        if self.data.len() + spans.padded().len() > i32::MAX as usize {
            return false;
        }
        self.is_utf8 = false;
        spans.copy(column, &mut self.data, &mut self.ends, empty);
        true
    }

    /// Appends empty texts.
    pub(crate) fn skip(&mut self, rows: usize) {
        self.ends.resize(self.ends.len() + rows, self.data.len() as i32);
    }

    /// Forgets the texts from the one with number `rows` on.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows + 1);
        self.data.truncate(self.ends[rows] as usize);
    }

    /// The bytes of a block that they take.
    pub(crate) fn room(&self) -> usize {
        Block::room(&self.ends) + if self.data.len() < ALONE { Block::room(&self.data) } else { 0 }
    }

    /// Copies the texts to a block, or moves them if they are many bytes. None are left, and memory past `most` bytes is
    /// given back.
    pub(crate) fn store(&mut self, block: &mut Block, most: usize) -> StoredTexts {
        let is_text = self.is_utf8 || are_texts(&self.ends, &self.data);
        let ends = block.push(&self.ends);
        self.ends.truncate(1);
        self.ends.shrink_to(most / size_of::<i32>());
        let data = if self.data.len() < ALONE {
            let part = block.push(&self.data);
            self.data.clear();
            Data::Part(part)
        } else {
            // Some more than now, or every other batch would outgrow it.
            let room = (self.data.len() + self.data.len() / 8).min(most);
            Data::Alone(std::mem::replace(&mut self.data, Vec::with_capacity(room)).into())
        };
        self.is_utf8 = true;
        StoredTexts { ends, data, is_text, block: block.number() }
    }
}

/// Bytes of a column's texts from which on a copy is dearer than memory of their own.
const ALONE: usize = 64 << 10;

/// The bytes of texts.
#[derive(Debug)]
enum Data {
    /// A part of the block.
    Part(Range<usize>),
    /// Memory of their own.
    Alone(Buffer),
}

/// Texts in a block.
#[derive(Debug)]
pub(crate) struct StoredTexts {
    ends: Range<usize>,
    data: Data,
    /// Only true if each stretch of `data` between two of `ends` is UTF-8, and the last of these within it.
    is_text: bool,
    /// The number of the block.
    block: u64,
}

impl StoredTexts {
    /// The texts as an array.
    ///
    /// # Panics
    ///
    /// If a text is no UTF-8, if nulls do not fit, or if this is other memory.
    pub(crate) fn array(self, memory: &Memory, nulls: Option<NullBuffer>) -> StringArray {
        let is_text = self.is_text && self.block == memory.number();
        let offsets = OffsetBuffer::new(memory.values(self.ends));
        let data = match self.data {
            Data::Part(part) => memory.bytes(part),
            Data::Alone(data) => data,
        };
        let nulls_fit = nulls.as_ref().is_none_or(|nulls| nulls.len() + 1 == offsets.len());
        if !nulls_fit || !is_text {
            // Says what is wrong, or finds that nothing is.
            return StringArray::new(offsets, data, nulls);
        }
        // SAFETY: offsets ascend, as the type of the buffer says. `store` has copied `ends` and `data` to these places of
        // the block with this number, or has moved `data` here; numbers are not used twice, neither blocks nor buffers
        // change, and nobody else makes a `StoredTexts`.
        // It set `is_text` if either `are_texts` had seen that the last offset is within the data, that the data up to it
        // is UTF-8 as a whole, and that each offset is where a character begins or the end; or if all of the data was taken
        // from `str`s between places where characters begin, as `is_utf8` says, and each offset is the length that the
        // data had behind such a part. So each text is UTF-8. There is a null bit for each.
        unsafe { StringArray::new_unchecked(offsets, data, nulls) }
    }
}

/// Appends a part with each doubled quote as one. Returns whether what is left out, and what stands before it, is ASCII, so
/// that no character is cut in two.
#[inline(never)]
fn unescape(source: &[u8], from: usize, to: usize, marks: Marks<'_>, data: &mut Vec<u8>) -> bool {
    let (mut start, mut is_ascii) = (from, true);
    for quote in marks.each_quote(from, to).step_by(2) {
        data.extend_from_slice(&source[start..=quote]);
        start = quote + 2;
        is_ascii &= source.get(quote..start).is_some_and(<[u8]>::is_ascii);
    }
    data.extend_from_slice(source.get(start..to).unwrap_or_default());
    is_ascii
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
    use crate::simd::{Index, Separators};

    impl Texts {
        fn finish(mut self, nulls: Option<NullBuffer>) -> StringArray {
            let mut block = Block::with_room(self.room());
            let stored = self.store(&mut block, 0);
            assert_eq!((&self.ends[..], self.data.len()), (&[0][..], 0));
            stored.array(&block.finish(), nulls)
        }
    }

    fn made(ends: &[i32], data: &[u8]) -> Result<StringArray, ()> {
        let texts = Texts { ends: ends.to_vec(), data: data.to_vec(), is_utf8: false };
        std::panic::catch_unwind(|| texts.finish(None)).map_err(drop)
    }

    /// The quotes of a text.
    fn index(text: &[u8]) -> Index {
        let mut index = Index::default();
        index.fill(text, Separators { delimiter: b',', quote: Some(b'"'), line_end: b'\n' });
        index
    }

    fn part((from, to): (usize, usize)) -> Part {
        Part { from, to, is_escaped: false }
    }

    #[test]
    fn only_text_becomes_an_array_of_text() {
        assert!(made(&[0, 2, 2, 5], "a\u{e9}\u{e9}".as_bytes()).is_err(), "an offset within a character");
        assert!(made(&[0, 1], b"\xFF").is_err());
        assert!(made(&[0, 3], b"ab").is_err());
        let array = made(&[0, 1, 1, 3], "a\u{e9}".as_bytes()).unwrap();
        assert_eq!(array.iter().flatten().collect::<Vec<_>>(), ["a", "", "\u{e9}"]);
    }

    #[test]
    fn parts_that_cut_a_character_in_two_are_noticed_also_where_the_text_is_known() {
        let text = "a\u{e9}b";
        let finish = |parts: &[(usize, usize)], text: Option<&str>, source: &[u8]| {
            let mut texts = Texts::new();
            assert!(texts.extend(source, text, index(source).marks(), parts.iter().copied().map(part)));
            let known = texts.is_utf8;
            std::panic::catch_unwind(|| texts.finish(None)).map_err(drop).map(|array| (known, array))
        };
        assert!(finish(&[(0, 2)], Some(text), text.as_bytes()).is_err());
        assert!(finish(&[(2, 4)], Some(text), text.as_bytes()).is_err());
        let (known, array) = finish(&[(0, 1), (1, 3), (3, 4)], Some(text), text.as_bytes()).unwrap();
        assert_eq!((known, array.iter().flatten().collect::<Vec<_>>()), (true, vec!["a", "\u{e9}", "b"]));
        assert!(finish(&[(0, 1)], Some("x"), b"\xFF").is_err(), "a text that is not the source");
    }

    #[test]
    fn texts_are_the_same_in_a_block_and_in_memory_of_their_own() {
        for len in [0, 1, ALONE - 1, ALONE, 3 * ALONE] {
            let mut texts = Texts::new();
            for _ in 0..2 {
                let text = "\u{e9}".repeat(len / 2) + &"a".repeat(len % 2);
                assert!(texts.push(text.as_bytes()) && texts.push(b"b"));
                let mut block = Block::with_room(texts.room());
                let stored = texts.store(&mut block, 1 << 10);
                assert_eq!(matches!(stored.data, Data::Alone(_)), len + 1 >= ALONE);
                let array = stored.array(&block.finish(), None);
                assert_eq!(array.iter().flatten().collect::<Vec<_>>(), [text.as_str(), "b"]);
            }
        }
    }

    #[test]
    fn what_is_known_of_texts_does_not_go_for_other_memory() {
        let mut texts = Texts::new();
        assert!(texts.push(b"abc"));
        let mut block = Block::with_room(texts.room());
        let stored = texts.store(&mut block, 1 << 10);
        let mut other = Block::with_room(texts.room());
        other.push(&[0, 3]);
        other.push(b"\xFF\xFF\xFF");
        let other = other.finish();
        assert!(std::panic::catch_unwind(|| stored.array(&other, None)).is_err());
    }

    #[test]
    fn quotes_that_are_not_where_the_marks_have_them_make_no_broken_text() {
        let (text, marked) = ("\u{e9}\u{e9}\u{e9}", index(b"\"\"\"\"\"\""));
        let mut texts = Texts::new();
        let part = Part { from: 0, to: 6, is_escaped: true };
        assert!(texts.extend(text.as_bytes(), Some(text), marked.marks(), [part].into_iter()));
        assert!(std::panic::catch_unwind(|| texts.finish(None)).is_err());
    }

    proptest! {
        #[test]
        fn arrays_are_those_of_arrow(texts in prop::collection::vec(".{0,20}", 0..20)) {
            let ends = std::iter::once(0).chain(texts.iter().scan(0, |at, text| { *at += text.len() as i32; Some(*at) }));
            let (ends, data): (Vec<i32>, Vec<u8>) = (ends.collect(), texts.concat().into_bytes());
            let expected = StringArray::new(OffsetBuffer::new(ends.clone().into()), Buffer::from_vec(data.clone()), None);
            prop_assert_eq!(made(&ends, &data), Ok(expected));
        }

        #[test]
        fn parts_are_those_of_the_text(
            cells in prop::collection::vec("([a-z\u{e9}]{0,40}|\"([a-z,\u{e9}]{0,30}(\"\")?){0,4}\")", 1..20),
            is_known in any::<bool>(),
        ) {
            let text = cells.join(",");
            let index = index(text.as_bytes());
            let (mut parts, mut expected, mut at) = (Vec::new(), Vec::new(), 0);
            for cell in &cells {
                let (from, to) = if cell.starts_with('"') { (at + 1, at + cell.len() - 1) } else { (at, at + cell.len()) };
                parts.push(Part { from, to, is_escaped: text[from..to].contains('"') });
                expected.push(text[from..to].replace("\"\"", "\""));
                at += cell.len() + 1;
            }
            let mut texts = Texts::new();
            let known = is_known.then_some(text.as_str());
            prop_assert!(texts.extend(text.as_bytes(), known, index.marks(), parts.into_iter()));
            prop_assert_eq!(texts.is_utf8, is_known);
            let array = texts.finish(None);
            prop_assert_eq!(array.iter().flatten().collect::<Vec<_>>(), expected);
        }
    }
}

//! Where the cells of CSV text end.

/// The bytes that structure CSV text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Separators {
    /// Between cells.
    pub(crate) delimiter: u8,
    /// Around cells.
    pub(crate) quote: u8,
    /// Between rows.
    pub(crate) line_end: u8,
}

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// Appends the positions of all delimiters and line ends of `text` that stand outside of quotes. `text` begins
/// outside of quotes.
///
/// False if the quotes are not regular: one opens inside a cell, or a cell goes on behind its closing quote, or the
/// last one stays open. The positions mean nothing then, and a reader that looks at each cell has to do the work.
pub(crate) fn separators(text: &[u8], of: Separators, positions: &mut Vec<u32>) -> bool {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the line above has found AVX2 in this process.
        return unsafe { x86::separators(text, of, positions) };
    }
    scan(text, of, positions, scalar::masks)
}

/// One bit a byte for each kind of byte in a block.
#[derive(Clone, Copy)]
struct Masks {
    delimiter: u64,
    quote: u64,
    line_end: u64,
    carriage_return: u64,
}

/// What the blocks before say about the present one.
#[derive(Clone, Copy)]
struct Carry {
    /// All ones if it begins inside quotes.
    inside: u64,
    /// Whether the byte before it lets a quote open: a separator, or a quote.
    opens: u64,
    /// Whether the byte before it is a closing quote.
    closed: u64,
    /// Whether the two bytes before it are a closing quote and `\r`.
    closed_cr: u64,
}

#[inline(always)]
fn scan(
    text: &[u8],
    of: Separators,
    positions: &mut Vec<u32>,
    masks: impl Fn(&[u8; BLOCK], Separators) -> Masks,
) -> bool {
    let mut carry = Carry { inside: 0, opens: 1, closed: 0, closed_cr: 0 };
    let mut irregular = 0;
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    for (i, block) in blocks.iter().enumerate() {
        irregular |= step(masks(block, of), &mut carry, (i * BLOCK) as u32, positions);
    }
    if !rest.is_empty() {
        let mut block = [0; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        let in_text = (1 << rest.len()) - 1;
        let found = masks(&block, of);
        let found = Masks {
            delimiter: found.delimiter & in_text,
            quote: found.quote & in_text,
            line_end: found.line_end & in_text,
            carriage_return: found.carriage_return & in_text,
        };
        // Behind the text comes nothing, which ends a cell like a line end does.
        let behind = !in_text;
        irregular |= step(
            Masks { line_end: found.line_end | behind, ..found },
            &mut carry,
            (blocks.len() * BLOCK) as u32,
            positions,
        );
        while positions.last().is_some_and(|last| *last as usize >= text.len()) {
            positions.pop();
        }
    }
    irregular == 0 && carry.inside == 0
}

/// Takes in one block; what is left is zero if its quotes are regular.
#[inline(always)]
fn step(masks: Masks, carry: &mut Carry, base: u32, positions: &mut Vec<u32>) -> u64 {
    let Masks { delimiter, quote, line_end, carriage_return } = masks;
    // A bit is set from an opening quote to before its closing one; a doubled quote closes and opens again.
    let inside = prefix_xor(quote) ^ carry.inside;
    let opening = quote & inside;
    let closing = quote & !inside;
    let ends = delimiter | line_end | quote;
    let misplaced = opening & !(ends << 1 | carry.opens);
    let behind = closing << 1 | carry.closed;
    let behind_cr = (behind & carriage_return) << 1 | carry.closed_cr;
    let goes_on = behind & !(ends | carriage_return) | behind_cr & !line_end;
    carry.opens = ends >> 63;
    carry.closed = closing >> 63;
    carry.closed_cr = (behind & carriage_return) >> 63;
    carry.inside = ((inside as i64) >> 63) as u64;
    flatten((delimiter | line_end) & !inside, base, positions);
    misplaced | goes_on
}

/// Each bit the exclusive or of all bits up to it.
#[inline(always)]
fn prefix_xor(bits: u64) -> u64 {
    let bits = bits ^ bits << 1;
    let bits = bits ^ bits << 2;
    let bits = bits ^ bits << 4;
    let bits = bits ^ bits << 8;
    let bits = bits ^ bits << 16;
    bits ^ bits << 32
}

#[inline(always)]
fn flatten(mut bits: u64, base: u32, positions: &mut Vec<u32>) {
    positions.reserve(BLOCK);
    while bits != 0 {
        positions.push(base + bits.trailing_zeros());
        bits &= bits - 1;
    }
}

mod scalar {
    use super::{BLOCK, Masks, Separators};

    pub(super) fn masks(block: &[u8; BLOCK], of: Separators) -> Masks {
        let mask =
            |wanted: u8| block.iter().enumerate().fold(0, |bits, (i, byte)| bits | u64::from(*byte == wanted) << i);
        Masks {
            delimiter: mask(of.delimiter),
            quote: mask(of.quote),
            line_end: mask(of.line_end),
            carriage_return: mask(b'\r'),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8};

    use super::{BLOCK, Masks, Separators, scan};

    #[target_feature(enable = "avx2")]
    pub(super) fn separators(text: &[u8], of: Separators, positions: &mut Vec<u32>) -> bool {
        scan(text, of, positions, |block, of| masks(block, of))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn masks(block: &[u8; BLOCK], of: Separators) -> Masks {
        let start = block.as_ptr().cast::<__m256i>();
        // SAFETY: the block has 64 bytes, so both loads of 32 are inside it; they need no alignment.
        let (low, high) = unsafe { (_mm256_loadu_si256(start), _mm256_loadu_si256(start.add(1))) };
        let mask = |wanted: u8| {
            let wanted = _mm256_set1_epi8(wanted as i8);
            let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)) as u32;
            let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)) as u32;
            u64::from(low) | u64::from(high) << 32
        };
        Masks {
            delimiter: mask(of.delimiter),
            quote: mask(of.quote),
            line_end: mask(of.line_end),
            carriage_return: mask(b'\r'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COMMA: Separators = Separators { delimiter: b',', quote: b'"', line_end: b'\n' };

    fn found(text: &[u8]) -> Option<Vec<u32>> {
        let mut positions = Vec::new();
        separators(text, COMMA, &mut positions).then_some(positions)
    }

    fn twin(text: &[u8]) -> Option<Vec<u32>> {
        let mut positions = Vec::new();
        scan(text, COMMA, &mut positions, scalar::masks).then_some(positions)
    }

    #[test]
    fn separators_inside_quotes_are_data() {
        assert_eq!(found(b"a,\"b,\"\"\n\",c\nd"), Some(vec![1, 9, 11]));
        assert_eq!(found(b"\"\",\"\"\r\n"), Some(vec![2, 6]));
        assert_eq!(found(b""), Some(vec![]));
    }

    #[test]
    fn irregular_quotes_are_noticed_wherever_they_stand() {
        for start in 0..70 {
            let pad = "x,".repeat(start);
            for text in ["a\"b\"", "\"a\"b", "\"a", " \"a\"", "\"a\"\rb"] {
                let text = format!("{pad}{text}");
                assert_eq!(found(text.as_bytes()), None, "{text}");
            }
        }
    }

    #[test]
    fn vector_and_scalar_agree_at_all_lengths_and_offsets() {
        let text =
            b"a,\"b,\"\"c\"\"\n\",d\r\n\"e\"\r\n,,\"\",1234567890,\"long cell with, commas\nand lines\",x\ny,\"z\"\n"
                .repeat(3);
        for from in 0..text.len() {
            for to in from..text.len() {
                assert_eq!(found(&text[from..to]), twin(&text[from..to]));
            }
        }
    }

    proptest! {
        #[test]
        fn vector_and_scalar_agree_on_any_text(text in "[,\"\n\ra]{0,300}") {
            prop_assert_eq!(found(text.as_bytes()), twin(text.as_bytes()));
        }
    }
}

//! Where the cells and rows of CSV text end.

mod marks;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use marks::Marks;

/// The bytes that structure CSV text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Separators {
    /// Between cells.
    pub(crate) delimiter: u8,
    /// Around cells; `None` when nothing is quoted.
    pub(crate) quote: Option<u8>,
    /// Between rows.
    pub(crate) line_end: u8,
}

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// Where the cells and rows of a text end, and what else one look at all of its bytes shows. Used again for the next
/// text, so that its memory is taken once.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// The positions of all delimiters and line ends outside of quotes, and before them [`BEFORE`]: cell `i` is what
    /// lies between `ends[i]` and `ends[i + 1]`.
    pub(crate) ends: Vec<u32>,
    /// For each line end outside of quotes: how many cells there are up to it.
    pub(crate) rows: Vec<u32>,
    /// Where the quotes are; empty if there are none.
    pub(crate) quotes: Marks,
    /// Which line ends are inside of quotes.
    pub(crate) inner_lines: Marks,
    /// Whether the quotes are regular: none opens inside a cell, no cell goes on behind its closing quote, and the last
    /// one is closed. Where they are not, `ends` and `rows` mean nothing, and a reader that looks at each cell has to
    /// do the work.
    pub(crate) regular: bool,
    /// Whether all bytes are ASCII.
    pub(crate) ascii: bool,
    /// Whether a byte is NUL.
    pub(crate) nul: bool,
    /// Whether a byte is `\r`.
    pub(crate) returns: bool,
}

/// The position before the first one. The one behind it is 0, if it may wrap.
pub(crate) const BEFORE: u32 = u32::MAX;

impl Index {
    /// Makes the index of a text of less than 4 GiB that begins outside of quotes.
    pub(crate) fn fill(&mut self, text: &[u8], of: Separators) {
        #[cfg(target_arch = "x86_64")]
        {
            if crate::simd::has_avx512() {
                // SAFETY: the line above has found these features in this process.
                return unsafe { x86::avx512::fill(self, text, of) };
            }
            if crate::simd::has_avx2() {
                // SAFETY: the line above has found these features in this process.
                return unsafe { x86::avx2::fill(self, text, of) };
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            neon::fill(self, text, of);
        }
        #[cfg(not(target_arch = "aarch64"))]
        self.fill_plain(text, of);
    }

    /// Forgets the last text.
    fn clear(&mut self) {
        self.ends.clear();
        self.ends.push(BEFORE);
        self.rows.clear();
        self.quotes.clear();
        self.inner_lines.clear();
    }

    /// The scalar twin of [`fill`](Index::fill).
    #[cfg_attr(target_arch = "aarch64", allow(dead_code, reason = "the tests compare with it"))]
    fn fill_plain(&mut self, text: &[u8], of: Separators) {
        scan(self, text, of, scalar::Scalar);
    }
}

/// The end of the last whole row of a text that begins outside of quotes: behind its last line end that is outside of
/// quotes, 0 if there is none. `None` if the quotes are not regular, as [`Index::regular`] has it, but for the last one,
/// which may stay open.
pub(crate) fn last_row_end(text: &[u8], of: Separators) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    {
        if crate::simd::has_avx512() {
            // SAFETY: the line above has found these features in this process.
            return unsafe { x86::avx512::last_row_end(text, of) };
        }
        if crate::simd::has_avx2() {
            // SAFETY: the line above has found these features in this process.
            return unsafe { x86::avx2::last_row_end(text, of) };
        }
    }
    #[cfg(target_arch = "aarch64")]
    return neon::last_row_end(text, of);
    #[cfg(not(target_arch = "aarch64"))]
    last_row_end_plain(text, of)
}

/// The scalar twin of [`last_row_end`].
#[cfg_attr(target_arch = "aarch64", allow(dead_code, reason = "the tests compare with it"))]
fn last_row_end_plain(text: &[u8], of: Separators) -> Option<usize> {
    find_last(text, of, scalar::Scalar)
}

/// What is asked of 64 bytes. All that is marked `#[inline(always)]` is compiled for the instructions of the function
/// that it is used in.
trait Lanes: Copy {
    /// The bytes in registers.
    type Bytes: Copy;

    fn load(self, block: &[u8; BLOCK]) -> Self::Bytes;

    fn masks(self, bytes: Self::Bytes, of: Separators) -> Masks;

    /// Each bit the exclusive or of all bits up to it.
    fn prefix_xor(self, bits: u64) -> u64;

    /// Appends the place of each bit, counted from `base`. There must be room for 64.
    fn flatten(self, bits: u64, base: u32, places: &mut Vec<u32>);
}

/// One bit a byte for each kind of byte in a block.
#[derive(Clone, Copy)]
struct Masks {
    delimiter: u64,
    quote: u64,
    line_end: u64,
    carriage_return: u64,
    /// Bytes past ASCII.
    high: u64,
    nul: u64,
}

impl Masks {
    /// Only what is in the text. Behind it comes nothing, which ends a cell like a line end does.
    #[inline(always)]
    fn within(self, in_text: u64) -> Self {
        Masks {
            delimiter: self.delimiter & in_text,
            quote: self.quote & in_text,
            line_end: self.line_end & in_text | !in_text,
            carriage_return: self.carriage_return & in_text,
            ..self
        }
    }
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

impl Carry {
    const START: Carry = Carry { inside: 0, opens: 1, closed: 0, closed_cr: 0 };

    /// Takes in one block. Returns which of its bytes are inside quotes, and zero if its quotes are regular.
    #[inline(always)]
    fn step(&mut self, masks: Masks, lanes: impl Lanes) -> (u64, u64) {
        let Masks { delimiter, quote, line_end, carriage_return, .. } = masks;
        // A bit is set from an opening quote to before its closing one; a doubled quote closes and opens again.
        let inside = lanes.prefix_xor(quote) ^ self.inside;
        let opening = quote & inside;
        let closing = quote & !inside;
        let ends = delimiter | line_end | quote;
        let misplaced = opening & !(ends << 1 | self.opens);
        let behind = closing << 1 | self.closed;
        let behind_cr = (behind & carriage_return) << 1 | self.closed_cr;
        let goes_on = behind & !(ends | carriage_return) | behind_cr & !line_end;
        self.opens = ends >> 63;
        self.closed = closing >> 63;
        self.closed_cr = (behind & carriage_return) >> 63;
        self.inside = ((inside as i64) >> 63) as u64;
        (inside, misplaced | goes_on)
    }
}

/// The last block, filled up with blanks, and which of its bytes are text. Blanks are neither NUL nor past ASCII.
fn last_block(rest: &[u8]) -> ([u8; BLOCK], u64) {
    let mut block = [b' '; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    (block, (1 << rest.len()) - 1)
}

/// Blocks that room is made for at once, so that no call stands in the loops and what they know stays in registers.
const STRIPE: usize = 64;

#[inline(always)]
fn scan(index: &mut Index, text: &[u8], of: Separators, lanes: impl Lanes) {
    index.clear();
    let (mut ends, mut rows) = (std::mem::take(&mut index.ends), std::mem::take(&mut index.rows));
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let (last, in_last) = last_block(rest);
    let count = text.len().div_ceil(BLOCK);
    let block = |i: usize| blocks.get(i).map_or((&last, in_last), |block| (block, u64::MAX));
    let (mut high, mut nul, mut returns) = (0, 0, 0);
    let (mut carry, mut irregular, mut quoted, mut i) = (Carry::START, 0, false, 0);
    while i < count {
        let stop = count.min(i + STRIPE);
        ends.reserve((STRIPE + 1) * BLOCK);
        rows.reserve((STRIPE + 1) * BLOCK);
        // Many texts have no quote at all, and then most of the work is not there.
        while i < stop && !quoted {
            let (block, in_text) = block(i);
            let masks = lanes.masks(lanes.load(block), of);
            if masks.quote & in_text != 0 {
                quoted = true;
                break;
            }
            (high, nul, returns) = (high | masks.high, nul | masks.nul, returns | masks.carriage_return);
            let separators = (masks.delimiter | masks.line_end) & in_text;
            push_rows(&mut rows, ends.len() as u32 - 1, separators, separators & masks.line_end);
            lanes.flatten(separators, (i * BLOCK) as u32, &mut ends);
            carry.opens = separators >> 63;
            i += 1;
        }
        if quoted {
            index.quotes.begin(count);
            index.inner_lines.begin(count);
        }
        while i < stop {
            let (block, in_text) = block(i);
            let masks = lanes.masks(lanes.load(block), of).within(in_text);
            (high, nul, returns) = (high | masks.high, nul | masks.nul, returns | masks.carriage_return);
            let (inside, wrong) = carry.step(masks, lanes);
            irregular |= wrong;
            index.quotes.set(i, masks.quote);
            index.inner_lines.set(i, masks.line_end & inside & in_text);
            let separators = (masks.delimiter | masks.line_end) & in_text & !inside;
            push_rows(&mut rows, ends.len() as u32 - 1, separators, separators & masks.line_end);
            lanes.flatten(separators, (i * BLOCK) as u32, &mut ends);
            i += 1;
        }
    }
    (index.ends, index.rows) = (ends, rows);
    index.regular = irregular == 0 && carry.inside == 0;
    index.returns = returns != 0;
    (index.ascii, index.nul) = (high == 0, nul != 0);
}

/// Notes how many cells there are up to each line end of a block, `before` of them before the block. There must be room.
#[inline(always)]
fn push_rows(rows: &mut Vec<u32>, before: u32, separators: u64, line_ends: u64) {
    // All bits up to and with the lowest of these.
    let cells_up_to = |bits: u64| before + (separators & (bits ^ bits.wrapping_sub(1))).count_ones();
    let (count, len) = (line_ends.count_ones() as usize, rows.len());
    assert!(rows.capacity() - len >= BLOCK);
    let to = rows.as_mut_ptr();
    let second = line_ends & line_ends.wrapping_sub(1);
    // SAFETY: there is room for 64 numbers behind `len`. Two are written whether or not there are as many line ends,
    // which is faster than to ask; of more than two the loop writes the others, so `count` of them are written.
    unsafe {
        let to = to.add(len);
        to.write(cells_up_to(line_ends));
        to.add(1).write(cells_up_to(second));
        let mut left = second & second.wrapping_sub(1);
        for i in 2..count {
            to.add(i).write(cells_up_to(left));
            left &= left - 1;
        }
        rows.set_len(len + count);
    }
}

#[inline(always)]
fn find_last(text: &[u8], of: Separators, lanes: impl Lanes) -> Option<usize> {
    let (mut carry, mut irregular, mut found) = (Carry::START, 0, (0, 0));
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let (last, in_text) = last_block(rest);
    let all_blocks =
        blocks.iter().zip(std::iter::repeat(u64::MAX)).chain((!rest.is_empty()).then_some((&last, in_text)));
    for (i, (block, in_text)) in all_blocks.enumerate() {
        let masks = lanes.masks(lanes.load(block), of).within(in_text);
        let (inside, wrong) = carry.step(masks, lanes);
        irregular |= wrong;
        let line_ends = masks.line_end & !inside & in_text;
        found = if line_ends != 0 { (i, line_ends) } else { found };
    }
    (irregular == 0).then(|| if found.1 == 0 { 0 } else { found.0 * BLOCK + 64 - found.1.leading_zeros() as usize })
}

mod scalar {
    use super::{BLOCK, Lanes, Masks, Separators};

    /// One byte after the other.
    #[derive(Clone, Copy)]
    pub(super) struct Scalar;

    impl Lanes for Scalar {
        type Bytes = [u8; BLOCK];

        fn load(self, block: &[u8; BLOCK]) -> Self::Bytes {
            *block
        }

        fn masks(self, bytes: Self::Bytes, of: Separators) -> Masks {
            let mask =
                |wanted: u8| bytes.iter().enumerate().fold(0, |bits, (i, byte)| bits | u64::from(*byte == wanted) << i);
            Masks {
                delimiter: mask(of.delimiter),
                quote: of.quote.map_or(0, mask),
                line_end: mask(of.line_end),
                carriage_return: mask(b'\r'),
                high: bytes.iter().enumerate().fold(0, |bits, (i, byte)| bits | u64::from(*byte >> 7) << i),
                nul: mask(0),
            }
        }

        #[inline(always)]
        fn prefix_xor(self, bits: u64) -> u64 {
            let bits = bits ^ bits << 1;
            let bits = bits ^ bits << 2;
            let bits = bits ^ bits << 4;
            let bits = bits ^ bits << 8;
            let bits = bits ^ bits << 16;
            bits ^ bits << 32
        }

        #[inline(always)]
        fn flatten(self, mut bits: u64, base: u32, places: &mut Vec<u32>) {
            while bits != 0 {
                places.push(base + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
    }
}

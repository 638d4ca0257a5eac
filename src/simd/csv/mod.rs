//! Where the cells and rows of CSV text end.
//!
//! All bytes are looked at once, by [`look`], which leaves masks for each 64 of them. Whoever cuts a text does that
//! to find its last row, and hands the masks on to whoever reads it, for whom [`Index::load`] makes positions of them.

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
pub(crate) const BLOCK: usize = 64;

/// What is in 64 bytes, a bit a byte: the delimiters and line ends outside of quotes; the line ends among them; the quotes.
/// Behind them the number of quotes that come before, and from bit 32 on the number of all line ends that do.
pub(crate) type Block = [u64; 4];

/// What a look at a text shows besides its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Look {
    /// Whether no quote opens inside a cell and no cell goes on behind its closing quote. Where one does, the blocks mean
    /// nothing, and a reader that looks at each cell has to do the work.
    pub(crate) regular: bool,
    /// Whether the last quote stays open.
    pub(crate) open: bool,
    /// Whether all bytes are ASCII.
    pub(crate) ascii: bool,
    /// Whether a byte is NUL.
    pub(crate) nul: bool,
    /// Whether a byte is `\r`.
    pub(crate) returns: bool,
    /// Whether a byte is a quote.
    pub(crate) quoted: bool,
    /// How many line ends there are, those inside of quotes with them.
    pub(crate) line_ends: u32,
}

/// Looks at all bytes of a text that begins outside of quotes, and makes a block of each 64. The last one is of fewer, or
/// of none, so that there is a block for the end of the text too.
pub(crate) fn look(text: &[u8], of: Separators, blocks: &mut Vec<Block>) -> Look {
    #[cfg(target_arch = "x86_64")]
    {
        if super::has_avx512() {
            // SAFETY: the line above has found these features in this process.
            return unsafe { x86::avx512::look(text, of, blocks) };
        }
        if super::has_avx2() {
            // SAFETY: the line above has found these features in this process.
            return unsafe { x86::avx2::look(text, of, blocks) };
        }
    }
    #[cfg(target_arch = "aarch64")]
    return neon::look(text, of, blocks);
    #[cfg(not(target_arch = "aarch64"))]
    look_plain(text, of, blocks)
}

/// The scalar twin of [`look`].
#[cfg_attr(target_arch = "aarch64", allow(dead_code, reason = "the tests compare with it"))]
fn look_plain(text: &[u8], of: Separators, blocks: &mut Vec<Block>) -> Look {
    scan(text, of, blocks, scalar::Scalar)
}

/// Behind the last line end outside of quotes, by the blocks of a text; 0 if there is none.
pub(crate) fn last_row_end(blocks: &[Block]) -> usize {
    let last = blocks.iter().enumerate().rev().find(|(_, [_, line_ends, ..])| *line_ends != 0);
    last.map_or(0, |(i, [_, line_ends, ..])| i * BLOCK + BLOCK - line_ends.leading_zeros() as usize)
}

/// Where the cells of a text end, and what else one look at all of its bytes shows. Used again for the next text, so
/// that its memory is taken once.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// The positions of all delimiters and line ends outside of quotes, and before them [`BEFORE`]: cell `i` is what
    /// lies between `ends[i]` and `ends[i + 1]`. They mean nothing where the quotes are not regular.
    pub(crate) ends: Vec<u32>,
    /// What the look has shown. It may have gone past the end of the text: then `false` for `ascii`, and `true` for `nul`,
    /// `returns` and `quoted`, may hold of that only.
    pub(crate) look: Look,
    blocks: Vec<Block>,
}

/// The position before the first one. The one behind it is 0, if it may wrap.
pub(crate) const BEFORE: u32 = u32::MAX;

impl Index {
    /// Makes the index of a text of less than 4 GiB that begins outside of quotes.
    pub(crate) fn fill(&mut self, text: &[u8], of: Separators) {
        self.look = look(text, of, &mut self.blocks);
        self.find_ends();
    }

    /// Makes the index of the first `len` bytes, less than 4 GiB, of a text that was looked at before. They are to end where
    /// a row does. The blocks are taken, and others given for them.
    pub(crate) fn load(&mut self, look: Look, blocks: &mut Vec<Block>, len: usize) {
        (self.look, self.look.open) = (look, false);
        std::mem::swap(&mut self.blocks, blocks);
        self.blocks.truncate(len / BLOCK + 1);
        if let Some(last) = self.blocks.last_mut() {
            last[..3].iter_mut().for_each(|bits| *bits &= (1 << (len % BLOCK)) - 1);
        }
        self.find_ends();
    }

    /// What is known of stretches of the text.
    pub(crate) fn marks(&self) -> Marks<'_> {
        Marks::new(&self.blocks, &self.look)
    }

    fn find_ends(&mut self) {
        self.ends.clear();
        self.ends.push(BEFORE);
        let (blocks, ends) = (&self.blocks, &mut self.ends);
        #[cfg(target_arch = "x86_64")]
        {
            if super::has_avx512() {
                // SAFETY: the line above has found these features in this process.
                return unsafe { x86::avx512::flatten(blocks, ends) };
            }
            if super::has_avx2() {
                // SAFETY: the line above has found these features in this process.
                return unsafe { x86::avx2::flatten(blocks, ends) };
            }
        }
        flatten_plain(blocks, ends);
    }
}

/// The scalar twin of the functions that append the positions of all separators.
fn flatten_plain(blocks: &[Block], ends: &mut Vec<u32>) {
    flatten(blocks, ends, scalar::Scalar);
}

/// What is asked of 64 bytes. All that is marked `#[inline(always)]` is compiled for the instructions of the function
/// that it is used in.
trait Lanes: Copy {
    /// The bytes in registers.
    type Bytes: Copy;
    /// Of each place the bytes seen there, put together.
    type Seen: Copy;

    fn load(self, block: &[u8; BLOCK]) -> Self::Bytes;

    fn masks(self, bytes: Self::Bytes, of: Separators) -> Masks;

    /// Of no bytes.
    fn nothing(self) -> Self::Seen;

    /// Adds bytes to what was seen.
    fn see(self, seen: &mut Self::Seen, bytes: Self::Bytes);

    /// Whether a byte was past ASCII, and whether one was NUL.
    fn seen(self, seen: Self::Seen) -> (bool, bool);

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
        let Masks { delimiter, quote, line_end, carriage_return } = masks;
        // A bit is set from an opening quote to before its closing one; a doubled quote closes and opens again.
        let inside = lanes.prefix_xor(quote) ^ self.inside;
        let opening = quote & inside;
        let closing = quote & !inside;
        let ends = delimiter | line_end | quote;
        let misplaced = opening & !(ends << 1 | self.opens);
        let behind = closing << 1 | self.closed;
        let mut goes_on = behind & !ends;
        // Most texts have no such byte at all, and in the others nearly every block has one.
        if carriage_return | self.closed_cr != 0 {
            let behind_cr = (behind & carriage_return) << 1 | self.closed_cr;
            goes_on = goes_on & !carriage_return | behind_cr & !line_end;
            self.closed_cr = (behind & carriage_return) >> 63;
        }
        self.opens = ends >> 63;
        self.closed = closing >> 63;
        self.inside = ((inside as i64) >> 63) as u64;
        (inside, misplaced | goes_on)
    }
}

#[inline(always)]
fn scan<L: Lanes>(text: &[u8], of: Separators, blocks: &mut Vec<Block>, lanes: L) -> Look {
    let (whole, rest) = text.as_chunks::<BLOCK>();
    blocks.resize(text.len() / BLOCK + 1, [0; 4]);
    let mut at = Scan { carry: Carry::START, irregular: 0, returns: 0, before: 0, seen: lanes.nothing() };
    let (mut quoted, mut done) = (false, 0);
    // Many texts have no quote at all, and then most of the work is not there.
    for (to, block) in blocks.iter_mut().zip(whole) {
        let masks = lanes.masks(lanes.load(block), of);
        if masks.quote != 0 {
            quoted = true;
            break;
        }
        *to = at.unquoted(lanes.load(block), masks, lanes);
        done += 1;
    }
    for (to, block) in blocks[done..].iter_mut().zip(&whole[done..]) {
        *to = at.quoted(lanes.load(block), lanes.masks(lanes.load(block), of), lanes);
    }
    // Filled up with blanks, which are neither NUL nor past ASCII.
    let (mut last, in_text) = ([b' '; BLOCK], (1 << rest.len()) - 1);
    last[..rest.len()].copy_from_slice(rest);
    let bytes = lanes.load(&last);
    let masks = lanes.masks(bytes, of);
    let masks = Masks {
        delimiter: masks.delimiter & in_text,
        quote: masks.quote & in_text,
        // Behind the text comes nothing, which ends a cell like a line end does.
        line_end: masks.line_end & in_text | !in_text,
        carriage_return: masks.carriage_return & in_text,
    };
    quoted |= masks.quote != 0;
    let [separators, line_ends, quotes, before] = at.quoted(bytes, masks, lanes);
    at.before -= u64::from((!in_text).count_ones()) << 32;
    if let Some(last) = blocks.last_mut() {
        *last = [separators & in_text, line_ends & in_text, quotes, before];
    }
    let (high, nul) = lanes.seen(at.seen);
    Look {
        regular: at.irregular == 0,
        open: at.carry.inside != 0,
        ascii: !high,
        nul,
        returns: at.returns != 0,
        quoted,
        line_ends: (at.before >> 32) as u32,
    }
}

/// What is known while blocks are looked at.
struct Scan<L: Lanes> {
    carry: Carry,
    irregular: u64,
    returns: u64,
    /// How many quotes, and from bit 32 on how many line ends.
    before: u64,
    seen: L::Seen,
}

impl<L: Lanes> Scan<L> {
    /// Takes in a block before which there was no quote and in which there is none.
    #[inline(always)]
    fn unquoted(&mut self, bytes: L::Bytes, masks: Masks, lanes: L) -> Block {
        lanes.see(&mut self.seen, bytes);
        self.returns |= masks.carriage_return;
        let separators = masks.delimiter | masks.line_end;
        self.carry.opens = separators >> 63;
        [separators, masks.line_end, 0, self.count(masks)]
    }

    #[inline(always)]
    fn quoted(&mut self, bytes: L::Bytes, masks: Masks, lanes: L) -> Block {
        lanes.see(&mut self.seen, bytes);
        self.returns |= masks.carriage_return;
        let (inside, wrong) = self.carry.step(masks, lanes);
        self.irregular |= wrong;
        let line_ends = masks.line_end & !inside;
        [masks.delimiter & !inside | line_ends, line_ends, masks.quote, self.count(masks)]
    }

    /// Counts the block; returns what was counted before.
    #[inline(always)]
    fn count(&mut self, masks: Masks) -> u64 {
        let before = self.before;
        self.before += u64::from(masks.quote.count_ones()) | u64::from(masks.line_end.count_ones()) << 32;
        before
    }
}

/// Blocks that room is made for at once, so that no call stands in the loop and what it knows stays in registers.
const STRIPE: usize = 64;

#[inline(always)]
fn flatten(blocks: &[Block], ends: &mut Vec<u32>, lanes: impl Lanes) {
    let mut base = 0;
    for stripe in blocks.chunks(STRIPE) {
        ends.reserve((STRIPE + 1) * BLOCK);
        for [separators, ..] in stripe {
            lanes.flatten(*separators, base, ends);
            base += BLOCK as u32;
        }
    }
}

mod scalar {
    use super::{BLOCK, Lanes, Masks, Separators};

    /// One byte after the other.
    #[derive(Clone, Copy)]
    pub(super) struct Scalar;

    impl Lanes for Scalar {
        type Bytes = [u8; BLOCK];
        type Seen = (bool, bool);

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
            }
        }

        fn nothing(self) -> Self::Seen {
            (false, false)
        }

        fn see(self, seen: &mut Self::Seen, bytes: Self::Bytes) {
            *seen = (seen.0 | !bytes.is_ascii(), seen.1 | bytes.contains(&0));
        }

        fn seen(self, seen: Self::Seen) -> (bool, bool) {
            seen
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

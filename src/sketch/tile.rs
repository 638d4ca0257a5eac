//! The evidence of many rows of CSV at once, column by column.
//!
//! What a column's last cells were is what its next ones are tried as. Whatever is not, is looked at as any other cell,
//! so the evidence is the same as if every cell were.

use super::classify::observe;
use super::evidence::{Class, Evidence, Position, Range};
use super::memo::{Memo, Run, Trial};
use super::watch::{WATCHED, is_text, is_watched};
use crate::records::{PAD, Tile};
use crate::simd::{self, Integers, LANES, Lengths, Word, Words};
use crate::value;

/// Room to work in, used again for each column.
#[derive(Debug, Default)]
pub(super) struct Room {
    words: Words<u64>,
    integers: Integers<u64>,
    short_words: Words<u32>,
    short_integers: Integers<u32>,
    lengths: Lengths,
    /// The rows to look at one by one.
    odd: Vec<u32>,
}

/// One column of a tile.
pub(super) struct Column<'a> {
    pub(super) tile: &'a Tile<'a>,
    pub(super) column: usize,
    /// The input's place in the order of names.
    pub(super) source: u32,
    /// Whether all that was taken in before stands before this.
    pub(super) in_order: bool,
    pub(super) evidence: &'a mut Evidence,
    pub(super) memo: &'a mut Memo,
}

impl Column<'_> {
    /// Takes the column's cells into the evidence.
    pub(super) fn take(&mut self, room: &mut Room) {
        let rows = self.tile.rows();
        // Of a class that was seen in an earlier place the first record is known.
        let known = if self.in_order { self.memo.known } else { 0 };
        room.odd.clear();
        match self.memo.trial {
            Trial::Each => room.odd.extend(0..rows as u32),
            Trial::Integers => self.any_integers(known, room),
            Trial::Fractions => self.fractions(known, room),
            Trial::Text => self.text(known, room),
            Trial::Times => self.times(known, room),
            Trial::Booleans => self.booleans(known, room),
        }
        let mut last = None;
        for row in &room.odd {
            last = Trial::after(self.look_at(known, *row as usize)).or(last);
        }
        // One cell that is something else does not change what the next ones are tried as; many do.
        if let (Some(trial), true) = (last, room.odd.len() > rows / 4) {
            self.memo.trial = trial;
        }
    }

    /// Looks at one cell, as it is done without tiles.
    fn look_at(&mut self, known: u32, row: usize) -> Class {
        let cell = self.tile.cell(row, self.column);
        let text = self.tile.value(&cell);
        let class = observe(self.evidence, cell.kind, &text);
        self.count(known, class, 1, || row);
        self.memo.signed |= text.first() == Some(&b'-');
        if class == Class::NullWord && text.len() <= 8 {
            let word = text.iter().fold(0, |word, byte| word >> 8 | u64::from(*byte) << 56);
            self.memo.word = (word, value::null_word(&text).unwrap_or_default());
        }
        class
    }

    /// Counts values of a class, of which `first` is the first row.
    fn count(&mut self, known: u32, class: Class, count: u64, first: impl FnOnce() -> usize) {
        if count == 0 {
            return;
        }
        self.evidence.counts[class as usize] += count;
        self.memo.known |= 1 << class as u32;
        if known & 1 << class as u32 == 0 {
            let row = first();
            let position = Position { source: self.source, offset: self.tile.offset(row), line: self.tile.line(row) };
            self.evidence.note_first(class, position);
            let value = self.tile.value_offset(&self.tile.cell(row, self.column));
            self.evidence.appeared = self.evidence.appeared.min((self.source, value));
        }
    }

    /// Counts values of a class with their lengths in bytes.
    fn measure(&mut self, known: u32, class: Class, count: u64, lens: (u64, u64), first: impl FnOnce() -> usize) {
        if count > 0 {
            Range::add(&mut self.evidence.bytes, lens.0);
            Range::add(&mut self.evidence.bytes, lens.1);
            self.count(known, class, count, first);
        }
    }

    /// Whole numbers, by words of four bytes where the last ones had no more.
    fn any_integers(&mut self, known: u32, room: &mut Room) {
        let Room { words, integers, short_words, short_integers, odd, .. } = room;
        if !self.memo.long {
            self.memo.long = self.integers(known, short_words, short_integers, odd);
            if !self.memo.long {
                return;
            }
        }
        self.integers(known, words, integers, odd);
    }

    /// Takes in whole numbers. True, and nothing taken in, if they are to be looked at in longer words.
    fn integers<W: Word>(
        &mut self,
        known: u32,
        words: &mut Words<W>,
        integers: &mut Integers<W>,
        odd: &mut Vec<u32>,
    ) -> bool {
        let rows = self.tile.rows();
        self.tile.words(self.column, words);
        simd::integers(words, self.memo.signed, integers);
        let Integers { keys, min, max, count, any_longer } = integers;
        if *any_longer && W::BYTES < 8 {
            return true;
        }
        if *count < rows as u64 {
            self.no_integers(known, keys, words, odd);
        }
        if *count == 0 {
            return false;
        }
        let number = |key: W::Key| -> i64 { W::number(key).into() };
        let (min, max, keys) = (number(*min), number(*max), &keys[..rows]);
        let lens = self.measure_integers::<W>(min, max, keys, &words.lens);
        let is_narrow = |number: i64| i16::try_from(number).is_ok();
        let first = |is: &dyn Fn(W::Key) -> bool| keys.iter().position(|key| is(*key)).unwrap_or_default();
        if is_narrow(min) && is_narrow(max) {
            self.measure(known, Class::Int16, *count, lens, || first(&|key| key != W::OTHER));
            return false;
        }
        for (class, narrow) in [(Class::Int16, true), (Class::Int32, false)] {
            let is = |key: W::Key| key != W::OTHER && is_narrow(number(key)) == narrow;
            let count = keys.iter().filter(|key| is(**key)).count() as u64;
            self.measure(known, class, count, lens, || first(&is));
        }
        false
    }

    /// Takes in the smallest and the largest of some whole numbers, and returns the least and the most bytes that they are
    /// written with.
    fn measure_integers<W: Word>(&mut self, min: i64, max: i64, keys: &[W::Key], lens: &[W; LANES]) -> (u64, u64) {
        let digits = |number: i64| number.unsigned_abs().checked_ilog10().map_or(0, |log| log + 1);
        let written = |number: i64| u64::from(digits(number).max(1)) + u64::from(number < 0);
        if let (Some(ints), Some(bytes)) = (self.evidence.ints, self.evidence.bytes)
            && min >= 0
            && (ints.min <= min.into() && ints.max >= max.into())
            && (bytes.min <= 1 || bytes.min <= written(min))
        {
            // Nothing new: none has more digits than the largest that was seen.
            return (bytes.max, bytes.max);
        }
        Range::add(&mut self.evidence.ints, i128::from(min));
        Range::add(&mut self.evidence.ints, i128::from(max));
        // Without leading zeros the longest number is one of these two, and of positive ones the shortest too.
        self.evidence.int_digits = self.evidence.int_digits.max(digits(min)).max(digits(max));
        let numbers = || keys.iter().zip(lens).filter(|(key, _)| **key != W::OTHER).map(|(_, len)| len.len() as u64);
        let shortest = if min < 0 { numbers().min().unwrap_or(u64::MAX) } else { written(min) };
        (shortest, written(min).max(written(max)))
    }

    /// The cells of a column of whole numbers that are none: empty ones, the usual word for "no value", and others.
    fn no_integers<W: Word>(&mut self, known: u32, keys: &[W::Key; LANES], words: &Words<W>, odd: &mut Vec<u32>) {
        let (word, number) = self.memo.word;
        // 0 if there is none.
        let len_of_word = 8 - word.trailing_zeros() as usize / 8;
        let (mut nulls, mut of_word) = (Run::default(), Run::default());
        let rows = self.tile.rows();
        let mut others = simd::others::<W>(keys) & u128::MAX >> (LANES - rows);
        while others != 0 {
            let row = others.trailing_zeros() as usize;
            others &= others - 1;
            match words.lens[row].len() {
                0 => nulls.add(row, 0),
                // What stands before the cell does not count.
                len if len == len_of_word && len <= W::BYTES && words.tails[row].ends_like(W::of_tail(word), len) => {
                    of_word.add(row, len as u64);
                }
                _ => odd.push(row as u32),
            }
        }
        self.count(known, Class::Null, nulls.count, || nulls.first);
        if of_word.count > 0 {
            self.evidence.null_words |= 1 << number;
            self.measure(known, Class::NullWord, of_word.count, of_word.lens, || of_word.first);
        }
    }

    fn fractions(&mut self, known: u32, room: &mut Room) {
        let padded = self.tile.padded();
        let (mut found, mut nulls) = (Run::default(), Run::default());
        let (mut min, mut max, mut whole, mut scale) = (f64::INFINITY, f64::NEG_INFINITY, 0, 0);
        for (row, span) in self.tile.spans(self.column).enumerate() {
            let (from, end, quoted) = self.tile.unquoted(span);
            match value::fraction_at(padded, PAD + from, PAD + end) {
                Some(number) => {
                    // -0.0 and 0.0 are equal, so which of them came first must not show.
                    let double = number.double() + 0.0;
                    (min, max) = (if double < min { double } else { min }, if double > max { double } else { max });
                    (whole, scale) = (number.int_digits.max(whole), number.scale.max(scale));
                    found.add(row, (end - from) as u64);
                }
                None if from == end && !quoted => nulls.add(row, 0),
                None => room.odd.push(row as u32),
            }
        }
        if found.count > 0 {
            Range::add(&mut self.evidence.floats, min);
            Range::add(&mut self.evidence.floats, max);
            self.evidence.int_digits = self.evidence.int_digits.max(whole);
            self.evidence.scale = self.evidence.scale.max(scale);
        }
        self.count(known, Class::Null, nulls.count, || nulls.first);
        self.measure(known, Class::Frac, found.count, found.lens, || found.first);
    }

    fn text(&mut self, known: u32, room: &mut Room) {
        let (tile, rows) = (self.tile, self.tile.rows());
        let Some(spans) = tile.bare(self.column) else { return self.text_in_quotes(known, room) };
        spans.lengths(self.column, &WATCHED, &mut room.lengths);
        let found = simd::texts(&room.lengths);
        let (lens, watched) = (&room.lengths.lens[..rows], &room.lengths.watched[..rows]);
        let mut texts = Run { lens: (u64::from(found.shortest), u64::from(found.longest)), ..Run::default() };
        let nulls = found.nulls as usize - (LANES - rows);
        // Behind the last row there may be anything.
        let mut odd = found.odd & u128::MAX >> (LANES - rows);
        texts.count = (rows - nulls) as u64 - u64::from(odd.count_ones());
        if texts.count > 0 && known & 1 << Class::Text as u32 == 0 {
            let is_text = |row: &usize| lens[*row] > 0 && watched[*row] == 0;
            texts.first = (0..rows).find(is_text).unwrap_or_default();
        }
        while odd != 0 {
            let row = odd.trailing_zeros() as usize;
            odd &= odd - 1;
            let (start, end) = tile.span(row, self.column);
            match is_text(&tile.padded()[PAD + start..PAD + end]) {
                true => texts.add(row, (end - start) as u64),
                false => room.odd.push(row as u32),
            }
        }
        let first_null = || lens.iter().position(|len| *len == 0).unwrap_or_default();
        self.count(known, Class::Null, nulls as u64, first_null);
        self.measure(known, Class::Text, texts.count, texts.lens, || texts.first);
    }

    fn text_in_quotes(&mut self, known: u32, room: &mut Room) {
        let (tile, padded) = (self.tile, self.tile.padded());
        let (mut texts, mut nulls) = (Run::default(), Run::default());
        for (row, span) in tile.spans(self.column).enumerate() {
            let (from, end, quoted) = tile.unquoted(span);
            // Inside regular quotes each quote is there twice, which does not change what the first byte is.
            let escapes = if quoted { tile.marks().quotes(from, end) as usize / 2 } else { 0 };
            let len = end - from - escapes;
            if len == 0 && !quoted {
                nulls.add(row, 0);
            } else if len == 0 || (is_watched(padded[PAD + from], len) && !is_text(&padded[PAD + from..PAD + end])) {
                room.odd.push(row as u32);
            } else {
                texts.add(row, len as u64);
            }
        }
        self.count(known, Class::Null, nulls.count, || nulls.first);
        self.measure(known, Class::Text, texts.count, texts.lens, || texts.first);
    }

    fn times(&mut self, known: u32, room: &mut Room) {
        let padded = self.tile.padded();
        let (mut days, mut instants, mut nulls) = (Run::default(), Run::default(), Run::default());
        // Locals, so that nothing of them goes through memory.
        let (mut day, mut least, mut most) = (self.memo.day, i64::MAX, i64::MIN);
        for (row, span) in self.tile.spans(self.column).enumerate() {
            let (from, end, quoted) = self.tile.unquoted(span);
            let (len, text) = (end - from, &padded[PAD + from..]);
            let found = match len {
                0 if !quoted => {
                    nulls.add(row, 0);
                    continue;
                }
                10 => day.read(text).inspect(|_| days.add(row, 10)),
                19 if matches!(text[10], b' ' | b'T') => {
                    let clock = text[11..].first_chunk().and_then(value::clock);
                    let found = clock.and_then(|clock| Some(day.read(text)? + i64::from(clock)));
                    found.inspect(|_| instants.add(row, 19))
                }
                _ => None,
            };
            match found {
                Some(found) => (least, most) = (least.min(found), most.max(found)),
                None => room.odd.push(row as u32),
            }
        }
        self.memo.day = day;
        if least <= most {
            Range::add(&mut self.evidence.seconds, least);
            Range::add(&mut self.evidence.seconds, most);
        }
        self.count(known, Class::Null, nulls.count, || nulls.first);
        self.measure(known, Class::Date, days.count, days.lens, || days.first);
        self.measure(known, Class::Timestamp, instants.count, instants.lens, || instants.first);
    }

    fn booleans(&mut self, known: u32, room: &mut Room) {
        let (mut found, mut nulls) = (Run::default(), Run::default());
        for (row, span) in self.tile.spans(self.column).enumerate() {
            let (from, end, quoted) = self.tile.unquoted(span);
            match value::boolean(&self.tile.padded()[PAD + from..PAD + end]) {
                Some(_) => found.add(row, (end - from) as u64),
                None if from == end && !quoted => nulls.add(row, 0),
                None => room.odd.push(row as u32),
            }
        }
        self.count(known, Class::Null, nulls.count, || nulls.first);
        self.measure(known, Class::Boolean, found.count, found.lens, || found.first);
    }
}

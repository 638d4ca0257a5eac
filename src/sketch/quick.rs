//! Evidence of the values that nearly all data is made of, by the shortest way.
//!
//! What is measured here is put into the field's evidence at the end. Whatever is not clear at once is left to the plain
//! way; the class and the measures of what is taken are the same as there.

use super::evidence::{Class, Evidence, Range};
use crate::records::{FieldKind, Record, unescaped_len};
use crate::value::{self, fraction_before, whole_before};

/// Measures of one field, in plain numbers.
#[derive(Debug, Clone)]
pub(super) struct Measures {
    bytes: Bounds<u32>,
    ints: Bounds<i64>,
    floats: Bounds<f64>,
    seconds: Bounds<i64>,
    /// Of numbers with a point.
    int_digits: u32,
    scale: u32,
}

/// The smallest and the largest of what was seen; of nothing, the wrong way round.
#[derive(Debug, Clone, Copy)]
struct Bounds<T> {
    min: T,
    max: T,
}

impl<T: Copy + PartialOrd> Bounds<T> {
    #[inline(always)]
    fn add(&mut self, value: T) {
        self.min = if value < self.min { value } else { self.min };
        self.max = if value > self.max { value } else { self.max };
    }

    fn put_into<U: Copy + PartialOrd + From<T>>(self, range: &mut Option<Range<U>>) {
        if self.min <= self.max {
            Range::add(range, self.min.into());
            Range::add(range, self.max.into());
        }
    }
}

impl Default for Measures {
    fn default() -> Self {
        Measures {
            bytes: Bounds { min: u32::MAX, max: 0 },
            ints: Bounds { min: i64::MAX, max: i64::MIN },
            floats: Bounds { min: f64::INFINITY, max: f64::NEG_INFINITY },
            seconds: Bounds { min: i64::MAX, max: i64::MIN },
            int_digits: 0,
            scale: 0,
        }
    }
}

/// What a string's length says of what it may be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Length {
    /// Text, whatever is in it.
    Text,
    /// A word for yes or no.
    Word,
    /// A day or a time, if it begins with a digit.
    Time,
    Uuid,
}

/// By length; what is longer is text.
const LENGTHS: [Length; 37] = {
    let mut lengths = [Length::Text; 37];
    let mut len = 1;
    while len < 37 {
        lengths[len] = match len {
            1..=3 => Length::Word,
            8..=10 | 16..=35 => Length::Time,
            36 => Length::Uuid,
            _ => Length::Text,
        };
        len += 1;
    }
    lengths
};

/// A string with escapes that is longer than this as it is written stands for more than a UUID has.
const LONGEST_CLASSED: usize = 6 * 36;

/// A string with escapes that is longer than this stands for more than a word for yes or no has.
const LONGEST_WORD: usize = 6 * 3;

impl Measures {
    /// Takes in a value from JSON. `None`, and nothing taken, if the plain way has to look.
    #[inline(always)]
    pub(super) fn take(&mut self, kind: FieldKind, record: &Record<'_>, start: usize, end: usize) -> Option<Class> {
        let class = match kind {
            FieldKind::Null => return Some(Class::Null),
            FieldKind::Str => self.string(record.bytes.get(start..end)?)?,
            FieldKind::Int => self.whole(record.bytes, start, end)?,
            FieldKind::Real => self.fraction(record.bytes, start, end)?,
            FieldKind::True | FieldKind::False => Class::Boolean,
            FieldKind::EscapedStr => return self.escaped(record.bytes.get(start..end)?),
            FieldKind::Object if end - start > 2 && *record.bytes.get(start + 1)? > b' ' => Class::Object,
            FieldKind::Array => Class::Array,
            FieldKind::WholeObject => Class::WholeObject,
            _ => return None,
        };
        self.bytes.add((end - start) as u32);
        Some(class)
    }

    #[inline(always)]
    fn string(&mut self, text: &[u8]) -> Option<Class> {
        let length = LENGTHS.get(text.len()).copied().unwrap_or(Length::Text);
        match length {
            Length::Text => Some(Class::Text),
            Length::Time if !text[0].is_ascii_digit() => Some(Class::Text),
            Length::Word if !matches!(text[0] | 0x20, b'y' | b'n' | b'o' | b't' | b'f') => Some(Class::Text),
            Length::Time if text.len() >= 16 => Some(self.instant(text)),
            Length::Uuid if value::is_uuid(text) => Some(Class::Uuid),
            Length::Uuid => Some(Class::Text),
            Length::Word | Length::Time => None,
        }
    }

    #[inline]
    fn instant(&mut self, text: &[u8]) -> Class {
        let Some(stamp) = value::timestamp(text) else { return Class::Text };
        self.seconds.add(stamp.seconds);
        match (stamp.zoned, stamp.nanos.is_multiple_of(1000)) {
            (false, true) => Class::Timestamp,
            (false, false) => Class::TimestampNanos,
            (true, true) => Class::TimestampTz,
            (true, false) => Class::TimestampTzNanos,
        }
    }

    #[inline(always)]
    fn whole(&mut self, bytes: &[u8], start: usize, end: usize) -> Option<Class> {
        const CLASSES: [Class; 4] = [Class::Int16, Class::Int32, Class::Int32, Class::Int64];
        let negative = *bytes.get(start)? == b'-';
        let value = whole_before(bytes, end, end - start - usize::from(negative))? as i64;
        let value = if negative { -value } else { value };
        self.ints.add(value);
        let (past_16, past_32) = (i64::from(value as i16) != value, i64::from(value as i32) != value);
        Some(CLASSES[usize::from(past_16) + 2 * usize::from(past_32)])
    }

    #[inline(always)]
    fn fraction(&mut self, bytes: &[u8], start: usize, end: usize) -> Option<Class> {
        let first = start + usize::from(*bytes.get(start)? == b'-');
        let (unscaled, scale) = fraction_before(bytes, end, end - first)?;
        let whole = if bytes[first] == b'0' { 0 } else { end - first - 1 - scale };
        self.int_digits = self.int_digits.max(whole as u32);
        self.scale = self.scale.max(scale as u32);
        let unscaled = if first > start { -(unscaled as i64) } else { unscaled as i64 };
        // -0.0 and 0.0 are equal, so which of them came first must not show.
        self.floats.add(unscaled as f64 / value::POWERS[scale] + 0.0);
        Some(Class::Frac)
    }

    /// A string with escapes. How long it is without them matters only where it could be the shortest or the longest.
    #[inline]
    fn escaped(&mut self, text: &[u8]) -> Option<Class> {
        let written = text.len();
        let may_be_more = written <= LONGEST_WORD || matches!(text[0], b'\\' | b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F');
        if written <= LONGEST_CLASSED && may_be_more {
            return None;
        }
        // An escape is two to twelve bytes, and stands for at least one byte in six and for fewer than it takes.
        let (least, most) = (written / 6, written - 1);
        if least < self.bytes.min as usize || most > self.bytes.max as usize {
            self.bytes.add(unescaped_len(text) as u32);
        }
        Some(Class::Text)
    }

    /// Puts what was measured into the field's evidence.
    pub(super) fn put_into(self, evidence: &mut Evidence) {
        if let Some(most) =
            (self.ints.min <= self.ints.max).then(|| self.ints.min.unsigned_abs().max(self.ints.max.unsigned_abs()))
        {
            // Zero has no digit that counts.
            evidence.int_digits = evidence.int_digits.max(most.checked_ilog10().map_or(0, |log| log + 1));
        }
        evidence.int_digits = evidence.int_digits.max(self.int_digits);
        evidence.scale = evidence.scale.max(self.scale);
        self.bytes.put_into(&mut evidence.bytes);
        self.ints.put_into(&mut evidence.ints);
        self.floats.put_into(&mut evidence.floats);
        self.seconds.put_into(&mut evidence.seconds);
    }
}

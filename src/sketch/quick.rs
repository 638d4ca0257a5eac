//! Evidence of the values that nearly all data is made of, by the shortest way.
//!
//! What is measured here is put into the field's evidence at the end. Whatever is not clear at once is left to the plain
//! way; the class and the measures of what is taken are the same as there.

use super::evidence::{Class, Evidence, Range};
use crate::records::{Field, FieldKind, unescaped_len};
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
    /// The class of the last values, and how many of them are not yet in the evidence.
    class: Option<Class>,
    run: u64,
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
        // Hardly any value is outside of what was seen before.
        if value < self.min || value > self.max {
            self.min = if value < self.min { value } else { self.min };
            self.max = if value > self.max { value } else { self.max };
        }
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
            class: None,
            run: 0,
        }
    }
}

/// What a string may be besides text, a bit each.
mod may_be {
    /// A word for yes or no.
    pub(super) const WORD: u8 = 1;
    /// A day.
    pub(super) const DAY: u8 = 2;
    /// A day and time.
    pub(super) const INSTANT: u8 = 4;
    pub(super) const UUID: u8 = 8;
}

/// The longest string that may be something else than text: a UUID.
const LONGEST: usize = 36;

/// What strings may be by their length; what is longer is text.
const BY_LENGTH: [u8; LONGEST + 2] = {
    let mut bits = [0; LONGEST + 2];
    let mut len = 1;
    while len <= LONGEST {
        bits[len] = match len {
            1..=3 => may_be::WORD,
            8..=10 => may_be::DAY,
            16..=35 => may_be::INSTANT,
            36 => may_be::UUID,
            _ => 0,
        };
        len += 1;
    }
    bits
};

/// What strings may be by their first byte.
const BY_FIRST: [u8; 256] = {
    let mut bits = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let first = byte as u8;
        if first.is_ascii_digit() {
            bits[byte] |= may_be::DAY | may_be::INSTANT;
        }
        if first.is_ascii_hexdigit() {
            bits[byte] |= may_be::UUID;
        }
        if matches!(first.to_ascii_lowercase(), b'y' | b'n' | b'o' | b't' | b'f') {
            bits[byte] |= may_be::WORD;
        }
        byte += 1;
    }
    bits
};

/// A string with escapes that is longer than this as it is written stands for more than a UUID has.
const LONGEST_CLASSED: usize = 6 * LONGEST;

/// A string with escapes that is longer than this stands for more than a word for yes or no has.
const LONGEST_WORD: usize = 6 * 3;

impl Measures {
    /// Takes in a value from JSON. `None`, and nothing taken, if the plain way has to look.
    #[inline(always)]
    pub(super) fn take(&mut self, bytes: &[u8], field: &Field) -> Option<Class> {
        let (start, end) = (field.start as usize, field.end as usize);
        let class = match field.kind {
            FieldKind::Str => self.string(bytes, start, end)?,
            FieldKind::Null => return Some(Class::Null),
            FieldKind::Int => self.whole(bytes, start, end)?,
            FieldKind::Real => self.fraction(bytes, start, end)?,
            FieldKind::True | FieldKind::False => Class::Boolean,
            FieldKind::EscapedStr => return self.escaped(bytes, start, end),
            FieldKind::Object if end - start > 2 && *bytes.get(start + 1)? > b' ' => Class::Object,
            FieldKind::Array => Class::Array,
            FieldKind::WholeObject => Class::WholeObject,
            _ => return None,
        };
        self.bytes.add(field.end - field.start);
        Some(class)
    }

    #[inline(always)]
    fn string(&mut self, bytes: &[u8], start: usize, end: usize) -> Option<Class> {
        // Two look-ups and one branch for all text, since lengths follow each other without a pattern. Behind an empty
        // string stands its quote, which is the first byte of nothing.
        let by_length = BY_LENGTH[(end - start).min(LONGEST + 1)];
        match by_length & BY_FIRST[usize::from(*bytes.get(start)?)] {
            0 => Some(Class::Text),
            may_be::UUID => Some(if value::is_uuid(bytes.get(start..end)?) { Class::Uuid } else { Class::Text }),
            may_be::INSTANT => Some(self.instant(bytes.get(start..end)?)),
            _ => None,
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
    fn escaped(&mut self, bytes: &[u8], start: usize, end: usize) -> Option<Class> {
        let text = bytes.get(start..end)?;
        let written = text.len();
        let may_be_more = written <= LONGEST_WORD || matches!(text[0], b'\\' | b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F');
        if written <= LONGEST_CLASSED && may_be_more {
            return None;
        }
        // An escape is two to twelve bytes, and stands for at least one byte in six and for fewer than it takes.
        let (least, most) = (written / 6, written - 1);
        if least < self.bytes.min as usize || most > self.bytes.max as usize {
            self.bytes.add(unescaped_len(bytes, start, end) as u32);
        }
        Some(Class::Text)
    }

    /// Counts a value if it is of the same class as the last one. Most are, and then their evidence is not touched.
    #[inline(always)]
    pub(super) fn counts(&mut self, class: Class) -> bool {
        let same = self.class == Some(class);
        self.run += u64::from(same);
        same
    }

    /// Counts a value of any class; says whether it is the first one of its class.
    #[inline]
    pub(super) fn count(&mut self, class: Class, evidence: &mut Evidence) -> bool {
        if let Some(last) = self.class {
            evidence.counts[last as usize] += self.run;
        }
        (self.class, self.run) = (Some(class), 1);
        evidence.counts[class as usize] == 0
    }

    /// Puts what was measured into the field's evidence.
    pub(super) fn put_into(self, evidence: &mut Evidence) {
        if let Some(last) = self.class {
            evidence.counts[last as usize] += self.run;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Record;
    use crate::sketch::classify::observe;
    use proptest::prelude::*;

    /// A value within a record's bytes.
    fn framed(kind: FieldKind, text: &str) -> (Vec<u8>, Field) {
        let bytes = format!("{{\"some key\":\"{text}\",\"other\":1.5}}").into_bytes();
        (bytes, Field { node: 1, kind, start: 13, end: 13 + text.len() as u32 })
    }

    /// Takes values in by the short way: the classes of those that it took, and the evidence.
    fn short(kind: FieldKind, texts: &[&str]) -> (Vec<Option<Class>>, Evidence) {
        let (mut measures, mut evidence) = (Measures::default(), Evidence::default());
        let classes = texts.iter().map(|text| {
            let (bytes, field) = framed(kind, text);
            measures.take(&bytes, &field)
        });
        let classes = classes.collect();
        measures.put_into(&mut evidence);
        (classes, evidence)
    }

    /// Compares both ways on values, those left out that the short way leaves to the plain one.
    fn compare(kind: FieldKind, texts: &[&str]) {
        let (classes, evidence) = short(kind, texts);
        let mut expected = Evidence::default();
        for (text, class) in texts.iter().zip(classes) {
            let Some(class) = class else { continue };
            let (bytes, field) = framed(kind, text);
            let record = Record {
                bytes: &bytes,
                fields: &[],
                span: (0, bytes.len() as u32),
                source: 0,
                offset: 0,
                line: 1,
                overwritten: &[],
                beyond: &[],
                dialect: None,
            };
            assert_eq!(observe(&mut expected, kind, &record.text(&field)), class, "{text}");
        }
        assert_eq!(evidence, expected, "{texts:?}");
    }

    #[test]
    fn usual_values_need_no_other_way() {
        let usual = [
            (FieldKind::Str, "Order Placed", Class::Text),
            (FieldKind::Str, "", Class::Text),
            (FieldKind::Str, "EUR", Class::Text),
            (FieldKind::Str, "3f2504e0-4f89-41d3-9a0c-0305e82c3301", Class::Uuid),
            (FieldKind::Str, "2024-02-29T23:59:58.123Z", Class::TimestampTz),
            (FieldKind::Str, "2024-02-29 23:59:58", Class::Timestamp),
            (FieldKind::Int, "-17", Class::Int16),
            (FieldKind::Int, "1234567890123456", Class::Int64),
            (FieldKind::Real, "-0.25", Class::Frac),
            (FieldKind::Real, "52.5200066", Class::Frac),
            (FieldKind::EscapedStr, r"they said \u201cno\u201d, and left", Class::Text),
            (FieldKind::True, "true", Class::Boolean),
            (FieldKind::Null, "null", Class::Null),
            (FieldKind::Array, "[1]", Class::Array),
        ];
        for (kind, text, class) in usual {
            assert_eq!(short(kind, &[text]).0, [Some(class)], "{text}");
            compare(kind, &[text, text]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn strings_have_the_same_evidence_both_ways(texts in proptest::collection::vec(
            "[a-z ]{0,50}|[YNynotfTFes]{1,3}|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{5,8}(\\.[0-9]{1,9})?(Z|[+-][0-9:]{2,5})?|\
            20[0-9]{2}-[01][0-9]-[0-2][0-9]T[01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?Z?|\
            [0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-fg]{12}|[0-9/.-]{6,12}|[0-9é]{0,40}", 1..4
        )) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            compare(FieldKind::Str, &texts);
        }

        #[test]
        fn numbers_have_the_same_evidence_both_ways(
            ints in proptest::collection::vec("-?(0|[1-9][0-9]{0,20})", 1..4),
            reals in proptest::collection::vec("-?(0|[1-9][0-9]{0,12})\\.[0-9]{1,8}([eE][+-]?[0-9]{1,3})?", 1..4),
        ) {
            let texts: Vec<&str> = ints.iter().map(String::as_str).collect();
            compare(FieldKind::Int, &texts);
            let texts: Vec<&str> = reals.iter().map(String::as_str).collect();
            compare(FieldKind::Real, &texts);
        }

        #[test]
        fn strings_with_escapes_have_the_same_evidence_both_ways(texts in proptest::collection::vec(
            "([a-z0-9é-]|\\\\n|\\\\u00e9|\\\\u002d|\\\\ud83d\\\\ude80|\\\\\\\\){1,60}", 1..4
        )) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).filter(|text| text.contains('\\')).collect();
            compare(FieldKind::EscapedStr, &texts);
        }
    }
}

//! One spelled value → a value of a type, exactly or not at all.

use super::column::Found;
use crate::records::{Fault, FieldKind, check_json};
use crate::schema::{Reading, TimeUnit};
use crate::simd::{Job, Vector, dispatch};
use crate::value::{self, Shape};

/// Digits that a number inside JSON may have before and behind the point for Postgres to hold it (as `numeric`).
const JSON_DIGITS: (i64, i64) = (131_072, 16_383);

/// A value as text, and how it is to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spelled<'a> {
    kind: FieldKind,
    text: &'a [u8],
    reading: Reading,
}

impl<'a> Spelled<'a> {
    pub(super) fn new(kind: FieldKind, text: &'a [u8], reading: Reading) -> Result<Self, Found> {
        if matches!(kind, FieldKind::Object | FieldKind::WholeObject | FieldKind::Array) {
            return Err(found(kind, text));
        }
        let text = if reading == Reading::Trim { text.trim_ascii() } else { text };
        Ok(Spelled { kind, text, reading })
    }

    fn is_string(&self) -> bool {
        matches!(self.kind, FieldKind::Str | FieldKind::EscapedStr)
    }

    fn misfit<T>(&self) -> Result<T, Found> {
        Err(found(self.kind, self.text))
    }

    /// Numbers in JSON strings are text, unless the reading says to look inside.
    fn can_be_number(&self) -> bool {
        match self.kind {
            FieldKind::True | FieldKind::False => false,
            _ => !self.is_string() || self.reading != Reading::Native,
        }
    }

    fn number(&self) -> Result<value::Number, Found> {
        let number = if self.can_be_number() { value::number(self.text) } else { None };
        number.ok_or(found(self.kind, self.text))
    }

    fn simple(&self) -> Option<value::Simple> {
        if self.can_be_number() { value::simple(self.text) } else { None }
    }

    pub(super) fn boolean(&self) -> Result<bool, Found> {
        let is = |word: &str| self.text.eq_ignore_ascii_case(word.as_bytes());
        match self.kind {
            FieldKind::True => return Ok(true),
            FieldKind::False => return Ok(false),
            _ if !self.is_string() && is("true") => return Ok(true),
            _ if !self.is_string() && is("false") => return Ok(false),
            _ if self.reading != Reading::Words => return self.misfit(),
            _ => {}
        }
        if ["true", "yes", "y", "on", "t", "1"].into_iter().any(is) {
            Ok(true)
        } else if ["false", "no", "n", "off", "f", "0"].into_iter().any(is) {
            Ok(false)
        } else {
            self.misfit()
        }
    }

    pub(super) fn integer(&self) -> Result<i128, Found> {
        if let Some(simple) = self.simple().filter(|simple| !simple.point) {
            return Ok(i128::from(simple.unscaled));
        }
        let number = self.number()?;
        match (number.shape, value::decimal(self.text, &number)) {
            (Shape::Int, Some(exact)) => Ok(exact.unscaled),
            _ => self.misfit(),
        }
    }

    pub(super) fn decimal(&self, precision: u32, scale: u32) -> Result<i128, Found> {
        let number = self.number()?;
        let Some(exact) = value::decimal(self.text, &number) else { return Err("a number with more digits") };
        let scaled = if exact.scale <= scale {
            10i128.checked_pow(scale - exact.scale).and_then(|power| exact.unscaled.checked_mul(power))
        } else {
            // Digits that are zero may go; others may not.
            let power = 10i128.checked_pow(exact.scale - scale);
            power.filter(|power| exact.unscaled % power == 0).map(|power| exact.unscaled / power)
        };
        match scaled {
            Some(value) if value.unsigned_abs() < 10u128.pow(precision) => Ok(value),
            _ => Err("a number with more digits"),
        }
    }

    pub(super) fn double(&self) -> Result<f64, Found> {
        // Zero goes the long way, where it keeps its sign; whole numbers too, where they may be too wide.
        if let Some(simple) = self.simple().filter(|simple| simple.point && simple.unscaled != 0) {
            return Ok(simple.double());
        }
        if is_cell(self.kind) {
            match self.text {
                b"NaN" | b"nan" => return Ok(f64::NAN),
                b"inf" | b"Inf" | b"Infinity" => return Ok(f64::INFINITY),
                b"-inf" | b"-Inf" | b"-Infinity" => return Ok(f64::NEG_INFINITY),
                _ => {}
            }
        }
        let number = self.number()?;
        if !value::double_gives_back(self.text, &number) {
            return Err("a number that a double does not hold exactly");
        }
        std::str::from_utf8(self.text).ok().and_then(|text| text.parse().ok()).ok_or(found(self.kind, self.text))
    }

    pub(super) fn date(&self) -> Result<i32, Found> {
        let day = match self.reading {
            Reading::DayFirst => value::day_first(self.text),
            Reading::MonthFirst => value::month_first(self.text),
            _ => value::date(self.text),
        };
        day.ok_or(found(self.kind, self.text))
    }

    pub(super) fn time(&self) -> Result<i64, Found> {
        value::time(self.text).ok_or(found(self.kind, self.text))
    }

    /// Ticks since 1970 in `unit`; `zoned` says whether a zone must be there or must not.
    pub(super) fn timestamp(&self, zoned: bool, unit: TimeUnit) -> Result<i64, Found> {
        if let Reading::EpochSeconds | Reading::EpochMillis = self.reading {
            return self.epoch(unit);
        }
        let midnight = || {
            let seconds = i64::from(self.date().ok()?) * 86_400;
            Some(value::Stamp { seconds, nanos: 0, zoned: false })
        };
        let Some(stamp) = value::timestamp(self.text).or_else(midnight) else { return self.misfit() };
        if stamp.zoned != zoned && !(zoned && self.reading == Reading::AssumeUtc) {
            return Err(if stamp.zoned { "a time with a zone" } else { "a time without a zone" });
        }
        ticks(&stamp, unit)
    }

    fn epoch(&self, unit: TimeUnit) -> Result<i64, Found> {
        let per_second = if self.reading == Reading::EpochSeconds { 1 } else { 1000 };
        let count = i64::try_from(self.integer()?).map_err(|_| "a wider whole number")?;
        let seconds = count.div_euclid(per_second);
        let nanos = (count.rem_euclid(per_second) * (1_000_000_000 / per_second)) as u32;
        // The years 1 to 9999, as everywhere.
        if !(-62_135_596_800..=253_402_300_799).contains(&seconds) {
            return Err("a time outside the years 1 to 9999");
        }
        ticks(&value::Stamp { seconds, nanos, zoned: true }, unit)
    }

    pub(super) fn uuid(&self) -> Result<[u8; 16], Found> {
        value::uuid(self.text).ok_or(found(self.kind, self.text))
    }
}

fn ticks(stamp: &value::Stamp, unit: TimeUnit) -> Result<i64, Found> {
    match unit {
        TimeUnit::Micro => stamp.micros().ok_or("a time finer than microseconds"),
        TimeUnit::Nano => stamp.nanos().ok_or("a time outside the years 1677 to 2262"),
    }
}

/// The JSON text of a field. Fields of JSON records are JSON already; a CSV cell must hold some.
pub(super) fn json<'a>(kind: FieldKind, source: &'a [u8], text: &'a [u8]) -> Result<&'a [u8], Found> {
    if !is_cell(kind) {
        return json_in_record(source, kind).map(|()| source);
    }
    check_json(text).map_err(|fault| match fault {
        Fault::Nul => "JSON with a NUL character",
        Fault::LoneSurrogate => "JSON with half a surrogate pair",
        Fault::TooDeep => "JSON that is nested too deep",
        _ => "text that is no JSON",
    })?;
    if has_monster_number(text) { Err(MONSTER) } else { Ok(text) }
}

/// Whether a field of a record can be a part of JSON that a warehouse takes. A cell can, as a string.
pub(super) fn json_in_record(source: &[u8], kind: FieldKind) -> Result<(), Found> {
    if !is_cell(kind) && has_monster_number(source) { Err(MONSTER) } else { Ok(()) }
}

const MONSTER: Found = "JSON with a number past what a warehouse can hold";

fn is_cell(kind: FieldKind) -> bool {
    matches!(kind, FieldKind::Cell | FieldKind::Quoted | FieldKind::EscapedQuoted)
}

/// Whether a number in valid JSON text is past what Postgres' `numeric` holds, to which `jsonb` turns it.
fn has_monster_number(json: &[u8]) -> bool {
    // So short a text needs a long exponent for that.
    if json.len() < SHORT && !may_have_long_exponent(json) {
        return false;
    }
    let mut at = 0;
    while at < json.len() {
        match json[at] {
            b'"' => at = string_end(json, at),
            b'-' | b'0'..=b'9' => match value::json_number(&json[at..]) {
                Some(number) if number.int_digits > JSON_DIGITS.0 || number.scale > JSON_DIGITS.1 => return true,
                Some(number) => at += number.len,
                None => at += 1,
            },
            _ => at += 1,
        }
    }
    false
}

/// Bytes of a text whose numbers are no monsters but by an exponent of four digits or more.
const SHORT: usize = JSON_DIGITS.1 as usize / 2;

/// Whether there is what looks like an exponent of four digits or more: `e` behind a digit, and then a digit or a sign
/// and three digits. All bytes are looked at, without a branch, so that many go at a time.
fn may_have_long_exponent(json: &[u8]) -> bool {
    dispatch(LongExponent(json))
}

struct LongExponent<'a>(&'a [u8]);

impl Job for LongExponent<'_> {
    type Output = bool;

    #[inline(always)]
    fn run(self, _: impl Vector) -> bool {
        let json = self.0;
        let Some(starts) = json.len().checked_sub(5) else { return false };
        let digit = |byte: u8| u8::from(byte.wrapping_sub(b'0') < 10);
        let sign = |byte: u8| u8::from(byte == b'+') | u8::from(byte == b'-');
        let [before, letter, first, second, third, fourth] = std::array::from_fn(|at| &json[at..at + starts]);
        let looks = (0..starts).map(|i| {
            let letter = digit(before[i]) & u8::from(letter[i] | 0x20 == b'e');
            letter & (digit(first[i]) | sign(first[i])) & digit(second[i]) & digit(third[i]) & digit(fourth[i])
        });
        looks.fold(0, |any, one| any | one) != 0
    }
}

fn string_end(json: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while let Some(found) = json.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if json[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    json.len()
}

/// What a value is, in words, without the value.
fn found(kind: FieldKind, text: &[u8]) -> Found {
    match kind {
        FieldKind::True | FieldKind::False => "true or false",
        FieldKind::Int => "a whole number",
        FieldKind::Real => "a number with a point or an exponent",
        FieldKind::Array => "an array",
        FieldKind::Object | FieldKind::WholeObject => "an object",
        FieldKind::Null => "null",
        _ if text.is_empty() => "an empty text",
        FieldKind::Str | FieldKind::EscapedStr => "a text",
        _ => match value::number(text).map(|number| number.shape) {
            Some(Shape::Int) => "a whole number",
            Some(_) => "a number with a point or an exponent",
            None => found_in_text(text),
        },
    }
}

/// What a text says that is no number by itself.
fn found_in_text(text: &[u8]) -> Found {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    if value::date(text).is_some() {
        "a date"
    } else if value::timestamp(text).is_some() {
        "a date with a time"
    } else if value::day_first(text).is_some() || value::month_first(text).is_some() {
        "a date in another order"
    } else if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
        "digits with a zero or a sign in front"
    } else {
        "a text"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_long_exponent_is_overlooked_wherever_it_stands() {
        for pad in 0..70 {
            let pad = " ".repeat(pad);
            for number in ["1e1234", "12E+54321", "0.5e-1000", "[1e0009]", "{\"e\": 7E98765}"] {
                assert!(may_have_long_exponent(format!("{pad}{number}").as_bytes()), "{number}");
                assert!(may_have_long_exponent(format!("{number}{pad}").as_bytes()), "{number}");
            }
            for text in
                ["", "e", "1e", "e5", "1", "[\"one\", true, false, 12, 3.5]", "1 e5678", "1e,5678", "xe5678", "1e-99"]
            {
                assert!(!may_have_long_exponent(format!("{pad}{text}").as_bytes()), "{text}");
            }
        }
    }

    #[test]
    fn a_short_text_is_no_monster_without_a_long_exponent() {
        let digits = |count: usize| "9".repeat(count);
        // The widest and the finest that fit: of such length that an exponent of three digits does not do it.
        for number in [format!("{}e999", digits(SHORT - 5)), format!("0.{}e-999", digits(SHORT - 8))] {
            assert_eq!(number.len(), SHORT - 1);
            let found = value::json_number(number.as_bytes()).unwrap();
            assert!(found.int_digits <= JSON_DIGITS.0 && found.scale <= JSON_DIGITS.1);
        }
    }

    #[test]
    fn numbers_past_what_a_warehouse_holds_are_found_in_json() {
        for json in ["[1e140000]", "{\"a\": 1e-20000}", "1E+131073"] {
            assert!(has_monster_number(json.as_bytes()), "{json}");
        }
        for json in [
            "[1e5, \"1e140000\"]",
            "[\"\\\\1e140000\\\"1e140000\", 2]",
            "[\"1e140000\\\\\"]",
            "[\"\\\"1e140000\"]",
            "[1.5e300, 2E-300]",
        ] {
            assert!(!has_monster_number(json.as_bytes()), "{json}");
        }
    }
}

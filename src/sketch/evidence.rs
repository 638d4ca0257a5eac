//! What is known of one field.

use std::fmt;

/// What one value looks like. Every value has exactly one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// JSON `null`, or an empty unquoted CSV cell.
    Null,
    /// true or false.
    Boolean,
    /// A whole number of 16 bits.
    Int16,
    /// A whole number of 32 bits, past 16.
    Int32,
    /// A whole number of 64 bits, past 32.
    Int64,
    /// A whole number of at most 38 digits, past 64 bits.
    IntWide,
    /// A number of more than 38 digits.
    NumberHuge,
    /// A number with a point that a double gives back.
    Frac,
    /// A number with an exponent that a double gives back.
    Exp,
    /// A number with a point or an exponent that a double does not give back, of at most 38 digits.
    Exact,
    /// NaN or an infinity in a CSV cell.
    NonFinite,
    /// A day in ISO 8601.
    Date,
    /// A day and time without a zone, at most microseconds.
    Timestamp,
    /// A day and time without a zone, in nanoseconds.
    TimestampNanos,
    /// A day and time with a zone, at most microseconds.
    TimestampTz,
    /// A day and time with a zone, in nanoseconds.
    TimestampTzNanos,
    /// A time of day in a CSV cell.
    Time,
    /// A UUID.
    Uuid,
    /// Any other string.
    Text,
    /// Digits in a CSV cell that are no number: a leading zero or a plus sign.
    Code,
    /// A number in a CSV cell with blanks around it.
    Padded,
    /// A word for yes or no: `yes`, `no`, `y`, `n`, `on`, `off`, `t`, `f`.
    BooleanWord,
    /// A day that reads both as day first and as month first.
    SlashDate,
    /// A day that reads only as day first.
    DayFirst,
    /// A day that reads only as month first.
    MonthFirst,
    /// An empty quoted CSV cell.
    EmptyQuoted,
    /// A word for "no value" in a CSV cell: `NA`, `N/A`, `NULL`, `null`, `\N`, or blanks.
    NullWord,
    /// A JSON object.
    Object,
    /// A JSON object without any key.
    EmptyObject,
    /// A JSON array.
    Array,
    /// A JSON object that is kept whole: nested too deep, or with too many fields in one record.
    WholeObject,
}

impl Class {
    /// How many classes there are.
    pub const COUNT: usize = Class::WholeObject as usize + 1;

    /// Every class, in order.
    pub const ALL: [Class; Class::COUNT] = [
        Class::Null,
        Class::Boolean,
        Class::Int16,
        Class::Int32,
        Class::Int64,
        Class::IntWide,
        Class::NumberHuge,
        Class::Frac,
        Class::Exp,
        Class::Exact,
        Class::NonFinite,
        Class::Date,
        Class::Timestamp,
        Class::TimestampNanos,
        Class::TimestampTz,
        Class::TimestampTzNanos,
        Class::Time,
        Class::Uuid,
        Class::Text,
        Class::Code,
        Class::Padded,
        Class::BooleanWord,
        Class::SlashDate,
        Class::DayFirst,
        Class::MonthFirst,
        Class::EmptyQuoted,
        Class::NullWord,
        Class::Object,
        Class::EmptyObject,
        Class::Array,
        Class::WholeObject,
    ];

    /// The class as reports and sketches spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Null => "null",
            Class::Boolean => "boolean",
            Class::Int16 => "int16",
            Class::Int32 => "int32",
            Class::Int64 => "int64",
            Class::IntWide => "wide-integer",
            Class::NumberHuge => "huge-number",
            Class::Frac => "fraction",
            Class::Exp => "exponent",
            Class::Exact => "exact-fraction",
            Class::NonFinite => "non-finite",
            Class::Date => "date",
            Class::Timestamp => "timestamp",
            Class::TimestampNanos => "timestamp-nanos",
            Class::TimestampTz => "timestamptz",
            Class::TimestampTzNanos => "timestamptz-nanos",
            Class::Time => "time",
            Class::Uuid => "uuid",
            Class::Text => "text",
            Class::Code => "code",
            Class::Padded => "padded-number",
            Class::BooleanWord => "boolean-word",
            Class::SlashDate => "ambiguous-date",
            Class::DayFirst => "day-first-date",
            Class::MonthFirst => "month-first-date",
            Class::EmptyQuoted => "empty-quoted",
            Class::NullWord => "null-word",
            Class::Object => "object",
            Class::EmptyObject => "empty-object",
            Class::Array => "array",
            Class::WholeObject => "whole-object",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClassSet(u32);

impl ClassSet {
    /// The set of these classes.
    pub const fn of(classes: &[Class]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < classes.len() {
            bits |= 1 << classes[i] as u32;
            i += 1;
        }
        ClassSet(bits)
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether a class is in it.
    pub fn has(self, class: Class) -> bool {
        self.0 & 1 << class as u32 != 0
    }

    /// Whether any class of the other is in it.
    pub fn meets(self, other: ClassSet) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether all of it is in the other.
    pub fn within(self, other: ClassSet) -> bool {
        self.0 & !other.0 == 0
    }

    /// What is in it and not in the other.
    #[must_use]
    pub fn without(self, other: ClassSet) -> ClassSet {
        ClassSet(self.0 & !other.0)
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: ClassSet) -> ClassSet {
        ClassSet(self.0 | other.0)
    }
}

/// Where a record stands: ordered by input, then by offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Index of the input.
    pub source: u32,
    /// Byte offset of the record.
    pub offset: u64,
    /// Physical line of the record, from 1.
    pub line: u64,
}

/// The smallest and largest of some values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range<T> {
    /// The smallest.
    pub min: T,
    /// The largest.
    pub max: T,
}

impl<T: Copy + PartialOrd> Range<T> {
    /// Takes in a value.
    #[inline]
    pub(crate) fn add(range: &mut Option<Range<T>>, value: T) {
        match range {
            None => *range = Some(Range { min: value, max: value }),
            Some(range) => {
                if value < range.min {
                    range.min = value;
                }
                if value > range.max {
                    range.max = value;
                }
            }
        }
    }

    fn merge(range: &mut Option<Range<T>>, other: &Option<Range<T>>) {
        if let Some(other) = other {
            Range::add(range, other.min);
            Range::add(range, other.max);
        }
    }
}

/// How often something was seen, and where first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    pub(crate) count: u64,
    pub(crate) first: Option<Position>,
}

impl Seen {
    pub(crate) fn add(&mut self, position: Position) {
        self.merge(&Seen { count: 1, first: Some(position) });
    }

    pub(crate) fn merge(&mut self, other: &Seen) {
        self.count = self.count.saturating_add(other.count);
        self.first = self.first.into_iter().chain(other.first).min();
    }
}

/// What is known of one field: counts and joins only, so that merging does not depend on order.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// How many values of each class.
    pub(crate) counts: [u64; Class::COUNT],
    /// The first record of each class that was seen, in class order.
    pub(crate) first: Vec<(Class, Position)>,
    /// Where the field first appeared: the input, and the byte of its value (for CSV: its column's number).
    pub(crate) appeared: (u32, u64),
    /// Whole numbers of at most 38 digits.
    pub(crate) ints: Option<Range<i128>>,
    /// Numbers that a double gives back.
    pub(crate) floats: Option<Range<f64>>,
    /// The most digits before the point, written without an exponent.
    pub(crate) int_digits: u32,
    /// The most digits behind the point, written without an exponent.
    pub(crate) scale: u32,
    /// Bytes of the values as UTF-8 text, nulls left out.
    pub(crate) bytes: Option<Range<u64>>,
    /// Seconds since 1970 of dates and timestamps.
    pub(crate) seconds: Option<Range<i64>>,
    /// Which words for "no value" were seen, a bit each, as `classify` numbers them.
    pub(crate) null_words: u8,
    /// Whether an object had too many keys to tell apart.
    pub(crate) collapsed: bool,
    /// Values that were not kept, because the key stood again in the same object.
    pub(crate) overwritten: Seen,
}

impl Default for Evidence {
    fn default() -> Self {
        Evidence {
            counts: [0; Class::COUNT],
            first: Vec::new(),
            appeared: (u32::MAX, u64::MAX),
            ints: None,
            floats: None,
            int_digits: 0,
            scale: 0,
            bytes: None,
            seconds: None,
            null_words: 0,
            collapsed: false,
            overwritten: Seen::default(),
        }
    }
}

impl Evidence {
    /// How many values of a class there were.
    pub fn count(&self, class: Class) -> u64 {
        self.counts[class as usize]
    }

    /// How many values there were that are not null.
    pub fn filled(&self) -> u64 {
        self.counts.iter().sum::<u64>() - self.count(Class::Null)
    }

    /// The classes that were seen.
    pub fn classes(&self) -> ClassSet {
        let seen = Class::ALL.into_iter().filter(|class| self.count(*class) > 0);
        ClassSet(seen.fold(0, |bits, class| bits | 1 << class as u32))
    }

    /// The first record with a value of a class.
    pub fn first(&self, class: Class) -> Option<Position> {
        self.first.iter().find(|(seen, _)| *seen == class).map(|(_, position)| *position)
    }

    /// The first record with a value of any of these classes, and which class it was.
    pub fn first_of(&self, classes: ClassSet) -> Option<(Class, Position)> {
        self.first.iter().filter(|(class, _)| classes.has(*class)).min_by_key(|(_, position)| *position).copied()
    }

    /// The range of the whole numbers of at most 38 digits.
    pub fn ints(&self) -> Option<Range<i128>> {
        self.ints
    }

    /// The range of the numbers with a point or an exponent that a double gives back.
    pub fn floats(&self) -> Option<Range<f64>> {
        self.floats
    }

    /// The most digits before and behind the point, with numbers written without an exponent; 9,999 at most.
    pub fn digits(&self) -> (u32, u32) {
        (self.int_digits, self.scale)
    }

    /// The shortest and longest value as UTF-8 text, in bytes.
    pub fn bytes(&self) -> Option<Range<u64>> {
        self.bytes
    }

    /// The range of dates and timestamps, in seconds since 1970-01-01 (UTC where there is a zone).
    pub fn seconds(&self) -> Option<Range<i64>> {
        self.seconds
    }

    /// Whether an object had too many keys to tell apart, so that what it holds was not kept.
    pub fn is_collapsed(&self) -> bool {
        self.collapsed
    }

    /// Notes the first record of a class, if this one comes before the one known.
    pub(crate) fn note_first(&mut self, class: Class, position: Position) {
        match self.first.binary_search_by_key(&class, |(class, _)| *class) {
            Ok(at) => self.first[at].1 = self.first[at].1.min(position),
            Err(at) => self.first.insert(at, (class, position)),
        }
    }

    /// Takes in what another part of the input showed.
    pub(crate) fn merge(&mut self, other: &Evidence) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
        for (class, position) in &other.first {
            self.note_first(*class, *position);
        }
        self.appeared = self.appeared.min(other.appeared);
        Range::merge(&mut self.ints, &other.ints);
        Range::merge(&mut self.floats, &other.floats);
        self.int_digits = self.int_digits.max(other.int_digits);
        self.scale = self.scale.max(other.scale);
        Range::merge(&mut self.bytes, &other.bytes);
        Range::merge(&mut self.seconds, &other.seconds);
        self.null_words |= other.null_words;
        self.collapsed |= other.collapsed;
        self.overwritten.merge(&other.overwritten);
    }
}

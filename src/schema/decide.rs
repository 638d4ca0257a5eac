//! Evidence of one field → its type. Pure, and the only place where types are chosen.

use super::types::{TimeUnit, Type};
use crate::sketch::{Class, ClassSet, Evidence, Position};

/// Digits that an exact number may have.
const MAX_DIGITS: u32 = 38;

/// Whole numbers up to here are exact in a double, and so are all between.
const DOUBLE_EXACT: i128 = 1 << 53;

/// Timestamps in nanoseconds since 1970 fit 64 bits between these seconds (1677 to 2262).
const NANO_SECONDS: std::ops::RangeInclusive<i64> = -9_223_372_036..=9_223_372_035;

/// CSV cells that hold no value where the column has a type, and are text where it is text.
pub(crate) const SOFT: ClassSet = ClassSet::of(&[Class::EmptyQuoted, Class::NullWord]);

pub(crate) const NULL: ClassSet = ClassSet::of(&[Class::Null]);
pub(crate) const INTS: ClassSet = ClassSet::of(&[Class::Int16, Class::Int32, Class::Int64, Class::IntWide]);
pub(crate) const FLOATS: ClassSet = ClassSet::of(&[Class::Frac, Class::Exp, Class::NonFinite]);
const NUMBERS: ClassSet = INTS.union(FLOATS).union(ClassSet::of(&[Class::Exact]));
pub(crate) const NAIVE: ClassSet = ClassSet::of(&[Class::Date, Class::Timestamp, Class::TimestampNanos]);
pub(crate) const ZONED: ClassSet = ClassSet::of(&[Class::TimestampTz, Class::TimestampTzNanos]);
const NESTED: ClassSet = ClassSet::of(&[Class::Object, Class::EmptyObject, Class::WholeObject, Class::Array]);

/// The narrowest type that gives back every value.
pub(super) fn decide(classes: ClassSet, evidence: &Evidence) -> Type {
    let seen = classes.without(NULL);
    let values = seen.without(SOFT);
    let only = |class: Class| values == ClassSet::of(&[class]);
    if seen.is_empty() {
        Type::Null
    } else if values.is_empty() {
        Type::Text
    } else if values.meets(NESTED) {
        Type::Json
    } else if only(Class::Boolean) {
        Type::Boolean
    } else if values.within(NUMBERS) {
        number(values, evidence)
    } else if values.within(NAIVE) {
        match (values.has(Class::TimestampNanos), values.has(Class::Timestamp)) {
            (true, _) => nanos(evidence, Type::Timestamp(TimeUnit::Nano)),
            (false, true) => Type::Timestamp(TimeUnit::Micro),
            (false, false) => Type::Date,
        }
    } else if values.within(ZONED) {
        match values.has(Class::TimestampTzNanos) {
            true => nanos(evidence, Type::TimestampTz(TimeUnit::Nano)),
            false => Type::TimestampTz(TimeUnit::Micro),
        }
    } else if only(Class::Time) {
        Type::Time
    } else if only(Class::Uuid) {
        Type::Uuid
    } else {
        Type::Text
    }
}

fn nanos(evidence: &Evidence, ty: Type) -> Type {
    let fits =
        evidence.seconds().is_none_or(|range| NANO_SECONDS.contains(&range.min) && NANO_SECONDS.contains(&range.max));
    if fits { ty } else { Type::Text }
}

fn number(values: ClassSet, evidence: &Evidence) -> Type {
    if values.within(INTS) {
        return if values.has(Class::IntWide) {
            exact(evidence)
        } else if values.has(Class::Int64) {
            Type::Int64
        } else if values.has(Class::Int32) {
            Type::Int32
        } else {
            Type::Int16
        };
    }
    let ints_in_double = evidence.ints().is_none_or(|range| range.min >= -DOUBLE_EXACT && range.max <= DOUBLE_EXACT);
    if !values.has(Class::Exact) && ints_in_double {
        Type::Float64
    } else if values.has(Class::NonFinite) {
        Type::Text
    } else {
        exact(evidence)
    }
}

/// The exact decimal that holds all numbers, or text if there is none.
fn exact(evidence: &Evidence) -> Type {
    decimal(evidence).map_or(Type::Text, |(precision, scale)| Type::Decimal { precision, scale })
}

fn decimal(evidence: &Evidence) -> Option<(u8, u8)> {
    let (before, behind) = evidence.digits();
    let digits = before + behind;
    (digits <= MAX_DIGITS).then_some((digits.max(1) as u8, behind as u8))
}

/// Precision and scale of the decimal that holds every value, where all are numbers.
pub(super) fn digits(evidence: &Evidence) -> Option<(u8, u8)> {
    let values = evidence.classes().without(NULL).without(SOFT);
    let finite = INTS.union(ClassSet::of(&[Class::Frac, Class::Exp, Class::Exact]));
    if values.is_empty() || !values.within(finite) { None } else { decimal(evidence) }
}

/// The type of the numbers, or of the times, among the values of a column that is not of such a type: of those that there are most
/// of. As text `10` comes before `9`, and times do not come in their order where fractions or zones are spelled differently.
pub(super) fn ordered(ty: Type, evidence: &Evidence) -> Option<Type> {
    let is_nanos = matches!(ty, Type::Timestamp(TimeUnit::Nano) | Type::TimestampTz(TimeUnit::Nano));
    // Declared times, of which there is no range, are all spelled alike, by us.
    if is_nanos && evidence.seconds().is_none() || !is_nanos && !matches!(ty, Type::Text | Type::Json) {
        return None;
    }
    let seen = evidence.classes();
    let count =
        |kind: &ClassSet| -> u64 { Class::ALL.iter().filter(|of| kind.has(**of)).map(|of| evidence.count(*of)).sum() };
    let huge = ClassSet::of(&[Class::NumberHuge]);
    let kinds = [ClassSet::of(&[Class::Time]), NAIVE, ZONED, NUMBERS.union(huge)];
    let most = kinds.into_iter().filter(|kind| seen.meets(*kind)).max_by_key(count)?;
    let values = common(seen, most);
    Some(if most == ZONED {
        Type::TimestampTz(TimeUnit::Micro)
    } else if most.meets(NAIVE) {
        if values.within(ClassSet::of(&[Class::Date])) { Type::Date } else { Type::Timestamp(TimeUnit::Micro) }
    } else if most.has(Class::Time) {
        Type::Time
    } else {
        most_numbers(values.without(huge), evidence)
    })
}

/// A type for as many of the numbers as there is one for.
fn most_numbers(values: ClassSet, evidence: &Evidence) -> Type {
    let some = |classes: &[Class]| common(values, ClassSet::of(classes));
    let finite = values.without(ClassSet::of(&[Class::NonFinite]));
    let fewer = [values, finite, some(&[Class::Int16, Class::Int32, Class::Int64]), some(&[Class::Frac, Class::Exp])];
    let types = fewer.into_iter().filter(|few| !few.is_empty()).map(|few| number(few, evidence));
    types.into_iter().find(|ty| *ty != Type::Text).unwrap_or(Type::Decimal { precision: MAX_DIGITS as u8, scale: 0 })
}

fn common(one: ClassSet, other: ClassSet) -> ClassSet {
    one.without(one.without(other))
}

/// Whether the words for "no value" and empty cells of this column are read as null.
pub(super) fn soft_is_null(ty: Type) -> bool {
    !matches!(ty, Type::Text | Type::Json | Type::Null)
}

/// The first record with which the type could no longer be narrower: going through the classes in the order of
/// their first records, the one that made the decision what it is. None where it is no one record, but how many digits, or
/// how wide a range, all have together.
pub(super) fn forced_by(ty: Type, evidence: &Evidence) -> Option<Position> {
    let values = evidence.classes().without(NULL).without(SOFT);
    let together =
        values.within(NUMBERS) && !values.has(Class::NonFinite) || values.within(NAIVE) || values.within(ZONED);
    if ty == Type::Text && together && !values.is_empty() {
        return None;
    }
    // What is null in a typed column has no say, unless there is nothing else.
    let counted = if values.is_empty() { SOFT } else { values };
    let mut firsts: Vec<(Position, Class)> = Class::ALL
        .into_iter()
        .filter(|class| counted.has(*class))
        .filter_map(|class| Some((evidence.first(class)?, class)))
        .collect();
    firsts.sort();
    let mut seen = ClassSet::default();
    firsts.into_iter().find_map(|(position, class)| {
        seen = seen.union(ClassSet::of(&[class]));
        (std::mem::discriminant(&decide(seen, evidence)) == std::mem::discriminant(&ty)).then_some(position)
    })
}

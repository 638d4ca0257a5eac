//! Decisions that the data did not settle, each with the hint that does.

use super::decide::{NAIVE, NULL, SOFT, ZONED};
use super::table::Column;
use super::types::Type;
use crate::sketch::{Class, ClassSet, Evidence, null_words};

/// A decision that the data did not settle. The column is as its type says until the hint is given.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Undecided {
    /// The column's path.
    pub path: String,
    /// What is open: `day first or month first`.
    pub question: String,
    /// What was done meanwhile.
    pub chosen: String,
    /// The hint that settles it, as `--hint` takes it.
    pub hint: String,
}

/// Seconds of the years 2000 to 2050, as a whole number that may be an epoch.
const EPOCH_SECONDS: std::ops::RangeInclusive<i128> = 946_684_800..=2_524_608_000;

/// So many decimal digits a double holds, whatever they are.
const DOUBLE_DIGITS: u64 = 15;

/// What is open about a column.
pub(super) fn undecided(column: &Column, evidence: &Evidence) -> Vec<Undecided> {
    let path = column.path.to_string();
    let mut found = Vec::new();
    let mut open = |question: &str, chosen: String, hint: &str| {
        found.push(Undecided {
            path: path.clone(),
            question: question.to_string(),
            chosen,
            hint: format!("{path}={hint}"),
        });
    };
    let classes = evidence.classes().without(NULL).without(SOFT);
    let within = |classes_: &[Class]| !classes.is_empty() && classes.within(ClassSet::of(classes_));
    let text = || "kept as text".to_string();
    match column.ty {
        Type::Null => open("no value was seen", "created as text, filled with null".into(), "text"),
        Type::Text if within(&[Class::SlashDate]) => {
            open("a date, day first or month first", text(), "date@day_first");
            open("a date, day first or month first", text(), "date@month_first");
        }
        Type::Text if within(&[Class::SlashDate, Class::DayFirst]) => {
            open("a date, day first", text(), "date@day_first");
        }
        Type::Text if within(&[Class::SlashDate, Class::MonthFirst]) => {
            open("a date, month first", text(), "date@month_first");
        }
        Type::Text if classes.has(Class::BooleanWord) && within(&[Class::BooleanWord, Class::Boolean]) => {
            open("yes and no as words", text(), "boolean@words")
        }
        Type::Text if mixes_zones(classes) => {
            open("times with and without a zone", text(), "timestamptz@assume_utc");
        }
        Type::Text if classes.has(Class::Padded) && within(&padded_numbers()) => {
            // Of the numbers with blanks it is not known how many digits they have, only how long they are.
            let is_long = evidence.bytes().is_some_and(|bytes| bytes.max > DOUBLE_DIGITS);
            let wide = is_long || classes.meets(ClassSet::of(&[Class::Int64, Class::IntWide, Class::Exact]));
            let exact = format!("decimal(38,{})@trim", evidence.digits().1.min(38));
            open("numbers with blanks around them", text(), if wide { &exact } else { "float64@trim" });
        }
        Type::Int16 if evidence.ints().is_some_and(|ints| ints.min == 0 && ints.max == 1) => {
            open("0 and 1: numbers or yes and no", "kept as a number".into(), "boolean@words");
        }
        Type::Int32 | Type::Int64 => {
            if let Some(ints) = evidence.ints() {
                let (seconds, millis) = (EPOCH_SECONDS, EPOCH_SECONDS.start() * 1000..=EPOCH_SECONDS.end() * 1000);
                if seconds.contains(&ints.min) && seconds.contains(&ints.max) {
                    open("numbers or seconds since 1970", "kept as a number".into(), "timestamptz@epoch_seconds");
                } else if millis.contains(&ints.min) && millis.contains(&ints.max) {
                    open("numbers or milliseconds since 1970", "kept as a number".into(), "timestamptz@epoch_millis");
                }
            }
        }
        _ => {}
    }
    if evidence.count(Class::NullWord) > 0 && super::decide::soft_is_null(column.ty) {
        let words: Vec<String> = null_words(evidence).map(|word| format!("`{word}`")).collect();
        let chosen = format!("{} read as null ({} records)", words.join(", "), evidence.count(Class::NullWord));
        open("words for no value among typed values", chosen, "text");
    }
    found
}

fn mixes_zones(classes: ClassSet) -> bool {
    classes.within(NAIVE.union(ZONED)) && classes.meets(NAIVE) && classes.meets(ZONED)
}

fn padded_numbers() -> [Class; 8] {
    use Class::{Exact, Exp, Frac, Int16, Int32, Int64, IntWide, Padded};
    [Padded, Int16, Int32, Int64, IntWide, Frac, Exp, Exact]
}

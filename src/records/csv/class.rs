//! What a cell looks like, roughly: enough to tell a header from data and one delimiter from another.
//!
//! This is no type inference. It is wider on purpose: `$5.00`, `12,5` and `23-Sep-11` are data and never the name of a
//! column, though a loader keeps them as text.

/// The rough class of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Nothing, or a word that stands for nothing (`NA`, `null`, `\N`, …).
    Empty,
    /// A whole number from 1800 to 2100, which may be a year.
    Year,
    /// Any other number: sign, grouping, currency and per cent included.
    Number,
    /// `true` or `false`, in any case.
    Bool,
    /// A date, with or without a time.
    Moment,
    /// A time of day.
    Time,
    /// 8-4-4-4-12 hexadecimal digits.
    Uuid,
    /// Anything else.
    Text,
}

impl Class {
    /// Classes a cell without its quotes and outer blanks.
    pub(super) fn of(cell: &[u8]) -> Class {
        match cell {
            _ if is_nothing(cell) => Class::Empty,
            _ if cell.len() > 64 => Class::Text,
            _ if is_year(cell) => Class::Year,
            _ if is_number(cell) => Class::Number,
            _ if cell.eq_ignore_ascii_case(b"true") || cell.eq_ignore_ascii_case(b"false") => Class::Bool,
            _ if is_uuid(cell) => Class::Uuid,
            _ if is_time(cell) => Class::Time,
            _ if is_moment(cell) => Class::Moment,
            _ => Class::Text,
        }
    }

    /// Whether the class is one a column's name does not have.
    pub(super) fn is_typed(self) -> bool {
        !matches!(self, Class::Empty | Class::Text)
    }

    /// The class with years counted as the numbers that they are.
    pub(super) fn family(self) -> Class {
        if self == Class::Year { Class::Number } else { self }
    }
}

fn is_nothing(cell: &[u8]) -> bool {
    const WORDS: [&[u8]; 9] = [b"na", b"n/a", b"#n/a", b"nan", b"null", b"none", b"nil", b"\\n", b"-"];
    cell.is_empty() || WORDS.iter().any(|word| cell.eq_ignore_ascii_case(word))
}

fn is_year(cell: &[u8]) -> bool {
    cell.len() == 4 && cell.iter().all(u8::is_ascii_digit) && (b"1800".as_slice()..=b"2100").contains(&cell)
}

/// A number as people write one: `-1`, `.5`, `1e5`, `1,234.50`, `1.234,50`, `$5`, `5 €`, `7.5%`, `(3.00)`.
fn is_number(cell: &[u8]) -> bool {
    let mut rest = cell;
    if let Some(inner) = rest.strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")")) {
        rest = inner;
    }
    for _ in 0..2 {
        rest = match rest {
            [b'+' | b'-' | b'$', rest @ ..] | [0xC2, 0xA3 | 0xA5, rest @ ..] | [0xE2, 0x82, 0xAC, rest @ ..] => rest,
            _ => break,
        }
        .trim_ascii_start();
    }
    for sign in [b"%".as_slice(), "€".as_bytes()] {
        rest = rest.strip_suffix(sign).unwrap_or(rest).trim_ascii_end();
    }
    if let Some(at) = rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        let exponent =
            rest[at + 1..].strip_prefix(b"+").or(rest[at + 1..].strip_prefix(b"-")).unwrap_or(&rest[at + 1..]);
        return is_plain(&rest[..at]) && !exponent.is_empty() && exponent.iter().all(u8::is_ascii_digit);
    }
    is_plain(rest)
}

/// Digits with at most one decimal sign, and grouping signs of one other kind between groups of three.
fn is_plain(digits: &[u8]) -> bool {
    if !digits.iter().any(u8::is_ascii_digit)
        || !digits.iter().all(|byte| byte.is_ascii_digit() || b".,".contains(byte))
    {
        return false;
    }
    let signs: Vec<usize> = (0..digits.len()).filter(|&at| !digits[at].is_ascii_digit()).collect();
    let Some((&last, groups)) = signs.split_last() else { return true };
    let Some(&first) = groups.first() else { return true };
    let grouping = digits[first];
    let grouped =
        groups.iter().all(|&at| digits[at] == grouping) && signs.windows(2).all(|pair| pair[1] - pair[0] == 4);
    grouped && (digits[last] != grouping || digits.len() - last == 4)
}

fn is_uuid(cell: &[u8]) -> bool {
    cell.len() == 36
        && cell.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// `12:34`, `12:34:56`, `12:34:56.789`, and the same with `am` or `pm`.
fn is_time(cell: &[u8]) -> bool {
    let lower = cell.to_ascii_lowercase();
    let clock = lower.strip_suffix(b"am").or(lower.strip_suffix(b"pm")).unwrap_or(&lower).trim_ascii_end();
    let parts: Vec<&[u8]> = clock.split(|&byte| byte == b':').collect();
    if !(2..=3).contains(&parts.len()) {
        return false;
    }
    let number = |part: &[u8]| (1..=2).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    let second = |part: &[u8]| match part.iter().position(|&byte| byte == b'.') {
        Some(at) => number(&part[..at]) && part[at + 1..].iter().all(u8::is_ascii_digit),
        None => number(part),
    };
    number(parts[0]) && number(parts[1]) && parts.get(2).is_none_or(|part| second(part))
}

/// A date of three parts, `-`, `/` or `.` between them, and behind it nothing or a time with or without a zone.
fn is_moment(cell: &[u8]) -> bool {
    let date_end = cell.iter().position(|byte| matches!(byte, b' ' | b'T')).unwrap_or(cell.len());
    let (date, rest) = cell.split_at(date_end);
    is_date(date) && (rest.is_empty() || is_zoned_time(&rest[1..]))
}

fn is_date(date: &[u8]) -> bool {
    let Some(&separator) = date.iter().find(|byte| b"-/.".contains(byte)) else { return false };
    let parts: Vec<&[u8]> = date.split(|&byte| byte == separator).collect();
    let [first, middle, last] = parts[..] else { return false };
    let digits = |part: &[u8], most: usize| (1..=most).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    let month = |part: &[u8]| digits(part, 2) || (part.len() == 3 && part.iter().all(u8::is_ascii_alphabetic));
    let year_first = first.len() == 4 && digits(first, 4) && month(middle) && digits(last, 2);
    let year_last = digits(first, 2) && month(middle) && digits(last, 4) && last.len() != 1;
    year_first || year_last
}

fn is_zoned_time(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let clock = text.strip_suffix(b"Z").unwrap_or(text);
    let zone = clock.iter().rposition(|byte| matches!(byte, b'+' | b'-')).filter(|&at| at >= 4);
    let (clock, zone) = clock.split_at(zone.unwrap_or(clock.len()));
    is_time(clock.trim_ascii_end()) && zone.iter().all(|byte| byte.is_ascii_digit() || b"+-:".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_no_column_is_named_after_are_typed() {
        let cases: [(Class, &[&str]); 8] = [
            (Class::Empty, &["", "NA", "n/a", "NULL", "\\N", "-"]),
            (Class::Year, &["1800", "2024", "2100"]),
            (
                Class::Number,
                &["0", "-12", "+5", ".5", "1e5", "2.5E-3", "1,234.50", "1.234,5", "£512.20", "5 €", "7%", "1799"],
            ),
            (Class::Bool, &["true", "FALSE"]),
            (Class::Moment, &["2024-01-05", "23-Sep-11", "28/01/2018", "5.1.24", "2024-01-05T10:20:30.5+02:00"]),
            (Class::Moment, &["2024-01-05 10:20", "01-01-2000 12:12:00 AM", "2024-01-05 10:20:30Z"]),
            (Class::Time, &["12:34", "9:05:01", "10:20:30.25", "12:12 pm"]),
            (Class::Uuid, &["3f2504e0-4f89-41d3-9a0c-0305e82c3301"]),
        ];
        for (class, cells) in cases {
            for cell in cells {
                assert_eq!(Class::of(cell.as_bytes()), class, "{cell}");
            }
        }
    }

    #[test]
    fn words_codes_and_broken_shapes_are_text() {
        for cell in
            ["id", "e5", "5 EUR", "1.2.3", "12:", "a@b.c", "1-2", "12,34,5", "2024-W05-1", "T", ".", "x:y", "()"]
        {
            assert_eq!(Class::of(cell.as_bytes()), Class::Text, "{cell}");
        }
    }
}

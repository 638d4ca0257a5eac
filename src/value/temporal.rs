//! Days, times and instants in ISO 8601, checked against the calendar.

use chrono::NaiveDate;

/// Days from 0001-01-01 to 1970-01-01, as chrono counts.
const EPOCH_FROM_CE: i32 = 719_163;

/// Reads `YYYY-MM-DD` of the years 0001 to 9999 as days since 1970-01-01. The calendar is checked: there is no
/// 2023-02-29.
pub fn date(text: &[u8]) -> Option<i32> {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    days(digits(&text[..4])?, digits(&text[5..7])?, digits(&text[8..10])?)
}

/// Reads `D/M/YYYY` (also with `.` or `-`, one or two digits for day and month) as days since 1970-01-01.
pub fn day_first(text: &[u8]) -> Option<i32> {
    let (first, second, year) = three_parts(text)?;
    days(year, second, first)
}

/// Reads `M/D/YYYY` (also with `.` or `-`, one or two digits for month and day) as days since 1970-01-01.
pub fn month_first(text: &[u8]) -> Option<i32> {
    let (first, second, year) = three_parts(text)?;
    days(year, first, second)
}

fn three_parts(text: &[u8]) -> Option<(u32, u32, u32)> {
    let separator = *text.iter().find(|byte| !byte.is_ascii_digit())?;
    if !matches!(separator, b'/' | b'.' | b'-') || text.len() > 10 {
        return None;
    }
    let mut parts = text.split(|byte| *byte == separator);
    let (first, second, year) = (parts.next()?, parts.next()?, parts.next()?);
    let short = |part: &[u8]| matches!(part.len(), 1 | 2);
    if parts.next().is_some() || !short(first) || !short(second) || year.len() != 4 {
        return None;
    }
    Some((digits(first)?, digits(second)?, digits(year)?))
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

fn days(year: u32, month: u32, day: u32) -> Option<i32> {
    if year == 0 {
        return None; // Postgres has no year 0
    }
    use chrono::Datelike;
    Some(NaiveDate::from_ymd_opt(year as i32, month, day)?.num_days_from_ce() - EPOCH_FROM_CE)
}

/// Reads `HH:MM` or `HH:MM:SS` with up to six decimals as microseconds since midnight. There is no 24:00 and no
/// 60th second.
pub fn time(text: &[u8]) -> Option<i64> {
    let clock = clock(text)?;
    (clock.len == text.len() && clock.nanos % 1000 == 0)
        .then(|| i64::from(clock.seconds) * 1_000_000 + i64::from(clock.nanos / 1000))
}

struct Clock {
    seconds: u32,
    nanos: u32,
    len: usize,
}

fn clock(text: &[u8]) -> Option<Clock> {
    if text.len() < 5 || text[2] != b':' {
        return None;
    }
    let (hour, minute) = (digits(&text[..2])?, digits(&text[3..5])?);
    let (mut second, mut nanos, mut len) = (0, 0, 5);
    if text.get(5) == Some(&b':') {
        second = digits(text.get(6..8)?)?;
        len = 8;
        if text.get(8) == Some(&b'.') {
            let decimals = text[9..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if decimals == 0 || decimals > 9 {
                return None;
            }
            nanos = digits(&text[9..9 + decimals])? * 10u32.pow(9 - decimals as u32);
            len = 9 + decimals;
        }
    }
    (hour < 24 && minute < 60 && second < 60).then_some(Clock {
        seconds: hour * 3600 + minute * 60 + second,
        nanos,
        len,
    })
}

/// A day and time as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Seconds since 1970-01-01 00:00:00, in UTC when there is a zone.
    pub seconds: i64,
    /// The part of a second.
    pub nanos: u32,
    /// Whether a zone (`Z` or an offset) was written.
    pub zoned: bool,
}

impl Stamp {
    /// Microseconds since 1970, or `None` when that would cut the value.
    pub fn micros(&self) -> Option<i64> {
        self.nanos.is_multiple_of(1000).then(|| self.seconds * 1_000_000 + i64::from(self.nanos / 1000))
    }

    /// Nanoseconds since 1970, or `None` outside the years 1677 to 2262.
    pub fn nanos(&self) -> Option<i64> {
        self.seconds.checked_mul(1_000_000_000)?.checked_add(i64::from(self.nanos))
    }
}

/// Reads `YYYY-MM-DD`, `T` or one blank, `HH:MM` or `HH:MM:SS` with up to nine decimals, and nothing, `Z`, `±HH:MM`,
/// `±HHMM` or `±HH`.
pub fn timestamp(text: &[u8]) -> Option<Stamp> {
    if text.len() < 16 || !matches!(text[10], b'T' | b' ') {
        return None;
    }
    let day = date(&text[..10])?;
    let clock = clock(&text[11..])?;
    let (zoned, offset) = zone(&text[11 + clock.len..])?;
    let seconds = i64::from(day) * 86_400 + i64::from(clock.seconds) - offset;
    Some(Stamp { seconds, nanos: clock.nanos, zoned })
}

/// Whether there is a zone, and its seconds east of UTC.
fn zone(text: &[u8]) -> Option<(bool, i64)> {
    let (sign, rest) = match text {
        [] => return Some((false, 0)),
        [b'Z'] => return Some((true, 0)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest.len() {
        2 => (digits(rest)?, 0),
        4 => (digits(&rest[..2])?, digits(&rest[2..])?),
        5 if rest[2] == b':' => (digits(&rest[..2])?, digits(&rest[3..])?),
        _ => return None,
    };
    // Postgres takes offsets up to 15:59.
    (hours < 16 && minutes < 60).then(|| (true, sign * i64::from(hours * 3600 + minutes * 60)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_checked_against_the_calendar() {
        assert_eq!(date(b"1970-01-01"), Some(0));
        assert_eq!(date(b"2000-01-01"), Some(10957));
        assert_eq!(date(b"2024-02-29"), Some(19782));
        assert_eq!(date(b"0001-01-01"), Some(-719_162));
        for text in ["2023-02-29", "2024-13-01", "0000-01-01", "2024-1-05", "20240105", "2024-01-05 ", "2024/01/05"] {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn slashed_days_are_read_in_the_order_asked_for() {
        assert_eq!(day_first(b"31/12/2024"), date(b"2024-12-31"));
        assert_eq!(month_first(b"12/31/2024"), date(b"2024-12-31"));
        assert_eq!(day_first(b"5.1.2024"), date(b"2024-01-05"));
        assert_eq!(month_first(b"31/12/2024"), None);
        for text in ["01/02/24", "1/2", "1/2.2024", "2024-01-05", "a/b/2024", "1/2/2024/3"] {
            assert_eq!(day_first(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn times_end_before_midnight() {
        assert_eq!(time(b"00:00"), Some(0));
        assert_eq!(time(b"23:59:59.999999"), Some(86_399_999_999));
        for text in [
            "24:00",
            "24:00:00",
            "12:60",
            "23:59:60",
            "1:02:03",
            "10:20:30 PM",
            "12:34:",
            "12:34:56.",
            "12:34:56.1234567",
        ] {
            assert_eq!(time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn instants_with_an_offset_are_brought_to_utc() {
        let stamp = |text: &str| timestamp(text.as_bytes());
        let utc = stamp("2024-01-05T10:20:30Z").unwrap();
        assert!(utc.zoned);
        assert_eq!(stamp("2024-01-05T15:50:30+05:30"), Some(utc));
        assert_eq!(stamp("2024-01-05 03:20:30-0700"), Some(utc));
        assert_eq!(stamp("2024-01-05 12:20:30+02"), Some(utc));
        let naive = stamp("2024-01-05T10:20:30.123456789").unwrap();
        assert_eq!((naive.zoned, naive.nanos, naive.micros()), (false, 123_456_789, None));
        assert_eq!(naive.nanos(), Some(1_704_450_030_123_456_789));
        assert_eq!(stamp("2024-01-05 10:20").unwrap().seconds, utc.seconds - 30);
        for text in [
            "2024-01-05T10:61:00",
            "2024-02-30T10:00:00",
            "2024-01-05T10:20:30 Z",
            "2024-01-05T10:20:30+5",
            "2024-01-05t10:20:30z",
            "2024-01-05T10:20:30.1234567890",
            "2024-01-05T10:20:30+16:00",
        ] {
            assert_eq!(stamp(text), None, "{text}");
        }
    }
}

//! Days, times and instants in ISO 8601, checked against the calendar.

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

/// Days since 1970-01-01, by the calendar and nothing else: the years from March on, in spans of 400.
#[inline]
fn days(year: u32, month: u32, day: u32) -> Option<i32> {
    const LENGTHS: [u8; 16] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0, 0, 0];
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = u32::from(*LENGTHS.get(month as usize)?) + u32::from(is_leap && month == 2);
    // Postgres has no year 0.
    if year == 0 || day == 0 || day > length {
        return None;
    }
    let year = year - u32::from(month <= 2);
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    Some((year * 365 + year / 4 - year / 100 + year / 400 + day_of_year) as i32 - 719_468)
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
#[inline]
pub fn timestamp(text: &[u8]) -> Option<Stamp> {
    usual_timestamp(text).or_else(|| any_timestamp(text))
}

fn any_timestamp(text: &[u8]) -> Option<Stamp> {
    if text.len() < 16 || !matches!(text[10], b'T' | b' ') {
        return None;
    }
    let day = date(&text[..10])?;
    let clock = clock(&text[11..])?;
    let (zoned, offset) = zone(&text[11 + clock.len..])?;
    let seconds = i64::from(day) * 86_400 + i64::from(clock.seconds) - offset;
    Some(Stamp { seconds, nanos: clock.nanos, zoned })
}

/// The timestamps that make up nearly all data, eight bytes at a time: with seconds, up to six decimals, and nothing or
/// `Z`. `None` says only that [`any_timestamp`] has to look.
#[inline(always)]
fn usual_timestamp(text: &[u8]) -> Option<Stamp> {
    const DAY: Form = Form::of(b"0000-00-");
    const MINUTE: Form = Form::of(b"00T00:00");
    let (start, rest) = text.split_first_chunk::<19>()?;
    let date = DAY.digits(start[..8].try_into().ok()?)?;
    let mut minute: [u8; 8] = start[8..16].try_into().ok()?;
    if minute[2] == b' ' {
        minute[2] = b'T';
    }
    let minute = MINUTE.digits(minute)?;
    let second = (start[16] == b':').then(|| two([start[17], start[18]]))??;
    let pair = |digits: u64, at: u32| (digits >> (8 * at) & 0xF) as u32 * 10 + (digits >> (8 * at + 8) & 0xF) as u32;
    let year = pair(date, 0) * 100 + pair(date, 2);
    let (hour, minutes) = (pair(minute, 3), pair(minute, 6));
    let day = days(year, pair(date, 5), pair(minute, 0))?;
    let (nanos, zoned) = usual_end(rest)?;
    let seconds = i64::from(day) * 86_400 + i64::from(hour * 3600 + minutes * 60 + second);
    (hour < 24 && minutes < 60 && second < 60).then_some(Stamp { seconds, nanos, zoned })
}

/// Up to six decimals, and nothing or `Z`: the nanoseconds, and whether there is a zone.
#[inline]
fn usual_end(text: &[u8]) -> Option<(u32, bool)> {
    const SCALES: [u32; 7] = [0, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000];
    let (text, zoned) = match text {
        [text @ .., b'Z'] => (text, true),
        text => (text, false),
    };
    match text {
        [] => Some((0, zoned)),
        [b'.', a, b, c] => {
            let (high, low) = (two([*a, *b])?, two([b'0', *c])?);
            Some(((high * 10 + low) * SCALES[3], zoned))
        }
        [b'.', decimals @ ..] if matches!(decimals.len(), 1..=6) => {
            Some((digits(decimals)? * SCALES[decimals.len()], zoned))
        }
        _ => None,
    }
}

#[inline]
fn two(text: [u8; 2]) -> Option<u32> {
    let [tens, ones] = text.map(|byte| u32::from(byte.wrapping_sub(b'0')));
    (tens <= 9 && ones <= 9).then_some(tens * 10 + ones)
}

/// A spelling of eight bytes: digits at some places, what is written at the others.
struct Form {
    text: u64,
    /// What may be added to the difference from `text` at each place before its highest bit shows that it is too large.
    slack: u64,
}

impl Form {
    /// The form with a digit wherever there is a `0`.
    const fn of(text: &[u8; 8]) -> Form {
        let mut slack = [0x7F; 8];
        let mut i = 0;
        while i < 8 {
            if text[i] == b'0' {
                slack[i] -= 9;
            }
            i += 1;
        }
        Form { text: u64::from_le_bytes(*text), slack: u64::from_le_bytes(slack) }
    }

    /// The value of each digit at its place, and zero elsewhere, if the text has this form.
    #[inline]
    fn digits(&self, text: [u8; 8]) -> Option<u64> {
        const HIGH: u64 = 0x8080_8080_8080_8080;
        // Only a digit differs from `0` by at most nine. Where a sum goes over, the value itself has its high bit set.
        let values = u64::from_le_bytes(text) ^ self.text;
        ((values.wrapping_add(self.slack) | values) & HIGH == 0).then_some(values)
    }
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
    use chrono::{Datelike, NaiveDate};

    /// Days from 0001-01-01 to 1970-01-01, as chrono counts.
    const EPOCH_FROM_CE: i32 = 719_163;

    fn by_chrono(year: u32, month: u32, day: u32) -> Option<i32> {
        let day = NaiveDate::from_ymd_opt(year as i32, month, day).filter(|_| year > 0)?;
        Some(day.num_days_from_ce() - EPOCH_FROM_CE)
    }

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
    fn days_are_those_of_another_calendar() {
        for year in (0..10_000).filter(|year| year % 7 == 0 || year % 100 == 0 || (1890..2110).contains(year)) {
            for month in 0..14 {
                for day in 0..33 {
                    assert_eq!(days(year, month, day), by_chrono(year, month, day), "{year}-{month}-{day}");
                }
            }
        }
    }

    #[test]
    fn the_short_way_to_a_timestamp_is_the_long_one() {
        let text = "2024-02-29T23:59:58.123456Z";
        // Every byte at every place, at every length that ends with a zone or without.
        for len in 16..=text.len() {
            for zone in ["", "Z", "+01:00", "ZZ"] {
                for at in 0..len {
                    for byte in 0..=u8::MAX {
                        let mut text = [&text.as_bytes()[..len], zone.as_bytes()].concat();
                        text[at] = byte;
                        if let Some(stamp) = usual_timestamp(&text) {
                            assert_eq!(any_timestamp(&text), Some(stamp), "{}", String::from_utf8_lossy(&text));
                        }
                        assert_eq!(timestamp(&text), any_timestamp(&text), "{}", String::from_utf8_lossy(&text));
                    }
                }
            }
        }
        for text in
            ["2024-02-29T23:59:58Z", "2024-02-29 23:59:58", "2024-02-29T23:59:58.123456Z", "1999-12-31T00:00:00.1"]
        {
            assert!(usual_timestamp(text.as_bytes()).is_some(), "{text}");
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

//! Values of text files, checked against their columns and spelled as the backing server reads them.

use super::BadRow;
use super::semi::super_value;
use crate::sql::types::Type;

/// How a COPY reads values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// `ROUNDEC`: surplus fraction digits are rounded; without it they are cut.
    pub(crate) rounds: bool,
    /// `TIMEFORMAT 'auto'`: more spellings of times.
    pub(crate) any_time: bool,
    /// Whether strings in SUPER may be longer than 65,535 bytes.
    pub(crate) large_strings: bool,
}

/// Checks one value.
///
/// # Errors
///
/// The code and reason of `stl_load_errors`.
pub(crate) fn convert(text: &str, ty: &Type, reading: Reading) -> Result<String, BadRow> {
    match ty {
        Type::Smallint => integer(text, i64::from(i16::MIN), i64::from(i16::MAX), "Short"),
        Type::Integer => integer(text, i64::from(i32::MIN), i64::from(i32::MAX), "Integer"),
        Type::Bigint => integer(text, i64::MIN, i64::MAX, "Long"),
        Type::Decimal(p, s) => decimal(text, *p as usize, *s as usize, reading.rounds),
        Type::Real | Type::Double => match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(text.trim().to_owned()),
            _ => Err(BadRow::new(1208, format!("Invalid floating point value '{text}'"))),
        },
        Type::Boolean => boolean(text),
        Type::Date => {
            date(text).ok_or_else(|| BadRow::new(1205, "Invalid Date Format - length must be 10 or more"))?;
            Ok(text.to_owned())
        }
        Type::Timestamp | Type::TimestampTz => {
            timestamp(text, reading.any_time)
                .ok_or_else(|| BadRow::new(1206, "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]"))?;
            Ok(text.to_owned())
        }
        Type::Time => {
            time(text).ok_or_else(|| BadRow::new(1206, "Invalid time value"))?;
            Ok(text.to_owned())
        }
        Type::Varchar(n) => string(text, *n as usize),
        Type::Char(n) if text.is_ascii() => string(text, *n as usize),
        Type::Char(_) => Err(BadRow::new(1215, "Multibyte character not supported for CHAR (Hint: try using VARCHAR)")),
        Type::Varbyte(n, _) => {
            let digits = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !digits || text.len() / 2 > *n as usize {
                return Err(BadRow::new(1223, "Invalid hex value or length for VARBYTE"));
            }
            Ok(format!("\\x{text}"))
        }
        Type::Super => super_value(text, reading.large_strings),
        Type::TimeTz | Type::Interval | Type::Opaque(_) => Err(BadRow::new(1223, "Invalid data type")),
    }
}

fn integer(text: &str, min: i64, max: i64, name: &str) -> Result<String, BadRow> {
    let digits = text.trim();
    let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadRow::new(1207, format!("Invalid digit, Value '{}', Pos 0, Type: {name}", first_odd(digits))));
    }
    match digits.parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number.to_string()),
        _ => Err(BadRow::new(1204, format!("Overflow, Value '{digits}', Type: {name}"))),
    }
}

fn first_odd(text: &str) -> char {
    text.chars().find(|c| !c.is_ascii_digit() && *c != '-').unwrap_or(' ')
}

fn decimal(text: &str, precision: usize, scale: usize, rounds: bool) -> Result<String, BadRow> {
    let bad = || BadRow::new(1209, "Invalid digit for a decimal");
    let plain = text.trim();
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", plain.strip_prefix('+').unwrap_or(plain)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !all(whole) || !all(fraction) {
        return Err(bad());
    }
    let whole = whole.trim_start_matches('0');
    if whole.len() > precision - scale {
        return Err(BadRow::new(1204, "Numeric overflow"));
    }
    if rounds {
        // The backing server rounds by itself.
        return Ok(plain.to_owned());
    }
    let kept = &fraction[..fraction.len().min(scale)];
    Ok(format!("{sign}{}.{kept}0", if whole.is_empty() { "0" } else { whole }))
}

fn boolean(text: &str) -> Result<String, BadRow> {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Ok("t".to_owned()),
        "f" | "false" | "n" | "no" | "0" => Ok("f".to_owned()),
        _ => Err(BadRow::new(1210, "Unknown boolean format")),
    }
}

fn string(text: &str, limit: usize) -> Result<String, BadRow> {
    if text.contains('\0') {
        return Err(BadRow::new(1216, "Missing newline: Unexpected character 0x00"));
    }
    if text.len() > limit {
        return Err(BadRow::new(1204, "String length exceeds DDL length"));
    }
    Ok(text.to_owned())
}

fn numbers(text: &str, mark: char, widths: &[usize]) -> Option<Vec<u32>> {
    let parts: Vec<&str> = text.split(mark).collect();
    let fits = parts.len() == widths.len()
        && parts
            .iter()
            .zip(widths)
            .all(|(part, width)| part.len() == *width && part.bytes().all(|b| b.is_ascii_digit()));
    fits.then(|| parts.iter().filter_map(|part| part.parse().ok()).collect())
}

fn date(text: &str) -> Option<()> {
    let parts = numbers(text, '-', &[4, 2, 2])?;
    let leap = parts[0] % 4 == 0 && (parts[0] % 100 != 0 || parts[0] % 400 == 0);
    let days = match parts[1] {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    (1..=days).contains(&parts[2]).then_some(())
}

fn time(text: &str) -> Option<()> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let parts = numbers(clock, ':', &[2, 2, 2])?;
    let digits = (1..=6).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    (digits && parts[0] < 24 && parts[1] < 60 && parts[2] < 60).then_some(())
}

fn timestamp(text: &str, any: bool) -> Option<()> {
    let mark = if any && text.get(10..11) == Some("T") { 'T' } else { ' ' };
    let (day, rest) = text.split_once(mark)?;
    date(day)?;
    let zone = rest.find(['+', '-']).or_else(|| (any && rest.ends_with('Z')).then(|| rest.len() - 1));
    time(&rest[..zone.unwrap_or(rest.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Reading = Reading { rounds: false, any_time: false, large_strings: false };

    #[test]
    fn decimals_are_cut_and_not_rounded() {
        assert_eq!(convert("1.239", &Type::Decimal(5, 2), PLAIN).unwrap(), "1.230");
        assert_eq!(convert("-0.5", &Type::Decimal(5, 0), PLAIN).unwrap(), "-0.0");
        assert!(convert("1234", &Type::Decimal(5, 2), PLAIN).is_err());
    }

    #[test]
    fn a_value_that_does_not_fit_has_the_servers_code() {
        let code = |text: &str, ty: Type| convert(text, &ty, PLAIN).unwrap_err().code;
        assert_eq!(code("x1", Type::Integer), 1207);
        assert_eq!(code("2147483648", Type::Integer), 1204);
        assert_eq!(code("äbc", Type::Varchar(3)), 1204, "bytes, not characters");
        assert_eq!(code("2023-02-29", Type::Date), 1205);
        assert_eq!(code("2023-02-28T00:00:00", Type::Timestamp), 1206);
        assert_eq!(code("{\"a\":", Type::Super), 1224);
        assert_eq!(code("maybe", Type::Boolean), 1210);
    }
}

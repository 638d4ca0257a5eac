//! Numbers as they are written, digit for digit.

use super::swar::fraction_before;

/// What a number's spelling looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Digits only, with or without a minus sign.
    Int,
    /// With a decimal point and no exponent.
    Frac,
    /// With an exponent.
    Exp,
}

/// A number's spelling, taken apart. Counts are of the value written out without an exponent: `1.5e3` has four
/// digits before the point and none behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// What it looks like.
    pub shape: Shape,
    /// Bytes it takes.
    pub len: usize,
    /// Digits before the point, leading zeros not counted; at least 0.
    pub int_digits: i64,
    /// Digits behind the point that are needed to write the value out; trailing zeros that are written count.
    pub scale: i64,
    /// Significant digits written, leading zeros not counted.
    pub digits: usize,
    /// Whether the value is zero.
    pub zero: bool,
}

/// Takes the number at the front of `text` apart by the grammar of JSON (RFC 8259 section 6): no plus sign, no
/// leading zero, digits on both sides of the point. `None` if there is none. What follows it is the caller's to
/// check.
pub fn json_number(text: &[u8]) -> Option<Number> {
    scan(text, true)
}

/// Takes a CSV cell apart that is a number as a whole: like JSON, and `.5` and `5.` too. A plus sign or a leading
/// zero (`007`, `-07`, `00.5`) makes it a code and not a number.
pub fn number(text: &[u8]) -> Option<Number> {
    scan(text, false).filter(|number| number.len == text.len())
}

fn digits_at(text: &[u8], from: usize) -> usize {
    text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn scan(text: &[u8], json: bool) -> Option<Number> {
    let start = usize::from(text.first() == Some(&b'-'));
    let int = digits_at(text, start);
    let mut at = start + int;
    let leading_zero = int > 0 && text[start] == b'0';
    if (leading_zero && int > 1) || (int == 0 && json) {
        return None;
    }
    let mut shape = Shape::Int;
    let mut frac = 0;
    if text.get(at) == Some(&b'.') {
        frac = digits_at(text, at + 1);
        if (json && frac == 0) || int + frac == 0 {
            return None;
        }
        at += 1 + frac;
        shape = Shape::Frac;
    }
    if int + frac == 0 {
        return None;
    }
    let mut exponent = 0i64;
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let len = digits_at(text, at + 1 + sign);
        if len == 0 {
            return None;
        }
        exponent = exponent_value(&text[at + 1 + sign..at + 1 + sign + len]);
        if text[at + 1] == b'-' {
            exponent = -exponent;
        }
        at += 1 + sign + len;
        shape = Shape::Exp;
    }
    let written = &text[start..start + int + usize::from(shape != Shape::Int && frac > 0) + frac];
    let leading = leading_zeros(written);
    let digits = int + frac - leading;
    let zero = digits == 0;
    let (int_digits, scale) = if zero {
        (0, if shape == Shape::Exp { 0 } else { frac as i64 })
    } else {
        // The first significant digit stands `int - leading` places before the point, the exponent moves it.
        ((int as i64 - leading as i64 + exponent).max(0), (frac as i64 - exponent).max(0))
    };
    Some(Number { shape, len: at, int_digits, scale, digits, zero })
}

/// Leading zeros among the digits of `written` (digits with at most one point).
fn leading_zeros(written: &[u8]) -> usize {
    written.iter().filter(|byte| **byte != b'.').take_while(|byte| **byte == b'0').count()
}

/// The exponent's value, held at a bound far past what any type holds, however many zeros stand before the digits.
fn exponent_value(digits: &[u8]) -> i64 {
    digits.iter().fold(0i64, |sum, digit| (sum * 10 + i64::from(digit - b'0')).min(100_000_000_000_000_000))
}

/// The largest exponent that the standard library is asked to read; from 655,360 on it takes it for another.
const MOST_EXPONENT: i64 = 100_000;

/// An exact number: `unscaled` × 10^-`scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    /// All digits as one whole number.
    pub unscaled: i128,
    /// Digits behind the point.
    pub scale: u32,
}

/// Reads a number exactly, for spellings of at most 38 digits once the exponent is applied. `None` past that.
///
/// `text` must be a number as [`json_number`] or [`number`] take it.
pub fn decimal(text: &[u8], number: &Number) -> Option<Decimal> {
    if number.int_digits + number.scale > 38 {
        return None;
    }
    let mantissa = text.iter().take_while(|byte| !matches!(byte, b'e' | b'E'));
    let mut unscaled = 0i128;
    let mut frac = 0i64;
    let mut behind_point = false;
    for byte in mantissa {
        match byte {
            b'-' => {}
            b'.' => behind_point = true,
            digit => {
                unscaled = unscaled.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
                frac += i64::from(behind_point);
            }
        }
    }
    // What is written has `frac` places; the exponent asks for `scale` of them, or for zeros at the end.
    if !number.zero {
        let exponent = exponent_of(text);
        let zeros = (exponent - frac).max(0);
        unscaled = unscaled.checked_mul(10i128.checked_pow(u32::try_from(zeros).ok()?)?)?;
    }
    if text.first() == Some(&b'-') {
        unscaled = -unscaled;
    }
    Some(Decimal { unscaled, scale: u32::try_from(number.scale).ok()? })
}

/// Writes `unscaled` × 10^-`scale` with all its places, zeros too: `-0.050`.
///
/// ```
/// use longshore::value::decimal_text;
/// assert_eq!((decimal_text(-50, 3).as_str(), decimal_text(7, 0).as_str()), ("-0.050", "7"));
/// ```
pub fn decimal_text(unscaled: i128, scale: usize) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    match digits.split_at(digits.len() - scale) {
        (whole, "") => format!("{sign}{whole}"),
        (whole, behind) => format!("{sign}{whole}.{behind}"),
    }
}

fn exponent_of(text: &[u8]) -> i64 {
    let Some(at) = text.iter().position(|byte| matches!(byte, b'e' | b'E')) else { return 0 };
    match text[at + 1] {
        b'-' => -exponent_value(&text[at + 2..]),
        b'+' => exponent_value(&text[at + 2..]),
        _ => exponent_value(&text[at + 1..]),
    }
}

/// Whether a double gives this number back: its shortest decimal form that reads back as the same double has the
/// same value as the spelling. So `0.1` and `1.50` do, `0.10000000000000001` and `1e400` do not.
pub fn double_gives_back(text: &[u8], number: &Number) -> bool {
    if number.shape == Shape::Exp && !number.zero && exponent_of(text).abs() > MOST_EXPONENT {
        return false;
    }
    // 15 significant digits always survive a double within its normal range.
    if number.zero || (number.digits <= 15 && number.int_digits <= 290 && number.scale <= 290) {
        return true;
    }
    let Some(value) = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok()) else { return false };
    if !value.is_finite() || value == 0.0 {
        return false;
    }
    significant(text) == significant(format!("{value:e}").as_bytes())
}

/// The significant digits, without zeros at either end, and the power of ten of the first one.
fn significant(text: &[u8]) -> (Vec<u8>, i64) {
    let mantissa: Vec<u8> = text.iter().copied().take_while(|byte| !matches!(byte, b'e' | b'E')).collect();
    let point = mantissa.iter().position(|byte| *byte == b'.');
    let digits: Vec<u8> = mantissa.iter().copied().filter(u8::is_ascii_digit).collect();
    let before_point = match point {
        Some(point) => mantissa[..point].iter().filter(|byte| byte.is_ascii_digit()).count(),
        None => digits.len(),
    };
    let leading = digits.iter().take_while(|digit| **digit == b'0').count();
    let trailing = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    let kept = if leading == digits.len() { Vec::new() } else { digits[leading..digits.len() - trailing].to_vec() };
    (kept, before_point as i64 - leading as i64 + exponent_of(text))
}

/// A number in its plainest spelling: an optional minus, at most 18 digits, perhaps a point among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simple {
    /// All digits as one whole number, with the sign.
    pub unscaled: i64,
    /// Digits before the point, leading zeros not counted.
    pub int_digits: u32,
    /// Digits behind the point.
    pub scale: u32,
    /// Whether there is a point.
    pub point: bool,
}

/// Powers of ten that a double holds exactly.
pub(crate) const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

impl Simple {
    /// The number as a double. Both parts of the division are exact, so it is rounded once, as it must be.
    pub fn double(&self) -> f64 {
        self.unscaled as f64 / POWERS[self.scale as usize]
    }
}

/// Reads the numbers that make up nearly all data, in one short loop: whole numbers of at most 18 digits, and
/// numbers with digits on both sides of a point, at most 15 of them, which a double always gives back. `None` says
/// only that [`number`] or [`json_number`] has to look.
#[inline]
pub fn simple(text: &[u8]) -> Option<Simple> {
    let negative = text.first() == Some(&b'-');
    let body = &text[usize::from(negative)..];
    if body.is_empty() || body.len() > 18 {
        return None;
    }
    let mut value = 0i64;
    let mut point = usize::MAX;
    for (i, byte) in body.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            value = value * 10 + i64::from(digit);
        } else if *byte == b'.' && point == usize::MAX {
            point = i;
        } else {
            return None;
        }
    }
    let whole = point.min(body.len());
    let scale = body.len().saturating_sub(whole + 1);
    let has_point = point != usize::MAX;
    let leading_zero = body[0] == b'0';
    if (leading_zero && whole > 1) || (has_point && (whole == 0 || scale == 0 || whole + scale > 15)) {
        return None;
    }
    Some(Simple {
        unscaled: if negative { -value } else { value },
        int_digits: if leading_zero { 0 } else { whole as u32 },
        scale: scale as u32,
        point: has_point,
    })
}

/// The number in `bytes[from..to]` if it has a point, as [`simple`] reads it, but by its bytes at once. `None` says only
/// that somebody else has to look, which is so too where there are fewer than 16 bytes before `to`.
#[inline]
pub(crate) fn fraction_at(bytes: &[u8], from: usize, to: usize) -> Option<Simple> {
    let negative = *bytes.get(from)? == b'-';
    let from = from + usize::from(negative);
    let (unscaled, scale) = fraction_before(bytes, to, to.checked_sub(from)?)?;
    let whole = to - from - 1 - scale;
    let leading_zero = *bytes.get(from)? == b'0';
    if leading_zero && whole > 1 {
        return None;
    }
    // At most 15 digits are in 16 bytes.
    let unscaled = if negative { -(unscaled as i64) } else { unscaled as i64 };
    let int_digits = if leading_zero { 0 } else { whole as u32 };
    Some(Simple { unscaled, int_digits, scale: scale as u32, point: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Option<(Shape, i64, i64)> {
        number(text.as_bytes()).map(|n| (n.shape, n.int_digits, n.scale))
    }

    #[test]
    fn digits_are_counted_as_if_written_out() {
        assert_eq!(shape("0"), Some((Shape::Int, 0, 0)));
        assert_eq!(shape("-12"), Some((Shape::Int, 2, 0)));
        assert_eq!(shape("1.50"), Some((Shape::Frac, 1, 2)));
        assert_eq!(shape("0.05"), Some((Shape::Frac, 0, 2)));
        assert_eq!(shape(".5"), Some((Shape::Frac, 0, 1)));
        assert_eq!(shape("5."), Some((Shape::Frac, 1, 0)));
        assert_eq!(shape("1.5e3"), Some((Shape::Exp, 4, 0)));
        assert_eq!(shape("1.5e-3"), Some((Shape::Exp, 0, 4)));
        assert_eq!(shape("0.0012E2"), Some((Shape::Exp, 0, 2)));
        assert_eq!(shape("0e99999999999"), Some((Shape::Exp, 0, 0)));
    }

    #[test]
    fn an_exponent_is_not_cut_off_by_zeros_before_it() {
        let after = |zeros: usize, end: &str| format!("0.{}{end}", "0".repeat(zeros));
        assert_eq!(shape(&after(999_999, "1e1000000")), Some((Shape::Exp, 1, 0)));
        assert_eq!(shape(&after(999_999, "1e2000000")), Some((Shape::Exp, 1_000_001, 0)));
        let text = after(699_999, "1e700000");
        let one = number(text.as_bytes()).unwrap();
        assert_eq!(decimal(text.as_bytes(), &one), Some(Decimal { unscaled: 1, scale: 0 }));
        assert!(!double_gives_back(text.as_bytes(), &one), "the standard library reads 0");
        assert_eq!(shape("1e99999999999999999999"), Some((Shape::Exp, 100_000_000_000_000_001, 0)));
    }

    #[test]
    fn codes_and_near_numbers_are_no_numbers() {
        for text in
            ["", "-", "+5", "007", "-07", "00", "00.5", "1,5", "1e", "1e+", ".", "-.", "0x10", "1_000", "1 ", " 1"]
        {
            assert_eq!(shape(text), None, "{text}");
        }
        for text in [".5", "5.", "01", "+1", "-", "1.e5"] {
            let whole = json_number(text.as_bytes()).filter(|n| n.len == text.len());
            assert_eq!(whole, None, "{text}");
        }
        assert_eq!(json_number(b"12,").unwrap().len, 2);
    }

    #[test]
    fn the_short_way_says_what_the_long_way_says() {
        let texts = [
            "0",
            "-0",
            "7",
            "-12",
            "340",
            "999999999999999999",
            "1000000000000000000",
            "1.5",
            "-0.25",
            "0.0",
            "-0.0",
            "12345678.1234567",
            "123456789.1234567",
            "1.",
            ".5",
            "007",
            "0.10",
            "1..2",
            "1-2",
            "",
            "-",
            "1e5",
            "x",
        ];
        for text in texts {
            let (short, long) = (simple(text.as_bytes()), number(text.as_bytes()));
            let Some(short) = short else { continue };
            let long = long.unwrap_or_else(|| panic!("{text} is no number"));
            assert_eq!((short.int_digits, short.scale), (long.int_digits as u32, long.scale as u32), "{text}");
            assert_eq!(short.point, long.shape == Shape::Frac, "{text}");
            assert_eq!(decimal(text.as_bytes(), &long).unwrap().unscaled, i128::from(short.unscaled), "{text}");
            assert!(double_gives_back(text.as_bytes(), &long) || !short.point, "{text}");
            assert_eq!(short.double().abs(), text.parse::<f64>().unwrap().abs(), "{text}");
        }
        assert!(simple(b"12.25").is_some() && simple(b"-340").is_some());
    }

    #[test]
    fn fractions_are_what_the_short_way_says_of_a_number_with_a_point() {
        let signs = ["", "-"];
        let wholes = ["", "0", "00", "7", "07", "42", "12345678", "123456789012", "1234567890123", "x"];
        let ends = ["", ".", ".0", ".5", ".25", ".120", ".123456789012", "..5", ".5.", ".5e1", ".x", ".-5", "5"];
        for sign in signs {
            for whole in wholes {
                for end in ends {
                    let text = format!("{sign}{whole}{end}");
                    let framed = format!("0123456789.12345,{text},");
                    let found = fraction_at(framed.as_bytes(), 17, 17 + text.len());
                    assert_eq!(found, simple(text.as_bytes()).filter(|number| number.point), "{text}");
                }
            }
        }
        assert_eq!(fraction_at(b"1.5", 0, 3), None, "nothing before it to look at");
        assert_eq!(fraction_at(b"1.5", 3, 3), None);
    }

    #[test]
    fn decimals_are_read_exactly() {
        let read = |text: &str| {
            let number = number(text.as_bytes()).unwrap();
            decimal(text.as_bytes(), &number).map(|d| (d.unscaled, d.scale))
        };
        assert_eq!(read("-12345.678"), Some((-12_345_678, 3)));
        assert_eq!(read("1.50"), Some((150, 2)));
        assert_eq!(read("2.5e3"), Some((2500, 0)));
        assert_eq!(read("2.5e-3"), Some((25, 4)));
        assert_eq!(read("0.000"), Some((0, 3)));
        assert_eq!(read("99999999999999999999999999999999999999"), Some((10i128.pow(38) - 1, 0)));
        assert_eq!(read("100000000000000000000000000000000000000"), None);
        assert_eq!(read("1e400"), None);
    }

    #[test]
    fn a_double_gives_back_what_its_shortest_form_says() {
        let back = |text: &str| double_gives_back(text.as_bytes(), &number(text.as_bytes()).unwrap());
        for text in ["0.1", "1.50", "2.5E+10", "1e-7", "0.30000000000000004", "9007199254740992.0", "1e300", "5e-324"] {
            assert!(back(text), "{text}");
        }
        for text in ["12345678901234567.89", "0.10000000000000001", "1e400", "1e-400", "9007199254740993.0"] {
            assert!(!back(text), "{text}");
        }
    }
}

//! Times of day in their usual spelling, without a loop.

/// Reads `HH:MM:SS` as seconds since midnight. There is no 24:00 and no 60th second.
///
/// ```
/// use longshore::value::clock;
/// assert_eq!(clock(b"10:20:30"), Some(37_230));
/// assert_eq!(clock(b"24:00:00"), None);
/// ```
#[inline]
pub fn clock(text: &[u8; 8]) -> Option<u32> {
    const SHAPE: u64 = u64::from_le_bytes(*b"00:00:00");
    // Digits become their value, and colons zero.
    let digits = u64::from_le_bytes(*text) ^ SHAPE;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let (hour, minute, second) = (pairs & 0xFF, pairs >> 24 & 0xFF, pairs >> 48 & 0xFF);
    // Past 9 a digit gets its highest bit by this sum, as does a colon past 0, or had it before.
    let wrong = (digits | digits.wrapping_add(0x7676_7F76_767F_7676)) & 0x8080_8080_8080_8080;
    (wrong == 0 && hour < 24 && minute < 60 && second < 60).then_some((hour * 3600 + minute * 60 + second) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::time;

    #[test]
    fn the_usual_spelling_is_read_as_any_other() {
        let check = |text: [u8; 8]| {
            let long = time(&text).filter(|_| text[5] == b':').map(|micros| (micros / 1_000_000) as u32);
            assert_eq!(clock(&text), long, "{:?}", String::from_utf8_lossy(&text));
        };
        for second in (0..86_400).step_by(7) {
            let text = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
            check(text.as_bytes().try_into().unwrap());
        }
        for text in ["00:00:00", "23:59:59", "24:00:00", "12:60:00", "12:00:60", "99:99:99"] {
            let text: [u8; 8] = text.as_bytes().try_into().unwrap();
            check(text);
            for at in 0..8 {
                for byte in 0..=255 {
                    let mut text = text;
                    text[at] = byte;
                    check(text);
                }
            }
        }
    }
}

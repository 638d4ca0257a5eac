//! The drift stream, made anew: the same bytes for the same seed and length.
//!
//! A stream of `n` logical records whose schema changes in every way that a schema can: types that widen, fields that
//! come, go and change their case, a first value at 95 %, broken lines and repeated ones.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::Write;

/// A stream of records `0..n`.
#[derive(Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) seed: u64,
    pub(crate) n: u64,
}

const WORDS: [&str; 8] =
    ["plain", "two words", "quote \" inside", "back\\slash", "tab\there", "newline\nhere", "é 日本 😀", ""];

fn mix(mut z: u64) -> u64 {
    z ^= z >> 30;
    z = z.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^= z >> 27;
    z = z.wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Stream {
    /// The random number of a record's slot.
    fn r(self, i: u64, k: u64) -> u64 {
        mix(self
            .seed
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add((i + 1).wrapping_mul(0xD1B5_4A32_D192_ED03))
            .wrapping_add(k.wrapping_mul(0x8CB9_2BA7_2F3D_8DD7)))
    }

    /// Appends the lines of a record: one, or two equal ones.
    pub(crate) fn write(self, i: u64, out: &mut Vec<u8>) {
        let start = out.len();
        if self.r(i, 99).is_multiple_of(500) {
            self.broken(i, out);
            out.push(b'\n');
            return;
        }
        self.record(i, "", out);
        out.push(b'\n');
        if self.r(i, 98).is_multiple_of(1000) {
            out.extend_from_within(start..);
        }
    }

    fn broken(self, i: u64, out: &mut Vec<u8>) {
        let start = out.len();
        match self.r(i, 97) % 6 {
            0 => {
                self.record(i, "", out);
                out.pop();
            }
            1 => {
                self.record(i, "", out);
                out.pop();
                out.extend_from_slice(b",}");
            }
            2 => {
                self.record(i, "", out);
                out[start..].iter_mut().filter(|byte| **byte == b'"').for_each(|byte| *byte = b'\'');
            }
            3 => self.record(i, "\x01", out),
            4 => {
                let _ = write!(out, "\"{i}\"");
            }
            _ => {
                // A byte that is no text, so it is put in by hand.
                self.record(i, "\x01", out);
                let at = start + out[start..].iter().position(|byte| *byte == 1).unwrap_or_default();
                out[at] = 0xFF;
            }
        }
    }

    /// The record; `inside` stands behind the `u` of its id.
    fn record(self, i: u64, inside: &str, out: &mut Vec<u8>) {
        let r = |k| self.r(i, k);
        let phase = 10 * i / self.n;
        let _ = write!(out, "{{\"seq\":{i},\"id\":\"u{inside}{:016x}\",\"ts\":\"{}Z\"", r(1), iso(i));
        match phase {
            0 | 1 => _ = write!(out, ",\"n\":{}", r(2) % 100),
            2 | 3 => _ = write!(out, ",\"n\":{}", r(2) % 100_000),
            4 | 5 => _ = write!(out, ",\"n\":{}", r(2) % (1 << 40)),
            _ if r(3).is_multiple_of(1000) => _ = write!(out, ",\"n\":{}", (1_u128 << 64) + u128::from(r(2))),
            _ => _ = write!(out, ",\"n\":{}", r(2) % 100_000),
        }
        match phase {
            0..3 => _ = write!(out, ",\"amt\":{}", r(4) % 1000),
            _ => _ = write!(out, ",\"amt\":{}", eighth(r(4) % 100_000)),
        }
        match (phase, r(5) & 1) {
            (0..5, bit) => _ = write!(out, ",\"flag\":{}", bit == 1),
            (5 | 6, _) => {}
            (_, bit) => _ = write!(out, ",\"flag\":\"{}\"", if bit == 1 { "yes" } else { "no" }),
        }
        match phase {
            0..6 => _ = write!(out, ",\"code\":{}", r(6) % 10_000),
            _ => _ = write!(out, ",\"code\":\"{:05}\"", r(6) % 10_000),
        }
        if phase < 5 {
            let _ = write!(out, ",\"old_only\":\"o{}\"", r(7) % 50);
        }
        let user = ["userId", "userid", "USERID"][if phase < 3 { 0 } else { 1 + usize::from(phase >= 6) }];
        let _ = write!(out, ",\"{user}\":{}", r(8) % 1_000_000);
        let d = iso(r(9) % 31_536_000);
        let _ = write!(out, ",\"d\":\"{}\"", if phase < 4 { &d[..10] } else { &d });
        if i < self.n * 95 / 100 {
            out.extend_from_slice(b",\"late\":null");
        } else {
            let _ = write!(out, ",\"late\":{}", r(10) % 1000);
        }
        self.new_fields(i, phase, out);
        if r(32).is_multiple_of(10_000) {
            match r(33) & 1 {
                1 => _ = write!(out, ",\"rare\":{}", r(33) % 100),
                _ => _ = write!(out, ",\"rare\":{{\"z\":{}}}", r(33) % 100),
            }
        }
        if i == self.n * 37 / 100 {
            out.extend_from_slice(b",\"x\\\"; DROP TABLE t; --\":1");
        }
        out.push(b'}');
    }

    /// The fields that come one in each phase.
    fn new_fields(self, i: u64, phase: u64, out: &mut Vec<u8>) {
        let r = |k| self.r(i, k);
        for field in 1..=phase {
            let _ = write!(out, ",\"f{field}\":");
            match field {
                1 => _ = write!(out, "{}", r(11) % 1000),
                2 => _ = write!(out, "{}", eighth(r(12) % 8000)),
                3 => _ = write!(out, "{}", r(13) & 1 == 1),
                4 => _ = write!(out, "\"{}\"", &iso(r(14) % 31_536_000)[..10]),
                5 => _ = write!(out, "\"{}+0{}:00\"", iso(r(15) % 31_536_000), r(16) % 10),
                6 => string(WORDS[(r(17) % 8) as usize], r(18) & 1 == 1, out),
                7 => _ = write!(out, "{{\"x\":{},\"y\":\"s{}\"}}", r(19) % 100, r(19) % 7),
                8 => {
                    let items: Vec<String> = (0..r(20) % 4).map(|j| (r(20 + j) % 10).to_string()).collect();
                    let _ = write!(out, "[{}]", items.join(","));
                }
                _ => {
                    let hex = format!("{:016x}{:016x}", r(30), r(31));
                    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
                    let _ = write!(out, "\"{}\"", parts.join("-"));
                }
            }
        }
    }
}

/// `u` eighths, exactly.
fn eighth(u: u64) -> String {
    format!("{}.{}", u / 8, ["0", "125", "25", "375", "5", "625", "75", "875"][(u % 8) as usize])
}

/// So many seconds behind the beginning of 2024, and still in it.
fn iso(seconds: u64) -> String {
    let (mut day, mut month) = (seconds / 86_400, 1);
    for length in [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < length {
            break;
        }
        (day, month) = (day - length, month + 1);
    }
    let time = seconds % 86_400;
    format!("2024-{month:02}-{:02}T{:02}:{:02}:{:02}", day + 1, time / 3600, time / 60 % 60, time % 60)
}

fn string(text: &str, ascii: bool, out: &mut Vec<u8>) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
            '\t' => out.extend_from_slice(b"\\t"),
            '\n' => out.extend_from_slice(b"\\n"),
            c if ascii && !c.is_ascii() => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

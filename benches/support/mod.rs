//! Deterministic inputs for benchmarks: the same bytes for the same size, on any machine.

mod csv;
mod json;

use std::io::{self, Write};

/// A generator of pseudo-random numbers (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// True once in `n` times.
    fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }
}

/// An input: its name, how it begins, and how each of its records is written.
pub(crate) struct Shape {
    /// Format and data: `ndjson/events`.
    #[allow(dead_code, reason = "who holds inputs in memory names them otherwise")]
    pub(crate) name: &'static str,
    head: &'static str,
    seed: u64,
    /// Appends record `i` without its line end.
    record: fn(&mut Random, &mut String, u64),
}

/// Clickstream events: ids, times, nested context and properties that depend on the event, sparse fields; in one
/// record of a hundred a number is a text.
pub(crate) const CLICKSTREAM: Shape =
    Shape { name: "ndjson/clickstream", head: "", seed: 1, record: json::clickstream };

/// Events of many shapes with long escaped and non-ASCII text, as a code-hosting service sends them.
pub(crate) const EVENTS: Shape = Shape { name: "ndjson/events", head: "", seed: 2, record: json::event };

/// Flights: typed columns with `NA` where a flight has no times.
pub(crate) const FLIGHTS: Shape = Shape { name: "csv/flights", head: csv::FLIGHTS_HEAD, seed: 3, record: csv::flight };

/// Reviews: quoted text with commas, doubled quotes and newlines.
pub(crate) const REVIEWS: Shape = Shape { name: "csv/reviews", head: csv::REVIEWS_HEAD, seed: 4, record: csv::review };

impl Shape {
    /// Writes records until there are at least `bytes` bytes of them. Memory does not grow with the size.
    pub(crate) fn write(&self, bytes: u64, out: &mut impl Write) -> io::Result<()> {
        let mut random = Random::new(self.seed);
        let mut buffer = String::from(self.head);
        let (mut written, mut i) = (0, 0);
        while written + (buffer.len() as u64) < bytes {
            (self.record)(&mut random, &mut buffer, i);
            buffer.push('\n');
            i += 1;
            if buffer.len() >= 1 << 16 {
                out.write_all(buffer.as_bytes())?;
                written += buffer.len() as u64;
                buffer.clear();
            }
        }
        out.write_all(buffer.as_bytes())
    }

    fn in_memory(&self, bytes: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes + (1 << 16));
        self.write(bytes as u64, &mut out).expect("memory takes what is written to it");
        out
    }
}

/// [`CLICKSTREAM`] in memory.
pub(crate) fn clickstream(bytes: usize) -> Vec<u8> {
    CLICKSTREAM.in_memory(bytes)
}

/// [`EVENTS`] in memory.
pub(crate) fn events(bytes: usize) -> Vec<u8> {
    EVENTS.in_memory(bytes)
}

/// [`FLIGHTS`] in memory.
pub(crate) fn flights(bytes: usize) -> Vec<u8> {
    FLIGHTS.in_memory(bytes)
}

/// [`REVIEWS`] in memory.
pub(crate) fn reviews(bytes: usize) -> Vec<u8> {
    REVIEWS.in_memory(bytes)
}

const WORDS: [&str; 24] = [
    "harbour", "crane", "tide", "cargo", "anchor", "berth", "quay", "manifest", "ballast", "pilot", "buoy", "current",
    "freight", "keel", "lantern", "mooring", "north", "open", "passage", "rope", "signal", "tonnage", "voyage",
    "watch",
];

/// Words of other scripts and accents, of two to four bytes a character.
const FOREIGN: [&str; 16] = [
    "größe",
    "über",
    "çok",
    "été",
    "niño",
    "łódź",
    "гавань",
    "корабль",
    "якорь",
    "λιμάνι",
    "港口",
    "船荷証券",
    "貨物",
    "항구",
    "🚢",
    "⚓",
];

/// Appends `from..to` words; one of `foreign` is not plain ASCII, none if it is 0.
fn words(random: &mut Random, out: &mut String, (from, to): (u64, u64), foreign: u64) {
    for i in 0..from + random.below(to - from) {
        if i > 0 {
            out.push(' ');
        }
        let is_foreign = foreign > 0 && random.once_in(foreign);
        out.push_str(random.pick(if is_foreign { &FOREIGN } else { &WORDS }));
    }
}

/// A day and time `seconds` after 2024-01-01, in months of 28 days.
struct Time {
    month: u64,
    day: u64,
    of_day: (u64, u64, u64),
}

impl Time {
    fn after(seconds: u64) -> Self {
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        Time { month: days / 28 % 12 + 1, day: days % 28 + 1, of_day: (rest / 3600, rest / 60 % 60, rest % 60) }
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (hour, minute, second) = self.of_day;
        write!(f, "2024-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}", self.month, self.day)
    }
}

/// A random (version 4) UUID.
struct Uuid(u64, u64);

impl Uuid {
    fn new(random: &mut Random) -> Self {
        Uuid(random.next(), random.next())
    }
}

impl std::fmt::Display for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (time, version) = ((self.0 >> 32) as u32, 0x4000 | (self.0 & 0xFFF));
        let (middle, variant) = ((self.0 >> 16) as u16, 0x8000 | (self.1 >> 48 & 0x3FFF));
        write!(f, "{time:08x}-{middle:04x}-{version:04x}-{variant:04x}-{:012x}", self.1 & 0xFFFF_FFFF_FFFF)
    }
}

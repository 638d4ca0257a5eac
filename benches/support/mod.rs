//! Deterministic inputs for benchmarks: the same bytes for the same size, on any machine.

/// A generator of pseudo-random numbers (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }

    fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        let (node, low) = (b & 0xFFFF_FFFF_FFFF, a & 0xFFFF);
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{node:012x}",
            a >> 32,
            (a >> 16) & 0xFFFF,
            0x4000 | (low & 0xFFF),
            b >> 48 | 0x8000
        )
    }
}

/// A day and time `seconds` after 2024-01-01, as `2024-01-05T10:20:30`.
fn time(seconds: u64, separator: char) -> String {
    let (days, rest) = (seconds / 86_400 % 28, seconds % 86_400);
    let month = seconds / 86_400 / 28 % 12 + 1;
    format!("2024-{month:02}-{:02}{separator}{:02}:{:02}:{:02}", days + 1, rest / 3600, rest / 60 % 60, rest % 60)
}

const WORDS: [&str; 24] = [
    "harbour", "crane", "tide", "cargo", "anchor", "berth", "quay", "manifest", "ballast", "pilot", "buoy", "current",
    "freight", "keel", "lantern", "mooring", "north", "open", "passage", "rope", "signal", "tonnage", "voyage",
    "watch",
];

fn words(random: &mut Random, from: u64, to: u64) -> String {
    let n = from + random.below(to - from);
    (0..n).map(|_| random.pick(&WORDS)).collect::<Vec<_>>().join(" ")
}

/// Lines from `line` until there are `bytes` of them.
fn until(bytes: usize, head: &str, mut line: impl FnMut(&mut String, u64)) -> Vec<u8> {
    let mut out = String::with_capacity(bytes + 4096);
    out.push_str(head);
    let mut i = 0;
    while out.len() < bytes {
        line(&mut out, i);
        out.push('\n');
        i += 1;
    }
    out.into_bytes()
}

/// Clickstream events: ids, times, nested context and properties, sparse fields; in one record of a hundred a
/// number is a text.
pub(crate) fn clickstream(bytes: usize) -> Vec<u8> {
    let mut random = Random::new(1);
    until(bytes, "", |out, i| {
        let event = random.pick(&["page", "click", "purchase", "search", "scroll", "identify"]);
        let (message, user) = (random.uuid(), random.below(100_000));
        let at = time(1_000 + i / 3, 'T');
        out.push_str(&format!("{{\"messageId\":\"{message}\",\"type\":\"track\",\"event\":\"{event}\","));
        out.push_str(&format!("\"userId\":\"u{user}\",\"anonymousId\":\"{}\",", random.uuid()));
        out.push_str(&format!("\"timestamp\":\"{at}.{:03}Z\",\"seq\":{i},", random.below(1000)));
        out.push_str(&format!(
            "\"context\":{{\"ip\":\"10.{}.{}.{}\",\"locale\":\"{}\",\"page\":{{\"path\":\"/{}/{}\",\"title\":\"{}\"}},\"screen\":{{\"width\":{},\"height\":{}}}}},",
            random.below(256), random.below(256), random.below(256),
            random.pick(&["en-GB", "de-DE", "fr-FR", "ja-JP"]),
            random.pick(&WORDS), random.below(10_000), words(&mut random, 2, 6),
            random.pick(&["1280", "1440", "1920", "2560"]), random.pick(&["720", "900", "1080", "1440"]),
        ));
        out.push_str(&format!("\"properties\":{{\"position\":{},", random.below(5000)));
        match random.below(100) {
            0 => out.push_str(&format!("\"price\":\"{}\"", random.pick(&["free", "n/a", "on request"]))),
            _ => out.push_str(&format!("\"price\":{}.{:02}", random.below(500), random.below(100))),
        }
        if random.below(4) == 0 {
            out.push_str(&format!(",\"coupon\":\"{}{}\"", random.pick(&WORDS), random.below(100)));
        }
        if random.below(10) == 0 {
            out.push_str(&format!(",\"quantity\":{}", 1 + random.below(9)));
        }
        out.push_str(&format!("}},\"mobile\":{}}}", random.below(2) == 0));
    })
}

/// Events of many shapes with long escaped and non-ASCII text, as a code-hosting service sends them.
pub(crate) fn events(bytes: usize) -> Vec<u8> {
    let mut random = Random::new(2);
    until(bytes, "", |out, i| {
        let kind = random.below(6);
        let name =
            ["PushEvent", "IssueEvent", "ForkEvent", "WatchEvent", "ReleaseEvent", "CommentEvent"][kind as usize];
        let (actor, repo) = (random.below(1_000_000), random.below(1_000_000));
        out.push_str(&format!(
            "{{\"id\":\"{}\",\"type\":\"{name}\",\"actor\":{{\"id\":{actor},\"login\":\"{}{actor}\",\"url\":\"https://api.example.org/users/{actor}\"}},\"repo\":{{\"id\":{repo},\"name\":\"{}/{}\"}},\"public\":true,\"created_at\":\"{}Z\",\"payload\":{{",
            2_000_000_000 + i, random.pick(&WORDS), random.pick(&WORDS), random.pick(&WORDS), time(i, 'T'),
        ));
        let text = |random: &mut Random, n| {
            let end = random.pick(&["\\n", "\\r\\n\\r\\n", " \\\"quoted\\\" ", " é 日本 ", " \\u2014 ", "\\t- "]);
            (0..n).map(|_| format!("{}{end}", words(random, 3, 12))).collect::<String>()
        };
        match kind {
            0 => {
                let commits: Vec<String> = (0..1 + random.below(4))
                    .map(|_| format!("{{\"sha\":\"{:016x}{:016x}\",\"message\":\"{}\",\"distinct\":true}}", random.next(), random.next(), text(&mut random, 2)))
                    .collect();
                out.push_str(&format!("\"push_id\":{},\"size\":{},\"ref\":\"refs/heads/main\",\"commits\":[{}]", i * 7, commits.len(), commits.join(",")));
            }
            1 | 5 => out.push_str(&format!(
                "\"action\":\"opened\",\"issue\":{{\"number\":{},\"title\":\"{}\",\"body\":\"{}\",\"labels\":[{{\"name\":\"{}\",\"color\":\"fc2929\"}}],\"locked\":false,\"comments\":{},\"closed_at\":null}}",
                random.below(9000), words(&mut random, 3, 9), text(&mut random, 8), random.pick(&WORDS), random.below(40),
            )),
            2 => out.push_str(&format!("\"forkee\":{{\"id\":{},\"full_name\":\"{}\",\"private\":false,\"description\":\"{}\",\"size\":{}}}", random.below(1 << 30), random.pick(&WORDS), text(&mut random, 2), random.below(9000))),
            3 => out.push_str("\"action\":\"started\""),
            _ => out.push_str(&format!("\"release\":{{\"tag_name\":\"v{}.{}\",\"prerelease\":{},\"body\":\"{}\"}}", random.below(9), random.below(99), random.below(2) == 0, text(&mut random, 12))),
        }
        out.push_str("}}");
    })
}

/// Flights: typed columns with `NA` where a flight has no times.
pub(crate) fn flights(bytes: usize) -> Vec<u8> {
    let mut random = Random::new(3);
    let head = "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour\n";
    until(bytes, head, |out, i| {
        let (month, day) = (i / 28_000 % 12 + 1, i / 1000 % 28 + 1);
        let (hour, minute) = (5 + random.below(18), random.below(60));
        let carrier = random.pick(&["UA", "AA", "B6", "DL", "EV", "MQ", "9E", "WN"]);
        let tail = format!("N{}{}", 100 + random.below(900), random.pick(&["UA", "AA", "JB", "DL"]));
        let (origin, dest) =
            (random.pick(&["EWR", "LGA", "JFK"]), random.pick(&["IAH", "MIA", "ATL", "ORD", "BOS", "LAX"]));
        let (air, distance) = (30 + random.below(400), 100 + random.below(2500));
        let planned = hour * 100 + minute;
        let times = if random.below(40) == 0 {
            format!("NA,{planned},NA,NA,{},NA", (planned + 200) % 2400)
        } else {
            let late = random.below(120) as i64 - 20;
            format!(
                "{},{planned},{late},{},{},{}",
                (planned + 7) % 2400,
                (planned + 210) % 2400,
                (planned + 200) % 2400,
                late - 5
            )
        };
        let air = if times.starts_with("NA") { "NA".to_string() } else { air.to_string() };
        out.push_str(&format!(
            "2024,{month},{day},{times},{carrier},{},{tail},{origin},{dest},{air},{distance},{hour},{minute},2024-{month:02}-{day:02} {hour:02}:00:00",
            1 + random.below(6000),
        ));
    })
}

/// Reviews: quoted text with commas, doubled quotes and newlines.
pub(crate) fn reviews(bytes: usize) -> Vec<u8> {
    let mut random = Random::new(4);
    until(bytes, "id,product,rating,title,review,posted,verified\n", |out, i| {
        let paragraphs: Vec<String> = (0..1 + random.below(4))
            .map(|_| {
                let (a, b) = (words(&mut random, 5, 25), words(&mut random, 3, 12));
                format!("{a}, {} {b}.", random.pick(&["and", "\"\"so to say\"\"", "über", "but"]))
            })
            .collect();
        out.push_str(&format!(
            "{i},\"{}, {}\",{},{},\"{}\",{},{}",
            random.pick(&WORDS),
            random.pick(&WORDS),
            1 + random.below(5),
            words(&mut random, 2, 6),
            paragraphs.join("\n"),
            &time(i * 60, 'T')[..10],
            random.pick(&["true", "false"]),
        ));
    })
}

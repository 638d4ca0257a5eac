//! Newline-delimited JSON.

use std::fmt::Write;

use super::{Random, Time, Uuid, WORDS, words};

const BROWSERS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
];

/// Writing to a `String` cannot fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => { let _ = write!($out, $($text)*); };
}

pub(super) fn clickstream(random: &mut Random, out: &mut String, i: u64) {
    let event = random.pick(&["Page Viewed", "Link Clicked", "Order Placed", "Search Run", "Page Scrolled"]);
    let at = Time::after(1_000 + i / 3);
    put!(out, "{{\"messageId\":\"{}\",\"type\":\"track\",\"event\":\"{event}\",", Uuid::new(random));
    match random.below(3) {
        0 => out.push_str("\"userId\":null,"),
        _ => {
            put!(out, "\"userId\":\"u{}\",", random.below(100_000));
        }
    }
    put!(out, "\"anonymousId\":\"{}\",", Uuid::new(random));
    put!(out, "\"timestamp\":\"{at}.{:03}Z\",\"seq\":{i},\"context\":{{", random.below(1000));
    put!(out, "\"ip\":\"10.{}.{}.{}\",", random.below(256), random.below(256), random.below(256));
    put!(out, "\"locale\":\"{}\",", random.pick(&["en-GB", "de-DE", "fr-FR", "ja-JP"]));
    put!(out, "\"userAgent\":\"{}\",", random.pick(&BROWSERS));
    put!(out, "\"page\":{{\"path\":\"/{}/{}\",\"title\":\"", random.pick(&WORDS), random.below(10_000));
    words(random, out, (2, 6), 20);
    out.push('"');
    if random.once_in(3) {
        put!(out, ",\"referrer\":\"https://www.example.org/?q={}\"", random.pick(&WORDS));
    }
    let (width, height) = (random.pick(&["1280", "1440", "1920"]), random.pick(&["720", "900", "1080"]));
    put!(out, "}},\"screen\":{{\"width\":{width},\"height\":{height},\"density\":{}}}", 1 + random.below(3));
    if random.once_in(8) {
        let source = random.pick(&["newsletter", "search", "partner"]);
        put!(out, ",\"campaign\":{{\"source\":\"{source}\",\"name\":\"{}\"}}", random.pick(&WORDS));
    }
    out.push_str("},\"properties\":{");
    properties(random, out, event);
    put!(out, "}},\"mobile\":{}}}", random.once_in(2));
}

fn properties(random: &mut Random, out: &mut String, event: &str) {
    put!(out, "\"position\":{}", random.below(5000));
    match event {
        "Order Placed" => {
            put!(out, ",\"orderId\":\"{:08x}\",\"currency\":\"EUR\",\"lines\":[", random.next() as u32);
            for line in 0..1 + random.below(3) {
                let comma = if line > 0 { "," } else { "" };
                put!(out, "{comma}{{\"sku\":\"{}-{:04}\",", random.pick(&WORDS), random.below(10_000));
                put!(out, "\"quantity\":{},\"cents\":{}}}", 1 + random.below(9), random.below(50_000));
            }
            out.push(']');
        }
        "Search Run" => {
            out.push_str(",\"query\":\"");
            words(random, out, (1, 4), 10);
            put!(out, "\",\"results\":{}", random.below(300));
        }
        "Page Scrolled" => {
            put!(out, ",\"depth\":0.{:03}", 1 + random.below(999));
        }
        _ => {}
    }
    match random.below(100) {
        0 => {
            put!(out, ",\"price\":\"{}\"", random.pick(&["free", "n/a", "on request"]));
        }
        _ => {
            put!(out, ",\"price\":{}.{:02}", random.below(500), random.below(100));
        }
    }
    if random.once_in(4) {
        put!(out, ",\"coupon\":\"{}{}\"", random.pick(&WORDS), random.below(100));
    }
}

pub(super) fn event(random: &mut Random, out: &mut String, i: u64) {
    let kind = random.below(6);
    let name = ["PushEvent", "IssueEvent", "ForkEvent", "WatchEvent", "ReleaseEvent", "CommentEvent"][kind as usize];
    let actor = random.below(1_000_000);
    put!(out, "{{\"id\":\"{}\",\"type\":\"{name}\",\"actor\":{{\"id\":{actor},", 2_000_000_000 + i);
    put!(out, "\"login\":\"{}{actor}\",\"gravatar_id\":\"\",", random.pick(&WORDS));
    put!(out, "\"url\":\"https:\\/\\/api.example.org\\/users\\/{actor}\"}},\"repo\":{{");
    put!(out, "\"id\":{},\"name\":\"{}/{}\"}},", random.below(1_000_000), random.pick(&WORDS), random.pick(&WORDS));
    put!(out, "\"public\":true,\"created_at\":\"{}Z\",\"payload\":{{", Time::after(i));
    match kind {
        0 => push(random, out, i),
        1 | 5 => issue(random, out, kind == 5),
        2 => {
            put!(out, "\"forkee\":{{\"id\":{},\"full_name\":\"{}\",", random.below(1 << 30), random.pick(&WORDS));
            out.push_str("\"private\":false,\"description\":\"");
            text(random, out, 1);
            put!(out, "\",\"size\":{},\"homepage\":null}}", random.below(9000));
        }
        3 => out.push_str("\"action\":\"started\""),
        _ => {
            put!(
                out,
                "\"action\":\"published\",\"release\":{{\"tag_name\":\"v{}.{}\",",
                random.below(9),
                random.below(99)
            );
            put!(out, "\"prerelease\":{},\"assets\":[],\"body\":\"", random.once_in(2));
            let sentences = 4 + random.below(20);
            text(random, out, sentences);
            out.push_str("\"}");
        }
    }
    out.push('}');
    if random.once_in(3) {
        put!(out, ",\"org\":{{\"id\":{},\"login\":\"{}\"}}", random.below(50_000), random.pick(&WORDS));
    }
    out.push('}');
}

fn push(random: &mut Random, out: &mut String, i: u64) {
    let commits = 1 + random.below(4);
    put!(out, "\"push_id\":{},\"size\":{commits},\"ref\":\"refs/heads/main\",\"commits\":[", i * 7);
    for commit in 0..commits {
        let comma = if commit > 0 { "," } else { "" };
        put!(out, "{comma}{{\"sha\":\"{:016x}{:016x}{:08x}\",", random.next(), random.next(), random.next() as u32);
        put!(out, "\"author\":{{\"email\":\"{}@example.org\",\"name\":\"", random.pick(&WORDS));
        words(random, out, (1, 3), 6);
        out.push_str("\"},\"message\":\"");
        let sentences = 1 + random.below(3);
        text(random, out, sentences);
        put!(out, "\",\"distinct\":{}}}", !random.once_in(9));
    }
    out.push(']');
}

fn issue(random: &mut Random, out: &mut String, with_comment: bool) {
    let action = if with_comment { "created" } else { random.pick(&["opened", "closed", "reopened"]) };
    put!(out, "\"action\":\"{action}\",\"issue\":{{\"number\":{},\"title\":\"", random.below(9000));
    words(random, out, (3, 9), 8);
    out.push_str("\",\"body\":\"");
    // Most bodies are short, a few are very long.
    let sentences = if random.once_in(16) { 40 + random.below(60) } else { 1 + random.below(8) };
    text(random, out, sentences);
    out.push_str("\",\"labels\":[");
    for label in 0..random.below(3) {
        let comma = if label > 0 { "," } else { "" };
        put!(out, "{comma}{{\"name\":\"{}\",\"color\":\"fc2929\",\"default\":false}}", random.pick(&WORDS));
    }
    put!(out, "],\"locked\":false,\"comments\":{},\"closed_at\":", random.below(40));
    if action == "closed" {
        put!(out, "\"{}Z\"}}", Time::after(random.below(1 << 22)));
    } else {
        out.push_str("null}");
    }
    if with_comment {
        put!(out, ",\"comment\":{{\"id\":{},\"body\":\"", random.below(1 << 31));
        let sentences = 1 + random.below(6);
        text(random, out, sentences);
        out.push_str("\"}");
    }
}

/// Sentences as people write them: mostly plain, with line ends, quotes, code, paths and other scripts between them.
fn text(random: &mut Random, out: &mut String, sentences: u64) {
    const ENDS: [&str; 16] = [
        ". ",
        ". ",
        ", ",
        ".\\n",
        ".\\n\\n",
        ".\\r\\n",
        ".\\r\\n\\r\\n- ",
        " \\\"so to say\\\" ",
        ": `a.b\\\\c` ",
        "\\n```\\n\\tlet x = 1;\\n```\\n",
        " \\u2014 ",
        " \\ud83d\\ude80 ",
        " — ",
        " “…” ",
        " (C:\\\\temp\\\\x.log)\\n",
        " <https:\\/\\/example.org\\/?a=1&b=2> ",
    ];
    // Some write in another script altogether, most hardly ever.
    let foreign = if random.once_in(10) { 2 } else { 30 };
    for _ in 0..sentences {
        words(random, out, (3, 14), foreign);
        out.push_str(random.pick(&ENDS));
    }
}

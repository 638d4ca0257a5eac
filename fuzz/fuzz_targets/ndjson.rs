//! Newline-delimited JSON: what is read, what is seen of it, and what it is decoded to, against an independent reader.
#![no_main]

#[path = "../../tests/support/cells.rs"]
mod cells;
#[path = "../../tests/support/inputs.rs"]
mod inputs;
#[path = "../../tests/support/json.rs"]
mod json;
#[path = "../../tests/support/judge_json.rs"]
#[allow(dead_code, reason = "judges of lines and of documents")]
mod judge;
#[path = "../../tests/support/judge_rows.rs"]
mod rows;
#[path = "support/mod.rs"]
mod support;

use libfuzzer_sys::fuzz_target;
use longshore::records::{FormatOptions, Kind};

fuzz_target!(|data: &[u8]| {
    let input = support::edited(data, support::LINES);
    for chunk_bytes in support::CHUNKS {
        judge::check_lines(&input, chunk_bytes).unwrap();
    }
    let format = FormatOptions { kind: Some(Kind::Ndjson), ..FormatOptions::default() };
    support::same_sketch(&input, format);
    support::comes_back(&input, format);
});

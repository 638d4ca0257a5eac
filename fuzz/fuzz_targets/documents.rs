//! JSON documents and arrays: what is read, and what is seen of it, against an independent reader.
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
    let input = support::edited(data, support::DOCUMENT);
    for chunk_bytes in support::CHUNKS {
        judge::check_documents(&input, chunk_bytes).unwrap();
    }
    let format = FormatOptions { kind: Some(Kind::Json), ..FormatOptions::default() };
    support::same_sketch(&input, format);
    support::comes_back(&input, format);
});

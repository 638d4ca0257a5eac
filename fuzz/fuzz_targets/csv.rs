//! CSV in many dialects: what is read, what is seen of it, and what it is decoded to, against an independent reader.
#![no_main]

#[path = "../../tests/support/cells.rs"]
mod cells;
#[path = "../../tests/support/inputs.rs"]
mod inputs;
#[path = "../../tests/support/json.rs"]
mod json;
#[path = "../../tests/support/judge_csv.rs"]
mod judge;
#[path = "../../tests/support/judge_rows.rs"]
mod rows;
#[path = "support/mod.rs"]
mod support;

use libfuzzer_sys::fuzz_target;
use longshore::records::{Dialect, Format, FormatOptions, Kind, Layout};

/// Delimiters and quotes to choose from.
const DELIMITERS: [u8; 4] = *b",;\t|";
const QUOTES: [Option<u8>; 4] = [Some(b'"'), Some(b'"'), Some(b'\''), None];

fuzz_target!(|data: &[u8]| {
    let Some((head, data)) = data.split_first() else { return };
    let delimiter = DELIMITERS[usize::from(head & 3)];
    let quote = QUOTES[usize::from(head >> 2 & 3)];
    let input = support::edited(data, support::TABLE);
    // The independent reader takes a lone carriage return for a line end.
    let plain: Vec<u8> = input.iter().copied().filter(|byte| *byte != b'\r').collect();
    if support::is_opened(&plain) {
        return;
    }
    let columns = 1 + usize::from(head >> 4) % 12;
    let layout = Layout {
        dialect: Dialect { delimiter, quote, header: false, ..Dialect::default() },
        columns: (1..=columns).map(|at| format!("c{at}")).collect(),
        ..Layout::default()
    };
    for chunk_bytes in support::CHUNKS {
        judge::check(&plain, &layout, chunk_bytes).unwrap();
        assert_eq!(
            inputs::read(&Format::Csv(layout.clone()), &input, chunk_bytes),
            inputs::read(&Format::Csv(layout.clone()), &input, 1 << 20)
        );
    }
    let format =
        FormatOptions { kind: Some(Kind::Csv), delimiter: Some(delimiter), quote: Some(quote), header: Some(false) };
    support::same_sketch(&input, format);
    support::comes_back(&input, format);
});

//! Time grows with the input and not with its square, whatever the input.
//!
//! Each input has about a megabyte and is read, resolved and decoded; with quadratic work one of them takes minutes.

#[path = "support/inputs.rs"]
mod inputs;

use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore::batch::Decoder;
use longshore::records::{Format, FormatOptions, Kind, Limits, Reader, cutter};
use longshore::source::{ChunkOptions, Piece, Pieces};
use longshore::{Inference, Policy, ReadOptions, Schema, Source};

/// What a megabyte may take without optimisation on a busy machine; a tenth of it is usual.
const LIMIT: Duration = Duration::from_secs(10);

const MIB: usize = 1 << 20;

/// Records read, and how many of them became rows.
fn run(text: &[u8], kind: Kind) -> Result<(Schema, u64, u64), longshore::Error> {
    let options = ReadOptions::default().threads(1);
    let format = FormatOptions { kind: Some(kind), ..FormatOptions::default() };
    let source = Source::bytes(text);
    let inference = Inference::of(&source, &options.format(format))?;
    let schema = Arc::new(Policy::default().resolve(&inference.sketch)?);
    let limits = Limits::default();
    let (mut reader, mut decoder) = (Reader::new(limits), Decoder::new(schema.clone()));
    let format: &Format = &inference.formats[0];
    for piece in Pieces::new(source.open(0)?, cutter(format, &limits), 0, ChunkOptions::default()) {
        let Piece::Records(mut chunk) = piece? else { continue };
        reader.read(format, &mut chunk, &mut decoder);
    }
    let decoded = decoder.finish()?;
    assert_eq!(decoded.read, decoded.batch.num_rows() as u64 + decoded.misfits.len() as u64);
    drop(decoder);
    Ok((Arc::unwrap_or_clone(schema), decoded.read, decoded.batch.num_rows() as u64))
}

#[test]
fn a_megabyte_of_anything_is_read_in_seconds() {
    let repeat = |unit: &str, bytes: usize| unit.repeat(bytes / unit.len());
    let fields = |count: usize, of: &dyn Fn(usize) -> String| (0..count).map(of).collect::<Vec<_>>().join(",");
    let json: Vec<(&str, String)> = vec![
        ("100,000 keys", format!("{{{}}}\n", fields(100_000, &|i| format!("\"k{i}\":{i}")))),
        ("one key 9,999 times a line", format!("{{{}}}\n", fields(9_999, &|_| "\"k\":1".into())).repeat(20)),
        (
            "objects that overwrite each other",
            format!("{{{}}}\n", fields(4_000, &|i| format!("\"k\":{{\"a{i}\":1}}"))).repeat(20),
        ),
        ("a new key a line", (0..30_000).map(|i| format!("{{\"k{i}\":1}}\n")).collect()),
        ("a new broken key a line", (0..30_000).map(|i| format!("{{\"k{i}\":1\n")).collect()),
        ("a new nested key a line", (0..30_000).map(|i| format!("{{\"m\":{{\"k{i}\":{{\"x\":1}}}}}}\n")).collect()),
        ("quotes", repeat("\"", MIB)),
        ("opening brackets", repeat("[", MIB)),
        ("opening braces", repeat("{\"a\":", MIB)),
        ("backslashes in a string", format!("{{\"a\":\"{}\"}}\n", repeat("\\\\", MIB))),
        ("backslashes", repeat("\\", MIB)),
        ("tiny lines", repeat("{}\n", MIB)),
        ("lines of a quote", repeat("\"\n", MIB)),
        ("closing brackets", repeat("]\n", MIB)),
        ("blanks", repeat(" ", MIB)),
        ("a long number", format!("{{\"a\":{}}}\n", repeat("1", MIB))),
        ("a long fraction", format!("{{\"a\":0.{}}}\n", repeat("0", MIB))),
        (
            "many keys in strings with escapes",
            format!("{{{}}}\n", fields(9_000, &|i| format!("\"\\u0061{i}\":\"\\n\""))),
        ),
    ];
    let csv: Vec<(&str, String)> = vec![
        ("commas", repeat(",", MIB)),
        ("lines of commas", format!("a,b\n{}", repeat(",\n", MIB))),
        ("a header of equal names", format!("{}\n1,2\n", repeat("a,", MIB / 8))),
        ("a header of no names", format!("{}\n", repeat(",", MIB / 32))),
        ("quotes", format!("a,b\n{}", repeat("\"", MIB))),
        ("an odd quote a line", format!("a,b\n{}", repeat("\"x\n", MIB))),
        ("a quote that never closes", format!("a,b\n\"{}", repeat("1,2\n", MIB))),
        ("doubled quotes that never close", format!("a,b\n\"{}", repeat("\"\"\n", MIB))),
        ("quotes in the middle", format!("a,b\n{}", repeat("x\"y,1\n", MIB))),
        ("returns", repeat("\r", MIB)),
        ("blank lines", format!("a,b\n{}", repeat("\n", MIB))),
        ("a cell too many", format!("a,b\n{}", repeat("1,2,3\n", MIB))),
        (
            "columns past all limits",
            format!("{}\n{}\n", fields(12_000, &|i| format!("c{i}")), fields(12_000, &|_| "1".into())),
        ),
    ];
    let of = |kind: Kind| move |(name, text): (&'static str, String)| (name, text, kind);
    let lines = json.clone().into_iter().map(of(Kind::Ndjson));
    let documents = json.into_iter().map(of(Kind::Json));
    for (name, text, kind) in lines.chain(documents).chain(csv.into_iter().map(of(Kind::Csv))) {
        let started = Instant::now();
        let outcome = run(text.as_bytes(), kind).map(|(schema, read, rows)| (schema.columns.len(), read, rows));
        let took = started.elapsed();
        println!("{kind:?} {name}: {took:?}");
        assert!(took < LIMIT, "{name} as {kind:?} took {took:?}");
        if name == "columns past all limits" {
            assert_eq!(outcome.unwrap(), (1_200, 1, 1), "what has no column is in the overflow");
        }
    }
}

//! What makes CSV fast changes nothing: records, values, places, faults and evidence are those of the way cell by cell,
//! on good files and on broken ones, however they are cut.

#[path = "../benches/support/mod.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod generators;
#[path = "support/inputs.rs"]
mod inputs;

use std::sync::Arc;

use arrow_array::RecordBatch;
use inputs::{fixtures, format_of, pieces, read_by, shared_csv};
use longshore::batch::{Decoder, Misfit};
use longshore::records::{Format, FormatOptions, Kind, Limits, Reader};
use longshore::sketch::Collector;
use longshore::source::Piece;
use longshore::{Policy, Schema, Sketch};
use proptest::prelude::*;

fn reader(plain: bool) -> Reader {
    let reader = Reader::new(Limits::default());
    if plain { reader.plain() } else { reader }
}

/// The evidence as bytes. Chunks are taken in order, or each second one after all others.
fn sketch(format: &Format, data: &[u8], chunk_bytes: usize, plain: bool, in_order: bool) -> Vec<u8> {
    let mut reader = reader(plain);
    let collector = Collector::new(&["input"]);
    let mut collector = if plain { collector.plain() } else { collector };
    let mut pieces: Vec<(usize, Piece)> = pieces(format, data, chunk_bytes).enumerate().collect();
    if !in_order {
        pieces.sort_by_key(|(i, _)| i.is_multiple_of(2));
    }
    for (_, piece) in pieces {
        match piece {
            Piece::Records(mut chunk) => {
                collector.begin(chunk.source, chunk.sequence);
                reader.read(format, &mut chunk, &mut collector);
            }
            Piece::Gap(gap) => collector.gap(gap.source, gap.offset, gap.line, &gap.reason),
        }
    }
    collector.finish(reader.paths(), std::slice::from_ref(format)).to_bytes()
}

/// The batch and the misfits of each chunk.
fn decoded(
    format: &Format,
    data: &[u8],
    chunk_bytes: usize,
    schema: &Schema,
    plain: bool,
) -> Vec<(RecordBatch, Vec<Misfit>, u64)> {
    let mut reader = reader(plain);
    let decoder = Decoder::new(Arc::new(schema.clone()));
    let mut decoder = if plain { decoder.plain() } else { decoder };
    let mut found = Vec::new();
    for piece in pieces(format, data, chunk_bytes) {
        let Piece::Records(mut chunk) = piece else { continue };
        reader.read(format, &mut chunk, &mut decoder);
        let decoded = decoder.finish().unwrap();
        found.push((decoded.batch, decoded.misfits, decoded.read));
    }
    found
}

/// Under the schema of everything, of the beginning alone, and of everything with no column without a value.
fn schemas(format: &Format, data: &[u8]) -> Vec<Schema> {
    let of = |data: &[u8]| {
        let evidence = Sketch::from_bytes(&sketch(format, data, 1 << 20, true, true)).unwrap();
        Policy::default().resolve(&evidence).unwrap()
    };
    let (whole, head) = (of(data), of(&data[..data.len() / 3]));
    let mut required = whole.clone();
    required.columns.iter_mut().step_by(2).for_each(|column| column.required = true);
    vec![whole, head, required]
}

/// Which rows or misfits differ between the quick and the plain way, if any do.
fn decoded_difference(format: &Format, data: &[u8], chunk_bytes: usize) -> Option<String> {
    let differs = |schema: &Schema| {
        let [quick, plain] = [false, true].map(|plain| decoded(format, data, chunk_bytes, schema, plain));
        let of_two = quick.iter().zip(&plain).find(|(quick, plain)| quick != plain);
        of_two.map(|(quick, plain)| format!("{quick:?}\nis not\n{plain:?}"))
    };
    schemas(format, data).iter().find_map(differs)
}

/// What differs between the quick and the plain way, if anything does.
fn difference(format: &Format, data: &[u8], chunk_bytes: usize) -> Option<String> {
    let [quick, plain] = [false, true].map(|plain| read_by(reader(plain), format, data, chunk_bytes));
    if let Some((quick, plain)) = quick.iter().zip(&plain).find(|(quick, plain)| quick != plain) {
        return Some(format!("{quick:?}\nis not\n{plain:?}"));
    }
    if quick.len() != plain.len() {
        return Some(format!("{} records and {}", quick.len(), plain.len()));
    }
    let plain = sketch(format, data, chunk_bytes, true, true);
    let wrong = [true, false].into_iter().find(|order| sketch(format, data, chunk_bytes, false, *order) != plain);
    let evidence = wrong.map(|in_order| {
        let quick = sketch(format, data, chunk_bytes, false, in_order);
        let [quick, plain] = [quick, plain].map(|bytes| String::from_utf8(bytes).unwrap());
        format!("in order: {in_order}\n{quick}\nis not\n{plain}")
    });
    evidence.or_else(|| decoded_difference(format, data, chunk_bytes))
}

fn csv(data: &[u8]) -> Format {
    let options = FormatOptions { kind: Some(Kind::Csv), ..FormatOptions::default() };
    format_of("input.csv", data, &options).unwrap()
}

#[test]
fn on_what_the_generators_write() {
    for data in [generators::flights(1 << 20), generators::reviews(1 << 20)] {
        for chunk_bytes in [1 << 10, 64 << 10, 4 << 20] {
            assert_eq!(difference(&csv(&data), &data, chunk_bytes), None);
        }
    }
}

#[test]
fn on_every_csv_file() {
    let stored = fixtures().into_iter().chain(shared_csv());
    let mut compared = 0;
    for stored in stored {
        let Some(data) = stored.decoded().filter(|data| data.len() < 16 << 20) else { continue };
        let Ok(format @ Format::Csv(_)) = format_of(&stored.name, &data, &FormatOptions::default()) else { continue };
        for chunk_bytes in [2 << 10, 256 << 10] {
            assert_eq!(difference(&format, &data, chunk_bytes), None, "{}", stored.name);
        }
        compared += 1;
    }
    assert!(compared > 3, "the fixtures are part of the repository");
}

/// Cells of which each looks like another class, and those that lie next to it.
const CELLS: [&str; 66] = [
    "",
    "0",
    "1",
    "-1",
    "12",
    "-0",
    "32767",
    "32768",
    "-32768",
    "-32769",
    "99999999",
    "-9999999",
    "123456789",
    "00501",
    "2147483648",
    "9223372036854775808",
    "1.5",
    "12.75",
    "0.05",
    "-0.0",
    "00.5",
    "-0.25",
    "1e5",
    ".5",
    "+5",
    "-",
    "NA",
    "N/A",
    "n/a",
    "NULL",
    "null",
    "\\N",
    " ",
    "  ",
    "NaN",
    "-inf",
    "true",
    "FALSE",
    "yes",
    "n",
    "t",
    "x",
    "harbour",
    "Zürich",
    "港口",
    "2024-02-29",
    "2023-02-29",
    "2024-01-05 10:20:30",
    "2024-01-05T10:20:30",
    "2024-01-05 24:00:00",
    "2024-01-05 10:20:30.5",
    "2024-01-05T10:20:30Z",
    "10:20:30",
    "03/04/2024",
    "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "af2504e0-4f89-41d3-9a0c-0305e82c3301",
    " 5",
    "5 ",
    "12 Main St",
    "\"quoted\"",
    "a,b",
    "a\nb",
    "\"",
    "N",
    "Infinity",
    "truex",
];

/// A cell as it is written, quoted where it must be or where it is asked for.
fn written(cell: &str, quoted: bool) -> String {
    match quoted || cell.contains([',', '"', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_string(),
    }
}

/// Tables whose columns are mostly of one kind, with others among them, and bad rows now and then.
fn table() -> impl Strategy<Value = String> {
    let column = (prop::collection::vec(0..CELLS.len(), 1..4), 0usize..CELLS.len(), any::<bool>(), 2usize..60);
    let columns = prop::collection::vec(column, 2..5);
    (columns, prop::collection::vec(any::<u16>(), 1..500), any::<bool>()).prop_map(|(columns, rows, crlf)| {
        let mut text = String::from("a,b,c,d,e");
        text.truncate(2 * columns.len() - 1);
        text.push('\n');
        for (i, random) in rows.iter().enumerate() {
            let random = usize::from(*random);
            let cells = columns.iter().enumerate().map(|(c, (usual, odd, quoted, every))| {
                let is_odd = (random + 7 * c).is_multiple_of(*every);
                let cell =
                    if is_odd { CELLS[(odd + i) % CELLS.len()] } else { CELLS[usual[(random + i) % usual.len()]] };
                written(cell, *quoted || random % 11 == c)
            });
            text.push_str(&cells.collect::<Vec<_>>().join(","));
            text.push_str(if random.is_multiple_of(97) { ",surplus" } else { "" });
            text.push_str(if random.is_multiple_of(89) { "\n" } else { "" });
            text.push_str(if crlf { "\r\n" } else { "\n" });
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn on_tables_of_all_classes(text in table(), chunk_bytes in 200usize..8000) {
        prop_assert_eq!(difference(&csv(text.as_bytes()), text.as_bytes(), chunk_bytes), None);
    }

    /// One byte after another of what the generators write is changed, taken out or put in.
    #[test]
    fn on_mutated_files(
        reviews in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..3, prop::sample::select(b"\"\",\n\r 0-.NA\0\xFFx:".to_vec())), 1..12),
        chunk_bytes in 500usize..40_000,
    ) {
        let mut data = if reviews { generators::reviews(30_000) } else { generators::flights(30_000) };
        let format = csv(&data);
        let head = data.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for (at, how, byte) in changes {
            let at = head + at.index(data.len() - head);
            match how {
                0 => data[at] = byte,
                1 => data.insert(at, byte),
                _ => drop(data.remove(at)),
            }
        }
        prop_assert_eq!(difference(&format, &data, chunk_bytes), None);
    }
}

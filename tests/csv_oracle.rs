//! CSV is read as an independent reader reads it: the same rows, the same cells, in the same places.
//!
//! Differences that are meant: a quote that never closes costs its line and no more; a backslash escapes a quote and
//! itself only; a row with too few cells, or with filled cells too many, is bad, and so is one with invalid UTF-8 or a
//! NUL character; a lone carriage return is data.

#[path = "support/inputs.rs"]
mod inputs;
#[path = "support/judge_csv.rs"]
mod judge;

use inputs::{Stored, fixtures, format_of, read, shared, shared_csv};
use judge::{check, rows};
use longshore::records::{Dialect, Escape, Format, FormatOptions, Kind, Layout, LineEnd};
use proptest::prelude::*;
use serde_json::Value;

fn layout_of(stored: &Stored, options: &FormatOptions) -> Option<(Layout, Vec<u8>)> {
    let bytes = stored.decoded().filter(|bytes| bytes.len() < 16 << 20 && !bytes.starts_with(&[0x1F, 0x8B]))?;
    match format_of(&stored.name, &bytes, options).ok()? {
        Format::Csv(layout) => Some((layout, bytes)),
        _ => None,
    }
}

#[test]
fn every_csv_input_is_read_as_the_csv_crate_reads_it() {
    let mut stored = fixtures();
    stored.extend(shared_csv());
    let (mut wrong, mut rows, mut files) = (Vec::new(), 0, 0);
    for stored in &stored {
        let Some((layout, bytes)) = layout_of(stored, &FormatOptions::default()) else { continue };
        files += 1;
        for chunk_bytes in [1 << 10, 16 << 20] {
            match check(&bytes, &layout, chunk_bytes) {
                Ok(count) => rows += count,
                Err(error) => wrong.push(format!("{}: {error}", stored.name)),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {files}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(rows > 600, "only {rows} rows were compared");
}

/// All cells of an input, its header's first.
fn cells(layout: &Layout, bytes: &[u8]) -> Vec<Vec<String>> {
    let mut table = vec![layout.columns.clone()];
    for item in read(&Format::Csv(layout.clone()), bytes, 1 << 20) {
        let leaves = item.content.unwrap_or_default();
        table.push(leaves.into_iter().map(|leaf| String::from_utf8(leaf.text).unwrap()).collect());
    }
    table
}

#[test]
fn the_spectrum_of_csv_is_read_as_it_says() {
    for stored in shared("csv-spectrum") {
        let Some(name) = stored.name.strip_suffix(".csv") else { continue };
        let json = shared("csv-spectrum").into_iter().find(|other| other.name == format!("{name}.json")).unwrap();
        let options = FormatOptions { kind: Some(Kind::Csv), header: Some(true), ..FormatOptions::default() };
        let (layout, bytes) = layout_of(&stored, &options).unwrap();
        let wanted: Vec<serde_json::Map<String, Value>> = serde_json::from_slice(&json.bytes).unwrap();
        let table = cells(&layout, &bytes);
        assert_eq!(table.len(), wanted.len() + 1, "{name}");
        for (row, wanted) in table[1..].iter().zip(wanted) {
            for (column, cell) in layout.columns.iter().zip(row) {
                // The table's authors kept line ends in cells as the files had them on their machines.
                let plain = |text: &str| text.replace("\r\n", "\n");
                assert_eq!(plain(cell), plain(wanted[column].as_str().unwrap()), "{name}, `{column}`");
            }
        }
    }
}

/// Polluted files, read in the dialect that they are said to have, against what their makers say the cells are.
#[test]
fn a_polluted_row_is_quarantined_or_right_and_no_other_row_suffers() {
    let clean = shared("pollock/polluted/clean");
    let parameters = shared("pollock/polluted/parameters");
    let (mut compared, mut quarantined) = (0, 0);
    for stored in shared("pollock/polluted/csv") {
        let file = stored.name.rsplit('/').next().unwrap();
        let named = |list: &[Stored], end: &str| list.iter().find(|other| other.name.ends_with(end)).cloned();
        let Some(clean) = named(&clean, &format!("/{file}")) else { continue };
        let Some(parameters) = named(&parameters, &format!("/{file}_parameters.json")) else { continue };
        let parameters: Value = serde_json::from_slice(&parameters.bytes).unwrap();
        let byte = |name: &str| parameters[name].as_str().filter(|text| text.len() == 1).map(|text| text.as_bytes()[0]);
        let (Some(delimiter), Some(quote)) = (byte("delimiter"), byte("quotechar")) else { continue };
        // Headers of several lines, several tables in one file and quotes escaped by another quote are out of scope.
        // Where only the header lacks a delimiter, its file looks like one whose rows all end in a delimiter.
        let escape = byte("escapechar");
        if file.contains("multi")
            || file.starts_with("row_less_sep_row0")
            || escape.is_some_and(|escape| escape != quote && escape != b'\\')
        {
            continue;
        }
        let Some(bytes) = stored.decoded() else { continue };
        let options = FormatOptions {
            kind: Some(Kind::Csv),
            delimiter: Some(delimiter),
            quote: Some(Some(quote)),
            header: Some(parameters["header_lines"] != 0),
        };
        let Ok(Format::Csv(layout)) = format_of("x.csv", &bytes, &options) else { continue };
        let dialect = Dialect::default();
        let wanted: Vec<Vec<String>> = rows(&clean.bytes, 0, &dialect)
            .into_iter()
            .filter_map(|row| row.cells)
            .map(|cells| cells.into_iter().map(|cell| String::from_utf8_lossy(&cell).into_owned()).collect())
            .collect();
        let mut table = cells(&layout, &bytes);
        if parameters["header_lines"] == 0 {
            table.remove(0);
        }
        compared += 1;
        assert_eq!(table.len(), wanted.len(), "{file}");
        for (found, wanted) in table.iter().zip(&wanted) {
            match found == wanted {
                true => {}
                false if found.is_empty() => quarantined += 1,
                // A quote that begins a cell quotes, and one in the middle does not, whatever was meant.
                false if file.starts_with("row_extra_quote") || found.iter().any(|cell| cell.contains('"')) => {}
                false => panic!("{file}: {found:?}, not {wanted:?}"),
            }
        }
    }
    assert!(compared == 0 || (compared > 55 && quarantined < 100), "{compared} files, {quarantined} rows quarantined");
}

fn dialects() -> impl Strategy<Value = Dialect> {
    let quote = prop_oneof![4 => Just(Some(b'"')), 1 => Just(Some(b'\'')), 1 => Just(None)];
    (prop::sample::select(b",;\t|".to_vec()), quote).prop_map(|(delimiter, quote)| Dialect {
        delimiter,
        quote,
        header: false,
        ..Dialect::default()
    })
}

fn layout(dialect: Dialect, columns: usize) -> Layout {
    Layout { dialect, columns: (1..=columns).map(|at| format!("c{at}")).collect(), ..Layout::default() }
}

/// Rows as a careful writer writes them, with the cells they hold.
fn written() -> impl Strategy<Value = (Dialect, Vec<Vec<String>>, Vec<u8>)> {
    let cell = prop_oneof![
        3 => "[a-z0-9 .\\-]{0,6}",
        2 => "[a-z,;\t|\"'\n\\\\éあ]{0,8}",
        1 => "[a-z]{0,3}\r?\n[\"a-z]{1,3}",
    ];
    let dialect = dialects().prop_filter("quotes are needed", |dialect| dialect.quote.is_some());
    let table = (1usize..5, 0usize..6).prop_flat_map(move |(columns, rows)| {
        prop::collection::vec(prop::collection::vec(cell.clone(), columns), rows)
    });
    (dialect, table, any::<bool>(), any::<bool>()).prop_map(|(dialect, table, always, crlf)| {
        let mut writer = csv::WriterBuilder::new()
            .delimiter(dialect.delimiter)
            .quote(dialect.quote.unwrap())
            .quote_style(if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary })
            .terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
            .from_writer(Vec::new());
        table.iter().for_each(|row| writer.write_record(row).unwrap());
        let bytes = writer.into_inner().unwrap();
        (dialect, table, bytes)
    })
}

/// Bytes that CSV is made of, in any order.
fn any_csv(alphabet: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![20 => prop::sample::select(alphabet.to_vec()), 1 => any::<u8>()];
    prop::collection::vec(byte, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn what_a_writer_wrote_is_read_back((dialect, table, bytes) in written(), chunk in 1usize..100) {
        let layout = layout(dialect, table.first().map_or(1, Vec::len));
        prop_assert_eq!(check(&bytes, &layout, chunk).err(), None);
        let found = cells(&layout, &bytes);
        prop_assert_eq!(&found[1..], &table[..]);
    }

    #[test]
    fn any_text_is_read_as_the_csv_crate_reads_it(
        input in any_csv(b"\"\"\",,,,;\n\n\nab'\t|"), dialect in dialects(), columns in 1usize..4, chunk in 1usize..60
    ) {
        let input: Vec<u8> = input.into_iter().filter(|byte| *byte != b'\r').collect();
        prop_assert_eq!(check(&input, &layout(dialect, columns), chunk).err(), None);
    }

    /// Whatever the bytes and the dialect: no panic, nothing depends on where chunks end, and no byte is lost.
    #[test]
    fn any_bytes_give_the_same_items_at_all_chunk_sizes(
        input in any_csv(b"\"\",,\n\r\\ab"), dialect in dialects(), backslash in any::<bool>(), returns in any::<bool>(),
        columns in 1usize..4, chunk in 1usize..60
    ) {
        let escape = if backslash { Escape::Backslash } else { Escape::Doubled };
        let line_end = if returns { LineEnd::CarriageReturn } else { LineEnd::Newline };
        let layout = layout(Dialect { escape, line_end, ..dialect }, columns);
        let whole = read(&Format::Csv(layout.clone()), &input, 1 << 20);
        prop_assert_eq!(&read(&Format::Csv(layout.clone()), &input, chunk), &whole);
        let mut at = 0;
        for item in &whole {
            let skipped = &input[at..item.offset as usize];
            prop_assert!(skipped.iter().all(|byte| matches!(byte, b'\r' | b'\n')), "{:?} is lost", skipped);
            prop_assert_eq!(&input[item.offset as usize..][..item.raw.len()], &item.raw[..]);
            at = item.offset as usize + item.raw.len();
        }
        prop_assert!(input[at..].iter().all(|byte| matches!(byte, b'\r' | b'\n')));
    }
}

//! What CSV is read as, against what an independent reader makes of it.

use longshore::records::{Dialect, Escape, Fault, FieldKind, Format, Layout, LineEnd};

use crate::inputs::{Item, read};

/// A row as the independent reader has it.
#[derive(Debug)]
pub(crate) struct Row {
    offset: usize,
    line: u64,
    /// Behind its line end.
    end: usize,
    /// `None` for a line with a quote that never closes.
    pub(crate) cells: Option<Vec<Vec<u8>>>,
}

fn independent(dialect: &Dialect) -> csv::ReaderBuilder {
    let mut builder = csv::ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(dialect.delimiter).quoting(dialect.quote.is_some());
    builder.quote(dialect.quote.unwrap_or(b'"')).escape((dialect.escape == Escape::Backslash).then_some(b'\\'));
    builder.terminator(csv::Terminator::Any(terminator(dialect)));
    builder
}

fn terminator(dialect: &Dialect) -> u8 {
    if dialect.line_end == LineEnd::Newline { b'\n' } else { b'\r' }
}

/// The rows from `body` on. Behind a quote that never closes the independent reader starts again on the next line.
pub(crate) fn rows(input: &[u8], body: usize, dialect: &Dialect) -> Vec<Row> {
    // A last row that shows whether the one before it was closed.
    const LAST: &[u8] = b"#END#";
    let end_of_line = terminator(dialect);
    let mut text = input[body..].to_vec();
    text.push(end_of_line);
    text.extend_from_slice(LAST);
    let mut found = Vec::new();
    let mut start = 0;
    'again: loop {
        let mut reader = independent(dialect).from_reader(&text[start..]);
        let mut record = csv::ByteRecord::new();
        while reader.read_byte_record(&mut record).unwrap() {
            let mut offset = start + record.position().unwrap().byte() as usize;
            // Blank lines, which the independent reader counts to the row behind them.
            while text[offset] == end_of_line {
                offset += 1;
            }
            let end = start + reader.position().byte() as usize;
            let mut cells: Vec<Vec<u8>> = record.iter().map(<[u8]>::to_vec).collect();
            if end == text.len() {
                if cells.len() == 1 && cells[0] == LAST {
                    break 'again;
                }
                let line = text[offset..]
                    .iter()
                    .position(|byte| *byte == end_of_line)
                    .map_or(text.len(), |at| offset + at + 1);
                found.push(Row { offset: body + offset, line: 0, end: (body + line).min(input.len()), cells: None });
                start = line;
                continue 'again;
            }
            if let Some(last) = cells.last_mut().filter(|last| last.ends_with(b"\r") && text[..end].ends_with(b"\r\n"))
            {
                last.pop();
            }
            // A line that holds returns alone is blank too.
            if cells.len() > 1 || !text[offset..end].iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
                let end = (body + end).min(input.len());
                found.push(Row { offset: body + offset, line: 0, end, cells: Some(cells) });
            }
        }
    }
    let (mut counted, mut line) = (0, 1);
    for row in &mut found {
        line += input[counted..row.offset].iter().filter(|byte| **byte == end_of_line).count() as u64;
        (counted, row.line) = (row.offset, line);
    }
    found
}

/// What is wrong with how an input is read, or how many rows are right.
pub(crate) fn check(input: &[u8], layout: &Layout, chunk_bytes: usize) -> Result<usize, String> {
    let items = read(&Format::Csv(layout.clone()), input, chunk_bytes);
    let rows = rows(input, layout.body as usize, &layout.dialect);
    for (item, row) in items.iter().zip(&rows) {
        judge(item, row, input, layout).map_err(|wrong| {
            let shown = String::from_utf8_lossy(&input[row.offset..row.end]).chars().take(300).collect::<String>();
            format!("byte {}: {wrong}: {shown:?}", row.offset)
        })?;
    }
    if items.len() != rows.len() {
        return Err(format!("{} rows, wanted {}", items.len(), rows.len()));
    }
    Ok(items.len())
}

fn judge(item: &Item, row: &Row, input: &[u8], layout: &Layout) -> Result<(), String> {
    let text = &input[row.offset..row.end];
    let text = text.strip_suffix(&[terminator(&layout.dialect)]).unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if (item.offset as usize, item.line, item.raw.as_slice()) != (row.offset, row.line, text) {
        return Err(format!("found {:?} at line {}, byte {}", item.raw, item.line, item.offset));
    }
    let columns = layout.columns.len();
    let widest = columns + layout.surplus as usize;
    let has_quote = layout.dialect.quote.is_some_and(|quote| text.contains(&quote));
    let wanted = match &row.cells {
        _ if std::str::from_utf8(text).is_err() => Err(Fault::InvalidUtf8),
        _ if text.contains(&0) => Err(Fault::Nul),
        None => Err(Fault::UnclosedQuote),
        Some(cells)
            if cells.len() < columns
                || cells.len() > widest
                || cells[columns..].iter().any(|cell| !cell.is_empty()) =>
        {
            Err(Fault::CellCount { found: cells.len() as u32, expected: columns as u32 })
        }
        Some(cells) => Ok(cells),
    };
    match (wanted, &item.content) {
        (Err(wanted), Err(fault)) if wanted == *fault => Ok(()),
        // Too many cells, all empty: fine without quotes, and the independent reader does not tell.
        (Ok(cells), Err(Fault::CellCount { .. })) if cells.len() > columns && has_quote => Ok(()),
        (Ok(cells), Ok(leaves)) => {
            for (at, (leaf, cell)) in leaves.iter().zip(cells).enumerate() {
                let quoted = leaf.kind != FieldKind::Cell;
                let begins = input[leaf.offset as usize..].starts_with(&leaf.source_text)
                    && (!quoted || Some(input[leaf.offset as usize - 1]) == layout.dialect.quote);
                if !same(&leaf.text, cell, layout) || leaf.path.keys() != [layout.columns[at].clone()] || !begins {
                    return Err(format!("cell {at} is {leaf:?}, wanted {:?}", String::from_utf8_lossy(cell)));
                }
            }
            Ok(())
        }
        (wanted, found) => Err(format!("{found:?}, wanted {wanted:?}")),
    }
}

/// Whether two cells are equal. A backslash before anything but a quote or another one stays; the independent reader
/// drops it.
fn same(found: &[u8], wanted: &[u8], layout: &Layout) -> bool {
    let plain = |text: &[u8]| text.iter().copied().filter(|byte| *byte != b'\\').collect::<Vec<u8>>();
    found == wanted || (layout.dialect.escape == Escape::Backslash && plain(found) == plain(wanted))
}

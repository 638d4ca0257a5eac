//! Finding the dialect and the layout of a CSV input from its head.
//!
//! Every plausible dialect reads the same head; the one under which the rows are most alike wins. In order of weight:
//! rows of equal width, the number of cells, cells that look like values, and last the usual order of delimiters.

use super::super::format::{Dialect, Escape, FormatOptions, Layout, LineEnd};
use super::class::Class;
use super::header::Table;
use super::split::{self, Cell, Row, Rows};
use crate::error::{Error, ErrorKind, Location, Result};
use memchr::{memchr, memchr_iter, memmem};

/// How many records are looked at.
const ROWS: usize = 1_000;
/// How many cells of the usual rows are classed per reading.
const CELLS: usize = 10_000;
/// The usual delimiters, each with its weight in a tie.
const DELIMITERS: [(u8, f64); 4] = [(b',', 1.0), (b'\t', 0.99), (b';', 0.98), (b'|', 0.97)];
/// Delimiters that also occur in ordinary text, tried only when no usual one fits.
const RARE_DELIMITERS: [(u8, f64); 4] = [(b':', 0.9), (b'~', 0.9), (b'^', 0.9), (b' ', 0.8)];
/// What a delimiter that the file's name suggests is worth.
const NAMED: f64 = 2.0;

/// Finds the layout of a CSV input.
///
/// `head` is the beginning of the decoded input, `complete` says that it is all of it, `named` is the delimiter that
/// the input's name suggests, which decides between readings that are nearly as good. What `options` states is taken
/// as given.
///
/// # Errors
///
/// [`ErrorKind::Config`] for a delimiter or quote that cannot be one, [`ErrorKind::Syntax`] when not one record ends
/// within a head that is not complete, and for a header that is no text.
pub(in crate::records) fn sniff(
    head: &[u8],
    complete: bool,
    named: Option<u8>,
    options: &FormatOptions,
) -> Result<Layout> {
    options.check_dialect()?;
    if head.trim_ascii().is_empty() {
        let delimiter = options.delimiter.or(named).unwrap_or(b',');
        let dialect = Dialect { delimiter, header: options.header.unwrap_or(true), ..Dialect::default() };
        let lines = memchr_iter(b'\n', head).count() as u64;
        return Ok(Layout { dialect, body: head.len() as u64, preamble: lines, ..Layout::default() });
    }
    let best = find(&Search { head, complete, named, options });
    if best.rows.all().is_empty() {
        let message = format!("no CSV record ends within the first {} bytes", head.len());
        return Err(Error::new(ErrorKind::Syntax, message)
            .with_hint("a quote may never close, or this is not CSV: name the format, or the quote as none"));
    }
    best.layout(head, options.header)
}

struct Search<'a> {
    head: &'a [u8],
    complete: bool,
    named: Option<u8>,
    options: &'a FormatOptions,
}

/// The head as one dialect reads it, and how well that fits.
struct Reading {
    dialect: Dialect,
    rows: Rows,
    /// The usual number of cells.
    width: usize,
    /// Whether every row has so many, the first included.
    whole: bool,
    /// How well the dialect fits, from 0 (or one column) to 1.
    score: f64,
    /// Rows with a quote that never closes, and cells with text behind the closing quote.
    flaws: usize,
    /// Quoted cells.
    quoted: usize,
    /// Rows that hold one.
    quoted_rows: usize,
    /// How many of the classed cells are typed, from 0 to 1.
    typed: f64,
}

fn find(search: &Search<'_>) -> Reading {
    let head = search.head;
    let has_newline = memchr(b'\n', head).is_some();
    // A return that ends a torn head may be half of a line end.
    let has_return = memchr(b'\r', if search.complete { head } else { &head[..head.len() - 1] }).is_some();
    if !has_newline && has_return {
        return search.best(LineEnd::CarriageReturn);
    }
    let best = search.best(LineEnd::Newline);
    // Newlines may all stand inside quotes, and lone carriage returns end the records.
    let is_one_line = best.rows.all().iter().all(|row| head[row.end - 1] != b'\n');
    if is_one_line && has_return {
        let other = search.best(LineEnd::CarriageReturn);
        if other.rows.all().len() > best.rows.all().len() && other.flaws <= best.flaws {
            return other;
        }
    }
    best
}

impl Search<'_> {
    /// The best reading for one kind of line end: first the delimiter, then the quote and its escape.
    fn best(&self, line_end: LineEnd) -> Reading {
        let usual = Some(b'"').filter(|quote| self.options.delimiter != Some(*quote));
        let quote = self.options.quote.unwrap_or(usual);
        let base = Dialect { quote, line_end, ..Dialect::default() };
        let mut best = self.by_delimiter(base);
        if let Some(mark) = quote {
            best = self.with_backslash(best, base, mark);
        }
        if self.options.quote.is_none() {
            if best.quoted == 0 && self.options.delimiter != Some(b'\'') && memchr(b'\'', self.head).is_some() {
                best = self.with_apostrophe(best, base);
            }
            if best.flaws > 0 {
                best = self.without_quotes(best, base);
            }
        }
        best
    }

    /// The best reading over the delimiters, other things being equal.
    fn by_delimiter(&self, base: Dialect) -> Reading {
        if let Some(delimiter) = self.options.delimiter {
            return self.read(Dialect { delimiter, ..base }, 1.0);
        }
        let usual = DELIMITERS.iter().map(|(byte, _)| *byte);
        let none = self.named.into_iter().chain(usual).find(|&byte| Some(byte) != base.quote).unwrap_or(b',');
        let mut best = self.read(Dialect { delimiter: none, ..base }, if self.named.is_some() { NAMED } else { 1.0 });
        let usable = |&(byte, _): &(u8, f64)| Some(byte) != base.quote && memchr(byte, self.head).is_some();
        for (delimiter, weight) in DELIMITERS.into_iter().filter(usable).filter(|(byte, _)| *byte != none) {
            let reading = self.read(Dialect { delimiter, ..base }, weight);
            if reading.is_better_than(&best, self.head) {
                best = reading;
            }
        }
        if best.score < 0.3 && best.typed < 0.5 {
            for (delimiter, weight) in RARE_DELIMITERS.into_iter().filter(usable) {
                let reading = self.read(Dialect { delimiter, ..base }, weight);
                if reading.is_beyond_doubt(self.head) && reading.score > best.score {
                    best = reading;
                }
            }
        }
        best
    }

    /// Takes a backslash for an escape where that leaves fewer flaws, or rows that are more alike.
    fn with_backslash(&self, best: Reading, base: Dialect, quote: u8) -> Reading {
        if memmem::find(self.head, &[b'\\', quote]).is_none() {
            return best;
        }
        let other = self.by_delimiter(Dialect { escape: Escape::Backslash, ..base });
        let is_cleaner = other.flaws < best.flaws && other.score >= best.score;
        let is_more_regular = other.flaws <= best.flaws && other.score > best.score * 1.05;
        if is_cleaner || is_more_regular { other } else { best }
    }

    /// Takes `'` for the quote where cells of several rows are wrapped in it, three of four of them cleanly.
    fn with_apostrophe(&self, best: Reading, base: Dialect) -> Reading {
        let base = Dialect { quote: Some(b'\''), ..base };
        let other = self.by_delimiter(base);
        let other = self.with_backslash(other, base, b'\'');
        let is_clean = other.quoted_rows >= 2 && other.flaws * 4 <= other.quoted;
        if is_clean && other.score >= best.score { other } else { best }
    }

    /// Gives up quoting where several cells begin with a quote, none is wrapped, and none ends with one.
    fn without_quotes(&self, best: Reading, base: Dialect) -> Reading {
        let other = self.by_delimiter(Dialect { quote: None, ..base });
        let mut openings = 0;
        for cell in other.rows.all().iter().flat_map(|row| other.rows.cells(row)) {
            match cell.raw(self.head) {
                [b'"', .., b'"'] => return best,
                [b'"', ..] => openings += 1,
                [.., b'"'] => return best,
                _ => {}
            }
        }
        if openings >= 3 && other.score >= best.score { other } else { best }
    }

    fn read(&self, dialect: Dialect, weight: f64) -> Reading {
        let rows = split::split(self.head, self.complete, &dialect, ROWS);
        let mut reading = Reading {
            dialect,
            rows,
            width: 1,
            whole: false,
            score: 0.0,
            flaws: 0,
            quoted: 0,
            quoted_rows: 0,
            typed: 0.0,
        };
        let is_usual = dialect.delimiter == self.named.unwrap_or(b',') || self.options.delimiter.is_some();
        let mut regularity = reading.measure_width(self.head, is_usual);
        if reading.is_number_column(self.head) {
            (reading.width, reading.whole, regularity) = (1, false, 1.0);
        }
        let quality = reading.measure_cells(self.head);
        if reading.width > 1 {
            let cells = 1.0 - 0.5 / reading.width as f64;
            reading.score = regularity * regularity * cells * (0.3 + 0.7 * quality) * weight;
        }
        reading
    }
}

impl Reading {
    /// Whether this is the one to go by. What splits every row alike is not given up for what leaves the first row out and shows
    /// no other header: cells may hold lists, and their names no delimiter of lists.
    fn is_better_than(&self, best: &Reading, head: &[u8]) -> bool {
        let is_sound = |reading: &Reading| reading.whole && reading.flaws == 0;
        match (is_sound(self), is_sound(best)) {
            (true, false) if best.score > 0.0 && best.leaves_header_out(head) => true,
            (false, true) if self.leaves_header_out(head) => false,
            _ => self.score > best.score,
        }
    }

    fn leaves_header_out(&self, head: &[u8]) -> bool {
        let is_first_left = self.rows.all().first().is_some_and(|first| self.rows.cells(first).len() == 1);
        is_first_left && !Table { head, rows: &self.rows, width: self.width }.has_names()
    }

    /// Sets the usual width and returns how regular the rows are, from 0 to 1.
    ///
    /// Rows of one cell in front are taken for titles, if they look like some; the more of them, the less the rest counts.
    /// `is_usual` says that rows of more than one cell would be bad ones if the input had one column.
    fn measure_width(&mut self, head: &[u8], is_usual: bool) -> f64 {
        let widths: Vec<usize> = self.rows.all().iter().map(|row| self.rows.cells(row).len()).collect();
        let titles = widths.iter().take_while(|width| **width == 1).count();
        let table = &widths[titles..];
        let Some(&first) = table.first() else { return 1.0 };
        let mut sorted = table.to_vec();
        sorted.sort_unstable();
        // The most frequent width; in a tie that of the first row, then the larger one.
        let usual = sorted.chunk_by(|a, b| a == b).max_by_key(|run| (run.len(), run[0] == first, run[0]));
        let (width, matches) = usual.map_or((1, 0), |run| (run[0], run.len()));
        let too_few = titles > 0 && (matches < 2 || (titles > 40 && titles > matches));
        if width == 1 || too_few {
            return 1.0;
        }
        let front = Table { head, rows: &self.rows, width };
        if titles > 0 && !front.has_titles(titles, is_usual) {
            return 1.0;
        }
        self.width = width;
        self.whole = table.len() == matches && titles == 0 && matches > 1;
        let alike = matches as f64 / table.len() as f64;
        let in_table = table.len() as f64 / (table.len() as f64 + 0.5 * titles as f64);
        let first_row = if titles == 0 && first == width { 1.0 } else { 0.85 };
        alike * in_table * first_row
    }

    /// Whether commas only split the numbers of one column that is headed by one name, as in `price`, `12,5`, `7,25`.
    fn is_number_column(&self, head: &[u8]) -> bool {
        let line = |row: &Row| Class::of(head[row.start..row.end].trim_ascii());
        self.width == 2
            && self.dialect.delimiter == b','
            && self.rows.all().first().is_some_and(|first| self.rows.cells(first).len() == 1)
            && self.rows.all()[1..].iter().all(|row| line(row).family() == Class::Number)
    }

    /// Counts flaws and typed cells and returns how much like values the cells look, from 0 to 1.
    fn measure_cells(&mut self, head: &[u8]) -> f64 {
        let (mut seen, mut typed, mut worth) = (0, 0, 0.0);
        for row in self.rows.all() {
            self.flaws += usize::from(row.broken);
            let cells = self.rows.cells(row);
            let usual = cells.len() == self.width;
            self.quoted_rows += usize::from(cells.iter().any(Cell::is_quoted));
            for cell in cells {
                self.flaws += usize::from(cell.has_tail());
                self.quoted += usize::from(cell.is_quoted());
                if !usual || seen == CELLS {
                    continue;
                }
                seen += 1;
                let class = Class::of(cell.trimmed(head));
                typed += usize::from(class.is_typed());
                worth += match class {
                    _ if cell.has_tail() => 0.2,
                    Class::Text if cell.is_quoted() => 1.0,
                    Class::Text if self.holds_other_delimiter(cell.raw(head)) => 0.25,
                    Class::Text | Class::Empty => 0.8,
                    _ => 1.0,
                };
            }
        }
        self.typed = typed as f64 / seen.max(1) as f64;
        worth / seen.max(1) as f64
    }

    fn holds_other_delimiter(&self, cell: &[u8]) -> bool {
        let found = |byte: u8| byte != self.dialect.delimiter && memchr(byte, cell).is_some();
        DELIMITERS.iter().any(|(byte, _)| found(*byte))
    }

    /// Whether a rare delimiter splits the rows into more than the words of a sentence: the first row and nearly all
    /// others alike, into values, or by a sign that no text holds.
    fn is_beyond_doubt(&self, head: &[u8]) -> bool {
        let usual = |row: &&Row| self.rows.cells(row).len() == self.width;
        let alike = self.rows.all().iter().filter(usual).count();
        let holds_values = match self.dialect.delimiter {
            // Runs of blanks align words; they do not separate cells.
            b' ' => self.width >= 3 && self.typed >= 0.3 && !self.holds_empty_cell(head),
            b':' => self.width >= 3 || self.typed >= 0.3,
            _ => true,
        };
        let first = self.rows.all().first().is_some_and(|row| usual(&row));
        holds_values
            && first
            && self.width >= 2
            && self.rows.all().len() >= 2
            && alike * 20 >= self.rows.all().len() * 19
    }

    fn holds_empty_cell(&self, head: &[u8]) -> bool {
        self.rows.all().iter().flat_map(|row| self.rows.cells(row)).any(|cell| cell.raw(head).is_empty())
    }

    fn layout(self, head: &[u8], forced: Option<bool>) -> Result<Layout> {
        let Reading { mut dialect, rows, width, .. } = self;
        let newline = if dialect.line_end == LineEnd::Newline { b'\n' } else { b'\r' };
        let lines = |to: usize| memchr_iter(newline, &head[..to]).count() as u64;
        let table = Table { head, rows: &rows, width };
        let start = table.start(forced);
        let first = &rows.all()[start.row];
        dialect.header = start.header;
        let columns: Vec<String> = if start.header {
            check_names(head, rows.cells(first), lines(first.start) + 1)?;
            rows.cells(first).iter().map(|cell| cell.decoded(head, &dialect)).collect()
        } else {
            (1..=width).map(|at| format!("column_{at}")).collect()
        };
        let body = if start.header { first.end } else { first.start };
        let surplus = width.saturating_sub(columns.len()) as u32;
        Ok(Layout {
            dialect,
            columns,
            body: body as u64,
            surplus,
            preamble: lines(first.start),
            titles: start.row as u64,
        })
    }
}

/// Columns cannot be named by what is no text.
fn check_names(head: &[u8], names: &[Cell], line: u64) -> Result<()> {
    for (at, name) in names.iter().enumerate() {
        let raw = name.raw(head);
        let (what, hint) = if std::str::from_utf8(raw).is_err() {
            ("not UTF-8", "name the input's encoding, as with `--encoding latin1`")
        } else if memchr(0, raw).is_some() {
            ("one with a NUL character", "no warehouse has such names: change the header, or state that there is none")
        } else {
            continue;
        };
        let place = Location { line: Some(line), ..Location::default() };
        let message = format!("name {} of the CSV header is {what}", at + 1);
        return Err(Error::new(ErrorKind::Syntax, message).with_location(place).with_hint(hint));
    }
    Ok(())
}

//! Where the table begins: titles in front of it, and whether its first record names the columns.

use super::class::Class;
use super::split::{Cell, Rows};

/// The share of a column's cells that must be of one class for the column to be of that class.
const DOMINANT: f64 = 0.8;
/// How many rows with a wrong number of cells may stand before an unmistakable header.
const RAGGED_TITLES: usize = 5;

/// How many rows of one word may stand in front of the table, of which nothing else says that they are titles.
const FEW_TITLES: usize = 5;

/// The rows of one reading, and how many cells most of them have.
pub(super) struct Table<'a> {
    pub(super) head: &'a [u8],
    pub(super) rows: &'a Rows,
    /// The usual number of cells.
    pub(super) width: usize,
}

/// The first record of the table, as an index into its rows, and whether it names the columns.
pub(super) struct Start {
    pub(super) row: usize,
    pub(super) header: bool,
}

impl Table<'_> {
    /// Finds the first record of the table. `forced` says whether there is a header, where the user knows.
    pub(super) fn start(&self, forced: Option<bool>) -> Start {
        let row = self.behind_titles(forced);
        Start { row, header: forced.unwrap_or_else(|| self.is_header(row)) }
    }

    fn len(&self) -> usize {
        self.rows.all().len()
    }

    fn cells(&self, row: usize) -> &[Cell] {
        self.rows.cells(&self.rows.all()[row])
    }

    fn classes(&self, row: usize) -> impl Iterator<Item = Class> {
        self.cells(row).iter().map(|cell| Class::of(cell.trimmed(self.head)))
    }

    fn is_blank(&self, cell: &Cell) -> bool {
        cell.trimmed(self.head).is_empty()
    }

    /// Skips titles and comments in front of the table.
    ///
    /// A title padded to full width (`Sales 2024,,,`) could also be a record with holes, or a header whose other columns
    /// have no names, so it is skipped only when a row of names follows, and these name typed columns or the title is of more
    /// than one word.
    ///
    /// Where the user says that there is no header, the first row is the first record; where he says that there is one, words
    /// alone make no title of a row that is as wide as the others.
    fn behind_titles(&self, forced: Option<bool>) -> usize {
        if forced == Some(false) {
            return 0;
        }
        let is_narrow = |row: usize| self.cells(row).len() != self.width;
        let plain =
            (0..self.len()).find(|&row| !(is_narrow(row) && self.is_title(row) || self.is_comment(row))).unwrap_or(0);
        let padded = (0..self.len()).find(|&row| !self.is_title(row)).unwrap_or(0);
        let say_more = || forced.is_none() && (plain..padded).all(|title| self.says_more_than_a_name(title));
        let sure = || self.names_typed_column(padded) || self.is_apart(plain, padded) || say_more();
        let is_headed = self.width > 1 && padded > plain && self.are_names(padded) && sure();
        let mut row = if is_headed { padded } else { plain };
        if forced == Some(true) {
            return (row..self.len()).find(|&row| !self.is_remark(row)).unwrap_or(0);
        }
        if self.width < 2 {
            return 0;
        }
        // A title that happens to hold the delimiter is given away by what follows it: names over typed columns.
        let names = (row..self.len()).take(RAGGED_TITLES).find(|&row| !is_narrow(row));
        if let Some(names) = names
            && names > row
            && (row..names)
                .all(|title| self.classes(title).all(|class| !class.is_typed()) && !self.could_be_names(title, names))
            && self.are_names(names)
            && self.names_typed_column(names)
        {
            row = names;
        }
        row
    }

    /// Whether a row has at most one filled cell, and that one is words, in front if it is not alone; or is a `#` comment of its
    /// own width.
    fn is_title(&self, row: usize) -> bool {
        let cells = self.cells(row);
        if self.is_comment(row) {
            return true;
        }
        let mut filled = cells.iter().map(|cell| cell.trimmed(self.head)).filter(|cell| !cell.is_empty());
        match (filled.next(), filled.next()) {
            (None, _) => true,
            (Some(_), None) if cells.len() != self.width => true,
            (Some(title), None) => !Class::of(title).is_typed() && !cells[0].trimmed(self.head).is_empty(),
            _ => false,
        }
    }

    /// Whether the rows of one cell in front of the usual ones are titles, rather than a name and the first values of a column
    /// whose values hold the delimiter now and then.
    ///
    /// `is_usual` says that what they would be instead is worse: a column of which all those values are bad rows.
    pub(super) fn has_titles(&self, titles: usize, is_usual: bool) -> bool {
        let words = (0..titles).filter(|&row| !self.is_comment(row) && !self.is_phrase(row)).count();
        if self.has_names() {
            return true;
        }
        let is_table = self.width >= 3 && (titles..self.len()).all(|row| self.cells(row).len() == self.width);
        !self.is_prose(titles)
            && (words == 0 || self.is_set_off(0, titles) || words <= FEW_TITLES && (is_usual || is_table))
    }

    /// Whether the first row of the usual width names columns that are not all of text.
    pub(super) fn has_names(&self) -> bool {
        let first = (0..self.len()).find(|&row| self.cells(row).len() == self.width);
        first.is_some_and(|row| self.are_names(row) && self.names_typed_column(row))
    }

    /// Whether a blank line stands between two rows.
    fn is_set_off(&self, from: usize, to: usize) -> bool {
        let rows = &self.rows.all()[from..=to];
        rows.windows(2).any(|pair| pair[0].end < pair[1].start)
    }

    /// Whether a blank follows every delimiter, as in sentences, and the rows are no table of words and numbers.
    fn is_prose(&self, from: usize) -> bool {
        let rows = || from..self.len();
        let behind = |row: usize| self.cells(row).iter().skip(1);
        rows().all(|row| behind(row).all(|cell| cell.raw(self.head).starts_with(b" ")))
            && rows().all(|row| self.classes(row).all(|class| !class.is_typed()))
            && (self.width == 2 || rows().any(|row| self.cells(row).len() != self.width))
    }

    /// Whether a row is a comment, however wide it is: `#` with a blank behind it, which no name begins with.
    fn is_remark(&self, row: usize) -> bool {
        self.cells(row)[0].trimmed(self.head).starts_with(b"# ")
    }

    /// Whether there is a blank line, or a row without any value, between titles of the usual width and the table.
    fn is_apart(&self, from: usize, to: usize) -> bool {
        let is_empty = |row: usize| self.cells(row).iter().all(|cell| self.is_blank(cell));
        (from..to).any(is_empty) || self.is_set_off(from, to)
    }

    /// Whether a title of the usual width is no header whose other columns have no names: it has more than one word where there are
    /// many such columns, or is a sentence.
    fn says_more_than_a_name(&self, row: usize) -> bool {
        self.is_sentence(row) || self.width >= 3 && self.is_phrase(row)
    }

    /// Whether a row of another width than the usual is a comment, or the first one says what the delimiter is.
    fn is_comment(&self, row: usize) -> bool {
        let (first, rest) = (self.cells(row)[0].trimmed(self.head), &self.cells(row)[1..]);
        // Spreadsheets know a first line of `sep=;`, which has a cell more under that delimiter.
        let is_alone = rest.iter().all(|cell| self.is_blank(cell));
        let names_delimiter = row == 0 && first.starts_with(b"sep=") && first.len() <= 5 && is_alone;
        names_delimiter || self.cells(row).len() != self.width && first.starts_with(b"#")
    }

    /// Whether what a row holds has a blank in it.
    fn is_phrase(&self, row: usize) -> bool {
        self.cells(row).iter().map(|cell| cell.trimmed(self.head)).all(|cell| cell.is_empty() || cell.contains(&b' '))
    }

    /// Whether it is more than a name of two words: of three, or with a number.
    fn is_sentence(&self, row: usize) -> bool {
        let is_long = |cell: &[u8]| memchr::memchr_iter(b' ', cell).count() >= 2 || cell.iter().any(u8::is_ascii_digit);
        let mut filled = self.cells(row).iter().map(|cell| cell.trimmed(self.head)).filter(|cell| !cell.is_empty());
        self.is_phrase(row) && filled.all(is_long)
    }

    /// Whether it holds names of one word each, at least two, and from a row on nothing stands in cells that it has no names for.
    fn could_be_names(&self, row: usize, from: usize) -> bool {
        let (named, is_filled) = (self.cells(row).len(), |cell: &Cell| !self.is_blank(cell));
        self.are_names(row)
            && self.cells(row).iter().all(|cell| !cell.trimmed(self.head).contains(&b' '))
            && !(from..self.len()).any(|below| self.cells(below).iter().skip(named).any(is_filled))
    }

    /// Whether a row with rows below it holds at least two words and nothing else.
    fn are_names(&self, row: usize) -> bool {
        let words = self.classes(row).filter(|class| *class == Class::Text).count();
        words >= 2 && row + 1 < self.len() && self.classes(row).all(|class| !class.is_typed())
    }

    fn names_typed_column(&self, row: usize) -> bool {
        let columns = self.columns_below(row);
        self.classes(row).zip(&columns).any(|(name, column)| name == Class::Text && column.family().is_typed())
    }

    /// Whether the row names the columns.
    ///
    /// It does unless each of its cells is of the kind of the column below it, and at least one of those kinds is not
    /// text. Numbers over numbers are therefore data (`1,2,3` over `4,5,6`), except a run of years, which heads many
    /// statistical tables. A record alone is a header unless at least half of its cells are typed.
    fn is_header(&self, row: usize) -> bool {
        let first: Vec<Class> = self.classes(row).collect();
        if row + 1 >= self.len() {
            let filled = first.iter().filter(|class| **class != Class::Empty).count();
            let typed = first.iter().filter(|class| class.is_typed()).count();
            return typed == 0 || typed * 2 < filled;
        }
        let columns = self.columns_below(row);
        let mut agreeing = 0;
        for (class, column) in first.iter().zip(&columns) {
            let below = column.family();
            match class.family() {
                Class::Empty => {}
                Class::Text if below.is_typed() => return true,
                Class::Text => {}
                _ if below == Class::Empty => {}
                typed if below == typed => agreeing += 1,
                typed if column.share(typed) < 1.0 - DOMINANT => return true,
                _ => {}
            }
        }
        agreeing == 0 || is_year_run(&first, &columns)
    }

    fn columns_below(&self, row: usize) -> Vec<Column> {
        let mut columns = vec![Column::default(); self.cells(row).len()];
        for below in row + 1..self.len() {
            for (class, column) in self.classes(below).zip(&mut columns) {
                column.add(class);
            }
        }
        columns
    }
}

/// How many cells of each class a column has; `Empty` is not counted.
#[derive(Clone, Default)]
struct Column {
    counts: [u32; Column::FAMILIES.len()],
    years: u32,
}

impl Column {
    const FAMILIES: [Class; 6] = [Class::Text, Class::Number, Class::Bool, Class::Moment, Class::Time, Class::Uuid];

    fn add(&mut self, class: Class) {
        self.years += u32::from(class == Class::Year);
        if let Some(at) = Self::FAMILIES.iter().position(|family| *family == class.family()) {
            self.counts[at] += 1;
        }
    }

    fn total(&self) -> u32 {
        self.counts.iter().sum()
    }

    fn share(&self, family: Class) -> f64 {
        let at = Self::FAMILIES.iter().position(|each| *each == family);
        at.map_or(0.0, |at| f64::from(self.counts[at]) / f64::from(self.total().max(1)))
    }

    /// The class that dominates, `Text` where none does, `Empty` for a column without values.
    fn family(&self) -> Class {
        let dominant = Self::FAMILIES.into_iter().find(|family| self.share(*family) >= DOMINANT);
        if self.total() == 0 { Class::Empty } else { dominant.unwrap_or(Class::Text) }
    }
}

/// Whether the typed cells of a first row are years that head columns of something else.
fn is_year_run(first: &[Class], columns: &[Column]) -> bool {
    let typed: Vec<usize> = (0..first.len()).filter(|&at| first[at].is_typed()).collect();
    let over_years = |at: &usize| columns[*at].years == columns[*at].total() && columns[*at].total() > 0;
    let years_below = typed.iter().any(|at| columns[*at].years > 0);
    typed.iter().all(|&at| first[at] == Class::Year)
        && !typed.iter().any(over_years)
        && match typed.len() {
            0 => false,
            // One year alone is a header only beside names, and over numbers that are no years at all.
            1 => first.contains(&Class::Text) && !years_below && columns[typed[0]].total() >= 2,
            _ => true,
        }
}

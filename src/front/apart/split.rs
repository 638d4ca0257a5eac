//! Records of a file as lines for each of their tables.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use crate::batch::Misfit;
use crate::front::stream::{ChildTables, Lines, broken, file_row_id, misfit, rows_path, take_apart};
use crate::records::{Bad, PathTable, Reader, Record, Sink};
use crate::sketch::Collector;
use crate::source::Chunk;

/// The keys that lead to a child table from the record; none for the records' own table.
pub(super) type Keys = Vec<String>;

/// Where a record stands: the number of its input, and its byte in that.
pub(super) type Place = (u32, u64);

/// Why a record does not become a row, and the column, if it is one.
pub(super) type Why = (Option<String>, String);

/// How records are taken apart.
#[derive(Clone, Copy)]
pub(super) struct How<'a> {
    pub(super) which: &'a ChildTables,
    /// What the ids of rows are made of, besides the record's place.
    pub(super) load_id: &'a str,
    /// The child tables that there are; `None` while they are looked for.
    pub(super) tables: Option<&'a [Keys]>,
    /// Records that tables have refused a row of.
    pub(super) left_out: &'a BTreeMap<Place, Why>,
}

/// Records that have no rows in a child table.
#[derive(Default)]
pub(super) struct Without {
    /// Those that are no rows of their own table either.
    pub(super) places: HashSet<Place>,
    /// The ids of those that lost to another one with their key.
    pub(super) ids: HashSet<[u8; 16]>,
}

/// What is made of the records of a piece as they are read.
pub(super) struct Split<'a> {
    how: How<'a>,
    /// The arrays of the one table that is wanted, if it is not all of them, and the records of which nothing is.
    only: Option<(&'a [Keys], &'a Without)>,
    /// The rows by the keys that lead to them; those of the one table that is wanted are without keys.
    pub(super) lines: BTreeMap<Keys, Lines>,
    /// The child tables, in the order in which they first appeared.
    pub(super) appeared: Vec<Keys>,
    /// Records that do not become rows, whatever the tables are.
    pub(super) misfits: Vec<Misfit>,
    /// Records, those that are none included.
    pub(super) read: u64,
}

impl<'a> Split<'a> {
    pub(super) fn new(how: How<'a>, only: Option<(&'a [Keys], &'a Without)>) -> Self {
        Split { how, only, lines: BTreeMap::new(), appeared: Vec::new(), misfits: Vec::new(), read: 0 }
    }

    /// Says which chunk everything is of.
    pub(super) fn of(mut self, chunk: &Chunk) -> Self {
        let of = |(keys, lines): (Keys, Lines)| (keys, lines.in_chunk(chunk.source, chunk.sequence));
        self.lines = self.lines.into_iter().map(of).collect();
        self
    }

    fn push(&mut self, keys: Keys, json: &[u8], record: &Record<'_>) {
        let keys = match self.only {
            None => keys,
            Some((only, _)) if only.contains(&keys) => Keys::new(),
            Some(_) => return,
        };
        self.lines.entry(keys).or_default().push_text(json, record.offset, record.line);
    }

    /// The rows of a record, or why it has none.
    fn take_apart(&mut self, record: &Record<'_>, id: [u8; 16]) -> Result<(), Why> {
        let which = self.how.which;
        let rows = take_apart(&in_one_line(record.raw()), id, &mut |keys| which.wants(keys))
            .map_err(|path| (Some(path), "a field with the name of one that rows of child tables get".to_owned()))?;
        match self.how.tables {
            None => rows.children.iter().for_each(|child| {
                if !self.lines.contains_key(&child.keys) && !self.appeared.contains(&child.keys) {
                    self.appeared.push(child.keys.clone());
                }
            }),
            Some(known) => {
                if let Some(child) = rows.children.iter().find(|child| !known.contains(&child.keys)) {
                    return Err((Some(rows_path(&child.keys)), "past the bound on child tables".to_owned()));
                }
            }
        }
        self.push(Keys::new(), &rows.own, record);
        rows.children.into_iter().for_each(|child| self.push(child.keys, &child.json, record));
        Ok(())
    }
}

impl Sink for Split<'_> {
    fn record(&mut self, _: &PathTable, record: &Record<'_>) {
        self.read += 1;
        let place = (record.source, record.offset);
        let id = file_row_id(self.how.load_id, u64::from(record.source), record.offset);
        if self.only.is_some_and(|(_, without)| without.places.contains(&place) || without.ids.contains(&id)) {
            return;
        }
        let done = match self.how.left_out.get(&place) {
            Some(why) => Err(why.clone()),
            None => self.take_apart(record, id),
        };
        if let Err((path, reason)) = done {
            self.misfits.push(misfit((record.source, record.line, record.offset), path, reason, record.raw()));
        }
    }

    fn bad(&mut self, bad: &Bad<'_>) {
        self.read += 1;
        self.misfits.push(broken(bad));
    }
}

/// Picks records out of a piece by their bytes in its input, to keep them aside.
pub(super) struct Pick {
    pub(super) wanted: BTreeMap<u64, Why>,
    pub(super) misfits: Vec<Misfit>,
}

impl Sink for Pick {
    fn record(&mut self, _: &PathTable, record: &Record<'_>) {
        if let Some((path, reason)) = self.wanted.get(&record.offset) {
            let place = (record.source, record.line, record.offset);
            self.misfits.push(misfit(place, path.clone(), reason.clone(), record.raw()));
        }
    }

    fn bad(&mut self, _: &Bad<'_>) {}
}

/// Takes in the evidence of lines, with the places of their records: so it does not depend on how an input is cut.
pub(super) fn collect(lines: &Lines, reader: &mut Reader, collector: &mut Collector) {
    let mut chunk = lines.chunk();
    collector.begin(chunk.source, chunk.sequence);
    reader.read(&crate::records::Format::Ndjson, &mut chunk, &mut Placed { lines, collector });
}

struct Placed<'a> {
    lines: &'a Lines,
    collector: &'a mut Collector,
}

impl Sink for Placed<'_> {
    fn record(&mut self, paths: &PathTable, record: &Record<'_>) {
        let (offset, line) = self.lines.origin(record.offset);
        self.collector.record(paths, &Record { offset, line, ..*record });
    }

    fn bad(&mut self, bad: &Bad<'_>) {
        self.collector.bad(bad);
    }
}

/// A record without line ends, which stand between its tokens if there are any.
fn in_one_line(record: &[u8]) -> Cow<'_, [u8]> {
    match memchr::memchr2(b'\n', b'\r', record) {
        None => Cow::Borrowed(record),
        Some(_) => {
            let blank = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
            Cow::Owned(record.iter().map(blank).collect())
        }
    }
}

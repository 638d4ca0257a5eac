//! Records that are tried again, as rows of their table and of its child tables.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::Quarantine;
use super::one::one_record;
use crate::batch::{Decoded, Decoder, Misfit};
use crate::error::Result;
use crate::front::stream::{ChildTables, Tables, file_row_id, row_id, rows_path, take_apart};
use crate::load::{Encode, OpenTable, Place, Waiting};
use crate::plan::TableName;
use crate::records::{Format, Reader};
use crate::schema::Schema;
use crate::sketch::{Collector, Sketch};
use crate::source::Chunk;

/// Rows decoded at a time.
const ROWS: usize = 10_000;
/// What the ledger calls the source of a replay.
pub(super) const SOURCE: &str = "quarantine";

/// The records of one transaction, and what has become of them.
pub(super) struct Attempt<'a> {
    quarantine: &'a Quarantine,
    /// How the rows are written.
    format: Format,
    /// The ids of all records.
    ids: Vec<i64>,
    /// The ids that their rows have had, or would have had, without the quarantine.
    row_ids: Vec<[u8; 16]>,
    /// The records that stay, by their place among the ids, and why.
    left: BTreeMap<usize, String>,
    /// The rows of each table, by its number; the records' own table has the number 0.
    rows: BTreeMap<usize, Vec<Row>>,
    tables: Tables,
    /// Where in a record the rows of the child tables are: `items[].`.
    below: BTreeMap<usize, String>,
}

/// A row of one of the tables, and which record it is of.
struct Row {
    record: usize,
    bytes: Vec<u8>,
}

impl<'a> Attempt<'a> {
    /// Leaves out what is no record, which needs no table to be known.
    pub(super) fn new(quarantine: &'a Quarantine, format: &Format, table: &TableName, waiting: &[Waiting]) -> Self {
        let tables = Tables::new(None);
        let own = tables.number(table.clone());
        let ids = waiting.iter().map(|record| record.id).collect();
        let mut attempt = Attempt {
            quarantine,
            format: format.clone(),
            ids,
            row_ids: waiting.iter().map(|record| row_id_at(&record.place)).collect(),
            left: BTreeMap::new(),
            rows: BTreeMap::from([(own, Vec::new())]),
            tables,
            below: BTreeMap::new(),
        };
        let mut reader = Reader::new(quarantine.limits);
        for (nth, record) in waiting.iter().enumerate() {
            match one_record(&mut reader, format, (&record.raw, record.is_whole)) {
                Ok(bytes) => attempt.add(own, nth, bytes),
                Err(reason) => attempt.leave(nth, reason),
            }
        }
        attempt
    }

    /// Whether the records are rows of CSV, which have no arrays.
    pub(super) fn is_csv(&self) -> bool {
        matches!(self.format, Format::Csv(_))
    }

    fn add(&mut self, table: usize, record: usize, bytes: Vec<u8>) {
        self.rows.entry(table).or_default().push(Row { record, bytes });
    }

    fn leave(&mut self, record: usize, reason: String) {
        self.left.entry(record).or_insert(reason);
    }

    /// Whether there are arrays without a table among `known`, if all are to become rows.
    pub(super) fn has_other_arrays(&self, known: &[TableName]) -> bool {
        let mut others = false;
        for row in self.rows.values().flatten() {
            let mut look = |keys: &[String]| {
                others |= self.tables.child(0, keys).is_none_or(|table| !known.contains(&self.tables.name(table)));
                true
            };
            // What is wrong with a record is told when it is taken apart.
            let _ = take_apart(&row.bytes, [0; 16], &mut look);
        }
        others
    }

    /// Takes the records apart.
    pub(super) fn take_apart(&mut self, which: &ChildTables) {
        for Row { record, bytes } in self.rows.insert(0, Vec::new()).unwrap_or_default() {
            match take_apart(&bytes, self.row_ids[record], &mut |keys| which.wants(keys)) {
                Ok(rows) => {
                    self.add(0, record, rows.own);
                    for child in rows.children {
                        match self.tables.child(0, &child.keys) {
                            Some(table) => {
                                let below = || rows_path(&child.keys) + ".";
                                self.below.entry(table).or_insert_with(below);
                                self.add(table, record, child.json);
                            }
                            None => self.leave(record, "past the bound on child tables".into()),
                        }
                    }
                }
                Err(path) => {
                    let reason = "a field with the name of one that rows of child tables get";
                    self.leave(record, format!("column `{path}`: {reason}"));
                }
            }
        }
        self.format = Format::Ndjson;
    }

    /// Leaves all records, for want of a value to merge by.
    pub(super) fn leave_all(&mut self, key: &str) {
        let reason = format!("column `{key}`: no value, and rows are merged by it");
        (0..self.ids.len()).for_each(|record| self.leave(record, reason.clone()));
    }

    /// How many records there are.
    pub(super) fn len(&self) -> u64 {
        self.ids.len() as u64
    }

    /// Whether no record is left to be loaded.
    pub(super) fn is_empty(&self) -> bool {
        self.left.len() == self.ids.len()
    }

    /// The ids of the records that are to be loaded.
    pub(super) fn ids(&self) -> Vec<i64> {
        let stays = |(nth, id): (usize, &i64)| (!self.left.contains_key(&nth)).then_some(*id);
        self.ids.iter().enumerate().filter_map(stays).collect()
    }

    /// Why records are left where they are, of each of them.
    pub(super) fn into_left(self) -> impl Iterator<Item = String> {
        self.left.into_values()
    }

    /// The tables with rows, by number and name: the records' own first, the others in the order of their names.
    pub(super) fn tables(&self) -> Vec<(usize, TableName)> {
        let numbers = self.rows.keys().filter(|table| **table == 0 || self.rows(**table).next().is_some());
        let mut tables: Vec<_> = numbers.map(|table| (*table, self.tables.name(*table))).collect();
        tables[1..].sort_by_key(|(_, name)| name.quoted());
        tables
    }

    /// The rows of one table, of records that are to be loaded.
    fn rows(&self, table: usize) -> impl Iterator<Item = &Row> {
        self.rows.get(&table).into_iter().flatten().filter(|row| !self.left.contains_key(&row.record))
    }

    /// Bytes of the rows of one table.
    pub(super) fn bytes(&self, table: usize) -> u64 {
        self.rows(table).map(|row| row.bytes.len() as u64).sum()
    }

    /// The evidence of the rows of one table.
    pub(super) fn sketch(&self, table: usize) -> Sketch {
        let mut reader = Reader::new(self.quarantine.limits);
        let mut collector = Collector::new(&[SOURCE]);
        for (nth, (mut chunk, _)) in chunks(self.rows(table)).enumerate() {
            (chunk.source, chunk.sequence) = (0, nth as u64);
            collector.begin(0, nth as u64);
            reader.read(&self.format, &mut chunk, &mut collector);
        }
        collector.finish(reader.paths(), std::slice::from_ref(&self.format))
    }

    /// Leaves out the records of which a row does not fit into its table.
    pub(super) fn check(&mut self, schemas: &BTreeMap<usize, Schema>) -> Result<()> {
        for (table, schema) in schemas {
            let below = self.below.get(table).cloned().unwrap_or_default();
            let mut misfits: Vec<Misfit> = Vec::new();
            self.decode(*table, schema, |decoded| {
                misfits.extend(decoded.misfits);
                Ok(())
            })?;
            for Misfit { source, path, reason, .. } in misfits {
                let column = path.map(|path| format!("column `{below}{path}`: ")).unwrap_or_default();
                self.leave(source as usize, column + &reason);
            }
        }
        Ok(())
    }

    /// Sends the rows of one table; returns how many there were. If the table refuses some, their records are left out, and
    /// there is no number.
    pub(super) fn send(&mut self, table: usize, opened: &mut OpenTable) -> Result<Option<u64>> {
        let (encoder, schema) = (opened.encoder(), opened.schema.clone());
        let mut sent = 0;
        self.decode(table, &schema, |decoded| {
            let rows = Encode::encode(&encoder, &decoded.batch)?;
            sent += rows.rows();
            opened.write(rows)
        })?;
        let refused = opened.isolated()?;
        let of: Vec<usize> = self.rows(table).map(|row| row.record).collect();
        for refused in &refused {
            if let Some(record) = of.get(refused.row as usize) {
                self.leave(*record, format!("the table refuses the row: {}", refused.reason));
            }
        }
        Ok(refused.is_empty().then_some(sent))
    }

    /// Drops the rows in child tables of records that lost to others with their key, by the ids of their rows.
    pub(super) fn drop_children(&mut self, lost: &[[u8; 16]]) {
        let lost: HashSet<&[u8; 16]> = lost.iter().collect();
        if lost.is_empty() {
            return;
        }
        let ids = &self.row_ids;
        let children = self.rows.iter_mut().filter(|(table, _)| **table != 0);
        children.for_each(|(_, rows)| rows.retain(|row| !lost.contains(&ids[row.record])));
    }

    /// Decodes the rows of one table, some at a time. The source of a row is the place of its record.
    fn decode(&self, table: usize, schema: &Schema, mut done: impl FnMut(Decoded) -> Result<()>) -> Result<()> {
        let (mut reader, mut decoder) = Decoder::new(Arc::new(schema.clone())).with_reader(self.quarantine.limits);
        let mut waits = false;
        for (nth, (mut chunk, record)) in chunks(self.rows(table)).enumerate() {
            chunk.source = record as u32;
            reader.read(&self.format, &mut chunk, &mut decoder);
            waits = (nth + 1) % ROWS != 0;
            if !waits {
                done(decoder.finish()?)?;
            }
        }
        if waits { done(decoder.finish()?) } else { Ok(()) }
    }
}

/// A chunk for each row, with the place of its record.
fn chunks<'a>(rows: impl Iterator<Item = &'a Row>) -> impl Iterator<Item = (Chunk, usize)> {
    let mut offset = 0;
    rows.enumerate().map(move |(nth, row)| {
        let mut chunk = Chunk::new(&row.bytes);
        (chunk.offset, chunk.first_line) = (offset, nth as u64 + 1);
        offset += row.bytes.len() as u64;
        (chunk, row.record)
    })
}

/// The id of the row of a record that stood at this place.
fn row_id_at(place: &Place) -> [u8; 16] {
    let Place { load_id, source, file, byte } = place;
    let write = source.rsplit_once('@').and_then(|(name, position)| Some((name, position.parse().ok()?)));
    match (file, write) {
        (None, Some((name, position))) => row_id(name, position, *byte),
        _ => file_row_id(load_id, file.unwrap_or_default(), *byte),
    }
}

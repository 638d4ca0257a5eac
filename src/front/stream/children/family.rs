//! Records and the rows of their child tables, kept together until all of them are known to fit.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::super::arrow::Declared;
use super::super::batch::Batch;
use super::super::buffer::Buffer;
use super::super::lines::Lines;
use super::super::part::{Part, Stretch};
use super::super::refuse::{broken, misfit};
use super::super::tables::Tables;
use super::take_apart::{row_id, take_apart};
use super::{ChildTables, Refused, rows_path};
use crate::batch::Misfit;
use crate::error::Result;
use crate::records::{Bad, PathTable, Reader, Record, Sink};
use crate::source::ordered_map;

/// The tables of a batch whose records have been taken apart: for each the child tables, by their numbers, with the paths
/// of their rows in the record (`items[]`).
#[derive(Debug, Default)]
pub(in super::super) struct Families {
    pub(super) all: BTreeMap<usize, BTreeMap<usize, String>>,
}

impl Families {
    /// Whether no records are taken apart.
    pub(in super::super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Which table's records the rows of a child table are of.
    pub(in super::super) fn parent(&self, table: usize) -> Option<usize> {
        self.all.iter().find(|(_, children)| children.contains_key(&table)).map(|(parent, _)| *parent)
    }

    /// Leaves out the rows of records that did not become rows themselves; `None` for all records of the table.
    pub(in super::super) fn leave_out(&self, batch: &mut Batch<'_>, parent: usize, lost: Option<&[[u8; 16]]>) {
        let lost: Option<HashSet<&[u8; 16]>> = lost.map(|lost| lost.iter().collect());
        if lost.as_ref().is_some_and(HashSet::is_empty) {
            return;
        }
        let buffer = batch.buffer();
        for table in self.all.get(&parent).into_iter().flat_map(BTreeMap::keys) {
            for stretch in &mut batch.part_mut(*table).stretches {
                let Stretch::Lines(lines) = stretch else { continue };
                let source = lines.source();
                let stays = |byte| lost.as_ref().is_some_and(|lost| !lost.contains(&id_at(buffer, source, byte)));
                lines.retain(stays);
            }
        }
    }

    /// Takes the records of all parts of a batch apart.
    pub(in super::super) fn split(batch: &mut Batch<'_>, which: &ChildTables, tables: &Tables) -> Result<Self> {
        let mut families = Families::default();
        if *which == ChildTables::None {
            return Ok(families);
        }
        for parent in batch.tables() {
            let children = split_part(batch, parent, which, tables)?;
            families.all.insert(parent, children);
        }
        Ok(families)
    }
}

/// Takes the records of one table apart; returns its child tables.
fn split_part(
    batch: &mut Batch<'_>,
    parent: usize,
    which: &ChildTables,
    tables: &Tables,
) -> Result<BTreeMap<usize, String>> {
    let mut refused = Refused::default();
    let mut made: Vec<Made> = Vec::new();
    {
        let part = batch.part(parent);
        let worker = || Reader::new(part.settings.read.limits);
        let work = |reader: &mut Reader, stretch: &Stretch| {
            let mut chunk = part.chunk(stretch);
            let mut splitter = Splitter { which, part: &part, stretch, made: Made::default() };
            reader.read(part.format_of(stretch), &mut chunk, &mut splitter);
            splitter.made.source = chunk.source;
            splitter.made.declared = stretch.declared().cloned();
            splitter.made.sequence = chunk.sequence;
            Ok(splitter.made)
        };
        ordered_map(part.part.stretches.iter().map(Ok), part.threads(), worker, work, |one| {
            made.push(one);
            Ok(())
        })?;
    }
    let mut own = Part { misfits: batch.take(parent).misfits, ..Part::default() };
    let mut children: BTreeMap<usize, String> = BTreeMap::new();
    for one in made {
        let (source, sequence) = (one.source, one.sequence);
        let lines = |lines: Lines, declared: Option<&Arc<Declared>>| {
            let mut lines = lines.in_chunk(source, sequence);
            lines.declared = declared.cloned();
            Stretch::Lines(lines)
        };
        let misfits = one.misfits.into_iter().map(|misfit| batch.buffer().locate(misfit));
        own.misfits.extend(misfits);
        own.stretches.push(lines(one.own, one.declared.as_ref()));
        for (keys, rows) in one.children {
            let path = rows_path(&keys);
            match tables.child(parent, &keys) {
                Some(number) => {
                    children.insert(number, path);
                    let declared = one.declared.as_ref().and_then(|declared| declared.children.get(&keys));
                    batch.part_mut(number).stretches.push(lines(rows, declared));
                }
                None => {
                    rows.places().for_each(|byte| refused.add(source, byte, &path, "past the bound on child tables"))
                }
            }
        }
    }
    *batch.part_mut(parent) = own;
    refused.leave_out(batch, parent, children.keys().copied());
    Ok(children)
}

/// What was made of the records of one stretch.
#[derive(Default)]
struct Made {
    source: u32,
    sequence: u64,
    /// What is declared of the records.
    declared: Option<Arc<Declared>>,
    own: Lines,
    children: BTreeMap<Vec<String>, Lines>,
    misfits: Vec<Misfit>,
}

/// Takes records apart as they are read.
struct Splitter<'a> {
    which: &'a ChildTables,
    part: &'a super::super::batch::PartOf<'a>,
    stretch: &'a Stretch,
    made: Made,
}

impl Sink for Splitter<'_> {
    fn record(&mut self, _: &PathTable, record: &Record<'_>) {
        let (byte, line) = self.part.origin(self.stretch, record.offset, record.line);
        let id = id_at(self.part.buffer, record.source, byte);
        match take_apart(record.raw(), id, &mut |keys| self.which.wants(keys)) {
            Ok(rows) => {
                self.made.own.push_text(&rows.own, byte, line);
                for child in rows.children {
                    self.made.children.entry(child.keys).or_default().push_text(&child.json, byte, line);
                }
            }
            Err(path) => {
                let reason = "a field with the name of one that rows of child tables get".to_owned();
                self.made.misfits.push(misfit((record.source, line, byte), Some(path), reason, record.raw()));
            }
        }
    }

    fn bad(&mut self, bad: &Bad<'_>) {
        let mut misfit = broken(bad);
        (misfit.byte, misfit.line) = self.part.origin(self.stretch, bad.offset, bad.line);
        self.made.misfits.push(misfit);
    }
}

/// The id of the row of the record that stands at this byte of a source.
fn id_at(buffer: &Buffer, source: u32, byte: u64) -> [u8; 16] {
    let (source, position, byte) = buffer.identity(source, byte);
    row_id(source, position, byte)
}

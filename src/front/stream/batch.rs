//! One batch: what is buffered, as a part for each of its tables.

use std::collections::BTreeMap;

use super::buffer::Buffer;
use super::lines::Lines;
use super::part::{Part, Stretch};
use super::pieces::Piece;
use super::shared::Shared;
use super::split::{Split, Splitter};
use super::tables::Tables;
use crate::batch::Misfit;
use crate::error::Result;
use crate::front::loader::Loader;
use crate::records::{Format, Reader};
use crate::source::ordered_map;

/// What is buffered, on its way into its tables.
pub(super) struct Batch<'a> {
    buffer: &'a Buffer,
    format: &'a Format,
    settings: &'a Loader,
    /// By the number of the table; the stream's own table is always among them.
    parts: BTreeMap<usize, Part>,
}

impl<'a> Batch<'a> {
    /// Takes up a batch again that was sorted by tables before.
    pub(super) fn of(buffer: &'a Buffer, shared: &'a Shared, parts: BTreeMap<usize, Part>) -> Self {
        Batch { buffer, format: &shared.format, settings: &shared.settings, parts }
    }

    /// Sorts everything by tables. New tables that records are routed to are added to those of the stream.
    pub(super) fn sort(buffer: &'a Buffer, shared: &'a Shared) -> Result<Self> {
        let Shared { format, settings, tables, .. } = shared;
        let mut batch = Batch::of(buffer, shared, BTreeMap::new());
        let own = batch.parts.entry(0).or_default();
        own.misfits.extend(buffer.asides());
        let pieces = buffer.pieces(format, &settings.read.limits);
        let (split, whole): (Vec<_>, Vec<_>) =
            pieces.into_iter().partition(|piece| piece.table == 0 && tables.route().is_some());
        for piece in whole {
            batch.parts.entry(piece.table).or_default().stretches.push(Stretch::Piece(piece));
        }
        batch.split(split, tables)?;
        Ok(batch)
    }

    /// Takes pieces apart by the tables that their records are routed to.
    fn split(&mut self, pieces: Vec<Piece>, tables: &Tables) -> Result<()> {
        let Some(route) = tables.route().cloned() else { return Ok(()) };
        let threads = threads(pieces.len(), self.settings.read.threads);
        let worker = || Reader::new(self.settings.read.limits);
        let work = |reader: &mut Reader, piece: Piece| {
            let mut splitter = Splitter::new(&route.field);
            let format = if piece.declared.is_some() { &Format::Ndjson } else { self.format };
            reader.read(format, &mut self.buffer.chunk(&piece), &mut splitter);
            Ok(splitter.finish(&piece))
        };
        let mut found: Vec<(usize, Stretch)> = Vec::new();
        let mut misfits: Vec<Misfit> = Vec::new();
        ordered_map(pieces.into_iter().map(Ok), threads, worker, work, |split: Split| {
            misfits.extend(split.bad);
            let mut by_table: BTreeMap<usize, Vec<Lines>> = BTreeMap::new();
            for (value, lines) in split.by_value {
                match tables.routed(value.as_deref()) {
                    Some(table) => by_table.entry(table).or_default().push(lines),
                    None => misfits.extend(lines.refused(&route.field)),
                }
            }
            found.extend(by_table.into_iter().map(|(table, lines)| (table, Stretch::Lines(Lines::merged(lines)))));
            Ok(())
        })?;
        for (table, stretch) in found {
            self.parts.entry(table).or_default().stretches.push(stretch);
        }
        let misfits = misfits.into_iter().map(|misfit| self.buffer.locate(misfit));
        self.parts.entry(0).or_default().misfits.extend(misfits);
        Ok(())
    }

    /// What goes into the tables, apart from where it comes from.
    pub(super) fn into_parts(self) -> BTreeMap<usize, Part> {
        self.parts
    }

    /// The numbers of the tables, the stream's own first.
    pub(super) fn tables(&self) -> Vec<usize> {
        self.parts.keys().copied().collect()
    }

    /// What everything comes from.
    pub(super) fn buffer(&self) -> &'a Buffer {
        self.buffer
    }

    /// The part of one table, to change it.
    pub(super) fn part_mut(&mut self, table: usize) -> &mut Part {
        self.parts.entry(table).or_default()
    }

    /// Takes out the part of one table.
    pub(super) fn take(&mut self, table: usize) -> Part {
        self.parts.remove(&table).unwrap_or_default()
    }

    /// The part of one table.
    pub(super) fn part(&self, table: usize) -> PartOf<'_> {
        static EMPTY: Part = Part { stretches: Vec::new(), misfits: Vec::new() };
        PartOf {
            part: self.parts.get(&table).unwrap_or(&EMPTY),
            buffer: self.buffer,
            format: self.format,
            settings: self.settings,
        }
    }
}

/// A part with what is needed to work on it.
pub(super) struct PartOf<'a> {
    pub(super) part: &'a Part,
    pub(super) buffer: &'a Buffer,
    pub(super) format: &'a Format,
    pub(super) settings: &'a Loader,
}

/// Few pieces are done sooner than threads are started, and the server wants a core too.
pub(super) fn threads(pieces: usize, most: usize) -> usize {
    if pieces > 15 { most } else { 1 }
}

//! The first look at a batch: into which tables its records go, and the evidence of each.

use std::collections::BTreeMap;

use super::batch::Batch;
use super::buffer::Buffer;
use super::children::Families;
use super::commit::load_id;
use super::part::Part;
use super::rows::{Ahead, MOST_RECORDS, MOST_ROWS};
use super::shared::Shared;
use crate::error::Result;
use crate::load::Step;
use crate::sketch::Sketch;

/// A batch that has been read for its evidence. It depends on what is buffered alone, so it can be made while the batch
/// before is still on its way.
pub(super) struct Reading {
    /// What goes into which table.
    pub(super) parts: BTreeMap<usize, Part>,
    pub(super) families: Families,
    /// The evidence of each table's part.
    pub(super) evidence: BTreeMap<usize, Sketch>,
    /// Of each table whose part has been made into rows, these.
    pub(super) ahead: BTreeMap<usize, Ahead>,
    /// Of everything, see [`Buffer::content_hash`].
    pub(super) content_hash: String,
}

impl Reading {
    /// Reads what is buffered. The stream's own table has its number already.
    pub(super) fn of(buffer: &Buffer, shared: &Shared) -> Result<Self> {
        let mut batch = Batch::sort(buffer, shared)?;
        let families = Families::split(&mut batch, &shared.options.child_tables, &shared.tables)?;
        let sources = buffer.names();
        let mut evidence = BTreeMap::new();
        for table in batch.tables() {
            evidence.insert(table, batch.part(table).sketch(&sources)?);
        }
        let content_hash = buffer.content_hash();
        Ok(Reading { parts: batch.into_parts(), families, evidence, ahead: BTreeMap::new(), content_hash })
    }

    /// Makes rows of what is buffered, if it is not much, for tables that stay as they are. Records with rows in child tables
    /// go in with all of these, which is not known before.
    pub(super) fn make_rows(&mut self, buffer: &Buffer, shared: &Shared) {
        if !self.families.is_empty() || buffer.bytes() > MOST_RECORDS {
            return;
        }
        let batch = Batch::of(buffer, shared, std::mem::take(&mut self.parts));
        let mut room = MOST_ROWS;
        let ahead = |table| {
            let shape = shared.shapes.get(table).filter(|_| room > 0)?;
            Some((table, batch.part(table).ahead(shape, &mut room)))
        };
        self.ahead = batch.tables().into_iter().filter_map(ahead).collect();
        self.parts = batch.into_parts();
    }

    /// Has the rows that were made copied before the turn of their batch, if that can be; says whether.
    pub(super) fn copy_early(&mut self, shared: &Shared, steps: &[Step]) -> bool {
        match (self.parts.len(), self.parts.get(&0), self.ahead.get_mut(&0)) {
            (1, Some(part), Some(ahead)) => ahead.copy_early(part.stretches.len(), &shared.early, || load_id(steps)),
            _ => false,
        }
    }
}

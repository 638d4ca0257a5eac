//! Whether records fit with all their rows: a record whose row, or one of whose elements, does not fit is left out whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::batch::Batch;
use super::super::part::Stretch;
use super::super::refuse::misfit;
use super::Families;
use crate::batch::Misfit;
use crate::error::Result;
use crate::front::alone::ChunkDecoder;
use crate::schema::Schema;
use crate::source::ordered_map;

/// Records that do not go in, by source and place in it, each with the path and the reason that came first.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Refused {
    all: BTreeMap<(u32, u64), (Option<String>, String)>,
}

impl Refused {
    pub(super) fn add(&mut self, source: u32, byte: u64, path: &str, reason: &str) {
        self.note((source, byte), Some(path.to_owned()), reason.to_owned());
    }

    fn note(&mut self, place: (u32, u64), path: Option<String>, reason: String) {
        self.all.entry(place).or_insert((path, reason));
    }

    /// Leaves the records out of their table and of its child tables, and quarantines them as they came.
    pub(super) fn leave_out(self, batch: &mut Batch<'_>, parent: usize, children: impl Iterator<Item = usize>) {
        if self.all.is_empty() {
            return;
        }
        for table in children.chain([parent]) {
            for stretch in &mut batch.part_mut(table).stretches {
                if let Stretch::Lines(lines) = stretch {
                    let source = lines.source();
                    lines.retain(|byte| !self.all.contains_key(&(source, byte)));
                }
            }
        }
        for ((source, byte), (path, reason)) in self.all {
            let (raw, line) = batch.buffer().line_at(source, byte);
            let misfit = misfit((source, line, byte), path, reason, raw);
            let misfit = batch.buffer().locate(misfit);
            batch.part_mut(parent).misfits.push(misfit);
        }
    }

    /// Decodes everything under the schemas of the tables, and leaves out the records that do not fit, and those that tables
    /// have refused before.
    pub(in super::super) fn check(
        batch: &mut Batch<'_>,
        families: &Families,
        schemas: &BTreeMap<usize, Schema>,
        before: &BTreeMap<usize, Refused>,
    ) -> Result<()> {
        for (parent, children) in &families.all {
            let mut refused = before.get(parent).cloned().unwrap_or_default();
            refused.decode(batch, *parent, "", schemas)?;
            for (child, path) in children {
                refused.decode(batch, *child, &format!("{path}."), schemas)?;
            }
            refused.leave_out(batch, *parent, children.keys().copied());
        }
        Ok(())
    }

    /// Adds the records whose rows a table of the families refused.
    pub(in super::super) fn add_refused(
        all: &mut BTreeMap<usize, Refused>,
        families: &Families,
        table: usize,
        records: Vec<Misfit>,
    ) {
        let parent = families.parent(table).unwrap_or(table);
        let below = families.all.get(&parent).and_then(|children| children.get(&table));
        let refused = all.entry(parent).or_default();
        for misfit in records {
            // A constraint is of the row, and names no column; the row at least can be named.
            let path = match (below, misfit.path) {
                (Some(below), Some(path)) => Some(format!("{below}.{path}")),
                (below, path) => path.or(below.cloned()),
            };
            refused.note((misfit.source, misfit.byte), path, misfit.reason);
        }
    }

    fn decode(
        &mut self,
        batch: &Batch<'_>,
        table: usize,
        prefix: &str,
        schemas: &BTreeMap<usize, Schema>,
    ) -> Result<()> {
        let Some(schema) = schemas.get(&table) else { return Ok(()) };
        let (part, schema) = (batch.part(table), Arc::new(schema.clone()));
        let worker = || ChunkDecoder::new(schema.clone(), part.settings.read.limits);
        let work = |decoder: &mut ChunkDecoder, stretch: &Stretch| {
            let misfits = decoder.decode(part.format, &mut part.chunk(stretch))?.misfits.into_iter();
            Ok(misfits.map(|misfit| part.in_source(stretch, misfit)).collect::<Vec<_>>())
        };
        ordered_map(part.part.stretches.iter().map(Ok), part.threads(), worker, work, |misfits: Vec<_>| {
            for misfit in misfits {
                let path = misfit.path.map(|path| format!("{prefix}{path}"));
                self.note((misfit.source, misfit.byte), path, misfit.reason);
            }
            Ok(())
        })?;
        Ok(())
    }
}

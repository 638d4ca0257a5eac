//! The tables of one batch, made ready and filled in its transaction.

use std::collections::BTreeMap;

use super::batch::Batch;
use super::buffer::Buffer;
use super::children::Families;
use super::resolve::Resolver;
use super::rows::{Ahead, Shape};
use super::shared::Shared;
use super::{ChildTables, TableReceipt};
use crate::batch::Misfit;
use crate::error::Result;
use crate::load::{LoadRequest, Mode, OpenBatch};
use crate::plan::TableName;
use crate::records::Format;
use crate::schema::Schema;
use crate::sketch::Sketch;

/// The tables of a batch whose transaction is open, with what all of them need.
pub(super) struct Filling<'a, 'b> {
    pub(super) open: &'a mut OpenBatch<'b>,
    pub(super) request: &'a LoadRequest,
    pub(super) shared: &'a Shared,
    /// By number and name, in the order in which they are filled: the stream's own first.
    pub(super) order: &'a [(usize, TableName)],
    pub(super) families: &'a Families,
    /// The rows of those that have been made into rows already.
    pub(super) ahead: BTreeMap<usize, Ahead>,
}

/// What filling the tables came to.
pub(super) enum Filled {
    Whole(Vec<TableReceipt>),
    /// This table refused rows of these records, and the batch is to go once more without them.
    Refused(usize, Vec<Misfit>),
}

impl<'a> Filling<'a, '_> {
    /// Makes all tables ready for what has been `seen`. Returns what to decode under.
    pub(super) fn prepare(&mut self, seen: &mut BTreeMap<usize, Sketch>) -> Result<BTreeMap<usize, Schema>> {
        let mut schemas = BTreeMap::new();
        for (nth, (table, _)) in self.order.iter().enumerate() {
            let mode = self.mode(*table);
            let resolver = Resolver::new(&self.shared.settings.policy, mode).within(&self.shared.options.contract);
            let seen = seen.entry(*table).or_default();
            let mut resolve = |have: Option<&_>| resolver.resolve(seen, have);
            let mut schema = self.open.prepare(nth, mode, &mut resolve)?;
            if self.open.is_copied() && !self.is_copied_under(*table, schema.as_ref()) {
                self.open.start_over()?;
                schema = self.open.prepare(nth, mode, &mut resolve)?;
            }
            schemas.extend(schema.map(|schema| (*table, schema)));
        }
        Ok(schemas)
    }

    /// Whether the rows that are in the transaction already are those that records become under a schema.
    fn is_copied_under(&self, table: usize, schema: Option<&Schema>) -> bool {
        self.ahead.get(&table).zip(schema).is_some_and(|(ahead, schema)| ahead.decodes_like(schema))
    }

    /// What becomes of rows that are in a table. Those of a child table have no key: they come and go with their record.
    fn mode(&self, table: usize) -> &'a Mode {
        if self.families.parent(table).is_some() { &Mode::Append } else { &self.request.mode }
    }

    /// The sources of the batch, and the format of each. Record batches amid rows of CSV are lines of JSON: they stand behind
    /// all others, under the names that the quarantine has for them.
    fn read_as(&self, buffer: &Buffer) -> (Vec<String>, Vec<String>) {
        let (mut sources, mut formats) = (buffer.names(), self.request.formats.clone());
        let declared = match self.shared.format {
            Format::Csv(_) => buffer.declared_names(),
            _ => Vec::new(),
        };
        if !declared.is_empty() {
            formats = vec![self.shared.format.written(); sources.len()];
            formats.resize(sources.len() + declared.len(), Format::Ndjson.written());
            sources.extend(declared);
        }
        (sources, formats)
    }

    /// Fills the tables, which are ready: child tables when it is known which records have become rows.
    pub(super) fn fill(&mut self, load_id: &str, batch: &mut Batch<'_>) -> Result<Filled> {
        let (shared, buffer, families) = (self.shared, batch.buffer(), self.families);
        let names = buffer.write_names();
        let (sources, formats) = self.read_as(buffer);
        let mut receipts = Vec::new();
        let mut order: Vec<_> = self.order.iter().enumerate().collect();
        order.sort_by_key(|(_, (table, _))| families.parent(*table).is_some());
        for (nth, (table, name)) in order {
            let part = batch.part(*table);
            let request = LoadRequest {
                table: name.quoted(),
                mode: self.mode(*table).clone(),
                load_id: load_id.to_owned(),
                sources: sources.clone(),
                formats: formats.clone(),
                bytes: if self.order.len() == 1 { buffer.bytes() } else { part.bytes() },
                ..self.request.clone()
            };
            let mut opened = self.open.open(nth, &request, &names)?;
            let shape = Shape::of(&opened);
            shared.shapes.set(*table, shape.clone());
            let copied = self.open.is_copied();
            let rows = self.ahead.remove(table).map(|ahead| ahead.like(&shape, copied)).unwrap_or_default();
            let alone = shared.options.child_tables == ChildTables::None;
            let sent = part.send(&mut opened, &shape, rows, alone)?;

            if !sent.refused.is_empty() {
                return Ok(Filled::Refused(*table, sent.refused));
            }
            let is_keyless = opened.keyless.is_some();
            let (schema, altered) = (opened.schema.clone(), std::mem::take(&mut opened.altered));
            let settled = self.open.close(opened, sent.read)?;
            receipts.push(TableReceipt {
                child_of: families.parent(*table).map(|parent| shared.tables.name(parent).quoted()),
                table: request.table,
                counts: settled.counts,
                values_quarantined: settled.values,
                overflowed: sent.overflowed,
                altered,
                schema,
            });
            families.leave_out(batch, *table, (!is_keyless).then_some(&settled.lost));
        }
        Ok(Filled::Whole(receipts))
    }
}

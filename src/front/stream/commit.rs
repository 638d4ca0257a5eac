//! From the buffer into the tables: one batch, one transaction.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use super::batch::Batch;
use super::children::{Families, Refused};
use super::resolve::Resolver;
use super::{ChildTables, Offset, Receipt, StreamLoader, TableReceipt};
use crate::error::Result;
use crate::load::{Counts, LoadRequest, Mode, Step, StreamBegun};
use crate::plan::TableName;
use crate::schema::Schema;
use crate::sketch::Sketch;

/// How many batches are loaded with care after one in which the table refused a row. Such rows seldom come alone, and
/// without care a batch that has one is loaded twice.
const ISOLATING: u32 = 20;

impl StreamLoader {
    pub(super) fn commit_once(&mut self) -> Result<Receipt> {
        loop {
            let steps = self.buffer.steps();
            if steps.is_empty() {
                return Ok(Receipt { schema: self.own_schema(), ..Receipt::default() });
            }
            match self.load(&steps) {
                // The batch goes once more, with such rows looked for one by one, and so do some batches behind it.
                Err(error) if error.is_refused_row() && self.isolating == 0 => self.isolating = ISOLATING,
                Err(error) => return Err(error),
                Ok(Some(receipt)) => {
                    self.isolating = self.isolating.saturating_sub(1);
                    return Ok(receipt);
                }
                Ok(None) => {}
            }
        }
    }

    /// The columns of the stream's own table, as it was last loaded.
    fn own_schema(&self) -> Schema {
        if self.tables.is_ready() { self.tables.get(0).schema.clone() } else { Schema::default() }
    }

    /// Loads the batch. `None` if its sources were found elsewhere; the buffer then holds what is left to do.
    fn load(&mut self, steps: &[Step]) -> Result<Option<Receipt>> {
        self.know_own_table()?;
        let load_id = load_id(steps);
        // A record and the rows of its elements go in together, so none of them can be left out by itself.
        let alone = self.options.child_tables == ChildTables::None;
        self.request.isolate_rows = alone && self.isolating > 0;
        let sources = self.buffer.names();
        let mut batch = Batch::new(&self.buffer, &self.format, &self.settings, &mut self.tables)?;
        let families = Families::split(&mut batch, &self.options.child_tables, &mut self.tables)?;
        let mut order = batch.tables();
        // The server's locks too are taken in one order by all who write to the same tables.
        order[1..].sort_by_key(|table| self.tables.get(*table).name.quoted());
        let mut seen: BTreeMap<usize, Sketch> = BTreeMap::new();
        for table in &order {
            let new = batch.part(*table).sketch(&sources)?;
            seen.insert(*table, self.tables.get(*table).seen.clone().merge(new));
        }
        let others: Vec<TableName> = order[1..].iter().map(|table| self.tables.get(*table).name.clone()).collect();
        let mut open = match self.stream.begin(&load_id, steps, &others)? {
            StreamBegun::Moved(positions, counts) => {
                match self.in_doubt.take_if(|doubt| counts.is_some() && doubt.load_id.as_ref() == Some(&load_id)) {
                    // It was our own commit that moved them.
                    Some(receipt) => return Ok(Some(self.done(steps, receipt, seen))),
                    None => self.totals.skipped += self.buffer.move_on(steps, &positions)?,
                }
                return Ok(None);
            }
            StreamBegun::Open(open) => open,
        };
        let keys: Vec<&str> = match &self.request.mode {
            Mode::Merge(by) => by.paths().collect(),
            _ => Vec::new(),
        };
        let resolver = Resolver { policy: &self.settings.policy, keys: &keys };
        let mut schemas = BTreeMap::new();
        for (nth, table) in order.iter().enumerate() {
            let seen = seen.entry(*table).or_default();
            let schema = open.prepare(nth, &self.request.mode, &mut |have| resolver.resolve(seen, have))?;
            schemas.insert(*table, schema);
        }
        Refused::check(&mut batch, &families, &schemas)?;
        let (names, content_hash) = (self.buffer.write_names(), self.buffer.content_hash());
        let mut receipts = Vec::new();
        for (nth, table) in order.iter().enumerate() {
            let part = batch.part(*table);
            let request = LoadRequest {
                table: self.tables.get(*table).name.quoted(),
                load_id: load_id.clone(),
                sources: sources.clone(),
                content_hash: content_hash.clone(),
                bytes: if order.len() == 1 { self.buffer.bytes() } else { part.bytes() },
                ..self.request.clone()
            };
            let mut opened = open.open(nth, &request, &names)?;
            let sent = part.send(&mut opened)?;
            let (schema, altered) = (opened.schema.clone(), std::mem::take(&mut opened.altered));
            let settled = open.close(opened, sent.read)?;
            receipts.push(TableReceipt {
                child_of: families.parent(*table).map(|parent| self.tables.get(parent).name.quoted()),
                table: request.table,
                counts: settled.counts,
                values_quarantined: settled.values,
                overflowed: sent.overflowed,
                altered,
                schema,
            });
        }
        let receipt = receipt(load_id, self.buffer.bytes(), steps, receipts);
        self.in_doubt = Some(receipt.clone());
        open.commit()?;
        self.in_doubt = None;
        Ok(Some(self.done(steps, receipt, seen)))
    }

    /// Takes note of a batch that is committed.
    fn done(&mut self, steps: &[Step], receipt: Receipt, seen: BTreeMap<usize, Sketch>) -> Receipt {
        self.buffer.committed(steps);
        for (table, seen) in seen {
            let table = self.tables.get_mut(table);
            let name = table.name.quoted();
            if let Some(loaded) = receipt.tables.iter().find(|loaded| loaded.table == name) {
                table.schema = loaded.schema.clone();
            }
            table.seen = of_columns(seen, &table.schema);
        }
        self.totals.commits += 1;
        add(&mut self.totals.counts, receipt.counts);
        self.totals.values_quarantined += receipt.values_quarantined;
        self.totals.overflowed += receipt.overflowed;
        receipt
    }
}

/// The receipt of a batch whose tables have been filled.
fn receipt(load_id: String, bytes: u64, steps: &[Step], tables: Vec<TableReceipt>) -> Receipt {
    let mut receipt = Receipt {
        load_id: Some(load_id),
        offsets: steps.iter().map(|step| Offset::new(step.source.clone(), step.to)).collect(),
        schema: tables.first().map(|own| own.schema.clone()).unwrap_or_default(),
        bytes,
        ..Receipt::default()
    };
    for table in &tables {
        if table.child_of.is_none() {
            add(&mut receipt.counts, table.counts);
        }
        receipt.values_quarantined += table.values_quarantined;
        receipt.overflowed += table.overflowed;
        receipt.altered.extend(table.altered.iter().cloned());
    }
    receipt.tables = tables;
    receipt
}

/// The evidence of the fields that are columns, and of those that columns are below of. Of all others nothing is to be
/// remembered: so a stream of ever new fields, which go into the overflow, does not make what is known of it grow.
fn of_columns(mut seen: Sketch, schema: &Schema) -> Sketch {
    let paths = schema.columns.iter().map(|column| column.path.keys());
    let wanted: FxHashSet<&[String]> = paths.flat_map(|keys| (0..=keys.len()).map(|len| &keys[..len])).collect();
    seen.fields.retain(|field| wanted.contains(field.path.keys()));
    seen
}

fn add(counts: &mut Counts, more: Counts) {
    counts.read += more.read;
    counts.loaded += more.loaded;
    counts.quarantined += more.quarantined;
    counts.deduplicated += more.deduplicated;
}

/// The id of the batch that takes sources along these steps. It depends on nothing else.
pub(super) fn load_id(steps: &[Step]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"longshore stream 1");
    for Step { source, from, to } in steps {
        hasher.update(&(source.len() as u64).to_le_bytes());
        hasher.update(source.as_bytes());
        hasher.update(&[u8::from(from.is_some())]);
        hasher.update(&from.unwrap_or_default().to_le_bytes());
        hasher.update(&to.to_le_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_id_depends_on_the_steps_and_on_nothing_else() {
        let id = |source: &str, from: Option<u64>, to: u64| load_id(&[Step { source: source.into(), from, to }]);
        assert_eq!(id("events-3", None, 41_210), id("events-3", None, 41_210));
        let others = [id("events-4", None, 41_210), id("events-3", Some(0), 41_210), id("events-3", None, 41_211)];
        assert!(others.iter().all(|other| *other != id("events-3", None, 41_210)));
    }
}

//! From the buffer into the tables: one batch, one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;

use super::batch::Batch;
use super::buffer::Buffer;
use super::children::Refused;
use super::filling::{Filled, Filling};
use super::reading::Reading;
use super::retry;
use super::shared::Shared;
use super::{Offset, Receipt, TableReceipt};
use crate::error::{Error, Result};
use crate::load::{Counts, LoadRequest, PostgresStream, Step, StreamBegun};
use crate::schema::Schema;
use crate::sketch::Sketch;

/// How many batches are loaded with care after one in which the table refused a row. Such rows seldom come alone, and
/// without care a batch that has one is loaded twice.
const ISOLATING: u32 = 20;

/// Takes batches into the tables, one at a time. It has the connection, and what is known of the tables.
pub(super) struct Committer {
    shared: Arc<Shared>,
    /// What all loads of the stream have in common.
    request: LoadRequest,
    pub(super) stream: PostgresStream,
    /// By their numbers, the tables that were loaded.
    known: BTreeMap<usize, Known>,
    /// A batch that was sent whole, and whose commit may have gone through without our knowing.
    in_doubt: Option<Receipt>,
    /// Of the batch with this load id, the records that tables have refused a row of, by the table of the records.
    left_out: (String, BTreeMap<usize, Refused>),
    /// For how many more batches rows that the table refuses are looked for from the beginning.
    isolating: u32,
}

/// What is known of a table.
#[derive(Default)]
struct Known {
    /// The evidence of all batches that were committed here.
    seen: Sketch,
    /// As the last batch was loaded.
    schema: Schema,
}

impl Committer {
    pub(super) fn new(shared: Arc<Shared>, request: LoadRequest, stream: PostgresStream) -> Self {
        Committer {
            shared,
            request,
            stream,
            known: BTreeMap::new(),
            in_doubt: None,
            left_out: Default::default(),
            isolating: 0,
        }
    }

    /// Commits a batch: tries until it works, fails for good, or has taken too long. `failed` is what the first try came
    /// to, if it was made already.
    pub(super) fn commit(
        &mut self,
        buffer: &mut Buffer,
        started: Instant,
        mut failed: Option<Error>,
    ) -> Result<Receipt> {
        let seed = load_id(&buffer.steps());
        self.patiently(&seed, |committer| match failed.take() {
            Some(error) => Err(error),
            None => committer.attempt(buffer, started, None),
        })
    }

    /// Tries until it works, fails for good, or has taken too long. `seed` keeps loaders apart that failed together.
    pub(super) fn patiently<T>(&mut self, seed: &str, mut work: impl FnMut(&mut Self) -> Result<T>) -> Result<T> {
        let (shared, table) = (self.shared.clone(), self.request.table.clone());
        retry::patiently(&shared.options, &table, seed, || work(self))
    }

    /// Asks the server, once, which schema the stream's own table is in, and which tables it has sent records to before.
    pub(super) fn know_own_table(&mut self) -> Result<()> {
        if !self.shared.tables.is_ready() {
            let own = self.stream.resolve(None)?;
            if self.shared.tables.route().is_some() {
                self.shared.tables.know_routed(self.stream.filled_beside(&own)?);
            }
            self.shared.tables.number(own);
        }
        Ok(())
    }

    /// Tries to commit a batch that was closed at `started`, and has been read if there is a `reading` of it.
    pub(super) fn attempt(
        &mut self,
        buffer: &mut Buffer,
        started: Instant,
        mut reading: Option<Reading>,
    ) -> Result<Receipt> {
        loop {
            let steps = buffer.steps();
            if steps.is_empty() {
                let schema = self.known.get(&0).map(|own| own.schema.clone()).unwrap_or_default();
                return Ok(Receipt { schema, ..Receipt::default() });
            }
            let load_id = load_id(&steps);
            let _span = tracing::info_span!("batch", table = self.request.table, load_id).entered();
            match self.load(buffer, (load_id, &steps), reading.take()) {
                // The batch goes once more, with such rows looked for one by one, and so do some batches behind it.
                Err(error) if error.is_refused_row() && self.isolating == 0 => self.isolating = ISOLATING,
                Err(error) => {
                    self.shared.early.shut();
                    return Err(error);
                }
                Ok(Some(receipt)) => {
                    self.isolating = self.isolating.saturating_sub(1);
                    self.report(&receipt, started.elapsed());
                    return Ok(receipt);
                }
                Ok(None) => {}
            }
        }
    }

    /// Loads the batch. `None` if it is to be done again, with what is left in the buffer: its sources were found elsewhere, or
    /// tables have refused rows of records that are now known.
    fn load(
        &mut self,
        buffer: &mut Buffer,
        (load_id, steps): (String, &[Step]),
        reading: Option<Reading>,
    ) -> Result<Option<Receipt>> {
        self.know_own_table()?;
        let shared = self.shared.clone();
        let Reading { parts, families, evidence, ahead, content_hash } = match reading {
            Some(reading) => reading,
            None => Reading::of(buffer, &shared)?,
        };
        self.request.isolate_rows = self.isolating > 0;
        if self.left_out.0 != load_id {
            self.left_out = (load_id.clone(), BTreeMap::new());
        }
        let mut order: Vec<_> = parts.keys().map(|table| (*table, shared.tables.name(*table))).collect();
        // The server's locks too are taken in one order by all who write to the same tables.
        order[1..].sort_by_key(|(_, name)| name.quoted());
        let seen = |(table, new): (usize, Sketch)| {
            let before = self.known.get(&table).map(|known| known.seen.clone()).unwrap_or_default();
            (table, before.merge(new))
        };
        let mut seen: BTreeMap<usize, Sketch> = evidence.into_iter().map(seen).collect();
        let others: Vec<_> = order[1..].iter().map(|(_, name)| name.clone()).collect();
        let mut open = match self.stream.begin(&load_id, steps, &others)? {
            StreamBegun::Moved(positions, counts) => {
                shared.early.shut();
                match self.in_doubt.take_if(|doubt| counts.is_some() && doubt.load_id.as_ref() == Some(&load_id)) {
                    // It was our own commit that moved them.
                    Some(receipt) => return Ok(Some(self.done(buffer, steps, receipt, seen))),
                    None => shared.totals().skipped += buffer.move_on(steps, &positions)?,
                }
                return Ok(None);
            }
            StreamBegun::Open(open) => open,
        };
        self.request.content_hash = content_hash;
        let (open_tables, request) = (&mut open, &self.request);
        let mut tables =
            Filling { open: open_tables, request, shared: &shared, order: &order, families: &families, ahead };
        let schemas = tables.prepare(&mut seen)?;
        let mut batch = Batch::of(buffer, &shared, parts);
        Refused::check(&mut batch, &families, &schemas, &self.left_out.1)?;
        let receipts = match tables.fill(&load_id, &mut batch)? {
            Filled::Whole(receipts) => receipts,
            Filled::Refused(table, records) => {
                // A record and the rows of its elements go in together.
                Refused::add_refused(&mut self.left_out.1, &families, table, records);
                return Ok(None);
            }
        };
        let receipt = receipt(load_id, buffer.bytes(), steps, receipts);
        self.in_doubt = Some(receipt.clone());
        open.commit()?;
        self.in_doubt = None;
        Ok(Some(self.done(buffer, steps, receipt, seen)))
    }

    /// Takes note of a batch that is committed.
    fn done(
        &mut self,
        buffer: &mut Buffer,
        steps: &[Step],
        receipt: Receipt,
        seen: BTreeMap<usize, Sketch>,
    ) -> Receipt {
        buffer.committed(steps);
        for (table, seen) in seen {
            let name = self.shared.tables.name(table).quoted();
            let known = self.known.entry(table).or_default();
            if let Some(loaded) = receipt.tables.iter().find(|loaded| loaded.table == name) {
                known.schema = loaded.schema.clone();
            }
            known.seen = of_columns(seen, &known.schema);
        }
        let mut totals = self.shared.totals();
        totals.commits += 1;
        add(&mut totals.counts, receipt.counts);
        totals.values_quarantined += receipt.values_quarantined;
        totals.overflowed += receipt.overflowed;
        receipt
    }

    /// Tells the log and the observer of a batch. Neither sees a record.
    fn report(&self, receipt: &Receipt, took: Duration) {
        let Counts { read, loaded, quarantined, deduplicated } = receipt.counts;
        let (table, load_id) = (self.request.table.as_str(), receipt.load_id.as_deref());
        let (altered, bytes, seconds) = (receipt.altered.len(), receipt.bytes, took.as_secs_f64());
        tracing::info!(
            table,
            load_id,
            read,
            loaded,
            quarantined,
            deduplicated,
            bytes,
            altered,
            seconds,
            "batch committed"
        );
        for statement in &receipt.altered {
            tracing::debug!(table, load_id, statement, "table changed");
        }
        if let Some(observer) = &self.shared.options.observer {
            observer.committed(receipt, took);
        }
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

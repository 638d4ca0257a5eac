//! The first pass over files whose arrays become tables: the evidence of every table.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::split::{How, Keys, Split, collect};
use crate::error::{Error, Result};
use crate::fault;
use crate::front::infer::{Inference, Worker};
use crate::front::read::{Part, Parts, ReadOptions};
use crate::front::stream::{ChildTables, MAX_CHILD_TABLES};
use crate::records::{Format, Reader};
use crate::sketch::{Collector, Sketch};
use crate::source::{Piece, Source, ordered_map};

/// What the first pass has shown.
pub(super) struct Evidence {
    /// Of the records without what is in child tables.
    pub(super) inference: Inference,
    /// The child tables in the order in which they first appeared, with the evidence of their rows.
    pub(super) children: Vec<(Keys, Sketch)>,
}

/// What a worker has: how records are read, and the evidence of each table.
struct Work {
    reader: Reader,
    tables: BTreeMap<Keys, Worker>,
}

impl Evidence {
    /// Reads all of a source. How much of it is to be looked at for the types makes no difference here.
    pub(super) fn of(source: &Source, options: &ReadOptions, which: &ChildTables) -> Result<Self> {
        options.watch.begin();
        let options = &ReadOptions { sample: crate::source::Sample::All, ..options.clone() };
        let parts = Parts::first_pass(source, options, true);
        let (found, buffers) = (parts.found(), parts.buffers());
        let names: Vec<&str> = source.names().collect();
        let new = || Worker { reader: Reader::new(options.limits), collector: Collector::new(&names) };
        let none = BTreeMap::new();
        // The load has no id yet; as evidence one id is like the other.
        let how = How { which, load_id: "", tables: None, left_out: &none };
        let worker = || Work { reader: Reader::new(options.limits), tables: BTreeMap::from([(Keys::new(), new())]) };
        let work = |Work { reader, tables }: &mut Work, part: Part| {
            fault::point("infer.chunk")?;
            let own = tables.entry(Keys::new()).or_insert_with(new);
            let mut chunk = match part.piece {
                Piece::Records(chunk) => chunk,
                Piece::Gap(gap) => {
                    own.collector.gap(gap.source, gap.offset, gap.line, &gap.reason);
                    return Ok(Vec::new());
                }
            };
            if matches!(*part.format, Format::Csv(_)) {
                return Err(without_arrays());
            }
            let mut split = Split::new(how, None);
            reader.read(&part.format, &mut chunk, &mut split);
            let Split { lines, appeared, misfits, read, .. } = split.of(&chunk);
            buffers.recycle(chunk);
            for misfit in misfits {
                own.collector.gap(misfit.source, misfit.byte, misfit.line, &misfit.reason);
            }
            for (keys, lines) in lines {
                let Worker { reader, collector } = tables.entry(keys).or_insert_with(new);
                collect(&lines, reader, collector);
            }
            options.watch.add(read);
            Ok(appeared)
        };
        let mut order: Vec<Keys> = Vec::new();
        let workers = ordered_map(parts, options.threads, worker, work, |appeared: Vec<Keys>| {
            for keys in appeared {
                if order.len() < MAX_CHILD_TABLES && !order.contains(&keys) {
                    order.push(keys);
                }
            }
            Ok(())
        })?;
        let found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
        let mut by_table: BTreeMap<Keys, Vec<Worker>> = BTreeMap::from([(Keys::new(), vec![new()])]);
        for (keys, worker) in workers.into_iter().flat_map(|work| work.tables) {
            by_table.entry(keys).or_default().push(worker);
        }
        let own = by_table.remove(&Keys::new()).unwrap_or_default();
        let formats = vec![Format::Ndjson; names.len()];
        let sketch = |workers: Vec<Worker>| {
            let sketches = workers.into_iter().map(|work| work.collector.finish(work.reader.paths(), &formats));
            Sketch::merge_all(sketches)
        };
        let child = |keys: Keys| {
            let sketch = sketch(by_table.remove(&keys).unwrap_or_default());
            (keys, sketch)
        };
        let children = order.into_iter().map(child).collect();
        Ok(Evidence { inference: Inference::assemble(source, own, found, true), children })
    }
}

fn without_arrays() -> Error {
    Error::config("rows of CSV have no arrays that could become child tables")
        .with_hint("load files of CSV without child tables")
}

//! One table's part of a batch: read once for its evidence, once for its rows.

use std::sync::Arc;
use std::thread::yield_now;

use super::arrow::Declared;
use super::batch::{PartOf, threads};
use super::lines::Lines;
use super::pieces::Piece;
use super::refuse::{self, Refuse};
use super::rows::{Rows, Shape};
use crate::batch::Misfit;
use crate::error::Result;
use crate::fault;
use crate::front::isolated::IsolatedRows;
use crate::load::{OpenTable, Prepared};
use crate::records::{Format, Reader};
use crate::schema::Schema;
use crate::sketch::{Collector, Sketch};
use crate::source::{Chunk, ordered_map};

/// What goes into one table.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) stretches: Vec<Stretch>,
    /// Records that are none, placed in their writes.
    pub(super) misfits: Vec<Misfit>,
}

/// Whole records of one source.
#[derive(Debug)]
pub(super) enum Stretch {
    /// As they stand in the buffer.
    Piece(Piece),
    /// Picked out of it.
    Lines(Lines),
}

impl Stretch {
    /// What is declared of the records' columns, which are lines of JSON then.
    pub(super) fn declared(&self) -> Option<&Arc<Declared>> {
        match self {
            Stretch::Piece(piece) => piece.declared.as_ref(),
            Stretch::Lines(lines) => lines.declared.as_ref(),
        }
    }
}

/// What was read of a part.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Records.
    pub(super) read: u64,
    /// Values that went into the overflow column.
    pub(super) overflowed: u64,
    /// The records of rows that the table refused, placed in their sources: where a record is more than one row, it is
    /// not for one of them alone to be left out.
    pub(super) refused: Vec<Misfit>,
}

impl PartOf<'_> {
    pub(super) fn threads(&self) -> usize {
        threads(self.part.stretches.len(), self.settings.read.threads)
    }

    pub(super) fn chunk(&self, stretch: &Stretch) -> Chunk {
        match stretch {
            Stretch::Piece(piece) => self.buffer.chunk(piece),
            Stretch::Lines(lines) => lines.chunk(),
        }
    }

    pub(super) fn format_of(&self, stretch: &Stretch) -> &Format {
        if stretch.declared().is_some() { &Format::Ndjson } else { self.format }
    }

    /// Bytes of the records.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = |stretch: &Stretch| match stretch {
            Stretch::Piece(piece) => piece.range.len() as u64,
            Stretch::Lines(lines) => lines.len() as u64,
        };
        self.part.stretches.iter().map(bytes).sum()
    }

    /// The evidence of all records. `names` are those of the batch's sources.
    pub(super) fn sketch(&self, names: &[String]) -> Result<Sketch> {
        let mut sketches = vec![self.values(names, |stretch| stretch.declared().is_none())?];
        for (declared, stretch) in self.declared() {
            if declared.is_partial() {
                let is_its = |stretch: &Stretch| stretch.declared().is_some_and(|its| Arc::ptr_eq(its, declared));
                sketches.push(declared.besides(self.values(names, is_its)?));
            }
            let chunk = self.chunk(stretch);
            let source = names.get(chunk.source as usize).map_or("", String::as_str);
            sketches.push(declared.sketch(source, chunk.offset, chunk.first_line));
        }
        Ok(Sketch::merge_all(sketches))
    }

    /// The evidence of the values in some stretches.
    fn values(&self, names: &[String], wanted: impl Fn(&Stretch) -> bool) -> Result<Sketch> {
        let stretches: Vec<&Stretch> = self.part.stretches.iter().filter(|stretch| wanted(stretch)).collect();
        let inputs: Vec<&str> = names.iter().map(String::as_str).collect();
        let worker = || (Reader::new(self.settings.read.limits), Collector::new(&inputs));
        let work = |(reader, collector): &mut (Reader, Collector), stretch: &Stretch| {
            // The thread of the batch before may have an answer of the server to go on from, and the server an order of it.
            yield_now();
            fault::point("infer.chunk")?;
            let mut chunk = self.chunk(stretch);
            collector.begin(chunk.source, chunk.sequence);
            reader.read(self.format_of(stretch), &mut chunk, collector);
            Ok(())
        };
        let threads = threads(stretches.len(), self.settings.read.threads);
        let workers = ordered_map(stretches.into_iter().map(Ok), threads, worker, work, |()| Ok(()))?;
        let formats = vec![self.format.clone(); names.len()];
        let sketch = |(reader, collector): (Reader, Collector)| collector.finish(reader.paths(), &formats);
        Ok(Sketch::merge_all(workers.into_iter().map(sketch)))
    }

    /// What record batches declare, each once, with the first stretch of its rows.
    fn declared(&self) -> Vec<(&Arc<Declared>, &Stretch)> {
        let all = self.part.stretches.iter().filter_map(|stretch| Some((stretch.declared()?, stretch)));
        let mut each: Vec<(&Arc<Declared>, &Stretch)> = all.collect();
        each.dedup_by(|(next, _), (before, _)| Arc::ptr_eq(next, before));
        each
    }

    /// Sends everything as rows of this shape, which were made `ahead` or are made now. Records whose rows the table refuses
    /// are quarantined, or given back where rows are not each a record `alone`.
    pub(super) fn send(&self, table: &mut OpenTable, shape: &Shape, ahead: Vec<Rows>, alone: bool) -> Result<Sent> {
        let mut sent = match table.keyless.clone() {
            Some(path) => self.refuse(&path, table)?,
            None => self.decode(table, shape, ahead, alone)?,
        };
        for misfit in &self.part.misfits {
            sent.read += 1;
            table.quarantine(misfit)?;
        }
        Ok(sent)
    }

    fn decode(&self, table: &mut OpenTable, shape: &Shape, ahead: Vec<Rows>, alone: bool) -> Result<Sent> {
        let (mut sent, mut rows_sent) = (Sent::default(), Vec::new());
        let mut take = |rows: Rows| {
            sent.read += rows.read;
            sent.overflowed += rows.overflowed;
            rows_sent.push(rows.encoded.as_ref().map_or(0, Prepared::rows));
            rows.encoded.map_or(Ok(()), |encoded| table.write(encoded))?;
            rows.misfits.iter().try_for_each(|misfit| table.quarantine(misfit))?;
            rows.values.iter().try_for_each(|value| table.quarantine_value(value))
        };
        let made = ahead.len();
        ahead.into_iter().try_for_each(&mut take)?;
        if made < self.part.stretches.len() {
            self.rows(shape, made, take)?;
        }
        sent.refused = self.isolated(&shape.schema, &IsolatedRows::new(table.isolated()?, &rows_sent))?;
        if alone {
            let refused = std::mem::take(&mut sent.refused).into_iter();
            refused.map(|misfit| self.buffer.locate(misfit)).try_for_each(|misfit| table.quarantine(&misfit))?;
        }
        Ok(sent)
    }

    /// The records whose rows the table refused, placed in their sources.
    fn isolated(&self, schema: &Arc<Schema>, isolated: &IsolatedRows) -> Result<Vec<Misfit>> {
        let mut records = Vec::new();
        for nth in isolated.pieces() {
            let Some(stretch) = self.part.stretches.get(nth) else { continue };
            let how = (self.format_of(stretch), self.settings.read.limits);
            let of_piece = isolated.records(nth, how, &mut self.chunk(stretch), schema)?.into_iter();
            records.extend(of_piece.map(|misfit| self.in_source(stretch, misfit)));
        }
        Ok(records)
    }

    /// Quarantines every record, for want of a value at `path`.
    fn refuse(&self, path: &str, table: &mut OpenTable) -> Result<Sent> {
        let mut reader = Reader::new(self.settings.read.limits);
        let mut sent = Sent::default();
        for stretch in &self.part.stretches {
            let mut refuse = Refuse::new(path);
            reader.read(self.format_of(stretch), &mut self.chunk(stretch), &mut refuse);
            sent.read += refuse.misfits.len() as u64;
            let misfits = self.placed(stretch, refuse.misfits);
            misfits.iter().try_for_each(|misfit| table.quarantine(misfit))?;
        }
        Ok(sent)
    }

    /// Where in its source a record is, which is at this byte and line of a stretch.
    pub(super) fn origin(&self, stretch: &Stretch, byte: u64, line: u64) -> (u64, u64) {
        match stretch {
            Stretch::Piece(_) => (byte, line),
            Stretch::Lines(lines) => lines.origin(byte),
        }
    }

    /// A misfit of a stretch with its place in its source.
    pub(super) fn in_source(&self, stretch: &Stretch, mut misfit: Misfit) -> Misfit {
        (misfit.byte, misfit.line) = self.origin(stretch, misfit.byte, misfit.line);
        misfit
    }

    /// Records that are misfits, as they came and with their places in their writes. One that was taken apart lacks what went
    /// into child tables, and a replay of it would load it without that.
    pub(super) fn placed(&self, stretch: &Stretch, misfits: Vec<Misfit>) -> Vec<Misfit> {
        let is_made = matches!(stretch, Stretch::Lines(lines) if lines.is_made());
        let place = |misfit: Misfit| {
            let mut misfit = self.in_source(stretch, misfit);
            if is_made {
                let (raw, _) = self.buffer.line_at(misfit.source, misfit.byte);
                let place = (misfit.source, misfit.line, misfit.byte);
                misfit = refuse::misfit(place, misfit.path, misfit.reason, raw);
            }
            self.buffer.locate(misfit)
        };
        misfits.into_iter().map(place).collect()
    }

    /// Single values with the places of their records in their writes.
    pub(super) fn placed_values(&self, stretch: &Stretch, values: Vec<Misfit>) -> Vec<Misfit> {
        values.into_iter().map(|value| self.buffer.locate(self.in_source(stretch, value))).collect()
    }
}

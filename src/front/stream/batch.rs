//! One batch: read once for its evidence, once for its rows.

use std::sync::Arc;

use super::buffer::{Buffer, Piece};
use crate::batch::Decoder;
use crate::error::Result;
use crate::fault;
use crate::front::isolated::IsolatedRows;
use crate::front::loader::Loader;
use crate::load::{Encode, OpenBatch, Prepared};
use crate::records::{Format, Reader};
use crate::schema::Schema;
use crate::sketch::{Collector, Sketch};
use crate::source::ordered_map;

/// What is buffered, on its way into a table.
pub(super) struct Batch<'a> {
    buffer: &'a Buffer,
    format: &'a Format,
    settings: &'a Loader,
    pieces: Vec<Piece>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(buffer: &'a Buffer, format: &'a Format, settings: &'a Loader) -> Self {
        let pieces = buffer.pieces(format, &settings.read.limits);
        Batch { buffer, format, settings, pieces }
    }

    /// Few pieces are done sooner than threads are started.
    fn threads(&self) -> usize {
        if self.pieces.len() > 3 { self.settings.read.threads } else { 1 }
    }

    /// The evidence of all records.
    pub(super) fn sketch(&self, names: &[String]) -> Result<Sketch> {
        let inputs: Vec<&str> = names.iter().map(String::as_str).collect();
        let worker = || (Reader::new(self.settings.read.limits), Collector::new(&inputs));
        let work = |(reader, collector): &mut (Reader, Collector), piece: &Piece| {
            fault::point("infer.chunk")?;
            let mut chunk = self.buffer.chunk(piece);
            collector.begin(chunk.source, chunk.sequence);
            reader.read(self.format, &mut chunk, collector);
            Ok(())
        };
        let workers = ordered_map(self.pieces.iter().map(Ok), self.threads(), worker, work, |()| Ok(()))?;
        let formats = vec![self.format.clone(); names.len()];
        let sketch = |(reader, collector): (Reader, Collector)| collector.finish(reader.paths(), &formats);
        Ok(Sketch::merge_all(workers.into_iter().map(sketch)))
    }

    /// Decodes, encodes and sends everything; returns the records read.
    pub(super) fn send(&self, schema: &Schema, encoder: &dyn Encode, open: &mut OpenBatch<'_>) -> Result<u64> {
        let schema = Arc::new(schema.clone());
        let worker = || (Reader::new(self.settings.read.limits), Decoder::new(schema.clone()));
        let work = |(reader, decoder): &mut (Reader, Decoder), piece: &Piece| {
            fault::point("decode.chunk")?;
            reader.read(self.format, &mut self.buffer.chunk(piece), decoder);
            let decoded = decoder.finish()?;
            let rows = match decoded.batch.num_rows() {
                0 => None,
                _ => Some(encoder.encode(&decoded.batch)?),
            };
            Ok((rows, decoded.misfits, decoded.read))
        };
        let (mut read, mut sent) = (0, Vec::new());
        ordered_map(self.pieces.iter().map(Ok), self.threads(), worker, work, |(rows, misfits, records)| {
            read += records;
            sent.push(rows.as_ref().map_or(0, Prepared::rows));
            rows.map_or(Ok(()), |rows| open.write(rows))?;
            misfits.into_iter().try_for_each(|misfit| open.quarantine(&self.buffer.locate(misfit)))
        })?;
        self.keep_isolated(&schema, &IsolatedRows::new(open.isolated()?, &sent), open)?;
        for misfit in self.buffer.asides() {
            read += 1;
            open.quarantine(&misfit)?;
        }
        Ok(read)
    }

    /// Keeps the records aside whose rows the table refused.
    fn keep_isolated(&self, schema: &Arc<Schema>, isolated: &IsolatedRows, open: &mut OpenBatch<'_>) -> Result<()> {
        for nth in isolated.pieces() {
            let Some(piece) = self.pieces.get(nth) else { continue };
            let mut chunk = self.buffer.chunk(piece);
            let records = isolated.records(nth, (self.format, self.settings.read.limits), &mut chunk, schema);
            records.into_iter().try_for_each(|misfit| open.quarantine(&self.buffer.locate(misfit)))?;
        }
        Ok(())
    }
}

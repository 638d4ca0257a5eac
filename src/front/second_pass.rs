//! The second pass of a load: the records again, as rows on their way to the target.

use std::ops::Range;
use std::sync::{Arc, PoisonError};

use arrow_array::RecordBatch;

use super::infer::Inference;
use super::isolated::IsolatedRows;
use super::read::{Found, Part, Parts, ReadOptions};
use super::refused::{LeftOut, WithOrigins, out_of_step};
use super::report::{MAX_QUARANTINED_LISTED, Quarantined};
use crate::batch::{Decoded, Misfit};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::front::alone::ChunkDecoder;
use crate::load::{Encode, Prepared, Target};
use crate::schema::Schema;
use crate::source::{Buffers, Gap, Piece, Source, ordered_map};

/// What is read again, and into which columns.
pub(super) struct SecondPass<'a> {
    pub(super) source: &'a Source,
    pub(super) options: &'a ReadOptions,
    pub(super) inference: &'a Inference,
    pub(super) schema: &'a Arc<Schema>,
    pub(super) encoder: &'a dyn Encode,
}

impl SecondPass<'_> {
    /// Decodes and encodes on all cores, sends in order. Returns the records read.
    pub(super) fn send(&self, aside: &mut Aside<'_>) -> Result<u64> {
        let work = |decoder: &mut ChunkDecoder, part: Part, buffers: &Buffers| match part.piece {
            Piece::Gap(gap) => Ok(Sent { rows: None, misfits: vec![misfit(gap)], read: 1 }),
            Piece::Records(mut chunk) => {
                fault::point("decode.chunk")?;
                let decoded = decoder.decode(&part.format, &mut chunk)?;
                buffers.recycle(chunk);
                let rows = match decoded.batch.num_rows() {
                    0 => None,
                    _ => Some(self.encoder.encode(&decoded.batch)?),
                };
                Ok(Sent { rows, misfits: decoded.misfits, read: decoded.read })
            }
        };
        let (mut read, mut rows_sent) = (0, Vec::new());
        self.run(work, |sent: Sent| {
            read += sent.read;
            self.options.watch.add(sent.read);
            rows_sent.push(sent.rows.as_ref().map_or(0, Prepared::rows));
            if let Some(rows) = sent.rows {
                aside.target.write(rows)?;
            }
            sent.misfits.into_iter().try_for_each(|misfit| aside.keep(misfit))
        })?;
        let isolated = IsolatedRows::new(aside.target.isolated()?, &rows_sent);
        if !isolated.is_empty() {
            self.keep_isolated(&isolated, aside)?;
        }
        Ok(read)
    }

    /// Sends without some rows. Each row's record is kept until the row is on its way, so this is slower.
    pub(super) fn send_without(&self, left_out: &LeftOut, aside: &mut Aside<'_>) -> Result<u64> {
        let work = |decoder: &mut ChunkDecoder, part: Part, buffers: &Buffers| {
            let (mut gaps, mut chunk) = (Vec::new(), None);
            match part.piece {
                Piece::Gap(gap) => gaps.push(misfit(gap)),
                Piece::Records(records) => chunk = Some(records),
            }
            let (mut decoded, origins) = decoder.decode_by(|reader, decoder| {
                let mut sink = WithOrigins { decoder, origins: Vec::new() };
                chunk.iter_mut().for_each(|chunk| reader.read(&part.format, chunk, &mut sink));
                sink.origins
            })?;
            chunk.into_iter().for_each(|chunk| buffers.recycle(chunk));
            decoded.read += gaps.len() as u64;
            decoded.misfits.extend(gaps);
            Ok((decoded, origins))
        };
        let (mut read, mut first) = (0, 0);
        self.run(work, |(decoded, origins): (Decoded, Vec<Misfit>)| {
            let Decoded { batch, misfits, read: records, .. } = decoded;
            if origins.len() != batch.num_rows() {
                return Err(out_of_step());
            }
            read += records;
            self.options.watch.add(records);
            let mut from = 0;
            for row in left_out.within(first, batch.num_rows()) {
                aside.write(self.encoder, &batch, from..row)?;
                aside.keep(left_out.misfit(first + row as u64, self.schema, origins[row].clone()))?;
                from = row + 1;
            }
            aside.write(self.encoder, &batch, from..batch.num_rows())?;
            first += batch.num_rows() as u64;
            misfits.into_iter().try_for_each(|misfit| aside.keep(misfit))
        })?;
        Ok(read)
    }

    /// Reads everything again, which must be what the first pass read.
    fn run<R: Send>(
        &self,
        work: impl Fn(&mut ChunkDecoder, Part, &Buffers) -> Result<R> + Sync,
        consume: impl FnMut(R) -> Result<()>,
    ) -> Result<()> {
        self.options.watch.begin();
        let parts = self.parts();
        let (found, buffers) = (parts.found(), parts.buffers());
        let worker = || ChunkDecoder::new(self.schema.clone(), self.options.limits);
        ordered_map(parts, self.options.threads, worker, |state, part| work(state, part, &buffers), consume)?;
        let found = found.lock().unwrap_or_else(PoisonError::into_inner);
        unchanged(self.inference, &found)
    }

    fn parts(&self) -> Parts<'_> {
        Parts::second_pass(self.source, self.options, &self.inference.formats)
    }

    /// Looks for the records of the rows that the table refused, and keeps them aside.
    fn keep_isolated(&self, isolated: &IsolatedRows, aside: &mut Aside<'_>) -> Result<()> {
        for (nth, part) in self.parts().enumerate() {
            let part = part?;
            if let Piece::Records(mut chunk) = part.piece {
                let records = isolated.records(nth, (&part.format, self.options.limits), &mut chunk, self.schema)?;
                records.into_iter().try_for_each(|misfit| aside.keep(misfit))?;
            }
        }
        Ok(())
    }
}

/// Whether another pass has read what the first one read.
pub(super) fn unchanged(inference: &Inference, found: &Found) -> Result<()> {
    match inference.hashes == found.hashes() {
        true => Ok(()),
        false => {
            let message = "the input changed while it was being loaded, so nothing was loaded";
            Err(Error::new(ErrorKind::Conflict, message).with_hint("load it again when nobody writes to it"))
        }
    }
}

/// The target, with a list of the first records that it keeps aside.
pub(super) struct Aside<'a> {
    pub(super) target: &'a mut dyn Target,
    pub(super) source: &'a Source,
    pub(super) first: &'a mut Vec<Quarantined>,
}

impl Aside<'_> {
    /// Sends some rows of a batch.
    fn write(&mut self, encoder: &dyn Encode, batch: &RecordBatch, rows: Range<usize>) -> Result<()> {
        match rows.is_empty() {
            true => Ok(()),
            false => self.target.write(encoder.encode(&batch.slice(rows.start, rows.len()))?),
        }
    }

    pub(super) fn keep(&mut self, misfit: Misfit) -> Result<()> {
        if self.first.len() < MAX_QUARANTINED_LISTED {
            self.first.push(Quarantined {
                source: self.source.name(misfit.source as usize).to_string(),
                line: misfit.line,
                byte: misfit.byte,
                path: misfit.path.clone(),
                reason: misfit.reason.clone(),
            });
        }
        self.target.quarantine(misfit)
    }
}

/// What a worker made of one piece.
struct Sent {
    rows: Option<Prepared>,
    misfits: Vec<Misfit>,
    read: u64,
}

pub(super) fn misfit(gap: Gap) -> Misfit {
    Misfit {
        source: gap.source,
        line: gap.line,
        byte: gap.offset,
        path: None,
        reason: gap.reason,
        raw: gap.head,
        raw_len: gap.len,
    }
}

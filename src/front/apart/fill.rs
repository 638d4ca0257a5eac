//! The passes behind the first: the records once more for each table, as rows on their way into it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use super::split::{How, Keys, Pick, Place, Split, Why, Without};
use crate::batch::Misfit;
use crate::error::Result;
use crate::fault;
use crate::front::alone::ChunkDecoder;
use crate::front::infer::Inference;
use crate::front::isolated::IsolatedRows;
use crate::front::read::{Part, Parts, ReadOptions};
use crate::front::refused::out_of_step;
use crate::front::report::{MAX_QUARANTINED_LISTED, Quarantined};
use crate::front::second_pass::{misfit, unchanged};
use crate::front::stream::{Lines, rows_path};
use crate::load::{Encode, OpenTable, Prepared, Refused};
use crate::records::{Format, Reader};
use crate::schema::Schema;
use crate::source::{Buffers, Piece, Source, ordered_map};

/// What is read again.
pub(super) struct Filling<'a> {
    pub(super) source: &'a Source,
    pub(super) options: &'a ReadOptions,
    pub(super) inference: &'a Inference,
    pub(super) how: How<'a>,
    /// What the rows of each table are decoded under.
    pub(super) schemas: BTreeMap<Keys, Arc<Schema>>,
}

/// What a worker made of one piece.
#[derive(Default)]
struct Sent {
    rows: Option<Prepared>,
    misfits: Vec<Misfit>,
    read: u64,
}

/// What has been sent to a table.
pub(super) struct Filled {
    /// Records of the own table, rows of a child table.
    pub(super) read: u64,
    /// Records of which the table has refused a row.
    pub(super) refused: Vec<(Place, Why)>,
}

impl Filling<'_> {
    /// Fills the records' own table. A record is held against all tables: if a row of it does not fit, it is kept aside, and
    /// noted in `without`.
    pub(super) fn own(
        &self,
        opened: &mut OpenTable,
        without: &mut Without,
        first: &mut Vec<Quarantined>,
    ) -> Result<Filled> {
        let encoder = opened.encoder();
        let table = |schema: &Arc<Schema>| ChunkDecoder::new(schema.clone(), self.options.limits);
        let worker = || {
            let tables = self.schemas.iter().map(|(keys, schema)| (keys.clone(), table(schema)));
            (Reader::new(self.options.limits), tables.collect::<BTreeMap<Keys, ChunkDecoder>>())
        };
        let work = |(reader, tables): &mut (Reader, BTreeMap<Keys, ChunkDecoder>), part: Part, buffers: &Buffers| {
            let mut chunk = match part.piece {
                Piece::Gap(gap) => return Ok(Sent { misfits: vec![misfit(gap)], read: 1, ..Sent::default() }),
                Piece::Records(chunk) => chunk,
            };
            fault::point("decode.chunk")?;
            let mut split = Split::new(self.how, None);
            reader.read(&part.format, &mut chunk, &mut split);
            let Split { mut lines, mut misfits, read, .. } = split.of(&chunk);
            let mut wanted: BTreeMap<u64, Why> = BTreeMap::new();
            for (keys, lines) in lines.iter().filter(|(keys, _)| !keys.is_empty()) {
                let Some(table) = tables.get_mut(keys) else { return Err(out_of_step()) };
                refuse(&decode(table, lines)?.1, lines, keys, &mut wanted);
            }
            let (Some(mut own), Some(table)) = (lines.remove(&Keys::new()), tables.get_mut(&Keys::new())) else {
                return Ok(Sent { rows: None, misfits, read });
            };
            let (mut batch, unfit) = decode(table, &own)?;
            refuse(&unfit, &own, &[], &mut wanted);
            if !wanted.is_empty() {
                own.retain(|byte| !wanted.contains_key(&byte));
                batch = decode(table, &own)?.0;
                let mut pick = Pick { wanted, misfits };
                reader.read(&part.format, &mut chunk, &mut pick);
                misfits = pick.misfits;
            }
            buffers.recycle(chunk);
            let rows = (batch.num_rows() > 0).then(|| Encode::encode(&encoder, &batch)).transpose()?;
            Ok(Sent { rows, misfits, read })
        };
        let (mut read, mut sent) = (0, Vec::new());
        self.run(worker, work, |piece: Sent| {
            read += piece.read;
            sent.push(piece.rows.as_ref().map_or(0, Prepared::rows));
            piece.rows.map_or(Ok(()), |rows| opened.write(rows))?;
            for misfit in piece.misfits {
                without.places.insert((misfit.source, misfit.byte));
                self.list(&misfit, first);
                opened.quarantine(&misfit)?;
            }
            Ok(())
        })?;
        let refused = self.refused(opened.isolated()?, &sent, (&[Keys::new()], without), &opened.schema)?;
        Ok(Filled { read, refused })
    }

    /// Fills a child table with the elements of the arrays at these keys, of all records but those that are not there themselves.
    pub(super) fn child(&self, opened: &mut OpenTable, keys: &[Keys], without: &Without) -> Result<Filled> {
        let (encoder, schema) = (opened.encoder(), Arc::new(opened.schema.clone()));
        let worker = || {
            let table = ChunkDecoder::new(schema.clone(), self.options.limits);
            (Reader::new(self.options.limits), table)
        };
        let work = |(reader, table): &mut (Reader, ChunkDecoder), part: Part, buffers: &Buffers| {
            fault::point("decode.chunk")?;
            let Some(lines) = self.lines(reader, part, (keys, without), Some(buffers)) else {
                return Ok(Sent::default());
            };
            let (batch, unfit) = decode(table, &lines)?;
            match unfit.is_empty() {
                true => Ok(Sent { rows: Some(Encode::encode(&encoder, &batch)?), ..Sent::default() }),
                // It was found to fit before.
                false => Err(out_of_step()),
            }
        };
        let mut sent = Vec::new();
        self.run(worker, work, |piece: Sent| {
            sent.push(piece.rows.as_ref().map_or(0, Prepared::rows));
            piece.rows.map_or(Ok(()), |rows| opened.write(rows))
        })?;
        let refused = self.refused(opened.isolated()?, &sent, (keys, without), &opened.schema)?;
        Ok(Filled { read: sent.iter().sum(), refused })
    }

    /// The rows that a piece has for one table.
    fn lines(
        &self,
        reader: &mut Reader,
        part: Part,
        (keys, without): (&[Keys], &Without),
        buffers: Option<&Buffers>,
    ) -> Option<Lines> {
        let Piece::Records(mut chunk) = part.piece else { return None };
        let mut split = Split::new(self.how, Some((keys, without)));
        reader.read(&part.format, &mut chunk, &mut split);
        let lines = split.of(&chunk).lines.remove(&Keys::new());
        if let Some(buffers) = buffers {
            buffers.recycle(chunk);
        }
        lines
    }

    /// The records of rows that a table has refused, with its reasons.
    fn refused(
        &self,
        refused: Vec<Refused>,
        sent: &[u64],
        (keys, without): (&[Keys], &Without),
        schema: &Schema,
    ) -> Result<Vec<(Place, Why)>> {
        let isolated = IsolatedRows::new(refused, sent);
        let mut records = Vec::new();
        if isolated.is_empty() {
            return Ok(records);
        }
        let mut reader = Reader::new(self.options.limits);
        for (nth, part) in self.parts().enumerate() {
            let part = part?;
            let Some(rows) = isolated.rows(nth) else { continue };
            let Some(lines) = self.lines(&mut reader, part, (keys, without), None) else { continue };
            let places: Vec<u64> = lines.places().collect();
            for (row, refused) in rows {
                let Some(byte) = places.get(*row) else { return Err(out_of_step()) };
                let column = refused.column.and_then(|at| schema.columns.get(at)).map(|column| column.path.to_string());
                let reason = format!("the table refuses the row: {}", refused.reason);
                records.push((
                    (lines.source(), *byte),
                    (place_of(keys.first().map_or(&[], Vec::as_slice), column), reason),
                ));
            }
        }
        Ok(records)
    }

    fn list(&self, misfit: &Misfit, first: &mut Vec<Quarantined>) {
        if first.len() < MAX_QUARANTINED_LISTED {
            first.push(Quarantined {
                source: self.source.name(misfit.source as usize).to_string(),
                line: misfit.line,
                byte: misfit.byte,
                path: misfit.path.clone(),
                reason: misfit.reason.clone(),
            });
        }
    }

    fn parts(&self) -> Parts<'_> {
        Parts::second_pass(self.source, self.options, &self.inference.formats)
    }

    /// Reads everything again, which must be what the first pass read.
    fn run<S: Send>(
        &self,
        worker: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, Part, &Buffers) -> Result<Sent> + Sync,
        mut consume: impl FnMut(Sent) -> Result<()>,
    ) -> Result<()> {
        self.options.watch.begin();
        let parts = self.parts();
        let (found, buffers) = (parts.found(), parts.buffers());
        let consume = |sent: Sent| {
            self.options.watch.add(sent.read.max(sent.rows.as_ref().map_or(0, Prepared::rows)));
            consume(sent)
        };
        ordered_map(parts, self.options.threads, worker, |state, part| work(state, part, &buffers), consume)?;
        let found = found.lock().unwrap_or_else(PoisonError::into_inner);
        unchanged(self.inference, &found)
    }
}

/// Decodes the rows of one table; the misfits have their places in the lines.
fn decode(table: &mut ChunkDecoder, lines: &Lines) -> Result<(arrow_array::RecordBatch, Vec<Misfit>)> {
    let decoded = table.decode(&Format::Ndjson, &mut lines.chunk())?;
    Ok((decoded.batch, decoded.misfits))
}

/// Notes the records of rows that do not fit into a table, by their bytes in their input.
fn refuse(misfits: &[Misfit], lines: &Lines, keys: &[String], wanted: &mut BTreeMap<u64, Why>) {
    for misfit in misfits {
        let why = (place_of(keys, misfit.path.clone()), misfit.reason.clone());
        wanted.entry(lines.origin(misfit.byte).0).or_insert(why);
    }
}

/// The path in a record of a column of one of its tables. A row of which no column is known can be named at least.
fn place_of(keys: &[String], column: Option<String>) -> Option<String> {
    match (keys.is_empty(), column) {
        (true, column) => column,
        (false, Some(column)) => Some(format!("{}.{column}", rows_path(keys))),
        (false, None) => Some(rows_path(keys)),
    }
}

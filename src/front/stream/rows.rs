//! The rows of a part, decoded and encoded: while they are sent, or ahead of that.
//!
//! Tables seldom change. So while a batch is on its way, the next one is made into rows of the shape that its table had
//! last. If the table turns out to have another by the time the batch has its turn, that work is thrown away.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::yield_now;

use super::batch::PartOf;
use super::part::Stretch;
use crate::batch::{Decoded, Misfit};
use crate::error::{Error, Result};
use crate::fault;
use crate::front::alone::ChunkDecoder;
use crate::load::{CopyEncoder, EarlyCopies, Encode, OpenTable, Prepared};
use crate::schema::{Column, Schema};
use crate::source::ordered_map;

/// The most bytes of records in a batch that is made into rows ahead. Of a larger one the first rows are sent while the others
/// are made, so little is gained, and all of them would have to be held.
pub(super) const MOST_RECORDS: u64 = 16 << 20;
/// The most bytes of rows that are held of it: a short record may be a long row.
pub(super) const MOST_ROWS: usize = 32 << 20;

/// What records become rows by.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) schema: Arc<Schema>,
    pub(super) encoder: CopyEncoder,
}

impl Shape {
    pub(super) fn of(table: &OpenTable) -> Self {
        Shape { schema: Arc::new(table.schema.clone()), encoder: table.encoder() }
    }

    /// Whether the same records become the same rows by both.
    fn is_like(&self, other: &Shape) -> bool {
        self.encoder == other.encoder && decode_alike(&self.schema, &other.schema)
    }
}

/// Whether the same records become the same rows under both, whatever the evidence behind them.
fn decode_alike(one: &Schema, other: &Schema) -> bool {
    let columns = || one.columns.iter().zip(&other.columns);
    let rest = |schema: &Schema| (schema.columns.len(), schema.overflow);
    rest(one) == rest(other)
        && (&one.set_aside, &one.kept_out) == (&other.set_aside, &other.kept_out)
        && columns().all(|(column, other)| take_alike(column, other))
}

/// Whether values go into both columns in the same way.
fn take_alike(one: &Column, other: &Column) -> bool {
    let Column {
        path,
        name,
        ty,
        required,
        reading,
        max_chars,
        key,
        on_misfit,
        nullable: _,
        filled: _,
        max_bytes: _,
        digits: _,
        ordered: _,
        why: _,
    } = one;
    let how = (ty, required, reading, max_chars, key, on_misfit);
    let others = (&other.ty, &other.required, &other.reading, &other.max_chars, &other.key, &other.on_misfit);
    how == others && *name == other.name && *path == other.path
}

/// The shapes that tables had last, by the tables' numbers.
#[derive(Debug, Default)]
pub(super) struct Shapes(Mutex<BTreeMap<usize, Shape>>);

impl Shapes {
    pub(super) fn get(&self, table: usize) -> Option<Shape> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&table).cloned()
    }

    pub(super) fn set(&self, table: usize, shape: Shape) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(table, shape);
    }
}

/// What was made of one stretch.
#[derive(Debug)]
pub(super) struct Rows {
    /// `None` if there are none.
    pub(super) encoded: Option<Prepared>,
    /// Records that are no rows, placed in their writes.
    pub(super) misfits: Vec<Misfit>,
    /// Values that are kept aside, of records that are rows.
    pub(super) values: Vec<Misfit>,
    /// Records.
    pub(super) read: u64,
    /// Values that went into the overflow column.
    pub(super) overflowed: u64,
}

/// The rows of the first stretches of a part, mostly of all, in their order.
#[derive(Debug)]
pub(super) struct Ahead {
    shape: Shape,
    stretches: Vec<Rows>,
    /// Whether the encoded rows have been given away, to be copied before their turn.
    is_given: bool,
}

impl Ahead {
    /// The rows, unless they are of another shape than this. Those that are given away are of use only if they are `copied`.
    pub(super) fn like(self, shape: &Shape, copied: bool) -> Vec<Rows> {
        if self.is_given == copied && self.shape.is_like(shape) { self.stretches } else { Vec::new() }
    }

    /// Whether records become the same rows under this schema.
    pub(super) fn decodes_like(&self, schema: &Schema) -> bool {
        decode_alike(&self.shape.schema, schema)
    }

    /// Gives the encoded rows of so many stretches away to be copied early, if all of them are here and no record needs
    /// another table; says whether.
    pub(super) fn copy_early(
        &mut self,
        stretches: usize,
        early: &EarlyCopies,
        load_id: impl FnOnce() -> String,
    ) -> bool {
        let mut misfits = self.stretches.iter().flat_map(|rows| &rows.misfits);
        let stays = self.stretches.len() == stretches && misfits.all(|misfit| misfit.path.is_none());
        self.is_given = stays && early.takes(&self.shape.encoder);
        if self.is_given {
            let rows = self.stretches.iter_mut().filter_map(|rows| rows.encoded.take());
            early.start(load_id(), rows.collect());
        }
        self.is_given
    }
}

impl PartOf<'_> {
    /// Makes rows in the shape that the table had last, as long as there is `room` left for the batch. The others are made in
    /// their turn, and so are those for which there is an error, which is told then.
    pub(super) fn ahead(&self, shape: Shape, room: &mut usize) -> Ahead {
        let mut stretches = Vec::new();
        let _ = self.rows(&shape, 0, |rows| {
            if let Some(Prepared::Bytes { bytes, .. }) = &rows.encoded {
                *room = room.saturating_sub(bytes.len());
            }
            stretches.push(rows);
            if *room > 0 { Ok(()) } else { Err(Error::config("no more rows can be held")) }
        });
        Ahead { shape, stretches, is_given: false }
    }

    /// Makes rows of all stretches from the one with number `first` on, and has them taken in their order.
    pub(super) fn rows(&self, shape: &Shape, first: usize, take: impl FnMut(Rows) -> Result<()>) -> Result<()> {
        let worker = || ChunkDecoder::new(shape.schema.clone(), self.settings.read.limits);
        let work = |decoder: &mut ChunkDecoder, stretch: &Stretch| {
            yield_now();
            fault::point("decode.chunk")?;
            let decoded = decoder.decode(self.format_of(stretch), &mut self.chunk(stretch))?;
            let Decoded { batch, misfits, values, overflowed, read } = decoded;
            let encoded = match batch.num_rows() {
                0 => None,
                _ => Some(Encode::encode(&shape.encoder, &batch)?),
            };
            let (misfits, values) = (self.placed(stretch, misfits), self.placed_values(stretch, values));
            Ok(Rows { encoded, misfits, values, read, overflowed })
        };
        ordered_map(self.part.stretches.iter().skip(first).map(Ok), self.threads(), worker, work, take)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Path;
    use crate::schema::{OnMisfit, Reading, Type, Why};

    #[test]
    fn schemas_decode_alike_whatever_their_evidence_says_and_not_if_any_value_would_differ() {
        let column = |ty| Column::new(Path::new(["a"]), "a", ty);
        let schema = |column: Column| Schema { columns: vec![column], ..Schema::default() };
        let plain = schema(column(Type::Text));
        let why = Why { text: "seen".into(), witness: None };
        let evidence = Column { nullable: false, filled: 7, max_bytes: Some(3), why, ..column(Type::Text) };
        assert!(decode_alike(&plain, &schema(evidence)) && decode_alike(&plain, &plain));
        let others = [
            schema(column(Type::Json)),
            schema(Column { reading: Reading::Trim, ..column(Type::Text) }),
            schema(Column { required: true, ..column(Type::Text) }),
            schema(Column { key: true, ..column(Type::Text) }),
            schema(Column { max_chars: Some(2), ..column(Type::Text) }),
            schema(Column { on_misfit: OnMisfit::Value, ..column(Type::Text) }),
            schema(Column { name: "b".into(), ..column(Type::Text) }),
            schema(Column { path: Path::new(["b"]), ..column(Type::Text) }),
            Schema { overflow: Some(0), ..plain.clone() },
            Schema { set_aside: vec![Path::new(["b"])], ..plain.clone() },
            Schema { kept_out: vec![Path::new(["b"])], ..plain.clone() },
            Schema { columns: vec![column(Type::Text), column(Type::Text)], ..Schema::default() },
        ];
        assert!(others.iter().all(|other| !decode_alike(&plain, other) && !decode_alike(other, &plain)));
    }
}

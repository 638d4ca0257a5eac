//! From rows that the table refused back to their records.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::refused::{WithOrigins, out_of_step};
use crate::batch::Misfit;
use crate::error::Result;
use crate::front::alone::ChunkDecoder;
use crate::load::Refused;
use crate::records::{Format, Limits};
use crate::schema::Schema;
use crate::source::Chunk;

/// The refused rows of each piece that has any, by the piece's number.
pub(super) struct IsolatedRows(BTreeMap<usize, Vec<(usize, Refused)>>);

impl IsolatedRows {
    /// `sent` has the number of rows that each piece gave, in the order in which they were sent.
    pub(super) fn new(refused: Vec<Refused>, sent: &[u64]) -> Self {
        let mut ends = Vec::with_capacity(sent.len());
        ends.extend(sent.iter().scan(0, |end, rows| {
            *end += rows;
            Some(*end)
        }));
        let mut by_piece: BTreeMap<usize, Vec<(usize, Refused)>> = BTreeMap::new();
        for refused in refused {
            let piece = ends.partition_point(|end| *end <= refused.row);
            let before = piece.checked_sub(1).map_or(0, |last| ends[last]);
            by_piece.entry(piece).or_default().push(((refused.row - before) as usize, refused));
        }
        IsolatedRows(by_piece)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The refused rows of one piece, by their numbers in it, if there are any.
    #[cfg(feature = "postgres")]
    pub(super) fn rows(&self, piece: usize) -> Option<&[(usize, Refused)]> {
        self.0.get(&piece).map(Vec::as_slice)
    }

    /// The numbers of the pieces concerned, in ascending order.
    #[cfg(feature = "postgres")]
    pub(super) fn pieces(&self) -> impl Iterator<Item = usize> {
        self.0.keys().copied()
    }

    /// The records of one piece's refused rows, with the server's reasons. The piece is decoded as it was before.
    pub(super) fn records(
        &self,
        piece: usize,
        (format, limits): (&Format, Limits),
        chunk: &mut Chunk,
        schema: &Arc<Schema>,
    ) -> Result<Vec<Misfit>> {
        let Some(refused) = self.0.get(&piece) else { return Ok(Vec::new()) };
        let (_, origins) = ChunkDecoder::new(schema.clone(), limits).decode_by(|reader, decoder| {
            let mut sink = WithOrigins { decoder, origins: Vec::new() };
            reader.read(format, chunk, &mut sink);
            sink.origins
        })?;
        let record = |(row, refused): &(usize, Refused)| {
            let origin = origins.get(*row).ok_or_else(out_of_step)?.clone();
            let path = refused.column.and_then(|at| schema.columns.get(at)).map(|column| column.path.to_string());
            Ok(Misfit { path, reason: format!("the table refuses the row: {}", refused.reason), ..origin })
        };
        refused.iter().map(record).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Path;
    use crate::schema::{Column, Type};

    #[test]
    fn rows_are_counted_without_the_misfits_before_them() {
        let columns = vec![Column::new(Path::new(["a"]), "a", Type::Int16)];
        let schema = Arc::new(Schema { columns, ..Schema::default() });
        let refused = |row| Refused { row, column: Some(0), reason: "why".into() };
        let rows = IsolatedRows::new(vec![refused(0), refused(2)], &[3]);
        let mut chunk = Chunk::new(b"{\"a\":1}\n{broken\n{\"a\":2}\n{\"a\":\"x\"}\n{\"a\":3}\n");
        let found = rows.records(0, (&Format::Ndjson, Limits::default()), &mut chunk, &schema).unwrap();
        let found: Vec<_> =
            found.into_iter().map(|record| (record.line, record.byte, record.raw, record.path)).collect();
        let path = || Some("a".to_owned());
        assert_eq!(found, [(1, 0, b"{\"a\":1}".to_vec(), path()), (5, 34, b"{\"a\":3}".to_vec(), path())]);
    }

    #[test]
    fn a_row_is_counted_from_the_beginning_of_its_piece() {
        let refused = |row| Refused { row, column: None, reason: String::new() };
        let rows = IsolatedRows::new(vec![refused(0), refused(2), refused(3), refused(9)], &[3, 0, 2, 5]);
        let found: Vec<(usize, Vec<usize>)> =
            rows.0.iter().map(|(piece, rows)| (*piece, rows.iter().map(|(row, _)| *row).collect())).collect();
        assert_eq!(found, [(0, vec![0, 2]), (2, vec![0]), (3, vec![4])]);
    }
}

//! Making a column of a field that is past the column budget.

use std::sync::Arc;

use super::StreamLoader;
use super::tables;
use crate::batch::Decoder;
use crate::error::{Error, Result};
use crate::load::Decide;
use crate::path::Path;
use crate::records::{Format, Limits, Reader};
use crate::schema::{Column, Naming, Policy, Reading, Schema, Type, assign};
use crate::sketch::{Collector, Sketch};
use crate::source::Chunk;

/// What a promotion did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// The name of the new column.
    pub column: String,
    /// Its type.
    pub ty: Type,
    /// Rows whose value moved into it.
    pub rows: u64,
    /// The statements that made the column.
    pub altered: Vec<String>,
}

impl StreamLoader {
    /// Makes a column of a field whose values are in the column `_overflow`, since it was past the column budget, and moves
    /// its values there, in one transaction. From then on the field's values go into the column.
    ///
    /// `field` is its key in `_overflow`: its path, or, where a key in that holds a dot, the keys as a JSON array (`["a.b"]`). An
    /// object of which all fields were past the budget is there whole, under its own path, and is promoted as a whole. The type is the narrowest that gives back every value there is; a hint of the
    /// policy comes first, and must hold them all. The budget does not count here. What the table's JSON does not keep apart (`1.50` and
    /// `1.5` in a `jsonb` that holds both as numbers) is as the JSON has it. Promoting again moves what has come since.
    ///
    /// The table is locked against reading while the column is added, and its rows with a value are written anew.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if no row has a value of the field in `_overflow`, or if one does not fit the
    /// column; [`Config`](crate::ErrorKind::Config) for a hint with a reading; those of the server. Nothing is changed then.
    pub fn promote(&mut self, table: Option<&str>, field: &str) -> Result<Promotion> {
        let table = match table {
            Some(text) => {
                let name = tables::parse(text)?;
                self.idle()?.patiently(field, |committer| committer.stream.resolve(Some(&name)))?
            }
            None => self.idle()?.patiently(field, |committer| committer.stream.resolve(None))?,
        };
        let path = Path::of_key(field);
        let policy = self.shared.settings.policy.clone();
        let promoted = self.idle()?.patiently(field, |committer| {
            let mut values = Values::new(&policy, &path);
            committer.stream.promote(&table, &Path::overflow(), field, &path, &mut values)
        })?;
        tracing::info!(%table, field, rows = promoted.rows, "field promoted");
        Ok(Promotion { column: promoted.name, ty: promoted.ty, rows: promoted.rows, altered: promoted.statements })
    }
}

/// The values of a field, as evidence.
struct Values<'a> {
    policy: &'a Policy,
    path: &'a Path,
    reader: Reader,
    collector: Collector,
    /// What holds the values against the column, once that is known, and why one did not fit.
    decoder: Option<Decoder>,
    misfit: Option<String>,
    lines: Vec<u8>,
    sequence: u64,
}

/// Bytes of values that are read at a time.
const CHUNK: usize = 256 << 10;
/// What the field is called while its values are looked at.
const KEY: &str = "value";

impl<'a> Values<'a> {
    fn new(policy: &'a Policy, path: &'a Path) -> Self {
        let (reader, collector) = (Reader::new(Limits::default()), Collector::new(&[KEY]));
        Values { policy, path, reader, collector, decoder: None, misfit: None, lines: Vec::new(), sequence: 0 }
    }

    fn read(&mut self) {
        let mut chunk = Chunk::new(&self.lines);
        chunk.sequence = self.sequence;
        self.sequence += 1;
        if let Some(decoder) = &mut self.decoder {
            self.reader.read(&Format::Ndjson, &mut chunk, decoder);
            self.lines.clear();
            let reason = match decoder.finish() {
                Ok(decoded) => decoded.misfits.into_iter().next().map(|misfit| misfit.reason),
                Err(error) => Some(error.to_string()),
            };
            self.misfit = self.misfit.take().or(reason);
            return;
        }
        self.collector.begin(0, chunk.sequence);
        self.reader.read(&Format::Ndjson, &mut chunk, &mut self.collector);
        self.lines.clear();
    }

    fn sketch(&mut self) -> Sketch {
        self.read();
        let collector = std::mem::replace(&mut self.collector, Collector::new(&[KEY]));
        collector.finish(self.reader.paths(), &[Format::Ndjson])
    }
}

impl Decide for Values<'_> {
    fn value(&mut self, json: &str) {
        self.lines.extend_from_slice(format!("{{\"{KEY}\":{json}}}\n").as_bytes());
        if self.lines.len() >= CHUNK {
            self.read();
        }
    }

    fn column(&mut self) -> Result<Column> {
        let seen = self.sketch();
        // Objects stay whole: taken apart, they would be more fields than one.
        let schema = Policy::default().flatten(false).resolve(&seen)?;
        let found = schema.column(KEY).map_or(Type::Null, |column| column.ty);
        let hint = self.policy.hint_of(self.path);
        if hint.is_some_and(|hint| hint.reading != Reading::Native) {
            return Err(Error::config("values past the budget are promoted as they are spelled, not by a reading")
                .with_hint("hint the type alone, or load the input anew with the hint"));
        }
        let ty = hint.map_or(found, |hint| hint.ty);
        let naming: Naming = self.policy.naming;
        let name = assign(std::slice::from_ref(self.path), naming, 63, true).remove(0);
        Ok(Column::new(self.path.clone(), name, if found == Type::Null { found } else { ty }))
    }

    fn hold_against(&mut self, column: &Column) {
        let column = Column { path: Path::new([KEY]), ..column.clone() };
        self.reader = Reader::new(Limits::default());
        self.decoder = Some(Decoder::new(Arc::new(Schema { columns: vec![column], ..Schema::default() })));
    }

    fn misfit(&mut self) -> Option<String> {
        self.read();
        self.misfit.take()
    }
}

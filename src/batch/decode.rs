//! Records → the rows of a batch, or misfits.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;

use super::column::{ColumnBuilder, StoredColumn};
use super::misfit::Misfit;
use super::parse;
use super::tile::Room;
use crate::error::{Error, ErrorKind, Result};
use crate::path::Path;
use crate::records::{Bad, Field, FieldKind, Limits, NodeId, PathTable, ROOT, Reader, Record, Sink, Tile};
use crate::schema::{OnMisfit, Schema, Type};
use crate::simd::Block;

/// Fewer rows than this are faster one by one.
const FEW: usize = 4;

/// Decodes records under a schema. One per thread; every value is checked, whatever the schema was made from.
///
/// A record goes into the batch whole or not at all: a value that its column does not hold exactly, or a field that
/// the schema does not have, makes the record a [`Misfit`].
#[derive(Debug)]
pub struct Decoder {
    schema: Arc<Schema>,
    arrow: SchemaRef,
    builders: Vec<ColumnBuilder>,
    /// The columns that every row needs a value in.
    required: Vec<usize>,
    by_path: HashMap<(Vec<String>, u32), Role>,
    /// The paths that columns are below of.
    above: HashSet<Vec<String>>,
    /// What each path of the reader's table is to this schema.
    roles: Vec<Role>,
    rows: usize,
    read: u64,
    misfits: Vec<Misfit>,
    /// Values of rows that are kept aside, and those of the present record.
    values: Vec<Misfit>,
    pending: Vec<Misfit>,
    /// Values in the overflow column, and those of the present record.
    overflowed: (u64, u64),
    overflow: Vec<u8>,
    room: Box<Room>,
    /// Room for the bits of nulls.
    words: Vec<u64>,
    /// Where the cells of the present tile go to, for its memory.
    tile_columns: Vec<usize>,
    /// Whether records are taken one by one.
    plain: bool,
    /// Whether a record since the last call of [`finish`](Decoder::finish) had keys that were not told apart.
    past: bool,
}

/// What a path is to the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A column.
    Column(usize),
    /// An object that columns are taken from.
    Above,
    /// A field whose values are kept aside one by one.
    SetAside,
    /// A field that makes its record a misfit.
    KeptOut,
    /// Nothing the schema knows.
    Unknown,
}

/// What became of some records.
#[derive(Debug)]
pub struct Decoded {
    /// The rows. Arrays of a batch share one allocation, so what Arrow gives as the memory of one of them is that of all.
    pub batch: RecordBatch,
    /// The records that are no rows.
    pub misfits: Vec<Misfit>,
    /// Values that are kept aside, each of a record that is a row without it.
    pub values: Vec<Misfit>,
    /// How many values went into the overflow column.
    pub overflowed: u64,
    /// Records read: rows and misfits together.
    pub read: u64,
}

impl Decoder {
    /// Makes a decoder for a schema.
    pub fn new(schema: Arc<Schema>) -> Self {
        let key = |path: &Path| (path.keys().to_vec(), path.ordinal());
        // Columns that no field of their own goes into.
        let mut indirect: HashSet<usize> = schema.overflow.into_iter().collect();
        indirect.extend(schema.columns.iter().filter_map(|column| match column.on_misfit {
            OnMisfit::Variant(variant) => Some(variant),
            _ => None,
        }));
        let columns = || schema.columns.iter().enumerate().filter(|(at, _)| !indirect.contains(at));
        let above = |path: &Path| (1..path.keys().len()).map(|len| path.keys()[..len].to_vec()).collect::<Vec<_>>();
        let columns_of = columns().map(|(at, column)| (&column.path, Role::Column(at)));
        let aside = schema.set_aside.iter().map(|path| (path, Role::SetAside));
        let kept_out = schema.kept_out.iter().map(|path| (path, Role::KeptOut));
        let known: Vec<(&Path, Role)> = kept_out.chain(aside).chain(columns_of).collect();
        Decoder {
            above: known.iter().flat_map(|(path, _)| above(path)).collect(),
            by_path: known.into_iter().map(|(path, role)| (key(path), role)).collect(),
            required: columns().filter(|(_, column)| column.required || column.key).map(|(at, _)| at).collect(),
            builders: schema.columns.iter().map(ColumnBuilder::new).collect(),
            arrow: schema.arrow(),
            schema,
            roles: Vec::new(),
            rows: 0,
            read: 0,
            misfits: Vec::new(),
            values: Vec::new(),
            pending: Vec::new(),
            overflowed: (0, 0),
            overflow: Vec::new(),
            room: Box::default(),
            words: Vec::new(),
            tile_columns: Vec::new(),
            plain: false,
            past: false,
        }
    }

    /// Whether a record since the last call of [`finish`](Decoder::finish) had keys past those that are told apart in one object. What
    /// becomes of such records depends on what their reader has read before.
    pub fn is_past_telling_apart(&self) -> bool {
        self.past
    }

    /// Takes records one by one. Rows and misfits are the same, at less speed: what the shortcuts are compared with.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// The Arrow schema of the batches.
    pub fn arrow(&self) -> &SchemaRef {
        &self.arrow
    }

    /// Rows since the last call of [`finish`](Decoder::finish).
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// What became of the records since the last call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if the columns make no batch, which would be a defect.
    pub fn finish(&mut self) -> Result<Decoded> {
        self.past = false;
        let rows = std::mem::take(&mut self.rows);
        let room = self.builders.iter_mut().map(|builder| builder.room(rows)).sum();
        let mut block = Block::with_room(room);
        let columns: Vec<StoredColumn> =
            self.builders.iter_mut().map(|builder| builder.store(&mut block, &mut self.words)).collect();
        let memory = block.finish();
        let types = self.arrow.fields().iter().map(|field| field.data_type());
        let arrays = columns.into_iter().zip(types).map(|(column, arrow)| column.array(arrow, &memory)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.arrow.clone(), arrays, &options)
            .map_err(|cause| Error::new(ErrorKind::Unsupported, "columns that make no batch").with_cause(cause))?;
        let (misfits, values) = (std::mem::take(&mut self.misfits), std::mem::take(&mut self.values));
        let overflowed = std::mem::take(&mut self.overflowed.0);
        Ok(Decoded { batch, misfits, values, overflowed, read: std::mem::take(&mut self.read) })
    }

    /// Finds out what new paths are to the schema.
    fn learn(&mut self, paths: &PathTable) {
        for node in self.roles.len()..paths.len() {
            let path = paths.path(node as NodeId);
            let role = match self.by_path.get(&(path.keys().to_vec(), path.ordinal())) {
                Some(role) => *role,
                None if path.keys().is_empty() || self.above.contains(path.keys()) => Role::Above,
                None => Role::Unknown,
            };
            self.roles.push(role);
        }
    }

    /// Takes the fields of a record into row `self.rows`. On an error some columns may have been written to.
    fn row(&mut self, paths: &PathTable, record: &Record<'_>) -> Result<(), (Option<String>, String)> {
        self.overflow.clear();
        self.pending.clear();
        self.overflowed.1 = 0;
        if let Some(object) = record.beyond.iter().find(|object| !self.is_within_a_value(paths, **object)) {
            let path = paths.path(*object);
            let path = (!path.keys().is_empty()).then(|| path.to_string());
            return Err((path, "a field past the number of keys that are told apart in one object".into()));
        }
        // Fields inside one that went into a column whole come right behind it.
        let mut inside = 0;
        for (nth, field) in record.fields.iter().enumerate() {
            if field.start < inside {
                continue;
            }
            match self.roles[field.node as usize] {
                Role::Column(at) => {
                    if field.kind == FieldKind::Object {
                        inside = field.end;
                    }
                    if let Err(found) = self.builders[at].append(self.rows, record, field) {
                        self.unfit(at, found, record, field)?;
                    }
                }
                Role::Above => match field.kind {
                    FieldKind::Object => {}
                    _ if is_null(field) => {}
                    _ => {
                        let path = paths.path(field.node).to_string();
                        let found = match field.kind {
                            FieldKind::WholeObject => "one with too many fields to take apart",
                            _ => "another value",
                        };
                        return Err((Some(path), format!("expected an object, found {found}")));
                    }
                },
                Role::SetAside => {
                    if field.kind == FieldKind::Object {
                        inside = field.end;
                    }
                    if !is_nothing(&record.fields[nth..]) {
                        let path = paths.path(field.node).to_string();
                        self.set_aside(record, field, path, "a field that no column takes".into());
                    }
                }
                role @ (Role::KeptOut | Role::Unknown) => {
                    if field.kind == FieldKind::Object {
                        inside = field.end;
                    }
                    // The column that fields share keeps an object of nothing but nulls as it is.
                    let is_shared = role == Role::Unknown && self.schema.overflow.is_some();
                    if is_null(field) || !is_shared && is_nothing(&record.fields[nth..]) {
                        continue;
                    }
                    if !is_shared {
                        let path = paths.path(field.node).to_string();
                        return Err((Some(path), "a field that no column takes".into()));
                    }
                    self.share(paths, record, field)?;
                }
            }
        }
        if let (Some(at), false) = (self.schema.overflow, self.overflow.is_empty()) {
            self.overflow.push(b'}');
            self.builders[at].append_text(self.rows, &self.overflow).map_err(|found| self.misfit(at, found))?;
        }
        match self.required.iter().find(|at| !self.builders[**at].has_value(self.rows)) {
            Some(at) if self.schema.columns[*at].key => Err(self.misfit(*at, "no value, and rows are merged by it")),
            Some(at) => Err(self.misfit(*at, "no value, and the table refuses NULL")),
            None => Ok(()),
        }
    }

    /// Whether all that an object holds goes where a value goes as a whole.
    #[cold]
    fn is_within_a_value(&self, paths: &PathTable, object: NodeId) -> bool {
        let mut at = object;
        while self.roles[at as usize] == Role::Above {
            if at == ROOT {
                return false;
            }
            at = paths.parent(at);
        }
        true
    }

    /// The decoder, and a reader that knows the fields which have columns, so that these are never among the keys that are too
    /// many to be told apart.
    pub fn with_reader(self, limits: Limits) -> (Reader, Decoder) {
        let mut reader = Reader::new(limits);
        for (keys, nth) in self.by_path.keys() {
            reader.paths_mut().insert(&Path::new(keys.iter().cloned()).nth(*nth));
        }
        (reader, self)
    }

    /// A value that its column does not hold: what becomes of it is the column's to say.
    fn unfit(
        &mut self,
        at: usize,
        found: &str,
        record: &Record<'_>,
        field: &Field,
    ) -> Result<(), (Option<String>, String)> {
        let (path, reason) = self.misfit(at, found);
        match self.schema.columns[at].on_misfit {
            OnMisfit::Record => return Err((path, reason)),
            OnMisfit::Value => self.set_aside(record, field, path.unwrap_or_default(), reason),
            OnMisfit::Variant(variant) => {
                let fits = self.builders[variant].append(self.rows, record, field);
                fits.map_err(|found| self.misfit(variant, found))?;
            }
        }
        self.builders[at].roll_back(self.rows);
        Ok(())
    }

    /// Keeps one value of the present record aside.
    fn set_aside(&mut self, record: &Record<'_>, field: &Field, path: String, reason: String) {
        let raw = record.source_text(field);
        let place = (record.source, record.offset, record.line);
        self.pending.push(Misfit::new(raw, place, Some(path), reason));
    }

    fn misfit(&self, column: usize, found: &str) -> (Option<String>, String) {
        let column = &self.schema.columns[column];
        (Some(column.path.to_string()), format!("expected {}, found {found}", column.ty))
    }

    /// A field without a column goes to the one that such fields share.
    fn share(&mut self, paths: &PathTable, record: &Record<'_>, field: &Field) -> Result<(), (Option<String>, String)> {
        let path = paths.path(field.node);
        if let Err(found) = parse::json_in_record(record.source_text(field), field.kind) {
            return Err((Some(path.to_string()), format!("expected {}, found {found}", Type::Json)));
        }
        self.overflowed.1 += 1;
        self.overflow.push(if self.overflow.is_empty() { b'{' } else { b',' });
        push_json_text(&mut self.overflow, &path.as_key());
        self.overflow.push(b':');
        match field.kind {
            FieldKind::Cell | FieldKind::Quoted | FieldKind::EscapedQuoted => {
                push_json_text(&mut self.overflow, &String::from_utf8_lossy(&record.text(field)));
            }
            _ => self.overflow.extend_from_slice(record.source_text(field)),
        }
        Ok(())
    }

    /// Finds the columns that the cells of a tile go to. False if some cells have none, or if rows need more than cells.
    fn find_columns(&self, tile: &Tile<'_>, columns: &mut Vec<usize>) -> bool {
        columns.clear();
        for node in tile.columns() {
            match self.roles[*node as usize] {
                Role::Column(at) => columns.push(at),
                Role::Above | Role::SetAside | Role::KeptOut | Role::Unknown => return false,
            }
        }
        self.required.iter().all(|at| columns.contains(at))
    }

    /// Takes in the rows of a tile, column by column. False, and nothing taken in, if some do not fit; they are then in
    /// `self.room.bad`, ascending.
    fn take_tile(&mut self, tile: &Tile<'_>, columns: &[usize]) -> bool {
        let base = self.rows;
        self.room.bad.clear();
        for (column, at) in columns.iter().enumerate() {
            let required = self.schema.columns[*at].required || self.schema.columns[*at].key;
            self.builders[*at].append_tile(base, tile, column, required, &mut self.room);
        }
        if self.room.bad.is_empty() {
            self.rows += tile.rows();
            self.read += tile.rows() as u64;
            return true;
        }
        self.builders.iter_mut().for_each(|builder| builder.roll_back(base));
        self.room.bad.sort_unstable();
        self.room.bad.dedup();
        false
    }

    /// Takes in the rows of a tile of which some do not fit: those one by one, and what is between them as tiles.
    fn take_parts(&mut self, paths: &PathTable, tile: &Tile<'_>) {
        let bad = std::mem::take(&mut self.room.bad);
        let mut from = 0;
        for end in bad.iter().map(|row| *row as usize).chain([tile.rows()]) {
            if end > from {
                self.tile(paths, &tile.part(from, end - from));
            }
            if end < tile.rows() {
                tile.part(end, 1).each_record(|record| self.record(paths, record));
            }
            from = end + 1;
        }
        self.room.bad = bad;
    }

    fn keep_aside(&mut self, raw: &[u8], place: (u32, u64, u64), path: Option<String>, reason: String) {
        self.misfits.push(Misfit::new(raw, place, path, reason));
    }
}

/// Whether a field is null, whatever its column were.
fn is_null(field: &Field) -> bool {
    field.kind == FieldKind::Null || (field.kind == FieldKind::Cell && field.start == field.end)
}

/// Whether the first of these fields holds no value, whatever its columns were: an object, if no field inside it does. An
/// empty object is a value.
fn is_nothing(fields: &[Field]) -> bool {
    let Some(end) = fields.first().map(|first| first.end) else { return true };
    // What is inside an object comes right behind it.
    let holds_fields = |at: usize| {
        fields.get(at + 1).is_some_and(|next| fields[at].kind == FieldKind::Object && next.start < fields[at].end)
    };
    let mut these = fields.iter().enumerate().take_while(|(at, field)| *at == 0 || field.start < end);
    these.all(|(at, field)| is_null(field) || holds_fields(at))
}

fn push_json_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

impl Sink for Decoder {
    fn record(&mut self, paths: &PathTable, record: &Record<'_>) {
        self.read += 1;
        self.past |= !record.beyond.is_empty();
        if self.roles.len() < paths.len() {
            self.learn(paths);
        }
        match self.row(paths, record) {
            Ok(()) => {
                self.rows += 1;
                self.values.append(&mut self.pending);
                self.overflowed.0 += self.overflowed.1;
            }
            Err((path, reason)) => {
                let row = self.rows;
                self.builders.iter_mut().for_each(|builder| builder.roll_back(row));
                self.keep_aside(record.raw(), (record.source, record.offset, record.line), path, reason);
            }
        }
    }

    fn tile(&mut self, paths: &PathTable, tile: &Tile<'_>) {
        if self.roles.len() < paths.len() {
            self.learn(paths);
        }
        let mut columns = std::mem::take(&mut self.tile_columns);
        let is_quick = !self.plain && tile.rows() >= FEW && self.find_columns(tile, &mut columns);
        let is_taken = is_quick && self.take_tile(tile, &columns);
        self.tile_columns = columns;
        match (is_quick, is_taken) {
            (_, true) => {}
            (true, false) => self.take_parts(paths, tile),
            (false, false) => tile.each_record(|record| self.record(paths, record)),
        }
    }

    fn bad(&mut self, bad: &Bad<'_>) {
        self.read += 1;
        self.keep_aside(bad.raw, (bad.source, bad.offset, bad.line), None, bad.fault.to_string());
    }
}

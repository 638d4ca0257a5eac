//! Records → the rows of a batch, or misfits.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;

use super::column::ColumnBuilder;
use super::misfit::Misfit;
use super::parse;
use crate::error::{Error, ErrorKind, Result};
use crate::path::Path;
use crate::records::{Bad, Field, FieldKind, NodeId, PathTable, Record, Sink};
use crate::schema::{Schema, Type};

/// Bytes of a record that a misfit keeps.
const RAW_KEPT: usize = 16 << 20;

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
    by_path: HashMap<(Vec<String>, u32), usize>,
    /// The paths that columns are below of.
    above: HashSet<Vec<String>>,
    /// What each path of the reader's table is to this schema.
    roles: Vec<Role>,
    rows: usize,
    read: u64,
    misfits: Vec<Misfit>,
    overflow: Vec<u8>,
    /// The keys in the present record's overflow.
    overflow_keys: HashSet<String>,
}

/// What a path is to the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A column.
    Column(usize),
    /// An object that columns are taken from.
    Above,
    /// Nothing the schema knows.
    Unknown,
}

/// What became of some records.
#[derive(Debug)]
pub struct Decoded {
    /// The rows.
    pub batch: RecordBatch,
    /// The records that are no rows.
    pub misfits: Vec<Misfit>,
    /// Records read: rows and misfits together.
    pub read: u64,
}

impl Decoder {
    /// Makes a decoder for a schema.
    pub fn new(schema: Arc<Schema>) -> Self {
        let key = |path: &Path| (path.keys().to_vec(), path.ordinal());
        let columns = || schema.columns.iter().enumerate().filter(|(at, _)| schema.overflow != Some(*at));
        let above = |path: &Path| (1..path.keys().len()).map(|len| path.keys()[..len].to_vec()).collect::<Vec<_>>();
        Decoder {
            by_path: columns().map(|(at, column)| (key(&column.path), at)).collect(),
            above: columns().flat_map(|(_, column)| above(&column.path)).collect(),
            required: (0..schema.columns.len()).filter(|at| schema.columns[*at].required).collect(),
            builders: schema.columns.iter().map(ColumnBuilder::new).collect(),
            arrow: schema.arrow(),
            schema,
            roles: Vec::new(),
            rows: 0,
            read: 0,
            misfits: Vec::new(),
            overflow: Vec::new(),
            overflow_keys: HashSet::new(),
        }
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
        let rows = std::mem::take(&mut self.rows);
        let arrays = self.builders.iter_mut().map(|builder| builder.finish(rows)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.arrow.clone(), arrays, &options)
            .map_err(|cause| Error::new(ErrorKind::Unsupported, "columns that make no batch").with_cause(cause))?;
        let misfits = std::mem::take(&mut self.misfits);
        Ok(Decoded { batch, misfits, read: std::mem::take(&mut self.read) })
    }

    /// Finds out what new paths are to the schema.
    fn learn(&mut self, paths: &PathTable) {
        for node in self.roles.len()..paths.len() {
            let path = paths.path(node as NodeId);
            let role = match self.by_path.get(&(path.keys().to_vec(), path.ordinal())) {
                Some(column) => Role::Column(*column),
                None if path.keys().is_empty() || self.above.contains(path.keys()) => Role::Above,
                None => Role::Unknown,
            };
            self.roles.push(role);
        }
    }

    /// Takes the fields of a record into row `self.rows`. On an error some columns may have been written to.
    fn row(&mut self, paths: &PathTable, record: &Record<'_>) -> Result<(), (Option<String>, String)> {
        self.overflow.clear();
        self.overflow_keys.clear();
        // Fields inside one that went into a column whole come right behind it.
        let mut inside = 0;
        for field in record.fields {
            if field.start < inside {
                continue;
            }
            match self.roles[field.node as usize] {
                Role::Column(at) => {
                    if field.kind == FieldKind::Object {
                        inside = field.end;
                    }
                    let fits = self.builders[at].append(self.rows, record, field);
                    fits.map_err(|found| self.misfit(at, found))?;
                }
                Role::Above => match field.kind {
                    FieldKind::Object | FieldKind::Null => {}
                    _ => {
                        let path = paths.path(field.node).to_string();
                        let found = match field.kind {
                            FieldKind::WholeObject => "one with too many fields to take apart",
                            _ => "another value",
                        };
                        return Err((Some(path), format!("expected an object, found {found}")));
                    }
                },
                Role::Unknown => {
                    if field.kind == FieldKind::Object {
                        inside = field.end;
                    }
                    self.unknown(paths, record, field)?;
                }
            }
        }
        if let (Some(at), false) = (self.schema.overflow, self.overflow.is_empty()) {
            self.overflow.push(b'}');
            self.builders[at].append_text(self.rows, &self.overflow).map_err(|found| self.misfit(at, found))?;
        }
        match self.required.iter().find(|at| !self.builders[**at].has_value(self.rows)) {
            Some(at) => Err(self.misfit(*at, "no value, and the table refuses NULL")),
            None => Ok(()),
        }
    }

    fn misfit(&self, column: usize, found: &str) -> (Option<String>, String) {
        let column = &self.schema.columns[column];
        (Some(column.path.to_string()), format!("expected {}, found {found}", column.ty))
    }

    /// A field without a column goes to the overflow column if there is one. One without a value is nothing.
    fn unknown(
        &mut self,
        paths: &PathTable,
        record: &Record<'_>,
        field: &Field,
    ) -> Result<(), (Option<String>, String)> {
        if field.kind == FieldKind::Null || (field.kind == FieldKind::Cell && field.start == field.end) {
            return Ok(());
        }
        let mut path = paths.path(field.node);
        if self.schema.overflow.is_none() {
            return Err((Some(path.to_string()), "a field that the schema does not have".into()));
        }
        if let Err(found) = parse::json_in_record(record.source_text(field), field.kind) {
            return Err((Some(path.to_string()), format!("expected {}, found {found}", Type::Json)));
        }
        // Of two equal keys in one object a warehouse would keep only the last.
        while !self.overflow_keys.insert(path.to_string()) {
            path = path.marked();
        }
        self.overflow.push(if self.overflow.is_empty() { b'{' } else { b',' });
        push_json_text(&mut self.overflow, &path.to_string());
        self.overflow.push(b':');
        match field.kind {
            FieldKind::Cell | FieldKind::Quoted | FieldKind::EscapedQuoted => {
                push_json_text(&mut self.overflow, &String::from_utf8_lossy(&record.text(field)));
            }
            _ => self.overflow.extend_from_slice(record.source_text(field)),
        }
        Ok(())
    }

    fn keep_aside(&mut self, raw: &[u8], place: (u32, u64, u64), path: Option<String>, reason: String) {
        self.misfits.push(Misfit {
            source: place.0,
            line: place.2,
            byte: place.1,
            path,
            reason,
            raw: raw[..raw.len().min(RAW_KEPT)].to_vec(),
            raw_len: raw.len() as u64,
        });
    }
}

fn push_json_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

impl Sink for Decoder {
    fn record(&mut self, paths: &PathTable, record: &Record<'_>) {
        self.read += 1;
        if self.roles.len() < paths.len() {
            self.learn(paths);
        }
        match self.row(paths, record) {
            Ok(()) => self.rows += 1,
            Err((path, reason)) => {
                let row = self.rows;
                self.builders.iter_mut().for_each(|builder| builder.roll_back(row));
                self.keep_aside(record.raw(), (record.source, record.offset, record.line), path, reason);
            }
        }
    }

    fn bad(&mut self, bad: &Bad<'_>) {
        self.read += 1;
        self.keep_aside(bad.raw, (bad.source, bad.offset, bad.line), None, bad.fault.to_string());
    }
}

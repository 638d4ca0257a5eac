//! The rows of a batch, against the records that they were made of.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use longshore::batch::{Decoder, Misfit};
use longshore::records::{Bad, FieldKind, Format, FormatOptions, Limits, PathTable, Reader, Record, Sink, cutter};
use longshore::source::{ChunkOptions, Piece, Pieces};
use longshore::{Inference, Policy, ReadOptions, Schema, Source, Type};

use crate::cells::{is_nothing, is_value, same};
use crate::inputs::{Item, Items, Leaf};
use crate::json::Tree;

/// Hands everything to both.
struct Both(Decoder, Items);

impl Sink for Both {
    fn record(&mut self, paths: &PathTable, record: &Record<'_>) {
        self.0.record(paths, record);
        self.1.record(paths, record);
    }

    fn bad(&mut self, bad: &Bad<'_>) {
        self.0.bad(bad);
        self.1.bad(bad);
    }
}

/// What became of some records, next to the records.
pub(crate) struct Part {
    items: Vec<Item>,
    batch: RecordBatch,
    misfits: Vec<Misfit>,
}

pub(crate) fn decode(source: &Source, format: &Format, schema: &Arc<Schema>) -> Vec<Part> {
    let limits = Limits::default();
    let (mut reader, mut both) = (Reader::new(limits), Both(Decoder::new(schema.clone()), Items::default()));
    let options = ChunkOptions { chunk_bytes: 32 << 10, ..ChunkOptions::default() };
    let mut parts = Vec::new();
    for piece in Pieces::new(source.open(0).unwrap(), cutter(format, &limits), 0, options) {
        let Piece::Records(mut chunk) = piece.unwrap() else { continue };
        reader.read(format, &mut chunk, &mut both);
        let decoded = both.0.finish().unwrap();
        let items = std::mem::take(&mut both.1.0);
        assert_eq!(decoded.read, items.len() as u64);
        assert_eq!(decoded.read, (decoded.batch.num_rows() + decoded.misfits.len()) as u64, "every record is counted");
        parts.push(Part { items, batch: decoded.batch, misfits: decoded.misfits });
    }
    parts
}

/// Compares every row with its record; returns the records that are no rows though they can be read.
pub(crate) fn check(parts: &[Part], schema: &Schema) -> Result<Vec<Misfit>, String> {
    let mut refused = Vec::new();
    for part in parts {
        let by_place: HashMap<u64, &Misfit> = part.misfits.iter().map(|misfit| (misfit.byte, misfit)).collect();
        let mut row = 0;
        for item in &part.items {
            match (&item.content, by_place.get(&item.offset)) {
                (Err(_), Some(misfit)) if misfit.path.is_none() && misfit.line == item.line => {}
                (Ok(_), Some(misfit)) if misfit.raw == item.raw && misfit.raw_len == item.raw.len() as u64 => {
                    refused.push((*misfit).clone());
                }
                (Ok(leaves), None) => {
                    check_row(leaves, schema, &part.batch, row).map_err(|wrong| {
                        let raw = &item.raw[..item.raw.len().min(400)];
                        format!("line {}: {wrong}: {:?}", item.line, String::from_utf8_lossy(raw))
                    })?;
                    row += 1;
                }
                (content, misfit) => return Err(format!("line {}: {content:?} is {misfit:?}", item.line)),
            }
        }
        assert_eq!(row, part.batch.num_rows());
    }
    Ok(refused)
}

fn check_row(leaves: &[Leaf], schema: &Schema, batch: &RecordBatch, row: usize) -> Result<(), String> {
    let overflow = schema.overflow.map(|at| batch.column(at)).filter(|column| column.is_valid(row));
    let mut surplus = match overflow {
        Some(column) => match Tree::parse(column.as_string::<i32>().value(row).as_bytes()) {
            Ok(Tree::Object(fields)) => fields,
            other => return Err(format!("overflow is {other:?}")),
        },
        None => Vec::new(),
    };
    let keys: HashMap<&String, usize> = surplus.iter().map(|(key, _)| (key, 0)).collect();
    if keys.len() < surplus.len() {
        return Err("the overflow holds a key twice, of which a warehouse keeps one".to_string());
    }
    let mut filled = vec![false; schema.columns.len()];
    let mut inside: Option<&Leaf> = None;
    for leaf in leaves {
        if inside.is_some_and(|top| leaf.offset < top.offset + top.source_text.len() as u64) {
            continue;
        }
        let is = |other: &longshore::Path| other.keys() == leaf.path.keys() && other.ordinal() == leaf.path.ordinal();
        let column = schema.columns.iter().position(|column| is(&column.path) && column.ty != Type::Null);
        let column = column.or_else(|| schema.columns.iter().position(|column| is(&column.path)));
        let column = column.filter(|at| schema.overflow != Some(*at));
        let is_object = matches!(leaf.kind, FieldKind::Object | FieldKind::WholeObject);
        if let Some(at) = column {
            let (ty, reading) = (schema.columns[at].ty, schema.columns[at].reading);
            let array = batch.column(at);
            match is_nothing(leaf, ty) {
                true if array.is_null(row) => {}
                false if array.is_valid(row) && same(leaf, ty, reading, array, row)? => {}
                _ => return Err(format!("`{}` as {ty} is {:?}", leaf.path, array.slice(row, 1))),
            }
            filled[at] = true;
            inside = is_object.then_some(leaf).or(inside);
            continue;
        }
        let below = |keys: &[String]| keys.len() > leaf.path.keys().len() && keys.starts_with(leaf.path.keys());
        let above = schema.columns.iter().any(|column| below(column.path.keys()));
        let is_root = leaf.path.keys().is_empty();
        if is_root || (above && leaf.kind == FieldKind::Object) || is_nothing(leaf, Type::Text) {
            continue;
        }
        // Whatever has no column is in the overflow, under a key that no other field has, once.
        let wanted = overflow_key(&leaf.path);
        let named = |(key, value): &(String, Tree)| *key == wanted && is_value(leaf, value);
        let Some(found) = surplus.iter().position(named) else { return Err(format!("`{wanted}` is nowhere")) };
        surplus.remove(found);
        inside = is_object.then_some(leaf).or(inside);
    }
    if !surplus.is_empty() {
        return Err(format!("the overflow holds {surplus:?} too"));
    }
    let stray =
        (0..filled.len()).find(|at| !filled[*at] && schema.overflow != Some(*at) && batch.column(*at).is_valid(row));
    stray.map_or(Ok(()), |at| Err(format!("`{}` has a value from nowhere", schema.columns[at].path)))
}

/// The path's text, or, where another path could have the same, its keys as JSON.
fn overflow_key(path: &longshore::Path) -> String {
    let plain = |key: &String| !key.contains('.') && !key.starts_with('[') && !key.ends_with("[]");
    match path.ordinal() {
        1 if !path.keys().is_empty() && path.keys().iter().all(plain) => path.keys().join("."),
        1 => serde_json::to_string(path.keys()).unwrap(),
        nth => format!("{} #{nth}", serde_json::to_string(path.keys()).unwrap()),
    }
}

/// Infers from the whole input and decodes it; returns the rows and the schema.
pub(crate) fn round_trip(source: &Source, format: FormatOptions, policy: &Policy) -> Result<(usize, Schema), String> {
    let options = ReadOptions::default().threads(1).format(format);
    let inference = Inference::of(source, &options).map_err(|error| error.to_string())?;
    let schema = Arc::new(policy.resolve(&inference.sketch).map_err(|error| error.to_string())?);
    let parts = decode(source, &inference.formats[0], &schema);
    let refused = check(&parts, &schema)?;
    if let Some(misfit) = refused.first() {
        return Err(format!("line {}: {:?} {}", misfit.line, misfit.path, misfit.reason));
    }
    Ok((parts.iter().map(|part| part.batch.num_rows()).sum(), Arc::unwrap_or_clone(schema)))
}

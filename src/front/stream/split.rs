//! Sorting records by the value of one field.

use std::collections::BTreeMap;

use super::lines::Lines;
use super::pieces::Piece;
use super::refuse::broken;
use crate::batch::Misfit;
use crate::records::{Bad, FieldKind, PathTable, Record, Sink};

/// Takes records apart by the value that they have in one field.
pub(super) struct Splitter<'a> {
    field: &'a str,
    /// Whether each path of the reader's table is the field.
    is_field: Vec<bool>,
    by_value: BTreeMap<Option<String>, Lines>,
    bad: Vec<Misfit>,
}

/// What became of the records of one piece.
#[derive(Debug)]
pub(super) struct Split {
    /// The records by their value in the field; under `None` those that have none.
    pub(super) by_value: BTreeMap<Option<String>, Lines>,
    /// What is no record, placed in its source.
    pub(super) bad: Vec<Misfit>,
}

impl<'a> Splitter<'a> {
    pub(super) fn new(field: &'a str) -> Self {
        Splitter { field, is_field: Vec::new(), by_value: BTreeMap::new(), bad: Vec::new() }
    }

    pub(super) fn finish(self, piece: &Piece) -> Split {
        let by_value = self.by_value.into_iter().map(|(value, lines)| (value, lines.of(piece)));
        Split { by_value: by_value.collect(), bad: self.bad }
    }

    fn value(&self, record: &Record<'_>) -> Option<String> {
        let field = record.fields.iter().find(|field| self.is_field[field.node as usize])?;
        match field.kind {
            FieldKind::Null | FieldKind::Array | FieldKind::Object | FieldKind::WholeObject => None,
            FieldKind::Cell if field.start == field.end => None,
            _ => Some(String::from_utf8_lossy(&record.text(field)).into_owned()),
        }
    }
}

impl Sink for Splitter<'_> {
    fn record(&mut self, paths: &PathTable, record: &Record<'_>) {
        for node in self.is_field.len()..paths.len() {
            self.is_field.push(paths.path(node as u32).to_string() == self.field);
        }
        let value = self.value(record);
        self.by_value.entry(value).or_default().push(record);
    }

    fn bad(&mut self, bad: &Bad<'_>) {
        self.bad.push(broken(bad));
    }
}

#[cfg(test)]
mod tests {
    use super::super::buffer::Buffer;
    use super::*;
    use crate::records::{Format, Limits, Reader};

    #[test]
    fn records_are_sorted_by_value_and_keep_their_places() {
        let input = b"{\"t\":\"a\",\"n\":1}\n{\"t\":2}\nbroken\n{\"t\":null}\n{\"t\":\"a\",\"n\":2}\n{\"n\":3}\n";
        let mut buffer = Buffer::default();
        buffer.add_source("s", None);
        buffer.push("s", input, 1, 0);
        let piece = buffer.pieces(&Format::Ndjson, &Limits::default()).remove(0);
        let mut splitter = Splitter::new("t");
        Reader::new(Limits::default()).read(&Format::Ndjson, &mut buffer.chunk(&piece), &mut splitter);
        let split = splitter.finish(&piece);
        assert_eq!((split.bad.len(), split.bad[0].line), (1, 3));
        let values: Vec<_> = split.by_value.keys().map(Option::as_deref).collect();
        assert_eq!(values, [None, Some("2"), Some("a")]);
        let a = &split.by_value[&Some("a".to_owned())];
        assert_eq!(a.chunk().data(), b"{\"t\":\"a\",\"n\":1}\n{\"t\":\"a\",\"n\":2}\n");
        let places: Vec<_> = a.refused("t").iter().map(|misfit| (misfit.line, misfit.byte)).collect();
        assert_eq!(places, [(1, 0), (5, 42)]);
        assert_eq!(a.origin(16), (42, 5));
    }
}

//! Collecting evidence from records as they are read.

use super::classify::observe;
use super::evidence::{Class, Evidence, Position};
use super::merge::{BadRecords, FieldEvidence, Sketch, SourceEvidence};
use crate::records::{Bad, Format, PathTable, ROOT, Record, Sink, csv_paths};

/// Collects the evidence of one reader's records. One per thread; the sketches of all threads are merged at the end.
#[derive(Debug, Default)]
pub struct Collector {
    evidence: Vec<Evidence>,
    /// Records and bad records of each input.
    sources: Vec<(u64, u64)>,
    bad: BadRecords,
    /// The last chunk taken in, to know whether the present one comes after all others.
    last: Option<(u32, u64)>,
    in_order: bool,
}

impl Collector {
    /// Says which chunk the next records come from. Chunks may come in any order; in ascending order it is faster.
    pub fn begin(&mut self, source: u32, sequence: u64) {
        self.in_order = self.last.is_none_or(|last| last < (source, sequence));
        self.last = self.last.max(Some((source, sequence)));
    }

    /// The records taken in so far.
    pub fn records(&self) -> u64 {
        self.sources.iter().map(|(records, _)| records).sum()
    }

    /// The records taken in so far of one input.
    pub fn records_of(&self, source: u32) -> u64 {
        self.sources.get(source as usize).map_or(0, |(records, _)| *records)
    }

    /// Counts a stretch of input that the source layer could not hold.
    pub fn gap(&mut self, source: u32, offset: u64, line: u64, reason: &str) {
        self.source(source).1 += 1;
        self.bad.add(Position { source, offset, line }, reason.to_string());
    }

    /// The evidence as a sketch. `names` and `formats` are those of the inputs, in the order of their numbers.
    pub fn finish(self, paths: &PathTable, names: &[String], formats: &[Format]) -> Sketch {
        let mut fields: Vec<FieldEvidence> = Vec::new();
        for (node, evidence) in self.evidence.into_iter().enumerate() {
            let node = node as u32;
            let collapsed = paths.is_collapsed(node);
            if collapsed || (node != ROOT && evidence.appeared.0 != u32::MAX) {
                fields.push(FieldEvidence { path: paths.path(node), evidence: Evidence { collapsed, ..evidence } });
            }
        }
        for (source, format) in formats.iter().enumerate() {
            let Format::Csv(layout) = format else { continue };
            // A header declares its columns, also when there is no row; they appear in its order.
            for (column, path) in csv_paths(&layout.columns).into_iter().enumerate() {
                let appeared = (source as u32, column as u64);
                fields.push(FieldEvidence { path, evidence: Evidence { appeared, ..Evidence::default() } });
            }
        }
        let source = |(i, name): (usize, &String)| {
            let (records, bad) = self.sources.get(i).copied().unwrap_or_default();
            SourceEvidence { name: name.clone(), format: formats.get(i).cloned(), records, bad }
        };
        let sources = names.iter().enumerate().map(source).collect();
        Sketch::assemble(sources, fields, self.bad)
    }

    fn source(&mut self, source: u32) -> &mut (u64, u64) {
        let source = source as usize;
        if self.sources.len() <= source {
            self.sources.resize(source + 1, (0, 0));
        }
        &mut self.sources[source]
    }
}

impl Sink for Collector {
    fn record(&mut self, paths: &PathTable, record: &Record<'_>) {
        self.source(record.source).0 += 1;
        if self.evidence.len() < paths.len() {
            self.evidence.resize_with(paths.len(), Evidence::default);
        }
        let position = Position { source: record.source, offset: record.offset, line: record.line };
        for node in record.overwritten {
            self.evidence[*node as usize].overwritten.add(position);
        }
        for field in record.fields {
            let evidence = &mut self.evidence[field.node as usize];
            let class: Class = observe(evidence, field.kind, &record.text(field));
            let count = &mut evidence.counts[class as usize];
            *count += 1;
            if *count == 1 || !self.in_order {
                evidence.note_first(class, position);
                // A CSV column appears with its header, which `finish` notes; its offset comes before any cell's.
                evidence.appeared = evidence.appeared.min((record.source, record.offset_of(field)));
            }
        }
    }

    fn bad(&mut self, bad: &Bad<'_>) {
        self.source(bad.source).1 += 1;
        let position = Position { source: bad.source, offset: bad.offset, line: bad.line };
        self.bad.add(position, bad.fault.to_string());
    }
}

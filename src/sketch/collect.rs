//! Collecting evidence from records as they are read.

use super::classify::observe;
use super::evidence::{Class, Evidence, Position};
use super::memo::Memo;
use super::merge::{BadRecords, FieldEvidence, Sketch, SourceEvidence};
use super::quick::Measures;
use super::tile::{Column, Room};
use crate::records::{Bad, Field, Format, PathTable, Record, Sink, Tile, csv_paths};

/// Collects the evidence of one reader's records. One per thread; the sketches of all threads are merged at the end.
#[derive(Debug)]
pub struct Collector {
    /// The inputs' names, sorted.
    names: Vec<String>,
    /// The place of each input in that order.
    ranks: Vec<u32>,
    evidence: Vec<Evidence>,
    /// What the short way has measured of each field, beside its evidence.
    measures: Vec<Measures>,
    /// Whether all values go the plain way.
    plain: bool,
    /// Records and bad records of each input.
    sources: Vec<(u64, u64)>,
    bad: BadRecords,
    /// The last chunk taken in, to know whether the present one comes after all others.
    last: Option<(u32, u64)>,
    in_order: bool,
    /// What is remembered of each column of tiles.
    memos: Vec<Memo>,
    room: Box<Room>,
}

impl Collector {
    /// Makes a collector for inputs with these names, in the order of their numbers.
    pub fn new(names: &[&str]) -> Self {
        let mut order: Vec<u32> = (0..names.len() as u32).collect();
        order.sort_by_key(|source| names[*source as usize]);
        let mut ranks = vec![0; names.len()];
        order.iter().zip(0..).for_each(|(source, rank)| ranks[*source as usize] = rank);
        let names = order.iter().map(|source| names[*source as usize].to_string()).collect();
        Collector {
            names,
            ranks,
            evidence: Vec::new(),
            measures: Vec::new(),
            plain: false,
            sources: Vec::new(),
            bad: BadRecords::default(),
            last: None,
            in_order: true,
            memos: Vec::new(),
            room: Box::default(),
        }
    }

    /// Takes all values in by the plain way. The evidence is the same, at less speed: what the shortcuts are compared with.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Says which chunk the next records come from. Chunks may come in any order; in that of the inputs' names and of
    /// their numbers it is faster.
    pub fn begin(&mut self, source: u32, sequence: u64) {
        let place = (self.rank(source), sequence);
        self.in_order = self.last.is_none_or(|last| last < place);
        self.last = self.last.max(Some(place));
    }

    /// The number of an input in the order of names, by which evidence is compared.
    fn rank(&self, source: u32) -> u32 {
        self.ranks.get(source as usize).copied().unwrap_or(source)
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
        self.bad.add(Position { source: self.rank(source), offset, line }, reason.to_string());
    }

    /// The evidence as a sketch. `formats` are those of the inputs, in the order of their numbers.
    pub fn finish(mut self, paths: &PathTable, formats: &[Format]) -> Sketch {
        for (evidence, measures) in self.evidence.iter_mut().zip(std::mem::take(&mut self.measures)) {
            measures.put_into(evidence);
        }
        let mut fields: Vec<FieldEvidence> = Vec::new();
        for (node, evidence) in std::mem::take(&mut self.evidence).into_iter().enumerate() {
            let node = node as u32;
            let collapsed = paths.is_collapsed(node);
            if collapsed || evidence.appeared.0 != u32::MAX {
                fields.push(FieldEvidence { path: paths.path(node), evidence: Evidence { collapsed, ..evidence } });
            }
        }
        for (source, format) in formats.iter().enumerate() {
            let Format::Csv(layout) = format else { continue };
            // A header declares its columns, also when there is no row; they appear in its order.
            for (column, path) in csv_paths(&layout.columns).into_iter().enumerate() {
                let appeared = (self.rank(source as u32), column as u64);
                fields.push(FieldEvidence { path, evidence: Evidence { appeared, ..Evidence::default() } });
            }
        }
        let named = |name: String| SourceEvidence { name, format: None, records: 0, bad: 0 };
        let mut sources: Vec<SourceEvidence> = std::mem::take(&mut self.names).into_iter().map(named).collect();
        for (source, rank) in self.ranks.iter().enumerate() {
            let (records, bad) = self.sources.get(source).copied().unwrap_or_default();
            let format = formats.get(source).cloned();
            sources[*rank as usize] = SourceEvidence { format, records, bad, ..sources[*rank as usize].clone() };
        }
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

/// The class of a value by the plain way, with its measures.
#[inline(never)]
fn plainly(evidence: &mut Evidence, record: &Record<'_>, field: &Field) -> Class {
    observe(evidence, field.kind, &record.text(field))
}

impl Collector {
    /// Takes in the fields of a record, all by the plain way if so said, and with or without regard to the order in which
    /// chunks come.
    #[inline(always)]
    fn fields<const PLAIN: bool, const IN_ORDER: bool>(&mut self, record: &Record<'_>, position: Position) {
        for field in record.fields {
            let node = field.node as usize;
            let measures = &mut self.measures[node];
            let quick = if PLAIN { None } else { measures.take(record.bytes, field) };
            let class = match quick {
                Some(class) => class,
                None => plainly(&mut self.evidence[node], record, field),
            };
            if IN_ORDER && measures.counts(class) {
                continue;
            }
            let evidence = &mut self.evidence[node];
            if measures.count(class, evidence) || !IN_ORDER {
                evidence.note_first(class, position);
                // A CSV column appears with its header, which `finish` notes; its offset comes before any cell's.
                evidence.appeared = evidence.appeared.min((position.source, record.offset_of(field)));
            }
        }
    }
}

impl Sink for Collector {
    fn record(&mut self, paths: &PathTable, record: &Record<'_>) {
        self.source(record.source).0 += 1;
        let source = self.rank(record.source);
        if self.evidence.len() < paths.len() {
            self.evidence.resize_with(paths.len(), Evidence::default);
            self.measures.resize_with(paths.len(), Measures::default);
        }
        let position = Position { source, offset: record.offset, line: record.line };
        for node in record.overwritten {
            self.evidence[*node as usize].overwritten.add(position);
        }
        match (self.plain, self.in_order) {
            (false, true) => self.fields::<false, true>(record, position),
            (false, false) => self.fields::<false, false>(record, position),
            (true, true) => self.fields::<true, true>(record, position),
            (true, false) => self.fields::<true, false>(record, position),
        }
    }

    fn tile(&mut self, paths: &PathTable, tile: &Tile<'_>) {
        if self.plain {
            return tile.each_record(|record| self.record(paths, record));
        }
        self.source(tile.source()).0 += tile.rows() as u64;
        let (source, in_order) = (self.rank(tile.source()), self.in_order);
        if self.evidence.len() < paths.len() {
            self.evidence.resize_with(paths.len(), Evidence::default);
            self.measures.resize_with(paths.len(), Measures::default);
        }
        if self.memos.len() < self.evidence.len() {
            self.memos.resize_with(self.evidence.len(), Memo::default);
        }
        for (column, node) in tile.columns().iter().enumerate() {
            let (evidence, memo) = (&mut self.evidence[*node as usize], &mut self.memos[*node as usize]);
            Column { tile, column, source, in_order, evidence, memo }.take(&mut self.room);
        }
    }

    fn bad(&mut self, bad: &Bad<'_>) {
        self.source(bad.source).1 += 1;
        let position = Position { source: self.rank(bad.source), offset: bad.offset, line: bad.line };
        self.bad.add(position, bad.fault.to_string());
    }
}

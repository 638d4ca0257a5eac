//! A sketch: the evidence of any part of any inputs, and putting such parts together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::evidence::{Evidence, Position, Seen};
use crate::path::Path;
use crate::records::{Format, MAX_KEYS};

/// How many bad records a sketch lists by place; all are counted.
pub const MAX_BAD_LISTED: usize = 1000;

/// One field and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldEvidence {
    /// The field.
    pub path: Path,
    /// What is known of it.
    pub evidence: Evidence,
}

/// One input and how much of it was taken in.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceEvidence {
    /// Its name.
    pub name: String,
    /// Its format, if it was looked at.
    pub format: Option<Format>,
    /// Records taken in.
    pub records: u64,
    /// Stretches that were no records.
    pub bad: u64,
}

/// The records that were none: how many, and the first of them by place.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BadRecords {
    pub(crate) count: u64,
    pub(crate) first: Vec<(Position, String)>,
}

impl BadRecords {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The first [`MAX_BAD_LISTED`] of them by place, each with its reason.
    pub fn first(&self) -> &[(Position, String)] {
        &self.first
    }

    pub(crate) fn add(&mut self, position: Position, reason: String) {
        self.count += 1;
        self.first.push((position, reason));
        if self.first.len() >= 2 * MAX_BAD_LISTED {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.first.sort();
        self.first.truncate(MAX_BAD_LISTED);
    }
}

/// Evidence about the fields of some input: what was seen, and nothing of what it means.
///
/// Sketches merge in any order and grouping to the same result; [`Sketch::default`] changes nothing. The result
/// depends on the input alone and not on how it was cut.
///
/// ```
/// use longshore::{Sketch, Source};
/// let a = Sketch::of(&Source::bytes("{\"id\":1}\n").named("a"))?;
/// let b = Sketch::of(&Source::bytes("{\"id\":70000}\n").named("b"))?;
/// let ab = a.clone().merge(b.clone());
/// assert_eq!(ab, b.merge(a));
/// assert_eq!(Sketch::from_bytes(&ab.to_bytes())?, ab);
/// # Ok::<(), longshore::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sketch {
    /// Sorted by name; positions count in this order.
    pub(crate) sources: Vec<SourceEvidence>,
    /// Sorted by path.
    pub(crate) fields: Vec<FieldEvidence>,
    /// What is known of the records as values. They become a field where they have too many keys between them, which only the
    /// whole may show.
    pub(crate) root: Option<Box<Evidence>>,
    pub(crate) bad: BadRecords,
}

impl Sketch {
    /// Makes a sketch of parts in any order; fields and sources that stand twice are merged.
    pub(crate) fn assemble(sources: Vec<SourceEvidence>, fields: Vec<FieldEvidence>, bad: BadRecords) -> Sketch {
        let mut sketch = Sketch { sources, fields, root: None, bad };
        sketch.sort_sources();
        sketch.sort_fields();
        sketch.bad.settle();
        sketch
    }

    /// Puts two sketches together.
    #[must_use]
    pub fn merge(mut self, mut other: Sketch) -> Sketch {
        let shift = self.sources.len() as u32;
        other.renumber(|source| source + shift);
        self.sources.append(&mut other.sources);
        self.fields.append(&mut other.fields);
        self.fields.extend(other.root.map(FieldEvidence::of_root));
        self.bad.count = self.bad.count.saturating_add(other.bad.count);
        self.bad.first.append(&mut other.bad.first);
        self.sort_sources();
        self.sort_fields();
        self.bad.settle();
        self
    }

    /// Puts any number of sketches together.
    pub fn merge_all(sketches: impl IntoIterator<Item = Sketch>) -> Sketch {
        sketches.into_iter().fold(Sketch::default(), Sketch::merge)
    }

    /// Records taken in.
    pub fn records(&self) -> u64 {
        self.sources.iter().fold(0, |sum, source| sum.saturating_add(source.records))
    }

    /// The inputs, sorted by name.
    pub fn sources(&self) -> &[SourceEvidence] {
        &self.sources
    }

    /// The fields, sorted by path.
    pub fn fields(&self) -> &[FieldEvidence] {
        &self.fields
    }

    /// What was no record.
    pub fn bad(&self) -> &BadRecords {
        &self.bad
    }

    /// How many keys stood twice in one object (the last value counts), and the first record with one. Objects that are
    /// kept whole are not looked into.
    pub fn duplicate_keys(&self) -> (u64, Option<Position>) {
        let mut all = Seen::default();
        self.fields.iter().for_each(|field| all.merge(&field.evidence.overwritten));
        (all.count, all.first)
    }

    /// The name of the input that a position is in.
    pub fn source_name(&self, position: Position) -> &str {
        self.sources.get(position.source as usize).map_or("", |source| &source.name)
    }

    /// Brings the inputs into the order of their names and merges those with one name.
    fn sort_sources(&mut self) {
        let mut by_name: BTreeMap<String, SourceEvidence> = BTreeMap::new();
        let names: Vec<String> = self.sources.iter().map(|source| source.name.clone()).collect();
        for source in std::mem::take(&mut self.sources) {
            let merged = by_name.entry(source.name.clone()).or_insert_with(|| SourceEvidence {
                name: source.name.clone(),
                format: None,
                records: 0,
                bad: 0,
            });
            merged.records += source.records;
            merged.bad += source.bad;
            // Parts of one input have one format; of two that differ the one that spells smaller is kept, so that
            // the order of merging does not show.
            merged.format = match (merged.format.take(), source.format) {
                (Some(a), Some(b)) => Some(if format!("{a:?}") <= format!("{b:?}") { a } else { b }),
                (a, b) => a.or(b),
            };
        }
        let order: Vec<&String> = by_name.keys().collect();
        let number = |old: u32| {
            let place = names.get(old as usize).and_then(|name| order.binary_search(&name).ok());
            place.map_or(u32::MAX, |place| place as u32)
        };
        let mapping: Vec<u32> = (0..names.len() as u32).map(number).collect();
        self.renumber(|source| mapping.get(source as usize).copied().unwrap_or(u32::MAX));
        self.sources = by_name.into_values().collect();
    }

    fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        let renumber = |position: &mut Position| position.source = number(position.source);
        let fields = self.fields.iter_mut().map(|field| &mut field.evidence);
        for evidence in fields.chain(self.root.as_deref_mut()) {
            evidence.first.iter_mut().for_each(|(_, position)| renumber(position));
            evidence.overwritten.first.iter_mut().for_each(renumber);
            if evidence.appeared.0 != u32::MAX {
                evidence.appeared.0 = number(evidence.appeared.0);
            }
        }
        self.bad.first.iter_mut().for_each(|(position, _)| renumber(position));
    }

    /// Sorts fields by path, merges those with one path, and drops what lies below an object with too many keys.
    fn sort_fields(&mut self) {
        let mut by_path: BTreeMap<Path, Evidence> = BTreeMap::new();
        let root = self.root.take().map(FieldEvidence::of_root);
        for field in std::mem::take(&mut self.fields).into_iter().chain(root) {
            match by_path.entry(field.path) {
                Entry::Occupied(mut known) => known.get_mut().merge(&field.evidence),
                Entry::Vacant(place) => {
                    place.insert(field.evidence);
                }
            }
        }
        // Columns that CSV headers name are no keys of a map, however many they are.
        let all_csv = self.sources.iter().all(|source| matches!(source.format, None | Some(Format::Csv(_))));
        if by_path.len() > MAX_KEYS && !all_csv {
            mark_maps(&mut by_path);
        }
        collapse(&mut by_path);
        let root = by_path.first_entry().filter(|first| first.key().keys().is_empty() && !first.get().collapsed);
        self.root = root.map(|root| Box::new(root.remove()));
        self.fields = by_path.into_iter().map(|(path, evidence)| FieldEvidence { path, evidence }).collect();
    }
}

impl FieldEvidence {
    /// What is known of the records as values, as of a field.
    pub(crate) fn of_root(evidence: Box<Evidence>) -> Self {
        FieldEvidence { path: Path::new(std::iter::empty::<String>()), evidence: *evidence }
    }
}

/// Marks objects that hold more than [`MAX_KEYS`] different keys between them. The mark depends on the union of the keys
/// only, so it does not matter in which part it was noticed.
fn mark_maps(fields: &mut BTreeMap<Path, Evidence>) {
    let mut children: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for path in fields.keys().filter(|path| !path.keys().is_empty()) {
        *children.entry(path.keys()[..path.keys().len() - 1].to_vec()).or_default() += 1;
    }
    for (keys, _) in children.into_iter().filter(|(_, count)| *count > MAX_KEYS) {
        fields.entry(Path::new(keys)).or_default().collapsed = true;
    }
}

/// Drops what is below a mark.
fn collapse(fields: &mut BTreeMap<Path, Evidence>) {
    let marked: Vec<Vec<String>> =
        fields.iter().filter(|(_, evidence)| evidence.collapsed).map(|(path, _)| path.keys().to_vec()).collect();
    if !marked.is_empty() {
        let below =
            |path: &Path| marked.iter().any(|top| path.keys().len() > top.len() && path.keys().starts_with(top));
        fields.retain(|path, _| !below(path));
    }
}

//! The inputs on the disk, made once, with what is known of them.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use longshore::records::{Bad, FieldKind, PathTable, Record, Sink};
use longshore::{Inference, ReadOptions, Source};
use serde::{Deserialize, Serialize};
use simd_json::Node;

use crate::Failure;
use crate::support::{CLICKSTREAM, EVENTS, FLIGHTS, REVIEWS, Shape};
use crate::worker::{json, longshore as own};

/// To be raised when the generators change, so that files of old are made anew.
const GENERATION: u32 = 1;

pub(crate) const SHAPES: [Shape; 4] = [CLICKSTREAM, EVENTS, FLIGHTS, REVIEWS];

/// One input file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Input {
    /// Its shape: `ndjson/events`.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    /// Values that are no arrays and no objects; in CSV, cells.
    pub(crate) leaves: u64,
    generation: u32,
}

impl Input {
    pub(crate) fn is_json(&self) -> bool {
        self.name.starts_with("ndjson/")
    }

    /// Where longshore's evidence of the file is kept, for the jobs that know the schema before they begin.
    pub(crate) fn sketch(path: &Path) -> PathBuf {
        path.with_extension("sketch")
    }
}

/// The input of a shape and size, made if it is not there.
pub(crate) fn input(shape: &Shape, size: u64, folder: &Path) -> Result<Input, Failure> {
    let folder = folder.join(size.to_string());
    let path = folder.join(shape.name.replace('/', "-"));
    let card = path.with_extension("json");
    let known = fs::read(&card).ok().and_then(|text| serde_json::from_slice::<Input>(&text).ok());
    if let Some(input) = known
        && input.generation == GENERATION
        && fs::metadata(&path).is_ok_and(|file| file.len() == input.bytes)
    {
        return Ok(Input { path, ..input });
    }
    eprintln!("making {}", path.display());
    fs::create_dir_all(&folder)?;
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&path)?);
    shape.write(size, &mut out)?;
    out.flush()?;
    let inference = Inference::of(&Source::path(&path), &ReadOptions::default())?;
    fs::write(Input::sketch(&path), inference.sketch.to_bytes())?;
    let mut input = Input {
        name: shape.name.to_string(),
        bytes: fs::metadata(&path)?.len(),
        records: inference.sketch.records(),
        leaves: 0,
        generation: GENERATION,
        path,
    };
    input.leaves = leaves(&input)?;
    fs::write(&card, serde_json::to_vec(&input)?)?;
    Ok(input)
}

/// Counts leaves: in JSON by a parser that is none of ours.
fn leaves(input: &Input) -> Result<u64, Failure> {
    let mut leaves = 0;
    if input.is_json() {
        json::tapes(&input.path, |tape| {
            let (mut others, mut keys) = (0, 0);
            for node in &tape.0 {
                match node {
                    Node::Object { len, .. } => (others, keys) = (others + 1, keys + len),
                    Node::Array { .. } => others += 1,
                    Node::String(_) | Node::Static(_) => {}
                }
            }
            leaves += (tape.0.len() - others - keys) as u64;
        })?;
        return Ok(leaves);
    }
    let mut cells = Cells::default();
    own::read(&input.path, &mut cells)?;
    Ok(cells.0)
}

#[derive(Default)]
struct Cells(u64);

impl Sink for Cells {
    fn record(&mut self, _: &PathTable, record: &Record<'_>) {
        let cells = record.fields.iter();
        self.0 += cells.filter(|field| !matches!(field.kind, FieldKind::Object)).count() as u64;
    }

    fn bad(&mut self, _: &Bad<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_as_large_as_asked_and_its_records_are_counted() {
        let folder = std::env::temp_dir().join(format!("longshore-stand-{}", std::process::id()));
        for shape in &SHAPES {
            let input = input(shape, 100_000, &folder).unwrap();
            assert!((100_000..120_000).contains(&input.bytes), "{}: {} bytes", input.name, input.bytes);
            assert!(input.records > 50 && input.leaves > 5 * input.records);
        }
        fs::remove_dir_all(folder).unwrap();
    }
}

//! simd-json, serde_json and genson-rs.

use std::path::Path;

use memchr::{memchr, memchr_iter};
use simd_json::{Buffers, INPUT_PADDING, Tape};

use super::{Task, blocks};
use crate::Failure;
use crate::measure::{Done, Measured, measure};

/// Hands over the tape of every line of a file. Buffers are reused and nothing is copied: the fastest way to a tape.
pub(crate) fn tapes(file: &Path, mut each: impl FnMut(&Tape<'_>)) -> Result<(), Failure> {
    let mut buffers = Buffers::default();
    let mut spare = Tape::null();
    blocks(file, INPUT_PADDING, |block, whole| {
        let mut start = 0;
        while start < whole {
            let end = memchr(b'\n', &block[start..whole]).map_or(whole, |at| start + at);
            let mut tape = std::mem::replace(&mut spare, Tape(Vec::new())).reset();
            let line = &mut block[start..end + INPUT_PADDING];
            simd_json::fill_tape_padded(line, end - start, &mut buffers, &mut tape)?;
            each(&tape);
            spare = tape.reset();
            start = end + 1;
        }
        Ok(())
    })
}

pub(super) fn tape(task: &Task) -> Result<Measured, Failure> {
    measure(|| {
        let mut rows = 0;
        tapes(&task.file, |tape| rows += u64::from(!tape.0.is_empty()))?;
        Ok(Done::rows(rows))
    })
}

pub(super) fn value(task: &Task) -> Result<Measured, Failure> {
    measure(|| {
        let mut rows = 0;
        blocks(&task.file, 0, |block, whole| {
            let mut start = 0;
            for end in memchr_iter(b'\n', &block[..whole]) {
                let value: serde_json::Value = serde_json::from_slice(&block[start..end])?;
                rows += u64::from(value.is_object());
                start = end + 1;
            }
            Ok(())
        })?;
        Ok(Done::rows(rows))
    })
}

#[cfg(feature = "genson")]
pub(super) fn genson(task: &Task) -> Result<Measured, Failure> {
    use genson_rs::{BuildConfig, build_json_schema, get_builder};

    let pool = rayon::ThreadPoolBuilder::new().num_threads(task.threads).build()?;
    measure(|| {
        let mut text = std::fs::read(&task.file)?;
        let config = BuildConfig { delimiter: Some(b'\n'), ignore_outer_array: true };
        let schema = pool.install(|| build_json_schema(&mut get_builder(None), &mut text, &config));
        match schema.get("properties") {
            Some(_) => Ok(Done::default()),
            None => Err("no properties".into()),
        }
    })
}

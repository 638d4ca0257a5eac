//! Vector code, and the only place with `unsafe`.
//!
//! Each function has a scalar twin that gives the same answer; tests compare them at all lengths and offsets. Which
//! one runs is found out once, when the process first asks.

#![allow(unsafe_code, reason = "vector loads; each block says why it is sound")]

mod append;
mod block;
mod csv;
mod integers;
mod lanes;
mod rows;
mod spans;
mod strings;
mod vector;

pub(crate) use append::extend_to_escape;
pub(crate) use block::{Block, Memory};
pub(crate) use csv::{Index, Look, Marks, Separators, last_row_end, look};
pub(crate) use integers::{Integers, Word, Words, integers, numbers, others};
pub(crate) use lanes::{LANES, Lengths, texts};
pub(crate) use rows::{LONGEST, Rows, Run, Spare, TILE, filled, prefetch};
pub(crate) use spans::{Spans, Watch};
pub(crate) use strings::{Part, StoredTexts, Texts};
pub(crate) use vector::{Job, Padded, Quotes, Vector, WINDOW, Window, dispatch};

/// Whether this process may use AVX-512 with what Ice Lake, Zen 4 and later have of it.
#[cfg(target_arch = "x86_64")]
#[inline]
fn has_avx512() -> bool {
    static FOUND: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
        std::arch::is_x86_feature_detected!("avx512vbmi2")
            && std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && has_avx2()
    });
    *FOUND
}

/// Whether this process may use AVX2 and what every processor with AVX2 has.
#[cfg(target_arch = "x86_64")]
#[inline]
fn has_avx2() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("pclmulqdq")
        && std::arch::is_x86_feature_detected!("bmi1")
        && std::arch::is_x86_feature_detected!("bmi2")
        && std::arch::is_x86_feature_detected!("popcnt")
        && std::arch::is_x86_feature_detected!("lzcnt")
}

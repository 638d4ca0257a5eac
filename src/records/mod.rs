//! A chunk → records and fields, by SIMD, with exact positions.

mod csv;
mod detect;
mod format;

pub use detect::{HEAD_BYTES, detect};
pub use format::{Dialect, Escape, Format, FormatOptions, Kind, Layout, LineEnd};

//! A chunk → records and fields, by SIMD, with exact positions.

mod format;

pub use format::{Dialect, Escape, Format, FormatOptions, Kind, Layout, LineEnd};

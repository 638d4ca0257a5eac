//! A chunk → records and fields, by SIMD, with exact positions.

mod csv;
mod detect;
mod format;
mod json;
mod paths;
mod reader;
mod record;

pub(crate) use csv::PAD;
pub use csv::Tile;
pub use detect::{HEAD_BYTES, detect};
pub use format::{Dialect, Escape, Format, FormatOptions, Kind, Layout, LineEnd};
pub use json::check_json;
pub(crate) use json::unescaped_len;
pub use paths::{MAX_KEYS, NO_NODE, NodeId, PathTable, ROOT};
pub use reader::{Limits, MAX_DEPTH, MAX_FIELDS, MAX_NESTED_FIELDS, Reader, csv_paths, cutter};
pub use record::{Bad, Fault, Field, Kind as FieldKind, Record, Sink};

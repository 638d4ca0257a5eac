//! longshore turns raw JSON and CSV records into well-defined warehouse tables.

pub mod batch;
pub mod error;
pub mod load;
pub mod path;
pub mod plan;
pub mod records;
pub mod schema;
pub mod source;
pub mod value;

pub use error::{Error, ErrorKind, Location, Result};
pub use path::Path;
pub use plan::{Dialect, Plan};
pub use schema::{Column, Schema, Type};

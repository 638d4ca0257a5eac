//! Records → mergeable evidence about every field: serialisable, small, versioned.
//!
//! A sketch says what was seen and decides nothing. Merging two sketches is commutative and associative, and the
//! empty sketch changes nothing, so the result does not depend on how the input was cut or on how many threads or
//! machines took part; what the evidence means is decided once, at the end, by a policy.

mod classify;
mod collect;
mod evidence;
mod json;
mod memo;
mod merge;
mod quick;
mod tile;
mod watch;

pub(crate) use classify::null_words;
pub use collect::Collector;
pub use evidence::{Class, ClassSet, Evidence, Position, Range};
pub use merge::{BadRecords, FieldEvidence, MAX_BAD_LISTED, Sketch, SourceEvidence};

//! Records in quarantine, whatever the place that keeps them.

use serde::Serialize;

use crate::error::{Error, Result};

/// Which records of a quarantine are meant. What is not said is no condition.
///
/// ```
/// # #[cfg(any(feature = "postgres", feature = "parquet"))] {
/// use longshore::load::Selection;
/// let selection = Selection::default().path("order.zip").source("orders.csv");
/// assert_eq!(selection.path.as_deref(), Some("order.zip"));
/// assert!(Selection::default().id("seven").is_err());
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selection {
    /// Only those with exactly this reason.
    pub reason: Option<String>,
    /// Only those of which the value at this path did not fit.
    pub path: Option<String>,
    /// Only those of this source: a file, or `events-3` for all writes `events-3@…` of a stream.
    pub source: Option<String>,
    /// Only those of this load.
    pub load_id: Option<String>,
    /// Also those that were loaded by a replay, and those of loads whose rows were replaced.
    pub replayed: bool,
    /// Only these.
    pub(super) numbers: Option<Vec<i64>>,
}

impl Selection {
    /// Selects a reason.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Selects a path.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Selects a source.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Selects a load.
    #[must_use]
    pub fn load_id(mut self, load_id: impl Into<String>) -> Self {
        self.load_id = Some(load_id.into());
        self
    }

    /// Selects one record, as its [`KeptRecord::id`] names it; may be called again for more.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) for what is no such id.
    pub fn id(mut self, id: &str) -> Result<Self> {
        let number = id.parse().map_err(|_| {
            Error::config(format!("`{id}` is no id of a quarantined record"))
                .with_hint("ids are whole numbers; `longshore quarantine list` shows the first of each group")
        })?;
        self.numbers.get_or_insert_default().push(number);
        Ok(self)
    }

    /// Whether single records are selected.
    #[cfg(feature = "parquet")]
    pub(crate) fn has_ids(&self) -> bool {
        self.numbers.is_some()
    }

    /// Selects also what was loaded by a replay, or belongs to a load whose rows were replaced.
    #[must_use]
    pub fn with_replayed(mut self) -> Self {
        self.replayed = true;
        self
    }
}

/// Records in quarantine that have reason, path and source in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptGroup {
    /// Why they are no rows.
    pub reason: String,
    /// The path whose value did not fit; `None` where the record as a whole is none.
    pub path: Option<String>,
    /// Where they come from.
    pub source: String,
    /// How many they are.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The id of the first of them.
    pub first: String,
    /// How many of them were loaded by a replay.
    pub replayed: u64,
    /// The load that `first` is of, in a folder: an id is a number within a load there.
    pub load_id: Option<String>,
}

/// One record in quarantine, with its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptRecord {
    /// What it is called in this quarantine.
    pub id: String,
    /// Where it comes from.
    pub source: String,
    /// Physical line, from 1.
    pub line: u64,
    /// Byte offset in the decompressed, decoded input.
    pub byte: u64,
    /// The path whose value did not fit; `None` where the record as a whole is none.
    pub path: Option<String>,
    /// Why it is no row.
    pub reason: String,
    /// Its bytes; the first 16 MiB of them, or 64 KiB where it was longer than the limit for records.
    pub raw: Vec<u8>,
    /// How many bytes it had.
    pub raw_bytes: u64,
    /// The load that it was part of.
    pub load_id: String,
    /// A hash of the columns that it was held against; `None` where an older version kept it.
    pub schema_version: Option<String>,
    /// When it was kept, as `2024-05-01T12:00:00Z`; empty where that was not written down.
    pub quarantined_at: String,
    /// The replay that loaded it.
    pub replayed_by: Option<String>,
    /// The replay that tried it and did not load it, in a folder: it is in that load's quarantine now.
    pub moved_to: Option<String>,
}

impl std::fmt::Debug for KeptRecord {
    /// Without the bytes: they are data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("KeptRecord");
        shown.field("id", &self.id).field("source", &self.source).field("line", &self.line).field("byte", &self.byte);
        shown.field("path", &self.path).field("reason", &self.reason).field("raw_bytes", &self.raw_bytes);
        shown.field("load_id", &self.load_id).finish_non_exhaustive()
    }
}

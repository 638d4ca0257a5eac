//! What evidence is to mean: defaults and hints.

use std::str::FromStr;

use super::names::Naming;
use super::table::Reading;
use super::types::Type;
use crate::error::{Error, Result};
use crate::path::Path;

/// What a user says of one column; it overrides what the data shows, and a value that does not follow it is
/// quarantined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The field's path as text.
    pub path: String,
    /// The type it is to have.
    pub ty: Type,
    /// How its values are spelled.
    pub reading: Reading,
}

impl Hint {
    /// Whether it names this column: by its path as it is shown, or by its keys as a JSON array, which no other has.
    pub(crate) fn is_for(&self, path: &Path) -> bool {
        self.path == path.to_string() || self.path == path.written()
    }
}

impl FromStr for Hint {
    type Err = Error;

    /// Reads `path=type` or `path=type@reading`, as in `order.zip=text`, `due=date@day_first`. The last `=` counts,
    /// since a path may hold one.
    ///
    /// ```
    /// use longshore::schema::{Hint, Reading};
    /// let hint: Hint = "due=date@day_first".parse()?;
    /// assert_eq!((hint.path.as_str(), hint.reading), ("due", Reading::DayFirst));
    /// assert!("due".parse::<Hint>().is_err());
    /// # Ok::<(), longshore::Error>(())
    /// ```
    fn from_str(text: &str) -> Result<Self> {
        let malformed = || {
            Error::config(format!("`{text}` is no hint"))
                .with_hint("write PATH=TYPE or PATH=TYPE@READING, as in order.zip=text or due=date@day_first")
        };
        let (path, rest) = text.rsplit_once('=').ok_or_else(malformed)?;
        let (ty, reading) = match rest.split_once('@') {
            Some((ty, reading)) => (ty.parse()?, reading.parse()?),
            None => (rest.parse()?, Reading::Native),
        };
        let hint = Hint { path: path.to_string(), ty, reading };
        if !reading.fits(ty) {
            return Err(Error::config(format!("a column of type {ty} cannot be read as {reading}")));
        }
        Ok(hint)
    }
}

impl Reading {
    const ALL: [(Reading, &'static str); 8] = [
        (Reading::Native, "native"),
        (Reading::DayFirst, "day_first"),
        (Reading::MonthFirst, "month_first"),
        (Reading::EpochSeconds, "epoch_seconds"),
        (Reading::EpochMillis, "epoch_millis"),
        (Reading::Words, "words"),
        (Reading::AssumeUtc, "assume_utc"),
        (Reading::Trim, "trim"),
    ];

    /// Whether values of a type can be spelled so.
    pub fn fits(self, ty: Type) -> bool {
        match self {
            Reading::Native => true,
            Reading::DayFirst | Reading::MonthFirst => ty == Type::Date,
            Reading::EpochSeconds | Reading::EpochMillis | Reading::AssumeUtc => matches!(ty, Type::TimestampTz(_)),
            Reading::Words => ty == Type::Boolean,
            Reading::Trim => {
                matches!(
                    ty,
                    Type::Int16 | Type::Int32 | Type::Int64 | Type::Float64 | Type::Decimal { .. } | Type::Date
                )
            }
        }
    }
}

impl std::fmt::Display for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Reading::ALL.iter().find(|(reading, _)| reading == self).map_or("", |(_, name)| name))
    }
}

impl FromStr for Reading {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Reading::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(reading, _)| *reading).ok_or_else(|| {
            let all: Vec<&str> = Reading::ALL.iter().map(|(_, name)| *name).collect();
            Error::config(format!("`{text}` is no way to read a column"))
                .with_hint(format!("they are {}", all.join(", ")))
        })
    }
}

/// What evidence is to mean. The defaults keep every value exactly; each can be overridden.
///
/// ```
/// use longshore::{Policy, Sketch, Source, Type};
/// let sketch = Sketch::of(&Source::bytes("{\"order\":{\"zip\":2134}}\n"))?;
/// let schema = Policy::default().hint("order.zip", Type::Text).resolve(&sketch)?;
/// assert_eq!(schema.column("order.zip").unwrap().ty, Type::Text);
/// # Ok::<(), longshore::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) hints: Vec<Hint>,
    pub(crate) naming: Naming,
    pub(crate) max_columns: usize,
    pub(crate) max_map_keys: usize,
    pub(crate) flatten: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { hints: Vec::new(), naming: Naming::default(), max_columns: 1_200, max_map_keys: 256, flatten: true }
    }
}

impl Policy {
    /// Gives the column at `path` a type, whatever the data shows. On an object, `Type::Json` keeps it whole.
    #[must_use]
    pub fn hint(self, path: impl Into<String>, ty: Type) -> Self {
        self.with_hint(Hint { path: path.into(), ty, reading: Reading::Native })
    }

    /// Adds a hint; a later one for the same path replaces an earlier one.
    #[must_use]
    pub fn with_hint(mut self, hint: Hint) -> Self {
        self.hints.retain(|known| known.path != hint.path);
        self.hints.push(hint);
        self
    }

    /// Sets how columns are named; snake case by default.
    #[must_use]
    pub fn naming(mut self, naming: Naming) -> Self {
        self.naming = naming;
        self
    }

    /// Sets how many columns a table may have, 1,200 by default (Postgres and Redshift stop at 1,600). Past it the
    /// fields that are filled most seldom share one overflow column of JSON.
    #[must_use]
    pub fn max_columns(mut self, columns: usize) -> Self {
        self.max_columns = columns.max(1);
        self
    }

    /// Sets how many different keys a nested object may have to become columns, 256 by default. With more it is a
    /// map, and stays whole as JSON.
    #[must_use]
    pub fn max_map_keys(mut self, keys: usize) -> Self {
        self.max_map_keys = keys;
        self
    }

    /// Sets whether nested objects become columns by path (the default) or stay whole as JSON.
    #[must_use]
    pub fn flatten(mut self, flatten: bool) -> Self {
        self.flatten = flatten;
        self
    }

    pub(crate) fn hint_of(&self, path: &Path) -> Option<&Hint> {
        self.hints.iter().find(|hint| hint.is_for(path))
    }
}

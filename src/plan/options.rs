//! How a new table is made.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::Dialect;
use crate::error::{Error, Result};

/// The Postgres type for JSON values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum JsonType {
    /// `jsonb`: parsed once, can be indexed; of equal keys the last stays, and the order of keys is lost.
    #[default]
    Jsonb,
    /// `json`: the text as it came, down to blanks and equal keys.
    Json,
}

/// Which columns refuse NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum NotNull {
    /// None: a later record without the field still loads.
    #[default]
    Never,
    /// Those that had a value in every record seen.
    Observed,
}

/// How the rows of a Redshift table are spread over its slices.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Distribution {
    /// As Redshift chooses (`DISTSTYLE AUTO`, its default; nothing is said).
    #[default]
    Auto,
    /// In turn.
    Even,
    /// The whole table on every node.
    All,
    /// By the value of the column with this path.
    Key(String),
}

/// How wide a Redshift `VARCHAR` is declared, from the longest value seen in UTF-8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum VarcharWidth {
    /// The first of 16, 32, 64, 128, 256, 512, 1024, 4096, 16384 and 65535 bytes of which the longest value takes at
    /// most half: later values may be twice as long, and near-equal data gives equal tables.
    #[default]
    Headroom,
    /// The first of those that the longest value fits.
    Tight,
    /// 65535 bytes, always. Costs memory in every query that sorts or joins.
    Max,
}

/// What becomes of a text column with a value over 65,535 bytes, the widest Redshift `VARCHAR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum LongText {
    /// `VARCHAR(65535)` with a warning: the longer values are refused, never cut.
    #[default]
    Varchar,
    /// `SUPER`, which holds strings of up to 16,000,000 bytes on clusters with `enable_large_strings_opt_in`. Of CSV, only
    /// cells that are JSON go into such a column; records with others are quarantined.
    Super,
}

/// A Redshift column encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// `RAW`: none.
    Raw,
    /// `AZ64`, for numbers, dates and times.
    Az64,
    /// `BYTEDICT`; a column with it can never be widened.
    Bytedict,
    /// `DELTA`
    Delta,
    /// `DELTA32K`
    Delta32k,
    /// `LZO`
    Lzo,
    /// `MOSTLY8`
    Mostly8,
    /// `MOSTLY16`
    Mostly16,
    /// `MOSTLY32`
    Mostly32,
    /// `RUNLENGTH`; a column with it can never be widened.
    Runlength,
    /// `TEXT255`; a column with it can never be widened.
    Text255,
    /// `TEXT32K`; a column with it can never be widened.
    Text32k,
    /// `ZSTD`
    Zstd,
}

impl Encoding {
    const ALL: [(&'static str, Encoding); 13] = [
        ("RAW", Encoding::Raw),
        ("AZ64", Encoding::Az64),
        ("BYTEDICT", Encoding::Bytedict),
        ("DELTA", Encoding::Delta),
        ("DELTA32K", Encoding::Delta32k),
        ("LZO", Encoding::Lzo),
        ("MOSTLY8", Encoding::Mostly8),
        ("MOSTLY16", Encoding::Mostly16),
        ("MOSTLY32", Encoding::Mostly32),
        ("RUNLENGTH", Encoding::Runlength),
        ("TEXT255", Encoding::Text255),
        ("TEXT32K", Encoding::Text32k),
        ("ZSTD", Encoding::Zstd),
    ];

    /// Whether a `VARCHAR` of this encoding can be widened in place later.
    pub fn widens(self) -> bool {
        !matches!(self, Encoding::Bytedict | Encoding::Runlength | Encoding::Text255 | Encoding::Text32k)
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Encoding::ALL.iter().find(|(_, encoding)| encoding == self).map_or("RAW", |(name, _)| name);
        f.write_str(name)
    }
}

impl FromStr for Encoding {
    type Err = Error;

    /// Reads an encoding's name in any case.
    fn from_str(text: &str) -> Result<Self> {
        let found = Encoding::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|&(_, encoding)| encoding).ok_or_else(|| {
            let names: Vec<&str> = Encoding::ALL.iter().map(|(name, _)| *name).collect();
            Error::config(format!("`{text}` is no column encoding"))
                .with_hint(format!("choose one of {}", names.join(", ")))
        })
    }
}

/// How a new table is made; what is not said takes the default named with each option.
///
/// ```
/// use longshore::plan::{CreateOptions, Dialect, Distribution, Plan};
/// use longshore::{Column, Path, Schema, Type};
/// let mut schema = Schema::default();
/// schema.columns.push(Column::new(Path::new(["id"]), "id", Type::Int64));
/// let options = CreateOptions::new(Dialect::Redshift)
///     .with_distribution(Distribution::Key("id".into()))
///     .with_sort_key(["id"])
///     .with_comments(false);
/// let plan = Plan::create_with(&schema, "orders", &options)?;
/// assert_eq!(
///     plan.to_string(),
///     "CREATE TABLE \"orders\" (\n    \"id\" BIGINT\n)\nDISTSTYLE KEY\nDISTKEY (\"id\")\nCOMPOUND SORTKEY (\"id\");\n"
/// );
/// # Ok::<(), longshore::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateOptions {
    pub(super) dialect: Dialect,
    pub(super) if_not_exists: bool,
    pub(super) not_null: NotNull,
    pub(super) json: JsonType,
    pub(super) comments: bool,
    pub(super) redshift: RedshiftOptions,
}

/// The options that only Redshift has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct RedshiftOptions {
    pub(super) distribution: Distribution,
    pub(super) sort_key: Vec<String>,
    pub(super) encode: BTreeMap<String, Encoding>,
    pub(super) width: VarcharWidth,
    pub(super) long_text: LongText,
}

impl CreateOptions {
    /// The defaults of a dialect.
    pub fn new(dialect: Dialect) -> Self {
        CreateOptions {
            dialect,
            if_not_exists: false,
            not_null: NotNull::default(),
            json: JsonType::default(),
            comments: true,
            redshift: RedshiftOptions::default(),
        }
    }

    /// Whether an existing table of that name is left as it is, rather than an error (default: an error).
    ///
    /// Servers compare the name only: a table of another shape passes, and gets the column comments.
    #[must_use]
    pub fn with_if_not_exists(mut self, yes: bool) -> Self {
        self.if_not_exists = yes;
        self
    }

    /// Which columns refuse NULL (default: none).
    #[must_use]
    pub fn with_not_null(mut self, which: NotNull) -> Self {
        self.not_null = which;
        self
    }

    /// The Postgres type for JSON values (default: `jsonb`). Redshift has only `SUPER`.
    #[must_use]
    pub fn with_json(mut self, json: JsonType) -> Self {
        self.json = json;
        self
    }

    /// Whether the source paths are kept in comments (default: yes). Without them a column is known by name only.
    #[must_use]
    pub fn with_comments(mut self, yes: bool) -> Self {
        self.comments = yes;
        self
    }

    /// How a Redshift table's rows are spread (default: as Redshift chooses).
    #[must_use]
    pub fn with_distribution(mut self, distribution: Distribution) -> Self {
        self.redshift.distribution = distribution;
        self
    }

    /// The paths of a Redshift table's compound sort key, at most 400 (default: as Redshift chooses).
    #[must_use]
    pub fn with_sort_key<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.redshift.sort_key = paths.into_iter().map(Into::into).collect();
        self
    }

    /// The encoding of one Redshift column, by path (default: as Redshift chooses, for all columns).
    ///
    /// Naming any turns Redshift's own choice off for the whole table.
    #[must_use]
    pub fn with_encoding(mut self, path: impl Into<String>, encoding: Encoding) -> Self {
        self.redshift.encode.insert(path.into(), encoding);
        self
    }

    /// How wide Redshift's `VARCHAR` columns are (default: [`VarcharWidth::Headroom`]).
    #[must_use]
    pub fn with_varchar_width(mut self, width: VarcharWidth) -> Self {
        self.redshift.width = width;
        self
    }

    /// What becomes of text over 65,535 bytes on Redshift (default: [`LongText::Varchar`]).
    #[must_use]
    pub fn with_long_text(mut self, long_text: LongText) -> Self {
        self.redshift.long_text = long_text;
        self
    }

    pub(super) fn redshift(&self) -> &RedshiftOptions {
        &self.redshift
    }

    pub(super) fn varchar_width(&self) -> VarcharWidth {
        self.redshift.width
    }

    /// Checks that the options belong to the dialect.
    pub(super) fn check(&self) -> Result<()> {
        let (stray, of) = match self.dialect {
            Dialect::Postgres => (self.redshift != RedshiftOptions::default(), Dialect::Redshift),
            Dialect::Redshift => (self.json != JsonType::default(), Dialect::Postgres),
        };
        if stray {
            return Err(Error::config(format!("an option of {of} is set for a table in {}", self.dialect)).with_hint(
                match of {
                    Dialect::Redshift => "distribution, sort key, encodings and VARCHAR widths exist on redshift only",
                    Dialect::Postgres => "redshift holds JSON as SUPER; json and jsonb exist on postgres only",
                },
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_reads_back_from_its_name() {
        for (name, encoding) in Encoding::ALL {
            assert_eq!(encoding.to_string(), name);
            assert_eq!(name.to_lowercase().parse::<Encoding>().unwrap(), encoding);
        }
        assert!("gzip".parse::<Encoding>().is_err());
    }

    #[test]
    fn options_of_the_other_dialect_are_refused() {
        assert!(CreateOptions::new(Dialect::Postgres).with_sort_key(["a"]).check().is_err());
        assert!(CreateOptions::new(Dialect::Redshift).with_json(JsonType::Json).check().is_err());
        assert!(CreateOptions::new(Dialect::Redshift).with_sort_key(["a"]).check().is_ok());
    }
}

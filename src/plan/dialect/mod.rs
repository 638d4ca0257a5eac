//! What differs between warehouses: types, limits, and the clauses of CREATE TABLE.

pub(super) mod postgres;
pub(super) mod redshift;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The warehouse whose SQL is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Dialect {
    /// PostgreSQL 15 or later.
    Postgres,
    /// Amazon Redshift.
    Redshift,
}

/// Columns a table can have, in either dialect.
pub(crate) const MAX_COLUMNS: usize = 1600;

impl Dialect {
    /// The longest name of a table or column, in bytes.
    pub fn name_limit(self) -> usize {
        match self {
            Dialect::Postgres => 63,
            Dialect::Redshift => 127,
        }
    }

    /// The longest statement, in bytes.
    pub(super) fn statement_limit(self) -> usize {
        match self {
            Dialect::Postgres => 1 << 30,
            Dialect::Redshift => 16 << 20,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dialect::Postgres => "postgres",
            Dialect::Redshift => "redshift",
        })
    }
}

impl FromStr for Dialect {
    type Err = Error;

    /// Reads `postgres` (or `postgresql`) and `redshift`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "postgres" | "postgresql" => Ok(Dialect::Postgres),
            "redshift" => Ok(Dialect::Redshift),
            _ => Err(Error::config(format!("`{text}` is no dialect")).with_hint("choose postgres or redshift")),
        }
    }
}

//! A session with the server, by the simple protocol alone: one statement a call, results as text.
//!
//! Prepared statements would ask for binary results, which Redshift has in a form of its own for some types, and would
//! look types up in catalogs that it lacks.

use std::fmt::Display;

use ::postgres::SimpleQueryMessage;

use super::error::{Failure, failed};
use crate::load::session::Client;

/// An open session.
pub(super) struct Session {
    client: Client,
}

/// Rows as text.
pub(super) type Rows = Vec<Vec<Option<String>>>;

impl Session {
    pub(super) fn new(client: Client) -> Self {
        Session { client }
    }

    /// Runs one statement.
    pub(super) fn run(&mut self, doing: impl Display, sql: &str) -> Result<(), Failure> {
        self.client.simple_query(sql).map(drop).map_err(|error| failed(doing, &error))
    }

    /// Runs one query.
    pub(super) fn rows(&mut self, doing: impl Display, sql: &str) -> Result<Rows, Failure> {
        let messages = self.client.simple_query(sql).map_err(|error| failed(doing, &error))?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
            _ => None,
        });
        Ok(rows.collect())
    }

    /// The first value of the first row.
    pub(super) fn value(&mut self, doing: impl Display, sql: &str) -> Result<Option<String>, Failure> {
        Ok(self.rows(doing, sql)?.into_iter().next().and_then(|row| row.into_iter().next()).flatten())
    }

    /// A number.
    pub(super) fn number(&mut self, doing: impl Display + Copy, sql: &str) -> Result<u64, Failure> {
        let value = self.value(doing, sql)?;
        let number = value.as_deref().map(str::trim).and_then(|text| text.parse().ok());
        number.ok_or_else(|| Failure::unreadable(doing))
    }

    /// Gives up the transaction, if there is one.
    pub(super) fn roll_back(&mut self) {
        let _ = self.client.simple_query("ROLLBACK");
    }
}

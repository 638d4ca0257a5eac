//! Loading into a Postgres server: table, rows, quarantine and ledger in one transaction.

mod adapt;
mod anew;
mod catalog;
mod commit;
mod contract;
mod copy;
mod early;
mod familiar;
mod gone;
mod isolate;
mod known;
mod ledger;
mod merge;
mod merge_columns;
mod merge_isolated;
mod offsets;
mod open;
mod open_batch;
mod promote;
mod quarantine;
mod replay;
mod rows;
mod spool;
mod stream;
mod variant;

pub(crate) use self::early::EarlyCopies;
pub(crate) use self::gone::{INDEX, PARENT_ID, ROW_ID};
pub(crate) use self::merge_columns::missing_field;
#[cfg(feature = "redshift")]
pub(crate) use self::merge_columns::{out_of_order, valueless};
pub(crate) use self::offsets::Step;
pub(crate) use self::open_batch::{OpenBatch, OpenTable};
pub(crate) use self::promote::Decide;
pub(crate) use self::quarantine::{Place, PostgresQuarantine, Waiting};
pub(crate) use self::replay::OpenReplay;
pub(crate) use self::stream::{LoadBegun, PostgresStream, StreamBegun};

use std::time::Duration;

use self::rows::Load;
use super::session::{self, Client, Endpoint, error};
use super::state::State;
use super::target::{Begun, Counts, Encode, LoadRequest, Prepared, Refused, Target};
use crate::batch::Misfit;
use crate::error::Result;
use crate::plan::JsonType;
use crate::schema::Schema;

/// How a [`PostgresTarget`] behaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// How long a change to a table waits for those who use it, before the load gives up. While it waits, new readers
    /// queue behind it. A stream and a load then try again. Default: 5 seconds.
    pub lock_timeout: Duration,
    /// How long a load waits for another load into the same table to end. Default: 10 minutes.
    pub queue_timeout: Duration,
    /// How long a call may go without an answer and without bytes being taken, before the server is asked over another
    /// connection whether it is at work for us. If it is, the wait goes on; if it is not, or cannot be reached, the
    /// connection is given up as lost. So a peer that has fallen silent is noticed after this time and that of a connection
    /// (`connect_timeout` of the URL, 30 seconds). Default: 1 minute. [`Duration::MAX`]: nobody is
    /// asked, and only the system can tell that the peer is gone.
    pub silence_timeout: Duration,
    /// How long the ledger is tried to be reached after the answer to a COMMIT was lost. Default: 1 minute.
    pub recovery_timeout: Duration,
    /// The type of JSON columns that a load makes. Default: `jsonb`.
    pub json: JsonType,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        PostgresOptions {
            lock_timeout: Duration::from_secs(5),
            queue_timeout: Duration::from_secs(600),
            silence_timeout: Duration::from_secs(60),
            recovery_timeout: Duration::from_secs(60),
            json: JsonType::default(),
        }
    }
}

/// A table on a Postgres server as the place to load into.
///
/// One load is one transaction: the changes to the table, the rows, the quarantined records and the ledger's row are
/// committed together or not at all. Loads into one table take turns by an advisory lock. Two tables stand beside the
/// target table, in its schema:
///
/// - `_longshore_loads`, the ledger, with a row for each load id, its counts, inputs and schema;
/// - `_longshore_quarantine`, with the records that did not become rows, as they came.
///
/// A load id that is in the ledger is not loaded again, unless its rows are known to be gone: a later load replaced
/// them ([`Mode::Replace`](super::Mode::Replace)), or the table was dropped. Replacing truncates the table, which
/// keeps its grants, views and indexes, and can be rolled back like the rest.
///
/// Merging ([`Mode::Merge`](super::Mode::Merge)) goes through a staging table of the same transaction. On a table that the load
/// makes, the key has a unique index; on others it needs none, and is the faster for one.
///
/// A row that the table's own constraints refuse ends the load, unless [`LoadRequest::isolate_rows`] is set: then it is
/// given back by [`Target::isolated`]. The server is Postgres 12 or later.
#[derive(Debug)]
pub struct PostgresTarget {
    endpoint: Endpoint,
    state: State<Box<Client>, Load>,
    warnings: Vec<String>,
}

impl PostgresTarget {
    /// Connects to a server.
    ///
    /// `url` is a `postgres://user@host:port/database` URL or a `key=value` string, as `libpq` takes them. Without a
    /// password in it, the environment variable `PGPASSWORD` is used.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) if `url` cannot be read, [`Unsupported`](crate::ErrorKind::Unsupported) if it asks for TLS (which this build
    /// does not have) or the server is not Postgres, [`Database`](crate::ErrorKind::Database) if the server refuses or cannot be
    /// reached. No message holds the URL or the password.
    pub fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, PostgresOptions::default())
    }

    /// Connects to a server, with options.
    ///
    /// # Errors
    ///
    /// As [`PostgresTarget::connect`].
    pub fn connect_with(url: &str, options: PostgresOptions) -> Result<Self> {
        let endpoint = Endpoint::parse(url, options)?;
        let client = endpoint.connect()?;
        Ok(PostgresTarget { endpoint, state: State::Waiting(Box::new(client)), warnings: Vec::new() })
    }
}

impl Target for PostgresTarget {
    fn begin(&mut self, schema: &Schema, request: &LoadRequest) -> Result<Begun> {
        let mut client = self.state.begin()?;
        let opened = match open::open(&mut client, &self.endpoint, schema, request) {
            Ok(open::Opened::Ready(opened)) => opened,
            Ok(open::Opened::AlreadyLoaded(counts)) => {
                self.state = State::Done;
                return Ok(Begun::AlreadyLoaded(counts));
            }
            Err(error) => {
                // The locks go at once this way, and not when the server notices that we are gone.
                let _ = client.batch_execute("ROLLBACK");
                return Err(error);
            }
        };
        self.warnings.clone_from(&opened.warnings);
        let (load, fitted) = Load::start(client, opened, schema, request.clone(), &request.sources, None)?;
        let boxed: Box<dyn Encode> = Box::new(load.encoder().clone());
        self.state = State::Open(Box::new(load));
        Ok(Begun::Open { schema: fitted, encoder: boxed })
    }

    fn write(&mut self, rows: Prepared) -> Result<()> {
        self.state.during(|load| load.write(rows))
    }

    fn quarantine(&mut self, misfit: Misfit) -> Result<()> {
        self.state.during(|load| load.quarantine(&misfit))
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn isolated(&mut self) -> Result<Vec<Refused>> {
        self.state.during(Load::isolated)
    }

    fn commit(&mut self, read: u64) -> Result<Counts> {
        let (client, key, settled) = self.state.end()?.settle(read)?;
        let (_, counts) = commit::commit(client, &self.endpoint, &key, (settled.counts, settled.written_at))?;
        self.state = State::Done;
        Ok(counts)
    }
}

//! Loading into a Postgres server: table, rows, quarantine and ledger in one transaction.

mod catalog;
mod connect;
mod copy;
mod error;
mod ledger;
mod open;
mod spool;

use std::time::Duration;

use ::postgres::Client;

use self::connect::Endpoint;
use self::copy::CopyStream;
use self::ledger::{Ledger, LoadKey};
use self::spool::Spool;
use super::copy_binary::CopyEncoder;
use super::target::{Begun, Counts, Encode, LoadRequest, Prepared, Target};
use crate::batch::Misfit;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{Fitted, JsonType};
use crate::schema::Schema;

/// How a [`PostgresTarget`] behaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// How long a change to a table waits for those who use it, before the load gives up. While it waits, new readers
    /// queue behind it. Default: 30 seconds.
    pub lock_timeout: Duration,
    /// How long a load waits for another load into the same table to end. Default: 10 minutes.
    pub queue_timeout: Duration,
    /// How long the ledger is tried to be reached after the answer to a COMMIT was lost. Default: 1 minute.
    pub recovery_timeout: Duration,
    /// The type of JSON columns that a load makes. Default: `jsonb`.
    pub json: JsonType,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        PostgresOptions {
            lock_timeout: Duration::from_secs(30),
            queue_timeout: Duration::from_secs(600),
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
/// A value that the table's own constraints refuse ends the load. The server is Postgres 12 or later.
#[derive(Debug)]
pub struct PostgresTarget {
    endpoint: Endpoint,
    state: State,
}

enum State {
    Connected(Box<Client>),
    Open(Box<Load>),
    /// The load was committed, or was there before.
    Done,
    /// A call failed; the transaction is gone.
    Failed,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            State::Connected(_) => "Connected",
            State::Open(_) => "Open",
            State::Done => "Done",
            State::Failed => "Failed",
        })
    }
}

/// A load between `begin` and `commit`.
struct Load {
    key: LoadKey,
    request: LoadRequest,
    columns: Vec<Fitted>,
    encoder: CopyEncoder,
    rows: Rows,
    sent: u64,
    spool: Spool,
}

/// Where rows go.
enum Rows {
    /// Into a COPY that is under way.
    Stream(CopyStream),
    /// Nowhere: without columns there is nothing to copy, and rows are only counted. The statements make the table,
    /// once it is known that there are rows.
    Counted { client: Box<Client>, create: Vec<String> },
}

impl PostgresTarget {
    /// Connects to a server.
    ///
    /// `url` is a `postgres://user@host:port/database` URL or a `key=value` string, as `libpq` takes them. Without a
    /// password in it, the environment variable `PGPASSWORD` is used.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if `url` cannot be read, [`ErrorKind::Unsupported`] if it asks for TLS (which this build
    /// does not have) or the server is not Postgres, [`ErrorKind::Database`] if the server refuses or cannot be
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
        Ok(PostgresTarget { endpoint, state: State::Connected(Box::new(client)) })
    }

    fn open(&mut self) -> Result<&mut Load> {
        match &mut self.state {
            State::Open(load) => Ok(load),
            _ => Err(Error::new(ErrorKind::Config, "there is no open load: it failed before, or was not begun")),
        }
    }
}

impl Target for PostgresTarget {
    fn begin(&mut self, schema: &Schema, request: &LoadRequest) -> Result<Begun> {
        let State::Connected(mut client) = std::mem::replace(&mut self.state, State::Failed) else {
            return Err(Error::new(ErrorKind::Config, "a target takes one load: connect again for the next"));
        };
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
        let encoder = CopyEncoder::of(&opened.columns)?;
        let rows = if opened.columns.is_empty() {
            Rows::Counted { client, create: opened.deferred }
        } else {
            Rows::Stream(CopyStream::start(*client, &opened.key.target, &opened.columns)?)
        };
        let columns = opened.columns;
        let overflow = schema
            .overflow
            .and_then(|i| schema.columns.get(i))
            .and_then(|overflow| columns.iter().position(|fitted| fitted.column.path == overflow.path));
        let decoded = columns.iter().map(|fitted| fitted.column.clone()).collect();
        let fitted = Schema { columns: decoded, overflow, undecided: schema.undecided.clone() };
        let spool = Spool::new(&opened.key, &request.sources);
        let request = request.clone();
        let boxed: Box<dyn Encode> = Box::new(encoder.clone());
        self.state = State::Open(Box::new(Load { key: opened.key, request, columns, encoder, rows, sent: 0, spool }));
        Ok(Begun::Open { schema: fitted, encoder: boxed })
    }

    fn write(&mut self, rows: Prepared) -> Result<()> {
        let load = self.open()?;
        let (bytes, count) = match rows {
            Prepared::Bytes { bytes, rows } => (bytes, rows),
            Prepared::Batch(batch) => {
                let mut bytes = Vec::new();
                load.encoder.encode(&batch, &mut bytes)?;
                (bytes, batch.num_rows() as u64)
            }
        };
        load.sent += count;
        let sent = match &mut load.rows {
            Rows::Stream(stream) => stream.send(bytes),
            Rows::Counted { .. } => Ok(()),
        };
        if sent.is_err() {
            self.state = State::Failed;
        }
        sent
    }

    fn quarantine(&mut self, misfit: Misfit) -> Result<()> {
        let load = self.open()?;
        load.spool.push(&misfit)?;
        let limit = load.request.max_quarantined;
        if limit.is_some_and(|limit| load.spool.rows() > limit) {
            // Going on could only make it more; the transaction ends with the connection.
            self.state = State::Failed;
            return Err(too_many(limit.unwrap_or_default()));
        }
        Ok(())
    }

    fn commit(&mut self, read: u64) -> Result<Counts> {
        self.open()?;
        let State::Open(load) = std::mem::replace(&mut self.state, State::Failed) else {
            unreachable!("checked above")
        };
        let counts = load.commit(&self.endpoint, read)?;
        self.state = State::Done;
        Ok(counts)
    }
}

impl Load {
    fn commit(self, endpoint: &Endpoint, read: u64) -> Result<Counts> {
        let Load { key, request, columns, rows, sent, mut spool, .. } = self;
        let (mut client, loaded) = match rows {
            Rows::Stream(stream) => stream.finish()?,
            Rows::Counted { mut client, create } => {
                let loaded = copy::insert_empty_rows(&mut client, &key.target, &create, sent)?;
                (*client, loaded)
            }
        };
        let done = (|| {
            let quarantined = spool.copy_into(&mut client, &key.target)?;
            let counts = conserved(read, (sent, loaded), (spool.rows(), quarantined))?;
            Ledger::new(&key).insert(&mut client, &request, &columns, counts)?;
            Ok(counts)
        })();
        match done {
            Ok(counts) => ledger::commit(client, endpoint, &key, counts),
            Err(error) => {
                let _ = client.batch_execute("ROLLBACK");
                Err(error)
            }
        }
    }
}

/// Holds the server's counts against ours. Both pairs are (sent, counted by the server).
fn conserved(read: u64, rows: (u64, u64), kept: (u64, u64)) -> Result<Counts> {
    let complaint = if rows.0 != rows.1 {
        format!("the server stored {} of {} rows sent", rows.1, rows.0)
    } else if kept.0 != kept.1 {
        format!("the server stored {} of {} quarantined records", kept.1, kept.0)
    } else if read != rows.1 + kept.1 {
        format!("{read} records were read, but {} rows loaded and {} quarantined", rows.1, kept.1)
    } else {
        return Ok(Counts { read, loaded: rows.1, quarantined: kept.1, deduplicated: 0 });
    };
    let error = Error::new(ErrorKind::NotConserved, format!("{complaint}; nothing was loaded"));
    Err(if rows.0 != rows.1 { error.with_hint("a trigger on the table may drop rows") } else { error })
}

fn too_many(limit: u64) -> Error {
    Error::new(ErrorKind::TooManyQuarantined, format!("more than {limit} records do not fit; nothing was loaded"))
        .with_hint("look at what does not fit with a dry run, give the column a wider type, or raise the limit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_differ_anywhere_are_not_conserved() {
        let counts = Counts { read: 5, loaded: 3, quarantined: 2, deduplicated: 0 };
        assert_eq!(conserved(5, (3, 3), (2, 2)).unwrap(), counts);
        for (read, rows, kept) in [(5, (3, 2), (2, 2)), (5, (3, 3), (2, 1)), (6, (3, 3), (2, 2)), (4, (3, 3), (2, 2))] {
            assert_eq!(conserved(read, rows, kept).unwrap_err().kind(), ErrorKind::NotConserved);
        }
    }
}

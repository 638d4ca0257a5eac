//! Rows on their way into a COPY.
//!
//! A COPY occupies the connection until it ends, and the client's writer borrows it. So the connection moves to a
//! thread of its own for that time, fed by a short queue, and comes back with the count. That also lets the caller
//! prepare the next rows while these are sent.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::error::{failed, failed_copy, refused_row};
use super::isolate::{Isolation, within_most};
use super::session::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::load::copy_binary::CopyEncoder;
use crate::load::target::Refused;
use crate::plan::{Fitted, TableName, identifier};

/// Batches that may wait in the queue; with the one being sent, the most that memory holds.
const QUEUE: usize = 2;

enum Message {
    Rows(Vec<u8>),
    /// All rows are there. Without it, a queue that closes means that the load was given up.
    End,
}

/// What a COPY came to: the connection, the rows that the server says it stored, and those that it refused.
pub(super) type Copied = (Client, u64, Vec<Refused>);

/// A COPY that is under way on a thread of its own.
pub(super) struct CopyStream {
    queue: Option<SyncSender<Message>>,
    worker: Option<JoinHandle<Result<Copied>>>,
}

/// Where rows go.
pub(super) struct Sink {
    pub(super) sql: String,
    pub(super) columns: Vec<String>,
}

impl Sink {
    pub(super) fn new(table: &TableName, columns: &[Fitted]) -> Self {
        let columns: Vec<String> = columns.iter().map(|fitted| fitted.column.name.clone()).collect();
        let list: Vec<String> = columns.iter().map(|name| identifier(name)).collect();
        let sql = format!("COPY {} ({}) FROM STDIN (FORMAT binary)", table.quoted(), list.join(", "));
        Sink { sql, columns }
    }

    pub(super) fn failed(&self, error: &::postgres::Error) -> Error {
        failed_copy("copying rows", &self.columns, error)
    }
}

impl CopyStream {
    /// Begins a COPY. With `isolate`, rows that the table refuses are found and left out, at some cost.
    pub(super) fn start(client: Client, table: &TableName, columns: &[Fitted], isolate: bool) -> Result<Self> {
        let sink = Sink::new(table, columns);
        let (queue, messages) = sync_channel(QUEUE);
        let worker = std::thread::Builder::new().name("longshore-copy".into());
        let worker = worker.spawn(move || run(client, &sink, &messages, isolate));
        let worker = worker.map_err(|cause| Error::io("starting a thread", cause))?;
        Ok(CopyStream { queue: Some(queue), worker: Some(worker) })
    }

    /// Queues rows; waits while the queue is full.
    ///
    /// A row that the server refuses is told only by [`CopyStream::finish`]: the client library does not look for an
    /// answer before the end of a COPY. A lost connection is noticed here.
    pub(super) fn send(&mut self, rows: Vec<u8>) -> Result<()> {
        let queue = self.queue.as_ref().ok_or_else(lost)?;
        match queue.send(Message::Rows(rows)) {
            Ok(()) => Ok(()),
            // The thread is gone, so it has an error to tell.
            Err(_) => Err(self.join().err().unwrap_or_else(lost)),
        }
    }

    /// Ends the COPY.
    pub(super) fn finish(mut self) -> Result<Copied> {
        if let Some(queue) = self.queue.take() {
            // If the thread is gone, joining tells why.
            let _ = queue.send(Message::End);
        }
        self.join()
    }

    fn join(&mut self) -> Result<Copied> {
        self.queue = None;
        self.worker.take().ok_or_else(lost)?.join().map_err(|_| lost())?
    }
}

impl Drop for CopyStream {
    fn drop(&mut self) {
        // Waits for the rollback, so that the table's locks are gone when the target is.
        let _ = self.join();
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::Database, "the load's connection is gone; nothing was loaded").with_temporary(true)
}

fn run(mut client: Client, sink: &Sink, messages: &Receiver<Message>, isolate: bool) -> Result<Copied> {
    let fed = match isolate {
        true => feed_isolating(&mut client, sink, messages),
        false => feed(&mut client, sink, messages).map(|rows| (rows, Vec::new())),
    };
    match fed {
        Ok((rows, refused)) => Ok((client, rows, refused)),
        Err(error) => {
            let _ = client.batch_execute("ROLLBACK");
            Err(error)
        }
    }
}

fn feed(client: &mut Client, sink: &Sink, messages: &Receiver<Message>) -> Result<u64> {
    let refused = |error: ::postgres::Error| sink.failed(&error);
    fault::point("copy.begin")?;
    let mut copy = client.copy_in(&sink.sql).map_err(refused)?;
    copy.send(CopyEncoder::header()).map_err(refused)?;
    while let Some(rows) = next(messages)? {
        fault::point("copy.rows")?;
        // Dropping the COPY on an error tells the server to throw the rows away.
        copy.send(rows).map_err(refused)?;
    }
    fault::point("copy.end")?;
    copy.send(CopyEncoder::trailer()).map_err(refused)?;
    copy.finish().map_err(refused)
}

fn feed_isolating(client: &mut Client, sink: &Sink, messages: &Receiver<Message>) -> Result<(u64, Vec<Refused>)> {
    let mut isolation = Isolation::new(sink);
    while let Some(rows) = next(messages)? {
        fault::point("isolate.rows")?;
        isolation.copy(client, rows)?;
    }
    Ok(isolation.finish())
}

/// The next rows; `None` when all are there, and an error when the load was given up.
fn next(messages: &Receiver<Message>) -> Result<Option<Vec<u8>>> {
    match messages.recv() {
        Ok(Message::Rows(rows)) => Ok(Some(rows)),
        Ok(Message::End) => Ok(None),
        Err(_) => Err(lost()),
    }
}

/// Adds rows that have no value in any column (records `{}`), which COPY has no form for.
///
/// The statements in `create` make the table and run only if there are rows.
pub(super) fn insert_empty_rows(client: &mut Client, table: &TableName, create: &[String], rows: u64) -> Result<u64> {
    if rows == 0 {
        return Ok(0);
    }
    create_before(client, create)?;
    insert_empty(client, table, rows).map_err(|error| refused_empty(&error))
}

/// The same, with the rows that the table refuses looked for one by one. Returns how many were added, and those.
pub(super) fn isolate_empty_rows(
    client: &mut Client,
    table: &TableName,
    create: &[String],
    rows: u64,
) -> Result<(u64, Vec<Refused>)> {
    let set = |client: &mut Client, sql: &str| client.batch_execute(sql).map_err(|error| refused_empty(&error));
    let (mut loaded, mut refused) = (0, Vec::new());
    if rows > 0 {
        create_before(client, create)?;
    }
    let (mut at, mut step) = (0, rows);
    while at < rows {
        let count = step.min(rows - at);
        set(client, "SAVEPOINT longshore_empty")?;
        match insert_empty(client, table, count) {
            Ok(added) => {
                set(client, "RELEASE SAVEPOINT longshore_empty")?;
                loaded += added;
                (at, step) = (at + count, step.saturating_mul(2));
                continue;
            }
            Err(error) => {
                let Some((_, _, reason)) = refused_row(&error, &[]) else { return Err(refused_empty(&error)) };
                set(client, "ROLLBACK TO SAVEPOINT longshore_empty; RELEASE SAVEPOINT longshore_empty")?;
                if count == 1 {
                    within_most(refused.len() + 1)?;
                    refused.push(Refused { row: at, column: None, reason });
                    at += 1;
                }
                step = (count / 2).max(1);
            }
        }
    }
    Ok((loaded, refused))
}

fn create_before(client: &mut Client, create: &[String]) -> Result<()> {
    let mut statements = create.iter();
    statements.try_for_each(|sql| client.batch_execute(sql).map_err(|error| failed("creating the table", &error)))
}

fn insert_empty(client: &mut Client, table: &TableName, rows: u64) -> Result<u64, ::postgres::Error> {
    let sql = format!("INSERT INTO {} SELECT FROM generate_series(1, $1)", table.quoted());
    let count = i64::try_from(rows).unwrap_or(i64::MAX);
    client.execute_typed(&sql, &[(&count, ::postgres::types::Type::INT8)])
}

fn refused_empty(error: &::postgres::Error) -> Error {
    failed("adding rows without columns", error).with_refused_row(refused_row(error, &[]).is_some())
}

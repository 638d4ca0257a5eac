//! Rows on their way into a COPY.
//!
//! A COPY occupies the connection until it ends, and the client's writer borrows it. So the connection moves to a
//! thread of its own for that time, fed by a short queue, and comes back with the count. That also lets the caller
//! prepare the next rows while these are sent.

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use ::postgres::Client;

use super::error::{failed, failed_copy};
use crate::error::{Error, ErrorKind, Result};
use crate::load::copy_binary::CopyEncoder;
use crate::plan::{Fitted, TableName, identifier};

/// Batches that may wait in the queue; with the one being sent, the most that memory holds.
const QUEUE: usize = 2;
/// Bytes per message to the server.
const PIECE: usize = 256 << 10;

enum Message {
    Rows(Vec<u8>),
    /// All rows are there. Without it, a queue that closes means that the load was given up.
    End,
}

/// A COPY that is under way on a thread of its own.
pub(super) struct CopyStream {
    queue: Option<SyncSender<Message>>,
    worker: Option<JoinHandle<Result<(Client, u64)>>>,
}

impl CopyStream {
    pub(super) fn start(client: Client, table: &TableName, columns: &[Fitted]) -> Result<Self> {
        let names: Vec<String> = columns.iter().map(|fitted| fitted.column.name.clone()).collect();
        let list: Vec<String> = names.iter().map(|name| identifier(name)).collect();
        let sql = format!("COPY {} ({}) FROM STDIN (FORMAT binary)", table.quoted(), list.join(", "));
        let (queue, messages) = sync_channel(QUEUE);
        let worker = std::thread::Builder::new().name("longshore-copy".into());
        let worker = worker.spawn(move || run(client, &sql, &names, &messages));
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

    /// Ends the COPY; returns the connection and the number of rows that the server says it stored.
    pub(super) fn finish(mut self) -> Result<(Client, u64)> {
        if let Some(queue) = self.queue.take() {
            // If the thread is gone, joining tells why.
            let _ = queue.send(Message::End);
        }
        self.join()
    }

    fn join(&mut self) -> Result<(Client, u64)> {
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

fn run(mut client: Client, sql: &str, names: &[String], messages: &Receiver<Message>) -> Result<(Client, u64)> {
    match feed(&mut client, sql, names, messages) {
        Ok(rows) => Ok((client, rows)),
        Err(error) => {
            let _ = client.batch_execute("ROLLBACK");
            Err(error)
        }
    }
}

fn feed(client: &mut Client, sql: &str, names: &[String], messages: &Receiver<Message>) -> Result<u64> {
    const DOING: &str = "copying rows";
    let mut writer = client.copy_in(sql).map_err(|error| failed(DOING, &error))?;
    let broken = |cause: std::io::Error| match cause.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(error) => failed_copy(DOING, names, error),
        None => Error::io(DOING, cause),
    };
    writer.write_all(CopyEncoder::header()).map_err(broken)?;
    loop {
        match messages.recv() {
            Ok(Message::Rows(rows)) => {
                for piece in rows.chunks(PIECE) {
                    writer.write_all(piece).map_err(broken)?;
                }
            }
            Ok(Message::End) => break,
            // Dropping the writer tells the server to throw the rows away.
            Err(_) => return Err(lost()),
        }
    }
    writer.write_all(CopyEncoder::trailer()).map_err(broken)?;
    writer.finish().map_err(|error| failed_copy(DOING, names, &error))
}

/// Adds rows that have no value in any column (records `{}`), which COPY has no form for.
///
/// The statements in `create` make the table and run only if there are rows.
pub(super) fn insert_empty_rows(client: &mut Client, table: &TableName, create: &[String], rows: u64) -> Result<u64> {
    if rows == 0 {
        return Ok(0);
    }
    for statement in create {
        client.batch_execute(statement).map_err(|error| failed("creating the table", &error))?;
    }
    let sql = format!("INSERT INTO {} SELECT FROM generate_series(1, $1)", table.quoted());
    let count = i64::try_from(rows).unwrap_or(i64::MAX);
    client
        .execute_typed(&sql, &[(&count, ::postgres::types::Type::INT8)])
        .map_err(|error| failed("adding rows without columns", &error))
}

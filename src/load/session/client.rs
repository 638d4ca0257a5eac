//! A blocking session that notices when the server has fallen silent.

use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, RandomState};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use ::postgres::types::{ToSql, Type as SqlType};
use ::postgres::{Error, Row, SimpleQueryMessage};
use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::future::{join, try_join, try_join_all};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;
use tokio_postgres::{Connection, CopyInSink};

use super::Endpoint;

/// How long a session that is given up may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// Bytes of rows in one message. The line counts as silent if the peer does not take that much in the time.
const PIECE: usize = 64 << 10;

/// Parameters of a statement, each with its type.
type Parameters<'a> = &'a [(&'a (dyn ToSql + Sync), SqlType)];

/// One session. Every call blocks; none needs a runtime of the caller's, and none may be made from inside one.
pub(in crate::load) struct Client {
    // Dropped first, upon which the line says goodbye.
    session: tokio_postgres::Client,
    line: Line,
}

/// The bytes of a session, in both directions.
struct Line {
    runtime: Runtime,
    /// `None` once the connection is lost or was given up.
    drive: Option<Drive>,
    /// How long a call may go without progress before the server is asked what it does.
    patience: Duration,
    watch: Option<Watch>,
}

type Drive = Box<dyn FnMut(&mut Context<'_>) -> Poll<Result<(), Error>> + Send>;

/// What is needed to ask, by another connection, whether the server is still at work for this session.
pub(super) struct Watch {
    endpoint: Endpoint,
    /// The process that served the session when it began, and when that was started: process ids are used again. Behind a
    /// pooler another one may serve its transactions.
    process: i32,
    started: String,
    /// The advisory lock that each of its transactions holds, by which the process is found that serves it.
    mark: u64,
    /// Bytes that a COPY had taken in when it was last asked.
    copied: Option<i64>,
}

impl Watch {
    pub(super) fn new(endpoint: Endpoint, process: i32, started: String) -> Self {
        // Each half is a number without a sign: the least of all is none to the server if it is written out.
        let mark = RandomState::new().hash_one(process) & 0x7fff_ffff_7fff_ffff;
        Watch { endpoint, process, started, mark, copied: None }
    }

    /// The process that serves the present transaction.
    fn serving(&self, asking: &mut Client) -> Option<(i32, String)> {
        let sql = "SELECT a.pid, a.backend_start::text FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
                   WHERE l.locktype = 'advisory' AND l.classid = $1 AND l.objid = $2 AND l.objsubid = 2 AND l.granted";
        let (high, low) = ((self.mark >> 32) as u32, self.mark as u32);
        let row = asking.query_typed_opt(sql, &[(&high, SqlType::OID), (&low, SqlType::OID)]).ok()??;
        Some((row.get(0), row.get(1)))
    }

    /// Whether the server works for the session, or takes in what we sent. If it does neither, its side of the session
    /// is ended, so that the locks it holds are free.
    fn is_at_work(&mut self) -> bool {
        let Ok(mut asking) = self.endpoint.unwatched() else { return false };
        let serving = self.serving(&mut asking);
        let (process, started) = serving.clone().unwrap_or((self.process, self.started.clone()));
        let who: Parameters<'_> = &[(&process, SqlType::INT4), (&started, SqlType::TEXT)];
        // Before version 14 there is no such view, and what a COPY has taken in cannot be told.
        let sql = "SELECT bytes_processed FROM pg_stat_progress_copy WHERE pid = $1 AND $2 <> ''";
        let copied = asking.query_typed_opt(sql, who).ok().flatten().map(|row| row.get(0));
        if copied != self.copied {
            self.copied = copied;
            return true;
        }
        let sql = "SELECT coalesce(state NOT LIKE 'idle%', true) AND wait_event_type IS DISTINCT FROM 'Client' \
                   FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2";
        let works = asking.query_typed_opt(sql, who).ok().flatten().is_some_and(|row| row.get(0));
        // A process that is only known from before may serve somebody else by now.
        if !works && serving.is_some() {
            let sql =
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2";
            let _ = asking.query_typed_opt(sql, who);
        }
        works
    }
}

impl Client {
    pub(super) fn new<S, T>(
        runtime: Runtime,
        (session, mut connection): (tokio_postgres::Client, Connection<S, T>),
        patience: Duration,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Notices are dropped: they may hold values.
        let drive = move |cx: &mut Context<'_>| loop {
            match connection.poll_message(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        };
        Client { session, line: Line { runtime, drive: Some(Box::new(drive)), patience, watch: None } }
    }

    /// Sets how to ask for the session elsewhere, and after how long a silence.
    pub(super) fn watch(&mut self, watch: Option<Watch>, patience: Duration) {
        self.line.watch = watch;
        self.line.patience = patience;
    }

    /// What marks a transaction as one of this session, behind its BEGIN; nothing where nobody asks.
    pub(in crate::load) fn mark(&self) -> String {
        let watch = self.line.watch.as_ref();
        // Of two numbers, which no lock of one number is in the way of.
        let halves = |mark: u64| ((mark >> 32) as i32, mark as i32);
        watch.map_or_else(String::new, |watch| format!("; SELECT pg_advisory_xact_lock{:?}", halves(watch.mark)))
    }

    /// Whether the connection is known to be lost.
    pub(in crate::load) fn is_closed(&self) -> bool {
        self.session.is_closed()
    }

    /// Runs statements without parameters, separated by semicolons.
    pub(in crate::load) fn batch_execute(&mut self, sql: &str) -> Result<(), Error> {
        self.line.wait(self.session.batch_execute(sql))
    }

    /// Runs statements without parameters, and returns their rows as text.
    pub(in crate::load) fn simple_query(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, Error> {
        self.line.wait(self.session.simple_query(sql))
    }

    /// Runs a statement; returns how many rows it changed.
    pub(in crate::load) fn execute_typed(&mut self, sql: &str, parameters: Parameters<'_>) -> Result<u64, Error> {
        self.line.wait(self.session.execute_typed(sql, parameters))
    }

    /// Runs a query.
    pub(in crate::load) fn query_typed(&mut self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Error> {
        self.line.wait(self.session.query_typed(sql, parameters))
    }

    /// Runs a query that has exactly one row.
    pub(in crate::load) fn query_typed_one(&mut self, sql: &str, parameters: Parameters<'_>) -> Result<Row, Error> {
        self.line.wait(self.session.query_typed_one(sql, parameters))
    }

    /// Runs a query that has one row or none.
    pub(in crate::load) fn query_typed_opt(
        &mut self,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Option<Row>, Error> {
        self.line.wait(self.session.query_typed_opt(sql, parameters))
    }

    /// Runs statements without parameters and queries behind them, all sent at once; returns the first error, or the queries'
    /// rows.
    pub(in crate::load) fn query_behind<const N: usize>(
        &mut self,
        sql: &str,
        queries: [(&str, Parameters<'_>); N],
    ) -> Result<[Vec<Row>; N], Error> {
        let session = &self.session;
        let queries = try_join_all(queries.map(|(sql, parameters)| session.query_typed(sql, parameters)));
        let (_, rows) = self.line.wait(try_join(session.batch_execute(sql), queries))?;
        Ok(rows.try_into().unwrap_or([const { Vec::new() }; N]))
    }

    /// Commits, and runs a query behind that, both sent at once.
    ///
    /// # Errors
    ///
    /// The commit's; that of the query is inside.
    pub(in crate::load) fn commit_and_query(
        &mut self,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Result<Vec<Row>, Error>, Error> {
        let session = &self.session;
        let both = join(session.batch_execute("COMMIT"), session.query_typed(sql, parameters));
        self.line.wait(async {
            let (committed, rows) = both.await;
            committed.map(|()| rows)
        })
    }

    /// Begins a `COPY … FROM STDIN`.
    pub(in crate::load) fn copy_in(&mut self, sql: &str) -> Result<CopyIn<'_>, Error> {
        let sink = self.line.wait(self.session.copy_in(sql))?;
        Ok(CopyIn { sink: Box::pin(sink), line: &mut self.line })
    }
}

impl Line {
    /// Blocks until the future is done. Where nothing happens for too long, the server is asked, and if it is not at
    /// work either, the connection is given up: the call then fails as with any other lost connection.
    fn wait<T>(&mut self, future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let mut future = pin!(future);
        loop {
            let drive = &mut self.drive;
            let step = poll_fn(|cx| {
                if let Some(outcome) = poll(drive, cx) {
                    return Poll::Ready(Err(outcome));
                }
                future.as_mut().poll(cx)
            });
            let patience = self.patience;
            match self.runtime.block_on(async { tokio::time::timeout(patience, step).await }) {
                Ok(outcome) => return outcome,
                Err(_) if self.watch.as_mut().is_some_and(Watch::is_at_work) => {}
                // Without its connection the future fails when it is next polled.
                Err(_) => {
                    tracing::warn!(seconds = patience.as_secs_f64(), "the server is silent; giving up the connection");
                    self.drive = None;
                }
            }
        }
    }
}

/// Moves a connection on; returns the error that it ends with, if it does.
fn poll(drive: &mut Option<Drive>, cx: &mut Context<'_>) -> Option<Error> {
    match drive.as_mut()?(cx) {
        Poll::Pending => None,
        Poll::Ready(outcome) => {
            *drive = None;
            outcome.err()
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let drive = &mut self.drive;
        if drive.is_none() {
            return;
        }
        // The session is gone, so the connection ends once it has said so.
        let goodbye = poll_fn(|cx| {
            poll(drive, cx);
            if drive.is_none() { Poll::Ready(()) } else { Poll::Pending }
        });
        let _ = self.runtime.block_on(async { tokio::time::timeout(GOODBYE, goodbye).await });
    }
}

/// A COPY that takes in bytes. Without [`finish`](CopyIn::finish) the server drops them all.
pub(in crate::load) struct CopyIn<'a> {
    sink: Pin<Box<CopyInSink<Bytes>>>,
    line: &'a mut Line,
}

impl CopyIn<'_> {
    /// Sends bytes.
    pub(in crate::load) fn send(&mut self, bytes: impl Into<Bytes>) -> Result<(), Error> {
        let mut bytes = bytes.into();
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            self.line.wait(self.sink.as_mut().send(piece))?;
        }
        Ok(())
    }

    /// Ends the COPY; returns the server's count of rows.
    pub(in crate::load) fn finish(mut self) -> Result<u64, Error> {
        self.line.wait(self.sink.as_mut().finish())
    }
}

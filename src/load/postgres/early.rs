//! Rows that are copied before their batch has its turn.
//!
//! While a batch is on its way, the rows of the next one are sent by a second session. Its transaction has the table's lock
//! for rows, so that nobody alters the table, but not the lock under which loads take turns. When the batch has its turn,
//! that lock is taken too, and only then is looked at what any batch looks at before it sends rows: where its sources are, and
//! what the table is. Whatever is not as it was believed to be, the rows are rolled back and sent once more in their turn.
//!
//! Nobody waits in a circle. The lock of the turn is only taken if it is free. A batch that may alter the table has the rows
//! behind it rolled back first. And rows that are not asked for within [`PATIENCE`] are given up, so that also a batch that waits
//! for a lock on one of them (for a key that both have, say) waits no longer. A second session is not waited for any longer
//! either: a server or a pool may have only one to give.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::copy::Sink;
use super::familiar::{self, Familiar};
use super::session::{Client, Endpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::load::copy_binary::CopyEncoder;
use crate::load::target::Prepared;
use crate::plan::{Fitted, TableName};

/// How long rows that are there wait for their turn, and how long rows wait for the table to be ready or unlocked.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many batches go in their turn alone after one whose rows were sent in vain. Each time in a row it is twice as many,
/// up to the most.
const REST: u32 = 20;
const LONGEST_REST: u32 = REST << 8;

/// The rows that are copied early: those of one batch at most.
#[derive(Default)]
pub(crate) struct EarlyCopies {
    state: Mutex<State>,
    decided: Condvar,
}

#[derive(Default)]
struct State {
    way: Way,
    /// The session that no batch has.
    spare: Option<Client>,
    under_way: Option<Copying>,
    /// How many batches more are to go in their turn.
    rest: u32,
    /// How many they were the last time; 0 once rows were of use.
    rested: u32,
}

/// Whether rows can be copied early.
#[derive(Default)]
enum Way {
    #[default]
    Shut,
    /// A batch is making its table ready, and may alter it.
    Undecided,
    /// Into this table, which stays as it is.
    Open(Arc<Target>),
}

impl Way {
    fn target(&self) -> Option<&Arc<Target>> {
        match self {
            Way::Open(target) => Some(target),
            Way::Shut | Way::Undecided => None,
        }
    }
}

/// A table as the last batch has filled it.
pub(super) struct Target {
    endpoint: Endpoint,
    table: TableName,
    familiar: Familiar,
    columns: Vec<Fitted>,
    encoder: CopyEncoder,
}

impl Target {
    pub(super) fn new(endpoint: Endpoint, table: TableName, familiar: Familiar, columns: Vec<Fitted>) -> Result<Self> {
        let encoder = CopyEncoder::of(&columns)?;
        Ok(Target { endpoint, table, familiar, columns, encoder })
    }

    /// Whether rows that are copied to it are as these columns need them.
    pub(super) fn suits(&self, columns: &[Fitted]) -> bool {
        let have = self.columns.iter().map(|fitted| &fitted.column.name);
        columns.iter().map(|fitted| &fitted.column.name).eq(have)
            && CopyEncoder::of(columns).is_ok_and(|encoder| encoder == self.encoder)
    }
}

/// A copy on a thread of its own.
struct Copying {
    load_id: String,
    target: Arc<Target>,
    rows: u64,
    turn: SyncSender<()>,
    given_up: Arc<AtomicBool>,
    worker: JoinHandle<(Option<Client>, Result<u64>)>,
}

/// Rows that are in an open transaction when their batch has its turn.
pub(super) struct Copied {
    pub(super) client: Client,
    pub(super) target: Arc<Target>,
    /// Rows that were sent, and that the server says it stored.
    pub(super) rows: (u64, u64),
}

impl EarlyCopies {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decide(&self, way: Way) {
        self.state().way = way;
        self.decided.notify_all();
    }

    /// Whether rows that are encoded like this can be copied now. Waits for a batch that is making its table ready.
    pub(crate) fn takes(&self, encoder: &CopyEncoder) -> bool {
        let is_undecided = |state: &mut State| matches!(state.way, Way::Undecided);
        let decided = self.decided.wait_timeout_while(self.state(), PATIENCE, is_undecided);
        let (mut state, _) = decided.unwrap_or_else(PoisonError::into_inner);
        let is_its = |target: &Arc<Target>| target.encoder == *encoder;
        let is_open = state.under_way.is_none() && state.way.target().is_some_and(is_its);
        let rests = is_open && state.rest > 0;
        state.rest -= u32::from(rests);
        is_open && !rests
    }

    /// Begins to copy the rows of a batch. That it could not be done is told when the batch has its turn.
    pub(crate) fn start(&self, load_id: String, rows: Vec<Prepared>) {
        let mut state = self.state();
        let (Some(target), None) = (state.way.target().cloned(), &state.under_way) else { return };
        let spare = state.spare.take();
        let (turn, has_turn) = sync_channel(1);
        let given_up = Arc::new(AtomicBool::new(false));
        let count = rows.iter().map(Prepared::rows).sum();
        let work = {
            let (target, given_up) = (target.clone(), given_up.clone());
            move || run(spare, &target, rows, &has_turn, &given_up)
        };
        let thread = std::thread::Builder::new().name("longshore-early".into()).spawn(work);
        state.under_way = thread.ok().map(|worker| Copying { load_id, target, rows: count, turn, given_up, worker });
    }

    /// Lets batches copy into a table, which is as its last batch found it.
    pub(super) fn open(&self, target: Target) {
        self.decide(Way::Open(Arc::new(target)));
    }

    /// Has rows wait for a batch that goes before them and makes its table ready in its turn.
    pub(crate) fn hold(&self) {
        self.decide(Way::Undecided);
    }

    /// Lets no rows be copied until a batch has made its table ready.
    pub(crate) fn shut(&self) {
        self.decide(Way::Shut);
    }

    /// Whether batches may copy into this table with these columns.
    pub(super) fn is_open(&self, familiar: &Familiar, columns: &[Fitted]) -> bool {
        let target = self.state().way.target().cloned();
        target.is_some_and(|target| target.familiar.is_like(familiar) && target.suits(columns))
    }

    /// Gives up what was copied, and has rows wait: a table may be altered.
    pub(super) fn give_up(&self) {
        self.hold();
        let copying = self.state().under_way.take();
        if let Some(client) = copying.and_then(Copying::give_up) {
            self.spare(client);
        }
    }

    /// The rows of the batch whose turn it is, if they were copied. The session that batches had so far is free for the rows
    /// behind them then; without rows it stays where it is, or another takes its place. Rows of any other batch stay.
    pub(super) fn turn(&self, load_id: &str, session: &mut Option<Client>) -> Option<Copied> {
        let copying = self.state().under_way.take_if(|copying| copying.load_id == load_id)?;
        if let Some(client) = session.take() {
            self.spare(client);
        }
        let (target, rows) = (copying.target.clone(), copying.rows);
        match copying.finish() {
            (Some(client), Ok(stored)) => Some(Copied { client, target, rows: (rows, stored) }),
            (client, outcome) => {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "rows copied early are sent again");
                }
                self.in_vain();
                *session = client.or_else(|| self.take_spare());
                None
            }
        }
    }

    /// Takes note that rows were sent in vain. Some batches go in their turn then, for what was in the way may still be there.
    pub(super) fn in_vain(&self) {
        let mut state = self.state();
        state.rested = state.rested.saturating_mul(2).clamp(REST, LONGEST_REST);
        state.rest = state.rested;
    }

    /// Takes note that rows were of use.
    pub(super) fn of_use(&self) {
        self.state().rested = 0;
    }

    /// Keeps a session for rows to come.
    fn spare(&self, client: Client) {
        let before = self.state().spare.replace(client);
        // Saying goodbye may take its time.
        drop(before);
    }

    /// The session that no batch has.
    pub(super) fn take_spare(&self) -> Option<Client> {
        self.state().spare.take()
    }
}

impl Drop for EarlyCopies {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Copying {
    /// Has the transaction rolled back; returns the session.
    fn give_up(self) -> Option<Client> {
        self.given_up.store(true, Ordering::Relaxed);
        let Copying { turn, worker, .. } = self;
        drop(turn);
        worker.join().ok()?.0
    }

    /// Waits for the end of the COPY. The session, whose transaction is open if all went well, and the server's count.
    fn finish(self) -> (Option<Client>, Result<u64>) {
        // If the thread is gone, joining tells why.
        let _ = self.turn.send(());
        self.worker.join().unwrap_or_else(|_| (None, Err(given_up())))
    }
}

fn given_up() -> Error {
    Error::new(ErrorKind::Database, "rows were not asked for in time")
}

fn run(
    spare: Option<Client>,
    target: &Target,
    rows: Vec<Prepared>,
    turn: &Receiver<()>,
    is_given_up: &AtomicBool,
) -> (Option<Client>, Result<u64>) {
    let connected = match spare.filter(|client| !client.is_closed()) {
        Some(client) => Ok(client),
        None => target.endpoint.watched_within(PATIENCE),
    };
    let mut client = match connected {
        Ok(client) => client,
        Err(error) => return (None, Err(error)),
    };
    let copied = copy(&mut client, target, rows, is_given_up);
    let outcome = copied.and_then(|stored| turn.recv_timeout(PATIENCE).map(|()| stored).map_err(|_| given_up()));
    match outcome {
        Err(error) if client.batch_execute("ROLLBACK").is_err() => (None, Err(error)),
        outcome => (Some(client), outcome),
    }
}

/// Copies the rows in a transaction that stays open.
fn copy(client: &mut Client, target: &Target, rows: Vec<Prepared>, is_given_up: &AtomicBool) -> Result<u64> {
    fault::point("early.begin")?;
    let Target { endpoint, table, familiar, columns, .. } = target;
    let patience = PATIENCE.min(endpoint.options.lock_timeout);
    if !familiar::is_as_before(client, patience, table, familiar)? {
        return Err(Error::new(ErrorKind::Conflict, "the table is no longer what it was"));
    }
    let sink = Sink::new(table, columns);
    let refused = |error: ::postgres::Error| sink.failed(&error);
    let mut copy = client.copy_in(&sink.sql).map_err(refused)?;
    copy.send(CopyEncoder::header()).map_err(refused)?;
    for rows in rows {
        fault::point("early.rows")?;
        if is_given_up.load(Ordering::Relaxed) {
            return Err(given_up());
        }
        if let Prepared::Bytes { bytes, .. } = rows {
            copy.send(bytes).map_err(refused)?;
        }
    }
    copy.send(CopyEncoder::trailer()).map_err(refused)?;
    copy.finish().map_err(refused)
}

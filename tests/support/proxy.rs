//! A proxy in front of the test's server, which loses, delays and breaks what it is told to.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What goes wrong, once, with the next connection that comes so far.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// The server gets the next COMMIT, the client no answer.
    AnswerLost,
    /// The server does not get the next COMMIT.
    CommitLost,
    /// The server gets the next COMMIT, and no connection is possible until the proxy is healed.
    AnswerLostForGood,
    /// Both ends are reset once the client has sent so many bytes.
    ResetAfter(u64),
    /// Once the client has sent so many bytes nothing is passed on any more, and nothing is closed.
    StallAfter(u64),
    /// Once the server has sent so many bytes, the client gets these in place of what follows.
    AnswerAfter(u64, Vec<u8>),
}

#[derive(Default)]
struct State {
    fault: Mutex<Option<Fault>>,
    down: AtomicBool,
    /// Bytes a second from the client, 0 for as fast as they come.
    rate: AtomicU64,
    /// Connections that were accepted, and bytes that clients have sent.
    accepted: AtomicU64,
    sent: AtomicU64,
    /// All that clients have sent, where it is asked for.
    record: Mutex<Option<Vec<u8>>>,
}

/// Forwards to a server; the threads go away with the process.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

impl Proxy {
    pub(crate) fn start(fault: Option<Fault>) -> Self {
        Proxy::to(crate::support::cluster().port(), fault)
    }

    /// In front of the server at a port.
    pub(crate) fn to(server: u16, fault: Option<Fault>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State { fault: Mutex::new(fault), ..State::default() });
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                shared.accepted.fetch_add(1, Ordering::Relaxed);
                let Ok(upstream) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                if !shared.down.load(Ordering::Relaxed) {
                    Pair::new(client, upstream, shared.clone()).start();
                }
            }
        });
        Proxy { port, state }
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// What goes wrong next.
    pub(crate) fn lose(&self, fault: Fault) {
        *self.state.fault.lock().unwrap() = Some(fault);
    }

    /// Whether the fault has happened.
    pub(crate) fn is_done(&self) -> bool {
        self.state.fault.lock().unwrap().is_none()
    }

    /// Passes on so many bytes a second from the client; 0 for as many as come.
    pub(crate) fn drip(&self, rate: u64) {
        self.state.rate.store(rate, Ordering::Relaxed);
    }

    /// Ends all connections, and lets nobody in.
    pub(crate) fn cut(&self) {
        self.state.down.store(true, Ordering::Relaxed);
        thread::sleep(3 * TICK);
    }

    /// Lets connections in again.
    pub(crate) fn heal(&self) {
        self.state.down.store(false, Ordering::Relaxed);
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.state.accepted.load(Ordering::Relaxed)
    }

    pub(crate) fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::Relaxed)
    }

    /// Keeps what clients send from now on.
    pub(crate) fn record(&self) {
        *self.state.record.lock().unwrap() = Some(Vec::new());
    }

    pub(crate) fn recorded(&self) -> Vec<u8> {
        self.state.record.lock().unwrap().clone().unwrap_or_default()
    }
}

/// How long a thread waits for bytes before it looks whether the connection is to end.
const TICK: Duration = Duration::from_millis(10);

/// One connection. It is closed when the last of its two threads is gone.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    state: Arc<State>,
    over: AtomicBool,
    stalled: AtomicBool,
    /// The server's answers are thrown away.
    muted: AtomicBool,
}

impl Pair {
    fn new(client: TcpStream, server: TcpStream, state: Arc<State>) -> Arc<Self> {
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(TICK)).unwrap();
            stream.set_nodelay(true).unwrap();
        }
        let (over, stalled, muted) = <(AtomicBool, AtomicBool, AtomicBool)>::default();
        Arc::new(Pair { client, server, state, over, stalled, muted })
    }

    fn start(self: Arc<Self>) {
        let other = self.clone();
        thread::spawn(move || {
            other.questions();
            other.end();
        });
        thread::spawn(move || {
            self.answers();
            self.end();
        });
    }

    /// The next bytes from one end; `None` once the connection is over.
    fn next<'b>(&self, mut from: &TcpStream, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        loop {
            let down = self.state.down.load(Ordering::Relaxed) && !self.muted.load(Ordering::Relaxed);
            if down || self.over.load(Ordering::Relaxed) {
                return None;
            }
            if self.stalled.load(Ordering::Relaxed) {
                thread::sleep(TICK);
                continue;
            }
            match from.read(buffer) {
                Ok(0) => return None,
                Ok(len) => return Some(&buffer[..len]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return None,
            }
        }
    }

    /// From the client to the server.
    fn questions(&self) {
        let mut buffer = vec![0; 1 << 16];
        let mut sent = 0;
        while let Some(bytes) = self.next(&self.client, &mut buffer) {
            if let Some(record) = self.state.record.lock().unwrap().as_mut() {
                record.extend_from_slice(bytes);
            }
            self.state.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            let is_commit = bytes.windows(7).any(|bytes| bytes == b"COMMIT\0");
            let (before, fault) = self.cut(bytes, sent, is_commit);
            sent += before.len() as u64;
            let passed = self.pass(before);
            match fault {
                Some(Fault::AnswerLost | Fault::AnswerLostForGood) => {
                    // First no answer can come through any more, then the question goes on.
                    self.muted.store(true, Ordering::Relaxed);
                    let _ = self.client.shutdown(Shutdown::Both);
                    let _ = (&self.server).write_all(bytes);
                    if fault == Some(Fault::AnswerLostForGood) {
                        self.state.down.store(true, Ordering::Relaxed);
                    }
                    // Were it closed at once, the server might be gone before it has read the question.
                    thread::sleep(Duration::from_millis(300));
                    return;
                }
                Some(Fault::CommitLost) => return,
                Some(Fault::ResetAfter(_)) => {
                    // With nothing to linger for, closing is a reset.
                    for stream in [&self.client, &self.server] {
                        socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
                    }
                    self.over.store(true, Ordering::Relaxed);
                    return;
                }
                Some(Fault::StallAfter(_)) => self.stalled.store(true, Ordering::Relaxed),
                _ if !passed => return,
                _ => {}
            }
        }
    }

    /// What of the bytes is still passed on, and the fault whose time has come.
    fn cut<'b>(&self, bytes: &'b [u8], sent: u64, is_commit: bool) -> (&'b [u8], Option<Fault>) {
        let mut next = self.state.fault.lock().unwrap();
        let left = match *next {
            Some(Fault::AnswerLost | Fault::CommitLost | Fault::AnswerLostForGood) if is_commit => 0,
            Some(Fault::ResetAfter(at) | Fault::StallAfter(at)) if sent + bytes.len() as u64 >= at => {
                at.saturating_sub(sent) as usize
            }
            _ => return (bytes, None),
        };
        (&bytes[..left], next.take())
    }

    fn pass(&self, bytes: &[u8]) -> bool {
        let rate = self.state.rate.load(Ordering::Relaxed);
        if rate == 0 {
            return (&self.server).write_all(bytes).is_ok();
        }
        // A twentieth of a second at a time.
        bytes.chunks((rate as usize / 20).max(1)).all(|piece| {
            thread::sleep(Duration::from_millis(50));
            (&self.server).write_all(piece).is_ok()
        })
    }

    /// From the server to the client.
    fn answers(&self) {
        let mut buffer = vec![0; 1 << 16];
        let mut received = 0;
        while let Some(bytes) = self.next(&self.server, &mut buffer) {
            received += bytes.len() as u64;
            let mut next = self.state.fault.lock().unwrap();
            if let Some(Fault::AnswerAfter(at, _)) = *next
                && received >= at
                && let Some(Fault::AnswerAfter(_, instead)) = next.take()
            {
                let _ = (&self.client).write_all(&instead);
                // What the client makes of it, it makes in its own time.
                let deadline = Instant::now() + Duration::from_secs(1);
                while Instant::now() < deadline && !self.over.load(Ordering::Relaxed) {
                    thread::sleep(TICK);
                }
                return;
            }
            drop(next);
            if !self.muted.load(Ordering::Relaxed) && (&self.client).write_all(bytes).is_err() {
                return;
            }
        }
    }

    fn end(&self) {
        let reset = socket2::SockRef::from(&self.client).linger().ok().flatten().is_some();
        self.over.store(true, Ordering::Relaxed);
        if !reset {
            let _ = (self.client.shutdown(Shutdown::Both), self.server.shutdown(Shutdown::Both));
        }
    }
}

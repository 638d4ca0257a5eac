//! A proxy in front of the test's server, which loses what it is told to.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What is lost with the next COMMIT.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// The server gets the COMMIT, the client no answer.
    AnswerLost,
    /// The server does not get the COMMIT.
    CommitLost,
    /// The server gets the COMMIT, and no connection is possible until the proxy is healed.
    AnswerLostForGood,
}

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    down: bool,
    open: Vec<TcpStream>,
}

/// Forwards to the server; the thread goes away with the process.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    pub(crate) fn start(fault: Option<Fault>) -> Self {
        let server = crate::support::cluster().port();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { fault, ..State::default() }));
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let upstream = TcpStream::connect(("127.0.0.1", server)).unwrap();
                let (client_reads, upstream_writes) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
                let mut state = shared.lock().unwrap();
                if state.down {
                    continue;
                }
                state.open.extend([client.try_clone().unwrap(), upstream.try_clone().unwrap()]);
                drop(state);
                let faults = shared.clone();
                thread::spawn(move || forward(client_reads, upstream_writes, Some(&faults)));
                thread::spawn(move || forward(upstream, client, None));
            }
        });
        Proxy { port, state }
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Loses the next COMMIT.
    pub(crate) fn lose(&self, fault: Fault) {
        self.state.lock().unwrap().fault = Some(fault);
    }

    /// Ends all connections, and lets nobody in.
    pub(crate) fn cut(&self) {
        let mut state = self.state.lock().unwrap();
        state.down = true;
        for stream in state.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets connections in again.
    pub(crate) fn heal(&self) {
        self.state.lock().unwrap().down = false;
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, faults: Option<&Mutex<State>>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        let is_commit = buffer[..len].windows(7).any(|bytes| bytes == b"COMMIT\0");
        let fault = faults.filter(|_| is_commit).and_then(|faults| faults.lock().unwrap().fault.take());
        match fault {
            Some(Fault::AnswerLost | Fault::AnswerLostForGood) => {
                if fault == Some(Fault::AnswerLostForGood) {
                    faults.unwrap().lock().unwrap().down = true;
                }
                // First no answer can come through any more, then the question goes on.
                from.shutdown(Shutdown::Both).unwrap();
                to.write_all(&buffer[..len]).unwrap();
                thread::sleep(std::time::Duration::from_millis(300));
            }
            Some(Fault::CommitLost) => break,
            None => {
                if to.write_all(&buffer[..len]).is_err() {
                    break;
                }
            }
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

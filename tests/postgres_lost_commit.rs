//! A COMMIT whose answer is lost, with a proxy between the target and the server.
#![cfg(all(unix, feature = "postgres"))]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use longshore::ErrorKind;
use longshore::load::{Counts, Mode, PostgresOptions, PostgresTarget, Target};
use support::*;

#[derive(Clone, Copy)]
enum Fault {
    /// The server gets the COMMIT, the client no answer.
    AnswerLost,
    /// The server does not get the COMMIT.
    CommitLost,
    /// The server gets the COMMIT, and no connection is possible afterwards.
    AnswerLostForGood,
}

/// Forwards to the server until a COMMIT comes by on the first connection; later ones are only forwarded. Returns
/// the port to connect to.
fn proxy(fault: Fault) -> u16 {
    let server = cluster().port();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for (nth, client) in listener.incoming().enumerate() {
            let client = client.unwrap();
            if nth > 0 && matches!(fault, Fault::AnswerLostForGood) {
                continue;
            }
            let upstream = TcpStream::connect(("127.0.0.1", server)).unwrap();
            let (client_reads, upstream_writes) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            let fault = (nth == 0).then_some(fault);
            thread::spawn(move || {
                forward(client_reads, upstream_writes, fault);
            });
            thread::spawn(move || {
                forward(upstream, client, None);
            });
        }
    });
    port
}

fn forward(mut from: TcpStream, mut to: TcpStream, fault: Option<Fault>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        let is_commit = buffer[..len].windows(7).any(|bytes| bytes == b"COMMIT\0");
        match fault {
            Some(Fault::AnswerLost | Fault::AnswerLostForGood) if is_commit => {
                // First no answer can come through any more, then the question goes on.
                from.shutdown(Shutdown::Both).unwrap();
                to.write_all(&buffer[..len]).unwrap();
                thread::sleep(std::time::Duration::from_millis(300));
            }
            Some(Fault::CommitLost) if is_commit => break,
            _ => {
                if to.write_all(&buffer[..len]).is_err() {
                    break;
                }
            }
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

fn load(port: u16, database: &str) -> longshore::Result<Counts> {
    let mut options = PostgresOptions::default();
    options.recovery_timeout = std::time::Duration::from_secs(3);
    let url = format!("postgres://postgres@127.0.0.1:{port}/{database}");
    let mut target = PostgresTarget::connect_with(&url, options)?;
    let (_, encoder) = begin(&mut target, &people(), &request("people", "a"));
    target.write(encoder.encode(&people_batch(0..1000))?)?;
    target.quarantine(misfit(1))?;
    target.commit(1001)
}

fn name_of(url: &str) -> &str {
    url.rsplit_once('/').unwrap().1
}

#[test]
fn a_commit_whose_answer_is_lost_is_looked_up_and_not_sent_again() {
    let (url, mut client) = database();
    let counts = load(proxy(Fault::AnswerLost), name_of(&url)).unwrap();
    assert_eq!(counts, Counts { read: 1001, loaded: 1000, quarantined: 1, deduplicated: 0 });
    assert_eq!(count(&mut client, "people"), 1000);
    assert_eq!(count(&mut client, "_longshore_quarantine"), 1);
}

#[test]
fn a_commit_that_does_not_arrive_loads_nothing_and_says_so() {
    let (url, mut client) = database();
    let error = load(proxy(Fault::CommitLost), name_of(&url)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Database);
    assert_eq!(error.message(), "the transaction did not commit; nothing was loaded");
    assert!(!exists(&mut client, "people"));
    let mut again = request("people", "a");
    again.mode = Mode::FailIfExists;
    load_people(&url, &again, 0..1000).unwrap();
    assert_eq!(count(&mut client, "people"), 1000);
}

#[test]
fn a_commit_whose_outcome_cannot_be_learnt_is_not_reported_as_either() {
    let (url, mut client) = database();
    let error = load(proxy(Fault::AnswerLostForGood), name_of(&url)).unwrap_err();
    assert!(error.message().contains("whether the load was committed is not known"), "{error}");
    // Running it again is safe, as the hint says.
    assert_eq!(load_people(&url, &request("people", "a"), 0..1000).unwrap().loaded, 1000);
    assert_eq!(count(&mut client, "people"), 1000);
}

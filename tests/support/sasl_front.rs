//! A log-in in front of a Kafka broker that has none.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::scram;

const API_VERSIONS: i16 = 18;
const SASL_HANDSHAKE: i16 = 17;
const SASL_AUTHENTICATE: i16 = 36;

const UNSUPPORTED_MECHANISM: i16 = 33;
const AUTHENTICATION_FAILED: i16 = 58;

/// Asks clients for a password by PLAIN or SCRAM, and hands on what those say who know it to another port of this machine.
pub(crate) struct SaslFront {
    pub(crate) port: u16,
    behind: Arc<OnceLock<u16>>,
    admitted: Arc<AtomicU64>,
}

/// The one user that there is.
#[derive(Clone)]
struct User {
    name: String,
    password: String,
}

impl SaslFront {
    pub(crate) fn open(name: &str, password: &str) -> Self {
        let user = User { name: name.to_owned(), password: password.to_owned() };
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let front = SaslFront { port, behind: Arc::default(), admitted: Arc::default() };
        let (behind, admitted) = (front.behind.clone(), front.admitted.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (user, behind, admitted) = (user.clone(), behind.clone(), admitted.clone());
                std::thread::spawn(move || behind.get().map(|port| serve(client, *port, &user, &admitted)));
            }
        });
        front
    }

    /// Says where the broker is.
    pub(crate) fn lead_to(&self, port: u16) {
        self.behind.set(port).unwrap();
    }

    /// How many connections were let in.
    pub(crate) fn admitted(&self) -> u64 {
        self.admitted.load(Ordering::Relaxed)
    }
}

/// How far a client's log-in is.
enum Stage {
    Nothing,
    Plain,
    Scram(scram::Hash),
    ScramAsked(scram::Asked),
    Done,
}

/// Carries one connection until either side ends it.
fn serve(client: TcpStream, port: u16, user: &User, admitted: &AtomicU64) -> Result<()> {
    let server = TcpStream::connect(("127.0.0.1", port))?;
    let mut stage = Stage::Nothing;
    while !matches!(stage, Stage::Done) {
        let frame = read_frame(&client)?;
        let request = Request::read(&frame)?;
        let answer = match request.key {
            // What can be asked for is for the broker to say.
            API_VERSIONS => {
                write_frame(&server, &frame)?;
                read_frame(&server)?
            }
            SASL_HANDSHAKE => {
                let code = match text(request.body).as_deref() {
                    Ok("PLAIN") => {
                        stage = Stage::Plain;
                        0
                    }
                    Ok(mechanism) if let Some(hash) = scram::hash(mechanism) => {
                        stage = Stage::Scram(hash);
                        0
                    }
                    _ => UNSUPPORTED_MECHANISM,
                };
                let offered = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
                let mut answer = [request.correlation.to_vec(), code.to_be_bytes().to_vec()].concat();
                answer.extend((offered.len() as i32).to_be_bytes());
                offered.iter().for_each(|mechanism| put_text(&mut answer, mechanism));
                answer
            }
            SASL_AUTHENTICATE => {
                let said = request.body.get(4..).ok_or(ErrorKind::InvalidData)?;
                let said = std::str::from_utf8(said).map_err(Error::other)?;
                let answered = step(&mut stage, said, user);
                let mut answer = request.correlation.to_vec();
                match &answered {
                    Some(_) => answer.extend([0, 0, 0xff, 0xff]),
                    None => {
                        answer.extend(AUTHENTICATION_FAILED.to_be_bytes());
                        put_text(&mut answer, "Authentication failed due to invalid credentials");
                    }
                }
                let bytes = answered.clone().unwrap_or_default();
                answer.extend((bytes.len() as i32).to_be_bytes());
                answer.extend(bytes.as_bytes());
                if request.version >= 1 {
                    answer.extend(0_i64.to_be_bytes());
                }
                if answered.is_none() {
                    write_frame(&client, &answer)?;
                    return client.shutdown(Shutdown::Write);
                }
                answer
            }
            // A broker talks of nothing else before it knows with whom.
            _ => return client.shutdown(Shutdown::Both),
        };
        if matches!(stage, Stage::Done) {
            admitted.fetch_add(1, Ordering::Relaxed);
        }
        write_frame(&client, &answer)?;
    }
    let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
    let back = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut &client, &mut &server);
    let _ = (server.shutdown(Shutdown::Both), client.shutdown(Shutdown::Both));
    let _ = back.join();
    Ok(())
}

/// The next message of a mechanism, and the answer to it; none ends the log-in.
fn step(stage: &mut Stage, said: &str, user: &User) -> Option<String> {
    match std::mem::replace(stage, Stage::Nothing) {
        Stage::Plain => {
            if said != format!("\0{}\0{}", user.name, user.password) {
                return None;
            }
            *stage = Stage::Done;
            Some(String::new())
        }
        Stage::Scram(hash) => {
            let asked = scram::Asked::new(hash, said, &user.name)?;
            let question = asked.question().to_owned();
            *stage = Stage::ScramAsked(asked);
            Some(question)
        }
        Stage::ScramAsked(asked) => {
            let answer = asked.answer(said, &user.password)?;
            *stage = Stage::Done;
            Some(answer)
        }
        Stage::Nothing | Stage::Done => None,
    }
}

struct Request<'a> {
    key: i16,
    version: i16,
    correlation: [u8; 4],
    body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads a request whose header is of version 1, as are those of the log-in; of the others only the beginning is good.
    fn read(frame: &'a [u8]) -> Result<Self> {
        let short = || Error::from(ErrorKind::InvalidData);
        let (head, rest) = frame.split_first_chunk::<10>().ok_or_else(short)?;
        let number = |at: usize| i16::from_be_bytes([head[at], head[at + 1]]);
        let client_id = usize::try_from(number(8)).unwrap_or(0);
        let correlation = [head[4], head[5], head[6], head[7]];
        let body = rest.get(client_id..).ok_or_else(short)?;
        Ok(Request { key: number(0), version: number(2), correlation, body })
    }
}

fn text(bytes: &[u8]) -> Result<String> {
    let text = bytes.get(2..).ok_or(ErrorKind::InvalidData)?;
    String::from_utf8(text.to_vec()).map_err(Error::other)
}

fn put_text(to: &mut Vec<u8>, text: &str) {
    to.extend((text.len() as i16).to_be_bytes());
    to.extend(text.as_bytes());
}

fn read_frame(mut from: &TcpStream) -> Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    // No request or answer of a log-in comes near this.
    let length = usize::try_from(i32::from_be_bytes(length)).ok().filter(|length| *length < 1 << 20);
    let mut frame = vec![0; length.ok_or(ErrorKind::InvalidData)?];
    from.read_exact(&mut frame)?;
    Ok(frame)
}

fn write_frame(mut to: &TcpStream, frame: &[u8]) -> Result<()> {
    to.write_all(&[&(frame.len() as i32).to_be_bytes()[..], frame].concat())
}

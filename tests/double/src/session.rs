//! One client: the handshake, its requests, and their answers.

use std::io::{self, BufReader, BufWriter, Write};
use std::net::TcpStream;
use std::sync::Arc;

use crate::Shared;
use crate::backend::{Answer, Backend, error_of};
use crate::catalog::Catalog;
use crate::execute;
use crate::faults::Fault;
use crate::refusal::Refusal;
use crate::sql::name::{backing, folded};
use crate::sql::token::{Kind, Token, statements};
use crate::sql::{Facts, MAX_STATEMENT, Statement, parse};
use crate::wire::{self, Message};

/// Why a request ends early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// With an error for the client.
    Refused(Refusal),
    /// With the connection, on demand.
    Cut,
    /// With the connection, because it broke.
    Io(io::Error),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Stop::Refused(refusal)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Io(error)
    }
}

/// A client's session.
pub(crate) struct Session {
    pub(crate) shared: Arc<Shared>,
    pub(crate) backend: Backend,
    pub(crate) catalog: Catalog,
    pub(crate) facts: Facts,
    pub(crate) database: String,
    pub(crate) id: u32,
    /// Whether the open block was begun for a request of several statements, and not by the client.
    implicit: bool,
}

const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
const CANCEL: u32 = 80_877_102;

/// Serves a client until it leaves.
pub(crate) fn serve(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = BufWriter::new(stream);
    let Some(database) = handshake(&mut reader, &mut writer)? else { return Ok(()) };
    let opened = shared.catalog(&database).and_then(|catalog| Ok((catalog, Backend::connect(shared.port, &database)?)));
    let (catalog, mut backend) = match opened? {
        (Ok(catalog), Ok(backend)) => (catalog, backend),
        (Err(refusal), _) | (_, Err(refusal)) => {
            wire::error(&refusal, "FATAL").write(&mut writer)?;
            return writer.flush();
        }
    };
    // What pg_backend_pid() says, so that a session finds its lines in the logs.
    let asked = backend.rows("SELECT pg_catalog.pg_backend_pid()")?.unwrap_or_default();
    let id = asked.first().and_then(|row| row.first()?.as_deref()?.parse().ok()).unwrap_or_default();
    let facts = Facts::default();
    let mut session = Session { shared, backend, catalog, facts, database, id, implicit: false };
    welcome(id, &mut writer)?;
    while let Some(message) = Message::read(&mut reader)? {
        match message.letter {
            b'Q' => match session.request(&wire::split_cstring(&message.body).0) {
                Ok(answer) => send(&answer, &mut writer)?,
                Err(Stop::Cut) => return Ok(()),
                Err(Stop::Io(error)) => return Err(error),
                Err(Stop::Refused(refusal)) => send(&[wire::error(&refusal, "ERROR")], &mut writer)?,
            },
            b'X' => return Ok(()),
            // The double is stricter than Redshift here: binary results of a Redshift are not those of PostgreSQL, and
            // a client that relies on them breaks.
            b'S' => {
                let refusal =
                    Refusal::double_lacks("the extended protocol: binary results differ, send simple queries");
                send(&[wire::error(&refusal, "ERROR")], &mut writer)?;
            }
            _ => continue,
        }
        wire::ready(session.backend.status).write(&mut writer)?;
        writer.flush()?;
    }
    Ok(())
}

/// The database that the client asks for; `None` for a request to cancel.
fn handshake(reader: &mut impl io::Read, writer: &mut impl Write) -> io::Result<Option<String>> {
    loop {
        let startup = Message::read_startup(reader)?;
        let code = startup.get(..4).map_or(0, |bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        match code {
            SSL | GSS => {
                writer.write_all(b"N")?;
                writer.flush()?;
            }
            CANCEL => return Ok(None),
            _ => {
                let pairs = wire::cstrings(&startup[4..]);
                let value = |name: &str| pairs.chunks(2).find(|pair| pair[0] == name).and_then(|pair| pair.get(1));
                return Ok(value("database").or_else(|| value("user")).cloned());
            }
        }
    }
}

/// What Redshift reports of itself, and nothing that it does not.
fn welcome(id: u32, writer: &mut impl Write) -> io::Result<()> {
    Message::new(b'R', 0_u32.to_be_bytes().to_vec()).write(writer)?;
    for (name, value) in [
        ("server_version", "8.0.2"),
        ("client_encoding", "UNICODE"),
        ("server_encoding", "UNICODE"),
        ("session_authorization", "awsuser"),
        ("is_superuser", "off"),
        ("integer_datetimes", "on"),
        ("DateStyle", "ISO, MDY"),
    ] {
        wire::parameter(name, value).write(writer)?;
    }
    Message::new(b'K', [id.to_be_bytes(), 0_u32.to_be_bytes()].concat()).write(writer)?;
    wire::ready(b'I').write(writer)?;
    writer.flush()
}

fn send(answer: &[Message], writer: &mut impl Write) -> io::Result<()> {
    answer.iter().try_for_each(|message| message.write(writer))
}

impl Session {
    /// Answers a request of any number of statements.
    fn request(&mut self, sql: &str) -> Result<Answer, Stop> {
        if sql.len() > MAX_STATEMENT {
            let refusal = Refusal::new(
                "54001",
                format!(
                    "Statement is too large. Statement Size: {} bytes. Maximum Allowed: {MAX_STATEMENT} bytes",
                    sql.len()
                ),
            );
            return self.failed(refusal, Vec::new());
        }
        let parts = match statements(sql) {
            Ok(parts) => parts,
            Err(refusal) => return self.failed(refusal, Vec::new()),
        };
        if parts.is_empty() {
            return Ok(vec![Message::new(b'I', Vec::new())]);
        }
        let several = parts.len() > 1;
        let mut answer = Vec::new();
        for tokens in &parts {
            match self.statement(sql, tokens, several) {
                Ok(more) => answer.extend(more),
                Err(Stop::Refused(refusal)) => return self.failed(refusal, answer),
                Err(stop) => return Err(stop),
            }
        }
        if std::mem::take(&mut self.implicit) && self.backend.in_block() {
            let ended = self.backend.query("COMMIT")?;
            if let Some(refusal) = error_of(&ended) {
                answer.push(wire::error(&self.translated(refusal), "ERROR"));
            }
        }
        Ok(answer)
    }

    /// An error ends a request: a block that the client began has failed, one of the request's own is rolled back.
    fn failed(&mut self, refusal: Refusal, mut answer: Answer) -> Result<Answer, Stop> {
        if std::mem::take(&mut self.implicit) {
            self.backend.query("ROLLBACK")?;
        } else {
            self.backend.fail_block()?;
        }
        answer.push(wire::error(&refusal, "ERROR"));
        Ok(answer)
    }

    fn statement(&mut self, sql: &str, tokens: &[Token], several: bool) -> Result<Answer, Stop> {
        let text = &sql[tokens[0].start..tokens[tokens.len() - 1].end];
        self.facts.query_id = self.shared.next_query();
        self.shared.log(self.id, text);
        let statement = parse(tokens, self.facts.case_sensitive)?;
        let aborted = self.backend.status == b'E' && !matches!(statement, Statement::Commit | Statement::Rollback);
        if aborted {
            let message = "current transaction is aborted, commands ignored until end of transaction block";
            return Err(Refusal::new("25P02", message).into());
        }
        if let Some((code, message)) = self.shared.faults.refusal(text) {
            return Err(Refusal::new(&code, message).into());
        }
        self.keep_names(tokens)?;
        match statement {
            Statement::Begin => return self.begin(),
            Statement::Commit => return self.commit(),
            Statement::Rollback => {
                self.implicit = false;
                return self.forward("ROLLBACK");
            }
            _ => {}
        }
        if several && !self.backend.in_block() {
            self.backend.query("BEGIN")?;
            self.implicit = true;
        }
        execute::run(self, statement, tokens, several)
    }

    fn begin(&mut self) -> Result<Answer, Stop> {
        if std::mem::take(&mut self.implicit) {
            return Ok(vec![wire::complete("BEGIN")]);
        }
        self.forward("BEGIN")
    }

    fn commit(&mut self) -> Result<Answer, Stop> {
        self.implicit = false;
        let faults = self.shared.faults.clone();
        if self.backend.status == b'T' {
            if faults.take(&Fault::CutBeforeCommit) {
                return Err(Stop::Cut);
            }
            if faults.take(&Fault::SerializationFailure) {
                self.backend.query("ROLLBACK")?;
                return Err(serialization_failure().into());
            }
            if faults.take(&Fault::CutAfterCommit) {
                self.forward("COMMIT")?;
                return Err(Stop::Cut);
            }
        }
        self.forward("COMMIT")
    }

    /// Registers the names that are too long for the backing server.
    fn keep_names(&self, tokens: &[Token]) -> io::Result<()> {
        for token in tokens.iter().filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted)) {
            let name = folded(token, self.facts.case_sensitive);
            if backing(&name) != name {
                self.catalog.need_name(&name)?;
            }
        }
        Ok(())
    }

    /// Has the backing server run a text, and gives its answer as Redshift would.
    pub(crate) fn forward(&mut self, sql: &str) -> Result<Answer, Stop> {
        let answer = self.backend.query(sql)?;
        if let Some(refusal) = error_of(&answer) {
            return Err(self.translated(refusal).into());
        }
        let seen = |message: &Message| message.letter != b'S';
        Ok(answer.into_iter().filter(seen).map(|message| self.shown(message)).collect())
    }

    /// Column names at their full length, and the numbers that Redshift's own types have.
    fn shown(&self, message: Message) -> Message {
        if message.letter != b'T' {
            return message;
        }
        let mut body = message.body[..2].to_vec();
        let mut rest = &message.body[2..];
        while !rest.is_empty() {
            let (name, after) = wire::split_cstring(rest);
            body.extend(wire::cstring(&self.catalog.with_long_names(&name)));
            let mut column = after[..18].to_vec();
            let ty = match u32::from_be_bytes([column[6], column[7], column[8], column[9]]) {
                3802 => 4000,
                17 => 6551,
                other => other,
            };
            column[6..10].copy_from_slice(&u32::to_be_bytes(ty));
            body.extend(column);
            rest = &after[18..];
        }
        Message::new(b'T', body)
    }

    /// An error of the backing server in Redshift's words.
    pub(crate) fn translated(&self, refusal: Refusal) -> Refusal {
        let long = |text: &str| self.catalog.with_long_names(text);
        let message = long(&refusal.message);
        let violated = |check: &str| refusal.code == "23514" && message.contains(&format!("constraint \"{check}\""));
        if violated("too_long") {
            let ty =
                message.split(['.', ' ']).find(|word| word.starts_with("varchar_") || word.starts_with("varbyte_"));
            return Refusal::new("22001", "Value too long for character type")
                .with_detail(format!("Value too long for type {}", ty.unwrap_or("").trim_matches('"')));
        }
        if violated("not_ascii") {
            return Refusal::internal("CHAR string contains invalid ASCII character");
        }
        if violated("overflow") || (refusal.code == "22003" && message.starts_with("numeric")) {
            return Refusal::internal("Numeric data overflow (result precision)");
        }
        match refusal.code.as_str() {
            "40001" => serialization_failure(),
            "21000" if message.starts_with("MERGE") => {
                Refusal::internal("Found multiple matches to update the same tuple.")
            }
            "23502" => Refusal::internal(format!("Cannot insert a NULL value into column {}", quoted_in(&message))),
            _ => Refusal { message, detail: refusal.detail.as_deref().map(long), code: refusal.code },
        }
    }
}

fn quoted_in(message: &str) -> &str {
    message.split('"').nth(1).unwrap_or("")
}

fn serialization_failure() -> Refusal {
    Refusal::internal("1023").with_detail("Serializable isolation violation on table in Redshift")
}

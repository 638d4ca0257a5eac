//! A session with the real PostgreSQL behind the double.

use std::io::{self, BufReader, BufWriter, Write};
use std::net::TcpStream;

use crate::refusal::Refusal;
use crate::wire::{self, Message};

/// A connection, and the state of its transaction.
pub(crate) struct Backend {
    reader: BufReader<TcpStream>,
    writer: BufWriter<TcpStream>,
    /// `I` outside of a block, `T` in one, `E` in one that has failed.
    pub(crate) status: u8,
}

/// What a statement gave: its messages without the last `Z`.
pub(crate) type Answer = Vec<Message>;

impl Backend {
    /// Connects to a server that trusts its local users.
    pub(crate) fn connect(port: u16, database: &str) -> io::Result<Result<Backend, Refusal>> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let mut backend =
            Backend { reader: BufReader::new(stream.try_clone()?), writer: BufWriter::new(stream), status: b'I' };
        let mut startup = 196_608_u32.to_be_bytes().to_vec();
        for text in ["user", "postgres", "database", database, "client_encoding", "UTF8"] {
            startup.extend(wire::cstring(text));
        }
        startup.push(0);
        backend.writer.write_all(&(startup.len() as u32 + 4).to_be_bytes())?;
        backend.writer.write_all(&startup)?;
        backend.writer.flush()?;
        let refused = backend.until_ready()?.into_iter().find(|message| message.letter == b'E');
        if let Some(message) = refused {
            return Ok(Err(wire::refusal(&message.body)));
        }
        // The rules of PostgreSQL 8: a backslash escapes in every literal, and nobody is warned of it.
        let settings = "SET standard_conforming_strings = off; SET escape_string_warning = off; \
                        SET default_transaction_isolation = 'repeatable read'; SET client_min_messages = warning; \
                        SET timezone = 'UTC'; SET search_path = \"$user\", public, redshift_double";
        backend.run(settings).map(|done| done.map(|()| backend))
    }

    /// Runs a text and collects everything up to the end. Errors are among the messages.
    pub(crate) fn query(&mut self, sql: &str) -> io::Result<Answer> {
        Message::new(b'Q', wire::cstring(sql)).write(&mut self.writer)?;
        self.writer.flush()?;
        self.until_ready()
    }

    /// Runs a text for what it does.
    pub(crate) fn run(&mut self, sql: &str) -> io::Result<Result<(), Refusal>> {
        let answer = self.query(sql)?;
        Ok(error_of(&answer).map_or(Ok(()), Err))
    }

    /// Runs a query for its rows.
    pub(crate) fn rows(&mut self, sql: &str) -> io::Result<Result<Vec<Vec<Option<String>>>, Refusal>> {
        let answer = self.query(sql)?;
        if let Some(refusal) = error_of(&answer) {
            return Ok(Err(refusal));
        }
        Ok(Ok(answer.iter().filter(|message| message.letter == b'D').map(|message| wire::row(&message.body)).collect()))
    }

    /// Begins a `COPY … FROM STDIN`, feeds it and ends it. `feed` writes rows and says whether to go through with it.
    pub(crate) fn copy_in(
        &mut self,
        sql: &str,
        feed: impl FnOnce(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<Result<(), Refusal>>,
    ) -> io::Result<Result<(), Refusal>> {
        Message::new(b'Q', wire::cstring(sql)).write(&mut self.writer)?;
        self.writer.flush()?;
        match Message::read(&mut self.reader)? {
            Some(message) if message.letter == b'G' => {}
            Some(message) if message.letter == b'E' => {
                self.until_ready()?;
                return Ok(Err(wire::refusal(&message.body)));
            }
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        let writer = &mut self.writer;
        let fed = feed(&mut |rows: &[u8]| Message::new(b'd', rows.to_vec()).write(writer))?;
        match &fed {
            Ok(()) => Message::new(b'c', Vec::new()).write(&mut self.writer)?,
            Err(refusal) => Message::new(b'f', wire::cstring(&refusal.message)).write(&mut self.writer)?,
        }
        self.writer.flush()?;
        let answer = self.until_ready()?;
        // What stopped the feeding is the reason, not that it was stopped.
        Ok(fed.and(error_of(&answer).map_or(Ok(()), Err)))
    }

    fn until_ready(&mut self) -> io::Result<Answer> {
        let mut answer = Vec::new();
        loop {
            let message = Message::read(&mut self.reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if message.letter == b'Z' {
                self.status = message.body[0];
                return Ok(answer);
            }
            answer.push(message);
        }
    }

    /// Whether a block is open.
    pub(crate) fn in_block(&self) -> bool {
        self.status != b'I'
    }

    /// Makes an open block one that has failed.
    pub(crate) fn fail_block(&mut self) -> io::Result<()> {
        if self.status == b'T' {
            self.query("SELECT redshift_double.no_such_function()")?;
        }
        Ok(())
    }
}

/// The first error among the messages of an answer.
pub(crate) fn error_of(answer: &[Message]) -> Option<Refusal> {
    answer.iter().find(|message| message.letter == b'E').map(|message| wire::refusal(&message.body))
}

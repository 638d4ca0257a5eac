//! Messages of the PostgreSQL protocol, version 3, as bytes.

use std::io::{self, Read, Write};

use crate::refusal::Refusal;

/// A message longer than this is a mistake and not data.
const LONGEST: usize = 64 << 20;

/// A message: its letter and what follows its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) letter: u8,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn new(letter: u8, body: Vec<u8>) -> Self {
        Message { letter, body }
    }

    /// Reads one; `None` at the end of the stream.
    pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Message>> {
        let mut head = [0; 5];
        match from.read_exact(&mut head[..1]) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        from.read_exact(&mut head[1..])?;
        let body = read_body(from, [head[1], head[2], head[3], head[4]])?;
        Ok(Some(Message { letter: head[0], body }))
    }

    /// Reads a first message, which has no letter.
    pub(crate) fn read_startup(from: &mut impl Read) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        read_body(from, length)
    }

    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&[self.letter])?;
        to.write_all(&(self.body.len() as u32 + 4).to_be_bytes())?;
        to.write_all(&self.body)
    }
}

fn read_body(from: &mut impl Read, length: [u8; 4]) -> io::Result<Vec<u8>> {
    let length = u32::from_be_bytes(length) as usize;
    if !(4..=LONGEST).contains(&length) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message of impossible length"));
    }
    let mut body = vec![0; length - 4];
    from.read_exact(&mut body)?;
    Ok(body)
}

/// A string as messages hold it.
pub(crate) fn cstring(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

/// The first string of a message, and what follows it.
pub(crate) fn split_cstring(body: &[u8]) -> (String, &[u8]) {
    let end = body.iter().position(|&byte| byte == 0).unwrap_or(body.len());
    (String::from_utf8_lossy(&body[..end]).into_owned(), body.get(end + 1..).unwrap_or(&[]))
}

/// The strings of a message, up to an empty one.
pub(crate) fn cstrings(mut body: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    while !body.is_empty() && body[0] != 0 {
        let (text, rest) = split_cstring(body);
        all.push(text);
        body = rest;
    }
    all
}

/// A message of fields: an error or a notice.
fn fields(letter: u8, fields: &[(u8, &str)]) -> Message {
    let mut body = Vec::new();
    for (field, text) in fields {
        body.push(*field);
        body.extend(cstring(text));
    }
    body.push(0);
    Message::new(letter, body)
}

pub(crate) fn error(refusal: &Refusal, severity: &str) -> Message {
    let mut all = vec![(b'S', severity), (b'C', refusal.code.as_str()), (b'M', refusal.message.as_str())];
    all.extend(refusal.detail.as_deref().map(|detail| (b'D', detail)));
    fields(b'E', &all)
}

pub(crate) fn info(message: &str) -> Message {
    fields(b'N', &[(b'S', "INFO"), (b'C', "00000"), (b'M', message)])
}

/// The error in an `E` message.
pub(crate) fn refusal(body: &[u8]) -> Refusal {
    let mut found = Refusal::new("XX000", "");
    let mut rest = body;
    while let Some((&field, after)) = rest.split_first().filter(|(field, _)| **field != 0) {
        let (text, next) = split_cstring(after);
        match field {
            b'C' => found.code = text,
            b'M' => found.message = text,
            b'D' => found.detail = Some(text),
            _ => {}
        }
        rest = next;
    }
    found
}

pub(crate) fn parameter(name: &str, value: &str) -> Message {
    Message::new(b'S', [cstring(name), cstring(value)].concat())
}

pub(crate) fn complete(tag: &str) -> Message {
    Message::new(b'C', cstring(tag))
}

pub(crate) fn ready(status: u8) -> Message {
    Message::new(b'Z', vec![status])
}

/// A result of one row and one text column.
pub(crate) fn one_value(column: &str, value: &str, tag: &str) -> Vec<Message> {
    let mut description = 1_u16.to_be_bytes().to_vec();
    description.extend(cstring(column));
    description.extend(0_u32.to_be_bytes());
    description.extend(0_u16.to_be_bytes());
    description.extend(25_u32.to_be_bytes());
    description.extend((-1_i16).to_be_bytes());
    description.extend((-1_i32).to_be_bytes());
    description.extend(0_u16.to_be_bytes());
    let mut row = 1_u16.to_be_bytes().to_vec();
    row.extend((value.len() as u32).to_be_bytes());
    row.extend(value.as_bytes());
    vec![Message::new(b'T', description), Message::new(b'D', row), complete(tag)]
}

/// The rows of `D` messages as texts.
pub(crate) fn row(body: &[u8]) -> Vec<Option<String>> {
    let mut values = Vec::new();
    let mut rest = body.get(2..).unwrap_or(&[]);
    while rest.len() >= 4 {
        let length = i32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]);
        rest = &rest[4..];
        let Ok(length) = usize::try_from(length) else {
            values.push(None);
            continue;
        };
        let length = length.min(rest.len());
        values.push(Some(String::from_utf8_lossy(&rest[..length]).into_owned()));
        rest = &rest[length..];
    }
    values
}

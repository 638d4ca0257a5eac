//! Quarantined records, kept aside until the COPY of the rows has ended and the connection is free for theirs.

use std::io::{Read, Seek, Write};

use tempfile::SpooledTempFile;

use super::error::failed;
use super::ledger::{LoadKey, QUARANTINE};
use super::session::Client;
use crate::batch::Misfit;
use crate::error::{Error, Result};
use crate::fault;
use crate::load::copy_binary::CopyEncoder;
use crate::plan::{TableName, identifier};

/// Bytes kept in memory before the spool goes to a temporary file, which only this user can read.
const IN_MEMORY: usize = 8 << 20;
/// Bytes collected before they are written to the spool.
const PIECE: usize = 64 << 10;
const COLUMNS: [&str; 11] = [
    "table_name",
    "load_id",
    "source",
    "line",
    "byte",
    "path",
    "reason",
    "raw",
    "raw_bytes",
    "scope",
    "schema_version",
];

/// What is kept aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// A whole record.
    Record,
    /// A value of a record that became a row.
    Value,
}

/// Misfits as rows of the quarantine table, in COPY's binary form.
pub(super) struct Spool {
    file: SpooledTempFile,
    pending: Vec<u8>,
    rows: u64,
    /// How many of the rows are single values.
    values: u64,
    table: String,
    load_id: String,
    schema_version: String,
    sources: Vec<String>,
}

impl Spool {
    pub(super) fn new(key: &LoadKey, sources: &[String], schema_version: &str) -> Self {
        Spool {
            file: SpooledTempFile::new(IN_MEMORY),
            pending: Vec::new(),
            rows: 0,
            values: 0,
            table: key.target.name.clone(),
            load_id: key.load_id.clone(),
            schema_version: schema_version.to_owned(),
            sources: sources.to_vec(),
        }
    }

    /// Everything that is kept aside.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The single values among it.
    pub(super) fn values(&self) -> u64 {
        self.values
    }

    pub(super) fn push(&mut self, misfit: &Misfit, scope: Scope) -> Result<()> {
        fault::point("quarantine.push")?;
        let row = &mut self.pending;
        row.extend_from_slice(&(COLUMNS.len() as i16).to_be_bytes());
        text(row, &self.table);
        text(row, &self.load_id);
        match self.sources.get(misfit.source as usize) {
            Some(name) => text(row, name),
            None => text(row, &format!("#{}", misfit.source)),
        }
        number(row, misfit.line);
        number(row, misfit.byte);
        match &misfit.path {
            Some(path) => text(row, path),
            None => row.extend_from_slice(&(-1_i32).to_be_bytes()),
        }
        text(row, &misfit.reason);
        bytes(row, &misfit.raw);
        number(row, misfit.raw_len);
        text(row, if scope == Scope::Value { "value" } else { "record" });
        text(row, &self.schema_version);
        self.rows += 1;
        self.values += u64::from(scope == Scope::Value);
        if self.pending.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.file.write_all(&self.pending).map_err(broken)?;
        self.pending.clear();
        Ok(())
    }

    /// Copies everything into the quarantine table; returns the server's count.
    pub(super) fn copy_into(&mut self, client: &mut Client, target: &TableName) -> Result<u64> {
        if self.rows == 0 {
            return Ok(0);
        }
        fault::point("quarantine.write")?;
        self.flush()?;
        self.file.rewind().map_err(broken)?;
        let table = target.beside(QUARANTINE);
        let list = COLUMNS.map(identifier).join(", ");
        let sql = format!("COPY {} ({list}) FROM STDIN (FORMAT binary)", table.quoted());
        let doing = "copying quarantined records";
        let refused = |error: ::postgres::Error| failed(doing, &error);
        let mut copy = client.copy_in(&sql).map_err(refused)?;
        copy.send(CopyEncoder::header()).map_err(refused)?;
        loop {
            let mut piece = vec![0; PIECE];
            let len = self.file.read(&mut piece).map_err(broken)?;
            if len == 0 {
                break;
            }
            piece.truncate(len);
            copy.send(piece).map_err(refused)?;
        }
        copy.send(CopyEncoder::trailer()).map_err(refused)?;
        copy.finish().map_err(refused)
    }
}

fn broken(cause: std::io::Error) -> Error {
    Error::io("keeping quarantined records in a temporary file", cause)
        .with_hint("free space in the folder for temporary files, or name another one in TMPDIR")
}

fn bytes(row: &mut Vec<u8>, value: &[u8]) {
    row.extend_from_slice(&(value.len() as u32).to_be_bytes());
    row.extend_from_slice(value);
}

/// Text without U+0000, which Postgres does not hold: a JSON key may have one.
fn text(row: &mut Vec<u8>, value: &str) {
    match value.contains('\0') {
        true => bytes(row, value.replace('\0', "\\u0000").as_bytes()),
        false => bytes(row, value.as_bytes()),
    }
}

fn number(row: &mut Vec<u8>, value: u64) {
    bytes(row, &i64::try_from(value).unwrap_or(i64::MAX).to_be_bytes());
}

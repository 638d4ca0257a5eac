//! Records out of the quarantine into the table: one transaction for the rows and for the marks on their records.

use super::session::Client;

use super::contract::evolve_within;
use super::error::failed;
use super::ledger::lock;
use super::open;
use super::quarantine::{PostgresQuarantine, Waiting};
use super::rows::Load;
use super::stream::Resolve;
use super::{catalog, ledger};
use crate::error::{Error, ErrorKind, Result};
use crate::load::copy_binary::CopyEncoder;
use crate::load::kept::Selection;
use crate::load::{Contract, Counts, LoadRequest, Mode, Prepared, Refused};
use crate::schema::Schema;

/// Records that are about to be tried again, in a transaction that holds the table's lock: nobody else has them.
pub(crate) struct Replay<'a> {
    quarantine: &'a mut PostgresQuarantine,
    client: Option<Client>,
    /// The records.
    pub(crate) waiting: Vec<Waiting>,
}

/// A replay that takes rows. Dropping it rolls everything back.
pub(crate) struct OpenReplay<'a> {
    quarantine: &'a mut PostgresQuarantine,
    load: Load,
    load_id: String,
    /// What to decode under.
    pub(crate) schema: Schema,
    /// The statements that were run to make or change the table.
    pub(crate) altered: Vec<String>,
}

impl PostgresQuarantine {
    /// Takes up selected records of one format behind the id `after`, about `bytes` of them. `None` if there are none.
    pub(crate) fn replay(
        &mut self,
        selection: &Selection,
        format: Option<&str>,
        after: i64,
        bytes: i64,
    ) -> Result<Option<Replay<'_>>> {
        let mut client = self.session()?;
        open::begin(&mut client)?;
        lock(&mut client, self.key.lock(), self.endpoint.options.queue_timeout)?;
        let waiting = self.waiting(&mut client, selection, format, after, bytes)?;
        if waiting.is_empty() {
            client.batch_execute("ROLLBACK").map_err(|error| failed("closing the transaction", &error))?;
            self.client = Some(client);
            return Ok(None);
        }
        Ok(Some(Replay { quarantine: self, client: Some(client), waiting }))
    }
}

impl<'a> Replay<'a> {
    /// Makes the table ready for rows.
    pub(crate) fn open(
        mut self,
        request: LoadRequest,
        contract: &Contract,
        resolve: &mut Resolve<'_>,
    ) -> Result<OpenReplay<'a>> {
        let mut client = self.client.take().ok_or_else(closed)?;
        let mut key = self.quarantine.key.clone();
        key.load_id.clone_from(&request.load_id);
        let options = self.quarantine.endpoint.options.clone();
        open::create_surroundings(&mut client, &self.quarantine.endpoint, &key, false)?;
        ledger::set_lock_timeout(&mut client, options.lock_timeout)?;
        let (ready, schema) = match catalog::find(&mut client, &key.target)? {
            None => {
                let schema = resolve(None)?;
                (open::create(&mut client, key, &schema, options.json)?, schema)
            }
            Some(oid) => {
                let existing = open::occupy(&mut client, oid, &key, &Mode::Append)?;
                let mut schema = resolve(Some(&existing))?;
                let evolution = evolve_within(&mut schema, &existing, &key.target, options.json, contract, false)?;
                (open::adapt(&mut client, key, evolution)?, schema)
            }
        };
        let (altered, load_id) = (ready.done.clone(), request.load_id.clone());
        let (load, schema) = Load::start(Box::new(client), ready, &schema, request, &[])?;
        Ok(OpenReplay { quarantine: self.quarantine, load, load_id, schema, altered })
    }

    /// Leaves everything as it is.
    pub(crate) fn leave(mut self) -> Result<()> {
        let mut client = self.client.take().ok_or_else(closed)?;
        client.batch_execute("ROLLBACK").map_err(|error| failed("closing the transaction", &error))?;
        self.quarantine.client = Some(client);
        Ok(())
    }
}

impl OpenReplay<'_> {
    /// What turns batches into rows.
    pub(crate) fn encoder(&self) -> CopyEncoder {
        self.load.encoder().clone()
    }

    /// Sends rows.
    pub(crate) fn write(&mut self, rows: Prepared) -> Result<()> {
        self.load.write(rows)
    }

    /// Ends the sending; returns the rows that the table refused.
    pub(crate) fn isolated(&mut self) -> Result<Vec<Refused>> {
        self.load.isolated()
    }

    /// Marks the records that became rows, of which there must be as many as rows, and commits.
    pub(crate) fn commit(self, ids: &[i64]) -> Result<Counts> {
        let (quarantine, load_id) = (&*self.quarantine, self.load_id.as_str());
        let mut mark = |client: &mut Client| quarantine.mark(client, ids, load_id);
        let (client, counts) = self.load.commit_with(&quarantine.endpoint, ids.len() as u64, &mut mark)?;
        self.quarantine.client = Some(client);
        Ok(counts)
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Database, "the connection was lost").with_temporary(true)
}

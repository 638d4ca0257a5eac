//! A batch in an open transaction, and its tables while they are filled.

use std::collections::BTreeSet;

use super::familiar::Familiar;
use super::ledger::{self, LoadKey};
use super::offsets::{Offsets, Step};
use super::open::Ready;
use super::rows::{self, Load, Settled};
use super::session::Client;
use super::stream::{PostgresStream, Resolve};
use crate::batch::Misfit;
use crate::error::{Error, Result};
use crate::load::copy_binary::CopyEncoder;
use crate::load::{LoadRequest, Mode, Prepared, Refused};
use crate::schema::Schema;

/// A batch in an open transaction. Dropping it rolls everything back.
pub(crate) struct OpenBatch<'a> {
    stream: &'a mut PostgresStream,
    /// Away while a table is being filled.
    client: Option<Client>,
    /// The stream's own table first.
    keys: Vec<LoadKey>,
    /// The tables that have been made ready and not been opened yet, in the order of the keys.
    ready: Vec<Option<Adapted>>,
    steps: &'a [Step],
    /// What the load into the stream's own table has done.
    own: Option<Settled>,
    /// The schemas in which the batch before found longshore's own tables.
    furnished: BTreeSet<String>,
    /// The stream's own table, where the beginning has read it already.
    familiar: Option<Familiar>,
    /// The number of the stream's own table, once that is ready, if it was there before.
    oid: Option<u32>,
}

/// One table of a batch, being filled.
pub(crate) struct OpenTable {
    load: Load,
    /// What to decode under.
    pub(crate) schema: Schema,
    /// The statements that were run to make or change the table.
    pub(crate) altered: Vec<String>,
    /// A field to merge by that neither the records nor the table have, so that no record can be loaded.
    pub(crate) keyless: Option<String>,
}

/// A table that is ready, and what to decode under.
pub(super) struct Adapted {
    /// The table's number, if it was there before.
    pub(super) oid: Option<u32>,
    pub(super) ready: Ready,
    pub(super) schema: Schema,
    pub(super) keyless: Option<String>,
}

impl<'a> OpenBatch<'a> {
    /// A batch over tables whose locks are held.
    pub(super) fn new(
        stream: &'a mut PostgresStream,
        client: Client,
        keys: Vec<LoadKey>,
        steps: &'a [Step],
        furnished: BTreeSet<String>,
        familiar: Option<Familiar>,
    ) -> Self {
        let ready = keys.iter().map(|_| None).collect();
        OpenBatch { stream, client: Some(client), keys, ready, steps, own: None, furnished, familiar, oid: None }
    }

    /// Makes the nth table of the batch ready, of which the stream's own is the first. Returns what to decode under; `None`
    /// if no record can be loaded, see [`OpenTable::keyless`].
    pub(crate) fn prepare(&mut self, nth: usize, mode: &Mode, resolve: &mut Resolve<'_>) -> Result<Option<Schema>> {
        let mut client = self.client.take().ok_or_else(lost)?;
        let key = self.keys.get(nth).cloned().ok_or_else(lost)?;
        let familiar = self.familiar.as_ref().filter(|_| nth == 0);
        match self.stream.adapt(&mut client, key, familiar, mode, resolve) {
            Ok(adapted) => {
                self.client = Some(client);
                if nth == 0 {
                    self.oid = adapted.oid;
                }
                let schema = match adapted.keyless {
                    Some(_) => None,
                    None => Some(rows::decoded(&adapted.ready.columns, &adapted.schema)),
                };
                self.ready[nth] = Some(adapted);
                Ok(schema)
            }
            Err(error) => {
                self.stream.put_back(client);
                Err(error)
            }
        }
    }

    /// Opens the nth table, which is ready, when the one opened before has been closed. `names` are what
    /// [`Misfit::source`] is an index into.
    pub(crate) fn open(&mut self, nth: usize, request: &LoadRequest, names: &[String]) -> Result<OpenTable> {
        let client = self.client.take().ok_or_else(lost)?;
        let Adapted { ready, schema, keyless, .. } = self.ready.get_mut(nth).and_then(Option::take).ok_or_else(lost)?;
        let altered = ready.done.clone();
        let (load, schema) = Load::start(Box::new(client), ready, &schema, request.clone(), names)?;
        Ok(OpenTable { load, schema, altered, keyless })
    }

    /// Closes a table: everything that was given to it is in the transaction then, and balances.
    pub(crate) fn close(&mut self, table: OpenTable, read: u64) -> Result<Settled> {
        let (client, key, settled) = table.load.settle(read)?;
        self.client = Some(client);
        if self.keys.first().is_some_and(|own| own.target == key.target) {
            self.own = Some(settled.clone());
        }
        Ok(settled)
    }

    /// The field to merge by that neither the records of the nth table nor the table have, if it was made ready and that is so.
    pub(crate) fn keyless(&self, nth: usize) -> Option<String> {
        self.ready.get(nth)?.as_ref()?.keyless.clone()
    }

    /// Leaves everything as it was.
    pub(crate) fn leave(mut self) {
        if let Some(client) = self.client.take() {
            self.stream.put_back(client);
        }
    }

    /// Moves the offsets on and commits all tables, of which the stream's own has been one.
    pub(crate) fn commit(self) -> Result<()> {
        self.commit_with(|_| Ok(()))
    }

    /// Writes what `also` writes, moves the offsets on and commits all tables.
    pub(super) fn commit_with(mut self, also: impl FnOnce(&mut Client) -> Result<()>) -> Result<()> {
        let mut client = self.client.take().ok_or_else(lost)?;
        let (Some(key), Some(own)) = (self.keys.first(), self.own) else { return Err(lost()) };
        let written = also(&mut client).and_then(|()| Offsets::new(key).advance(&mut client, self.steps));
        if let Err(error) = written {
            self.stream.put_back(client);
            return Err(error);
        }
        let (client, _) = ledger::commit(client, &self.stream.endpoint, key, own.counts)?;
        self.stream.client = Some(client);
        self.furnished.extend(self.keys.iter().map(|key| key.schema().to_owned()));
        self.stream.furnished = self.furnished;
        let seen = self.familiar.and_then(|familiar| familiar.seen);
        self.stream.familiar = self.oid.filter(|_| self.keys.len() == 1).map(|oid| Familiar { oid, seen });
        Ok(())
    }
}

/// The batch's connection went with an earlier error.
fn lost() -> Error {
    Error::new(crate::ErrorKind::Database, "the batch's transaction is gone; nothing was loaded").with_temporary(true)
}

impl OpenTable {
    /// What turns batches into rows.
    pub(crate) fn encoder(&self) -> CopyEncoder {
        self.load.encoder().clone()
    }

    /// Sends rows.
    pub(crate) fn write(&mut self, rows: Prepared) -> Result<()> {
        self.load.write(rows)
    }

    /// Ends the sending; returns the rows that the table refused. See [`Target::isolated`](crate::load::Target::isolated).
    pub(crate) fn isolated(&mut self) -> Result<Vec<Refused>> {
        self.load.isolated()
    }

    /// Keeps a record aside.
    pub(crate) fn quarantine(&mut self, misfit: &Misfit) -> Result<()> {
        self.load.quarantine(misfit)
    }

    /// Keeps a value aside whose record is loaded.
    pub(crate) fn quarantine_value(&mut self, misfit: &Misfit) -> Result<()> {
        self.load.quarantine_value(misfit)
    }
}

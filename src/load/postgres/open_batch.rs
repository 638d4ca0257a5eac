//! A batch in an open transaction, and its tables while they are filled.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::adapt::Adapted;
use super::commit;
use super::early::Target;
use super::error::failed;
use super::familiar::{self, Familiar};
use super::ledger::LoadKey;
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
    /// Of a batch whose rows are in the transaction already: how they were copied, and how many were sent and stored.
    pub(super) copied: Option<(Arc<Target>, (u64, u64))>,
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
        let (client, own, oid, copied) = (Some(client), None, None, None);
        OpenBatch { stream, client, keys, ready, steps, own, furnished, familiar, oid, copied }
    }

    /// Makes the nth table of the batch ready, of which the stream's own is the first. Returns what to decode under; `None`
    /// if no record can be loaded, see [`OpenTable::keyless`].
    pub(crate) fn prepare(&mut self, nth: usize, mode: &Mode, resolve: &mut Resolve<'_>) -> Result<Option<Schema>> {
        let adapted = match self.adapt(nth, mode, resolve)? {
            Some(adapted) => adapted,
            None => {
                self.start_over()?;
                self.adapt(nth, mode, resolve)?.ok_or_else(lost)?
            }
        };
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

    /// Makes a table ready. `None` if the rows that were copied already are not as it needs them.
    fn adapt(&mut self, nth: usize, mode: &Mode, resolve: &mut Resolve<'_>) -> Result<Option<Adapted>> {
        let mut client = self.client.take().ok_or_else(lost)?;
        let key = self.keys.get(nth).cloned().ok_or_else(lost)?;
        let familiar = self.familiar.as_ref().filter(|_| nth == 0);
        let copied = self.copied.as_ref().map(|(target, _)| target);
        let adapted = self.stream.adapt(&mut client, key, (familiar, copied.is_some()), mode, resolve);
        let suits = |adapted: &Adapted| copied.is_none_or(|target| target.suits(&adapted.ready.columns));
        let adapted = adapted.map(|adapted| adapted.filter(suits));
        self.give_back(client, adapted)
    }

    /// Whether the rows are in the transaction already.
    pub(crate) fn is_copied(&self) -> bool {
        self.copied.is_some()
    }

    /// Gives up rows that were copied already, and begins the transaction once more, without them.
    pub(crate) fn start_over(&mut self) -> Result<()> {
        self.copied = None;
        self.stream.early.in_vain();
        // The table may be altered now, for which those who copy into it would be in the way.
        self.stream.early.give_up();
        let (key, familiar) = (self.keys.first().cloned(), self.familiar.take());
        let (Some(key), Some(familiar)) = (key, familiar) else { return Err(lost()) };
        let mut client = self.client.take().ok_or_else(lost)?;
        let back = client.batch_execute("ROLLBACK").map_err(|error| failed("beginning a batch again", &error));
        let begun = back
            .and_then(|()| familiar::begin(&mut client, self.stream.options(), &key, familiar, self.steps))
            .and_then(|familiar| familiar.ok_or_else(lost));
        self.familiar = Some(self.give_back(client, begun)?);
        Ok(())
    }

    /// Takes the session back after something was done in it; the stream has it again if that failed.
    fn give_back<T>(&mut self, client: Client, done: Result<T>) -> Result<T> {
        match &done {
            Ok(_) => self.client = Some(client),
            Err(_) => self.stream.put_back(client),
        }
        done
    }

    /// Opens the nth table, which is ready, when the one opened before has been closed. `names` are what
    /// [`Misfit::source`] is an index into.
    pub(crate) fn open(&mut self, nth: usize, request: &LoadRequest, names: &[String]) -> Result<OpenTable> {
        let client = self.client.take().ok_or_else(lost)?;
        let Adapted { ready, schema, keyless, .. } = self.ready.get_mut(nth).and_then(Option::take).ok_or_else(lost)?;
        let altered = ready.done.clone();
        self.let_copy(&ready, request)?;
        let copied = self.copied.as_ref().map(|(_, rows)| *rows);
        let (load, schema) = Load::start(Box::new(client), ready, &schema, request.clone(), names, copied)?;
        Ok(OpenTable { load, schema, altered, keyless })
    }

    /// Lets the rows of the next batch be copied from now on, if nothing is in their way: they only need to be added to one
    /// table, which stays as it is, and on which nothing else hangs.
    fn let_copy(&self, ready: &Ready, request: &LoadRequest) -> Result<()> {
        let adds = request.mode == Mode::Append && !request.isolate_rows && self.keys.len() == 1;
        let stays = ready.done.is_empty() && !ready.created && !ready.columns.is_empty();
        let familiar = self.familiar.as_ref().filter(|familiar| familiar.is_quiet && familiar.seen.is_some());
        let PostgresStream { early, endpoint, .. } = &*self.stream;
        let (Some(familiar), true) = (familiar, adds && stays) else {
            early.shut();
            return Ok(());
        };
        if !early.is_open(familiar, &ready.columns) {
            early.open(Target::new(
                endpoint.clone(),
                ready.key.target.clone(),
                familiar.clone(),
                ready.columns.clone(),
            )?);
        }
        Ok(())
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
        let (client, _) = commit::commit(client, &self.stream.endpoint, key, (own.counts, own.written_at))?;
        if self.copied.is_some() {
            self.stream.early.of_use();
        }
        self.stream.client = Some(client);
        self.furnished.extend(self.keys.iter().map(|key| key.schema().to_owned()));
        self.stream.furnished = self.furnished;
        let (is_quiet, seen) = self.familiar.map_or((false, None), |familiar| (familiar.is_quiet, familiar.seen));
        let oid = self.oid.filter(|_| self.keys.len() == 1);
        self.stream.familiar = oid.map(|oid| Familiar { oid, is_quiet, seen });
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

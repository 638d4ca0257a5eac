//! One connection for a stream of batches. A batch is one transaction over any number of tables, with the offsets that it
//! takes its sources to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::anew::{self, begin_anew, refuse_orphans};
use super::early::{Copied, EarlyCopies};
use super::error::failed;
use super::familiar::{self, Familiar};
use super::ledger::{Ledger, LoadKey, lock};
use super::offsets::{Offsets, Step};
use super::open;
use super::open_batch::OpenBatch;
use super::session::{Client, Endpoint};
use super::{PostgresOptions, catalog};
use crate::error::Result;
use crate::load::{Contract, Counts, LoadRequest};
use crate::plan::{ExistingTable, TableName};
use crate::schema::Schema;

/// Where a stream goes. The connection is kept from batch to batch and made anew after it was lost.
pub(crate) struct PostgresStream {
    pub(super) endpoint: Endpoint,
    pub(super) client: Option<Client>,
    /// The stream's own table: beside it stand the offsets. Once the server was asked, it has its schema.
    table: TableName,
    pub(super) contract: Contract,
    /// The schemas in which the last batch found longshore's own tables. Any failure forgets them, so that what others have
    /// dropped is noticed by the next try.
    pub(super) furnished: BTreeSet<String>,
    /// The stream's own table, if the last batch has filled that one and no other. Forgotten likewise.
    pub(super) familiar: Option<Familiar>,
    /// The rows of the next batch, if they are copied before its turn.
    pub(super) early: Arc<EarlyCopies>,
}

/// What a batch meets at its beginning.
pub(crate) enum StreamBegun<'a> {
    /// Some source is not where the batch believes it to be. These are the positions, in the order of the steps, and
    /// the counts of the load if it is in the ledger.
    Moved(Vec<Option<u64>>, Option<Counts>),
    /// The batch's tables can be filled, one after another.
    Open(Box<OpenBatch<'a>>),
}

/// What a load meets at its beginning.
pub(crate) enum LoadBegun<'a> {
    /// It was made before, and this is what it came to.
    AlreadyLoaded(Counts),
    /// Its tables can be filled, one after another.
    Open(Box<OpenBatch<'a>>),
}

/// Makes the schema of a table's part of a batch, given the table as it is, if it is there.
pub(crate) type Resolve<'a> = dyn FnMut(Option<&ExistingTable>) -> Result<Schema> + 'a;

impl PostgresStream {
    /// Connects. `request` is that of any load to come.
    pub(crate) fn connect(
        url: &str,
        request: &LoadRequest,
        contract: Contract,
        options: PostgresOptions,
    ) -> Result<Self> {
        let mut stream = PostgresStream::new(Endpoint::parse(url, options)?, open::table_name(request)?);
        stream.contract = contract;
        stream.client = Some(stream.session()?);
        Ok(stream)
    }

    /// Without a connection yet, and under the default contract.
    pub(super) fn new(endpoint: Endpoint, table: TableName) -> Self {
        let (contract, furnished) = (Contract::default(), BTreeSet::new());
        PostgresStream { endpoint, client: None, table, contract, furnished, familiar: None, early: Arc::default() }
    }

    /// Sets what may be changed of tables.
    pub(super) fn follow(&mut self, contract: &Contract) {
        self.contract = contract.clone();
    }

    /// Where the rows of batches can be copied before their turn.
    pub(crate) fn early(&self) -> Arc<EarlyCopies> {
        self.early.clone()
    }

    /// A table's name with its schema: that of the stream's own table without a `name`.
    pub(crate) fn resolve(&mut self, name: Option<&TableName>) -> Result<TableName> {
        name.map_or(Ok(()), open::refuse_own)?;
        let mut client = self.session()?;
        let resolved = open::resolve(&mut client, name.unwrap_or(&self.table).clone())?;
        self.client = Some(client);
        if name.is_none() {
            self.table = resolved.clone();
        }
        Ok(resolved)
    }

    /// The tables beside the stream's `own` that its batches have filled and that are there, without child tables.
    pub(crate) fn filled_beside(&mut self, own: &TableName) -> Result<Vec<TableName>> {
        let key = LoadKey { target: own.clone(), load_id: String::new() };
        self.in_session(|client| anew::filled_beside(client, &key))
    }

    /// How far a source has been loaded; `None` if nothing of it is in the table.
    pub(crate) fn committed(&mut self, source: &str) -> Result<Option<u64>> {
        let mut client = self.session()?;
        let key = LoadKey { target: open::resolve(&mut client, self.table.clone())?, load_id: String::new() };
        let gone =
            catalog::find(&mut client, &key.target)?.is_none() && Ledger::new(&key).counts_on_rows(&mut client)?;
        let position = match gone {
            true => None,
            false => Offsets::new(&key).read(&mut client, &[source], false)?.into_iter().next().flatten(),
        };
        self.client = Some(client);
        Ok(position)
    }

    /// Begins a batch that takes its sources along `steps`, into the stream's own table and `others`, whose names have
    /// their schemas.
    pub(crate) fn begin<'a>(
        &'a mut self,
        load_id: &str,
        steps: &'a [Step],
        others: &[TableName],
    ) -> Result<StreamBegun<'a>> {
        if others.is_empty()
            && let Some((key, familiar, copied)) = self.go_on(load_id, steps)
        {
            let furnished = std::mem::take(&mut self.furnished);
            let mut batch = OpenBatch::new(self, copied.client, vec![key], steps, furnished, Some(familiar));
            batch.copied = Some((copied.target, copied.rows));
            return Ok(StreamBegun::Open(Box::new(batch)));
        }
        self.early.give_up();
        let mut client = self.session()?;
        let furnished = std::mem::take(&mut self.furnished);
        if let (Some(familiar), [], Some(_)) = (self.familiar.take(), others, &self.table.schema) {
            let key = LoadKey { target: self.table.clone(), load_id: load_id.to_owned() };
            match familiar::begin(&mut client, &self.endpoint.options, &key, familiar, steps) {
                Ok(familiar @ Some(_)) => {
                    let batch = OpenBatch::new(self, client, vec![key], steps, furnished, familiar);
                    return Ok(StreamBegun::Open(Box::new(batch)));
                }
                Ok(None) => {
                    client.batch_execute("ROLLBACK").map_err(|error| failed("beginning a batch again", &error))?;
                }
                Err(error) => {
                    self.put_back(client);
                    return Err(error);
                }
            }
        }
        match self.prepare(&mut client, load_id, steps, others, &furnished) {
            Ok(Prepare::Moved(positions, counts)) => {
                client.batch_execute("ROLLBACK").map_err(|error| failed("closing the transaction", &error))?;
                self.client = Some(client);
                Ok(StreamBegun::Moved(positions, counts))
            }
            Ok(Prepare::Ready(keys)) => {
                let batch = OpenBatch::new(self, client, keys, steps, furnished, None);
                Ok(StreamBegun::Open(Box::new(batch)))
            }
            Err(error) => {
                self.put_back(client);
                Err(error)
            }
        }
    }

    /// The transaction into which the rows of a batch were copied early, if the batch can go on from there.
    fn go_on(&mut self, load_id: &str, steps: &[Step]) -> Option<(LoadKey, Familiar, Copied)> {
        let mut copied = self.early.turn(load_id, &mut self.client)?;
        let key = LoadKey { target: self.table.clone(), load_id: load_id.to_owned() };
        let options = &self.endpoint.options;
        let go_on = |familiar| familiar::go_on(&mut copied.client, options, &key, familiar, steps);
        match self.familiar.clone().map(go_on) {
            Some(Ok(Some(familiar))) => {
                self.familiar = None;
                return Some((key, familiar, copied));
            }
            Some(Err(error)) => tracing::debug!(%error, "rows copied early are sent again"),
            _ => {}
        }
        self.early.in_vain();
        self.client = match copied.client.batch_execute("ROLLBACK") {
            Ok(()) => Some(copied.client),
            Err(_) => self.early.take_spare(),
        };
        None
    }

    /// Begins a load under an id into the stream's own table and `others`, unless it was made before.
    pub(crate) fn begin_load<'a>(&'a mut self, load_id: &str, others: &[TableName]) -> Result<LoadBegun<'a>> {
        let mut made = None;
        let open = self.begin_if(load_id, others, |client, keys| {
            let own = &keys[0];
            made = match Ledger::new(own).look_up(client)? {
                // Rows of a table that was dropped are gone, so the load is to be done again.
                Some(counts) if counts.loaded > 0 && catalog::find(client, &own.target)?.is_none() => {
                    refuse_orphans(client, own, &keys[1..])?;
                    None
                }
                counts => counts,
            };
            Ok(made.is_none())
        })?;
        Ok(match open {
            Some(open) => LoadBegun::Open(Box::new(open)),
            None => LoadBegun::AlreadyLoaded(made.unwrap_or_default()),
        })
    }

    /// Begins a batch that comes from no source. Once the locks are held, `still` says whether there is anything to be done;
    /// `None` if not.
    pub(super) fn begin_if(
        &mut self,
        load_id: &str,
        others: &[TableName],
        still: impl FnOnce(&mut Client, &[LoadKey]) -> Result<bool>,
    ) -> Result<Option<OpenBatch<'_>>> {
        let mut client = self.session()?;
        let keys = self.lock(&mut client, load_id, others).and_then(|keys| match still(&mut client, &keys)? {
            false => Ok(None),
            true => self.furnish(&mut client, &keys, &BTreeSet::new(), false).map(|()| Some(keys)),
        });
        match keys {
            Ok(Some(keys)) => Ok(Some(OpenBatch::new(self, client, keys, &[], BTreeSet::new(), None))),
            Ok(None) => {
                self.put_back(client);
                Ok(None)
            }
            Err(error) => {
                self.put_back(client);
                Err(error)
            }
        }
    }

    /// Takes back a session in whose transaction something failed. The locks go at once this way; a session that is of no
    /// more use is not kept.
    pub(super) fn put_back(&mut self, mut client: Client) {
        if client.batch_execute("ROLLBACK").is_ok() {
            self.client = Some(client);
        }
    }

    /// Opens the transaction and takes the locks of all its tables, of which the stream's own is the first.
    fn lock(&self, client: &mut Client, load_id: &str, others: &[TableName]) -> Result<Vec<LoadKey>> {
        open::begin(client)?;
        let key = |target: TableName| LoadKey { target, load_id: load_id.to_owned() };
        let own = key(open::resolve(client, self.table.clone())?);
        let mut keys = vec![own];
        keys.extend(others.iter().cloned().map(key));
        // Everybody takes them in the order of their numbers, so nobody waits in a circle.
        let mut locks: Vec<i64> = keys.iter().map(LoadKey::lock).collect();
        locks.sort_unstable();
        locks.dedup();
        locks.into_iter().try_for_each(|number| lock(client, number, self.endpoint.options.queue_timeout))?;
        Ok(keys)
    }

    /// Makes longshore's own tables beside those of the keys, where the schemas are not among the `furnished`.
    fn furnish(
        &self,
        client: &mut Client,
        keys: &[LoadKey],
        furnished: &BTreeSet<String>,
        offsets: bool,
    ) -> Result<()> {
        let by_schema: BTreeMap<&str, &LoadKey> = keys.iter().rev().map(|key| (key.schema(), key)).collect();
        for key in by_schema.values().filter(|key| !furnished.contains(key.schema())) {
            let is_own = keys.first().is_some_and(|own| own.schema() == key.schema());
            open::create_surroundings(client, &self.endpoint, key, offsets && is_own)?;
        }
        Ok(())
    }

    /// Opens the transaction, takes the locks of all its tables and looks where the sources are.
    fn prepare(
        &self,
        client: &mut Client,
        load_id: &str,
        steps: &[Step],
        others: &[TableName],
        furnished: &BTreeSet<String>,
    ) -> Result<Prepare> {
        let keys = self.lock(client, load_id, others)?;
        let own = &keys[0];
        let gone = catalog::find(client, &own.target)?.is_none() && Ledger::new(own).counts_on_rows(client)?;
        let sources: Vec<&str> = steps.iter().map(|step| step.source.as_str()).collect();
        let positions = match gone {
            true => vec![None; steps.len()],
            false => Offsets::new(own).read(client, &sources, furnished.contains(own.schema()))?,
        };
        if steps.iter().zip(&positions).any(|(step, position)| step.from != *position) {
            let counts = if gone { None } else { Ledger::new(own).look_up(client)? };
            return Ok(Prepare::Moved(positions, counts));
        }
        self.furnish(client, &keys, furnished, true)?;
        if gone {
            begin_anew(client, own, &keys[1..])?;
        }
        Ok(Prepare::Ready(keys))
    }

    /// How the stream behaves on the server.
    pub(super) fn options(&self) -> &PostgresOptions {
        &self.endpoint.options
    }

    /// Does something in a session, which is kept unless it is lost with it.
    pub(super) fn in_session<T>(&mut self, work: impl FnOnce(&mut Client) -> Result<T>) -> Result<T> {
        let mut client = self.session()?;
        let done = work(&mut client);
        self.client = Some(client);
        done
    }

    /// The session that is there, or a new one.
    pub(super) fn session(&mut self) -> Result<Client> {
        match self.client.take().or_else(|| self.early.take_spare()) {
            Some(client) if !client.is_closed() => Ok(client),
            _ => self.endpoint.connect_and(open::refuse_other_servers),
        }
    }
}

impl std::fmt::Debug for PostgresStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStream").field("endpoint", &self.endpoint).field("table", &self.table).finish()
    }
}

enum Prepare {
    Moved(Vec<Option<u64>>, Option<Counts>),
    Ready(Vec<LoadKey>),
}

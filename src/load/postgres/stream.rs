//! One connection and one table for a stream of loads, each with the offsets it takes its sources to.

use super::contract::evolve_within;
use super::error::failed;
use super::ledger::{Ledger, LoadKey, lock, set_lock_timeout};
use super::offsets::{Offsets, Step};
use super::open::{self, Ready};
use super::rows::Load;
use super::session::{Client, Endpoint};
use super::{PostgresOptions, catalog};
use crate::batch::Misfit;
use crate::error::Result;
use crate::load::copy_binary::CopyEncoder;
use crate::load::{Contract, Counts, LoadRequest, Mode, Prepared, Refused};
use crate::plan::{ExistingTable, TableName};
use crate::schema::Schema;

/// A table that a stream goes into. The connection is kept from load to load and made anew after it was lost.
pub(crate) struct PostgresStream {
    endpoint: Endpoint,
    client: Option<Client>,
    table: TableName,
    contract: Contract,
}

/// What a batch meets at its beginning.
pub(crate) enum StreamBegun<'a> {
    /// Some source is not where the batch believes it to be. These are the positions, in the order of the steps, and
    /// the counts of the load if it is in the ledger.
    Moved(Vec<Option<u64>>, Option<Counts>),
    /// The batch can be decoded and sent.
    Open(Box<OpenBatch<'a>>),
}

/// A batch in an open transaction. Dropping it rolls everything back.
pub(crate) struct OpenBatch<'a> {
    stream: &'a mut PostgresStream,
    load: Load,
    steps: &'a [Step],
    /// What to decode under.
    pub(crate) schema: Schema,
    /// The statements that were run to make or change the table.
    pub(crate) altered: Vec<String>,
}

/// Makes the schema of a batch, given the table as it is, if it is there.
pub(crate) type Resolve<'a> = dyn FnMut(Option<&ExistingTable>) -> Result<Schema> + 'a;

impl PostgresStream {
    /// Connects. `request` is that of any load to come.
    pub(crate) fn connect(
        url: &str,
        request: &LoadRequest,
        contract: Contract,
        options: PostgresOptions,
    ) -> Result<Self> {
        let endpoint = Endpoint::parse(url, options)?;
        let table = open::table_name(request)?;
        let mut stream = PostgresStream { endpoint, client: None, table, contract };
        stream.client = Some(stream.session()?);
        Ok(stream)
    }

    /// How far a source has been loaded; `None` if nothing of it is in the table.
    pub(crate) fn committed(&mut self, source: &str) -> Result<Option<u64>> {
        let mut client = self.session()?;
        let key = LoadKey { target: open::resolve(&mut client, self.table.clone())?, load_id: String::new() };
        let gone =
            catalog::find(&mut client, &key.target)?.is_none() && Ledger::new(&key).counts_on_rows(&mut client)?;
        let position = match gone {
            true => None,
            false => Offsets::new(&key).read(&mut client, &[source])?.into_iter().next().flatten(),
        };
        self.client = Some(client);
        Ok(position)
    }

    /// Begins a load that takes its sources along `steps`. `names` are what [`Misfit::source`] is an index into.
    pub(crate) fn begin<'a>(
        &'a mut self,
        request: &LoadRequest,
        steps: &'a [Step],
        names: &[String],
        resolve: &mut Resolve<'_>,
    ) -> Result<StreamBegun<'a>> {
        let mut client = self.session()?;
        let begun = self.prepare(&mut client, request, steps, resolve);
        match begun {
            Ok(Prepare::Moved(positions, counts)) => {
                client.batch_execute("ROLLBACK").map_err(|error| failed("closing the transaction", &error))?;
                self.client = Some(client);
                Ok(StreamBegun::Moved(positions, counts))
            }
            Ok(Prepare::Ready(ready, schema)) => {
                let altered = ready.done.clone();
                let (load, schema) = Load::start(Box::new(client), ready, &schema, request.clone(), names)?;
                Ok(StreamBegun::Open(Box::new(OpenBatch { stream: self, load, steps, schema, altered })))
            }
            Err(error) => {
                // The locks go at once this way. A session that is of no more use is not kept.
                if client.batch_execute("ROLLBACK").is_ok() {
                    self.client = Some(client);
                }
                Err(error)
            }
        }
    }

    fn prepare(
        &self,
        client: &mut Client,
        request: &LoadRequest,
        steps: &[Step],
        resolve: &mut Resolve<'_>,
    ) -> Result<Prepare> {
        let options = &self.endpoint.options;
        open::begin(client)?;
        let target = open::resolve(client, self.table.clone())?;
        let key = LoadKey { target, load_id: request.load_id.clone() };
        lock(client, key.lock(), options.queue_timeout)?;
        let found = catalog::find(client, &key.target)?;
        let gone = found.is_none() && Ledger::new(&key).counts_on_rows(client)?;
        let sources: Vec<&str> = steps.iter().map(|step| step.source.as_str()).collect();
        let positions = match gone {
            true => vec![None; steps.len()],
            false => Offsets::new(&key).read(client, &sources)?,
        };
        if steps.iter().zip(&positions).any(|(step, position)| step.from != *position) {
            let counts = if gone { None } else { Ledger::new(&key).look_up(client)? };
            return Ok(Prepare::Moved(positions, counts));
        }
        open::create_surroundings(client, &self.endpoint, &key, true)?;
        set_lock_timeout(client, options.lock_timeout)?;
        let Some(oid) = found else {
            let schema = resolve(None)?;
            if gone {
                Offsets::new(&key).forget(client)?;
            }
            return Ok(Prepare::Ready(open::create(client, key, &schema, options.json)?, schema));
        };
        let existing = open::occupy(client, oid, &key, &Mode::Append)?;
        let mut schema = resolve(Some(&existing))?;
        let evolution = evolve_within(&mut schema, &existing, &key.target, options.json, &self.contract)?;
        Ok(Prepare::Ready(open::adapt(client, key, evolution)?, schema))
    }

    /// The session that is there, or a new one.
    fn session(&mut self) -> Result<Client> {
        match self.client.take() {
            Some(client) if !client.is_closed() => Ok(client),
            _ => {
                let mut client = self.endpoint.connect()?;
                open::refuse_other_servers(&mut client)?;
                Ok(client)
            }
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
    Ready(Ready, Schema),
}

impl OpenBatch<'_> {
    /// What turns batches into rows.
    pub(crate) fn encoder(&self) -> CopyEncoder {
        self.load.encoder().clone()
    }

    /// Sends rows.
    pub(crate) fn write(&mut self, rows: Prepared) -> Result<()> {
        self.load.write(rows)
    }

    /// Keeps a record aside.
    pub(crate) fn quarantine(&mut self, misfit: &Misfit) -> Result<()> {
        self.load.quarantine(misfit)
    }

    /// Ends the sending; returns the rows that the table refused. See [`Target::isolated`](crate::load::Target::isolated).
    pub(crate) fn isolated(&mut self) -> Result<Vec<Refused>> {
        self.load.isolated()
    }

    /// Commits everything and the offsets. See [`Target::commit`](crate::load::Target::commit).
    pub(crate) fn commit(self, read: u64) -> Result<Counts> {
        let (client, counts) = self.load.commit(&self.stream.endpoint, read, self.steps)?;
        self.stream.client = Some(client);
        Ok(counts)
    }
}

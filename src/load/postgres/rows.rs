//! A load between its beginning and its commit: rows into a COPY, misfits into the spool.

use ::postgres::Client;

use super::connect::Endpoint;
use super::copy::{self, CopyStream};
use super::ledger::{self, Ledger, LoadKey, schema_version};
use super::offsets::{Offsets, Step};
use super::open::Ready;
use super::spool::Spool;
use crate::batch::Misfit;
use crate::error::Result;
use crate::load::conserve::{conserved, within_limit};
use crate::load::copy_binary::CopyEncoder;
use crate::load::target::{Counts, LoadRequest, Prepared};
use crate::plan::Fitted;
use crate::schema::Schema;

/// An open transaction that takes rows. Dropping it rolls everything back.
pub(super) struct Load {
    key: LoadKey,
    request: LoadRequest,
    columns: Vec<Fitted>,
    encoder: CopyEncoder,
    rows: Rows,
    sent: u64,
    spool: Spool,
}

/// Where rows go.
enum Rows {
    /// Into a COPY that is under way.
    Stream(CopyStream),
    /// Nowhere: without columns there is nothing to copy, and rows are only counted. The statements make the table,
    /// once it is known that there are rows.
    Counted { client: Box<Client>, create: Vec<String> },
}

impl Load {
    /// Begins to copy into a table that is ready. `names` are what [`Misfit::source`] is an index into. Returns the
    /// schema to decode under as well.
    pub(super) fn start(
        client: Box<Client>,
        ready: Ready,
        schema: &Schema,
        request: LoadRequest,
        names: &[String],
    ) -> Result<(Self, Schema)> {
        let Ready { key, columns, deferred, .. } = ready;
        let encoder = CopyEncoder::of(&columns)?;
        let rows = if columns.is_empty() {
            Rows::Counted { client, create: deferred }
        } else {
            Rows::Stream(CopyStream::start(*client, &key.target, &columns)?)
        };
        let overflow = schema
            .overflow
            .and_then(|i| schema.columns.get(i))
            .and_then(|overflow| columns.iter().position(|fitted| fitted.column.path == overflow.path));
        let decoded = columns.iter().map(|fitted| fitted.column.clone()).collect();
        let fitted = Schema { columns: decoded, overflow, undecided: schema.undecided.clone() };
        let spool = Spool::new(&key, names, &schema_version(&columns));
        Ok((Load { key, request, columns, encoder, rows, sent: 0, spool }, fitted))
    }

    /// What turns batches into rows for this load.
    pub(super) fn encoder(&self) -> &CopyEncoder {
        &self.encoder
    }

    pub(super) fn write(&mut self, rows: Prepared) -> Result<()> {
        let (bytes, count) = match rows {
            Prepared::Bytes { bytes, rows } => (bytes, rows),
            Prepared::Batch(batch) => {
                let mut bytes = Vec::new();
                self.encoder.encode(&batch, &mut bytes)?;
                (bytes, batch.num_rows() as u64)
            }
        };
        self.sent += count;
        match &mut self.rows {
            Rows::Stream(stream) => stream.send(bytes),
            Rows::Counted { .. } => Ok(()),
        }
    }

    pub(super) fn quarantine(&mut self, misfit: &Misfit) -> Result<()> {
        self.spool.push(misfit)?;
        within_limit(self.spool.rows(), self.request.max_quarantined)
    }

    /// Holds the server's counts against ours, records the load, moves the offsets of `steps` on, and commits.
    pub(super) fn commit(self, endpoint: &Endpoint, read: u64, steps: &[Step]) -> Result<(Client, Counts)> {
        let key = self.key.clone();
        self.commit_with(endpoint, read, &mut |client| Offsets::new(&key).advance(client, steps))
    }

    /// Commits as [`commit`](Load::commit) does, together with what `also` writes.
    pub(super) fn commit_with(
        self,
        endpoint: &Endpoint,
        read: u64,
        also: &mut dyn FnMut(&mut Client) -> Result<()>,
    ) -> Result<(Client, Counts)> {
        let Load { key, request, columns, rows, sent, mut spool, .. } = self;
        let (mut client, loaded) = match rows {
            Rows::Stream(stream) => stream.finish()?,
            Rows::Counted { mut client, create } => {
                let loaded = copy::insert_empty_rows(&mut client, &key.target, &create, sent)?;
                (*client, loaded)
            }
        };
        let done = (|| {
            let quarantined = spool.copy_into(&mut client, &key.target)?;
            let kept = (spool.rows(), quarantined);
            let counts = conserved("the server", read, (sent, loaded), kept).map_err(|error| match sent == loaded {
                true => error,
                false => error.with_hint("a trigger on the table may drop rows"),
            })?;
            Ledger::new(&key).insert(&mut client, &request, &columns, counts)?;
            also(&mut client)?;
            Ok(counts)
        })();
        match done {
            Ok(counts) => ledger::commit(client, endpoint, &key, counts),
            Err(error) => {
                let _ = client.batch_execute("ROLLBACK");
                Err(error)
            }
        }
    }
}

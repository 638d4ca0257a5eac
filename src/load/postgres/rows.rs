//! A load between its beginning and its commit: rows into a COPY, misfits into the spool.

use super::copy::{self, CopyStream};
use super::ledger::{Ledger, LoadKey, schema_version};
use super::merge::{Merge, Merged};
use super::merge_columns::missing_field;
use super::open::Ready;
use super::session::Client;
use super::spool::{Scope, Spool};
use crate::batch::Misfit;
use crate::error::{Error, Result};
use crate::load::conserve::{conserved, within_limit};
use crate::load::copy_binary::CopyEncoder;
use crate::load::{Counts, LoadRequest, Mode, Prepared, Refused};
use crate::plan::Fitted;
use crate::schema::Schema;

/// An open transaction that takes rows. Dropping it rolls everything back.
pub(super) struct Load {
    key: LoadKey,
    request: LoadRequest,
    columns: Vec<Fitted>,
    /// The table's number, where it is known.
    oid: Option<u32>,
    encoder: CopyEncoder,
    rows: Rows,
    merge: Option<Merge>,
    /// What the merge has done, if it was done before the end to find the rows that the table refuses.
    merged: Option<Merged>,
    sent: u64,
    spool: Spool,
}

/// Where rows go.
enum Rows {
    /// Into a COPY that is under way.
    Stream(CopyStream),
    /// All are there: so many were stored, and so many refused.
    Stored { client: Box<Client>, loaded: u64, refused: u64 },
    /// The COPY failed.
    Failed,
    /// Nowhere: without columns there is nothing to copy, and rows are only counted. The statements make the table,
    /// once it is known that there are rows.
    Counted { client: Box<Client>, create: Vec<String> },
}

/// What a load has done, when all of it is in its transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Settled {
    /// Its counts, which balance.
    pub(crate) counts: Counts,
    /// Single values that are in the quarantine, of records that are loaded.
    pub(crate) values: u64,
    /// The ids of records that lost to another one, where records have ids: they have no rows in child tables either.
    pub(crate) lost: Vec<[u8; 16]>,
    /// When its row of the ledger was written, in microseconds since 1970.
    pub(crate) written_at: i64,
}

/// What to decode under: the columns as the table has them.
pub(super) fn decoded(columns: &[Fitted], schema: &Schema) -> Schema {
    let overflow = schema
        .overflow
        .and_then(|i| schema.columns.get(i))
        .and_then(|overflow| columns.iter().position(|fitted| fitted.column.path == overflow.path));
    let columns = columns.iter().map(|fitted| fitted.column.clone()).collect();
    Schema { columns, overflow, ..schema.clone() }
}

impl Load {
    /// Begins to copy into a table that is ready. `names` are what [`Misfit::source`] is an index into. Returns the
    /// schema to decode under as well. Of rows that were `copied` already, so many were sent and so many stored.
    pub(super) fn start(
        mut client: Box<Client>,
        ready: Ready,
        schema: &Schema,
        request: LoadRequest,
        names: &[String],
        copied: Option<(u64, u64)>,
    ) -> Result<(Self, Schema)> {
        let Ready { key, mut columns, deferred, created, oid, .. } = ready;
        let merge = match &request.mode {
            Mode::Merge(by) if !columns.is_empty() => Some(Merge::begin(&mut client, &key, &mut columns, by, created)?),
            _ => None,
        };
        let encoder = CopyEncoder::of(&columns)?;
        let sent = copied.map_or(0, |(sent, _)| sent);
        let rows = if let Some((_, loaded)) = copied {
            Rows::Stored { client, loaded, refused: 0 }
        } else if columns.is_empty() {
            Rows::Counted { client, create: deferred }
        } else {
            let into = merge.as_ref().map_or(&key.target, |merge| &merge.stage);
            Rows::Stream(CopyStream::start(*client, into, &columns, request.isolate_rows)?)
        };
        let fitted = decoded(&columns, schema);
        let spool = Spool::new(&key, names, &schema_version(&columns));
        Ok((Load { key, request, columns, oid, encoder, rows, merge, merged: None, sent, spool }, fitted))
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
            Rows::Stored { .. } | Rows::Failed => Err(Error::config("rows were sent after the last one")),
        }
    }

    /// Ends the COPY, and returns the rows that the table refused; where they are to be isolated, merging too.
    pub(super) fn isolated(&mut self) -> Result<Vec<Refused>> {
        match std::mem::replace(&mut self.rows, Rows::Failed) {
            Rows::Stream(stream) => {
                let (mut client, mut loaded, mut refused) = stream.finish()?;
                if let (Some(merge), true) = (&self.merge, self.request.isolate_rows) {
                    let columns: Vec<String> = self.columns.iter().map(|fitted| fitted.column.name.clone()).collect();
                    let (merged, more) = merge.apply_isolated(&mut client, &refused, &columns)?;
                    loaded -= more.len() as u64;
                    refused.extend(more);
                    refused.sort_by_key(|refused| refused.row);
                    self.merged = Some(merged);
                }
                self.rows = Rows::Stored { client: Box::new(client), loaded, refused: refused.len() as u64 };
                Ok(refused)
            }
            Rows::Counted { mut client, create } if self.request.isolate_rows => {
                let (loaded, refused) = copy::isolate_empty_rows(&mut client, &self.key.target, &create, self.sent)?;
                self.rows = Rows::Stored { client, loaded, refused: refused.len() as u64 };
                Ok(refused)
            }
            other => {
                self.rows = other;
                Ok(Vec::new())
            }
        }
    }

    /// Keeps a record aside.
    pub(super) fn quarantine(&mut self, misfit: &Misfit) -> Result<()> {
        self.spool.push(misfit, Scope::Record)?;
        within_limit(self.spool.rows() - self.spool.values(), self.request.max_quarantined)
    }

    /// Keeps a value aside whose record is loaded.
    pub(super) fn quarantine_value(&mut self, misfit: &Misfit) -> Result<()> {
        self.spool.push(misfit, Scope::Value)
    }

    /// Brings everything into the transaction: merges the rows, copies the quarantine, holds the server's counts
    /// against ours, and records the load. What is left to do is the commit.
    pub(super) fn settle(mut self, read: u64) -> Result<(Client, LoadKey, Settled)> {
        if let (Mode::Merge(by), None, 1..) = (&self.request.mode, &self.merge, self.sent) {
            return Err(missing_field(by.keys.first().map_or("", String::as_str)));
        }
        // Refused rows that nobody asked for are missed by the check of conservation.
        self.isolated()?;
        let Load { key, request, columns, oid, rows, merge, merged, mut sent, mut spool, .. } = self;
        let (mut client, stored) = match rows {
            Rows::Stored { client, loaded, refused } => {
                sent -= refused;
                (*client, loaded)
            }
            Rows::Stream(_) | Rows::Failed => return Err(Error::config("the load failed before")),
            Rows::Counted { mut client, create } => {
                let stored = copy::insert_empty_rows(&mut client, &key.target, &create, sent)?;
                (*client, stored)
            }
        };
        let done = (|| {
            let merged = match (merged, &merge) {
                (Some(merged), _) => merged,
                (None, Some(merge)) => merge.apply(&mut client)?,
                (None, None) => Merged { loaded: stored, deduplicated: 0 },
            };
            let lost = match merge.as_ref().and_then(|merge| merge.gone.as_ref()) {
                Some(gone) => gone.settle(&mut client, &key.target)?,
                None => Vec::new(),
            };
            let kept = spool.copy_into(&mut client, &key.target)?;
            let values = spool.values();
            let kept = (spool.rows() - values, kept.saturating_sub(values));
            // What the merge has not accounted for is not there, and what it has accounted for twice is there twice.
            let accounted = merged.loaded + merged.deduplicated;
            let stored = if stored == sent { accounted } else { stored.min(accounted) };
            let counts = conserved("the server", read, (sent, stored), kept, merged.deduplicated);
            let counts = counts.map_err(|error| match sent == stored {
                true => error,
                false => error.with_hint("a trigger on the table may drop rows"),
            })?;
            let written_at = Ledger::new(&key).insert(&mut client, &request, (&columns, oid), counts)?;
            Ok(Settled { counts, values, lost, written_at })
        })();
        match done {
            Ok(settled) => Ok((client, key, settled)),
            Err(error) => {
                let _ = client.batch_execute("ROLLBACK");
                Err(error)
            }
        }
    }
}

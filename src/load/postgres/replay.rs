//! Records out of the quarantine into the table and its child tables: one transaction for the rows and for the marks on their
//! records.

use std::ops::{Deref, DerefMut};

use super::catalog;
use super::gone::{children, id_column};
use super::ledger::{Ledger, LoadKey};
use super::open_batch::OpenBatch;
use super::quarantine::{PostgresQuarantine, all_wait, mark};
use super::session::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::load::Contract;
use crate::plan::TableName;

/// A replay whose transaction holds the locks of its tables: a batch of records that come from no source. Dropping it rolls
/// everything back.
pub(crate) struct OpenReplay<'a> {
    batch: OpenBatch<'a>,
    key: &'a LoadKey,
}

impl PostgresQuarantine {
    /// The child tables that the table has, if its rows have ids for theirs to point at.
    pub(crate) fn child_tables(&mut self) -> Result<Option<Vec<TableName>>> {
        let target = self.key.target.clone();
        self.stream.in_session(|client| {
            let Some(oid) = catalog::find(client, &target)? else { return Ok(None) };
            if id_column(&catalog::read(client, oid, &target)?).is_none() {
                return Ok(None);
            }
            Ok(Some(children(client, &target)?.into_iter().map(|child| child.name).collect()))
        })
    }

    /// Begins the transaction of a replay into the table and `others`. `None` if some of the records are not waiting any more:
    /// under the locks it is known, and nobody else has them.
    pub(crate) fn open(
        &mut self,
        load_id: &str,
        records: &[i64],
        others: &[TableName],
        contract: &Contract,
    ) -> Result<Option<OpenReplay<'_>>> {
        let PostgresQuarantine { stream, key } = self;
        stream.follow(contract);
        let batch = stream.begin_if(load_id, others, |client, keys| {
            refuse_dropped(client, &keys[0])?;
            all_wait(key, client, records)
        })?;
        Ok(batch.map(|batch| OpenReplay { batch, key }))
    }
}

/// Refuses to make a table anew that was dropped: what loads and streams had in it comes again from them, and the records in
/// quarantine with it.
fn refuse_dropped(client: &mut Client, own: &LoadKey) -> Result<()> {
    if catalog::find(client, &own.target)?.is_some() || !Ledger::new(own).counts_on_rows(client)? {
        return Ok(());
    }
    let message = format!("table {} was dropped, and what was loaded into it is to be loaded anew", own.target);
    Err(Error::new(ErrorKind::Conflict, message)
        .with_hint("run its loads and streams again first: they take what is in quarantine once more too; or make the table by hand"))
}

impl<'a> Deref for OpenReplay<'a> {
    type Target = OpenBatch<'a>;

    fn deref(&self) -> &OpenBatch<'a> {
        &self.batch
    }
}

impl DerefMut for OpenReplay<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.batch
    }
}

impl OpenReplay<'_> {
    /// Leaves everything as it was.
    pub(crate) fn leave(self) {
        self.batch.leave();
    }

    /// Marks the records that are loaded, or lost to others with their key, and commits.
    pub(crate) fn commit(self, load_id: &str, ids: &[i64]) -> Result<()> {
        let key = self.key;
        self.batch.commit_with(|client| mark(key, client, ids, load_id))
    }
}

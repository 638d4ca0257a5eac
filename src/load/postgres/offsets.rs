//! How far each source of a stream has been loaded into a table.

use ::postgres::Row;
use ::postgres::types::Type as SqlType;

use super::error::failed;
use super::ledger::{LoadKey, exists};
use super::session::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;

/// The table of the offsets.
pub(super) const OFFSETS: &str = "_longshore_offsets";

pub(super) const CREATE_OFFSETS: &str = "(
    table_name text NOT NULL,
    source text NOT NULL,
    position bigint NOT NULL,
    load_id text NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (table_name, source)
)";

/// How far a load takes one source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    /// The source.
    pub(crate) source: String,
    /// Where the load believes the table to be; `None` if nothing of the source is there.
    pub(crate) from: Option<u64>,
    /// Where the table is afterwards.
    pub(crate) to: u64,
}

/// The positions out of the answer to [`Offsets::query`].
pub(super) fn positions(rows: &[Row]) -> Vec<Option<u64>> {
    let position = |row: &Row| row.get::<_, Option<i64>>(0).and_then(|at| u64::try_from(at).ok());
    rows.iter().map(position).collect()
}

/// The offsets beside one table.
pub(super) struct Offsets<'a> {
    key: &'a LoadKey,
    table: String,
}

impl<'a> Offsets<'a> {
    pub(super) fn new(key: &'a LoadKey) -> Self {
        Offsets { key, table: key.beside(OFFSETS).quoted() }
    }

    /// The positions of these sources, in their order. Whether there is a table of offsets is looked up unless it `is_there`.
    pub(super) fn read(&self, client: &mut Client, sources: &[&str], is_there: bool) -> Result<Vec<Option<u64>>> {
        if !is_there && !exists(client, &self.table)? {
            return Ok(vec![None; sources.len()]);
        }
        let sql = self.query();
        let rows = client.query_typed(&sql, &[(&self.key.target.name, SqlType::TEXT), (&sources, SqlType::TEXT_ARRAY)]);
        Ok(positions(&rows.map_err(|error| failed("reading the offsets", &error))?))
    }

    /// The query for the positions of sources: of the table `$1`, of those in the array `$2`.
    pub(super) fn query(&self) -> String {
        format!(
            "SELECT o.position FROM unnest($2::text[]) WITH ORDINALITY AS s (source, nth) \
             LEFT JOIN {} o ON o.table_name = $1 AND o.source = s.source ORDER BY nth",
            self.table
        )
    }

    /// Moves the offsets on, each only from where its step believes it to be.
    ///
    /// # Errors
    ///
    /// A temporary [`ErrorKind::Conflict`] if one is elsewhere: it was moved without the lock that loads take.
    pub(super) fn advance(&self, client: &mut Client, steps: &[Step]) -> Result<()> {
        let insert = format!(
            "INSERT INTO {} (table_name, source, position, load_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            self.table
        );
        let update = format!(
            "UPDATE {} SET position = $3, load_id = $4, committed_at = now() \
             WHERE table_name = $1 AND source = $2 AND position = $5",
            self.table
        );
        let position = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
        for step in steps {
            fault::point("offsets.write")?;
            let (to, from) = (position(step.to), step.from.map(position).unwrap_or_default());
            let parameters: [(&(dyn ::postgres::types::ToSql + Sync), SqlType); 5] = [
                (&self.key.target.name, SqlType::TEXT),
                (&step.source, SqlType::TEXT),
                (&to, SqlType::INT8),
                (&self.key.load_id, SqlType::TEXT),
                (&from, SqlType::INT8),
            ];
            let moved = match step.from {
                None => client.execute_typed(&insert, &parameters[..4]),
                Some(_) => client.execute_typed(&update, &parameters),
            };
            if moved.map_err(|error| failed("writing the offsets", &error))? != 1 {
                let message = "an offset was moved by somebody else while the batch was loaded; nothing was loaded";
                return Err(Error::new(ErrorKind::Conflict, message)
                    .with_hint("something other than longshore wrote to the offsets")
                    .with_temporary(true));
            }
        }
        Ok(())
    }

    /// Forgets the offsets of a table that was dropped.
    pub(super) fn forget(&self, client: &mut Client) -> Result<()> {
        let sql = format!("DELETE FROM {} WHERE table_name = $1", self.table);
        client
            .execute_typed(&sql, &[(&self.key.target.name, SqlType::TEXT)])
            .map_err(|error| failed("clearing the offsets", &error))?;
        Ok(())
    }
}

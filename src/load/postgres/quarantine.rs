//! The quarantine beside a table: what is in it, and which of it is to be tried again.

use ::postgres::Row;
use ::postgres::types::{ToSql, Type as SqlType};

use super::PostgresOptions;
use super::error::failed;
use super::ledger::{self, LOADS, Ledger, LoadKey, QUARANTINE};
use super::open;
use super::session::{Client, Endpoint};
use super::stream::PostgresStream;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::load::kept::{KeptGroup, KeptRecord, Selection};
use crate::plan::{Dialect, TableName};

/// Streams name a write; what stands in front of its position is the source.
const SOURCE: &str = "regexp_replace(q.source, '@[0-9]+$', '')";

/// The quarantine of one table.
pub(crate) struct PostgresQuarantine {
    /// Takes records that are tried again into the table.
    pub(super) stream: PostgresStream,
    pub(super) key: LoadKey,
}

/// A record to be tried again.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) id: i64,
    pub(crate) place: Place,
    /// Its bytes.
    pub(crate) raw: Vec<u8>,
    /// Whether these are all of its bytes.
    pub(crate) is_whole: bool,
}

/// Where a record stood that is in quarantine.
#[derive(Debug)]
pub(crate) struct Place {
    /// The load that kept it.
    pub(crate) load_id: String,
    /// A file, or the write of a stream: `events-3@41210`.
    pub(crate) source: String,
    /// The number of the file among those of the load, if it is one.
    pub(crate) file: Option<u64>,
    /// Its byte in the file or write.
    pub(crate) byte: u64,
}

impl PostgresQuarantine {
    /// Connects, and brings a quarantine that an older version made up to date.
    pub(crate) fn connect(url: &str, table: &str, options: PostgresOptions) -> Result<Self> {
        let endpoint = Endpoint::parse(url, options)?;
        let table = TableName::parse(table, Dialect::Postgres)?;
        let mut client = endpoint.connect()?;
        open::begin(&mut client)?;
        open::refuse_other_servers(&mut client)?;
        let key = LoadKey { target: open::resolve(&mut client, table)?, load_id: String::new() };
        let is_there = ledger::exists(&mut client, &key.beside(QUARANTINE).quoted())?;
        let is_old = is_there && !Ledger::new(&key).missing(&mut client, false)?.is_empty();
        if is_old {
            open::create_surroundings(&mut client, &endpoint, &key, false)?;
        }
        let end = if is_old { "COMMIT" } else { "ROLLBACK" };
        client.batch_execute(end).map_err(|error| failed("preparing the quarantine", &error))?;
        let mut stream = PostgresStream::new(endpoint, key.target.clone());
        stream.client = Some(client);
        Ok(PostgresQuarantine { stream, key })
    }

    /// The name of the table, with its schema.
    pub(crate) fn table(&self) -> &TableName {
        &self.key.target
    }

    /// Asks for selected records; none if there is no quarantine at all.
    fn run(&mut self, sql: &str, selection: &Selection, more: &[Parameter<'_>]) -> Result<Vec<Row>> {
        let key = &self.key;
        self.stream.in_session(|client| match ledger::exists(client, &key.beside(QUARANTINE).quoted())? {
            true => run(client, sql, &filters(key, selection), more),
            false => Ok(Vec::new()),
        })
    }

    /// What is in quarantine, by reason, path and source; the largest groups first.
    pub(crate) fn groups(&mut self, selection: &Selection) -> Result<Vec<KeptGroup>> {
        let sql = format!(
            "SELECT q.reason, q.path, {SOURCE} AS origin, count(*), coalesce(sum(q.raw_bytes), 0)::bigint, min(q.id), \
             count(q.replayed_by) {} GROUP BY q.reason, q.path, origin ORDER BY count(*) DESC, q.reason, q.path, origin",
            selected(&self.key, selection.replayed)
        );
        let rows = self.run(&sql, selection, &[])?;
        let count = |row: &Row, i| u64::try_from(row.get::<_, i64>(i)).unwrap_or_default();
        let group = |row: &Row| KeptGroup {
            reason: row.get(0),
            path: row.get(1),
            source: row.get(2),
            records: count(row, 3),
            bytes: count(row, 4),
            first: row.get::<_, i64>(5).to_string(),
            replayed: count(row, 6),
            load_id: None,
        };
        Ok(rows.iter().map(group).collect())
    }

    /// The first records that are selected, in the order in which they were kept, with their bytes.
    pub(crate) fn records(&mut self, selection: &Selection, limit: u32) -> Result<Vec<KeptRecord>> {
        let sql = format!(
            "SELECT q.id, q.source, q.line, q.byte, q.path, q.reason, q.raw, q.raw_bytes, q.load_id, q.schema_version, \
             to_char(q.quarantined_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), q.replayed_by {} \
             ORDER BY q.id LIMIT {limit}",
            selected(&self.key, selection.replayed)
        );
        let rows = self.run(&sql, selection, &[])?;
        let number = |row: &Row, i| u64::try_from(row.get::<_, i64>(i)).unwrap_or_default();
        let record = |row: &Row| KeptRecord {
            id: row.get::<_, i64>(0).to_string(),
            source: row.get(1),
            line: number(row, 2),
            byte: number(row, 3),
            path: row.get(4),
            reason: row.get(5),
            raw: row.get(6),
            raw_bytes: number(row, 7),
            load_id: row.get(8),
            schema_version: row.get(9),
            quarantined_at: row.get(10),
            replayed_by: row.get(11),
            moved_to: None,
        };
        Ok(rows.iter().map(record).collect())
    }

    /// The formats in which the selected records were read, as JSON text; `None` where nobody has written it down.
    pub(crate) fn formats(&mut self, selection: &Selection) -> Result<Vec<Option<String>>> {
        let sql = format!("SELECT DISTINCT {FORMAT}::text {} ORDER BY 1 NULLS FIRST", selected(&self.key, false));
        let rows = self.run(&sql, selection, &[])?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Selected records of one format behind an id, in the order of their ids; about `bytes` of them, and one at least.
    pub(crate) fn waiting(
        &mut self,
        selection: &Selection,
        format: Option<&str>,
        after: i64,
        bytes: i64,
    ) -> Result<Vec<Waiting>> {
        let sql = format!(
            "SELECT id, raw, is_whole, load_id, source, file, byte FROM (SELECT q.id, q.raw, q.load_id, q.source, q.byte, \
             array_position(l.sources, q.source) - 1 AS file, octet_length(q.raw) = q.raw_bytes AS is_whole, \
             sum(octet_length(q.raw)) OVER (ORDER BY q.id) AS upto, octet_length(q.raw) AS len {} \
             AND q.scope = 'record' AND {FORMAT}::text IS NOT DISTINCT FROM $7 AND q.id > $8 ORDER BY q.id LIMIT 100000) AS next \
             WHERE upto - len < $9 ORDER BY id",
            selected(&self.key, false)
        );
        let more: [Parameter<'_>; 3] = [(&format, SqlType::TEXT), (&after, SqlType::INT8), (&bytes, SqlType::INT8)];
        let rows = self.run(&sql, selection, &more)?;
        let place = |row: &Row| Place {
            load_id: row.get(3),
            source: row.get(4),
            file: row.get::<_, Option<i32>>(5).and_then(|nth| u64::try_from(nth).ok()),
            byte: u64::try_from(row.get::<_, i64>(6)).unwrap_or_default(),
        };
        let waiting = |row: &Row| Waiting { id: row.get(0), raw: row.get(1), is_whole: row.get(2), place: place(row) };
        Ok(rows.iter().map(waiting).collect())
    }
}

/// Whether these records all still wait.
pub(super) fn all_wait(key: &LoadKey, client: &mut Client, ids: &[i64]) -> Result<bool> {
    let selection = Selection { numbers: Some(ids.to_vec()), ..Selection::default() };
    let sql = format!("SELECT count(*) {}", selected(key, false));
    let rows = run(client, &sql, &filters(key, &selection), &[])?;
    Ok(rows.first().is_some_and(|row| usize::try_from(row.get::<_, i64>(0)).is_ok_and(|waiting| waiting == ids.len())))
}

/// Marks records as loaded by a replay; all of them, or it is an error.
pub(super) fn mark(key: &LoadKey, client: &mut Client, ids: &[i64], load_id: &str) -> Result<()> {
    fault::point("quarantine.mark")?;
    let sql = format!(
        "UPDATE {} SET replayed_by = $1, replayed_at = now() \
         WHERE table_name = $2 AND id = ANY ($3) AND replayed_by IS NULL",
        key.beside(QUARANTINE).quoted()
    );
    let parameters: [Parameter<'_>; 3] =
        [(&load_id, SqlType::TEXT), (&key.target.name, SqlType::TEXT), (&ids, SqlType::INT8_ARRAY)];
    let marked = client.execute_typed(&sql, &parameters);
    match marked.map_err(|error| failed("marking quarantined records", &error))? {
        count if count == ids.len() as u64 => Ok(()),
        count => {
            let message = format!("{} records were replayed, but {count} marked; nothing was loaded", ids.len());
            Err(Error::new(ErrorKind::NotConserved, message)
                .with_hint("something other than longshore wrote to the quarantine meanwhile"))
        }
    }
}

/// The tables and conditions of a selection. Records of loads whose rows were replaced are as good as gone.
fn selected(key: &LoadKey, replayed: bool) -> String {
    let open = if replayed { "" } else { "AND q.replayed_by IS NULL AND l.replaced_by IS NULL" };
    format!(
        "FROM {} q LEFT JOIN {} l ON l.table_name = q.table_name AND l.load_id = q.load_id \
         WHERE q.table_name = $1 {open} AND ($2::text IS NULL OR q.reason = $2) AND ($3::text IS NULL OR q.path = $3) \
         AND ($4::text IS NULL OR q.source = $4 OR {SOURCE} = $4) AND ($5::text IS NULL OR q.load_id = $5) \
         AND ($6::bigint[] IS NULL OR q.id = ANY ($6))",
        key.beside(QUARANTINE).quoted(),
        key.beside(LOADS).quoted()
    )
}

fn filters<'a>(key: &'a LoadKey, selection: &'a Selection) -> Vec<Parameter<'a>> {
    vec![
        (&key.target.name, SqlType::TEXT),
        (&selection.reason, SqlType::TEXT),
        (&selection.path, SqlType::TEXT),
        (&selection.source, SqlType::TEXT),
        (&selection.load_id, SqlType::TEXT),
        (&selection.numbers, SqlType::INT8_ARRAY),
    ]
}

/// How a record was read: as its source, or as all sources of its load.
const FORMAT: &str = "coalesce(l.formats -> (array_position(l.sources, q.source) - 1), l.formats -> 0)";

type Parameter<'a> = (&'a (dyn ToSql + Sync), SqlType);

fn run(client: &mut Client, sql: &str, filters: &[Parameter<'_>], more: &[Parameter<'_>]) -> Result<Vec<Row>> {
    let parameters: Vec<Parameter<'_>> = filters.iter().chain(more).cloned().collect();
    client.query_typed(sql, &parameters).map_err(|error| failed("reading the quarantine", &error))
}

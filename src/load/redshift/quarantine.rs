//! The records that loads have kept aside, as the quarantine's table has them.

use super::catalog;
use super::endpoint::Endpoint;
use super::error::Failure;
use super::session::Session;
use super::sql::QUARANTINE;
use crate::error::Result;
use crate::load::redshift_ledger::{LOADS, folded, text};
use crate::load::{KeptGroup, KeptRecord, Selection};
use crate::plan::{Dialect, TableName};

const DOING: &str = "reading the quarantine";

/// The quarantine of one table.
pub(crate) struct RedshiftQuarantine {
    session: Session,
    table: TableName,
    /// Whether any load beside the table has made one.
    is_there: bool,
}

impl RedshiftQuarantine {
    pub(crate) fn connect(url: &str, table: &str) -> Result<Self> {
        let table = folded(TableName::parse(table, Dialect::Redshift)?);
        let mut session = Endpoint::parse(url)?.connect()?;
        let table = catalog::resolve(&mut session, table)?;
        let is_there = catalog::exists(&mut session, &table.beside(QUARANTINE))?
            && catalog::exists(&mut session, &table.beside(LOADS))?;
        Ok(RedshiftQuarantine { session, table, is_there })
    }

    /// What is in quarantine, by reason, path and source; the largest groups first.
    pub(crate) fn groups(&mut self, selection: &Selection) -> Result<Vec<KeptGroup>> {
        let sql = format!(
            "SELECT q.\"reason\", q.\"path\", q.\"source\", CAST(COUNT(*) AS VARCHAR), \
             CAST(SUM(q.\"raw_bytes\") AS VARCHAR), CAST(MIN(q.\"id\") AS VARCHAR) {} GROUP BY q.\"reason\", q.\"path\", \
             q.\"source\" ORDER BY COUNT(*) DESC, q.\"reason\", q.\"path\", q.\"source\"",
            self.selected(selection)
        );
        self.rows(&sql, |row| {
            let [reason, path, source, records, bytes, first] = <[_; 6]>::try_from(row).ok()?;
            let (records, bytes) = (number(records)?, number(bytes)?);
            Some(KeptGroup {
                reason: reason?,
                path,
                source: source?,
                records,
                bytes,
                first: first?,
                replayed: 0,
                load_id: None,
            })
        })
    }

    /// The first records that are selected, load by load, with their bytes.
    pub(crate) fn records(&mut self, selection: &Selection, limit: u32) -> Result<Vec<KeptRecord>> {
        let sql = format!(
            "SELECT CAST(q.\"id\" AS VARCHAR), q.\"source\", CAST(q.\"line\" AS VARCHAR), CAST(q.\"byte\" AS VARCHAR), \
             q.\"path\", q.\"reason\", q.\"raw\", CAST(q.\"raw_bytes\" AS VARCHAR), q.\"load_id\", q.\"quarantined_at\" {} \
             ORDER BY q.\"load_id\", q.\"id\" LIMIT {limit}",
            self.selected(selection)
        );
        self.rows(&sql, |row| {
            let [id, source, line, byte, path, reason, raw, raw_bytes, load_id, at] = <[_; 10]>::try_from(row).ok()?;
            Some(KeptRecord {
                id: id?,
                source: source?,
                line: number(line)?,
                byte: number(byte)?,
                path,
                reason: reason?,
                raw: raw.map_or(Some(Vec::new()), |raw| of_hex(&raw))?,
                raw_bytes: number(raw_bytes)?,
                load_id: load_id?,
                schema_version: None,
                quarantined_at: at.map_or_else(String::new, |at| moment(&at)),
                replayed_by: None,
                moved_to: None,
            })
        })
    }

    fn rows<T>(&mut self, sql: &str, of: impl Fn(Vec<Option<String>>) -> Option<T>) -> Result<Vec<T>> {
        if !self.is_there {
            return Ok(Vec::new());
        }
        let rows = self.session.rows(DOING, sql)?;
        let found = rows.into_iter().map(|row| of(row).ok_or_else(|| Failure::unreadable(DOING)));
        Ok(found.collect::<Result<_, Failure>>()?)
    }

    /// The selected records, each with its number among those of its load: the table has none of its own.
    fn selected(&self, selection: &Selection) -> String {
        let (quarantine, ledger) = (self.table.beside(QUARANTINE).quoted(), self.table.beside(LOADS).quoted());
        let name = text(&self.table.name);
        let mut sql = format!(
            "FROM (SELECT \"load_id\", \"quarantined_at\", \"source\", \"line\", \"byte\", \"path\", \"reason\", \"raw\", \
             \"raw_bytes\", ROW_NUMBER() OVER (PARTITION BY \"load_id\" ORDER BY \"source\", \"byte\", \"path\", \"reason\") \
             AS \"id\" FROM {quarantine} WHERE \"table_name\" = {name}) q WHERE q.\"id\" > 0"
        );
        if !selection.replayed {
            sql.push_str(&format!(
                " AND NOT EXISTS (SELECT 1 FROM {ledger} l WHERE l.\"table_name\" = {name} AND l.\"load_id\" = q.\"load_id\" \
                 AND l.\"replaced_by\" IS NOT NULL)"
            ));
        }
        let Selection { reason, path, source, load_id, numbers, .. } = selection;
        for (column, wanted) in [("reason", reason), ("path", path), ("source", source), ("load_id", load_id)] {
            if let Some(wanted) = wanted {
                sql.push_str(&format!(" AND q.\"{column}\" = {}", text(wanted)));
            }
        }
        if let Some(numbers) = numbers {
            // No record has the number 0.
            let numbers: Vec<String> = std::iter::once(&0).chain(numbers).map(ToString::to_string).collect();
            sql.push_str(&format!(" AND q.\"id\" IN ({})", numbers.join(", ")));
        }
        sql
    }
}

fn number(text: Option<String>) -> Option<u64> {
    text?.trim().parse().ok()
}

/// Bytes as the server writes them: two hexadecimal digits each.
fn of_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x").unwrap_or(text).as_bytes();
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
        _ => None,
    });
    bytes.collect()
}

/// `2024-05-01 12:00:00.123+00` as `2024-05-01T12:00:00Z`, and without a zone as well: the server's clock goes by UTC.
fn moment(text: &str) -> String {
    let Some((day, time)) = text.split_once(' ') else { return text.to_owned() };
    let at = time.find(['+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(at);
    let seconds = time.split('.').next().unwrap_or(time);
    format!("{day}T{seconds}{}", if matches!(zone, "" | "+00") { "Z" } else { zone })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_times_are_read_as_the_server_writes_them() {
        assert_eq!(of_hex("616C00ff").unwrap(), b"al\0\xff");
        assert_eq!(of_hex("\\x61").unwrap(), b"a");
        assert!(of_hex("616").is_none() && of_hex("zz").is_none() && of_hex("").unwrap().is_empty());
        assert_eq!(moment("2024-05-01 12:00:00.123+00"), "2024-05-01T12:00:00Z");
        assert_eq!(moment("2024-05-01 12:00:00.5"), "2024-05-01T12:00:00Z");
        assert_eq!(moment("2024-05-01 12:00:00-03:30"), "2024-05-01T12:00:00-03:30");
    }
}

//! Rows that the table refuses when they are merged, found one by one, so that all the others go in.
//!
//! If the merge of all rows is refused, halves of them are tried, down to single rows. Those that are refused are taken out of
//! the staging table, and everything is undone and done again without them: a record that lost to one of them may win now.

use ::postgres::types::Type as SqlType;

use super::error::refused_row;
use super::isolate::within_most;
use super::merge::{Merge, Merged, Numbers, refused};
use super::session::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::load::Refused;

impl Merge {
    /// Merges without the rows that the table refuses, and returns those as well, each by its place among the rows that were
    /// sent. `left_out` are rows that did not get into the staging table, in order; `columns` the names of the columns.
    pub(super) fn apply_isolated(
        &self,
        client: &mut Client,
        left_out: &[Refused],
        columns: &[String],
    ) -> Result<(Merged, Vec<Refused>)> {
        self.analyze(client)?;
        // A trigger of whole statements that refuses even none refuses no row.
        #[expect(clippy::reversed_empty_ranges, reason = "it means no row")]
        if let Err(error) = self.put_in_place(client, Some(&(1..=0)))? {
            return Err(refused(&error));
        }
        let rows = self.numbers(client, left_out)?;
        let mut found: Vec<Refused> = Vec::new();
        loop {
            execute(client, "SAVEPOINT longshore_merge_all")?;
            let (merged, round) = self.merge_halves(client, rows.last().map_or(0, |(number, _)| *number), columns)?;
            if round.is_empty() {
                found.sort_by_key(|refused| refused.row);
                return Ok((merged, found));
            }
            execute(client, "ROLLBACK TO longshore_merge_all; RELEASE longshore_merge_all")?;
            let numbers: Vec<i64> = round.iter().map(|(number, _)| *number).collect();
            let sql = format!("DELETE FROM {} WHERE {} = ANY ($1)", self.stage, self.nth);
            let gone =
                client.execute_typed(&sql, &[(&numbers, SqlType::INT8_ARRAY)]).map_err(|error| refused(&error))?;
            if gone == 0 {
                let message = "merging the rows: the table refuses the merge whichever rows are left out";
                return Err(Error::new(ErrorKind::Database, message).with_hint("look at the table's triggers"));
            }
            let row = |number: i64| rows.binary_search_by_key(&number, |(number, _)| *number).map(|at| rows[at].1);
            let placed =
                round.into_iter().filter_map(|(number, refused)| Some(Refused { row: row(number).ok()?, ..refused }));
            found.extend(placed);
            within_most(found.len())?;
        }
    }

    /// The numbers of all rows in the staging table, in order, each with the row's place among those that were sent.
    fn numbers(&self, client: &mut Client, left_out: &[Refused]) -> Result<Vec<(i64, u64)>> {
        let sql = format!("SELECT {nth} FROM {} ORDER BY {nth}", self.stage, nth = self.nth);
        let rows = client.query_typed(&sql, &[]).map_err(|error| refused(&error))?;
        let mut left_out = left_out.iter().map(|refused| refused.row).peekable();
        let mut place = 0;
        let numbers = rows.iter().map(|row| {
            while left_out.next_if_eq(&place).is_some() {
                place += 1;
            }
            place += 1;
            (row.get(0), place - 1)
        });
        Ok(numbers.collect())
    }

    /// Merges the rows up to a number; those that are refused are given back with their numbers.
    fn merge_halves(
        &self,
        client: &mut Client,
        last: i64,
        columns: &[String],
    ) -> Result<(Merged, Vec<(i64, Refused)>)> {
        let deduplicated = self.drop_duplicates(client)?;
        let (mut loaded, mut found) = (0, Vec::new());
        let mut left: Vec<Numbers> = vec![1..=last];
        while let Some(numbers) = left.pop() {
            match self.put_in_place(client, Some(&numbers))? {
                Ok(rows) => loaded += rows,
                Err(error) if numbers.start() > numbers.end() => return Err(refused(&error)),
                Err(error) if numbers.start() == numbers.end() => {
                    let (_, column, reason) = refused_row(&error, columns).unwrap_or_default();
                    let column = column.and_then(|name| columns.iter().position(|column| *column == name));
                    found.push((*numbers.start(), Refused { row: 0, column, reason }));
                }
                Err(_) => {
                    let middle = numbers.start() + (numbers.end() - numbers.start()) / 2;
                    left.push(middle + 1..=*numbers.end());
                    left.push(*numbers.start()..=middle);
                }
            }
        }
        Ok((Merged { loaded, deduplicated }, found))
    }
}

fn execute(client: &mut Client, sql: &str) -> Result<()> {
    client.batch_execute(sql).map_err(|error| refused(&error))
}

//! Whether anything is known of a table: a name may be misspelled, and then nothing is in its quarantine either.

use ::postgres::types::Type as SqlType;

use super::error::failed;
use super::ledger::{self, LOADS, QUARANTINE};
use super::quarantine::PostgresQuarantine;
use crate::error::Result;

impl PostgresQuarantine {
    /// Whether the table is there, or the ledger or the quarantine has anything of one of its name.
    pub(crate) fn is_known(&mut self) -> Result<bool> {
        let key = &self.key;
        self.stream.in_session(|client| {
            if ledger::exists(client, &key.target.quoted())? {
                return Ok(true);
            }
            for beside in [LOADS, QUARANTINE].map(|name| key.beside(name).quoted()) {
                let sql = format!("SELECT EXISTS (SELECT FROM {beside} WHERE table_name = $1)");
                let is_known = match ledger::exists(client, &beside)? {
                    true => client.query_typed_one(&sql, &[(&key.target.name, SqlType::TEXT)]),
                    false => continue,
                };
                if is_known.map_err(|error| failed("looking for what is known of the table", &error))?.get(0) {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }
}

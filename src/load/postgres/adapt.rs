//! One table of a batch, made ready for its rows: made, changed, or left as it is.

use super::catalog::Refusals;
use super::contract::evolve_within;
use super::error::failed;
use super::familiar::Familiar;
use super::ledger::{LoadKey, set_lock_timeout};
use super::open::{self, Ready};
use super::session::Client;
use super::stream::{PostgresStream, Resolve};
use super::variant::{self, View};
use super::{catalog, merge_columns};
use crate::error::Result;
use crate::load::{Mode, Rewrite};
use crate::plan::{self, Evolution, ExistingTable, TableName};
use crate::schema::Schema;

/// Before a view is dropped to see what it hides, and back to that.
const SAVEPOINT: &str = "SAVEPOINT longshore_view";
const BACK: &str = "ROLLBACK TO SAVEPOINT longshore_view";

/// A table that is ready, and what to decode under.
pub(super) struct Adapted {
    /// The table's number, if it was there before.
    pub(super) oid: Option<u32>,
    pub(super) ready: Ready,
    pub(super) schema: Schema,
    pub(super) keyless: Option<String>,
}

impl PostgresStream {
    /// Makes one table ready for its rows. `None` if it were to be changed for that, and is to stay as it is.
    pub(super) fn adapt(
        &self,
        client: &mut Client,
        key: LoadKey,
        (familiar, stays): (Option<&Familiar>, bool),
        mode: &Mode,
        resolve: &mut Resolve<'_>,
    ) -> Result<Option<Adapted>> {
        let options = &self.endpoint.options;
        let keyless = |columns: &[plan::Fitted], table: Option<&ExistingTable>| match mode {
            Mode::Merge(by) => merge_columns::missing(columns, table, by).map(str::to_owned),
            _ => None,
        };
        let mark_keys = |ready: &mut Ready| {
            if let Mode::Merge(by) = mode {
                merge_columns::mark_keys(&mut ready.columns, by);
            }
        };
        let nothing = |key, path| {
            let (columns, deferred, done) = (Vec::new(), Vec::new(), Vec::new());
            let warnings = Vec::new();
            let ready = Ready { key, columns, deferred, done, created: false, oid: None, warnings };
            Adapted { oid: None, ready, schema: Schema::default(), keyless: Some(path) }
        };
        let found = match familiar {
            Some(Familiar { oid, seen: Some((_, table)), .. }) => Some((*oid, table.clone())),
            _ => {
                set_lock_timeout(client, options.lock_timeout)?;
                match catalog::find(client, &key.target)? {
                    Some(oid) => Some((oid, open::occupy(client, oid, &key, &Mode::Append)?)),
                    None => None,
                }
            }
        };
        let Some((oid, existing)) = found else {
            let schema = resolve(None)?;
            if let Some(path) = keyless(&plan::fitted(&schema, options.json), None) {
                return Ok(Some(nothing(key, path)));
            }
            let mut ready = open::create(client, key, &schema, options.json)?;
            mark_keys(&mut ready);
            return Ok(Some(Adapted { oid: None, ready, schema, keyless: None }));
        };
        let is_viewed = View::over(&key.target, &existing).is_some();
        let mut refusals = Refusals::default();
        let (schema, mut ready, view) = loop {
            let (mut schema, evolution, view) =
                self.evolve(client, (oid, &key.target), &existing, &refusals, resolve)?;
            if let Some(path) = keyless(&evolution.columns, Some(&existing)) {
                return Ok(Some(nothing(key, path)));
            }
            if let Mode::Merge(by) = mode
                && let Some(fitted) = merge_columns::retold(&evolution.columns, &existing, by)
            {
                refusals.keep(&fitted.column.name);
                if view.is_some() && is_viewed {
                    client.batch_execute(BACK).map_err(|error| failed("looking behind a view", &error))?;
                }
                continue;
            }
            if stays && !evolution.plan.statements.is_empty() {
                return Ok(None);
            }
            schema.columns = evolution.columns.iter().map(|fitted| fitted.column.clone()).collect();
            if let Some(ready) = open::adapt(client, oid, &key, evolution, &existing, &mut refusals)? {
                break (schema, ready, view);
            }
            if view.is_some() && is_viewed {
                client.batch_execute(BACK).map_err(|error| failed("looking behind a view", &error))?;
            }
        };
        if let Some(view) = view {
            ready.done.extend(view.create(client, oid)?);
        }
        mark_keys(&mut ready);
        Ok(Some(Adapted { oid: Some(oid), ready, schema, keyless: None }))
    }

    /// Plans the changes to a table that is there, without those that were refused. If there is a view to be made when they are
    /// done, that is told too.
    fn evolve(
        &self,
        client: &mut Client,
        (oid, table): (u32, &TableName),
        existing: &ExistingTable,
        refusals: &Refusals,
        resolve: &mut Resolve<'_>,
    ) -> Result<(Schema, Evolution, Option<View>)> {
        let refused = |error: ::postgres::Error| failed("looking behind a view", &error);
        let is_large =
            self.contract.rewrite != Rewrite::Allow && catalog::size(client, oid)? >= self.contract.large_table;
        let mut existing = existing.clone();
        let json = self.endpoint.options.json;
        let within = (&self.contract, refusals.closed);
        let (mut before, mut is_shown) = (View::over(table, &existing), false);
        if let Some(view) = &before {
            // If nothing is to be changed even where everything may be, the view can stay, and its readers are let be.
            let mut free = existing.clone();
            free.columns.iter_mut().for_each(|column| column.used_by_view = false);
            let mut schema = resolve(Some(&free))?;
            let evolution = evolve_within(&mut schema, &free, table, json, within, is_large);
            if let Ok(evolution) = evolution
                && evolution.plan.statements.is_empty()
            {
                return Ok((schema, evolution, None));
            }
            // Only without the view is it known what else uses the columns.
            client.batch_execute(SAVEPOINT).map_err(refused)?;
            match view.drop(client, oid)? {
                true => existing = catalog::read(client, oid, table)?,
                // Somebody's own view shows it: what it shows stays as it is.
                false => {
                    client.batch_execute(BACK).map_err(refused)?;
                    (before, is_shown) = (None, true);
                }
            }
        }
        refusals.apply(&mut existing);
        let mut schema = resolve(Some(&existing))?;
        let evolution = evolve_within(&mut schema, &existing, table, json, within, is_large)?;
        let changes = !evolution.plan.statements.is_empty();
        if before.is_some() && !changes {
            client.batch_execute(BACK).map_err(refused)?;
            return Ok((schema, evolution, None));
        }
        let has_variants = evolution.columns.iter().any(|fitted| variant::is_variant(&fitted.column.path));
        let view = before.or_else(|| (has_variants && !is_shown).then(|| View::of(table)));
        Ok((schema, evolution, view))
    }
}

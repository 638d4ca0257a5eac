//! Loads of files whose arrays become child tables.
//!
//! The first pass takes each record apart for the evidence of all tables. Then, in one transaction, the tables are filled one
//! after another, for a connection takes one COPY at a time: each time the files are read once more, and nothing of them is
//! held. The pass for the records' own table holds every record against all tables, so that it goes in whole or not at all.

mod evidence;
mod fill;
mod split;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use self::evidence::Evidence;
use self::fill::{Filled, Filling};
use self::split::{How, Keys, Place, Why, Without};
use super::loader::{Loader, PAUSES};
use super::name::table_for;
use super::report::{LoadReport, Quarantined};
use super::stream::{Resolver, Tables};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::load::{
    Contract, Counts, LoadBegun, LoadRequest, MergeKeys, Mode, Pauses, PostgresOptions, PostgresStream, missing_field,
};
use crate::plan::TableName;
use crate::schema::Schema;
use crate::sketch::Sketch;
use crate::source::Source;

/// A load that is tried until it goes through.
struct Apart<'a> {
    loader: &'a Loader,
    source: &'a Source,
    evidence: &'a Evidence,
    request: &'a LoadRequest,
    /// The tables with the keys of their arrays, in the order in which they are filled: the records' own first. Two arrays share
    /// a table if one is within an object and the other within elements, under the same keys else.
    tables: Vec<(Vec<Keys>, TableName)>,
    /// The arrays that have a table.
    keys: Vec<Keys>,
    /// Records that tables have refused a row of.
    left_out: BTreeMap<Place, Why>,
}

/// What a load came to.
enum Outcome {
    Loaded(Counts, Schema, Vec<Quarantined>),
    AlreadyLoaded(Counts),
}

impl Loader {
    /// Loads a source, with the arrays that are wanted as child tables.
    pub(super) fn load_apart(&self, mut source: Source) -> Result<LoadReport> {
        let started = Instant::now();
        self.check_apart()?;
        let table = self.table.clone().unwrap_or_else(|| table_for(source.name(0)));
        let mut stream = self.connect_apart(&table)?;
        source.spool()?;
        let evidence = Evidence::of(&source, &self.read, &self.child_tables)?;
        fault::point("schema.resolve")?;
        let request = self.request(&source, &evidence.inference);
        let names = Tables::new(None);
        let own = names.number(stream.resolve(None)?);
        let keys: Vec<Keys> = evidence.children.iter().map(|(keys, _)| keys.clone()).collect();
        let mut by_number = BTreeMap::from([(own, vec![Keys::new()])]);
        for keys in &keys {
            if let Some(number) = names.child(own, keys) {
                by_number.entry(number).or_insert_with(Vec::new).push(keys.clone());
            }
        }
        let mut tables: Vec<_> = by_number.into_iter().map(|(number, keys)| (keys, names.name(number))).collect();
        tables[1..].sort_by_key(|(_, name)| name.quoted());
        let mut apart = Apart {
            loader: self,
            source: &source,
            evidence: &evidence,
            request: &request,
            tables,
            keys,
            left_out: BTreeMap::new(),
        };
        let load_id = request.load_id.clone();
        let _span = tracing::info_span!("load", table, load_id).entered();
        let (counts, schema, already_loaded, first_quarantined) = match apart.patiently(&mut stream)? {
            Outcome::Loaded(counts, schema, first) => (counts, schema, false, first),
            Outcome::AlreadyLoaded(counts) => (counts, Schema::default(), true, Vec::new()),
        };
        let Counts { read, loaded, quarantined, deduplicated } = counts;
        let bytes = evidence.inference.stored_bytes;
        tracing::info!(table, load_id, read, loaded, quarantined, deduplicated, bytes, already_loaded, "loaded");
        let schema = match already_loaded {
            true => Resolver::new(&self.policy, &self.mode).resolve(&evidence.inference.sketch, None)?,
            false => schema,
        };
        Ok(LoadReport {
            counts,
            bytes,
            seconds: started.elapsed().as_secs_f64(),
            table,
            load_id,
            folder: None,
            already_loaded,
            schema,
            sketch: evidence.inference.sketch,
            first_quarantined,
            warnings: evidence.inference.warnings,
        })
    }

    fn check_apart(&self) -> Result<()> {
        if !self.url.starts_with("postgres://") && !self.url.starts_with("postgresql://") {
            return Err(Error::new(ErrorKind::Unsupported, "child tables are made on a Postgres server")
                .with_hint("leave child tables out: arrays are kept as JSON"));
        }
        match &self.mode {
            Mode::Append => Ok(()),
            Mode::Merge(keys) => keys.check(),
            _ => Err(Error::new(ErrorKind::Unsupported, "a load with child tables adds rows or merges them")
                .with_hint("choose the mode append or merge")),
        }
    }

    fn connect_apart(&self, table: &str) -> Result<PostgresStream> {
        let request = LoadRequest {
            table: table.to_owned(),
            // Its id is made of what is read; this one only has to be a possible one.
            load_id: self.load_id.clone().unwrap_or_else(|| "load".into()),
            mode: self.mode.clone(),
            sources: Vec::new(),
            formats: Vec::new(),
            content_hash: String::new(),
            bytes: 0,
            max_quarantined: None,
            isolate_rows: false,
        };
        PostgresStream::connect(&self.url, &request, Contract::default(), PostgresOptions::default())
    }
}

impl Apart<'_> {
    /// Tries until the load goes through, fails for good, or has taken too long.
    fn patiently(&mut self, stream: &mut PostgresStream) -> Result<Outcome> {
        let mut pauses = Pauses::new(PAUSES.0, PAUSES.1).within(self.loader.retry_for);
        let mut isolate_rows = false;
        loop {
            match self.attempt(stream, isolate_rows) {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) => {}
                Err(error) if error.is_refused_row() && !isolate_rows => {
                    tracing::info!(%error, "a table refuses a row; loading again to find all such rows");
                    isolate_rows = true;
                }
                Err(error) if error.is_temporary() => {
                    let Some(pause) = pauses.next() else { return Err(error) };
                    tracing::warn!(%error, "the load failed; trying again");
                    std::thread::sleep(pause);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Tries once. `None` if tables have refused rows of records that are known now: it is to be done again without these.
    fn attempt(&mut self, stream: &mut PostgresStream, isolate_rows: bool) -> Result<Option<Outcome>> {
        let others: Vec<TableName> = self.tables[1..].iter().map(|(_, name)| name.clone()).collect();
        let mut open = match stream.begin_load(&self.request.load_id, &others)? {
            LoadBegun::AlreadyLoaded(counts) => return Ok(Some(Outcome::AlreadyLoaded(counts))),
            LoadBegun::Open(open) => open,
        };
        let mut schemas = BTreeMap::new();
        for (nth, (keys, _)) in self.tables.iter().enumerate() {
            let mode = self.mode(nth);
            let resolver = Resolver::new(&self.loader.policy, mode);
            let seen = self.evidence.of_table(keys);
            match open.prepare(nth, mode, &mut |have| resolver.resolve(&seen, have))? {
                Some(schema) => {
                    self.require_order(nth, &schema)?;
                    let schema = Arc::new(schema);
                    schemas.extend(keys.iter().map(|keys| (keys.clone(), schema.clone())));
                }
                None => return Err(missing_field(&open.keyless(nth).unwrap_or_default())),
            }
        }
        let mut filling = Filling {
            source: self.source,
            options: &self.loader.read,
            inference: &self.evidence.inference,
            how: How {
                which: &self.loader.child_tables,
                load_id: &self.request.load_id,
                tables: Some(&self.keys),
                left_out: &self.left_out,
            },
            schemas,
        };
        let (mut without, mut first) = (Without::default(), Vec::new());
        let mut own = None;
        for (nth, (keys, name)) in self.tables.iter().enumerate() {
            let request = LoadRequest {
                table: name.quoted(),
                mode: self.mode(nth).clone(),
                isolate_rows,
                bytes: if nth == 0 { self.request.bytes } else { 0 },
                ..self.request.clone()
            };
            let mut opened = open.open(nth, &request, &self.request.sources)?;
            let Filled { read, refused } = if nth == 0 {
                filling.schemas.insert(Keys::new(), Arc::new(opened.schema.clone()));
                filling.own(&mut opened, &mut without, &mut first)?
            } else {
                filling.child(&mut opened, keys, &without)?
            };
            if !refused.is_empty() {
                self.left_out.extend(refused);
                return Ok(None);
            }
            let schema = opened.schema.clone();
            let settled = open.close(opened, read)?;
            if nth == 0 {
                without.ids.extend(settled.lost);
                own = Some((settled.counts, schema));
            } else {
                tracing::info!(table = request.table, rows = settled.counts.loaded, "child table filled");
            }
        }
        open.commit()?;
        let (counts, schema) = own.unwrap_or_default();
        Ok(Some(Outcome::Loaded(counts, schema, first)))
    }

    /// Refuses an order that is in no record and no row: most likely it is misspelled, and all records are there to tell.
    fn require_order(&self, nth: usize, schema: &Schema) -> Result<()> {
        let Mode::Merge(MergeKeys { order_by: Some(order), .. }) = self.mode(nth) else { return Ok(()) };
        let seen = self.evidence.inference.sketch.fields().iter().any(|field| field.path.to_string() == *order);
        if seen || schema.column(order).is_some() { Ok(()) } else { Err(missing_field(order)) }
    }

    /// What becomes of rows that are in the nth table. Those of a child table come and go with their record.
    fn mode(&self, nth: usize) -> &Mode {
        if nth == 0 { &self.request.mode } else { &Mode::Append }
    }
}

impl Evidence {
    /// Of a table with the elements of the arrays at these keys; none for the records' own.
    fn of_table(&self, keys: &[Keys]) -> Sketch {
        if keys.iter().all(Vec::is_empty) {
            return self.inference.sketch.clone();
        }
        let its = self.children.iter().filter(|(child, _)| keys.contains(child));
        Sketch::merge_all(its.map(|(_, sketch)| sketch.clone()))
    }
}

//! `longshore stream`: what comes into a table, for as long as it comes.

mod args;
mod fault;
mod file;
mod files;
mod held;
#[cfg(feature = "kafka")]
mod kafka;
mod mark;
mod metrics;
mod stop;
mod tail;

use std::sync::Arc;

use longshore::{Error, Loader, StreamTotals, table_for};

pub(crate) use self::args::{Arrays, Changes, MergeBy, Stream};
use self::metrics::Metrics;
use self::stop::Stop;
use crate::exit::{self, Done, Failure};
use crate::json;
use crate::output::count;

pub(crate) fn run(args: &Stream) -> Result<Done, Failure> {
    if !args.to.starts_with("postgres://") && !args.to.starts_with("postgresql://") {
        return Err(Error::config("a stream goes into a Postgres server, and `--to` names none")
            .with_hint("write postgres://user@host/database")
            .into());
    }
    let metrics = Metrics::open(args.metrics.as_deref())?;
    let stop = Stop::on_signals(args.output.json, report(args, StreamTotals::default(), true).text)?;
    let totals = match args.kafka.kafka {
        Some(_) => from_kafka(args, &metrics, &stop)?,
        None => files::run(args, &metrics, &stop)?,
    };
    metrics.publish(true);
    stop.done();
    Ok(report(args, totals, stop.is_set()))
}

#[cfg(feature = "kafka")]
fn from_kafka(args: &Stream, metrics: &Arc<Metrics>, stop: &Stop) -> Result<StreamTotals, Failure> {
    kafka::run(args, metrics, stop)
}

#[cfg(not(feature = "kafka"))]
fn from_kafka(_: &Stream, _: &Arc<Metrics>, _: &Stop) -> Result<StreamTotals, Failure> {
    Err(Error::new(longshore::ErrorKind::Unsupported, "this build of longshore cannot read from Kafka")
        .with_hint("build it with `--features kafka`")
        .into())
}

/// The loader of a stream whose first input has this name.
fn loader(args: &Stream, first: &str) -> Result<Loader, Failure> {
    let table = args.table.clone().unwrap_or_else(|| table_for(first));
    let loader = Loader::new(&args.to)
        .table(table)
        .policy(args.meaning.policy()?)
        .read(args.records.options())
        .mode(args.by.mode());
    Ok(match args.batches.max_quarantined {
        Some(records) => loader.max_quarantined(records),
        None => loader,
    })
}

fn report(args: &Stream, totals: StreamTotals, stopped: bool) -> Done {
    let counts = totals.counts;
    let text = if args.output.json {
        json::stream(&totals, stopped)
    } else {
        let rows = [
            ("read", counts.read),
            ("loaded", counts.loaded),
            ("quarantined", counts.quarantined),
            ("deduplicated", counts.deduplicated),
            ("batches", totals.commits),
        ];
        rows.iter().map(|(label, n)| format!("{label:<12} {}\n", count(*n))).collect()
    };
    let none = counts.read > 0 && counts.loaded == 0 && counts.deduplicated == 0;
    Done { text, code: if none { exit::QUARANTINED } else { exit::OK }, ..Done::default() }
}

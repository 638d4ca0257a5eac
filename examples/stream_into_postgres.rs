//! A long-lived loader inside a service: records come one by one from a queue, and every one arrives once.
//!
//! `cargo run --example stream_into_postgres --features postgres`. It starts a throwaway server from the PostgreSQL
//! programs on this machine; a service has a URL instead.

use std::time::Duration;

use longshore::load::{TempCluster, TempOptions};
use longshore::{Loader, Offset, Result, StreamLoader, StreamOptions};

/// A queue that can be read again from any position, as a partition of Kafka can.
const QUEUE: [&str; 5] = [
    r#"{"id": 1, "total": 12, "note": null}"#,
    r#"{"id": 2, "total": 30}"#,
    r#"{"id": 3, "total": 12.5, "note": "gift"}"#,
    r#"{"id": 4, "total": "#,
    r#"{"id": 5, "total": 7}"#,
];

fn open(url: &str) -> Result<StreamLoader> {
    Loader::new(url).table("orders").open_with(StreamOptions::default().max_age(Duration::from_secs(5)))
}

/// Reads on from where the table is; a position is that behind a record.
fn consume(loader: &mut StreamLoader, upto: usize) -> Result<()> {
    let from = loader.committed("orders-0")?.unwrap_or(0) as usize;
    for (at, record) in QUEUE.iter().enumerate().take(upto).skip(from) {
        loader.write(record, Offset::new("orders-0", at as u64 + 1))?;
    }
    Ok(())
}

pub(crate) fn main() -> Result<()> {
    let server = TempCluster::start(TempOptions::for_tests())?;

    let mut loader = open(server.url())?;
    consume(&mut loader, 2)?;
    let first = loader.commit()?;
    println!("{} rows into a table of {} columns", first.counts.loaded, first.schema.columns.len());
    // These are not committed when the service dies.
    consume(&mut loader, 4)?;
    drop(loader);

    let mut loader = open(server.url())?;
    consume(&mut loader, QUEUE.len())?;
    let rest = loader.commit()?;
    println!("{} more, {} quarantined, after:", rest.counts.loaded, rest.counts.quarantined);
    rest.altered.iter().for_each(|statement| println!("  {statement}"));
    assert_eq!((rest.counts.loaded, rest.counts.quarantined), (2, 1));
    assert_eq!(loader.committed("orders-0")?, Some(5));
    Ok(())
}

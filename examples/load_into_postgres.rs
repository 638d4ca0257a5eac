//! A load from inside a service: into Postgres, once, with every record accounted for.
//!
//! `cargo run --example load_into_postgres --features postgres`. It starts a throwaway server from the PostgreSQL programs on
//! this machine; a service has a URL instead.

use longshore::load::{TempCluster, TempOptions};
use longshore::{LoadReport, Loader, Result, Source, Type};

fn load(url: &str) -> Result<LoadReport> {
    Loader::new(url)
        .table("orders")
        .policy(longshore::Policy::default().hint("points", Type::Decimal { precision: 12, scale: 2 }))
        .max_quarantined(10)
        .load(Source::path(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/orders.ndjson")))
}

pub(crate) fn main() -> Result<()> {
    let server = TempCluster::start(TempOptions::for_tests())?;

    let report = load(server.url())?;
    let counts = report.counts;
    println!("{} read, {} loaded, {} quarantined", counts.read, counts.loaded, counts.quarantined);
    assert_eq!(counts.read, counts.loaded + counts.quarantined + counts.deduplicated);
    for bad in &report.first_quarantined {
        println!("  {}:{}: {}", bad.source, bad.line, bad.reason);
    }

    // The id of a load comes from its content, so a service that died and tries again changes nothing.
    let again = load(server.url())?;
    assert!(again.already_loaded && again.load_id == report.load_id);
    println!("the second time: nothing to do");
    Ok(())
}

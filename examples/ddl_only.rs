//! Only SQL: the statements that make a table, without a connection.
//!
//! `cargo run --example ddl_only`

use longshore::plan::{CreateOptions, Distribution};
use longshore::{Dialect, Plan, Policy, Result, Sketch, Source};

pub(crate) fn main() -> Result<()> {
    let source = Source::path(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/stations.csv"));
    let schema = Policy::default().resolve(&Sketch::of(&source)?)?;

    // `{:#}` puts before each statement what it costs and which lock it takes.
    println!("{:#}", Plan::create(&schema, Dialect::Postgres, "rail.stations")?);

    let options = CreateOptions::new(Dialect::Redshift)
        .with_distribution(Distribution::Key("station_id".into()))
        .with_sort_key(["opened"])
        .with_comments(false);
    let plan = Plan::create_with(&schema, "rail.stations", &options)?;
    println!("{plan}");
    assert!(plan.to_string().contains("DISTKEY (\"station_id\")"));
    Ok(())
}

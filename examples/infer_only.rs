//! Only a schema: what a file holds, without a warehouse, a connection or a feature.
//!
//! `cargo run --example infer_only`

use longshore::{Explanation, Inference, Policy, ReadOptions, Result, Source, Type};

pub(crate) fn main() -> Result<()> {
    let source = Source::path(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/orders.ndjson"));
    let inference = Inference::of(&source, &ReadOptions::default())?;
    println!("{} records of {}", inference.sketch.records(), inference.formats[0].as_str());

    // Evidence and policy are apart: another policy does not read the data again.
    let schema = Policy::default().resolve(&inference.sketch)?;
    for column in &Explanation::of(&schema, &inference.sketch).columns {
        println!("{:<18} {:<12} {}", column.path, column.ty, column.why);
    }
    let hinted = Policy::default().hint("points", Type::Text).resolve(&inference.sketch)?;
    assert_eq!(schema.column("points").map(|column| column.ty), Some(Type::Float64));
    assert_eq!(hinted.column("points").map(|column| column.ty), Some(Type::Text));

    // The same schema as Arrow has it, for those who go on from there.
    println!("{} Arrow fields", schema.arrow().fields().len());
    Ok(())
}

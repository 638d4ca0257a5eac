//! Evidence from many machines: each sketches its part, one puts the parts together and decides.
//!
//! `cargo run --example merge_sketches`

use longshore::{Policy, Result, Sketch, Source};

/// What runs where a part of the input is: bytes out, a few hundred for each field.
fn on_one_machine(name: &str, part: &str) -> Result<Vec<u8>> {
    Ok(Sketch::of(&Source::bytes(part).named(name))?.to_bytes())
}

pub(crate) fn main() -> Result<()> {
    let monday = on_one_machine("monday", "{\"id\":1,\"amount\":10}\n{\"id\":2,\"amount\":20}\n")?;
    let tuesday = on_one_machine("tuesday", "{\"id\":70000,\"amount\":2.5,\"note\":\"gift\"}\n")?;

    // In any order and grouping the result is the same, so a fan-in needs no care.
    let merged = Sketch::from_bytes(&monday)?.merge(Sketch::from_bytes(&tuesday)?);
    let reversed = Sketch::from_bytes(&tuesday)?.merge(Sketch::from_bytes(&monday)?);
    assert_eq!(merged.to_bytes(), reversed.to_bytes());

    let schema = Policy::default().resolve(&merged)?;
    for column in &schema.columns {
        println!("{:<8} {:<8} null: {}", column.name, column.ty, column.nullable);
    }
    let types: Vec<String> = schema.columns.iter().map(|column| column.ty.to_string()).collect();
    assert_eq!(types, ["int32", "float64", "text"]);
    Ok(())
}

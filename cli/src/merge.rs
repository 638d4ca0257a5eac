//! `longshore merge`: one sketch of many.

use longshore::{Error, Sketch};

use crate::args::Merge;
use crate::evidence::{read_sketch, write_sketch};
use crate::exit::{Done, Failure};
use crate::json;
use crate::output::counted;

pub(crate) fn run(args: &Merge) -> Result<Done, Failure> {
    let mut merged = Sketch::default();
    for path in &args.sketches {
        merged = merged.merge(read_sketch(path)?);
    }
    if merged.sources().is_empty() {
        return Err(Error::config("the sketches hold no input").into());
    }
    write_sketch(&args.into, &merged)?;
    let text = match args.output.json {
        true => json::merge(&merged, args.sketches.len()),
        false => format!(
            "{} of {} from {}: {}\n",
            counted(merged.records(), "record"),
            counted(merged.sources().len() as u64, "input"),
            counted(args.sketches.len() as u64, "sketch").replace("sketchs", "sketches"),
            args.into.display()
        ),
    };
    Ok(Done::new(text))
}

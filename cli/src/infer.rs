//! `longshore infer`: the table that the input makes.

use longshore::Schema;

use crate::args::Infer;
use crate::evidence::{
    Evidence, bad_records, describe_columns, describe_inputs, describe_quarantined, describe_undecided, write_sketch,
};
use crate::exit::{Done, Failure};
use crate::json;
use crate::output::{count, counted};

pub(crate) fn run(args: &Infer) -> Result<Done, Failure> {
    let policy = args.evidence.meaning.policy()?;
    let evidence = Evidence::read(&args.evidence, &args.evidence.input.files, args.output.quiet)?;
    // Written first: evidence that was paid for is kept, whatever the policy makes of it.
    if let Some(path) = &args.write {
        write_sketch(path, &evidence.sketch)?;
    }
    let schema = policy.resolve(&evidence.sketch)?;
    let text = if args.output.json { json::infer(&evidence, &schema) } else { describe(&evidence, &schema) };
    Ok(Done { warnings: evidence.warnings, ..Done::new(text) })
}

fn describe(evidence: &Evidence, schema: &Schema) -> String {
    let sketch = &evidence.sketch;
    let mut text = describe_inputs(sketch);
    text.push_str(&format!("{}, {} quarantined", counted(sketch.records(), "record"), count(sketch.bad().count())));
    match sketch.duplicate_keys().0 {
        0 => {}
        n => text.push_str(&format!(", {} given twice in one object (the last counts)", counted(n, "key"))),
    }
    text.push_str("\n\n");
    text.push_str(&describe_columns(schema, sketch));
    text.push_str(&describe_quarantined(&bad_records(sketch), sketch.bad().count()));
    text.push_str(&describe_undecided(&schema.undecided));
    text
}

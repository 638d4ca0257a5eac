//! The drift stream of a million records, under every fault in turn. It takes minutes, and has to be asked for:
//! `cargo nextest run -p longshore-redshift-double --run-ignored only -E 'test(million)'`.

#[path = "../../../support/drift_stream.rs"]
mod drift_stream;

use drift_stream::Stream;
use longshore_redshift_double::s3::S3Fault;

use crate::drift::{FAULTS, check, load};
use crate::places::Redshift;

const RECORDS: u64 = 1_000_000;
const BATCHES: u64 = 20;

#[test]
#[ignore = "takes minutes"]
fn a_million_records_end_as_the_oracle_says_whatever_fails() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/drift/drift-seed1-1000000.oracle.json");
    let oracle = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let stream = Stream { seed: 1, n: RECORDS };
    let place = Redshift::start();
    for nth in 0..BATCHES {
        let mut bytes = Vec::new();
        let size = RECORDS / BATCHES;
        (nth * size..(nth + 1) * size).for_each(|record| stream.write(record, &mut bytes));
        place.warehouse.double.faults().inject(FAULTS[nth as usize % FAULTS.len()].clone(), 1);
        place.warehouse.double.s3().faults().inject(S3Fault::Refuse(None, 503, "SlowDown"), 2);
        load(&place, nth as usize, &bytes);
    }
    check(&mut place.behind(), &oracle);
}

//! A loader that is killed between COPY and COMMIT, as a process: SIGKILL, and no goodbye.

use std::process::Command;
use std::time::{Duration, Instant};

use longshore::load::{RedshiftOptions, StageOptions};
use longshore::{Loader, Source};
use longshore_redshift_double::s3::{ACCESS_KEY, SECRET_KEY};
use longshore_redshift_double::{BUCKET, Fault};

use crate::conformance::Warehouse;
use crate::places::Redshift;

/// Where the second process finds the double of the first.
const URL: &str = "LONGSHORE_DOUBLE_URL";
const ENDPOINT: &str = "LONGSHORE_DOUBLE_ENDPOINT";

fn load(url: &str, endpoint: &str) -> longshore::Result<longshore::LoadReport> {
    let stage = StageOptions::new(format!("s3://{BUCKET}/killed")).expect("a place to stage");
    let stage = stage.with_endpoint(endpoint).with_access_key(ACCESS_KEY, SECRET_KEY, None);
    let records: String = (0..500).map(|i| format!("{{\"id\":{i}}}\n")).collect();
    Loader::redshift(url, RedshiftOptions::new(stage)).table("s.killed").load_id("one").load(Source::bytes(records))
}

#[test]
fn a_loader_that_is_killed_behind_its_copy_has_loaded_nothing_and_then_loads_once() {
    if let (Ok(url), Ok(endpoint)) = (std::env::var(URL), std::env::var(ENDPOINT)) {
        load(&url, &endpoint).expect("this process is killed before it is done");
        return;
    }
    let mut place = Redshift::start();
    let endpoint = place.warehouse.double.s3().endpoint().to_owned();
    place.warehouse.double.faults().inject(Fault::StallAfterCopy, 1);
    place.warehouse.double.statements();
    let name = std::thread::current().name().expect("tests have names").to_owned();
    let mut child = Command::new(std::env::current_exe().expect("a test is a program"))
        .args(["--exact", &name, "--nocapture"])
        .env(URL, place.url())
        .env(ENDPOINT, &endpoint)
        .spawn()
        .expect("the test runs again");
    let started = Instant::now();
    while !place.warehouse.double.statements().iter().any(|sql| sql.starts_with("COPY ")) {
        assert!(started.elapsed() < Duration::from_secs(120), "no COPY came");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(500));
    child.kill().expect("it runs");
    let ended = child.wait().expect("it ends");
    assert!(!ended.success(), "it was killed");
    let tables = "SELECT count(*) FROM svv_tables WHERE table_name = 'killed'";
    assert_eq!(place.value(tables), "0", "all of its transaction is gone, the table too");
    for again in [false, true] {
        let report = load(&place.url(), &endpoint).expect("a load");
        assert_eq!((report.already_loaded, report.counts.loaded), (again, 500));
        assert_eq!(place.count("s.killed"), 500);
    }
}

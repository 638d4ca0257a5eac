//! COPY as the double carries it out.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, StringArray};
use longshore_redshift_double::Fault;

use crate::support::Warehouse;

fn ints(values: &[i32]) -> ArrayRef {
    Arc::new(Int32Array::from(values.to_vec()))
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn copy(table: &str, from: &str) -> String {
    format!("COPY {table} FROM '{from}' IAM_ROLE default FORMAT AS PARQUET MANIFEST")
}

#[test]
fn a_manifest_is_loaded_by_position_and_counted() {
    let warehouse = Warehouse::start();
    let mut session = warehouse.session();
    session.run("CREATE TABLE t (a INT, b VARCHAR(10))");
    let hard = ["é", "a\tb", "", "\\N", "x\ny\r"];
    let columns = [("whatever", ints(&[1, 2, 3, 4, 5, 6])), ("x", texts(&[&hard.map(Some)[..], &[None]].concat()))];
    let entry = warehouse.put_parquet("load/1.parquet", &columns);
    let manifest = warehouse.put_manifest("load/manifest", std::slice::from_ref(&entry));
    session.run("BEGIN");
    session.run(&copy("t", &manifest));
    assert_eq!(session.value("SELECT pg_last_copy_count()"), "6");
    session.run("COMMIT");
    let rows = session.rows("SELECT b FROM t ORDER BY a");
    assert_eq!(rows.iter().map(|row| row[0].as_deref()).collect::<Vec<_>>(), [&hard.map(Some)[..], &[None]].concat());
    let notices = session.notices.lock().unwrap().clone();
    assert_eq!(notices, ["INFO: Load into table 't' completed, 6 record(s) loaded successfully."]);
    let twice = warehouse.put_manifest("load/twice", &[entry.clone(), entry]);
    session.run(&copy("t", &twice));
    assert_eq!(session.value("SELECT count(*) FROM t"), "18", "an entry that is listed twice is loaded twice");
}

#[test]
fn a_manifest_that_is_not_exact_is_refused() {
    let warehouse = Warehouse::start();
    let mut session = warehouse.session();
    session.run("CREATE TABLE t (a INT)");
    let good = warehouse.put_parquet("1.parquet", &[("a", ints(&[1]))]);
    let mut refused = |entries: &[serde_json::Value], why: &str| {
        let manifest = warehouse.put_manifest("m", entries);
        let error = session.refused(&copy("t", &manifest));
        assert!(error.contains(why), "{error}");
    };
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut entry = good.clone();
        change(&mut entry);
        entry
    };
    refused(&[with(&|entry| drop(entry.as_object_mut().unwrap().remove("meta")))], "does not have 'meta' key");
    refused(&[with(&|entry| entry["meta"]["content_length"] = 1.into())], "416");
    let missing = with(&|entry| entry["url"] = "s3://staging/none".into());
    refused(&[good.clone(), missing.clone()], "Mandatory url is not present");
    let mut optional = missing;
    optional["mandatory"] = false.into();
    refused(&[optional.clone()], "does not exist");
    let manifest = warehouse.put_manifest("m", &[good, optional]);
    session.run(&copy("t", &manifest));
    assert_eq!(session.value("SELECT count(*) FROM t"), "1", "what is not mandatory is passed over in silence");
    assert!(session.refused(&copy("t", "s3://staging/nothing")).contains("requires full path"));
}

#[test]
fn types_and_columns_of_a_file_must_be_those_of_the_table() {
    let warehouse = Warehouse::start();
    let mut session = warehouse.session();
    session.run("CREATE TABLE t (a INT, b VARCHAR(3))");
    let mut refused = |columns: &[(&str, ArrayRef)], why: &str| {
        let entry = warehouse.put_parquet("f.parquet", columns);
        let manifest = warehouse.put_manifest("m", &[entry]);
        let error = session.refused(&copy("t", &manifest));
        assert!(error.starts_with("XX000: Spectrum Scan Error") && error.contains(why), "{error}");
    };
    let wide: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    refused(&[("a", wide), ("b", texts(&[None]))], "incompatible Parquet schema");
    refused(&[("b", texts(&[None])), ("a", ints(&[1]))], "incompatible Parquet schema");
    refused(&[("a", ints(&[1]))], "Table columns: 2, Data columns: 1");
    refused(&[("a", ints(&[1])), ("b", texts(&[Some("éé")]))], "longer than the length");
    let entry = warehouse.put_parquet("f.parquet", &[("x", texts(&[Some("ok")])), ("y", ints(&[7]))]);
    let manifest = warehouse.put_manifest("m", &[entry]);
    session.run(&copy("t (b, a)", &manifest));
    assert_eq!(session.rows("SELECT a, b FROM t"), [[Some("7".into()), Some("ok".into())]]);
}

#[test]
fn a_bad_row_of_text_is_found_by_line_and_column() {
    let warehouse = Warehouse::start();
    let mut session = warehouse.session();
    session.run("CREATE TABLE t (a INT, b VARCHAR(5))");
    let csv = warehouse.put("f.csv", b"1,one\n2,\"tw\no\"\nx,three\n4,fourfour\n5,\\N\n");
    let load = format!("COPY t FROM '{csv}' IAM_ROLE default CSV");
    assert!(session.refused(&load).contains("Check 'stl_load_errors'"));
    session.run(&format!("{load} MAXERROR 10"));
    assert_eq!(session.value("SELECT count(*) FROM t"), "3", "bad rows are dropped, and only a notice says so");
    assert_eq!(session.value("SELECT count(*) FROM t WHERE b IS NULL"), "1");
    let errors = session.rows("SELECT trim(filename), line_number, trim(colname), err_code FROM stl_load_errors WHERE query = pg_last_copy_id() ORDER BY line_number");
    let errors: Vec<Vec<String>> = errors.into_iter().map(|row| row.into_iter().flatten().collect()).collect();
    assert_eq!(errors, [[csv.as_str(), "4", "a", "1207"], [csv.as_str(), "5", "b", "1204"]]);
}

#[test]
fn json_keys_are_matched_in_lower_case_and_numbers_pass_through_doubles() {
    let warehouse = Warehouse::start();
    let mut session = warehouse.session();
    session.run("CREATE TABLE t (userid INT, d DECIMAL(30,10), s SUPER)");
    let json = warehouse.put(
        "f.json",
        br#"{"userid": 1, "d": 12345678901234567.125, "s": {"a": [1]}} {"userId": 2, "d": "12345678901234567.125"}"#,
    );
    session.run(&format!("COPY t FROM '{json}' IAM_ROLE default FORMAT AS JSON 'auto'"));
    let rows = session.rows("SELECT userid, d, s FROM t ORDER BY d DESC");
    assert_eq!(rows[0][0], Some("1".into()));
    assert_eq!(rows[0][1], Some("12345678901234568.0000000000".into()), "a number loses digits");
    assert_eq!(rows[0][2], Some("{\"a\": [1]}".into()));
    assert_eq!(rows[1][..2], [None, Some("12345678901234567.1250000000".into())], "a string does not");
}

#[test]
fn faults_lose_what_they_should_and_nothing_else() {
    let warehouse = Warehouse::start();
    let entry = warehouse.put_parquet("f.parquet", &[("a", ints(&[1, 2]))]);
    let manifest = warehouse.put_manifest("m", &[entry]);
    warehouse.session().run("CREATE TABLE t (a INT)");
    let count = || warehouse.session().value("SELECT count(*) FROM t");
    let attempt = |fault: Fault, block: bool| {
        warehouse.double.faults().inject(fault, 1);
        let mut session = warehouse.session();
        let mut run = || -> Result<(), String> {
            if block {
                session.try_rows("BEGIN")?;
            }
            session.try_rows(&copy("t", &manifest))?;
            if block {
                session.try_rows("COMMIT")?;
            }
            Ok(())
        };
        let error = run().unwrap_err();
        assert_eq!(warehouse.double.faults().clear(), 0, "the fault happened");
        (error, session.is_closed())
    };
    let (error, closed) = attempt(Fault::SerializationFailure, true);
    assert!(error.starts_with("XX000: 1023 (Serializable isolation violation") && !closed, "{error}");
    for fault in [Fault::CutInCopy, Fault::CutAfterCopy, Fault::CutBeforeCommit] {
        assert!(attempt(fault, true).1);
        assert_eq!(count(), "0");
    }
    assert!(attempt(Fault::CutAfterCommit, true).1);
    assert_eq!(count(), "2", "the commit was done, and its answer lost");
    assert!(attempt(Fault::CutInCopy, false).1);
    assert_eq!(count(), "4", "outside of a block a COPY goes on after its client is gone");
}

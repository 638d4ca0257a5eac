//! The examples run, and what they assert holds.

#[path = "../examples/ddl_only.rs"]
mod ddl_only;
#[path = "../examples/infer_only.rs"]
mod infer_only;
#[cfg(all(unix, feature = "postgres"))]
#[path = "../examples/load_into_postgres.rs"]
mod load_into_postgres;
#[path = "../examples/merge_sketches.rs"]
mod merge_sketches;
#[cfg(all(unix, feature = "postgres"))]
#[path = "../examples/stream_into_postgres.rs"]
mod stream_into_postgres;

#[test]
fn infer_only_runs() {
    infer_only::main().unwrap();
}

#[test]
fn ddl_only_runs() {
    ddl_only::main().unwrap();
}

#[test]
fn merge_sketches_runs() {
    merge_sketches::main().unwrap();
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn load_into_postgres_runs() {
    load_into_postgres::main().unwrap();
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn stream_into_postgres_runs() {
    stream_into_postgres::main().unwrap();
}

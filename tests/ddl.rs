//! Promise 7: a plan before a change. The same schema gives the same statements, byte for byte, without a connection.
//!
//! The statements are in `tests/golden/ddl`; `UPDATE_GOLDEN=1` writes them anew.

#[path = "support/ddl.rs"]
mod ddl;

use std::path::PathBuf;

use longshore::Dialect;

fn check(dialect: Dialect, name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/ddl/{dialect}/{name}"));
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE_GOLDEN=1 writes it", path.display()));
    assert!(
        golden == text,
        "{} differs; if that is wanted, UPDATE_GOLDEN=1 writes it anew. The plan is now:\n{text}",
        path.display()
    );
}

fn check_all(dialect: Dialect) {
    for (name, plan) in ddl::plans(dialect) {
        check(dialect, &format!("{name}.sql"), &format!("{plan:#}"));
    }
    let hash = blake3::hash(ddl::widest(dialect).to_string().as_bytes());
    check(dialect, "widest.blake3", &format!("{hash}\n"));
}

#[test]
fn postgres_statements_are_the_ones_written_down() {
    check_all(Dialect::Postgres);
}

#[test]
fn redshift_statements_are_the_ones_written_down() {
    check_all(Dialect::Redshift);
}

//! A grammar of Redshift that is not ours: sqlfluff's, asked about statements.

use std::io::Write;
use std::process::{Command, Stdio};

#[path = "venv.rs"]
mod venv;

/// What sqlfluff has against each statement, in one process for all.
pub(crate) fn refusals(statements: &[String]) -> Vec<Option<String>> {
    // Not by its path: two crates share this file.
    let mut child = Command::new(venv::python("sqlfluff", "4.5.0"))
        .args(["-c", include_str!("parse_sql.py"), "redshift"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = serde_json::to_vec(statements).unwrap();
    child.stdin.take().unwrap().write_all(&input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "sqlfluff stopped: {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

//! A grammar of Redshift that is not ours: sqlfluff's, asked about statements.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SQLFLUFF: &str = "sqlfluff==4.5.0";

/// The Python that has a package, given as `name==version`; made under the target folder when it is missing.
///
/// # Panics
///
/// Says what to install. A check that cannot run must not look like one that passed.
pub(crate) fn python(package: &str) -> PathBuf {
    let module = package.split("==").next().unwrap_or(package);
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let venv = tmp.parent().unwrap_or(tmp).join(package.replace("==", "-"));
    let python = venv.join("bin/python");
    // Tests run side by side, and one of them makes it.
    let lock = std::fs::File::create(venv.with_extension("lock")).expect("the target folder can be written to");
    lock.lock().expect("a lock");
    let ready = |python: &Path| {
        Command::new(python)
            .args(["-c", &format!("import {module}")])
            .output()
            .is_ok_and(|output| output.status.success())
    };
    if !ready(&python) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", package]));
    }
    assert!(ready(&python), "{} has no {module}: {HELP}", venv.display());
    python
}

const HELP: &str = "this check needs python3 with venv and pip (apt: python3-venv), and a package index; or make the \
                    folder yourself: python3 -m venv DIR && DIR/bin/pip install PACKAGE";

fn run(command: &mut Command) {
    let shown = format!("{command:?}");
    let output = command.output().unwrap_or_else(|error| panic!("{shown}: {error}; {HELP}"));
    assert!(output.status.success(), "{shown}: {}; {HELP}", String::from_utf8_lossy(&output.stderr));
}

/// What sqlfluff has against each statement, in one process for all.
pub(crate) fn refusals(statements: &[String]) -> Vec<Option<String>> {
    // Beside this file, whichever crate includes it.
    let script = std::env::temp_dir().join(format!("longshore-parse-sql-{}.py", std::process::id()));
    std::fs::write(&script, include_str!("parse_sql.py")).expect("a temporary file");
    let mut child = Command::new(python(SQLFLUFF))
        .arg(&script)
        .arg("redshift")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}; {HELP}"));
    let input = serde_json::to_vec(statements).unwrap();
    child.stdin.take().unwrap().write_all(&input).unwrap();
    let output = child.wait_with_output().unwrap();
    let _ = std::fs::remove_file(&script);
    assert!(output.status.success(), "sqlfluff stopped: {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

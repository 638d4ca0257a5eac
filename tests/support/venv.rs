//! Python packages for checks that others wrote, each in a folder of its own under the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python that has a package, at a version: made when it is missing.
///
/// # Panics
///
/// Says what to install. A check that cannot run must not look like one that passed.
pub(crate) fn python(package: &str, version: &str) -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let venv = tmp.parent().unwrap_or(tmp).join(format!("{package}-{version}"));
    let python = venv.join("bin/python");
    // Tests run side by side, and one of them makes it.
    let lock = std::fs::File::create(tmp.join(format!("{package}.lock"))).expect("the target folder can be written to");
    lock.lock().expect("a lock");
    let import = format!("import {package}");
    let ready =
        |python: &Path| Command::new(python).args(["-c", &import]).output().is_ok_and(|output| output.status.success());
    let wanted = format!("{package}=={version}");
    let help = format!(
        "this check needs python3 with venv and pip (apt: python3-venv), and a package index that has {wanted}; or make \
         the folder yourself: python3 -m venv DIR && DIR/bin/pip install {wanted}"
    );
    if !ready(&python) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv), &help);
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", &wanted]), &help);
    }
    assert!(ready(&python), "{} has no {package}: {help}", venv.display());
    python
}

fn run(command: &mut Command, help: &str) {
    let shown = format!("{command:?}");
    let output = command.output().unwrap_or_else(|error| panic!("{shown}: {error}; {help}"));
    assert!(output.status.success(), "{shown}: {}; {help}", String::from_utf8_lossy(&output.stderr));
}

//! Certificates, made on the spot.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Somebody who signs certificates.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let authority = Authority { folder: tempfile::tempdir().unwrap() };
        let (certificate, key) = (authority.path("ca.pem"), authority.path("ca.key"));
        openssl(
            &["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
            &[("-keyout", &key), ("-out", &certificate), ("-subj", Path::new("/CN=test authority"))],
        );
        authority
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn root(&self) -> String {
        self.path("ca.pem").display().to_string()
    }

    /// A certificate for these names, and its key.
    pub(crate) fn sign(&self, names: &str, days: &str) -> (Vec<u8>, Vec<u8>) {
        let (request, key, certificate) = (self.path("s.csr"), self.path("s.key"), self.path("s.pem"));
        openssl(
            &["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
            &[("-keyout", &key), ("-out", &request), ("-subj", Path::new("/CN=server"))],
        );
        let extensions = self.path("ext");
        std::fs::write(&extensions, format!("subjectAltName={names}\n")).unwrap();
        openssl(
            &["x509", "-req", "-CAcreateserial", "-days", days],
            &[
                ("-in", &request),
                ("-out", &certificate),
                ("-CA", &self.path("ca.pem")),
                ("-CAkey", &self.path("ca.key")),
                ("-extfile", &extensions),
            ],
        );
        (std::fs::read(certificate).unwrap(), std::fs::read(key).unwrap())
    }
}

/// A certificate for these names that nobody but itself has signed, and its key.
pub(crate) fn self_signed(names: &str) -> (Vec<u8>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("self.pem"), folder.path().join("self.key"));
    let extension = format!("subjectAltName={names}");
    openssl(
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-addext",
            &extension,
        ],
        &[("-keyout", &key), ("-out", &certificate), ("-subj", Path::new("/CN=server"))],
    );
    (std::fs::read(certificate).unwrap(), std::fs::read(key).unwrap())
}

fn openssl(words: &[&str], files: &[(&str, &Path)]) {
    let mut command = Command::new("openssl");
    command.args(words);
    files.iter().for_each(|(option, file)| {
        command.arg(option).arg(file);
    });
    let output = command.output().expect("openssl, which comes with the server's packages");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

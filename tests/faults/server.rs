//! A server of a test's own, which it may set up, stop and start as it likes.
#![allow(dead_code, reason = "not every feature's tests use all of it")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use longshore::load::{TempCluster, TempOptions};
use postgres::{Client, NoTls};

pub(crate) struct Server(pub(crate) TempCluster);

impl Server {
    pub(crate) fn start() -> Self {
        Server(TempCluster::start(TempOptions::for_tests()).unwrap())
    }

    /// One that keeps what it has committed, also if it is stopped at once.
    pub(crate) fn durable() -> Self {
        Server(TempCluster::start(TempOptions::default()).unwrap())
    }

    pub(crate) fn url(&self) -> &str {
        self.0.url()
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.0.url(), NoTls).unwrap()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.0.folder().join("data")
    }

    /// Puts a file into the data folder, as the server's own.
    pub(crate) fn put(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.data().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self.give(&path);
        path
    }

    /// Makes a file or folder the server's own.
    pub(crate) fn give(&self, path: &Path) {
        let owner = fs::metadata(self.data()).unwrap();
        chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    /// Changes settings and waits until they are in force. The last one must be shown as it is written.
    pub(crate) fn set(&self, settings: &[(&str, &str)]) {
        let mut client = self.client();
        for (name, value) in settings {
            client.batch_execute(&format!("ALTER SYSTEM SET {name} = '{value}'")).unwrap();
        }
        client.batch_execute("SELECT pg_reload_conf()").unwrap();
        let (name, value) = settings.last().unwrap();
        within(Duration::from_secs(10), || {
            Client::connect(self.url(), NoTls).is_ok_and(|mut client| {
                client.query_one(&format!("SHOW {name}"), &[]).unwrap().get::<_, String>(0) == *value
            })
        });
    }

    /// Puts rules before those that are there of who may connect, and how.
    pub(crate) fn admit(&self, rules: &str) {
        let path = self.data().join("pg_hba.conf");
        let old = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{rules}\n{old}")).unwrap();
        self.client().batch_execute("SELECT pg_reload_conf()").unwrap();
        std::thread::sleep(Duration::from_millis(200));
    }

    /// Stops it as a crash would.
    pub(crate) fn crash(&self) {
        self.control(&["-m", "immediate", "stop"]);
    }

    pub(crate) fn stop(&self) {
        self.control(&["-m", "fast", "stop"]);
    }

    pub(crate) fn start_again(&self) {
        let options = format!("-p {}", self.0.port());
        let log = self.0.folder().join("server.log");
        self.control(&["-t", "60", "-l", log.to_str().unwrap(), "-o", &options, "start"]);
    }

    fn control(&self, arguments: &[&str]) {
        // The first word of this file is the path of the server program.
        let options = fs::read_to_string(self.data().join("postmaster.opts")).unwrap();
        let program = Path::new(options.split_whitespace().next().unwrap()).with_file_name("pg_ctl");
        let owner = fs::metadata(self.data()).unwrap();
        let mut command = Command::new(program);
        command.current_dir(self.0.folder()).args(["-s", "-w", "-D"]).arg(self.data()).args(arguments);
        if owner.uid() != fs::metadata("/proc/self").unwrap().uid() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        assert!(command.status().unwrap().success(), "pg_ctl {arguments:?}");
    }
}

/// Waits until it is so.
pub(crate) fn within(limit: Duration, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < limit, "not within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

//! A server to stream into, and streams that are started, watched and signalled.
#![allow(dead_code, reason = "not every test that shares this file uses all of it")]

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use longshore::load::{TempCluster, TempOptions};
use postgres::{Client, NoTls};

/// A database of its own on a server for all tests of this file.
pub(crate) fn database() -> (String, Client) {
    static CLUSTER: OnceLock<TempCluster> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let cluster = CLUSTER.get_or_init(|| TempCluster::start(TempOptions::for_tests()).expect("a server starts"));
    let name = format!("stream{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut client = Client::connect(cluster.url(), NoTls).unwrap();
    client.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/{name}", cluster.port());
    let client = Client::connect(&url, NoTls).unwrap();
    (url, client)
}

pub(crate) fn start(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_longshore"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(crate) fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// The number that a query gives, or 0 while the table is not there.
pub(crate) fn number(client: &mut Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).map_or(0, |row| row.get(0))
}

pub(crate) fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is() {
        assert!(started.elapsed() < Duration::from_secs(90), "{what}: it does not come");
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// Ends a stream in the ordinary way; says how long that took.
pub(crate) fn stop(child: Child) -> (Output, Duration) {
    let started = Instant::now();
    signal(&child, "-TERM");
    (child.wait_with_output().unwrap(), started.elapsed())
}

pub(crate) fn append(path: &Path, text: &str) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

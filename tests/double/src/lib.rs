//! A stand-in for Amazon Redshift in tests: nobody here has a cluster, and PostgreSQL alone lets too much through.
//!
//! A [`Double`] speaks the PostgreSQL protocol in front of a real PostgreSQL, which does the work and the
//! transactions. It refuses what Redshift refuses, by the rules of its guide; takes Redshift's own clauses out of
//! statements and keeps what they mean; and carries COPY out itself, from an [`S3`](s3::S3) server that runs beside
//! it. What goes wrong on demand is in [`Faults`] and [`S3Faults`](s3::S3Faults).
//!
//! It is no Redshift. Where the guide says nothing it refuses rather than guesses, so that what passes here is what
//! is documented; `docs/redshift-testing.md` says what it can prove and what it cannot.

mod backend;
mod catalog;
mod copy;
mod ddl;
mod execute;
mod faults;
pub mod refusal;
pub mod s3;
mod session;
pub mod sql;
mod wire;

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use catalog::Catalog;
pub use faults::{Fault, Faults};
use refusal::Refusal;

/// The bucket that every double has.
pub const BUCKET: &str = "staging";

/// What the sessions of a double share.
pub(crate) struct Shared {
    /// The port of the backing server on the loopback address.
    port: u16,
    s3: s3::S3,
    faults: Faults,
    catalogs: Mutex<HashMap<String, Catalog>>,
    queries: AtomicU64,
    large_strings: AtomicBool,
    log: Mutex<Vec<String>>,
    clients: Mutex<Vec<TcpStream>>,
}

impl Shared {
    /// The double's own session with a database.
    fn catalog(&self, database: &str) -> io::Result<Result<Catalog, Refusal>> {
        let mut catalogs = self.catalogs.lock().expect("no holder panics");
        if let Some(catalog) = catalogs.get(database) {
            return Ok(Ok(catalog.clone()));
        }
        let opened = Catalog::open(self.port, database)?;
        if let Ok(catalog) = &opened {
            catalogs.insert(database.to_owned(), catalog.clone());
        }
        Ok(opened)
    }

    fn next_query(&self) -> u64 {
        self.queries.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn large_strings(&self) -> bool {
        self.large_strings.load(Ordering::Relaxed)
    }

    fn log(&self, _session: u32, statement: &str) {
        self.log.lock().expect("no holder panics").push(statement.to_owned());
    }
}

/// A running double. It stops answering when it is dropped; the backing server is the caller's.
pub struct Double {
    shared: Arc<Shared>,
    port: u16,
}

impl Double {
    /// Starts a double in front of a PostgreSQL server, version 15 or later, that listens on a port of the loopback
    /// address and trusts the user `postgres`. Databases are those of the server, and are set up when first used.
    ///
    /// # Errors
    ///
    /// Where a port or a temporary folder cannot be had.
    pub fn start(server: u16) -> io::Result<Double> {
        let s3 = s3::S3::start()?;
        s3.make_bucket(BUCKET, s3::REGION)?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            port: server,
            s3,
            faults: Faults::default(),
            catalogs: Mutex::default(),
            queries: AtomicU64::new(0),
            large_strings: AtomicBool::new(false),
            log: Mutex::default(),
            clients: Mutex::default(),
        });
        // The thread holds nothing that keeps the double alive.
        let weak = Arc::downgrade(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Some(shared) = weak.upgrade() else { return };
                if let Ok(handle) = client.try_clone() {
                    shared.clients.lock().expect("no holder panics").push(handle);
                }
                thread::spawn(move || {
                    let handle = client.try_clone();
                    let _ = session::serve(client, shared);
                    // Handles of this connection that others hold must not keep it open.
                    let _ = handle.map(|handle| handle.shutdown(Shutdown::Both));
                });
            }
        });
        Ok(Double { shared, port })
    }

    /// Where to connect: the URL of a database of the backing server, by its name.
    pub fn url(&self, database: &str) -> String {
        format!("redshift://awsuser:Secret1@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The S3 server beside it, with the bucket [`BUCKET`].
    pub fn s3(&self) -> &s3::S3 {
        &self.shared.s3
    }

    /// What goes wrong on demand.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Whether the server's operator has turned `enable_large_strings_opt_in` on (default: no).
    ///
    /// # Errors
    ///
    /// Where a database that is in use cannot be told.
    pub fn set_large_strings(&self, on: bool) -> io::Result<()> {
        self.shared.large_strings.store(on, Ordering::Relaxed);
        let catalogs = self.shared.catalogs.lock().expect("no holder panics");
        let value = if on { "on" } else { "off" };
        let sql = format!("UPDATE redshift_double.options SET value = '{value}' WHERE name = 'large_strings'");
        catalogs.values().try_for_each(|catalog| catalog.run(&sql))
    }

    /// The statements so far, of all sessions, as they were sent; forgets them.
    pub fn statements(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.log.lock().expect("no holder panics"))
    }

    /// Cuts every connection there is.
    pub fn cut_all(&self) {
        for client in self.shared.clients.lock().expect("no holder panics").drain(..) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.cut_all();
        // Wakes the thread that listens, which then finds nobody.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

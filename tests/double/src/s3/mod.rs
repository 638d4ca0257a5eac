//! An S3 server beside the double, and the double's own view of what it holds.

mod faults;
mod serve;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::refusal::Refusal;
pub use faults::{Operation, S3Fault, S3Faults};

/// The access key of the server.
pub const ACCESS_KEY: &str = "DOUBLEACCESSKEY";
/// The secret of the server.
pub const SECRET_KEY: &str = "double/secret+key";
/// Where buckets are unless it is said otherwise.
pub const REGION: &str = "us-east-1";

/// A running S3 server over a temporary folder.
pub struct S3 {
    folder: tempfile::TempDir,
    endpoint: String,
    faults: S3Faults,
    regions: Arc<Mutex<HashMap<String, String>>>,
    // The server stops with it.
    _runtime: tokio::runtime::Runtime,
}

impl S3 {
    /// Starts a server on a free port of the loopback address.
    ///
    /// # Errors
    ///
    /// Where no folder or port can be had.
    pub fn start() -> std::io::Result<S3> {
        let folder = tempfile::tempdir()?;
        let faults = S3Faults::default();
        let (runtime, port) = serve::start(folder.path(), &faults)?;
        Ok(S3 {
            folder,
            endpoint: format!("http://127.0.0.1:{port}"),
            faults,
            regions: Arc::default(),
            _runtime: runtime,
        })
    }

    /// Makes a bucket in a region.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be made.
    pub fn make_bucket(&self, name: &str, region: &str) -> std::io::Result<()> {
        self.regions.lock().expect("no holder panics").insert(name.to_owned(), region.to_owned());
        std::fs::create_dir_all(self.folder.path().join(name))
    }

    /// Where clients connect, as `http://127.0.0.1:PORT`; buckets are in the path.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What goes wrong on demand.
    pub fn faults(&self) -> &S3Faults {
        &self.faults
    }

    /// The parts and notes of uploads that were neither completed nor given up.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be read.
    pub fn unfinished(&self) -> std::io::Result<Vec<String>> {
        let names = std::fs::read_dir(self.folder.path())?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<std::io::Result<Vec<String>>>()?;
        Ok(names.into_iter().filter(|name| name.starts_with(".upload")).collect())
    }

    /// The view of the warehouse.
    pub fn store(&self) -> Store {
        Store { root: self.folder.path().to_owned(), regions: Arc::clone(&self.regions) }
    }
}

/// What the warehouse sees of the server: whole objects, by their `s3://` addresses.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    regions: Arc<Mutex<HashMap<String, String>>>,
}

impl Store {
    /// The object's place on the disk. Keys with a part that is `..` are nobody's.
    fn path(&self, url: &str) -> Result<PathBuf, Refusal> {
        let name = url.strip_prefix("s3://").filter(|name| name.contains('/'));
        let name = name.ok_or_else(|| Refusal::internal(format!("Invalid S3 address {url}")))?;
        if name.split('/').any(|part| part == "..") {
            return Err(Refusal::internal(format!("Invalid S3 address {url}")));
        }
        Ok(self.root.join(name))
    }

    /// The bytes of an object.
    ///
    /// # Errors
    ///
    /// S3's own error where it is not there.
    pub fn read(&self, url: &str) -> Result<Vec<u8>, Refusal> {
        std::fs::read(self.path(url)?).map_err(|_| {
            Refusal::internal("S3ServiceException: The specified key does not exist.")
                .with_detail(format!("Status 404, Error NoSuchKey: {url}"))
        })
    }

    /// Puts an object there, past the server.
    ///
    /// # Errors
    ///
    /// Where the address is none, or the disk refuses.
    pub fn write(&self, url: &str, bytes: &[u8]) -> Result<(), Refusal> {
        let path = self.path(url)?;
        let broken = |error: std::io::Error| Refusal::internal(error.to_string());
        std::fs::create_dir_all(path.parent().unwrap_or(&self.root)).map_err(broken)?;
        std::fs::write(path, bytes).map_err(broken)
    }

    /// Removes an object, past the server.
    ///
    /// # Errors
    ///
    /// Where it is not there.
    pub fn remove(&self, url: &str) -> Result<(), Refusal> {
        std::fs::remove_file(self.path(url)?).map_err(|error| Refusal::internal(error.to_string()))
    }

    /// The size of an object, `None` where there is none.
    ///
    /// # Errors
    ///
    /// Where the address is none.
    pub fn size(&self, url: &str) -> Result<Option<u64>, Refusal> {
        let found = std::fs::metadata(self.path(url)?).ok().filter(std::fs::Metadata::is_file);
        Ok(found.map(|found| found.len()))
    }

    /// The objects whose address begins with a text, in order, with their sizes.
    ///
    /// # Errors
    ///
    /// Where the text is no address of a bucket.
    pub fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, Refusal> {
        let bucket = prefix.strip_prefix("s3://").and_then(|name| name.split('/').next()).unwrap_or("");
        if bucket.is_empty() {
            return Err(Refusal::internal(format!("Invalid S3 address {prefix}")));
        }
        let mut found = Vec::new();
        let mut open = vec![self.root.join(bucket)];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    open.push(path);
                } else if let Some(name) = path.strip_prefix(&self.root).ok().and_then(|name| name.to_str()) {
                    // The server keeps its own notes in files with a dot in front.
                    let own = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
                    let url = format!("s3://{name}");
                    if !own && url.starts_with(prefix) {
                        found.push((url, entry.metadata().map_or(0, |data| data.len())));
                    }
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// The region of an object's bucket.
    pub(crate) fn region(&self, url: &str) -> String {
        let bucket = url.strip_prefix("s3://").and_then(|name| name.split('/').next()).unwrap_or("");
        self.regions.lock().expect("no holder panics").get(bucket).cloned().unwrap_or_else(|| REGION.to_owned())
    }
}

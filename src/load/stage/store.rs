//! An object store behind plain calls.
//!
//! The client is asynchronous. Its runtime is private: one thread drives it for as long as the store lives, and calls
//! from outside wait on a channel, so that they work on any thread, with or without a runtime of the caller's.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload, RetryConfig};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::credentials;
use super::options::{Kind, Place, StageOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::load::durable::sync_with_ancestors;

/// How long a request is tried again that failed in a way that may pass (500, 503 `SlowDown`, 429, a cut connection).
const RETRY_FOR: Duration = Duration::from_secs(180);

/// The thread that drives the requests.
struct Runtime {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Runtime {
    fn new() -> Result<Self> {
        // Whoever comes first in the process decides; a provider that is there already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|cause| Error::io("starting the object store's client", cause))?;
        let (stop, stopped) = oneshot::channel();
        let handle = runtime.handle().clone();
        let drive = move || drop(runtime.block_on(stopped));
        let thread = std::thread::Builder::new().name("longshore-stage".into()).spawn(drive);
        let thread = thread.map_err(|cause| Error::io("starting a thread", cause))?;
        Ok(Runtime { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// Starts a request.
    fn start<T: Send + 'static>(&self, request: impl Future<Output = T> + Send + 'static) -> Pending<T> {
        let (answer, pending) = sync_channel(1);
        // Whoever asked may be gone; then nobody wants the answer.
        self.handle.spawn(async move { drop(answer.send(request.await)) });
        Pending(pending)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// An answer that is under way.
pub(super) struct Pending<T>(Receiver<T>);

impl<T> Pending<T> {
    /// Waits for the answer.
    pub(super) fn wait(self) -> Result<T> {
        let gone = || Error::new(ErrorKind::Io, "the object store's client has stopped");
        self.0.recv().map_err(|_| gone())
    }
}

/// One place in an object store; clones share the connection.
#[derive(Clone)]
pub(super) struct Store {
    runtime: Arc<Runtime>,
    pub(super) store: Arc<dyn ObjectStore>,
    prefix: String,
    /// What stands in front of an object's path in its URL.
    base: String,
    /// The folder that the objects are files in, if they are.
    local: Option<PathBuf>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("base", &self.base).field("prefix", &self.prefix).finish()
    }
}

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) bytes: u64,
    /// What changes when the object is written again, where the store has such a thing.
    pub(super) e_tag: Option<String>,
}

impl Store {
    pub(super) fn open(options: &StageOptions) -> Result<Self> {
        let runtime = Arc::new(Runtime::new()?);
        let place = Place::parse(options.url())?;
        let retry = RetryConfig { retry_timeout: RETRY_FOR, ..RetryConfig::default() };
        let unusable = |error: object_store::Error| failed("setting up the store", options.url(), &error);
        // Without credentials a request is tried again for minutes, so they are looked for first.
        macro_rules! look {
            ($builder:ident, $key:ident) => {
                if $builder.get_config_value(&$key::SkipSignature).as_deref() != Some("true") {
                    let asked = $builder.clone().with_retry(credentials::briefly()).build().map_err(unusable)?;
                    runtime.start(credentials::look(asked.credentials().clone(), place.base.to_owned())).wait()??;
                }
            };
        }
        let store: Arc<dyn ObjectStore> = match place.kind {
            Kind::Folder => {
                let made = std::fs::create_dir_all(place.prefix);
                made.map_err(|cause| Error::io(format_args!("creating {}", place.prefix), cause))?;
                Arc::new(LocalFileSystem::new_with_prefix(place.prefix).map_err(unusable)?.with_fsync(true))
            }
            Kind::S3 => {
                let mut s3 = AmazonS3Builder::from_env().with_url(place.base).with_retry(retry);
                if let Some(region) = &options.region {
                    s3 = s3.with_region(region);
                }
                if let Some(endpoint) = &options.endpoint {
                    s3 = s3.with_endpoint(endpoint);
                }
                if let Some(key) = options.access_key() {
                    s3 = s3.with_access_key_id(&key.id).with_secret_access_key(&key.secret);
                    if let Some(token) = &key.token {
                        s3 = s3.with_token(token);
                    }
                }
                if options.allow_http {
                    s3 = s3.with_allow_http(true);
                }
                look!(s3, AmazonS3ConfigKey);
                Arc::new(s3.build().map_err(unusable)?)
            }
            Kind::Google => {
                let gcs = GoogleCloudStorageBuilder::from_env().with_url(place.base).with_retry(retry);
                look!(gcs, GoogleConfigKey);
                Arc::new(gcs.build().map_err(unusable)?)
            }
            Kind::Azure => {
                let mut azure = MicrosoftAzureBuilder::from_env().with_url(place.base).with_retry(retry);
                if let Some(endpoint) = &options.endpoint {
                    azure = azure.with_endpoint(endpoint.clone()).with_allow_http(options.allow_http);
                }
                look!(azure, AzureConfigKey);
                Arc::new(azure.build().map_err(unusable)?)
            }
        };
        let (base, prefix) = match place.kind {
            Kind::Folder => (format!("file://{}", place.prefix.trim_end_matches('/')), String::new()),
            _ => (place.base.to_owned(), place.prefix.to_owned()),
        };
        let local = matches!(place.kind, Kind::Folder).then(|| PathBuf::from(place.prefix));
        Ok(Store { runtime, store, prefix, base, local })
    }

    /// The path of an object whose name below the staging URL is given.
    pub(super) fn path(&self, name: &str) -> Path {
        match self.prefix.is_empty() {
            true => Path::from(name),
            false => Path::from(format!("{}/{name}", self.prefix)),
        }
    }

    /// The URL of a path, as a manifest has it.
    pub(super) fn url(&self, path: &Path) -> String {
        format!("{}/{path}", self.base)
    }

    /// Starts a request.
    pub(super) fn start<T: Send + 'static>(&self, request: impl Future<Output = T> + Send + 'static) -> Pending<T> {
        self.runtime.start(request)
    }

    /// Makes a request and waits for the answer.
    pub(super) fn ask<T, F>(
        &self,
        doing: &str,
        path: &Path,
        request: impl FnOnce(Arc<dyn ObjectStore>, Path) -> F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        let answer = self.start(request(self.store.clone(), path.clone())).wait()?;
        answer.map_err(|error| failed(doing, &self.url(path), &error))
    }

    /// Writes a small object in one request, over one that is there.
    pub(super) fn put(&self, path: &Path, content: Vec<u8>) -> Result<Object> {
        let bytes = content.len() as u64;
        let payload = PutPayload::from(content);
        let put = self.ask("writing", path, |store, path| async move { store.put(&path, payload).await })?;
        Ok(Object { bytes, e_tag: put.e_tag })
    }

    /// Writes a small object unless there is one; returns whether it did.
    ///
    /// A store that cannot do both at once is asked first: two at the same moment may then both believe to be first.
    pub(super) fn put_if_absent(&self, path: &Path, content: Vec<u8>) -> Result<bool> {
        let payload = PutPayload::from(content);
        let (again, store, at) = (payload.clone(), self.store.clone(), path.clone());
        let put = self.start(async move { store.put_opts(&at, payload, PutMode::Create.into()).await }).wait()?;
        match put {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(false),
            Err(object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }) => {
                if self.head(path)?.is_some() {
                    return Ok(false);
                }
                self.ask("writing", path, |store, path| async move { store.put(&path, again).await })?;
                Ok(true)
            }
            Err(error) => Err(failed("writing", &self.url(path), &error)),
        }
    }

    /// What the store says of an object; `None` if it is not there.
    pub(super) fn head(&self, path: &Path) -> Result<Option<Object>> {
        let (store, at) = (self.store.clone(), path.clone());
        match self.start(async move { store.head(&at).await }).wait()? {
            Ok(meta) => Ok(Some(Object { bytes: meta.size, e_tag: meta.e_tag })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("looking at", &self.url(path), &error)),
        }
    }

    /// The content of a small object; `None` if it is not there.
    pub(super) fn get(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let (store, at) = (self.store.clone(), path.clone());
        match self.start(async move { store.get(&at).await?.bytes().await }).wait()? {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("reading", &self.url(path), &error)),
        }
    }

    /// Makes sure that an object which is there stays there. In a folder its name must be on the disk, and so must those of
    /// all folders that lead to it.
    pub(super) fn keep(&self, path: &Path) -> Result<()> {
        let file = self.local.as_ref().map(|local| local.join(path.as_ref()));
        file.as_deref().and_then(std::path::Path::parent).map_or(Ok(()), sync_with_ancestors)
    }

    /// Removes from a folder below a path what is no object: files that were never finished, and empty folders.
    pub(super) fn sweep(&self, path: &Path) {
        let Some(folder) = self.local.as_ref().map(|local| local.join(path.as_ref())) else { return };
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let found = entry.path();
            if found.is_dir() {
                let below = std::fs::read_dir(&found).into_iter().flatten().flatten();
                below.map(|entry| entry.path()).filter(|file| is_unfinished(file)).for_each(|file| {
                    let _ = std::fs::remove_file(file);
                });
                // Only succeeds if it is empty.
                let _ = std::fs::remove_dir(&found);
            } else if is_unfinished(&found) {
                let _ = std::fs::remove_file(&found);
            }
        }
    }

    /// Removes an object; one that is not there is as good as removed.
    pub(super) fn delete(&self, path: &Path) -> Result<()> {
        let (store, at) = (self.store.clone(), path.clone());
        match self.start(async move { store.delete(&at).await }).wait()? {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("removing", &self.url(path), &error)),
        }
    }

    /// The objects right below a path and one level further down.
    pub(super) fn below(&self, path: &Path) -> Result<Vec<Path>> {
        let list = |path: &Path| {
            self.ask("listing", path, |store, path| async move { store.list_with_delimiter(Some(&path)).await })
        };
        let top = list(path)?;
        let mut found: Vec<Path> = top.objects.into_iter().map(|meta| meta.location).collect();
        for folder in &top.common_prefixes {
            found.extend(list(folder)?.objects.into_iter().map(|meta| meta.location));
        }
        Ok(found)
    }
}

/// Whether this is a file that an object is written to before it gets its name: as the client calls it, with `#` and a
/// number behind the object's name.
fn is_unfinished(file: &std::path::Path) -> bool {
    let name = file.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
    name.rsplit_once('#').is_some_and(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// An error of the store. Its own text may hold a signed URL or a header, so of a request only the status is told.
pub(super) fn failed(doing: &str, url: &str, error: &object_store::Error) -> Error {
    use object_store::Error as E;
    let (what, hint) = match error {
        E::NotFound { .. } => ("it is not there", Some("check the bucket's name and region")),
        E::PermissionDenied { .. } => ("the store refuses these credentials (403)", Some(credentials::hint(url))),
        E::Unauthenticated { .. } => ("the store asks for credentials (401)", Some(credentials::hint(url))),
        E::AlreadyExists { .. } | E::Precondition { .. } => ("another object is there", None),
        _ => ("", matches!(status(error), Some(401 | 403)).then(|| credentials::hint(url))),
    };
    let status = status(error);
    // A name or an address that is wrong is tried for minutes as one that is down is.
    let unreached = what.is_empty() && status.is_none() && !url.starts_with("file:");
    let hint = hint
        .or(unreached.then_some("if the store cannot be reached, look at the endpoint, the region and the network"));
    let what = match (what, status) {
        ("", Some(status)) => format!("the store answered with status {status}"),
        ("", None) => cause(error),
        (what, _) => what.to_owned(),
    };
    let passing = matches!(error, E::Generic { .. } | E::JoinError { .. });
    let failure = Error::new(ErrorKind::Io, format!("{doing} {url}: {what}")).with_temporary(passing);
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// The HTTP status in the chain of causes, if one is told there.
fn status(error: &object_store::Error) -> Option<u16> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        let text = error.to_string();
        let digits = ["status ", "status code ", "non-2xx status code: "].iter().find_map(|before| {
            let at = text.find(before)? + before.len();
            text.get(at..at + 3)?.parse().ok()
        });
        if digits.is_some() {
            return digits;
        }
        source = error.source();
    }
    None
}

/// The innermost cause, with what may be a query cut off.
pub(super) fn cause(error: &object_store::Error) -> String {
    let mut source: &(dyn std::error::Error + 'static) = error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    let text = source.to_string();
    let end = text.find('?').unwrap_or(text.len()).min(300);
    text.char_indices().take_while(|(at, _)| *at < end).map(|(_, c)| if c.is_control() { ' ' } else { c }).collect()
}

//! Objects on their way into the store, in requests that overlap with the work that makes their bytes.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, PutResult};
use tokio::sync::oneshot;

use super::store::{Object, Pending, Store, failed};
use crate::error::{Error, ErrorKind, Result};

/// How many requests are in flight, over all objects: what bounds the memory.
#[derive(Debug)]
struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

/// The right to one request; given back when it is dropped.
struct Slot(Arc<Slots>);

impl Slots {
    fn take(self: &Arc<Self>) -> Slot {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Slot(self.clone())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

/// What uploads of one load share.
#[derive(Debug, Clone)]
pub(super) struct Uploader {
    pub(super) store: Store,
    chunk_bytes: usize,
    slots: Arc<Slots>,
    /// The first failure of a request that nobody waits for yet.
    failure: Arc<Mutex<Option<Error>>>,
}

impl Uploader {
    pub(super) fn new(store: Store, chunk_bytes: usize, concurrency: usize) -> Self {
        let slots = Arc::new(Slots { free: Mutex::new(concurrency.max(1)), freed: Condvar::new() });
        Uploader { store, chunk_bytes, slots, failure: Arc::default() }
    }

    /// Begins an object at a path that nothing else writes to.
    pub(super) fn begin(&self, path: Path) -> Upload {
        let (shared, chunk) = (self.clone(), self.chunk_bytes);
        Upload {
            shared,
            path,
            buffer: Vec::with_capacity(chunk.min(64 << 10)),
            bytes: 0,
            multipart: None,
            parts: Vec::new(),
        }
    }

    /// The failure of a request in the background, if there was one.
    pub(super) fn failure(&self) -> Option<Error> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Error>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An object that is being written. Dropped before [`Upload::finish`], it leaves nothing in the store.
pub(super) struct Upload {
    shared: Uploader,
    path: Path,
    buffer: Vec<u8>,
    bytes: u64,
    multipart: Option<Box<dyn MultipartUpload>>,
    parts: Vec<oneshot::Receiver<object_store::Result<()>>>,
}

impl Upload {
    /// Bytes written so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Sends what is in the buffer as one part; waits while too many requests are in flight.
    fn send(&mut self) -> Result<()> {
        if let Some(error) = self.shared.failure() {
            return Err(error);
        }
        let mut multipart = match self.multipart.take() {
            Some(multipart) => multipart,
            None => self
                .shared
                .store
                .ask("beginning", &self.path, |store, path| async move { store.put_multipart(&path).await })?,
        };
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(self.shared.chunk_bytes));
        let part = multipart.put_part(PutPayload::from(chunk));
        self.multipart = Some(multipart);
        let slot = self.shared.slots.take();
        let (answer, answered) = oneshot::channel();
        let (failure, url) = (self.shared.failure.clone(), self.shared.store.url(&self.path));
        drop(self.shared.store.start(async move {
            let sent = part.await;
            drop(slot);
            if let Err(error) = &sent {
                let mut first = failure.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(|| failed("writing", &url, error));
            }
            drop(answer.send(sent));
        }));
        self.parts.push(answered);
        Ok(())
    }

    /// Ends the object in the background. What the store then has is asked of the store, and is of the size that was
    /// written, or the answer is an error and the object is gone.
    pub(super) fn finish(mut self) -> Result<Pending<Result<Object>>> {
        if self.multipart.is_some() && !self.buffer.is_empty() {
            self.send()?;
        }
        let (store, path, bytes) = (self.shared.store.store.clone(), self.path.clone(), self.bytes);
        let url = self.shared.store.url(&self.path);
        let pending = match self.multipart.take() {
            Some(multipart) => {
                let parts = std::mem::take(&mut self.parts);
                let slot = self.shared.slots.take();
                self.shared.store.start(async move {
                    let _slot = slot;
                    let written = complete(store.as_ref(), &path, multipart, parts).await;
                    check(store.as_ref(), &path, bytes, &url, written).await
                })
            }
            None => {
                let payload = PutPayload::from(std::mem::take(&mut self.buffer));
                let slot = self.shared.slots.take();
                self.shared.store.start(async move {
                    let _slot = slot;
                    let written = store.put(&path, payload).await;
                    check(store.as_ref(), &path, bytes, &url, written).await
                })
            }
        };
        Ok(pending)
    }
}

/// Waits for the parts and puts them together; takes them away again if one failed.
async fn complete(
    store: &dyn ObjectStore,
    path: &Path,
    mut multipart: Box<dyn MultipartUpload>,
    parts: Vec<oneshot::Receiver<object_store::Result<()>>>,
) -> object_store::Result<PutResult> {
    let mut outcome = Ok(());
    for part in parts {
        let lost = |_| Err(object_store::Error::Generic { store: "upload", source: "a request was given up".into() });
        outcome = outcome.and(part.await.unwrap_or_else(lost));
    }
    let completed = match outcome {
        Ok(()) => multipart.complete().await,
        Err(error) => Err(error),
    };
    if completed.is_err() && store.head(path).await.is_err() {
        let _ = multipart.abort().await;
    }
    completed
}

/// Asks the store what it has. An answer that was lost, and one that was an error although the work was done, are
/// settled by that: a whole object under this path can only be ours.
async fn check(
    store: &dyn ObjectStore,
    path: &Path,
    bytes: u64,
    url: &str,
    written: object_store::Result<PutResult>,
) -> Result<Object> {
    let found = store.head(path).await;
    match (written, found) {
        (_, Ok(meta)) if meta.size == bytes => Ok(Object { bytes, e_tag: meta.e_tag }),
        (Ok(_), Ok(meta)) => {
            let _ = store.delete(path).await;
            let message = format!("writing {url}: the store has {} of {bytes} bytes", meta.size);
            Err(Error::new(ErrorKind::Io, message).with_temporary(true))
        }
        (Ok(_), Err(error)) => Err(failed("looking at", url, &error)),
        (Err(error), _) => Err(failed("writing", url, &error)),
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let room = self.shared.chunk_bytes - self.buffer.len();
        let count = bytes.len().min(room);
        self.buffer.extend_from_slice(&bytes[..count]);
        self.bytes += count as u64;
        if self.buffer.len() == self.shared.chunk_bytes {
            // The error itself is kept whole for whoever asks the uploader; the writer between us would take it apart.
            self.send().map_err(|error| {
                let text = error.to_string();
                self.shared.lock().get_or_insert(error);
                std::io::Error::other(text)
            })?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(mut multipart) = self.multipart.take() {
            let parts = std::mem::take(&mut self.parts);
            let aborted = self.shared.store.start(async move {
                // A part that arrives behind the abort would stay.
                for part in parts {
                    let _ = part.await;
                }
                let _ = multipart.abort().await;
            });
            let _ = aborted.wait();
        }
    }
}

//! Names and renames: where a load stands while it is written, and how it gets its own name.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind as IoKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::load::durable::{sync_entries, sync_with_ancestors};
use crate::plan::TableName;

/// What the name of a load begins with that is being written, or removed. A load's own name never begins with a dot.
const UNFINISHED: &str = ".unfinished-";
/// What the name of a file begins with that lists the loads which a finished one replaces.
const REPLACES: &str = ".replaces-";
/// How long a load waits for another one into the same table.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(30);

/// One load's place in the folder of its table, which is locked for as long as this lives.
#[derive(Debug)]
pub(super) struct Place {
    table: PathBuf,
    /// `<table>/<load id>`, as in URLs.
    relative: String,
    load: String,
    unfinished: PathBuf,
    /// Holds the lock.
    _lock: File,
}

impl Place {
    /// Locks the table's folder, and puts right what a crash has left there.
    pub(super) fn open(root: &Path, table: &TableName, load_id: &str) -> Result<Self> {
        let (table_name, load) = names(table, load_id);
        let table = root.join(&table_name);
        let lock = lock(&table)?;
        let unfinished = table.join(format!("{UNFINISHED}{load}"));
        let place = Place { relative: format!("{table_name}/{load}"), table, load, unfinished, _lock: lock };
        place.clean_up()?;
        Ok(place)
    }

    /// The folder while it is written.
    pub(super) fn unfinished(&self) -> &Path {
        &self.unfinished
    }

    /// The folder once it is complete.
    pub(super) fn finished(&self) -> PathBuf {
        self.table.join(&self.load)
    }

    pub(super) fn relative(&self) -> &str {
        &self.relative
    }

    /// The names of the table's loads.
    pub(super) fn loads(&self) -> Result<Vec<String>> {
        let mut loads = self.entries()?;
        loads.retain(|name| !name.starts_with('.') && self.table.join(name).is_dir());
        Ok(loads)
    }

    fn entries(&self) -> Result<Vec<String>> {
        let names = fs::read_dir(&self.table)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<Vec<_>>>())
            .map_err(|cause| broken("reading", &self.table, cause))?;
        Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    /// Makes the folder to write into.
    pub(super) fn start(&mut self) -> Result<()> {
        fault::point("folder.start")?;
        fs::create_dir(&self.unfinished).map_err(|cause| broken("creating", &self.unfinished, cause))
    }

    /// Writes a small file and brings it to the disk.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        fault::point("folder.file")?;
        write_synced(&self.unfinished.join(name), content)
    }

    /// Gives the folder its name. With `replace`, the table's other loads are removed after that.
    pub(super) fn commit(&mut self, replace: bool) -> Result<()> {
        fault::point("folder.sync")?;
        sync_entries(&self.unfinished)?;
        if replace {
            // Should the removal be cut short, the next load into the table completes it. So the list must be on the disk
            // before the load is: without it, a load that is there has replaced nothing.
            let list = serde_json::Value::from(self.loads()?).to_string();
            write_synced(&self.table.join(format!("{REPLACES}{}", self.load)), list.as_bytes())?;
            sync_entries(&self.table)?;
        }
        let finished = self.finished();
        fault::point("folder.rename")?;
        fs::rename(&self.unfinished, &finished).map_err(|cause| broken("renaming a load to", &finished, cause))?;
        fault::point("folder.renamed")?;
        self.keep()?;
        if replace { self.clean_up() } else { Ok(()) }
    }

    /// Brings the names of the table's loads to the disk, with those of all folders that lead there.
    pub(super) fn keep(&self) -> Result<()> {
        sync_with_ancestors(&self.table)
    }

    /// Removes what crashed loads left unfinished, and what finished ones have replaced.
    fn clean_up(&self) -> Result<()> {
        self.remove_unfinished()?;
        for name in self.entries()? {
            let Some(load) = name.strip_prefix(REPLACES) else { continue };
            fault::point("folder.remove")?;
            let path = self.table.join(&name);
            // Without the load, its rename never came, and it replaced nothing.
            if self.table.join(load).exists() {
                let list = fs::read(&path).map_err(|cause| broken("reading", &path, cause))?;
                self.retire(load, &serde_json::from_slice::<Vec<String>>(&list).unwrap_or_default())?;
            }
            fs::remove_file(&path).map_err(|cause| broken("removing", &path, cause))?;
        }
        self.remove_unfinished()
    }

    /// Takes loads away that another one has replaced. They are renamed first: a reader sees a load whole or not at all, and
    /// a removal that a power cut undoes in part leaves nothing that looks like a load.
    fn retire(&self, by: &str, replaced: &[String]) -> Result<()> {
        // The new load may have been renamed by a run that was killed behind that. It must not get lost when the others
        // are gone.
        sync_entries(&self.table)?;
        let is_load = |name: &&String| !name.starts_with('.') && !name.contains(['/', '\\']) && *name != by;
        for name in replaced.iter().filter(is_load) {
            let path = self.table.join(name);
            match fs::rename(&path, self.table.join(format!("{UNFINISHED}{name}"))) {
                Err(cause) if cause.kind() != IoKind::NotFound => return Err(broken("removing", &path, cause)),
                _ => {}
            }
        }
        // Only now may the list go.
        sync_entries(&self.table)
    }

    fn remove_unfinished(&self) -> Result<()> {
        let mut unfinished = self.entries()?;
        unfinished.retain(|name| name.starts_with(UNFINISHED));
        if unfinished.is_empty() {
            return Ok(());
        }
        // It may be a load that is called so for a moment. Were that taken back, what is left of it would be seen.
        sync_entries(&self.table)?;
        unfinished.iter().try_for_each(|name| {
            fault::point("folder.remove")?;
            remove(&self.table.join(name))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = remove(&self.unfinished);
        // Only succeeds if it is empty: the load was the first, and was given up.
        let _ = fs::remove_dir(&self.table);
    }
}

/// Takes the lock of a table's folder, which is made if it is missing.
fn lock(folder: &Path) -> Result<File> {
    let deadline = Instant::now() + QUEUE_TIMEOUT;
    loop {
        fs::create_dir_all(folder).map_err(|cause| broken("creating", folder, cause))?;
        let file = match open_for_lock(folder) {
            Err(cause) if cause.kind() == IoKind::NotFound => continue,
            opened => opened.map_err(|cause| broken("opening", folder, cause))?,
        };
        match file.try_lock() {
            // A load that gives up removes an empty folder; a lock on the removed one would be worth nothing.
            Ok(()) if is_still_there(&file, folder) => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
            Err(TryLockError::WouldBlock) => {
                let message = format!("another load into {} is still running", folder.display());
                return Err(Error::new(ErrorKind::Io, message)
                    .with_hint("run this one again when it has ended")
                    .with_temporary(true));
            }
            // Some network file systems have no locks: then one load at a time is up to the caller.
            Err(TryLockError::Error(cause)) if cause.kind() == IoKind::Unsupported => return Ok(file),
            Err(TryLockError::Error(cause)) => return Err(broken("locking", folder, cause)),
        }
    }
}

#[cfg(unix)]
fn open_for_lock(folder: &Path) -> std::io::Result<File> {
    File::open(folder)
}

#[cfg(unix)]
fn is_still_there(file: &File, folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |data: fs::Metadata| (data.dev(), data.ino());
    matches!((file.metadata().map(id), fs::metadata(folder).map(id)), (Ok(a), Ok(b)) if a == b)
}

/// A folder cannot be opened as a file everywhere, so a file in it is locked; it stays, and with it the folder.
#[cfg(not(unix))]
fn open_for_lock(folder: &Path) -> std::io::Result<File> {
    fs::OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(".lock"))
}

#[cfg(not(unix))]
fn is_still_there(_: &File, _: &Path) -> bool {
    true
}

fn write_synced(path: &Path, content: &[u8]) -> Result<()> {
    let written = File::create(path).and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()));
    written.map_err(|cause| broken("writing", path, cause))
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != IoKind::NotFound => Err(broken("removing", folder, cause)),
        _ => Ok(()),
    }
}

fn broken(doing: &str, path: &Path, cause: std::io::Error) -> Error {
    Error::io(format_args!("{doing} {}", path.display()), cause)
}

/// The names of the folders of a table and, in it, of a load.
pub(super) fn names(table: &TableName, load_id: &str) -> (String, String) {
    (table_folder(table), folder_name(load_id, load_id))
}

pub(in crate::load) fn table_folder(table: &TableName) -> String {
    let identity = table.quoted();
    match &table.schema {
        // A dot inside a part would look like the one between two.
        _ if table.name.contains('.') => folder_name(&identity, &identity),
        Some(schema) if schema.contains('.') => folder_name(&identity, &identity),
        Some(schema) => folder_name(&format!("{schema}.{}", table.name), &identity),
        None => folder_name(&table.name, &identity),
    }
}

/// A folder's name for a text: itself where it is safe on every file system and in every URL, else what is safe of
/// it with a hash of `identity`, which tells two such texts apart.
///
/// Capitals are not safe: some file systems do not tell them apart. Nor is a leading `_` or `.`, which Redshift passes
/// over.
pub(in crate::load) fn folder_name(text: &str, identity: &str) -> String {
    let safe = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins_well && !text.ends_with('.') && text.len() <= 150 && text.chars().all(safe) {
        return text.to_owned();
    }
    let kept: String = text.to_lowercase().chars().filter(|c| safe(*c) && !matches!(c, '.' | '_')).take(60).collect();
    let hash = blake3::hash(identity.as_bytes()).to_hex();
    format!("x{kept}-{}", &hash[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_name_is_safe_and_its_own() {
        let name = |text: &str| folder_name(text, text);
        for plain in ["0a1b2c", "orders", "analytics.orders", "2024-12-31_x"] {
            assert_eq!(name(plain), plain);
        }
        let hostile = ["../../etc", "..", ".", "", "a/b", "a\\b", "A", "a\0", "_a", ".a", "a.", "con\n", "ä", "a b"];
        let mut names: Vec<String> = hostile.iter().map(|text| name(text)).collect();
        for name in &names {
            assert!(name.starts_with('x') && name.len() < 80, "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{name}");
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), hostile.len());
        assert!(name(&"a".repeat(1000)).len() < 100);
    }

    #[test]
    fn a_dot_in_a_tables_name_is_not_the_one_behind_its_schema() {
        let table = |schema: Option<&str>, name: &str| {
            table_folder(&TableName { schema: schema.map(str::to_owned), name: name.to_owned() })
        };
        assert_eq!(table(Some("analytics"), "orders"), "analytics.orders");
        let names = [table(None, "a.b.c"), table(Some("a.b"), "c"), table(Some("a"), "b.c"), table(None, "A.b.c")];
        assert!(names.iter().enumerate().all(|(i, name)| !names[..i].contains(name) && name.starts_with('x')));
    }
}

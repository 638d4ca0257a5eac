//! Names that a power cut does not take back. A file's own sync brings its content to the disk; its name is an entry of its
//! folder, which is another thing to sync, and so on upwards.

use std::fs::{self, File};
use std::io::ErrorKind as IoKind;
use std::path::Path;

use crate::error::{Error, Result};

/// Brings a folder's entries to the disk, where a folder can be opened for that.
pub(super) fn sync_entries(folder: &Path) -> Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|cause| unsynced(folder, cause))
}

/// Brings a folder's entries to the disk, and the names of all folders that lead to it, up to the border of its file
/// system. Who has made these cannot be told: it may have been a run that was killed before it could sync them.
pub(super) fn sync_with_ancestors(folder: &Path) -> Result<()> {
    sync_entries(folder)?;
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = fs::canonicalize(folder).map_err(|cause| unsynced(folder, cause))?;
    for above in folder.ancestors().skip(1).take_while(|above| on_one_device(&folder, above)) {
        match File::open(above) {
            // A folder that we cannot read is none that we have made, and nor are those above.
            Err(cause) if cause.kind() == IoKind::PermissionDenied => break,
            opened => opened.and_then(|above| above.sync_all()).map_err(|cause| unsynced(above, cause))?,
        }
    }
    Ok(())
}

#[cfg(unix)]
fn on_one_device(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).map(|data| data.dev()).ok();
    device(a).is_some_and(|a| device(b) == Some(a))
}

#[cfg(not(unix))]
fn on_one_device(_: &Path, _: &Path) -> bool {
    false
}

fn unsynced(folder: &Path, cause: std::io::Error) -> Error {
    Error::io(format_args!("syncing {}", folder.display()), cause)
}

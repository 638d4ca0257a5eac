//! A file that is written whole or stays as it was.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{Result, Write};
use std::path::Path;

/// Writes a file under another name beside it, and renames that: a disk that fills up must not cost what was there. What
/// cannot be replaced by another file as it is (`/dev/stdout`, a link that leads nowhere yet, somebody else's file, a folder
/// that takes no other name) is written in its place.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::symlink_metadata(path).is_err() {
        return replace(path, None, bytes);
    }
    // A link stays, and leads to the new file.
    let there = fs::metadata(path).ok().filter(Metadata::is_file).zip(fs::canonicalize(path).ok());
    let Some((old, path)) = there else { return fs::write(path, bytes) };
    // The rights of a folder must not do what those of the file forbid.
    OpenOptions::new().write(true).open(&path)?;
    replace(&path, Some(&old), bytes)
}

fn replace(path: &Path, old: Option<&Metadata>, bytes: &[u8]) -> Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let Ok(mut file) = OpenOptions::new().write(true).create_new(true).open(&part) else {
        return fs::write(path, bytes);
    };
    let is_like_it = old.is_none_or(|old| make_like(&part, old).is_ok());
    if is_like_it {
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        written.inspect_err(|_| drop(fs::remove_file(&part)))?;
        if fs::rename(&part, path).is_ok() {
            return Ok(());
        }
    }
    // A file that something is mounted on, or somebody else's.
    let _ = fs::remove_file(&part);
    fs::write(path, bytes)
}

/// Gives a file the owner and the rights of another one.
fn make_like(part: &Path, old: &Metadata) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, chown};
        let new = fs::metadata(part)?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            chown(part, Some(old.uid()), Some(old.gid()))?;
        }
    }
    fs::set_permissions(part, old.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_is_replaced_with_its_rights_and_a_link_to_it_stays() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a"), folder.path().join("link"));
        write(&file, b"1").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink("a", &link).unwrap();
        write(&link, b"22").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"22");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
        write(Path::new("/dev/null"), b"3").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert!(write(&folder.path().join("none/a"), b"4").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_nowhere_an_owner_and_rights_that_forbid_it_are_kept() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
        let folder = tempfile::tempdir().unwrap();
        let [link, target, owned, fixed] = ["link", "target", "owned", "fixed"].map(|name| folder.path().join(name));
        symlink("target", &link).unwrap();
        write(&link, b"1").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"1");
        fs::write(&owned, b"1").unwrap();
        fs::write(&fixed, b"1").unwrap();
        fs::set_permissions(&fixed, fs::Permissions::from_mode(0o444)).unwrap();
        // Only root can give files away, and writes whatever it likes.
        if chown(&owned, Some(1), Some(1)).is_ok() {
            write(&owned, b"2").unwrap();
            let now = fs::metadata(&owned).unwrap();
            assert_eq!((now.uid(), now.gid(), fs::read(&owned).unwrap()), (1, 1, b"2".to_vec()));
        } else {
            assert_eq!(write(&fixed, b"2").unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
            assert_eq!(fs::read(&fixed).unwrap(), b"1");
        }
    }
}

//! A file that is written whole or stays as it was.

use std::fs::{self, OpenOptions};
use std::io::{Result, Write};
use std::path::Path;

/// Writes a file under another name beside it, and renames that: a disk that fills up must not cost what was there. What
/// is no regular file (`/dev/stdout`) is written as it is, and so is a file in a folder that takes no other name.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let there = fs::metadata(path);
    if there.as_ref().is_ok_and(|there| !there.is_file()) {
        return fs::write(path, bytes);
    }
    // A link stays, and leads to the new file.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let Ok(mut file) = OpenOptions::new().write(true).create_new(true).open(&part) else {
        return fs::write(path, bytes);
    };
    let rights = there.map_or(Ok(()), |there| fs::set_permissions(&part, there.permissions()));
    let written = rights.and_then(|()| file.write_all(bytes)).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| fs::rename(&part, &path));
    renamed.inspect_err(|_| drop(fs::remove_file(&part)))
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
}

//! Power cuts, without cutting the power.
//!
//! A command runs while its file system calls are [recorded](record). From these a [`Disk`] tells what may be left below a
//! folder if the power goes after any of them: content that was not synced is lost, cut short or zeros; a name that was given,
//! changed or taken away without a sync of its folder is there or not. That is as little as POSIX promises, and less than most
//! file systems keep.
#![cfg(target_os = "linux")]

mod disk;
mod intent;
mod trace;

use std::path::PathBuf;

pub use self::disk::{Cut, Disk, Tree, lay_down, read};
pub use self::trace::{Recording, record};

/// A call that succeeded and changed files or folders, or brought them to the disk. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// A folder was made.
    MakeFolder(PathBuf),
    /// An empty file was made.
    MakeFile(PathBuf),
    /// Bytes were written from a position on.
    Write(PathBuf, u64, Vec<u8>),
    /// A file was cut or lengthened to so many bytes.
    Resize(PathBuf, u64),
    /// A file's content or a folder's entries were brought to the disk.
    Sync(PathBuf),
    /// Something got another name in the same folder.
    Rename(PathBuf, PathBuf),
    /// A file got a second name.
    Link(PathBuf, PathBuf),
    /// A file or an empty folder was removed.
    Remove(PathBuf),
}

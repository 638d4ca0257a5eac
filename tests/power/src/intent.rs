//! What a thread is about to ask of the kernel, as far as it changes files.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use libc::{c_long, pid_t};

/// A call that is under way. Paths are looked up before it happens: names may be others behind it.
#[derive(Debug)]
pub(crate) enum Intent {
    Open {
        path: PathBuf,
        cuts: bool,
        is_there: bool,
    },
    /// `at` is none where the bytes go to the file's own position.
    Write {
        fd: u64,
        path: PathBuf,
        at: Option<u64>,
    },
    Resize(PathBuf, u64),
    Sync(PathBuf),
    Rename(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Remove(PathBuf),
    MakeFolder(PathBuf),
    /// Something that the model of the disk does not know.
    Unknown(&'static str, PathBuf),
}

/// Reads a call of a thread that is stopped before it. `None` for one that changes no file.
pub(crate) fn of(thread: pid_t, number: u64, arguments: [u64; 6]) -> io::Result<Option<Intent>> {
    let [a, b, c, d, e, _] = arguments;
    let text = |at: u64| text(thread, at);
    let fd = |fd: u64| of_descriptor(thread, fd);
    let here = libc::AT_FDCWD as u64;
    let at = |folder: u64, name: u64| -> io::Result<PathBuf> { resolve(thread, folder, &text(name)?) };
    Ok(Some(match number as c_long {
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => open(at(here, a)?, b),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_creat => open(at(here, a)?, (libc::O_CREAT | libc::O_TRUNC) as u64),
        libc::SYS_openat => open(at(a, b)?, c),
        libc::SYS_write | libc::SYS_writev => Intent::Write { fd: a, path: fd(a)?, at: None },
        libc::SYS_pwrite64 | libc::SYS_pwritev => Intent::Write { fd: a, path: fd(a)?, at: Some(d) },
        libc::SYS_ftruncate => Intent::Resize(fd(a)?, b),
        libc::SYS_truncate => Intent::Resize(at(here, a)?, b),
        libc::SYS_fsync | libc::SYS_fdatasync => Intent::Sync(fd(a)?),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename => Intent::Rename(at(here, a)?, at(here, b)?),
        libc::SYS_renameat => Intent::Rename(at(a, b)?, at(c, d)?),
        // A rename that replaces nothing is one as any other, once it has succeeded.
        libc::SYS_renameat2 if e & !u64::from(libc::RENAME_NOREPLACE) == 0 => Intent::Rename(at(a, b)?, at(c, d)?),
        libc::SYS_renameat2 => Intent::Unknown("renameat2 with flags", at(c, d)?),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_link => Intent::Link(at(here, a)?, at(here, b)?),
        libc::SYS_linkat if e == 0 => Intent::Link(at(a, b)?, at(c, d)?),
        libc::SYS_linkat => Intent::Unknown("linkat with flags", at(c, d)?),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_unlink | libc::SYS_rmdir => Intent::Remove(at(here, a)?),
        libc::SYS_unlinkat => Intent::Remove(at(a, b)?),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_mkdir => Intent::MakeFolder(at(here, a)?),
        libc::SYS_mkdirat => Intent::MakeFolder(at(a, b)?),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_symlink => Intent::Unknown("symlink", at(here, b)?),
        libc::SYS_symlinkat => Intent::Unknown("symlinkat", at(b, c)?),
        libc::SYS_mknodat => Intent::Unknown("mknodat", at(a, b)?),
        libc::SYS_openat2 => Intent::Unknown("openat2", at(a, b)?),
        libc::SYS_fallocate => Intent::Unknown("fallocate", fd(a)?),
        libc::SYS_pwritev2 => Intent::Unknown("pwritev2", fd(a)?),
        libc::SYS_copy_file_range if d == 0 => Intent::Write { fd: c, path: fd(c)?, at: None },
        libc::SYS_copy_file_range => Intent::Unknown("copy_file_range", fd(c)?),
        libc::SYS_sendfile => Intent::Unknown("sendfile", fd(a)?),
        libc::SYS_splice => Intent::Unknown("splice", fd(c)?),
        libc::SYS_mmap if d & libc::MAP_SHARED as u64 != 0 && c & libc::PROT_WRITE as u64 != 0 && e as i32 >= 0 => {
            Intent::Unknown("mmap for writing", fd(e)?)
        }
        _ => return Ok(None),
    }))
}

fn open(path: PathBuf, flags: u64) -> Intent {
    let flags = flags as i32;
    if flags & libc::O_TMPFILE == libc::O_TMPFILE {
        return Intent::Unknown("a file without a name", path);
    }
    Intent::Open { is_there: path.exists(), cuts: flags & libc::O_TRUNC != 0, path }
}

/// The bytes that a call has just put into a file, and where they begin.
pub(crate) fn written(
    thread: pid_t,
    fd: u64,
    path: &Path,
    at: Option<u64>,
    count: usize,
) -> io::Result<(u64, Vec<u8>)> {
    let at = match at {
        Some(at) => at,
        None => {
            let info = fs::read_to_string(format!("/proc/{thread}/fdinfo/{}", fd as i32))?;
            let behind = info.lines().find_map(|line| line.strip_prefix("pos:")?.trim().parse::<u64>().ok());
            behind.and_then(|behind| behind.checked_sub(count as u64)).ok_or(io::ErrorKind::InvalidData)?
        }
    };
    let mut bytes = vec![0; count];
    fs::File::open(path)?.read_exact_at(&mut bytes, at)?;
    Ok((at, bytes))
}

/// What a descriptor is open for; of a pipe or a socket no path that is anywhere.
fn of_descriptor(thread: pid_t, fd: u64) -> io::Result<PathBuf> {
    match fs::read_link(format!("/proc/{thread}/fd/{}", fd as i32)) {
        // The call will fail.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(PathBuf::new()),
        found => found,
    }
}

fn resolve(thread: pid_t, folder: u64, name: &Path) -> io::Result<PathBuf> {
    let start = match folder as i32 {
        _ if name.is_absolute() => PathBuf::new(),
        libc::AT_FDCWD => fs::read_link(format!("/proc/{thread}/cwd"))?,
        _ => of_descriptor(thread, folder)?,
    };
    let mut path = PathBuf::new();
    for part in start.join(name).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(path.pop()),
            part => path.push(part),
        }
    }
    Ok(path)
}

/// A text in the memory of a thread that is stopped.
fn text(thread: pid_t, mut at: u64) -> io::Result<PathBuf> {
    let memory = fs::File::open(format!("/proc/{thread}/mem"))?;
    let mut text = Vec::new();
    loop {
        // Never over the border of a page, behind which there may be nothing.
        let mut piece = vec![0; 256 - at as usize % 256];
        let Ok(count) = memory.read_at(&mut piece, at) else { return Ok(PathBuf::new()) };
        if let Some(end) = piece[..count].iter().position(|byte| *byte == 0) {
            text.extend_from_slice(&piece[..end]);
            return Ok(OsString::from_vec(text).into());
        }
        if count == 0 {
            return Ok(PathBuf::new());
        }
        text.extend_from_slice(&piece[..count]);
        at += count as u64;
    }
}

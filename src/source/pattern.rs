//! The files that match a pattern.
//!
//! The walk is our own: whatever cannot be looked at may hold files that match, so it is an error and never left out.

use std::fs;
use std::io::{Error as IoError, ErrorKind as IoKind};
use std::path::{Component, Path, PathBuf, is_separator};

use glob::{MatchOptions, Pattern};

use crate::error::ErrorKind;

/// Why a pattern gives no files: the kind of error, what it says, and its hint.
pub(super) type NoFiles = (ErrorKind, String, &'static str);

const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// What one name of a path has to be.
enum Name {
    /// Exactly this.
    Is(String),
    Matches(Pattern),
    /// Any number of folders: `**`.
    AnyDepth,
}

/// The files that match now, sorted by name (as bytes).
pub(super) fn matching(pattern: &str) -> Result<Vec<PathBuf>, NoFiles> {
    let is_root = |part: &Component<'_>| matches!(part, Component::Prefix(_) | Component::RootDir);
    let root: PathBuf = Path::new(pattern).components().take_while(is_root).collect();
    let names = parse(pattern, root.as_os_str().len())?;
    let mut walk = Walk { found: Vec::new(), folders: Vec::new() };
    // A pattern that ends in a separator can only mean folders.
    if !pattern.ends_with(is_separator) {
        walk.go(&root, &names)?;
    }
    if walk.found.is_empty() {
        let hint = "check the folder and the ending; in a shell, quote the pattern";
        return Err((ErrorKind::Io, "no file matches this pattern".into(), hint));
    }
    walk.found.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    walk.found.dedup();
    Ok(walk.found)
}

/// The names that a path is made of behind its root, which takes this many bytes.
fn parse(pattern: &str, root: usize) -> Result<Vec<Name>, NoFiles> {
    let mut names: Vec<Name> = Vec::new();
    let mut at = pattern[..root].chars().count();
    for part in pattern[root..].split(is_separator) {
        let name = Pattern::new(part).map_err(|error| {
            let text = format!("this is not a pattern: {} at character {}", error.msg, at + error.pos + 1);
            (ErrorKind::Config, text, "write `[*]` for a star that is part of a name")
        })?;
        at += part.chars().count() + 1;
        match part {
            "" | "." => {}
            "**" if matches!(names.last(), Some(Name::AnyDepth)) => {}
            "**" => names.push(Name::AnyDepth),
            part if part.contains(['*', '?', '[']) => names.push(Name::Matches(name)),
            part => names.push(Name::Is(part.to_owned())),
        }
    }
    Ok(names)
}

/// A walk from folder to folder.
struct Walk {
    found: Vec<PathBuf>,
    /// The folders that the present `**` is in, as they are without links.
    folders: Vec<PathBuf>,
}

impl Walk {
    /// Looks in `folder` for what the rest of the pattern says.
    fn go(&mut self, folder: &Path, names: &[Name]) -> Result<(), NoFiles> {
        let Some((name, rest)) = names.split_first() else { return Ok(()) };
        match name {
            Name::Is(name) => {
                let path = folder.join(name);
                // What stands further down is looked for there.
                if rest.is_empty() && !is_there(&path)? {
                    return Ok(());
                }
                self.take(path, rest)
            }
            Name::Matches(pattern) => {
                // A name that is no UTF-8 is matched as it is shown.
                let is_meant = |name: &Path| pattern.matches_with(&name.to_string_lossy(), OPTIONS);
                let meant = entries(folder)?.into_iter().filter(|name| is_meant(name));
                meant.into_iter().try_for_each(|name| self.take(folder.join(name), rest))
            }
            Name::AnyDepth => {
                // Each `**` has its own way.
                let outer = std::mem::take(&mut self.folders);
                self.any_depth(folder, rest)?;
                self.folders = outer;
                Ok(())
            }
        }
    }

    /// Goes on behind a name that matches.
    fn take(&mut self, path: PathBuf, rest: &[Name]) -> Result<(), NoFiles> {
        if !rest.is_empty() {
            return self.go(&path, rest);
        }
        // Whether the others can be read is looked at when they are opened.
        if !path.is_dir() {
            self.found.push(path);
        }
        Ok(())
    }

    /// Looks in a folder and in all below it, but hidden ones, and not again in one that it is in by way of a link.
    fn any_depth(&mut self, folder: &Path, rest: &[Name]) -> Result<(), NoFiles> {
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let whole = match fs::canonicalize(here) {
            Ok(whole) => whole,
            Err(cause) => return nothing_there(folder, &cause),
        };
        if self.folders.contains(&whole) {
            return Ok(());
        }
        self.folders.push(whole);
        self.go(folder, rest)?;
        for name in entries(folder)? {
            let path = folder.join(&name);
            if !name.as_os_str().as_encoded_bytes().starts_with(b".") && is_folder(&path)? {
                self.any_depth(&path, rest)?;
            }
        }
        self.folders.pop();
        Ok(())
    }
}

/// The names in a folder; none if there is no such folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, NoFiles> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names = fs::read_dir(here).and_then(|entries| entries.map(|entry| Ok(entry?.file_name().into())).collect());
    names.or_else(|cause| nothing_there(folder, &cause))
}

fn is_there(path: &Path) -> Result<bool, NoFiles> {
    fs::symlink_metadata(path).map_or_else(|cause| nothing_there(path, &cause), |_| Ok(true))
}

fn is_folder(path: &Path) -> Result<bool, NoFiles> {
    fs::metadata(path).map_or_else(|cause| nothing_there(path, &cause), |found| Ok(found.is_dir()))
}

/// Nothing, where that is certain: a folder that cannot be listed or searched may hold files that match.
fn nothing_there<T: Default>(path: &Path, cause: &IoError) -> Result<T, NoFiles> {
    match cause.kind() {
        IoKind::NotFound | IoKind::NotADirectory => Ok(T::default()),
        _ => {
            // Whoever wrote the pattern may not know of a link on the way.
            let link = path.ancestors().find_map(|on_the_way| Some((on_the_way, fs::read_link(on_the_way).ok()?)));
            let leads = link.map(|(link, to)| format!(" (`{}` is a link to `{}`)", link.display(), to.display()));
            let text = format!("cannot list `{}`{}: {cause}", path.display(), leads.unwrap_or_default());
            Err((ErrorKind::Io, text, "every folder the pattern reaches must be readable, also by way of links"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        folder
    }

    /// What matches in a folder, by path from there.
    fn found(folder: &tempfile::TempDir, pattern: &str) -> Vec<String> {
        let below = |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().display().to_string();
        match matching(&folder.path().join(pattern).display().to_string()) {
            Ok(paths) => paths.iter().map(below).collect(),
            Err((_, text, _)) => vec![text],
        }
    }

    #[test]
    fn a_pattern_gives_the_files_that_it_says() {
        let folder = folder(&["a.json", "b.csv", ".h.json", "x/a.json", "x/y/c.json", "x/.git/d.json", "z/[q].json"]);
        let none = "no file matches this pattern";
        for (pattern, files) in [
            ("*.json", &["a.json"][..]),
            ("*", &["a.json", "b.csv"]),
            (".*", &[".h.json"]),
            ("*/a.json", &["x/a.json"]),
            ("x/../*.csv", &["x/../b.csv"]),
            ("**/*.json", &["a.json", "x/a.json", "x/y/c.json", "z/[q].json"]),
            ("**/**/y/*", &["x/y/c.json"]),
            ("**/a.json", &["a.json", "x/a.json"]),
            ("z/[[]q].json", &["z/[q].json"]),
            ("a.json/*", &[none]),
            ("*/", &[none]),
            ("none/*", &[none]),
        ] {
            assert_eq!(found(&folder, pattern), files, "{pattern}");
        }
        let (kind, text, _) = matching("é/***/b").unwrap_err();
        assert_eq!((kind, text.ends_with("at character 5")), (ErrorKind::Config, true), "{text}");
    }

    #[cfg(unix)]
    #[test]
    fn what_cannot_be_looked_at_is_an_error_and_never_left_out() {
        use std::os::unix::fs::symlink;
        let folder = folder(&["a/data.json"]);
        // Nobody, not even root, gets through a link to itself.
        symlink(folder.path().join("b"), folder.path().join("b")).unwrap();
        for pattern in ["*/data.json", "*/*.json", "**/data.json", "b/*.json"] {
            let found = found(&folder, pattern);
            assert!(found[0].starts_with("cannot list `"), "{pattern}: {found:?}");
            assert!(found[0].contains("b` is a link to `"), "{pattern}: {found:?}");
        }
        let denied: Result<bool, _> = nothing_there(Path::new("b/data.json"), &IoKind::PermissionDenied.into());
        assert_eq!(denied.unwrap_err().0, ErrorKind::Io);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_is_looked_in_once_however_its_links_lead_back_to_it() {
        use std::os::unix::fs::symlink;
        let folder = folder(&["a/1.json", "b/2.json"]);
        symlink("../b", folder.path().join("a/to_b")).unwrap();
        symlink("../a", folder.path().join("b/to_a")).unwrap();
        let once = found(&folder, "a/**/*.json");
        assert_eq!(once, ["a/1.json", "a/to_b/2.json"], "not once more for each way round");
        assert_eq!(found(&folder, "a/**/to_a/**/1.json"), ["a/to_b/to_a/1.json"], "where the pattern says so");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_is_no_utf8_is_matched_as_any_other_and_harms_none() {
        use std::os::unix::ffi::OsStrExt;
        let folder = folder(&["a.ndjson"]);
        let odd = |name: &[u8]| folder.path().join(std::ffi::OsStr::from_bytes(name));
        fs::write(odd(b"\xff.ndjson"), "").unwrap();
        fs::write(odd(b"\xff.txt"), "").unwrap();
        let found = matching(&folder.path().join("*.ndjson").display().to_string()).unwrap();
        assert_eq!(found, [folder.path().join("a.ndjson"), odd(b"\xff.ndjson")]);
    }
}

//! The files that are read, by whatever path, and those that have been.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::file::{Id, id};

/// All files of a stream, one list for all its paths. The thread that ends the process looks into it too.
#[derive(Clone, Default)]
pub(super) struct Held(Arc<Mutex<BTreeMap<Id, Entry>>>);

struct Entry {
    /// The path that led to it.
    name: String,
    /// When it was made: the number of a file that is gone is given to another one.
    born: Option<SystemTime>,
    /// As long as it is open, no other one has its number.
    is_open: bool,
}

/// Whether a file is one that was come to by another path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Nobodys,
    /// That of this path.
    Anothers(String),
    /// It has the number of one of this path that was read through, and the file system does not say when it was made.
    Unknown(String),
}

impl Held {
    pub(super) fn whose(&self, name: &str, id: Option<Id>, born: Option<SystemTime>) -> Whose {
        let entries = self.entries();
        let Some(entry) = id.and_then(|id| entries.get(&id)).filter(|entry| entry.name != name) else {
            return Whose::Nobodys;
        };
        match (entry.is_open, born) {
            (false, None) => Whose::Unknown(entry.name.clone()),
            (false, born) if born != entry.born => Whose::Nobodys,
            _ => Whose::Anothers(entry.name.clone()),
        }
    }

    /// A path has led to a file, and it is read.
    pub(super) fn take(&self, name: &str, id: Option<Id>, born: Option<SystemTime>) {
        let Some(id) = id else { return };
        self.entries().insert(id, Entry { name: name.to_owned(), born, is_open: true });
    }

    /// A file is read through and committed.
    pub(super) fn leave(&self, id: Option<Id>) {
        let mut entries = self.entries();
        if let Some(entry) = id.and_then(|id| entries.get_mut(&id)) {
            entry.is_open = false;
        }
    }

    /// The files that are not read through, and that their paths do not lead to: nobody will find them there later.
    pub(super) fn moved_away(&self) -> Vec<String> {
        let is_away = |name: &str, held: Id| std::fs::metadata(name).ok().and_then(|there| id(&there)) != Some(held);
        let entries = self.entries();
        let away = entries.iter().filter(|(held, entry)| entry.is_open && is_away(&entry.name, **held));
        away.map(|((_, inode), entry)| format!("{} (inode {inode})", entry.name)).collect()
    }

    /// What to do about these files, behind a hint that is there already; nothing if there are none.
    pub(super) fn hint(&self, hint: Option<&str>) -> Option<String> {
        let away = self.moved_away();
        if away.is_empty() {
            return hint.map(str::to_owned);
        }
        let text = format!(
            "not known to be loaded to their ends are files that were moved away from their paths: {}; move each back to its \
             path, the oldest first, stream it there with `--until-end`, and move it away again",
            away.join(", ")
        );
        Some(hint.map_or(text.clone(), |hint| format!("{hint}; {text}")))
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Id, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_file_of_another_path_is_known_and_a_new_one_with_its_number_is_not_taken_for_it() {
        let held = Held::default();
        let (id, then) = (Some((1, 2)), Some(SystemTime::UNIX_EPOCH));
        let later = then.map(|then| then + Duration::from_secs(1));
        held.take("a", id, then);
        assert_eq!(held.whose("b", id, then), Whose::Anothers("a".into()));
        assert_eq!(held.whose("a", id, then), Whose::Nobodys, "its own path may lead to it again");
        assert_eq!(held.moved_away(), ["a (inode 2)"]);
        held.leave(id);
        assert_eq!(held.whose("b", id, then), Whose::Anothers("a".into()), "read through");
        assert_eq!(held.whose("b", id, later), Whose::Nobodys, "made later");
        assert_eq!(held.whose("b", id, None), Whose::Unknown("a".into()));
        assert!(held.moved_away().is_empty());
    }
}

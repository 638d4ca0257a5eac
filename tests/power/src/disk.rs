//! What a disk holds, and what it may hold if the power goes now.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Call;

/// Files, with their bytes, and folders, without; by their paths below the disk's own folder.
pub type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// How much of what was not synced is on the disk all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nothing of it.
    Nothing,
    /// Everything.
    Everything,
    /// Names, and of contents nothing: new files are empty.
    Names,
    /// Contents, and of names nothing.
    Contents,
    /// Each name or not; and of each content all, nothing, the front, or zeros in its place. The number decides.
    Some(u64),
}

/// The files below a folder, as a program sees them and as the disk is sure to have them.
#[derive(Debug, Clone)]
pub struct Disk {
    root: PathBuf,
    /// The first is the folder itself. What was removed stays, since its removal may not have reached the disk.
    nodes: Vec<Node>,
}

#[derive(Debug, Clone)]
enum Node {
    File { kept: Vec<u8>, now: Vec<u8>, changes: Vec<Change> },
    Folder { kept: Entries, now: Entries, changes: Vec<Named> },
}

type Entries = BTreeMap<OsString, usize>;

/// A change of a content.
#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Resize(u64),
}

/// A change of a folder's entries, which happens as a whole or not at all.
#[derive(Debug, Clone)]
enum Named {
    Add(OsString, usize),
    Move(OsString, OsString, usize),
    Remove(OsString, usize),
}

impl Disk {
    /// The disk as it is below a folder, all of it synced long ago.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub fn new(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        let mut disk = Disk { nodes: vec![folder()], root };
        // A folder stands in front of what is in it.
        for (path, content) in read(&disk.root)? {
            let node = match content {
                Some(bytes) => Node::File { kept: bytes.clone(), now: bytes, changes: Vec::new() },
                None => folder(),
            };
            let path = disk.root.join(path);
            disk.add(&path, node);
            disk.apply(&Call::Sync(path.parent().unwrap_or(&disk.root).to_owned()));
        }
        Ok(disk)
    }

    /// A call has come back.
    ///
    /// # Panics
    ///
    /// If the call cannot have succeeded on this disk: then one before it is missing.
    pub fn apply(&mut self, call: &Call) {
        match call {
            Call::MakeFolder(path) => self.add(path, folder()),
            Call::MakeFile(path) => {
                self.add(path, Node::File { kept: Vec::new(), now: Vec::new(), changes: Vec::new() });
            }
            Call::Write(path, at, bytes) => self.change(path, Change::Write(*at, bytes.clone())),
            Call::Resize(path, len) => self.change(path, Change::Resize(*len)),
            Call::Sync(path) => {
                let node = self.find(path);
                match &mut self.nodes[node] {
                    Node::File { kept, now, changes } => (*kept, *changes) = (now.clone(), Vec::new()),
                    Node::Folder { kept, now, changes } => (*kept, *changes) = (now.clone(), Vec::new()),
                }
            }
            Call::Rename(from, to) => {
                let node = self.find(from);
                self.name(to, |to| Named::Move(name_of(from), to, node));
            }
            Call::Link(from, to) => {
                let node = self.find(from);
                self.name(to, |to| Named::Add(to, node));
            }
            Call::Remove(path) => {
                let node = self.find(path);
                self.name(path, |name| Named::Remove(name, node));
            }
        }
    }

    /// What may be found if the power goes now.
    pub fn cut(&self, cut: Cut) -> Tree {
        let mut dice = Dice(match cut {
            Cut::Some(seed) => seed,
            _ => 0,
        });
        let mut tree = Tree::new();
        self.collect(0, Path::new(""), cut, &mut dice, &mut tree);
        tree
    }

    fn collect(&self, node: usize, path: &Path, cut: Cut, dice: &mut Dice, tree: &mut Tree) {
        match &self.nodes[node] {
            Node::File { kept, now, changes } => {
                tree.insert(path.to_owned(), Some(left_of(kept, now, changes, cut, dice)));
            }
            Node::Folder { kept, changes, .. } => {
                if node != 0 {
                    tree.insert(path.to_owned(), None);
                }
                let mut entries = kept.clone();
                for change in changes {
                    let is_done = match cut {
                        Cut::Nothing | Cut::Contents => false,
                        Cut::Everything | Cut::Names => true,
                        Cut::Some(_) => dice.throw(2) == 0,
                    };
                    if is_done {
                        change.apply(&mut entries);
                    }
                }
                for (name, node) in entries {
                    self.collect(node, &path.join(name), cut, dice, tree);
                }
            }
        }
    }

    fn find(&self, path: &Path) -> usize {
        let below = path.strip_prefix(&self.root).ok();
        let found = below.and_then(|below| {
            below.components().try_fold(0, |node, name| match &self.nodes[node] {
                Node::Folder { now, .. } => now.get(name.as_os_str()).copied(),
                Node::File { .. } => None,
            })
        });
        found.unwrap_or_else(|| panic!("{} is not there", path.display()))
    }

    fn add(&mut self, path: &Path, node: Node) {
        self.nodes.push(node);
        let node = self.nodes.len() - 1;
        self.name(path, |name| Named::Add(name, node));
    }

    /// Changes the entries of the folder that a path is in.
    fn name(&mut self, path: &Path, change: impl FnOnce(OsString) -> Named) {
        let parent = self.find(path.parent().unwrap_or(path));
        let Node::Folder { now, changes, .. } = &mut self.nodes[parent] else {
            panic!("{} is in no folder", path.display());
        };
        let change = change(name_of(path));
        change.apply(now);
        changes.push(change);
    }

    fn change(&mut self, path: &Path, change: Change) {
        let node = self.find(path);
        let Node::File { now, changes, .. } = &mut self.nodes[node] else {
            panic!("{} is no file", path.display());
        };
        change.apply(now);
        changes.push(change);
    }
}

impl Named {
    fn apply(&self, entries: &mut Entries) {
        match self {
            Named::Add(name, node) => drop(entries.insert(name.clone(), *node)),
            Named::Move(from, to, node) => {
                if entries.get(from) == Some(node) {
                    entries.remove(from);
                }
                entries.insert(to.clone(), *node);
            }
            Named::Remove(name, node) => {
                if entries.get(name) == Some(node) {
                    entries.remove(name);
                }
            }
        }
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Write(at, bytes) => {
                let (at, end) = (*at as usize, *at as usize + bytes.len());
                content.resize(content.len().max(end), 0);
                content[at..end].copy_from_slice(bytes);
            }
            Change::Resize(len) => content.resize(*len as usize, 0),
        }
    }
}

fn left_of(kept: &[u8], now: &[u8], changes: &[Change], cut: Cut, dice: &mut Dice) -> Vec<u8> {
    if changes.is_empty() {
        return kept.to_vec();
    }
    match cut {
        Cut::Nothing | Cut::Names => kept.to_vec(),
        Cut::Everything | Cut::Contents => now.to_vec(),
        Cut::Some(_) => match dice.throw(4) {
            0 => kept.to_vec(),
            1 => now.to_vec(),
            // The file has its length, and its blocks were never written.
            2 => {
                let mut left = kept.to_vec();
                left.resize(now.len(), 0);
                left
            }
            _ => {
                let mut left = kept.to_vec();
                let whole = dice.throw(changes.len());
                changes[..whole].iter().for_each(|change| change.apply(&mut left));
                if let Change::Write(at, bytes) = &changes[whole] {
                    Change::Write(*at, bytes[..dice.throw(bytes.len() + 1)].to_vec()).apply(&mut left);
                }
                left
            }
        },
    }
}

fn folder() -> Node {
    Node::Folder { kept: Entries::new(), now: Entries::new(), changes: Vec::new() }
}

fn name_of(path: &Path) -> OsString {
    path.file_name().unwrap_or_default().to_owned()
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn throw(&mut self, sides: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) as usize % sides
    }
}

/// Everything below a folder.
///
/// # Errors
///
/// If something cannot be read.
pub fn read(folder: &Path) -> io::Result<Tree> {
    fn walk(folder: &Path, below: &Path, tree: &mut Tree) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = below.join(name_of(&path));
            if path.is_dir() {
                tree.insert(name.clone(), None);
                walk(&path, &name, tree)?;
            } else {
                tree.insert(name, Some(fs::read(&path)?));
            }
        }
        Ok(())
    }
    let mut tree = Tree::new();
    walk(folder, Path::new(""), &mut tree)?;
    Ok(tree)
}

/// Makes a folder's content what a tree says, in a folder that is empty.
///
/// # Errors
///
/// If something cannot be written.
pub fn lay_down(tree: &Tree, folder: &Path) -> io::Result<()> {
    tree.iter().try_for_each(|(path, content)| match content {
        Some(bytes) => fs::write(folder.join(path), bytes),
        None => fs::create_dir(folder.join(path)),
    })
}

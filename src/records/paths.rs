//! Field paths as small numbers.

use rustc_hash::FxHashMap;

use crate::path::Path;

/// A field path within a [`PathTable`].
pub type NodeId = u32;

/// The path of the record itself.
pub const ROOT: NodeId = 0;

/// No path.
pub const NO_NODE: NodeId = u32::MAX;

/// An object with more distinct keys than this over the whole input is no set of columns but a map.
pub const MAX_KEYS: usize = 10_000;

/// The paths seen by one reader, as a tree. What a good record showed stays, so ids stay valid.
#[derive(Debug, Clone)]
pub struct PathTable {
    nodes: Vec<Node>,
    /// Columns under a name that another column has: the first one's node, which of them, and its own node.
    again: FxHashMap<(NodeId, u32), NodeId>,
    /// Objects that the present record showed to have too many keys.
    new_maps: Vec<NodeId>,
}

/// How much of a table there was at a time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extent {
    nodes: usize,
    new_maps: usize,
}

#[derive(Debug, Clone)]
struct Node {
    key: Box<[u8]>,
    parent: NodeId,
    nth: u32,
    /// The child that came first in the last record: where to look first.
    first: NodeId,
    /// The sibling that came after this one in the last record.
    next: NodeId,
    children: FxHashMap<Box<[u8]>, NodeId>,
    /// Whether more than [`MAX_KEYS`] keys were seen; then no more are told apart.
    collapsed: bool,
    /// The record that last held this path, to notice a key that stands twice.
    seen: u64,
}

impl Node {
    fn new(key: &[u8], parent: NodeId, nth: u32) -> Self {
        Node {
            key: key.into(),
            parent,
            nth,
            first: NO_NODE,
            next: NO_NODE,
            children: FxHashMap::default(),
            collapsed: false,
            seen: 0,
        }
    }
}

impl Default for PathTable {
    fn default() -> Self {
        PathTable { nodes: vec![Node::new(b"", ROOT, 1)], again: FxHashMap::default(), new_maps: Vec::new() }
    }
}

impl PathTable {
    /// How many paths there are, the root included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never true: the root is always there.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The path of a node.
    pub fn path(&self, node: NodeId) -> Path {
        let mut keys = Vec::new();
        let mut at = node;
        while at != ROOT {
            keys.push(String::from_utf8_lossy(&self.nodes[at as usize].key).into_owned());
            at = self.nodes[at as usize].parent;
        }
        keys.reverse();
        Path::new(keys).nth(self.nodes[node as usize].nth)
    }

    /// The path above a node; the root's is the root.
    pub fn parent(&self, node: NodeId) -> NodeId {
        self.nodes[node as usize].parent
    }

    /// Whether an object has shown more than [`MAX_KEYS`] keys.
    pub fn is_collapsed(&self, node: NodeId) -> bool {
        self.nodes[node as usize].collapsed
    }

    /// The node of a path, made if it is new.
    pub fn insert(&mut self, path: &Path) -> NodeId {
        let mut node = ROOT;
        for key in path.keys() {
            node = match self.nodes[node as usize].children.get(key.as_bytes()) {
                Some(child) => *child,
                None => self.add(node, key.as_bytes()),
            };
        }
        if path.ordinal() > 1 { self.nth(node, path.ordinal()) } else { node }
    }

    /// The second, third, … column under the name that `first` has.
    fn nth(&mut self, first: NodeId, nth: u32) -> NodeId {
        let Node { key, parent, .. } = &self.nodes[first as usize];
        let (next, node) = (self.nodes.len() as NodeId, Node::new(key, *parent, nth));
        let found = *self.again.entry((first, nth)).or_insert(next);
        if found == next {
            self.nodes.push(node);
        }
        found
    }

    fn add(&mut self, parent: NodeId, key: &[u8]) -> NodeId {
        let id = self.nodes.len() as NodeId;
        self.nodes.push(Node::new(key, parent, 1));
        self.nodes[parent as usize].children.insert(key.into(), id);
        id
    }

    /// The child of `parent` under `key`, made if it is new; `before` is the child that stood before it in this
    /// object, or [`NO_NODE`]. Records tend to have their keys in one order, so the guess is mostly right.
    ///
    /// [`NO_NODE`] if the parent has too many keys to tell apart.
    #[inline]
    pub(crate) fn child(&mut self, parent: NodeId, key: &[u8], before: NodeId) -> NodeId {
        let guess =
            if before == NO_NODE { self.nodes[parent as usize].first } else { self.nodes[before as usize].next };
        // A guess may be of a record that was taken back, and its number in use for another path.
        match self.nodes.get(guess as usize) {
            Some(node) if node.parent == parent && node.nth == 1 && *node.key == *key => guess,
            _ => self.look_up(parent, key, before),
        }
    }

    #[cold]
    fn look_up(&mut self, parent: NodeId, key: &[u8], before: NodeId) -> NodeId {
        let node = &mut self.nodes[parent as usize];
        let found = match node.children.get(key) {
            Some(child) => *child,
            None if node.collapsed || node.children.len() >= MAX_KEYS => {
                if !std::mem::replace(&mut node.collapsed, true) {
                    self.new_maps.push(parent);
                }
                return NO_NODE;
            }
            None => self.add(parent, key),
        };
        if before == NO_NODE {
            self.nodes[parent as usize].first = found;
        } else {
            self.nodes[before as usize].next = found;
        }
        found
    }

    /// Begins a record.
    #[inline]
    pub(crate) fn begin(&mut self) -> Extent {
        self.new_maps.clear();
        self.extent()
    }

    /// How much there is now.
    #[inline]
    pub(crate) fn extent(&self) -> Extent {
        Extent { nodes: self.nodes.len(), new_maps: self.new_maps.len() }
    }

    /// Takes back what the present record has added since then: what a broken record holds, or an object that is kept
    /// whole, is no evidence of any path, and must not count towards [`MAX_KEYS`].
    #[cold]
    pub(crate) fn take_back(&mut self, to: Extent) {
        for map in self.new_maps.drain(to.new_maps..) {
            self.nodes[map as usize].collapsed = false;
        }
        while self.nodes.len() > to.nodes {
            if let Some(node) = self.nodes.pop() {
                self.nodes[node.parent as usize].children.remove(&node.key);
            }
        }
    }

    /// Notes that `node` stands in record number `record` (from 1) and says whether it stood there before.
    #[inline]
    pub(crate) fn mark(&mut self, node: NodeId, record: u64) -> bool {
        std::mem::replace(&mut self.nodes[node as usize].seen, record) == record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_back_as_they_went_in() {
        let mut table = PathTable::default();
        for path in
            [Path::new(["a", "b"]), Path::new(["a.b"]), Path::new(["a"]), Path::new(["a"]).nth(2), Path::new([""])]
        {
            let node = table.insert(&path);
            assert_eq!(table.path(node), path);
            assert_eq!(table.insert(&path), node);
        }
        assert_eq!(table.path(ROOT), Path::new(Vec::<String>::new()));
    }

    #[test]
    fn a_map_with_too_many_keys_collapses() {
        let mut table = PathTable::default();
        for i in 0..MAX_KEYS {
            assert_ne!(table.child(ROOT, i.to_string().as_bytes(), NO_NODE), NO_NODE);
        }
        assert!(!table.is_collapsed(ROOT));
        assert_eq!(table.child(ROOT, b"one more", NO_NODE), NO_NODE);
        assert!(table.is_collapsed(ROOT));
        assert_ne!(table.child(ROOT, b"17", NO_NODE), NO_NODE);
    }
}

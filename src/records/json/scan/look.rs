//! Reading on byte by byte where nothing learned fits.

use super::steps::{Lesson, Mark, Steps};
use super::{MOST_OPEN, State};
use crate::records::json::escape;
use crate::records::paths::{NO_NODE, NodeId, PathTable, ROOT};
use crate::records::reader::Limits;

/// Reads from the end of a value to the start of the next, and keeps what it found until the record has turned out well.
#[derive(Debug, Default)]
pub(super) struct Look {
    found: Vec<Found>,
    marks: Vec<Mark>,
    /// The objects that are open, as paths.
    open: Vec<NodeId>,
}

/// What stands between two values: a stretch of text and of marks.
#[derive(Debug, Clone, Copy)]
struct Found {
    from: NodeId,
    text: (usize, usize),
    marks: (usize, usize),
    node: NodeId,
    whole: bool,
}

/// What the next byte has to be.
enum Expect {
    /// The brace that opens the record.
    Record,
    /// A key, or the end of the object that was just opened.
    FirstKey,
    /// A key.
    Key,
    /// A comma or a closing brace.
    Behind,
}

impl Look {
    /// Reads on from `start`, which is behind the value of `from`, or at the start of a record if that is the root.
    /// Returns the field whose value comes next ([`NO_NODE`] behind the record's end) and where it begins.
    #[cold]
    #[inline(never)]
    pub(super) fn ahead(
        &mut self,
        text: &[u8],
        start: usize,
        from: NodeId,
        state: &mut State,
        paths: &mut PathTable,
        limits: &Limits,
    ) -> Option<(NodeId, usize)> {
        let first_mark = self.marks.len();
        self.set_open(from, paths);
        let mut expect = if from == ROOT { Expect::Record } else { Expect::Behind };
        // The child that came before in the object that is open: where the path table looks first.
        let mut before = from;
        let mut at = start;
        let node = loop {
            at = blanks(text, at);
            let byte = *text.get(at)?;
            let opened = match expect {
                Expect::Record if byte == b'{' => ROOT,
                Expect::Behind if byte == b',' => {
                    expect = Expect::Key;
                    at += 1;
                    continue;
                }
                Expect::Behind | Expect::FirstKey if byte == b'}' => {
                    before = self.close(at, start, state)?;
                    expect = Expect::Behind;
                    at += 1;
                    if self.open.is_empty() {
                        break NO_NODE;
                    }
                    continue;
                }
                Expect::Key | Expect::FirstKey if byte == b'"' => {
                    let (node, value) = self.key(text, at + 1, before, paths)?;
                    state.know(paths);
                    at = value;
                    if *text.get(at)? != b'{' || self.open.len() >= limits.flatten_depth.min(MOST_OPEN) {
                        break node;
                    }
                    node
                }
                _ => return None,
            };
            state.open(opened, at)?;
            self.open.push(opened);
            self.mark(opened, at, start);
            before = NO_NODE;
            expect = Expect::FirstKey;
            at += 1;
        };
        let whole = text.get(at) == Some(&b'{');
        self.found.push(Found { from, text: (start, at), marks: (first_mark, self.marks.len()), node, whole });
        Some((node, at))
    }

    /// Has everything found since the last time learned: the record is a good one.
    #[inline]
    pub(super) fn teach(&mut self, steps: &mut Steps, text: &[u8]) {
        if !self.found.is_empty() {
            self.teach_all(steps, text);
        }
    }

    #[cold]
    fn teach_all(&mut self, steps: &mut Steps, text: &[u8]) {
        for found in &self.found {
            let literal = &text[found.text.0..found.text.1];
            let marks = &self.marks[found.marks.0..found.marks.1];
            steps.learn(Lesson { from: found.from, literal, marks, node: found.node, whole: found.whole });
        }
        self.forget();
    }

    /// Forgets what was found since then: the record is none, and its paths may come to mean others.
    pub(super) fn forget(&mut self) {
        self.found.clear();
        self.marks.clear();
    }

    /// The objects around a field are the paths above it.
    fn set_open(&mut self, field: NodeId, paths: &PathTable) {
        self.open.clear();
        let mut node = field;
        while node != ROOT {
            node = paths.parent(node);
            self.open.push(node);
        }
        self.open.reverse();
    }

    fn mark(&mut self, node: NodeId, at: usize, start: usize) {
        // What is longer than a window is not learned, so where its marks are does not matter.
        self.marks.push(Mark { node, at: (at - start).min(usize::from(u8::MAX)) as u8 });
    }

    /// Closes the innermost object.
    fn close(&mut self, at: usize, start: usize, state: &mut State) -> Option<NodeId> {
        let node = self.open.pop()?;
        state.close(at)?;
        self.mark(NO_NODE, at, start);
        Some(node)
    }

    /// The field of the key that begins at `at`, behind its quote, and where its value begins.
    fn key(&mut self, text: &[u8], at: usize, before: NodeId, paths: &mut PathTable) -> Option<(NodeId, usize)> {
        let (end, escaped) = key_end(text, at)?;
        let key = &text[at..end];
        let parent = *self.open.last()?;
        let node = if escaped {
            paths.child(parent, &escape::unescape(key), before)
        } else {
            paths.child(parent, key, before)
        };
        let colon = blanks(text, end + 1);
        if node == NO_NODE || *text.get(colon)? != b':' {
            return None;
        }
        Some((node, blanks(text, colon + 1)))
    }
}

/// Where the key ends that begins at `at`, and whether it holds escapes.
fn key_end(text: &[u8], at: usize) -> Option<(usize, bool)> {
    let (mut end, mut escaped) = (at, false);
    loop {
        end += text.get(end..)?.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F))?;
        match text[end] {
            b'"' => return Some((end, escaped)),
            b'\\' => {
                escaped = true;
                end += escape::len(&text[end..])?;
            }
            _ => return None,
        }
    }
}

/// Passes over blanks within a line.
#[inline]
pub(super) fn blanks(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\r')) {
        at += 1;
    }
    at
}

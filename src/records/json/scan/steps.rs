//! What was learned: which texts follow a value, and what they mean.

use crate::records::paths::{NO_NODE, NodeId};
use crate::simd::{Padded, Vector, WINDOW, Window};

/// Texts that are kept for one value; of more, those that were seen least are dropped.
const MOST_AFTER_ONE: usize = 8;

/// Texts that are kept in all; with more, learning begins anew, so that memory stays bounded.
const MOST: usize = 4096;

/// How often learning begins anew. What is too varied to be learned so often is only read.
const MOST_BEGINNINGS: u32 = 16;

/// Fields with a number past this are not learned.
const MOST_FIELDS: usize = 2 * MOST;

/// Objects that one text may open and close.
pub(super) const MOST_MARKS: usize = 6;

/// No text.
const NONE: u32 = u32::MAX;

/// A text between two values, and what it means.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(super) struct Step {
    literal: Window,
    mask: u64,
    /// The field whose value comes next, or [`NO_NODE`] at the end of the record.
    pub(super) node: NodeId,
    /// The next one to try at the same place.
    other: u32,
    /// How often it was met, halved now and then.
    hits: u32,
    /// The objects that the braces open, or [`NO_NODE`] for those that close one.
    marks: [NodeId; MOST_MARKS],
    marks_at: [u8; MOST_MARKS],
    opened_and_closed: u8,
    /// Bytes of the text.
    pub(super) len: u8,
    /// Whether the value that comes next may be an object: one that is kept whole.
    whole: bool,
}

const _: () = assert!(size_of::<Step>() == 2 * WINDOW);

/// A brace within a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// The object that it opens, or [`NO_NODE`] if it closes one.
    pub(super) node: NodeId,
    /// Index of the brace within the text.
    pub(super) at: u8,
}

impl Step {
    #[inline(always)]
    pub(super) fn has_marks(&self) -> bool {
        self.opened_and_closed > 0
    }

    #[inline]
    pub(super) fn marks(&self) -> impl Iterator<Item = Mark> {
        let len = usize::from(self.opened_and_closed);
        self.marks.iter().zip(&self.marks_at).take(len).map(|(node, at)| Mark { node: *node, at: *at })
    }
}

/// A step that was found out and not learned yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lesson<'a> {
    /// The field whose value stands before it, or the root at the start of a record.
    pub(super) from: NodeId,
    pub(super) literal: &'a [u8],
    pub(super) marks: &'a [Mark],
    pub(super) node: NodeId,
    pub(super) whole: bool,
}

/// Everything learned.
#[derive(Debug, Default)]
pub(super) struct Steps {
    steps: Vec<Step>,
    /// For each field, the texts that follow its value.
    after: Vec<After>,
    /// How often everything was forgotten.
    forgotten: u32,
}

#[derive(Debug, Clone, Copy)]
struct After {
    first: u32,
    /// How often in a row a text was not known although many were.
    strikes: u16,
    /// What follows is too varied to be learned: the keys of a map.
    wild: bool,
}

const NOTHING: After = After { first: NONE, strikes: 0, wild: false };

/// Strikes after which a place is held to be wild.
const MOST_STRIKES: u16 = 64;

impl Steps {
    /// The step that stands at `at`, behind the value of `from`, and the byte that follows it.
    #[inline(always)]
    pub(super) fn find(
        &mut self,
        vector: impl Vector,
        from: NodeId,
        text: Padded<'_>,
        at: usize,
    ) -> Option<(&Step, u8)> {
        let window = text.window(at)?;
        let mut found = self.after.get(from as usize)?.first as usize;
        let next = loop {
            let step = self.steps.get(found)?;
            if vector.starts_with(window, &step.literal, step.mask) {
                let next = text.get(at + usize::from(step.len))?;
                // An object there is to be taken apart, which is another step.
                if next != b'{' || step.whole {
                    break next;
                }
            }
            found = step.other as usize;
        };
        let step = &mut self.steps[found];
        step.hits = step.hits.saturating_add(1);
        Some((step, next))
    }

    /// How many were learned and not dropped.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Learns a step.
    #[cold]
    pub(super) fn learn(&mut self, lesson: Lesson<'_>) {
        let from = lesson.from as usize;
        if lesson.literal.len() > WINDOW || lesson.marks.len() > MOST_MARKS || from >= MOST_FIELDS {
            return;
        }
        if self.steps.len() >= MOST {
            if self.forgotten >= MOST_BEGINNINGS {
                return;
            }
            self.forgotten += 1;
            self.steps.clear();
            self.after.clear();
        }
        if self.after.len() <= from {
            self.after.resize(from + 1, NOTHING);
        }
        if self.after[from].wild {
            return;
        }
        let mut known = self.chain(from);
        let mut step = Step::new(&lesson);
        if known.len() < MOST_AFTER_ONE {
            known.push(self.steps.len());
            self.steps.push(step);
        } else {
            let met: u32 = known.iter().map(|i| self.steps[*i].hits).sum();
            let after = &mut self.after[from];
            after.strikes = if met < 4 { after.strikes + 1 } else { 0 };
            if after.strikes > MOST_STRIKES {
                *after = After { wild: true, ..NOTHING };
                return;
            }
            known.iter().for_each(|i| self.steps[*i].hits /= 2);
            let Some(least) = known.iter().copied().min_by_key(|i| self.steps[*i].hits) else { return };
            step.hits = 1;
            self.steps[least] = step;
        }
        known.sort_by_key(|i| std::cmp::Reverse(self.steps[*i].hits));
        self.set_chain(from, &known);
    }

    fn chain(&self, from: usize) -> Vec<usize> {
        let mut found = Vec::with_capacity(MOST_AFTER_ONE + 1);
        let mut at = self.after[from].first;
        while let Some(step) = self.steps.get(at as usize) {
            found.push(at as usize);
            at = step.other;
        }
        found
    }

    fn set_chain(&mut self, from: usize, chain: &[usize]) {
        let mut next = NONE;
        for i in chain.iter().rev() {
            self.steps[*i].other = next;
            next = *i as u32;
        }
        self.after[from].first = next;
    }
}

impl Step {
    fn new(lesson: &Lesson<'_>) -> Step {
        let len = lesson.literal.len();
        let mut literal = [0; WINDOW];
        literal[..len].copy_from_slice(lesson.literal);
        let (mut marks, mut marks_at) = ([NO_NODE; MOST_MARKS], [0; MOST_MARKS]);
        for (i, mark) in lesson.marks.iter().enumerate() {
            (marks[i], marks_at[i]) = (mark.node, mark.at);
        }
        Step {
            literal,
            mask: if len == WINDOW { u64::MAX } else { (1 << len) - 1 },
            node: lesson.node,
            other: NONE,
            hits: 1,
            marks,
            marks_at,
            opened_and_closed: lesson.marks.len() as u8,
            len: len as u8,
            whole: lesson.whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Job, dispatch};

    struct Find<'a>(&'a mut Steps, NodeId, Padded<'a>);

    impl Job for Find<'_> {
        type Output = Option<(NodeId, u8)>;

        #[inline(always)]
        fn run(self, vector: impl Vector) -> Self::Output {
            self.0.find(vector, self.1, self.2, 0).map(|(step, next)| (step.node, next))
        }
    }

    fn find(steps: &mut Steps, from: NodeId, text: &str) -> Option<(NodeId, u8)> {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(text.len() + WINDOW, 0);
        dispatch(Find(steps, from, Padded::new(&bytes)?))
    }

    fn learn(steps: &mut Steps, from: NodeId, literal: &str, node: NodeId) {
        steps.learn(Lesson { from, literal: literal.as_bytes(), marks: &[], node, whole: false });
    }

    #[test]
    fn what_was_learned_is_found_where_it_was_learned() {
        let mut steps = Steps::default();
        learn(&mut steps, 1, ",\"a\":", 2);
        learn(&mut steps, 1, ",\"b\":", 3);
        assert_eq!(find(&mut steps, 1, ",\"a\":1"), Some((2, b'1')));
        assert_eq!(find(&mut steps, 1, ",\"b\":\"x\""), Some((3, b'"')));
        assert_eq!(find(&mut steps, 1, ",\"c\":1"), None);
        assert_eq!(find(&mut steps, 1, ",\"a\":{}"), None, "an object is to be taken apart");
        assert_eq!(find(&mut steps, 2, ",\"a\":1"), None);
    }

    #[test]
    fn of_many_texts_at_one_place_those_are_kept_that_are_met() {
        let mut steps = Steps::default();
        for i in 0..100 {
            learn(&mut steps, 1, &format!(",\"rare {i}\":"), 2);
            learn(&mut steps, 1, ",\"often\":", 3);
            for _ in 0..20 {
                assert_eq!(find(&mut steps, 1, ",\"often\":1"), Some((3, b'1')));
            }
        }
        assert!(steps.steps.len() <= MOST_AFTER_ONE);
        for i in 0..1000 {
            learn(&mut steps, 2, &format!(",\"{i}\":"), 4);
        }
        assert!(steps.after[2].wild, "the keys of a map are not worth a look");
    }

    #[test]
    fn memory_is_bounded_and_so_is_the_work_of_learning() {
        let mut steps = Steps::default();
        for i in 0..100 * MOST as u32 {
            learn(&mut steps, i % (2 * MOST_FIELDS as u32), &format!(",\"{i}\":"), 2);
            assert!(steps.steps.len() <= MOST && steps.after.len() <= MOST_FIELDS);
        }
        assert_eq!(steps.forgotten, MOST_BEGINNINGS);
    }
}

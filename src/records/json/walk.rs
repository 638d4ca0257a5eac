//! From a structural index to the fields of one record.
//!
//! The walk is the whole grammar of JSON but for strings' control characters and UTF-8, which the index has
//! checked. Nothing is allocated per record: fields and stacks are reused.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{escape, is_blank};
use crate::records::paths::{Extent, NO_NODE, NodeId, PathTable, ROOT};
use crate::records::reader::{Limits, MAX_DEPTH, MAX_FIELDS, MAX_NESTED_FIELDS};
use crate::records::record::{Fault, Field, Kind};
use crate::value::{Shape, json_number};

/// What a walk leaves behind, reused from record to record.
#[derive(Debug, Default)]
pub(crate) struct WalkState {
    pub(crate) fields: Vec<Field>,
    /// The paths of values that a later one under the same key took the place of.
    pub(crate) overwritten: Vec<NodeId>,
    /// The objects with keys that are too many to be told apart, once for each such key.
    pub(crate) beyond: Vec<NodeId>,
    objects: Vec<Open>,
    containers: Vec<bool>,
    /// Keys that are fields or would be, had their object not too many; so their number depends on the record only.
    keys: usize,
    /// Keys of the record itself.
    top: usize,
    /// What there was when the outermost nested object was opened.
    outside: Outside,
    /// Records walked, to notice paths that stand twice in one.
    record: u64,
    key: Vec<u8>,
}

impl WalkState {
    /// The keys that stood twice, and the objects with keys that are too many.
    pub(crate) fn odd_keys(&self) -> (&[NodeId], &[NodeId]) {
        (&self.overwritten, &self.beyond)
    }
}

/// What a record had shown before an object that may have to be kept whole.
#[derive(Debug, Clone, Copy, Default)]
struct Outside {
    keys: usize,
    overwritten: usize,
    beyond: usize,
    paths: Extent,
}

/// An object whose fields are being read.
#[derive(Debug, Clone, Copy)]
struct Open {
    node: NodeId,
    before: NodeId,
    /// Which field is this object's own.
    field: u32,
}

/// A walk over the records of one text, in order.
pub(crate) struct Walk<'a> {
    data: &'a [u8],
    positions: &'a [u32],
    at: usize,
    /// The next backslash not yet passed; strings before it have no escapes.
    backslash: usize,
}

type Step<T> = Result<T, Fault>;

const fn malformed<T>(what: &'static str) -> Step<T> {
    Err(Fault::Malformed(what))
}

impl<'a> Walk<'a> {
    pub(crate) fn new(data: &'a [u8], positions: &'a [u32], backslash: Option<usize>) -> Self {
        Walk { data, positions, at: 0, backslash: backslash.unwrap_or(usize::MAX) }
    }

    /// Passes over what is left of a broken record that ends at `end`.
    pub(crate) fn skip_to(&mut self, end: u32) {
        while self.positions.get(self.at).is_some_and(|position| *position < end) {
            self.at += 1;
        }
    }

    /// Reads the record that stands alone in `start..end`: one object and white space. False if there is only
    /// white space. A broken record leaves no paths behind.
    pub(crate) fn record(
        &mut self,
        start: u32,
        end: u32,
        paths: &mut PathTable,
        state: &mut WalkState,
        limits: &Limits,
    ) -> Step<bool> {
        let before = paths.begin();
        let outcome = self.object_alone(start, end, paths, state, limits);
        if outcome.is_err() {
            paths.take_back(before);
        }
        outcome
    }

    fn object_alone(
        &mut self,
        start: u32,
        end: u32,
        paths: &mut PathTable,
        state: &mut WalkState,
        limits: &Limits,
    ) -> Step<bool> {
        state.fields.clear();
        state.overwritten.clear();
        state.beyond.clear();
        state.keys = 0;
        state.top = 0;
        state.objects.clear();
        state.record += 1;
        let Some(open) = self.peek(end) else {
            return if self.blank(start, end) { Ok(false) } else { Err(Fault::NotAnObject) };
        };
        if self.data[open as usize] != b'{' {
            return Err(Fault::NotAnObject);
        }
        self.at += 1;
        state.fields.push(Field { node: ROOT, kind: Kind::Object, start: open, end: open });
        state.objects.push(Open { node: ROOT, before: NO_NODE, field: 0 });
        self.objects(end, paths, state, limits)?;
        if self.peek(end).is_some() {
            return malformed("something behind the closing brace");
        }
        if !state.overwritten.is_empty() {
            drop_overwritten(state);
        }
        Ok(true)
    }

    /// Checks that there is one value before `end` and nothing else.
    pub(crate) fn value_alone(&mut self, end: u32, state: &mut WalkState) -> Step<()> {
        let start = self.next(end)?;
        match self.data[start as usize] {
            b'"' => self.string(start, end).map(|_| ())?,
            b'{' | b'[' => self.container(start, end, 0, state).map(|_| ())?,
            _ => self.scalar(start, end).map(|_| ())?,
        }
        if self.peek(end).is_some() {
            return malformed("something behind the value");
        }
        Ok(())
    }

    /// Reads fields until every open object is closed.
    fn objects(&mut self, end: u32, paths: &mut PathTable, state: &mut WalkState, limits: &Limits) -> Step<()> {
        let mut first = true;
        while let Some(open) = state.objects.last().copied() {
            let position = self.next(end)?;
            match self.data[position as usize] {
                b'}' if first => {
                    self.close(position, paths, state);
                    first = false;
                    self.after_value(end, paths, state)?;
                    continue;
                }
                b'"' => {}
                _ => return malformed("expected a key"),
            }
            let key = self.string(position, end)?;
            state.keys += 1;
            if state.objects.len() == 1 {
                state.top += 1;
                if state.top > MAX_FIELDS {
                    return Err(Fault::TooManyFields);
                }
            }
            let node = self.key(key, open, paths, state)?;
            if let Some(open) = state.objects.last_mut() {
                // A key past the limit of a map has no node; the guess goes on from the last that had one.
                open.before = if node == NO_NODE { open.before } else { node };
            }
            if self.data[self.next(end)? as usize] != b':' {
                return malformed("expected a colon behind a key");
            }
            first = self.value(node, end, paths, state, limits)?;
            if !first {
                self.after_value(end, paths, state)?;
            }
        }
        Ok(())
    }

    /// Behind a value: a comma, or the end of one or more objects.
    fn after_value(&mut self, end: u32, paths: &mut PathTable, state: &mut WalkState) -> Step<()> {
        while !state.objects.is_empty() {
            let position = self.next(end)?;
            match self.data[position as usize] {
                b',' => return Ok(()),
                b'}' => self.close(position, paths, state),
                _ => return malformed("expected a comma or a closing brace"),
            }
        }
        Ok(())
    }

    fn close(&mut self, position: u32, paths: &mut PathTable, state: &mut WalkState) {
        let whole = state.objects.len() == 2 && is_overfull(state);
        if let Some(open) = state.objects.pop() {
            let field = &mut state.fields[open.field as usize];
            field.end = position + 1;
            if whole {
                field.kind = Kind::WholeObject;
                state.fields.truncate(open.field as usize + 1);
                state.overwritten.truncate(state.outside.overwritten);
                state.beyond.truncate(state.outside.beyond);
                state.keys = state.outside.keys;
                paths.take_back(state.outside.paths);
            }
        }
    }

    /// The node of a key in the object that is open.
    fn key(&mut self, key: (u32, u32, bool), open: Open, paths: &mut PathTable, state: &mut WalkState) -> Step<NodeId> {
        let raw = &self.data[key.0 as usize..key.1 as usize];
        let text = if key.2 {
            state.key = escape::unescape(raw);
            state.key.as_slice()
        } else {
            raw
        };
        if is_overfull(state) {
            return Ok(NO_NODE);
        }
        let node = paths.child(open.node, text, open.before);
        if node != NO_NODE && paths.mark(node, state.record) {
            state.overwritten.push(node);
        }
        Ok(node)
    }

    /// Reads the value of a field. True if it opened an object whose fields come next.
    fn value(
        &mut self,
        node: NodeId,
        end: u32,
        paths: &PathTable,
        state: &mut WalkState,
        limits: &Limits,
    ) -> Step<bool> {
        let start = self.next(end)?;
        let (kind, from, to) = match self.data[start as usize] {
            b'"' => {
                let (from, to, escaped) = self.string(start, end)?;
                (if escaped { Kind::EscapedStr } else { Kind::Str }, from, to)
            }
            b'{' if node != NO_NODE && state.objects.len() < limits.flatten_depth.min(MAX_DEPTH) => {
                let field = state.fields.len() as u32;
                if state.objects.len() == 1 {
                    let (keys, overwritten, beyond) = (state.keys, state.overwritten.len(), state.beyond.len());
                    state.outside = Outside { keys, overwritten, beyond, paths: paths.extent() };
                }
                state.fields.push(Field { node, kind: Kind::Object, start, end: start });
                state.objects.push(Open { node, before: NO_NODE, field });
                return Ok(true);
            }
            b'{' | b'[' => {
                let levels = if node == NO_NODE { limits.flatten_depth.saturating_sub(state.objects.len()) } else { 0 };
                let close = self.container(start, end, levels, state)?;
                (if self.data[start as usize] == b'{' { Kind::WholeObject } else { Kind::Array }, start, close)
            }
            _ => {
                let (kind, to) = self.scalar(start, end)?;
                (kind, start, to)
            }
        };
        if node != NO_NODE {
            state.fields.push(Field { node, kind, start: from, end: to });
        } else if let Some(object) = state.objects.last() {
            state.beyond.push(object.node);
        }
        Ok(false)
    }

    /// Checks a value that is kept whole, from its opening bracket on; returns where it ends. The keys of the outermost
    /// `levels` of objects would be fields, had their parent not too many keys.
    fn container(&mut self, start: u32, end: u32, levels: usize, state: &mut WalkState) -> Step<u32> {
        let depth = state.objects.len();
        if depth >= MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        let stack = &mut state.containers;
        stack.clear();
        stack.push(self.data[start as usize] == b'{');
        let mut empty = true;
        loop {
            let in_object = *stack.last().expect("a container is open");
            let mut position = self.next(end)?;
            let byte = self.data[position as usize];
            let closing = if in_object { b'}' } else { b']' };
            if !(empty && byte == closing) {
                if in_object {
                    if byte != b'"' {
                        return malformed("expected a key");
                    }
                    self.string(position, end)?;
                    state.keys += usize::from(stack.len() <= levels && stack.iter().all(|is_object| *is_object));
                    if self.data[self.next(end)? as usize] != b':' {
                        return malformed("expected a colon behind a key");
                    }
                    position = self.next(end)?;
                }
                match self.data[position as usize] {
                    b'"' => {
                        self.string(position, end)?;
                    }
                    open @ (b'{' | b'[') => {
                        if stack.len() + depth >= MAX_DEPTH {
                            return Err(Fault::TooDeep);
                        }
                        stack.push(open == b'{');
                        empty = true;
                        continue;
                    }
                    _ => {
                        self.scalar(position, end)?;
                    }
                }
                position = self.next(end)?;
            }
            // Now at what stands behind a value, or at the bracket that closes an empty container.
            loop {
                match (self.data[position as usize], stack.last()) {
                    (b',', _) => break,
                    (b'}', Some(true)) | (b']', Some(false)) => {
                        stack.pop();
                        if stack.is_empty() {
                            return Ok(position + 1);
                        }
                        position = self.next(end)?;
                    }
                    _ => return malformed("expected a comma or a closing bracket"),
                }
            }
            empty = false;
        }
    }

    /// A number, `true`, `false` or `null` that begins at `start`: its kind and its end.
    fn scalar(&mut self, start: u32, end: u32) -> Step<(Kind, u32)> {
        let limit = self.peek(end).unwrap_or(end);
        let text = &self.data[start as usize..limit as usize];
        let (kind, len) = match text[0] {
            b't' if text.starts_with(b"true") => (Kind::True, 4),
            b'f' if text.starts_with(b"false") => (Kind::False, 5),
            b'n' if text.starts_with(b"null") => (Kind::Null, 4),
            _ => match json_number(text) {
                Some(number) => (if number.shape == Shape::Int { Kind::Int } else { Kind::Real }, number.len),
                None => return malformed("expected a value"),
            },
        };
        let stop = start + len as u32;
        if stop != limit && !self.blank(stop, limit) {
            return malformed("a number or word that goes on where it should end");
        }
        Ok((kind, stop))
    }

    /// The string that opens at `open`: where its content begins and ends, and whether it holds escapes.
    fn string(&mut self, open: u32, end: u32) -> Step<(u32, u32, bool)> {
        let mut close = self.peek(end).unwrap_or(end) - 1;
        while close > open && is_blank(self.data[close as usize]) {
            close -= 1;
        }
        if close == open || self.data[close as usize] != b'"' {
            return malformed("a string that goes on where it should end");
        }
        let start = open + 1;
        if self.backslash < start as usize {
            self.find_backslash(start as usize);
        }
        let escaped = self.backslash < close as usize;
        if escaped {
            escape::check(&self.data[start as usize..close as usize])?;
        }
        Ok((start, close, escaped))
    }

    #[cold]
    fn find_backslash(&mut self, from: usize) {
        self.backslash = memchr::memchr(b'\\', &self.data[from..]).map_or(usize::MAX, |at| from + at);
    }

    #[inline]
    fn peek(&self, end: u32) -> Option<u32> {
        self.positions.get(self.at).copied().filter(|position| *position < end)
    }

    #[inline]
    fn next(&mut self, end: u32) -> Step<u32> {
        let position = self.peek(end).ok_or(Fault::Malformed("the record ends too early"))?;
        self.at += 1;
        Ok(position)
    }

    fn blank(&self, start: u32, end: u32) -> bool {
        self.data[start as usize..end as usize].iter().all(|byte| is_blank(*byte))
    }
}

/// Whether the outermost nested object that is open holds more fields than are taken apart.
fn is_overfull(state: &WalkState) -> bool {
    state.objects.len() > 1
        && (state.keys - state.outside.keys > MAX_NESTED_FIELDS || state.keys - state.top > MAX_FIELDS)
}

/// Keeps, of the values that one path has in a record, only the last, and with a dropped object what is in it.
#[cold]
fn drop_overwritten(state: &mut WalkState) {
    // As large as the record, however many paths there are.
    let last: FxHashMap<NodeId, usize> = state.fields.iter().enumerate().map(|(at, field)| (field.node, at)).collect();
    // What is inside a dropped object follows it.
    let (mut at, mut inside) = (0, 0);
    state.fields.retain(|field| {
        let kept = field.start >= inside && last.get(&field.node) == Some(&at);
        at += 1;
        if !kept {
            inside = inside.max(field.end);
        }
        kept
    });
    // A path that stood twice only inside a dropped object is not in the record at all.
    let left: FxHashSet<NodeId> = state.fields.iter().map(|field| field.node).collect();
    state.overwritten.retain(|node| left.contains(node));
}

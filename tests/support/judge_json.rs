//! What JSON is read as, against what an independent reader makes of it.

use std::collections::HashMap;

use longshore::Path;
use longshore::records::{Fault, FieldKind, Format, Limits, MAX_FIELDS, MAX_NESTED_FIELDS};

use crate::inputs::{Item, Leaf, read};
use crate::json::Tree;

/// What a record should hold.
#[derive(Debug)]
enum Expected {
    Fields(Vec<Wanted>),
    Bad(String),
    /// The independent reader gives up at 128 levels.
    Unknown,
}

/// A field as it should be.
#[derive(Debug)]
struct Wanted {
    path: Path,
    tree: Tree,
    /// Whether it is an object whose fields do not follow.
    whole: bool,
}

/// What the reader should make of one value that stands alone.
fn expected(text: &[u8]) -> Expected {
    match Tree::parse(text) {
        Err(error) if error.to_string().contains("recursion limit") => Expected::Unknown,
        Err(error) => Expected::Bad(error.to_string()),
        Ok(tree) if tree.holds_nul() => Expected::Bad("NUL".into()),
        Ok(Tree::Object(fields)) => {
            let mut flat = Vec::new();
            flatten(&mut vec![], Tree::Object(fields), &mut flat);
            Expected::Fields(flat)
        }
        Ok(_) => Expected::Bad("no object".into()),
    }
}

/// Takes objects apart as far as they become columns, the last of equal keys only.
fn flatten(keys: &mut Vec<String>, tree: Tree, flat: &mut Vec<Wanted>) {
    let levels = Limits::default().flatten_depth - keys.len();
    let overfull = keys.len() == 1 && fields_within(&tree, levels) > MAX_NESTED_FIELDS;
    let whole = matches!(tree, Tree::Object(_)) && (levels == 0 || overfull);
    flat.push(Wanted { path: Path::new(keys.clone()), tree: tree.clone(), whole });
    let (Tree::Object(fields), false) = (tree, whole) else { return };
    let last: HashMap<&String, usize> = fields.iter().enumerate().map(|(at, (key, _))| (key, at)).collect();
    for (at, (key, value)) in fields.iter().enumerate() {
        if last[key] == at {
            keys.push(key.clone());
            flatten(keys, value.clone(), flat);
            keys.pop();
        }
    }
}

/// Fields that this many levels of an object hold.
fn fields_within(tree: &Tree, levels: usize) -> usize {
    match tree {
        Tree::Object(fields) if levels > 0 => {
            fields.len() + fields.iter().map(|(_, value)| fields_within(value, levels - 1)).sum::<usize>()
        }
        _ => 0,
    }
}

/// Whether a field is what the independent reader says.
fn same(leaf: &Leaf, wanted: &Wanted) -> bool {
    let tree = &wanted.tree;
    let text = || String::from_utf8(leaf.text.clone()).unwrap();
    match tree {
        Tree::Null => leaf.kind == FieldKind::Null && leaf.text == b"null",
        Tree::Bool(true) => leaf.kind == FieldKind::True && leaf.text == b"true",
        Tree::Bool(false) => leaf.kind == FieldKind::False && leaf.text == b"false",
        Tree::Number(number) => {
            let int = !number.contains(['.', 'e', 'E']);
            // The independent reader writes every exponent with a sign.
            let mut spelled = text().replace('E', "e");
            if let Some(at) = spelled.find('e').filter(|at| spelled.as_bytes()[at + 1].is_ascii_digit()) {
                spelled.insert(at + 1, '+');
            }
            leaf.kind == if int { FieldKind::Int } else { FieldKind::Real } && spelled == *number
        }
        Tree::Text(value) => {
            let kind = if leaf.source_text.contains(&b'\\') { FieldKind::EscapedStr } else { FieldKind::Str };
            leaf.kind == kind && text() == *value
        }
        Tree::Array(_) => leaf.kind == FieldKind::Array && Tree::parse(&leaf.text).unwrap() == *tree,
        Tree::Object(_) if wanted.whole != (leaf.kind == FieldKind::WholeObject) => false,
        Tree::Object(_) => {
            matches!(leaf.kind, FieldKind::Object | FieldKind::WholeObject) && Tree::parse(&leaf.text).unwrap() == *tree
        }
    }
}

/// What is wrong with an item whose bytes stand at `offset`, or nothing.
fn judge(item: &Item, input: &[u8], text: &[u8]) -> Result<(), String> {
    let shown = || String::from_utf8_lossy(&text[..text.len().min(300)]).into_owned();
    match (expected(text), &item.content) {
        (Expected::Unknown, _) | (Expected::Bad(_), Err(_)) => Ok(()),
        (Expected::Bad(why), Ok(_)) => Err(format!("accepted ({why}) {:?}", shown())),
        (Expected::Fields(fields), Err(fault)) => {
            let top = fields.iter().filter(|wanted| wanted.path.keys().len() == 1).count();
            let many = top > MAX_FIELDS && *fault == Fault::TooManyFields;
            if many { Ok(()) } else { Err(format!("{fault}: {:?}", shown())) }
        }
        (Expected::Fields(fields), Ok(leaves)) => {
            if fields.len() != leaves.len() {
                return Err(format!("{} fields, wanted {}: {:?}", leaves.len(), fields.len(), shown()));
            }
            for (wanted, leaf) in fields.iter().zip(leaves) {
                let Wanted { path, tree, .. } = wanted;
                if *path != leaf.path || !same(leaf, wanted) {
                    return Err(format!("{leaf:?}, wanted {wanted:?}: {:?}", shown()));
                }
                // A string's offset is that of its first character.
                let at = leaf.offset as usize - usize::from(matches!(tree, Tree::Text(_)));
                if !input[at..].starts_with(&leaf.source_text) {
                    return Err(format!("`{path}` is not at byte {}: {:?}", leaf.offset, shown()));
                }
            }
            Ok(())
        }
    }
}

/// Compares every line.
pub(crate) fn check_lines(input: &[u8], chunk_bytes: usize) -> Result<usize, String> {
    let items = read(&Format::Ndjson, input, chunk_bytes);
    let mut found = items.iter();
    let (mut offset, mut line) = (0, 0);
    for text in input.split(|byte| *byte == b'\n') {
        line += 1;
        if !text.iter().all(|byte| b" \t\r".contains(byte)) {
            let item = found.next().ok_or(format!("line {line} is missing"))?;
            let raw = text.strip_suffix(b"\r").unwrap_or(text);
            if (item.line, item.offset, item.raw.as_slice()) != (line, offset, raw) {
                return Err(format!("line {line}, byte {offset}: found at {}, {}", item.line, item.offset));
            }
            judge(item, input, text).map_err(|wrong| format!("line {line}: {wrong}"))?;
        }
        offset += text.len() as u64 + 1;
    }
    match found.next() {
        Some(item) => Err(format!("one too many at line {}", item.line)),
        None => Ok(items.len()),
    }
}

/// Compares every top-level value (of an array, its elements), if the independent reader takes the whole input.
pub(crate) fn check_documents(input: &[u8], chunk_bytes: usize) -> Result<Option<usize>, String> {
    let items = read(&Format::Json, input, chunk_bytes);
    let values: Result<Vec<Tree>, _> = serde_json::Deserializer::from_slice(input).into_iter().collect();
    let Ok(values) = values else { return Ok(None) };
    let records: Vec<Tree> = values
        .into_iter()
        .flat_map(|value| match value {
            Tree::Array(items) => items,
            other => vec![other],
        })
        .collect();
    if records.len() != items.len() {
        return Err(format!("{} records, wanted {}", items.len(), records.len()));
    }
    for (item, record) in items.iter().zip(records) {
        let at = item.offset as usize;
        let text = &input[at..at + item.raw.len()];
        if item.raw != text || 1 + input[..at].iter().filter(|byte| **byte == b'\n').count() as u64 != item.line {
            return Err(format!("a record is not at line {}, byte {at}", item.line));
        }
        match Tree::parse(text) {
            Ok(tree) if tree == record => judge(item, input, text)?,
            _ => return Err(format!("another record at byte {at}")),
        }
    }
    Ok(Some(items.len()))
}

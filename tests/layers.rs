//! The map in ARCHITECTURE.md stays true: imports point left only.
//!
//! Every file under `src/` is read, and each path that begins with `crate::` or climbs with `super::` is followed to the
//! layer it ends in. Test modules are held to the same rule.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Each module of the crate's root, and what it may import. `front` sees everything.
const LAYERS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("fault", &["error"]),
    ("path", &[]),
    ("value", &["error"]),
    ("simd", &[]),
    ("threads", &["error"]),
    ("source", &["threads", "error"]),
    ("records", &["source", "simd", "value", "path", "error"]),
    ("sketch", &["records", "simd", "value", "path", "error"]),
    ("schema", &["sketch", "value", "path", "error"]),
    ("batch", &["records", "schema", "simd", "value", "path", "error"]),
    ("plan", &["schema", "path", "error"]),
    ("load", &["batch", "plan", "schema", "simd", "threads", "value", "path", "fault", "error"]),
    ("front", &["load", "plan", "batch", "schema", "sketch", "records", "source", "value", "path", "fault", "error"]),
];

/// Words and punctuation of a file, without comments, strings and character literals; with line numbers.
fn tokens(text: &str) -> Vec<(String, usize)> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    while at < chars.len() {
        let (c, next) = (chars[at], chars.get(at + 1).copied().unwrap_or('\0'));
        let start = at;
        match c {
            '/' if next == '/' => at = end_of(&chars, at, |i| chars[i] == '\n'),
            '/' if next == '*' => at = end_of(&chars, at + 2, |i| chars[i - 1] == '*' && chars[i] == '/') + 1,
            '"' => at = end_of_string(&chars, at + 1),
            'r' | 'b' if raw_hashes(&chars, at).is_some() => {
                let (open, hashes) = raw_hashes(&chars, at).unwrap_or_default();
                at = end_of_raw_string(&chars, open, hashes);
            }
            // A lifetime has no quote behind its name.
            '\'' if next == '\\' => at = end_of(&chars, at + 3, |i| chars[i] == '\'') + 1,
            '\'' if chars.get(at + 2) == Some(&'\'') => at += 3,
            ':' if next == ':' => {
                tokens.push(("::".to_string(), line));
                at += 2;
            }
            c if is_word(c) => {
                at = end_of(&chars, at, |i| !is_word(chars[i]));
                tokens.push((chars[start..at].iter().collect(), line));
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push((c.to_string(), line));
                }
                at += 1;
            }
        }
        at = at.min(chars.len());
        line += chars[start..at].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn end_of(chars: &[char], from: usize, is_end: impl Fn(usize) -> bool) -> usize {
    (from..chars.len()).find(|i| is_end(*i)).unwrap_or(chars.len())
}

fn end_of_string(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Of `r#"`, `br"` and the like: where the text begins, and how many `#` there are.
fn raw_hashes(chars: &[char], at: usize) -> Option<(usize, usize)> {
    if at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_') {
        return None;
    }
    let r = if chars[at] == 'b' { at + 1 } else { at };
    (chars.get(r) == Some(&'r')).then_some(())?;
    let hashes = chars[r + 1..].iter().take_while(|c| **c == '#').count();
    (chars.get(r + 1 + hashes) == Some(&'"')).then_some((r + 2 + hashes, hashes))
}

fn end_of_raw_string(chars: &[char], from: usize, hashes: usize) -> usize {
    let closes = |i: usize| chars[i] == '"' && chars[i + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    end_of(chars, from, closes) + 1 + hashes
}

/// The paths of a file that lead to the crate's root, as the first name behind it, each with its line. `module` is
/// where the file stands: `["records", "csv", "sniff"]`.
fn roots(text: &str, module: &[&str]) -> Vec<(String, usize)> {
    let tokens = tokens(text);
    let word = |at: usize| tokens.get(at).map_or("", |(word, _)| word.as_str());
    let mut found = Vec::new();
    // How many braces are open, and at which of them a module inside the file began.
    let (mut depth, mut inline) = (0usize, Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        match word(at) {
            "{" => {
                depth += 1;
                if at >= 2 && word(at - 2) == "mod" {
                    inline.push(depth);
                }
            }
            "}" => {
                if inline.last() == Some(&depth) {
                    inline.pop();
                }
                depth = depth.saturating_sub(1);
            }
            "crate" if word(at + 1) == "::" => found.extend(heads(&tokens, at + 2)),
            "super" if word(at + 1) == "::" => {
                let mut climbed = 1;
                while word(at + 2) == "super" && word(at + 3) == "::" {
                    climbed += 1;
                    at += 2;
                }
                if climbed >= module.len() + inline.len() {
                    found.extend(heads(&tokens, at + 2));
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The first names of a path or of each path in braces.
fn heads(tokens: &[(String, usize)], from: usize) -> Vec<(String, usize)> {
    if tokens.get(from).is_none_or(|(word, _)| word != "{") {
        return tokens.get(from).cloned().into_iter().collect();
    }
    let (mut depth, mut found, mut expects) = (0, Vec::new(), false);
    for token in &tokens[from..] {
        match token.0.as_str() {
            "{" => {
                depth += 1;
                expects = depth == 1;
            }
            "}" => depth -= 1,
            "," => expects = depth == 1,
            _ if expects => {
                found.push(token.clone());
                expects = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

/// What `lib.rs` gives a second name at the root: `Path` is `path`'s.
fn reexports(lib: &str) -> HashMap<String, String> {
    let tokens = tokens(lib);
    let mut names = HashMap::new();
    for (at, window) in tokens.windows(4).enumerate() {
        let [a, b, layer, d] = window else { continue };
        if (a.0.as_str(), b.0.as_str(), d.0.as_str()) == ("pub", "use", "::") {
            names.extend(heads(&tokens, at + 4).into_iter().map(|(name, _)| (name, layer.0.clone())));
        }
    }
    names
}

/// What is wrong with a file that stands in a layer.
fn violations(layer: &str, module: &[&str], text: &str, reexports: &HashMap<String, String>) -> Vec<String> {
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
        return vec![format!("the layer `{layer}` is not on the map")];
    };
    let wrong = roots(text, module).into_iter().filter_map(|(name, line)| {
        let to = reexports.get(&name).unwrap_or(&name);
        let fine = to == layer || allowed.contains(&to.as_str());
        (!fine).then(|| format!("line {line}: `{layer}` must not import `{to}`"))
    });
    wrong.collect()
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn imports_point_left_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let names = reexports(&std::fs::read_to_string(src.join("lib.rs")).unwrap());
    let mut all = Vec::new();
    files(&src, &mut all);
    let mut wrong = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for file in all {
        let place = file.strip_prefix(&src).unwrap().with_extension("");
        let mut module: Vec<&str> = place.iter().map(|part| part.to_str().unwrap()).collect();
        if module == ["lib"] {
            continue;
        }
        if module.last() == Some(&"mod") {
            module.pop();
        }
        seen.insert(module[0].to_string());
        let text = std::fs::read_to_string(&file).unwrap();
        let found = violations(module[0], &module, &text, &names);
        wrong.extend(found.into_iter().map(|what| format!("src/{}: {what}", place.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let on_map: std::collections::BTreeSet<String> = LAYERS.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(seen, on_map, "the map and the folders are the same");
}

#[test]
fn an_import_to_the_right_is_found_however_it_is_written() {
    let names = reexports("pub use error::{Error, Result};\npub use sketch::Sketch;\n");
    let wrong = |text: &str| violations("plan", &["plan", "dialect", "redshift"], text, &names);
    for bad in [
        "use crate::load::Target;",
        "use crate::{error::Error, sketch::{Sketch, Class}};",
        "use crate::Sketch;",
        "fn f() -> crate::source::Source {}",
        "use super::super::super::load::Target;",
        "mod tests {\n    use super::super::super::super::{error, load::Mode};\n}",
        "let quote = '\"'; use crate::load::Target; let other = '\"';",
        "let raw = r#\"a\"b\"#; use crate::load::Target;",
    ] {
        assert_eq!(wrong(bad).len(), 1, "{bad}: {:?}", wrong(bad));
    }
    for good in [
        "use crate::schema::{Column, Type};",
        "use crate::{Error, Result};",
        "use super::super::quote::identifier;",
        "mod tests {\n    use super::super::super::quote;\n}",
        "// use crate::load::Target;",
        "/// See [`x`](crate::load::Target).",
        "/* use crate::load::Target; */",
        "let text = \"use crate::load::Target;\";",
        "let text = r#\"\"crate::load::Target\"#;",
        "fn f<'a>(x: &'a str) -> Option<crate::plan::Plan> {}",
    ] {
        assert_eq!(wrong(good), [""; 0], "{good}");
    }
    assert!(!violations("batch", &["batch"], "use crate::sketch::Class;", &names).is_empty());
    assert!(!violations("extra", &["extra"], "", &names).is_empty(), "a module that is not on the map");
}

//! Names for columns: readable, within the warehouse's limit, and never two alike.

use std::fmt;
use std::str::FromStr;

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::path::Path;

/// How a column's name is made from its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Naming {
    /// Words in lower case joined by `_`, so that nobody has to quote them: `user.firstName` is `user_first_name`.
    #[default]
    Snake,
    /// The path's text as it is: `user.firstName`.
    Source,
}

impl fmt::Display for Naming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Naming::Snake => "snake",
            Naming::Source => "source",
        })
    }
}

impl FromStr for Naming {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "snake" => Ok(Naming::Snake),
            "source" => Ok(Naming::Source),
            _ => Err(Error::config(format!("`{text}` is no way to name columns")).with_hint("choose snake or source")),
        }
    }
}

/// The names that Postgres gives to columns of its own; quoting does not free them.
const SYSTEM: [&str; 7] = ["oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// `_` and eight hexadecimal digits.
const SUFFIX: usize = 9;

/// Below this there would be nothing left of a name beside its suffix.
const LEAST_LIMIT: usize = 16;

/// Names the columns of one table, in column order.
///
/// Every name is unique (with `fold`, also after lower-casing), not empty, at most `limit` bytes of UTF-8 (a limit
/// below 16 counts as 16), free of U+0000, and none of the names Postgres keeps for itself (`oid`, `ctid`, …), which
/// get a `_` at the end. A name depends on its own path and the ones before it, so a column added at the end renames
/// none.
///
/// [`Naming::Snake`] splits camel case, turns every run of characters that are neither letters nor digits into one
/// `_`, and lowers the case. One leading `_` stays (`_id` is not `id`), and a leading digit gets one. Where that makes
/// two names equal, or a name has to be cut, the first keeps the plain name and the others end in `_` and eight
/// hexadecimal digits of a hash of their path.
///
/// ```
/// use longshore::Path;
/// use longshore::schema::{Naming, assign};
/// let paths = [Path::new(["userId"]), Path::new(["user", "id"]), Path::new(["ALAND10"]), Path::new(["ctid"])];
/// let names = assign(&paths, Naming::Snake, 63, true);
/// assert_eq!(names[0], "user_id");
/// assert!(names[1].starts_with("user_id_"), "the second one carries a hash of its path");
/// assert_eq!(names[2..], ["aland10", "ctid_"]);
/// ```
pub fn assign(paths: &[Path], naming: Naming, limit: usize, fold: bool) -> Vec<String> {
    let mut names = Names::new(limit, fold);
    paths.iter().map(|path| names.claim(&plain(path, naming), path)).collect()
}

/// The names of one table so far.
#[derive(Debug)]
pub(crate) struct Names {
    limit: usize,
    fold: bool,
    taken: FxHashSet<String>,
    /// Beginnings that no claimed name has; each begins with `_`.
    reserved: &'static [&'static str],
}

impl Names {
    pub(crate) fn new(limit: usize, fold: bool) -> Self {
        Names { limit: limit.max(LEAST_LIMIT), fold, taken: FxHashSet::default(), reserved: &[] }
    }

    /// The same without names that begin with one of these: they lose the `_` in front.
    pub(crate) fn without(self, reserved: &'static [&'static str]) -> Self {
        Names { reserved, ..self }
    }

    /// Keeps others from claiming a name that is there already.
    pub(crate) fn reserve(&mut self, name: &str) {
        self.taken.insert(self.key(name));
    }

    /// Takes the wanted name, or one made of it and a hash of the path where it is taken or impossible.
    pub(crate) fn claim(&mut self, wanted: &str, path: &Path) -> String {
        let mut name = wanted.replace('\0', "");
        let altered = name.len() != wanted.len();
        if name.is_empty() {
            name.push_str("column");
        }
        if SYSTEM.contains(&self.key(&name).as_str()) {
            name.push('_');
        }
        let key = self.key(&name);
        if self.reserved.iter().any(|reserved| key.starts_with(reserved)) {
            name.remove(0);
        }
        if altered || name.len() > self.limit || self.taken.contains(&self.key(&name)) {
            let plain = stem(&name, self.limit - SUFFIX).to_owned();
            let mut round = 0;
            name = format!("{plain}_{}", hash(path, round));
            // Another column may be called just like a hashed name, so one try is not always enough.
            while self.taken.contains(&self.key(&name)) {
                round += 1;
                name = format!("{plain}_{}", hash(path, round));
            }
        }
        self.reserve(&name);
        name
    }

    fn key(&self, name: &str) -> String {
        if self.fold { name.chars().flat_map(char::to_lowercase).collect() } else { name.to_owned() }
    }
}

/// The longest beginning of a name that has at most `limit` bytes, without underscores at its end.
fn stem(name: &str, limit: usize) -> &str {
    let mut end = name.len().min(limit);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].trim_end_matches('_')
}

/// Eight hexadecimal digits that stand for a path: for its keys, not its text, which two paths may share.
fn hash(path: &Path, round: u64) -> String {
    let mut hasher = blake3::Hasher::new();
    for key in path.keys() {
        hasher.update(&(key.len() as u64).to_le_bytes()).update(key.as_bytes());
    }
    hasher.update(&path.ordinal().to_le_bytes());
    if round > 0 {
        hasher.update(&round.to_le_bytes());
    }
    hasher.finalize().to_hex()[..SUFFIX - 1].to_owned()
}

fn plain(path: &Path, naming: Naming) -> String {
    match naming {
        Naming::Snake => snake(path),
        Naming::Source => path.to_string(),
    }
}

fn snake(path: &Path) -> String {
    let mut name = String::new();
    for key in path.keys() {
        push_words(key, &mut name);
    }
    if name.is_empty() {
        name.push_str("column");
    }
    if path.ordinal() > 1 {
        name.push_str(&format!("_{}", path.ordinal()));
    }
    let marked = path.keys().first().is_some_and(|key| key.starts_with('_'));
    if marked || name.starts_with(char::is_numeric) {
        name.insert(0, '_');
    }
    name
}

/// Adds the words of one key in lower case, each with a `_` before it unless it begins the name.
fn push_words(key: &str, name: &mut String) {
    #[derive(Clone, Copy, PartialEq)]
    enum Case {
        Lower,
        Upper,
    }
    let chars: Vec<char> = key.chars().collect();
    let is_lower = |i: usize| chars.get(i).is_some_and(|c| c.is_lowercase());
    // Digits and letters without case belong to the word before them, so they leave `before` as it was.
    let mut before = None;
    let mut word_begins = true;
    for (i, &c) in chars.iter().enumerate() {
        if !c.is_alphanumeric() {
            word_begins = true;
            before = None;
            continue;
        }
        if c.is_uppercase() {
            // `IDs` and `URLs` are one word: the `s` belongs to the capitals before it.
            let plural = chars.get(i + 1) == Some(&'s') && !is_lower(i + 2);
            let ends_capitals = before == Some(Case::Upper) && is_lower(i + 1) && !plural;
            word_begins |= before == Some(Case::Lower) || ends_capitals;
            before = Some(Case::Upper);
        } else if c.is_lowercase() {
            before = Some(Case::Lower);
        }
        if word_begins && !name.is_empty() {
            name.push('_');
        }
        word_begins = false;
        name.extend(c.to_lowercase());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn snake_of(key: &str) -> String {
        assign(&[Path::new([key])], Naming::Snake, 63, true).remove(0)
    }

    #[test]
    fn snake_names_read_as_words() {
        let cases = [
            ("userId", "user_id"),
            ("HTTPServer", "http_server"),
            ("ALAND10", "aland10"),
            ("X10Foo", "x10_foo"),
            ("sha256Hash", "sha256_hash"),
            ("userIDs", "user_ids"),
            ("URLsSeen", "urls_seen"),
            ("$ref", "ref"),
            ("@type", "type"),
            ("_id", "_id"),
            ("__v", "_v"),
            ("first name (given)", "first_name_given"),
            ("Größe in cm", "größe_in_cm"),
            ("ÄrgerÜbung", "ärger_übung"),
            ("价格", "价格"),
            ("2020", "_2020"),
            ("", "column"),
            ("_", "_column"),
            ("--", "column"),
            ("ctid", "ctid_"),
            ("OID", "oid_"),
            ("select", "select"),
            ("a\"b;--\\", "a_b"),
        ];
        for (key, name) in cases {
            assert_eq!(snake_of(key), name, "{key:?}");
        }
        let nested = [Path::new(["order", "items", "[]", "sku"]), Path::new(["order", "_id"])];
        assert_eq!(assign(&nested, Naming::Snake, 63, true), ["order_items_sku", "order_id"]);
    }

    #[test]
    fn the_second_of_two_equal_headers_is_numbered() {
        let paths = [Path::new(["a"]), Path::new(["a"]).nth(2), Path::new([""]), Path::new([""]).nth(2)];
        assert_eq!(assign(&paths, Naming::Snake, 63, true), ["a", "a_2", "column", "column_2"]);
        assert_eq!(assign(&paths, Naming::Source, 63, true), ["a", "a#2", "column", "#2"]);
    }

    #[test]
    fn names_that_meet_after_cleaning_stay_apart() {
        let paths = [Path::new(["na!e"]), Path::new(["na%e"]), Path::new(["na", "e"]), Path::new(["na.e"])];
        let names = assign(&paths, Naming::Snake, 63, true);
        assert_eq!(names[0], "na_e");
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 4);
        assert!(names[1..].iter().all(|name| name.len() == 13 && name.starts_with("na_e_")), "{names:?}");
    }

    #[test]
    fn names_are_cut_in_bytes_at_a_character_border() {
        let long = [Path::new(["é".repeat(40)]), Path::new(["é".repeat(41)])];
        let names = assign(&long, Naming::Source, 63, false);
        assert!(names.iter().all(|name| name.len() <= 63 && name.starts_with(&"é".repeat(27))), "{names:?}");
        assert_ne!(names[0], names[1]);
    }

    #[test]
    fn source_names_are_kept_unless_no_warehouse_can() {
        let paths = [Path::new(["a\"b; DROP"]), Path::new(["Id"]), Path::new(["id"]), Path::new(["a\0b"])];
        let exact = assign(&paths, Naming::Source, 63, false);
        assert_eq!(exact[..3], ["a\"b; DROP", "Id", "id"]);
        assert!(exact[3].starts_with("ab_") && exact[3].len() == 11, "{exact:?}");
        let folded = assign(&paths, Naming::Source, 63, true);
        assert!(folded[2].starts_with("id_"), "{folded:?}");
    }

    /// Keys that meet: of a small alphabet, of one long stem, and of anything at all.
    fn key() -> impl Strategy<Value = String> {
        prop_oneof![
            "[aAbB_. \\[\\]#2]{0,4}",
            prop::sample::select(vec!["ctid", "OID", "\0", "a\0", "a", "", "[]", "\u{130}", "ß", "_", "a_2"])
                .prop_map(str::to_owned),
            (50..90usize, "[xXé]{0,2}").prop_map(|(n, end)| "long".repeat(n) + &end),
            any::<String>(),
        ]
    }

    fn path() -> impl Strategy<Value = Path> {
        (prop::collection::vec(key(), 0..4), 1..4u32).prop_map(|(keys, nth)| Path::new(keys).nth(nth))
    }

    proptest! {
        #[test]
        fn any_paths_get_unique_names_within_the_limit(
            paths in prop::collection::vec(path(), 0..40), snake: bool, fold: bool, limit in 16..130usize,
        ) {
            let naming = if snake { Naming::Snake } else { Naming::Source };
            let names = assign(&paths, naming, limit, fold);
            prop_assert_eq!(names.len(), paths.len());
            let mut seen = HashSet::new();
            for name in &names {
                prop_assert!(!name.is_empty() && name.len() <= limit && !name.contains('\0'), "{:?}", name);
                prop_assert!(!snake || !name.contains(|c: char| c.is_control() || c == '\\' || c == '"'), "{:?}", name);
                let key: String = if fold { name.chars().flat_map(char::to_lowercase).collect() } else { name.clone() };
                prop_assert!(!SYSTEM.contains(&key.as_str()));
                prop_assert!(seen.insert(key), "{:?} twice", name);
            }
        }

        #[test]
        fn a_column_added_at_the_end_renames_none(
            paths in prop::collection::vec(path(), 1..30), snake: bool, fold: bool,
        ) {
            let naming = if snake { Naming::Snake } else { Naming::Source };
            let all = assign(&paths, naming, 63, fold);
            let fewer = assign(&paths[..paths.len() - 1], naming, 63, fold);
            prop_assert_eq!(&all[..fewer.len()], &fewer[..]);
        }
    }
}

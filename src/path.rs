//! The one way to name a field: `order.items[].sku`.

use std::fmt;

/// The name of a field in the source: the keys from the record's root down to it.
///
/// As text, keys are joined by `.`, and a step into an array's elements is `[]`. The text is what hints, reports,
/// quarantine and column comments show. It is kept as written, so a key that holds a dot (`{"a.b": 1}`) has the
/// same text as a nested field (`{"a": {"b": 1}}`); the keys tell them apart, and a second column with equal text,
/// like the second of two equal CSV headers, is marked `#2`.
///
/// ```
/// use longshore::Path;
/// let nested = Path::new(["order", "zip"]);
/// assert_eq!(nested.to_string(), "order.zip");
/// assert_ne!(nested, Path::new(["order.zip"]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    keys: Vec<String>,
    /// Which of several equal CSV headers this is, from 1; 0 for the column that fields past the budget share.
    nth: u32,
    mark: Mark,
}

/// What the column for the fields past the column budget is called.
const OVERFLOW: &str = "_overflow";

/// Raises the number shown, for a path whose text another path has already. It is for the eye: a path names the same field
/// with and without it.
#[derive(Debug, Clone, Copy, Default)]
struct Mark(u32);

impl PartialEq for Mark {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Mark {}

impl std::hash::Hash for Mark {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl PartialOrd for Mark {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Mark {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl Path {
    /// Makes a path from its keys, outermost first. The key `[]` stands for an array's elements.
    pub fn new<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Self {
        Path { keys: keys.into_iter().map(Into::into).collect(), nth: 1, mark: Mark::default() }
    }

    /// The path of the column that the fields past the column budget share: no field has it, not even one of that name.
    pub(crate) fn overflow() -> Self {
        Path { nth: 0, ..Path::new([OVERFLOW]) }
    }

    /// Whether it is that of the column that fields share.
    pub(crate) fn is_overflow(&self) -> bool {
        self.nth == 0
    }

    /// The path of the `nth` (from 1) of several CSV columns with this header.
    #[must_use]
    pub fn nth(mut self, nth: u32) -> Self {
        self.nth = nth.max(1);
        self
    }

    /// Shows the path under the next number: `a.b` as `a.b#2`. What the path names stays the same.
    #[must_use]
    pub(crate) fn marked(mut self) -> Self {
        self.mark.0 += 1;
        self
    }

    /// Which of several equal CSV headers this is, from 1.
    pub fn ordinal(&self) -> u32 {
        self.nth
    }

    /// The keys as a JSON array, then `#n` for the nth of several: text that no other path has.
    pub(crate) fn written(&self) -> String {
        let keys = serde_json::Value::from(self.keys.clone());
        match self.nth {
            1 => keys.to_string(),
            nth => format!("{keys} #{nth}"),
        }
    }

    /// Reads what [`written`](Path::written) wrote.
    pub(crate) fn of_written(text: &str) -> Option<Path> {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Vec<String>>();
        let path = Path::new(values.next()?.ok()?);
        match &text[values.byte_offset()..] {
            "" => Some(path),
            " #0" => Some(Path { nth: 0, ..path }),
            tail => Some(path.nth(tail.strip_prefix(" #")?.parse().ok()?)),
        }
    }

    /// The path as a key of its own: its text, or, where another path has the same text, as it is [`written`](Path::written).
    pub(crate) fn as_key(&self) -> String {
        let plain = |key: &String| !key.contains('.') && !key.starts_with('[') && !key.ends_with("[]");
        match self.nth == 1 && !self.keys.is_empty() && self.keys.iter().all(plain) {
            true => self.keys.join("."),
            false => self.written(),
        }
    }

    /// Reads what [`as_key`](Path::as_key) gave.
    #[cfg(any(feature = "postgres", test))]
    pub(crate) fn of_key(text: &str) -> Path {
        Path::of_written(text).unwrap_or_else(|| Path::new(text.split('.')))
    }

    /// The keys, outermost first.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, key) in self.keys.iter().enumerate() {
            if i > 0 && key != "[]" {
                f.write_str(".")?;
            }
            f.write_str(key)?;
        }
        let shown = self.nth + self.mark.0;
        if shown > 1 {
            write!(f, "#{shown}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_print_with_dots_and_brackets() {
        assert_eq!(Path::new(["order", "items", "[]", "sku"]).to_string(), "order.items[].sku");
        assert_eq!(Path::new(["a"]).nth(2).to_string(), "a#2");
        assert_eq!(Path::new([""]).to_string(), "");
    }

    #[test]
    fn a_path_that_is_shown_otherwise_is_the_same() {
        let (path, shown) = (Path::new(["a.b"]), Path::new(["a.b"]).marked());
        assert_eq!((path.to_string(), shown.to_string()), ("a.b".to_owned(), "a.b#2".to_owned()));
        assert_eq!(path, shown);
        assert_eq!(std::collections::HashSet::from([path, shown]).len(), 1);
        assert_ne!(Path::new(["a"]), Path::new(["a"]).nth(2), "two columns of CSV");
    }

    #[test]
    fn a_path_is_its_own_key_unless_another_one_has_its_text() {
        let keys = [Path::new(["a", "b"]), Path::new(["a.b"]), Path::new(["a"]).nth(2), Path::new(["a#2"])];
        assert_eq!(keys.map(|path| path.as_key()), ["a.b", r#"["a.b"]"#, r#"["a"] #2"#, "a#2"]);
    }

    #[test]
    fn no_field_has_the_path_of_the_column_that_fields_share() {
        let (shared, field) = (Path::overflow(), Path::new(["_overflow"]).nth(0));
        assert_ne!(shared, field);
        assert_eq!((shared.to_string(), field.to_string()), ("_overflow".to_owned(), "_overflow".to_owned()));
        assert_eq!(Path::of_written(&shared.written()), Some(shared));
        assert_eq!(Path::of_written(&field.written()), Some(field));
    }

    proptest! {
        #[test]
        fn every_path_reads_back_from_its_key(keys in prop::collection::vec("[a.\\[\\]\"# ]{0,4}|\\PC*", 0..4), nth in 1..4u32) {
            let path = Path::new(keys).nth(nth);
            prop_assert_eq!(Path::of_key(&path.as_key()), path);
        }
    }
}

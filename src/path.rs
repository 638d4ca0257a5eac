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
    /// Which of several equal CSV headers this is, from 1.
    nth: u32,
    /// Raises the number shown, for a path whose text another path has already.
    mark: u32,
}

impl Path {
    /// Makes a path from its keys, outermost first. The key `[]` stands for an array's elements.
    pub fn new<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Self {
        Path { keys: keys.into_iter().map(Into::into).collect(), nth: 1, mark: 0 }
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
        self.mark += 1;
        self
    }

    /// Which of several equal CSV headers this is, from 1.
    pub fn ordinal(&self) -> u32 {
        self.nth
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
        if self.nth + self.mark > 1 {
            write!(f, "#{}", self.nth + self.mark)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_print_with_dots_and_brackets() {
        assert_eq!(Path::new(["order", "items", "[]", "sku"]).to_string(), "order.items[].sku");
        assert_eq!(Path::new(["a"]).nth(2).to_string(), "a#2");
        assert_eq!(Path::new([""]).to_string(), "");
    }
}

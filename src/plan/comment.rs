//! Column comments that keep the source path, so that a column is known again under any name.

use crate::path::Path;

/// What a column comment of ours begins with.
const PREFIX: &str = "longshore path: ";

/// The comment on a table; its number changes when the form of the column comments does.
pub(super) const ON_TABLE: &str = "longshore table: column comments hold source paths, form 1";

/// The comment that keeps a column's path: its keys as a JSON array, then `#n` for the nth column of that text.
///
/// Keys rather than the path's text, so that `{"a.b": 1}` and `{"a": {"b": 1}}` stay apart.
///
/// ```
/// use longshore::Path;
/// use longshore::plan::{comment_of, path_of_comment};
/// let path = Path::new(["order", "zip"]);
/// assert_eq!(comment_of(&path), r#"longshore path: ["order","zip"]"#);
/// assert_eq!(path_of_comment(&comment_of(&path)), Some(path));
/// ```
pub fn comment_of(path: &Path) -> String {
    format!("{PREFIX}{}", path.written())
}

/// The path that a comment keeps, if it is one of ours.
///
/// Other lines of the comment are the user's own and are passed over.
pub fn path_of_comment(comment: &str) -> Option<Path> {
    comment.lines().find_map(|line| Path::of_written(line.trim_end().strip_prefix(PREFIX)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_users_words_beside_the_path_do_not_hide_it() {
        let path = Path::new(["a"]).nth(3);
        assert_eq!(path_of_comment(&format!("net of tax\n{}\nsee wiki", comment_of(&path))), Some(path));
        for other in ["", "the path", "longshore path: a.b", "longshore path: [1]", "longshore path: [\"a\"] x"] {
            assert_eq!(path_of_comment(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn every_path_reads_back_from_its_comment(keys: Vec<String>, nth in 1..9u32) {
            let path = Path::new(keys).nth(nth);
            let comment = comment_of(&path);
            prop_assert!(!comment.contains('\0'), "a server would refuse U+0000");
            prop_assert_eq!(path_of_comment(&comment), Some(path));
        }
    }
}

//! Which arrays become tables of their own.

/// Which arrays of a stream's records become child tables, one row for each element.
///
/// The elements of `order.items` in table `shop` go into `shop__order_items`. A row there has `_parent_id`, equal to `_id`
/// of its record, and `_index`, the element's place from 0. An element that is an object gives its fields, any other
/// is in `value`. In the record's own row the array's place is taken by its length.
///
/// `_id` is the same whenever the record is loaded: it is a hash of the merge key where there is one, else of the
/// record's source, position and place in its write.
///
/// ```
/// use longshore::ChildTables;
/// assert!(ChildTables::paths(["order.items"]).includes("order.items"));
/// assert!(!ChildTables::default().includes("order.items"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ChildTables {
    /// None: arrays stay whole, as JSON.
    #[default]
    None,
    /// All of them, also those within elements.
    All,
    /// Those at these paths. Of an array within the elements of another one the path is `order.items[].tags`.
    Paths(Vec<String>),
}

impl ChildTables {
    /// Names the arrays by their paths.
    pub fn paths(paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        ChildTables::Paths(paths.into_iter().map(Into::into).collect())
    }

    /// Whether the array at a path becomes a table.
    pub fn includes(&self, path: &str) -> bool {
        match self {
            ChildTables::None => false,
            ChildTables::All => true,
            ChildTables::Paths(paths) => paths.iter().any(|known| known == path),
        }
    }
}

//! A name for a table that was not given one.

/// The table name made of an input's name: `shop/orders-2024.ndjson.gz` is `orders_2024`.
///
/// Folders and endings are left out, every character that is neither a letter nor a digit becomes `_`, ASCII letters
/// become lower case, and a leading digit gets a `_`. A name of which nothing is left is `records`.
///
/// ```
/// assert_eq!(longshore::table_for("shop/orders-2024.ndjson.gz"), "orders_2024");
/// assert_eq!(longshore::table_for("2024.csv"), "_2024");
/// assert_eq!(longshore::table_for("<stdin>"), "stdin");
/// assert_eq!(longshore::table_for("..."), "records");
/// ```
pub fn table_for(name: &str) -> String {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = file.trim_start_matches('.').split('.').next().unwrap_or_default();
    let clean: String = stem.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    match clean.trim_matches('_') {
        "" => "records".to_string(),
        name if name.starts_with(|c: char| c.is_numeric()) => format!("_{name}"),
        name => name.to_string(),
    }
}

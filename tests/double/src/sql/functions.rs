//! The functions that a statement may call, and the relations of the catalog that it may read.

/// Functions of Redshift's guide that the backing server has too, or that the double adds; sorted.
const FUNCTIONS: &[&str] = &[
    "abs",
    "ascii",
    "avg",
    "bit_and",
    "bit_or",
    "bool_and",
    "bool_or",
    "btrim",
    "can_json_parse",
    "ceil",
    "ceiling",
    "char_length",
    "character_length",
    "chr",
    "coalesce",
    "col_description",
    "concat",
    "convert_timezone",
    "count",
    "current_database",
    "current_schema",
    "current_schemas",
    "current_setting",
    "date",
    "date_part",
    "date_trunc",
    "dense_rank",
    "exp",
    "first_value",
    "floor",
    "format_type",
    "getdate",
    "greatest",
    "has_schema_privilege",
    "has_table_privilege",
    "initcap",
    "is_large_string_enabled",
    "json_parse",
    "json_serialize",
    "json_typeof",
    "lag",
    "last_value",
    "lead",
    "least",
    "left",
    "len",
    "length",
    "ln",
    "log",
    "lower",
    "lpad",
    "ltrim",
    "max",
    "md5",
    "min",
    "mod",
    "ntile",
    "nullif",
    "nvl",
    "obj_description",
    "octet_length",
    "pg_backend_pid",
    "pg_cancel_backend",
    "pg_get_userbyid",
    "pg_last_copy_count",
    "pg_last_copy_id",
    "pg_last_query_id",
    "pg_table_is_visible",
    "pg_terminate_backend",
    "position",
    "pow",
    "power",
    "random",
    "rank",
    "regexp_replace",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "row_number",
    "rpad",
    "rtrim",
    "sign",
    "split_part",
    "sqrt",
    "stddev",
    "strpos",
    "substr",
    "substring",
    "sum",
    "sysdate",
    "to_char",
    "to_date",
    "to_hex",
    "to_number",
    "to_timestamp",
    "translate",
    "trim",
    "trunc",
    "upper",
    "variance",
    "version",
];

/// Functions that the backing server would find first as its own, and that the double has as well.
const OVERRIDDEN: &[&str] = &["format_type", "version"];

/// Catalog relations that a session sees; the double has each as a view of its own.
const CATALOG: &[&str] = &[
    "pg_attrdef",
    "pg_attribute",
    "pg_class",
    "pg_constraint",
    "pg_database",
    "pg_depend",
    "pg_description",
    "pg_namespace",
    "pg_rewrite",
    "pg_table_def",
    "pg_tables",
    "pg_type",
    "pg_user",
    "pg_views",
    "stl_load_commits",
    "stl_load_errors",
    "stl_loaderror_detail",
    "stv_db_isolation_level",
    "stv_sessions",
    "stv_slices",
    "svl_s3log",
    "svv_columns",
    "svv_table_info",
    "svv_tables",
    "sys_load_detail",
    "sys_load_error_detail",
    "sys_load_history",
];

/// Relations of `information_schema`; the double's views have a prefix.
const INFORMATION: &[&str] = &["columns", "schemata", "tables"];

/// Words in front of a parenthesis that call nothing.
const KEYWORDS: &[&str] = &[
    "all",
    "and",
    "any",
    "as",
    "by",
    "case",
    "cast",
    "char",
    "character",
    "convert",
    "decimal",
    "else",
    "except",
    "exists",
    "extract",
    "from",
    "in",
    "insert",
    "intersect",
    "into",
    "join",
    "not",
    "numeric",
    "on",
    "or",
    "over",
    "partition",
    "select",
    "set",
    "some",
    "then",
    "time",
    "timestamp",
    "union",
    "using",
    "values",
    "varbyte",
    "varchar",
    "when",
    "where",
    "within",
    "with",
    "like",
    "between",
    "is",
    "distinct",
    "having",
    "limit",
    "offset",
    "return",
    "group",
    "default",
    "nvarchar",
    "nchar",
    "end",
];

/// Whether a statement may call this function.
pub(crate) fn is_function(name: &str) -> bool {
    FUNCTIONS.binary_search(&name).is_ok()
}

/// Whether a word in front of a parenthesis is part of the grammar.
pub(crate) fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

/// Whether the double's function has to be named by its schema.
pub(crate) fn is_overridden(name: &str) -> bool {
    OVERRIDDEN.contains(&name)
}

/// Whether a name belongs to the system's relations at all.
pub(crate) fn is_system_name(name: &str) -> bool {
    ["pg_", "stl_", "stv_", "svv_", "svl_", "svcs_", "sys_"].iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a session sees this system relation.
pub(crate) fn is_catalog(name: &str) -> bool {
    CATALOG.contains(&name)
}

/// The double's view for a relation of `information_schema`.
pub(crate) fn information(name: &str) -> Option<String> {
    INFORMATION.contains(&name).then(|| format!("information_schema_{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_that_is_searched_is_sorted() {
        assert!(FUNCTIONS.is_sorted());
    }
}

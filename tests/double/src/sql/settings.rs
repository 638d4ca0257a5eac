//! `SET`, `RESET` and `SHOW`: which parameters there are.

use super::cursor::Cursor;
use super::token::Token;
use crate::refusal::Refusal;

/// What is done to a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// The names after `SET search_path TO`.
    SearchPath(Vec<Token>),
    /// A parameter that the backing server has too: it is set there, as the statement says.
    Backing,
    /// A parameter of Redshift alone, and its new value.
    Own(String, String),
    /// `SHOW` of a parameter.
    Show(String),
}

/// Parameters that the backing server has as well.
const SHARED: &[&str] = &["statement_timeout", "datestyle", "timezone", "application_name", "extra_float_digits"];

/// Parameters of Redshift that change nothing the double does, but for the first.
const OWN: &[&str] = &[
    "enable_case_sensitive_identifier",
    "query_group",
    "wlm_query_slot_count",
    "enable_result_cache_for_session",
    "json_parse_dedup_attributes",
    "json_parse_truncate_strings",
    "json_serialization_enable",
    "json_serialization_parse_nested_strings",
    "enable_case_sensitive_super_attribute",
    "analyze_threshold_percent",
    "describe_field_name_in_uppercase",
    "navigate_super_null_on_error",
    "cast_super_null_on_error",
    "client_encoding",
    "downcase_delimited_identifier",
    "idle_session_timeout",
    "max_cursor_result_set_size",
    "mv_enable_aqmv_for_session",
    "spectrum_enable_pseudo_columns",
    "error_on_nondeterministic_update",
    "default_geometry_encoding",
];

/// Reads the whole statement.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Setting, Refusal> {
    let show = cursor.take("show");
    let reset = !show && cursor.take("reset");
    if !show && !reset {
        cursor.expect("set")?;
        let _ = cursor.take("session authorization") || cursor.take("session") || cursor.take("local");
    }
    if cursor.take("time zone") {
        return Ok(Setting::Backing);
    }
    let name = cursor.next().map(|token| token.value.clone()).ok_or_else(|| cursor.error())?;
    let known = name == "search_path" || SHARED.contains(&name.as_str()) || OWN.contains(&name.as_str());
    if !known {
        return Err(Refusal::new("42704", format!("unrecognized configuration parameter \"{name}\"")));
    }
    if show {
        return Ok(Setting::Show(name));
    }
    if reset {
        return Ok(if SHARED.contains(&name.as_str()) { Setting::Backing } else { Setting::Own(name, String::new()) });
    }
    if !cursor.take("to") && !cursor.take_mark("=") {
        return Err(cursor.error());
    }
    let value = cursor.rest();
    if value.is_empty() {
        return Err(cursor.error());
    }
    if name == "search_path" {
        return Ok(Setting::SearchPath(value.to_vec()));
    }
    if name == "extra_float_digits" && value.last().and_then(|t| t.value.parse::<i32>().ok()).is_some_and(|n| n > 2) {
        return Err(Refusal::new(
            "22023",
            "3 is outside the valid range for parameter \"extra_float_digits\" (-15 .. 2)",
        ));
    }
    if SHARED.contains(&name.as_str()) {
        return Ok(Setting::Backing);
    }
    Ok(Setting::Own(name, value[0].value.to_ascii_lowercase()))
}

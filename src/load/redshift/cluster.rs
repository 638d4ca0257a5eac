//! What a cluster says of itself, where it says anything.

use super::session::Session;

/// Whether texts of more than 65,535 bytes are taken inside of SUPER (1.2). A server that does not know the question takes
/// none.
pub(super) fn takes_large_strings(session: &mut Session) -> bool {
    let asked = session.value("asking for the longest texts", "SELECT is_large_string_enabled()");
    let answer = asked.ok().flatten().unwrap_or_default();
    ["t", "true", "on", "1"].contains(&answer.trim().to_ascii_lowercase().as_str())
}

/// The slices of the cluster, if it tells.
pub(super) fn slices(session: &mut Session) -> Option<u32> {
    let sql = "SELECT CAST(COUNT(DISTINCT slice) AS VARCHAR) FROM stv_slices";
    session.number("asking for the slices", sql).ok().and_then(|slices| u32::try_from(slices).ok()).filter(|n| *n > 0)
}

//! The promise that every place keeps before it commits: read = loaded + quarantined, as the place itself counts.

use super::Counts;
use crate::error::{Error, ErrorKind, Result};

/// Holds the counts of `place` (`the server`) against ours. Both pairs are (sent, counted by the place); of the rows that
/// the place counted, `deduplicated` lost to others.
pub(super) fn conserved(
    place: &str,
    read: u64,
    rows: (u64, u64),
    kept: (u64, u64),
    deduplicated: u64,
) -> Result<Counts> {
    let complaint = if rows.0 != rows.1 {
        format!("{place} stored {} of {} rows sent", rows.1, rows.0)
    } else if kept.0 != kept.1 {
        format!("{place} stored {} of {} quarantined records", kept.1, kept.0)
    } else if read != rows.1 + kept.1 {
        format!("{read} records were read, but {} rows loaded and {} quarantined", rows.1, kept.1)
    } else {
        let loaded = rows.1.saturating_sub(deduplicated);
        return Ok(Counts { read, loaded, quarantined: kept.1, deduplicated });
    };
    Err(Error::new(ErrorKind::NotConserved, format!("{complaint}; nothing was loaded")))
}

/// Whether no more records are quarantined than the caller allows.
pub(super) fn within_limit(quarantined: u64, limit: Option<u64>) -> Result<()> {
    match limit {
        Some(limit) if quarantined > limit => {
            let message = format!("more than {limit} records do not fit; nothing was loaded");
            Err(Error::new(ErrorKind::TooManyQuarantined, message).with_hint(
                "load into a folder (`dir:FOLDER`) without a limit to see what does not fit; give a column a wider type, or raise the limit",
            ))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_differ_anywhere_are_not_conserved() {
        let counts = Counts { read: 5, loaded: 3, quarantined: 2, deduplicated: 0 };
        assert_eq!(conserved("it", 5, (3, 3), (2, 2), 0).unwrap(), counts);
        let merged = Counts { loaded: 1, deduplicated: 2, ..counts };
        assert_eq!(conserved("it", 5, (3, 3), (2, 2), 2).unwrap(), merged);
        for (read, rows, kept) in [(5, (3, 2), (2, 2)), (5, (3, 3), (2, 1)), (6, (3, 3), (2, 2)), (4, (3, 3), (2, 2))] {
            assert_eq!(conserved("it", read, rows, kept, 0).unwrap_err().kind(), ErrorKind::NotConserved);
        }
    }

    #[test]
    fn one_record_past_the_limit_is_too_many() {
        assert!(within_limit(2, Some(2)).is_ok() && within_limit(9, None).is_ok());
        assert_eq!(within_limit(3, Some(2)).unwrap_err().kind(), ErrorKind::TooManyQuarantined);
    }
}

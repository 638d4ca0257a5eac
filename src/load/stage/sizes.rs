//! How many files a load becomes, and where one ends.
//!
//! Redshift reads files in parallel, one a slice at a time. So their number is a multiple of the slices and their sizes
//! are alike, each between 1 MiB and the limit. What the rows take as stored is not known before they are encoded, so
//! the first of them are encoded once for the measure.

/// The least that a file should have: below it a request costs more than what it brings.
const LEAST_BYTES: u64 = 1 << 20;

/// Where files end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Records of the input, where they are known.
    records: Option<u64>,
    /// Files.
    files: u64,
    /// The size past which a file ends in any case.
    part_bytes: u64,
}

impl Sizes {
    /// Plans files for `records` of about `row_bytes` bytes each.
    pub(super) fn plan(records: Option<u64>, row_bytes: f64, slices: u32, part_bytes: u64) -> Self {
        let total = records.map_or(0.0, |records| records as f64 * row_bytes) as u64;
        let slices = u64::from(slices.max(1));
        let whole = slices * total.div_ceil(slices * part_bytes).max(1);
        // Too little for every slice: then as many as are of use.
        let files = if total / whole < LEAST_BYTES { (total / LEAST_BYTES).clamp(1, slices) } else { whole };
        Sizes { records, files, part_bytes }
    }

    /// The number of the file that the record of this number belongs to, as far as records tell.
    pub(super) fn file_of(&self, record: u64) -> u64 {
        match self.records {
            Some(records) if records > 0 => {
                let at = u128::from(record) * u128::from(self.files) / u128::from(records);
                (at as u64).min(self.files - 1)
            }
            _ => 0,
        }
    }

    /// Whether a file of this size ends, whatever the records tell. An estimate that was too low by half is borne, so
    /// that the number of files stays what it was planned to be.
    pub(super) fn is_full(&self, bytes: u64) -> bool {
        bytes >= if self.records.is_some() { self.part_bytes.saturating_mul(3) / 2 } else { self.part_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn files(total: u64, slices: u32) -> u64 {
        let sizes = Sizes::plan(Some(1_000_000), total as f64 / 1e6, slices, 100 * MIB);
        let numbers: std::collections::BTreeSet<u64> = (0..1_000_000).step_by(997).map(|n| sizes.file_of(n)).collect();
        assert_eq!(numbers.len() as u64, sizes.files, "every file gets some");
        sizes.files
    }

    #[test]
    fn files_are_a_multiple_of_the_slices_within_the_limits() {
        assert_eq!(files(100, 4), 1, "too little to share");
        assert_eq!(files(3 * MIB + 1000, 4), 3, "one for each MiB");
        assert_eq!(files(5 * MIB, 4), 4);
        assert_eq!(files(399 * MIB, 4), 4);
        assert_eq!(files(401 * MIB, 4), 8);
        assert_eq!(files(10_000 * MIB, 32), 128);
        assert_eq!(files(64 * MIB, 1), 1);
    }

    #[test]
    fn without_the_number_of_records_a_file_ends_by_its_size() {
        let sizes = Sizes::plan(None, 100.0, 4, MIB);
        assert_eq!(sizes.file_of(1_000_000), 0);
        assert!(sizes.is_full(MIB) && !sizes.is_full(MIB - 1));
    }
}

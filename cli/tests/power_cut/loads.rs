//! Inputs of which everything is known, and what must have become of them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;

/// Every so many records one is broken.
const BROKEN: u64 = 97;

/// A file of records, each with a number and a text that does not compress.
pub(crate) struct Input {
    records: std::ops::Range<u64>,
    pub(crate) path: PathBuf,
}

impl Input {
    pub(crate) fn new(folder: &Path, name: &str, records: std::ops::Range<u64>) -> Self {
        let input = Input { records, path: folder.join(name) };
        let line = |i| match i % BROKEN {
            0 => format!("{{\"a\":{i},broken\n"),
            _ => format!("{{\"a\":{i},\"s\":\"{}\"}}\n", text(i)),
        };
        fs::write(&input.path, input.records.clone().map(line).collect::<String>()).unwrap();
        input
    }

    pub(crate) fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }

    pub(crate) fn good(&self) -> BTreeSet<u64> {
        self.records.clone().filter(|i| !i.is_multiple_of(BROKEN)).collect()
    }

    pub(crate) fn bad(&self) -> u64 {
        self.records.clone().count() as u64 - self.good().len() as u64
    }
}

/// 600 hexadecimal digits that follow from the number.
fn text(i: u64) -> String {
    let mut word = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = (0..38).map(|_| {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        format!("{word:016x}")
    });
    words.collect::<String>()[..600].to_owned()
}

/// The numbers of the records in a Parquet file, each with its own text.
pub(crate) fn rows(file: &Path) -> Vec<u64> {
    let reader = SerializedFileReader::new(File::open(file).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(|row| {
        let row = row.unwrap();
        // Of whichever width.
        let number = row.get_column_iter().next().unwrap().1.to_string().parse().unwrap();
        assert_eq!(row.get_string(1).unwrap(), &text(number));
        number
    });
    rows.collect()
}

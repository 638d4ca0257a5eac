//! Rows as the backing server's COPY takes them.

use super::{BadRow, LONGEST_ROW};
use crate::catalog::TableColumn;

/// One row in the text format, with its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) bytes: Vec<u8>,
}

/// Puts a row together, `None` being NULL.
///
/// # Errors
///
/// 1213 for a NULL in a column that refuses it.
pub(crate) fn line(values: &[Option<String>], targets: &[TableColumn]) -> Result<Line, BadRow> {
    let mut bytes = Vec::new();
    for (at, (value, column)) in values.iter().zip(targets).enumerate() {
        if at > 0 {
            bytes.push(b'\t');
        }
        match value {
            Some(value) => escape(value, &mut bytes),
            None if column.not_null => {
                return Err(BadRow::new(1213, "Missing data for not-null field").at(at, ""));
            }
            None => bytes.extend(b"\\N"),
        }
    }
    if bytes.len() > LONGEST_ROW {
        return Err(BadRow::new(1204, "Row length exceeds 4194304 bytes"));
    }
    bytes.push(b'\n');
    Ok(Line { bytes })
}

fn escape(value: &str, to: &mut Vec<u8>) {
    for byte in value.bytes() {
        match byte {
            b'\\' => to.extend(b"\\\\"),
            b'\t' => to.extend(b"\\t"),
            b'\n' => to.extend(b"\\n"),
            b'\r' => to.extend(b"\\r"),
            _ => to.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_ends_it() {
        let mut bytes = Vec::new();
        escape("a\tb\\N\n\r", &mut bytes);
        assert_eq!(bytes, b"a\\tb\\\\N\\n\\r");
    }
}

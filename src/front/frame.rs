//! A message or a quarantined record → lines that can be read like any others.

use std::borrow::Cow;

use crate::records::check_json;

/// What a value is to a stream.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::front) enum Framed<'a> {
    /// Whole records: lines of JSON, or rows of CSV.
    Records(Cow<'a, [u8]>),
    /// No record, and why.
    NoRecord(String),
}

/// Looks whether a value that stands for itself is one record, or a record a line.
///
/// JSON may go over several lines: its line ends then stand between tokens, and become blanks. A value of several lines
/// that is neither one object nor an object a line is no record as a whole: taken apart, the middle of a broken document
/// could pass for a record.
pub(in crate::front) fn frame(value: &[u8], is_csv: bool) -> Framed<'_> {
    let record = value.trim_ascii_end();
    if record.trim_ascii_start().is_empty() {
        return Framed::NoRecord("an empty value".into());
    }
    if is_csv || !record.contains(&b'\n') {
        return Framed::Records(Cow::Borrowed(value));
    }
    let begins_an_object = |text: &[u8]| text.trim_ascii_start().first() == Some(&b'{');
    let whole = check_json(record);
    if begins_an_object(record) && whole.is_ok() {
        let one_line = record.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte });
        return Framed::Records(Cow::Owned(one_line.collect()));
    }
    let mut lines = record.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    if lines.all(|line| begins_an_object(line) && check_json(line).is_ok()) {
        return Framed::Records(Cow::Borrowed(value));
    }
    Framed::NoRecord(match whole {
        Err(fault) => fault.to_string(),
        Ok(()) => "not a JSON object".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &str) -> Result<String, String> {
        match frame(value.as_bytes(), false) {
            Framed::Records(bytes) => Ok(String::from_utf8(bytes.into_owned()).unwrap()),
            Framed::NoRecord(why) => Err(why),
        }
    }

    #[test]
    fn an_object_over_several_lines_is_one_record() {
        assert_eq!(json("{\n  \"a\": 1,\r\n  \"b\": \"x\"\n}\n"), Ok("{   \"a\": 1,\r   \"b\": \"x\" }".into()));
        assert_eq!(json("{\"a\":1}\n"), Ok("{\"a\":1}\n".into()));
    }

    #[test]
    fn an_object_a_line_stays_as_it_is() {
        let two = "{\"a\":1}\n\n{\"a\":2}\n";
        assert_eq!(json(two), Ok(two.into()));
    }

    #[test]
    fn no_part_of_a_broken_document_passes_for_a_record() {
        for broken in ["[\n{\"a\":1}\n,\n{\"a\":2}\n", "{\"items\":[\n{\"a\":1}\n", "{\"a\":\"x\ny\"}"] {
            assert!(json(broken).is_err(), "{broken}");
        }
        assert_eq!(json("[\n1\n]"), Err("not a JSON object".into()));
    }

    #[test]
    fn nothing_is_no_record() {
        assert_eq!(json(" \n"), Err("an empty value".into()));
        assert_eq!(frame(b"\n", true), Framed::NoRecord("an empty value".into()));
        assert_eq!(frame(b"1,\"a\nb\"\n", true), Framed::Records(Cow::Borrowed(b"1,\"a\nb\"\n")));
    }
}

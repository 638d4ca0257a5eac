//! JSON documents: the records of one top-level array, or values one after another over any number of lines.

use memchr::memchr_iter;

use super::{Index, Place, WalkState, is_blank};
use crate::records::reader::Limits;
use crate::records::{PathTable, record::Fault, record::Sink};
use crate::source::{Chunk, Cut};

/// Finds where top-level values begin and end. Can stop at the end of a buffer and go on when there is more.
#[derive(Debug, Clone, Default)]
struct Scanner {
    at: usize,
    between: Between,
    value: Option<Value>,
}

/// Where the scanner stands when it is in no value.
#[derive(Debug, Clone, Copy, Default)]
struct Between {
    /// Inside a top-level array, whose elements are the records.
    in_array: bool,
    /// Whether a value stands before this, with no comma behind it; or one that need not be there.
    filled: bool,
    /// Whether a comma had no value before it, or a bracket closed what was not open.
    odd: bool,
}

/// A value whose end is being looked for.
#[derive(Debug, Clone, Copy)]
struct Value {
    start: usize,
    /// A number, a word, or what is neither.
    bare: bool,
    depth: usize,
    in_string: bool,
    /// Behind a backslash in a string.
    escaped: bool,
}

impl Scanner {
    /// The next value that ends in `data`: where it begins and ends. With `at_end`, what is left counts as one.
    fn next(&mut self, data: &[u8], at_end: bool) -> Option<(usize, usize)> {
        if self.value.is_none() {
            self.between(data);
            let bare = !matches!(data.get(self.at)?, b'{' | b'[' | b'"');
            self.between.filled = true;
            self.value = Some(Value { start: self.at, bare, depth: 0, in_string: false, escaped: false });
        }
        let mut value = self.value?;
        if value.bare {
            return self.scalar(data, at_end);
        }
        while let Some(byte) = data.get(self.at) {
            self.at += 1;
            match byte {
                _ if value.escaped => value.escaped = false,
                b'\\' if value.in_string => value.escaped = true,
                b'"' => value.in_string = !value.in_string,
                b'{' | b'[' if !value.in_string => value.depth += 1,
                b'}' | b']' if !value.in_string => value.depth = value.depth.saturating_sub(1),
                _ => {}
            }
            if value.depth == 0 && !value.in_string {
                self.value = None;
                return Some((value.start, self.at));
            }
        }
        self.value = Some(value);
        at_end.then(|| self.rest(value.start, data))
    }

    /// Passes over what stands between values: white space, commas, and the brackets of a top-level array.
    fn between(&mut self, data: &[u8]) {
        let Between { in_array, filled, odd } = &mut self.between;
        while let Some(byte) = data.get(self.at) {
            match byte {
                b'[' if !*in_array => (*in_array, *filled) = (true, false),
                b']' => {
                    *odd |= !*in_array;
                    (*in_array, *filled) = (false, true);
                }
                b',' => *odd |= !std::mem::replace(filled, false),
                byte if is_blank(*byte) => {}
                _ => return,
            }
            self.at += 1;
        }
    }

    /// A bare word: it is no record, and ends where a record could begin.
    fn scalar(&mut self, data: &[u8], at_end: bool) -> Option<(usize, usize)> {
        let start = self.value?.start;
        let ends = |byte: &u8| is_blank(*byte) || matches!(byte, b',' | b']' | b'{' | b'[' | b'"');
        let from = self.at.max(start + 1).min(data.len());
        match data[from..].iter().position(ends) {
            Some(len) => {
                self.at = from + len;
                self.value = None;
                Some((start, self.at))
            }
            None if at_end => Some(self.rest(start, data)),
            None => {
                self.at = data.len();
                None
            }
        }
    }

    fn rest(&mut self, start: usize, data: &[u8]) -> (usize, usize) {
        self.value = None;
        self.at = data.len();
        (start, data.len())
    }
}

/// Cuts documents behind top-level values.
#[derive(Debug, Default)]
pub(crate) struct DocumentCut {
    /// What the present border stands in.
    at_border: Between,
    /// The value that is too long to be held, as far as it has come.
    long: Scanner,
}

impl DocumentCut {
    fn scanner(&self) -> Scanner {
        Scanner { between: self.at_border, ..Scanner::default() }
    }
}

impl Cut for DocumentCut {
    fn cut(&mut self, buffer: &[u8], at_end: bool) -> usize {
        let mut scanner = self.scanner();
        let mut border = 0;
        while let Some((_, end)) = scanner.next(buffer, false) {
            border = end;
            self.at_border = scanner.between;
        }
        if !at_end {
            return border;
        }
        self.at_border = scanner.between;
        // A value that is cut off is a broken record, which says enough.
        self.at_border.in_array &= scanner.value.is_none();
        buffer.len()
    }

    /// All of a buffer without a value, and nothing of one that is too long.
    fn give_up(&mut self, buffer: &[u8]) -> usize {
        let mut scanner = self.scanner();
        scanner.between(buffer);
        if scanner.at < buffer.len() {
            return 0;
        }
        self.at_border = scanner.between;
        buffer.len()
    }

    /// To the end of the value, for what is inside of it are no records. One that never ends takes all that follows with it.
    fn pass(&mut self, bytes: &[u8], first: bool) -> Option<usize> {
        if first {
            self.long = self.scanner();
        }
        self.long.at = 0;
        let end = self.long.next(bytes, false).map(|(_, end)| end);
        self.at_border = self.long.between;
        self.at_border.in_array &= end.is_some();
        end
    }

    fn state(&self) -> u8 {
        u8::from(self.at_border.in_array)
    }

    fn missing_end(&self) -> Option<&'static str> {
        let Between { in_array, odd, .. } = self.at_border;
        match (in_array, odd) {
            (true, _) => Some("the input ends inside its top-level array, so records may be missing"),
            (_, true) => {
                Some("the input has a comma or a bracket too many between its values, so records may be missing")
            }
            _ => None,
        }
    }
}

/// Reads chunks of documents.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    index: Index,
    scratch: Vec<u8>,
    state: WalkState,
}

impl Documents {
    /// Reads every top-level value of a chunk. A value is one JSON object, or bad.
    pub(crate) fn read(&mut self, chunk: &Chunk, paths: &mut PathTable, limits: &Limits, sink: &mut impl Sink) {
        let data = chunk.data();
        let between = Between { in_array: chunk.state != 0, ..Between::default() };
        let mut scanner = Scanner { between, ..Scanner::default() };
        let mut line = chunk.first_line;
        let mut counted = 0;
        while let Some((start, end)) = scanner.next(data, true) {
            line += memchr_iter(b'\n', &data[counted..start]).count() as u64;
            counted = start;
            let place = Place { source: chunk.source, offset: chunk.offset + start as u64, line };
            let text = &data[start..end];
            if text.len() > limits.max_record_bytes {
                place.bad(text, Fault::TooLong, sink);
            } else {
                self.index.read_one(text, &mut self.scratch, &place, paths, &mut self.state, limits, sink);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        let mut scanner = Scanner::default();
        std::iter::from_fn(|| scanner.next(text.as_bytes(), true).map(|(from, to)| text[from..to].to_string()))
            .collect()
    }

    #[test]
    fn records_are_the_elements_of_an_array_or_values_one_after_another() {
        assert_eq!(values("[{\"a\":[1]},\n {\"b\":\"]}\\\"\"}]\n"), ["{\"a\":[1]}", "{\"b\":\"]}\\\"\"}"]);
        assert_eq!(values("{\"a\":1}{\"a\":\n2}"), ["{\"a\":1}", "{\"a\":\n2}"]);
        assert_eq!(values("[1, \"x\",{}] [ ]"), ["1", "\"x\"", "{}"]);
        assert_eq!(values("{\"a\":"), ["{\"a\":"]);
        assert!(values(" \n").is_empty());
    }

    #[test]
    fn an_array_that_is_never_closed_is_noticed_once() {
        for (text, missing) in [
            ("[{\"a\":1},{\"a\":2}]\n", false),
            ("[{\"a\":1},{\"a\":2}", true),
            ("[{\"a\":1},", true),
            ("[", true),
            ("[{\"a\":1},{\"a\":", false),
            ("{\"a\":1}{\"a\":2}", false),
            // Commas may be left out, and one may stand at the end; but where a value should be there is one.
            ("[{\"a\":1} {\"a\":2},]\n[ ],{},[1]", false),
            ("[{\"a\":1},,{\"a\":2}]", true),
            ("[,{\"a\":1}]", true),
            (",{\"a\":1}", true),
            ("[{\"a\":1}]]", true),
        ] {
            let mut cut = DocumentCut::default();
            let n = cut.cut(text.as_bytes(), false);
            if n < text.len() {
                cut.cut(&text.as_bytes()[n..], true);
            }
            assert_eq!(cut.missing_end().is_some(), missing, "{text}");
        }
    }

    #[test]
    fn a_value_that_is_too_long_is_passed_over_to_its_end_however_it_comes() {
        let long = "[ {\"a\": [\n{\"x\": \"}\\\\\\\"]\\n\"}, 1]}";
        let text = format!("{long},\n{{\"b\":2}}]");
        for step in 1..long.len() {
            let mut cut = DocumentCut::default();
            let mut passed = 0;
            for (i, piece) in text.as_bytes().chunks(step).enumerate() {
                let end = cut.pass(piece, i == 0);
                passed += end.unwrap_or(piece.len());
                if end.is_some() {
                    break;
                }
                assert!(cut.missing_end().is_none(), "a value without an end says enough");
            }
            assert_eq!((passed, cut.state()), (long.len(), 1), "pieces of {step} bytes");
        }
        assert_eq!(DocumentCut::default().give_up(b" [ \n"), 4);
    }

    #[test]
    fn cuts_at_any_size_lose_nothing() {
        let text = "[ {\"a\": [1, {\"x\": \"}\"}]},\n{\"b\": 2}, 17, \"s,]\",\n{\"c\": {}} ]\n{\"d\":4}";
        let expected = values(text);
        for step in 1..text.len() {
            let (mut cut, mut buffer, mut found) = (DocumentCut::default(), Vec::new(), Vec::new());
            for (i, piece) in text.as_bytes().chunks(step).enumerate() {
                buffer.extend_from_slice(piece);
                let at_end = (i + 1) * step >= text.len();
                let mut scanner = cut.scanner();
                let n = cut.cut(&buffer, at_end);
                while let Some((from, to)) = scanner.next(&buffer[..n], true) {
                    found.push(String::from_utf8(buffer[from..to].to_vec()).unwrap());
                }
                buffer.drain(..n);
            }
            assert_eq!(found, expected, "pieces of {step} bytes");
        }
    }
}

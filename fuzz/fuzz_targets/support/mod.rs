//! What the targets share: inputs close to real ones, and what must hold of every input.

#![allow(dead_code, reason = "each target uses a part of it")]

use longshore::records::FormatOptions;
use longshore::{Inference, Policy, ReadOptions, Source};

use crate::rows;

/// Chunk sizes: every record alone, some together, all together.
pub(crate) const CHUNKS: [usize; 3] = [1, 97, 1 << 20];

/// Records as a service writes them: the shortcuts of a reader are for those.
pub(crate) const LINES: &str = concat!(
    r#"{"messageId":"3f2504e0-4f89-41d3-9a0c-0305e82c3301","type":"track","ts":"2024-03-01T10:20:30.123Z","#,
    r#""userId":1001,"context":{"ip":"10.1.2.3","page":{"path":"/a/b","ref":null},"v":1.25},"ok":true,"tags":["a","b"]}"#,
    "\n",
    r#"{"messageId":"3f2504e0-4f89-41d3-9a0c-0305e82c3302","type":"page","ts":"2024-03-01T10:20:31.456Z","#,
    r#""userId":70012,"context":{"ip":"10.1.2.30","page":{"path":"/c \"d\"","ref":"x"},"v":-0.5},"ok":false,"tags":[]}"#,
    "\n",
    r#"{"messageId":"3f2504e0-4f89-41d3-9a0c-0305e82c3303","type":"track","ts":"2024-03-01T10:20:32Z","#,
    r#""userId":12345678901234567890,"context":{"ip":"","page":{"path":"é 日本 😀"},"v":3},"ok":true,"more":1e5,"tags":[1]}"#,
    "\n",
    r#"{"messageId":"3f2504e0-4f89-41d3-9a0c-0305e82c3304","type":"track","ts":"2024-03-01T10:20:33.000Z","#,
    r#""userId":7,"context":{"ip":"10.1.2.3","page":{"path":"/a/b","ref":null},"v":1.50},"ok":null,"tags":["a","b"]}"#,
    "\n",
    r#"{"messageId":"3f2504e0-4f89-41d3-9a0c-0305e82c3305","type":"track","ts":"2024-03-01T10:20:34.123Z","#,
    r#""userId":1002,"context":{"ip":"10.1.2.3","page":{"path":"/a/b","ref":null},"v":1.25},"ok":true,"tags":["a","b"]}"#,
    "\n",
);

/// Records as one document.
pub(crate) const DOCUMENT: &str = r#"[
  {"id": 1, "name": "a", "at": "2024-01-05", "in": {"x": 1.5, "y": [1, 2, {"z": null}]}},
  {"id": 2, "name": "b \u00e9\n", "at": "2024-01-06", "in": {"x": 2, "y": []}},
  {"id": 3, "name": "", "at": null, "in": {}}
]
"#;

/// Rows as a database writes them.
pub(crate) const TABLE: &str = "\
2013,1,1,517,515,2,EWR,N14228,1.5,2013-01-01T05:00:00Z,\"a \"\"b\"\"\",x
2013,1,1,533,529,4,LGA,N24211,-0.25,2013-01-01T05:00:00Z,\"two\nlines\",y
2013,1,1,NA,,12,JFK,,100,2013-01-01T06:00:00Z,,z
2013,12,31,2359,00517,-7,EWR,N804JB,1e3,2013-12-31T23:59:59Z,é,
2013,1,1,554,600,-6,LGA,N668DN,762,2013-01-01T06:00:00Z,plain,x
";

/// Whether something opens these bytes before the reader sees them: compressed input, or a byte-order mark.
pub(crate) fn is_opened(data: &[u8]) -> bool {
    let marks: [&[u8]; 5] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
    marks.iter().any(|mark| data.starts_with(mark))
}

/// The bytes as they are, or, if they begin with a NUL, as edits to a text: two bytes for the place, one for what to do,
/// one to put there.
pub(crate) fn edited(data: &[u8], base: &str) -> Vec<u8> {
    let Some(edits) = data.strip_prefix(b"\0") else {
        return if is_opened(data) { Vec::new() } else { data.to_vec() };
    };
    let mut text = base.as_bytes().to_vec();
    for edit in edits.chunks_exact(4).take(64) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % (text.len() + 1);
        match edit[2] % 8 {
            0..=2 if at < text.len() => text[at] = edit[3],
            3 | 4 => text.insert(at, edit[3]),
            5 if at < text.len() => drop(text.remove(at)),
            6 => {
                // A stretch stands twice.
                let end = (at + usize::from(edit[3])).min(text.len());
                let stretch = text[at..end].to_vec();
                text.splice(end..end, stretch);
            }
            7 => drop(text.drain(at..(at + usize::from(edit[3] % 32)).min(text.len()))),
            _ => {}
        }
        text.truncate(16 << 10);
    }
    if is_opened(&text) { Vec::new() } else { text }
}

fn options(format: FormatOptions, threads: usize, chunk_bytes: usize) -> ReadOptions {
    ReadOptions::default().format(format).threads(threads).chunk_bytes(chunk_bytes)
}

/// However the input is cut, the same evidence.
pub(crate) fn same_sketch(input: &[u8], format: FormatOptions) {
    let source = Source::bytes(input.to_vec()).encoding(longshore::Encoding::Utf8);
    let sketch = |chunk_bytes: usize| {
        Inference::of(&source, &options(format, 1, chunk_bytes)).map(|inference| inference.sketch.to_bytes()).ok()
    };
    let whole = sketch(1 << 20);
    for chunk_bytes in [1, 97] {
        assert_eq!(sketch(chunk_bytes), whole, "chunks of {chunk_bytes} bytes");
    }
}

/// Under the schema of the whole input, every record that can be read is a row, and holds what the record says.
pub(crate) fn comes_back(input: &[u8], format: FormatOptions) {
    let source = Source::bytes(input.to_vec()).encoding(longshore::Encoding::Utf8);
    if Inference::of(&source, &options(format, 1, 1 << 20)).is_err() {
        return;
    }
    rows::round_trip(&source, format, &Policy::default()).map(drop).unwrap();
}

//! What a write takes.

use std::borrow::Cow;

/// Whole records, as a write takes them: text or bytes in the stream's format.
///
/// Made by `into()` of a `String`, a `Vec<u8>`, or a reference to anything that lends its bytes.
///
/// ```
/// use longshore::StreamRecords;
/// let records: StreamRecords = "{\"id\":1}\n{\"id\":2}\n".into();
/// assert_eq!(records.bytes(), 18);
/// ```
#[derive(Debug, Clone)]
pub struct StreamRecords<'a>(pub(super) Payload<'a>);

#[derive(Debug, Clone)]
pub(super) enum Payload<'a> {
    Bytes(Cow<'a, [u8]>),
}

impl StreamRecords<'_> {
    /// How many bytes they take in memory.
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Payload::Bytes(bytes) => bytes.len(),
        }
    }
}

/// Of everything that lends bytes: `&str`, `&String`, `&[u8]`, `&Vec<u8>`.
impl<'a, T: AsRef<[u8]> + ?Sized> From<&'a T> for StreamRecords<'a> {
    fn from(bytes: &'a T) -> Self {
        StreamRecords(Payload::Bytes(Cow::Borrowed(bytes.as_ref())))
    }
}

impl From<Vec<u8>> for StreamRecords<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        StreamRecords(Payload::Bytes(Cow::Owned(bytes)))
    }
}

impl From<String> for StreamRecords<'_> {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

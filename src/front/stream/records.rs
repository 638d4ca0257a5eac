//! What a write takes.

use std::borrow::Cow;

use arrow_array::RecordBatch;

/// Whole records, as a write takes them: text or bytes in the stream's format, or an Arrow record batch.
///
/// Made by `into()` of a `RecordBatch`, a `String`, a `Vec<u8>`, or a reference to anything that lends its bytes.
///
/// The columns of a record batch become columns of the same type: integers by their width (`UInt64` as `decimal(20,0)`),
/// `Float32` as `float64`, decimals of up to 38 digits and no negative scale, text, dates, times, timestamps (a zone makes them instants; those
/// finer than microseconds are kept as text), `arrow.uuid` and `arrow.json`. Dictionaries count as their values, structs
/// are taken apart by path, lists are JSON. Other types are refused. A row with a NaN, an infinity, or a time that
/// no calendar has is quarantined, wherever in it the value stands.
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
    Batch(RecordBatch),
}

impl StreamRecords<'_> {
    /// How many bytes they take in memory.
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Payload::Bytes(bytes) => bytes.len(),
            Payload::Batch(batch) => batch.get_array_memory_size(),
        }
    }
}

/// Of everything that lends bytes: `&str`, `&String`, `&[u8]`, `&Vec<u8>`.
impl<'a, T: AsRef<[u8]> + ?Sized> From<&'a T> for StreamRecords<'a> {
    fn from(bytes: &'a T) -> Self {
        StreamRecords(Payload::Bytes(Cow::Borrowed(bytes.as_ref())))
    }
}

impl From<RecordBatch> for StreamRecords<'_> {
    fn from(batch: RecordBatch) -> Self {
        StreamRecords(Payload::Batch(batch))
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

//! Decoding chunk by chunk, each as if there were no other.

use std::sync::Arc;

use crate::batch::{Decoded, Decoder};
use crate::error::Result;
use crate::records::{Format, Limits, Reader};
use crate::schema::Schema;
use crate::source::Chunk;

/// A reader and a decoder for chunks, each of which gives the same rows and misfits whatever was decoded before.
///
/// A reader comes to know more and more paths, and of too many keys in one object tells no more apart, so what becomes of
/// a record with such keys depends on what its reader has read. Then the chunk is read again by one that has read nothing.
#[derive(Debug)]
pub(in crate::front) struct ChunkDecoder {
    schema: Arc<Schema>,
    limits: Limits,
    reader: Reader,
    decoder: Decoder,
}

impl ChunkDecoder {
    pub(in crate::front) fn new(schema: Arc<Schema>, limits: Limits) -> Self {
        let (reader, decoder) = Decoder::new(schema.clone()).with_reader(limits);
        ChunkDecoder { schema, limits, reader, decoder }
    }

    /// Decodes a chunk.
    pub(in crate::front) fn decode(&mut self, format: &Format, chunk: &mut Chunk) -> Result<Decoded> {
        let (decoded, ()) = self.decode_by(|reader, decoder| reader.read(format, chunk, decoder))?;
        Ok(decoded)
    }

    /// Decodes what is read once, or from the beginning a second time; what it gives the last time is returned too.
    pub(in crate::front) fn decode_by<T>(
        &mut self,
        mut read: impl FnMut(&mut Reader, &mut Decoder) -> T,
    ) -> Result<(Decoded, T)> {
        let mut made = read(&mut self.reader, &mut self.decoder);
        if self.decoder.is_past_telling_apart() {
            *self = ChunkDecoder::new(self.schema.clone(), self.limits);
            made = read(&mut self.reader, &mut self.decoder);
        }
        Ok((self.decoder.finish()?, made))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Path;
    use crate::schema::{Column, Type};

    #[test]
    fn a_chunk_gives_the_same_whatever_was_decoded_before() {
        let columns = vec![
            Column::new(Path::new(["id"]), "id", Type::Int32),
            Column::new(Path::overflow(), "_overflow", Type::Json),
        ];
        let schema = Arc::new(Schema { columns, overflow: Some(1), ..Schema::default() });
        let chunk = |from: u32, keys: u32| {
            let lines = (from..from + keys).map(|key| format!("{{\"id\":{key},\"k{key}\":1}}\n")).collect::<String>();
            Chunk::new(lines.as_bytes())
        };
        let places = |decoder: &mut ChunkDecoder, chunk: &Chunk| {
            let decoded = decoder.decode(&Format::Ndjson, &mut chunk.clone()).unwrap();
            assert_eq!(decoded.read, (decoded.batch.num_rows() + decoded.misfits.len()) as u64);
            decoded.misfits.iter().map(|misfit| misfit.byte).collect::<Vec<_>>()
        };
        let chunks = [chunk(0, 9_000), chunk(9_000, 3_000), chunk(0, 10_500), chunk(20_000, 10)];
        let mut busy = ChunkDecoder::new(schema.clone(), Limits::default());
        for chunk in chunks.iter().chain(&chunks) {
            let alone = places(&mut ChunkDecoder::new(schema.clone(), Limits::default()), chunk);
            assert_eq!(places(&mut busy, chunk), alone);
        }
        assert!(!places(&mut busy, &chunks[2]).is_empty(), "past 10,000 keys no more are told apart");
    }
}

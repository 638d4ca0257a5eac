use std::io::{Read, Write};

use proptest::prelude::*;

use super::super::testing::{Lines, shared};
use super::super::{Encoding, Source};
use super::*;
use crate::error::ErrorKind;

const SMALL: ChunkOptions = ChunkOptions { chunk_bytes: 64, max_record_bytes: 1000 };

fn pieces(source: &Source, options: ChunkOptions) -> Pieces {
    Pieces::new(source.open(0).unwrap(), Box::new(Lines::default()), 0, options)
}

/// Gives bytes in the portions it is told to, as a pipe may.
struct Portions(Vec<u8>, usize, Vec<usize>);

impl Read for Portions {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let portion = self.2.pop().unwrap_or(7).max(1);
        let room = portion.min(into.len());
        let n = (&self.0[self.1..]).read(&mut into[..room])?;
        self.1 += n;
        Ok(n)
    }
}

/// The pieces put together again, checked for their places; a gap gives its head and its length in dots.
fn join(pieces: Pieces) -> (Vec<u8>, Vec<(u64, usize)>) {
    let (mut all, mut cuts) = (Vec::<u8>::new(), Vec::new());
    let mut sequence = 0;
    for piece in pieces {
        let lines = 1 + all.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let (offset, line, len) = match piece.unwrap() {
            Piece::Records(chunk) => {
                assert_eq!(chunk.sequence, sequence);
                assert!(chunk.buffer[..FRONT_PAD].iter().all(|&byte| byte == b' '));
                assert!(chunk.buffer[FRONT_PAD + chunk.len()..].iter().all(|&byte| byte == 0));
                assert!(!chunk.is_empty());
                sequence += 1;
                all.extend_from_slice(chunk.data());
                (chunk.offset, chunk.first_line, chunk.len())
            }
            Piece::Gap(gap) => {
                all.extend_from_slice(&gap.head);
                all.resize(usize::try_from(gap.offset + gap.len).unwrap(), b'.');
                (gap.offset, gap.line, usize::try_from(gap.len).unwrap())
            }
        };
        assert_eq!(offset, all.len() as u64 - len as u64);
        assert_eq!(line, lines);
        cuts.push((offset, len));
    }
    (all, cuts)
}

fn lines_of(lengths: &[usize]) -> Vec<u8> {
    let mut text = Vec::new();
    for (i, &len) in lengths.iter().enumerate() {
        text.extend(std::iter::repeat_n(b'a' + (i % 26) as u8, len));
        text.push(b'\n');
    }
    text
}

proptest! {
    #[test]
    fn chunks_put_together_are_the_input_for_any_chunk_size(
        lengths in prop::collection::vec(prop_oneof![0usize..40, 0usize..3000], 0..60),
        torn in any::<bool>(),
        chunk_bytes in 1usize..4000,
        portions in prop::collection::vec(1usize..5000, 0..40),
    ) {
        let mut text = lines_of(&lengths);
        if torn {
            text.pop();
        }
        let options = ChunkOptions { chunk_bytes, max_record_bytes: 4000 };
        let (all, cuts) = join(pieces(&Source::bytes(text.clone()), options));
        prop_assert_eq!(&all, &text);
        prop_assert!(cuts.iter().all(|&(_, len)| len <= chunk_bytes.max(3001 * 2)));
        // However the bytes arrive, the cuts are the same.
        let piped = Source::reader(Portions(text, 0, portions));
        prop_assert_eq!(join(pieces(&piped, options)).1, cuts);
    }

    #[test]
    fn which_records_are_too_long_does_not_depend_on_the_chunk_size(
        lengths in prop::collection::vec(prop_oneof![0usize..20, 90usize..110, 0usize..700], 0..40),
        chunk_bytes in 1usize..300,
    ) {
        let text = lines_of(&lengths);
        let gaps = |chunk_bytes| -> Vec<(u64, u64, u64)> {
            let source = Source::bytes(text.clone());
            pieces(&source, ChunkOptions { chunk_bytes, max_record_bytes: 100 })
                .filter_map(|piece| match piece.unwrap() {
                    Piece::Gap(gap) => Some((gap.offset, gap.len, gap.line)),
                    Piece::Records(_) => None,
                })
                .collect()
        };
        let found = gaps(chunk_bytes);
        let expected = lengths.iter().filter(|&&len| len + 1 > 100).count();
        prop_assert_eq!(found.len(), expected);
        prop_assert_eq!(found, gaps(100));
    }
}

#[test]
fn a_record_past_the_limit_is_a_gap_with_its_place_and_head() {
    let text = lines_of(&[10, 200_000, 10]);
    let mut found = pieces(&Source::bytes(text.clone()), SMALL);
    assert!(matches!(found.next(), Some(Ok(Piece::Records(chunk))) if chunk.data() == &text[..11]));
    let Some(Ok(Piece::Gap(gap))) = found.next() else { panic!("a gap") };
    assert_eq!((gap.offset, gap.line, gap.len), (11, 2, 200_001));
    assert_eq!(gap.head, &text[11..11 + (64 << 10)]);
    assert_eq!(gap.reason, "record longer than 1000 bytes");
    let Some(Ok(Piece::Records(chunk))) = found.next() else { panic!("a chunk") };
    assert_eq!((chunk.data(), chunk.first_line, chunk.offset), (&text[200_012..], 3, 200_012));
    assert_eq!((chunk.sequence, chunk.state), (1, 2));
    assert!(found.next().is_none());
}

#[test]
fn a_cutter_that_gives_up_cuts_off_what_it_says_and_goes_on() {
    let text = lines_of(&[5000, 10]);
    let cut = Box::new(Lines::giving_up(3));
    let found = Pieces::new(Source::bytes(text.clone()).open(0).unwrap(), cut, 0, SMALL);
    let (all, cuts) = join(found);
    assert_eq!(all, text);
    assert_eq!(cuts[0], (0, 3));
    assert_eq!(cuts.len(), (5001 - 1000usize).div_ceil(3) + 1 + 1, "{cuts:?}");
}

#[test]
fn giving_up_again_and_again_does_not_copy_the_rest_each_time() {
    let text = vec![b'x'; 3 << 20];
    let cut = Box::new(Lines::giving_up(16));
    let options = ChunkOptions { chunk_bytes: 64 << 10, max_record_bytes: 2 << 20 };
    let mut found = Pieces::new(Source::bytes(text).open(0).unwrap(), cut, 0, options);
    let lens = found.by_ref().map(|piece| if let Ok(Piece::Records(chunk)) = piece { chunk.len() } else { 0 });
    assert_eq!(lens.sum::<usize>(), 3 << 20);
    // 65,536 cuts; moving 2 MiB for each would be 128 GiB.
    assert!(found.moved < 256 << 20, "{}", found.moved);
}

#[test]
fn buffers_that_are_given_back_are_used_again() {
    let source = Source::bytes(lines_of(&[99; 20_000]));
    let found = pieces(&source, ChunkOptions { chunk_bytes: 10_000, max_record_bytes: 20_000 });
    let buffers = found.buffers();
    let mut places = std::collections::BTreeSet::new();
    let mut chunks = 0;
    for piece in found {
        let Piece::Records(chunk) = piece.unwrap() else { panic!("no gaps here") };
        places.insert(chunk.buffer.as_ptr());
        chunks += 1;
        buffers.recycle(chunk);
    }
    assert_eq!(chunks, 200);
    assert!(places.len() <= 4, "{} buffers for 200 chunks", places.len());
}

#[test]
fn peeking_takes_nothing_away() {
    let text = lines_of(&[50; 5000]);
    let mut input = Source::bytes(text.clone()).open(0).unwrap();
    assert_eq!(input.peek(10).unwrap(), &text[..10]);
    assert_eq!(input.peek(100_000).unwrap(), &text[..100_000]);
    assert_eq!(input.peek(1 << 20).unwrap(), &text);
    let (all, _) = join(Pieces::new(input, Box::new(Lines::default()), 0, SMALL));
    assert_eq!(all, text);
}

#[test]
fn an_error_ends_the_pieces_and_finish_repeats_it() {
    let mut stored = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let text: Vec<u8> = (0..50_000u64).flat_map(|i| format!("{}\n", i * 77_777_777_777).into_bytes()).collect();
    stored.write_all(&text).unwrap();
    let mut stored = stored.finish().unwrap();
    stored.truncate(stored.len() - 100);
    let mut input = Source::bytes(stored.clone()).open_hashed(0).unwrap();
    assert!(text.starts_with(input.peek(1 << 20).unwrap()), "what stands before the cut is shown");
    let mut found = Pieces::new(input, Box::new(Lines::default()), 0, ChunkOptions::default());
    let error = found.find_map(std::result::Result::err).unwrap();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let place = error.location().unwrap();
    assert_eq!(place.source.as_deref(), Some("<bytes>"));
    assert!(place.byte.is_some_and(|byte| byte > 100_000 && byte < text.len() as u64));
    assert!(found.next().is_none());
    assert_eq!(found.finish().unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn the_hash_covers_all_stored_bytes_also_when_reading_stops_early() {
    let text = lines_of(&[100; 10_000]);
    let source = Source::bytes(text.clone());
    let mut input = source.open_hashed(0).unwrap();
    input.read_some(&mut [0; 10]).unwrap();
    let end = input.finish().unwrap();
    assert_eq!((end.stored_bytes, end.warnings.len()), (text.len() as u64, 0));
    assert_eq!(end.content_hash, Some(blake3::hash(&text).into()));
    assert_eq!(source.open(0).unwrap().finish().unwrap().content_hash, None);
}

#[test]
fn a_sample_is_spread_over_a_file_and_begins_its_stretches_at_line_starts() {
    let text: Vec<u8> = (0..200_000u64).flat_map(|i| format!("line {i}\n").into_bytes()).collect();
    for (sample, least) in [(Sample::Bytes(64 << 10), 64 << 10), (Sample::Rows(5000), 5000)] {
        let marked = [b"\xef\xbb\xbf", &text[..]].concat();
        let source = Source::bytes(marked);
        let found = pieces(&source, ChunkOptions::default()).with_sample(sample).unwrap();
        let (mut amount, mut stretches, mut last) = (0, 1, 0);
        for piece in found {
            let Piece::Records(chunk) = piece.unwrap() else { panic!("no gaps here") };
            let at = usize::try_from(chunk.offset).unwrap();
            assert_eq!(chunk.data(), &text[at..at + chunk.len()]);
            assert!(at == 0 || text[at - 1] == b'\n');
            stretches += usize::from(chunk.offset > last);
            assert!(chunk.offset >= last);
            last = chunk.offset + chunk.len() as u64;
            amount += match sample {
                Sample::Rows(_) => chunk.data().split(|&byte| byte == b'\n').count() - 1,
                _ => chunk.len(),
            };
        }
        assert_eq!(stretches, 16);
        assert!((least..least * 5 / 4).contains(&amount), "{sample:?}: {amount}");
        assert!(last > text.len() as u64 * 9 / 10);
    }
    let all = pieces(&Source::bytes(text.clone()), SMALL).with_sample(Sample::Bytes(1 << 30)).unwrap();
    assert_eq!(
        all.map(|piece| if let Ok(Piece::Records(chunk)) = piece { chunk.len() } else { 0 }).sum::<usize>(),
        text.len()
    );
    // A pipe has only its beginning.
    let piped = Source::reader(std::io::Cursor::new(text.clone()));
    let (head, _) = join(pieces(&piped, SMALL).with_sample(Sample::Bytes(1000)).unwrap());
    assert_eq!(head, text[..head.len()]);
    assert!((1000..1100).contains(&head.len()));
}

/// Reads a file of the poison set: its pieces' lines and gaps, or its error.
fn poison(file: &str) -> Option<Result<(usize, usize, InputEnd)>> {
    let source = Source::path(shared(&format!("poison/{file}"))?);
    let read = || {
        let mut found = Pieces::new(source.open_hashed(0)?, Box::new(Lines::default()), 0, ChunkOptions::default());
        let (mut lines, mut gaps) = (0, 0);
        for piece in &mut found {
            match piece? {
                Piece::Records(chunk) => lines += chunk.data().iter().filter(|&&byte| byte == b'\n').count(),
                Piece::Gap(_) => gaps += 1,
            }
        }
        Ok((lines, gaps, found.finish()?))
    };
    Some(read())
}

#[test]
fn poisoned_archives_are_whole_or_an_error() {
    for (file, lines, gaps, warnings) in [
        ("bomb-64m.ndjson.gz", 64 << 20, 0, 0),
        ("multi-member.ndjson.gz", 200, 0, 0),
        ("trailing-garbage.ndjson.gz", 100, 0, 1),
        ("named-gz-but-plain.ndjson.gz", 9, 0, 0),
        ("bom.ndjson", 9, 0, 0),
        ("utf16.ndjson", 9, 0, 0),
        ("bad-utf8.ndjson", 13, 0, 0),
        ("empty.ndjson", 0, 0, 0),
        ("nul-run.ndjson", 19, 0, 0),
        ("no-newline-64m.gz", 0, 1, 0),
        ("long-line-64m.ndjson.gz", 18, 1, 0),
    ] {
        let Some(read) = poison(file) else { return };
        let (found, holes, end) = read.unwrap();
        assert_eq!((found, holes, end.warnings.len()), (lines, gaps, warnings), "{file}: {:?}", end.warnings);
        let stored = std::fs::read(shared(&format!("poison/{file}")).unwrap()).unwrap();
        assert_eq!(end.content_hash, Some(blake3::hash(&stored).into()), "{file}");
    }
    let nested = poison("bomb-nested.ndjson.gz").unwrap().unwrap().2;
    assert!(nested.warnings.iter().any(|warning| warning.contains("the inner one was not opened")), "{nested:?}");
    for file in ["bad-crc.ndjson.gz", "truncated.ndjson.gz", "flipped-byte.ndjson.gz"] {
        let error = poison(file).unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{file}: {error}");
        assert!(error.to_string().contains(file) && error.message().contains("stored byte"), "{error}");
    }
}

#[test]
fn encodings_met_in_the_wild_are_read() {
    let read = |file: &str, encoding| {
        let source = Source::path(shared(file)?).encoding(encoding);
        let mut text = Vec::new();
        source.open(0).unwrap().read_to_end(&mut text).unwrap();
        Some(String::from_utf8(text).unwrap())
    };
    let Some(little) = read("csvkit/test_utf16_little.csv", Encoding::Auto) else { return };
    assert!(little.starts_with("a,b,c\n1,2,3\n4,5,ʤ"), "{little:?}");
    assert_eq!(read("csvkit/test_utf16_big.csv", Encoding::Auto).unwrap(), little);
    let names = read("duckdb-csv/encodings/utf16.csv", Encoding::Auto).unwrap();
    assert!(names.starts_with("name,age\r\nJosé Álvarez,30\r\n"), "{names:?}");
    // The same list, without the names that Latin-1 cannot write.
    let latin = read("duckdb-csv/encodings/latin1.csv", Encoding::Latin1).unwrap();
    assert!(latin.trim_end().ends_with("Léonard Dubois,29") && names.starts_with(&latin), "{latin:?}");
    for (file, text) in [("LE", "[\"é\"]"), ("BE", "[\"é\"]")] {
        let file = format!("jsontestsuite/test_parsing/i_string_utf16{file}_no_BOM.json");
        assert_eq!(read(&file, Encoding::Auto).unwrap(), text);
    }
}

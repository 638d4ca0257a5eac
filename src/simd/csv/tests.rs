use proptest::prelude::*;

use super::*;

const COMMA: Separators = Separators { delimiter: b',', quote: Some(b'"'), line_end: b'\n' };
const UNQUOTED: Separators = Separators { quote: None, ..COMMA };

/// All that a look and an index say, in a form to compare. What means nothing is left out.
fn said(look: Look, blocks: &[Block], ends: &[u32]) -> String {
    let regular = look.regular.then_some((blocks, ends, look.open));
    format!("{regular:?} {:?}", Look { open: false, ..look })
}

type Way = (&'static str, fn(&[u8], Separators, &mut Vec<Block>) -> Look, fn(&[Block], &mut Vec<u32>));

/// Every way that this machine can go, the scalar one first.
fn ways() -> Vec<Way> {
    let mut ways: Vec<Way> = vec![("scalar", look_plain, flatten_plain)];
    #[cfg(target_arch = "x86_64")]
    {
        if crate::simd::has_avx2() {
            ways.push((
                "avx2",
                // SAFETY: the line above has found these features in this process.
                |text, of, blocks| unsafe { x86::avx2::look(text, of, blocks) },
                // SAFETY: as above.
                |blocks, ends| unsafe { x86::avx2::flatten(blocks, ends) },
            ));
        }
        if crate::simd::has_avx512() {
            ways.push((
                "avx512",
                // SAFETY: the line above has found these features in this process.
                |text, of, blocks| unsafe { x86::avx512::look(text, of, blocks) },
                // SAFETY: as above.
                |blocks, ends| unsafe { x86::avx512::flatten(blocks, ends) },
            ));
        }
    }
    ways.push(("chosen", look, flatten_plain));
    ways
}

/// Compares all ways on one text, with memory that was used before.
fn all_agree(text: &[u8], of: Separators) {
    let mut expected = None;
    let (mut blocks, mut ends) = (Vec::new(), Vec::new());
    for (name, look, flatten) in ways() {
        look(b"\"a\0,\n", of, &mut blocks);
        let found = look(text, of, &mut blocks);
        ends.clear();
        flatten(&blocks, &mut ends);
        let said = said(found, &blocks, &ends);
        let expected = expected.get_or_insert_with(|| said.clone());
        assert_eq!(&said, expected, "{name}: {:?}", String::from_utf8_lossy(text));
    }
    // The index of the whole rows is the same whether they were looked at alone or with what comes behind them.
    let found = look(text, of, &mut blocks);
    if found.regular {
        let len = last_row_end(&blocks);
        let (mut loaded, mut filled) = (Index::default(), Index::default());
        loaded.load(found, &mut blocks, len);
        filled.fill(&text[..len], of);
        assert_eq!((&loaded.ends, &loaded.blocks), (&filled.ends, &filled.blocks));
        assert!(filled.look.regular && !filled.look.open && !loaded.look.open);
    }
}

fn last_end(text: &[u8], of: Separators) -> Option<usize> {
    let mut blocks = Vec::new();
    look(text, of, &mut blocks).regular.then(|| last_row_end(&blocks))
}

fn index(text: &[u8]) -> Index {
    let mut index = Index::default();
    index.fill(text, COMMA);
    index
}

#[test]
fn separators_inside_quotes_are_data() {
    let found = index(b"a,\"b,\"\"\n\",c\nd");
    assert_eq!((&found.ends[..], found.marks().row_ends(0, 13), found.look.line_ends), (&[BEFORE, 1, 9, 11][..], 1, 2));
    let found = index(b"\"\",\"\"\r\n");
    assert_eq!((&found.ends[..], found.marks().row_ends(0, 7), found.look.line_ends), (&[BEFORE, 2, 6][..], 1, 1));
    assert_eq!(index(b"").ends, [BEFORE]);
    assert_eq!(last_end(b"a,\"b\n\",\nc,\"d\n", COMMA), Some(8));
    assert_eq!(last_end(b"\"a\n", COMMA), Some(0));
    let mut unquoted = Index::default();
    unquoted.fill(b"\"a\n,b", UNQUOTED);
    assert_eq!((&unquoted.ends[..], unquoted.look.regular), (&[BEFORE, 2, 3][..], true));
}

#[test]
fn irregular_quotes_are_noticed_wherever_they_stand() {
    for start in 0..70 {
        let pad = "x,".repeat(start);
        for text in ["a\"b\"", "\"a\"b", " \"a\"", "\"a\"\rb"] {
            let text = format!("{pad}{text}");
            assert!(!index(text.as_bytes()).look.regular, "{text}");
            assert_eq!(last_end(text.as_bytes(), COMMA), None, "{text}");
        }
        // A quote that stays open is no fault of a text that goes on.
        let open = format!("{pad}\n\"a\n");
        let look = index(open.as_bytes()).look;
        assert!(look.regular && look.open);
        assert_eq!(last_end(open.as_bytes(), COMMA), Some(pad.len() + 1));
    }
}

#[test]
fn bytes_past_ascii_and_nul_are_noticed_wherever_they_stand() {
    for at in 0..140 {
        let mut text = vec![b'x'; 140];
        for (byte, expected) in
            [(b'x', (true, false)), (0x80, (false, false)), (0, (true, true)), (0xFF, (false, false))]
        {
            text[at] = byte;
            let index = index(&text);
            assert_eq!((index.look.ascii, index.look.nul), expected, "{byte} at {at}");
        }
    }
}

#[test]
fn quotes_and_line_ends_are_counted_between_any_two_places() {
    let text = b"x,\n".repeat(40).into_iter().chain(b"\"a\"\"b\n\",\n".repeat(30)).collect::<Vec<u8>>();
    for text in [&text[..], &text[..256]] {
        let index = index(text);
        let marks = index.marks();
        let rows: Vec<u32> = index.ends.iter().copied().filter(|end| text.get(*end as usize) == Some(&b'\n')).collect();
        for from in 0..=text.len() {
            for to in from..=text.len() {
                let count = |wanted: u8| text[from..to].iter().filter(|byte| **byte == wanted).count();
                assert_eq!(marks.quotes(from, to) as usize, count(b'"'));
                assert!(marks.each_quote(from, to).eq((from..to).filter(|at| text[*at] == b'"')));
                assert_eq!(marks.lines(text, b'\n', from, to) as usize, count(b'\n'));
                let ended = rows.iter().filter(|end| (from..to).contains(&(**end as usize))).count();
                assert_eq!(marks.row_ends(from, to) as usize, ended);
            }
        }
    }
}

#[test]
fn vector_and_scalar_agree_at_all_lengths_and_offsets() {
    let text =
        b"a,\"b,\"\"c\"\"\n\",d\r\n\"e\"\r\n,,\"\",1234567890,\"long cell with, commas\nand lines\",x\ny,\"z\"\n"
            .repeat(3);
    for from in 0..text.len() {
        for to in from..text.len() {
            all_agree(&text[from..to], COMMA);
        }
    }
    all_agree(&b",\n".repeat(500), COMMA);
}

proptest! {
    #[test]
    fn vector_and_scalar_agree_on_any_text(text in "[,\"\n\ra\u{0}é]{0,300}") {
        all_agree(text.as_bytes(), COMMA);
        all_agree(text.as_bytes(), UNQUOTED);
    }

    /// Short cells between quotes that are regular, which any text hardly ever is.
    #[test]
    fn vector_and_scalar_agree_on_regular_text(
        cells in proptest::collection::vec("(|x|\"\"|\"a\"|\"a,b\"|\"a\"\"b\"|\"c\n\"|\"c\r\nd\")(,|,|\n|\r\n)", 0..80),
    ) {
        let text = cells.concat();
        let look = index(text.as_bytes()).look;
        prop_assert!(look.regular && !look.open);
        all_agree(text.as_bytes(), COMMA);
    }
}

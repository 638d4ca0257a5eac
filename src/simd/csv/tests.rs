use proptest::prelude::*;

use super::*;

const COMMA: Separators = Separators { delimiter: b',', quote: Some(b'"'), line_end: b'\n' };
const UNQUOTED: Separators = Separators { quote: None, ..COMMA };

/// All that an index says, in a form to compare. What means nothing is left out.
fn said(text: &[u8], index: &Index) -> String {
    let quotes: Vec<u32> = (0..=text.len()).map(|at| index.quotes.between(0, at)).collect();
    let lines = index.inner_lines.between(0, text.len());
    let regular = index.regular.then_some((&index.ends, &index.rows, lines, quotes));
    format!("{regular:?} {} {} {}", index.ascii, index.nul, index.returns)
}

type Fill = (&'static str, fn(&mut Index, &[u8], Separators));
type Last = (&'static str, fn(&[u8], Separators) -> Option<usize>);

/// Every way that this machine can go, the scalar one first.
fn ways() -> (Vec<Fill>, Vec<Last>) {
    let mut fills: Vec<Fill> = vec![("scalar", Index::fill_plain)];
    let mut lasts: Vec<Last> = vec![("scalar", last_row_end_plain)];
    #[cfg(target_arch = "x86_64")]
    {
        if crate::simd::has_avx2() {
            // SAFETY: the line above has found these features in this process.
            fills.push(("avx2", |index, text, of| unsafe { x86::avx2::fill(index, text, of) }));
            // SAFETY: as above.
            lasts.push(("avx2", |text, of| unsafe { x86::avx2::last_row_end(text, of) }));
        }
        if crate::simd::has_avx512() {
            // SAFETY: the line above has found these features in this process.
            fills.push(("avx512", |index, text, of| unsafe { x86::avx512::fill(index, text, of) }));
            // SAFETY: as above.
            lasts.push(("avx512", |text, of| unsafe { x86::avx512::last_row_end(text, of) }));
        }
    }
    fills.push(("chosen", Index::fill));
    lasts.push(("chosen", last_row_end));
    (fills, lasts)
}

/// Compares all ways on one text, with an index that was used before.
fn all_agree(text: &[u8], of: Separators) {
    let (fills, lasts) = ways();
    let mut index = Index::default();
    fills[0].1(&mut index, text, of);
    let expected = said(text, &index);
    for (name, fill) in &fills[1..] {
        fill(&mut index, b"\"a\0,\n", of);
        fill(&mut index, text, of);
        assert_eq!(said(text, &index), expected, "{name}: {:?}", String::from_utf8_lossy(text));
    }
    let expected = lasts[0].1(text, of);
    for (name, last) in &lasts[1..] {
        assert_eq!(last(text, of), expected, "{name}: {:?}", String::from_utf8_lossy(text));
    }
}

fn index(text: &[u8]) -> Index {
    let mut index = Index::default();
    index.fill(text, COMMA);
    index
}

#[test]
fn separators_inside_quotes_are_data() {
    let found = index(b"a,\"b,\"\"\n\",c\nd");
    assert_eq!((found.ends, found.rows, found.inner_lines.between(0, 13)), (vec![BEFORE, 1, 9, 11], vec![3], 1));
    let found = index(b"\"\",\"\"\r\n");
    assert_eq!((found.ends, found.rows, found.inner_lines.between(0, 13)), (vec![BEFORE, 2, 6], vec![2], 0));
    assert_eq!(index(b"").ends, [BEFORE]);
    assert_eq!(last_row_end(b"a,\"b\n\",\nc,\"d\n", COMMA), Some(8));
    assert_eq!(last_row_end(b"\"a\n", COMMA), Some(0));
    let mut unquoted = Index::default();
    unquoted.fill(b"\"a\n,b", UNQUOTED);
    assert_eq!((unquoted.ends, unquoted.rows, unquoted.regular), (vec![BEFORE, 2, 3], vec![1], true));
}

#[test]
fn irregular_quotes_are_noticed_wherever_they_stand() {
    for start in 0..70 {
        let pad = "x,".repeat(start);
        for text in ["a\"b\"", "\"a\"b", " \"a\"", "\"a\"\rb"] {
            let text = format!("{pad}{text}");
            assert!(!index(text.as_bytes()).regular, "{text}");
            assert_eq!(last_row_end(text.as_bytes(), COMMA), None, "{text}");
        }
        // A quote that stays open is irregular in a text that ends, and not in one that goes on.
        let open = format!("{pad}\n\"a\n");
        assert!(!index(open.as_bytes()).regular);
        assert_eq!(last_row_end(open.as_bytes(), COMMA), Some(pad.len() + 1));
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
            assert_eq!((index.ascii, index.nul), expected, "{byte} at {at}");
        }
    }
}

#[test]
fn quotes_are_counted_between_any_two_places() {
    let text = b"x,".repeat(40).into_iter().chain(b"\"a\"\"b\",".repeat(30)).collect::<Vec<u8>>();
    let index = index(&text);
    for from in 0..=text.len() {
        for to in from..=text.len() {
            let expected = text[from..to].iter().filter(|byte| **byte == b'"').count();
            assert_eq!(index.quotes.between(from, to) as usize, expected);
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
        prop_assert!(index(text.as_bytes()).regular);
        all_agree(text.as_bytes(), COMMA);
    }
}

use super::*;
use crate::records::{Dialect, Escape, LineEnd};

fn delimiter_of(text: &str) -> char {
    layout(text).dialect.delimiter.into()
}

#[test]
fn the_delimiter_under_which_rows_are_alike_wins() {
    assert_eq!(delimiter_of("a;b\n1,5;x\n2,25;y\n"), ';');
    assert_eq!(delimiter_of("id|name\n1|Smith, John\n2|Doe, Jane\n"), '|');
    assert_eq!(delimiter_of("id\tnote\n1\ta, b; c\n2\td, e; f\n"), '\t');
    assert_eq!(delimiter_of("1,5;2,5\n3,5;4,5\n"), ';');
    assert_eq!(delimiter_of("id,tags\n1,a|b|c\n2,d|e|f\n3,g|h|i\n"), ',');
    assert_eq!(delimiter_of("a,b\n1,\"x;y;z\"\n2,\"x;y;z\"\n"), ',');
}

#[test]
fn rare_delimiters_need_regular_rows_and_nothing_better() {
    assert_eq!(delimiter_of("root:x:0:0\nbin:x:1:1\n"), ':');
    assert_eq!(delimiter_of("a~b\n1~2\n3~4\n"), '~');
    assert_eq!(delimiter_of("a^b\n1^2\n3^4\n"), '^');
    assert_eq!(delimiter_of("x y z\n1 2.5 a\n2 3.5 b\n"), ' ');
    for text in ["time\n12:34\n23:59\n", "12:34\n23:59\n", "2024-01-05 10:20:30\n2024-01-06 10:20:30\n"] {
        assert_eq!(layout(text).columns.len(), 1, "{text:?}");
    }
    for text in ["take it back\nsend it over\n", "name\nAda Lovelace\nAlan Turing\n", "http://a.b\nhttp://c.d\n"] {
        assert_eq!(layout(text).columns.len(), 1, "{text:?}");
    }
}

#[test]
fn one_column_is_one_column() {
    assert_eq!(layout("a\n1\n2\n").columns, ["a"]);
    assert_eq!(layout("note\nhello\nDear Sir, hello\nbye\n").columns, ["note"]);
    assert_eq!(layout("price\n12,5\n7,25\n").columns, ["price"]);
}

#[test]
fn names_are_unquoted_and_otherwise_kept() {
    let found = layout("\"a \"\"q\"\"\",\"b,c\", d ,,\"e\nf\"\r\n1,2,3,4,5\r\n");
    assert_eq!(found.columns, ["a \"q\"", "b,c", " d ", "", "e\nf"]);
    assert_eq!(found.body, 28);
    assert_eq!(layout("Name,name,Name\n1,x,2.5\n").columns, ["Name", "name", "Name"]);
    assert_eq!(layout("a,b,\n1,x,\n2,y,\n").columns, ["a", "b", ""]);
}

#[test]
fn a_header_of_another_width_than_the_rows_stays_the_header() {
    assert_eq!(layout("a,b\n1,x,\n2,y,\n").columns, ["a", "b"]);
    assert_eq!(layout("a,b,c,d\n1,2,3\n4,5,6\n").columns, ["a", "b", "c", "d"]);
}

#[test]
fn a_first_record_like_the_others_is_data() {
    for text in
        ["1,2,3\n4,5,6\n", "1,english\n2,german\n", "x,2024-01-05\ny,2024-01-06\n", "1,null\n2,0\n", "1,,a\n2,3,b\n"]
    {
        let found = layout(text);
        assert!(!found.dialect.header, "{text:?}");
        assert_eq!((found.body, found.preamble), (0, 0));
        assert_eq!(found.columns[..2], ["column_1", "column_2"]);
    }
}

#[test]
fn a_first_record_unlike_the_others_or_all_text_is_a_header() {
    for text in [
        "a,b\n1,2\n",
        "line1\nline2\n",
        "a,b\nc,d\n",
        "id,code\nx,007\ny,008\n",
        "a,b\n,\n",
        "a\ntrue\n",
        "v,w\nNA,x\n5,y\n",
    ] {
        assert!(layout(text).dialect.header, "{text:?}");
    }
}

#[test]
fn years_over_numbers_are_a_header_and_years_over_years_are_not() {
    assert_eq!(layout("country,2019,2020\nNorway,5.3,5.4\nChile,19.0,19.1\n").columns, ["country", "2019", "2020"]);
    assert_eq!(layout("country,2020\nNorway,5400000\nChile,19000000\n").columns, ["country", "2020"]);
    assert!(!layout("Ada,1815\nAlan,1912\n").dialect.header);
    assert!(!layout("2019,5\n2020,6\n").dialect.header);
}

#[test]
fn a_record_alone_is_a_header_unless_it_is_mostly_values() {
    assert!(layout("a,b,c\n").dialect.header);
    assert!(layout("Test").dialect.header);
    assert!(!layout("1,2,3\n").dialect.header);
    assert!(!layout("3,german\n").dialect.header);
}

#[test]
fn titles_and_blank_lines_in_front_are_skipped_and_counted() {
    let found = layout("\n\nSales report\n\nid,name,total\n1,a,2.5\n2,b,3.5\n");
    assert_eq!((found.columns.len(), found.preamble, found.body), (3, 4, 30));
    let found = layout("Report,,\n\"two\nlines\",,\nid,name,total\n1,a,2.5\n2,b,3.5\n");
    assert_eq!((found.columns, found.preamble), (vec!["id".to_owned(), "name".into(), "total".into()], 3));
    let found = layout("# made by x, y\n# on Monday\nid,name,total\n1,a,2.5\n2,b,3.5\n");
    assert_eq!((found.columns.len(), found.preamble), (3, 2));
    let found = layout("Readings of Monday, June 3, all sites\nsite,value\nx,1\ny,2\n");
    assert_eq!((found.columns, found.preamble), (vec!["site".to_owned(), "value".into()], 1));
}

#[test]
fn titles_of_one_word_are_skipped_where_something_else_says_so() {
    for (text, names) in [
        ("Report\nid,name\n1,a\n2,b\n", ["id", "name"]),
        ("Customers\nname,city\nBob,Rome\nAl,Oslo\n", ["name", "city"]),
        ("Customers\n\nname;city\nBob;Rome\nAl;Oslo\n", ["name", "city"]),
        ("All our customers\nname;city\nBob;Rome\nAl;Oslo\n", ["name", "city"]),
        ("sep=;\nname;city\nBob;Rome\nAl;Oslo\n", ["name", "city"]),
        ("sep=,\nid,name\n1,a\n2,b\n", ["id", "name"]),
        ("Sheet\nof\na\nlong\nseries\nand\nmore\nname;n\na;1\nb;2\n", ["name", "n"]),
    ] {
        assert_eq!(layout(text).columns, names, "{text:?}");
    }
}

#[test]
fn a_column_whose_values_hold_a_delimiter_now_and_then_keeps_its_name_and_all_values() {
    let late = format!("tags\n{}{}", "red\n".repeat(40), "red|blue\n".repeat(500));
    let places = format!("place\n{}{}", "Rome\n".repeat(30), "Paris, France\n".repeat(40));
    for (text, name) in [
        ("name\nsmith; john\ndoe; jane\n", "name"),
        ("full name\nsmith; john\ndoe; jane\n", "full name"),
        ("tags\nred|blue\ngreen|teal\n", "tags"),
        ("email\nu@x;v@y\nw@x;z@y\n", "email"),
        ("note\nhello, world\nbye, moon\n", "note"),
        ("note\na\tb\nc\td\n", "note"),
        (&late, "tags"),
        (&places, "place"),
    ] {
        let found = layout(text);
        assert_eq!((found.columns, found.preamble), (vec![name.to_owned()], 0), "{text:?}");
    }
}

#[test]
fn lists_in_the_cells_of_a_regular_table_do_not_take_its_header_away() {
    for sign in [';', '|', '\t'] {
        let list = |n: usize| vec!["teal"; n].join(&sign.to_string());
        for (rows, cells) in [(10, 8), (200, 5), (200, 6)] {
            let body: String = (0..rows).map(|row| format!("{row},{}\n", list(cells))).collect();
            let found = layout(&format!("id,vec\n{body}"));
            assert_eq!(
                (found.dialect.delimiter, found.columns),
                (b',', vec!["id".into(), "vec".into()]),
                "{sign}{cells}"
            );
        }
    }
}

#[test]
fn a_row_that_can_be_the_header_is_not_taken_for_a_title() {
    assert_eq!(layout("Full Name,\nBob,Rome\nAl,Oslo\n").columns, ["Full Name", ""]);
    assert_eq!(layout("name,val\nunknown,missing,\n1,2,\n3,4,\n5,6,\n").columns, ["name", "val"]);
}

#[test]
fn titles_of_every_shape_that_reports_have_are_skipped() {
    let prices = "2024-01-01;Kauf;-5.00;100.00\n".repeat(3);
    let account = format!("Kunde;Meier\nWaehrung;CHF\n\nDatum;Text;Betrag;Saldo\n{prices}");
    let weather = "2024-01-01;12:10;Bern;540;ok;1,5\n".repeat(20);
    let weather = format!("Wetterdaten, Bern\nDatum;Zeit;Ort;Hoehe;Status;Temperatur, C\n{weather}");
    for (text, first, width) in [
        (&*account, "Datum", 4),
        (&*weather, "Datum", 6),
        ("Kunden\nName;Vorname;Stadt\nMeier;Hans;Bern\nKunz;Eva;Basel\n", "Name", 3),
        ("Kunden\n\nStand\nName;Stadt\nMeier;Bern\nKunz;Basel\n", "Name", 2),
        ("Messung 12\n1, 2, 3\n4, 5, 6\n7, 8, 9\n", "column_1", 3),
        ("Messung\n1;2;3\n4;5;6\n7;8;9\n", "column_1", 3),
        ("Customer list\nName, First, City\nMeier, Hans, Bern\nKunz, Eva, Basel\n", "Name", 3),
        ("Sales Report,,\nRegion,Manager,City\nNorth,Jim,Rome\nSouth,Jan,Oslo\n", "Region", 3),
        ("Customers,\n,\nRegion,Manager\nNorth,Jim\nSouth,Jan\n", "Region", 2),
    ] {
        let found = layout(text);
        assert_eq!((&*found.columns[0], found.columns.len()), (first, width), "{text:?}");
    }
}

#[test]
fn where_a_header_is_stated_words_alone_make_no_title_of_a_row_of_full_width() {
    let options = FormatOptions { kind: Some(Kind::Csv), header: Some(true), ..FormatOptions::default() };
    for (text, first) in [
        ("Sales 2024\nid,name\n1,a\n2,b\n", "id"),
        ("Sales 2024,,\nname,city,state\nalice,Paris,x\nbob,Rome,y\n", "Sales 2024"),
        ("Sales 2024,,\nid,name,x\n1,a,2\n2,b,3\n", "id"),
        ("name,val\nunknown,missing,\n1,2,\n3,4,\n", "name"),
        ("# made by hand\nid,name\n1,a\n2,b\n", "id"),
        ("# a, b\nid,name\n1,a\n2,b\n", "id"),
        ("# made by hand\nname\nx\ny\n", "name"),
        ("#id,name\n1,a\n2,b\n", "#id"),
        ("\n\nid,name\n1,a\n2,b\n", "id"),
    ] {
        let Ok(Format::Csv(found)) = detect(text.as_bytes(), true, "a.csv", &options) else { panic!("{text}") };
        assert_eq!(found.columns[0], first, "{text:?}");
    }
}

#[test]
fn where_there_is_no_header_the_first_row_is_a_record_whatever_it_looks_like() {
    let options = FormatOptions { kind: Some(Kind::Csv), header: Some(false), ..FormatOptions::default() };
    for text in ["42\na,1,2\nb,3,4\nc,5,6\n", "Sales\na,1,2\nb,3,4\n", "# x\na,1,2\nb,3,4\n", "a,,\nb,c,d\nb,c,d\n"] {
        let Ok(Format::Csv(found)) = detect(text.as_bytes(), true, "a.csv", &options) else { panic!("{text}") };
        assert_eq!((found.columns.len(), found.preamble, found.body), (3, 0, 0), "{text}");
    }
}

#[test]
fn a_header_with_one_name_is_the_header() {
    assert_eq!(layout(",city\nalice,Paris\nbob,Rome\n").columns, ["", "city"]);
    assert_eq!(layout(",,v\na,x,Paris\nb,y,Rome\n").columns, ["", "", "v"]);
    assert_eq!(layout("name,\nbob,carol\ndave,eve\n").columns, ["name", ""]);
    assert_eq!(layout("name,,\nbob,carol,x\ndave,eve,y\n").columns, ["name", "", ""]);
    assert_eq!(layout("Sales 2024,,\nname,city,state\nalice,Paris,x\n").columns, ["name", "city", "state"]);
    assert_eq!(layout("id,name\n1,a,,\n2,b,,\n3,c,,\n").columns, ["id", "name"]);
}

#[test]
fn a_header_that_is_no_text_is_an_error_with_its_line() {
    for (text, what) in
        [(&b"\na,n\xe9m\n1,2\n"[..], "name 2 of the CSV header is not UTF-8"), (b"\na\0,b\n1,2\n", "NUL")]
    {
        let options = FormatOptions { kind: Some(Kind::Csv), ..FormatOptions::default() };
        let error = detect(text, true, "a.csv", &options).unwrap_err();
        assert!(error.kind() == ErrorKind::Syntax && error.message().contains(what), "{error}");
        assert_eq!(error.location().and_then(|place| place.line), Some(2));
        assert!(error.hint().is_some());
    }
}

#[test]
fn many_blank_lines_hide_no_table() {
    let text = format!("{}a,b\n{}1,2\n", "\n".repeat(5_000), "\r\n".repeat(5_000));
    let found = layout(&text);
    assert_eq!((found.columns, found.preamble, found.body), (vec!["a".to_owned(), "b".into()], 5_000, 5_004));
}

#[test]
fn a_record_with_holes_is_not_taken_for_a_title() {
    let found = layout("1,,\n2,3,4\n5,6,7\n");
    assert_eq!((found.preamble, found.body, found.dialect.header), (0, 0, false));
    assert_eq!(layout("id,,\n1,2,3\n4,5,6\n").columns, ["id", "", ""]);
    assert_eq!(layout("a,b\n1\n2,y\n3,z\n").columns, ["a", "b"]);
}

#[test]
fn only_what_the_file_does_changes_quote_and_escape() {
    let plain = Dialect::default();
    assert_eq!(layout("a,b\n1,x\n").dialect, plain);
    assert_eq!(layout("a,b\n\"C:\\\",x\n\"D:\\\",y\n").dialect, plain);
    assert_eq!(
        layout("a,b\n1,\"say \\\"hi, there\\\"\"\n2,\"x\"\n").dialect,
        Dialect { escape: Escape::Backslash, ..plain }
    );
    assert_eq!(layout("a,b\n1,'x, y'\n2,'z'\n").dialect, Dialect { quote: Some(b'\''), ..plain });
    assert_eq!(layout("a,b\n1,it's\n2,'tis\n").dialect, plain);
    assert_eq!(layout("a,b\n1,'x'\n2,\"y, z\"\n").dialect, plain);
    let loose = "a|b\n\"x|1\n\"y|2\n\"z|3\n";
    assert_eq!(layout(loose).dialect, Dialect { delimiter: b'|', quote: None, ..plain });
}

#[test]
fn a_quote_that_never_closes_does_not_spoil_the_verdict() {
    for text in ["a,b\n1,x\n2,\"y\n3,z\n", "a,b\n\"1,x\n2,y\n3,z\n"] {
        let found = layout(text);
        assert_eq!((found.dialect, found.columns, found.body), (Dialect::default(), vec!["a".into(), "b".into()], 4));
    }
}

#[test]
fn lone_carriage_returns_end_lines_only_without_newlines() {
    let old_mac = Dialect { line_end: LineEnd::CarriageReturn, ..Dialect::default() };
    assert_eq!(layout("id,v\r1,a\r2,b\r").dialect, old_mac);
    assert_eq!(layout("id,v\r1,\"a\nb\"\r2,b\r").dialect, old_mac);
    let mixed = layout("id,v\r\n1,a\n2,b\rc\r\n");
    assert_eq!((mixed.dialect, mixed.body), (Dialect::default(), 6));
}

#[test]
fn the_name_breaks_ties_and_no_more() {
    let of = |name: &str, text: &str| match detect(text.as_bytes(), true, name, &FormatOptions::default()).unwrap() {
        Format::Csv(layout) => char::from(layout.dialect.delimiter),
        other => panic!("found {}", other.as_str()),
    };
    assert_eq!(of("a.tsv", "a,b\tc,d\ne,f\tg,h\n"), '\t');
    assert_eq!(of("a.tsv", "id,name,total\n1,a,2.5\n2,b,3.5\n"), ',');
    assert_eq!(of("a.tsv.gz", "a\n1\n"), '\t');
}

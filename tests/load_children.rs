//! Files whose arrays become child tables: as a stream makes them, each record with all its elements or not at all, once.
#![cfg(all(unix, feature = "postgres"))]

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use longshore::load::{Counts, MergeKeys, Mode, Selection};
use longshore::{ChildTables, ErrorKind, Loader, Offset, Policy, Quarantine, ReadOptions, Source, StreamOptions, Type};
use proxy::{Fault, Proxy};
use support::*;

fn loader(url: &str) -> Loader {
    Loader::new(url).table("orders").child_tables(ChildTables::All)
}

fn counts(read: u64, loaded: u64, quarantined: u64) -> Counts {
    Counts { read, loaded, quarantined, deduplicated: 0 }
}

/// The rows of a query as text.
fn query(client: &mut postgres::Client, sql: &str) -> Vec<String> {
    client.query(sql, &[]).unwrap_or_else(|error| panic!("{error}: {sql}")).iter().map(|row| row.get(0)).collect()
}

const JOINED: &str = "SELECT concat_ws(' ', o.id, o.items, i._index, i.sku, i.n, t._index, t.value) FROM orders o \
                      LEFT JOIN orders__items i ON i._parent_id = o._row_id \
                      LEFT JOIN orders__items__tags t ON t._parent_id = i._row_id ORDER BY o.id, i._index, t._index";

/// Names, types and places of all columns.
fn columns(client: &mut postgres::Client) -> Vec<String> {
    let sql = "SELECT concat_ws(' ', table_name, ordinal_position, column_name, data_type) FROM information_schema.columns \
               WHERE table_name LIKE 'orders%' ORDER BY table_name, ordinal_position";
    query(client, sql)
}

const INPUT: &str = "{\"id\":1,\"items\":[{\"sku\":\"a\",\"n\":1,\"tags\":[\"x\",\"y\"]},{\"sku\":\"b\"}],\"at\":{\"d\":\"2024-01-01\"}}\n\
                     {\"id\":2,\"items\":[]}\n{\"id\":3}\n{\"id\":4,\"items\":[{\"sku\":\"c\",\"n\":70000}],\"note\":\"late\"}\n";

#[test]
fn the_tables_of_a_file_are_those_that_a_stream_makes() {
    let (streamed, mut expected) = database();
    let options = StreamOptions::default().child_tables(ChildTables::All);
    let mut stream = Loader::new(&streamed).table("orders").open_with(options).unwrap();
    stream.write(INPUT, Offset::new("s", 4)).unwrap();
    stream.commit().unwrap();
    let (url, mut client) = database();
    let report = loader(&url).load(Source::bytes(INPUT)).unwrap();
    assert_eq!((report.counts, report.already_loaded), (counts(4, 4, 0), false));
    assert!(report.schema.columns.iter().any(|column| column.path.to_string() == "_row_id"));
    assert_eq!(columns(&mut client), columns(&mut expected));
    let rows = query(&mut client, JOINED);
    assert_eq!(rows, query(&mut expected, JOINED));
    assert_eq!(rows, ["1 2 0 a 1 0 x", "1 2 0 a 1 1 y", "1 2 1 b", "2 0", "3", "4 1 0 c 70000"]);
    balance(&mut client);
    // Once more, nothing is done.
    let again = loader(&url).load(Source::bytes(INPUT)).unwrap();
    assert_eq!((again.counts, again.already_loaded), (counts(4, 4, 0), true));
    assert_eq!(query(&mut client, JOINED), rows);
}

#[test]
fn rows_ids_and_columns_do_not_depend_on_how_a_file_is_cut_or_on_threads() {
    let lines: String = (0..4_000)
        .map(|id| {
            let field = format!("f{}", id / 700);
            format!("{{\"id\":{id},\"items\":[{{\"sku\":\"s\",\"n\":{id},\"tags\":[]}},{{\"{field}\":true,\"tags\":[1]}}],\"{field}\":[{id}]}}\n")
        })
        .collect();
    let load = |read: ReadOptions| {
        let (url, mut client) = database();
        let report = loader(&url).read(read).load(Source::bytes(lines.clone())).unwrap();
        assert_eq!(report.counts, counts(4_000, 4_000, 0));
        balance(&mut client);
        let ids = "SELECT md5(string_agg(concat_ws(' ', o.id, o._row_id, i._index, i._parent_id, i._row_id, i.n), ',' ORDER BY o.id, i._index)) \
                   FROM orders o JOIN orders__items i ON i._parent_id = o._row_id";
        let tags = "SELECT md5(string_agg(_parent_id::text, ',' ORDER BY _parent_id)) FROM orders__items__tags";
        (columns(&mut client), query(&mut client, ids), query(&mut client, tags))
    };
    let whole = load(ReadOptions::default().threads(1));
    assert_eq!(load(ReadOptions::default().threads(4).chunk_bytes(16 << 10)), whole);
}

#[test]
fn a_record_with_one_element_that_does_not_fit_is_quarantined_whole() {
    let (url, mut client) = database();
    let policy = Policy::default().hint("n", Type::Int64);
    let input = "{\"id\":1,\"items\":[{\"sku\":\"a\",\"n\":1}]}\n\
                 {\"id\":2,\"items\":[{\"sku\":\"b\",\"n\":2,\"tags\":[7]},{\"sku\":\"c\",\"n\":\"many\"}]}\nbroken\n\
                 {\"id\":3,\"items\":[{\"_index\":1}]}\n{\"id\":4,\"items\":[{\"sku\":\"d\",\"n\":4,\"tags\":[8]}]}\n";
    let report = loader(&url).policy(policy.clone()).load(Source::bytes(input)).unwrap();
    assert_eq!(report.counts, counts(5, 2, 3));
    assert_eq!(query(&mut client, JOINED), ["1 1 0 a 1", "4 1 0 d 4 0 8"]);
    let sql =
        "SELECT concat_ws(' ', line, byte, path, convert_from(raw, 'UTF8')) FROM _longshore_quarantine ORDER BY line";
    assert_eq!(
        query(&mut client, sql),
        [
            "2 37 items[].n {\"id\":2,\"items\":[{\"sku\":\"b\",\"n\":2,\"tags\":[7]},{\"sku\":\"c\",\"n\":\"many\"}]}",
            "3 108 broken",
            "4 115 items[]._index {\"id\":3,\"items\":[{\"_index\":1}]}",
        ]
    );
    let listed: Vec<(u64, u64)> = report.first_quarantined.iter().map(|record| (record.line, record.byte)).collect();
    assert_eq!(listed.iter().map(|place| place.0).sum::<u64>(), 9, "{listed:?}");
    balance(&mut client);
    let error = loader(&url).policy(policy).load_id("2").max_quarantined(2).load(Source::bytes(input)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManyQuarantined);
    assert_eq!(count(&mut client, "orders"), 2);
}

#[test]
fn a_replay_gives_a_record_of_a_file_the_ids_that_the_load_would_have_given() {
    let input = "{\"id\":1,\"items\":[{\"sku\":\"a\",\"n\":1}]}\n{\"id\":2,\"items\":[{\"sku\":\"b\",\"n\":\"2\"},{\"n\":\"x\",\"tags\":[1]}]}\n";
    let ids = "SELECT concat_ws(' ', o.id, o._row_id, i._parent_id, i._row_id) FROM orders o \
               JOIN orders__items i ON i._parent_id = o._row_id ORDER BY o.id, i._index";
    let text = || Policy::default().hint("n", Type::Text);
    let (at_once, mut expected) = database();
    assert_eq!(loader(&at_once).policy(text()).load(Source::bytes(input)).unwrap().counts, counts(2, 2, 0));
    let (url, mut client) = database();
    let numbers = Policy::default().hint("n", Type::Int64);
    assert_eq!(loader(&url).policy(numbers).load(Source::bytes(input)).unwrap().counts, counts(2, 1, 1));
    let replayed = Quarantine::new(&url, "orders").policy(text()).replay(&Selection::default()).unwrap();
    assert_eq!((replayed.loaded, replayed.left), (1, 0), "{replayed:?}");
    assert_eq!(query(&mut client, ids), query(&mut expected, ids));
}

#[test]
fn a_record_of_which_a_table_refuses_a_row_is_quarantined_whole_and_the_others_load() {
    let (url, mut client) = database();
    loader(&url).load(Source::bytes("{\"id\":0,\"items\":[{\"sku\":\"z\",\"n\":0,\"tags\":[0]}]}\n")).unwrap();
    let checks = "ALTER TABLE orders ADD CHECK (id <> 2); ALTER TABLE orders__items ADD CHECK (n <> 3); \
                  ALTER TABLE orders__items__tags ADD CHECK (value <> 4)";
    client.batch_execute(checks).unwrap();
    let record = |id: u32| {
        format!("{{\"id\":{id},\"items\":[{{\"sku\":\"s\",\"n\":1}},{{\"sku\":\"s\",\"n\":{id},\"tags\":[{id}]}}]}}\n")
    };
    let input: String = (1..=5).map(record).collect();
    let report = loader(&url).load(Source::bytes(input)).unwrap();
    assert_eq!(report.counts, counts(5, 2, 3));
    let rows = "SELECT concat_ws(' ', o.id, o.items, count(DISTINCT i._index), count(t.value)) FROM orders o \
                JOIN orders__items i ON i._parent_id = o._row_id LEFT JOIN orders__items__tags t ON t._parent_id = i._row_id \
                GROUP BY o.id, o.items ORDER BY 1";
    assert_eq!(query(&mut client, rows), ["0 1 1 1", "1 2 2 1", "5 2 2 1"]);
    let kept = "SELECT concat_ws(' ', line, path, substr(convert_from(raw, 'UTF8'), 1, 7)) FROM _longshore_quarantine ORDER BY line";
    let expected = ["2 {\"id\":2", "3 items[] {\"id\":3", "4 items[].tags[] {\"id\":4"];
    assert_eq!(query(&mut client, kept), expected);
    balance(&mut client);
}

#[test]
fn a_file_that_is_merged_takes_elements_with_the_rows_that_it_replaces() {
    let (url, mut client) = database();
    let merge = || Mode::Merge(MergeKeys::new(["id"]).order_by("v"));
    let options = StreamOptions::default().child_tables(ChildTables::All);
    let mut stream = Loader::new(&url).table("orders").mode(merge()).open_with(options).unwrap();
    let first = "{\"id\":1,\"v\":1,\"items\":[{\"sku\":\"a\",\"n\":1,\"tags\":[1,2]}]}\n{\"id\":2,\"v\":5,\"items\":[{\"sku\":\"b\",\"n\":2}]}\n";
    stream.write(first, Offset::new("s", 1)).unwrap();
    stream.commit().unwrap();
    let input = "{\"id\":1,\"v\":2,\"items\":[{\"sku\":\"c\",\"n\":3}]}\n{\"id\":2,\"v\":1,\"items\":[{\"sku\":\"d\",\"n\":4}]}\n\
                 {\"id\":3,\"v\":1,\"items\":[{\"sku\":\"e\",\"n\":5}]}\n{\"id\":3,\"v\":2,\"items\":[{\"sku\":\"f\",\"n\":6,\"tags\":[3]}]}\n\
                 {\"v\":2,\"items\":[{\"sku\":\"g\"}]}\n";
    let report = loader(&url).mode(merge()).load(Source::bytes(input)).unwrap();
    assert_eq!(report.counts, Counts { read: 5, loaded: 2, quarantined: 1, deduplicated: 2 });
    assert_eq!(query(&mut client, JOINED), ["1 1 0 c 3", "2 1 0 b 2", "3 1 0 f 6 0 3"]);
    let rows = ["orders", "orders__items", "orders__items__tags"].map(|table| count(&mut client, table));
    assert_eq!(rows, [3, 3, 1]);
    let nothing = loader(&url).mode(Mode::Merge(MergeKeys::new(["other"]))).load(Source::bytes("{\"a\":[1]}\n"));
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn a_document_over_many_lines_is_taken_apart_like_lines() {
    let (url, mut client) = database();
    let records: Vec<serde_json::Value> = INPUT.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.json");
    std::fs::write(&path, serde_json::to_string_pretty(&records).unwrap()).unwrap();
    assert_eq!(loader(&url).load(Source::path(path)).unwrap().counts, counts(4, 4, 0));
    let rows = ["1 2 0 a 1 0 x", "1 2 0 a 1 1 y", "1 2 1 b", "2 0", "3", "4 1 0 c 70000"];
    assert_eq!(query(&mut client, JOINED), rows);
}

#[test]
fn arrays_that_lead_to_one_table_by_two_ways_share_it_as_in_a_stream() {
    let input = "{\"a\":{\"b\":[1,2]}}\n{\"a\":[{\"b\":[3]},{\"b\":[{\"x\":4}]}]}\n{\"a\":{\"b\":[5]}}\n";
    let rows = "SELECT concat_ws(' ', _index, value, x) FROM orders__a__b ORDER BY value, x";
    let (streamed, mut expected) = database();
    let options = StreamOptions::default().child_tables(ChildTables::All);
    let mut stream = Loader::new(&streamed).table("orders").open_with(options).unwrap();
    stream.write(input, Offset::new("s", 1)).unwrap();
    assert_eq!(stream.commit().unwrap().counts, counts(3, 3, 0));
    let (url, mut client) = database();
    assert_eq!(loader(&url).load(Source::bytes(input)).unwrap().counts, counts(3, 3, 0));
    assert_eq!(query(&mut client, rows), ["0 1", "1 2", "0 3", "0 5", "0 4"]);
    assert_eq!(query(&mut client, rows), query(&mut expected, rows));
    assert_eq!(columns(&mut client), columns(&mut expected));
    balance(&mut client);
}

#[test]
fn arrays_that_are_not_among_the_paths_stay_json() {
    let (url, mut client) = database();
    let loader = Loader::new(&url).table("orders").child_tables(ChildTables::paths(["items"]));
    loader.load(Source::bytes("{\"id\":1,\"items\":[{\"tags\":[1,2]}],\"notes\":[3]}\n")).unwrap();
    let sql = "SELECT concat_ws(' ', o.notes, i.tags) FROM orders o JOIN orders__items i ON i._parent_id = o._row_id";
    assert_eq!(query(&mut client, sql), ["[3] [1, 2]"]);
    assert!(!exists(&mut client, "orders__notes"));
}

#[test]
fn a_load_whose_commit_is_lost_is_there_once() {
    for fault in [Fault::AnswerLost, Fault::CommitLost] {
        let (url, mut client) = database();
        let proxy = Proxy::start(None);
        proxy.lose(fault);
        let report = loader(&proxy.url(url.rsplit_once('/').unwrap().1)).load(Source::bytes(INPUT)).unwrap();
        assert_eq!(report.counts, counts(4, 4, 0));
        assert_eq!((count(&mut client, "orders"), count(&mut client, "orders__items")), (4, 3));
        balance(&mut client);
    }
}

#[test]
fn past_the_bound_on_child_tables_records_are_quarantined() {
    let (url, mut client) = database();
    let many: String = (0..130).map(|n| format!("{{\"a{n}\":[1]}}\n")).collect();
    assert_eq!(loader(&url).load(Source::bytes(many)).unwrap().counts, counts(130, 100, 30));
    assert_eq!((count(&mut client, "orders"), exists(&mut client, "orders__a99")), (100, true));
}

#[test]
fn what_a_load_with_child_tables_cannot_do_is_refused() {
    let (url, mut client) = database();
    let error = loader(&url).load(Source::bytes("a,b\n1,2\n")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.hint().is_some());
    for refused in [loader(&url).mode(Mode::Replace), loader(&url).mode(Mode::FailIfExists), loader("dir:out")] {
        let error = refused.load(Source::bytes(INPUT)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.hint().is_some());
    }
    assert!(!exists(&mut client, "orders"));
}

#[test]
fn child_tables_are_not_left_behind_without_a_word() {
    let (url, mut client) = database();
    loader(&url).load(Source::bytes(INPUT)).unwrap();
    let replacing = Loader::new(&url).table("orders").mode(Mode::Replace).load(Source::bytes("{\"id\":9}\n"));
    let error = replacing.unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && error.to_string().contains("orders__items"), "{error}");
    assert_eq!(count(&mut client, "orders"), 4);
    client.batch_execute("DROP TABLE orders").unwrap();
    let error = loader(&url).load(Source::bytes(INPUT)).unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && error.to_string().contains("orders__items"), "{error}");
    client.batch_execute("DROP TABLE orders__items, orders__items__tags").unwrap();
    assert_eq!(loader(&url).load(Source::bytes(INPUT)).unwrap().counts, counts(4, 4, 0));
}

#[test]
fn a_merge_leaves_the_tables_of_another_family_alone() {
    let (url, mut client) = database();
    let merging = || loader(&url).mode(Mode::Merge(MergeKeys::new(["id"])));
    merging().load(Source::bytes(INPUT)).unwrap();
    client
        .batch_execute("CREATE TABLE orders_eu__lines (_parent_id uuid, _index integer); CREATE TABLE orders__mine (LIKE orders_eu__lines)")
        .unwrap();
    let first = INPUT.lines().next().unwrap();
    merging().load(Source::bytes(format!("{first} \n"))).unwrap();
    let indexes = "SELECT count(*) FROM pg_indexes WHERE tablename = 'orders_eu__lines'";
    assert_eq!(client.query_one(indexes, &[]).unwrap().get::<_, i64>(0), 0);
}

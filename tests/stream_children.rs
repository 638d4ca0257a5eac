//! Arrays as child tables: a record with all its elements or not at all.
#![cfg(all(unix, feature = "postgres"))]

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use longshore::load::{Contract, Counts, MergeKeys, Mode, OnChange};
use longshore::{ChildTables, ErrorKind, Loader, Offset, Receipt, Route, StreamLoader, StreamOptions};
use proxy::{Fault, Proxy};
use support::*;

fn open(url: &str, which: ChildTables) -> StreamLoader {
    Loader::new(url).table("orders").open_with(StreamOptions::default().child_tables(which)).unwrap()
}

fn batch(loader: &mut StreamLoader, bytes: &str, position: u64) -> longshore::Result<Receipt> {
    loader.write(bytes, Offset::new("s", position))?;
    loader.commit()
}

fn counts(read: u64, loaded: u64, quarantined: u64) -> Counts {
    Counts { read, loaded, quarantined, deduplicated: 0 }
}

/// The rows of a query as text.
fn query(client: &mut postgres::Client, sql: &str) -> Vec<String> {
    client.query(sql, &[]).unwrap_or_else(|error| panic!("{error}: {sql}")).iter().map(|row| row.get(0)).collect()
}

const JOINED: &str = "SELECT concat_ws(' ', o.id, i._index, i.sku, i.n) FROM orders o \
                      JOIN orders__items i ON i._parent_id = o._row_id ORDER BY o.id, i._index";

#[test]
fn elements_are_rows_that_point_at_their_record_and_follow_the_data() {
    let (url, mut client) = database();
    let mut loader = open(&url, ChildTables::paths(["items"]));
    let input = "{\"id\":1,\"items\":[{\"sku\":\"a\",\"n\":1},{\"sku\":\"b\"}],\"tags\":[1]}\n{\"id\":2,\"items\":[]}\n{\"id\":3}\n";
    let first = batch(&mut loader, input, 3).unwrap();
    assert_eq!((first.counts, first.tables.len()), (counts(3, 3, 0), 2));
    assert_eq!(first.tables[1].counts, counts(2, 2, 0));
    assert_eq!(first.tables[1].child_of.as_deref(), Some("\"public\".\"orders\""));
    // Elements evolve by themselves: a wider type and a new field.
    let second = batch(&mut loader, "{\"id\":4,\"items\":[{\"sku\":\"c\",\"n\":70000,\"new\":true}]}\n", 4).unwrap();
    assert!(second.altered.iter().all(|sql| sql.contains("orders__items")), "{:?}", second.altered);
    assert_eq!(query(&mut client, JOINED), ["1 0 a 1", "1 1 b", "4 0 c 70000"]);
    let lengths = "SELECT concat_ws(' ', id, items, tags) FROM orders ORDER BY id";
    assert_eq!(query(&mut client, lengths), ["1 2 [1]", "2 0", "3", "4 1"]);
    let conserved = "SELECT (sum(items) = (SELECT count(*) FROM orders__items))::text FROM orders";
    assert_eq!(query(&mut client, conserved), ["true"]);
}

#[test]
fn arrays_within_elements_have_tables_of_their_own() {
    let (url, mut client) = database();
    let input = "{\"o\":{\"items\":[{\"sku\":\"a\",\"tags\":[\"x\",null,{\"y\":1}]},7]}}\n";
    batch(&mut open(&url, ChildTables::All), input, 1).unwrap();
    let sql = "SELECT concat_ws(' ', i.sku, t._index, t.value, t.y) FROM orders__o__items i \
               JOIN orders__o__items__tags t ON t._parent_id = i._row_id ORDER BY t._index";
    assert_eq!(query(&mut client, sql), ["a 0 x", "a 1", "a 2 1"]);
    assert_eq!(query(&mut client, "SELECT value::text FROM orders__o__items WHERE _index = 1"), ["7"]);
}

#[test]
fn a_record_with_one_element_that_does_not_fit_is_quarantined_whole() {
    let (url, mut client) = database();
    let frozen = Contract::default().types(OnChange::Quarantine);
    batch(&mut open(&url, ChildTables::All), "{\"id\":1,\"items\":[{\"sku\":\"a\",\"n\":1}]}\n", 1).unwrap();
    let options = StreamOptions::default().child_tables(ChildTables::All).contract(frozen);
    let mut loader = Loader::new(&url).table("orders").open_with(options).unwrap();
    let input = "{\"id\":2,\"items\":[{\"sku\":\"b\",\"n\":2},{\"sku\":\"c\",\"n\":\"many\"}]}\n\
                 {\"id\":\"x\",\"items\":[{\"sku\":\"d\",\"n\":4}]}\n{\"id\":3,\"items\":[{\"sku\":\"e\",\"n\":5}]}\nbroken\n\
                 {\"id\":4,\"items\":[{\"_index\":1}]}\n";
    let receipt = batch(&mut loader, input, 6).unwrap();
    assert_eq!(receipt.counts, counts(5, 1, 4));
    assert_eq!(query(&mut client, JOINED), ["1 0 a 1", "3 0 e 5"]);
    let sql = "SELECT concat_ws(' ', table_name, source, line, path, convert_from(raw, 'UTF8')) \
               FROM _longshore_quarantine ORDER BY line";
    assert_eq!(
        query(&mut client, sql),
        [
            "orders s@6 1 items[].n {\"id\":2,\"items\":[{\"sku\":\"b\",\"n\":2},{\"sku\":\"c\",\"n\":\"many\"}]}",
            "orders s@6 2 id {\"id\":\"x\",\"items\":[{\"sku\":\"d\",\"n\":4}]}",
            "orders s@6 4 broken",
            "orders s@6 5 items[]._index {\"id\":4,\"items\":[{\"_index\":1}]}",
        ]
    );
}

#[test]
fn ids_are_the_same_however_batches_are_cut_and_in_every_replay() {
    let record = |id: u64| format!("{{\"id\":{id},\"items\":[{{\"n\":{id}}},{{\"n\":{}}}]}}\n", id + 1);
    let ids = |per_commit: u64| {
        let (url, mut client) = database();
        let mut loader = open(&url, ChildTables::All);
        for id in 1..=12 {
            loader.write(record(id), Offset::new("s", id)).unwrap();
            if id % per_commit == 0 {
                loader.commit().unwrap();
            }
        }
        loader.commit().unwrap();
        // A replay adds nothing.
        let mut again = open(&url, ChildTables::All);
        (1..=12).for_each(|id| again.write(record(id), Offset::new("s", id)).unwrap());
        assert_eq!((again.commit().unwrap().counts.read, again.totals().skipped), (0, 12));
        let sql = "SELECT concat_ws(' ', id, _row_id, n, _index) FROM orders JOIN orders__items ON _parent_id = _row_id \
                   ORDER BY id, _index";
        query(&mut client, sql)
    };
    let one = ids(1);
    assert_eq!(one.len(), 24);
    assert_eq!(one, ids(5));
    assert_eq!(one, ids(12));
}

#[test]
fn a_lost_commit_leaves_parents_and_children_once() {
    for fault in [Fault::AnswerLost, Fault::CommitLost] {
        let (url, mut client) = database();
        let proxy = Proxy::start(None);
        let mut loader = open(&proxy.url(url.rsplit_once('/').unwrap().1), ChildTables::All);
        batch(&mut loader, "{\"id\":1,\"items\":[{\"sku\":\"a\"}]}\n", 1).unwrap();
        proxy.lose(fault);
        assert_eq!(
            batch(&mut loader, "{\"id\":2,\"items\":[{\"sku\":\"b\"}]}\nx\n", 2).unwrap().counts,
            counts(2, 1, 1)
        );
        assert_eq!((count(&mut client, "orders"), count(&mut client, "orders__items")), (2, 2));
    }
}

#[test]
fn routed_records_have_child_tables_under_their_own_tables() {
    let (url, mut client) = database();
    let options = StreamOptions::default().child_tables(ChildTables::All).route(Route::field("type"));
    let mut loader = Loader::new(&url).table("e").open_with(options).unwrap();
    let input = "{\"type\":\"a\",\"x\":[1]}\n{\"type\":\"b\",\"x\":[2,3]}\n{\"x\":[]}\n";
    let receipt = batch(&mut loader, input, 1).unwrap();
    assert_eq!((receipt.counts, receipt.tables.len()), (counts(3, 3, 0), 5));
    assert_eq!((count(&mut client, "e_a__x"), count(&mut client, "e_b__x")), (1, 2));
    assert!(!exists(&mut client, "e__x"));
}

#[test]
fn what_child_tables_cannot_do_is_refused() {
    let (url, mut client) = database();
    let all = || StreamOptions::default().child_tables(ChildTables::All);
    let merging = Loader::new(&url).table("t").mode(Mode::Merge(MergeKeys::new(["id"])));
    assert_eq!(merging.open_with(all()).unwrap_err().kind(), ErrorKind::Unsupported);
    let csv = Loader::new(&url).table("t").open_with(all().csv_columns(["a"]));
    assert_eq!(csv.unwrap_err().kind(), ErrorKind::Config);
    // More arrays than there may be tables: the records are quarantined, and the others go in.
    let many: String = (0..130).map(|n| format!("{{\"a{n}\":[1]}}\n")).collect();
    let receipt = batch(&mut open(&url, ChildTables::All), &many, 1).unwrap();
    assert_eq!(receipt.counts, counts(130, 100, 30));
    assert_eq!(count(&mut client, "orders"), 100);
}

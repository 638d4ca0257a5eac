//! Arrays as child tables: a record with all its elements or not at all.
#![cfg(all(unix, feature = "postgres"))]

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

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

fn merging(url: &str, keys: MergeKeys, which: ChildTables) -> StreamLoader {
    let loader = Loader::new(url).table("orders").mode(Mode::Merge(keys));
    loader.open_with(StreamOptions::default().child_tables(which)).unwrap()
}

/// Every row of a child table belongs to a row, and every row has as many as its array was long.
fn assert_whole(client: &mut postgres::Client) {
    let orphans = "SELECT count(*)::text FROM orders__items i \
                   WHERE NOT EXISTS (SELECT FROM orders o WHERE o._row_id = i._parent_id)";
    assert_eq!(query(client, orphans), ["0"]);
    let lengths = "SELECT concat_ws(' ', id, items) FROM orders o WHERE coalesce(items, 0) <> \
                   (SELECT count(*) FROM orders__items i WHERE i._parent_id = o._row_id)";
    assert_eq!(query(client, lengths), [""; 0]);
}

#[test]
fn a_later_version_of_a_record_takes_its_elements_with_it() {
    let (url, mut client) = database();
    let keys = || MergeKeys::new(["id"]).order_by("v");
    let mut loader = merging(&url, keys(), ChildTables::All);
    let input = "{\"id\":1,\"v\":1,\"items\":[{\"sku\":\"a\",\"n\":1},{\"sku\":\"b\"}]}\n\
                 {\"id\":2,\"v\":1,\"items\":[{\"sku\":\"c\",\"n\":2}]}\n\
                 {\"id\":2,\"v\":3,\"items\":[{\"sku\":\"d\",\"n\":3}]}\n\
                 {\"id\":2,\"v\":2,\"items\":[{\"sku\":\"e\",\"n\":4},{\"sku\":\"f\"}]}\n";
    let first = batch(&mut loader, input, 1).unwrap();
    assert_eq!(first.counts, Counts { read: 4, loaded: 2, quarantined: 0, deduplicated: 2 });
    // Elements of records that lost were never on their way.
    assert_eq!(first.tables[1].counts, counts(3, 3, 0));
    assert_eq!(query(&mut client, JOINED), ["1 0 a 1", "1 1 b", "2 0 d 3"]);
    assert_whole(&mut client);
    // One is replaced, one is older than what is there, one is new, and one has no elements any more.
    let input = "{\"id\":1,\"v\":2,\"items\":[{\"sku\":\"g\",\"n\":5}]}\n\
                 {\"id\":2,\"v\":1,\"items\":[{\"sku\":\"h\",\"n\":6}]}\n\
                 {\"id\":3,\"v\":1,\"items\":[{\"sku\":\"i\",\"n\":7}]}\n";
    let second = batch(&mut loader, input, 2).unwrap();
    assert_eq!(second.counts, Counts { read: 3, loaded: 2, quarantined: 0, deduplicated: 1 });
    assert_eq!(query(&mut client, JOINED), ["1 0 g 5", "2 0 d 3", "3 0 i 7"]);
    assert_whole(&mut client);
    drop(loader);
    // A loader that has not seen the arrays itself.
    let mut loader = merging(&url, keys(), ChildTables::All);
    batch(&mut loader, "{\"id\":3,\"v\":2,\"items\":[]}\n{\"id\":1,\"v\":3}\n", 3).unwrap();
    assert_eq!(query(&mut client, JOINED), ["2 0 d 3"]);
    assert_whole(&mut client);
    let indexed = "SELECT indexdef FROM pg_indexes WHERE tablename = 'orders__items'";
    assert_eq!(query(&mut client, indexed).len(), 1, "rows of child tables are found by an index");
}

#[test]
fn elements_within_elements_go_with_the_record_too() {
    let (url, mut client) = database();
    let mut loader = merging(&url, MergeKeys::new(["id"]), ChildTables::All);
    let order = |id: u32, tag: &str| {
        format!(
            "{{\"id\":{id},\"items\":[{{\"sku\":\"s\",\"tags\":[\"{tag}\",\"{tag}{tag}\"]}},{{\"sku\":\"t\",\"tags\":[]}}]}}\n"
        )
    };
    batch(&mut loader, &(order(1, "a") + &order(2, "b")), 1).unwrap();
    batch(&mut loader, &(order(1, "x") + &order(1, "y")), 2).unwrap();
    let tags = "SELECT concat_ws(' ', o.id, i._index, t.value) FROM orders o \
                JOIN orders__items i ON i._parent_id = o._row_id \
                JOIN orders__items__tags t ON t._parent_id = i._row_id ORDER BY o.id, i._index, t._index";
    assert_eq!(query(&mut client, tags), ["1 0 y", "1 0 yy", "2 0 b", "2 0 bb"]);
    assert_eq!((count(&mut client, "orders__items"), count(&mut client, "orders__items__tags")), (4, 4));
}

#[test]
fn a_merged_record_without_its_key_is_quarantined_with_its_elements() {
    let (url, mut client) = database();
    let mut loader = merging(&url, MergeKeys::new(["id"]), ChildTables::All);
    // The key is in no record yet: nobody is loaded, and no element either.
    let none = batch(&mut loader, "{\"a\":1,\"items\":[{\"sku\":\"a\"}]}\n", 1).unwrap();
    assert_eq!(none.counts, counts(1, 0, 1));
    let some = batch(&mut loader, "{\"id\":1,\"items\":[{\"sku\":\"b\",\"n\":1}]}\n{\"items\":[{\"sku\":\"c\"}]}\n", 2)
        .unwrap();
    assert_eq!(some.counts, counts(2, 1, 1));
    assert_eq!(query(&mut client, JOINED), ["1 0 b 1"]);
    assert_eq!(count(&mut client, "orders__items"), 1);
    assert_whole(&mut client);
    let raw = "SELECT convert_from(raw, 'UTF8') FROM _longshore_quarantine ORDER BY 1";
    let as_they_came = ["{\"a\":1,\"items\":[{\"sku\":\"a\"}]}", "{\"items\":[{\"sku\":\"c\"}]}"];
    assert_eq!(query(&mut client, raw), as_they_came, "a replay is to find the elements");
}

#[test]
fn a_refused_element_takes_its_record_out_of_a_merge_and_what_it_would_have_replaced_stays() {
    let (url, mut client) = database();
    let mut loader = merging(&url, MergeKeys::new(["id"]), ChildTables::All);
    let order = |id: u32, n: i32| format!("{{\"id\":{id},\"items\":[{{\"sku\":\"s\",\"n\":{n}}}]}}\n");
    batch(&mut loader, &(order(1, 1) + &order(2, 2)), 1).unwrap();
    client.batch_execute("ALTER TABLE orders__items ADD CHECK (n < 100)").unwrap();
    let receipt = batch(&mut loader, &(order(1, 500) + &order(2, 20)), 2).unwrap();
    assert_eq!(receipt.counts, counts(2, 1, 1));
    assert_eq!(query(&mut client, JOINED), ["1 0 s 1", "2 0 s 20"]);
    assert_whole(&mut client);
}

#[test]
fn a_lost_commit_of_a_merge_leaves_every_version_once() {
    for fault in [Fault::AnswerLost, Fault::CommitLost] {
        let (url, mut client) = database();
        let proxy = Proxy::start(None);
        let url = proxy.url(url.rsplit_once('/').unwrap().1);
        let mut loader = merging(&url, MergeKeys::new(["id"]), ChildTables::All);
        let order = |id: u32, n: i32| format!("{{\"id\":{id},\"items\":[{{\"sku\":\"s\",\"n\":{n}}}]}}\n");
        batch(&mut loader, &(order(1, 1) + &order(2, 2)), 1).unwrap();
        proxy.lose(fault);
        batch(&mut loader, &(order(1, 3) + &order(3, 4)), 2).unwrap();
        assert_eq!(query(&mut client, JOINED), ["1 0 s 3", "2 0 s 2", "3 0 s 4"]);
        assert_whole(&mut client);
    }
}

#[test]
fn a_file_that_is_merged_leaves_no_elements_of_the_rows_that_it_replaces() {
    let (url, mut client) = database();
    let input = "{\"id\":1,\"n\":1,\"items\":[{\"sku\":\"a\"}]}\n{\"id\":2,\"n\":2,\"items\":[{\"sku\":\"b\"}]}\n";
    batch(&mut open(&url, ChildTables::All), input, 1).unwrap();
    let loader = Loader::new(&url).table("orders").mode(Mode::Merge(MergeKeys::new(["id"])));
    let report = loader.load(longshore::Source::bytes("{\"id\":2,\"n\":20}\n{\"id\":3,\"n\":30}\n")).unwrap();
    assert_eq!(report.counts, counts(2, 2, 0));
    let rows = "SELECT concat_ws(' ', id, n, i.sku) FROM orders o LEFT JOIN orders__items i ON i._parent_id = o._row_id ORDER BY id";
    assert_eq!(query(&mut client, rows), ["1 1 a", "2 20", "3 30"]);
    assert_whole(&mut client);
}

#[test]
fn after_any_batches_each_key_has_the_elements_of_its_newest_version() {
    let (url, mut client) = database();
    let keys = || MergeKeys::new(["id"]).order_by("v");
    let mut loader = merging(&url, keys(), ChildTables::All);
    let (mut state, mut newest) = (7u64, BTreeMap::<u64, (u64, Vec<String>)>::new());
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut sums = Counts::default();
    for position in 1..=25 {
        let mut input = String::new();
        for n in 0..random(30) {
            let (id, v, len) = (random(12), random(6), random(4));
            let items: Vec<String> =
                (0..len).map(|at| format!("{{\"sku\":\"{position}-{n}-{at}\",\"n\":{at}}}")).collect();
            input += &format!("{{\"id\":{id},\"v\":{v},\"items\":[{}]}}\n", items.join(","));
            let row = (v, (0..len).map(|at| format!("{id} {at} {position}-{n}-{at} {at}")).collect::<Vec<_>>());
            match newest.entry(id) {
                Entry::Occupied(there) if there.get().0 > v => {}
                entry => drop(entry.insert_entry(row)),
            }
        }
        if random(4) == 0 {
            loader = merging(&url, keys(), ChildTables::All);
        }
        let counts = batch(&mut loader, &input, position).unwrap().counts;
        assert_eq!(counts.read, counts.loaded + counts.deduplicated);
        sums.deduplicated += counts.deduplicated;
    }
    assert!(sums.deduplicated > 100, "{sums:?}");
    let expected: Vec<String> = newest.into_values().flat_map(|(_, rows)| rows).collect();
    assert_eq!(query(&mut client, JOINED), expected);
    assert_whole(&mut client);
}

#[test]
fn what_child_tables_cannot_do_is_refused() {
    let (url, mut client) = database();
    let all = || StreamOptions::default().child_tables(ChildTables::All);
    let csv = Loader::new(&url).table("t").open_with(all().csv_columns(["a"]));
    assert_eq!(csv.unwrap_err().kind(), ErrorKind::Config);
    // More arrays than there may be tables: the records are quarantined, and the others go in.
    let many: String = (0..130).map(|n| format!("{{\"a{n}\":[1]}}\n")).collect();
    let receipt = batch(&mut open(&url, ChildTables::All), &many, 1).unwrap();
    assert_eq!(receipt.counts, counts(130, 100, 30));
    assert_eq!(count(&mut client, "orders"), 100);
}

#[test]
fn merging_the_same_records_again_leaves_the_same_elements() {
    let (url, mut client) = database();
    let input = "{\"id\":1,\"items\":[{\"n\":1},{\"n\":2}]}\n{\"id\":2,\"items\":[{\"n\":3}]}\n";
    for _ in 0..3 {
        let mut loader = merging(&url, MergeKeys::new(["id"]), ChildTables::All);
        assert_eq!(batch(&mut loader, input, 2).unwrap().counts, counts(2, 2, 0));
        let rows = "SELECT string_agg(o.id || ' ' || i.n, ', ' ORDER BY i.n) FROM orders o JOIN orders__items i ON i._parent_id = o._row_id";
        assert_eq!(query(&mut client, rows), ["1 1, 1 2, 2 3"]);
        assert_eq!(count(&mut client, "orders__items"), 3);
        client.batch_execute("DELETE FROM _longshore_offsets; DELETE FROM _longshore_loads").unwrap();
    }
}

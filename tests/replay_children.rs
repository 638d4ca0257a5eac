//! A replay brings a record with all its elements, under the ids that the stream would have given, and once.
#![cfg(all(unix, feature = "postgres"))]

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use longshore::load::{Contract, MergeKeys, Mode, OnChange, Selection};
use longshore::{
    ChildTables, ErrorKind, Loader, Offset, Policy, Quarantine, ReplayReport, Source, StreamOptions, Type,
};
use proxy::{Fault, Proxy};
use support::*;

/// Three orders with items, and in between two whose items do not fit what the first ones were.
const FIRST: &str = "{\"id\":1,\"items\":[{\"n\":1,\"tags\":[{\"t\":\"a\"}]}]}\n";
const SECOND: &str = "{\"id\":2,\"items\":[{\"n\":20},{\"n\":\"many\",\"tags\":[{\"t\":\"b\"},{\"t\":\"c\"}]}]}\n\
                      {\"id\":3,\"items\":[{\"n\":30}]}\n{\"id\":4,\"items\":[{\"n\":\"none\"},{\"n\":40}]}\n{\"id\":\n";

fn stream(url: &str, mode: Mode, which: ChildTables, types: OnChange, writes: &[&str]) {
    let options = StreamOptions::default().child_tables(which).contract(Contract::default().types(types));
    let mut loader = Loader::new(url).table("orders").mode(mode).open_with(options).unwrap();
    for (nth, bytes) in (1..).zip(writes) {
        loader.write(*bytes, Offset::new("s", nth)).unwrap();
        loader.commit().unwrap();
    }
}

fn fill(url: &str) {
    stream(url, Mode::Append, ChildTables::All, OnChange::Quarantine, &[FIRST, SECOND]);
}

/// The rows of a query as text.
fn query(client: &mut postgres::Client, sql: &str) -> Vec<String> {
    client.query(sql, &[]).unwrap_or_else(|error| panic!("{error}: {sql}")).iter().map(|row| row.get(0)).collect()
}

/// Every row with all ids.
fn everything(client: &mut postgres::Client) -> Vec<String> {
    let sql = "SELECT concat_ws(' ', o.id, o.items, o._row_id, i._index, i.n, i.tags, i._row_id, i._parent_id, t._index, t.t, \
               t._parent_id) FROM orders o LEFT JOIN orders__items i ON i._parent_id = o._row_id \
               LEFT JOIN orders__items__tags t ON t._parent_id = i._row_id ORDER BY o.id, i._index, t._index";
    query(client, sql)
}

fn tables(client: &mut postgres::Client) -> [i64; 3] {
    ["orders", "orders__items", "orders__items__tags"].map(|table| count(client, table))
}

fn waiting(client: &mut postgres::Client) -> i64 {
    let sql = "SELECT count(*) FROM _longshore_quarantine WHERE replayed_by IS NULL";
    client.query_one(sql, &[]).unwrap().get(0)
}

#[test]
fn a_replay_brings_record_and_elements_under_the_ids_that_the_stream_would_have_given() {
    let (at_once, mut expected) = database();
    stream(&at_once, Mode::Append, ChildTables::All, OnChange::Evolve, &[FIRST, SECOND]);
    let (url, mut client) = database();
    fill(&url);
    assert_eq!((tables(&mut client), waiting(&mut client)), ([2, 2, 1], 3));
    let quarantine = Quarantine::new(&url, "orders");
    let report = quarantine.replay(&Selection::default()).unwrap();
    assert_eq!((report.tried, report.loaded, report.left), (3, 2, 1), "{report:?}");
    assert!(report.altered.iter().all(|sql| sql.contains("orders__items")), "{:?}", report.altered);
    assert_eq!(everything(&mut client), everything(&mut expected));
    balance(&mut client);
    // Once more, nothing changes.
    let again = quarantine.replay(&Selection::default()).unwrap();
    assert_eq!((again.tried, again.loaded, again.altered.len()), (1, 0, 0));
    assert_eq!(everything(&mut client), everything(&mut expected));
    assert_eq!(tables(&mut client), [4, 6, 3]);
}

#[test]
fn a_replay_that_merges_takes_the_elements_of_the_rows_that_it_replaces_with_it() {
    let (url, mut client) = database();
    let merge = || Mode::Merge(MergeKeys::new(["id"]).order_by("v"));
    let first = "{\"id\":1,\"v\":5,\"items\":[{\"n\":1,\"tags\":[{\"t\":\"a\"}]},{\"n\":2}]}\n\
                 {\"id\":2,\"v\":5,\"items\":[{\"n\":3}]}\n";
    // Later than its row, earlier, new, and a version of that.
    let second = "{\"id\":1,\"v\":9,\"items\":[{\"n\":\"x\"}]}\n{\"id\":2,\"v\":1,\"items\":[{\"n\":\"x\"}]}\n\
                  {\"id\":3,\"v\":1,\"items\":[{\"n\":\"x\"}]}\n{\"id\":3,\"v\":2,\"items\":[{\"n\":\"y\"},{\"n\":\"z\"}]}\n\
                  {\"v\":2,\"items\":[{\"n\":\"lost\"}]}\n";
    stream(&url, merge(), ChildTables::All, OnChange::Quarantine, &[first, second]);
    assert_eq!(waiting(&mut client), 5);
    let report = Quarantine::new(&url, "orders").mode(merge()).replay(&Selection::default()).unwrap();
    assert_eq!((report.tried, report.loaded, report.deduplicated, report.left), (5, 2, 2, 1), "{report:?}");
    let sql = "SELECT concat_ws(' ', o.id, o.v, i.n) FROM orders o \
               FULL JOIN orders__items i ON i._parent_id = o._row_id ORDER BY o.id, i._index";
    assert_eq!(query(&mut client, sql), ["1 9 x", "2 5 3", "3 2 y", "3 2 z"]);
    assert_eq!(tables(&mut client), [3, 4, 0]);
}

#[test]
fn a_record_of_which_a_table_refuses_a_row_stays_whole_and_the_others_come() {
    let (url, mut client) = database();
    fill(&url);
    client.batch_execute("ALTER TABLE orders__items__tags ADD CHECK (t <> 'c')").unwrap();
    let quarantine = Quarantine::new(&url, "orders");
    let report = quarantine.replay(&Selection::default()).unwrap();
    assert_eq!((report.tried, report.loaded, report.left), (3, 1, 2), "{report:?}");
    assert!(report.left_because.keys().any(|reason| reason.contains("(SQLSTATE 23514)")), "{report:?}");
    assert_eq!((tables(&mut client), waiting(&mut client)), ([3, 4, 1], 2));
    client.batch_execute("ALTER TABLE orders__items__tags DROP CONSTRAINT orders__items__tags_t_check").unwrap();
    assert_eq!(quarantine.replay(&Selection::default()).unwrap().loaded, 1);
    assert_eq!(tables(&mut client), [4, 6, 3]);
    balance(&mut client);
}

#[test]
fn under_a_contract_that_keeps_types_a_record_with_one_element_that_does_not_fit_stays() {
    let (url, mut client) = database();
    fill(&url);
    let before = everything(&mut client);
    let frozen = Contract::default().types(OnChange::Quarantine);
    let report = Quarantine::new(&url, "orders").contract(frozen).replay(&Selection::default()).unwrap();
    assert_eq!((report.loaded, report.left, report.load_ids.len()), (0, 3, 0));
    assert!(report.left_because.keys().any(|reason| reason.starts_with("column `items[].n`: ")), "{report:?}");
    assert_eq!((everything(&mut client), waiting(&mut client)), (before, 3));
}

#[test]
fn arrays_without_a_table_are_asked_about() {
    let (url, mut client) = database();
    let second = "{\"id\":\"x\",\"items\":[{\"n\":2}],\"notes\":[\"a\",\"b\"]}\n";
    let writes = ["{\"id\":1,\"items\":[{\"n\":1}]}\n", second];
    stream(&url, Mode::Append, ChildTables::paths(["items"]), OnChange::Quarantine, &writes);
    let quarantine = Quarantine::new(&url, "orders");
    let error = quarantine.replay(&Selection::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.hint().is_some_and(|hint| hint.contains("--child-tables")));
    assert_eq!((count(&mut client, "orders"), waiting(&mut client)), (1, 1));
    // As the stream has it: only one of them is a table.
    let told = quarantine.child_tables(ChildTables::paths(["items"]));
    assert_eq!(told.replay(&Selection::default()).unwrap().loaded, 1);
    let sql = "SELECT concat_ws(' ', o.id, o.items, o.notes, i.n) FROM orders o \
               JOIN orders__items i ON i._parent_id = o._row_id ORDER BY o.id";
    assert_eq!(query(&mut client, sql), ["1 1 1", "x 1 [\"a\", \"b\"] 2"]);
    assert!(!exists(&mut client, "orders__notes"));
}

#[test]
fn a_child_table_that_is_not_there_is_made_when_that_is_asked_for() {
    let (url, mut client) = database();
    let writes = ["{\"id\":1}\n", "{\"id\":\"x\",\"items\":[{\"n\":2}]}\n"];
    stream(&url, Mode::Append, ChildTables::All, OnChange::Quarantine, &writes);
    client.batch_execute("DROP TABLE orders__items").unwrap();
    let quarantine = Quarantine::new(&url, "orders");
    assert_eq!(quarantine.replay(&Selection::default()).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(quarantine.child_tables(ChildTables::All).replay(&Selection::default()).unwrap().loaded, 1);
    let sql = "SELECT concat_ws(' ', o.id, i.n) FROM orders o JOIN orders__items i ON i._parent_id = o._row_id";
    assert_eq!(query(&mut client, sql), ["x 2"]);
    balance(&mut client);
}

#[test]
fn a_field_with_one_of_our_names_keeps_its_record_where_it_is() {
    let (url, mut client) = database();
    stream(&url, Mode::Append, ChildTables::All, OnChange::Evolve, &[FIRST, "{\"id\":2,\"items\":[{\"_index\":1}]}\n"]);
    let report = Quarantine::new(&url, "orders").replay(&Selection::default()).unwrap();
    assert_eq!((report.loaded, report.left), (0, 1));
    assert!(report.left_because.keys().any(|reason| reason.contains("`items[]._index`")), "{report:?}");
    assert_eq!(tables(&mut client), [1, 1, 1]);
}

#[test]
fn records_of_files_come_with_their_elements_and_rows_of_csv_without() {
    let (url, mut client) = database();
    stream(&url, Mode::Append, ChildTables::All, OnChange::Evolve, &[FIRST]);
    let loader = Loader::new(&url).table("orders").policy(Policy::default().hint("due", Type::Date));
    let json = "{\"id\":7,\"due\":\"soon\",\"items\":[{\"n\":70},{\"n\":71}]}\n{\"id\":8,\"due\":\"later\",\"items\":[{\"n\":80}]}\n";
    loader.load(Source::bytes(json)).unwrap();
    loader.load(Source::bytes("id,due\n9,2024-01-01\n10,never\n")).unwrap();
    assert_eq!(waiting(&mut client), 3);
    let quarantine = Quarantine::new(&url, "orders").policy(Policy::default().hint("due", Type::Text));
    let report = quarantine.replay(&Selection::default()).unwrap();
    assert_eq!((report.tried, report.loaded), (3, 3), "{report:?}");
    let sql = "SELECT concat_ws(' ', o.id, o.due, i.n) FROM orders o \
               FULL JOIN orders__items i ON i._parent_id = o._row_id ORDER BY o.id, i._index";
    assert_eq!(query(&mut client, sql), ["1 1", "7 soon 70", "7 soon 71", "8 later 80", "9 2024-01-01", "10 never"]);
    balance(&mut client);
}

#[test]
fn a_replay_whose_commit_is_lost_brings_elements_once() {
    for fault in [Fault::AnswerLost, Fault::CommitLost] {
        let (url, mut client) = database();
        fill(&url);
        let proxy = Proxy::start(None);
        let quarantine = Quarantine::new(proxy.url(url.rsplit_once('/').unwrap().1), "orders");
        proxy.lose(fault.clone());
        let outcome = quarantine.replay(&Selection::default());
        if fault == Fault::AnswerLost {
            assert_eq!(outcome.unwrap().loaded, 2);
        } else {
            assert!(outcome.unwrap_err().is_temporary());
            assert_eq!((tables(&mut client), waiting(&mut client)), ([2, 2, 1], 3));
        }
        quarantine.replay(&Selection::default()).unwrap();
        assert_eq!((tables(&mut client), waiting(&mut client)), ([4, 6, 3], 1));
        balance(&mut client);
    }
}

#[test]
fn replays_and_a_stream_side_by_side_load_every_record_and_element_once() {
    let (url, mut client) = database();
    let many: String =
        (0..2_000).map(|n| format!("{{\"id\":{n},\"items\":[{{\"n\":\"x{n}\"}},{{\"n\":{n}}}]}}\n")).collect();
    stream(&url, Mode::Append, ChildTables::All, OnChange::Quarantine, &["{\"id\":1,\"items\":[{\"n\":1}]}\n", &many]);
    assert_eq!(waiting(&mut client), 2_000);
    let reports: Vec<ReplayReport> = std::thread::scope(|scope| {
        let replay = || Quarantine::new(&url, "orders").replay(&Selection::default()).unwrap();
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(replay)).collect();
        let options = StreamOptions::default().child_tables(ChildTables::All);
        let mut loader = Loader::new(&url).table("orders").open_with(options).unwrap();
        for position in 1..=10 {
            loader.write("{\"id\":1,\"items\":[{\"n\":1}]}\n", Offset::new("other", position)).unwrap();
            loader.commit().unwrap();
        }
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(reports.iter().map(|report| report.loaded).sum::<u64>(), 2_000);
    assert_eq!((count(&mut client, "orders"), count(&mut client, "orders__items")), (2_011, 4_011));
    balance(&mut client);
}

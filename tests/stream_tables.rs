//! Many tables from one stream: each record in its own, all of a batch or nothing.
#![cfg(all(unix, feature = "postgres"))]

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use longshore::load::{Counts, MergeKeys, Mode};
use longshore::records::{FormatOptions, Kind};
use longshore::{
    ChildTables, ErrorKind, Loader, Offset, ReadOptions, Route, Source, StreamLoader, StreamOptions, Unrouted,
};
use proxy::{Fault, Proxy};
use support::*;

fn open(url: &str, options: StreamOptions) -> StreamLoader {
    Loader::new(url).table("events").open_with(options).unwrap()
}

fn by_type() -> StreamOptions {
    StreamOptions::default().route(Route::field("type"))
}

fn counts(read: u64, loaded: u64, quarantined: u64) -> Counts {
    Counts { read, loaded, quarantined, deduplicated: 0 }
}

fn rows(client: &mut postgres::Client, table: &str) -> Vec<String> {
    let sql = format!("SELECT t::text FROM {table} t ORDER BY 1");
    client.query(&sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn records_go_into_the_table_of_their_value_with_columns_of_their_own() {
    let (url, mut client) = database();
    let mut loader = open(&url, by_type());
    let input = "{\"type\":\"click\",\"x\":1}\n{\"type\":\"order\",\"total\":1.5}\nbroken\n{\"x\":9}\n";
    loader.write(input, Offset::new("s", 4)).unwrap();
    loader.write("{\"type\":\"click\",\"x\":70000,\"y\":2}\n", Offset::new("s", 5)).unwrap();
    let receipt = loader.commit().unwrap();
    assert_eq!(receipt.counts, counts(5, 4, 1));
    let tables: Vec<_> = receipt.tables.iter().map(|table| (table.table.as_str(), table.counts)).collect();
    assert_eq!(
        tables,
        [
            ("\"public\".\"events\"", counts(2, 1, 1)),
            ("\"public\".\"events_click\"", counts(2, 2, 0)),
            ("\"public\".\"events_order\"", counts(1, 1, 0)),
        ]
    );
    assert_eq!(rows(&mut client, "events"), ["(9)"]);
    assert_eq!(rows(&mut client, "events_click"), ["(click,1,)", "(click,70000,2)"]);
    assert_eq!(rows(&mut client, "events_order"), ["(order,1.5)"]);
    // Each has its row in the ledger; the quarantine knows the place in the write.
    let sql = "SELECT string_agg(table_name || ' ' || loaded, ', ' ORDER BY table_name) FROM _longshore_loads";
    let ledger: String = client.query_one(sql, &[]).unwrap().get(0);
    assert_eq!(ledger, "events 1, events_click 2, events_order 1");
    let sql =
        "SELECT concat_ws(' ', table_name, source, line, byte, convert_from(raw, 'UTF8')) FROM _longshore_quarantine";
    assert_eq!(client.query_one(sql, &[]).unwrap().get::<_, String>(0), "events s@4 3 52 broken");
}

#[test]
fn rows_beside_a_table_that_was_dropped_are_not_loaded_twice() {
    let (url, mut client) = database();
    let input = "{\"type\":\"click\",\"x\":1}\n{\"x\":9}\n";
    let load = || {
        let mut loader = open(&url, by_type());
        loader.write(input, Offset::new("s", 2)).unwrap();
        loader.commit()
    };
    load().unwrap();
    client.batch_execute("DROP TABLE events").unwrap();
    let error = load().unwrap_err();
    assert_eq!((error.kind(), error.is_temporary(), error.hint().is_some()), (ErrorKind::Conflict, false, true));
    assert_eq!(rows(&mut client, "events_click").len(), 1);
    client.batch_execute("DROP TABLE events_click").unwrap();
    assert_eq!(load().unwrap().counts, counts(2, 2, 0));
    assert_eq!((rows(&mut client, "events"), rows(&mut client, "events_click").len()), (vec!["(9)".to_owned()], 1));
}

#[test]
fn rows_beside_a_dropped_table_that_come_with_later_batches_are_not_loaded_twice_either() {
    let (url, mut client) = database();
    let own: String = (0..4).map(|i| format!("{{\"id\":{i}}}\n")).collect();
    let routed: String = (0..4).map(|i| format!("{{\"id\":{i},\"type\":\"click\"}}\n")).collect();
    let load = |together: bool| {
        let mut loader = open(&url, by_type());
        loader.write(own.as_str(), Offset::new("s", 4))?;
        if !together {
            loader.commit()?;
        }
        loader.write(routed.as_str(), Offset::new("s", 8))?;
        loader.commit()
    };
    load(true).unwrap();
    // Another stream has read the same source into tables of its own, which nobody has dropped.
    let mut other = Loader::new(&url).table("others").open_with(by_type()).unwrap();
    other.write([own.as_str(), &routed].concat(), Offset::new("s", 8)).unwrap();
    other.commit().unwrap();
    client.batch_execute("DROP TABLE events").unwrap();
    let error = load(false).unwrap_err();
    assert_eq!((error.kind(), error.hint().is_some()), (ErrorKind::Conflict, true));
    assert!(error.message().contains("events_click"), "{error}");
    assert_eq!(rows(&mut client, "events_click").len(), 4);
    client.batch_execute("DROP TABLE events_click").unwrap();
    load(false).unwrap();
    assert_eq!((count(&mut client, "events"), count(&mut client, "events_click")), (4, 4));
    balance(&mut client);
}

#[test]
fn a_dropped_table_that_something_else_makes_anew_gets_the_streams_rows_again() {
    let input: String = (0..10).map(|i| format!("{{\"id\":{i}}}\n")).collect();
    let stream = |url: &str| {
        let mut loader = open(url, StreamOptions::default());
        loader.write(input.as_str(), Offset::new("s", 10)).unwrap();
        loader.commit().unwrap().counts.loaded
    };
    let (url, mut client) = database();
    assert_eq!((stream(&url), stream(&url)), (10, 0));
    client.batch_execute("DROP TABLE events").unwrap();
    Loader::new(&url).table("events").load(Source::bytes("{\"id\":100}\n")).unwrap();
    assert_eq!(Loader::new(&url).table("events").open().unwrap().committed("s").unwrap(), None);
    assert_eq!((stream(&url), stream(&url)), (10, 0));
    assert_eq!(count(&mut client, "events"), 11);
    balance(&mut client);
}

#[test]
fn a_misfit_of_a_routed_record_is_placed_where_it_came_from() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE events_a (at timestamptz, type text)").unwrap();
    let mut loader = open(&url, by_type());
    let input = "{\"type\":\"b\",\"n\":1}\n{\"type\":\"a\",\"at\":\"2024-01-01T00:00:00Z\"}\n{\"type\":\"a\",\"at\":\"soon\"}\n";
    loader.write("{\"type\":\"b\",\"n\":0}\n", Offset::new("s", 1)).unwrap();
    loader.write(input, Offset::new("s", 4)).unwrap();
    assert_eq!(loader.commit().unwrap().counts, counts(4, 3, 1));
    let sql = "SELECT concat_ws(' ', table_name, source, line, byte, path, convert_from(raw, 'UTF8')) FROM _longshore_quarantine";
    let found: String = client.query_one(sql, &[]).unwrap().get(0);
    assert_eq!(found, "events_a s@4 3 60 at {\"type\":\"a\",\"at\":\"soon\"}");
}

#[test]
fn records_past_the_bound_on_tables_stay_or_are_quarantined() {
    let input =
        "{\"type\":\"a\"}\n{\"type\":\"b\"}\n{\"type\":\"c\"}\n{\"type\":null}\n{\"type\":[1]}\n{\"type\":\"a\"}\n";
    for (unrouted, own) in [(Unrouted::OwnTable, counts(3, 3, 0)), (Unrouted::Quarantine, counts(3, 0, 3))] {
        let (url, mut client) = database();
        let route = Route::field("type").max_tables(2).unrouted(unrouted);
        let mut loader = open(&url, StreamOptions::default().route(route));
        loader.write(input, Offset::new("s", 6)).unwrap();
        let receipt = loader.commit().unwrap();
        assert_eq!((receipt.tables.len(), receipt.tables[0].counts), (3, own));
        assert_eq!((count(&mut client, "events_a"), count(&mut client, "events_b")), (2, 1));
        assert_eq!(count(&mut client, "_longshore_quarantine"), own.quarantined as i64);
    }
}

#[test]
fn the_bound_on_tables_is_the_same_however_often_a_stream_is_started() {
    for (unrouted, own) in [(Unrouted::OwnTable, 1), (Unrouted::Quarantine, 0)] {
        let (url, mut client) = database();
        let start = |records: &str, position| {
            let route = Route::field("type").max_tables(1).unrouted(unrouted);
            let options = StreamOptions::default().route(route).child_tables(ChildTables::All);
            let mut loader = open(&url, options);
            loader.write(records, Offset::new("s", position)).unwrap();
            loader.commit().unwrap();
        };
        start("{\"type\":\"a\",\"items\":[1]}\n", 1);
        start("{\"type\":\"z\"}\n{\"type\":\"a\"}\n", 2);
        assert!(!exists(&mut client, "events_z"));
        assert_eq!(count(&mut client, "events_a"), 2);
        assert_eq!(count(&mut client, "_longshore_quarantine"), 1 - own);
        if own == 1 {
            assert_eq!(count(&mut client, "events"), 1);
        }
        // Where the table is gone, there is room for another one.
        client.batch_execute("DROP TABLE events_a, events_a__items").unwrap();
        start("{\"type\":\"z\"}\n", 3);
        assert_eq!(count(&mut client, "events_z"), 1);
    }
}

#[test]
fn no_value_writes_into_a_table_that_is_not_the_streams() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE users (type text); CREATE TABLE bystander (n int)").unwrap();
    let mut loader = open(&url, by_type());
    let hostile = ["users", "x\\\"; DROP TABLE bystander; --", "../users", "public.users", ""];
    let input: String = hostile.iter().map(|value| format!("{{\"type\":\"{value}\"}}\n")).collect();
    loader.write(&input, Offset::new("s", 1)).unwrap();
    let receipt = loader.commit().unwrap();
    assert_eq!((receipt.counts, receipt.tables.len()), (counts(5, 5, 0), 6));
    assert_eq!((count(&mut client, "users"), count(&mut client, "bystander")), (0, 0));
}

#[test]
fn the_caller_may_name_the_table_and_the_offsets_are_the_sources() {
    let (url, mut client) = database();
    let mut loader = open(&url, StreamOptions::default());
    loader.write("{\"a\":1}\n", Offset::new("s", 1)).unwrap();
    loader.write_to("archive.old", "{\"b\":1}\n{\"b\":2}\n", Offset::new("s", 2)).unwrap();
    loader.write_to("public.events", "{\"a\":3}\n", Offset::new("s", 3)).unwrap();
    loader.write_to("archive.old", "{\"b\":2}\n", Offset::new("s", 2)).unwrap();
    let receipt = loader.commit().unwrap();
    assert_eq!((receipt.counts, receipt.tables.len(), loader.totals().skipped), (counts(4, 4, 0), 2, 1));
    assert_eq!(rows(&mut client, "archive.old"), ["(1)", "(2)"]);
    assert_eq!(rows(&mut client, "events"), ["(1)", "(3)"]);
    assert_eq!(open(&url, StreamOptions::default()).committed("s").unwrap(), Some(3));
    for wrong in ["a.b.c", "", "_longshore_loads"] {
        let error = loader.write_to(wrong, "{}", Offset::new("s", 9)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{wrong}");
    }
}

#[test]
fn all_tables_of_a_batch_are_committed_or_none() {
    let (url, mut client) = database();
    let mut loader = open(&url, by_type());
    loader.write("{\"type\":\"a\",\"n\":1}\n{\"type\":\"z\",\"n\":1}\n", Offset::new("s", 1)).unwrap();
    loader.commit().unwrap();
    let drops_rows = "CREATE FUNCTION drop_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
                      CREATE TRIGGER drops BEFORE INSERT ON events_z FOR EACH ROW EXECUTE FUNCTION drop_row()";
    client.batch_execute(drops_rows).unwrap();
    loader.write("{\"type\":\"a\",\"n\":2}\n{\"type\":\"z\",\"n\":2}\n", Offset::new("s", 2)).unwrap();
    loader.write("{\"type\":\"new\",\"n\":2}\n", Offset::new("s", 3)).unwrap();
    assert_eq!(loader.commit().unwrap_err().kind(), ErrorKind::NotConserved);
    assert_eq!((count(&mut client, "events_a"), count(&mut client, "events_z")), (1, 1));
    assert!(!exists(&mut client, "events_new"));
    client.batch_execute("DROP TRIGGER drops ON events_z").unwrap();
    assert_eq!(loader.commit().unwrap().counts, counts(3, 3, 0));
    assert_eq!((count(&mut client, "events_a"), count(&mut client, "events_z")), (2, 2));
}

#[test]
fn a_commit_over_many_tables_that_is_lost_on_its_way_or_on_its_way_back_is_done_once() {
    for fault in [Fault::AnswerLost, Fault::CommitLost] {
        let (url, mut client) = database();
        let proxy = Proxy::start(None);
        let mut loader = open(&proxy.url(url.rsplit_once('/').unwrap().1), by_type());
        loader.write("{\"type\":\"a\",\"n\":1}\n", Offset::new("s", 1)).unwrap();
        loader.commit().unwrap();
        loader.write("{\"type\":\"a\",\"n\":2}\n{\"type\":\"b\",\"n\":2}\nbroken\n", Offset::new("s", 2)).unwrap();
        proxy.lose(fault);
        assert_eq!(loader.commit().unwrap().counts, counts(3, 2, 1));
        loader.write("{\"type\":\"b\",\"n\":3}\n", Offset::new("s", 3)).unwrap();
        loader.commit().unwrap();
        assert_eq!((count(&mut client, "events_a"), count(&mut client, "events_b")), (2, 2));
        assert_eq!(count(&mut client, "_longshore_quarantine"), 1);
    }
}

#[test]
fn loaders_that_share_many_tables_in_any_order_neither_block_nor_double() {
    let (url, mut client) = database();
    std::thread::scope(|scope| {
        for nth in 0..3u64 {
            let url = &url;
            scope.spawn(move || {
                let mut loader = Loader::new(url).table(format!("own_{nth}")).open().unwrap();
                for round in 1..=15u64 {
                    // Each names the shared tables in another order.
                    for step in 0..3 {
                        let table = format!("shared_{}", (nth + step) % 3);
                        let record = format!("{{\"by\":{nth},\"round\":{round},\"v{round}\":{round}}}\n");
                        loader.write_to(&table, &record, Offset::new(format!("s{nth}"), 3 * round + step)).unwrap();
                    }
                    loader.commit().unwrap();
                }
            });
        }
    });
    for table in ["shared_0", "shared_1", "shared_2"] {
        let sql = format!("SELECT count(*), count(DISTINCT (by, round)) FROM {table}");
        let row = client.query_one(&sql, &[]).unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (45, 45), "{table}");
    }
}

#[test]
fn csv_is_routed_too_and_quoted_line_breaks_stay_whole() {
    let (url, mut client) = database();
    let csv = FormatOptions { kind: Some(Kind::Csv), ..FormatOptions::default() };
    let options = by_type().csv_columns(["type", "note"]);
    let loader = Loader::new(&url).table("events").read(ReadOptions::default().format(csv));
    let mut loader = loader.open_with(options).unwrap();
    loader.write("a,\"two\nlines\"\nb,x\na,y,z\na,last\n", Offset::new("s", 1)).unwrap();
    assert_eq!(loader.commit().unwrap().counts, counts(4, 3, 1));
    assert_eq!(rows(&mut client, "events_a"), ["(a,\"two\nlines\")", "(a,last)"]);
    let line: i64 = client.query_one("SELECT line FROM _longshore_quarantine", &[]).unwrap().get(0);
    assert_eq!(line, 4);
}

#[test]
fn each_routed_table_is_merged_by_its_own_key() {
    let (url, mut client) = database();
    let loader = Loader::new(&url).table("events").mode(Mode::Merge(MergeKeys::new(["id"])));
    let mut loader = loader.open_with(by_type()).unwrap();
    let input =
        "{\"type\":\"a\",\"id\":1,\"v\":1}\n{\"type\":\"b\",\"id\":1,\"v\":1}\n{\"type\":\"a\",\"id\":1,\"v\":2}\n";
    loader.write(input, Offset::new("s", 1)).unwrap();
    let receipt = loader.commit().unwrap();
    assert_eq!(receipt.counts, Counts { read: 3, loaded: 2, quarantined: 0, deduplicated: 1 });
    assert_eq!(
        (rows(&mut client, "events_a"), rows(&mut client, "events_b")),
        (vec!["(a,1,2)".into()], vec!["(b,1,1)".into()])
    );
}

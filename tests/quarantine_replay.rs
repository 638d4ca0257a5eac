//! What did not become a row can be looked at, and tried again once what held it up has changed: all of it, once.
#![cfg(all(unix, feature = "postgres"))]

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use longshore::load::{Contract, MergeKeys, Mode, OnChange, Rewrite, Selection};
use longshore::records::Kind;
use longshore::{
    ErrorKind, Feed, Loader, Offset, Policy, Quarantine, ReadOptions, ReplayReport, Route, Source, StreamOptions, Type,
};
use proxy::{Fault, Proxy};
use support::*;

/// A stream whose contract keeps `a` a number: of six records one is damaged and three do not fit.
fn fill(url: &str) {
    let frozen = Contract::default().types(OnChange::Quarantine);
    let options = StreamOptions::default().contract(frozen);
    let mut loader = Loader::new(url).table("t").open_with(options).unwrap();
    loader.write("{\"a\":1}\n{\"a\":2}\n", Offset::new("s", 2)).unwrap();
    loader.commit().unwrap();
    loader.write("{\"a\":\"x\"}\n{\"a\":\"y\",\"b\":true}\n{\"a\":", Offset::new("s", 5)).unwrap();
    loader.write("{\"a\":2.5}\n", Offset::new("s", 6)).unwrap();
    assert_eq!(loader.commit().unwrap().counts.quarantined, 4);
}

fn values(client: &mut postgres::Client) -> Vec<String> {
    let rows = client.query("SELECT a::text FROM t ORDER BY 1", &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn waiting(client: &mut postgres::Client) -> i64 {
    let sql = "SELECT count(*) FROM _longshore_quarantine WHERE replayed_by IS NULL";
    client.query_one(sql, &[]).unwrap().get(0)
}

/// The ledger's rows balance, and together they say how many rows there are and how many records wait.
fn balance(client: &mut postgres::Client, table: &str) {
    let sql = "SELECT sum(read)::bigint, sum(loaded)::bigint, sum(quarantined)::bigint, \
               bool_and(read = loaded + quarantined + deduplicated) FROM _longshore_loads";
    let row = client.query_one(sql, &[]).unwrap();
    assert!(row.get::<_, bool>(3), "every load balances");
    assert_eq!(row.get::<_, i64>(1), count(client, table), "rows");
    assert_eq!(row.get::<_, i64>(2), count(client, "_longshore_quarantine"), "records kept");
    let replayed = row.get::<_, i64>(2) - waiting(client);
    let loads = "SELECT coalesce(sum(loaded), 0)::bigint FROM _longshore_loads WHERE 'quarantine' = ANY (sources)";
    assert_eq!(client.query_one(loads, &[]).unwrap().get::<_, i64>(0), replayed, "marked and loaded are the same");
}

#[test]
fn records_are_listed_by_reason_path_and_source_and_shown_byte_for_byte() {
    let (url, _client) = database();
    fill(&url);
    let quarantine = Quarantine::new(&url, "t");
    let groups = quarantine.groups(&Selection::default()).unwrap();
    let seen: Vec<_> =
        groups.iter().map(|group| (group.records, group.path.as_deref(), group.source.as_str())).collect();
    assert_eq!(seen.iter().map(|group| group.0).sum::<u64>(), 4);
    assert!(seen.contains(&(1, None, "s")) && seen.iter().all(|group| group.2 == "s"), "{seen:?}");
    let selection = Selection::default().path("a").source("s");
    let records = quarantine.records(&selection, 10).unwrap();
    let raws: Vec<&[u8]> = records.iter().map(|record| record.raw.as_slice()).collect();
    assert_eq!(raws, [&b"{\"a\":\"x\"}"[..], b"{\"a\":\"y\",\"b\":true}", b"{\"a\":2.5}"]);
    assert_eq!((records[1].source.as_str(), records[1].line, records[1].byte), ("s@5", 2, 10));
    assert!(records.iter().all(|record| record.schema_version.as_ref().is_some_and(|version| version.len() == 16)));
    let one = quarantine.records(&Selection::default().id(&records[2].id).unwrap(), 10).unwrap();
    assert_eq!(one.len(), 1);
    assert!(!format!("{:?}", one[0]).contains("2.5"), "a record's value is not in its debug text");
    assert_eq!(Quarantine::new(&url, "other").groups(&Selection::default()).unwrap(), []);
}

#[test]
fn a_replay_loads_what_fits_now_and_leaves_the_rest() {
    let (url, mut client) = database();
    fill(&url);
    let frozen = Contract::default().types(OnChange::Quarantine);
    let quarantine = Quarantine::new(&url, "t");
    // Under the same contract the same records stay, and nothing is written at all.
    let same = quarantine.clone().contract(frozen).replay(&Selection::default()).unwrap();
    assert_eq!((same.tried, same.loaded, same.left, same.load_ids.len()), (4, 0, 4, 0));
    assert_eq!((count(&mut client, "_longshore_loads"), waiting(&mut client)), (2, 4));

    let report = quarantine.replay(&Selection::default().path("a")).unwrap();
    assert_eq!((report.tried, report.loaded, report.left), (3, 3, 0));
    assert!(report.altered.iter().any(|sql| sql.contains("TYPE text")), "{:?}", report.altered);
    assert_eq!(values(&mut client), ["1", "2", "2.5", "x", "y"]);
    balance(&mut client, "t");

    let rest = quarantine.replay(&Selection::default()).unwrap();
    assert_eq!((rest.tried, rest.loaded, rest.left), (1, 0, 1));
    assert!(rest.left_because.keys().next().unwrap().contains("not valid JSON"), "{:?}", rest.left_because);
    assert_eq!(quarantine.groups(&Selection::default()).unwrap().len(), 1);
    let all = quarantine.groups(&Selection::default().with_replayed()).unwrap();
    assert_eq!(all.iter().map(|group| group.replayed).sum::<u64>(), 3);
    balance(&mut client, "t");
}

#[test]
fn a_hint_decides_what_a_replay_takes_records_for() {
    let (url, mut client) = database();
    let policy = Policy::default().hint("due", Type::Date);
    let bytes = "{\"due\":\"2024-01-31\"}\n{\"due\":\"soon\"}\n{\"due\":\"2024-02-30\"}\n";
    let report = Loader::new(&url).table("t").policy(policy.clone()).load(Source::bytes(bytes)).unwrap();
    assert_eq!(report.counts.quarantined, 2);
    let quarantine = Quarantine::new(&url, "t");
    let same = quarantine.clone().policy(policy).replay(&Selection::default()).unwrap();
    assert_eq!((same.loaded, same.left), (0, 2));
    let text = quarantine.policy(Policy::default().hint("due", Type::Text)).replay(&Selection::default()).unwrap();
    assert_eq!((text.loaded, text.left), (2, 0));
    let rows = client.query("SELECT due FROM t ORDER BY due", &[]).unwrap();
    let dues: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(dues, ["2024-01-31", "2024-02-30", "soon"]);
    balance(&mut client, "t");
}

#[test]
fn replays_side_by_side_load_every_record_once() {
    let (url, mut client) = database();
    let frozen = Contract::default().types(OnChange::Quarantine);
    let mut loader = Loader::new(&url).table("t").open_with(StreamOptions::default().contract(frozen)).unwrap();
    loader.write("{\"a\":1}\n", Offset::new("s", 1)).unwrap();
    loader.commit().unwrap();
    let many: String = (0..3_000).map(|n| format!("{{\"a\":\"x{n}\"}}\n")).collect();
    loader.write(many, Offset::new("s", 2)).unwrap();
    assert_eq!(loader.commit().unwrap().counts.quarantined, 3_000);
    let reports: Vec<ReplayReport> = std::thread::scope(|scope| {
        let replay = || Quarantine::new(&url, "t").replay(&Selection::default()).unwrap();
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(replay)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(reports.iter().map(|report| report.loaded).sum::<u64>(), 3_000);
    let distinct = "SELECT count(DISTINCT a) FROM t";
    assert_eq!(client.query_one(distinct, &[]).unwrap().get::<_, i64>(0), 3_001);
    balance(&mut client, "t");
}

#[test]
fn a_replay_whose_commit_is_lost_on_its_way_or_back_is_done_once() {
    for fault in [Fault::AnswerLost, Fault::CommitLost] {
        let (url, mut client) = database();
        fill(&url);
        let proxy = Proxy::start(None);
        let quarantine = Quarantine::new(proxy.url(url.rsplit_once('/').unwrap().1), "t");
        proxy.lose(fault.clone());
        let outcome = quarantine.replay(&Selection::default());
        match fault {
            Fault::AnswerLost => assert_eq!(outcome.unwrap().loaded, 3),
            _ => {
                let error = outcome.unwrap_err();
                assert!(error.is_temporary(), "{error}");
                assert_eq!((values(&mut client).len(), waiting(&mut client)), (2, 4));
            }
        }
        quarantine.replay(&Selection::default()).unwrap();
        assert_eq!(values(&mut client), ["1", "2", "2.5", "x", "y"]);
        balance(&mut client, "t");
    }
}

#[test]
fn rows_of_csv_are_replayed_in_the_layout_they_came_in() {
    let (url, mut client) = database();
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.csv"), folder.path().join("two.csv"));
    std::fs::write(&one, "id;due\n1;2024-01-31\n2;soon\n").unwrap();
    std::fs::write(&two, "due,id\n2024-03-01,3\n\"later, perhaps\",4\n5\n").unwrap();
    let loader = Loader::new(&url).table("t").policy(Policy::default().hint("due", Type::Date));
    let report = loader.load(Source::paths([one, two])).unwrap();
    assert_eq!((report.counts.loaded, report.counts.quarantined), (2, 3));
    let quarantine = Quarantine::new(&url, "t").policy(Policy::default().hint("due", Type::Text));
    let replayed = quarantine.replay(&Selection::default()).unwrap();
    assert_eq!((replayed.loaded, replayed.left), (2, 1), "{replayed:?}");
    let rows = client.query("SELECT id::text || '=' || due FROM t ORDER BY id", &[]).unwrap();
    let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(rows, ["1=2024-01-31", "2=soon", "3=2024-03-01", "4=later, perhaps"]);
    balance(&mut client, "t");
}

#[test]
fn a_quarantine_of_an_older_version_is_brought_up_to_date() {
    let (url, mut client) = database();
    fill(&url);
    client
        .batch_execute(
            "ALTER TABLE _longshore_quarantine DROP COLUMN id, DROP COLUMN schema_version, DROP COLUMN replayed_by, \
             DROP COLUMN replayed_at; ALTER TABLE _longshore_loads DROP COLUMN formats",
        )
        .unwrap();
    let quarantine = Quarantine::new(&url, "t");
    assert_eq!(quarantine.groups(&Selection::default()).unwrap().iter().map(|group| group.records).sum::<u64>(), 4);
    assert_eq!(quarantine.replay(&Selection::default()).unwrap().loaded, 3);
    // A loader that finds the old tables does the same.
    client.batch_execute("ALTER TABLE _longshore_quarantine DROP COLUMN schema_version").unwrap();
    Loader::new(&url).table("t").load(Source::bytes("{\"a\":\"z\"}\nnone\n")).unwrap();
    balance(&mut client, "t");
}

#[test]
fn a_replay_into_a_table_that_is_merged_by_key_merges() {
    let (url, mut client) = database();
    let merge = Mode::Merge(MergeKeys::new(["id"]).order_by("at"));
    let frozen = StreamOptions::default().contract(Contract::default().types(OnChange::Quarantine));
    let mut loader = Loader::new(&url).table("t").mode(merge.clone()).open_with(frozen).unwrap();
    loader.write("{\"id\":1,\"at\":5,\"a\":1}\n{\"id\":2,\"at\":5,\"a\":1}\n", Offset::new("s", 1)).unwrap();
    loader.commit().unwrap();
    // One is later than its row, one earlier, and one is new.
    let late = "{\"id\":1,\"at\":9,\"a\":\"x\"}\n{\"id\":2,\"at\":1,\"a\":\"x\"}\n{\"id\":3,\"at\":1,\"a\":\"x\"}\n";
    loader.write(late, Offset::new("s", 2)).unwrap();
    assert_eq!(loader.commit().unwrap().counts.quarantined, 3);
    let quarantine = Quarantine::new(&url, "t").mode(merge);
    let report = quarantine.replay(&Selection::default()).unwrap();
    assert_eq!((report.tried, report.left, waiting(&mut client)), (3, 0, 0), "{report:?}");
    assert_eq!(report.loaded + report.deduplicated, 3);
    let rows = client.query("SELECT id::text || a FROM t ORDER BY id", &[]).unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<String>>(), ["1x", "21", "3x"]);
}

#[test]
fn a_contract_that_would_take_records_apart_is_refused() {
    let (url, mut client) = database();
    fill(&url);
    for contract in [
        Contract::default().types(OnChange::NullValue),
        Contract::default().column("a", OnChange::NullValue),
        Contract::default().rewrite(Rewrite::Quarantine),
    ] {
        let error = Quarantine::new(&url, "t").contract(contract).replay(&Selection::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    let error = Quarantine::new(&url, "t").mode(Mode::Replace).replay(&Selection::default()).unwrap_err();
    assert_eq!((error.kind(), waiting(&mut client)), (ErrorKind::Config, 4));
}

#[test]
fn records_of_loads_that_were_replaced_stay_where_they_are() {
    let (url, mut client) = database();
    fill(&url);
    let replace = Loader::new(&url).table("t").mode(longshore::load::Mode::Replace);
    replace.load(Source::bytes("{\"a\":9}\n")).unwrap();
    let report = Quarantine::new(&url, "t").replay(&Selection::default()).unwrap();
    assert_eq!((report.tried, report.loaded), (0, 0));
    assert_eq!(values(&mut client), ["9"]);
}

#[test]
fn what_was_set_aside_by_the_caller_is_in_the_quarantine_with_its_offset() {
    let (url, mut client) = database();
    let mut loader = Loader::new(&url).table("t").open().unwrap();
    loader.write("{\"a\":1}\n", Offset::new("s", 1)).unwrap();
    loader.set_aside(b"\xff\x00raw", "no value", Offset::new("s", 2)).unwrap();
    loader.set_aside(b"", "no value", Offset::new("s", 3)).unwrap();
    let counts = loader.commit().unwrap().counts;
    assert_eq!((counts.read, counts.loaded, counts.quarantined), (3, 1, 2));
    assert_eq!(loader.committed("s").unwrap(), Some(3));
    let quarantine = Quarantine::new(&url, "t");
    let records = quarantine.records(&Selection::default(), 9).unwrap();
    assert_eq!((records[0].source.as_str(), records[0].raw.as_slice()), ("s@2", &b"\xff\x00raw"[..]));
    let report = quarantine.replay(&Selection::default()).unwrap();
    assert_eq!((report.tried, report.left), (2, 2));
    balance(&mut client, "t");
}

#[test]
fn a_record_of_which_a_stream_kept_only_the_beginning_stays() {
    let (url, mut client) = database();
    let mut read = ReadOptions::default();
    read.limits.max_record_bytes = 80_000;
    let options = StreamOptions::default().csv_columns(["id", "s"]);
    let mut loader = Loader::new(&url).table("t").read(read).open_with(options).unwrap();
    let mut feed = Feed::new(&loader, "s", 0);
    feed.push(&mut loader, &[&b"1,short\n2,"[..], &[b'x'; 200_000], b"\n3,after\n"].concat()).unwrap();
    assert_eq!(loader.commit().unwrap().counts.quarantined, 1);
    let kept = Quarantine::new(&url, "t").records(&Selection::default(), 1).unwrap().remove(0);
    assert_eq!((kept.raw.len(), kept.raw_bytes), (65_536, 200_003));
    let report = Quarantine::new(&url, "t").replay(&Selection::default()).unwrap();
    assert_eq!((report.tried, report.loaded, report.left), (1, 0, 1), "{report:?}");
    assert_eq!(count(&mut client, "t"), 2);
}

#[test]
fn what_a_load_kept_is_kept_once_when_the_load_is_made_again() {
    let (url, mut client) = database();
    let load = |input: &str, mode: Mode| {
        let policy = Policy::default().hint("a", Type::Int64);
        Loader::new(&url).table("t").policy(policy).mode(mode).load(Source::bytes(input)).unwrap().counts
    };
    let first = "{\"a\":1}\n{\"a\":\"x\"}\n";
    assert_eq!(load(first, Mode::Append).quarantined, 1);
    assert_eq!(load("{\"a\":2}\n", Mode::Replace).quarantined, 0);
    assert_eq!(load(first, Mode::Append).quarantined, 1);
    assert_eq!(waiting(&mut client), 1);
    let report =
        Quarantine::new(&url, "t").policy(Policy::default().hint("a", Type::Text)).replay(&Selection::default());
    assert_eq!(report.unwrap().loaded, 1);
    assert_eq!(values(&mut client), ["1", "2", "x"]);
}

#[test]
fn what_loads_without_any_row_kept_still_waits_behind_the_first_that_makes_the_table() {
    let (url, mut client) = database();
    let mut read = ReadOptions::default();
    read.format.kind = Some(Kind::Ndjson);
    let load = |input: &str| Loader::new(&url).table("t").read(read.clone()).load(Source::bytes(input)).unwrap().counts;
    assert_eq!(load("{no\n{record\n").quarantined, 2);
    assert_eq!(load("{\"a\":1}\n").loaded, 1);
    let groups = Quarantine::new(&url, "t").groups(&Selection::default()).unwrap();
    assert_eq!(groups.iter().map(|group| group.records).sum::<u64>(), 2);
    assert_eq!(load("{no\n{record\n").quarantined, 2, "as the ledger has it");
    assert_eq!(count(&mut client, "_longshore_quarantine"), 2);
    // Batches of a stream of which no record is for its own table.
    let (url, _client) = database();
    let options = StreamOptions::default().route(Route::field("type"));
    let mut stream = Loader::new(&url).table("ev").open_with(options).unwrap();
    for batch in 1..=3 {
        stream.write("{\"type\":\"b\",\"n\":1}\nbroken\n", Offset::new("s", batch)).unwrap();
        stream.commit().unwrap();
    }
    let groups = Quarantine::new(&url, "ev").groups(&Selection::default()).unwrap();
    assert_eq!(groups.iter().map(|group| group.records).sum::<u64>(), 3);
}

#[test]
fn for_a_record_that_stays_the_table_is_not_changed() {
    let (url, mut client) = database();
    let frozen = Contract::default().types(OnChange::Quarantine).columns(OnChange::Quarantine);
    let mut loader = Loader::new(&url).table("t").open_with(StreamOptions::default().contract(frozen)).unwrap();
    for (position, lines) in [(1, "{\"n\":1}\n"), (3, "{\"n\":3000000000}\n{\"n\":\"q\",\"extra\":5}\n")] {
        loader.write(lines, Offset::new("s", position)).unwrap();
        loader.commit().unwrap();
    }
    assert_eq!(waiting(&mut client), 2);
    let policy = Policy::default().hint("n", Type::Int64);
    let report = Quarantine::new(&url, "t").policy(policy).replay(&Selection::default()).unwrap();
    assert_eq!((report.loaded, report.left, report.altered.len()), (1, 1, 1), "{report:?}");
    assert!(client.query("SELECT extra FROM t", &[]).is_err());
}

#[test]
fn a_stream_whose_table_was_dropped_goes_on_over_batches_without_a_row() {
    let (url, mut client) = database();
    let fill = || {
        let mut loader = Loader::new(&url).table("t").open().unwrap();
        for (position, lines) in [(1, "{\"a\":1}\n"), (2, "broken\n"), (3, "{\"a\":2}\n")] {
            loader.write(lines, Offset::new("s", position)).unwrap();
            loader.commit().unwrap();
        }
    };
    fill();
    client.batch_execute("DROP TABLE t").unwrap();
    fill();
    assert_eq!(values(&mut client), ["1", "2"]);
    balance(&mut client, "t");
}

#[test]
fn a_replay_that_leaves_everything_is_no_load() {
    let (url, mut client) = database();
    fill(&url);
    let before = count(&mut client, "_longshore_loads");
    let quarantine = Quarantine::new(&url, "t").policy(Policy::default().hint("a", Type::Text));
    let wrong = quarantine.clone().mode(Mode::Merge(MergeKeys::new(["idd"]))).replay(&Selection::default()).unwrap();
    assert_eq!((wrong.loaded, wrong.left, wrong.load_ids.len()), (0, 4, 0), "{wrong:?}");
    assert_eq!(count(&mut client, "_longshore_loads"), before);
    assert_eq!(quarantine.replay(&Selection::default()).unwrap().loaded, 3);
    balance(&mut client, "t");
}

#[test]
fn what_batches_without_rows_have_kept_does_not_wait_any_more_when_its_source_begins_anew() {
    let (url, mut client) = database();
    let load = |frozen: bool, batches: &[(&str, u64)]| {
        let contract = if frozen { Contract::default().types(OnChange::Quarantine) } else { Contract::default() };
        let options = StreamOptions::default().contract(contract);
        let mut loader = Loader::new(&url).table("t").open_with(options).unwrap();
        for (records, position) in batches {
            loader.write(*records, Offset::new("s", *position)).unwrap();
            loader.commit().unwrap();
        }
    };
    load(true, &[("{\"a\":1}\n", 1), ("{\"a\":\"x\"}\n{\"a\":\"y\"}\n", 3), ("{\"a\":2}\n", 4)]);
    assert_eq!(waiting(&mut client), 2);
    client.batch_execute("DROP TABLE t").unwrap();
    let all = ["{\"a\":1}\n", "{\"a\":\"x\"}\n{\"a\":\"y\"}\n", "{\"a\":2}\n"].concat();
    load(false, &[(&all, 4)]);
    assert_eq!(values(&mut client), ["1", "2", "x", "y"]);
    let report = Quarantine::new(&url, "t").replay(&Selection::default()).unwrap();
    assert_eq!((report.tried, values(&mut client).len()), (0, 4));
}

#[test]
fn a_replay_behind_a_quarantine_that_somebody_has_emptied_is_another_one() {
    let (url, mut client) = database();
    for name in ["one", "two"] {
        let contract = Contract::default().types(OnChange::Quarantine);
        let mut loader = Loader::new(&url).table("t").open_with(StreamOptions::default().contract(contract)).unwrap();
        for (position, record) in [(1, "{\"a\":1}\n"), (2, "{\"a\":\"x\"}\n")] {
            loader.write(record, Offset::new(name, position)).unwrap();
            loader.commit().unwrap();
        }
        client.batch_execute("ALTER TABLE t ALTER a TYPE text").unwrap();
        assert_eq!(Quarantine::new(&url, "t").replay(&Selection::default()).unwrap().loaded, 1, "{name}");
        client.batch_execute("ALTER TABLE t ALTER a TYPE int USING nullif(a, 'x')::int").unwrap();
        client.batch_execute("TRUNCATE _longshore_quarantine RESTART IDENTITY").unwrap();
    }
}

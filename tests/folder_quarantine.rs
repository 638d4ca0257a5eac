//! The quarantine of a load into a folder can be looked at, and loaded once more as a load of its own.
#![cfg(feature = "parquet")]

use longshore::load::{Contract, KeptRecord, OnChange, Selection};
use longshore::{ErrorKind, Loader, Policy, Quarantine, Source, Type};

const LINES: &str = "{\"due\":\"2024-01-31\"}\n{\"due\":\"soon\"}\n{\"due\":\n\"\u{7f}\"\n";

fn fill(url: &str) {
    let loader = Loader::new(url).table("t").load_id("first").policy(Policy::default().hint("due", Type::Date));
    let mut bytes = LINES.as_bytes().to_vec();
    bytes.extend_from_slice(b"{\"due\":\"\xff\"}\n");
    assert_eq!(loader.load(Source::bytes(bytes).named("in.ndjson")).unwrap().counts.quarantined, 4);
}

#[test]
fn records_are_listed_and_shown_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("dir:{}", folder.path().display());
    fill(&url);
    let quarantine = Quarantine::new(&url, "t");
    let groups = quarantine.groups(&Selection::default()).unwrap();
    assert_eq!(groups.iter().map(|group| group.records).sum::<u64>(), 4);
    assert!(groups.iter().any(|group| group.path.as_deref() == Some("due") && group.source == "in.ndjson"));
    let records = quarantine.records(&Selection::default(), 10).unwrap();
    let raws: Vec<&[u8]> = records.iter().map(|record| record.raw.as_slice()).collect();
    assert!(raws.contains(&&b"{\"due\":\"\xff\"}"[..]) && raws.contains(&&b"{\"due\":"[..]), "{raws:?}");
    let second = Selection::default().load_id("first").id("2").unwrap();
    assert_eq!(quarantine.records(&second, 10).unwrap()[0], records[1]);
    assert!(Quarantine::new(&url, "other").groups(&Selection::default()).unwrap().is_empty());
}

#[test]
fn a_replay_is_a_load_of_its_own_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("dir:{}", folder.path().display());
    fill(&url);
    let quarantine = Quarantine::new(&url, "t").policy(Policy::default().hint("due", Type::Text));
    let report = quarantine.replay(&Selection::default()).unwrap();
    assert_eq!((report.tried, report.loaded, report.left), (4, 1, 3), "{report:?}");
    assert_eq!(report.load_ids, ["first-replay"]);
    // What is left is that load's, and the first one's is done.
    let records = quarantine.records(&Selection::default(), 10).unwrap();
    assert!(records.len() == 3 && records.iter().all(|record| record.load_id == "first-replay"));
    let all = quarantine.groups(&Selection::default().with_replayed()).unwrap();
    assert_eq!(all.iter().map(|group| group.replayed).sum::<u64>(), 1);
    let first = Selection::default().load_id("first");
    assert_eq!(quarantine.replay(&first).unwrap().tried, 0);
}

#[test]
fn a_record_counts_as_replayed_where_a_replay_has_loaded_it_and_as_moved_on_where_it_has_not() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("dir:{}", folder.path().display());
    fill(&url);
    let (first, all) = (Selection::default().load_id("first"), Selection::default().with_replayed());
    let replay =
        |hint| Quarantine::new(&url, "t").policy(Policy::default().hint("due", hint)).replay(&Selection::default());
    let fates = |load: &str| {
        let records = Quarantine::new(&url, "t").records(&all.clone().load_id(load), 10).unwrap();
        let fate = |record: KeptRecord| match (record.replayed_by, record.moved_to) {
            (Some(load), None) => format!("loaded by {load}"),
            (None, Some(load)) => format!("moved to {load}"),
            neither => format!("{neither:?}"),
        };
        records.into_iter().map(fate).collect::<Vec<_>>()
    };
    let replayed = || {
        let groups = Quarantine::new(&url, "t").groups(&all).unwrap();
        groups.iter().map(|group| group.replayed).sum::<u64>()
    };
    // Under the same hint nothing fits: all records go on, and none is loaded.
    assert_eq!((replay(Type::Date).unwrap().loaded, replayed()), (0, 0));
    assert_eq!(fates("first"), ["moved to first-replay"; 4]);
    assert_eq!(Quarantine::new(&url, "t").records(&first, 10).unwrap(), [], "they wait in the later load");
    // The next replay takes them from there, and what it loads is loaded once.
    assert_eq!((replay(Type::Text).unwrap().loaded, replayed()), (1, 1));
    let next = fates("first-replay");
    assert_eq!(next.iter().filter(|fate| *fate == "loaded by first-replay-replay").count(), 1, "{next:?}");
    assert_eq!(next.iter().filter(|fate| *fate == "moved to first-replay-replay").count(), 3, "{next:?}");
    assert_eq!(fates("first"), ["moved to first-replay"; 4], "it is said where a record went, not where it ended");
}

#[test]
fn what_is_no_whole_record_stays_in_a_replay_with_its_reason_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("dir:{}", folder.path().display());
    let loader = Loader::new(&url).policy(Policy::default().hint("a", Type::Int16));
    // Cut off, its beginning is a record. It is none.
    let long = format!("{{\"a\":1}}\n{{\"a\":2}}{},\"b\":3}}\n{{\"a\":\"x\"}}\n", " ".repeat(17 << 20));
    let load = loader.clone().table("long").load_id("l").load(Source::bytes(long)).unwrap();
    assert_eq!((load.counts.loaded, load.counts.quarantined), (1, 2));
    let quarantine = Quarantine::new(&url, "long");
    let before = quarantine.records(&Selection::default(), 10).unwrap();
    let report = quarantine.replay(&Selection::default()).unwrap();
    assert_eq!((report.tried, report.loaded, report.left), (2, 1, 1), "{report:?}");
    let left = quarantine.records(&Selection::default(), 10).unwrap();
    let cut = before.iter().find(|record| record.raw.len() as u64 != record.raw_bytes).unwrap();
    assert_eq!((&left[0].reason, &left[0].raw, left[0].raw_bytes), (&cut.reason, &cut.raw, cut.raw_bytes));
    assert_eq!(report.left_because, [(cut.reason.clone(), 1)].into());
    // Where a replay says that a record stood is its id in the quarantine before.
    assert_eq!((left[0].source.as_str(), left[0].line.to_string()), ("quarantine of l", cut.id.clone()));

    // An entry for records that may be missing has no bytes.
    let broken = "[{\"a\":1},{\"a\":2},";
    assert_eq!(loader.table("torn").load_id("d").load(Source::bytes(broken)).unwrap().counts.quarantined, 1);
    let quarantine = Quarantine::new(&url, "torn");
    let report = quarantine.replay(&Selection::default()).unwrap();
    assert_eq!((report.tried, report.left), (1, 1), "{report:?}");
    assert_eq!(quarantine.groups(&Selection::default()).unwrap()[0].records, 1);
}

#[test]
fn what_records_begin_with_is_not_taken_for_an_encoding_or_a_compression_of_all() {
    for first in [&b"\xff\xfe"[..], b"PK\x03\x04", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xef\xbb\xbfx"] {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("dir:{}", folder.path().display());
        let bytes = [b"{\"due\":1}\n", first, b"\n{\"due\":\"soon\"}\n"].concat();
        let loader = Loader::new(&url).table("t").policy(Policy::default().hint("due", Type::Int16));
        assert_eq!(loader.load(Source::bytes(bytes)).unwrap().counts.quarantined, 2);
        let quarantine = Quarantine::new(&url, "t");
        let report = quarantine.replay(&Selection::default()).unwrap();
        assert_eq!((report.tried, report.loaded, report.left), (2, 1, 1), "{first:?}: {report:?}");
        assert_eq!(quarantine.records(&Selection::default(), 9).unwrap()[0].raw, first);
    }
}

#[test]
fn a_replay_says_of_all_records_why_they_stay() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("dir:{}", folder.path().display());
    let bytes = "{\"a\":1}\n".to_owned() + &"no record\n".repeat(2_500);
    Loader::new(&url).table("t").load(Source::bytes(bytes)).unwrap();
    let report = Quarantine::new(&url, "t").replay(&Selection::default()).unwrap();
    assert_eq!((report.tried, report.left, report.left_because.values().sum::<u64>()), (2_500, 2_500, 2_500));
}

#[test]
fn an_id_of_ones_own_that_ends_like_a_replay_hides_no_quarantine_and_is_not_in_its_way() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("dir:{}", folder.path().display());
    fill(&url);
    Loader::new(&url).table("t").load_id("first-replay").load(Source::bytes("{\"due\":\"2024-02-01\"}\n")).unwrap();
    let quarantine = Quarantine::new(&url, "t").policy(Policy::default().hint("due", Type::Text));
    let groups = quarantine.groups(&Selection::default()).unwrap();
    assert_eq!(groups.iter().map(|group| group.records).sum::<u64>(), 4);
    let report = quarantine.replay(&Selection::default()).unwrap();
    assert_eq!((report.loaded, report.load_ids), (1, vec!["first-replay-2".to_owned()]));
    assert_eq!(quarantine.replay(&Selection::default().load_id("first").with_replayed()).unwrap().tried, 0, "once");
    let first = quarantine.records(&Selection::default().load_id("first").with_replayed(), 1).unwrap();
    assert_eq!(first[0].replayed_by.as_deref(), Some("first-replay-2"));
}

#[test]
fn what_a_folder_lists_can_be_shown_by_its_id_and_its_load() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("dir:{}", folder.path().display());
    for (id, bytes) in [("a", "{\"n\":1}\nother\n"), ("b", "{\"n\":1}\n{\"n\":\n{\"n\":\n")] {
        Loader::new(&url).table("t").load_id(id).load(Source::bytes(bytes)).unwrap();
    }
    let quarantine = Quarantine::new(&url, "t");
    let groups = quarantine.groups(&Selection::default()).unwrap();
    assert_eq!(groups.len(), 2);
    for group in groups {
        let selection = Selection::default().load_id(group.load_id.unwrap()).id(&group.first).unwrap();
        assert_eq!(quarantine.records(&selection, 1).unwrap()[0].reason, group.reason);
    }
}

#[test]
fn what_a_folder_cannot_replay_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("dir:{}", folder.path().display());
    fill(&url);
    let by_path = Selection::default().path("due");
    let error = Quarantine::new(&url, "t").replay(&by_path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let contracts = [Contract::default().columns(OnChange::Freeze), Contract::default().types(OnChange::Quarantine)];
    for contract in contracts.into_iter().chain([Contract::default().column("due", OnChange::Freeze)]) {
        let error = Quarantine::new(&url, "t").contract(contract).replay(&Selection::default()).unwrap_err();
        assert!(error.kind() == ErrorKind::Unsupported && error.hint().is_some(), "{error}");
    }
    Loader::new(&url).table("rows").load(Source::bytes("a,b\n1,2\n3\n")).unwrap();
    let error = Quarantine::new(&url, "rows").replay(&Selection::default()).unwrap_err();
    assert!(error.message().contains("CSV") && error.hint().is_some(), "{error}");
    assert_eq!(Quarantine::new("s3:x", "t").groups(&by_path).unwrap_err().kind(), ErrorKind::Config);
}

#[cfg(unix)]
#[test]
fn the_rows_of_a_folder_have_the_rights_of_any_new_file_and_its_quarantine_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let rights = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    // What the umask makes of it.
    let any = folder.path().join("any");
    std::fs::write(&any, "").unwrap();
    fill(&format!("dir:{}/out", folder.path().display()));
    let files = std::fs::read_dir(folder.path().join("out/t/first")).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.collect();
    assert!(files.len() > 5, "{files:?}");
    for file in files {
        let wanted = if file.ends_with("quarantine.ndjson") { 0o600 } else { rights(&any) };
        assert_eq!(rights(&file), wanted, "{}", file.display());
    }
}

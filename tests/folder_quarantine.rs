//! The quarantine of a load into a folder can be looked at, and loaded once more as a load of its own.
#![cfg(feature = "parquet")]

use longshore::load::Selection;
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
    assert_eq!(all.iter().map(|group| group.replayed).sum::<u64>(), 4);
    let first = Selection::default().load_id("first");
    assert_eq!(quarantine.replay(&first).unwrap().tried, 0);
}

#[test]
fn what_a_folder_cannot_replay_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("dir:{}", folder.path().display());
    fill(&url);
    let by_path = Selection::default().path("due");
    let error = Quarantine::new(&url, "t").replay(&by_path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
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

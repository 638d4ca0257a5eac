//! What `Loader::stage` promises: files, manifest and script of a load, once, whoever stages it how often.
#![cfg(feature = "redshift")]

use std::path::{Path, PathBuf};

use longshore::load::{CopyAuthorization, MergeKeys, Mode, ScriptOptions, StageOptions, StageTarget};
use longshore::plan::{CreateOptions, LongText, RedshiftColumn, RedshiftTable, RedshiftType};
use longshore::{Dialect, ErrorKind, Loader, Policy, Source, Type};

const RECORDS: &str =
    "{\"id\":1,\"name\":\"a\",\"tags\":[1,2],\"at\":\"12:30:00\"}\nno record\n{\"id\":2,\"name\":null}\n";

fn options(root: &Path) -> ScriptOptions {
    let role = CopyAuthorization::Role("arn:aws:iam::123456789012:role/o'hara".into());
    let stage = StageOptions::new(format!("file://{}", root.display())).unwrap();
    ScriptOptions::new(stage).with_authorization(role)
}

fn local(url: &str) -> PathBuf {
    url.strip_prefix("file://").expect("a local URL").into()
}

/// The script with what changes from run to run made equal.
fn script(root: &Path, table: &str, id: &str) -> String {
    let found = StageTarget::find(&options(root), table, id).unwrap().expect("it is staged");
    let text = std::fs::read_to_string(local(&found.script)).unwrap();
    let attempt = Path::new(&found.script).parent().unwrap().file_name().unwrap().to_str().unwrap();
    text.replace(attempt, "ATTEMPT").replace(&root.display().to_string(), "/STAGING")
}

fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/stage").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{} differs; UPDATE_GOLDEN=1 writes it anew", path.display());
}

#[test]
fn a_script_holds_all_that_a_load_is() {
    let root = tempfile::tempdir().unwrap();
    let merge = Mode::Merge(MergeKeys::new(["id", "name"]).order_by("at"));
    for (mode, name) in [(Mode::Append, "append"), (Mode::Replace, "replace"), (merge, "merge")] {
        let loader = Loader::stage(options(root.path())).table("shop.orders").load_id(name).mode(mode);
        let report = loader.load(Source::bytes(RECORDS)).unwrap();
        // The second record has no value in a key of the merge.
        let kept = if name == "merge" { 2 } else { 1 };
        assert_eq!((report.counts.read, report.counts.loaded, report.counts.quarantined), (3, 3 - kept, kept));
        golden(&format!("{name}.redshift.sql"), &script(root.path(), "shop.orders", name));
    }
}

#[test]
fn a_script_of_changes_says_what_a_table_lacks_and_undoes_a_swap_that_something_forbids() {
    let root = tempfile::tempdir().unwrap();
    let live = vec![
        RedshiftColumn::new("id", RedshiftType::Smallint),
        RedshiftColumn::new("name", RedshiftType::Varchar(2)),
        RedshiftColumn {
            comment: Some("longshore: replaced".to_owned()),
            ..RedshiftColumn::new("_longshore_old_0123456789abcdef", RedshiftType::Integer)
        },
    ];
    let options = options(root.path()).with_live(RedshiftTable { columns: live });
    let records = "{\"id\":70000,\"name\":\"a longer name\",\"new\":true}\n";
    Loader::stage(options.clone()).table("shop.orders").load_id("one").load(Source::bytes(records)).unwrap();
    let found = StageTarget::find(&options, "shop.orders", "one").unwrap().unwrap();
    let changes = std::fs::read_to_string(local(&found.changes.expect("the table lacks something"))).unwrap();
    golden("changes.redshift.sql", &changes);
    let at = |what: &str| changes.find(what).unwrap_or_else(|| panic!("{what}: {changes}"));
    assert!(at("\nCOMMIT;") < at(" TYPE VARCHAR"), "a runner's own transaction is ended before");
    let committed = changes.rfind("\nCOMMIT;").unwrap();
    assert!(at("DROP COLUMN \"id\"") < committed && committed < at("DROP COLUMN \"_longshore_old_"));
}

#[test]
fn long_texts_of_a_new_super_column_are_staged_as_json() {
    let root = tempfile::tempdir().unwrap();
    let create = CreateOptions::new(Dialect::Redshift).with_long_text(LongText::Super);
    let options = options(root.path()).with_create(create).with_large_strings(true);
    let long = "x".repeat(70_000);
    let records = format!("{{\"id\":1,\"s\":\"{long}\"}}\n{{\"id\":2,\"s\":\"say \\\"a\\\"\"}}\n{{\"id\":3}}\n");
    let report = Loader::stage(options.clone()).table("t").load_id("one").load(Source::bytes(records)).unwrap();
    assert_eq!((report.counts.loaded, report.counts.quarantined), (3, 0), "{:?}", report.first_quarantined);
    let found = StageTarget::find(&options, "t", "one").unwrap().unwrap();
    let file = std::fs::File::open(local(&found.files[0].0)).unwrap();
    let text = std::io::read_to_string(flate2::read::GzDecoder::new(file)).unwrap();
    let quoted = "\"\"say \\\"\"a\\\"\"\"\"";
    assert_eq!(text, format!("1,\"\"\"{long}\"\"\"\n2,\"{quoted}\"\n3,@longshore.null@\n"));
    let script = std::fs::read_to_string(local(&found.script)).unwrap();
    assert!(script.contains("\"s\" SUPER"), "{script}");
    assert!(script.contains("(a.attname IN ('s') AND format_type(a.atttypid, a.atttypmod) = 'super')"), "{script}");
}

#[test]
fn what_is_staged_is_not_staged_again() {
    let root = tempfile::tempdir().unwrap();
    let loader = Loader::stage(options(root.path())).table("orders").load_id("one");
    assert!(!loader.load(Source::bytes(RECORDS)).unwrap().already_loaded);
    let first = StageTarget::find(&options(root.path()), "orders", "one").unwrap().unwrap();
    let again = loader.load(Source::bytes(RECORDS)).unwrap();
    assert!(again.already_loaded);
    assert_eq!(again.counts.read, 3);
    assert_eq!(StageTarget::find(&options(root.path()), "orders", "one").unwrap().unwrap(), first);
    assert_eq!(StageTarget::find(&options(root.path()), "orders", "two").unwrap(), None);
}

#[test]
fn an_id_that_is_staged_is_refused_for_anything_else() {
    let root = tempfile::tempdir().unwrap();
    let stage = || Loader::stage(options(root.path())).table("orders").load_id("one");
    let merge = |keys: MergeKeys| Mode::Merge(keys);
    stage().mode(merge(MergeKeys::new(["id"]))).load(Source::bytes(RECORDS)).unwrap();
    let first = StageTarget::find(&options(root.path()), "orders", "one").unwrap().unwrap();
    let other_table = || stage().mode(merge(MergeKeys::new(["id"]))).policy(Policy::default().hint("id", Type::Text));
    for (loader, records, says) in [
        (stage(), RECORDS.to_owned(), "in mode merge, and now it is append"),
        (stage().mode(Mode::Replace), RECORDS.to_owned(), "in mode merge, and now it is replace"),
        (stage().mode(merge(MergeKeys::new(["at"]))), RECORDS.to_owned(), "by other fields"),
        (stage().mode(merge(MergeKeys::new(["id"]).order_by("at"))), RECORDS.to_owned(), "by other fields"),
        (stage().mode(merge(MergeKeys::new(["id"]))), RECORDS.replace("12:30", "12:31"), "from another input"),
        (other_table(), RECORDS.to_owned(), "for a table of other columns"),
    ] {
        let error = loader.load(Source::bytes(records)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{says}: {error}");
        assert!(error.message().contains(says) && error.hint().unwrap().contains("--load-id"), "{says}: {error}");
    }
    assert!(stage().mode(merge(MergeKeys::new(["id"]))).load(Source::bytes(RECORDS)).unwrap().already_loaded);
    assert_eq!(StageTarget::find(&options(root.path()), "orders", "one").unwrap().unwrap(), first);

    // What an earlier version has staged says nothing of how.
    let object = local(&first.script).parent().unwrap().parent().unwrap().join("staged.json");
    let mut staged: serde_json::Value = serde_json::from_slice(&std::fs::read(&object).unwrap()).unwrap();
    staged.as_object_mut().unwrap().remove("asked").unwrap();
    std::fs::write(&object, staged.to_string()).unwrap();
    assert!(stage().load(Source::bytes(RECORDS)).unwrap().already_loaded);
}

#[test]
fn a_name_in_quotes_is_the_same_table_in_small_letters_as_on_redshift() {
    let root = tempfile::tempdir().unwrap();
    Loader::stage(options(root.path()))
        .table("\"Shop\".\"Orders\"")
        .load_id("one")
        .load(Source::bytes(RECORDS))
        .unwrap();
    let find = |table| StageTarget::find(&options(root.path()), table, "one").unwrap().unwrap();
    assert_eq!(find("\"Shop\".\"Orders\""), find("shop.orders"));
}

#[test]
fn a_load_that_is_to_fail_if_the_table_exists_is_not_staged() {
    let root = tempfile::tempdir().unwrap();
    let loader = Loader::stage(options(root.path())).table("orders").mode(Mode::FailIfExists).load_id("one");
    let error = loader.load(Source::bytes(RECORDS)).unwrap_err();
    assert_eq!((error.kind(), error.hint().is_some()), (ErrorKind::Config, true), "{error}");
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn of_many_at_once_one_counts_and_all_agree() {
    let root = tempfile::tempdir().unwrap();
    let stage = || {
        let loader = Loader::stage(options(root.path())).table("orders").load_id("one");
        loader.load(Source::bytes(RECORDS)).unwrap().counts
    };
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..6).map(|_| scope.spawn(stage)).collect();
        for run in runs {
            assert_eq!(run.join().unwrap().loaded, 2);
        }
    });
    let found = StageTarget::find(&options(root.path()), "orders", "one").unwrap().unwrap();
    for (url, bytes) in &found.files {
        assert_eq!(std::fs::metadata(local(url)).unwrap().len(), *bytes);
    }
    let attempts = std::fs::read_dir(local(&found.script).parent().unwrap().parent().unwrap()).unwrap();
    let with_files = attempts.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let with_files = with_files.filter(|path| std::fs::read_dir(path).unwrap().next().is_some());
    assert_eq!(with_files.count(), 1, "the others are taken away");
}

#[test]
fn an_access_key_never_gets_into_a_script() {
    let root = tempfile::tempdir().unwrap();
    let keys = CopyAuthorization::Keys {
        access_key_id: "AKIAhunter2".into(),
        secret_access_key: "hunter2".into(),
        session_token: None,
    };
    let error = Loader::stage(options(root.path()).with_authorization(keys)).load(Source::bytes(RECORDS)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(!error.to_string().contains("hunter2"));
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_row_past_a_limit_goes_to_the_quarantine_and_the_rest_is_staged() {
    let root = tempfile::tempdir().unwrap();
    let (wide, ids) = ("x".repeat(70_000), 0..50);
    let records: String = ids
        .map(|id| match id {
            7 | 30 => format!("{{\"id\":{id},\"s\":\"{wide}\"}}\n"),
            _ => format!("{{\"id\":{id},\"s\":\"a\"}}\n"),
        })
        .collect();
    let loader = Loader::stage(options(root.path())).table("wide").load_id("one");
    let report = loader.load(Source::bytes(records)).unwrap();
    assert_eq!((report.counts.read, report.counts.loaded, report.counts.quarantined), (50, 48, 2));
    let found: Vec<_> = report.first_quarantined.iter().map(|kept| (kept.line, kept.path.as_deref())).collect();
    assert_eq!(found, [(8, Some("s")), (31, Some("s"))]);
    assert_eq!(report.first_quarantined[0].reason, "70000 bytes, and the column takes 65535");
}

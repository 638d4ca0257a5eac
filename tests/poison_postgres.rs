//! Every hostile file ends in Postgres as `fixtures/poison/EXPECT.tsv` says: nothing lost, nothing doubled, and
//! nothing else touched.
#![cfg(feature = "postgres")]

use std::path::Path;

use longshore::load::{TempCluster, TempOptions};
use longshore::{Loader, Source};
use postgres::{Client, NoTls};

/// A row of EXPECT.tsv; figures that are left open are `None`.
struct Expect {
    file: String,
    rows_in: Option<u64>,
    loaded: Option<u64>,
    quarantined: Option<u64>,
    min_loaded: Option<u64>,
}

fn expectations(folder: &Path) -> Vec<Expect> {
    let text =
        std::fs::read_to_string(folder.join("EXPECT.tsv")).expect("the hostile files are part of the repository");
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let number = |i: usize| cells.get(i).and_then(|cell| cell.parse().ok());
        let [rows_in, loaded, quarantined, min_loaded] = [1, 2, 3, 4].map(number);
        Expect { file: cells[0].to_string(), rows_in, loaded, quarantined, min_loaded }
    };
    text.lines().skip(1).map(row).collect()
}

fn count(client: &mut Client, query: &str) -> u64 {
    client.query_one(query, &[]).unwrap().get::<_, i64>(0) as u64
}

#[test]
fn every_hostile_file_ends_as_expected_and_touches_nothing_else() {
    let cluster = TempCluster::start(TempOptions::for_tests())
        .expect("these tests need PostgreSQL's server programs (apt-get install postgresql)");
    let mut client = Client::connect(cluster.url(), NoTls).unwrap();
    client.batch_execute("CREATE TABLE x (id int); INSERT INTO x VALUES (1), (2), (3)").unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/poison");
    let (mut tables, mut refused) = (0, Vec::new());
    for (i, expect) in expectations(&folder).into_iter().enumerate() {
        let (file, table) = (&expect.file, format!("p{i}"));
        let result = Loader::new(cluster.url()).table(&table).load(Source::path(folder.join(file)));
        let report = match result {
            Ok(report) => report,
            Err(error) => {
                // Only whole files whose rows cannot be told may be refused, and then nothing is left of them.
                assert!(expect.loaded.is_none(), "{file}: {error}");
                let query = format!("SELECT count(*) FROM pg_tables WHERE tablename = '{table}'");
                assert_eq!(count(&mut client, &query), 0, "{file}");
                refused.push(file.clone());
                continue;
            }
        };
        let counts = report.counts;
        assert_eq!(counts.read, counts.loaded + counts.quarantined, "{file}");
        for (name, expected, found) in [
            ("rows_in", expect.rows_in, counts.read),
            ("loaded", expect.loaded, counts.loaded),
            ("quarantined", expect.quarantined, counts.quarantined),
        ] {
            assert!(expected.is_none_or(|expected| expected == found), "{file}: {name} is {found}, not {expected:?}");
        }
        assert!(expect.min_loaded.is_none_or(|least| counts.loaded >= least), "{file}: loaded {}", counts.loaded);
        let kept = format!(
            "SELECT count(*) FROM _longshore_quarantine WHERE load_id = '{}' AND table_name LIKE '%{table}'",
            report.load_id
        );
        assert_eq!(count(&mut client, &kept), counts.quarantined, "{file}");
        if !report.schema.columns.is_empty() {
            assert_eq!(count(&mut client, &format!("SELECT count(*) FROM {table}")), counts.loaded, "{file}");
            tables += 1;
        }
    }
    assert_eq!(count(&mut client, "SELECT sum(id) FROM x"), 6, "another table changed");
    let all = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(count(&mut client, all), tables + 3, "only the loads' tables, the ledger, the quarantine and `x`");
    println!("{tables} tables; refused whole: {refused:?}");
    for cut in ["truncated.ndjson.gz", "bad-crc.ndjson.gz"] {
        assert!(refused.iter().any(|file| file == cut), "{cut} was taken for complete");
    }
}

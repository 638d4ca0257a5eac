//! What the tests against a real server share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use longshore::batch::Misfit;
use longshore::load::{Begun, Counts, Encode, LoadRequest, Mode, PostgresTarget, Target, TempCluster, TempOptions};
use longshore::{Column, Path, Schema, Type};
use postgres::{Client, NoTls};

/// One server for all tests of a file; it goes away with the process.
pub(crate) fn cluster() -> &'static TempCluster {
    static CLUSTER: OnceLock<TempCluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        TempCluster::start(TempOptions::for_tests()).unwrap_or_else(|error| {
            panic!("these tests need the Postgres server programs: {error}; {}", error.hint().unwrap_or_default())
        })
    })
}

pub(crate) fn client() -> Client {
    Client::connect(cluster().url(), NoTls).expect("the test's server answers")
}

/// A database of its own, so that tests do not see each other's tables. Returns its URL and a session.
pub(crate) fn database() -> (String, Client) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
    client().batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/{name}", cluster().port());
    let client = Client::connect(&url, NoTls).unwrap();
    (url, client)
}

pub(crate) fn schema(columns: &[(&str, Type)]) -> Schema {
    let columns = columns.iter().map(|(name, ty)| Column::new(Path::new([*name]), *name, *ty)).collect();
    Schema { columns, ..Schema::default() }
}

/// `id int32, name text`.
pub(crate) fn people() -> Schema {
    schema(&[("id", Type::Int32), ("name", Type::Text)])
}

pub(crate) fn people_batch(ids: std::ops::Range<i32>) -> RecordBatch {
    let names: StringArray = ids.clone().map(|id| Some(format!("name {id}"))).collect();
    let ids: ArrayRef = Arc::new(Int32Array::from_iter_values(ids));
    RecordBatch::try_from_iter([("id", ids), ("name", Arc::new(names) as ArrayRef)]).unwrap()
}

pub(crate) fn request(table: &str, load_id: &str) -> LoadRequest {
    LoadRequest {
        table: table.into(),
        load_id: load_id.into(),
        mode: Mode::Append,
        sources: vec!["people.ndjson".into()],
        formats: Vec::new(),
        content_hash: "00ff".into(),
        bytes: 1234,
        max_quarantined: None,
        isolate_rows: false,
    }
}

pub(crate) fn misfit(line: u64) -> Misfit {
    Misfit {
        source: 0,
        line,
        byte: 100 * line,
        path: Some("id".into()),
        reason: "expected int32, found text".into(),
        raw: b"{\"id\": \"\xff\"}".to_vec(),
        raw_len: 11,
    }
}

/// Begins a load that is not in the ledger yet.
pub(crate) fn begin(target: &mut dyn Target, schema: &Schema, request: &LoadRequest) -> (Schema, Box<dyn Encode>) {
    match target.begin(schema, request).unwrap() {
        Begun::Open { schema, encoder } => (schema, encoder),
        Begun::AlreadyLoaded(counts) => panic!("already loaded: {counts:?}"),
    }
}

/// Loads people; the whole of a load on the good path.
pub(crate) fn load_people(url: &str, request: &LoadRequest, ids: std::ops::Range<i32>) -> longshore::Result<Counts> {
    let mut target = PostgresTarget::connect(url)?;
    let encoder = match target.begin(&people(), request)? {
        Begun::AlreadyLoaded(counts) => return Ok(counts),
        Begun::Open { encoder, .. } => encoder,
    };
    let read = ids.len() as u64;
    target.write(encoder.encode(&people_batch(ids))?)?;
    target.commit(read)
}

pub(crate) fn count(client: &mut Client, table: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).unwrap().get(0)
}

/// Every load whose rows are there balances, and says how many rows each of its tables has.
pub(crate) fn balance(client: &mut Client) {
    let sql = "SELECT table_name, sum(loaded)::bigint, bool_and(read = loaded + quarantined + deduplicated) \
               FROM _longshore_loads WHERE replaced_by IS NULL GROUP BY table_name";
    for row in client.query(sql, &[]).unwrap() {
        let (table, loaded, balances): (String, i64, bool) = (row.get(0), row.get(1), row.get(2));
        assert!(balances, "{table}");
        assert_eq!(loaded, count(client, &table), "{table}");
    }
}

/// Whether the table is there.
pub(crate) fn exists(client: &mut Client, table: &str) -> bool {
    client.query_one("SELECT to_regclass($1::text) IS NOT NULL", &[&table]).unwrap().get(0)
}

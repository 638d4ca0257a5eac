//! Columns that refuse null: a record without a value for one that has no default is quarantined, whatever comes with it.
#![cfg(all(unix, feature = "postgres"))]

mod support;

use longshore::load::Counts;
use longshore::{Loader, Offset, Receipt, StreamLoader};
use support::*;

fn open(url: &str) -> StreamLoader {
    Loader::new(url).table("t").open().unwrap()
}

fn batch(loader: &mut StreamLoader, bytes: &str, position: u64) -> longshore::Result<Receipt> {
    loader.write(bytes, Offset::new("s", position))?;
    loader.commit()
}

fn counts(read: u64, loaded: u64, quarantined: u64) -> Counts {
    Counts { read, loaded, quarantined, deduplicated: 0 }
}

fn rows(client: &mut postgres::Client) -> Vec<String> {
    client.query("SELECT t::text FROM t ORDER BY 1", &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn reasons(client: &mut postgres::Client) -> Vec<String> {
    let sql = "SELECT reason FROM _longshore_quarantine";
    client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_record_without_a_value_that_the_table_wants_is_in_nobodys_way() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (rid int, c int NOT NULL, \"D\" text NOT NULL)").unwrap();
    // Each time by a stream that has seen no other record.
    for (position, record) in ["{\"rid\":1}\n", "{\"rid\":2,\"c\":null,\"d\":\"x\"}\n"].into_iter().enumerate() {
        assert_eq!(batch(&mut open(&url), record, position as u64).unwrap().counts, counts(1, 0, 1));
    }
    assert_eq!(batch(&mut open(&url), "{\"rid\":3,\"c\":3,\"d\":\"x\"}\n", 2).unwrap().counts, counts(1, 1, 0));
    assert_eq!(rows(&mut client), ["(3,3,x)"]);
    assert!(reasons(&mut client).iter().all(|reason| reason.contains("the table refuses NULL")));
}

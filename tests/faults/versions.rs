//! Versions of orders with their items, merged by key: of each order the newest is there, with its items and no others.

use longshore::load::{MergeKeys, Mode};
use longshore::{ChildTables, Loader, Offset, StreamOptions};
use postgres::Client;

/// Versions in a batch.
const BATCH: u64 = 20;
/// Orders that there are.
const ORDERS: u64 = 8;

fn items(version: u64) -> u64 {
    version * 7 % 4
}

/// Writes the versions `0..count` that are not in the table yet.
pub(crate) fn feed(url: &str, count: u64) {
    let options = StreamOptions::default().child_tables(ChildTables::All);
    let loader = Loader::new(url).table("t").mode(Mode::Merge(MergeKeys::new(["id"])));
    let mut stream = loader.open_with(options).unwrap();
    let mut from = stream.committed("versions").unwrap().unwrap_or(0);
    while from < count {
        let to = count.min(from + BATCH);
        let line = |version: u64| {
            let items: Vec<String> = (0..items(version)).map(|n| format!("{{\"of\":{version},\"n\":{n}}}")).collect();
            format!("{{\"id\":{},\"version\":{version},\"items\":[{}]}}\n", version % ORDERS, items.join(","))
        };
        stream.write((from..to).map(line).collect::<String>(), Offset::new("versions", to)).unwrap();
        stream.commit().unwrap();
        from = to;
    }
}

/// Holds the tables against what has been written.
pub(crate) fn check(client: &mut Client, count: u64) {
    let sql = "SELECT t.id::int8, t.version::int8, t.items::int8, i.of::int8, i.n::int8 FROM t \
               FULL JOIN t__items i ON i._parent_id = t._row_id ORDER BY t.id, i.n";
    let found: Vec<[Option<i64>; 5]> =
        client.query(sql, &[]).unwrap().iter().map(|row| std::array::from_fn(|at| row.get(at))).collect();
    let mut expected = Vec::new();
    for id in 0..ORDERS {
        let version = (0..count).rev().find(|version| version % ORDERS == id).unwrap();
        let order = [id, version, items(version)].map(|number| Some(number as i64));
        let [id, version, len] = order;
        match items(version.unwrap() as u64) {
            0 => expected.push([id, version, len, None, None]),
            many => expected.extend((0..many as i64).map(|n| [id, version, len, version, Some(n)])),
        }
    }
    assert_eq!(found, expected);
    let sql = "SELECT sum(read)::int8, sum(loaded + deduplicated)::int8 FROM _longshore_loads WHERE table_name NOT LIKE '%items%'";
    let counts = client.query_one(sql, &[]).unwrap();
    assert_eq!((counts.get(0), counts.get(1)), (Some(count as i64), Some(count as i64)));
}

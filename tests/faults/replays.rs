//! Orders out of the quarantine, each with its items: a replay brings all of them, once.

use longshore::load::{Contract, MergeKeys, Mode, OnChange, Selection};
use longshore::{ChildTables, Loader, Offset, Quarantine, StreamOptions};
use postgres::Client;

fn mode() -> Mode {
    Mode::Merge(MergeKeys::new(["id"]))
}

fn order(id: u64, items: u64, n: &str) -> String {
    let items: Vec<String> = (0..items).map(|at| format!("{{\"n\":{n},\"of\":{id},\"at\":{at}}}")).collect();
    format!("{{\"id\":{id},\"items\":[{}]}}\n", items.join(","))
}

/// Loads the orders `0..count` with two items each, and brings a later version of each second one, with three items, into the
/// quarantine.
pub(crate) fn fill(url: &str, count: u64) {
    let contract = Contract::default().types(OnChange::Quarantine);
    let options = StreamOptions::default().child_tables(ChildTables::All).contract(contract);
    let mut stream = Loader::new(url).table("t").mode(mode()).open_with(options).unwrap();
    let write = |of: &mut dyn Iterator<Item = u64>, items, n| of.map(|id| order(id, items, n)).collect::<String>();
    stream.write(write(&mut (0..count), 2, "1"), Offset::new("s", 1)).unwrap();
    stream.commit().unwrap();
    stream.write(write(&mut (0..count).step_by(2), 3, "\"many\""), Offset::new("s", 2)).unwrap();
    assert_eq!(stream.commit().unwrap().counts.quarantined, count.div_ceil(2));
}

pub(crate) fn replay(url: &str) {
    let report = Quarantine::new(url, "t").mode(mode()).replay(&Selection::default());
    assert_eq!(report.unwrap_or_else(|error| panic!("{error} / {:?}", error.hint())).left, 0);
}

/// An order's id, and of its item the order, the place and the number.
type Item = (Option<i64>, Option<i64>, Option<i64>, Option<String>);

/// Holds the tables against what has been written.
pub(crate) fn check(client: &mut Client, count: u64) {
    let sql = "SELECT t.id::int8, i.of::int8, i.at::int8, i.n::text FROM t FULL JOIN t__items i ON i._parent_id = t._row_id \
               ORDER BY t.id, i.at";
    let found: Vec<_> =
        client.query(sql, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect();
    let mut expected: Vec<Item> = Vec::new();
    for id in 0..count as i64 {
        let (items, n) = if id % 2 == 0 { (3, "many") } else { (2, "1") };
        expected.extend((0..items).map(|at| (Some(id), Some(id), Some(at), Some(n.to_owned()))));
    }
    assert_eq!(found, expected);
    let sql = "SELECT count(*) FILTER (WHERE replayed_by IS NULL), count(*) FROM _longshore_quarantine";
    let kept = client.query_one(sql, &[]).unwrap();
    assert_eq!((kept.get::<_, i64>(0), kept.get::<_, i64>(1)), (0, count.div_ceil(2) as i64));
}

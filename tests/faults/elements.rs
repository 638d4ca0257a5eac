//! Orders of a file with their items as a child table.

use longshore::{ChildTables, Loader, Source};
use postgres::Client;

/// How many items an order has; of some the second one has a field of one of our names, which keeps the order aside.
fn items(id: u64) -> u64 {
    id % 4
}

fn is_good(id: u64) -> bool {
    id % 31 != 3 || items(id) < 2
}

/// The orders `0..count` as lines.
pub(crate) fn lines(count: u64) -> String {
    let item = |id: u64, at: u64| match is_good(id) || at != 1 {
        true => format!("{{\"of\":{id},\"at\":{at}}}"),
        false => format!("{{\"of\":{id},\"_index\":{at}}}"),
    };
    let line = |id: u64| {
        let items: Vec<String> = (0..items(id)).map(|at| item(id, at)).collect();
        format!("{{\"id\":{id},\"items\":[{}]}}\n", items.join(","))
    };
    (0..count).map(line).collect()
}

pub(crate) fn load(loader: Loader, file: &str) {
    let loader = loader.child_tables(ChildTables::All);
    loader.load(Source::path(file)).unwrap_or_else(|error| panic!("{error} / {:?}", error.hint()));
}

/// Holds the tables against what was in the file.
pub(crate) fn check(client: &mut Client, count: u64) {
    let sql = "SELECT t.id::int8, i.of::int8, i.at::int8 FROM t FULL JOIN t__items i ON i._parent_id = t._row_id ORDER BY 1, 3";
    let found: Vec<[Option<i64>; 3]> =
        client.query(sql, &[]).unwrap().iter().map(|row| std::array::from_fn(|at| row.get(at))).collect();
    let mut expected = Vec::new();
    for id in (0..count).filter(|id| is_good(*id)) {
        let order = Some(id as i64);
        match items(id) {
            0 => expected.push([order, None, None]),
            many => expected.extend((0..many as i64).map(|at| [order, order, Some(at)])),
        }
    }
    assert!(found == expected, "{} rows and not {}", found.len(), expected.len());
    let sql = "SELECT read, loaded, (SELECT count(*) FROM _longshore_quarantine) FROM _longshore_loads WHERE table_name = 't'";
    let counts = client.query_one(sql, &[]).unwrap();
    let kept = (0..count).filter(|id| !is_good(*id)).count() as i64;
    let counts: [i64; 3] = std::array::from_fn(|at| counts.get(at));
    assert_eq!(counts, [count as i64, count as i64 - kept, kept]);
}

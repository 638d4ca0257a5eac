//! Facts that take more than one statement to ask for.

use std::time::Duration;

use crate::facts::{answer, one, with_table};
use crate::place::{Live, rows_of};

/// The check of a script: a division by zero where the columns are not as they should be.
pub(crate) fn division(live: &mut Live) -> String {
    with_table(live, "a INT", |live, _| {
        let sql = format!(
            "SELECT 1 / CASE WHEN COUNT(*) = 2 THEN 1 ELSE 0 END FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '{}' AND c.relname = 'fact' AND a.attnum > 0 \
             AND format_type(a.atttypid, a.atttypmod) = 'integer'",
            live.schema()
        );
        let _ = live.try_rows("BEGIN");
        let divided = answer(live.try_rows(&sql));
        let behind = answer(live.try_rows("SELECT 1"));
        let _ = live.try_rows("ROLLBACK");
        format!("the check: {divided}; what follows it: {behind}")
    })
}

pub(crate) fn lock_timeout(live: &mut Live) -> String {
    with_table(live, "a INT", |live, table| {
        let Ok(mut other) = live.second() else { return "no second session".to_owned() };
        let lock = format!("LOCK TABLE {table}");
        let _ = live.try_rows("BEGIN").and_then(|_| live.try_rows(&lock));
        let _ = rows_of(&mut other, "SET statement_timeout TO 3000").and_then(|_| rows_of(&mut other, "BEGIN"));
        let began = std::time::Instant::now();
        // Where nothing limits it, the first session gives the lock up.
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| (answer(rows_of(&mut other, &lock)), began.elapsed().as_secs()));
            while !waiting.is_finished() && began.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(100));
            }
            let _ = live.try_rows("ROLLBACK");
            let (waited, seconds) = waiting.join().unwrap_or_default();
            format!("{waited} after {seconds} s")
        })
    })
}

pub(crate) fn equal_keys(live: &mut Live) -> String {
    let set = answer(live.try_rows("SET json_parse_dedup_attributes TO true"));
    let parsed = one(live, r#"SELECT JSON_SERIALIZE(JSON_PARSE('[{"a":1,"a":2}]'))"#);
    let _ = live.try_rows("SET json_parse_dedup_attributes TO false");
    format!("the setting: {set}; the value: {parsed}")
}

pub(crate) fn load_errors(live: &mut Live) -> String {
    one(live, "SELECT CAST(COUNT(*) AS VARCHAR) FROM stl_load_errors WHERE session = pg_backend_pid() AND query > 0")
}

pub(crate) fn load_error_details(live: &mut Live) -> String {
    let sql = "SELECT CAST(COUNT(*) AS VARCHAR) FROM sys_load_error_detail WHERE session_id = pg_backend_pid() AND query_id > 0";
    one(live, sql)
}

/// Declared widths past what queries process: error 8001, by the guide.
pub(crate) fn wide_rows(live: &mut Live) -> String {
    with_table(live, "a VARCHAR(65535), b VARCHAR(65535)", |live, table| {
        let _ = live.try_rows(&format!("INSERT INTO {table} VALUES ('a', 'b')"));
        answer(live.try_rows(&format!("INSERT INTO {table} (a, b) SELECT b, a FROM {table}")))
    })
}

pub(crate) fn wide_bytes(live: &mut Live) -> String {
    with_table(live, "a VARCHAR(100), b VARBYTE(1024000)", |live, table| {
        let _ = live.try_rows(&format!("INSERT INTO {table} (a) VALUES ('a')"));
        answer(live.try_rows(&format!("INSERT INTO {table} (a, b) SELECT a, b FROM {table}")))
    })
}

pub(crate) fn long_text(live: &mut Live) -> String {
    with_table(live, "s VARCHAR(4)", |live, table| {
        let copied = live.copy_of("{\"s\":\"longer than that\"}\n", table).and_then(|copy| live.try_rows(&copy));
        format!("{}; there is: {}", answer(copied), one(live, &format!("SELECT s FROM {table}")))
    })
}

pub(crate) fn copy_rolled_back(live: &mut Live) -> String {
    with_table(live, "s VARCHAR(16)", |live, table| {
        let copy = live.copy_of("{\"s\":\"a row\"}\n", table);
        let _ = live.try_rows("BEGIN");
        let copied = answer(copy.and_then(|copy| live.try_rows(&copy)));
        let _ = live.try_rows("ROLLBACK");
        let left = one(live, &format!("SELECT CAST(COUNT(*) AS VARCHAR) FROM {table}"));
        format!("{copied}; rows left behind the rollback: {left}")
    })
}

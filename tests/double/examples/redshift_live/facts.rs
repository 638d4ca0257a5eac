//! The facts that longshore rests on, or would like to know, each as a question to the server.

use crate::asked;
use crate::place::{Live, rows_of};

/// A fact in words, and how the server is asked.
pub(crate) type Fact = (&'static str, fn(&mut Live) -> String);

/// Every open fact, in the order of `docs/redshift-testing.md`.
pub(crate) const FACTS: &[Fact] = &[
    ("the server's version", |live| one(live, "SELECT version()")),
    ("the number of slices", |live| one(live, "SELECT count(DISTINCT slice) FROM stv_slices")),
    ("strings of 16 MB are enabled", |live| one(live, "SELECT is_large_string_enabled()")),
    ("a failed statement ends its block", failed_block),
    ("SAVEPOINT", |live| in_block(live, "SAVEPOINT longshore")),
    ("ALTER COLUMN TYPE in a block", alter_in_block),
    ("a name of 127 bytes is told from another by its last byte", long_names),
    ("a backslash in a quoted name", |live| made(live, "\"a\\b\" INT")),
    ("a comment is read back by col_description", comment),
    ("an ordinary literal reads \\\\ as one backslash", |live| one(live, "SELECT len('a\\\\b')")),
    ("doubles come back: smallest, largest, subnormal", doubles),
    ("infinity as a date and as a timestamp", |live| one(live, "SELECT CAST('infinity' AS DATE)")),
    ("TIMESTAMP(6) as a column", |live| made(live, "a TIMESTAMP(6)")),
    ("DOUBLE as a column", |live| made(live, "a DOUBLE")),
    ("INTERVAL DAY TO SECOND as a column", |live| made(live, "a INTERVAL DAY TO SECOND")),
    ("a BOOLEAN is cast to VARCHAR", |live| one(live, "SELECT CAST(TRUE AS VARCHAR(5))")),
    ("a BIGINT becomes SUPER by JSON_PARSE", |live| {
        one(live, "SELECT JSON_TYPEOF(JSON_PARSE(CAST(CAST(7 AS BIGINT) AS VARCHAR(65535))))")
    }),
    ("a double as VARCHAR", |live| one(live, "SELECT CAST(CAST(0.1 AS DOUBLE PRECISION) AS VARCHAR(40))")),
    ("trailing blanks count in a comparison", |live| {
        one(live, "SELECT CAST('a' AS VARCHAR(4)) = CAST('a ' AS VARCHAR(4))")
    }),
    ("SELECT … FOR UPDATE", |live| in_block(live, "SELECT 1 FOR UPDATE")),
    ("a duplicate ADD COLUMN", duplicate_column),
    ("a snapshot begins behind LOCK, and not at BEGIN", snapshot),
    ("RENAME COLUMN is seen by others before its commit", rename_is_seen),
    ("COMMIT outside of a block", |live| answer(live.try_rows("COMMIT"))),
    ("CREATE SCHEMA IF NOT EXISTS of a schema that is there", |live| {
        let sql = format!("CREATE SCHEMA IF NOT EXISTS {}", live.schema());
        answer(live.try_rows(&sql))
    }),
    ("a division by zero over pg_attribute ends a block", asked::division),
    ("statement_timeout limits the wait for a LOCK", asked::lock_timeout),
    ("of equal keys in an array JSON_PARSE keeps the last, if told to", asked::equal_keys),
    ("GETDATE() as the default of a TIMESTAMP", |live| made(live, "a INT, b TIMESTAMP NOT NULL DEFAULT GETDATE()")),
    ("GETDATE() as the default of a TIMESTAMPTZ", |live| made(live, "a INT, b TIMESTAMPTZ NOT NULL DEFAULT GETDATE()")),
    ("INSERT … SELECT over more than 65,535 declared bytes", asked::wide_rows),
    ("INSERT … SELECT over a VARBYTE(1024000)", asked::wide_bytes),
    ("text longer than its VARCHAR in a COPY of Parquet", asked::long_text),
    // Behind a COPY that fails: errors of columnar files may be in no log (5.8), and then this says 0.
    ("stl_load_errors has the session", asked::load_errors),
    ("sys_load_error_detail has the session", asked::load_error_details),
    ("a COPY is rolled back with its block", asked::copy_rolled_back),
];

pub(crate) fn one(live: &mut Live, sql: &str) -> String {
    match live.try_rows(sql) {
        Ok(rows) => rows.first().and_then(|row| row.first()).cloned().flatten().unwrap_or_else(|| "NULL".to_owned()),
        Err(error) => error,
    }
}

pub(crate) fn answer(result: Result<impl Sized, String>) -> String {
    result.map_or_else(|error| error, |_| "taken".to_owned())
}

fn in_block(live: &mut Live, sql: &str) -> String {
    let said = live.try_rows("BEGIN").and_then(|_| live.try_rows(sql));
    let _ = live.try_rows("ROLLBACK");
    answer(said)
}

/// A table of the given columns, made and dropped.
fn made(live: &mut Live, columns: &str) -> String {
    let table = format!("{}.fact", live.schema());
    let said = live.try_rows(&format!("CREATE TABLE {table} ({columns})"));
    let _ = live.try_rows(&format!("DROP TABLE IF EXISTS {table}"));
    answer(said)
}

pub(crate) fn with_table(live: &mut Live, columns: &str, ask: impl FnOnce(&mut Live, &str) -> String) -> String {
    let table = format!("{}.fact", live.schema());
    if let Err(error) = live.try_rows(&format!("CREATE TABLE {table} ({columns})")) {
        return error;
    }
    let said = ask(live, &table);
    let _ = live.try_rows(&format!("DROP TABLE IF EXISTS {table}"));
    said
}

fn failed_block(live: &mut Live) -> String {
    let _ = live.try_rows("BEGIN");
    let first = answer(live.try_rows("SELECT * FROM longshore_no_such_table"));
    let second = answer(live.try_rows("SELECT 1"));
    let _ = live.try_rows("ROLLBACK");
    format!("first: {first}; second: {second}")
}

fn alter_in_block(live: &mut Live) -> String {
    with_table(live, "a VARCHAR(4)", |live, table| {
        in_block(live, &format!("ALTER TABLE {table} ALTER COLUMN a TYPE VARCHAR(8)"))
    })
}

fn long_names(live: &mut Live) -> String {
    let name = "x".repeat(126);
    made(live, &format!("{name}a INT, {name}b INT"))
}

fn comment(live: &mut Live) -> String {
    with_table(live, "a INT", |live, table| {
        if let Err(error) = live.try_rows(&format!("COMMENT ON COLUMN {table}.a IS 'longshore path: [\"a\"]'")) {
            return error;
        }
        let schema = live.schema().to_owned();
        one(
            live,
            &format!(
                "SELECT CAST(pg_catalog.col_description(c.oid, 1) AS VARCHAR(100)) FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '{schema}' AND c.relname = 'fact'"
            ),
        )
    })
}

fn doubles(live: &mut Live) -> String {
    with_table(live, "a DOUBLE PRECISION", |live, table| {
        let values = ["2.2250738585072014e-308", "1.7976931348623157e308", "4.9406564584124654e-324"];
        let asked = values.map(|value| {
            let stored = answer(live.try_rows(&format!("INSERT INTO {table} VALUES ({value})")));
            let back = one(live, &format!("SELECT CAST(a AS VARCHAR(60)) FROM {table} ORDER BY a DESC LIMIT 1"));
            let _ = live.try_rows(&format!("DELETE FROM {table}"));
            format!("{value}: {stored}, {back}")
        });
        asked.join("; ")
    })
}

fn duplicate_column(live: &mut Live) -> String {
    with_table(live, "a INT", |live, table| answer(live.try_rows(&format!("ALTER TABLE {table} ADD COLUMN a INT"))))
}

/// One session begins and locks while another has committed in between: does it see the row?
fn snapshot(live: &mut Live) -> String {
    with_table(live, "a INT", |live, table| {
        let Ok(mut other) = live.second() else { return "no second session".to_owned() };
        let _ = live.try_rows("BEGIN");
        let inserted = answer(rows_of(&mut other, &format!("INSERT INTO {table} VALUES (1)")));
        let _ = live.try_rows(&format!("LOCK TABLE {table}"));
        let seen = one(live, &format!("SELECT count(*) FROM {table}"));
        let _ = live.try_rows("ROLLBACK");
        format!("insert {inserted}, rows seen behind the lock: {seen}")
    })
}

fn rename_is_seen(live: &mut Live) -> String {
    with_table(live, "a INT", |live, table| {
        let Ok(mut other) = live.second() else { return "no second session".to_owned() };
        let _ = rows_of(&mut other, "SET statement_timeout TO 5000");
        let _ = live.try_rows("BEGIN");
        let _ = live.try_rows(&format!("ALTER TABLE {table} RENAME COLUMN a TO b"));
        let seen = answer(rows_of(&mut other, &format!("SELECT a FROM {table}")));
        let _ = live.try_rows("ROLLBACK");
        format!("the old name meanwhile: {seen}")
    })
}

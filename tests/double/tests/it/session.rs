//! What a session sees of the double: Redshift's names, types, blocks and catalog.

use crate::support::Warehouse;

#[test]
fn it_says_that_it_is_a_redshift() {
    let warehouse = Warehouse::start();
    let mut session = warehouse.session();
    assert!(session.value("SELECT version()").contains("Redshift 1.0"));
    assert!(session.refused("SHOW server_version_num").starts_with("42704"));
    assert!(session.refused("SELECT * FROM pg_range").starts_with("42P01"));
    assert!(session.refused("SELECT typarray FROM pg_catalog.pg_type").starts_with("42703"));
    assert!(session.refused("SELECT pg_advisory_lock(1)").starts_with("42883"));
    assert!(session.refused("SET lock_timeout TO '1s'").starts_with("42704"));
}

#[test]
fn names_are_folded_cut_at_127_bytes_and_come_back_whole() {
    let warehouse = Warehouse::start();
    let mut session = warehouse.session();
    let (a, b) = ("x".repeat(126) + "a", "x".repeat(126) + "b");
    session.run(&format!("CREATE TABLE \"Mixed\" (\"{a}\" INT, \"{b}zz\" INT, \"UserId\" INT)"));
    session.run(&format!("INSERT INTO mixed (\"{a}\", \"{b}\", userid) VALUES (1, 2, 3)"));
    assert_eq!(session.value(&format!("SELECT {b} FROM mixed")), "2");
    let names =
        session.rows("SELECT column_name FROM svv_columns WHERE table_name = 'mixed' ORDER BY ordinal_position");
    let names: Vec<_> = names.into_iter().map(|row| row[0].clone().unwrap()).collect();
    assert_eq!(names, [a.clone(), b, "userid".into()]);
    assert!(session.refused("CREATE TABLE t (\"Id\" INT, \"id\" INT)").starts_with("42701"));
    let missing = session.refused(&format!("ALTER TABLE mixed ADD COLUMN \"{a}\" INT"));
    assert!(missing.starts_with("42701") && missing.contains(&a), "{missing}");
}

#[test]
fn lengths_are_bytes_and_decimals_have_their_traps() {
    let warehouse = Warehouse::start();
    let mut session = warehouse.session();
    session.run("CREATE TABLE t (v VARCHAR(4), c CHAR(3), d DECIMAL(19,0), n DECIMAL(5,2))");
    session.run("INSERT INTO t VALUES ('éé', 'abc', 9223372036854775807, 1.239)");
    assert_eq!(session.value("SELECT n FROM t"), "1.24", "INSERT rounds");
    assert!(session.refused("INSERT INTO t (v) VALUES ('ééé')").starts_with("22001: Value too long"));
    assert!(session.refused("INSERT INTO t (c) VALUES ('é')").contains("invalid ASCII character"));
    assert!(session.refused("INSERT INTO t (d) VALUES (9223372036854775808)").contains("overflow"));
    assert!(session.refused("INSERT INTO t (n) VALUES (1000)").contains("overflow"));
}

#[test]
fn a_backslash_escapes_in_every_literal() {
    let warehouse = Warehouse::start();
    let mut session = warehouse.session();
    assert_eq!(session.value(r"SELECT 'a\\b\'c'"), r"a\b'c");
    session.run("CREATE TABLE t (v VARCHAR(20))");
    session.run(r"INSERT INTO t VALUES ('\'); DROP TABLE t; --')");
    assert_eq!(session.value("SELECT v FROM t"), "'); DROP TABLE t; --");
}

#[test]
fn keys_are_kept_and_not_enforced_but_not_null_is() {
    let warehouse = Warehouse::start();
    let mut session = warehouse.session();
    session.run("CREATE TABLE t (id BIGINT NOT NULL ENCODE AZ64 DISTKEY SORTKEY, v VARCHAR(10) UNIQUE, PRIMARY KEY (id)) BACKUP NO");
    session.run("INSERT INTO t VALUES (1, 'a'), (1, 'a')");
    assert_eq!(session.value("SELECT count(*) FROM t"), "2");
    assert!(session.refused("INSERT INTO t (v) VALUES ('b')").contains("NULL value into column id"));
    let kept =
        session.rows("SELECT \"column\", type, encoding, distkey, sortkey FROM pg_table_def WHERE tablename = 't'");
    let first: Vec<_> = kept[0].iter().map(|value| value.clone().unwrap()).collect();
    assert_eq!(first, ["id", "bigint", "az64", "t", "1"]);
    assert!(session.refused("ALTER TABLE t DROP COLUMN id").contains("distkey"));
}

#[test]
fn a_varchar_is_widened_outside_of_blocks_and_only_where_nothing_forbids_it() {
    let warehouse = Warehouse::start();
    let mut session = warehouse.session();
    session.run("CREATE TABLE t (a VARCHAR(8), b VARCHAR(8) ENCODE TEXT255, c VARCHAR(8) DEFAULT 'x', d VARCHAR(8) UNIQUE, e INT)");
    session.run("INSERT INTO t (a) VALUES ('12345678')");
    session.run("BEGIN");
    assert!(session.refused("ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(16)").starts_with("25001"));
    session.run("ROLLBACK");
    assert!(session.refused("SELECT 1; ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(16)").starts_with("25001"));
    session.run("ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(16)");
    session.run("INSERT INTO t (a) VALUES ('1234567890123456')");
    assert!(session.refused("ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(9)").starts_with("22001"));
    for column in ["b", "c", "d"] {
        session.refused(&format!("ALTER TABLE t ALTER COLUMN {column} TYPE VARCHAR(16)"));
    }
    session.refused("ALTER TABLE t ALTER COLUMN e TYPE VARCHAR(16)");
}

#[test]
fn truncate_commits_what_came_before_it() {
    let warehouse = Warehouse::start();
    let mut session = warehouse.session();
    session.run("CREATE TABLE a (i INT)");
    session.run("CREATE TABLE b (i INT)");
    session.run("BEGIN");
    session.run("INSERT INTO a VALUES (1)");
    session.run("TRUNCATE b");
    session.run("ROLLBACK");
    assert_eq!(session.value("SELECT count(*) FROM a"), "1");
}

#[test]
fn an_error_fails_the_block_also_where_the_double_itself_refuses() {
    let warehouse = Warehouse::start();
    let mut session = warehouse.session();
    session.run("CREATE TABLE t (i INT)");
    session.run("BEGIN");
    session.run("INSERT INTO t VALUES (1)");
    session.refused("SAVEPOINT s");
    assert!(session.refused("SELECT 1").starts_with("25P02"));
    session.run("COMMIT");
    assert_eq!(session.value("SELECT count(*) FROM t"), "0", "COMMIT of a failed block rolls back");
}

#[test]
fn merge_wants_its_form_and_refuses_two_matches() {
    let warehouse = Warehouse::start();
    let mut session = warehouse.session();
    session.run("CREATE TABLE t (id INT, v VARCHAR(8))");
    session.run("CREATE TABLE s (id INT, v VARCHAR(8))");
    session.run("INSERT INTO t VALUES (1, 'old')");
    session.run("INSERT INTO s VALUES (1, 'new'), (2, 'two'), (2, 'two')");
    let merge = "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)";
    session.run(merge);
    assert_eq!(session.value("SELECT count(*) FROM t"), "3", "equal new keys enter twice");
    assert_eq!(session.value("SELECT v FROM t WHERE id = 1"), "new");
    assert!(session.refused(merge).contains("Found multiple matches to update the same tuple"));
}

#[test]
fn a_text_in_super_is_one_string_unless_it_is_parsed() {
    let warehouse = Warehouse::start();
    let mut session = warehouse.session();
    session.run("CREATE TABLE t (i INT, s SUPER)");
    session.run(r#"INSERT INTO t VALUES (1, '{"a":1}')"#);
    session.run(r#"INSERT INTO t SELECT 2, JSON_PARSE('{"a":1}')"#);
    assert_eq!(session.value("SELECT json_typeof(s) FROM t WHERE i = 1"), "string");
    assert_eq!(session.value("SELECT json_typeof(s) FROM t WHERE i = 2"), "object");
    assert!(session.refused(r#"SELECT JSON_PARSE('{"a":1,"a":2}')"#).contains("duplicate key"));
    assert!(session.refused("SELECT JSON_PARSE('{')").contains("JSON parsing error"));
}

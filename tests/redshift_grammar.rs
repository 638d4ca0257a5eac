//! Every Redshift statement that the planner makes is read by a grammar of Redshift that is not ours.
//!
//! The grammar is sqlfluff's. It knows words and clauses, not limits: widths, precisions and key types are the
//! planner's own checks. `tests/golden/sqlfluff-allow.txt` lists the statements that it is known to be wrong about.

#[path = "support/ddl.rs"]
mod ddl;
#[path = "support/grammar.rs"]
mod grammar;

use grammar::refusals;
use longshore::{Dialect, Plan};

fn sql(plan: Plan) -> impl Iterator<Item = String> {
    plan.statements.into_iter().map(|statement| statement.sql)
}

/// Statements that must be refused, made from good ones: a gate that lets them through proves nothing.
fn bad() -> Vec<String> {
    let good = sql(Plan::create(&orders(), Dialect::Redshift, "orders").unwrap()).next().unwrap();
    let postgres = sql(Plan::create(&orders(), Dialect::Postgres, "orders").unwrap()).next().unwrap();
    vec![
        postgres,
        good.replace("SUPER", "JSONB"),
        good.replace("BIGINT", "SERIAL"),
        good.replace("\"tag\"", "tag"),
        good.replace("CREATE TABLE", "CREATE UNLOGGED TABLE"),
        good.replace("BIGINT", "BIGINT CHECK (1 > 0)"),
        good.replace("BIGINT,", "BIGINT"),
        good.clone() + " DISTSTYLE SOMEHOW",
        good.clone() + " SORTKEY (\"id\" \"tag\")",
        "COMMENT ON COLUMN \"orders\".\"id\" IS 'it's'".to_owned(),
        "ALTER TABLE \"orders\" ADD COLUMN IF NOT EXISTS \"b\" INT".to_owned(),
    ]
}

fn orders() -> longshore::Schema {
    use longshore::{Column, Path, Type};
    let column = |name: &str, ty| Column::new(Path::new([name]), name, ty);
    let columns = vec![column("id", Type::Int64), column("tag", Type::Text), column("items", Type::Json)];
    longshore::Schema { columns, ..longshore::Schema::default() }
}

#[test]
fn an_independent_grammar_reads_every_redshift_statement_and_refuses_bad_ones() {
    let mut good: Vec<String> = ddl::plans(Dialect::Redshift).into_iter().flat_map(|(_, plan)| sql(plan)).collect();
    good.extend(sql(ddl::widest(Dialect::Redshift)).take(3));
    let bad = bad();
    let mut all = good.clone();
    all.extend(bad.iter().cloned());
    let answers = refusals(&all);
    assert_eq!(answers.len(), all.len());
    let (of_good, of_bad) = answers.split_at(good.len());

    let allowed: Vec<&str> = include_str!("golden/sqlfluff-allow.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let refused: Vec<_> = good.iter().zip(of_good).filter_map(|(sql, answer)| Some((sql, answer.as_ref()?))).collect();
    for (sql, answer) in &refused {
        assert!(allowed.iter().any(|allowed| sql.contains(allowed)), "refused: {answer}\n{sql}");
    }
    for allowed in allowed {
        assert!(refused.iter().any(|(sql, _)| sql.contains(allowed)), "no refused statement needs `{allowed}`");
    }
    for (sql, answer) in bad.iter().zip(of_bad) {
        assert!(answer.is_some(), "this bad statement was let through:\n{sql}");
    }
}

/// The script that a folder's load comes with, statement by statement.
#[cfg(feature = "parquet")]
#[test]
fn an_independent_grammar_reads_the_script_that_loads_a_folder() {
    use longshore::load::{FolderTarget, LoadRequest, Mode, Target};
    use std::sync::Arc;

    let root = tempfile::tempdir().unwrap();
    let mut statements = Vec::new();
    for (id, mode) in [("append", Mode::Append), ("replace", Mode::Replace)] {
        let mut schema = orders();
        schema.columns.push(longshore::Column::new(longshore::Path::new(["at"]), "at", longshore::Type::Time));
        let request = LoadRequest {
            table: "shop.orders".into(),
            load_id: id.into(),
            mode,
            sources: Vec::new(),
            formats: Vec::new(),
            content_hash: "0".into(),
            bytes: 0,
            max_quarantined: None,
            isolate_rows: false,
        };
        let mut target = FolderTarget::new(root.path());
        let Ok(longshore::load::Begun::Open { schema, encoder }) = target.begin(&schema, &request) else {
            panic!("a fresh folder has no load")
        };
        let columns = schema.arrow().fields().iter().map(|f| arrow_array::new_null_array(f.data_type(), 1)).collect();
        let batch = arrow_array::RecordBatch::try_new(Arc::clone(&schema.arrow()), columns).unwrap();
        target.write(encoder.encode(&batch).unwrap()).unwrap();
        target.commit(1).unwrap();
        let script = std::fs::read_to_string(root.path().join("shop.orders").join(id).join("load.redshift.sql"));
        let script = script.unwrap();
        let lines: Vec<&str> = script.lines().filter(|line| !line.starts_with("--")).collect();
        statements.extend(lines.join("\n").split(';').map(|sql| sql.trim().to_owned()).filter(|sql| !sql.is_empty()));
    }
    assert!(
        statements.iter().any(|sql| sql.starts_with("COPY "))
            && statements.iter().any(|sql| sql.starts_with("DELETE "))
    );
    for (sql, answer) in statements.iter().zip(refusals(&statements)) {
        assert!(answer.is_none(), "refused: {}\n{sql}", answer.unwrap_or_default());
    }
}

/// The scripts that come with staged files hold every statement of a load, those of the connected one too.
#[test]
fn an_independent_grammar_reads_the_scripts_that_load_staged_files() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/stage");
    let mut statements = Vec::new();
    for mode in ["append", "replace", "merge", "changes"] {
        let script = std::fs::read_to_string(folder.join(format!("{mode}.redshift.sql"))).unwrap();
        let lines: Vec<&str> = script.lines().filter(|line| !line.starts_with("--")).collect();
        statements.extend(lines.join("\n").split(";\n").map(|sql| sql.trim_end_matches(';').to_owned()));
    }
    statements.retain(|sql| !sql.trim().is_empty());
    assert!(statements.iter().any(|sql| sql.starts_with("UPDATE ")));
    for (sql, answer) in statements.iter().zip(refusals(&statements)) {
        assert!(answer.is_none(), "refused: {}\n{sql}", answer.unwrap_or_default());
    }
}

//! The double refuses what Redshift refuses, and nothing else.

use longshore_redshift_double::sql::{parse, token};

fn verdict(sql: &str) -> Result<(), String> {
    let tokens = token::tokens(sql).map_err(|refusal| refusal.to_string())?;
    parse(&tokens, false).map(|_| ()).map_err(|refusal| refusal.to_string())
}

/// `expected, tab, statement` lines.
fn judge(cases: &str) -> usize {
    let mut decided = 0;
    let mut wrong = Vec::new();
    for line in cases.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (expected, sql) = line.split_once('\t').unwrap();
        let answer = verdict(sql);
        let right = match expected {
            "ok" => answer.is_ok(),
            "reject" => answer.is_err(),
            "unknown" => continue,
            other => panic!("`{other}` is no verdict"),
        };
        decided += 1;
        if !right {
            wrong.push(format!("expected {expected}, got {answer:?}: {sql}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    decided
}

#[test]
fn every_case_of_our_own_gets_its_verdict() {
    assert!(judge(include_str!("../../cases/statements.tsv")) > 70);
}

#[test]
fn every_decided_case_of_the_reference_gets_its_verdict() {
    assert_eq!(judge(include_str!("../../cases/reference.tsv")), 103);
}

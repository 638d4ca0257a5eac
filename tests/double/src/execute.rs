//! Statements carried out, but for tables' definitions and COPY.

use std::collections::HashSet;

use crate::backend::Answer;
use crate::catalog::columns;
use crate::copy;
use crate::ddl;
use crate::refusal::Refusal;
use crate::session::{Session, Stop};
use crate::sql::Statement;
use crate::sql::merge::Merge;
use crate::sql::name::{TableName, literal};
use crate::sql::query::{backing_name, rewritten};
use crate::sql::settings::Setting;
use crate::sql::token::{Kind, Token};
use crate::sql::types::Type;
use crate::wire;

/// Runs a statement; `several` says whether its request holds others.
pub(crate) fn run(
    session: &mut Session,
    statement: Statement,
    tokens: &[Token],
    several: bool,
) -> Result<Answer, Stop> {
    let block = several || session.backend.in_block();
    match statement {
        Statement::CreateTable(made) => ddl::create(session, &made),
        Statement::AlterTable(alter) => {
            if let Some(words) = alter.outside_of_blocks().filter(|_| block) {
                return Err(Refusal::in_block(words).into());
            }
            ddl::alter(session, &alter)
        }
        Statement::Copy(copy) => copied(session, &copy),
        Statement::Merge(merge) if merge.remove_duplicates => replace_matches(session, &merge),
        Statement::Insert(table, columns) => insert(session, tokens, &table, columns.as_deref()),
        Statement::Truncate(table) => truncate(session, &table),
        Statement::CreateSchema(name) => {
            let name = backing_name(&name);
            session.forward(&format!("CREATE SCHEMA {}{name}", if has_if(tokens) { "IF NOT EXISTS " } else { "" }))
        }
        Statement::Setting(setting) => set(session, setting, tokens),
        Statement::Nothing(tag, true) if block => Err(Refusal::in_block(tag).into()),
        Statement::Nothing(tag, _) => Ok(vec![wire::complete(tag)]),
        Statement::Lacking(what) => Err(Refusal::double_lacks(what).into()),
        Statement::Merge(_) | Statement::Change(_) | Statement::Plain => plain(session, tokens),
        Statement::Begin | Statement::Commit | Statement::Rollback => Err(Refusal::syntax("transaction").into()),
    }
}

fn has_if(tokens: &[Token]) -> bool {
    tokens.iter().take(4).any(|token| token.is("if"))
}

fn plain(session: &mut Session, tokens: &[Token]) -> Result<Answer, Stop> {
    let sql = rewritten(tokens, &session.facts, &HashSet::new())?;
    session.forward(&sql)
}

fn copied(session: &mut Session, copy: &crate::sql::copy::Copy) -> Result<Answer, Stop> {
    let large_strings = session.shared.large_strings();
    let shared = std::sync::Arc::clone(&session.shared);
    let store = shared.s3.store();
    let context = &mut copy::Context {
        backend: &mut session.backend,
        catalog: &session.catalog,
        store: &store,
        faults: &shared.faults,
        query: session.facts.query_id,
        session: session.id,
        large_strings,
    };
    let count = match copy::run(copy, context) {
        Err(Stop::Refused(refusal)) => return Err(session.translated(refusal).into()),
        other => other?,
    };
    (session.facts.copy_count, session.facts.copy_id) = (count, session.facts.query_id);
    let notice = format!("Load into table '{}' completed, {count} record(s) loaded successfully.", copy.table.name);
    Ok(vec![wire::info(&notice), wire::complete("COPY")])
}

/// `TRUNCATE` commits itself and all that came before it.
fn truncate(session: &mut Session, table: &TableName) -> Result<Answer, Stop> {
    session.forward(&format!("TRUNCATE {}", table.backing()))?;
    if session.backend.in_block() {
        session.forward("COMMIT")?;
    }
    Ok(vec![wire::complete("TRUNCATE TABLE")])
}

/// The simplified MERGE: rows of the target that match give way to the source's.
fn replace_matches(session: &mut Session, merge: &Merge) -> Result<Answer, Stop> {
    let on = rewritten(&merge.on, &session.facts, &HashSet::new())?;
    let (target, source) = (merge.target.backing(), merge.source.backing());
    let alias = merge.alias.as_deref().map(|alias| format!(" AS {}", backing_name(alias))).unwrap_or_default();
    let shape = |table: &TableName, session: &mut Session| -> Result<Vec<Type>, Stop> {
        Ok(columns(&mut session.backend, table)??.into_iter().map(|column| column.ty).collect())
    };
    if shape(&merge.target, session)? != shape(&merge.source, session)? {
        return Err(Refusal::internal("REMOVE DUPLICATES needs tables of the same columns").into());
    }
    let sql =
        format!("DELETE FROM {target} USING {source}{alias} WHERE {on}; INSERT INTO {target} SELECT * FROM {source}");
    session.forward(&sql)?;
    Ok(vec![wire::complete("MERGE")])
}

/// A text in `VALUES` for a SUPER column becomes one string there, and is not parsed.
fn insert(
    session: &mut Session,
    tokens: &[Token],
    table: &TableName,
    names: Option<&[String]>,
) -> Result<Answer, Stop> {
    let mut strings = HashSet::new();
    if let Some(values) = tokens.iter().position(|token| token.is("values")) {
        let all = columns(&mut session.backend, table)?.map_err(|refusal| session.translated(refusal))?;
        let types: Vec<Option<&Type>> = match names {
            Some(names) => names.iter().map(|name| all.iter().find(|c| c.name == *name).map(|c| &c.ty)).collect(),
            None => all.iter().map(|column| Some(&column.ty)).collect(),
        };
        strings = super_strings(&tokens[values + 1..], &types).into_iter().map(|at| at + values + 1).collect();
    }
    let sql = rewritten(tokens, &session.facts, &strings)?;
    session.forward(&sql)
}

/// Where in rows of values a text alone stands for a SUPER.
fn super_strings(tokens: &[Token], types: &[Option<&Type>]) -> HashSet<usize> {
    let (mut found, mut depth, mut column) = (HashSet::new(), 0_usize, 0_usize);
    for (at, token) in tokens.iter().enumerate() {
        if token.is_mark("(") {
            depth += 1;
            if depth == 1 {
                column = 0;
            }
        } else if token.is_mark(")") {
            depth = depth.saturating_sub(1);
        } else if token.is_mark(",") && depth == 1 {
            column += 1;
        } else if token.kind == Kind::Text && depth == 1 && types.get(column) == Some(&Some(&Type::Super)) {
            let ends = |at: Option<&Token>| at.is_some_and(|token| token.is_mark(",") || token.is_mark(")"));
            let begins = |token: &Token| token.is_mark(",") || token.is_mark("(");
            if at > 0 && begins(&tokens[at - 1]) && ends(tokens.get(at + 1)) {
                found.insert(at);
            }
        }
    }
    found
}

fn set(session: &mut Session, setting: Setting, tokens: &[Token]) -> Result<Answer, Stop> {
    match setting {
        Setting::Backing => plain(session, tokens),
        Setting::SearchPath(names) => {
            let path = rewritten(&names, &session.facts, &HashSet::new())?;
            session.forward(&format!("SET search_path TO {path}, redshift_double"))
        }
        // Kept where JSON_PARSE is.
        Setting::Own(name, value) if name == "json_parse_dedup_attributes" => {
            session.forward(&format!("SET redshift_double.dedup TO {}", literal(&value)))
        }
        Setting::Own(name, value) => {
            if name == "enable_case_sensitive_identifier" {
                session.facts.case_sensitive = matches!(value.as_str(), "true" | "on");
            }
            Ok(vec![wire::complete(if value.is_empty() { "RESET" } else { "SET" })])
        }
        Setting::Show(name) => match name.as_str() {
            "enable_case_sensitive_identifier" => {
                let value = if session.facts.case_sensitive { "on" } else { "off" };
                Ok(wire::one_value(&name, value, "SHOW"))
            }
            "client_encoding" => Ok(wire::one_value(&name, "UNICODE", "SHOW")),
            "search_path" | "statement_timeout" | "datestyle" | "timezone" | "application_name"
            | "extra_float_digits" => session.forward(&format!("SHOW {name}")),
            _ => Ok(wire::one_value(&name, "", "SHOW")),
        },
    }
}

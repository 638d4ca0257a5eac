//! Tables made and altered in the backing server, and what it cannot keep about them beside it.

use std::collections::HashSet;

use crate::backend::{Answer, Backend};
use crate::catalog::{TableColumn, columns};
use crate::faults::Fault;
use crate::refusal::Refusal;
use crate::session::{Session, Stop};
use crate::sql::alter::{AlterTable, Append, Change};
use crate::sql::create::{Attributes, Body, Column, CreateTable};
use crate::sql::name::{TableName, backing, literal};
use crate::sql::query::{backing_name, rewritten};
use crate::sql::types::{SCHEMA, Type};
use crate::wire;

const NO_WIDENING: &[&str] = &["bytedict", "runlength", "text255", "text32k"];

/// `CREATE TABLE`
pub(crate) fn create(session: &mut Session, made: &CreateTable) -> Result<Answer, Stop> {
    if made.if_not_exists && exists(&mut session.backend, &made.table)? {
        return Ok(vec![wire::complete("CREATE TABLE")]);
    }
    let table = made.table.backing();
    let temporary = if made.temporary { "TEMP " } else { "" };
    let head = format!("CREATE {temporary}TABLE {table}");
    let sql = match &made.body {
        Body::Columns(columns, _) => {
            let mut definitions = Vec::with_capacity(columns.len());
            for column in columns {
                definitions.push(definition(session, column)?);
            }
            format!("{head} ({}); {}", definitions.join(", "), attributes(made, columns))
        }
        Body::Like(from, with_defaults) => format!(
            "{head} (LIKE {}{}); {}",
            from.backing(),
            if *with_defaults { " INCLUDING DEFAULTS" } else { "" },
            same_attributes(from, &made.table)
        ),
        Body::Query(tokens) => {
            let query = rewritten(tokens, &session.facts, &HashSet::new())?;
            session.catalog.need_type(&Type::Varchar(65_535))?;
            format!("{head} {query}; {}", lengthen(&made.table))
        }
    };
    session.forward(&sql)?;
    Ok(vec![wire::complete("CREATE TABLE")])
}

fn exists(backend: &mut Backend, table: &TableName) -> Result<bool, Stop> {
    let rows = backend.rows(&format!("SELECT to_regclass({}) IS NOT NULL", literal(&table.backing())))??;
    Ok(rows.first().is_some_and(|row| row[0].as_deref() == Some("t")))
}

/// A column's definition for the backing server. Keys are left out: nobody enforces them.
fn definition(session: &mut Session, column: &Column) -> Result<String, Stop> {
    session.catalog.need_type(&column.ty)?;
    let mut sql = format!("{} {}", backing_name(&column.name), column.ty.backing());
    if let Some(identity) = &column.identity {
        let how = if identity.by_default { "BY DEFAULT" } else { "ALWAYS" };
        let (seed, step) = (identity.seed, identity.step);
        let bounds = if step < 0 { "MAXVALUE 9223372036854775807" } else { "MINVALUE -9223372036854775807" };
        let bounds = if column.ty == Type::Bigint { bounds } else { bounds_of_int(step) };
        sql.push_str(&format!(" GENERATED {how} AS IDENTITY (START WITH {seed} INCREMENT BY {step} {bounds})"));
    }
    if let Some(default) = &column.default {
        sql.push_str(&format!(" DEFAULT {}", rewritten(default, &session.facts, &HashSet::new())?));
    }
    if column.not_null {
        sql.push_str(" NOT NULL");
    }
    Ok(sql)
}

fn bounds_of_int(step: i64) -> &'static str {
    if step < 0 { "MAXVALUE 2147483647" } else { "MINVALUE -2147483648" }
}

/// The statement that keeps encodings and keys. A column without an encoding gets the server's default.
fn attributes(made: &CreateTable, columns: &[Column]) -> String {
    let Attributes { distkey, sortkey, .. } = &made.attributes;
    let rows = columns.iter().map(|column| {
        let place = sortkey.iter().position(|name| *name == column.name).map_or(0, |at| at + 1);
        let encoding =
            column.encode.as_deref().unwrap_or_else(|| default_encoding(column, place > 0 || made.temporary));
        format!(
            "({}, '{encoding}', {}, {place}, {})",
            literal(&backing(&column.name)),
            distkey.as_deref() == Some(&column.name),
            column.unique
        )
    });
    keep(&made.table, &rows.collect::<Vec<_>>().join(", "))
}

fn keep(table: &TableName, rows: &str) -> String {
    format!(
        "INSERT INTO {SCHEMA}.attributes SELECT a.attrelid, a.attnum, v.encoding, v.distkey, v.sortkey, v.key \
         FROM (VALUES {rows}) AS v (name, encoding, distkey, sortkey, key) JOIN pg_catalog.pg_attribute a \
         ON a.attname = v.name::name WHERE a.attrelid = {}::regclass AND a.attnum > 0 \
         ON CONFLICT (relid, attnum) DO UPDATE SET encoding = EXCLUDED.encoding, distkey = EXCLUDED.distkey, \
         sortkey = EXCLUDED.sortkey, key = EXCLUDED.key",
        literal(&table.backing())
    )
}

fn default_encoding(column: &Column, raw: bool) -> &'static str {
    match column.ty {
        _ if raw => "none",
        Type::Boolean | Type::Real | Type::Double | Type::Opaque(_) => "none",
        Type::Varchar(_) | Type::Char(_) | Type::Varbyte(..) => "lzo",
        Type::Super => "zstd",
        _ => "az64",
    }
}

/// `LIKE` copies the keys and encodings, but not PRIMARY KEY and UNIQUE.
fn same_attributes(from: &TableName, to: &TableName) -> String {
    format!(
        "INSERT INTO {SCHEMA}.attributes SELECT a.attrelid, a.attnum, x.encoding, x.distkey, x.sortkey, false \
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_attribute b ON b.attname = a.attname AND b.attrelid = {}::regclass \
         JOIN {SCHEMA}.attributes x ON x.relid = b.attrelid AND x.attnum = b.attnum \
         WHERE a.attrelid = {}::regclass AND a.attnum > 0 ON CONFLICT DO NOTHING",
        literal(&from.backing()),
        literal(&to.backing())
    )
}

/// Texts without a length, which a query may give, become the widest.
fn lengthen(table: &TableName) -> String {
    format!(
        "DO $double$ DECLARE c name; BEGIN FOR c IN SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = {name}::regclass \
         AND attnum > 0 AND atttypid IN (25, 1043) LOOP EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE {SCHEMA}.varchar_65535', \
         {name}, c); END LOOP; END $double$",
        name = literal(&table.backing())
    )
}

/// `ALTER TABLE`
pub(crate) fn alter(session: &mut Session, alter: &AlterTable) -> Result<Answer, Stop> {
    let name = alter.table.backing();
    let found = columns(&mut session.backend, &alter.table)?.map_err(|refusal| session.translated(refusal))?;
    match &alter.change {
        Change::Add(column) => add(session, &alter.table, column, found.len())?,
        Change::Drop(column, cascade) => {
            let dropped = find(&found, column, &alter.table)?;
            if dropped.distkey || dropped.sortkey {
                return Err(Refusal::new("0A000", format!("cannot drop distkey or sortkey column \"{column}\"")).into());
            }
            if found.len() == 1 {
                return Err(Refusal::new("0A000", "cannot drop the only column of a table").into());
            }
            session.forward(&format!(
                "ALTER TABLE {name} DROP COLUMN {}{}",
                backing_name(column),
                if *cascade { " CASCADE" } else { "" }
            ))?;
        }
        Change::Retype(column, ty) => retype(session, &alter.table, find(&found, column, &alter.table)?, ty)?,
        Change::RenameTable(to) => {
            session.forward(&format!("ALTER TABLE {name} RENAME TO {}", backing_name(to)))?;
        }
        Change::RenameColumn(from, to) => {
            find(&found, from, &alter.table)?;
            session.forward(&format!(
                "ALTER TABLE {name} RENAME COLUMN {} TO {}",
                backing_name(from),
                backing_name(to)
            ))?;
        }
        Change::Encode(all) => {
            for (column, encoding) in all {
                let column = find(&found, column, &alter.table)?;
                if column.encoding.as_deref() == Some(encoding) {
                    return Err(Refusal::new(
                        "0A000",
                        format!("column \"{}\" already has encoding {encoding}", column.name),
                    )
                    .into());
                }
                if !column.ty.takes(encoding) {
                    return Err(Refusal::new(
                        "42P16",
                        format!("encoding {encoding} is not supported for type {}", column.ty),
                    )
                    .into());
                }
            }
            let mark = |c: &TableColumn| {
                all.iter()
                    .find(|(name, _)| *name == c.name)
                    .map(|(_, encoding)| encoding.clone())
                    .or_else(|| c.encoding.clone())
            };
            keep_all(session, &alter.table, &found, |c| (mark(c), c.distkey, c.sortkey, c.key))?;
        }
        Change::Distribute(key) => {
            if let Some(key) = key {
                key_type(find(&found, key, &alter.table)?)?;
            }
            keep_all(session, &alter.table, &found, |c| {
                (c.encoding.clone(), key.as_deref() == Some(&c.name), c.sortkey, c.key)
            })?;
        }
        Change::Sort(names) => {
            for name in names {
                key_type(find(&found, name, &alter.table)?)?;
            }
            keep_all(session, &alter.table, &found, |c| {
                (c.encoding.clone(), c.distkey, names.contains(&c.name), c.key)
            })?;
        }
        Change::Key(names) => {
            for name in names {
                let column = find(&found, name, &alter.table)?;
                if !column.not_null {
                    return Err(Refusal::new("42P16", format!("column \"{name}\" is not NOT NULL")).into());
                }
            }
            keep_all(session, &alter.table, &found, |c| {
                (c.encoding.clone(), c.distkey, c.sortkey, c.key || names.contains(&c.name))
            })?;
        }
        Change::Append(from, how) => append(session, &alter.table, &found, from, *how)?,
        Change::Nothing => {}
    }
    Ok(vec![wire::complete("ALTER TABLE")])
}

fn find<'a>(found: &'a [TableColumn], name: &str, table: &TableName) -> Result<&'a TableColumn, Refusal> {
    found.iter().find(|column| column.name == name).ok_or_else(|| {
        Refusal::new("42703", format!("column \"{name}\" of relation \"{}\" does not exist", table.name))
    })
}

fn key_type(column: &TableColumn) -> Result<(), Refusal> {
    if column.ty.is_key() {
        return Ok(());
    }
    Err(Refusal::new(
        "0A000",
        format!("column \"{}\" of type {} cannot be a DISTKEY or SORTKEY", column.name, column.ty),
    ))
}

fn keep_all(
    session: &mut Session,
    table: &TableName,
    found: &[TableColumn],
    of: impl Fn(&TableColumn) -> (Option<String>, bool, bool, bool),
) -> Result<(), Stop> {
    let rows = found.iter().map(|column| {
        let (encoding, distkey, sortkey, key) = of(column);
        let encoding = encoding.map_or_else(|| "NULL".to_owned(), |encoding| literal(&encoding));
        format!("({}, {encoding}, {distkey}, {}, {key})", literal(&backing(&column.name)), i32::from(sortkey))
    });
    session.forward(&keep(table, &rows.collect::<Vec<_>>().join(", "))).map(|_| ())
}

fn add(session: &mut Session, table: &TableName, column: &Column, present: usize) -> Result<(), Stop> {
    if present >= crate::sql::create::MAX_COLUMNS {
        return Err(Refusal::new("54011", "tables can have at most 1600 columns").into());
    }
    let definition = definition(session, column)?;
    let sql = format!("ALTER TABLE {} ADD COLUMN {definition}", table.backing());
    if session.shared.faults.take(&Fault::RivalAddsColumn) {
        // A rival that would have to wait for this session's lock comes too late, and changes nothing.
        if let Ok(mut rival) = Backend::connect(session.shared.port, &session.database)? {
            rival.query(&format!("SET lock_timeout = '1s'; {sql}"))?;
        }
    }
    session.forward(&sql)?;
    let encoding = column.encode.as_deref().unwrap_or_else(|| default_encoding(column, false));
    session.forward(&keep(table, &format!("({}, '{encoding}', false, 0, false)", literal(&backing(&column.name)))))?;
    Ok(())
}

fn retype(session: &mut Session, table: &TableName, column: &TableColumn, to: &Type) -> Result<(), Stop> {
    let refuse = |why: &str| Refusal::new("0A000", format!("cannot alter type of column \"{}\": {why}", column.name));
    let (Type::Varchar(_), Type::Varchar(_)) = (&column.ty, to) else {
        return Err(refuse("only VARCHAR can be altered, to VARCHAR").into());
    };
    if column.has_default {
        return Err(refuse("it has a default").into());
    }
    if column.key {
        return Err(refuse("it is in a PRIMARY KEY, UNIQUE or FOREIGN KEY").into());
    }
    if let Some(encoding) = column.encoding.as_deref().filter(|encoding| NO_WIDENING.contains(encoding)) {
        return Err(refuse(&format!("it is encoded {encoding}")).into());
    }
    session.catalog.need_type(to)?;
    let sql =
        format!("ALTER TABLE {} ALTER COLUMN {} TYPE {}", table.backing(), backing_name(&column.name), to.backing());
    session.forward(&sql).map(|_| ())
}

fn append(
    session: &mut Session,
    table: &TableName,
    found: &[TableColumn],
    from: &TableName,
    how: Append,
) -> Result<(), Stop> {
    let source = columns(&mut session.backend, from)?.map_err(|refusal| session.translated(refusal))?;
    let same = |a: &TableColumn| source.iter().any(|b| (&a.name, &a.ty, a.not_null) == (&b.name, &b.ty, b.not_null));
    let missing = found.iter().any(|column| !same(column));
    let extra = source.iter().any(|column| !found.iter().any(|other| other.name == column.name));
    if (missing && how != Append::FillTarget) || (extra && how != Append::IgnoreExtra) {
        return Err(Refusal::new("0A000", "ALTER TABLE APPEND needs tables of the same columns").into());
    }
    let names: Vec<String> =
        found.iter().filter(|column| same(column)).map(|column| backing_name(&column.name)).collect();
    let (names, to, from) = (names.join(", "), table.backing(), from.backing());
    session.forward(&format!("INSERT INTO {to} ({names}) SELECT {names} FROM {from}; TRUNCATE {from}")).map(|_| ())
}

//! What the double keeps in the backing server: domains, long names, and Redshift's catalog.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex};

use crate::backend::Backend;
use crate::refusal::Refusal;
use crate::sql::name::{TableName, backing, literal};
use crate::sql::types::{SCHEMA, Type, of_backing};

const SETUP: &str = include_str!("catalog.sql");

/// A session of the double's own with one database, shared by its sessions there.
///
/// What it makes commits at once: a domain or a long name is no part of anybody's transaction.
#[derive(Clone)]
pub(crate) struct Catalog {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    backend: Backend,
    domains: HashSet<String>,
    names: HashSet<String>,
}

/// A column of a table in the backing server.
#[derive(Debug, Clone)]
pub(crate) struct TableColumn {
    pub(crate) name: String,
    pub(crate) number: i32,
    pub(crate) ty: Type,
    pub(crate) not_null: bool,
    pub(crate) has_default: bool,
    /// `a` for an IDENTITY that takes no value, `d` for one that does.
    pub(crate) identity: String,
    pub(crate) encoding: Option<String>,
    pub(crate) distkey: bool,
    pub(crate) sortkey: bool,
    pub(crate) key: bool,
}

impl Catalog {
    /// Connects, and sets the database up if nobody did.
    pub(crate) fn open(port: u16, database: &str) -> io::Result<Result<Catalog, Refusal>> {
        let mut backend = match Backend::connect(port, database)? {
            Ok(backend) => backend,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let found = backend.rows(&format!("SELECT 1 FROM pg_namespace WHERE nspname = '{SCHEMA}'"))?;
        if found.is_ok_and(|rows| rows.is_empty()) {
            // The file is written for standard strings.
            let setup = format!("SET standard_conforming_strings = on; {SETUP}; SET standard_conforming_strings = off");
            if let Err(refusal) = backend.run(&setup)? {
                return Ok(Err(refusal));
            }
        }
        let shared = Shared { backend, domains: HashSet::new(), names: HashSet::new() };
        Ok(Ok(Catalog { shared: Arc::new(Mutex::new(shared)) }))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Shared) -> T) -> T {
        work(&mut self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Makes the domain that stands for a type, if there has to be one.
    pub(crate) fn need_type(&self, ty: &Type) -> io::Result<()> {
        let Some((name, definition)) = ty.domain() else { return Ok(()) };
        self.with(|shared| {
            if shared.domains.insert(name.clone()) {
                let known = format!(
                    "SELECT 1 FROM pg_type WHERE typnamespace = '{SCHEMA}'::regnamespace AND typname = '{name}'"
                );
                if shared.backend.rows(&known)?.is_ok_and(|rows| rows.is_empty()) {
                    let made = shared.backend.run(&format!("CREATE DOMAIN {SCHEMA}.{name} AS {definition}"))?;
                    made.map_err(|refusal| io::Error::other(refusal.to_string()))?;
                }
            }
            Ok(())
        })
    }

    /// Keeps a name that the backing server cannot hold.
    pub(crate) fn need_name(&self, name: &str) -> io::Result<()> {
        let short = backing(name);
        if short == name {
            return Ok(());
        }
        self.with(|shared| {
            if shared.names.insert(name.to_owned()) {
                let sql = format!(
                    "INSERT INTO {SCHEMA}.names VALUES ({}, {}) ON CONFLICT DO NOTHING",
                    literal(&short),
                    literal(name)
                );
                shared.backend.run(&sql)?.map_err(|refusal| io::Error::other(refusal.to_string()))?;
            }
            Ok(())
        })
    }

    /// A text of the backing server with the long names in the place of the short ones.
    pub(crate) fn with_long_names(&self, text: &str) -> String {
        if !text.contains('~') {
            return text.to_owned();
        }
        self.with(|shared| {
            let mut text = text.to_owned();
            for long in shared.names.iter().filter(|long| backing(long) != **long) {
                text = text.replace(&backing(long), long);
            }
            text
        })
    }

    /// Runs a statement of the double's own.
    pub(crate) fn run(&self, sql: &str) -> io::Result<()> {
        self.with(|shared| shared.backend.run(sql))?.map_err(|refusal| io::Error::other(refusal.to_string()))
    }
}

/// The columns of a table, in order, as a session sees it.
pub(crate) fn columns(backend: &mut Backend, table: &TableName) -> io::Result<Result<Vec<TableColumn>, Refusal>> {
    let sql = format!(
        "SELECT {SCHEMA}.shown(a.attname), a.attnum, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef, \
         a.attidentity, x.encoding, coalesce(x.distkey, false), coalesce(x.sortkey, 0) > 0, coalesce(x.key, false) \
         FROM pg_catalog.pg_attribute a LEFT JOIN {SCHEMA}.attributes x ON x.relid = a.attrelid AND x.attnum = a.attnum \
         WHERE a.attrelid = {}::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        literal(&table.backing())
    );
    let rows = match backend.rows(&sql)? {
        Ok(rows) => rows,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let yes = |value: &Option<String>| value.as_deref() == Some("t");
    let column = |row: Vec<Option<String>>| {
        let text = |at: usize| row[at].clone().unwrap_or_default();
        Some(TableColumn {
            name: text(0),
            number: text(1).parse().ok()?,
            ty: of_backing(&text(2))?,
            not_null: yes(&row[3]),
            has_default: yes(&row[4]),
            identity: text(5),
            encoding: row[6].clone(),
            distkey: yes(&row[7]),
            sortkey: yes(&row[8]),
            key: yes(&row[9]),
        })
    };
    let found: Option<Vec<TableColumn>> = rows.into_iter().map(column).collect();
    Ok(found.ok_or_else(|| Refusal::double_lacks(format!("a type of table {}", table.name))))
}

//! The records that did not become rows: what they are, and a second try for them.

#[cfg(feature = "postgres")]
mod attempt;
#[cfg(feature = "parquet")]
mod folder;
mod one;
#[cfg(feature = "postgres")]
mod postgres;

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "postgres")]
use crate::front::stream::ChildTables;
#[cfg(feature = "postgres")]
use crate::load::PostgresOptions;
use crate::load::{Contract, KeptGroup, KeptRecord, Mode, OnChange, Rewrite, Selection};
use crate::records::{Format, Limits};
use crate::schema::Policy;

/// The quarantine of a table: on a Postgres server or a Redshift cluster, or in a folder.
///
/// A record that cannot become a row is kept with its bytes and the reason, by loads and by streams. What holds it up is
/// often not in the record: a hint was missing, a contract was too narrow, a column has been widened since. Then it
/// can be [replayed](Quarantine::replay).
///
/// ```no_run
/// use longshore::load::Selection;
/// use longshore::{Policy, Quarantine, Type};
///
/// let quarantine = Quarantine::new("postgres://localhost/shop", "orders");
/// for group in quarantine.groups(&Selection::default())? {
///     println!("{} × {} at {:?}", group.records, group.reason, group.path);
/// }
/// let report = quarantine.policy(Policy::default().hint("due", Type::Text)).replay(&Selection::default().path("due"))?;
/// println!("{} loaded, {} stay", report.loaded, report.left);
/// # Ok::<(), longshore::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Quarantine {
    url: Url,
    table: String,
    policy: Policy,
    contract: Contract,
    mode: Mode,
    limits: Limits,
    format: Option<Format>,
    #[cfg(feature = "postgres")]
    child_tables: ChildTables,
    #[cfg(feature = "postgres")]
    options: PostgresOptions,
}

/// A URL that is not shown: it may hold a password.
#[derive(Clone)]
struct Url(String);

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = self.0.split("://").next().unwrap_or_default();
        match self.0.strip_prefix("dir:") {
            Some(folder) => f.write_str(folder),
            None => write!(f, "{scheme}://…"),
        }
    }
}

/// What a replay did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplayReport {
    /// Records tried: loaded, deduplicated and left together.
    pub tried: u64,
    /// Records that are rows now.
    pub loaded: u64,
    /// Records that lost to a row, or to another record, with the same key: they are done with too.
    pub deduplicated: u64,
    /// Records that stay in quarantine.
    pub left: u64,
    /// Why they stay: what was found this time, each with its count.
    pub left_because: BTreeMap<String, u64>,
    /// The ids of the replay's loads in the ledger, one for each transaction that loaded something.
    pub load_ids: Vec<String>,
    /// The statements that made or changed the table, in the order in which they ran.
    pub altered: Vec<String>,
}

impl Quarantine {
    /// Names the table, as [`Loader::table`](crate::Loader::table) does, and where it is: `postgres://…`, `redshift://…` or
    /// `dir:PATH`.
    pub fn new(url: impl Into<String>, table: impl Into<String>) -> Self {
        Quarantine {
            url: Url(url.into()),
            table: table.into(),
            policy: Policy::default(),
            contract: Contract::default(),
            mode: Mode::default(),
            limits: Limits::default(),
            format: None,
            #[cfg(feature = "postgres")]
            child_tables: ChildTables::None,
            #[cfg(feature = "postgres")]
            options: PostgresOptions::default(),
        }
    }

    /// Sets what a replay takes the records for; its hints above all.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets what a replay may change the table to. By default it follows the records.
    #[must_use]
    pub fn contract(mut self, contract: Contract) -> Self {
        self.contract = contract;
        self
    }

    /// Sets what becomes of rows with the key of a record: [`Mode::Append`], the default, or [`Mode::Merge`] for a table that is
    /// merged by key.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the longest record and how deep objects are taken apart.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the format of records for which none was written down. Default: NDJSON.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// Sets which arrays of records become rows of child tables, as [`StreamOptions::child_tables`](crate::StreamOptions::child_tables)
    /// does. Default: all arrays, where the table has child tables, and every array of the records has its own among them; else
    /// arrays stay JSON.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn child_tables(mut self, which: ChildTables) -> Self {
        self.child_tables = which;
        self
    }

    /// Sets how long to wait for locks on a server, and the type of JSON columns.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn options(mut self, options: PostgresOptions) -> Self {
        self.options = options;
        self
    }

    /// What is in quarantine, by reason, path and source; the largest groups first. Records that were replayed, and those
    /// of loads whose rows were replaced since, are left out unless the selection says otherwise.
    ///
    /// # Errors
    ///
    /// Those of the server or the file system. A table that has no quarantine has no groups.
    pub fn groups(&self, selection: &Selection) -> Result<Vec<KeptGroup>> {
        match self.place()? {
            #[cfg(feature = "postgres")]
            Place::Postgres => self.connect()?.groups(selection),
            #[cfg(feature = "redshift")]
            Place::Redshift => crate::load::RedshiftQuarantine::connect(&self.url.0, &self.table)?.groups(selection),
            #[cfg(feature = "parquet")]
            Place::Folder(root) => {
                crate::load::FolderQuarantine::open(std::path::Path::new(&root), &self.table)?.groups(selection)
            }
        }
    }

    /// Whether there is such a table, or a load or a record of one: where not, its name may be misspelled, for nothing is in the
    /// quarantine of a table that nobody knows. On Redshift this is not looked up, and taken for true.
    ///
    /// # Errors
    ///
    /// Those of the server.
    pub fn is_known(&self) -> Result<bool> {
        match self.place()? {
            #[cfg(feature = "postgres")]
            Place::Postgres => self.connect()?.is_known(),
            #[cfg(feature = "redshift")]
            Place::Redshift => Ok(true),
            #[cfg(feature = "parquet")]
            Place::Folder(root) => crate::load::FolderQuarantine::is_known(std::path::Path::new(&root), &self.table),
        }
    }

    /// The first `limit` records that are selected, in the order in which they were kept, with their bytes. In a folder, and on
    /// Redshift, an id is a number within the quarantine of a load, so a load should be selected beside it.
    ///
    /// # Errors
    ///
    /// As [`groups`](Quarantine::groups).
    pub fn records(&self, selection: &Selection, limit: u32) -> Result<Vec<KeptRecord>> {
        match self.place()? {
            #[cfg(feature = "postgres")]
            Place::Postgres => self.connect()?.records(selection, limit),
            #[cfg(feature = "redshift")]
            Place::Redshift => {
                crate::load::RedshiftQuarantine::connect(&self.url.0, &self.table)?.records(selection, limit)
            }
            #[cfg(feature = "parquet")]
            Place::Folder(root) => {
                crate::load::FolderQuarantine::open(std::path::Path::new(&root), &self.table)?.records(selection, limit)
            }
        }
    }

    /// Tries the selected records again, with the table, the hints and the contract as they are now.
    ///
    /// Those that fit become rows, and are marked in the quarantine with the replay that loaded them; the others stay as
    /// they are. Rows, marks, changes to the table and a row in the ledger are one transaction, for about 64 MiB of records
    /// at a time, under the lock that loads into the table take. So two replays at once load nothing twice, and a replay
    /// that was interrupted can be repeated. What was cut off when it was kept, or is empty, stays.
    ///
    /// Into a table with [child tables](Quarantine::child_tables) a record comes with all its elements or not at all. Its rows
    /// have the ids that the stream would have given them.
    ///
    /// In a folder, the quarantine of each selected load is loaded as a load of its own, once, whose quarantine takes over what
    /// does not fit, also where nothing does; only whole loads can be selected, and none of CSV. What is no whole record goes there as it is.
    ///
    /// # Errors
    ///
    /// As [`Loader::load`](crate::Loader::load), [`Config`](crate::ErrorKind::Config) for a mode that neither adds nor merges, and
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for a contract that nulls values or has a policy for large tables, for any contract in a folder, and where a table has child tables,
    /// but it is not known whether an array without one is to become one. What earlier transactions of the replay have loaded stays loaded.
    pub fn replay(&self, selection: &Selection) -> Result<ReplayReport> {
        if !matches!(self.mode, Mode::Append | Mode::Merge(_)) {
            return Err(
                Error::config("a replay adds to its table or merges into it").with_hint("choose append or merge")
            );
        }
        self.check_contract()?;
        let report = match self.place()? {
            #[cfg(feature = "postgres")]
            Place::Postgres => self.replay_postgres(selection)?,
            #[cfg(feature = "redshift")]
            Place::Redshift => {
                return Err(Error::new(ErrorKind::Unsupported, "records in quarantine on Redshift are not replayed")
                    .with_hint("have them shown (`records`, `longshore quarantine show`), and load them as a file of their own"));
            }
            #[cfg(feature = "parquet")]
            Place::Folder(root) => self.replay_folder(&root, selection)?,
        };
        let ReplayReport { tried, loaded, left, .. } = report;
        tracing::info!(table = self.table, tried, loaded, left, "quarantine replayed");
        Ok(report)
    }

    /// A record is loaded whole or stays: what would take it apart is refused.
    fn check_contract(&self) -> Result<()> {
        let contract = &self.contract;
        let mut actions = [contract.columns, contract.types].into_iter().chain(contract.by_column.values().copied());
        let what = if actions.any(|action| action == OnChange::NullValue) {
            "a replay loads records whole, and cannot null values"
        } else if contract.rewrite != Rewrite::Allow {
            "a replay has no policy for large tables"
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Unsupported, what).with_hint("choose another contract for the replay"))
    }

    fn place(&self) -> Result<Place> {
        let url = self.url.0.as_str();
        #[cfg(feature = "postgres")]
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Place::Postgres);
        }
        #[cfg(feature = "redshift")]
        if url.starts_with("redshift://") {
            return Ok(Place::Redshift);
        }
        #[cfg(feature = "parquet")]
        if let Some(root) = url.strip_prefix("dir:") {
            return Ok(Place::Folder(root.to_owned()));
        }
        let _ = url;
        Err(Error::config("a quarantine is on a server or in a folder, and this is neither")
            .with_hint("write postgres://user@host/database, redshift://user@host:5439/database or dir:PATH"))
    }
}

/// Where a quarantine is.
enum Place {
    #[cfg(feature = "postgres")]
    Postgres,
    #[cfg(feature = "redshift")]
    Redshift,
    #[cfg(feature = "parquet")]
    Folder(String),
}

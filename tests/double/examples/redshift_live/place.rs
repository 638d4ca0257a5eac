//! The live cluster, as a place that the conformance suite runs on.

use longshore::load::{CopyAuthorization, RedshiftOptions, ScriptOptions, StageOptions, StageTarget};
use longshore::{Loader, Source};
use postgres::{Client, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::conformance::{Row, Warehouse};

/// What the program is told by its environment.
pub(crate) struct Settings {
    url: String,
    staging: String,
    role: CopyAuthorization,
}

impl Settings {
    /// Reads the environment; the error names what is missing.
    pub(crate) fn from_env() -> Result<Settings, String> {
        let variable = |name: &str| match std::env::var(name) {
            Ok(value) if !value.is_empty() => Ok(value),
            _ => Err(format!("{name} is not set, and this program needs a live cluster")),
        };
        let (url, staging) = (variable("LONGSHORE_REDSHIFT_URL")?, variable("LONGSHORE_REDSHIFT_STAGING")?);
        let role = match variable("LONGSHORE_REDSHIFT_ROLE")? {
            role if role == "default" => CopyAuthorization::DefaultRole,
            role => CopyAuthorization::Role(role),
        };
        Ok(Settings { url, staging, role })
    }

    /// A session of the program's own, by TLS unless the URL says `sslmode=disable`.
    fn session(&self) -> Result<Client, String> {
        let rest = self.url.strip_prefix("redshift://").ok_or("LONGSHORE_REDSHIFT_URL is no redshift:// URL")?;
        let mut config: Config = format!("postgresql://{rest}").parse().map_err(|_| "the URL cannot be read")?;
        if config.get_ports().is_empty() {
            config.port(5439);
        }
        if let (None, Ok(password)) = (config.get_password(), std::env::var("PGPASSWORD")) {
            config.password(password);
        }
        let connected = if rest.contains("sslmode=disable") {
            config.connect(NoTls)
        } else {
            let (connector, _) = MakeRustlsConnect::with_native_certs().map_err(|_| "no certificates are installed")?;
            config.connect(connector)
        };
        connected.map_err(|error| error.to_string())
    }
}

/// A session with the cluster, and the schema that everything happens in.
pub(crate) struct Live {
    settings: Settings,
    client: Client,
    schema: String,
}

impl Live {
    /// Connects and makes the schema.
    pub(crate) fn connect(settings: Settings) -> Result<Live, String> {
        let client = settings.session()?;
        let schema = format!("longshore_live_{}", std::process::id());
        let mut live = Live { settings, client, schema };
        live.try_rows(&format!("CREATE SCHEMA {}", live.schema))?;
        Ok(live)
    }

    /// A second session, for facts about two.
    pub(crate) fn second(&self) -> Result<Client, String> {
        self.settings.session()
    }

    /// Runs a statement; the error is `SQLSTATE: message`.
    pub(crate) fn try_rows(&mut self, sql: &str) -> Result<Vec<Row>, String> {
        rows_of(&mut self.client, sql)
    }

    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    /// Stages records as Parquet; a COPY of them into a table, as a statement. The files stay below the staging URL.
    pub(crate) fn copy_of(&self, records: &'static str, table: &str) -> Result<String, String> {
        let stage = StageOptions::new(self.settings.staging.clone()).map_err(|error| error.to_string())?;
        let options = ScriptOptions::new(stage);
        let loader = Loader::stage(options.clone()).table(table);
        let report = loader.load(Source::bytes(records)).map_err(|error| error.to_string())?;
        let found = StageTarget::find(&options, table, &report.load_id).map_err(|error| error.to_string())?;
        let manifest = found.and_then(|found| found.manifest).ok_or("nothing was staged")?;
        let role = match &self.settings.role {
            CopyAuthorization::Role(role) => format!("'{role}'"),
            _ => "default".to_owned(),
        };
        Ok(format!("COPY {table} FROM '{manifest}' IAM_ROLE {role} FORMAT AS PARQUET MANIFEST"))
    }

    pub(crate) fn clean_up(&mut self) {
        if let Err(error) = self.try_rows(&format!("DROP SCHEMA {} CASCADE", self.schema)) {
            eprintln!("warning: schema {} is left behind: {error}", self.schema);
        }
    }
}

/// The rows of a statement as texts.
pub(crate) fn rows_of(client: &mut Client, sql: &str) -> Result<Vec<Row>, String> {
    let answer = client.simple_query(sql).map_err(|error| match error.as_db_error() {
        Some(error) => format!("{}: {}", error.code().code(), error.message()),
        None => error.to_string(),
    })?;
    let row = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
        _ => None,
    };
    Ok(answer.into_iter().filter_map(row).collect())
}

impl Warehouse for Live {
    fn loader(&self, table: &str) -> Loader {
        let stage = StageOptions::new(self.settings.staging.clone()).expect("LONGSHORE_REDSHIFT_STAGING is a place");
        let options = RedshiftOptions::new(stage).with_authorization(self.settings.role.clone());
        Loader::redshift(self.settings.url.clone(), options).table(table)
    }

    fn rows(&mut self, sql: &str) -> Vec<Row> {
        self.try_rows(sql).unwrap_or_else(|error| panic!("{error}: {sql}"))
    }

    fn json(&self, column: &str) -> String {
        format!("JSON_SERIALIZE({column})")
    }

    fn table(&self, name: &str) -> String {
        format!("{}.{name}", self.schema)
    }
}

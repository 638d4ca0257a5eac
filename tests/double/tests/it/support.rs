//! A server, a double in front of it, and a session with the double.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use arrow_array::{ArrayRef, RecordBatch};
use longshore::load::{TempCluster, TempOptions};
use longshore_redshift_double::{BUCKET, Double};
use parquet::arrow::ArrowWriter;
use postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// One server for all tests of the process.
pub(crate) fn cluster() -> &'static TempCluster {
    static CLUSTER: OnceLock<TempCluster> = OnceLock::new();
    CLUSTER.get_or_init(|| TempCluster::start(TempOptions::for_tests()).expect("Postgres is installed"))
}

/// A double of its own, with a database of its own.
pub(crate) struct Warehouse {
    pub(crate) double: Double,
    pub(crate) database: String,
}

/// A session, and the INFO notices it got.
pub(crate) struct Session {
    client: Client,
    pub(crate) notices: Arc<Mutex<Vec<String>>>,
}

/// A database of its own, by its name.
pub(crate) fn new_database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let database = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut client = Client::connect(cluster().url(), NoTls).expect("the server answers");
    client.batch_execute(&format!("CREATE DATABASE {database}")).expect("a new database");
    database
}

/// The address of a database on the server itself.
pub(crate) fn database_url(database: &str) -> String {
    format!("postgres://postgres@127.0.0.1:{}/{database}", cluster().port())
}

impl Warehouse {
    pub(crate) fn start() -> Warehouse {
        Warehouse { database: new_database(), double: Double::start(cluster().port()).expect("a double") }
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.double.port()).user("awsuser").password("Secret1").dbname(&self.database);
        config
    }

    /// A plain session with the double.
    pub(crate) fn client(&self) -> Client {
        self.config().connect(NoTls).expect("the double answers")
    }

    pub(crate) fn session(&self) -> Session {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&notices);
        let mut config = self.config();
        config.notice_callback(move |notice| {
            heard.lock().unwrap().push(format!("{}: {}", notice.severity(), notice.message()));
        });
        Session { client: config.connect(NoTls).expect("the double answers"), notices }
    }

    /// Puts a Parquet file into the bucket and gives its entry of a manifest.
    pub(crate) fn put_parquet(&self, key: &str, columns: &[(&str, ArrayRef)]) -> serde_json::Value {
        let batch = RecordBatch::try_from_iter(columns.iter().map(|(name, array)| (*name, Arc::clone(array)))).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let url = self.put(key, &bytes);
        serde_json::json!({"url": url, "mandatory": true, "meta": {"content_length": bytes.len()}})
    }

    pub(crate) fn put(&self, key: &str, bytes: &[u8]) -> String {
        let url = format!("s3://{BUCKET}/{key}");
        self.double.s3().store().write(&url, bytes).unwrap();
        url
    }

    pub(crate) fn put_manifest(&self, key: &str, entries: &[serde_json::Value]) -> String {
        self.put(key, serde_json::json!({"entries": entries}).to_string().as_bytes())
    }
}

impl Session {
    /// The rows of a request as texts.
    pub(crate) fn rows(&mut self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.try_rows(sql).unwrap_or_else(|error| panic!("{error}: {sql}"))
    }

    pub(crate) fn try_rows(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        let answer = self.client.simple_query(sql).map_err(|error| shown(&error))?;
        let row = |message: SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
            _ => None,
        };
        Ok(answer.into_iter().filter_map(row).collect())
    }

    pub(crate) fn run(&mut self, sql: &str) {
        self.rows(sql);
    }

    /// The first value of the first row.
    pub(crate) fn value(&mut self, sql: &str) -> String {
        self.rows(sql)[0][0].clone().unwrap_or_else(|| "NULL".to_owned())
    }

    /// The error of a statement that must be refused, as `SQLSTATE: message (detail)`.
    pub(crate) fn refused(&mut self, sql: &str) -> String {
        match self.try_rows(sql) {
            Ok(_) => panic!("this was let through: {sql}"),
            Err(error) => error,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

fn shown(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => {
            let detail = error.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("{}: {}{detail}", error.code().code(), error.message())
        }
        None => format!("connection: {error}"),
    }
}

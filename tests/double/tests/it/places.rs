//! The places that the conformance suite runs on: Postgres, and the double.

use std::time::Duration;

use longshore::Loader;
use longshore::load::{RedshiftOptions, StageOptions};
use longshore_redshift_double::BUCKET;
use longshore_redshift_double::s3::{ACCESS_KEY, SECRET_KEY};
use postgres::{Client, NoTls, SimpleQueryMessage};

use crate::conformance::{Row, Warehouse};
use crate::support;

fn rows(client: &mut Client, sql: &str) -> Vec<Row> {
    let answer = client.simple_query(sql).unwrap_or_else(|error| panic!("{error:?}: {sql}"));
    let row = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
        _ => None,
    };
    answer.into_iter().filter_map(row).collect()
}

/// A database of a real Postgres.
pub(crate) struct Postgres {
    url: String,
    client: Client,
}

impl Postgres {
    pub(crate) fn start() -> Postgres {
        let url = support::database_url(&support::new_database());
        let mut client = Client::connect(&url, NoTls).expect("the server answers");
        client.batch_execute("CREATE SCHEMA s; SET TimeZone = 'UTC'").expect("a schema");
        Postgres { url, client }
    }
}

impl Warehouse for Postgres {
    fn loader(&self, table: &str) -> Loader {
        Loader::new(&self.url).table(table)
    }

    fn rows(&mut self, sql: &str) -> Vec<Row> {
        rows(&mut self.client, sql)
    }

    fn json(&self, column: &str) -> String {
        format!("CAST({column} AS varchar)")
    }

    fn table(&self, name: &str) -> String {
        format!("s.{name}")
    }
}

/// The double, reached as a user reaches Redshift: through files in an object store.
pub(crate) struct Redshift {
    pub(crate) warehouse: support::Warehouse,
    client: Client,
}

impl Redshift {
    pub(crate) fn start() -> Redshift {
        let warehouse = support::Warehouse::start();
        let client = warehouse.client();
        let mut place = Redshift { warehouse, client };
        place.rows("CREATE SCHEMA s");
        place
    }

    /// Options for a loader: staged in the double's S3 server.
    pub(crate) fn options(&self) -> RedshiftOptions {
        let stage = StageOptions::new(format!("s3://{BUCKET}/loads")).expect("a place to stage");
        let stage =
            stage.with_endpoint(self.warehouse.double.s3().endpoint()).with_access_key(ACCESS_KEY, SECRET_KEY, None);
        RedshiftOptions::new(stage).with_retry_for(Duration::from_secs(60))
    }

    pub(crate) fn url(&self) -> String {
        format!("{}?sslmode=disable", self.warehouse.double.url(&self.warehouse.database))
    }

    /// A session with the server behind the double, past its rules.
    pub(crate) fn behind(&self) -> Client {
        Client::connect(&support::database_url(&self.warehouse.database), NoTls).expect("the server answers")
    }
}

impl Warehouse for Redshift {
    fn loader(&self, table: &str) -> Loader {
        Loader::redshift(self.url(), self.options()).table(table)
    }

    fn rows(&mut self, sql: &str) -> Vec<Row> {
        rows(&mut self.client, sql)
    }

    fn json(&self, column: &str) -> String {
        format!("JSON_SERIALIZE({column})")
    }

    fn table(&self, name: &str) -> String {
        format!("s.{name}")
    }

    fn statements(&self) -> Vec<String> {
        self.warehouse.double.statements()
    }
}

/// Runs every promise and names those that are not kept. Behind one that is not, the next has a place of its own.
fn suite(start: impl Fn() -> Box<dyn Warehouse>) -> Box<dyn Warehouse> {
    let mut broken = Vec::new();
    let mut place = start();
    for (name, promise) in crate::conformance::PROMISES {
        let kept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| promise(place.as_mut())));
        if kept.is_err() {
            broken.push(*name);
            place = start();
        }
    }
    assert!(
        broken.is_empty(),
        "{} of {} promises are not kept: {broken:#?}",
        broken.len(),
        crate::conformance::PROMISES.len()
    );
    place
}

#[test]
fn postgres_keeps_every_promise() {
    drop(suite(|| Box::new(Postgres::start())));
}

#[test]
fn redshift_keeps_every_promise_with_statements_that_a_second_grammar_reads() {
    let place = suite(|| Box::new(Redshift::start()));
    let mut sent = place.statements();
    sent.sort();
    sent.dedup();
    assert!(sent.len() > 100, "only {} statements were sent", sent.len());
    for (sql, refused) in sent.iter().zip(crate::grammar::refusals(&sent)) {
        assert!(refused.is_none(), "refused: {}\n{sql}", refused.unwrap_or_default());
    }
}

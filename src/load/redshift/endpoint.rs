//! From a `redshift://` URL to a session.

use std::time::Duration;

use super::error::Failure;
use super::session::Session;
use crate::error::{Error, Result};
use crate::load::postgres::PostgresOptions;
use crate::load::session::Endpoint as PostgresEndpoint;

/// Where the server listens unless the URL says otherwise.
const PORT: u16 = 5439;

/// Where to connect.
#[derive(Debug)]
pub(super) struct Endpoint(PostgresEndpoint);

impl Endpoint {
    pub(super) fn parse(url: &str) -> Result<Self> {
        // There is no view by which another session could tell that this one is at work.
        let options = PostgresOptions { silence_timeout: Duration::MAX, ..PostgresOptions::default() };
        Ok(Endpoint(PostgresEndpoint::parse(&postgres_url(url)?, options)?))
    }

    pub(super) fn connect(&self) -> Result<Session, Failure> {
        Ok(Session::new(self.0.connect()?))
    }
}

/// The same URL for the Postgres client: its scheme, Redshift's port, and TLS unless it is said to do without.
fn postgres_url(url: &str) -> Result<String> {
    let rest = url.strip_prefix("redshift://").ok_or_else(|| {
        Error::config("the connection string is no redshift:// URL")
            .with_hint("write redshift://user@host:5439/database")
    })?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    // In `[::1]:5439` the port stands behind the bracket.
    let has_port = host.rsplit(']').next().unwrap_or_default().contains(':');
    let port = if has_port { String::new() } else { format!(":{PORT}") };
    let says_tls = behind.split(['?', '&']).skip(1).any(|parameter| parameter.starts_with("sslmode="));
    let tls = match (says_tls, behind.contains('?')) {
        (true, _) => "",
        (false, true) => "&sslmode=require",
        (false, false) => "?sslmode=require",
    };
    Ok(format!("postgres://{authority}{port}{behind}{tls}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redshift_url_has_its_own_port_and_asks_for_tls() {
        let cases = [
            ("redshift://u@h/d", "postgres://u@h:5439/d?sslmode=require"),
            ("redshift://u:p@h:1/d", "postgres://u:p@h:1/d?sslmode=require"),
            ("redshift://h", "postgres://h:5439?sslmode=require"),
            ("redshift://[::1]/d?sslmode=disable", "postgres://[::1]:5439/d?sslmode=disable"),
            ("redshift://u@h/d?connect_timeout=5", "postgres://u@h:5439/d?connect_timeout=5&sslmode=require"),
        ];
        for (url, expected) in cases {
            assert_eq!(postgres_url(url).unwrap(), expected);
        }
        assert!(!postgres_url("postgres://u:hunter2@h/d").unwrap_err().to_string().contains("hunter2"));
    }
}
